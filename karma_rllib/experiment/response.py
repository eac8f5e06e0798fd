"""Best responses: a fresh agent is trained against frozen policies that keep still.

In each population every agent is played by one policy.  A fresh agent takes one place, learns for
a budget, and is then let meet the population; its gain is what it earns there beyond what a member
of the population earns in the same place, in the same episodes.  A gain above zero is a lower
bound of how far the population can be exploited (Lanctot et al. 2017, "A unified game-theoretic
approach to multiagent reinforcement learning", where NashConv sums such gains); one below zero
only says that the fresh agent has not learnt enough.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from karma_rllib import __version__
from karma_rllib.analysis.stats import Interval, t_interval
from karma_rllib.config import ExperimentConfig
from karma_rllib.envs.meeting import World, build
from karma_rllib.experiment import meeting
from karma_rllib.experiment.meeting import Cell
from karma_rllib.experiment.tasks import in_tasks
from karma_rllib.nets.policies import Found, locate
from karma_rllib.nets.policy import DESCRIPTION

DEFAULTS: dict[str, dict[str, Any]] = {
    "module": {"preset": "tiny"},
    "ppo": {"lr": 5e-4, "gae_lambda": 0.95, "rollout": 128, "envs": 32, "minibatch": 1024},
    "budget": {"agent_steps": 500_000, "eval_episodes": 64},
}
"""What a fresh agent is trained with unless told otherwise: the network without memory."""
SOCIETY = ("ledger", "matchmaker", "kinship")  # sections of a lifetime


@dataclass(frozen=True)
class Response:
    """One fresh agent against one population.

    Attributes:
        population: who plays everybody else.
        world: where.
        config: network, learner and budget.
        seed: of the training.
        storage: folder of trained responses.
    """

    population: Found
    world: World
    config: ExperimentConfig
    seed: int
    storage: Path

    @property
    def folder(self) -> Path:
        """Where its policy lies; another budget, world, version or population has another one."""
        who = [self.population.name, dict(self.world), self.config.fingerprint(), __version__]
        mark = hashlib.sha256(json.dumps(who, sort_keys=True).encode()).hexdigest()[:8]
        name = re.sub(r"[^\w.-]+", "_", self.population.label)
        return self.storage / f"to_{name}_{mark}_s{self.seed}"

    @property
    def trained(self) -> bool:
        """Whether its policy is there."""
        return (self.folder / DESCRIPTION).is_file()


def settings(world: World, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """What a fresh agent is trained with in a world.

    Args:
        world: see `envs.meeting.World`.
        overrides: `section.key=value` texts over `DEFAULTS`.

    Raises:
        ConfigError: a key or value that is wrong, or wrong in this world.
    """
    params = {k: v for k, v in world.items() if k not in ("world", *SOCIETY)}
    own = {"name": world.get("world", "harvest-v0"), **params}
    data = {"name": "response", "world": own, "conditions": ["baseline"], **DEFAULTS}
    if "kinship" in world:
        data["kinship"] = dict(world["kinship"])
    return ExperimentConfig.of(data).with_overrides(overrides)


def plan(
    uris: Sequence[str], world: World, config: ExperimentConfig, seeds: Sequence[int], storage: Path
) -> list[Response]:
    """A fresh agent per population and seed.

    Raises:
        ConfigError: a policy is not there or does not fit the world.
    """
    cells = meeting.plan(uris, [], world)
    populations = [cell.focal for cell in cells if cell.focal == cell.background]
    where = storage.resolve()
    return [Response(one, world, config, seed, where) for one in populations for seed in seeds]


def train(response: Response) -> None:
    """Train one fresh agent and write its policy; needs a Ray that is initialised."""
    from karma_rllib.experiment.build import build_algorithm_config
    from karma_rllib.plugin.company import among

    config = response.config
    algorithm_config = build_algorithm_config(config, "baseline", response.seed)
    address = response.population.uri
    if response.population.folder is not None:  # this very version of it
        address = f"file://{response.population.folder}"
    algorithm = among(algorithm_config, response.world, address, response.seed).build_algo()
    try:
        while algorithm.agent_steps < config.budget.agent_steps:
            algorithm.train()
        told = f"response to {response.population.name}"
        algorithm.save_policy(response.folder, condition=told)
    finally:
        algorithm.stop()


def train_missing(
    todo: Sequence[Response],
    workers: int = 1,
    told: Callable[[int], None] = lambda responses: None,
) -> list[str]:
    """Train what is not there yet, as Ray tasks.

    Args:
        todo: from `plan`.
        workers: tasks at once.
        told: called with 1 whenever one is done.

    Returns:
        Why responses failed, one line each; the others went on.
    """
    missing, complaints = [one for one in todo if not one.trained], []
    if not missing:
        return []
    for one, err in in_tasks(train, missing, workers, missing[0].config, max_calls=1):
        if err is not None:
            reason = " ".join(str(err).split())[-300:] or type(err).__name__
            complaints.append(f"response to {one.population.label}, seed {one.seed}: {reason}")
        told(1)
    return complaints


def games(done: Sequence[Response]) -> list[Cell]:
    """The meetings that tell what responses gain: theirs, and those of a member in their place."""
    found: list[Cell] = []
    for one in done:
        among = Cell(one.population, one.population, 1, build(one.world).num_agents, one.world, 0)
        if among not in found:
            found.append(among)
        found.append(replace(among, focal=locate(str(one.folder))))
    return found


class Gain(NamedTuple):
    """What fresh agents gained in one population; the unit is a trained agent.

    Attributes:
        population: its label.
        member: what a member earns among its own [reward units per episode].
        response: what fresh agents earn in its place.
        gain: the latter less the former, in the same episodes, with a 95 % t interval.
        each: the gain of every seed, in the order of seeds.
    """

    population: str
    member: float
    response: Interval
    gain: Interval
    each: tuple[float, ...]


def gains(done: Sequence[Response], table: pd.DataFrame, seeds: Sequence[int]) -> list[Gain]:
    """What responses gained.

    Args:
        done: responses that are trained.
        table: rows of a store that holds their `games`.
        seeds: of the episodes that count.
    """
    found = []
    for name in dict.fromkeys(one.population.name for one in done):
        own = [one for one in done if one.population.name == name]
        member, *others = games(own)
        base = _earned(table, member, seeds)
        earned = [_earned(table, cell, seeds) for cell in others]
        each = [float((x - base).mean()) for x in earned]  # paired by episode
        mean = t_interval([float(x.mean()) for x in earned])
        label = own[0].population.label
        found.append(Gain(label, float(base.mean()), mean, t_interval(each), tuple(each)))
    return found


def _earned(table: pd.DataFrame, cell: Cell, seeds: Sequence[int]) -> pd.Series:
    """What the judged agent of a cell earned in every episode."""
    key = cell.key(0)._asdict()
    key.pop("seed")
    same = (table[list(key)] == pd.Series(key)).all(axis=1) & (table["failed"] == "")
    return table[same & table["seed"].isin(seeds)].groupby("seed")["raw_return"].mean()
