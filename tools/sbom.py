"""Write the bill of materials: what an installation of chainrule brings with it, in CycloneDX JSON.

    python tools/sbom.py                      docs/sbom.json anew, of the packages that are installed here
    python tools/sbom.py --from raw.json      of what cyclonedx-py said before

`cyclonedx-py` describes the whole environment; kept are the declared runtime dependencies and what they need, with
versions and licences. Extras and the tools of development are left out. `make sbom` installs cyclonedx-py first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "sbom.json"


def normalized(name: str) -> str:
    """A package's name as the index spells it."""
    return name.lower().replace("_", "-").replace(".", "-")


def declared() -> list[str]:
    """The runtime dependencies of pyproject.toml, as they are written there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return list(project["dependencies"])


def closure(requirements: list[str]) -> set[str]:
    """The names of the packages that `requirements` bring, on this machine, without extras."""
    from packaging.requirements import Requirement

    found, todo = set[str](), [Requirement(text) for text in requirements]
    while todo:
        wanted = todo.pop()
        name = normalized(wanted.name)
        if name in found or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        todo += [Requirement(text) for text in metadata.requires(name) or []]
    return found


def described() -> dict[str, Any]:
    """The whole environment, as cyclonedx-py describes it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "raw.json"
        command = [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", ROOT / "pyproject.toml"),
            *(
                "--mc-type",
                "library",
                "--output-reproducible",
                "--sv",
                "1.6",
                "--of",
                "JSON",
                "-o",
                out,
                sys.executable,
            ),
        ]
        subprocess.run(command, check=True)
        bom: dict[str, Any] = json.loads(out.read_text("utf-8"))
        return bom


def pruned(bom: dict[str, Any], names: set[str], direct: set[str]) -> dict[str, Any]:
    """`bom` with the components called `names` alone; the root depends on those called `direct`."""
    kept = [c for c in bom["components"] if normalized(c["name"]) in names]
    refs = {c["bom-ref"]: normalized(c["name"]) for c in kept}
    root = bom["metadata"]["component"]["bom-ref"]
    dependencies = []
    for entry in bom["dependencies"]:
        if entry["ref"] in refs or entry["ref"] == root:
            on = [r for r in entry.get("dependsOn", []) if r in refs and (entry["ref"] != root or refs[r] in direct)]
            dependencies.append({"ref": entry["ref"], "dependsOn": on} if on else {"ref": entry["ref"]})
    return {**bom, "components": kept, "dependencies": dependencies}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="raw", type=Path)
    options = parser.parse_args()
    from packaging.requirements import Requirement

    bom = described() if options.raw is None else json.loads(options.raw.read_text("utf-8"))
    direct = {normalized(Requirement(text).name) for text in declared()}
    found = pruned(bom, closure(declared()), direct)
    PAGE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{PAGE}: {len(found['components'])} packages, {len(direct)} of them declared")
    return 0


if __name__ == "__main__":
    sys.exit(main())
