"""The published transport, by hand and against loops over one head of one episode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.credit.hung import hung_exclusion, hung_transport


def one_head_slowly(weights, strength, value, tau, alpha, threshold, top_k):
    """One head, one episode, as the four sentences of the paper's appendix say."""
    T = len(value)
    strength = [s if t - int(np.argmax(weights[t])) > tau else 0.0 for t, s in enumerate(strength)]
    reward, t = np.zeros(T), 0
    while t < T:
        run = []
        while t < T and strength[t] > threshold:
            run.append(t)
            t += 1
        if run:
            t2 = max(run, key=lambda u: (strength[u], -u))
            t1s = sorted((u for u in range(T) if t2 - u > tau), key=lambda u: (-weights[t2][u], u))
            for t1 in t1s[:top_k]:
                reward[t1] += alpha * weights[t2][t1] * value[t2]
        t += 1
    return reward


def twelve_steps():
    # tau = 3. Head 0 reads strongly at 5, 6, 7 (strongest: 6) and at 10; at 7 its largest weight
    # lies at 5, within the window, so 7 counts as weak; at 10 it looks at 9, too.
    weights = np.zeros((12, 2, 12))
    strength = np.ones((12, 2))
    strength[[5, 6, 7, 10], 0] = 2.5, 3.0, 9.0, 4.0
    weights[5, 0, [0, 1]] = 0.6, 0.4
    weights[6, 0, [0, 1, 4]] = 0.5, 0.3, 0.2  # 6 - 4 <= 3: row 4 gets nothing
    weights[7, 0, [2, 5]] = 0.2, 0.8
    weights[10, 0, [3, 9]] = 0.1, 0.9
    # Head 1 reads strongly at 11 and exactly at the threshold at 8, which is not enough.
    strength[[8, 11], 1] = 2.0, 2.1
    weights[8, 1, 0] = 1.0
    weights[11, 1, [0, 7]] = 0.7, 0.3
    return weights, strength, np.arange(12.0)


def test_twelve_steps_by_hand():
    weights, strength, value = twelve_steps()
    reward = hung_transport(weights, strength, value, gamma=0.99, exclusion=3)
    expected = np.zeros(12)
    expected[[0, 1]] = 0.9 * 6 * np.array([0.5, 0.3])  # head 0 from t2 = 6, where V is 6
    expected[[0, 7]] += 0.9 * 11 * np.array([0.7, 0.3])  # head 1 from t2 = 11
    np.testing.assert_allclose(reward, expected, rtol=1e-6)


def test_only_the_most_read_steps_get_a_share():
    weights, strength, value = twelve_steps()
    reward = hung_transport(weights, strength, value, gamma=0.99, exclusion=3, top_k=1)
    np.testing.assert_allclose(reward, [0.9 * (6 * 0.5 + 11 * 0.7)] + [0.0] * 11, rtol=1e-6)


def test_a_read_of_rows_not_written_yet_transports_nothing():
    weights = np.zeros((6, 1, 6))
    weights[2, 0, [0, 5]] = 0.4, 0.6
    reward = hung_transport(weights, np.full((6, 1), 3.0), np.ones(6), 0.9, exclusion=1)
    assert reward[5] == 0.0
    assert reward[0] == 0.0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(1, 6))
def test_episodes_and_heads_agree_with_slow_loops(seed, tau, top_k):
    rng = np.random.default_rng(seed)
    B, T, H = 3, 15, 2
    weights = rng.dirichlet(np.full(T, 0.3), (B, T, H)) * np.tri(T, k=-1)[None, :, None, :]
    strength, value = rng.gamma(2.0, 1.5, (B, T, H)), rng.normal(size=(B, T))
    expected = [
        sum(
            one_head_slowly(weights[b, :, h], strength[b, :, h], value[b], tau, 0.5, 2.0, top_k)
            for h in range(H)
        )
        for b in range(B)
    ]
    settings_ = {"alpha": 0.5, "top_k": top_k, "exclusion": tau}
    reward = hung_transport(weights, strength, value, 0.9, **settings_)
    np.testing.assert_allclose(reward, expected, atol=1e-5)
    alone = hung_transport(weights[1], strength[1], value[1], 0.9, **settings_)
    np.testing.assert_array_equal(alone, reward[1])


def test_the_window_is_the_rounded_horizon_of_gamma():
    assert [hung_exclusion(g) for g in (0.92, 0.96, 0.99, 1.0)] == [12, 25, 100, 25]


def test_shapes_that_do_not_agree_are_named():
    with pytest.raises(ValueError, match=r"read_strength of shape \(4, 2\)"):
        hung_transport(np.zeros((4, 2, 5)), np.zeros((4, 2)), np.zeros(4), 0.9)
