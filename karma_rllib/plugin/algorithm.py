"""`Karma`: PPO with the batched env runner, the mirror loss and columns for comparison.

Everything but the data path is RLlib's: the loop, checkpoints, fault tolerance, Tune.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.rllib.algorithms.ppo.ppo import PPO
from ray.rllib.utils.annotations import override
from ray.rllib.utils.metrics import (
    ALL_MODULES,
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_AGENT_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    SYNCH_WORKER_WEIGHTS_TIMER,
    TIMERS,
)

from karma_rllib import __version__, worlds
from karma_rllib.envs.replay import ReplayError
from karma_rllib.nets.policy import names_of, save_policy
from karma_rllib.plugin.algorithm_config import KarmaConfig
from karma_rllib.plugin.columns import result_columns
from karma_rllib.plugin.env_runner import SHARED_MODULE

# What a checkpoint holds beside RLlib's own components.
COMPONENT_KARMA = "karma"
logger = logging.getLogger(__name__)
AGENT_STEPS = "agent_steps_lifetime"


class Karma(PPO):
    """PPO over batches of worlds, with the mirror's terms in its learner.

    Results carry flat columns for Tune: `agent_steps`, `social/...`, `counts/...`,
    `mirror/...`, `role/...`, `ppo/...`, `policy/...`; docs/metrics.md defines each.
    """

    @classmethod
    @override(PPO)
    def get_default_config(cls) -> KarmaConfig:
        """A `KarmaConfig` with the laptop defaults."""
        return KarmaConfig()

    @override(PPO)
    def setup(self, config: Any) -> None:
        """Build runners and learners; branch from a checkpoint if the config names one."""
        self.branch_agent_steps = 0
        self._last_columns: dict[str, Any] = {}
        super().setup(config)
        if self.config.start_from_path:
            self._branch(self.config.start_from_path)

    def _branch(self, path: str) -> None:
        """Take over a checkpoint whole, and count the mirror's schedule from here.

        Raises:
            FileNotFoundError: if there is no checkpoint at `path`.
        """
        if not Path(path).is_dir():
            raise FileNotFoundError(f"mirror.start_from names no checkpoint folder: {path}")
        self.restore_from_path(path)
        self.branch_agent_steps = self.agent_steps

    @property
    def agent_steps(self) -> int:
        """Agent-steps sampled in this run's life, its stem included."""
        key = (ENV_RUNNER_RESULTS, NUM_AGENT_STEPS_SAMPLED_LIFETIME, "all")
        return int(self.metrics.peek(key, default=0))

    @override(PPO)
    def training_step(self) -> None:
        """Sample one fragment per world, update, send the weights out."""
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            data, agent_steps, results = self._sample()
            if not agent_steps:
                return  # every runner failed; RLlib restores them before the next call
            self.metrics.aggregate(results, key=ENV_RUNNER_RESULTS)
        learners = max(1, self.config.num_learners)
        if learners > 1:
            # Learners step together: each must make the same number of minibatches.
            per_epoch = max(1, round(agent_steps / learners / self.config.minibatch_agent_steps))
            data["num_total_minibatches"] = per_epoch * self.config.num_epochs
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            results = self.learner_group.update(
                **data,
                timesteps={
                    NUM_ENV_STEPS_SAMPLED_LIFETIME: self.metrics.peek(
                        (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME)
                    ),
                    "agent_steps": self.agent_steps,
                    "since_branch": self.agent_steps - self.branch_agent_steps,
                    "iteration": self.iteration,
                },
                num_epochs=self.config.num_epochs,
                minibatch_size=self.config.minibatch_agent_steps,
                shuffle_batch_per_epoch=self.config.shuffle_batch_per_epoch,
            )
            self.metrics.aggregate(results, key=LEARNER_RESULTS)
        with self.metrics.log_time((TIMERS, SYNCH_WORKER_WEIGHTS_TIMER)):
            self.env_runner_group.sync_weights(
                from_worker_or_learner_group=self.learner_group,
                policies=set(results[0].keys()) - {ALL_MODULES},
                inference_only=True,
            )

    def _sample(self) -> tuple[dict[str, Any], int, list[Any]]:
        """Fragments for the learners.

        Returns:
            (arguments of `LearnerGroup.update` that carry the data, agent-steps, metrics).
        """
        group, pieces = self.env_runner_group, max(1, self.config.num_learners)
        if group.num_remote_env_runners() == 0:
            runner = group.local_env_runner
            fragments = runner.sample(pieces=pieces)
            steps = sum(fragment.agent_steps() for fragment in fragments)
            if self.config.num_learners == 0:
                return {"episodes": fragments}, steps, [runner.get_metrics()]
            refs = [ray.put([fragment]) for fragment in fragments]
            return {"episodes_refs": refs}, steps, [runner.get_metrics()]
        answers = group.foreach_env_runner(
            "sample_refs",
            kwargs={"pieces": pieces},
            local_env_runner=False,
            timeout_seconds=self.config.sample_timeout_s,
        )
        # Piece j of every runner goes to learner j: contiguous shares of the list.
        refs = [answer[0][j] for j in range(pieces) for answer in answers]
        steps = sum(answer[1] for answer in answers)
        return {"episodes_refs": refs}, steps, [answer[2] for answer in answers]

    @override(PPO)
    def step(self) -> dict[str, Any]:
        """One training iteration, with our columns on top of RLlib's result."""
        begin, before = time.perf_counter(), self.agent_steps
        result = super().step()
        seconds = time.perf_counter() - begin
        self._last_columns = result_columns(result, SHARED_MODULE, self._last_columns)
        return {
            **result,
            **self._last_columns,
            "condition": self.config.condition_name,
            "seed": self.config.seed,
            "agent_steps": self.agent_steps,
            "branch_agent_steps": self.branch_agent_steps,
            "agent_steps_per_s": (self.agent_steps - before) / seconds,
            "iteration_s": seconds,
        }

    @override(PPO)
    def save_to_path(self, path: Any = None, **options: Any) -> str:
        """RLlib's checkpoint, plus `policy/`: the network as safetensors and JSON, and `replays/`.

        Both roads write it: Tune's `save_checkpoint` calls this method. A checkpoint on a file
        system that is not mounted (`filesystem=...`) goes without.
        """
        folder = super().save_to_path(path, **options)
        if options.get("filesystem") is None:
            self.save_policy(Path(folder) / "policy")
            if self.config.replay_worlds:
                try:
                    self._save_replays(Path(folder) / "replays")
                except (RayError, ReplayError, OSError) as err:  # must not cost the checkpoint
                    logger.warning("no replays were kept: %s", err)
        return folder

    def save_policy(self, folder: Path, *, condition: str | None = None) -> None:
        """Write the network and where it comes from, as a policy file.

        Args:
            folder: where `policy.safetensors` and `policy.json` go.
            condition: how the file calls what was trained; by default the condition's name.
        """
        weights = self.learner_group.get_weights()[SHARED_MODULE]
        module = self.env_runner_group.local_env_runner.module[SHARED_MODULE]
        module.set_state(weights)
        meta = {
            "world": {
                "name": self.config.world_name,
                "profile": self.config.world_profile,
                "params": dict(self.config.arm_world_params),
                **self.config.kinship_env(),
            },
            "names": names_of(
                worlds.make(
                    self.config.world_name,
                    profile=self.config.world_profile,
                    **self.config.arm_world_params,
                )
            ),
            "condition": condition or self.config.condition_name,
            "seed": self.config.seed,
            "agent_steps": self.agent_steps,
            "iteration": self.iteration,
            "code_version": __version__,
        }
        save_policy(module.net, folder, meta)

    def _save_replays(self, folder: Path) -> None:
        """Ask the runner that watches; one of evaluation goes before those of training."""
        for group in (self.eval_env_runner_group, self.env_runner_group):
            if group is None:
                continue
            alone = group.num_remote_env_runners() == 0
            for files in group.foreach_env_runner(_replays, local_env_runner=alone):
                for name, data in files.items():
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{name}.replay").write_bytes(data)
                if files:
                    return

    @override(PPO)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kw: Any) -> dict:
        """RLlib's state, and what it does not know: worlds, banks, the branch point."""
        state = super().get_state(components, not_components=not_components, **kw)
        if self._check_component(COMPONENT_KARMA, components, not_components):
            group = self.env_runner_group
            if group.num_remote_env_runners() == 0:
                worlds = {0: group.local_env_runner.worlds_state()}
            else:
                worlds = dict(
                    group.foreach_env_runner(_indexed_worlds_state, local_env_runner=False)
                )
            learners = self.learner_group.foreach_learner(lambda learner: learner.extra_state())
            state[COMPONENT_KARMA] = {
                "worlds": worlds,
                "learners": [answer.get() for answer in learners],
                "branch_agent_steps": self.branch_agent_steps,
                "columns": self._last_columns,
            }
        return state

    @override(PPO)
    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken, worlds and banks included."""
        super().set_state(state)
        own = state.get(COMPONENT_KARMA)
        if own is None:
            return
        self.branch_agent_steps, self._last_columns = own["branch_agent_steps"], own["columns"]
        worlds, extras = own["worlds"], own["learners"]
        group = self.env_runner_group
        if group.num_remote_env_runners() == 0:
            group.local_env_runner.set_worlds_state(worlds.get(0))
        else:
            for index, saved in worlds.items():
                group.foreach_env_runner(
                    "set_worlds_state",
                    kwargs={"state": saved},
                    local_env_runner=False,
                    remote_worker_ids=[index],
                )
        if len(extras) == max(1, self.config.num_learners):
            self.learner_group.foreach_learner(
                lambda learner, extras=extras: learner.set_extra_state(extras)
            )


def _replays(runner: Any) -> dict[str, bytes]:
    """A function, since RLlib does not call a method named to a local runner, but returns it."""
    return runner.replays()


def _indexed_worlds_state(runner: Any) -> tuple[int, Any]:
    return runner.worker_index, runner.worlds_state()
