"""Recording: watch worlds of a lifetime, keep the episodes that are worth seeing.

While an episode runs only its actions are written down; its frames are recomputed, digested and
compared with the state in which it really ended when a draft is sealed.

Shapes: B worlds, T env-steps, N agents, A actions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from karma_rllib.envs.replay import Header, Replay, ReplayError, save
from karma_rllib.envs.replay_life import describe, digests, rows_of
from karma_rllib.society.lifetime import Lifetime

KEPT = ("best", "median", "violent")
FILE = "{}.replay"


@dataclass
class Draft:
    """An episode as it was lived, not yet a replay.

    Attributes:
        head: how the world was built, and who played.
        start: state before the first action, of one world.
        actions: consecutive blocks, (steps, N) each.
        tracks: by name, likewise, (steps, N, ...) each.
        end: state after the last action.
        total: sum of the raw rewards of all agents [reward units].
        hits: how often an agent was hit.
    """

    head: Header
    start: dict[str, np.ndarray]
    actions: list[np.ndarray] = field(default_factory=list)
    tracks: dict[str, list[np.ndarray]] = field(default_factory=dict)
    end: dict[str, np.ndarray] = field(default_factory=dict)
    total: float = 0.0
    hits: int = 0

    def seal(self, note: str = "") -> Replay:
        """Make it a replay: relive it, digest its frames, check that it ends as it did.

        Raises:
            ReplayError: it does not, so the world is not a function of its state and actions.
        """
        head = self.head.model_copy(update={"note": note})
        N = len(head.policies)
        actions = np.concatenate([np.empty((0, N), np.int16), *self.actions])
        if not len(actions) or actions.max() < 256:
            actions = actions.astype(np.uint8)
        tracks = {name: np.concatenate(rows) for name, rows in self.tracks.items() if rows}
        replay = Replay(head, self.start, actions, np.zeros(len(actions) + 1, np.uint64), tracks)
        chain, end = digests(replay)
        for name, array in self.end.items():
            if not np.array_equal(array, end[name]):
                raise ReplayError(
                    f"{head.world} did not live episode {head.episode} of world {head.uid} twice "
                    f"alike: {name} differs at its end"
                )
        return replace(replay, chain=chain)


class Recorder:
    """Watches some worlds of a lifetime; tell it of every reset and every step.

    Args:
        life: the lifetime, stepped by somebody else.
        policies: who plays each agent; one name may stand for all, and a function tells it of each
            world of the batch.
        worlds: which worlds to watch; none are where the game has no replays (`traits.replays`).

    Attributes:
        running: the draft of each watched world that is in an episode since its beginning.
    """

    def __init__(
        self,
        life: Lifetime,
        policies: Sequence[str] | Callable[[int], Sequence[str]] = ("?",),
        worlds: Sequence[int] = (0,),
    ) -> None:
        self.life, self.policies = life, policies
        self.worlds = tuple(worlds) if life.traits.replays else ()
        self.running: dict[int, Draft] = {}

    def begin(self, mask: np.ndarray | None = None) -> None:
        """Episodes have begun in the worlds of `mask`, bool (B,), None for all: call after reset.

        May be called in the middle of an episode, which is then recorded from there on.
        """
        new = [b for b in self.worlds if mask is None or mask[b]]
        if not new:
            return
        state = self.life.get_state()
        for b in new:
            start = rows_of(state, b, self.life.num_worlds)
            names = self.policies(b) if callable(self.policies) else self.policies
            self.running[b] = Draft(describe(self.life, b, names), start)

    def note(
        self,
        actions: np.ndarray,
        out: Any,
        value: np.ndarray | None = None,
        chance: np.ndarray | None = None,
    ) -> list[Draft]:
        """Write a step down: call after the step, before the reset that may follow.

        Args:
            actions: of all worlds, (B, N).
            out: what `life.step` returned.
            value: what the policies expected before the step, (B, N) [reward units].
            chance: probabilities of the actions, (B, N, A).

        Returns:
            The drafts of the episodes that this step ended.
        """
        raw, hit = out.events.raw_reward[None], out.events.hit[None]
        more = [None if array is None else array[None] for array in (value, chance)]
        return self.note_rows(actions[None], raw, hit, out.truncated, *more)

    def note_rows(
        self,
        actions: np.ndarray,
        raw: np.ndarray,
        hit: np.ndarray,
        truncated: np.ndarray,
        value: np.ndarray | None = None,
        chance: np.ndarray | None = None,
    ) -> list[Draft]:
        """Write consecutive steps down at once; only the last may have ended an episode.

        Args:
            actions: of all worlds, (T, B, N).
            raw: rewards as earned, (T, B, N) [reward units].
            hit: how often an agent was hit; who hit whom, (T, B, N, N), or counts, (T, B).
            truncated: whether the last step ended the episode, bool (B,).
            value: what the policies expected before each step, (T, B, N) [reward units].
            chance: probabilities of the actions, (T, B, N, A).

        Returns:
            The drafts of the episodes that ended.
        """
        for b, draft in self.running.items():
            draft.actions.append(actions[:, b].astype(np.int16))
            draft.total += float(raw[:, b].sum(dtype=np.float64))
            draft.hits += int(hit[:, b].sum())
            if value is not None:
                draft.tracks.setdefault("value", []).append(value[:, b].astype(np.float16))
            if chance is not None:
                part = np.rint(255 * chance[:, b]).astype(np.uint8)
                draft.tracks.setdefault("chance", []).append(part)
        ended = [b for b in self.running if truncated[b]]
        if not ended:
            return []
        state = self.life.get_state()
        for b in ended:
            self.running[b].end = rows_of(state, b, self.life.num_worlds)
        return [self.running.pop(b) for b in ended]

    def cut(self, b: int = 0) -> Draft:
        """The draft of an episode that still runs, up to now; recording goes on.

        Raises:
            ReplayError: the game has no replays.
        """
        if not self.life.traits.replays:
            raise ReplayError(f"no replays are made of {self.life.world.name}")
        draft = self.running[b]
        tracks = {name: list(blocks) for name, blocks in draft.tracks.items()}
        return Draft(draft.head, draft.start, list(draft.actions), tracks)


class Keeper:
    """Keeps the latest finished episodes and picks the ones worth seeing.

    Args:
        most: episodes remembered; the oldest is forgotten first.
    """

    def __init__(self, most: int = 64) -> None:
        self.drafts: deque[Draft] = deque(maxlen=most)

    def add(self, drafts: Sequence[Draft]) -> None:
        """Remember finished episodes."""
        self.drafts.extend(drafts)

    def pick(self) -> dict[str, Draft]:
        """`best`: highest total reward; `median`: the middle one (the lower of two); `violent`:
        most hits.  Ties go to the earlier episode; empty without episodes.
        """  # noqa: D205
        if not self.drafts:
            return {}
        drafts = list(self.drafts)
        ranked = sorted(drafts, key=lambda draft: draft.total)
        return {
            "best": max(drafts, key=lambda draft: draft.total),
            "median": ranked[(len(ranked) - 1) // 2],
            "violent": max(drafts, key=lambda draft: draft.hits),
        }

    def write(self, folder: str | Path) -> dict[str, Path]:
        """Seal the picked episodes and write them to `folder`, over older ones; returns files."""
        return {
            name: save(draft.seal(name), Path(folder) / FILE.format(name))
            for name, draft in self.pick().items()
        }
