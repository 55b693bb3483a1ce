"""Convolutions and pools, and the blocks that begin with a convolution."""

from __future__ import annotations

from chainrule.check.diagnosis.kinds.cases import IMAGES
from chainrule.check.diagnosis.kinds.kind import Kind
from chainrule.check.diagnosis.kinds.normalization import MAPS_NORM, TRAINING

CONV = {
    "x": "dx_padded[n, :, i*s:i*s+HH, j*s:j*s+WW] += w[f] * dout[n, f, i, j];  dx = dx_padded without the padding",
    "w": "dw[f] += x_padded[n, :, i*s:i*s+HH, j*s:j*s+WW] * dout[n, f, i, j]",
    "b": "db = dout.sum(axis=(0, 2, 3))",
}
_POOLS = tuple(
    {
        "x": shape,
        "pool_param": {"pool_height": h, "pool_width": w, "stride": s},
        "stride": s,
        "size": h,
    }
    for shape, h, w, s in (((2, 3, 4, 6), 2, 2, 2), ((2, 2, 5, 5), 3, 3, 2), ((3, 2, 4, 6), 2, 3, 2))
)
_POOLS_LAST = tuple(
    {"x": shape, "pool_param": {"f": k, "stride": s, "pad": 0}}
    for shape, k, s in (((2, 4, 6, 3), 2, 2), ((2, 5, 5, 2), 3, 2))
)
_CONVS = tuple(
    {"x": x, "w": w, "b": (w[0],), "conv_param": {"stride": s, "pad": p}, "stride": s, "pad": p}
    for x, w, s, p in (((3, 2, 3, 4), (4, 2, 3, 3), 1, 1), ((2, 3, 5, 4), (2, 3, 3, 2), 2, 1))
)
_CONVS_LAST = tuple(
    {"x": x, "w": w, "b": (1, 1, 1, w[3]), "conv_param": {"stride": s, "pad": p}}
    for x, w, s, p in (((3, 3, 4, 2), (3, 3, 2, 4), 1, 1), ((2, 5, 5, 3), (3, 3, 3, 2), 2, 1))
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "conv-relu-pool",
        r"conv.*pool",
        ("x", "w", "b", "conv_param", "pool_param"),
        (
            (
                {
                    "x": (2, 2, 4, 6),
                    "w": (3, 2, 3, 3),
                    "b": (3,),
                    "conv_param": {"stride": 1, "pad": 1},
                    "pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2},
                },
            ),
        ),
        CONV,
    ),
    Kind(
        "conv-bn-relu",
        r"conv_?(bn|batch)",
        ("x", "w", "b", "gamma", "beta", "conv_param", "bn_param"),
        (
            (
                {
                    "x": (3, 2, 3, 4),
                    "w": (4, 2, 3, 3),
                    "b": (4,),
                    "gamma": (4,),
                    "beta": (4,),
                    "conv_param": {"stride": 1, "pad": 1},
                    "bn_param": TRAINING,
                },
            ),
        ),
        {**CONV, **MAPS_NORM},
    ),
    Kind("conv", r"conv", ("x", "w", "b", "conv_param"), (_CONVS, _CONVS_LAST), CONV, options=("stride", "pad")),
    Kind(
        "max pool",
        r"max_?pool|^pool",
        ("x", "pool_param"),
        (_POOLS, _POOLS_LAST),
        {"x": "dx[window][first maximum] += dout[n, c, i, j]"},
        options=("stride", "size"),
    ),
    Kind("global average pool", r"(global|gap)", ("x",), (IMAGES,), {"x": "dx = dout / (H * W) at every pixel"}),
    Kind(
        "average pool",
        r"(avg|average|mean)_?pool",
        ("x", "pool_param"),
        (_POOLS, _POOLS_LAST),
        {"x": "dx[window] += dout[n, c, i, j] / (HH * WW)"},
        options=("stride", "size"),
    ),
)
