"""Films and pages of the replays that trials kept, for Weights & Biases.

Tune's logger has closed a trial's record by then, so each is taken up once more under its own
identity.
"""

from __future__ import annotations

import json
import logging
from itertools import islice
from pathlib import Path
from typing import Any

from karma_rllib.config import ExperimentConfig

PICTURES = 300  # of a film: its beginning, if the episode is longer
CELL = 16  # side of a grid cell [pixels]
FPS = 8
logger = logging.getLogger(__name__)


def show_replays(trial: Path) -> dict[str, tuple[Path, Path]]:
    """Make an MP4 and a page beside every replay of a trial's newest checkpoint, by its name."""
    from karma_rllib.envs import film, viewer
    from karma_rllib.envs.replay import load

    folders = sorted(trial.glob("checkpoint_*/replays"))
    shown = {}
    for file in sorted(folders[-1].glob("*.replay")) if folders else ():
        replay = load(file)
        pictures = islice(viewer.pictures(replay, CELL), PICTURES)
        shown[file.stem] = (
            film.save_mp4(pictures, file.with_suffix(".mp4"), FPS),
            viewer.write(replay, file.with_suffix(".html")),
        )
    return shown


def log_videos(config: ExperimentConfig, folder: Path, run_dir: Path) -> None:
    """Give films and pages of all trials in a folder to Weights & Biases; failing, say so, go on.

    Args:
        config: the experiment.
        folder: of a stage; its trials are the subfolders with replays.
        run_dir: the run folder.
    """
    for trial in sorted(
        {file.parents[2] for file in folder.glob("*/checkpoint_*/replays/*.replay")}
    ):
        try:
            _log(config, trial, run_dir)
        except Exception as err:  # noqa: PERF203 - no network, full disk: the runs are done
            logger.warning("no videos of %s were logged: %s", trial.name, err)


def _log(config: ExperimentConfig, trial: Path, run_dir: Path) -> None:
    import wandb

    last = (trial / "result.json").read_text(encoding="utf-8").splitlines()[-1]
    run: Any = wandb.init(
        id=json.loads(last)["trial_id"],
        name=trial.name,
        project=config.tracking.project,
        entity=config.tracking.entity,
        group=run_dir.name,
        dir=str(run_dir),
        mode=config.tracking.wandb or "disabled",
        resume="allow" if config.tracking.wandb == "online" else None,
        settings=wandb.Settings(silent=True),
    )
    try:
        told: dict[str, Any] = {}
        for name, (movie, page) in show_replays(trial).items():
            told[f"replay/{name}"] = wandb.Video(str(movie), format="mp4")
            told[f"viewer/{name}"] = wandb.Html(str(page))
        run.log(told)
    finally:
        run.finish()
