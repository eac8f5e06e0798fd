"""Profiles and seeds needed, against counts by hand and scipy's own power."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nct, t
from synthetic import write_run

from karma_rllib.analysis import figures, profiles, report
from karma_rllib.analysis.compare import compare

ARMS = ("baseline", "karma_out", "placebo_inert")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    root = tmp_path_factory.mktemp("profiles")
    folder = write_run(root, conditions=ARMS, seeds=(1, 2, 3, 4), length=4)
    return compare([folder], root / "out")


def test_a_profile_is_the_share_of_runs_above_each_level(comparison):
    ax = profiles.profiles(comparison).axes[0]
    assert ax.get_title(loc="left") == "Violence"
    own = comparison.runs[comparison.runs["condition"] == "baseline"]["violence_rate"] * 1000
    x, y = np.asarray(ax.lines[0].get_xydata()).T
    assert y == pytest.approx([(own > level).mean() for level in x])
    assert y[0] == 1.0
    assert all(line.get_ydata()[-1] == 0.0 for line in ax.lines)  # above all of every arm


def test_every_panel_says_what_it_shows_and_every_arm_has_a_line(comparison):
    figure = profiles.profiles(comparison, dark=True)
    assert len(figure.axes) == 4
    assert all(len(ax.lines) == len(ARMS) and ax.get_xlabel() for ax in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(ARMS)


def test_profiles_are_drawn_and_reported_where_there_are_runs_enough(comparison, tmp_path):
    names = {path.name for path in figures.draw(comparison)}
    assert {"profiles.png", "profiles.svg"} <= names
    page = report.write_report(comparison).read_text()
    assert "Seeds needed" in page
    assert "Share of an arm" in page
    few = write_run(tmp_path, conditions=ARMS, seeds=(1, 2), length=4)
    assert not profiles.shown(compare([few], tmp_path / "out"))


def runs(changes):
    """A baseline, and an arm whose log violence differs by the given amounts."""
    rows = []
    for seed, change in enumerate(changes):
        for condition, shift in (("baseline", 0.0), ("karma", change)):
            rate = (0.01 + 1e-4) * math.exp(shift) - 1e-4
            rows.append({"condition": condition, "seed": seed, "violence_rate": rate})
    table = pd.DataFrame(rows)
    for name in ("cooperation_rate", "yield_rate", "predatory_rate"):
        table[name] = 0.0
    return table.assign(log_selectivity=0.0)


def test_the_seeds_that_an_effect_takes_are_those_of_a_paired_t_test():
    changes = np.array([-0.2, -0.5, 0.1, -0.4, -0.3])
    table = profiles.seeds_needed(runs(changes)).set_index("metric").loc["violence_rate"]
    d = changes.mean() / changes.std(ddof=1)
    assert table["n"] == 5
    assert table["ratio"] == pytest.approx(math.exp(changes.mean()))
    assert table["d"] == pytest.approx(d)

    def power(n, effect):
        critical, shift = t.ppf(0.975, n - 1), effect * math.sqrt(n)
        return nct.sf(critical, n - 1, shift) + nct.cdf(-critical, n - 1, shift)

    assert table["power"] == pytest.approx(power(5, abs(d)))
    for name, effect in (("for_this", abs(d)), ("for_least", -math.log(0.8) / changes.std(ddof=1))):
        n = int(table[name])
        assert power(n, effect) >= 0.8 > power(n - 1, effect)


def test_what_never_varies_or_is_not_shared_has_no_number_of_seeds():
    same = profiles.seeds_needed(runs([0.3, 0.3, 0.3]))
    assert set(same[same["metric"] == "yield_rate"]["for_this"]) == {0}
    assert profiles.seeds_needed(runs([0.3])).empty
