"""Keeping episodes worth seeing, for drivers that play many: in training, and when policies meet.

Shapes: B worlds, T env-steps, N agents, A actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from karma_rllib.envs.replay import pack
from karma_rllib.envs.replay_record import Draft, Keeper, Recorder
from karma_rllib.society.lifetime import Lifetime


class Watch:
    """A recorder and a keeper for a driver that plays on and on, such as a sampler in training.

    Args:
        life: the lifetime that the driver steps.
        policy: who plays all agents.
        worlds: how many worlds to watch, the first ones.
        most: finished episodes remembered.
    """

    def __init__(self, life: Lifetime, policy: str, worlds: int, most: int = 32) -> None:
        self.recorder = Recorder(life, [policy], range(min(worlds, life.num_worlds)))
        self.keeper = Keeper(most)

    def begin(self, mask: np.ndarray | None = None) -> None:
        """Episodes have begun; see `Recorder.begin`."""
        self.recorder.begin(mask)

    def note(
        self,
        actions: np.ndarray,
        events: Mapping[str, np.ndarray],
        truncated: np.ndarray,
        value: np.ndarray,
        logp: np.ndarray,
    ) -> None:
        """Consecutive steps were played; only the last may have ended an episode.

        Args:
            actions: (T, B, N).
            events: the steps' events by name, (T, B, ...).
            truncated: whether the last step ended the episode, bool (B,).
            value: what the policy expected before each step, (T, B, N) [reward units].
            logp: log-probabilities of all actions, (T, B, N, A).
        """
        if self.recorder.running and len(actions):
            chance = np.exp(logp[:, : len(self.recorder.worlds)])  # these are the first worlds
            raw, hit = events["raw_reward"], events["hit"]
            self.keeper.add(self.recorder.note_rows(actions, raw, hit, truncated, value, chance))

    def skip(self) -> None:
        """Forget the running episodes: their beginnings are not those of this lifetime."""
        self.recorder.running.clear()

    def files(self) -> dict[str, bytes]:
        """The picked episodes as files, by name."""
        return {name: pack(draft.seal(name)) for name, draft in self.keeper.pick().items()}


class Witness:
    """Writes down every episode of batches that begin and end together.

    It is the `watch` of `envs.meeting.play_episodes`.

    Args:
        cast: who plays each agent in the episode of a seed.

    Attributes:
        drafts: finished episodes by seed, in the order in which they were played.
    """

    def __init__(self, cast: Callable[[int], Sequence[str]]) -> None:
        self.cast = cast
        self.drafts: dict[int, Draft] = {}

    def __call__(self, life: Lifetime, actions: np.ndarray | None, out: Any) -> None:
        """A batch begins (without actions), or a step was played."""
        if actions is None:
            worlds = range(life.num_worlds)
            self._recorder = Recorder(life, lambda b: self.cast(int(life.uid[b])), worlds)
            self._recorder.begin()
            self._steps: list[tuple[np.ndarray, ...]] = []
            return
        events = out.events
        self._steps.append(
            (actions.astype(np.int16), events.raw_reward.copy(), events.hit.sum((1, 2)))
        )
        if out.truncated.any():
            acted, raw, hits = (np.stack(column) for column in zip(*self._steps, strict=True))
            for draft in self._recorder.note_rows(acted, raw, hits, out.truncated):
                self.drafts[draft.head.uid] = draft
            self._steps = []
