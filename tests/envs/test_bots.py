"""The random player is a pure, fair step over its state."""

import numpy as np
from scipy import stats

from karma_rllib.envs.bots import RandomPolicy


def test_equal_states_give_equal_actions_and_the_state_moves_on():
    policy = RandomPolicy(seed=4)
    start = policy.initial_state(6)
    first, after = policy.step({}, start)
    again, _ = policy.step({}, start)
    later, _ = policy.step({}, after)
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()
    assert first.shape == (6,)
    assert first.dtype == np.int64


def test_all_actions_are_equally_likely():
    """A chi-square test that a fair player fails once in 10 000 seeds."""
    policy = RandomPolicy(num_actions=8, seed=1)
    state, counts = policy.initial_state(10), np.zeros(8)
    for _ in range(1000):
        actions, state = policy.step({}, state)
        counts += np.bincount(actions, minlength=8)
    assert stats.chisquare(counts).pvalue > 1e-4
