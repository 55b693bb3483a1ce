"""What the backward passes of affine layers and convolutions share: masks of a fused ReLU, and the bias."""

from __future__ import annotations

from chainrule.engines.native.memory import NONE, Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value


def masked(plan: Plan, y: Value) -> Tensor:
    """The gradient at y, zeroed where a fused ReLU was not positive, unless its maker has done that already."""
    d = plan.grad_of(y)
    if y.rectified and not y.masked:
        zeros = [NONE] * 4
        plan.emit(
            "backward",
            "block_backward",
            [d, y.data, d, zeros, 1, 1, 1, NONE, 0, 1.0],
            [d, y.data],
            floats=3 * y.data.h * y.data.w * y.data.c,
            note="ReLU",
        )
    return d


def mask_target(plan: Plan, x: Value) -> tuple[Tensor, int, Tensor | None]:
    """Where a product writes the gradient of its input, and the mask it can apply on the way out."""
    dx, accumulate = plan.target(x)
    mask = x.data if x.rectified and x.uses == 1 else None
    if mask is not None:
        x.masked = True
        dx.share_border(mask)  # one distance then serves both
    return dx, accumulate, mask


def lower_bias_gradient(plan: Plan, here: Placed, d: Tensor) -> None:
    """The sums of d, where the layer has a bias."""
    if "b" in here.names:
        plan.emit("backward", "bias_gradient", [d, plan.gradient(here.names["b"])], [d], floats=d.c * d.h * d.w)


def padded(outputs: int) -> int:
    """So many outputs in whole vectors of the widest instruction set."""
    return -(-outputs // 16) * 16
