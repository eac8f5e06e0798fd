"""Scores in scenarios are archived in a small file, and pages are made of it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from karma_rllib.analysis import results, sittings
from karma_rllib.analysis.store import EpisodeStore, Key, Row
from karma_rllib.cli import app
from karma_rllib.config import ConfigError

SCORES = {"file:///runs/walker_s1": (0.25, 0.75), "random://": (0.0, 0.5)}


@pytest.fixture
def db(tmp_path):
    """Two policies, two scenarios of one suite, two seeds; the second scenario always scores 1."""
    path = tmp_path / "episodes.sqlite"
    with EpisodeStore(path) as store:
        for uri, scores in SCORES.items():
            for seed, score in enumerate(scores):
                for scenario, x in (("near", score), ("far", 1.0)):
                    key = Key(uri, 5, "walks", scenario, seed, "focal", "", "0.1")
                    rival = key._replace(policy_uri="bot://rival", role="background", npc=uri)
                    among = [Row(rival, 1, None, 2.0, 2.0, 9, {})] if scenario == "far" else []
                    store.add([Row(key, 0, x, 3.0, 3.0, 9, {}), *among])
    return path


def test_an_archive_holds_every_score_once(db, tmp_path):
    assert sittings.only(db)
    assert sittings.take(db, tmp_path / "kept") == []
    scores = sittings.read(tmp_path / "kept")
    assert len(scores) == 8
    near = scores.query("policy == 'walker_s1' and scenario == 'near'")
    assert sorted(near["score"]) == [0.25, 0.75]


def test_a_suite_is_the_mean_of_its_scenarios(db, tmp_path):
    sittings.take(db, tmp_path / "kept")
    found = sittings.by_scenario(sittings.read(tmp_path / "kept"))
    assert list(found) == [("walks", "near"), ("walks", "far"), ("walks", "")]
    assert found["walks", "near"]["walker_s1"].mean == 0.5
    assert found["walks", "far"]["random"][:3] == (1.0, 1.0, 1.0)
    assert found["walks", ""]["walker_s1"].mean == 0.75
    low, high = found["walks", ""]["walker_s1"][1:3]
    np.testing.assert_allclose((low, high), (0.625, 0.875), atol=1e-9)


def test_karma_results_archives_scores_and_makes_their_table(db, tmp_path, monkeypatch):
    (tmp_path / results.FOLDER).mkdir(parents=True)
    page = tmp_path / "README.md"
    page.write_text('<!-- made: scores kept walker_s1="the walker" -->\n<!-- end -->\n')
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["results", "--take", str(db), "--name", "kept"])
    assert done.exit_code == 0, done.output
    lines = page.read_text().splitlines()
    assert lines[1] == "| scenario | the walker | random |"
    assert lines[3] == "| `near` | .50 [.25, .75] | .25 [.00, .50] |"
    assert lines[5].startswith("| **walks** | .75 [")


def test_a_policy_that_did_not_play_all_is_named_in_a_note(db, tmp_path):
    key = Key("bot://late", 1, "walks", "near", 0, "focal", "", "0.1")
    with EpisodeStore(db) as store:
        store.add([Row(key, 0, 0.5, 3.0, 3.0, 9, {})])
    (note,) = sittings.take(db, tmp_path / "kept")
    assert "played far" in note


def test_no_scores_and_no_file_are_each_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="nothing") as caught:
        sittings.take(tmp_path / "nothing", tmp_path / "kept")
    assert "\n" not in str(caught.value)
    empty = tmp_path / "empty.sqlite"
    with EpisodeStore(empty):
        pass
    with pytest.raises(ConfigError, match="holds no scores"):
        sittings.take(empty, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
