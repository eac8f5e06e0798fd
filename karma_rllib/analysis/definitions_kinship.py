"""Counts and metrics of relatives, and of the kinship world.

How kin treat kin is counted in every world that relatives live in; energy, gifts, shields and
markers only where there are such things: elsewhere these are 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from karma_rllib.analysis.definitions import Count, Metric, Sums, per_episode, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENT = 100  # events count energy in hundredths

KIN_COUNTS: tuple[Count, ...] = (
    Count("shared_reward", "reward", "reward of all agents after kin have shared it"),
    Count("hit_own", "zaps", "hits on close kin, K >= 0.5"),
    Count("hit_kin", "zaps", "K of attacker to victim, summed over hits"),
    Count("hit_kin_chance", "zaps", "the same had each victim been any other agent"),
    Count("gifts", "gifts", "gifts of energy or an item that were taken"),
    Count("gift_kin", "gifts", "K of giver to receiver, summed over gifts"),
    Count("gift_kin_chance", "gifts", "the same had each receiver been any other agent"),
    Count("hearts", "hearts", "hearts taken from altars"),
    Count("diamonds", "items", "diamonds harvested"),
    Count("energy_charged", "energy", "gained at chargers"),
    Count("energy_regained", "energy", "regained by the floor, regeneration and rest"),
    Count("energy_spent", "energy", "spent on actions, shields and hearts"),
    Count("energy_lost", "energy", "lost to attacks"),
    Count("energy_stolen", "energy", "the part of it that the attackers gained"),
    Count("energy_given", "energy", "given away"),
    Count("items_given", "items", "given away"),
    Count("items_looted", "items", "taken from frozen agents"),
    Count("freezes", "zaps", "hits that froze their victim"),
    Count("shield_steps", "agent-steps", "agent-steps that ended with the shield up"),
    Count("marks", "markers", "markers set"),
    Count("courts", "acts", "agents that were courted"),
    Count("bonds", "bonds", "bonds made, counted for each of the two"),
    Count("mate_hearts", "hearts", "hearts of each partner by the time of the bond"),
    Count("energy_court", "energy", "spent on courting, in vain or not"),
)
# Counts that are sums of an event field, that only the kinship world has.
_FIELDS = {
    "diamonds": "harvested",
    "energy_charged": "energy_charged",
    "energy_regained": "energy_regained",
    "energy_spent": "energy_spent",
    "energy_lost": "energy_lost",
    "energy_stolen": "energy_stolen",
    "energy_given": "gave_energy",
    "items_given": "gave_items",
    "items_looted": "looted",
    "freezes": "froze",
    "shield_steps": "shielded",
    "bonds": "bonded",
    "mate_hearts": "mate_hearts",
    "energy_court": "energy_court",
}


def kin_counts(events: Any, shared: NDArray[Any]) -> dict[str, float]:
    """`KIN_COUNTS` of a stack of transitions.

    Args:
        events: with leading axes (T, B); fields that their world does not have count as 0.
        shared: rewards after sharing, (T, B, N) [reward units].
    """
    told = ("hit_own", "hit_kin", "hit_kin_chance", "gifts", "gift_kin", "gift_kin_chance")
    sums: dict[str, Any] = {name: getattr(events, name).sum(dtype=np.float64) for name in told}
    sums["shared_reward"] = shared.sum(dtype=np.float64)
    sums["hearts"] = np.count_nonzero(events.ate) if hasattr(events, "energy") else 0
    for name, field in _FIELDS.items():
        column = getattr(events, field, None)
        total = 0.0 if column is None else float(column.sum(dtype=np.float64))
        sums[name] = total / CENT if name.startswith("energy_") else total
    for name, field in (("marks", "marked"), ("courts", "court_to")):
        chosen = getattr(events, field, None)
        sums[name] = 0 if chosen is None else np.count_nonzero(chosen >= 0)
    return {count.name: float(sums[count.name]) for count in KIN_COUNTS}


def _metric(name: str, formula: str, unit: str, better: str, description: str) -> Metric:
    """A ratio of signed sums of counts to one count, as its formula says."""
    above, below = formula.split(" / ")
    terms = [
        (-1.0 if term.startswith("-") else 1.0, term.strip("- "))
        for term in above.strip("()").replace(" - ", " + -").split(" + ")
    ]

    def value(sums: Sums) -> float:
        total = sum(sign * sums.get(term, 0.0) for sign, term in terms)
        return ratio({"above": total, "below": sums.get(below, 0.0)}, "above", "below")

    return Metric(name, formula, unit, better, description, value)


def _gini(sums: Sums) -> float:
    """1 - equality over episodes in which something was eaten, 0.0 where there was none."""
    prefix = "finished_" if sums.get("finished_episodes", 0.0) > 0 else "running_"
    fed = sums.get(f"{prefix}fed_episodes", 0.0) > 0
    return 1.0 - per_episode(sums, "equality", "fed_episodes") if fed else 0.0


_PER_LIFE = "per agent and episode"
_METRICS = (
    _metric("hearts", "hearts / agent_episodes", "hearts", "higher", _PER_LIFE),
    _metric("diamonds", "diamonds / agent_episodes", "items", "", f"harvested {_PER_LIFE}"),
    _metric(
        "energy_in",
        "(energy_charged + energy_regained) / agent_episodes",
        "energy",
        "",
        f"gained from the world {_PER_LIFE}",
    ),
    _metric(
        "energy_out",
        "(energy_spent + energy_lost - energy_stolen) / agent_episodes",
        "energy",
        "",
        f"spent, or lost to nobody's gain, {_PER_LIFE}",
    ),
    _metric("energy_given", "energy_given / agent_episodes", "energy", "", f"given {_PER_LIFE}"),
    _metric("attacks_kin", "hit_own / agent_steps", "zaps/agent-step", "lower", "on K >= 0.5"),
    _metric("attacks_other", "(hits - hit_own) / agent_steps", "zaps/agent-step", "", "on others"),
    _metric("victim_kinship", "hit_kin / hits", "1", "lower", "mean K of attacker to victim"),
    _metric(
        "victim_kin_ratio",
        "hit_kin / hit_kin_chance",
        "1",
        "lower",
        "against chance: 1: victims are anybody, 0: kin are spared; 0.0 also without kin",
    ),
    _metric("gift_kinship", "gift_kin / gifts", "1", "", "mean K of giver to receiver"),
    _metric(
        "gift_kin_ratio",
        "gift_kin / gift_kin_chance",
        "1",
        "",
        "against chance: 1: receivers are anybody, above: kin are preferred; 0.0 without gifts",
    ),
    _metric("gifts", "gifts / agent_episodes", "gifts", "", _PER_LIFE),
    _metric("items_given", "items_given / agent_episodes", "items", "", _PER_LIFE),
    _metric("items_looted", "items_looted / agent_episodes", "items", "lower", _PER_LIFE),
    _metric("freezes", "freezes / agent_episodes", "zaps", "lower", f"suffered {_PER_LIFE}"),
    _metric("shield_use", "shield_steps / agent_steps", "1", "", "share of agent-steps"),
    _metric("marker_use", "marks / agent_steps", "markers/agent-step", "", "markers set"),
    _metric("courts", "courts / agent_episodes", "acts", "", f"courted {_PER_LIFE}"),
    _metric("bonds", "bonds / agent_episodes", "bonds", "", f"made {_PER_LIFE}"),
    _metric("mate_hearts", "mate_hearts / bonds", "hearts", "", "mean of partners before"),
    _metric("court_energy", "energy_court / agent_episodes", "energy", "", f"spent {_PER_LIFE}"),
    Metric(
        "gini",
        "sum_ij |h_i - h_j| / (2 N sum_i h_i)",
        "1",
        "lower",
        "of hearts (or apples) in an episode, 1 - social/equality; 0.0 where nobody got any",
        _gini,
    ),
    _metric("raw_return", "reward / agent_episodes", "reward", "higher", f"as earned, {_PER_LIFE}"),
    _metric(
        "shared_return",
        "shared_reward / agent_episodes",
        "reward",
        "",
        f"after kin have shared, {_PER_LIFE}; what the learner maximises",
    ),
)

KINSHIP: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
