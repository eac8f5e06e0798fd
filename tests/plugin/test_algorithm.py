"""Karma under RLlib: columns, arms, checkpoints, runners, learners, faults, the stock road."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ray

from karma_rllib.analysis.metric_table import TABLE
from karma_rllib.plugin.env_runner import SHARED_MODULE

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]


def weights(algorithm):
    return algorithm.learner_group.get_weights()[SHARED_MODULE]


def same(a, b):
    return all(np.array_equal(a[key], b[key]) for key in a)


def trained(config, iterations=3):
    algorithm = config.build_algo()
    for _ in range(iterations):
        result = algorithm.train()
    found = weights(algorithm)
    algorithm.stop()
    return found, result


def flat(result):
    families = ("social", "counts", "mirror", "role", "ppo", "policy", "tvt")
    return {f"{f}/{name}": value for f in families for name, value in result[f].items()}


def test_every_column_is_documented_finite_and_there_from_the_start(cluster, make_config):
    algorithm = make_config("karma_out").build_algo()
    first, second = flat(algorithm.train()), flat(algorithm.train())
    algorithm.stop()
    assert first.keys() == second.keys()
    assert set(first) <= set(TABLE), "not in docs/metrics.md"
    assert all(np.isfinite(list(second.values())))
    assert second["mirror/active"] == 1.0
    assert second["mirror/loss"] > 0
    assert second["ppo/ratio_epoch0"] < 1e-4


def test_without_working_zaps_nobody_is_hit_and_the_policy_remembers_it(
    cluster, make_config, tmp_path
):
    algorithm = make_config("no_zap").build_algo()
    result = algorithm.train()
    algorithm.save_checkpoint(str(tmp_path))
    algorithm.stop()
    assert result["counts"]["hits"] == result["counts"]["shots"] == 0
    meta = json.loads((tmp_path / "policy" / "policy.json").read_text())["meta"]
    assert meta["world"]["params"]["zap_works"] is False


def test_counts_pool_to_the_rates_beside_them(cluster, make_config):
    _, result = trained(make_config(), 2)
    counts, social = result["counts"], result["social"]
    assert counts["agent_steps"] == 4 * 4 * 48
    assert result["agent_steps"] == 2 * counts["agent_steps"]
    assert social["violence_rate"] == counts["hits"] / counts["agent_steps"]


@pytest.mark.parametrize("arm", ["cap_only", "karma_out"])
def test_an_arm_without_weight_is_bit_identical_to_the_baseline(cluster, make_config, arm):
    off = {"mirror": {"weight": 0.0}, "role": {"weight": 0.0}}
    baseline, _ = trained(make_config("baseline"))
    other, _ = trained(make_config(arm, **off))
    assert same(baseline, other)


def test_an_arm_with_weight_is_not_the_baseline(cluster, make_config):
    baseline, _ = trained(make_config("baseline"))
    karma, _ = trained(make_config("karma_out"))
    assert not same(baseline, karma)


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_same_seed_same_weights_and_another_seed_others(cluster, make_config, preset):
    first, _ = trained(make_config("karma_out", preset=preset), 2)
    again, _ = trained(make_config("karma_out", preset=preset), 2)
    other, _ = trained(make_config("karma_out", preset=preset).debugging(seed=4), 2)
    assert same(first, again)
    assert not same(first, other)


ARMS = {
    "infonce": {"loss": "infonce"},
    "vicreg": {"loss": "vicreg"},
    "centroid": {"loss": "centroid"},
    "in_batch": {"bank_mode": "in_batch"},
    "window": {"pair_window": 3},
    "memory": {"align_layer": "h"},
}


@pytest.mark.parametrize("settings", ARMS.values(), ids=ARMS)
def test_every_form_of_the_mirror_trains(cluster, make_config, settings):
    _, result = trained(make_config("karma_out", preset="small", mirror=settings), 2)
    assert np.isfinite(result["mirror"]["loss"])
    assert result["mirror"]["active"] > 0


@pytest.mark.parametrize(
    "arm", ["broken", "karma", "karma_contrast", "placebo_inert", "placebo_agg", "shuffled"]
)
def test_every_arm_trains_with_matched_gradients(cluster, make_config, arm):
    config = make_config(arm).world("harvest-v0", profile="dual_cleanup", max_steps=40)
    config.mirror(min_pairs=2, pairs_per_minibatch=8, aux_warmup_steps=0)
    _, result = trained(config.ppo(envs=8, rollout=60, minibatch=512, epochs=1), 3)
    assert result["mirror"]["active"] > 0
    if arm not in ("karma", "karma_contrast"):
        assert result["mirror"]["grad_norm_reference"] > 0


RESUME = """
import json, sys
import ray
from karma_rllib.plugin.algorithm import Karma
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
algorithm = Karma.from_checkpoint(sys.argv[1])
for _ in range(2):
    result = algorithm.train()
