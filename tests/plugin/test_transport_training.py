"""Memory, transport and retroactive blame under RLlib: training, resumption, many processes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from karma_rllib.plugin.env_runner import SHARED_MODULE

from .test_algorithm import flat, same, trained, weights
from .test_learner import Data

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]


@pytest.fixture
def make_crowded(make_config):
    """A function that makes a config in whose world everybody meets everybody all the time."""

    def build(condition, *, tvt=None, **options):
        config = make_config(condition, grid_size=5, timeout=3, **options)
        return config.tvt(exclusion=0, **(tvt or {}))

    return build


ARMS = ["tvt", "matchmaker", "karmic", "tvt_shuffle", "karma+karmic"]


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_trains(cluster, make_config, arm, preset):
    _, result = trained(make_config(arm, preset=preset), 4)
    assert all(np.isfinite(list(flat(result).values())))
    assert result["ppo"]["ratio_epoch0"] < 1e-4
    if arm != "matchmaker":
        counts = result["env_runners"]["counts"]
        assert counts["tvt_punishments"] == result["counts"]["hits"] > 0
        assert result["tvt"]["key_loss"] > 0


def test_settings_of_what_is_off_change_no_bit(cluster, make_config):
    plain, _ = trained(make_config("baseline"))
    config = make_config("baseline").tvt(alpha=0.5, memory_slots=7, key_dim=9)
    told, _ = trained(config.matchmaker(debt_unit=2.0, payment=0.5))
    assert same(plain, told)
    assert not any(name.startswith("net.memory") for name in told)


def test_a_memory_changes_what_is_learned(cluster, make_config):
    baseline, _ = trained(make_config("baseline"), 4)
    arm, _ = trained(make_config("tvt"), 4)
    assert not all(np.array_equal(baseline[key], arm[key]) for key in baseline)


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_the_first_epoch_evaluates_the_policy_that_acted_with_what_it_read(
    cluster, make_crowded, preset
):
    algorithm = make_crowded("tvt", preset=preset).build_algo()
    learner = algorithm.learner_group._learner
    runner = algorithm.env_runner_group.local_env_runner
    net = learner.module[SHARED_MODULE].unwrapped().net
    torch.nn.init.normal_(net.memory.read.weight, generator=torch.Generator().manual_seed(0))
    runner.module[SHARED_MODULE].net.load_state_dict(net.state_dict())
    fragments = [runner.sample()[0] for _ in range(4)]
    assert sum(np.count_nonzero(f.read.any(-1)) for f in fragments) > 3
    batch = learner._make_batch_if_necessary(training_data=Data(fragments))
    batch = batch.policy_batches[SHARED_MODULE]
    algorithm.stop()

    def error():
        out = learner.module.forward_train({SHARED_MODULE: batch})[SHARED_MODULE]
        valid = batch.get("loss_mask", torch.ones_like(batch["active"]))
        return float((out["vf_preds"] - batch["vf_preds"]).abs()[valid].max())

    assert error() < 1e-4
    del batch["memory_read"]
    assert error() > 1e-2


@pytest.mark.parametrize("affects_value", [True, False])
def test_blame_reaches_advantages_and_targets_as_configured(cluster, make_crowded, affects_value):
    config = make_crowded("tvt", tvt={"affects_value": affects_value, "harm": "reward"})
    algorithm = config.ppo(envs=4, rollout=200, minibatch=256, epochs=1).build_algo()
    learner = algorithm.learner_group._learner
    fragments = algorithm.env_runner_group.local_env_runner.sample()
    algorithm.stop()
    assert fragments[0].transport.any()
    shared = {}
    transport, advantages = list(learner._learner_connector)[:2]
    call = {"episodes": fragments, "batch": {}, "shared_data": shared, "metrics": learner.metrics}
    advantages(**call)
    plain = shared["advantages"][0], shared["targets"][0]
    transport(**call)
    advantages(**call)
    blamed = shared["advantages"][0], shared["targets"][0]
    t, w, i = np.nonzero(fragments[0].transport)
    assert (blamed[0][t, w, i] < plain[0][t, w, i]).all()
    if affects_value:
        assert (blamed[1][t, w, i] < plain[1][t, w, i]).all()
    else:
        assert np.array_equal(blamed[1], plain[1])


RESUME = """
import json, sys
import ray
from karma_rllib.plugin.algorithm import Karma
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
algorithm = Karma.from_checkpoint(sys.argv[1])
for _ in range(3):
    result = algorithm.train()
