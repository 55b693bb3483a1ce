"""Normalisations, over the rows, over each row and over groups of channels."""

from __future__ import annotations

from chainrule.check.diagnosis.kinds.kind import Kind

TRAINING = {"mode": "train"}
NORM = {
    "x": "dxhat = dout * gamma;  dx = (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)) / sqrt(var + eps)",
    "gamma": "dgamma = (dout * xhat).sum(axis=0)",
    "beta": "dbeta = dout.sum(axis=0)",
}
LAYER_NORM = {
    **NORM,
    "x": "dxhat = dout * gamma;  dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / std, means over each row",
}
MAPS_NORM = {
    "x": "the same as batch normalisation, with means over every axis that is normalised together",
    "gamma": "dgamma = (dout * xhat).sum(axis=(0, 2, 3))",
    "beta": "dbeta = dout.sum(axis=(0, 2, 3))",
}

KINDS: tuple[Kind, ...] = (
    Kind(
        "group norm",
        r"group_?norm",
        ("x", "gamma", "beta", "G", "gn_param"),
        tuple(
            (
                {"x": (3, 6, 2, 3), "gamma": p(6), "beta": p(6), "G": 2, "gn_param": {}},
                {"x": (2, 6, 3, 2), "gamma": p(6), "beta": p(6), "G": 3, "gn_param": {}},
            )
            for p in (lambda c: (1, c, 1, 1), lambda c: (c,))
        ),
        MAPS_NORM,
        options=("eps",),
    ),
    Kind(
        "spatial batch norm",
        r"spatial_?(batch|bn)|(batch_?norm|bn)_?2d",
        ("x", "gamma", "beta", "bn_param"),
        (
            (
                {"x": (3, 2, 4, 3), "gamma": (2,), "beta": (2,), "bn_param": TRAINING},
                {"x": (2, 4, 3, 3), "gamma": (4,), "beta": (4,), "bn_param": TRAINING},
            ),
        ),
        MAPS_NORM,
        options=("eps",),
    ),
    Kind(
        "instance norm",
        r"instance_?norm",
        ("x", "gamma", "beta"),
        (({"x": (3, 2, 4, 3), "gamma": (2,), "beta": (2,)}, {"x": (2, 4, 3, 3), "gamma": (4,), "beta": (4,)}),),
        MAPS_NORM,
        options=("eps",),
    ),
    Kind(
        "layer norm",
        r"layer_?norm|^ln",
        ("x", "gamma", "beta", "ln_param"),
        (
            (
                {"x": (3, 6), "gamma": (6,), "beta": (6,), "ln_param": {}},
                {"x": (5, 7), "gamma": (7,), "beta": (7,), "ln_param": {}},
            ),
        ),
        LAYER_NORM,
        options=("eps",),
    ),
    Kind(
        "rms norm",
        r"rms_?norm",
        ("x", "gamma"),
        (({"x": (3, 6), "gamma": (6,)}, {"x": (5, 7), "gamma": (7,)}),),
        {"x": "dx = (dxhat - xhat * mean(dxhat * xhat)) / rms, dxhat = dout * gamma", "gamma": NORM["gamma"]},
        options=("eps",),
    ),
    Kind(
        "batch norm",
        r"batch_?norm|^bn|norm",
        ("x", "gamma", "beta", "bn_param"),
        (
            (
                {"x": (6, 3), "gamma": (3,), "beta": (3,), "bn_param": TRAINING},
                {"x": (5, 4), "gamma": (4,), "beta": (4,), "bn_param": TRAINING},
            ),
            ({"x": (6, 3), "gamma": (1, 3), "beta": (1, 3), "bn_param": TRAINING},),
        ),
        NORM,
        options=("eps",),
    ),
)
