"""How an effect and its interval become a verdict.

    ratio r = exp(sum_k w_k IQM(ln x_k)) with a 95 % percentile bootstrap [lo, hi], s = 0.2

    "<"   supported: hi < 1 and r <= 1 - s           refuted: lo > 1 - s
    ">"   supported: lo > 1 and r >= 1 / (1 - s)     refuted: hi < 1 / (1 - s)
    "~"   supported: lo >= 1 / e and hi <= e         refuted: hi < 1 / e or lo > e     (e = 1.25)
    ">="  supported: lo >= bound                     refuted: hi < bound

Differences follow the same rules with 0 for 1 and margins in the metric's own unit. A conjunction
is supported iff every part is, refuted iff any part is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from karma_rllib.analysis import stats
from karma_rllib.analysis.predictions import Part, Term
from karma_rllib.config.base import Section

SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"
NOT_TESTABLE = "not testable"
VERDICTS = (SUPPORTED, REFUTED, INCONCLUSIVE, NOT_TESTABLE)


class Rules(Section):
    """What is fixed before the first run, and equal for all predictions."""

    late_fraction: float = 0.2
    early_fraction: float = 0.2
    min_seeds: int = 5  # below this nothing is judged: intervals miss too often
    sesoi: float = 0.2  # smallest effect of interest, relative
    equivalence: float = 1.25  # factor within which rates count as equal
    linear_margin: float = 0.05  # smallest difference of interest of shares, AUROC, cosines
    resamples: int = stats.RESAMPLES
    bootstrap_seed: int = 0
    level: float = 0.05  # of the Holm-adjusted permutation tests


class Judged(NamedTuple):
    """One part: its verdict and the numbers behind it."""

    verdict: str
    text: str  # what was compared
    reason: str  # why it could not be tested, or a remark
    scale: str  # "ratio" or "difference"
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    p_improvement: float = math.nan  # P(left arm beats right arm in the claimed direction)
    p_permutation: float = math.nan  # one-sided, paired by seed
    seeds_needed: int = 0  # to show the smallest effect of interest; 0: not computed


def combine(verdicts: Sequence[str]) -> str:
    """Verdict of a conjunction."""
    if REFUTED in verdicts:
        return REFUTED
    for verdict in (NOT_TESTABLE, INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return SUPPORTED


def decide(part: Part, effect: stats.Estimate, rules: Rules) -> str:
    """The rule of the module's docstring, for one effect with its interval."""
    value, low, high = effect[:3]
    if part.claim == ">=":
        bound = part.bound if part.bound is not None else 1.0
        return SUPPORTED if low >= bound else REFUTED if high < bound else INCONCLUSIVE
    none, down, up, same_down, same_up = _margins(part, rules)
    if part.claim == "~":
        outside = high < same_down or low > same_up
        inside = low >= same_down and high <= same_up
        return SUPPORTED if inside else REFUTED if outside else INCONCLUSIVE
    if part.claim == "<":
        clear, excluded = high < none and value <= down, low > down
    else:
        clear, excluded = low > none and value >= up, high < up
    return SUPPORTED if clear else REFUTED if excluded else INCONCLUSIVE


def _margins(part: Part, rules: Rules) -> tuple[float, float, float, float, float]:
    """No effect, smallest fall, smallest rise, and the zone that counts as equal."""
    if part.scale == "linear":
        m = rules.linear_margin if part.margin is None else part.margin
        return 0.0, -m, m, -m, m
    down = 1 - rules.sesoi
    return 1.0, down, 1 / down, 1 / rules.equivalence, rules.equivalence


def improvement(part: Part, arms: list[pd.Series]) -> float:
    """Probability that a run of the left arm beats one of the right, in the claimed direction."""
    if len(arms) != 2:
        return math.nan
    better = stats.probability_of_improvement(arms[0], arms[1])
    return 1 - better if part.claim == "<" else better


def permutation(part: Part, paired: np.ndarray, arms: int, seed: int) -> float:
    """One-sided sign-flip test of "no difference" in the claimed direction."""
    if arms < 2 or part.claim not in ("<", ">"):
        return math.nan
    return stats.sign_flip_p(paired, "less" if part.claim == "<" else "greater", seed)


def needed(part: Part, paired: np.ndarray, rules: Rules) -> int:
    """Seeds that show the smallest effect of interest with chance 0.8, given this spread."""
    spread = float(paired.std(ddof=1)) if len(paired) > 1 else 0.0
    least = rules.linear_margin if part.scale == "linear" else -math.log(1 - rules.sesoi)
    if not spread > 0 or part.claim not in ("<", ">"):
        return 0
    return stats.seeds_needed(least / spread, paired=True)


def spearman(pairs: np.ndarray) -> float:
    """Spearman's rank correlation of two columns, (n, 2); NaN where one does not vary."""
    if min(np.ptp(pairs, axis=0)) == 0:
        return math.nan
    return float(scipy_stats.spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


def describe(part: Part) -> str:
    """A part in one line, such as `violence_rate: karma < baseline`."""
    metric = "ecology" if part.claim == "G0" else part.metric
    left = " + ".join(_arm(term) for term in part.terms if term.weight > 0)
    right = " + ".join(_arm(term) for term in part.terms if term.weight < 0)
    if part.claim == "G0":
        return f"{metric}: {left} passes G0"
    if part.claim == "corr<0":
        return f"{metric} of {left} against its change of violence: falls"
    if part.claim == ">=":
        return f"{metric}: {left} >= {part.bound:g}" + (f" x {right}" if right else "")
    return f"{metric}: {left} {part.claim} {right or ('0' if part.scale == 'linear' else '1')}"


def _arm(term: Term) -> str:
    notes = [f"{key.rpartition('.')[2]} {value}" for key, value in term.where.items()]
    notes += [] if term.window == "late" else [term.window]
    return f"{term.condition} ({', '.join(notes)})" if notes else term.condition
