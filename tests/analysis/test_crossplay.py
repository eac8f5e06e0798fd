"""Meetings are archived in a small file, and pages are made of it."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from karma_rllib.analysis import crossplay, results
from karma_rllib.analysis.store import EpisodeStore, Key, Row
from karma_rllib.cli import app
from karma_rllib.config import ConfigError

POLICIES = ("file:///runs/x/calm_s1", "file:///runs/x/calm_s2", "bot://bully")
MINUS = "\N{MINUS SIGN}"
FORCE = {"calm_s1": 0.0, "calm_s2": 0.0, "bully": 2.0}


def earned(me, other, seed):
    """A planted return: a bully takes what its company has."""
    return 10 + 3 * FORCE[me] - 4 * FORCE[other] + seed


@pytest.fixture
def db(tmp_path):
    """Every policy has met every policy, four episodes each; 1 of 3 agents is focal."""
    path = tmp_path / "episodes.sqlite"
    with EpisodeStore(path) as store:
        for me in POLICIES:
            for other in POLICIES:
                for seed in range(4):
                    store.add(rows(me, other, seed))
    return path


def rows(me, other, seed, scenario="gathering 1+2"):
    a, b = me.rpartition("/")[2], other.rpartition("/")[2]
    key = Key(me, 5, "harvest-v0", scenario, seed, "focal", f"{other}@5", "0.1")
    back = key._replace(policy_uri=other, role="background", npc=f"{me}@5")
    stats = {"hits": FORCE[a]}
    yield Row(key, 0, None, earned(a, b, seed), 0.0, 9, stats)
    for k in (1, 2):
        yield Row(back, k, None, earned(b, a, seed) + k, 0.0, 9, {})


@pytest.fixture
def root(tmp_path, db):
    (tmp_path / results.FOLDER).mkdir(parents=True)
    assert crossplay.take(db, tmp_path / results.FOLDER / "met") == []
    return tmp_path


def test_the_picture_leaves_the_backend_of_the_process_alone(root, monkeypatch):
    def refuse(backend, **options):
        raise AssertionError(f"matplotlib.use({backend!r})")

    monkeypatch.setattr(matplotlib, "use", refuse)
    folder = root / results.FOLDER / "met"
    before = (folder / crossplay.PICTURE).read_bytes()
    crossplay.picture(crossplay.read(folder), folder / crossplay.PICTURE)
    assert (folder / crossplay.PICTURE).read_bytes() == before


def test_an_archive_holds_every_episode_once(root):
    frame = crossplay.read(root / results.FOLDER / "met")
    assert len(frame) == 3 * 3 * 4
    row = frame.set_index(["focal", "background", "seed"]).loc["calm_s1", "bully", 2]
    assert row["earned"] == earned("calm_s1", "bully", 2)
    assert row["others"] == earned("bully", "calm_s1", 2) + 1.5
    assert row["hits"] == 0
    assert crossplay.kinds(frame) == ["calm", "bully"]
    assert (root / results.FOLDER / "met" / crossplay.PICTURE).stat().st_size > 1000


def test_gain_and_harm_compare_with_a_member_in_the_same_place(root):
    found = crossplay.matrix(crossplay.read(root / results.FOLDER / "met"), "gain")
    assert found["bully", "calm"].mean == pytest.approx(6)  # what its force takes
    assert found["calm", "bully"].mean == pytest.approx(-6)
    assert found["calm", "calm"] == pytest.approx((0, 0, 0, 4))
    harm = crossplay.matrix(crossplay.read(root / results.FOLDER / "met"), "harm")
    assert harm["bully", "calm"].mean == pytest.approx(-8)


def test_an_interval_is_as_wide_as_what_was_drawn_anew():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 1, 400))
    mean, low, high, n = crossplay.pigeonhole(noise)
    half = 1.96 * noise.std() / 20
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.1)
    assert n == 1
    same = np.broadcast_to(np.array([0.0, 1.0, 2.0])[:, None, None], (3, 3, 8))
    assert crossplay.pigeonhole(same)[1:3] == pytest.approx((0, 2), abs=0.35)
    assert crossplay.pigeonhole(np.ones((3, 3, 2)))[:3] == (1, 1, 1)


def test_a_page_is_made_of_the_archive_and_stays_as_it_is(root):
    page = root / "README.md"
    page.write_text("<!-- made: met met gain only=calm -->\nold\n<!-- end -->\n")
    text = results.remade(page, root)
    assert "| calm | .00 [.00, .00] | -6.00 [-6.00, -6.00] |" in text.replace(MINUS, "-")
    assert "bully |" in text.splitlines()[1]
    page.write_text(text)
    assert results.remade(page, root) == text
    page.write_text("<!-- made: met met gane -->\n<!-- end -->\n")
    with pytest.raises(ConfigError, match="did you mean 'gain'"):
        results.remade(page, root)


def test_what_has_not_met_everybody_is_left_out_and_said(db, tmp_path):
    with EpisodeStore(db) as store:
        store.add(rows(POLICIES[0], POLICIES[2], 9))
    assert crossplay.take(db, tmp_path / "met") == ["1 episodes left out"]
    with EpisodeStore(db) as store:
        store.add(rows(POLICIES[0], POLICIES[2], 9, "gathering 2+1"))
    with pytest.raises(ConfigError, match="2 kinds of meetings"):
        crossplay.take(db, tmp_path / "met")
    with pytest.raises(ConfigError, match="no such file"):
        crossplay.take(tmp_path / "nothing", tmp_path / "met")


def test_the_command_archives_a_file_of_episodes(root, db, monkeypatch):
    monkeypatch.chdir(root)
    run = CliRunner()
    done = run.invoke(app, ["results", "--take", str(db), "--name", "again"])
    assert done.exit_code == 0, done.stderr
    one, two = (pd.read_csv(root / results.FOLDER / name / crossplay.EPISODES)
                for name in ("met", "again"))  # fmt: skip
    assert one.equals(two)
    refused = run.invoke(app, ["results", "--take", str(db)])
    assert refused.exit_code == 2
    assert "a file of episodes has no name" in refused.stderr
