"""Where agents start an episode, if somebody else than the world decides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from karma_rllib.worlds.checks import array_of


class Placement(NamedTuple):
    """Where agents start an episode; -1 means that the world chooses at random."""

    pos: np.ndarray  # row and column, int16 (B, N, 2) [cells]
    head: np.ndarray  # heading, int8 (B, N)


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
