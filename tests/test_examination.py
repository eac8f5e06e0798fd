"""Policies sit the scenarios through `karma evaluate`, and what they did there is kept."""

import numpy as np
import pytest
from typer.testing import CliRunner

from karma_rllib.analysis import meetings
from karma_rllib.analysis.store import EpisodeStore, read
from karma_rllib.cli import app
from karma_rllib.config import ConfigError
from karma_rllib.envs import replay as files
from karma_rllib.envs import scenarios
from karma_rllib.envs.replay_life import relive, verify
from karma_rllib.envs.suites import table
from karma_rllib.envs.suites.oracles import random_player
from karma_rllib.experiment import examination, meeting


def sit(file, names, policies, background=(), seeds=range(3), seed=0):
    """Play what is missing; returns the sittings, how many were played, and all rows."""
    sittings, why = examination.plan(names, policies, background, seed)
    assert why == []
    with EpisodeStore(file) as store:
        pieces = meeting.missing(sittings, seeds, store)
        assert meeting.complete(pieces, store) == []
        return sittings, sum(len(part) for _, part in pieces), store.frame()


def karma(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_scripted_forager_uses_machines_and_random_play_does_not(tmp_path):
    forager, chance = ["bot://forager"], ["random://"]
    (one,), _, rows = sit(tmp_path / "e", ["full_chain"], forager, seeds=range(16))
    assert one.mark(rows, range(16)).score.mean > 0.5
    assert one.mark(rows, range(16)).background is None
    (one,), _, rows = sit(tmp_path / "e", ["full_chain"], chance, seeds=range(16))
    assert one.mark(rows, range(16)).score.mean < 0.2


def test_the_score_is_that_of_the_scenario(tmp_path):
    """Random play scores what the table of oracles and random play says, guessing taken off and
    the three kinds of rivals counting alike."""
    for name in ("cue_10", "duel"):
        scenario = scenarios.scenario(name)
        (one,), _, rows = sit(tmp_path / "e", [name], ["random://"], seeds=range(16))
        found = one.mark(rows, range(16)).score
        assert found.mean == pytest.approx(table.results(scenario, random_player)[0])
        assert found.low <= found.mean <= found.high
        assert found.n == 16


def test_a_second_call_plays_only_what_is_missing(tmp_path):
    file = tmp_path / "e"
    assert sit(file, ["harvest"], ["bot://forager"])[1] == 3
    before = read(file)
    assert sit(file, ["harvest"], ["bot://forager"], seeds=range(5))[1] == 2
    assert sit(file, ["harvest"], ["bot://forager"], seeds=range(5), seed=1)[1] == 5
    after = read(file)
    assert after.iloc[: len(before)].equals(before)
    assert set(after["scenario"]) == {"harvest", "harvest chances=1"}
    assert set(after["suite"]) == {"object_use"}


@pytest.mark.parametrize("name", ["full_chain", "shield_up", "duel"])
def test_what_is_worth_seeing_is_kept_as_it_was_played(name, tmp_path):
    sittings, _ = examination.plan([name], ["bot://giver"], replays=tmp_path / "replays")
    with EpisodeStore(tmp_path / "e") as store:
        assert meeting.complete(meeting.missing(sittings, range(6), store), store) == []
        rows = store.frame()
    seen = rows[rows["replay"] != ""]
    assert 1 <= seen["replay"].nunique() <= 3
    judged = rows[rows["role"] == "focal"].groupby("seed")["raw_return"].mean()
    best = seen[seen["seed"] == judged.idxmax()]
    assert len(best) == (rows["seed"] == judged.idxmax()).sum()  # all agents tell the file
    for path, own in seen.groupby("replay"):
        again = files.load(tmp_path / path)
        verify(again)
        assert again.head.seed == own["seed"].iloc[0]
        focal = own[own["role"] == "focal"]["agent"].tolist()
        assert focal == [i for i, who in enumerate(again.head.policies) if "giver" in who]
        earned = sum(now.reward for now in relive(again) if now.reward is not None)
        np.testing.assert_allclose(earned, own.sort_values("agent")["raw_return"], atol=1e-5)
    assert "best" in files.load(tmp_path / best["replay"].iloc[0]).head.note


def test_rivals_are_told_apart_from_who_is_judged(tmp_path):
    (one,), _, rows = sit(tmp_path / "e", ["scarce_3"], ["bot://forager"], seeds=range(3))
    focal = rows[rows["role"] == "focal"]
    assert set(focal["npc"]) == {"bot://random@1", "bot://forager@1", "bot://raider@1"}
    others = rows[rows["role"] == "background"]
    assert set(others["policy_uri"]) == {"bot://random", "bot://forager", "bot://raider"}
    assert set(others["npc"]) == {"bot://forager@1"}
    assert (focal.groupby("seed").size() == 1).all()
    assert (others.groupby("seed").size() == 2).all()
    assert others["score"].isna().all()
    mark = one.mark(rows, range(3))
    heads = others.groupby("seed")["raw_return"].mean()
    assert mark.background.mean == pytest.approx(heads.mean())
    assert mark.focal.mean == pytest.approx(focal["raw_return"].mean())


def test_a_background_takes_the_seats_of_the_rivals(tmp_path):
    file = tmp_path / "e"
    sit(file, ["duel"], ["bot://forager"], seeds=range(3))
    (one,), played, rows = sit(file, ["duel"], ["bot://forager"], ["bot://giver"], range(3))
    assert played == 3
    met = rows[rows["npc"] == "bot://giver@1"]
    assert set(met["policy_uri"]) == {"bot://forager"}
    mine = rows[(rows["policy_uri"] == "bot://giver") & (rows["role"] == "background")]
    assert one.mark(rows, range(3)).background.mean == pytest.approx(mine["raw_return"].mean())
    with pytest.raises(ConfigError, match="disperse_4 has no rivals whom --background could play"):
        examination.plan(["disperse_4"], ["random://"], ["bot://giver"])


def test_means_of_groups_keep_their_size():
    found = meetings.grouped_interval([0, 0, 0, 1], ["a", "a", "a", "b"])
    assert (found.mean, found.low, found.high, found.n) == (0.5, 0.5, 0.5, 4)
    assert examination.overall([("a", 0.0), ("a", 1.0), ("b", 1.0)]) == 0.75


def test_the_command_prints_scores_and_returns_and_keeps_the_episodes(tmp_path):
    words = ["--scenario", "harvest", "--scenario", "duel", "--episodes", 2, "--db", tmp_path / "e"]
    done = karma("evaluate", "random://", "bot://forager", *words)
    assert done.exit_code == 0, done.stderr
    assert "8 episodes added, 0 were there" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["object_use", "harvest", "random", "0.00"] in [line[:4] for line in lines]
    assert any(line[:1] == ["random:"] and line[2:4] == ["over", "all,"] for line in lines)
    again = karma("evaluate", "random://", "bot://forager", *words)
    assert "0 episodes added, 8 were there" in again.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bot://nobody", "--scenario", "harvest"], "nobody"),
        (["random://", "--scenario", "harvst"], "did you mean 'harvest'"),
        (["random://", "--suite", "mazes"], "did you mean 'maze'"),
        (["random://", "--suite", "maze", "--profile", "prey"], "--profile: a scenario has"),
        (["random://", "--suite", "maze", "--set", "map_height=3"], "--set: a scenario has"),
        (["/nowhere", "--suite", "maze"], "no such checkpoint"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words, says, tmp_path):
    refused = karma("evaluate", *words, "--db", tmp_path / "e")
    assert refused.exit_code == 2
    assert says in refused.stderr
    assert not (tmp_path / "e").exists()


def test_what_a_policy_cannot_play_is_named_and_the_rest_is_played(tmp_path):
    words = ["--scenario", "duel", "--scenario", "disperse_4", "--background", "random://"]
    done = karma("evaluate", "random://", *words, "--episodes", 1, "--db", tmp_path / "e")
    assert done.exit_code == 0, done.stderr
    assert "not played: random in disperse_4 among random: disperse_4 has no rivals" in done.stdout
