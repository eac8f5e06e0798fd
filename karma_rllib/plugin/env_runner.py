"""The batched env runner: RLlib's actor around a `Sampler`.

One torch forward for all worlds and agents, one kernel call for all worlds; fragments go
to the learners by object reference. Checkpoints, fault tolerance, weight sync and
evaluation are RLlib's own.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import ray
import torch
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES, INPUT_ENV_SPACES
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils import force_list
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from ray.rllib.utils.framework import get_device
from ray.rllib.utils.metrics import (
    EPISODE_LEN_MEAN,
    EPISODE_RETURN_MEAN,
    NUM_AGENT_STEPS_SAMPLED,
    NUM_AGENT_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES,
    NUM_EPISODES_LIFETIME,
    SAMPLE_TIMER,
    WEIGHTS_SEQ_NO,
)
from ray.tune.registry import ENV_CREATOR, _global_registry

from karma_rllib.analysis import social
from karma_rllib.analysis.debts import DebtBook
from karma_rllib.analysis.episodes import EpisodeBook
from karma_rllib.envs.replay_watch import Watch
from karma_rllib.plugin.allocator import leave_new_tensors_unfilled
from karma_rllib.plugin.episodes import EpisodeLog
from karma_rllib.plugin.episodic import transport_of
from karma_rllib.plugin.fragment import Fragment
from karma_rllib.plugin.memory import memory_of
from karma_rllib.plugin.sampler import Sampler
from karma_rllib.worlds.events import bundle

COMPONENT_SAMPLER = "sampler"
# Evaluation worlds live lives of their own: their identities start here.
EVALUATION_UID = 1 << 32
SHARED_MODULE = "shared"
EPISODE_CALLBACKS = {"start": "on_episode_start", "end": "on_episode_end"}


class BatchedEnvRunner(EnvRunner, Checkpointable):
    """Samples fragments of `rollout_fragment_length` steps from a batch of worlds.

    Worlds of env runner k (counted from 1; the local runner is 0) have the identities
    (k - 1) x num_envs ... k x num_envs - 1, so two runners never play the same life.
    """

    @override(EnvRunner)
    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        cpus = (
            self.config.num_cpus_per_env_runner
            if self.worker_index
            else self.config.num_cpus_for_main_process
        )
        torch.set_num_threads(max(1, int(cpus)))
        leave_new_tensors_unfilled()
        self.spaces = kwargs.get("spaces") or {}
        self.num_envs = self.config.num_envs_per_env_runner
        self.module: Any = None
        self._play: tuple[Sampler, EpisodeBook, DebtBook] | None = None  # from the first sample on
        self._weights_seq_no = 0
        self._callbacks = [make() for make in force_list(self.config.callbacks_class)]
        gpus = self.config.num_gpus_per_env_runner
        if not self.worker_index and self.config.num_learners == 0:
            gpus = self.config.num_gpus_per_learner  # shares the local learner's device
        self._device = get_device(self.config, gpus)
        local_is_idle = self.config.num_env_runners > 0 and not (
            self.config.create_env_on_local_worker or self.config.in_evaluation
        )
        if self.worker_index or not local_is_idle:
            self.make_env()
        self.make_module()

    @override(EnvRunner)
    def make_env(self) -> None:
        """Create one env for its spaces and the batch of worlds behind it."""
        creator = _global_registry.get(ENV_CREATOR, self.config.env)
        context = EnvContext(
            dict(self.config.env_config),
            worker_index=self.worker_index or 0,
            num_workers=self.config.num_env_runners,
        )
        self.env = creator(context)
        first = max(0, (self.worker_index or 0) - 1) * self.num_envs
        self.lifetime = self.env.make_batched(
            self.num_envs,
            seed=int(self.config.seed or 0),
            first_uid=first + (EVALUATION_UID if self.config.in_evaluation else 0),
        )
        self.episodes = EpisodeLog(self.num_envs, self.lifetime.num_agents)
        self._play = None
        self._call_back("on_environment_created", env=self.env, env_context=context)

    def _call_back(self, name: str, **arguments: Any) -> None:
        """Fire one of RLlib's callbacks, as methods and as plain functions."""
        make_callback(
            name,
            callbacks_objects=self._callbacks,
            callbacks_functions=getattr(self.config, f"callbacks_{name}"),
            kwargs={"env_runner": self, "metrics_logger": self.metrics, **arguments},
        )

    def _hears(self, name: str) -> bool:
        """Whether anybody listens to a callback."""
        return bool(getattr(self.config, f"callbacks_{name}")) or any(
            getattr(type(listener), name) is not getattr(RLlibCallback, name)
            for listener in self._callbacks
        )

    @override(EnvRunner)
    def make_module(self) -> None:
        """Build the module; values are needed at rollout time, so not inference-only."""
        spec = self.config.get_multi_rl_module_spec(spaces=self.get_spaces(), inference_only=False)
        self.module = spec.build()
        self.module.foreach_module(lambda _, module: module.to(self._device))

    @override(EnvRunner)
    def get_spaces(self) -> dict[str, Any]:
        """Spaces by RLlib's keys and by module id."""
        if self.env is None:
            return self.spaces
        agent = self.env.possible_agents[0]
        one = (self.env.observation_spaces[agent], self.env.action_spaces[agent])
        every = (self.env.observation_space, self.env.action_space)
        return {INPUT_ENV_SPACES: every, INPUT_ENV_SINGLE_SPACES: every, SHARED_MODULE: one}

    @override(EnvRunner)
    def assert_healthy(self) -> None:
        """Raise AssertionError unless this runner can sample."""
        assert self.module is not None
        assert self.env is not None

    def _ready(self) -> tuple[Sampler, EpisodeBook, DebtBook]:
        """The sampler, and the accumulators of its running episodes and of its open debts."""
        if self._play is None:
            net = self.module[SHARED_MODULE].net
            sampler = Sampler(
                self.lifetime,
                net,
                seed=int(self.config.seed or 0),
                max_seq_len=self.config.max_seq_len,
                keep_states=self.config.mirror_settings["align_layer"] == "h",
                device=self._device,
                memory=memory_of(self.config, self.lifetime, net, self._device),
                transport=transport_of(self.config, self.lifetime),
                watch=self._watch(),
            )
            size = self.lifetime.num_worlds, self.lifetime.num_agents
            self._play = sampler, EpisodeBook(*size), DebtBook(*size)
        return self._play

    def _watch(self) -> Watch | None:
        """What keeps episodes for replays: one runner does, where the config asks for it."""
        if not self.config.replay_worlds or (self.worker_index or 0) > 1:
            return None
        name = f"{self.config.condition_name}_s{self.config.seed or 0}"
        return Watch(self.lifetime, name, self.config.replay_worlds)

    def replays(self) -> dict[str, bytes]:
        """Files of the best, the median and the most violent of the last watched episodes."""
        watch = None if self._play is None else self._play[0].watch
        return {} if watch is None else watch.files()

    @override(EnvRunner)
    def sample(
        self,
        *,
        num_timesteps: int | None = None,
        num_episodes: int | None = None,
        explore: bool | None = None,
        force_reset: bool = False,
        pieces: int = 1,
        **kwargs: Any,
    ) -> list[Fragment]:
        """Sample one fragment, or as many whole episodes as evaluation asks for.

        Args:
            num_timesteps: env-steps in all worlds together; default: the configured
                fragment length in each world.
            num_episodes: at least this many whole episodes, from fresh starts.
            explore: draw actions (default: as configured) or act greedily.
            force_reset: start new episodes first.
            pieces: cut the fragment into this many, by world (one per learner).
            **kwargs: arguments of other releases, ignored.
        """
        sampler, *_ = self._ready()
        explore = self.config.explore if explore is None else explore
        with self.metrics.log_time(SAMPLE_TIMER):
            if force_reset or num_episodes is not None:
                sampler.restart()
                self.episodes.restart()
            if num_episodes is not None:
                rounds = -(-num_episodes // self.num_envs)
                fragments = [
                    self._record(sampler.run(self.lifetime.max_steps, explore=explore))
                    for _ in range(rounds)
                ]
                self._call_back("on_sample_end", samples=fragments)
                return fragments
            steps = self.config.get_rollout_fragment_length(self.worker_index or 0)
            if num_timesteps is not None:
                steps = max(1, -(-int(num_timesteps) // self.num_envs))
            fragment = self._record(sampler.run(steps, explore=explore))
        fragments = fragment.split(pieces) if pieces > 1 else [fragment]
        self._call_back("on_sample_end", samples=fragments)
        return fragments

    def sample_refs(self, pieces: int) -> tuple[list[Any], int, Any]:
        """Sample, and keep the pieces in this node's object store.

        Returns:
            (one reference to a one-item list per learner, agent-steps, metrics).
        """
        fragments = self.sample(pieces=pieces)
        steps = sum(fragment.agent_steps() for fragment in fragments)
        return [ray.put([fragment]) for fragment in fragments], steps, self.get_metrics()

    def _record(self, fragment: Fragment) -> Fragment:
        """Count what happened, with rewards as earned; every metric is a ratio of such sums."""
        events = bundle(fragment.events)
        sums = social.tally(
            events,
            events.raw_reward,
            max_steps=self.lifetime.max_steps,
            timeout=self.lifetime.traits.timeout,
            waste_zone=self.lifetime.traits.waste_cells,
            shared=fragment.reward,
        )
        sampler, book, debts = self._ready()
        book.update(events, events.raw_reward, fragment.truncated)
        debts.update(events)
        sums.update(book.drain() | debts.drain())
        for part in (sampler.memory, sampler.transport):
            if part is not None:
                sums.update({f"tvt_{key}": value for key, value in part.sums.items()})
        for key, value in sums.items():
            self.metrics.log_value(("counts", key), float(value), reduce="sum")
        self._log_steps(fragment)
        if any(map(self._hears, EPISODE_CALLBACKS.values())):
            self._tell_episodes(fragment)
        return fragment

    def _tell_episodes(self, fragment: Fragment) -> None:
        """Fire the episode callbacks of a fragment, with summaries instead of episodes."""
        for what, world, episode in self.episodes.follow(fragment):
            more: dict[str, Any] = {"prev_episode_chunks": []} if what == "end" else {}
            self._call_back(
                EPISODE_CALLBACKS[what],
                episode=episode,
                env=self.env,
                env_index=world,
                rl_module=self.module,
                **more,
            )

    def _log_steps(self, fragment: Fragment) -> None:
        steps, agents = fragment.env_steps(), fragment.agent_steps()
        episodes = int(fragment.truncated.sum())
        self.num_env_steps_sampled_lifetime += steps
        log = self.metrics.log_value
        log(NUM_ENV_STEPS_SAMPLED, steps, reduce="sum")
        log(NUM_ENV_STEPS_SAMPLED_LIFETIME, steps, reduce="lifetime_sum", with_throughput=True)
        log((NUM_AGENT_STEPS_SAMPLED, "all"), agents, reduce="sum")
        log((NUM_AGENT_STEPS_SAMPLED_LIFETIME, "all"), agents, reduce="lifetime_sum")
        log(NUM_EPISODES, episodes, reduce="sum")
        log(NUM_EPISODES_LIFETIME, episodes, reduce="lifetime_sum")
        # RLlib's own names, for its callbacks and schedulers: return per episode's worth of
        # steps, so that an iteration without a finished episode has a value too.
        length = self.lifetime.max_steps
        log(EPISODE_RETURN_MEAN, float(fragment.reward.sum()) / steps * length, window=1)
        log(EPISODE_LEN_MEAN, float(length), window=1)

    @override(EnvRunner)
    def get_metrics(self) -> Any:
        """Sums since the last call, reduced."""
        return self.metrics.reduce()

    @override(Checkpointable)
    def get_state(
        self,
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Counters, weights and the whole state of the worlds."""
        state: dict[str, Any] = {
            NUM_ENV_STEPS_SAMPLED_LIFETIME: self.num_env_steps_sampled_lifetime
        }
        if self._check_component(COMPONENT_RL_MODULE, components, not_components):
            state[COMPONENT_RL_MODULE] = self.module.get_state(
                components=self._get_subcomponents(COMPONENT_RL_MODULE, components),
                not_components=self._get_subcomponents(COMPONENT_RL_MODULE, not_components),
                **kwargs,
            )
            state[WEIGHTS_SEQ_NO] = self._weights_seq_no
        if self._check_component(COMPONENT_SAMPLER, components, not_components):
            state[COMPONENT_SAMPLER] = self.worlds_state()
        return state

    def worlds_state(self) -> dict[str, Any] | None:
        """State of the worlds, the recurrent state and the episode accumulators; or None."""
        if self._play is None:
            return None
        sampler, book, debts = self._play
        return {
            "sampler": sampler.get_state(),
            "book": book.get_state(),
            "debts": debts.get_state(),
            "episodes": self.episodes.get_state(),
        }

    def set_worlds_state(self, state: dict[str, Any] | None) -> None:
        """Go on where `worlds_state` was taken; None leaves the worlds as they are."""
        if state is not None and self.env is not None:
            sampler, book, debts = self._ready()
            sampler.set_state(state["sampler"])
            book.set_state(state["book"])
            debts.set_state(state["debts"])
            self.episodes.set_state(state["episodes"])

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        """Take over weights (if newer), counters and worlds, as far as given."""
        if COMPONENT_RL_MODULE in state:
            number = state.get(WEIGHTS_SEQ_NO, 0)
            if number == 0 or self._weights_seq_no < number:
                weights = state[COMPONENT_RL_MODULE]
                self.module.set_state(
                    ray.get(weights) if isinstance(weights, ray.ObjectRef) else weights
                )
            self._weights_seq_no = max(self._weights_seq_no, number)
        if NUM_ENV_STEPS_SAMPLED_LIFETIME in state:
            self.num_env_steps_sampled_lifetime = state[NUM_ENV_STEPS_SAMPLED_LIFETIME]
        if COMPONENT_SAMPLER in state:
            self.set_worlds_state(state[COMPONENT_SAMPLER])

    @override(Checkpointable)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple, dict[str, Any]]:
        """How to build this runner anew."""
        return (), {"config": self.config}

    @override(Checkpointable)
    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """The module; worlds are part of the runner's own state."""
        return [(COMPONENT_RL_MODULE, self.module)]

    @override(EnvRunner)
    def stop(self) -> None:
        """Release the env."""
        if self.env is not None:
            self.env.close()
            self.env = None
