"""The file of episodes is only ever added to, and survives whoever writes it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from karma_rllib.analysis.store import EpisodeStore, Key, Row, current, read

KEY = Key("bot://bully", 1, "harvest-v0", "gathering", 0, "focal", "bot://forager@1", "0.1.0")


def rows(key=KEY, agents=2, **kw):
    return [Row(key, i, None, 1.0 + i, 2.0, 40, {"hits": 3.0}, **kw) for i in range(agents)]


def test_rows_come_back_as_they_were_written(tmp_path):
    with EpisodeStore(tmp_path / "deep" / "e.sqlite") as store:
        assert store.add(rows()) == 2
        assert store.has(KEY)
        assert not store.has(KEY._replace(seed=1))
    table = read(tmp_path / "deep" / "e.sqlite")
    assert table["raw_return"].tolist() == [1.0, 2.0]
    assert table["stats"].tolist() == [{"hits": 3.0}] * 2
    assert table["version"].dtype == "int64"


def test_what_is_there_is_never_replaced_or_dropped(tmp_path):
    with EpisodeStore(tmp_path / "e.sqlite") as store:
        store.add(rows())
        changed = [row._replace(raw_return=9.0) for row in rows()]
        assert store.add(changed) == 0
        assert store.add(rows(KEY._replace(scenario="another"))) == 2
    with sqlite3.connect(tmp_path / "e.sqlite") as db:
        for statement in ("DELETE FROM episodes", "UPDATE episodes SET raw_return = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                db.execute(statement)
    assert read(tmp_path / "e.sqlite")["raw_return"].tolist() == [1.0, 2.0] * 2


def test_versions_are_compared_as_numbers(tmp_path):
    with EpisodeStore(tmp_path / "e.sqlite") as store:
        for version in (9, 10):
            store.add(rows(KEY._replace(version=version)))
        with pytest.raises(sqlite3.IntegrityError):
            store.add(rows(KEY._replace(version="v9")))
    assert read(tmp_path / "e.sqlite")["version"].max() == 10


def test_an_episode_that_failed_is_kept_and_may_be_played_again(tmp_path):
    with EpisodeStore(tmp_path / "e.sqlite") as store:
        store.add(rows(failed="took too long"))
        assert not store.has(KEY)
        store.add(rows())
        assert store.has(KEY)
        assert len(store.frame()) == 4
        assert len(current(store.frame())) == 2


def test_only_the_code_that_played_last_counts(tmp_path):
    with EpisodeStore(tmp_path / "e.sqlite") as store:
        store.add(rows())
        store.add(rows(KEY._replace(code_version="0.2.0")))
        assert set(current(store.frame())["code_version"]) == {"0.2.0"}


def test_other_files_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="no such file of episodes"):
        read(tmp_path / "nothing")
    (tmp_path / "text").write_text("this is not a database, however long it may be" * 99)
    with pytest.raises(ValueError, match="is no file of episodes"):
        read(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(ValueError, match="database of something else"):
        read(tmp_path / "other")


WRITER = """
import sys
from karma_rllib.analysis.store import EpisodeStore, Key, Row
with EpisodeStore(sys.argv[1]) as store:
    for seed in range(10**6):
        key = Key("bot://bully", 1, "harvest-v0", "gathering", seed, "focal", "", "0.1.0")
        store.add([Row(key, i, None, 1.0, 1.0, 40, {"hits": 3.0}) for i in range(50)])
        print(seed, flush=True)
"""


def test_a_killed_writer_leaves_whole_episodes(tmp_path):
    """Killed anywhere, the file holds every episode that was reported, and none by halves."""
    file = tmp_path / "e.sqlite"
    for pause in (0.02, 0.1, 0.3):
        command = [sys.executable, "-c", WRITER, str(file)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        reported = [writer.stdout.readline()]
        time.sleep(pause)
        os.kill(writer.pid, signal.SIGKILL)
        reported += writer.stdout.read().splitlines()
        assert writer.wait() == -signal.SIGKILL
        table = read(file)
        assert (table.groupby("seed").size() == 50).all()
        done = {int(line) for line in reported if line.strip().isdigit()}
        assert done <= set(table["seed"])
