"""What the names in a signature mean: which role an argument plays, and which argument a gradient belongs to."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from chainrule.check.diagnosis.user_code import inner

#: role -> the names under which courses, books and frameworks know it (lower case).
ALIASES: dict[str, tuple[str, ...]] = {
    "x": (
        *("x", "inputs", "input", "inp", "data", "a", "a_prev", "z", "h", "img", "images", "scores", "logits", "s"),
        *("features", "y_pred", "pred", "preds", "predictions", "yhat", "y_hat", "input_data", "xs", "u", "v"),
    ),
    "w": ("w", "weight", "weights", "theta", "kernel", "kernels", "filters", "filter", "w_embed", "embedding", "table"),
    "b": ("b", "bias", "biases", "theta0", "theta_0", "c"),
    "gamma": ("gamma", "scale", "weight"),
    "beta": ("beta", "shift", "bias"),
    "y": ("y", "t", "labels", "label", "target", "targets", "y_true", "truth", "ys"),
    "prev_c": ("prev_c", "c_prev", "c0", "prev_cell"),
    "prev_h": ("prev_h", "h_prev", "prev_hidden", "h0", "hidden", "h"),
    "Wx": ("wx", "w_x", "w_xh", "wxh", "w_ih", "wax"),
    "Wh": ("wh", "w_h", "w_hh", "whh", "waa"),
    "reg": ("reg", "lam", "lambda_", "lamb", "reg_strength", "weight_decay", "l2", "lambd"),
    "alpha": ("alpha", "slope", "negative_slope", "a"),
    "p": ("p", "keep_prob", "prob", "rate", "dropout", "drop_prob", "dropout_ratio", "keep"),
    "stride": ("stride", "s"),
    "pad": ("pad", "padding"),
    "conv_param": ("conv_param", "conv_params", "hparameters", "hparams", "params", "param"),
    "pool_param": ("pool_param", "pool_params", "hparameters", "hparams", "params", "param"),
    "bn_param": ("bn_param", "bn_params", "param", "params"),
    "ln_param": ("ln_param", "ln_params", "param", "params"),
    "gn_param": ("gn_param", "gn_params", "param", "params"),
    "dropout_param": ("dropout_param", "dropout_params", "param", "params"),
    "G": ("g", "groups", "num_groups", "n_groups"),
    "eps": ("eps", "epsilon"),
    "size": ("size", "pool_size", "kernel_size", "k", "pool", "window", "f"),
    "mask": ("mask",),
}

CACHES = ("cache", "caches", "ctx", "context", "saved", "memory", "tape", "linear_cache", "activation_cache", "state")
UPSTREAM = (
    *("dout", "dy", "dz", "da", "dl", "grad", "grad_output", "grad_out", "upstream", "delta", "g", "d", "dnext_h"),
    *("doutput", "d_out", "dl_dout", "dl_dy", "grads", "gy", "dh", "up"),
)


def roles_of(parameters: Sequence[str], roles: Sequence[str]) -> dict[str, str]:
    """Parameter name -> role: by name where it is known, the others in order.

    >>> roles_of(["A_prev", "W", "bias"], ["x", "w", "b"])
    {'A_prev': 'x', 'W': 'w', 'bias': 'b'}
    """
    found: dict[str, str] = {}
    left = list(roles)
    for exact in (True, False):
        for parameter in parameters:
            known = [r for r in left if _matches(parameter, r, exact=exact)]
            if parameter not in found and known:
                found[parameter] = known[0]
                left.remove(known[0])
    for parameter in parameters:
        if parameter not in found and left:
            found[parameter] = left.pop(0)
    return {p: found[p] for p in parameters if p in found}


def _matches(parameter: str, role: str, *, exact: bool) -> bool:
    return parameter == role if exact else parameter.lower() in ALIASES.get(role, (role.lower(),))


def owner_of(name: str, arguments: Iterable[str]) -> str | None:
    """The argument whose gradient is called `name`: `dx`, `grad_x`, `x_grad`, `dL_dx`, `x`.

    >>> owner_of("dW1", ["x", "W1"]), owner_of("grad", ["x", "W1"])
    ('W1', None)
    """
    arguments = list(arguments)
    lowered = name.lower()
    stems = [name, lowered]
    for prefix in ("dl_d", "dloss_d", "grad_", "d_", "g_", "d", "grad", "g"):
        if lowered.startswith(prefix):
            stems.append(lowered.removeprefix(prefix))
    for suffix in ("_grad", "_gradient", "grad"):
        if lowered.endswith(suffix):
            stems.append(lowered.removesuffix(suffix))
    for stem in stems:
        for argument in arguments:
            if stem in (argument, argument.lower()):
                return argument
    return None


def returned_names(function: Any) -> list[str | None]:
    """The names in the last return statement of `function`, None for what is no plain name; [] if unknown."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inner(function))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return []
    returns = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return []
    last = max(returns, key=lambda value: value.lineno)
    members = last.elts if isinstance(last, (ast.Tuple, ast.List)) else [last]
    return [member.id if isinstance(member, ast.Name) else None for member in members]


def parameters_of(function: Any) -> list[inspect.Parameter]:
    """The parameters of `function` but `self`; [] where Python does not know them."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def base_name(name: str) -> str:
    """What is checked, without the words for passes: `affine_forward` -> `affine`.

    >>> base_name("conv_forward_naive"), base_name("ReluForward"), base_name("forward")
    ('conv_naive', 'Relu', '')
    """
    for word in ("_forward", "forward_", "Forward", "forward", "_fwd", "fwd_", "_fw"):
        if word in name:
            return name.replace(word, "", 1).strip("_")
    return name
