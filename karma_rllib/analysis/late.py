"""One number per run, then means and intervals over runs, then ratios to the baseline.

A run's number is taken from its *late window*, the last fifth of the agent-steps after the branch
(after the start, if there is no branch), as a ratio of sums over that window. A condition's number
is the mean over its runs, with a 95 % Student t interval over runs; selectivity, itself a ratio of
two event counts, is averaged on the log scale. Differences from the baseline are ratios, paired by
seed, with a t interval on the log scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from karma_rllib.analysis import social
from karma_rllib.analysis.metric_table import EVENT_MEANS
from karma_rllib.analysis.runs import KEYS, MAIN
from karma_rllib.analysis.stats import LEVEL, OFFSET, Interval, log_rates, t_interval
from karma_rllib.conditions import CONDITIONS

__all__ = ["LEVEL", "OFFSET", "Interval", "t_interval"]

BASELINE = "baseline"


class Column(NamedTuple):
    """How one metric is shown: its scale decides how seeds are averaged."""

    name: str
    title: str
    group: str  # which table it stands in
    digits: int
    better: str
    scale: str = "linear"  # "log": geometric mean
    signed: bool = False  # may be negative


#: The compared metrics, in the order of the tables.
COLUMNS = (
    Column("violence_rate", "violence", "Behaviour", 4, "lower"),
    Column("cooperation_rate", "cooperation", "Behaviour", 4, "higher"),
    Column("yield_rate", "apples", "Behaviour", 3, "higher"),
    Column("selectivity", "selectivity", "Behaviour", 1, "higher", "log"),
    Column("targeting_index", "targeting", "Aim", 1, ""),
    Column("zap_given_rival", "P(zap|rival)", "Aim", 3, "lower"),
    Column("zap_given_waste", "P(zap|waste)", "Aim", 3, "higher"),
    Column("zap_given_nothing", "P(zap|nothing)", "Aim", 3, ""),
    Column("hit_advantage", "hit advantage", "Value", 2, "", signed=True),
    Column("v_before", "V before", "Value", 2, "", signed=True),
    Column("v_after", "V after", "Value", 2, "", signed=True),
    Column("v_victim", "V victim", "Value", 2, "", signed=True),
    Column("predatory", "predatory", "Debts", 1, "lower"),
    Column("debt", "debt", "Debts", 0, ""),
    Column("retribution_ratio", "retribution", "Debts", 3, ""),
    Column("retribution_null", "by chance", "Debts", 3, ""),
    Column("link_rate", "link rate", "Debts", 2, ""),
    Column("coverage", "coverage", "Transport", 2, ""),
    Column("transported_per_crime", "per crime", "Transport", 3, "", signed=True),
    Column("retro_share", "to the past", "Transport", 2, ""),
    Column("rig_rate", "rigged", "Transport", 2, ""),
    Column("intent_index", "intent", "Transport", 2, ""),
    Column("hearts", "hearts", "Hearts", 1, "higher"),
    Column("freezes", "freezes", "Hearts", 1, "lower"),
    Column("gini", "Gini", "Hearts", 2, "lower"),
    Column("raw_return", "raw return", "Hearts", 2, "higher", signed=True),
    Column("shared_return", "shared return", "Hearts", 2, "", signed=True),
    Column("attacks_kin", "on close kin", "Kin", 4, "lower"),
    Column("attacks_other", "on others", "Kin", 4, ""),
    Column("victim_kin_ratio", "kin hit", "Kin", 2, "lower"),
    Column("gifts", "gifts", "Kin", 1, ""),
    Column("gift_kin_ratio", "kin given", "Kin", 2, ""),
    # In files and figures only: no group.
    Column("diamonds", "diamonds", "", 1, ""),
    Column("energy_in", "energy in", "", 0, ""),
    Column("energy_out", "energy out", "", 0, ""),
    Column("energy_given", "energy given", "", 1, ""),
    Column("victim_kinship", "kinship to victims", "", 3, "lower"),
    Column("gift_kinship", "kinship to receivers", "", 3, ""),
    Column("items_given", "items given", "", 2, ""),
    Column("items_looted", "items looted", "", 2, "lower"),
    Column("shield_use", "shields up", "", 3, ""),
    Column("marker_use", "markers", "", 3, ""),
    Column("predatory_rate", "predatory rate", "", 4, "lower"),
    Column("retributive", "retributive", "", 1, ""),
    Column("retribution_excess", "retribution over chance", "", 3, "", signed=True),
    Column("debt_inflow", "debt made", "", 1, ""),
    Column("debt_outflow", "debt paid", "", 1, ""),
    Column("settlement_time", "settlement time", "", 0, ""),
    Column("creditor_zap_rate", "P(zap) of creditors", "", 3, ""),
    Column("debtor_zap_rate", "P(zap) of debtors", "", 3, ""),
    Column("harm", "harm", "", 2, "", signed=True),
    Column("yield", "apples per episode", "", 1, "higher"),
    Column("beam_use", "beam use", "", 3, ""),
    Column("hit_ratio", "hit ratio", "", 3, ""),
    Column("frozen_share", "frozen", "", 3, "lower"),
    Column("waste_targeting", "waste targeting", "", 1, "higher"),
    Column("zap_probability", "P(zap)", "", 3, ""),
    Column("floor_hits", "floor hits", "", 3, ""),
    Column("exclusion_gain", "exclusion gain", "", 2, "", signed=True),
    Column("stock", "stock", "", 1, ""),
    Column("waste_level", "waste level", "", 2, "lower"),
    Column("efficiency", "U", "", 2, "higher"),
    Column("equality", "E", "", 2, "higher"),
    Column("sustainability", "S", "", 0, "higher"),
    Column("peace", "P", "", 2, "higher"),
)

#: Metrics that cannot exceed 1.
SHARES = frozenset(
    {
        *("zap_given_rival", "zap_given_waste", "zap_given_nothing", "zap_probability", "beam_use"),
        *("frozen_share", "floor_hits", "waste_level", "equality"),
        *("retribution_ratio", "retribution_null", "link_rate", "coverage", "retro_share"),
        *("rig_rate", "creditor_zap_rate", "debtor_zap_rate"),
        *("victim_kinship", "gift_kinship", "shield_use", "marker_use", "gini"),
    }
)

#: Metrics that mean nothing in a world without waste.
DUAL_USE_ONLY = frozenset(
    {"cooperation_rate", "selectivity", "zap_given_waste", "waste_targeting", "waste_level"}
)

#: Metrics that are shown only where a condition acts on debts or memories.
KARMIC_ONLY = frozenset(
    {*social.FAMILIES["matchmaker"], *social.FAMILIES["tvt"], "retribution_ratio", "predatory_rate"}
)

#: Metrics that are shown only where there are hearts, gifts or kin.
KIN_ONLY = frozenset(social.FAMILIES["kinship"])

#: Metrics whose ratio to the baseline is reported, unless they are hidden.
CONTRASTED = ("violence_rate", "predatory_rate", "cooperation_rate", "yield_rate", "selectivity")


def late_runs(frame: pd.DataFrame, late_fraction: float) -> pd.DataFrame:
    """One row per run: `run`, `condition`, `seed`, `agent_steps`, `branch`, then every metric."""
    rows = []
    main = frame[frame["stage"] == MAIN]
    for (run, _, condition, seed), life in main.groupby(KEYS, sort=False):
        end = life["agent_steps"].max()
        branch = branch_of(life)
        late = life[life["agent_steps"] > end - late_fraction * (end - branch)]
        ids = {"run": run, "condition": condition, "seed": seed}
        rows.append({**ids, "agent_steps": end, "branch": branch, **window_metrics(late)})
    return pd.DataFrame(rows)


def branch_of(life: pd.DataFrame) -> int:
    """Agent-steps at which a run branched from its stem, 0 if it has none."""
    return int(life["branch_agent_steps"].max()) if "branch_agent_steps" in life else 0


def window_metrics(rows: pd.DataFrame) -> dict[str, float]:
    """Every metric of the counts of `rows` added up; NaN where the learner logged no such sum."""
    counts = rows.filter(regex="^counts/").sum()
    return metrics_of({str(name): float(value) for name, value in counts.items()})


def metrics_of(counts: Mapping[str, float]) -> dict[str, float]:
    """The same from added columns `counts/<name>`."""
    sums = {name.removeprefix("counts/"): value for name, value in counts.items()}
    learner = {
        key.split("/")[1]: sums[total] / sums[count]
        if total in sums and sums.get(count, 0) > 0
        else np.nan
        for key, (total, count) in EVENT_MEANS.items()
    }
    counted = [social.rates(sums, family) for family in social.FAMILIES]
    return {name: value for part in (*counted, learner) for name, value in part.items()}


def summarise(column: Column, values: NDArray[np.float64]) -> Interval:
    """Mean over runs on the column's own scale; bounds stay inside what the metric can be."""
    if column.scale == "log":
        mean, low, high, n = t_interval(values)
        return Interval(float(np.exp(mean)), float(np.exp(low)), float(np.exp(high)), n)
    interval = t_interval(values)
    if column.signed or np.isnan(interval.low):
        return interval
    most = 1.0 if column.name in SHARES else np.inf
    return interval._replace(low=max(interval.low, 0.0), high=min(interval.high, most))


