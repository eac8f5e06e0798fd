"""A first layer that visits only the cells where something is.

Frames are stacks of planes, nearly all of whose bytes are 0 (95 of 100 in the harvest world).
A dense product multiplies them all; this one adds up the weight rows of the bytes that are not:

    y_m = b + sum_{k: g_mk != 0} s_k g_mk w_k + sum_d v_md w_{K+d}                          (1)

which is the linear map of cat(s g, v), forward and backward, in float32 and one thread, at the
cost of the bytes that are set. Rows do not meet: y_m is the same whatever else is in the batch.

Shapes: M frames; K bytes of a frame; D entries of the vector; O outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Floats = NDArray[np.float32]


def linear(layer: nn.Linear, grid: Tensor, vec: Tensor, scale: Tensor) -> Tensor:
    """`layer(cat(grid * scale, vec))` by (1).

    Args:
        layer: weight (O, K + D), bias (O,); float32, on the CPU.
        grid: uint8 (M, H, W, C), channels last, H W C = K.
        vec: float32 (M, D); gets no gradient.
        scale: factor on every byte, float32 (K,).

    Returns:
        float32 (M, O), differentiable in weight and bias.
    """
    return _Linear.apply(layer.weight, layer.bias, grid.flatten(1), vec, scale)


class _Linear(torch.autograd.Function):
    """Equation (1) with its gradient for w and b."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor, grid: Tensor, vec: Tensor, scale: Tensor
    ) -> Tensor:
        ctx.save_for_backward(grid, vec, scale)
        rows = weight.detach().t().contiguous()  # (K + D, O): what one byte adds lies together
        out = bias.detach().repeat(len(grid), 1)
        _add_rows(*_arrays(grid, vec, scale, rows, out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grid, vec, scale = ctx.saved_tensors
        rows = grad.new_zeros(grid.shape[1] + vec.shape[1], grad.shape[1])
        _gather_rows(*_arrays(grid, vec, scale, grad, rows))
        return rows.t(), grad.sum(0), None, None, None


def _arrays(*tensors: Tensor) -> list[NDArray[Any]]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_rows(
    grid: NDArray[np.uint8], vec: Floats, scale: Floats, rows: Floats, out: Floats
) -> None:
    """out_m += sum over set bytes and vector entries of value times row."""
    M, K = grid.shape
    D, width = vec.shape[1], out.shape[1]
    found = np.empty(K + 1, np.int32)
    for m in range(M):
        n = 0
        for k in range(K):  # no branch: most bytes are 0, but not predictably so
            found[n] = k
            n += grid[m, k] != 0
        y = out[m]
        for i in range(n):
            k = found[i]
            row, x = rows[k], np.float32(grid[m, k]) * scale[k]
            for o in range(width):
                y[o] += x * row[o]
        for d in range(D):
            row, x = rows[K + d], vec[m, d]
            for o in range(width):
                y[o] += x * row[o]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _gather_rows(
    grid: NDArray[np.uint8], vec: Floats, scale: Floats, grad: Floats, rows: Floats
) -> None:
    """rows_k += value times grad_m, over the frames in which byte k is set."""
    M, K = grid.shape
    D, width = vec.shape[1], grad.shape[1]
    found = np.empty(K + 1, np.int32)
    for m in range(M):
        n = 0
        for k in range(K):
            found[n] = k
            n += grid[m, k] != 0
        g = grad[m]
        for i in range(n):
            k = found[i]
            row, x = rows[k], np.float32(grid[m, k]) * scale[k]
            for o in range(width):
                row[o] += x * g[o]
        for d in range(D):
            row, x = rows[K + d], vec[m, d]
            for o in range(width):
                row[o] += x * g[o]
