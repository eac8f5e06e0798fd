"""Verdicts on registered predictions: supported, refuted, inconclusive or not testable.

Gates come first, and whatever a run lacks is named; the rules stand in `analysis.rules`. Runs that
collapsed stay in the statistics of behaviour, because what a condition does to agents includes its
accidents; claims about the mechanism (metrics of probes) leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from karma_rllib.analysis import gates, stats
from karma_rllib.analysis.gates import Gate
from karma_rllib.analysis.predictions import Part, Prediction, Term
from karma_rllib.analysis.rules import (
    INCONCLUSIVE,
    NOT_TESTABLE,
    REFUTED,
    SUPPORTED,
    Judged,
    Rules,
    combine,
    decide,
    describe,
    improvement,
    needed,
    permutation,
    spearman,
)
from karma_rllib.analysis.runs import RunFolder
from karma_rllib.analysis.windows import run_table, setting


@dataclass
class Verdict:
    """One prediction, judged."""

    prediction: Prediction
    verdict: str
    reason: str
    parts: list[Judged]
    gates: list[Gate] = field(default_factory=list)
    p_holm: float = math.nan

    @property
    def p(self) -> float:
        """P value of the whole: the largest of its parts' (NaN if any part has none)."""
        found = [part.p_permutation for part in self.parts]
        return max(found) if found and np.isfinite(found).all() else math.nan


class _UntestableError(Exception):
    """Why a part cannot be tested."""


def judge(
    folders: Sequence[RunFolder],
    predictions: Sequence[Prediction],
    rules: Rules,
    references: Mapping[str, Mapping[str, float]],
) -> list[Verdict]:
    """Judge every prediction on the runs of some folders.

    Args:
        folders: open run folders; several give levels of settings such as `world.grid_size`.
        predictions: as registered.
        rules: as registered.
        references: run folder name -> the random policy's rates, see `gates.ecology`.

    Raises:
        ValueError: a folder holds no results.
    """
    table = run_table(folders, rules.late_fraction, rules.early_fraction)
    experiments = {folder.name: folder.experiment for folder in folders}
    return judge_table(table, experiments, predictions, rules, references)


def judge_table(
    table: pd.DataFrame,
    experiments: Mapping[str, Mapping[str, Any]],
    predictions: Sequence[Prediction],
    rules: Rules,
    references: Mapping[str, Mapping[str, float]],
) -> list[Verdict]:
    """`judge` on what `windows.run_table` returned.

    Args:
        table: one row per run.
        experiments: run folder name -> its experiment, as written.
        predictions: as registered.
        rules: as registered.
        references: see `judge`.
    """
    court = _Court(table, experiments, rules, references)
    verdicts = [court.judge(prediction) for prediction in predictions]
    adjusted = stats.holm([v.p if v.verdict != NOT_TESTABLE else math.nan for v in verdicts])
    for verdict, p in zip(verdicts, adjusted, strict=True):
        verdict.p_holm = float(p)
    return verdicts