def _values(runs: pd.DataFrame, column: Column) -> NDArray[np.float64]:
    """One number per run, as a logarithm where the column's scale is one."""
    if column.name == "selectivity":
        return runs["log_selectivity"].to_numpy(float)
    return runs[column.name].to_numpy(float)


def condition_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and interval of every metric of `COLUMNS` that the world gives a meaning to."""
    rows = [
        {"condition": condition, "metric": column.name}
        | summarise(column, _values(group, column))._asdict()
        for condition, group in runs.groupby("condition", sort=False)
        for column in COLUMNS
        if column.name not in hidden(runs)
    ]
    return pd.DataFrame(rows)


def hidden(runs: pd.DataFrame) -> frozenset[str]:
    """Metrics that mean nothing for these runs."""
    idle = frozenset() if karmic(runs) else KARMIC_ONLY
    idle = idle if kinship(runs) else idle | KIN_ONLY
    return idle if dual_use(runs) else idle | DUAL_USE_ONLY


def karmic(runs: pd.DataFrame) -> bool:
    """Whether a condition has value transport or a matchmaker."""
    rows = [CONDITIONS[name] for name in set(runs["condition"]) if name in CONDITIONS]
    return any(row.tvt or row.matchmaker != "off" for row in rows)


def kinship(runs: pd.DataFrame) -> bool:
    """Whether anybody took a heart, gave anything, or harmed kin."""
    # Tables that were written before there was kinship have no such columns.
    signs = runs.filter(items=("hearts", "diamonds", "gifts", "victim_kinship"))
    return bool((signs > 0).to_numpy().any())


def dual_use(runs: pd.DataFrame) -> bool:
    """Whether anyone ever cleaned: without that, zaps have one use only."""
    return bool((runs["cooperation_rate"] > 0).any())


def contrast_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Ratio of every condition to the baseline, paired by seed.

    The ratio is the exponential of the mean, over the seeds that both have, of the difference of
    logarithms of (rate + 1e-4 per agent-step), or of log selectivities.
    """
    columns = ["condition", "metric", "ratio", "low", "high", "n"]
    base = runs[runs["condition"] == BASELINE].set_index("seed")
    metrics = [m for m in CONTRASTED if m not in hidden(runs)]
    rows = []
    for condition, group in runs.groupby("condition", sort=False):
        own = group.set_index("seed")
        seeds = [seed for seed in own.index if seed in base.index]
        if condition == BASELINE or not seeds:
            continue
        for metric in metrics:
            change = _logs(own.loc[seeds], metric) - _logs(base.loc[seeds], metric)
            mean, low, high, n = t_interval(change)
            bounds = np.exp([mean, low, high]).tolist()
            rows.append(dict(zip(columns, (condition, metric, *bounds, n), strict=True)))
    return pd.DataFrame(rows, columns=columns)


def _logs(runs: pd.DataFrame, metric: str) -> NDArray[np.float64]:
    if metric == "selectivity":
        return runs["log_selectivity"].to_numpy(float)
    return log_rates(runs[metric].to_numpy(float))
