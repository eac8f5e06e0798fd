"""What the observations of a harvest world mean, known from its parameters alone."""

from __future__ import annotations

import numpy as np

from karma_rllib.worlds.harvest_params import HarvestParams
from karma_rllib.worlds.harvest_state import ABSOLUTE_NAMES, ACTION_NAMES, PLANES, VEC_NAMES

_GRADED = ("terrain", "agent", "heading", "debt_to_me")  # channels of 0..255, all others 0 or 1


def action_names(p: HarvestParams) -> tuple[str, ...]:
    """Meaning of each action."""
    return ABSOLUTE_NAMES if p.move_frame == "absolute" else ACTION_NAMES


def plane_names(p: HarvestParams) -> tuple[str, ...]:
    """Meaning of each channel of the grid observation, (C,)."""
    if p.obs_mode == "full_grid":
        return ("terrain", "agent", "heading")
    identity = tuple(f"agent_{j}" for j in range(p.num_agents))
    debt = ("debt_to_me",) if p.obs_debt == "pair" else ()
    return PLANES + (identity if p.obs_identity == "onehot" else ()) + debt


def vec_names(p: HarvestParams) -> tuple[str, ...]:
    """Meaning of each entry of the vector observation, (D,)."""
    time = ("time",) if p.obs_time else ()
    return VEC_NAMES + time + (("own_debt",) if p.obs_debt == "self" else ())


def grid_scale(p: HarvestParams) -> np.ndarray:
    """Factor that brings each channel to [0, 1], float32 (C,): 1 for planes of 0 and 1."""
    return np.array([1 / 255 if name in _GRADED else 1 for name in plane_names(p)], np.float32)


def obs_shapes(p: HarvestParams) -> dict[str, tuple[int, ...]]:
    """Shapes of one agent's observation: grid (H, W, C), vec (D,)."""
    side = p.grid_size if p.obs_mode == "full_grid" else 2 * p.view_radius + 1
    return {"grid": (side, side, len(plane_names(p))), "vec": (len(vec_names(p)),)}
