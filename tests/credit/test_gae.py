"""Advantages against a plain loop, Monte-Carlo sums and a closed form."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.credit.gae import LEAST_SPREAD, gae, moments


def plain_loop(reward, value, last_value, truncated, final_value, gamma, lam):
    T, M = reward.shape
    advantage = np.zeros((T, M))
    for m in range(M):
        for t in range(T):
            # sum of discounted temporal differences up to the end of the episode or the data
            weight = 1.0
            for u in range(t, T):
                if truncated[u, m]:
                    after = final_value[u, m]
                elif u + 1 < T:
                    after = value[u + 1, m]
                else:
                    after = last_value[m]
                advantage[t, m] += weight * (reward[u, m] + gamma * after - value[u, m])
                weight *= gamma * lam
                if truncated[u, m]:
                    break
    return advantage


def stream(seed, T=17, M=5, p_end=0.15, dtype=np.float32):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=shape).astype(dtype)  # noqa: E731
    return draw(T, M), draw(T, M), draw(M), rng.random((T, M)) < p_end, draw(T, M)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_the_kernel_agrees_with_the_plain_double_loop(seed, gamma, lam):
    columns = stream(seed)
    advantage, target = gae(*columns, gamma, lam)
    expected = plain_loop(*columns, gamma, lam)
    np.testing.assert_allclose(advantage, expected, atol=2e-5)
    np.testing.assert_allclose(target, expected + columns[1], atol=2e-5)
    assert advantage.dtype == target.dtype == np.float32


def test_at_lambda_one_the_target_is_the_discounted_return():
    reward, value, last_value, _, final_value = stream(3, T=6, M=1, dtype=np.float64)
    nowhere = np.zeros((6, 1), bool)
    _, target = gae(reward, value, last_value, nowhere, final_value, 0.9, 1.0)
    for t in range(6):
        monte_carlo = sum(0.9 ** (u - t) * reward[u, 0] for u in range(t, 6))
        assert target[t, 0] == pytest.approx(monte_carlo + 0.9 ** (6 - t) * last_value[0])


def test_a_truncated_step_bootstraps_with_the_final_observation_and_not_with_the_next_episode():
    reward, value, last_value, truncated, final_value = stream(4, T=4, M=2, p_end=0.0)
    truncated[1, 0] = True
    before, _ = gae(reward, value, last_value, truncated, final_value, 0.9, 0.8)
    value[2:, 0] += 100.0  # the next episode
    after, _ = gae(reward, value, last_value, truncated, final_value, 0.9, 0.8)
    np.testing.assert_array_equal(before[:2, 0], after[:2, 0])
    final_value[1, 0] += 1.0
    moved, _ = gae(reward, value, last_value, truncated, final_value, 0.9, 0.8)
    assert moved[1, 0] - after[1, 0] == pytest.approx(0.9, abs=1e-5)
    assert moved[0, 0] - after[0, 0] == pytest.approx(0.9 * 0.8 * 0.9, abs=1e-5)


@settings(deadline=None)
@given(
    st.integers(0, 1000),
    st.floats(0.5, 1.0),
    st.floats(0.0, 1.0),
    st.integers(1, 9),
    st.floats(-5, 5),
)
def test_a_value_bias_after_the_zap_changes_its_advantage_as_the_closed_form_says(
    seed, gamma, lam, width, bias
):
    # A bias b_k of V(o_{t+k}) for k = 1..width changes the advantage of the action at t by
    #     gamma (1 - lam) sum_{k>=0} (gamma lam)^k b_{t+1+k}  -  b_t
    # : one aliased frame counts (1 - lam) gamma b, and the bias at t itself counts -b.
    T, t = 12, 2
    columns = stream(seed, T=T, M=1, p_end=0.0, dtype=np.float64)
    before, _ = gae(*columns, gamma, lam)
    value = columns[1].copy()
    value[t, 0] += 0.7
    value[t + 1 : t + 1 + width, 0] += bias
    after, _ = gae(columns[0], value, *columns[2:], gamma, lam)
    later = sum((gamma * lam) ** k * bias for k in range(width))
    assert after[t, 0] - before[t, 0] == pytest.approx(gamma * (1 - lam) * later - 0.7, abs=1e-6)


def test_shapes_that_do_not_agree_are_named():
    columns = list(stream(0))
    columns[2] = columns[2][:-1]
    with pytest.raises(ValueError, match=r"last_value has shape \(4,\).*\(5,\)"):
        gae(*columns, 0.9, 0.9)
    with pytest.raises(ValueError, match=r"lam is 1\.5 but must lie in"):
        gae(*stream(0), 0.9, 1.5)


def test_moments_pool_the_entries_that_count_over_fragments():
    rng = np.random.default_rng(1)
    parts = [rng.normal(3.0, 2.0, (T, 6)).astype(np.float32) for T in (40, 7)]
    masks = [rng.random(part.shape) < 0.6 for part in parts]
    found = moments(parts, masks)
    chosen = [float(x) for part, mask in zip(parts, masks) for x in part[mask]]
    assert found == pytest.approx((statistics.fmean(chosen), statistics.pstdev(chosen)), rel=1e-12)
    for part, mask in zip(parts, masks):
        part[~mask] = 1e6
    assert moments(parts, masks) == found


def test_advantages_that_hardly_differ_are_not_blown_up():
    even = np.full((5, 2), 7.0)
    assert moments([even], [np.ones((5, 2), bool)]) == (7.0, LEAST_SPREAD)
    assert moments([even], [np.zeros((5, 2), bool)]) == (0.0, 1.0)
