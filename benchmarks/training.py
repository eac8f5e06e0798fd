"""Training throughput: Karma against stock RLlib PPO and against a bare torch loop.

Same world, network, batch, epochs and minibatches for all. Every road runs in a process of its
own, so that none lives under another's settings of allocator or threads; one round of each, in
turn, so that a busy machine slows all alike; one torch thread. Prints medians of CPU time, ratios
and ranges.

    python -m benchmarks.training            # about eight minutes
    python -m benchmarks.training --quick --preset tiny
    python -m benchmarks.training --preset small --profile gathering
    python -m benchmarks.training --preset small --envs 64 --rollout 32 --minibatch 8192
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.evaluation.postprocessing import Postprocessing
from rich.console import Console

import karma_rllib
from benchmarks import report
from karma_rllib.nets.losses import ppo_loss
from karma_rllib.plugin.algorithm_config import ENV_NAME, KarmaConfig
from karma_rllib.plugin.connectors import ACTIVE
from karma_rllib.plugin.env_runner import SHARED_MODULE
from karma_rllib.plugin.module import KarmaModule

EPOCHS, SEQUENCE = 4, 32

PROFILES = {"karma_seed": 6, "gathering": 4, "dual_cleanup": 5}
"""Harvest worlds to measure in, and their agents; views of 11 x 11, 7 x 7 and 9 x 9 cells."""

ROADS: dict[str, dict[str, Any]] = {
    "karma": {},
    "stock": {},
    "bfloat16": {"dtype": "bfloat16"},
    "unkept": {"environment": {"KARMA_KEEP_MEMORY": "0"}},
    "karmic": {"condition": "karmic"},
}
"""What is measured, each in its own process, and what it has of its own."""


class Setting(NamedTuple):
    """What all roads train: a network in a world, and how much at once."""

    preset: str = "small"
    profile: str = "karma_seed"
    envs: int = 16
    rollout: int = 128
    minibatch: int = 2048

    @property
    def agent_steps(self) -> int:
        """Agent-steps of one iteration."""
        return PROFILES[self.profile] * self.envs * self.rollout

    @property
    def words(self) -> list[str]:
        """As options of this program."""
        return [text for k, v in self._asdict().items() for text in (f"--{k}", str(v))]


def karma(setting: Setting, condition: str = "baseline", dtype: str = "float32") -> Any:
    """Our algorithm, everything in this process."""
    return (
        KarmaConfig()
        .world("harvest-v0", profile=setting.profile)
        .module(preset=setting.preset, dtype=dtype)
        .condition(condition)
        .ppo(
            envs=setting.envs,
            rollout=setting.rollout,
            minibatch=setting.minibatch,
            epochs=EPOCHS,
            max_seq_len=SEQUENCE,
        )
        .debugging(seed=0, log_level="ERROR")
        .build_algo()
    )


def stock(setting: Setting) -> Any:
    """RLlib's PPO on the same world with the same module."""
    ours = KarmaConfig().module(preset=setting.preset).ppo(max_seq_len=SEQUENCE)
    spec = ours.get_default_rl_module_spec()
    agents_steps = setting.envs * setting.rollout
    config = (
        PPOConfig()
        .environment(ENV_NAME, env_config={"profile": setting.profile}, disable_env_checking=True)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=setting.envs)
        .multi_agent(policies={SHARED_MODULE}, policy_mapping_fn=lambda *a, **k: SHARED_MODULE)
        .rl_module(
            rl_module_spec=RLModuleSpec(module_class=KarmaModule, model_config=spec.model_config)
        )
        .training(
            train_batch_size_per_learner=agents_steps,
            minibatch_size=min(setting.minibatch, agents_steps),
            num_epochs=EPOCHS,
            use_kl_loss=False,
            entropy_coeff=0.01,
            grad_clip=0.5,
        )
        .debugging(seed=0, log_level="ERROR")
    )
    return config.build_algo()


def bare_loop(learner: Any, batch: dict[str, Any], minibatch: int) -> None:
    """The same forward passes, losses and optimiser steps with nothing around them."""
    net = learner.module[SHARED_MODULE].net
    optimizer = learner.get_optimizer(SHARED_MODULE)
    rows = len(batch[Columns.ACTIONS])
    per_epoch = max(1, round(batch["agent_steps"] / minibatch))
    for _ in range(EPOCHS):
        for index in torch.randperm(rows).tensor_split(per_epoch):
            _bare_step(net, optimizer, batch, index)


def _bare_step(net: Any, optimizer: Any, batch: dict[str, Any], index: torch.Tensor) -> None:
    grid, vec = (batch[Columns.OBS][key][index] for key in ("grid", "vec"))
    state = {key: value[index] for key, value in batch.get(Columns.STATE_IN, {}).items()}
    if not state:
        grid, vec = grid[:, None], vec[:, None]
    out = net(grid, vec, state)
    shape = batch[Columns.ACTIONS][index].shape
    act = batch[ACTIVE][index]
    mask = batch.get(Columns.LOSS_MASK)
    valid = torch.ones_like(act) if mask is None else mask[index]
    loss, _ = ppo_loss(
        out.logits.reshape(*shape, -1),
        batch[Columns.ACTION_DIST_INPUTS][index],
        batch[Columns.ACTIONS][index],
        batch[Columns.ACTION_LOGP][index],
        batch[Postprocessing.ADVANTAGES][index],
        out.value.reshape(shape),
        batch[Postprocessing.VALUE_TARGETS][index],
        valid,
        act & valid,
        entropy_coeff=0.01,
        normalised=True,
    )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    optimizer.step()


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def works(road: str, setting: Setting) -> dict[str, Callable[[], Any]]:
    """What one round of a road times."""
    if road == "stock":
        theirs = stock(setting)
        steps = setting.envs * setting.rollout  # RLlib's default PPO counts env-steps
        return {
            "sample": lambda: theirs.env_runner.sample(num_timesteps=steps),
            "iteration": theirs.train,
        }
    own = {key: value for key, value in ROADS[road].items() if key != "environment"}
    ours = karma(setting, **own)
    runner, learner = ours.env_runner_group.local_env_runner, ours.learner_group._learner
    if road != "karma":
        return {"sample": runner.sample, "iteration": ours.train}
    fragments = runner.sample()
    made = learner._make_batch_if_necessary(training_data=_Data(fragments))
    columns = {**made.policy_batches[SHARED_MODULE], "agent_steps": setting.agent_steps}
    return {
        "sample": runner.sample,
        "update": lambda: _update(ours, fragments, setting.minibatch),
        "bare": lambda: bare_loop(learner, columns, setting.minibatch),
        "iteration": ours.train,
    }


