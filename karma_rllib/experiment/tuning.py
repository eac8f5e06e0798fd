"""One stage of an experiment as one Tune run, fresh or taken up again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial

from karma_rllib.config import ExperimentConfig
from karma_rllib.experiment.live import LiveTable
from karma_rllib.experiment.stages import STEM_FOLDER, Stage, StageResult
from karma_rllib.experiment.trial import KarmaTrial, trial_space


def trial_name(trial: Trial) -> str:
    """``karma_s42``: how files, tables and error messages call a trial."""
    return f"{trial.config['condition']}_s{trial.config['seed']}"


def run_stage(config: ExperimentConfig, stage: Stage, run_dir: Path) -> StageResult:
    """Run a stage to its end, or as far as it gets.

    Args:
        config: the experiment.
        stage: what to run; its folder may hold an interrupted run of the same stage.
        run_dir: the run folder.
    """
    # It reports failed and stopped trials in a line of its own; we name them at the end.
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)
    tuner = _restored(stage) or _fresh(config, stage, run_dir)
    grid = tuner.fit()
    return _result(grid, stage)


def _fresh(config: ExperimentConfig, stage: Stage, run_dir: Path) -> tune.Tuner:
    title = f"{config.name}, shared baseline" if stage.folder.name == STEM_FOLDER else config.name
    return tune.Tuner(
        KarmaTrial,
        param_space={
            # The last of the grids varies fastest: all conditions of a seed, then the next seed,
            # so that an early look compares like with like.
            "seed": tune.grid_search(list(stage.seeds)),
            "condition": tune.grid_search(list(stage.conditions)),
            **trial_space(config, stage.stems),
        },
        tune_config=tune.TuneConfig(
            trial_name_creator=trial_name,
            trial_dirname_creator=trial_name,
            max_concurrent_trials=config.resources.max_concurrent_trials,
            reuse_actors=True,  # see KarmaTrial.reset_config
        ),
        run_config=tune.RunConfig(
            name=stage.folder.name,
            storage_path=str(stage.folder.parent),
            stop={"agent_steps": stage.agent_steps},
            verbose=0,
            callbacks=[LiveTable(title, stage.agent_steps), *_trackers(config, run_dir)],
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_frequency=config.budget.checkpoint_every,
                num_to_keep=stage.keep,
                checkpoint_at_end=True,
            ),
            failure_config=tune.FailureConfig(max_failures=1),  # a lost node, not a bug
        ),
    )


def _restored(stage: Stage) -> tune.Tuner | None:
    """The interrupted run of this stage, if there is one."""
    has_state = any(stage.folder.glob("experiment_state-*.json"))
    if not has_state or not tune.Tuner.can_restore(str(stage.folder)):
        return None
    return tune.Tuner.restore(
        str(stage.folder), trainable=KarmaTrial, resume_unfinished=True, resume_errored=True
    )


def _trackers(config: ExperimentConfig, run_dir: Path) -> list[Callback]:
    """Weights & Biases, if asked for; JSON, CSV and TensorBoard are Tune's defaults."""
    if not config.tracking.wandb:
        return []
    from ray.air.integrations.wandb import WandbLoggerCallback

    class Tracker(WandbLoggerCallback):
        """Ray's logger, which stumbles over a trial that failed before it started."""

        def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
            if trial in self._trial_queues:
                super().log_trial_end(trial, failed)

    return [
        Tracker(
            project=config.tracking.project,
            entity=config.tracking.entity,
            group=run_dir.name,
            dir=str(run_dir),
            excludes=["config"],
        )
    ]


def _result(grid: Any, stage: Stage) -> StageResult:
    """Sort Tune's results into finished, failed and not reached."""
    outcome = StageResult()
    for trial in grid._experiment_analysis.trials:
        key = (trial.config["condition"], trial.config["seed"])
        # On Ctrl-C Tune calls the trials it stops "terminated": only the goal tells them apart.
        if trial.status == Trial.ERROR:
            outcome.failures[trial_name(trial)] = _error_file(trial, stage)
        elif (trial.last_result or {}).get("agent_steps", 0) >= stage.agent_steps:
            checkpoint = trial.checkpoint
            outcome.checkpoints[key] = Path(checkpoint.path) if checkpoint else None
        else:
            outcome.interrupted = True
    return outcome


def _error_file(trial: Trial, stage: Stage) -> Path | None:
    """Where the traceback of a failed trial is kept for people to read."""
    path = stage.folder / trial_name(trial) / "error.txt"
    return path if path.is_file() else None
