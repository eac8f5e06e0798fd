"""Focal and background policies meet; what is missing is played, what is there is kept."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from karma_rllib.analysis import heatmap, meetings, store
from karma_rllib.analysis.kept import KINDS
from karma_rllib.cli import meeting as cli
from karma_rllib.config import ConfigError
from karma_rllib.envs import replay as files
from karma_rllib.envs import viewer
from karma_rllib.envs.replay_life import verify
from karma_rllib.envs.scene import PER_AGENT
from karma_rllib.experiment import meeting

SHORT = {"world": "harvest-v0", "profile": "gathering", "max_steps": 30}


def evaluate(path, focal, background=(), seeds=range(4), **kw):
    with store.EpisodeStore(path) as kept:
        pieces = meeting.missing(meeting.plan(focal, background, SHORT, **kw), seeds, kept)
        complaints = meeting.complete(pieces, kept)
    assert complaints == []
    return sum(len(piece) for _, piece in pieces)


def test_a_second_call_adds_rows_and_drops_none(tmp_path):
    file = tmp_path / "e.sqlite"
    assert evaluate(file, ["bot://bully", "bot://forager"]) == 4 * 4
    before = store.read(file)
    assert evaluate(file, ["bot://bully", "bot://forager"]) == 0
    assert evaluate(file, ["bot://bully", "bot://forager"], seeds=range(6)) == 2 * 4
    assert evaluate(file, ["random://"], ["bot://bully"]) == 4
    after = store.read(file)
    assert after.iloc[: len(before)].equals(before)
    assert len(after) == (4 * 6 + 4) * 4


def test_a_bully_among_foragers_earns_more_per_head_than_a_forager_among_bullies(tmp_path):
    file = tmp_path / "e.sqlite"
    evaluate(file, ["bot://bully", "bot://forager"], seeds=range(12))
    found = meetings.focal_only(meetings.cells(store.read(file)))
    mean = found.set_index(["policy_uri", "npc"])["mean"]
    assert mean["bot://bully", "bot://forager@1"] > mean["bot://forager", "bot://bully@1"]
    assert (found["n"] == 12).all()
    assert ((found["low"] <= found["mean"]) & (found["mean"] <= found["high"])).all()


def test_focal_and_background_are_told_apart_and_change_places(tmp_path):
    file = tmp_path / "e.sqlite"
    evaluate(file, ["bot://bully"], ["bot://forager"], seats=(1, 3))
    table = store.read(file)
    for scenario, share in (("gathering max_steps=30 1+3", 1), ("gathering max_steps=30 3+1", 3)):
        rows = table[table["scenario"] == scenario]
        focal = rows[rows["role"] == "focal"]
        assert (focal.groupby("seed").size() == share).all()
        assert set(focal["policy_uri"]) == {"bot://bully"}
        assert set(rows[rows["role"] == "background"]["policy_uri"]) == {"bot://forager"}
        assert set(focal["agent"]) == {0, 1, 2, 3}  # over four seeds
        hits = rows["stats"].map(lambda stats: stats.get("hits", 0.0))
        assert hits[rows["role"] == "background"].sum() == 0


@pytest.mark.parametrize(
    ("focal", "background", "seats", "says"),
    [
        (["bot://buly"], [], (1,), "no bot 'buly'"),
        (["bot://bully"], ["nowhere"], (1,), "nowhere: no such checkpoint"),
        (["bot://bully"], [], (4,), "4 focal agents do not leave anyone to meet among 4"),
        (["bot://cleaner"], [], (1,), "needs waste"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is(focal, background, seats, says):
    with pytest.raises(ConfigError, match=says):
        meeting.plan(focal, background, SHORT, seats)


def test_a_piece_that_fails_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    cells = meeting.plan(["bot://bully", "bot://forager"], ["random://"], SHORT)
    play = meeting.Cell.play

    def failing(cell, seeds):
        if cell.focal.bot == "bully":
            raise RuntimeError("the worker was lost")
        return play(cell, seeds)

    monkeypatch.setattr(meeting.Cell, "play", failing)
    with store.EpisodeStore(tmp_path / "e.sqlite") as kept:
        complaints = meeting.complete(meeting.missing(cells, range(2), kept), kept)
        assert complaints == ["bully among random: the worker was lost"]
        assert len(meeting.missing(cells, range(2), kept)) == 1
        table = kept.frame()
    assert set(table[table["failed"] != ""]["policy_uri"]) == {"bot://bully"}
    assert set(meetings.cells(table)["policy_uri"]) == {"bot://forager", "random://"}


POLICIES = ["bot://bully", "bot://forager", "random://"]


def test_an_evaluation_that_is_killed_is_completed_by_the_next_call(tmp_path):
    """Killed in the middle, the file is readable; then only what is missing is played, and the
    result is that of an evaluation that nobody killed."""
    killed, whole = tmp_path / "killed.sqlite", tmp_path / "whole.sqlite"
    command = [sys.executable, "-c", "from karma_rllib.cli import main; main()", "evaluate"]
    command += [*POLICIES, "--profile", "gathering", "--set", "max_steps=30", "--episodes", "8"]
    process = subprocess.Popen(
        [*command, "--db", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if killed.exists() and killed.stat().st_size and len(store.read(killed)):
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    part = store.read(killed)
    assert 0 < len(part) < 8 * 9 * 4
    assert (part.groupby(["seed", "npc", "policy_uri", "role"])["agent"].nunique() % 2 == 1).all()
    assert evaluate(killed, POLICIES, seeds=range(8)) == 8 * 9 - len(part) // 4
    assert evaluate(whole, POLICIES, seeds=range(8)) == 8 * 9
    one, two = store.read(killed), store.read(whole)
    assert one.iloc[: len(part)].equals(part)
    columns = ["policy_uri", "npc", "role", "seed", "agent", "raw_return"]
    one, two = (t[columns].sort_values(columns[:-1]).to_numpy() for t in (one, two))
    assert np.array_equal(one, two)


def test_what_is_worth_seeing_of_a_meeting_is_kept_and_linked(tmp_path, capsys):
    place = {"world": "harvest-v0", "profile": "gathering", "max_steps": 30}
    db = tmp_path / "deep" / "e.sqlite"
    for _ in range(2):  # the second time nothing is played and nothing written anew
        code = cli.meet(["bot://bully"], ["bot://forager"], place, [1], 6, 0, db, 1)
        assert code == 0
    table = store.read(db)
    seen = table[table["replay"] != ""]
    assert 2 <= seen["replay"].nunique() <= 3
    assert set(seen["seed"].value_counts()) == {4}  # all four agents tell the file
    for path, rows in seen.groupby("replay"):
        again = files.load(db.parent / path)
        verify(again)
        assert again.head.uid == rows["seed"].iloc[0]
        focal = rows[rows["role"] == "focal"]["agent"].tolist()
        assert focal == [i for i, name in enumerate(again.head.policies) if "bully" in name]
        *_, last = viewer.looks_of(again)
        at = [PER_AGENT.index(name) for name in ("total", "hits")]
        want = rows.sort_values("agent")[["raw_return"]].assign(
            hits=rows["stats"].map(lambda stats: stats.get("hits", 0))
        )
        assert np.allclose(last[0].agents[:, at] / [1000, 1], want, atol=1e-3)

    out = tmp_path / "drawn"
    cli.analyze(db, out, "raw_return")
    (row,) = heatmap.tidy(table).to_dict("records")
    per_episode = table[table["role"] == "focal"].groupby("seed")["raw_return"].mean()
    assert int(Path(row["best"]).stem) == per_episode.idxmax()
    page = (out / "heatmap.html").read_text()
    links = set(re.findall(r'href="([^"]+)"', page))
    assert links == {quote(row[kind].replace(".replay", ".html")) for kind in KINDS if row[kind]}
    assert all("follow" in (out / link).read_text().lower() for link in links)

    (db.parent / row["best"]).write_bytes(b"broken")
    capsys.readouterr()
    cli.analyze(db, tmp_path / "again", "raw_return")
    assert "it is not a replay" in capsys.readouterr().err
    assert Path(row["best"]).stem + ".html" not in (tmp_path / "again/heatmap.html").read_text()


@pytest.mark.ray
def test_ray_tasks_give_the_rows_that_this_process_gives(tmp_path):
    rows = []
    for workers in (1, 2):
        cells = meeting.plan(["bot://bully"], ["random://"], SHORT)
        with store.EpisodeStore(tmp_path / f"{workers}.sqlite") as kept:
            pieces = meeting.missing(cells, range(20), kept)
            assert meeting.complete(pieces, kept, workers) == []
            table = kept.frame().drop(columns=["id", "time"])
        rows.append(json.dumps(table.sort_values(["seed", "agent"]).to_numpy().tolist()))
    assert rows[0] == rows[1]
