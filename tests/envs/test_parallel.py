"""The PettingZoo env: lifetimes, infos, errors."""

import numpy as np
import pytest

from karma_rllib.envs import harvest_v0
from karma_rllib.worlds.rng import uniforms

CROWD = {"grid_size": 5, "patch_half": 2, "num_agents": 4, "timeout": 4, "max_steps": 40}


def joint(env, k, zap=0.5):
    u = uniforms(0, [0], [k], 2 * len(env.possible_agents))[0]
    pairs = zip(env.possible_agents, u[::2], u[1::2])
    return {a: 7 if x < zap else int(7 * y) for a, x, y in pairs}


def episode(env, start=0):
    """Play one episode with many zaps; yields each step's result."""
    k = start
    while env.agents:
        yield env.step(joint(env, k))
        k += 1


def test_debts_and_counters_outlive_an_episode_until_a_new_seed():
    env = harvest_v0.parallel_env(**CROWD)
    env.reset(seed=1)
    for _ in episode(env):
        pass
    debts = env.stage.life.ledger.copy()
    assert debts.sum() > 0
    _, infos = env.reset()
    assert (env.stage.life.ledger == debts).all()
    assert infos["agent_0"]["episode"] == 1
    assert infos["agent_0"]["global_step"] == CROWD["max_steps"]
    _, infos = env.reset(seed=1)
    assert env.stage.life.ledger.sum() == 0
    assert infos["agent_0"]["episode"] == infos["agent_0"]["global_step"] == 0


def test_an_unseeded_life_differs_from_the_next_unseeded_life():
    first = [harvest_v0.parallel_env().reset()[0]["agent_0"]["grid"].tobytes() for _ in range(4)]
    assert len(set(first)) > 1


def test_another_uid_is_another_life_under_the_same_seed():
    grids = [harvest_v0.parallel_env(uid=uid).reset(seed=0)[0]["agent_0"]["grid"] for uid in (0, 1)]
    assert (grids[0] != grids[1]).any()


def test_a_retribution_is_told_with_the_debt_that_justified_it():
    env = harvest_v0.parallel_env(**CROWD)
    env.reset(seed=2)
    seen = {True: 0, False: 0}
    for n in range(10):
        for *_, infos in episode(env, 1000 * n):
            zaps = {e["zid"]: e for i in infos.values() for e in i["social_events"] if "zid" in e}
            for zap in zaps.values():
                assert zap["predatory"] == (zap["ledger_before"] <= 0.1)
                seen[zap["predatory"]] += 1
        env.reset()
    assert min(seen.values()) > 5


def test_ledger_rules_reach_the_ledger():
    env = harvest_v0.parallel_env(ledger={"debt_unit": 2.5}, **CROWD)
    env.reset(seed=3)
    for *_, infos in episode(env):
        if infos["agent_0"]["zids"]:
            break
    assert env.stage.life.ledger.max() == 2.5


def test_both_sides_of_a_zap_share_its_id_and_ids_do_not_repeat():
    env = harvest_v0.parallel_env(uid=5, **CROWD)
    env.reset(seed=4)
    ids = []
    for _ in range(3):
        for *_, infos in episode(env):
            told = [z for info in infos.values() for z in info["zids"]]
            assert all(told.count(z) == 2 for z in told)
            ids += set(told)
            assert {info["env_uid"] for info in infos.values()} == {5}
        env.reset()
    assert len(ids) == len(set(ids)) > 20


def test_the_reward_is_the_sum_of_what_the_events_are_worth():
    env = harvest_v0.parallel_env(profile="dual_cleanup", max_steps=200, timeout=5)
    p = env.stage.life.params
    env.reset(seed=5)
    for _, rewards, _, _, infos in episode(env):
        fired = env.stage._events.fired[0]
        for n, agent in enumerate(env.possible_agents):
            kinds = [e["type"] for e in infos[agent]["social_events"]]
            cells = sum(e.get("cells", 0) for e in infos[agent]["social_events"])
            worth = p.reward_apple * kinds.count("APPLE_EATEN") + p.reward_zap_waste * cells
            worth += p.reward_zap_agent * kinds.count("ZAP_AGENT") - p.zap_cost * fired[n]
            worth -= p.victim_penalty * ("BEING_ZAPPED" in kinds)
            assert rewards[agent] == pytest.approx(worth, abs=1e-6)


def test_the_state_shows_every_agent_and_what_lies_on_the_map():
    env = harvest_v0.parallel_env(profile="dual_cleanup", waste_init_frac=0.5)
    env.reset(seed=6)
    state, frame = env.state(), env.stage.life.world.frame()
    assert state.shape == (13, 13, 5)
    np.testing.assert_array_equal(state[..., 0], frame.cells)
    for n, (row, col) in enumerate(frame.pos):
        assert state[row, col, 2] == n + 1
        assert state[row, col, 3] == frame.head[n] + 1
    assert (state[..., 2] > 0).sum() == len(env.possible_agents)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"profile": "gatherin"}, "did you mean 'gathering'"),
        ({"grid_sise": 9}, "did you mean 'grid_size'"),
        ({"grid_size": 2}, "grid_size=2"),
        ({"render_mode": "rgb"}, "render_mode is 'rgb': it must be None or one of human"),
        ({"ledger": {"netting": "yes"}}, "netting is 'yes'"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        harvest_v0.parallel_env(**arguments)
    assert "\n" not in str(error.value)


def test_a_wrong_action_names_its_agent():
    env = harvest_v0.parallel_env()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"the action of agent_2 is 8: .* from 0 to 7"):
        env.step({"agent_0": 0, "agent_1": 0, "agent_2": 8, "agent_3": 0})
    with pytest.raises(ValueError, match="agent_3 has no action"):
        env.step({"agent_0": 0, "agent_1": 0, "agent_2": 0})


def test_render_without_a_mode_says_what_to_do():
    env = harvest_v0.parallel_env()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="build the env with one of human, rgb_array, ansi"):
        env.render()


def test_the_turn_based_env_refuses_an_action_out_of_bounds():
    env = harvest_v0.env()
    env.reset(seed=0)
    with pytest.raises(AssertionError, match="action is not in action space"):
        env.step(9)
    assert str(harvest_v0.raw_env().unwrapped.metadata["name"]) == "harvest_v0"
