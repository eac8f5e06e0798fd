"""From RLlib's nested result to the flat columns that trials are compared by.

Each column is defined in docs/metrics.md. The set is the same in every iteration of every
condition: a metric without data keeps its last value, or its documented start value, so
neither Tune's CSV nor a stop criterion ever meets a hole.
"""

from __future__ import annotations

import math
from typing import Any

from karma_rllib.analysis import social
from karma_rllib.analysis.metric_table import EVENT_MEANS
from karma_rllib.plugin.connectors import FINGERPRINT_SUMS
from karma_rllib.plugin.stats import FAMILIES, START


def result_columns(
    result: dict[str, Any], module_id: str, last: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """Columns `counts`, `social`, `matchmaker`, `tvt`, `mirror`, `role`, `ppo`, and so on.

    Args:
        result: RLlib's result of one iteration.
        module_id: the shared module.
        last: the columns of the iteration before, {} at first.

    Returns:
        {family: {name: value}}; Tune flattens it to `family/name`.
    """
    counts = dict(result.get("env_runners", {}).get("counts", {}))
    learner = result.get("learners", {}).get(module_id, {})
    columns: dict[str, dict[str, float]] = {
        "counts": {name: float(counts.get(name, 0.0)) for name in social.COUNTS},
    }
    for family in social.FAMILIES:
        columns[family] = social.rates(columns["counts"], family)
    sums = learner.get("fingerprint", {})
    columns["counts"].update({name: float(sums.get(name, 0.0)) for name in FINGERPRINT_SUMS})
    for family, names in FAMILIES.items():
        fresh, before = _known(learner.get(family, {})), last.get(family, {})
        own = columns.setdefault(family, {})
        for name in names:
            own[name] = float(fresh.get(name, before.get(name, START.get(name, 0.0))))
    for key, (total, count) in EVENT_MEANS.items():
        family, name = key.split("/")
        number = columns["counts"][count]
        old = last.get(family, {}).get(name, 0.0)
        columns[family][name] = columns["counts"][total] / number if number else old
    mirror = columns["mirror"]
    mirror["v_gap"] = mirror["v_after"] - mirror["v_victim"]
    return columns


def _known(values: dict[str, Any]) -> dict[str, float]:
    """Without what was not logged in this iteration, which RLlib reports as NaN."""
    return {name: float(value) for name, value in values.items() if not math.isnan(value)}
