"""The statistics, against closed forms, second libraries and their own promises."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from karma_rllib.analysis import stats

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=9)


def test_the_iqm_leaves_out_the_lowest_and_highest_quarter():
    assert stats.iqm([1, 2, 3, 100]) == 2.5
    assert stats.iqm([5, 1, 2, 3, 100]) == pytest.approx(10 / 3)
    assert stats.iqm([1, 2, 9]) == 4  # three runs: nothing to leave out
    both = stats.iqm([[1, 2, 3, 100], [0, 4, 4, 4]], axis=1)
    assert both.tolist() == [2.5, 4.0]


@given(numbers, st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_interval_and_it_holds_the_extremes(values, seed):
    first = stats.bootstrap_iqm(values, seed=seed, resamples=200)
    assert first == stats.bootstrap_iqm(values, seed=seed, resamples=200)
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= first.low <= first.high <= max(values) + slack
    assert first.value == pytest.approx(float(stats.iqm(values)))


def test_other_seeds_give_other_intervals():
    x = np.random.default_rng(0).normal(size=9)
    assert stats.bootstrap_iqm(x, seed=0) != stats.bootstrap_iqm(x, seed=1)


def test_one_run_has_an_estimate_and_no_interval():
    got = stats.contrast([[2.0], [1.5]], (1, -1))
    assert (got.value, got.n) == (0.5, 1)
    assert math.isnan(got.low)
    assert math.isnan(stats.t_interval([3.0]).high)


def test_the_bootstrap_of_an_iqm_is_a_plain_loops():
    x = np.random.default_rng(1).normal(size=(7, 2))
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(4000):
        tasks = [x[rng.integers(7, size=7), k] for k in range(2)]
        drawn.append(stats.iqm(np.concatenate(tasks)))
    got = stats.bootstrap_iqm(x, resamples=4000)
    assert got[1:3] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.08)
    assert got.value == pytest.approx(float(stats.iqm(x)))


def test_intervals_agree_with_rliables():
    rly = pytest.importorskip(
        "rliable.library",
        reason="the extra `crosscheck` is not installed: pip install -e .[crosscheck]",
    )
    metrics = pytest.importorskip("rliable.metrics")
    x = np.random.default_rng(2).lognormal(size=(10, 3))
    y = x[:, ::-1] + 0.3
    np.random.seed(0)  # noqa: NPY002 - it draws from the global generator, whatever it is given
    aggregate = lambda s: np.array([metrics.aggregate_iqm(s)])  # noqa: E731
    points, bounds = rly.get_interval_estimates({"x": x}, aggregate, reps=5000)
    ours = stats.bootstrap_iqm(x, resamples=5000)
    assert ours.value == pytest.approx(points["x"].item())
    assert ours[1:3] == pytest.approx(bounds["x"].ravel(), rel=0.03)
    assert stats.probability_of_improvement(x, y) == pytest.approx(
        metrics.probability_of_improvement(x, y)
    )
    tau = np.linspace(0, 4, 9)
    theirs, _ = rly.create_performance_profile({"x": x}, tau, reps=50)
    assert stats.performance_profile(x, tau).share == pytest.approx(theirs["x"])


def test_a_contrast_is_the_difference_of_iqms_whatever_the_lengths():
    x, y = np.arange(8.0), np.arange(5.0) ** 2
    got = stats.contrast([x, y], (1, -1), resamples=500)
    assert got.value == pytest.approx(float(stats.iqm(x) - stats.iqm(y)))
    assert got.n == 5
    assert got.low < got.value < got.high


def test_a_rate_ratio_has_a_place_for_zero():
    same = stats.rate_ratio([0.0, 0.0], [0.0, 0.0])
    assert same == (1.0, 1.0, 1.0, 2)
    assert stats.rate_ratio([0.0], [0.0009]).value == pytest.approx(0.1)


def test_bad_arms_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="2 arms but 1 weights"):
        stats.contrast([[1.0], [2.0]], (1,))
    with pytest.raises(ValueError, match="not finite"):
        stats.contrast([[1.0], [np.nan]], (1, -1))


@given(numbers, numbers)
@settings(max_examples=50, deadline=None)
def test_the_probability_of_improvement_is_mann_whitneys_u(x, y):
    u = scipy_stats.mannwhitneyu(x, y).statistic
    got = stats.probability_of_improvement(x, y)
    assert got == pytest.approx(u / (len(x) * len(y)))
    assert got + stats.probability_of_improvement(y, x) == pytest.approx(1)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_the_sign_flip_test_counts_all_flips(values):
    d = np.array(values, float)
    flips = np.array(list(itertools.product((1, -1), repeat=len(d))))
    sums = flips @ d
    assert stats.sign_flip_p(d, "less") == pytest.approx((sums <= d.sum() + 1e-9).mean())
    assert stats.sign_flip_p(d, "greater") == pytest.approx((sums >= d.sum() - 1e-9).mean())
    assert stats.sign_flip_p(d) == pytest.approx((abs(sums) >= abs(d.sum()) - 1e-9).mean())


def test_five_runs_cannot_reach_two_sided_five_per_cent_by_flipping_signs():
    assert stats.sign_flip_p([-1, -2, -3, -4, -5.0]) == 2 / 32
    assert stats.sign_flip_p([-1, -2, -3, -4, -5.0], "less") == 1 / 32
    assert math.isnan(stats.sign_flip_p([]))


def test_many_runs_draw_flips_and_the_same_seed_draws_the_same():
    d = np.random.default_rng(3).normal(0.3, size=20)
    assert stats.sign_flip_p(d, seed=1) == stats.sign_flip_p(d, seed=1)
    assert stats.sign_flip_p(d) == pytest.approx(scipy_stats.ttest_1samp(d, 0).pvalue, abs=0.05)


def test_holm_is_step_down_and_leaves_out_what_was_not_tested():
    assert stats.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    got = stats.holm([0.2, np.nan, 0.01])
    assert got[[0, 2]].tolist() == pytest.approx([0.2, 0.02])
    assert math.isnan(got[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_p_values_and_bonferronis(p):
    adjusted = stats.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()


def test_a_performance_profile_falls_from_all_to_none():
    got = stats.performance_profile([1.0, 2.0, 3.0, 4.0], [0.5, 2.5, 4.0])
    assert got.share.tolist() == [1.0, 0.5, 0.0]
    assert (got.low <= got.share).all()
    assert (got.high >= got.share).all()


def test_power_and_seeds_needed_are_those_of_the_tables():
    # Cohen 1988, table 2.4.1: d = 0.8, power 0.80, two-sided 0.05: 26 per group; d = 0.5: 64.
    assert stats.seeds_needed(0.8) == 26
    assert stats.seeds_needed(-0.5) == 64
    assert stats.seeds_needed(1.0, paired=True) == 10
    assert stats.power(0.0, 10) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="other than 0"):
        stats.seeds_needed(0.0)
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        stats.seeds_needed(1.0, chance=1.0)


@pytest.mark.parametrize(("n", "low", "high"), [(3, 0.12, 0.28), (5, 0.03, 0.09), (10, 0.02, 0.07)])
def test_a_null_experiment_raises_a_false_alarm_as_often_as_stated(n, low, high):
    """Normal runs, 600 experiments; the bounds leave three standard errors."""
    x = np.random.default_rng(n).normal(size=(600, 2, n))
    alarms = 0
    for arms in x:
        got = stats.contrast(arms, (1, -1), resamples=1000)
        alarms += got.low > 0 or got.high < 0
    assert low < alarms / len(x) < high


@pytest.mark.parametrize(("effect", "n", "low", "high"), [(1, 10, 0.44, 0.64), (2, 5, 0.74, 0.92)])
def test_a_true_effect_is_found_as_often_as_stated(effect, n, low, high):
    x = np.random.default_rng(n).normal(size=(400, 2, n)) + np.array([effect, 0])[:, None]
    found = sum(stats.contrast(arms, (1, -1), resamples=1000).low > 0 for arms in x)
    assert low < found / len(x) < high
