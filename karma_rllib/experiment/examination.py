"""Policies sit the scenarios: every seed once, and every episode kept in the file of episodes.

A row's score is (raw - chance) / (1 - chance), so that rows can be averaged; the score of a
scenario is their mean, and 0 where that falls below guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from karma_rllib import __version__
from karma_rllib.analysis.store import FOCAL, EpisodeStore, Key, Row, name_of
from karma_rllib.config import ConfigError
from karma_rllib.envs.suites.oracles import BOTS
from karma_rllib.envs.suites.play import Result, play
from karma_rllib.envs.suites.scenario import SEEDS, Episode, Scenario, measures
from karma_rllib.nets.policies import BOT_VERSION, Found, locate, open_found


class Mark(NamedTuple):
    """What a policy scored in a scenario."""

    scenario: str
    suite: str
    policy: str  # its label
    score: float | None  # None: it cannot play there
    episodes: int  # behind the score
    why: str = ""  # it cannot play


def find(uris: Iterable[str]) -> list[Found]:
    """The policies of these addresses.

    Raises:
        ConfigError: one is not there.
    """
    try:
        return [locate(uri) for uri in dict.fromkeys(uris)]
    except (ValueError, OSError) as err:
        raise ConfigError(" ".join(str(err).split())) from None


def examine(
    found: Found,
    scenario: Scenario,
    seeds: Sequence[int] = SEEDS,
    store: EpisodeStore | None = None,
) -> Mark:
    """Let a policy play a scenario; episodes that the store has are not played again.

    Args:
        found: the policy; it plays all judged agents.
        scenario: the test.
        seeds: of the episodes.
        store: where episodes are kept; None keeps none.
    """
    try:
        _maker(found)(
            _world(scenario, scenario.episode(seeds[0])), scenario.episode(seeds[0]), None
        )
    except ValueError as err:
        return Mark(scenario.name, scenario.suite, found.label, None, 0, str(err))
    scores: dict[int, float] = {}
    groups = {seed: scenario.episode(seed).group for seed in seeds}
    known = _known(found, scenario, store)
    for seed in seeds:
        if seed not in known:
            rows = _rows(found, scenario, seed, play(scenario, seed, _maker(found), BOTS))
            known[seed] = float(rows[0].score or 0.0)
            if store is not None:
                store.add(rows)
        scores[seed] = known[seed]
    raws = [scores[seed] * (1 - scenario.chance) + scenario.chance for seed in seeds]
    score = scenario.score(raws, [groups[seed] for seed in seeds])
    return Mark(scenario.name, scenario.suite, found.label, score, len(seeds))


def _world(scenario: Scenario, episode: Episode) -> Any:
    from karma_rllib import worlds

    return worlds.make(scenario.world, **episode.params)


def _maker(found: Found) -> Callable[..., Any]:
    """Builds the policy for the world of an episode."""

    def make(world: Any, episode: Episode, agents: np.ndarray | None) -> Any:
        return open_found(found, world, world.seed)

    return make


def _key(found: Found, scenario: Scenario, seed: int) -> Key:
    """What identifies an episode; rivals are named like any bot."""
    rival = scenario.episode(seed).group
    npc = name_of(f"bot://{rival}", BOT_VERSION) if rival else ""
    return Key(
        found.uri, found.version, scenario.suite, scenario.name, seed, FOCAL, npc, __version__
    )


def _rows(found: Found, scenario: Scenario, seed: int, result: Result) -> list[Row]:
    """One row per judged agent."""
    tally, key = result.tally, _key(found, scenario, seed)
    score = (result.raw - scenario.chance) / (1 - scenario.chance)
    hearts, returns = tally.hearts.sum(0), tally.rewards.sum(0)
    told = measures(scenario.episode(seed), tally, result.raw)
    return [
        Row(
            key,
            int(i),
            score,
            float(returns[i]),
            float(returns[i]),
            result.steps,
            told
            | {"ate": float(hearts[i])}
            | {k: float(v[i]) for k, v in tally.sums.items() if v[i]},
        )
        for i in np.flatnonzero(scenario.episode(seed).focal)
    ]


def _known(found: Found, scenario: Scenario, store: EpisodeStore | None) -> dict[int, float]:
    """Scores that the store already has, by seed."""
    if store is None:
        return {}
    table = store.frame()
    mine = (
        (table["policy_uri"] == found.uri)
        & (table["version"] == found.version)
        & (table["scenario"] == scenario.name)
        & (table["suite"] == scenario.suite)
        & (table["code_version"] == __version__)
        & (table["failed"] == "")
    )
    first = table[mine].drop_duplicates("seed")
    return dict(zip(first["seed"].astype(int), first["score"].astype(float), strict=True))
