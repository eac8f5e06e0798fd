"""Every social count and every social metric, defined once, as data.

A *count* is an additive sum over a stack of transitions: counts of fragments, of env runners and of
iterations may be added in any order. A *metric* is a function of added counts, in most cases a
ratio of two of them: rates are pooled as ratios of sums, never as means of ratios.

Zero counts: a metric whose denominator count is zero is 0.0. It is never NaN and never infinite;
the count that says whether there was anything to measure is logged beside it under `counts/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

Sums = Mapping[str, float]


class Count(NamedTuple):
    """One additive sum, logged as `counts/<name>`."""

    name: str
    unit: str
    description: str


class Metric(NamedTuple):
    """One metric, logged as `social/<name>`.

    `better` is "lower", "higher" or "" (neither); `value` computes the metric from added counts and
    treats a count that is missing as zero.
    """

    name: str
    formula: str
    unit: str
    better: str
    description: str
    value: Callable[[Sums], float]


def ratio(sums: Sums, numerator: str, denominator: str) -> float:
    """`sums[numerator] / sums[denominator]`, and 0.0 where the denominator is not positive."""
    below = sums.get(denominator, 0.0)
    return sums.get(numerator, 0.0) / below if below > 0 else 0.0


def aim_index(sums: Sums, target: str) -> float:
    """P(zap | `target` in line) / P(zap | nothing in line); 1 is blind spraying.

    Where agents zap at the target and never at nothing, the index would be infinite: half a shot at
    nothing is assumed then, so that the value is finite and still grows with the evidence. It is
    0.0 where no shot at the target was seen or one of the two situations never came up.
    """
    p_target = ratio(sums, f"aim_{target}_shots", f"aim_{target}")
    idle, idle_shots = sums.get("aim_nothing", 0.0), sums.get("aim_nothing_shots", 0.0)
    return p_target * idle / max(idle_shots, 0.5)


def per_episode(sums: Sums, value: str, episodes: str) -> float:
    """Mean over finished episodes, or over those under way as long as none has finished."""
    prefix = "finished_" if sums.get("finished_episodes", 0.0) > 0 else "running_"
    return ratio(sums, prefix + value, prefix + episodes)


def _frozen_share(sums: Sums) -> float:
    known = sums.get("agent_steps", 0.0) > 0
    return 1.0 - ratio(sums, "active_steps", "agent_steps") if known else 0.0


def _exclusion_gain(sums: Sums) -> float:
    if min(sums.get("after_hit_windows", 0.0), sums.get("control_windows", 0.0)) <= 0:
        return 0.0
    after_hit = ratio(sums, "after_hit_apples", "after_hit_windows")
    return after_hit - ratio(sums, "control_apples", "control_windows")


def _retribution_ratio(sums: Sums) -> float:
    both = sums.get("predatory", 0.0) + sums.get("retributive", 0.0)
    return sums.get("retributive", 0.0) / both if both > 0 else 0.0


def _log_selectivity(sums: Sums) -> float:
    return math.log((sums.get("cleans", 0.0) + 1) / (sums.get("hits", 0.0) + 1))


_PLAIN_COUNTS = (
    Count("env_steps", "env-steps", "joint actions of all agents of one world"),
    Count("agent_steps", "agent-steps", "actions of single agents, frozen ones included"),
    Count("active_steps", "agent-steps", "agent-steps of agents that could act (not frozen)"),
    Count("episodes", "episodes", "episode equivalents: env_steps / max_steps"),
    Count("agent_episodes", "agent-episodes", "agent_steps / max_steps"),
    Count("hits", "zaps", "V: agents hit by a zap"),
    Count("cleans", "zaps", "C: shots that removed at least one waste cell"),
    Count("cleaned_cells", "cells", "waste cells removed"),
    Count("shots", "zaps", "F: shots fired, whatever they met"),
    Count("apples", "apples", "A: apples eaten"),
    Count("reward", "reward", "reward of all agents as earned, before kin share it; with shaping"),
    Count("aim_rival", "agent-steps", "an active agent had an active rival first in its line"),
    Count("aim_rival_shots", "zaps", "shots fired in such agent-steps"),
    Count("aim_waste", "agent-steps", "an active agent had waste first in its line"),
    Count("aim_waste_shots", "zaps", "shots fired in such agent-steps"),
    Count("aim_frozen", "agent-steps", "an active agent had a frozen rival first in its line"),
    Count("aim_frozen_shots", "zaps", "shots fired in such agent-steps"),
    Count("aim_nothing", "agent-steps", "an active agent had nothing in its line"),
    Count("aim_nothing_shots", "zaps", "shots fired in such agent-steps"),
    Count("stock", "apple-steps", "apples on the map, summed over env-steps"),
    Count("depleted_steps", "env-steps", "env-steps that left no apple on the map"),
    Count("waste", "cell-steps", "waste cells on the map, summed over env-steps"),
    Count("waste_zone", "cell-steps", "cells that may hold waste, summed over env-steps"),
    Count("predatory", "zaps", "hits without a debt owed to the shooter"),
    Count("retributive", "zaps", "hits with a debt owed to the shooter"),
    Count("after_hit_windows", "windows", "hits followed by `timeout` steps of the same episode"),
    Count("after_hit_apples", "apples", "apples of the attacker in those windows"),
    Count("control_windows", "windows", "the same for a rival in line and no zap"),
    Count("control_apples", "apples", "apples of the agent that held its fire in those windows"),
)

#: Sums over whole episodes: what `EpisodeBook` drains, in its order.
EPISODE_SUMS: tuple[Count, ...] = (
    Count("episodes", "episodes", "number of them"),
    Count("efficiency", "apples/step", "U of each, summed"),
    Count("equality", "1", "E of each in which an apple was eaten, summed"),
    Count("fed_episodes", "episodes", "those in which an apple was eaten"),
    Count("sustainability", "env-steps", "S of each in which an apple was eaten, summed"),
    Count("peace", "agents", "P of each, summed"),
    Count("depletion_time", "env-steps", "steps until the map was first empty, summed"),
    Count("episode_return", "reward", "reward per agent of each, summed"),
)

#: All counts by name, in the order in which they are logged.
COUNTS: dict[str, Count] = {
    count.name: count
    for count in (
        *_PLAIN_COUNTS,
        *(Count(f"finished_{n}", u, f"episodes that ended: {d}") for n, u, d in EPISODE_SUMS),
        *(Count(f"running_{n}", u, f"episodes under way: {d}") for n, u, d in EPISODE_SUMS),
    )
}

#: Name, formula in counts, unit, better direction, description of each plain ratio of two counts.
_RATIOS = (
    ("violence_rate", "hits / agent_steps", "zaps/agent-step", "lower", "V / (T N), the headline"),
    ("violence_per_episode", "hits / episodes", "zaps/episode", "lower", "all agents of a world"),
    (
        "violence_rate_active",
        "hits / active_steps",
        "zaps/agent-step",
        "lower",
        "frozen time left out",
    ),
    ("cooperation_rate", "cleans / agent_steps", "zaps/agent-step", "higher", "C / (T N)"),
    ("cleaned_rate", "cleaned_cells / agent_steps", "cells/agent-step", "higher", "waste removed"),
    ("beam_use", "shots / active_steps", "1", "", "how often an agent that can act zaps"),
    ("hit_ratio", "hits / shots", "1", "", "agents hit per shot"),
    ("zap_given_rival", "aim_rival_shots / aim_rival", "1", "lower", "P(zap | rival in line)"),
    ("zap_given_waste", "aim_waste_shots / aim_waste", "1", "higher", "P(zap | waste in line)"),
    ("zap_given_frozen", "aim_frozen_shots / aim_frozen", "1", "", "P(zap | frozen rival in line)"),
    ("zap_given_nothing", "aim_nothing_shots / aim_nothing", "1", "", "P(zap | nothing in line)"),
    ("yield", "apples / agent_episodes", "apples/agent/episode", "higher", "apples, no shaping"),
    (
        "yield_rate",
        "apples / agent_steps",
        "apples/agent-step",
        "higher",
        "the same per agent-step",
    ),
    (
        "reward_rate",
        "reward / agent_steps",
        "reward/agent-step",
        "higher",
        "what agents earn, before kin share it; with shaping",
    ),
    ("stock", "stock / env_steps", "apples", "", "mean apples on the map"),
    ("depleted_share", "depleted_steps / env_steps", "1", "lower", "how often the map is empty"),
    ("waste_level", "waste / waste_zone", "1", "lower", "mean rho; 0.0 in worlds without waste"),
    ("waste_cells", "waste / env_steps", "cells", "lower", "mean waste cells on the map"),
    (
        "predatory_rate",
        "predatory / agent_steps",
        "zaps/agent-step",
        "lower",
        "hits without a debt to the shooter",
    ),
    (
        "retributive_rate",
        "retributive / agent_steps",
        "zaps/agent-step",
        "",
        "hits with a debt owed to the shooter",
    ),
)


def _as_metric(name: str, formula: str, unit: str, better: str, description: str) -> Metric:
    numerator, denominator = formula.split(" / ")

    def value(sums: Sums) -> float:
        return ratio(sums, numerator, denominator)

    return Metric(name, formula, unit, better, description, value)


#: Name, formula per episode, unit, better direction, description; means over episodes.
_EPISODE_METRICS = (
    ("efficiency", "U = sum_i A^i / T", "apples/step", "higher", "apples of one world per step"),
    (
        "equality",
        "E = 1 - sum_ij |A^i - A^j| / (2 N sum_i A^i)",
        "1",
        "higher",
        "1 - Gini index of apples",
    ),
    (
        "sustainability",
        "S = mean_i mean step of i's apples",
        "env-steps",
        "higher",
        "late apples mean that the source was not emptied early; agents without apples left out",
    ),
    ("peace", "P = (N T - frozen agent-steps) / T", "agents", "higher", "agents that can act"),
    ("depletion_time", "first t with no apple, else T", "env-steps", "higher", "first empty map"),
    ("episode_return", "sum of reward / N", "reward/agent/episode", "higher", "shaping included"),
)


def _as_episode_metric(name: str, formula: str, unit: str, better: str, description: str) -> Metric:
    episodes = "fed_episodes" if name in ("equality", "sustainability") else "episodes"

    def value(sums: Sums) -> float:
        return per_episode(sums, name, episodes)

    return Metric(name, formula, unit, better, description, value)


_METRICS = (
    *(_as_metric(*row) for row in _RATIOS),
    Metric(
        "violence_per_1000",
        "1000 * hits / agent_steps",
        "zaps/agent/1000 steps",
        "lower",
        "violence_rate x 1000",
        lambda sums: 1000.0 * ratio(sums, "hits", "agent_steps"),
    ),
    Metric(
        "frozen_share",
        "1 - active_steps / agent_steps",
        "1",
        "lower",
        "share of agent-steps in which the agent was frozen",
        _frozen_share,
    ),
    Metric(
        "targeting_index",
        "zap_given_rival / zap_given_nothing",
        "1",
        "",
        "1 is blind spraying; half a shot at nothing is assumed where none was seen",
        lambda sums: aim_index(sums, "rival"),
    ),
    Metric(
        "waste_targeting",
        "zap_given_waste / zap_given_nothing",
        "1",
        "higher",
        "1 is blind spraying; half a shot at nothing is assumed where none was seen",
        lambda sums: aim_index(sums, "waste"),
    ),
    Metric(
        "selectivity",
        "cleans / max(hits, 1)",
        "cleans/hit",
        "higher",
        "ethical selectivity C/V of the dual-use zap: sums are pooled before they are divided",
        lambda sums: sums.get("cleans", 0.0) / max(sums.get("hits", 0.0), 1.0),
    ),
    Metric(
        "log_selectivity",
        "ln((cleans + 1) / (hits + 1))",
        "nats",
        "higher",
        "the form that statistics use; 0.0 where nothing happened",
        _log_selectivity,
    ),
    Metric(
        "retribution_ratio",
        "retributive / (retributive + predatory)",
        "1",
        "",
        "has a chance level near one half once everyone owes everyone",
        _retribution_ratio,
    ),
    Metric(
        "exclusion_gain",
        "after_hit_apples / after_hit_windows - control_apples / control_windows",
        "apples",
        "",
        "apples of an attacker in the `timeout` steps after its hit, minus those of agents of the"
        " same worlds that had an active rival in line and held their fire",
        _exclusion_gain,
    ),
    *(_as_episode_metric(*row) for row in _EPISODE_METRICS),
)

#: All social metrics by name, in the order in which they are logged.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
