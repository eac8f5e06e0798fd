"""What callers hand to a harvest world, checked: arrays, placements, sizes.

Every function returns the checked value in the form the kernels want or raises a ValueError of one
sentence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.worlds.harvest_state import Placement


def whole_number(name: str, value: Any, low: int) -> int:
    """An integer in [low, 2**62)."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name}={value!r} must be a whole number")
    if not low <= value < 2**62:
        raise ValueError(f"{name}={value} must be at least {low} and below 2**62")
    return int(value)


def array_of(name: str, value: Any, shape: tuple[int, ...], kind: Any) -> np.ndarray:
    """A C-contiguous array of this shape and kind."""
    if np.shape(value) != shape:
        raise ValueError(f"{name} has shape {np.shape(value)}, expected {shape}")
    return np.ascontiguousarray(value, kind)


def buffer(name: str, array: Any, shape: tuple[int, ...], kind: Any) -> None:
    """A writable C-contiguous array of this shape and kind, to write observations to."""
    fits = isinstance(array, np.ndarray) and array.shape == shape and array.dtype == kind
    if not (fits and array.flags.c_contiguous and array.flags.writeable):
        raise ValueError(
            f"out[{name!r}] must be a writable C-contiguous {np.dtype(kind).name} array of shape"
            f" {shape}, not {getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
        )


def placement_of(placement: Placement, num_worlds: int, num_agents: int, size: int) -> Placement:
    """A placement whose cells are on the map and taken by one agent each."""
    B, N = num_worlds, num_agents
    pos = array_of("placement.pos", placement.pos, (B, N, 2), np.int16)
    head = array_of("placement.head", placement.head, (B, N), np.int8)
    free = pos[..., 0] < 0
    if pos.min() < -1 or pos.max() >= size or (free != (pos[..., 1] < 0)).any():
        raise ValueError(f"placement.pos must hold cells of the {size}x{size} map, or -1 (random)")
    if head.min() < -1 or head.max() > 3:
        raise ValueError("placement.head must hold headings 0..3, or -1 for random")
    cell = np.where(free, -1 - np.arange(N), pos[..., 0].astype(np.int64) * size + pos[..., 1])
    cell.sort(axis=1)
    twice = (cell[:, 1:] == cell[:, :-1]).any(axis=1)
    if twice.any():
        raise ValueError(f"placement.pos puts two agents of world {twice.argmax()} on one cell")
    return Placement(pos, head)


def state_of(state: dict[str, np.ndarray], mine: dict[str, np.ndarray]) -> None:
    """A state with exactly the arrays of this world."""
    if set(state) != set(mine):
        wrong = sorted(set(state) ^ set(mine))
        raise ValueError(f"state does not fit this world: missing or unknown arrays {wrong}")
    for name, array in mine.items():
        array_of(f"state[{name!r}]", state[name], array.shape, array.dtype)
