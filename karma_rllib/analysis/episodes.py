"""Perolat's four measures, which need whole episodes: per-agent accumulators that outlive a stack.

Shapes: T rows of time, B worlds, N agents.

References:
    Perolat et al. 2017, "A multi-agent reinforcement learning model of common-pool resource
    appropriation", section 3 (utilitarian efficiency U, equality E, sustainability S, peace P).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from karma_rllib.analysis.definitions import EPISODE_SUMS

if TYPE_CHECKING:
    from karma_rllib.worlds.events import Events

_PER_AGENT = ("apples", "apple_time", "frozen", "reward")
_SUMS = tuple(count.name for count in EPISODE_SUMS)


class EpisodeBook:
    """Running totals of every world's current episode, and the sums of those that ended.

    Feeding a stack in two pieces gives the same book as feeding it whole. The book's state is
    arrays only and belongs in a checkpoint: without it the episodes under way are lost.

    Args:
        num_worlds: B.
        num_agents: N.
    """

    def __init__(self, num_worlds: int, num_agents: int) -> None:
        self.num_worlds, self.num_agents = num_worlds, num_agents
        shape = (num_worlds, num_agents)
        self._apples = np.zeros(shape, np.int64)  # eaten in the running episode [apples]
        self._apple_time = np.zeros(shape, np.int64)  # sum of step indices of those [env-steps]
        self._frozen = np.zeros(shape, np.int64)  # agent-steps spent frozen
        self._reward = np.zeros(shape, np.float64)  # reward so far
        self._steps = np.zeros(num_worlds, np.int64)  # env-steps so far
        self._depletion = np.full(num_worlds, -1, np.int64)  # first empty map, -1: not yet
        self._finished = np.zeros(len(_SUMS), np.float64)  # sums of episodes since `drain`

    def update(self, events: Events, reward: NDArray[Any], truncated: NDArray[np.bool_]) -> None:
        """Book a stack of transitions, in time order.

        Args:
            events: stacks with leading axes (T, B).
            reward: (T, B, N).
            truncated: which worlds ended an episode with that transition, bool (T, B).
        """
        ends = np.flatnonzero(truncated.any(axis=1))  # rows in which some world ends
        start = 0
        for end in ends:
            self._book(events, reward, slice(start, int(end) + 1))
            self._close(truncated[end])
            start = int(end) + 1
        if start < len(reward):
            self._book(events, reward, slice(start, len(reward)))

    def _book(self, events: Events, reward: NDArray[Any], rows: slice) -> None:
        ate, t = events.ate[rows], events.t[rows]  # (R, B, N), (R, B)
        self._apples += ate.sum(axis=0)
        self._apple_time += np.where(ate, t[:, :, None], 0).sum(axis=0)
        self._frozen += (~events.active[rows]).sum(axis=0)
        self._reward += reward[rows].sum(axis=0, dtype=np.float64)
        empty = events.stock[rows] == 0  # (R, B)
        first = self._steps + np.argmax(empty, axis=0) + 1
        new = (self._depletion < 0) & empty.any(axis=0)
        self._depletion = np.where(new, first, self._depletion)
        self._steps += len(ate)

    def _close(self, ended: NDArray[np.bool_]) -> None:
        self._finished += self._sums(ended)
        for name in _PER_AGENT:
            getattr(self, f"_{name}")[ended] = 0
        self._steps[ended] = 0
        self._depletion[ended] = -1

    def _sums(self, worlds: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The sums over the episodes of `worlds` (bool (B,)) as they stand, in `_SUMS` order."""
        steps = self._steps[worlds].astype(np.float64)  # (K,)
        apples = self._apples[worlds]  # (K, N)
        total = apples.sum(axis=1)
        fed = total > 0
        spread = np.abs(apples[:, :, None] - apples[:, None, :]).sum(axis=(1, 2))
        equality = 1.0 - spread / (2.0 * self.num_agents * np.maximum(total, 1))
        eaters = np.maximum((apples > 0).sum(axis=1), 1)
        times = (self._apple_time[worlds] / np.maximum(apples, 1)).sum(axis=1) / eaters
        peace = self.num_agents - self._frozen[worlds].sum(axis=1) / steps
        depletion = np.where(self._depletion[worlds] < 0, steps, self._depletion[worlds])
        returns = self._reward[worlds].sum() / self.num_agents
        return np.array(
            [
                len(steps),
                (total / steps).sum(),
                equality[fed].sum(),
                fed.sum(),
                times[fed].sum(),
                peace.sum(),
                depletion.sum(),
                returns,
            ],
            np.float64,
        )

    def drain(self) -> dict[str, float]:
        """Return the sums of the episodes that ended since the last call, and forget them.

        They are named `finished_<sum>`. The same sums over the episodes under way come along as
        `running_<sum>`: `rates` uses those only while the pool holds no finished episode, so that
        a short fragment still has defined values. Episodes under way are not forgotten.
        """
        finished, running = self._finished, self._sums(self._steps > 0)
        self._finished = np.zeros(len(_SUMS), np.float64)
        return {
            f"{prefix}_{name}": value
            for prefix, sums in (("finished", finished), ("running", running))
            for name, value in zip(_SUMS, sums.tolist(), strict=True)
        }

    def get_state(self) -> dict[str, NDArray[Any]]:
        """The whole book as arrays (copies)."""
        names = (*_PER_AGENT, "steps", "depletion", "finished")
        return {name: getattr(self, f"_{name}").copy() for name in names}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `get_state` of a book of the same size returned.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        for name, own in self.get_state().items():
            shape = np.shape(state[name]) if name in state else None
            if shape != own.shape:
                raise ValueError(
                    f"EpisodeBook state {name!r} has shape {shape}, but a book of"
                    f" {self.num_worlds} worlds and {self.num_agents} agents needs {own.shape}."
                )
            setattr(self, f"_{name}", np.array(state[name], own.dtype))
