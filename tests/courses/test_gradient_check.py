"""Numerical gradients: right, in place, restored whatever happens, printed as the notebooks know them."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.courses import comp540, cs189, cs231n, eecs598
from chainrule.errors import DTypeError

MODULES = [e.gradient_check for e in (cs231n.edition(2018), eecs598.edition(2019), comp540.edition(2018))]
MODULES.append(cs189.edition(2018).gradient_check)
check = MODULES[0]


@pytest.mark.parametrize("module", MODULES)
def test_gradient_of_a_number(module, capsys):
    x = np.random.default_rng(0).normal(size=(2, 3))
    seen = []

    def f(given):
        seen.append(given)
        return np.sum(given**3)

    np.testing.assert_allclose(module.eval_numerical_gradient(f, x, verbose=False), 3 * x**2, rtol=1e-6)
    assert all(given is x for given in seen)  # perturbed in place: f may ignore its argument
    assert capsys.readouterr().out == ""
    module.eval_numerical_gradient(f, x, True, 1e-5)
    assert capsys.readouterr().out.startswith("(0, 0) ")


@pytest.mark.parametrize("module", MODULES)
def test_gradient_of_an_array(module):
    x, before = np.arange(4.0).reshape(2, 2), np.arange(4.0).reshape(2, 2)
    dout = np.random.default_rng(1).normal(size=(2, 2))
    got = module.eval_numerical_gradient_array(lambda a: a @ a, x, dout, h=1e-5)
    np.testing.assert_allclose(got, dout @ x.T + x.T @ dout, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(x, before)


def test_an_output_that_is_one_buffer_may_be_reused():
    buffer = np.zeros(2)

    def f(a):
        np.multiply(a, 3, out=buffer)
        return buffer

    np.testing.assert_allclose(check.eval_numerical_gradient_array(f, np.ones(2), np.ones(2)), [3, 3])


@pytest.mark.parametrize("name", ["eval_numerical_gradient", "eval_numerical_gradient_array", "grad_check_sparse"])
def test_x_is_restored_after_an_error(name):
    x = np.array([1.0, 2.0])

    def f(given):
        raise RuntimeError("no")

    third = [] if name == "eval_numerical_gradient" else [np.ones(2)]
    with pytest.raises(RuntimeError):
        getattr(check, name)(f, x, *third)
    assert x.tolist() == [1.0, 2.0]


def test_blobs():
    a, b = (SimpleNamespace(vals=np.array(v), diffs=np.zeros(2)) for v in ([1.0, 2.0], [3.0, 5.0]))
    out = SimpleNamespace(vals=np.zeros(2), diffs=np.array([1.0, -2.0]))

    def forward(*blobs):
        out.vals[...] = a.vals * b.vals

    for got in (
        check.eval_numerical_gradient_blobs(lambda x, y, z: forward(), (a, b), out),
        check.eval_numerical_gradient_net(SimpleNamespace(forward=forward), (a, b), out),
    ):
        np.testing.assert_allclose(got[0], [3.0, -10.0])
        np.testing.assert_allclose(got[1], [1.0, -4.0])
    assert a.vals.tolist() == [1.0, 2.0]


def test_sparse_checks(capsys):
    random.seed(0)
    x = np.random.default_rng(2).normal(size=(3, 4))
    check.grad_check_sparse(lambda a: np.sum(a**2), x, 2 * x, num_checks=5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(float(line.rpartition(" ")[2]) < 1e-7 for line in lines)
    random.seed(0)
    row, column = random.randrange(3), random.randrange(4)
    assert lines[0].startswith(f"numerical: {2 * x[row, column]:f} analytic: {2 * x[row, column]:f}, relative error: ")
    check.grad_check_sparse(lambda a: 0.0, x, 0 * x)
    assert "nan" not in capsys.readouterr().out


@pytest.mark.parametrize("x", [np.arange(3), [1.0, 2.0], 3.0])
def test_x_must_be_changeable(x):
    with pytest.raises(DTypeError):
        check.eval_numerical_gradient(np.sum, x)
    frozen = np.ones(2)
    frozen.flags.writeable = False
    with pytest.raises(DTypeError):
        check.eval_numerical_gradient_array(np.sum, frozen, 1.0)
