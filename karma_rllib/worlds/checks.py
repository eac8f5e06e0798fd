"""What callers hand to a world, checked: numbers, arrays, buffers, states, actions.

Every function returns the checked value in the form the kernels want or raises an error of one
sentence.
"""

from __future__ import annotations

from typing import Any

import numpy as np


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


def buffers(obs: Any, lead: tuple[int, ...], shapes: dict[str, tuple[int, ...]]) -> None:
    """Both observation buffers, with the leading axes (B, N)."""
    if not {"grid", "vec"} <= set(obs):
        raise ValueError(f"out must hold the arrays 'grid' and 'vec', not {sorted(obs)}")
    buffer("grid", obs["grid"], lead + shapes["grid"], np.uint8)
    buffer("vec", obs["vec"], lead + shapes["vec"], np.float32)


def state_of(state: dict[str, np.ndarray], mine: dict[str, np.ndarray]) -> None:
    """A state with exactly the arrays of this world."""
    if set(state) != set(mine):
        wrong = sorted(set(state) ^ set(mine))
        raise ValueError(f"state does not fit this world: missing or unknown arrays {wrong}")
    for name, array in mine.items():
        array_of(f"state[{name!r}]", state[name], array.shape, array.dtype)


def may_step(found: int, actions: np.ndarray, num_actions: int, episode: Any, length: int) -> None:
    """Say what forbids a step.

    Args:
        found: -1 for nothing, k for a bad action (flat index), -2 - b for world b, which stands.
        actions: (B, N).
        num_actions: A.
        episode: number of each world's episode, -1 before the first, (B,).
        length: of an episode [steps].

    Raises:
        ValueError: the action is unknown.
        RuntimeError: the world has not been reset, or its episode is over.
    """
    if found == -1:
        return
    if found >= 0:
        b, i = divmod(found, actions.shape[1])
        raise ValueError(
            f"action {actions[b, i]} of agent {i} in world {b} must lie in [0, {num_actions})"
        )
    b = -2 - found
    if episode[b] < 0:
        raise RuntimeError(f"world {b} has not begun: call reset() before step()")
    raise RuntimeError(
        f"world {b} ended its episode after {length} steps: call"
        " reset(mask=out.truncated) before the next step"
    )
