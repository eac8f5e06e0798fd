"""How long until something happens, from sums that can be added: a piecewise exponential table.

Time since the start of a spell is cut into intervals. For each interval two sums are kept: the
*exposure*, spell-steps spent in it while nothing had happened yet, and the *events* in it. Spells
that are still open only give exposure, so right-censoring needs no further care, and sums over
fragments, worlds and processes may be added in any order. With hazard h_k = events_k / exposure_k

    S(t) = exp(- sum_k h_k * (time spent in interval k before t)).

References:
    Kaplan, Meier 1958, "Nonparametric estimation from incomplete observations" (the limit of short
    intervals).
    Friedman 1982, "Piecewise exponential models for survival data with covariates".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Ends of the intervals of age [env-steps]; the last one never ends.
ENDS = (8, 16, 32, 64, 125, 250, 500, 1000, 2000, 4000, 8000, 16000, math.inf)


def hazards(events: Sequence[float], exposure: Sequence[float]) -> list[float]:
    """Hazard of each interval [1/env-step]; 0 where there was no exposure."""
    return [
        n / at_risk if at_risk > 0 else 0.0 for n, at_risk in zip(events, exposure, strict=True)
    ]


def survival(events: Sequence[float], exposure: Sequence[float], t: float) -> float:
    """P(nothing has happened t env-steps after the start); 1.0 without exposure.

    Args:
        events: per interval of `ENDS`, length K.
        exposure: per interval [env-steps], length K.
        t: >= 0 [env-steps].
    """
    total, begin = 0.0, 0.0
    for hazard, end in zip(hazards(events, exposure), ENDS, strict=True):
        total += hazard * max(0.0, min(t, end) - begin)
        begin = end
    return math.exp(-total)


def median(events: Sequence[float], exposure: Sequence[float]) -> float:
    """First time at which survival is one half [env-steps]; 0.0 if it never falls so far.

    Args:
        events: per interval of `ENDS`, length K.
        exposure: per interval [env-steps], length K.
    """
    left, begin = math.log(2.0), 0.0
    for hazard, end in zip(hazards(events, exposure), ENDS, strict=True):
        if hazard > 0 and hazard * (end - begin) >= left:
            return begin + left / hazard
        left -= hazard * (end - begin) if hazard > 0 else 0.0
        begin = end
    return 0.0
