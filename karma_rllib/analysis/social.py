"""What agents did to each other: additive counts of a stack of transitions, then rates of them.

    sums = tally(events, reward, max_steps=250, timeout=25)    # one fragment
    pooled = pool([sums, other_sums, book.drain()])            # fragments, runners, iterations
    rates(pooled)["violence_rate"]                             # a ratio of sums

Shapes: T rows of time, B worlds, N agents. Counts and metrics are defined in
`karma_rllib.analysis.definitions`; whole-episode measures are kept by `EpisodeBook`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from karma_rllib.analysis.definitions import COUNTS as PLAIN_COUNTS
from karma_rllib.analysis.definitions import METRICS, Metric, Sums
from karma_rllib.analysis.definitions_kinship import KIN_COUNTS, KINSHIP, kin_counts
from karma_rllib.analysis.definitions_match import MATCH, MATCH_COUNTS, match_counts
from karma_rllib.analysis.definitions_society import (
    FIRST_STEPS,
    MATCHMAKER,
    SOCIETY_COUNTS,
    TRANSPORT,
    TVT_COUNTS,
)
from karma_rllib.analysis.episodes import EpisodeBook

if TYPE_CHECKING:
    from karma_rllib.worlds.events import Events

__all__ = ["COUNTS", "FAMILIES", "METRICS", "EpisodeBook", "pool", "rates", "tally"]

#: All counts by name, in the order in which they are logged.
COUNTS = {
    **PLAIN_COUNTS,
    **{count.name: count for count in (*SOCIETY_COUNTS, *TVT_COUNTS, *MATCH_COUNTS, *KIN_COUNTS)},
}
#: Metrics computed from counts, by family and name.
FAMILIES: dict[str, dict[str, Metric]] = {
    "social": METRICS,
    "matchmaker": MATCHMAKER,
    "tvt": TRANSPORT,
    "match": MATCH,
    "kinship": KINSHIP,
}

# What a shot from the decision frame would meet first: codes of `Events.aim`.
_AIM = {"rival": 1, "waste": 2, "frozen": 3, "nothing": 0}


def tally(
    events: Events,
    reward: NDArray[Any],
    *,
    max_steps: int,
    timeout: int = 25,
    waste_zone: int = 0,
    shared: NDArray[Any] | None = None,
) -> dict[str, float]:
    """Count what happened in a stack of transitions.

    All results are additive over worlds, and over time except for the windows after a hit, which
    must lie inside one stack and one episode.

    Args:
        events: stacks with leading axes (T, B); see `karma_rllib.worlds.events.Events`.
        reward: (T, B, N) [reward units].
        max_steps: length of an episode [env-steps].
        timeout: how long a hit agent cannot act [env-steps]; the window of the exclusion gain.
        waste_zone: cells of one world that may hold waste [cells], 0 if there are none.
        shared: rewards after kin have shared them, (T, B, N) [reward units]; None: as `reward`.

    Returns:
        The counts of `COUNTS` that need no whole episode, by name.
    """
    T, B, N = events.active.shape
    env_steps, agent_steps = T * B, T * B * N
    sums = {
        "env_steps": env_steps,
        "agent_steps": agent_steps,
        "active_steps": np.count_nonzero(events.active),
        "episodes": env_steps / max_steps,
        "agent_episodes": agent_steps / max_steps,
        "hits": np.count_nonzero(events.hit),
        "cleans": np.count_nonzero(events.cleaned),
        "cleaned_cells": events.cleaned.sum(dtype=np.int64),
        "shots": np.count_nonzero(events.fired),
        "apples": np.count_nonzero(events.ate),
        "reward": reward.sum(dtype=np.float64),
        **_aims(events),
        "stock": events.stock.sum(dtype=np.int64),
        "depleted_steps": env_steps - np.count_nonzero(events.stock),
        "waste": events.waste.sum(dtype=np.int64),
        "waste_zone": waste_zone * env_steps,
        "predatory": np.count_nonzero(events.predatory),
        "retributive": np.count_nonzero(events.retributive),
        **_exclusion(events, timeout),
        **_debts(events, max_steps),
        **match_counts(events),
        **kin_counts(events, reward if shared is None else shared),
    }
    return {name: float(value) for name, value in sums.items()}


def _aims(events: Events) -> dict[str, int]:
    """Opportunities and shots of active agents by what was first in their line."""
    sums = {}
    for name, code in _AIM.items():
        seen = events.active & (events.aim == code)  # (T, B, N)
        sums[f"aim_{name}"] = int(np.count_nonzero(seen))
        sums[f"aim_{name}_shots"] = int(np.count_nonzero(seen & events.fired))
    return sums


def _debts(events: Events, max_steps: int) -> dict[str, Any]:
    """What happened between debtors and creditors."""
    last = events.t == max_steps - 1
    indebted = events.active & events.aim_debtor
    opening = events.active & (events.t < FIRST_STEPS)[:, :, None]
    sums: dict[str, Any] = {
        "chance_retributive": events.chance_retributive.sum(dtype=np.float64),
        "debt_at_end": events.debt[last].sum(dtype=np.float64),
        "ended_episodes": np.count_nonzero(last),
        "debt_made": events.debt_made.sum(dtype=np.float64),
        "debt_paid": events.debt_paid.sum(dtype=np.float64),
        "pairs_wanted": events.pairs_wanted.sum(dtype=np.int64),
        "pairs_rigged": events.pairs_rigged.sum(dtype=np.int64),
        "aim_debtor": np.count_nonzero(indebted),
        "aim_debtor_shots": np.count_nonzero(indebted & events.fired),
    }
    for code, name in ((1, "creditor"), (2, "debtor")):
        seen = opening & (events.rigged == code)
        sums[f"{name}_steps"] = np.count_nonzero(seen)
        sums[f"{name}_shots"] = np.count_nonzero(seen & events.fired)
    return sums


def _exclusion(events: Events, timeout: int) -> dict[str, int]:
    """Apples of an agent in the `timeout` steps after it hit someone, or after it held its fire.

    A window opens at row t and covers rows t+1 .. t+timeout. It counts only if all of it lies
    inside the stack and inside the episode of row t.
    """
    T = len(events.ate)
    starts = T - timeout  # rows whose window lies inside the stack
    if starts <= 0:
        names = ("after_hit_windows", "after_hit_apples", "control_windows", "control_apples")
        return dict.fromkeys(names, 0)
    eaten = np.cumsum(events.ate, axis=0, dtype=np.int32)  # (T, B, N), rows 0..t inclusive
    apples = eaten[timeout:] - eaten[:starts]  # (starts, B, N), rows t+1..t+timeout
    whole = events.episode[timeout:] == events.episode[:starts]  # (starts, B)
    attacked = events.hit[:starts].any(axis=-1) & whole[:, :, None]
    tempted = events.active[:starts] & (events.aim[:starts] == _AIM["rival"])
    held_fire = tempted & ~events.fired[:starts] & whole[:, :, None]
    return {
        "after_hit_windows": int(np.count_nonzero(attacked)),
        "after_hit_apples": int(apples[attacked].sum()),
        "control_windows": int(np.count_nonzero(held_fire)),
        "control_apples": int(apples[held_fire].sum()),
    }


def pool(parts: Iterable[Sums]) -> dict[str, float]:
    """Add counts of fragments, env runners or iterations, name by name."""
    total: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def rates(sums: Sums, family: str = "social") -> dict[str, float]:
    """Every metric of a family of `FAMILIES` from added counts; never NaN, never infinite.

    A count that is missing is taken as zero, and a metric whose denominator is zero is 0.0.
    """
    return {name: float(metric.value(sums)) for name, metric in FAMILIES[family].items()}
