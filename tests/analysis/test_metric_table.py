import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.analysis.metric_table import FAMILIES, TABLE, family, markdown
from karma_rllib.analysis.social import COUNTS, METRICS, rates

EPISODE_METRICS = {
    *("efficiency", "equality", "sustainability", "peace", "depletion_time", "episode_return")
}
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.mark.parametrize("name", ["run", *FAMILIES])
def test_the_page_prints_every_family_as_the_code_defines_it(name):
    assert markdown(name) in PAGE.read_text(encoding="utf-8")


def test_the_page_documents_nothing_that_the_code_does_not_know():
    first_cells = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(first_cells) == sorted(TABLE)


def test_every_count_and_every_social_metric_has_a_row():
    assert {f"counts/{name}" for name in COUNTS} <= set(TABLE)
    assert {row.key for row in family("social")} == {f"social/{name}" for name in METRICS}


def test_every_row_has_a_unit_a_meaning_and_a_known_direction():
    for row in TABLE.values():
        assert row.unit, row
        assert row.description, row
        assert row.better in ("lower", "higher", ""), row


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_printed_formula_of_a_metric_computes_its_value(seed):
    drawn = np.random.default_rng(seed).integers(1, 1000, len(COUNTS))
    sums = dict(zip(COUNTS, map(float, drawn), strict=True))
    values = rates(sums)
    names = values | sums | {"ln": math.log, "max": max}  # a count hides a metric of its name
    checked = 0
    for metric in METRICS.values():
        if metric.name in EPISODE_METRICS:
            continue
        assert values[metric.name] == pytest.approx(eval(metric.formula, {}, names)), metric
        checked += 1
    assert checked == len(METRICS) - len(EPISODE_METRICS)


@settings(deadline=None)
@given(st.integers(0, 50))
def test_whole_episode_metrics_are_means_over_finished_then_over_running_episodes(finished):
    sums = {f"{when}_{n}": 6.0 for when in ("finished", "running") for n in EPISODE_METRICS}
    sums |= {"running_episodes": 2.0, "running_fed_episodes": 2.0}
    sums |= {"finished_episodes": finished, "finished_fed_episodes": finished}
    values = rates(sums)
    for name in EPISODE_METRICS:
        assert values[name] == pytest.approx(6.0 / finished if finished else 3.0)
