"""Episodes as RLlib's callbacks expect them, without keeping their steps.

The batched runner never builds RLlib's episode objects. A callback receives a summary
with the same few questions one asks of an episode: who, how long, how much.

Shapes: T env-steps, W worlds, N agents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from karma_rllib.plugin.fragment import Fragment


@dataclass(frozen=True)
class EpisodeSummary:
    """One episode of one world.

    Attributes:
        id_: world identity and number of the episode in its life, as text.
        uid: identity of the world.
        length: env-steps so far.
        returns: undiscounted return of each agent so far [reward], (N,).
        is_done: whether the episode has ended.
    """

    id_: str
    uid: int
    length: int
    returns: tuple[float, ...]
    is_done: bool

    def __len__(self) -> int:
        return self.length

    def env_steps(self) -> int:
        """Env-steps so far."""
        return self.length

    def agent_steps(self) -> int:
        """Agent-steps so far."""
        return self.length * len(self.returns)

    def get_return(self) -> float:
        """Return of all agents together [reward]."""
        return sum(self.returns)


class EpisodeLog:
    """Returns and lengths of the episodes under way, across fragments.

    Args:
        num_worlds: W.
        num_agents: N.
    """

    def __init__(self, num_worlds: int, num_agents: int) -> None:
        self.returns = np.zeros((num_worlds, num_agents))
        self.lengths = np.zeros(num_worlds, np.int64)

    def follow(self, fragment: Fragment) -> Iterator[tuple[str, int, EpisodeSummary]]:
        """Take in a fragment.

        Yields:
            ("start" | "end", index of the world, summary), in the order of time.
        """
        for t in range(len(fragment.reward)):
            for world in np.flatnonzero(self.lengths == 0).tolist():
                yield "start", world, self._summary(fragment, t, world, done=False)
            self.returns += fragment.reward[t]
            self.lengths += 1
            for world in np.flatnonzero(fragment.truncated[t]).tolist():
                yield "end", world, self._summary(fragment, t, world, done=True)
                self.returns[world], self.lengths[world] = 0.0, 0

    def _summary(self, fragment: Fragment, t: int, world: int, *, done: bool) -> EpisodeSummary:
        uid, episode = int(fragment.uid[world]), int(fragment.events["episode"][t, world])
        returns = tuple(float(r) for r in self.returns[world])
        return EpisodeSummary(f"{uid}:{episode}", uid, int(self.lengths[world]), returns, done)

    def restart(self) -> None:
        """Forget the episodes under way."""
        self.returns[:], self.lengths[:] = 0.0, 0

    def get_state(self) -> dict[str, np.ndarray]:
        """Both arrays."""
        return {"returns": self.returns.copy(), "lengths": self.lengths.copy()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `get_state` returned."""
        self.returns, self.lengths = state["returns"].copy(), state["lengths"].copy()
