"""Films and pages of replays reach Weights & Biases, offline too, and never end an experiment."""

import json
import logging

import pytest

from karma_rllib.config import ExperimentConfig
from karma_rllib.envs import replay as files
from karma_rllib.experiment.videos import log_videos, show_replays
from tests.envs.test_replay import lived


@pytest.fixture
def run_dir(tmp_path):
    """A run folder with one finished trial that kept a replay."""
    trial = tmp_path / "baseline_s42"
    files.save(
        lived("harvest-v0", max_steps=6)[0][0].seal("best"),
        trial / "checkpoint_000003/replays/best.replay",
    )
    (trial / "result.json").write_text(json.dumps({"trial_id": "abc12_00000"}) + "\n")
    return tmp_path


def config(mode):
    return ExperimentConfig.of(
        {
            "name": "x",
            "world": {"profile": "gathering"},
            "conditions": ["baseline"],
            "seeds": [42],
            "tracking": {"wandb": mode},
        }
    )


def test_every_replay_becomes_a_film_and_a_page_beside_it(run_dir):
    shown = show_replays(run_dir / "baseline_s42")
    assert {name: [p.suffix for p in paths] for name, paths in shown.items()} == {
        "best": [".mp4", ".html"]
    }
    assert {path.parent.name for path in shown["best"]} == {"replays"}


@pytest.mark.slow
def test_film_and_page_are_in_the_offline_record(run_dir, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    log_videos(config("offline"), run_dir, run_dir)
    (media,) = run_dir.glob("wandb/offline-run-*-abc12_00000/files/media")
    (film,) = media.glob("videos/replay/best_*.mp4")
    assert film.stat().st_size > 500
    (page,) = media.glob("html/viewer/best_*.html")
    assert 'id="data"' in page.read_text(encoding="utf-8")


def test_a_trial_that_cannot_be_logged_is_named_and_passed_over(run_dir, caplog):
    (run_dir / "baseline_s42" / "result.json").write_text("no json\n")
    with caplog.at_level(logging.WARNING):
        log_videos(config("offline"), run_dir, run_dir)
    assert "no videos of baseline_s42 were logged" in caplog.text