weights = algorithm.learner_group.get_weights()["shared"]
out = {key: value.tobytes().hex() for key, value in weights.items()}
counts = {k: v for k, v in result["env_runners"]["counts"].items()}
json.dump({"weights": out, "counts": counts, "tvt": result["tvt"]}, open(sys.argv[2], "w"))
"""


@pytest.mark.parametrize(("arm", "preset"), [("karmic", "small"), ("karma+karmic", "tiny")])
def test_resuming_in_a_new_process_changes_no_bit(cluster, make_crowded, tmp_path, arm, preset):
    whole = make_crowded(arm, preset=preset, tvt={"retro_window": 2}).build_algo()
    for _ in range(3):
        whole.train()
    folder = str(tmp_path / "checkpoint")
    whole.save_to_path(folder)
    for _ in range(3):
        result = whole.train()
    expected = {k: v.tobytes().hex() for k, v in weights(whole).items()}
    whole.stop()
    counts = result["env_runners"]["counts"]
    assert counts["tvt_links"] > 0
    assert result["tvt"]["retro_ratio"] != 1.0
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    answer = tmp_path / "answer.json"
    subprocess.run(
        [sys.executable, "-c", RESUME, folder, str(answer)],
        check=True, env={**environment, "PYTHONHASHSEED": "77"}, capture_output=True, timeout=240,
    )  # fmt: skip
    found = json.loads(answer.read_text())
    assert found["counts"] == dict(counts)
    assert found["tvt"] == result["tvt"]
    assert found["weights"] == expected


def test_arms_with_a_memory_branch_from_a_baseline_and_back(cluster, make_config, tmp_path):
    folders = [str(tmp_path / name) for name in ("stem", "arm")]
    stem = make_config("baseline").build_algo()
    stem.train()
    stem.save_to_path(folders[0])
    before = weights(stem)
    stem.stop()
    arm = make_config("tvt").start_from(folders[0]).build_algo()
    assert all(np.array_equal(before[key], weights(arm)[key]) for key in before)
    result = arm.train()
    arm.save_to_path(folders[1])
    arm.stop()
    assert result["branch_agent_steps"] == result["agent_steps"] / 2
    back = make_config("baseline").start_from(folders[1]).build_algo()
    assert back.train()["agent_steps"] == 3 * result["branch_agent_steps"]
    back.stop()


@pytest.mark.parametrize(("runners", "learners"), [(0, 2), (2, 0)])
def test_memories_live_with_their_worlds_whatever_the_processes(
    cluster, make_crowded, runners, learners
):
    config = make_crowded("tvt", preset="small")
    config.env_runners(num_env_runners=runners).learners(num_learners=learners)
    algorithm = config.build_algo()
    for _ in range(3):
        result = algorithm.train()
    worlds = algorithm.get_state()["karma"]["worlds"]
    algorithm.stop()
    assert np.isfinite(result["tvt"]["key_loss"])
    assert result["env_runners"]["counts"]["tvt_links"] > 0
    memories = [state["sampler"]["memory"]["recall"] for state in worlds.values()]
    held = [memory["bank_events"].sum() for memory in memories]
    assert len(held) == max(1, runners)
    assert min(held) > 0


def test_evaluation_reads_but_leaves_no_trace_in_training(cluster, make_crowded):
    config = make_crowded("tvt")
    alone, _ = trained(config.copy())
    watched, result = trained(
        config.evaluation(
            evaluation_interval=1, evaluation_duration=4, evaluation_num_env_runners=0
        )
    )
    assert result["evaluation"]["env_runners"]["counts"]["tvt_punishments"] >= 0
    assert same(alone, watched)
