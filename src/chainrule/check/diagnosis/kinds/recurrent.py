"""Recurrent layers: one step, and all of them."""

from __future__ import annotations

from chainrule.check.diagnosis.kinds.kind import Kind

_RNN = ("x", "prev_h", "Wx", "Wh", "b")

KINDS: tuple[Kind, ...] = (
    Kind(
        "rnn step",
        r"rnn_?(step|cell)",
        _RNN,
        (
            (
                {"x": (3, 4), "prev_h": (3, 5), "Wx": (4, 5), "Wh": (5, 5), "b": (5,)},
                {"x": (4, 3), "prev_h": (4, 6), "Wx": (3, 6), "Wh": (6, 6), "b": (6,)},
            ),
        ),
        {
            "x": "da = dout * (1 - h**2);  dx = da @ Wx.T",
            "prev_h": "dprev_h = da @ Wh.T",
            "Wx": "dWx = x.T @ da",
            "Wh": "dWh = prev_h.T @ da",
            "b": "db = da.sum(axis=0)",
        },
    ),
    Kind(
        "lstm step",
        r"lstm_?(step|cell)",
        ("x", "prev_h", "prev_c", "Wx", "Wh", "b"),
        (
            tuple(
                {
                    "x": (n, d),
                    "prev_h": (n, h),
                    "prev_c": (n, h),
                    "Wx": (d, 4 * h),
                    "Wh": (h, 4 * h),
                    "b": (4 * h,),
                }
                for n, d, h in ((3, 4, 5), (4, 5, 3))
            ),
        ),
        {
            "x": "dx = da @ Wx.T",
            "prev_h": "dprev_h = da @ Wh.T",
            "prev_c": "dprev_c = f * (dnext_c + dnext_h * o * (1 - tanh(c)**2))",
            "Wx": "dWx = x.T @ da",
            "Wh": "dWh = prev_h.T @ da",
            "b": "db = da.sum(axis=0)",
        },
    ),
    Kind(
        "rnn",
        r"rnn",
        _RNN,
        (({"x": (3, 4, 2), "prev_h": (3, 5), "Wx": (2, 5), "Wh": (5, 5), "b": (5,)},),),
        {
            "x": "dx[:, t] = da_t @ Wx.T",
            "prev_h": "dh0 = dprev_h of the first step",
            "Wx": "dWx = sum over t of x_t.T @ da_t",
            "Wh": "dWh = sum over t of h_(t-1).T @ da_t",
            "b": "db = sum over t and n of da_t",
        },
    ),
)
