"""Whole experiments through the command, as people run them: results, failures, kill and resume."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from karma_rllib.config import ExperimentConfig
from karma_rllib.envs.replay import load
from karma_rllib.envs.replay_life import verify

pytestmark = pytest.mark.ray

GRACE = 60  # how long Ray's own processes may take to go [s]


def start(cwd: Path, *arguments: str, mark: str | None = None) -> subprocess.Popen:
    """Start the command; every process it starts inherits `mark` in its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "karma_rllib.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "KARMA_TEST_MARK": mark or uuid.uuid4().hex},
    )


def finish(process: subprocess.Popen, timeout: float = 280) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def marked(mark: str) -> list[int]:
    """Living processes whose environment holds `mark`."""

    def has_mark(folder: Path) -> bool:
        try:
            return mark.encode() in (folder / "environ").read_bytes()
        except OSError:  # gone meanwhile, or another user's
            return False

    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if has_mark(folder)]


def gone(mark: str) -> bool:
    """Whether all processes with `mark` end within the grace period."""
    end = time.monotonic() + GRACE
    while marked(mark) and time.monotonic() < end:
        time.sleep(0.5)
    return not marked(mark)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "result.json").read_text().splitlines()]


# --- an experiment from start to end -----------------------------------------------------------


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The smoke experiment, run once: (run folder, exit code, stdout, stderr, mark)."""
    cwd = tmp_path_factory.mktemp("smoke")
    mark = uuid.uuid4().hex
    code, out, err = finish(start(cwd, "train", "smoke", mark=mark))
    (run_dir,) = (cwd / "results").iterdir()
    return run_dir, code, out, err, mark


def test_the_smoke_experiment_ends_well_and_leaves_no_process(smoke):
    run_dir, code, out, err, mark = smoke
    assert code == 0, err
    assert f"run folder: results/{run_dir.name}" in out
    assert gone(mark)


def test_its_folder_holds_everything(smoke):
    run_dir = smoke[0]
    config = ExperimentConfig.load(run_dir / "experiment.yaml")
    assert config.name == "smoke"
    assert json.loads((run_dir / "provenance.json").read_text())["command"].endswith("train smoke")
    for condition in config.conditions:
        trial = run_dir / f"{condition}_s42"
        for name in ("result.json", "progress.csv", "params.json"):
            assert (trial / name).is_file()
        assert list(trial.glob("events.out.tfevents*"))
        assert list(trial.glob("checkpoint_*/policy/policy.safetensors"))
        newest = max(trial.glob("checkpoint_*/replays"))
        for name in ("best", "median", "violent"):
            verify(load(newest / f"{name}.replay"))


def test_every_trial_reaches_its_goal_and_says_who_it_is(smoke):
    run_dir = smoke[0]
    for condition in ("baseline", "karma_out"):
        life = rows(run_dir / f"{condition}_s42")
        assert life[-1]["agent_steps"] >= 25_600 > life[-2]["agent_steps"]
        assert {row["condition"] for row in life} == {condition}
        assert {row["seed"] for row in life} == {42}
        assert [row["training_iteration"] for row in life] == list(range(3, 9))
        assert life[-1]["config"] == {"condition": condition, "seed": 42}


def test_conditions_branch_from_one_stem_and_part_only_by_their_losses(smoke):
    run_dir = smoke[0]
    stem = rows(run_dir / "stem" / "baseline_s42")
    assert stem[-1]["agent_steps"] == 6_400
    base, karma = (rows(run_dir / f"{c}_s42") for c in ("baseline", "karma_out"))
    assert base[0]["branch_agent_steps"] == karma[0]["branch_agent_steps"] == 6_400
    # The first fragment after the branch is played before any update: same worlds, same acts.
    assert base[0]["counts"]["apples"] == karma[0]["counts"]["apples"]
    assert base[0]["social"] == karma[0]["social"]
    assert base[-1]["counts"] != karma[-1]["counts"]
    assert karma[-1]["mirror"]["weight"] == pytest.approx(0.1)


def test_the_conditions_are_compared_at_the_end(smoke):
    run_dir, _, out, _, _ = smoke
    comparison = run_dir / "comparison"
    assert (comparison / "report.html").stat().st_size < 5_000_000
    for name in ("comparison.csv", "curves.png", "curves.svg"):
        assert (comparison / name).is_file()
    for condition in ("baseline", "karma_out"):
        assert (comparison / f"{condition}.gif").read_bytes().startswith(b"GIF8")
        assert condition in out


def test_a_finished_experiment_resumes_to_the_same_results(smoke):
    run_dir = smoke[0]
    before = {p: p.read_bytes() for p in run_dir.glob("*_s42/result.json")}
    code, _, err = finish(start(run_dir.parent, "resume", run_dir.name, "--no-gif"))
    assert code == 0, err
    assert {p: p.read_bytes() for p in run_dir.glob("*_s42/result.json")} == before


# --- what goes wrong ---------------------------------------------------------------------------


def test_more_than_this_machine_has_is_refused_before_a_folder_is_made(tmp_path):
    code, out, err = finish(start(tmp_path, "train", "smoke", "--num-env-runners", "9999"))
    assert (code, out) == (2, "")
    assert "a trial needs 10000 CPUs, but this machine has" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seeds", "failing", "sound"), [(2, 42, 123), (4, 303, 202)], ids=["first", "in a used process"]
)
def test_a_failed_trial_is_named_with_its_error_file_and_the_others_go_on(
    seeds, failing, sound, tmp_path
):
    # A stem checkpoint whose learner state is damaged after the stems have finished.
    process = start(
        tmp_path,
        *("train", "smoke", "--seeds", str(seeds), "--conditions", "baseline", "--no-gif"),
    )
    stems = None
    end = time.monotonic() + 200
    while stems is None and time.monotonic() < end and process.poll() is None:
        stems = next(tmp_path.glob("results/*/stem/finished.json"), None)
        time.sleep(0.02)
    assert stems is not None
    damaged = stems.parent.parent / json.loads(stems.read_text())[str(failing)]
    (damaged / "learner_group" / "learner" / "state.pkl").write_bytes(b"not a pickle")
    code, _, err = finish(process)
    run_dir = stems.parent.parent
    assert code == 1
    error = Path("results", run_dir.name, f"baseline_s{failing}", "error.txt")
    assert f"karma: trial baseline_s{failing} failed; see {error}\n" in err
    assert (tmp_path / error).is_file()
    assert rows(run_dir / f"baseline_s{sound}")[-1]["agent_steps"] >= 25_600


# --- kill and resume ---------------------------------------------------------------------------


def states(run_dir: Path) -> dict[str, str]:
    """Trial folder -> status, from Tune's newest state file."""
    newest = max(run_dir.glob("experiment_state-*.json"), default=None)
    if newest is None:
        return {}
    try:
        data = [json.loads(text) for text, _ in json.loads(newest.read_text())["trial_data"]]
    except ValueError:  # being written
        return {}
    return {f"{d['config']['condition']}_s{d['config']['seed']}": d["status"] for d in data}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_after_kill_9_of_the_driver_resume_goes_on_and_loses_no_finished_trial(tmp_path):
    mark = uuid.uuid4().hex
    process = start(
        tmp_path,
        *("train", "smoke", "--seeds", "2", "--no-gif"),
        *("--set", "budget.agent_steps=160_000", "--set", "budget.checkpoint_every=5"),
        mark=mark,
    )
    end, found = time.monotonic() + 400, {}
    while time.monotonic() < end and process.poll() is None:
        run_dir = next(tmp_path.glob("results/*"), None)
        found = states(run_dir) if run_dir else {}
        if "TERMINATED" in found.values() and "RUNNING" in found.values():
            break
        time.sleep(0.5)
    assert process.poll() is None, "the experiment ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone(mark)

    finished = [name for name, status in found.items() if status == "TERMINATED"]
    kept = {name: (run_dir / name / "result.json").read_bytes() for name in finished}
    assert all(b'"agent_steps": 160000' in data for data in kept.values())

    code, out, err = finish(start(tmp_path, "resume", str(run_dir)), timeout=600)
    assert code == 0, err
    assert "karma_out" in out
    for name, data in kept.items():
        assert (run_dir / name / "result.json").read_bytes() == data
    assert set(states(run_dir).values()) == {"TERMINATED"}
    for condition in ("baseline", "karma_out"):
        for seed in (42, 123):
            life = {row["training_iteration"] for row in rows(run_dir / f"{condition}_s{seed}")}
            assert life == set(range(3, 51))
    assert len(json.loads((run_dir / "provenance.json").read_text())["resumed"]) == 1


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path):
    process = start(tmp_path, "train", "smoke", "--no-gif", "--set", "budget.agent_steps=3_000_000")
    end = time.monotonic() + 200
    while time.monotonic() < end and not list(tmp_path.glob("results/*/karma_out_s42/result.json")):
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    (run_dir,) = (tmp_path / "results").iterdir()
    assert code == 130
    assert err == f"karma: interrupted; go on with: karma resume results/{run_dir.name}\n"
