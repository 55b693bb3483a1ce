"""Affine layers and convolutions: the layers that multiply matrices, with a ReLU that follows fused in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.engines.native.gradients import lower_bias_gradient, mask_target, masked, padded
from chainrule.engines.native.memory import NONE, Tensor
from chainrule.engines.native.placed import Placed
from chainrule.engines.native.plan import Plan, Value
from chainrule.engines.native.winograd import lower_winograd, suits
from chainrule.geometry import Windows
from chainrule.layers import Affine, Conv2D
from chainrule.layers.layer import Layer


@dataclass(frozen=True)
class _Operand:
    """One side of a product: a tensor of floats, or of words of two bfloat16; `channels` floats or words in a group."""

    tensor: Tensor
    channels: int
    kernels: str  # the ending of the names of kernels that take it

    def offsets(self, taps: list[list[int]]) -> list[int]:
        """Where the weights of each tap's channels are, a tap after the other; -1 fills the last word of a tap."""
        fill = [-1] if self.kernels and taps and len(taps[0]) % 2 else []
        return [offset for tap in taps for offset in (*tap, *fill)]


def _operand(plan: Plan, phase: str, tensor: Tensor, groups: int) -> _Operand:
    """The tensor itself, or under mixed precision a copy rounded to bfloat16."""
    channels = tensor.c // groups
    if not plan.network.mixed:
        return _Operand(tensor, channels, "")
    words = -(-channels // 2)
    rounded = plan.tensor((groups * words, tensor.h, tensor.w))
    plan.clear_border(phase, rounded)
    plan.emit(
        phase,
        "round_pairs",
        [tensor, rounded, groups],
        [tensor, rounded],
        floats=3 * tensor.c * tensor.h * tensor.w // 2,
    )
    return _Operand(rounded, words, "_pairs")


def _lower_affine(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    if plan.network.mixed:
        return _lower_mixed_affine(plan, here, x, relu)
    layer: Any = here.layer
    D, M = x.data.c, layer.units
    x.uses += 1
    y = plan.value((M,), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    note = "affine + bias + ReLU" if relu else ""
    plan.emit(
        "forward", "affine_forward", [x.data, y.data, W, b, relu], [x.data, y.data],
        flops=2 * D * M, floats=D + M, note=note,
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = masked(plan, y)
        if x.needs_gradient:
            dx, accumulate, mask = mask_target(plan, x)
            touched = [d, dx, *([mask] if mask else [])]
            plan.emit(
                "backward", "affine_backward",
                lambda: [d, dx, W, NONE if mask is None else mask.view()[0], accumulate], touched,
                flops=2 * D * M, floats=D + M, note="ReLU of the layer before" if mask else "",
            )  # fmt: skip
        dW = plan.gradient(here.names["W"])
        plan.emit("gradients", "affine_gradient", [x.data, d, dW], [x.data, d], flops=2 * D * M, floats=D + M)
        plan.emit("check", "check_products", [x.data, d], [x.data, d], floats=D + M)
        decay = plan.network.body.params[here.names["W"]].decay
        plan.emit(
            "update", "affine_update", [x.data, d, W, decay], [x.data, d],
            flops=2 * D * M, floats=D + M, note="gradient + update rule",
        )  # fmt: skip
        plan.fused_weights.add(here.names["W"])
        lower_bias_gradient(plan, here, d)

    plan.tape.append(backward)
    return y


def _lower_mixed_affine(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    """As correlations of images of one pixel, whose operands are words of two bfloat16."""
    layer: Any = here.layer
    D, M = x.data.c, layer.units
    x.uses += 1
    y = plan.value((M,), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    left = _operand(plan, "forward", x.data, 1)
    packed = plan.buffer(padded(M) * left.channels)
    plan.emit("forward", "pack_pairs", [W, packed, 1, M, 1, 0, *left.offsets([[d * M for d in range(D)]])], [packed])
    plan.emit(
        "forward", "correlate_pairs", [left.tensor, y.data, NONE, packed, b, 1, 1, relu, 0, 1, left.channels, 0],
        [left.tensor, y.data, packed], flops=2 * D * M, floats=D + M, note="affine + bias + ReLU" if relu else "",
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = masked(plan, y)
        dW = plan.gradient(here.names["W"])
        plan.emit(
            "backward", "correlate_weights_pairs", [x.data, d, dW, 1, 1, 1, D, 0], [x.data, d],
            flops=2 * D * M, floats=D + M,
        )  # fmt: skip
        lower_bias_gradient(plan, here, d)
        if x.needs_gradient:
            dx, accumulate, mask = mask_target(plan, x)
            right = _operand(plan, "backward", d, 1)
            turned = plan.buffer(padded(D) * right.channels)
            plan.emit("backward", "pack_pairs", [W, turned, 1, D, M, 0, *right.offsets([list(range(M))])], [turned])
            plan.emit(
                "backward", "correlate_pairs",
                lambda: [right.tensor, dx, NONE if mask is None else mask.view()[0], turned, NONE, 1, 1, 0, accumulate,
                         1, right.channels, 0],
                [right.tensor, dx, turned, *([mask] if mask else [])],
                flops=2 * D * M, floats=D + M, note="ReLU of the layer before" if mask else "",
            )  # fmt: skip

    plan.tape.append(backward)
    return y


def _taps(count: int, dilation: int, stride: int, before: int, phase: int) -> list[tuple[int, int]]:
    """The taps that meet pixels phase, phase + stride, … of one axis, with the windows they belong to there.

    Pixel stride·q + phase is tap i of window q + δ where δ·stride = phase + before − i·dilation.
    """
    reached = [(i, divmod(phase + before - i * dilation, stride)) for i in range(count)]
    return sorted(((i, q) for i, (q, rest) in reached if rest == 0), key=lambda pair: pair[1])


def _merge(offsets: list[int], length: int) -> tuple[list[int], int]:
    """Runs of `length` floats joined where all follow each other in equal groups."""
    group = 1
    while group < len(offsets) and offsets[group] == offsets[group - 1] + length:
        group += 1
    starts = offsets[::group]
    whole = [start + i * length for start in starts for i in range(group)]
    return (starts, length * group) if whole == offsets else (offsets, length)


def _lower_conv2d(plan: Plan, here: Placed, x: Value, relu: bool) -> Value:
    layer: Any = here.layer
    C, H, Wd = x.shape
    at = layer.windows(H, Wd)
    if suits(plan, layer, at, C):
        return lower_winograd(plan, here, x, relu, at)
    (kh, kw), (sh, sw), (dh, dw) = at.kernel, at.stride, at.dilation
    top, bottom, left, right = at.padding
    groups, F = layer.groups, layer.filters
    Cg, Fg, taps = C // groups, F // groups, kh * kw
    x.uses += 1
    y = plan.value((F, *at.output), rectified=relu)
    W, b = plan.param(here.names["W"]), plan.param(here.names["b"]) if layer.bias else NONE
    flops = 2 * F * Cg * taps * at.output[0] * at.output[1]
    area_in, area_out = C * H * Wd, F * at.output[0] * at.output[1]

    operand = _operand(plan, "forward", x.data, groups)
    for tensor in (operand.tensor, x.data):  # the weights' gradient reads x itself
        tensor.need_border(top, bottom, left, right)
    by_tap = [[c * taps + i * kw + j for c in range(Cg)] for i in range(kh) for j in range(kw)]
    packed = plan.buffer(groups * padded(Fg) * taps * operand.channels)
    pack = [W, packed, groups, Fg, Cg * taps, Fg * Cg * taps, *operand.offsets(by_tap)]
    plan.emit("forward", f"pack{operand.kernels}", pack, [packed])
    plan.clear_border("forward", y.data)

    def forward_runs(t: Tensor, channels: int) -> tuple[list[int], int]:
        offsets = [(i * dh - top) * t.row + (j * dw - left) * t.pixel for i in range(kh) for j in range(kw)]
        return _merge(offsets, channels)

    def arguments() -> list[Any]:
        runs, length = forward_runs(operand.tensor, operand.channels)
        return [operand.tensor, y.data, NONE, packed, b, sh, sw, relu, 0, groups, length, *runs]

    plan.emit(
        "forward", f"correlate{operand.kernels}", arguments, [operand.tensor, y.data, packed],
        flops=flops, floats=area_in + area_out, note="convolution + bias + ReLU" if relu else "",
    )  # fmt: skip

    def backward() -> None:
        plan.layer = here.label
        d = masked(plan, y)
        lower_bias_gradient(plan, here, d)
        sums = plan.buffer(groups * taps * Cg * Fg)

        def weight_arguments() -> list[Any]:
            runs, length = forward_runs(x.data, Cg)
            return [x.data, d, sums, sh, sw, groups, length, *runs]

        plan.emit(
            "backward", f"correlate_weights{operand.kernels}", weight_arguments, [x.data, d, sums],
            flops=flops, floats=area_in + area_out,
        )  # fmt: skip
        dW = plan.gradient(here.names["W"])
        unpack = [dW, sums, groups, Fg, Cg * taps, Fg * Cg * taps, *itertools.chain(*by_tap)]
        plan.emit("backward", "unpack_gradient", unpack, [sums])
        if x.needs_gradient:
            _conv_input_gradient(plan, at, x, d, W, (groups, Cg, Fg), flops)

    plan.tape.append(backward)
    return y


def _conv_input_gradient(
    plan: Plan, at: Windows, x: Value, d: Tensor, W: int, sizes: tuple[int, int, int], flops: int
) -> None:
    """One correlation for each phase of the stride: the taps that meet its pixels, over the windows they belong to."""
    groups, Cg, Fg = sizes
    (kh, kw), stride, (dh, dw) = at.kernel, at.stride, at.dilation
    taps = kh * kw
    dx, accumulate, mask = mask_target(plan, x)
    operand = _operand(plan, "backward", d, groups)
    for r, q in itertools.product(range(min(stride[0], dx.h)), range(min(stride[1], dx.w))):
        rows, columns = (
            _taps(count, dilation, step, before, phase)
            for count, dilation, step, before, phase in (
                (kh, dh, stride[0], at.padding[0], r),
                (kw, dw, stride[1], at.padding[2], q),
            )
        )
        used = [(i, j, a, b) for i, a in rows for j, b in columns]
        ends = [-(-(size - phase) // step) for size, phase, step in ((dx.h, r, stride[0]), (dx.w, q, stride[1]))]
        reach = [[shift for _, shift in axis] or [0] for axis in (rows, columns)]
        operand.tensor.need_border(
            max(0, -min(reach[0])), max(0, ends[0] + max(reach[0]) - d.h),
            max(0, -min(reach[1])), max(0, ends[1] + max(reach[1]) - d.w),
        )  # fmt: skip
        offsets = operand.offsets([[f * Cg * taps + i * kw + j for f in range(Fg)] for i, j, _, _ in used])
        packed = plan.buffer(max(1, groups * padded(Cg) * len(used) * operand.channels))
        pack = [W, packed, groups, Cg, taps, Fg * Cg * taps, *offsets]
        if offsets:
            plan.emit("backward", f"pack{operand.kernels}", pack, [packed])

        def arguments(r: int = r, q: int = q, used: Any = used, packed: Any = packed) -> list[Any]:
            t = operand.tensor
            runs, length = _merge([a * t.row + b * t.pixel for _, _, a, b in used], operand.channels)
            view = dx.phase(r, q, stride)
            masked = NONE if mask is None else mask.phase(r, q, stride)[0]
            return [t, view, masked, packed, NONE, 1, 1, 0, accumulate, groups, length, *runs]

        plan.emit(
            "backward", f"correlate{operand.kernels}", arguments,
            [operand.tensor, dx, packed, *([mask] if mask else [])], flops=flops // (stride[0] * stride[1]),
            floats=dx.c * ends[0] * ends[1] + d.c * d.h * d.w, note="input gradient",
        )  # fmt: skip


PRODUCTS: dict[type[Layer], Callable[[Plan, Placed, Value, bool], Value]] = {
    Affine: _lower_affine,
    Conv2D: _lower_conv2d,
}