def serve(road: str, setting: Setting) -> None:
    """A road's process: for every line on stdin, one round; its times go to stdout as JSON."""
    karma_rllib.register()
    measured = works(road, setting)
    torch.set_num_threads(1)
    for _ in sys.stdin:
        times = {name: seconds(work) for name, work in measured.items()}
        print(MARK + json.dumps(times), flush=True)


MARK = "times "


class Road:
    """A road's process, seen from outside."""

    def __init__(self, name: str, setting: Setting) -> None:
        command = [sys.executable, "-m", "benchmarks.training", "--road", name, *setting.words]
        self.name = name
        environment = {**os.environ, **ROADS[name].get("environment", {})}
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def round(self) -> dict[str, float]:
        """CPU seconds of one round, by name.

        Raises:
            RuntimeError: if the process ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(MARK):
                return dict(json.loads(line.removeprefix(MARK)))
        raise RuntimeError(
            f"the process of road {self.name!r} ended early: run it with --road to see why"
        )

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(setting: Setting, rounds: int, names: list[str]) -> dict[str, list[float]]:
    """Agent-steps per CPU-second of every round, by "road work"."""
    roads = {name: Road(name, setting) for name in names}
    rates: dict[str, list[float]] = {}
    try:
        for road in roads.values():
            road.round()  # compilation and first allocations
        for _ in range(rounds):
            for name, road in roads.items():
                for work, spent in road.round().items():
                    rates.setdefault(f"{name} {work}", []).append(setting.agent_steps / spent)
    finally:
        for road in roads.values():
            road.close()
    return rates


class _Data:
    """What a learner's batch maker reads."""

    def __init__(self, fragments: list[Any]) -> None:
        self.episodes, self.batch = fragments, None


def _update(algorithm: Any, fragments: list[Any], minibatch: int) -> None:
    steps = sum(fragment.env_steps() for fragment in fragments)
    algorithm.learner_group.update(
        episodes=fragments,
        timesteps={
            "num_env_steps_sampled_lifetime": steps,
            "agent_steps": 0,
            "since_branch": 0,
            "iteration": 0,
        },
        num_epochs=EPOCHS,
        minibatch_size=minibatch,
        shuffle_batch_per_epoch=True,
    )


LINES = (
    ("sampling", "karma sample", "stock sample", "stock RLlib PPO, same network"),
    ("whole iteration", "karma iteration", "stock iteration", "stock RLlib PPO, same network"),
    ("learner update", "karma update", "karma bare", "bare torch loop"),
    ("sampling, bfloat16", "bfloat16 sample", "stock sample", "stock, float32"),
    ("whole iteration, bfloat16", "bfloat16 iteration", "stock iteration", "stock, float32"),
    ("whole iteration", "karma iteration", "unkept iteration", "KARMA_KEEP_MEMORY=0"),
    ("whole iteration, karmic", "karmic iteration", "karma iteration", "condition baseline"),
)
"""Rows of the table: what, ours, baseline, what the baseline is."""


def show(setting: Setting, rates: dict[str, list[float]]) -> None:
    """Print the table of one preset and the ranges behind it."""
    median = {name: statistics.median(found) for name, found in rates.items()}
    report.table(
        f"{setting.preset}: {setting.profile}, {setting.envs} worlds x {PROFILES[setting.profile]}"
        f" agents x {setting.rollout} steps, {EPOCHS} epochs, minibatch {setting.minibatch};"
        " agent-steps per CPU-second",
        [
            (what, median[ours], median[base], name)
            for what, ours, base, name in LINES
            if ours in median and base in median
        ],
    )
    spread = ", ".join(f"{name} {min(x):,.0f}-{max(x):,.0f}" for name, x in rates.items())
    Console(width=110).print(f"ranges over the rounds: {spread}", highlight=False)


def main() -> None:
    """Measure both presets and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--preset", choices=("small", "tiny"), action="append")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="karma_seed")
    for size in ("envs", "rollout", "minibatch"):
        parser.add_argument(f"--{size}", type=int, default=Setting._field_defaults[size])
    parser.add_argument("--roads", nargs="+", choices=tuple(ROADS), default=list(ROADS))
    parser.add_argument("--road", choices=tuple(ROADS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shared = {key: getattr(arguments, key) for key in Setting._fields if key != "preset"}
    settings = [Setting(preset, **shared) for preset in arguments.preset or ("small", "tiny")]
    if arguments.road:
        serve(arguments.road, settings[0])
        return
    # One Ray for all roads; they only need it to exist.
    context = ray.init(
        num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    os.environ["RAY_ADDRESS"] = context.address_info["address"]
    for setting in settings:
        show(setting, measure(setting, 1 if arguments.quick else 5, arguments.roads))


if __name__ == "__main__":
    main()
