"""Policies sit the scenarios: who is judged, who plays the other seats, and what is kept of it.

A row's score is (raw - chance) / (1 - chance), so that rows can be averaged; the score of a
scenario is their mean, and 0 where that falls below guessing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from karma_rllib import __version__, worlds
from karma_rllib.analysis import meetings
from karma_rllib.analysis.stats import Interval
from karma_rllib.analysis.store import BACKGROUND, FOCAL, Key, Row, name_of
from karma_rllib.config import ConfigError
from karma_rllib.envs import scenarios
from karma_rllib.envs.replay_life import describe
from karma_rllib.envs.replay_record import Draft
from karma_rllib.envs.suites.oracles import BOTS
from karma_rllib.envs.suites.play import Maker, Result, play
from karma_rllib.envs.suites.scenario import Episode, Scenario, measures
from karma_rllib.experiment.meeting_replays import keep
from karma_rllib.nets.policies import BOT_VERSION, Found, locate, open_found
from karma_rllib.society.lifetime import make_lifetime

CHANCES = 20  # bits of an episode's seed; above them lies the seed of the policies' chances


@lru_cache(maxsize=4096)
def _episode(name: str, seed: int) -> Episode:
    return scenarios.scenario(name).episode(seed)


@dataclass(frozen=True)
class Sitting:
    """A policy in the judged seats of a scenario.

    Attributes:
        focal: who is judged.
        name: of the scenario.
        rivals: who plays the seats of the scenario's rivals; None: its own bots.
        seed: of the policies' chances.
        replays: folder for replays of what is worth seeing; None keeps none.
    """

    focal: Found
    name: str
    rivals: Found | None = None
    seed: int = 0
    replays: Path | None = None

    @property
    def scenario(self) -> Scenario:
        """The scenario itself."""
        return scenarios.scenario(self.name)

    @property
    def title(self) -> str:
        """Who, where, and among whom."""
        among = f" among {self.rivals.label}" if self.rivals else ""
        return f"{self.focal.label} in {self.name}{among}"

    def key(self, seed: int) -> Key:
        """What identifies an episode; the scenario's own rivals are named like any bot."""
        rival = _episode(self.name, seed).group
        met = self.rivals.name if self.rivals else name_of(f"bot://{rival}", BOT_VERSION)
        return self._key(seed, FOCAL, self.focal, met if rival else "")

    def _key(self, seed: int, role: str, me: Found, npc: str) -> Key:
        what = f"{self.name} chances={self.seed}" if self.seed else self.name
        suite = self.scenario.suite
        return Key(me.uri, me.version, suite, what, seed, role, npc, __version__)

    def _makers(self, seed: int) -> tuple[Maker, dict[str, Maker]]:
        """Who makes the judged player, and those of the other seats."""
        rival = _episode(self.name, seed).group
        own = {rival: _maker(self.rivals, self.seed)} if self.rivals and rival else {}
        return _maker(self.focal, self.seed), {**BOTS, **own}

    def check(self) -> None:
        """Refuse what cannot be played.

        Raises:
            ValueError: somebody cannot act in this world, or the scenario has no rivals.
        """
        episode = _episode(self.name, 0)
        if self.rivals and not episode.group:
            raise ValueError(f"{self.name} has no rivals whom --background could play")
        world = worlds.make(self.scenario.world, **episode.params)
        for found in filter(None, (self.focal, self.rivals)):
            open_found(found, world)

    def play(self, seeds: Sequence[int]) -> list[list[Row]]:
        """Play episodes; for each seed the rows of all agents, a score for those who are judged."""
        found: dict[int, list[Row]] = {}
        drafts: dict[int, Draft] = {}
        for seed in seeds:
            result = play(self.scenario, seed, *self._makers(seed))
            found[seed] = self._rows(seed, result)
            if self.replays is not None:
                drafts[seed] = self._draft(seed, result)
        if self.replays is not None:
            keep(self.replays, self.key(0), drafts, found)
        return list(found.values())

    def _draft(self, seed: int, result: Result) -> Draft:
        """An episode that was played, to be lived again."""
        episode = _episode(self.name, seed)
        life = make_lifetime(self.scenario.world, seed=seed, **episode.params)
        life.reset()
        me = name_of(self.focal.label, self.focal.version)
        rivals = (
            {episode.group: name_of(self.rivals.label, self.rivals.version)} if self.rivals else {}
        )
        seats = episode.seats or (FOCAL,) * episode.num_agents
        names = [{FOCAL: me, **rivals}.get(seat, seat) for seat in seats]
        hits = int(result.tally.sums["hit"].sum())
        head, start = describe(life, 0, names), life.get_state()
        return Draft(head, start, [result.actions], hits=hits)

    def _rows(self, seed: int, result: Result) -> list[Row]:
        episode, tally, scenario = _episode(self.name, seed), result.tally, self.scenario
        seats = episode.seats or (FOCAL,) * episode.num_agents
        score = (result.raw - scenario.chance) / (1 - scenario.chance)
        told = measures(episode, tally, result.raw)
        hearts, returns = tally.hearts.sum(0), tally.rewards.sum(0)
        rows = []
        for i, seat in enumerate(seats):
            counts = {"ate": float(hearts[i])}
            counts |= {name: float(sums[i]) for name, sums in tally.sums.items() if sums[i]}
            judged = seat == FOCAL
            key = self.key(seed) if judged else self._others(seed, seat)
            earned = float(returns[i])
            rows.append(
                Row(
                    key,
                    i,
                    score if judged else None,
                    earned,
                    earned,
                    result.steps,
                    {**told, **counts} if judged else counts,
                )
            )
        return rows

    def _others(self, seed: int, seat: str) -> Key:
        """The same episode seen from a seat that is not judged."""
        bot = Found(f"bot://{seat}", BOT_VERSION, None, seat, {})
        me = self.rivals if self.rivals and seat == _episode(self.name, seed).group else bot
        return self._key(seed, BACKGROUND, me, self.focal.name)

    def mark(self, table: pd.DataFrame, seeds: Sequence[int]) -> Mark | None:
        """What it scored and earned in these episodes.

        Args:
            table: rows of a store, see `store.read`.
            seeds: of the episodes.

        Returns:
            None where none of them is there.
        """
        mine = _those(table, {self.key(seed) for seed in seeds})
        if mine.empty:
            return None
        others = _those(table, {key for seed in seeds for key in self._backgrounds(seed)})
        scores = mine.drop_duplicates("seed")
        kinds = ["" if self.rivals else _episode(self.name, s).group for s in scores["seed"]]
        mean, low, high, n = meetings.grouped_interval(scores["score"], kinds)
        cut = [float(np.clip(x, 0, 1)) for x in (mean, low, high)]
        return Mark(
            Interval(cut[0], cut[1], cut[2], n),
            meetings.mean_interval(mine.groupby("seed")["raw_return"].mean()),
            None
            if others.empty
            else meetings.mean_interval(others.groupby("seed")["raw_return"].mean()),
        )

    def _backgrounds(self, seed: int) -> set[Key]:
        seats = set(_episode(self.name, seed).seats) - {FOCAL}
        return {self._others(seed, seat) for seat in seats}


