"""`KarmaConfig`: PPOConfig with typed setters for worlds, mirror, memory, society and network.

Each setter validates through the same section models as an experiment file, so a
misspelt key gives the same sentence in Python and in YAML.
"""

from __future__ import annotations

from typing import Any

from ray.rllib.algorithms.ppo.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.annotations import override

import karma_rllib
from karma_rllib import config as schema
from karma_rllib.conditions import CONDITIONS
from karma_rllib.conditions import condition as find_condition
from karma_rllib.plugin.env_runner import SHARED_MODULE, BatchedEnvRunner
from karma_rllib.plugin.episodic import reads_asked
from karma_rllib.plugin.module import KarmaModule
from karma_rllib.worlds.face import Traits

ENV_NAME = "KarmicHarvest-v0"


def society_config(settings: dict[str, Any], mode: str) -> dict[str, Any]:
    """The env's `ledger` key and, if spawns are rigged, its `matchmaker` key.

    Args:
        settings: the section.
        mode: what rigs spawns; "off" for nothing.
    """
    from karma_rllib.society.ledger import LedgerParams

    ledger = {k: v for k, v in settings.items() if k in LedgerParams.__dataclass_fields__}
    rest = {k: v for k, v in settings.items() if k not in ledger}
    return {"ledger": ledger, **({} if mode == "off" else {"matchmaker": {**rest, "mode": mode}})}


def _shared(agent_id: Any, *args: Any, **kwargs: Any) -> str:
    return SHARED_MODULE


