"""Registrations: written once, sealed, and held against what ran."""

import json

import pytest
from planted import planted_run
from typer.testing import CliRunner

from karma_rllib import worlds
from karma_rllib.analysis import registration
from karma_rllib.cli import app, training
from karma_rllib.config import ConfigError, ExperimentConfig, files


def karma(*arguments):
    """Run the command in this process: (exit code, stdout, stderr)."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A planted run with the registration of its experiment inside."""
    root = tmp_path_factory.mktemp("sealed")
    arms = {"baseline": {}, "karma": {"hits": 0.3}}
    folder = planted_run(root, arms, n=5)
    config = ExperimentConfig.load(folder / "experiment.yaml")
    data = registration.make(config, "2029-12-31T00:00:00+00:00", None)
    (folder / registration.IN_RUN).write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.fixture
def copied(sealed, tmp_path):
    import shutil

    return shutil.copytree(sealed, tmp_path / "copy")


def test_a_registration_says_what_will_be_judged_and_how(sealed):
    known = registration.read(sealed / registration.IN_RUN)
    assert known.rules.late_fraction == 0.2
    assert known.predictions == registration.PREDICTIONS
    assert (
        known.experiment.fingerprint()
        == registration._flat(json.loads((sealed / registration.IN_RUN).read_text()))["fingerprint"]
    )


def test_the_random_policys_rates_are_those_of_the_worlds_own_table(sealed):
    got = registration.read(sealed / registration.IN_RUN).random_policy
    stored = worlds.random_reference("dual_cleanup")
    for name in ("violence_rate", "yield_rate", "cooperation_rate"):
        assert got[name] == pytest.approx(stored[name], rel=0.1)
    assert got["max_cooperation"] == pytest.approx(0.1 / 5)


def test_karma_verdict_judges_a_registered_run(sealed, tmp_path):
    code, out, _ = karma("verdict", sealed, "--out", tmp_path / "v.json")
    assert code == 0
    assert "A3a" in out
    assert "supported" in out
    data = json.loads((tmp_path / "v.json").read_text())
    assert data["notes"] == []
    assert {"A3a": "supported"}.items() <= {v["id"]: v["verdict"] for v in data["verdicts"]}.items()


def test_a_changed_experiment_is_refused_in_a_sentence_that_names_the_change(copied):
    path = copied / "experiment.yaml"
    data = {**files.read(path)[0], "ppo": {"gae_lambda": 0.95}}
    path.write_text(files.dump(data))
    code, out, err = karma("verdict", copied)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "`ppo.gae_lambda` is 0.95, registered was 0.3" in err


def test_what_changes_no_result_may_change(copied):
    path = copied / "experiment.yaml"
    path.write_text(files.dump({**files.read(path)[0], "about": "other words"}))
    assert karma("verdict", copied)[0] == 0


def test_changed_rules_break_the_seal(copied):
    path = copied / registration.IN_RUN
    data = json.loads(path.read_text())
    data["rules"]["sesoi"] = 0.05
    path.write_text(json.dumps(data))
    code, _, err = karma("verdict", copied)
    assert code == 2
    assert "was changed after it was written; its seal is broken" in err


def test_a_run_that_began_before_its_registration_is_exploratory(copied):
    path = copied / "provenance.json"
    path.write_text(json.dumps({"created": "2029-01-01T00:00:00+00:00"}))
    _, out, _ = karma("verdict", copied)
    assert "its verdicts are exploratory" in " ".join(out.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not JSON"), ("{}", "is no registration"), (None, "no such registration")],
)
def test_what_is_no_registration_is_refused(tmp_path, text, words):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        registration.read(path)


def test_karma_preregister_writes_once_and_train_takes_it_along(tmp_path, monkeypatch):
    monkeypatch.setattr(registration, "random_policy", lambda config: {"violence_rate": 0.004})
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nworld: {profile: dual_cleanup}\nseeds: 3\n")
    code, out, _ = karma("preregister", file)
    assert code == 0
    assert "3 seeds are too few" in out
    written = tmp_path / "mine.registered.json"
    assert registration.read(written).experiment == ExperimentConfig.load(file).resolved()
    code, _, err = karma("preregister", file)
    assert code == 2
    assert "a registration is written once" in err
    run = tmp_path / "run"
    run.mkdir()
    training._take_along(training._registration(file, ExperimentConfig.load(file)), run)
    assert (run / registration.IN_RUN).read_bytes() == written.read_bytes()


def test_a_run_that_differs_from_the_registered_one_is_told_and_goes_without(
    sealed, tmp_path, capsys
):
    config = ExperimentConfig.load(sealed / "experiment.yaml")
    file = tmp_path / "mine.yaml"
    source = registration.beside(file)
    source.write_bytes((sealed / registration.IN_RUN).read_bytes())
    assert training._registration(file, config) == source
    assert "registration: " in capsys.readouterr().out
    other = config.with_overrides(["tvt.memory_persist=false"])
    assert training._registration(file, other) is None
    told = capsys.readouterr().out
    assert "not registered" in told
    assert "`tvt.memory_persist` is False, registered was True" in told
    source.write_text(source.read_text().replace("2029-12-31", "2025-01-01"))
    with pytest.raises(ConfigError, match="its seal is broken"):
        training._registration(file, config)
