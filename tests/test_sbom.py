"""docs/sbom.json: exactly what an installation brings, each with its version and its licence."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "sbom.py"
spec = importlib.util.spec_from_file_location("sbom_tool", TOOL)
assert spec is not None
assert spec.loader is not None
sbom = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sbom)

BOM = json.loads(sbom.PAGE.read_text("utf-8"))
NAMES = {sbom.normalized(c["name"]): c for c in BOM["components"]}
requirements = pytest.importorskip("packaging.requirements")
DECLARED = [requirements.Requirement(text) for text in sbom.declared()]


def test_it_is_cyclonedx() -> None:
    assert (BOM["bomFormat"], BOM["specVersion"]) == ("CycloneDX", "1.6")
    assert BOM["metadata"]["component"]["name"] == "chainrule"


def test_the_root_depends_on_exactly_what_is_declared() -> None:
    root = next(e for e in BOM["dependencies"] if e["ref"] == BOM["metadata"]["component"]["bom-ref"])
    refs = {c["bom-ref"]: sbom.normalized(c["name"]) for c in BOM["components"]}
    assert sorted(refs[ref] for ref in root["dependsOn"]) == sorted(sbom.normalized(r.name) for r in DECLARED)


def test_versions_are_those_that_are_allowed() -> None:
    for requirement in DECLARED:
        version = NAMES[sbom.normalized(requirement.name)]["version"]
        assert requirement.specifier.contains(version, prereleases=True), (requirement, version)


def test_every_component_is_needed_and_names_version_and_licence() -> None:
    reached, todo = set[str](), [BOM["metadata"]["component"]["bom-ref"]]
    edges = {e["ref"]: e.get("dependsOn", []) for e in BOM["dependencies"]}
    while todo:
        for ref in edges.get(todo.pop(), []):
            if ref not in reached:
                reached.add(ref)
                todo.append(ref)
    assert reached == {c["bom-ref"] for c in BOM["components"]}
    for component in BOM["components"]:
        assert component["version"]
        assert component["purl"] == f"pkg:pypi/{sbom.normalized(component['name'])}@{component['version']}"
        assert any(_licence(entry) for entry in component.get("licenses", [])), component["name"]


def _licence(entry: dict[str, Any]) -> str:
    return str(entry.get("expression") or entry["license"].get("id") or entry["license"].get("name") or "")


def test_what_is_installed_here_needs_nothing_that_is_not_listed() -> None:
    extra = sbom.closure(sbom.declared()) - NAMES.keys()
    assert extra <= {"colorama", "tzdata", "typing-extensions", "exceptiongroup"}, extra  # of other systems and Pythons
