"""The stages of an experiment and how they are run, one after another, under Tune.

    prevention (mirror.start_from scratch or a checkpoint):   main
    cure (mirror.start_from cure):                            stem, then main

The stem is one plain baseline per seed.  In the main stage every condition of that seed branches
from the end of its stem: weights, optimiser, worlds and counters included.  So all conditions of a
seed begin with equal behaviour, and the first difference between them is the condition.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from karma_rllib.config import ConfigError, ExperimentConfig
from karma_rllib.experiment import provenance

STEM_FOLDER = "stem"
STEM_DONE = "finished.json"  # seed -> checkpoint, relative to the run folder


@dataclass
class Outcome:
    """How an experiment ended.

    Attributes:
        run_dir: the run folder, absolute.
        failures: trial name to the file with its traceback.
        interrupted: it was stopped before its end and can be resumed.
    """

    run_dir: Path
    failures: dict[str, Path | None] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Every trial reached its goal."""
        return not self.failures and not self.interrupted

    def add(self, result: StageResult, prefix: str = "") -> None:
        """Take over what became of a stage."""
        self.failures |= {prefix + name: path for name, path in result.failures.items()}
        self.interrupted = self.interrupted or result.interrupted


@dataclass(frozen=True)
class Stage:
    """One Tune run: conditions x seeds, each to the same length.

    Attributes:
        folder: of Tune's own state; the trials are its subfolders.
        conditions: to run.
        seeds: to run each of them with.
        agent_steps: where a trial ends [agent-steps], what it branched from included.
        keep: checkpoints kept per trial.
        stems: seed to checkpoint (relative to the run folder) that its trials branch from.
    """

    folder: Path
    conditions: tuple[str, ...]
    seeds: tuple[int, ...]
    agent_steps: int
    keep: int
    stems: dict[int, str] = field(default_factory=dict)


@dataclass
class StageResult:
    """What became of a stage: checkpoints of finished trials, files of failed ones."""

    checkpoints: dict[tuple[str, int], Path | None] = field(default_factory=dict)
    failures: dict[str, Path | None] = field(default_factory=dict)
    interrupted: bool = False


def run(
    config: ExperimentConfig,
    storage: str | Path = "results",
    *,
    address: str | None = None,
    on_start: Callable[[Path], None] | None = None,
) -> Outcome:
    """Run an experiment in a new run folder.

    Args:
        config: what to run.
        storage: where the run folder is made.
        address: of a Ray cluster to join, such as ``auto``; None: start Ray on this machine.
        on_start: told the run folder before training begins.

    Returns:
        How it ended; a failed trial does not raise, and does not stop the others.

    Raises:
        ConfigError: the experiment cannot be run here; no folder was made.
    """
    from karma_rllib.experiment import cluster

    config = with_checked_start(config)
    cluster.check_tracking(config)
    provenance.check_storage(storage)
    with cluster.connected(config, address):
        cluster.check_fits(config, address)
        run_dir = provenance.make_run_dir(config, storage)
        if on_start:
            on_start(run_dir)
        return _run_stages(config, run_dir)


def resume(
    run_dir: str | Path,
    *,
    address: str | None = None,
    on_start: Callable[[Path], None] | None = None,
) -> Outcome:
    """Go on with an interrupted experiment; finished trials stay as they are.

    Args:
        run_dir: a run folder made by `run`.
        address: of a Ray cluster to join; None: start Ray on this machine.
        on_start: told the run folder before training begins.

    Raises:
        ConfigError: not a run folder, or its experiment cannot be run here.
    """
    from karma_rllib.experiment import cluster

    path, config = provenance.open_run_dir(run_dir)
    config = with_checked_start(config)
    cluster.check_tracking(config)
    with cluster.connected(config, address):
        cluster.check_fits(config, address)
        provenance.note_resumption(path)
        if on_start:
            on_start(path)
        return _run_stages(config, path)


def with_checked_start(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment with the checkpoint it starts from, if any, as an absolute path.

    Trials run in folders of their own, perhaps on other machines of a shared file system.

    Raises:
        ConfigError: `mirror.start_from` names no checkpoint folder.
    """
    start = config.mirror.start_from
    if start in ("scratch", "cure"):
        return config
    path = Path(start).expanduser().resolve()
    if not path.is_dir():
        raise ConfigError(
            f"`mirror.start_from` is {start!r}, but there is no such checkpoint folder (and it is "
            "neither scratch nor cure)"
        )
    if not (path / "rllib_checkpoint.json").is_file():
        raise ConfigError(f"`mirror.start_from` is {start!r}, but that folder is no checkpoint")
    data = config.as_dict()
    return type(config).of({**data, "mirror": {**data["mirror"], "start_from": str(path)}})


def _run_stages(config: ExperimentConfig, run_dir: Path) -> Outcome:
    """Stem (if any), then main; an interruption ends the experiment where it is."""
    from karma_rllib.experiment.tuning import run_stage

    outcome = Outcome(run_dir)
    stems: dict[int, str] = {}
    seeds = config.seeds
    if config.cure:
        stems = _read_stems(run_dir) or {}
        if not stems:
            result = run_stage(config, _stem_stage(config, run_dir), run_dir)
            outcome.add(result, prefix=f"{STEM_FOLDER}/")
            if result.interrupted:
                return outcome
            stems = _stem_checkpoints(result, run_dir)
            if not result.failures:
                _write_stems(run_dir, stems)
        seeds = tuple(seed for seed in config.seeds if seed in stems)
    if seeds:
        outcome.add(run_stage(config, _main_stage(config, run_dir, seeds, stems), run_dir))
        if config.tracking.wandb and not outcome.interrupted:
            from karma_rllib.experiment.videos import log_videos

            log_videos(config, run_dir, run_dir)
    return outcome


def _stem_stage(config: ExperimentConfig, run_dir: Path) -> Stage:
    return Stage(
        folder=run_dir / STEM_FOLDER,
        conditions=("baseline",),
        seeds=config.seeds,
        agent_steps=config.budget.cure_at_agent_steps or 0,
        keep=1,
    )


def _main_stage(
    config: ExperimentConfig, run_dir: Path, seeds: tuple[int, ...], stems: dict[int, str]
) -> Stage:
    return Stage(
        folder=run_dir,
        conditions=config.conditions,
        seeds=seeds,
        agent_steps=config.budget.agent_steps,
        keep=config.budget.checkpoints_to_keep,
        stems=stems,
    )


def _stem_checkpoints(result: StageResult, run_dir: Path) -> dict[int, str]:
    return {
        seed: str(path.relative_to(run_dir))
        for (_, seed), path in result.checkpoints.items()
        if path is not None
    }


def _read_stems(run_dir: Path) -> dict[int, str] | None:
    """Checkpoints of a stem stage that finished; None when it has not."""
    path = run_dir / STEM_FOLDER / STEM_DONE
    if not path.is_file():
        return None
    stems: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {int(seed): checkpoint for seed, checkpoint in stems.items()}


def _write_stems(run_dir: Path, stems: dict[int, str]) -> None:
    text = json.dumps({str(seed): path for seed, path in stems.items()}, indent=2)
    (run_dir / STEM_FOLDER / STEM_DONE).write_text(text + "\n", encoding="utf-8")
