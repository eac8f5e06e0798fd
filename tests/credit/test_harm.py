"""How much a punishment hurt."""

import numpy as np
import pytest

from karma_rllib.credit.gae import gae
from karma_rllib.credit.harm import USUAL_FADE, harm, n_step_return, usual_value
from tests.credit.fragments import random_fragment

NAMES = ("reward", "value", "last_value", "truncated", "final_value")


def columns(seed, T=20, p_end=0.1):
    frag = random_fragment(np.random.default_rng(seed), T, 2, 3, p_end=p_end)
    return {name: frag[name].astype(np.float64 if p_end else np.float32) for name in NAMES} | {
        "truncated": frag["truncated"]
    }


def test_over_an_endless_horizon_the_return_is_the_target_of_gae_at_lambda_one():
    frag = columns(1)
    flat = [frag[name].reshape(*frag[name].shape[:-2], -1) for name in NAMES if name != "truncated"]
    ended = np.repeat(frag["truncated"], 3, 1)
    reward, value, last, final = flat
    _, target = gae(reward, value, last, ended, final, 0.97, 1.0)
    returns = n_step_return(**frag, gamma=0.97, steps=1000)
    np.testing.assert_allclose(returns.reshape(20, -1), target, atol=1e-9)


def test_over_one_step_the_return_is_the_reward_and_the_next_value():
    frag = columns(2)
    after = np.concatenate([frag["value"][1:], frag["last_value"][None]])
    after = np.where(frag["truncated"][..., None], frag["final_value"], after)
    returns = n_step_return(**frag, gamma=0.9, steps=1)
    np.testing.assert_allclose(returns, frag["reward"] + 0.9 * after, atol=1e-9)


def test_the_usual_value_counts_active_steps_alone():
    value = np.array([[[1.0]], [[100.0]], [[3.0]]])
    active = np.array([[[True]], [[False]], [[True]]])
    first = usual_value(np.array([[np.nan]]), value, active)
    assert first[0, 0] == 2.0
    keep = USUAL_FADE**2
    assert usual_value(np.array([[10.0]]), value, active)[0, 0] == keep * 10 + (1 - keep) * 2
    assert usual_value(np.array([[10.0]]), value, active & False)[0, 0] == 10.0
    assert np.isnan(usual_value(np.array([[np.nan]]), value, active & False)[0, 0])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("gap", -3.0), ("surprise", -1.0), ("reward", -0.5), ("value", 4.0)],
)
def test_each_kind_of_harm_on_one_punishment(kind, expected):
    # r = -0.5 at t = 0 and 0 then; V(o_0) = 4.5, V(o_1) = 4; usual 6.5; horizon 1, gamma 1
    D = harm(
        kind,
        5.0,
        (np.array([0]), np.array([0]), np.array([0])),
        reward=np.array([-0.5, 0.0]).reshape(2, 1, 1),
        value=np.array([4.5, 4.0]).reshape(2, 1, 1),
        last_value=np.zeros((1, 1)),
        truncated=np.zeros((2, 1), bool),
        final_value=np.zeros((2, 1, 1)),
        usual=np.full((1, 1), 6.5),
        gamma=1.0,
        horizon=1,
    )
    assert D.tolist() == [expected]


@pytest.mark.parametrize("kind", ["gap", "surprise", "reward", "value"])
def test_harm_is_clipped_and_only_the_published_kind_may_reward(kind):
    frag = columns(3, T=200)
    at = tuple(x.ravel() for x in np.indices((200, 2, 3)))
    D = harm(kind, 0.7, at, **frag, usual=np.zeros((2, 3)), gamma=0.99, horizon=5)
    assert D.min() == -0.7
    assert D.max() == (0.7 if kind == "value" else 0.0)
