"""The three matrix products of a convolution, shared by `Conv2D` and `ConvTranspose2D`.

With the windows of x as columns X = patches(x), (K, P) for K = C/G·HH·WW taps and P = H'·W'·N windows, and the kernel
as a matrix W (F/G, K), for each of G groups:

    correlate         Y = W X
    input_gradient    fold(Wᵀ Y), its adjoint in x
    kernel_gradient   Y Xᵀ, its adjoint in W

The columns are HH·WW times as large as x, so they are made, used and dropped a block of window rows at a time.
All arrays have the batch axis last: x (C, H, W, N), y (F, H', W', N); kernels are (F, C/G, HH, WW).
Source: Chellapilla, Puri & Simard, "High performance convolutional neural networks for document processing", 2006.
"""

from __future__ import annotations

from chainrule.arrays import Array, namespace
from chainrule.geometry import Windows
from chainrule.windows import crop, fold, pad, patches, row_blocks


def correlate(x: Array, W: Array, at: Windows, groups: int, b: Array | None = None) -> Array:
    """Y = W patches(x) + b: (C, H, W, N) to (F, H', W', N)."""
    xp = namespace(x)
    f, n = W.shape[0], x.shape[3]
    matrix = xp.reshape(W, (groups, f // groups, -1))  # (G, F/G, K)
    padded = pad(x, at)
    blocks = []
    for rows in row_blocks(at, x, x.shape[0]):
        columns = xp.reshape(patches(padded, at, rows), (groups, matrix.shape[2], -1))  # (G, K, P)
        block = xp.reshape(matrix @ columns, (f, rows[1] - rows[0], at.output[1], n))
        blocks.append(block if b is None else block + b[:, None, None, None])
    return blocks[0] if len(blocks) == 1 else xp.concat(blocks, axis=1)


def input_gradient(dy: Array, W: Array, at: Windows, groups: int) -> Array:
    """fold(Wᵀ ∂L/∂Y): (F, H', W', N) to (C, H, W, N)."""
    xp = namespace(dy)
    f, c, n = W.shape[0], W.shape[1] * groups, dy.shape[3]
    transposed = xp.matrix_transpose(xp.reshape(W, (groups, f // groups, -1)))  # (G, K, F/G)
    dx = None
    for rows in row_blocks(at, dy, c):
        columns = transposed @ xp.reshape(dy[:, rows[0] : rows[1], :, :], (groups, f // groups, -1))  # (G, K, P)
        columns = xp.reshape(columns, (c, at.taps, rows[1] - rows[0], at.output[1], n))
        dx = fold((columns[:, tap, ...] for tap in range(at.taps)), at, rows, dx)
    return crop(dx, at)


def kernel_gradient(x: Array, dy: Array, at: Windows, groups: int) -> Array:
    """∂L/∂Y patches(x)ᵀ: (C, H, W, N) and (F, H', W', N) to (F, C/G, HH, WW)."""
    xp = namespace(x)
    c, f = x.shape[0] // groups, dy.shape[0] // groups
    padded = pad(x, at)
    dW = None
    for rows in row_blocks(at, x, x.shape[0]):
        columns = xp.reshape(patches(padded, at, rows), (groups, c * at.taps, -1))  # (G, K, P)
        part = xp.reshape(dy[:, rows[0] : rows[1], :, :], (groups, f, -1)) @ xp.matrix_transpose(columns)  # (G, F/G, K)
        dW = part if dW is None else dW + part
    return xp.reshape(dW, (dy.shape[0], c, *at.kernel))
