"""Policies sit the scenarios, and what they scored is kept."""

import pytest
from typer.testing import CliRunner

from karma_rllib.analysis.store import EpisodeStore, read
from karma_rllib.cli import app
from karma_rllib.config import ConfigError
from karma_rllib.envs import scenarios
from karma_rllib.experiment import examination

FORAGER, CHANCE = examination.find(["bot://forager", "random://"])


def test_a_scripted_forager_uses_machines_but_does_not_remember():
    chain = examination.examine(FORAGER, scenarios.scenario("full_chain"))
    assert chain.score > 0.5
    assert chain.episodes == 16
    assert examination.examine(CHANCE, scenarios.scenario("full_chain")).score < 0.2


def test_episodes_are_kept_once_and_a_second_call_plays_only_what_is_missing(tmp_path, monkeypatch):
    file, scenario = tmp_path / "episodes.sqlite", scenarios.scenario("harvest")
    with EpisodeStore(file) as store:
        some = examination.examine(FORAGER, scenario, range(3), store)
        assert some.episodes == 3
        played = []
        real = examination.play
        monkeypatch.setattr(examination, "play", lambda *a: played.append(a[1]) or real(*a))
        more = examination.examine(FORAGER, scenario, range(5), store)
        assert played == [3, 4]
        assert more == examination.examine(FORAGER, scenario, range(5))
    table = read(file)
    assert sorted(table["seed"]) == [0, 1, 2, 3, 4]
    assert set(table["suite"]) == {"object_use"}
    assert set(table["role"]) == {"focal"}


def test_rows_average_to_the_score_also_where_guessing_is_taken_off(tmp_path):
    with EpisodeStore(tmp_path / "episodes.sqlite") as store:
        mark = examination.examine(CHANCE, scenarios.scenario("cue_10"), range(4), store)
        assert mark.score == max(store.frame()["score"].mean(), 0)
        assert store.frame()["score"].min() == -1  # worse than guessing


def test_rivals_are_named_like_the_bots_they_are(tmp_path):
    with EpisodeStore(tmp_path / "episodes.sqlite") as store:
        examination.examine(FORAGER, scenarios.scenario("duel"), range(3), store)
        names = set(store.frame()["npc"])
    assert names == {"bot://random@1", "bot://forager@1", "bot://raider@1"}


def test_the_command_prints_scores_and_says_who_is_not_there():
    run = CliRunner()
    done = run.invoke(
        app, ["suites", "harvest", "cue_10", "--policy", "random://", "--policy", "bot://forager",
              "--seeds", "2"]
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "| suite | scenario | random | forager |"
    assert lines[2].startswith("| object_use | `harvest` | 0.00 |")
    assert lines[-1].startswith("| all |")
    refused = run.invoke(app, ["suites", "harvest", "--policy", "bot://nobody"])
    assert refused.exit_code == 2
    assert "nobody" in refused.stderr
    with pytest.raises(ConfigError):
        examination.find(["file:///nowhere"])
