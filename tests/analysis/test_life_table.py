"""Life tables: against Kaplan-Meier of a second library, and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from karma_rllib.analysis import life_table
from karma_rllib.analysis.life_table import ENDS, median, survival


def table_of(times, seen):
    """Events and exposure of finished (`seen`) and censored spells."""
    events, exposure = np.zeros(len(ENDS)), np.zeros(len(ENDS))
    for time, done in zip(times, seen, strict=True):
        low = 0.0
        for k, end in enumerate(ENDS):
            exposure[k] += max(0.0, min(time, end) - low)
            if done and low < time <= end:
                events[k] += 1
            low = end
    return events, exposure


def test_a_constant_hazard_gives_back_its_exponential():
    exposure = [end - begin for begin, end in zip((0, *ENDS), ENDS)]
    exposure[-1] = 5000.0
    events = [0.01 * at_risk for at_risk in exposure]
    for t in (0, 5, 100, 3000, 40_000):
        assert survival(events, exposure, t) == pytest.approx(math.exp(-0.01 * t))
    assert median(events, exposure) == pytest.approx(math.log(2) / 0.01)


def test_nothing_seen_means_survival_and_no_median():
    none = [0.0] * len(ENDS)
    assert survival(none, none, 1000) == 1.0
    assert median(none, none) == 0.0
    assert median(none, [10.0] * len(ENDS)) == 0.0


def test_it_agrees_with_kaplan_and_meier_under_censoring():
    rng = np.random.default_rng(0)
    times = rng.weibull(0.7, 4000) * 400
    limits = rng.uniform(50, 3000, 4000)
    seen = times <= limits
    events, exposure = table_of(np.minimum(times, limits), seen)
    data = stats.CensoredData(uncensored=times[seen], right=limits[~seen])
    reference = stats.ecdf(data).sf
    for t in ENDS[2:8]:
        assert survival(events, exposure, t) == pytest.approx(reference.evaluate(t), abs=0.02)
    middle = median(events, exposure)
    assert reference.evaluate(middle) == pytest.approx(0.5, abs=0.03)


def test_sums_of_parts_are_the_whole():
    rng = np.random.default_rng(1)
    times, seen = rng.exponential(300, 200), rng.random(200) < 0.7
    whole = table_of(times, seen)
    parts = [table_of(times[k::2], seen[k::2]) for k in range(2)]
    for a, b, c in zip(whole, *parts, strict=True):
        np.testing.assert_allclose(a, b + c)
    assert len(life_table.hazards(*whole)) == len(ENDS)
