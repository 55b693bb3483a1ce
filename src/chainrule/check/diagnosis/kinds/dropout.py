"""Dropout, as the courses write it: the mode, the probability and the seed in a dictionary."""

from __future__ import annotations

from chainrule.check.diagnosis.kinds.kind import Kind

_DROPS = tuple(
    {"x": shape, "dropout_param": {"mode": mode, "p": p, "seed": 123}, "p": p, "mode": mode}
    for shape, mode, p in (((5, 6), "train", 0.7), ((6, 7), "train", 0.6), ((3, 4), "test", 0.7))
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "dropout",
        r"drop",
        ("x", "dropout_param"),
        (_DROPS,),
        {"x": "dx = dout * mask, the mask that forward scaled"},
        options=("p", "mode"),
        elementwise=True,
    ),
)
