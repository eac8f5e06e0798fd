"""Kinship worlds with rules and maps of their own, stepped in one call.

A kernel call costs more to prepare than a step of a small world to compute, so worlds that cannot
share a batch, because their rules differ, share at least the call.  Shape legend: B worlds, M the
most agents that one of them has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.worlds import kinship_kernels as kernels
from karma_rllib.worlds.batch import Obs
from karma_rllib.worlds.kinship import KinshipWorld
from karma_rllib.worlds.kinship_rows_kernels import One

#: Fields of the events that the kernels write; society fills the others.
TOLD = tuple(name[2:] for name in One._fields if name.startswith("e_"))


class Fleet:
    """B single kinship worlds side by side.

    Args:
        num_worlds: B.
        num_agents: M; a world with fewer uses the first places of its row.
        obs_shapes: of one agent's `grid` and `vec`, the same in all.

    Attributes:
        actions: what everybody does next, int64 (B, M); written by the caller.
        obs: what everybody sees, {"grid": (B, M, H, W, C), "vec": (B, M, D)}.
    """

    def __init__(
        self, num_worlds: int, num_agents: int, obs_shapes: dict[str, tuple[int, ...]]
    ) -> None:
        lead = (num_worlds, num_agents)
        self.actions = np.zeros(lead, np.int64)
        self.obs: Obs = {
            "grid": np.zeros(lead + obs_shapes["grid"], np.uint8),
            "vec": np.zeros(lead + obs_shapes["vec"], np.float32),
        }
        self._worlds: list[KinshipWorld | None] = [None] * num_worlds
        self._books = np.empty(0)

    def rows(self, b: int, num_agents: int) -> Obs:
        """The buffers of a world with so many agents in place b, (1, N, ...)."""
        return {key: rows[b : b + 1, :num_agents] for key, rows in self.obs.items()}

    def put(self, b: int, world: KinshipWorld) -> None:
        """Let a world take place b; it has been reset with `rows` as its buffers."""
        self._worlds[b] = world
        book = world._book
        if book.dtype != self._books.dtype:
            self._books = np.zeros(len(self._worlds), book.dtype)
        self._books[b] = book[0]

    def told(self, b: int) -> tuple[np.ndarray, Any]:
        """Reward (1, N) and events of the world in place b; its next step overwrites them.

        Raises:
            RuntimeError: there is none.
        """
        world = self._worlds[b]
        if world is None:
            raise RuntimeError(f"there is no world in place {b}: call put() first")
        return world._reward, world._events

    def step(self) -> None:
        """Advance all worlds by one env-step; no episode may be over, no place empty."""
        grid, vec = self.obs["grid"], self.obs["vec"]
        kernels.advance(self._books, self.actions, grid, vec, 0, len(self._worlds))