@dataclass
class _Court:
    table: pd.DataFrame
    experiments: Mapping[str, Mapping[str, Any]]
    rules: Rules
    references: Mapping[str, Mapping[str, float]]

    def judge(self, prediction: Prediction) -> Verdict:
        parts = [self.part(part) for part in prediction.parts]
        testable = [p for p in parts if p.verdict != NOT_TESTABLE]
        opened = self.gates(prediction) if testable else []
        shut = [gate for gate in opened if not gate.open]
        if shut:
            reason = "; ".join(f"gate {gate.name}: {gate.reason}" for gate in shut)
            return Verdict(prediction, NOT_TESTABLE, reason, parts, opened)
        verdict = combine([part.verdict for part in parts])
        reasons = dict.fromkeys(part.reason for part in parts if part.reason)
        return Verdict(prediction, verdict, "; ".join(reasons), parts, opened)

    def part(self, part: Part) -> Judged:
        text = describe(part)
        scale = "difference" if part.scale == "linear" else "ratio"
        try:
            if part.claim == "G0":
                return self.gate_part(part, text)
            arms = [self.values(term, part) for term in part.terms]
            if part.claim == "corr<0":
                return self.correlation(part, text)
        except _UntestableError as why:
            return Judged(NOT_TESTABLE, text, str(why), scale)
        return self.contrast(part, arms, text, scale)

    def contrast(self, part: Part, arms: list[pd.Series], text: str, scale: str) -> Judged:
        weights = [term.weight for term in part.terms]
        rules = self.rules
        raw = stats.contrast(arms, weights, rules.bootstrap_seed, rules.resamples)
        effect = raw if scale == "difference" else _as_ratio(raw)
        verdict = decide(part, effect, rules)
        shared = sorted(set.intersection(*(set(arm.index) for arm in arms)))
        sums = sum(w * arm.loc[shared] for w, arm in zip(weights, arms, strict=True))
        paired = np.asarray(sums, np.float64)
        remark = ""
        if part.mention is not None:
            inside = effect.low <= part.mention <= effect.high
            remark = f"{part.mention:g} is {'' if inside else 'not '}in the interval"
        return Judged(
            verdict,
            text,
            remark,
            scale,
            *effect,
            p_improvement=improvement(part, arms),
            p_permutation=permutation(part, paired, len(arms), rules.bootstrap_seed),
            seeds_needed=needed(part, paired, rules) if verdict == INCONCLUSIVE else 0,
        )

    def correlation(self, part: Part, text: str) -> Judged:
        """Spearman's rho between the metric and the log ratio of violence, over seeds."""
        left, right = part.terms
        metric = self.values(left, part)
        rate = Part(metric="violence_rate", terms=part.terms, claim="<")
        change = self.values(left, rate) - self.values(right, rate)
        both = pd.concat([metric, change], axis=1).dropna().to_numpy(float)
        if len(both) < self.rules.min_seeds:
            raise _UntestableError(f"needs {self.rules.min_seeds} seeds, has {len(both)}")
        if np.ptp(both[:, 0]) == 0:
            raise _UntestableError(f"{part.metric} is the same in every run of {left.condition}")
        rows = np.random.default_rng(self.rules.bootstrap_seed).integers(
            len(both), size=(self.rules.resamples // 10, len(both))
        )
        drawn = [spearman(both[r]) for r in rows]
        rho = spearman(both)
        low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
        margin = self.rules.linear_margin
        verdict = SUPPORTED if high < 0 else REFUTED if low > -margin else INCONCLUSIVE
        return Judged(verdict, text, "", "difference", rho, low, high, len(both))

    def values(self, term: Term, part: Part) -> pd.Series:
        """One number per seed, on the part's scale: a Series indexed by seed."""
        rows = self.select(term)
        if part.metric.startswith("probe_") and "late/collapsed" in rows:
            rows = rows[~(rows["late/collapsed"] > 0)]
            if rows.empty:
                raise _UntestableError(f"the latent collapsed in every run of {term.condition}")
        column = f"{term.window}/{part.metric}"
        if column not in rows or not rows[column].notna().any():
            hint = " (run `karma probe` on it)" if part.metric.startswith("probe_") else ""
            raise _UntestableError(f"needs metric {part.metric} of {term.condition}{hint}")
        values = rows.set_index("seed")[column].dropna().astype(float)
        if len(values) < self.rules.min_seeds:
            have = f"{len(values)} of {term.condition}"
            raise _UntestableError(f"needs {self.rules.min_seeds} seeds per arm, has {have}")
        if part.scale == "rate":
            values = pd.Series(stats.log_rates(values), index=values.index)
        return values

    def select(self, term: Term) -> pd.DataFrame:
        """The rows of one arm, one per seed."""
        rows = self.table[self.table["condition"] == term.condition]
        if rows.empty:
            raise _UntestableError(f"needs arm {term.condition}")
        for key, wanted in term.where.items():
            levels = {name: setting(self.experiments[name], key) for name in rows["run"].unique()}
            wanted = _level(key, wanted, list(levels.values()))
            rows = rows[rows["run"].map(lambda name, w=wanted, at=levels: at[name] == w)]
            if rows.empty:
                raise _UntestableError(f"needs arm {term.condition} with {key} {wanted}")
        if rows["seed"].duplicated().any():
            names = " and ".join(sorted(rows["run"].unique()))
            raise _UntestableError(
                f"needs one run per seed, but {names} both hold {term.condition}"
            )
        return rows

    def gate_part(self, part: Part, text: str) -> Judged:
        (term,) = part.terms
        gate = self.ecology(self.select(term))
        enough = len(self.select(term)) >= self.rules.min_seeds
        if not enough:
            raise _UntestableError(f"needs {self.rules.min_seeds} seeds per arm")
        return Judged(SUPPORTED if gate.open else REFUTED, text, gate.reason, "ratio")

    def gates(self, prediction: Prediction) -> list[Gate]:
        """The prediction's gates, in every setting that its arms are taken from."""
        found: dict[Gate, None] = {}
        for where in _settings(prediction):
            try:
                rows = self.select(Term(condition="baseline", where=where))
            except _UntestableError as why:
                found |= {Gate(name, False, str(why)): None for name in prediction.gates}
                continue
            for name in prediction.gates:
                found[self.gate(name, rows, prediction)] = None
        return list(found)

    def gate(self, name: str, baseline: pd.DataFrame, prediction: Prediction) -> Gate:
        if name == "G0":
            return self.ecology(baseline)
        if name == "G2":
            return gates.cleaning(baseline, self.reference(baseline))
        arms = {term.condition for part in prediction.parts for term in part.terms}
        return gates.zaps(self.table[self.table["condition"].isin(arms)])

    def ecology(self, baseline: pd.DataFrame) -> Gate:
        return gates.ecology(baseline, self.reference(baseline), self.rules.bootstrap_seed)

    def reference(self, rows: pd.DataFrame) -> Mapping[str, float]:
        return self.references.get(rows["run"].iloc[0], {})


def _as_ratio(logs: stats.Estimate) -> stats.Estimate:
    value, low, high = np.exp(logs[:3]).tolist()
    return stats.Estimate(value, low, high, logs.n)


def _level(key: str, wanted: Any, levels: list[Any]) -> Any:
    """The value that "min" or "max" stands for among the folders' settings."""
    if wanted not in ("min", "max"):
        return wanted
    known = sorted({level for level in levels if level is not None})
    if len(known) < 2:
        raise _UntestableError(f"needs runs with two levels of {key}")
    return known[0] if wanted == "min" else known[-1]


def _settings(prediction: Prediction) -> list[dict[str, Any]]:
    """The distinct settings that a prediction's arms are restricted to."""
    found: list[dict[str, Any]] = []
    for part in prediction.parts:
        for term in part.terms:
            if term.where not in found:
                found.append(term.where)
    return found
