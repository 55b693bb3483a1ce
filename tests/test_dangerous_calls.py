"""Nothing in the package runs what a file says: no pickle, eval, shell and their kin but where a reason stands here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "chainrule"

#: Calls that execute, unpickle, or unpack whatever they are given.
DANGEROUS = {
    "eval", "exec", "compile", "__import__", "breakpoint",
    "os.system", "os.popen", "os.execv", "os.execve", "os.execvp", "os.execvpe", "os.spawnv", "os.posix_spawn",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.load", "cPickle.loads", "dill.load", "dill.loads",
    "cloudpickle.load", "cloudpickle.loads", "joblib.load", "shelve.open", "marshal.load", "marshal.loads",
    "numpy.load", "np.load", "pandas.read_pickle", "pd.read_pickle", "torch.load", "scipy.io.loadmat", "loadmat",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "runpy.run_path", "runpy.run_module", "code.interact",
    "importlib.import_module", "importlib.util.spec_from_file_location", "tempfile.mktemp", "ctypes.CDLL",
    "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "subprocess.getoutput", "ssl._create_unverified_context", "xml.etree.ElementTree.parse",
}  # fmt: skip
#: Methods by their name alone, whatever they are called on.
METHODS = {"extractall", "exec_module", "unsafe_load", "find_class"}

#: (file, call): why it is no hole. A line whose call has gone must go too.
ALLOWED = {
    ("__init__.py", "importlib.import_module"): "modules of this package, by names written in the file",
    ("data/__init__.py", "importlib.import_module"): "modules of this package, by names written in the file",
    ("courses/course.py", "importlib.import_module"): "modules of this package, by names of a closed list",
    ("courses/install.py", "importlib.import_module"): "modules of this package, by names of a closed list",
    ("files.py", "ctypes.CDLL"): "the C library of this process, for one system call",
    ("typed.py", "eval"): "annotations of the package's own functions, which are text in its own files",
    ("check/diagnosis/file_check.py", "subprocess.Popen"): "the user's own file, which gradcheck is asked to run",
    ("check/diagnosis/file_check.py", "np.load"): "allow_pickle=False, of what the child process answers",
    (
        "check/diagnosis/child.py",
        "importlib.util.spec_from_file_location",
    ): "the user's own file, in a process of its own",
    ("check/diagnosis/child.py", "exec_module"): "the user's own file, in a process of its own",
    ("bench/jax_peer.py", "importlib.import_module"): "a library that is installed, by a name written in the file",
    ("bench/torch_peer.py", "importlib.import_module"): "a library that is installed, by a name written in the file",
    ("bench/worker.py", "importlib.import_module"): "modules of this package, by names of a closed list",
    ("bench/measure.py", "subprocess.run"): "this package's own worker, by a list of arguments",
    ("check/diagnosis/repair.py", "exec"): "the user's own function, changed in one place",
    ("check/diagnosis/repair.py", "compile"): "the user's own function, changed in one place",
    ("reproduce/runner.py", "subprocess.Popen"): "this package's own worker, by a list of arguments",
    ("search/searching.py", "subprocess.Popen"): "this package's own worker, by a list of arguments",
}
#: Folders whose purpose is to run foreign code, in a sandbox of their own.
SANDBOXES = {"grade": "submissions, under the limits of docs/grade.md"}


def dotted(node: ast.AST) -> str:
    """The name of what is called, as it is written: `np.load`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def imported_as(tree: ast.AST) -> dict[str, str]:
    """What each name stands for that an import gives: `from pickle import loads as l` makes l pickle.loads."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.asname: a.name for a in node.names if a.asname}
    return names


def found_in(text: str) -> list[tuple[int, str]]:
    """The dangerous calls and references of a source file, with their lines."""
    tree = ast.parse(text)
    names, found = imported_as(tree), []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and isinstance(getattr(node, "ctx", None), ast.Load):
            written = dotted(node)
            first, dot, rest = written.partition(".")
            meant = f"{names.get(first, first)}{dot}{rest}"
            if written in DANGEROUS or meant in DANGEROUS:
                found.append((node.lineno, written))
            elif isinstance(node, ast.Attribute) and node.attr in METHODS:
                found.append((node.lineno, node.attr))
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                on = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
                if keyword.arg in ("shell", "allow_pickle") and on:
                    found.append((node.lineno, f"{keyword.arg}="))
    return found


def test_nothing_runs_what_a_file_says() -> None:
    refused, used = [], set()
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.split("/")[0] in SANDBOXES:
            continue
        for line, call in found_in(path.read_text("utf-8")):
            if (name, call) in ALLOWED:
                used.add((name, call))
            else:
                refused.append(f"{name}:{line}: {call}")
    assert refused == []
    assert set(ALLOWED) - used == set(), "allowed, and not there any more"


def test_arrays_are_loaded_without_pickles() -> None:
    """`np.load` where it is allowed says so, whatever the default of a version is."""
    for name, call in ALLOWED:
        if call == "np.load":
            calls = [n for n in ast.walk(ast.parse((SOURCE / name).read_text("utf-8"))) if isinstance(n, ast.Call)]
            loads = [c for c in calls if dotted(c.func) == "np.load"]
            assert all(any(k.arg == "allow_pickle" for k in c.keywords) for c in loads)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle; pickle.load(f)",
        "from pickle import loads as l; l(b)",
        "import pickle as p; p.Unpickler(f)",
        "class U(__import__('pickle').Unpickler): pass",
        "run = eval; run('1')",
        "exec(text)",
        "import os; os.system('x')",
        "from os import system; system('x')",
        "import subprocess; subprocess.run('x', shell=True)",
        "start('x', shell=flag)",
        "import numpy as np; np.load(f)",
        "import numpy; numpy.load(f, allow_pickle=True)",
        "import yaml; yaml.load(f)",
        "import marshal; marshal.loads(b)",
        "import tarfile; tarfile.open(f).extractall(d)",
        "import scipy.io; scipy.io.loadmat(f)",
        "from scipy.io import loadmat; loadmat(f)",
        "import torch; torch.load(f)",
        "import importlib; importlib.import_module(name)",
    ],
)
def test_what_is_planted_is_found(line: str) -> None:
    assert found_in(line)


@pytest.mark.parametrize(
    "line", ["json.loads(b)", "re.compile('x')", "np.save(f, a, allow_pickle=False)", "self.load(f)", "pickle.dumps(a)"]
)
def test_what_is_harmless_is_let_be(line: str) -> None:
    assert not found_in(line)
