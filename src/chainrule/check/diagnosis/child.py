"""The child process of `gradcheck_file`: import the file, check it, write the findings as JSON.

python -m chainrule.check.diagnosis.child REQUEST.json ANSWER.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.check.diagnosis.discovery import find_checks
from chainrule.check.diagnosis.file_check import decode
from chainrule.check.diagnosis.findings import Diagnosis
from chainrule.check.diagnosis.naming import parameters_of
from chainrule.check.diagnosis.user_code import one_line
from chainrule.errors import ChainruleError, ConfigError, DataError

MODULE = "gradcheck_file"


def main(argv: Sequence[str] | None = None) -> int:
    """The child: read the request, check, write the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("question")
    parser.add_argument("answer")
    arguments = parser.parse_args(argv)
    request = json.loads(Path(arguments.question).read_text())
    try:
        checks = [d.to_json() for d in answer(request)]
        found: dict[str, Any] = {"checks": checks}
    except ChainruleError as error:
        found = {"error": str(error), "type": type(error).__name__}
    temporary = Path(f"{arguments.answer}.new")
    temporary.write_text(json.dumps(found, allow_nan=False))
    temporary.replace(arguments.answer)
    return 0


def answer(request: Mapping[str, Any]) -> list[Diagnosis]:
    """The diagnoses that a request asks for."""
    module = load_module(request["path"])
    checks = find_checks(module, request["name"])
    if request["backward"] is not None:
        backward = getattr(module, request["backward"], None)
        if not callable(backward):
            raise ConfigError(f"--backward: the file has no function {str(request['backward'])[:200]}")
        checks = [type(c)(c.name, c.forward, backward) for c in checks[:1]]
    shapes = {n: tuple(s) for n, s in request["shapes"].items()}
    values = {n: decode(v) for n, v in request["values"].items()}
    found = []
    for check in checks:
        try:
            # What an option states for one function of several, another need not have.
            own = [p.name for p in parameters_of(check.forward)] if len(checks) > 1 else [*shapes, *values]
            chosen = {n: s for n, s in shapes.items() if n in own}, {n: v for n, v in values.items() if n in own}
            found.append(check.diagnose(shapes=chosen[0], values=chosen[1], **request["options"]))
        except ConfigError as error:
            if len(checks) == 1:
                raise
            found.append(Diagnosis(check.name, None, "unknown", (), (), "none", (str(error),)))
    return found


def load_module(path: str | Path) -> Any:
    """The file as a module, with its folder on the path; what its import raises becomes a `DataError`."""
    path = Path(path)
    for folder in (path.parent.parent, path.parent):  # a file of a package finds its neighbours either way
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise DataError("is no Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"cannot be imported: {one_line(error)}") from error
    return module


if __name__ == "__main__":
    sys.exit(main())