class KarmaConfig(PPOConfig):
    """Configuration of `Karma`.

    Example:
        >>> config = (
        ...     KarmaConfig()
        ...     .world("harvest-v0", profile="gathering")
        ...     .module(preset="tiny")
        ...     .condition("karma_out")
        ...     .mirror(weight=0.1)
        ... )
    """

    def __init__(self, algo_class: type | None = None) -> None:
        from karma_rllib.plugin.algorithm import Karma

        super().__init__(algo_class=algo_class or Karma)
        karma_rllib.register()
        self.world_name = "harvest-v0"
        self.world_profile: str | None = None
        self.world_params: dict[str, Any] = {}
        self.synced_env_keys: tuple[str, ...] = ()
        self.matchmaker_settings: dict[str, Any] = schema.Matchmaker().model_dump()
        self.kinship_settings: dict[str, Any] = schema.Kinship().model_dump()
        self.module_settings: dict[str, Any] = schema.Module().model_dump()
        self.mirror_settings: dict[str, Any] = schema.Mirror().model_dump()
        self.role_settings: dict[str, Any] = schema.Role().model_dump()
        self.tvt_settings: dict[str, Any] = schema.Tvt().model_dump()
        self.condition_name = "baseline"
        self.start_from_path: str | None = None
        self.probe_every = 0
        self.replay_worlds = 0
        self.max_seq_len, self.action_floor, self.adam_eps = 32, 0.0, 1e-5
        self.minibatch_agent_steps = 2048
        self.environment(ENV_NAME, disable_env_checking=True)
        self.env_runners(
            env_runner_cls=BatchedEnvRunner,
            num_env_runners=0,
            sample_timeout_s=600.0,
            merge_env_runner_states=False,
            broadcast_env_runner_states=False,
        )
        self.learners(num_learners=0, add_default_connectors_to_learner_pipeline=False)
        self.multi_agent(policies={SHARED_MODULE}, policy_mapping_fn=_shared)
        self.ppo()

    @override(PPOConfig)
    def get_default_learner_class(self) -> type:
        """The learner with the mirror's terms."""
        from karma_rllib.plugin.learner import KarmaLearner

        return KarmaLearner

    def world(
        self, name: str = "harvest-v0", profile: str | None = None, **params: Any
    ) -> KarmaConfig:
        """Choose the world.

        Args:
            name: world name, e.g. "harvest-v0".
            profile: named set of parameters.
            **params: single parameters on top of the profile.

        Raises:
            ValueError: one sentence, for an unknown name, profile, key or value.
        """
        from karma_rllib import worlds

        worlds.resolve_params(name, profile, **params)
        self.world_name, self.world_profile, self.world_params = name, profile, params
        return self._sync_env_config()

    def matchmaker(self, **settings: Any) -> KarmaConfig:
        """Set how debts are counted and how spawns are rigged; keys of the `matchmaker` section.

        Whether spawns are rigged at all, and by what, is the condition's.
        """
        section = schema.Matchmaker.of(settings, where=("matchmaker",))
        self.matchmaker_settings = section.model_dump()
        return self._sync_env_config()

    def kinship(self, **settings: Any) -> KarmaConfig:
        """Set who is related to whom and what relatives share; keys of the `kinship` section."""
        self.kinship_settings = schema.Kinship.of(settings).model_dump()
        return self._sync_env_config()

    def kinship_env(self) -> dict[str, Any]:
        """The env's `kinship` key, if there are relatives."""
        related = self.kinship_settings != schema.Kinship().model_dump()
        return {"kinship": dict(self.kinship_settings)} if related else {}

    def tvt(self, **settings: Any) -> KarmaConfig:
        """Set the external memory and what it transports; keys of the `tvt` section.

        Whether there is a memory at all is the condition's.
        """
        self.tvt_settings = schema.Tvt.of(settings, where=("tvt",)).model_dump()
        return self

    @property
    def arm_world_params(self) -> dict[str, Any]:
        """The world's own parameters in this arm: the experiment's, and what the condition sets."""
        armed = CONDITIONS[self.condition_name].zap
        return {**self.world_params, **({} if armed else {"zap_works": False})}

    def _sync_env_config(self) -> KarmaConfig:
        own = {
            "world": self.world_name,
            "profile": self.world_profile,
            **society_config(self.matchmaker_settings, CONDITIONS[self.condition_name].matchmaker),
            **self.kinship_env(),
            **self.arm_world_params,
        }
        for key in self.synced_env_keys:  # RLlib adds to its env_config, it never takes away
            self.env_config.pop(key, None)
        self.synced_env_keys = tuple(own)
        self.environment(ENV_NAME, env_config=own)
        return self

    def module(self, **settings: Any) -> KarmaConfig:
        """Choose the network: `preset` seed | small | tiny and overrides of its parts."""
        self.module_settings = schema.Module.of(settings, where=("module",)).model_dump()
        return self

    def mirror(self, **settings: Any) -> KarmaConfig:
        """Set the mirror's loss; keys of the `mirror` section."""
        self.mirror_settings = schema.Mirror.of(settings, where=("mirror",)).model_dump()
        return self

    def role(self, **settings: Any) -> KarmaConfig:
        """Set the role loss; keys of the `role` section."""
        self.role_settings = schema.Role.of(settings, where=("role",)).model_dump()
        return self

    def condition(self, name: str) -> KarmaConfig:
        """Choose the experimental condition (a row of `karma_rllib.conditions`)."""
        self.condition_name = find_condition(name).name
        return self._sync_env_config()

    def start_from(self, path: str | None) -> KarmaConfig:
        """Branch from a checkpoint: weights, optimiser, worlds, counters."""
        self.start_from_path = path
        return self

    def probes(self, every: int = 0) -> KarmaConfig:
        """Look into the network every so many iterations, in columns `probe/`; 0: never."""
        if every < 0:
            raise ValueError(f"probes(every={every}) must be at least 0 iterations.")
        self.probe_every = every
        return self

    def replays(self, worlds: int = 1) -> KarmaConfig:
        """Keep replays: watch so many worlds of one env runner (of evaluation, if it has any).

        The best, the median and the most violent of the last 32 watched episodes are written to
        `replays/` of every checkpoint.

        Raises:
            ValueError: worlds is negative.
        """
        if worlds < 0:
            raise ValueError(f"replays: worlds is {worlds}: it must be at least 0")
        self.replay_worlds = int(worlds)
        return self

    def ppo(self, **settings: Any) -> KarmaConfig:
        """Set PPO's numbers; keys of the `ppo` section."""
        s = schema.Ppo.of(settings, where=("ppo",))
        self.training(
            lr=s.lr,
            gamma=s.gamma,
            lambda_=s.gae_lambda,
            clip_param=s.clip,
            num_epochs=s.epochs,
            entropy_coeff=s.ent,
            vf_loss_coeff=s.vf,
            vf_clip_param=float("inf") if s.vf_clip is None else s.vf_clip,
            grad_clip=s.grad_clip,
            use_kl_loss=s.kl_coeff > 0,
            kl_coeff=s.kl_coeff,
            shuffle_batch_per_epoch=True,
        )
        self.env_runners(rollout_fragment_length=s.rollout, num_envs_per_env_runner=s.envs)
        self.minibatch_agent_steps = s.minibatch
        self.max_seq_len, self.action_floor = s.max_seq_len, s.action_floor
        self.adam_eps = s.adam_eps
        return self

    @override(PPOConfig)
    def validate(self) -> None:
        """Derive RLlib's batch numbers from ours, then let RLlib check the rest."""
        if isinstance(self.rollout_fragment_length, int) and not self.in_evaluation:
            worlds = max(1, self.num_env_runners) * self.num_envs_per_env_runner
            steps = self.rollout_fragment_length * worlds  # env-steps per iteration
            self.train_batch_size_per_learner = steps // max(1, self.num_learners)
        # RLlib compares agent-steps with env-steps here; ours is `minibatch_agent_steps`.
        self.minibatch_size = min(self.minibatch_agent_steps, self.train_batch_size_per_learner)
        if self.num_learners > 1 and self.num_envs_per_env_runner % self.num_learners:
            raise ValueError(
                f"ppo.envs is {self.num_envs_per_env_runner}, which resources.num_learners = "
                f"{self.num_learners} does not divide: worlds are never split between learners"
            )
        super().validate()

    @override(PPOConfig)
    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """`KarmaModule`; RLlib makes one of it, shared by all agents."""
        row, reads = CONDITIONS[self.condition_name], reads_asked(self)
        named = row.tvt and reads is None
        return RLModuleSpec(
            module_class=KarmaModule,
            model_config={
                "net": dict(self.module_settings),
                "action_floor": self.action_floor,
                "grid_scale": self._grid_scale(),
                "seed": int(self.seed or 0),
                "max_seq_len": self.max_seq_len,
                "memory_key_dim": self.tvt_settings["key_dim"] if named else 0,
                "reads": reads,
                "mask_start": self.world_traits().mask_start,
            },
        )

    def world_traits(self) -> Traits:
        """What follows from the world's parameters."""
        from karma_rllib import worlds

        return worlds.traits(self.world_name, self.world_profile, **self.world_params)

    def _grid_scale(self) -> list[float]:
        """What the network multiplies the bytes of each channel by, to bring them to [0, 1]."""
        from karma_rllib import worlds

        return worlds.grid_scale(self.world_name, self.world_profile, **self.world_params)
