"""The joint Gymnasium view is the PettingZoo env, stacked."""

import gymnasium
import numpy as np
import pytest

import karma_rllib
from karma_rllib.envs import harvest_v0


def test_the_joint_view_is_the_parallel_env_stacked():
    assert karma_rllib.register
    rules = {"profile": "gathering", "max_steps": 60, "timeout": 4}
    joint, parts = gymnasium.make("KarmicHarvest-v0", **rules), harvest_v0.parallel_env(**rules)
    joint.action_space.seed(0)
    names = parts.possible_agents
    (obs, info), (obs_n, infos) = joint.reset(seed=5), parts.reset(seed=5)
    happenings = 0
    for _ in range(60):
        for key in ("grid", "vec"):
            np.testing.assert_array_equal(obs[key], [obs_n[a][key] for a in names])
        assert info["social_events"] == [e for a in names for e in infos[a]["social_events"]]
        for key in ("role_out", "role_dec"):
            assert info[key].tolist() == [infos[a][key] for a in names]
        assert info["global_step"] == infos[names[0]]["global_step"]
        happenings += len(info["social_events"])
        action = joint.action_space.sample()
        obs, reward, terminated, truncated, info = joint.step(action)
        obs_n, rewards, _, truncations, infos = parts.step(dict(zip(names, action)))
        assert info["rewards"].tolist() == list(rewards.values())
        assert reward == pytest.approx(sum(rewards.values()), abs=1e-5)
        assert (terminated, truncated) == (False, truncations[names[0]])
    assert truncated
    assert happenings > 5


def test_reset_without_a_seed_continues_the_lifetime():
    env = gymnasium.make("KarmicHarvest-v0", max_steps=5)
    env.reset(seed=1)
    for _ in range(5):
        env.step(np.zeros(4, int))
    assert env.reset()[1]["episode"] == 1
    assert env.reset(seed=1)[1]["episode"] == 0


def test_a_joint_action_outside_the_space_is_one_sentence():
    env = gymnasium.make("KarmicHarvest-v0", disable_env_checker=True)
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"the action is \[0, 0, 0, 9\]: it must be 4 integers"):
        env.step(np.array([0, 0, 0, 9]))


def test_pictures_come_in_the_mode_that_was_asked_for():
    for mode, kind in (("rgb_array", np.ndarray), ("ansi", str)):
        env = gymnasium.make("KarmicHarvest-v0", render_mode=mode)
        env.reset(seed=1)
        assert isinstance(env.render(), kind)
        env.close()
