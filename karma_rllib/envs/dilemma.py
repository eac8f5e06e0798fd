"""Scripted cooperators and defectors meet in every proportion: raw data of a Schelling test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from karma_rllib import worlds
from karma_rllib.envs.bots import make_bot
from karma_rllib.envs.meeting import play_episodes

#: Who cooperates and who defects, by profile of harvest-v0: whether to harm, and whether to clean.
GAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "gathering": (("forager", "bully"),),
    "leibo_tag": (("forager", "bully"),),
    "karmic_seed": (("forager", "bully"),),
    "karma_seed": (("forager", "bully"), ("cleaner", "free_rider")),
    "dual_cleanup": (("forager", "bully"), ("cleaner", "free_rider")),
}


class Round(NamedTuple):
    """What was earned in one episode."""

    cooperators: int  # how many
    seed: int
    cooperator_return: float  # mean over the cooperators, NaN without any [reward per episode]
    defector_return: float  # mean over the defectors, NaN without any [reward per episode]


def rounds(
    profile: str,
    cooperator: str,
    defector: str,
    seeds: Sequence[int],
    params: Mapping[str, Any] | None = None,
) -> Iterator[Round]:
    """Play every number of cooperators, from none to all, on the same seeds.

    Who sits where turns with the seed, so that no place is always a cooperator's.

    Args:
        profile: of harvest-v0.
        cooperator: name of a bot.
        defector: name of another.
        seeds: of the episodes.
        params: of the world, over the profile's.

    Raises:
        ValueError: an unknown profile, bot or parameter.
    """
    world = {"world": "harvest-v0", "profile": profile, **(params or {})}
    built = worlds.make("harvest-v0", profile=profile, **(params or {}))
    N = built.num_agents
    good, bad = make_bot(cooperator, built), make_bot(defector, built)
    for m in range(N + 1):
        earned = np.zeros((len(seeds), N))
        row = {seed: n for n, seed in enumerate(seeds)}
        for played in play_episodes(world, [good] * m + [bad] * (N - m), seeds, rotate=True):
            entry = (played.agent - played.seed) % N  # of the cast: the first m cooperate
            earned[row[played.seed], entry] = played.raw_return
        for seed, n in row.items():
            kinds = (earned[n, :m], earned[n, m:])
            yield Round(m, seed, *(float(x.mean()) if len(x) else float("nan") for x in kinds))
