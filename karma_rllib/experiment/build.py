"""One trial's algorithm configuration, from the experiment's sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from karma_rllib.config import ExperimentConfig

if TYPE_CHECKING:
    from karma_rllib.plugin.algorithm_config import KarmaConfig


def build_algorithm_config(
    config: ExperimentConfig, condition: str, seed: int, start_from: str | None = None
) -> KarmaConfig:
    """Translate sections into the algorithm's typed setters.

    Args:
        config: the experiment.
        condition: one of its conditions.
        seed: one of its seeds.
        start_from: absolute path of the checkpoint that the trial branches from; None: scratch.

    Raises:
        ValueError: a value that RLlib or a setter refuses, in one sentence.
    """
    from karma_rllib.plugin.algorithm_config import KarmaConfig

    resources = config.resources
    algorithm = (
        KarmaConfig()
        .world(config.world.name, profile=config.world.profile, **config.world.params)
        .matchmaker(**config.matchmaker.as_dict())
        .kinship(**config.kinship.as_dict())
        .module(**config.module.as_dict())
        .mirror(**config.mirror.as_dict())
        .role(**config.role.as_dict())
        .tvt(**config.tvt.as_dict())
        .ppo(**config.ppo.as_dict())
        .condition(condition)
        .replays(config.tracking.replays)
        .start_from(start_from)
        .probes(every=config.budget.probe_every)
    )
    algorithm.debugging(seed=seed, log_level="ERROR")
    algorithm.env_runners(num_env_runners=resources.num_env_runners)
    algorithm.learners(num_learners=resources.num_learners, num_gpus_per_learner=resources.num_gpus)
    algorithm.resources(num_cpus_for_main_process=resources.cpus_per_trial)
    if resources.evaluation_runners:
        algorithm.evaluation(
            evaluation_num_env_runners=resources.evaluation_runners,
            evaluation_interval=config.budget.checkpoint_every,
            evaluation_duration=config.budget.eval_episodes,
            evaluation_duration_unit="episodes",
        )
    return algorithm