weights = algorithm.learner_group.get_weights()["shared"]
out = {key: value.tobytes().hex() for key, value in weights.items()}
steps = {k: result[k] for k in ("agent_steps", "training_iteration")}
json.dump({"weights": out, **steps, "counts": result["counts"]}, open(sys.argv[2], "w"))
"""


@pytest.mark.parametrize(("arm", "preset"), [("karma_contrast", "small"), ("broken", "tiny")])
def test_resuming_in_a_new_process_changes_no_bit(cluster, make_config, tmp_path, arm, preset):
    config = make_config(arm, preset=preset)
    config.world("harvest-v0", profile="dual_cleanup", max_steps=40)
    config.training(use_kl_loss=True, kl_coeff=0.2)
    whole = config.build_algo()
    for _ in range(2):
        whole.train()
    folder = str(tmp_path / "checkpoint")
    whole.save_to_path(folder)
    for _ in range(2):
        result = whole.train()
    expected = {k: v.tobytes().hex() for k, v in weights(whole).items()}
    whole.stop()
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    answer = tmp_path / "answer.json"
    subprocess.run(
        [sys.executable, "-c", RESUME, folder, str(answer)],
        check=True, env={**environment, "PYTHONHASHSEED": "77"}, capture_output=True, timeout=240,
    )  # fmt: skip
    found = json.loads(answer.read_text())
    assert found["training_iteration"] == 4
    assert found["agent_steps"] == result["agent_steps"]
    assert found["counts"] == result["counts"]
    assert found["weights"] == expected


def test_a_branch_takes_everything_over_and_counts_from_there(cluster, make_config, tmp_path):
    stem = make_config("baseline").build_algo()
    for _ in range(2):
        stem.train()
    folder = str(tmp_path / "stem")
    stem.save_to_path(folder)
    ahead = stem.train()
    expected = weights(stem)
    stem.stop()
    control = make_config("baseline").start_from(folder).build_algo()
    result = control.train()
    assert same(expected, weights(control))
    assert result["agent_steps"] == ahead["agent_steps"]
    assert result["branch_agent_steps"] == 2 * 4 * 4 * 48
    control.stop()
    ramp = {"aux_warmup_steps": 4 * 4 * 4 * 48, "weight": 1.0}
    arm = make_config("karma_out", mirror=ramp).start_from(folder).build_algo()
    shares = [arm.train()["mirror"]["weight"] for _ in range(3)]
    arm.stop()
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75], rtol=1e-6)


def test_a_missing_branch_checkpoint_is_named(cluster, make_config):
    with pytest.raises(FileNotFoundError, match="/nowhere/at/all"):
        make_config().start_from("/nowhere/at/all").build_algo()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runners", "learners"), [(0, 1), (0, 2), (1, 0), (2, 0), (2, 1), (2, 2), (3, 0)]
)
def test_runners_and_learners_in_any_number(cluster, make_config, tmp_path, runners, learners):
    config = make_config("karma_out", preset="small")
    config.env_runners(num_env_runners=runners).learners(num_learners=learners)
    algorithm = config.build_algo()
    for _ in range(2):
        result = algorithm.train()
    assert result["agent_steps"] == 2 * max(1, runners) * 4 * 4 * 48
    assert np.isfinite(result["mirror"]["loss"])
    folder = str(tmp_path / "checkpoint")
    algorithm.save_to_path(folder)
    before = weights(algorithm)
    algorithm.stop()
    again = type(algorithm).from_checkpoint(folder)
    assert same(before, weights(again))
    state = again.get_state()["karma"]
    assert len(state["worlds"]) == max(1, runners)
    assert all(world is not None for world in state["worlds"].values())
    again.train()
    again.stop()


def test_two_runners_play_different_worlds(cluster, make_config):
    algorithm = make_config().env_runners(num_env_runners=2).build_algo()
    uids = algorithm.env_runner_group.foreach_env_runner(
        lambda runner: runner.sample()[0].uid.tolist(), local_env_runner=False
    )
    algorithm.stop()
    assert sorted(uids) == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["baseline", "karmic"])
def test_a_killed_runner_is_restarted_and_training_goes_on(cluster, make_config, arm):
    config = make_config(arm).env_runners(num_env_runners=2)
    config.fault_tolerance(restart_failed_env_runners=True)
    algorithm = config.build_algo()
    algorithm.train()
    pids = algorithm.env_runner_group.foreach_env_runner(
        lambda runner: os.getpid(), local_env_runner=False
    )
    os.kill(pids[0], signal.SIGKILL)
    deadline = time.monotonic() + 120
    restarts = 0
    while restarts == 0 and time.monotonic() < deadline:
        result = algorithm.train()
        restarts = result["fault_tolerance"]["num_remote_worker_restarts"]
    full = algorithm.train()["counts"]["agent_steps"]
    algorithm.stop()
    assert restarts == 1
    assert full == 2 * 4 * 4 * 48


@pytest.mark.parametrize("runners", [0, 1])
def test_evaluation_plays_whole_episodes_in_worlds_of_its_own(cluster, make_config, runners):
    config = make_config().evaluation(
        evaluation_interval=1,
        evaluation_duration=4,
        evaluation_num_env_runners=runners,
        evaluation_config={"explore": True},
    )
    algorithm = config.build_algo()
    result = algorithm.train()["evaluation"]["env_runners"]
    algorithm.stop()
    assert result["num_episodes"] == 4
    assert result["counts"]["agent_steps"] == 4 * 4 * 40


@pytest.mark.parametrize("road", ["save_checkpoint", "save_to_path"])
def test_a_checkpoint_holds_a_policy_that_acts_without_ray(cluster, make_config, tmp_path, road):
    from karma_rllib.nets.policy import load_policy

    algorithm = make_config(preset="small").build_algo()
    algorithm.train()
    getattr(algorithm, road)(str(tmp_path))
    net = algorithm.learner_group._learner.module[SHARED_MODULE].net
    runner = algorithm.env_runner_group.local_env_runner
    fragment = runner.sample()[0]
    policy = load_policy(Path(tmp_path) / "policy")
    obs = {key: column[0, 0] for key, column in fragment.obs.items()}
    logits, value, _ = policy.logits(obs, policy.initial_state(4))
    import torch

    with torch.inference_mode():
        want = net.step(
            torch.from_numpy(obs["grid"]), torch.from_numpy(obs["vec"]), net.initial_state(4)
        )
    algorithm.stop()
    assert np.array_equal(logits, want[0].numpy())
    assert np.array_equal(value, want[1].numpy())
    assert policy.meta["condition"] == "baseline"
    assert policy.meta["names"]["action_names"][7] == "zap"


@pytest.mark.parametrize(("preset", "arm"), [("tiny", "baseline"), ("small", "karmic")])
def test_the_module_trains_under_stock_ppo(cluster, make_config, preset, arm):
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.rl_module import RLModuleSpec

    from karma_rllib.plugin.algorithm_config import ENV_NAME
    from karma_rllib.plugin.module import KarmaModule

    spec = make_config(arm, preset=preset).get_default_rl_module_spec()
    config = (
        PPOConfig()
        .environment(ENV_NAME, env_config={"profile": "gathering", "max_steps": 20})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
        .multi_agent(policies={SHARED_MODULE}, policy_mapping_fn=lambda *a, **k: SHARED_MODULE)
        .rl_module(
            rl_module_spec=RLModuleSpec(module_class=KarmaModule, model_config=spec.model_config)
        )
        .training(train_batch_size_per_learner=80, minibatch_size=80, num_epochs=1)
        .debugging(seed=1, log_level="ERROR")
    )
    algorithm = config.build_algo()
    before = algorithm.get_module(SHARED_MODULE).get_state()
    result = algorithm.train()
    after = algorithm.get_module(SHARED_MODULE).get_state()
    algorithm.stop()
    assert np.isfinite(result["learners"][SHARED_MODULE]["total_loss"])
    assert not same(before, after)


def test_no_worker_is_left_behind(cluster, make_config):
    algorithm = make_config().env_runners(num_env_runners=1).build_algo()
    algorithm.train()
    algorithm.stop()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"]:
            return
        time.sleep(0.2)
    raise AssertionError("an actor still holds a CPU")
