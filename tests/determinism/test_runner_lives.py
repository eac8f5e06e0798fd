"""RLlib hands several envs one seed; each must live its own life all the same."""

import os
from functools import partial

import gymnasium
import pytest

EnvContext = pytest.importorskip("ray.rllib.env.env_context").EnvContext
make_vec = pytest.importorskip("ray.rllib.env.vector.registration").make_vec

from karma_rllib.plugin.env import KarmaMultiAgentEnv  # noqa: E402

RUNNERS, ENVS, RUN_SEED = 3, 3, 100


def build(worker_index, config=None, recreated=False):
    """The envs of one env runner, built and seeded the way RLlib does it."""
    context = EnvContext(
        {"profile": "gathering", "max_steps": 20, **(config or {})},
        worker_index=worker_index,
        num_workers=RUNNERS,
        recreated_worker=recreated,
    )
    creator = partial(KarmaMultiAgentEnv, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gymnasium.envs.registration, "registry", {})
        gymnasium.register("runner-env-v0", entry_point=creator, disable_env_checker=True)
        return make_vec("runner-env-v0", num_envs=ENVS, vectorization_mode="sync")


def lives(vector, seed):
    """What every env of a runner shows in its first steps; seeds are spread as RLlib does."""
    obs, _ = vector.reset(seed=seed)
    told = [[str(o)] for o in obs]
    for k in range(15):
        actions = [dict.fromkeys(o, (k * 5) % 8) for o in obs]
        obs, rewards, *_ = vector.step(actions)
        for i in range(ENVS):
            told[i] += [str(obs[i]), str(rewards[i])]
    return ["".join(t) for t in told]


def uids(vector):
    return [env.reset()[1]["agent_0"]["env_uid"] for env in vector.envs]


@pytest.mark.parametrize("run_seed", [RUN_SEED, None])
def test_all_envs_of_all_runners_live_different_lives(run_seed):
    seeds, told, names = [], [], []
    for worker in range(1, RUNNERS + 1):
        vector = build(worker)
        seed = None if run_seed is None else run_seed + worker
        seeds += [seed if seed is None else seed + i for i in range(ENVS)]
        told += lives(vector, seed)
        names += uids(vector)
    assert len(set(seeds)) < RUNNERS * ENVS  # RLlib repeats itself
    assert len(set(told)) == len(set(names)) == RUNNERS * ENVS


def test_the_same_runner_built_twice_lives_the_same_lives():
    assert lives(build(1), 101) == lives(build(1), 101)
    assert lives(build(1), 101) != lives(build(1, {"seed": 1}), 101)


def test_a_recreated_runner_takes_uids_that_nobody_had():
    before, after, again = (uids(build(1, recreated=r)) for r in (False, True, True))
    assert len({*before, *after, *again}) == 3 * ENVS


@pytest.fixture
def cluster():
    """A small Ray cluster on this machine, unless one is running already."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    mine = not ray.is_initialized()
    if mine:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    if mine:
        ray.shutdown()


@pytest.mark.ray
def test_the_runners_of_a_stock_algorithm_live_different_lives(cluster):
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.connectors.env_to_module import FlattenObservations

    import karma_rllib

    karma_rllib.register()
    config = (
        PPOConfig()
        .environment("KarmicHarvest-v0", env_config={"max_steps": 20})
        .env_runners(num_env_runners=2, num_envs_per_env_runner=2, num_cpus_per_env_runner=0.5)
        .env_runners(env_to_module_connector=lambda *_, **__: FlattenObservations(multi_agent=True))
        .multi_agent(policies={"shared"}, policy_mapping_fn=lambda *_, **__: "shared")
        .rl_module(model_config={"fcnet_hiddens": [8]})
        .debugging(seed=RUN_SEED)
    )
    algorithm = config.build_algo()
    try:
        found = algorithm.env_runner_group.foreach_env_runner(
            lambda runner: [
                str(env.reset(seed=RUN_SEED)) for env in (e.unwrapped for e in runner.env.envs)
            ],
            local_env_runner=False,
        )
    finally:
        algorithm.stop()
    first = [obs for runner in found for obs in runner]
    assert len(first) == len(set(first)) == 4
