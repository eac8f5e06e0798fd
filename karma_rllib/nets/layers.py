"""Pieces of which the networks are built.

Shapes: M frames; H x W cells with C channels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from karma_rllib.nets.spec import NetSpec


class TwoInputLinear(nn.Module):
    """Linear map of cat(x, vec) that never forms the concatenation.

    Copying a wide x only to append a few numbers would cost a fifth of the layer's time.
    """

    def __init__(self, x_size: int, vec_size: int, out: int) -> None:
        super().__init__()
        self.x = nn.Linear(x_size, out)
        self.vec = nn.Linear(vec_size, out, bias=False) if vec_size else None

    def initialise(self, gain: float, generator: torch.Generator) -> None:
        """Cut one orthogonal matrix (out, x_size + vec_size) into the two parts."""
        n = self.x.in_features
        whole = torch.empty(self.x.out_features, n + (self.vec.in_features if self.vec else 0))
        nn.init.orthogonal_(whole, gain, generator=generator)
        with torch.no_grad():
            self.x.weight.copy_(whole[:, :n])
            if self.vec is not None:
                self.vec.weight.copy_(whole[:, n:])

    def forward(self, x: Tensor, vec: Tensor) -> Tensor:
        """Map x (M, x_size) and vec (M, vec_size) to (M, out)."""
        out = self.x(x)
        return out if self.vec is None else out + self.vec(vec)


def mlp(width: int, sizes: Sequence[int]) -> nn.ModuleList:
    """Linear layers of the given output sizes; the caller puts the ReLU after each."""
    ins = (width, *sizes)
    return nn.ModuleList(nn.Linear(i, o) for i, o in zip(ins, sizes, strict=False))


def conv_width(grid_shape: tuple[int, int, int], spec: NetSpec) -> int:
    """Width of the flat planes after the convolutions of the spec.

    Raises:
        ValueError: the grid is smaller than the convolutions take away.
    """
    H, W, C = grid_shape
    for out in spec.cnn_filters:
        H, W, C = H + 2 * spec.cnn_padding - 2, W + 2 * spec.cnn_padding - 2, out
    if min(H, W, C) < 1:
        raise ValueError(
            f"a grid of {grid_shape[0]} x {grid_shape[1]} cells is too small for "
            f"{len(spec.cnn_filters)} convolutions 3x3 with cnn_padding {spec.cnn_padding}; "
            "use cnn_padding 1 or fewer cnn_filters."
        )
    return H * W * C


def autocast(dtype: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Autocast to bfloat16, or nothing at all for float32 (entering a context costs time)."""
    if dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
