"""Training does not grow: what 200 iterations leave behind is noise, not a leak."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import ray
from karma_rllib.plugin.algorithm_config import KarmaConfig

def resident():  # MiB
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096 / 2**20

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
algorithm = (
    KarmaConfig().world("harvest-v0", profile="gathering", max_steps=50).module(preset="small")
    .condition("karma_contrast").mirror(aux_warmup_steps=0, min_pairs=4, pairs_per_minibatch=32,
    bank_size=512, diag_every=10).ppo(envs=8, rollout=50, minibatch=800, epochs=1)
    .debugging(seed=0, log_level="ERROR").build_algo()
)
marks = []
for iteration in range(1, 301):
    algorithm.train()
    if iteration % 100 == 0:
        marks.append(resident())
json.dump(marks, open(sys.argv[1], "w"))
"""


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_hundred_iterations_do_not_grow_the_process(tmp_path):
    answer = tmp_path / "marks.json"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(answer)],
        check=True,
        capture_output=True,
        timeout=900,
    )
    after_100, _, after_300 = json.loads(answer.read_text())
    assert after_300 - after_100 < 40, "MiB grown over 200 iterations"
    assert after_300 < 1500