class Mark(NamedTuple):
    """What a policy scored in a scenario, and what was earned per head there.

    Attributes:
        score: from 0 to 1, and its interval.
        focal: per-capita return of those who are judged [reward units].
        background: of the others; None where there are none.
    """

    score: Interval
    focal: Interval
    background: Interval | None


def plan(
    names: Iterable[str],
    policies: Iterable[str],
    background: Iterable[str] = (),
    seed: int = 0,
    replays: Path | None = None,
) -> tuple[list[Sitting], list[str]]:
    """Every policy in every scenario, among every background policy.

    Args:
        names: of scenarios.
        policies: their addresses, see `nets.policies`.
        background: addresses of who plays the rivals; empty: the scenarios' own bots.
        seed: of the policies' chances.
        replays: folder for replays, see `meeting_replays.keep`; None keeps none.

    Returns:
        What can be played, and why the rest cannot, a line each.

    Raises:
        ConfigError: a policy is not there, or nothing can be played.
    """
    try:
        judged = [locate(uri) for uri in dict.fromkeys(policies)]
        others: list[Found | None] = [locate(uri) for uri in dict.fromkeys(background)]
    except (ValueError, OSError) as err:
        raise ConfigError(" ".join(str(err).split())) from None
    found, why = [], []
    for name, one, other in product(names, judged, others or [None]):
        sitting = Sitting(one, name, other, seed, replays)
        try:
            sitting.check()
        except ValueError as err:
            why.append(f"{sitting.title}: {err}")
        else:
            found.append(sitting)
    if not found:
        raise ConfigError(why[0])
    return found, why


def overall(marks: Iterable[tuple[str, float]]) -> float:
    """Mean over suites of their mean scores.

    Args:
        marks: suite and score of each scenario.
    """
    table = pd.DataFrame(marks, columns=["suite", "score"])
    return float(table.groupby("suite")["score"].mean().mean())


def _maker(found: Found, chances: int) -> Maker:
    """Builds the policy for the world of an episode."""

    def make(world: Any, episode: Episode, agents: np.ndarray) -> Any:
        return open_found(found, world, world.seed + (chances << CHANCES))

    return make


def _those(table: pd.DataFrame, keys: set[Key]) -> pd.DataFrame:
    """The rows with one of these keys, and with a result."""
    own = pd.MultiIndex.from_frame(table[list(Key._fields)])
    return table[own.isin(list(keys)) & (table["failed"] == "")]
