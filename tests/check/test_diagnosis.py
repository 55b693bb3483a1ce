"""Diagnoses: every planted fault is found and named, no sound file raises an alarm, odd code gets one clean line."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.check import HYPOTHESES, KINDS, Diagnosis, diagnose, find_checks, gradcheck_file
from chainrule.check.diagnosis.text import BLOCKS
from chainrule.errors import ConfigError, DataError, DTypeError

ROOT = Path(__file__).resolve().parent.parent.parent


def _tool():
    spec = importlib.util.spec_from_file_location("gradcheck_faults", ROOT / "tools" / "gradcheck_faults.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
SOUND, FAULTS = TOOL.correct(), TOOL.faults()


# -- the planted faults -----------------------------------------------------------------------------------------------


def test_there_are_enough_of_both():
    planted = [f for f in FAULTS if not f.held_out]
    assert len(planted) >= 60
    assert len(SOUND) >= 60
    assert len([f for f in FAULTS if f.held_out]) >= 12
    assert {cause for f in planted for cause in f.causes} <= {h.name for h in HYPOTHESES}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_raises_no_alarm(name, tmp_path):
    found = TOOL.check(SOUND[name], tmp_path, name)
    assert found
    for diagnosis in found:
        assert diagnosis.ok, diagnosis.report()
        assert diagnosis.causes == ()
        assert diagnosis.table
        assert not [n for n in diagnosis.notes if "could not be tested" in n]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_planted_fault_is_found_and_named(fault, tmp_path):
    found = TOOL.check(fault.apply(SOUND[fault.source]), tmp_path, fault.name)
    wrong = [d for d in found if d.verdict == "wrong"]
    assert wrong, "not found"
    assert wrong[0].causes
    assert not [n for n in wrong[0].notes if "could not be tested" in n]
    assert wrong[0].report().startswith(f"{wrong[0].name}")
    if not fault.held_out:  # those are counted on docs/results/gradcheck.md
        first = wrong[0].causes[0]
        assert first.name in fault.causes or TOOL.restores(first, SOUND[fault.source]), wrong[0].report()


# -- what a diagnosis says --------------------------------------------------------------------------------------------


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def unsummed_backward(dout, cache):
    dx, dw, _ = affine_backward(dout, cache)
    return dx, -dw, dout


def test_report_has_causes_equations_and_the_table():
    found = diagnose(affine_forward, unsummed_backward)
    assert (found.kind, found.verdict, found.ok) == ("affine", "wrong", False)
    assert {(c.name, c.arguments) for c in found.causes[:2]} == {("wrong-sign", ("w",)), ("missing-batch-sum", ("b",))}
    text = str(found)
    assert "correct: dw = -(yours)" in text
    assert "db has shape (5, 4); summed over axis 0 it is right" in text
    assert "WRONG: the gradient has shape (5, 4), b has (4,)" in text
    assert [row.argument for row in found.table] == ["x", "w", "b"]
    assert [row.right for row in found.table] == [True, False, False]
    assert found.table[1].got == pytest.approx(-found.table[1].expected)
    for cause in found.causes[:2]:
        assert cause.agreement < 1e-9


def test_heat_map_shows_where_the_errors_are():
    def backward(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        dx[2] *= 1.5
        return dx, dw, db

    found = diagnose(affine_forward, backward)
    errors = np.array(found.table[0].errors)
    assert (errors[2] > 0.1).all()
    assert (np.delete(errors, 2, axis=0) < 1e-8).all()
    lines = found.report().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  errors of dx"))
    rows = [line.split() for line in lines[start + 1 : start + 6]]
    assert rows[2] == [BLOCKS[3]] * 3
    assert rows[0] == [BLOCKS[0]] * 3
    assert "all errors of dx lie at 2 of axis 0" in found.report()


def test_json_and_back():
    found = diagnose(affine_forward, unsummed_backward)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["ok"] is False
    assert Diagnosis.from_json(plain).report() == found.report()


def test_stated_values_and_shapes_are_used():
    seen = []

    def forward(x, w, b):
        seen.append((x.shape, w.copy()))
        return affine_forward(x, w, b)

    w = np.arange(1.0, 13.0).reshape(6, 2)
    assert diagnose(forward, affine_backward, shapes={"x": (2, 6), "b": (2,)}, values={"w": w}).ok
    assert {shape for shape, _ in seen} == {(2, 6)}
    assert np.array_equal(seen[0][1], w)
    with pytest.raises(ConfigError, match="did you mean 'x'"):
        diagnose(affine_forward, affine_backward, shapes={"X": (2, 6)})
    with pytest.raises(ConfigError, match="shape of x must be an integer >= 1"):
        diagnose(affine_forward, affine_backward, shapes={"x": (0, 6)})


def test_unknown_functions_need_no_kind():
    found = diagnose(lambda p, q: (p * q, (p, q)), lambda dout, cache: (dout * cache[1], dout * cache[0]))
    assert (found.kind, found.ok) == (None, True)
    assert found.notes == ("shapes were found by trying",)
    wrong = diagnose(lambda p, q: (p * q, (p, q)), lambda dout, cache: (dout * cache[1], -dout * cache[0]))
    assert [(c.name, c.arguments) for c in wrong.causes[:1]] == [("wrong-sign", ("q",))]


def test_a_kind_can_be_stated():
    f, g = (lambda x: (np.maximum(x, 0), x)), (lambda dout, x: dout * (x < 0))
    found = diagnose(f, g, kind="relu", name="mine")
    assert (found.name, found.kind, found.causes[0].name) == ("mine", "relu", "inverted-mask")
    with pytest.raises(ConfigError, match="did you mean 'relu'"):
        diagnose(f, g, kind="rleu")
    assert {"affine", "conv", "batch norm"} <= {kind.name for kind in KINDS}


def test_several_outputs_have_a_cotangent_each():
    def split_forward(x):
        return np.sin(x), np.cos(x), x

    def split_backward(dsin, dcos, cache):
        return dsin * np.cos(cache) - dcos * np.sin(cache)

    assert diagnose(split_forward, split_backward).ok
    found = diagnose(split_forward, lambda dsin, dcos, cache: dsin * np.cos(cache) + dcos * np.sin(cache))
    assert found.verdict == "wrong"


def test_exceptions_of_the_code_are_findings_with_the_place():
    def backward(dout, cache):
        return cache["x"]

    found = diagnose(affine_forward, backward)
    assert (found.verdict, found.causes[0].name) == ("wrong", "raises")
    assert found.failure.startswith("TypeError: tuple indices must be integers")
    assert "test_diagnosis.py, line" in found.failure
    assert 'return cache["x"]' in found.failure


def test_no_arguments_that_fit_is_an_error_that_says_what_to_do():
    def forward(one, two):
        raise ValueError("never mind")

    with pytest.raises(
        ConfigError, match=r"no arguments for the forward pass forward\(one, two\).*never mind.*--shape"
    ):
        diagnose(forward, lambda dout, cache: dout)
    with pytest.raises(DTypeError, match="forward must be a function, a layer"):
        diagnose(3)
    with pytest.raises(DTypeError, match="backward must be a function"):
        diagnose(affine_forward, 3)


def test_hidden_gradients_cannot_be_told():
    found = diagnose(lambda x: (x + 1e16, x), lambda dout, x: dout, values={"x": np.array([1.0, 2.0, 3.0])})
    assert (found.verdict, found.ok, found.causes) == ("unknown", False, ())
    assert "cannot be told" in found.report()


def test_the_callers_random_numbers_and_objects_stay_as_they_are():
    np.random.seed(5)
    expected = np.random.rand(3)
    np.random.seed(5)
    made = np.random.default_rng

    class Scale:
        def __init__(self):
            self.W = np.full(3, 2.0)

        def forward(self, x):
            np.random.rand()
            self.x = x
            return x * self.W

        def backward(self, dout):
            self.dW = (dout * self.x).sum(axis=0)
            return dout * self.W

    scale = Scale()
    assert diagnose(scale).ok
    assert np.array_equal(np.random.rand(3), expected)
    assert np.random.default_rng is made
    assert scale.W.tolist() == [2.0, 2.0, 2.0]
    assert not hasattr(scale, "x")


@pytest.mark.parametrize("layer", [cr.Affine(3), cr.Conv2D(2, 3), cr.BatchNorm(), cr.PReLU()])
def test_layers_of_this_package_are_right(layer):
    assert diagnose(layer).ok


def test_find_checks_pairs_names():
    class Module:
        __name__ = __name__

    module = Module()
    module.affine_forward, module.affine_backward = affine_forward, affine_backward
    module.affine_backward_alt = unsummed_backward
    for function in (affine_forward, affine_backward, unsummed_backward):
        assert function.__module__ == __name__
    checks = find_checks(module)
    assert [c.name for c in checks] == ["affine_forward", "affine_forward/affine_backward_alt"]
    assert find_checks(module, "affine_backward")[0].backward is affine_backward
    assert find_checks(module, "affine")
    with pytest.raises(ConfigError, match="did you mean 'affine_forward'"):
        find_checks(module, "affin_forward")


# -- check_gradient names the cause -----------------------------------------------------------------------------------

W = np.random.default_rng(3).normal(size=(4, 3))
A = np.random.default_rng(4).normal(size=(5, 4))


@pytest.mark.parametrize(
    ("gradient", "words"),
    {
        "sign": (lambda dout: -A.T @ dout, "the sign is wrong: dW = -(yours)"),
        "transposed": (lambda dout: (A.T @ dout).T, "the gradient is transposed: dW = (yours).T"),
        "N": (lambda dout: A.T @ dout * 5, "the gradient is off by a constant factor: dW = (yours) / 5"),
        "one row": (lambda dout: A[-1:].T @ dout[-1:], "the sum over the batch is missing"),
        "nothing known": (lambda dout: A.T @ dout + np.arange(12.0).reshape(4, 3) ** 3, ""),
    }.values(),
    ids=["sign", "transposed", "N", "one row", "nothing known"],
)
def test_check_gradient_says_what_is_probably_wrong(gradient, words):
    report = cr.check_gradient(lambda w: A.astype(w.dtype) @ w, W, gradient, name="W")
    assert not report.ok
    assert report.cause.startswith(words)
    assert (f"; probably {words}" in str(report)) == bool(words)


def test_check_gradient_of_a_right_gradient_has_no_cause():
    assert cr.check_gradient(lambda w: A.astype(w.dtype) @ w, W, lambda dout: A.T @ dout).cause == ""


# -- files, in a process of their own ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "hangs": ("while True: pass", "not finished after 3 s"),
        "hangs in forward": (
            "def f_forward(x):\n    while True: pass\ndef f_backward(d, c): return d",
            "not finished after",
        ),
        "ends the process": ("import os; os._exit(7)", "the process ended itself with status 7"),
        "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        "syntax": ("def f(:", "cannot be imported: SyntaxError"),
        "exits": ("raise SystemExit('bye')", "cannot be imported: SystemExit: bye"),
        "import error": ("import no_such_module_at_all", "cannot be imported: ModuleNotFoundError"),
    }.values(),
    ids=lambda v: v[:12],
)
def test_files_that_hang_or_crash_are_one_line(text, words, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        gradcheck_file(path, timeout=3 if "finished" in words else 60)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_files_with_nothing_to_check_and_no_files(tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("x = 1")
    with pytest.raises(ConfigError, match="nothing to check was found"):
        gradcheck_file(path)
    with pytest.raises(DataError, match="no such file"):
        gradcheck_file(tmp_path / "none.py")


def test_a_file_may_print_what_it_likes_and_import_its_neighbours(tmp_path, capfd):
    (tmp_path / "helper_of_mine.py").write_text("def double(x): return 2 * x")
    path = tmp_path / "layer.py"
    path.write_text(
        "from helper_of_mine import double\nimport os\nprint('x' * 10**6)\nos.write(2, b'noise')\n"
        "def double_forward(x): return double(x), None\ndef double_backward(dout, cache): return double(dout)\n"
    )
    (found,) = gradcheck_file(path)
    assert (found.name, found.ok) == ("double_forward", True)
    assert capfd.readouterr() == ("", "")


def test_values_reach_the_child(tmp_path):
    path = tmp_path / "layer.py"
    path.write_text(
        "def f_forward(x, k, o):\n    assert k.tolist() == [1, 2] and o == {'a': {'b': 1.5}}\n    return x * 2, None\n"
        "def f_backward(dout, cache): return dout * 2, None, None\n"
    )
    options = {"values": {"k": np.array([1, 2]), "o": {"a": {"b": 1.5}}}, "shapes": {"x": (2, 3)}}
    (found,) = gradcheck_file(path, "f", **options)
    assert found.ok, found.report()
    assert found.table[0].shape == (2, 3)
