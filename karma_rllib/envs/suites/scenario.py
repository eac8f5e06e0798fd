"""What a scenario is: seeded episodes, who sits where, and how play is scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from karma_rllib.envs.suites.dice import Dice

FOCAL = "focal"  # the seat of an agent that is judged
SEEDS = range(16)  # of a full evaluation
SOLVED = 0.95  # score from which a scenario counts as solved


@dataclass(frozen=True)
class Episode:
    """One episode of a scenario, fixed by its seed.

    Attributes:
        params: of the world; the map, `num_agents` and the horizon `max_steps` among them.
        shortest: length of the shortest plan with full knowledge [steps].
        possible: most that can be had, in the unit of the scenario's scorer.
        plan: actions of a shortest plan, if one agent plays alone.
        seats: per agent `FOCAL`, or the name of the bot that plays it; empty: all focal.
        group: scores are averaged within groups first, then over them.
        notes: what the oracle must know and cannot see.
    """

    params: Mapping[str, Any]
    shortest: int
    possible: float = 1.0
    plan: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()
    group: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_agents(self) -> int:
        """How many agents play."""
        return int(self.params["num_agents"])

    @property
    def focal(self) -> np.ndarray:
        """Who is judged, bool (N,)."""
        seats = self.seats or (FOCAL,) * self.num_agents
        return np.array([seat == FOCAL for seat in seats])


@dataclass(frozen=True)
class Tally:
    """What happened in an episode of T steps with N agents.

    Attributes:
        rewards: as the world pays them, float32 (T, N).
        hearts: taken, int (T, N).
        sums: over the episode, float (N,), of the world's events: `harvested`, `consumed`,
            `produced`, `looted`, `gave_items`, `gave_energy`, `energy_charged`, ...; `froze`
            and `hit` [attacks], `frozen` [steps], `revisits` (part of the steps that ended on a
            cell where the agent had been before).
        items: held at the end, int (N, I).
    """

    rewards: np.ndarray
    hearts: np.ndarray
    sums: Mapping[str, np.ndarray]
    items: np.ndarray


@dataclass(frozen=True)
class Scenario:
    """A test of one ability.

    Attributes:
        name: how it is called.
        suite: the suite that it belongs to.
        about: one line: what has to be done.
        generate: draws an episode from dice.
        raw: the result of an episode, before `chance` is taken off; in [0, 1].
        chance: what guessing gives; the score of the scenario is (mean raw - chance) /
            (1 - chance), from 0 to 1.
        oracle: name of the player with full knowledge, in `suites.oracles`.
        world: name of the world.
    """

    name: str
    suite: str
    about: str
    generate: Callable[[Dice], Episode]
    raw: Callable[[Episode, Tally], float]
    chance: float = 0.0
    oracle: str = "plan"
    world: str = "kinship-v0"

    def episode(self, seed: int) -> Episode:
        """The episode of a seed."""
        return self.generate(Dice(self.name, seed))

    def score(self, raws: Sequence[float], groups: Sequence[str] | None = None) -> float:
        """Score of several episodes, in [0, 1].

        Args:
            raws: the raw results.
            groups: the group of each; None for one group.
        """
        values, labels = np.asarray(raws, float), np.asarray(groups or [""] * len(raws))
        mean = np.mean([values[labels == label].mean() for label in np.unique(labels)])
        return float(np.clip((mean - self.chance) / (1 - self.chance), 0, 1))


def measures(episode: Episode, tally: Tally, raw: float) -> dict[str, float]:
    """What is told of an episode beside its score.

    `spl`: the raw result times shortest / max(shortest, steps until the last reward, or all steps
    if more was to be had) (Anderson et al. 2018, "On evaluation of embodied navigation agents");
    where one agent has a plan and was rewarded.  `late_minus_early`: rewarded steps in the second
    half minus those in the first, per step: what was learnt on the way.  `gini`: of hearts among
    the judged, 0 all alike.
    """
    focal = episode.focal
    paid = (tally.rewards[:, focal] > 0).sum(1)  # (T,)
    half = len(paid) // 2
    found = {"late_minus_early": float(paid[-half:].mean() - paid[:half].mean()) if half else 0.0}
    if episode.plan and focal.sum() == 1 and paid.any():
        used = int(np.flatnonzero(paid)[-1]) + 1 if raw >= 1 else len(paid)
        found["spl"] = raw * episode.shortest / max(episode.shortest, used)
    hearts = np.sort(tally.hearts[:, focal].sum(0)).astype(float)
    if len(hearts) > 1 and hearts.sum() > 0:
        n = len(hearts)
        ranks = np.arange(1, n + 1)
        found["gini"] = float((2 * ranks - n - 1) @ hearts / (n * hearts.sum()))
    return found


def horizon(ratio: float, shortest: int) -> int:
    """Steps allowed: the shortest plan times a ratio, rounded up."""
    return math.ceil(ratio * shortest)


def heart_share(episode: Episode, tally: Tally) -> float:
    """Hearts of the focal agents, of those possible."""
    return min(float(tally.hearts[:, episode.focal].sum()) / episode.possible, 1.0)


def title(make: Callable[[Dice], Episode]) -> str:
    """What has to be done: the first line of the generator's docstring."""
    return (make.__doc__ or "").partition("\n")[0].rstrip(".")


def build(
    suite: str,
    raw: Callable[[Episode, Tally], float],
    makes: Sequence[Callable[[Dice], Episode]],
    **common: Any,
) -> tuple[Scenario, ...]:
    """Scenarios of a suite that are scored alike: named and told by their generators.

    Args:
        suite: of all.
        raw: their scorer.
        makes: the generators; the first line of the docstring says what has to be done.
        common: `chance`, `oracle`.
    """
    return tuple(Scenario(make.__name__, suite, title(make), make, raw, **common) for make in makes)
