"""Training throughput: Karma against stock RLlib PPO and against a bare torch loop.

Same world, network, batch, epochs and minibatches for all three; interleaved in one process,
one torch thread, so a busy machine slows all alike. Prints medians of CPU time and ratios.

    python -m benchmarks.training            # about three minutes
    python -m benchmarks.training --quick
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.evaluation.postprocessing import Postprocessing

import karma_rllib
from benchmarks import report
from karma_rllib.nets.losses import ppo_loss
from karma_rllib.plugin.algorithm_config import ENV_NAME, KarmaConfig
from karma_rllib.plugin.connectors import ACTIVE
from karma_rllib.plugin.env_runner import SHARED_MODULE
from karma_rllib.plugin.module import KarmaModule

WORLD = {"profile": "karma_seed"}
ENVS, ROLLOUT, MINIBATCH, EPOCHS, SEQUENCE = 16, 128, 2048, 4, 32


def karma(preset: str) -> Any:
    """Our algorithm, everything in this process."""
    return (
        KarmaConfig()
        .world("harvest-v0", **WORLD)
        .module(preset=preset)
        .ppo(envs=ENVS, rollout=ROLLOUT, minibatch=MINIBATCH, epochs=EPOCHS, max_seq_len=SEQUENCE)
        .debugging(seed=0, log_level="ERROR")
        .build_algo()
    )


def stock(preset: str) -> Any:
    """RLlib's PPO on the same world with the same module."""
    ours = KarmaConfig().module(preset=preset).ppo(max_seq_len=SEQUENCE)
    spec = ours.get_default_rl_module_spec()
    agents_steps = ENVS * ROLLOUT
    config = (
        PPOConfig()
        .environment(ENV_NAME, env_config=WORLD, disable_env_checking=True)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=ENVS)
        .multi_agent(policies={SHARED_MODULE}, policy_mapping_fn=lambda *a, **k: SHARED_MODULE)
        .rl_module(
            rl_module_spec=RLModuleSpec(module_class=KarmaModule, model_config=spec.model_config)
        )
        .training(
            train_batch_size_per_learner=agents_steps,
            minibatch_size=min(MINIBATCH, agents_steps),
            num_epochs=EPOCHS,
            use_kl_loss=False,
            entropy_coeff=0.01,
            grad_clip=0.5,
        )
        .debugging(seed=0, log_level="ERROR")
    )
    return config.build_algo()


def bare_loop(learner: Any, batch: dict[str, Any]) -> None:
    """The same forward passes, losses and optimiser steps with nothing around them."""
    net = learner.module[SHARED_MODULE].net
    optimizer = learner.get_optimizer(SHARED_MODULE)
    rows = len(batch[Columns.ACTIONS])
    per_epoch = max(1, round(batch["agent_steps"] / MINIBATCH))
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


def measure(preset: str, rounds: int) -> dict[str, float]:
    """Interleaved rounds; agent-steps per CPU-second, medians."""
    ours, theirs = karma(preset), stock(preset)
    runner, learner = ours.env_runner_group.local_env_runner, ours.learner_group._learner
    torch.set_num_threads(1)
    # RLlib's default PPO counts env-steps; six agents each.
    steps = ENVS * ROLLOUT * runner.lifetime.num_agents
    times: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], Any]) -> None:
        times.setdefault(name, []).append(seconds(work))

    fragments = runner.sample()
    made = learner._make_batch_if_necessary(training_data=_Data(fragments))
    columns = {**made.policy_batches[SHARED_MODULE], "agent_steps": steps}
    for round_ in range(rounds + 1):
        note("sample", lambda: runner.sample())
        note("stock sample", lambda: theirs.env_runner.sample(num_timesteps=ENVS * ROLLOUT))
        note("update", lambda: _update(ours, fragments))
        note("bare", lambda: bare_loop(learner, columns))
        note("iteration", ours.train)
        note("stock iteration", theirs.train)
        if round_ == 0:
            times.clear()  # compilation and first allocations
    ours.stop()
    theirs.stop()
    return {name: steps / statistics.median(values) for name, values in times.items()}


class _Data:
    """What a learner's batch maker reads."""

    def __init__(self, fragments: list[Any]) -> None:
        self.episodes, self.batch = fragments, None


def _update(algorithm: Any, fragments: list[Any]) -> None:
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
        minibatch_size=MINIBATCH,
        shuffle_batch_per_epoch=True,
    )


def main() -> None:
    """Measure both presets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--preset", choices=("small", "tiny"), action="append")
    arguments = parser.parse_args()
    karma_rllib.register()
    for preset in arguments.preset or ("small", "tiny"):
        rate = measure(preset, 1 if arguments.quick else 5)
        report.table(
            f"{preset}: karma_seed, {ENVS} worlds x 6 agents x {ROLLOUT} steps, {EPOCHS} epochs, "
            f"minibatch {MINIBATCH}; agent-steps per CPU-second",
            [
                ("sampling", rate["sample"], rate["stock sample"], "stock RLlib PPO"),
                ("whole iteration", rate["iteration"], rate["stock iteration"], "stock RLlib PPO"),
                ("learner update", rate["update"], rate["bare"], "bare torch loop"),
            ],
        )


if __name__ == "__main__":
    main()
