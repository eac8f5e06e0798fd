"""The standard road: one world as RLlib's MultiAgentEnv."""

import numpy as np
import pytest

from karma_rllib.plugin.env import KarmaMultiAgentEnv

SHORT = {"profile": "gathering", "max_steps": 6}


def noop(env):
    return env.step(dict.fromkeys(env.agents, 0))


def test_all_is_true_exactly_when_no_agent_is_left():
    env = KarmaMultiAgentEnv(SHORT)
    assert env.agents == env.possible_agents
    env.reset(seed=1)
    for step in range(1, 7):
        obs, rewards, terminateds, truncateds, infos = noop(env)
        assert set(obs) == set(rewards) == set(infos) == set(env.possible_agents)
        assert not any(terminateds.values())
        assert truncateds["__all__"] == (not env.agents) == (step == 6)
        assert set(truncateds.values()) == {step == 6}
        for agent, seen in obs.items():
            assert env.observation_spaces[agent].contains(seen)


def test_the_seed_of_the_running_life_continues_it_and_another_begins_anew():
    env = KarmaMultiAgentEnv(SHORT)
    first, _ = env.reset(seed=1)
    for _ in range(6):
        noop(env)
    _, infos = env.reset(seed=1)
    assert infos["agent_0"]["episode"] == 1
    _, infos = env.reset()
    assert infos["agent_0"]["episode"] == 2
    _, infos = env.reset(seed=2)
    assert infos["agent_0"]["episode"] == 0
    again, infos = env.reset(seed=1)
    assert infos["agent_0"]["episode"] == 0
    np.testing.assert_array_equal(first["agent_0"]["grid"], again["agent_0"]["grid"])


def test_the_seed_of_the_config_and_the_seed_of_reset_both_count():
    def first(config_seed, seed):
        obs, _ = KarmaMultiAgentEnv({**SHORT, "seed": config_seed}).reset(seed=seed)
        return "".join(str(o["grid"].nonzero()) for o in obs.values())

    assert first(0, 1) == first(0, 1)
    assert len({first(a, b) for a in (0, 1) for b in (0, 1)}) == 4


def test_render_gives_a_picture():
    env = KarmaMultiAgentEnv(SHORT)
    env.reset(seed=1)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    env.close()


def test_a_batch_of_the_same_world_has_the_same_rules():
    env = KarmaMultiAgentEnv({**SHORT, "timeout": 3, "ledger": {"debt_decay": 0.5}, "seed": 9})
    life = env.make_batched(5, seed=4, first_uid=30)
    assert life.num_worlds == 5
    assert life.uid.tolist() == [30, 31, 32, 33, 34]
    assert (life.params.timeout, life.max_steps) == (3, 6)
    assert life.ledger_params.debt_decay == 0.5
    assert life.seed == 4
    one = env.observation_spaces["agent_0"]
    assert {key: box.shape for key, box in one.items()} == life.obs_shapes


def test_the_config_employs_a_matchmaker_in_one_world_and_in_a_batch():
    rules = {"mode": "debt", "pair_distance": 2}
    env = KarmaMultiAgentEnv({**SHORT, "matchmaker": rules})
    life = env.make_batched(3)
    assert life.matchmaker_params.mode == "debt"
    life.ledger[:, 0, 1] = 1.0
    life.reset()
    assert life.rigged.tolist() == [[2, 1, 0, 0]] * 3
    with pytest.raises(ValueError, match="did you mean 'pair_distance'"):
        KarmaMultiAgentEnv({**SHORT, "matchmaker": {"pair_distence": 2}})


def test_a_misspelt_config_key_is_one_sentence():
    with pytest.raises(ValueError, match="did you mean 'max_steps'"):
        KarmaMultiAgentEnv({"max_step": 5})


def test_the_config_is_not_changed():
    config = dict(SHORT)
    KarmaMultiAgentEnv(config)
    assert config == SHORT


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore:.*already in registry")  # RLlib registers its env name anew
def test_stock_ppo_trains_on_it(cluster):
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.connectors.env_to_module import FlattenObservations

    import karma_rllib

    karma_rllib.register()
    config = (
        PPOConfig()
        .environment("KarmicHarvest-v0", env_config=SHORT)
        .env_runners(num_env_runners=0, env_to_module_connector=flatten(FlattenObservations))
        .multi_agent(policies={"shared"}, policy_mapping_fn=lambda *_, **__: "shared")
        .rl_module(model_config={"fcnet_hiddens": [8]})
        .training(train_batch_size_per_learner=60, minibatch_size=60, num_epochs=1)
    )
    algorithm = config.build_algo()
    try:
        result = algorithm.train()
    finally:
        algorithm.stop()
    assert result["env_runners"]["num_env_steps_sampled"] >= 60
    assert result["env_runners"]["episode_len_mean"] == 6
    assert np.isfinite(result["env_runners"]["episode_return_mean"])


def flatten(connector):
    return lambda env, spaces, device: connector(multi_agent=True)
