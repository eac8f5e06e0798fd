"""Learner and inference move to the GPU together where one is asked for and present."""

import numpy as np
import pytest
import torch

from karma_rllib.plugin.env_runner import SHARED_MODULE

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.ray,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]


@pytest.mark.parametrize("arm", ["karma_out", "karma_out+karmic"])
@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_local_learner_and_runner_share_the_gpu(cluster, make_config, preset, arm):
    algorithm = make_config(arm, preset=preset).learners(num_gpus_per_learner=1).build_algo()
    results = [algorithm.train() for _ in range(2)]
    learner = algorithm.learner_group._learner
    runner = algorithm.env_runner_group.local_env_runner
    devices = {
        next(module[SHARED_MODULE].parameters()).device.type
        for module in (learner.module, runner.module)
    }
    algorithm.stop()
    assert devices == {"cuda"}
    assert results[-1]["ppo"]["ratio_epoch0"] < 1e-3
    assert np.isfinite(results[-1]["mirror"]["loss"])


def test_a_gpu_learner_learns_what_a_cpu_learner_does(cluster, make_config):
    def losses(gpus):
        algorithm = make_config("karma_out").learners(num_gpus_per_learner=gpus).build_algo()
        found = algorithm.train()["ppo"]
        algorithm.stop()
        return found

    cpu, gpu = losses(0), losses(1)
    assert gpu["entropy"] == pytest.approx(cpu["entropy"], rel=1e-2)
    assert gpu["vf_loss"] == pytest.approx(cpu["vf_loss"], rel=5e-2)
