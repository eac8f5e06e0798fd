"""The comparison in plain words, with a number, an interval and an n behind every statement.

A difference is claimed only where its interval excludes none; everything else is reported as "no
difference shown", which is not the same as "no difference".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from karma_rllib.analysis.late import BASELINE, COLUMNS, LEVEL, OFFSET, Interval, karmic
from karma_rllib.analysis.tables import bounds, number
from karma_rllib.conditions import CONDITIONS

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

FEW_SEEDS = 5  # below this an interval over seeds is little more than a hint

_NOUNS = {
    "violence_rate": "Violence",
    "predatory_rate": "Predation",
    "cooperation_rate": "Cooperation",
    "yield_rate": "Yield (apples)",
    "selectivity": "Selectivity",
}
_DIGITS = {column.name: column.digits for column in COLUMNS}


class Finding(NamedTuple):
    """One condition against the baseline: a sentence per metric."""

    condition: str
    pairs: int  # of seeds
    sentences: list[str]

    @property
    def head(self) -> str:
        """What is compared, and from how many runs."""
        return f"{self.condition} against {BASELINE} ({_counted(self.pairs, 'pair')} of seeds)"


@dataclass(frozen=True)
class Summary:
    """Plain text, to be escaped by whoever prints it."""

    setup: str  # what was run
    gate: str  # whether the baseline shows anything to change; "" without a baseline
    findings: list[Finding]
    caution: str  # how much weight the numbers bear


def summarise(comparison: Comparison) -> Summary:
    """Put a comparison into words."""
    return Summary(
        setup=_setup(comparison),
        gate=_gate(comparison) if BASELINE in comparison.conditions else "",
        findings=_findings(comparison),
        caution=_caution(comparison),
    )


def amount(number_of: float) -> str:
    """Agent-steps in millions, or in thousands."""
    if number_of < 1e6:
        return f"{number_of / 1e3:.3g} thousand"
    return f"{number_of / 1e6:.3g} million"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _setup(comparison: Comparison) -> str:
    runs = comparison.runs
    seeds = runs.groupby("condition")["seed"].nunique()
    each = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    worlds = [f.experiment.get("world") or {} for f in comparison.folders]
    profiles = dict.fromkeys(
        f"{w.get('name')}, profile {w.get('profile') or 'default'}" for w in worlds if "name" in w
    )
    where = f" in {' and in '.join(profiles)}" if profiles else ""
    branch = int(runs["branch"].max())
    from_stem = (
        f" All runs of a seed branch from one baseline run at {amount(branch)} agent-steps, so they"
        " start from the same behaviour."
        if branch
        else ""
    )
    return (
        f"{_counted(len(comparison.conditions), 'condition')} with {each}"
        f" {'seed' if seeds.max() == 1 else 'seeds'} each ({_counted(len(runs), 'run')}) learned"
        f"{where} for {amount(runs['agent_steps'].max())} agent-steps.{from_stem} Numbers are from"
        f" the last {100 * comparison.late_fraction:g} % of the agent-steps"
        f" {'after the branch' if branch else 'of training'}."
    )


def _gate(comparison: Comparison) -> str:
    """Is there violence that pays? Without it a fall in violence means little."""
    violence = comparison.cell(BASELINE, "violence_rate")
    advantage = comparison.cell(BASELINE, "hit_advantage")
    aim = comparison.cell(BASELINE, "targeting_index")
    start = (
        f"The baseline hits {number(1000 * violence.mean, 1)} times per 1000 agent-steps and zaps"
        f" {number(aim.mean, 1)} times as often at a rival in line as at nothing."
    )
    if not math.isfinite(advantage.mean):
        return start + " The advantage of a hit was not recorded."
    value = f"A hit has an advantage of {_with_interval(advantage, 2)}"
    if advantage.low > 0:
        return f"{start} {value}: harming others pays, so there is something to unlearn."
    if advantage.high < 0:
        return (
            f"{start} {value}: harming others does not pay here even in the baseline, so less"
            " violence in another condition says little."
        )
    return (
        f"{start} {value}: whether harming others pays is not settled, so read changes in violence"
        " with care."
    )


def _with_interval(interval: Interval, digits: int) -> str:
    if not math.isfinite(interval.low):
        return f"{number(interval.mean, digits)} (one seed, no interval)"
    return f"{number(interval.mean, digits)} {bounds(interval, digits)}"


def _findings(comparison: Comparison) -> list[Finding]:
    findings: dict[str, Finding] = {}
    for row in comparison.contrasts.to_dict(orient="records"):
        condition, metric = row["condition"], row["metric"]
        ratio = Interval(row["ratio"], row["low"], row["high"], row["n"])
        own, base = comparison.cell(condition, metric), comparison.cell(BASELINE, metric)
        finding = findings.setdefault(condition, Finding(condition, ratio.n, []))
        finding.sentences.append(sentence(metric, own.mean, base.mean, ratio))
    return list(findings.values())


def sentence(metric: str, own: float, base: float, ratio: Interval) -> str:
    """One comparison with the baseline; claims no more than the interval allows.

    Args:
        metric: name of the metric.
        own: the condition's mean.
        base: the baseline's mean.
        ratio: condition / baseline, with its interval.
    """
    noun, digits = _NOUNS[metric], _DIGITS[metric]
    levels = f"{number(own, digits)} against {number(base, digits)}"
    if not math.isfinite(ratio.low):
        return f"{noun}: {levels}; from one pair of seeds no difference can be judged."
    size = f"{change(ratio.mean)}, interval {change(ratio.low)} to {change(ratio.high)}"
    if ratio.high < 1:
        return f"{noun} is lower: {levels} ({size})."
    if ratio.low > 1:
        return f"{noun} is higher: {levels} ({size})."
    return f"{noun}: no difference shown, {levels} ({size})."


def change(ratio: float) -> str:
    """A ratio as people say it: a percentage, or a factor from 3 on."""
    if ratio >= 3:
        return f"\N{MULTIPLICATION SIGN}{number(ratio, 1)}"
    percent = 100 * (ratio - 1)
    sign = "+" if percent > 0 else ""
    return f"{sign}{number(percent, 0)}\N{NO-BREAK SPACE}%"


def _caution(comparison: Comparison) -> str:
    parts = []
    made = int((comparison.contrasts["n"] > 1).sum())
    fewest = int(comparison.runs.groupby("condition")["seed"].nunique().min())
    if fewest < FEW_SEEDS:
        parts.append(
            f"With {_counted(fewest, 'seed')} in some condition these are leads, not findings:"
            f" {FEW_SEEDS} seeds are the least, 10 are better."
        )
    if fewest == 1:
        parts.append("A single seed has no interval: chance alone may explain what it shows.")
    if made:
        by_chance = number((1 - LEVEL) * made, 1)
        parts += [
            f"{_counted(made, 'comparison')} without correction: were there no differences at all,"
            f" about {by_chance} of them would still seem to show one.",
            "\u201cNo difference shown\u201d does not mean that there is none.",
            *_controls(comparison),
            f"Intervals are {100 * LEVEL:g} % t intervals over seeds; rates are compared after"
            f" adding {OFFSET:g} per agent-step.",
        ]
    elif BASELINE not in comparison.conditions:
        parts.append("There is no baseline among the conditions, so nothing is compared with it.")
    return " ".join(parts)


def _controls(comparison: Comparison) -> list[str]:
    """What the controls of the conditions at hand are for."""
    parts = []
    if any(CONDITIONS[name].mirror for name in comparison.conditions if name in CONDITIONS):
        parts.append(
            "A change that a control (broken, placebo, shuffled) shows as well is not due to what"
            " the mirror aligns."
        )
    if karmic(comparison.runs):
        parts.append(
            "A change that tvt_shuffle or karmic_shuffle shows as well is a tax on zapping and not"
            " due to the recalled crime; one that matchmaker_random shows as well is due to"
            " contact and not to debts."
        )
    return parts


def markdown(summary: Summary) -> str:
    """The summary as Markdown."""
    parts = [summary.setup, summary.gate]
    for finding in summary.findings:
        items = "\n".join(f"- {text}" for text in finding.sentences)
        parts.append(f"**{finding.head}**\n\n{items}")
    return "\n\n".join(part for part in (*parts, summary.caution) if part) + "\n"
