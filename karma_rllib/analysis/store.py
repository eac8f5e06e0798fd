"""The episodes that policies have played, in one SQLite file that is only ever added to.

A row is what one agent did in one episode.  Its key says who played what against whom, with which
seed and code; an episode that is there is never played or written again, and none is ever dropped:
the file itself refuses to change or delete rows.  An episode's rows are written in one transaction,
so that a killed process leaves whole episodes and the next call plays those that are missing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pandas as pd

SCHEMA = 1
APPLICATION = 0x6B61726D  # "karm": marks the file as ours
FOCAL, BACKGROUND = "focal", "background"


class Key(NamedTuple):
    """What identifies an episode of one policy among others."""

    policy_uri: str
    version: int  # agent-steps of training; of a bot its version
    suite: str
    scenario: str
    seed: int
    role: str  # focal or background
    npc: str  # whom it met: "uri@version", several joined by a space; "" for nobody
    code_version: str


class Row(NamedTuple):
    """One agent in one episode; `failed` says why an episode has no result, "" if it has one."""

    key: Key
    agent: int
    score: float | None  # of a scenario, in [0, 1]; None where there is no scorer
    raw_return: float  # rewards as earned [reward units]
    shared_return: float  # as shared among relatives [reward units]
    steps: int  # [env-steps]
    stats: Mapping[str, float] = {}
    failed: str = ""
    replay: str = ""  # file of a replay


_COLUMNS = (
    *Key._fields, "agent", "score", "raw_return", "shared_return", "steps", "stats_json",
    "failed", "replay", "time",
)  # fmt: skip

_TABLE = (
    """CREATE TABLE episodes (
  id INTEGER PRIMARY KEY,
  policy_uri TEXT NOT NULL, version INTEGER NOT NULL CHECK (typeof(version) = 'integer'),
  suite TEXT NOT NULL, scenario TEXT NOT NULL, seed INTEGER NOT NULL,
  role TEXT NOT NULL, npc TEXT NOT NULL, code_version TEXT NOT NULL, agent INTEGER NOT NULL,
  score REAL, raw_return REAL, shared_return REAL, steps INTEGER NOT NULL,
  stats_json TEXT NOT NULL, failed TEXT NOT NULL, replay TEXT NOT NULL, time TEXT NOT NULL,
  UNIQUE (policy_uri, version, suite, scenario, seed, role, npc, code_version, agent, failed)
)""",
    """CREATE TRIGGER keep_rows BEFORE DELETE ON episodes
  BEGIN SELECT RAISE(ABORT, 'episodes are only ever added'); END""",
    """CREATE TRIGGER keep_values BEFORE UPDATE ON episodes
  BEGIN SELECT RAISE(ABORT, 'episodes are only ever added'); END""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)


class EpisodeStore:
    """The file; use it as a context manager.

    Args:
        path: of the file; made, with its folder, unless `create` is false.
        create: whether to make a file that is not there.

    Raises:
        ValueError: no such file, or one that is not a store of episodes.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            if not create:
                raise ValueError(f"{self.path}: no such file of episodes; karma evaluate makes one")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, timeout=60)
        try:
            self._prepare()
        except sqlite3.DatabaseError as err:
            self._db.close()
            raise ValueError(f"{self.path} is no file of episodes: {err}") from None
        except ValueError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        """Make the table in a new file, check the mark of an old one."""
        with self._db:  # two processes may open a new file at once
            self._db.execute("BEGIN IMMEDIATE")
            found = self._db.execute("PRAGMA application_id").fetchone()[0]
            empty = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if empty:
                for statement in _TABLE:
                    self._db.execute(statement)
            elif found != APPLICATION:
                raise ValueError(f"{self.path} is a database of something else")
            elif (version := self._db.execute("PRAGMA user_version").fetchone()[0]) != SCHEMA:
                raise ValueError(f"{self.path} has schema {version} but only {SCHEMA} can be read")

    def add(self, rows: Iterable[Row]) -> int:
        """Write rows, all or none; those that are there already stay as they are.

        Returns:
            How many were new.
        """
        values = [
            (*row.key, row.agent, row.score, row.raw_return, row.shared_return, row.steps,
             json.dumps(dict(row.stats), sort_keys=True), row.failed, row.replay)
            for row in rows
        ]  # fmt: skip
        marks = ", ".join("?" * (len(_COLUMNS) - 1))
        statement = (
            f"INSERT INTO episodes ({', '.join(_COLUMNS)}) "
            f"VALUES ({marks}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) ON CONFLICT DO NOTHING"
        )
        before = self._db.total_changes
        with self._db:
            self._db.executemany(statement, values)
        return self._db.total_changes - before

    def has(self, key: Key) -> bool:
        """Whether an episode has a result; one that failed may be tried again."""
        where = " AND ".join(f"{name} = ?" for name in Key._fields)
        with closing(self._db.cursor()) as cursor:
            cursor.execute(f"SELECT 1 FROM episodes WHERE {where} AND failed = '' LIMIT 1", key)
            return cursor.fetchone() is not None

    def frame(self) -> pd.DataFrame:
        """All rows, oldest first, one column per field; `stats` as mappings."""
        table = pd.read_sql_query("SELECT * FROM episodes ORDER BY id", self._db)
        table["stats"] = table.pop("stats_json").map(json.loads)
        return table

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> EpisodeStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def current(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with a result, of the code that last played each policy's version in a scenario."""
    table = table[table["failed"] == ""]
    cell = ["policy_uri", "version", "suite", "scenario", "role", "npc"]
    last = table.groupby(cell)["code_version"].transform("last")
    return table[table["code_version"] == last]


def read(path: str | Path) -> pd.DataFrame:
    """All rows of a file; see `EpisodeStore.frame`.

    Raises:
        ValueError: no such file, or one that is not a store of episodes.
    """
    with EpisodeStore(path, create=False) as store:
        return store.frame()


def name_of(uri: str, version: int) -> str:
    """How the column `npc` names a policy."""
    return f"{uri}@{version}"
