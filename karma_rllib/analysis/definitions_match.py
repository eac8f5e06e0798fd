"""Counts and metrics of the match world; 0 in every other."""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.analysis.definitions import Count, Metric, Sums, ratio
from karma_rllib.worlds.events import ASKED, RIGHT_PAD, SEEN, WRONG_PAD, Events

MATCH_COUNTS: tuple[Count, ...] = (
    Count("match_asked", "episodes", "episodes of the match world that came to the pads"),
    Count("match_seen", "episodes", "of them, those whose agent had seen the cue"),
    Count("match_right", "episodes", "steps onto the pad with the cue's colour"),
    Count("match_wrong", "episodes", "steps onto another pad"),
)
_BITS = (ASKED, SEEN, RIGHT_PAD, WRONG_PAD)


def match_counts(events: Events) -> dict[str, int]:
    """`MATCH_COUNTS` of a stack of transitions."""
    return {
        count.name: int(np.count_nonzero(events.match & bit))
        for count, bit in zip(MATCH_COUNTS, _BITS, strict=True)
    }


def _metric(name: str, above: str, description: str, better: str) -> Metric:
    def value(sums: Sums) -> float:
        return ratio(sums, above, "match_asked")

    return Metric(name, f"{above} / match_asked", "1", better, description, value)


_METRICS: tuple[Any, ...] = (
    _metric("success", "match_right", "episodes that ended on the right pad", "higher"),
    _metric("wrong", "match_wrong", "episodes that ended on a wrong pad", "lower"),
    _metric("cue_seen", "match_seen", "episodes whose agent went to see the cue", "higher"),
)

MATCH: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
