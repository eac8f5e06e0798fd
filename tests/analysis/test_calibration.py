"""Ecologies are chosen by the gate, on baselines alone."""

import json

import pytest
from planted import planted_run

from karma_rllib.analysis import calibration
from karma_rllib.cli import calibrating, training
from karma_rllib.config import ConfigError

HARM_ONLY = {"violence_rate": 0.004, "yield_rate": 0.03, "max_cooperation": 0.0}


def tried(root, name, hits, advantage=0.3):
    arms = {"baseline": {"hits": hits}, "karma": {"hits": 9.0}}
    folder = planted_run(root, arms, n=2, name=name, hit_advantage=advantage, sd=0.02)
    return calibration.measure(folder, {"world.timeout": len(name)}, HARM_ONLY, 0.2)


def test_the_most_violent_setting_that_passes_is_frozen(tmp_path):
    calm, harsh = tried(tmp_path, "calm", 0.3), tried(tmp_path, "harsh", 1.0)
    idle = tried(tmp_path, "idle_zaps", 2.0, advantage=-0.1)
    assert (calm.passed, harsh.passed, idle.passed) == (False, True, False)
    assert harsh.times_random == pytest.approx(2.5, rel=0.1)  # of the baseline, not of karma
    assert calibration.pick([calm, harsh, idle]) is harsh
    assert calibration.pick([calm, idle]) is None


def test_every_combination_is_planned_once():
    got = calibration.combinations({"a": (1, 2), "b": (3, 4)})
    assert got == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]


def test_what_was_frozen_is_laid_over_another_experiment(tmp_path):
    harsh = tried(tmp_path, "harsh", 1.0)._replace(settings={"world.timeout": 50})
    path = tmp_path / "freeze.json"
    path.write_text(json.dumps(calibration.freeze([harsh], harsh, "x", "now"), allow_nan=False))
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nworld: {profile: gathering}\nconditions: [baseline]\n")
    assert training.load(str(file), [], freeze=path).world_params.timeout == 50
    assert training.load(str(file), ["world.timeout=10"], freeze=path).world_params.timeout == 10


def test_what_is_no_freeze_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file; write one with karma calibrate"):
        calibration.frozen(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ConfigError, match="is no freeze file"):
        calibration.frozen(tmp_path / "x.json")


def test_values_to_try_are_read_as_yaml():
    assert calibrating._values("world.timeout=25,50") == ("world.timeout", (25, 50))
    with pytest.raises(ConfigError, match="key=value,value"):
        calibrating._values("world.timeout")


def test_karma_calibrate_runs_the_grid_and_writes_the_choice(tmp_path, monkeypatch, capsys):
    from karma_rllib import experiment
    from karma_rllib.analysis import registration

    ran = []

    def run(config, storage, address):
        assert config.conditions == ("baseline",)
        assert config.budget.agent_steps == 12_345
        ran.append(config.world_params.timeout)
        hits = 1.0 if ran[-1] == 50 else 0.3
        folder = planted_run(tmp_path, {"baseline": {"hits": hits}}, n=2, name=f"t{ran[-1]}")
        return experiment.Outcome(folder)

    monkeypatch.setattr(experiment, "run", run)
    monkeypatch.setattr(registration, "random_policy", lambda config: HARM_ONLY)
    out = tmp_path / "freeze.json"
    grid = ["world.timeout=25,50"]
    shorter = ["budget.agent_steps=12_345"]
    assert calibrating.calibrate("calibrate_ecology", grid, shorter, tmp_path, None, out) == 0
    assert ran == [25, 50]
    assert calibration.frozen(out) == ["world.timeout=50"]
    assert "frozen" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="is there already"):
        calibrating.calibrate("calibrate_ecology", grid, [], tmp_path, None, out)
