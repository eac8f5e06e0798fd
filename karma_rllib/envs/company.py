"""A lifetime as one of its agents lives it: a frozen policy plays all the others.

Shapes: B worlds, N agents, of which one per world is ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.envs.bots import Policy, begin
from karma_rllib.society.lifetime import Lifetime
from karma_rllib.worlds.events import StepOut, bundle
from karma_rllib.worlds.rng import fold_words


class Company:
    """Worlds with a single agent, as a sampler steps them; the rest of the company is hidden.

    Our place changes with every episode, as in `envs.meeting`.  What others do is not told: of an
    event between two agents only what we do to ourselves is left, which is nothing.

    Args:
        lifetime: the worlds, with at least two agents; the company takes them over.
        others: plays all agents but ours, from observations alone.

    Attributes:
        seats: which agent we are in each world, int64 (B,).

    Raises:
        ValueError: a world with a single agent has no company.
    """

    num_agents = 1

    def __init__(self, lifetime: Lifetime, others: Policy) -> None:
        if lifetime.num_agents < 2:
            raise ValueError("a world with one agent has nobody whom a policy could meet.")
        self.lifetime, self.others = lifetime, others
        self.params, self.uid, self.seed = lifetime.params, lifetime.uid, lifetime.seed
        self.traits, self.world = lifetime.traits, lifetime.world
        self.num_worlds, self.num_actions = lifetime.num_worlds, lifetime.num_actions
        self.max_steps, self.obs_shapes = lifetime.max_steps, lifetime.obs_shapes
        self.seats = np.zeros(self.num_worlds, np.int64)
        self._episode = -1
        self._obs = lifetime.world.empty_obs()
        self._state: Any = None

    def reset(
        self, mask: np.ndarray | None = None, out: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Begin a new episode in every world; see `Lifetime.reset`.

        Raises:
            ValueError: only some worlds are to begin; a batch begins and ends together.
        """
        if mask is not None and not np.all(mask):
            raise ValueError("the worlds of a company begin their episodes together.")
        self._episode += 1
        self.lifetime.reset(out=self._obs)
        B, N = self.num_worlds, self.lifetime.num_agents
        self.seats = (self.uid + self._episode) % N
        self._ours = np.arange(N) == self.seats[:, None]  # (B, N)
        who = np.stack(
            [np.repeat(self.uid, N), np.full(B * N, self._episode), np.tile(np.arange(N), B)]
        )
        rows = (fold_words(who) >> np.uint64(1)).astype(np.int64).reshape(B, N)
        self._state = begin(self.others, rows[~self._ours])
        return self._shown(out)

    def step(self, actions: np.ndarray, out: dict[str, np.ndarray] | None = None) -> StepOut:
        """Act in every world, with everybody else; see `Lifetime.step`.

        Args:
            actions: ours, integers (B, 1).
            out: observation buffers of the caller, each (B, 1, ...), written in place.
        """
        joint = np.zeros(self._ours.shape, np.int64)
        seen = {key: column[~self._ours] for key, column in self._obs.items()}
        joint[~self._ours], self._state = self.others.step(seen, self._state)
        joint[self._ours] = actions[:, 0]
        result = self.lifetime.step(joint, self._obs)
        events = {name: self._own(array) for name, array in result.events._asdict().items()}
        reward = result.reward[self._ours][:, None]
        return StepOut(self._shown(out), reward, result.truncated, bundle(events))

    def _shown(self, out: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        """Our observations, each (B, 1, ...)."""
        own = {key: column[self._ours][:, None] for key, column in self._obs.items()}
        if out is None:
            return own
        for key, column in own.items():
            out[key][...] = column
        return out

    def _own(self, array: np.ndarray) -> np.ndarray:
        """The part of an event's array that is about us."""
        N = self.lifetime.num_agents
        for axis in range(1, array.ndim):  # (B,), (B, N), (B, N, N) and (B, N, anything)
            if array.shape[axis] == N:
                index = self.seats.reshape(-1, *[1] * (array.ndim - 1))
                array = np.take_along_axis(array, index, axis)
        return array
