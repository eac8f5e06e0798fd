"""From run folders to one tidy table: a row per training iteration of every run.

    RUN_DIR/experiment.yaml  provenance.json
    RUN_DIR/<condition>_s<seed>/.../result.json         one JSON object per iteration
    RUN_DIR/stem/baseline_s<seed>/.../result.json       where conditions branch from a baseline

Only `result.json` is read. Tune's `progress.csv` drops columns that appear late and changes its
columns without a header when a run is resumed. A run that was killed may end in half a line, and a
resumed run repeats the iterations after its last checkpoint: half lines are skipped, and of
iterations that were lived twice the later life counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from karma_rllib.conditions import CONDITIONS
from karma_rllib.config import files

STEM, MAIN = "stem", "main"
KEYS = ["run", "stage", "condition", "seed"]  # what identifies a run in the table

# Parts of RLlib's and Tune's results that say nothing about the experiment.
_NOISE = frozenset(
    {
        *("config", "env_runners", "learners", "timers", "perf", "fault_tolerance", "evaluation"),
        *("env_runner_group", "info", "hostname", "node_ip", "pid", "trial_id", "experiment_tag"),
        *("date", "done"),
    }
)


class RunFolder(NamedTuple):
    """One experiment's folder: what was asked for and what it ran on."""

    path: Path
    experiment: dict[str, Any]  # experiment.yaml, {} if there is none
    provenance: dict[str, Any]  # provenance.json, {} if there is none

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def config_text(self) -> str:
        """experiment.yaml as it stands, "" if there is none."""
        path = self.path / "experiment.yaml"
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def open_runs(run_dirs: Iterable[str | Path]) -> list[RunFolder]:
    """Open run folders; a folder that is named twice is opened once.

    Raises:
        ValueError: no folder was named, or one is missing, is a file or holds no experiment.
    """
    paths = list(dict.fromkeys(Path(run).resolve() for run in run_dirs))
    if not paths:
        raise ValueError("No run folder was named; give at least one, for example results/smoke.")
    return [_open(path) for path in paths]


def _open(path: Path) -> RunFolder:
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*") if p.is_dir()) if path.parent else []
        there = f"; beside it are {', '.join(near[:5])}" if near else ""
        raise ValueError(f"Run folder {path} does not exist{there}.")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; a run folder is a folder with an experiment.yaml.")
    known = (path / "experiment.yaml").is_file()
    inner = sorted(p.parent.name for p in path.glob("*/experiment.yaml"))
    if not known and inner:
        names = " or ".join(inner[:5])
        raise ValueError(f"{path} holds run folders but is none itself; name {names} inside it.")
    if not known and not any(path.rglob("result.json")):
        raise ValueError(
            f"{path} is not a run folder: it holds neither an experiment.yaml nor any result.json."
        )
    experiment = files.read(path / "experiment.yaml")[0] if known else {}
    return RunFolder(path, dict(experiment), _read_provenance(path / "provenance.json"))


def _read_provenance(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise ValueError(f"{path} is not JSON: {err}.") from err
    return data if isinstance(data, dict) else {"provenance": data}


def load_runs(run_dirs: Iterable[str | Path]) -> pd.DataFrame:
    """Read every result of the named run folders.

    Returns:
        One row per (run, stage, condition, seed, training_iteration), sorted by these; `run` is
        the folder's name, `stage` is "main" or "stem", nested results are flattened with "/".

    Raises:
        ValueError: a folder cannot be opened, has no result yet, holds results of something else,
            or two folders hold the same run.
    """
    return load_folders(open_runs(run_dirs))


def load_folders(folders: Sequence[RunFolder]) -> pd.DataFrame:
    """`load_runs` for folders that are open already."""
    frames = [_load(folder) for folder in folders]
    owner: dict[tuple[Any, ...], str] = {}
    for folder, frame in zip(folders, frames, strict=True):
        for key in frame[KEYS[1:]].drop_duplicates().itertuples(index=False, name=None):
            if key in owner:
                condition, seed = key[1:]
                raise ValueError(
                    f"Condition {condition} with seed {seed} is in both {owner[key]} and"
                    f" {folder.path}; a run counts once, so leave one of the folders out."
                )
            owner[key] = str(folder.path)
    table = pd.concat(frames, ignore_index=True)
    rank = {name: i for i, name in enumerate(condition_order(folders, table))}
    table = table.assign(_rank=table["condition"].map(rank))
    order = ["_rank", "seed", "stage", "training_iteration"]
    return table.sort_values(order, kind="stable", ignore_index=True).drop(columns="_rank")


def condition_order(folders: Iterable[RunFolder], table: pd.DataFrame) -> list[str]:
    """Conditions as tables list them: baseline first, then as written, then as registered."""
    present = list(dict.fromkeys(table["condition"]))
    wanted = [name for folder in folders for name in folder.experiment.get("conditions") or ()]
    order = dict.fromkeys(["baseline", *wanted, *CONDITIONS, *present])
    return [name for name in order if name in present]


def missing_runs(folder: RunFolder, table: pd.DataFrame) -> list[tuple[str, int]]:
    """(condition, seed) pairs that the experiment asks for and that have no result yet."""
    own = table[(table["run"] == folder.name) & (table["stage"] == MAIN)]
    have = set(zip(own["condition"], own["seed"], strict=True))
    conditions = folder.experiment.get("conditions") or ()
    seeds = folder.experiment.get("seeds") or ()
    if not isinstance(seeds, list | tuple):
        return []
    return [(c, s) for c in conditions for s in seeds if (c, s) not in have]


def _load(folder: RunFolder) -> pd.DataFrame:
    lives: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for path in sorted(folder.path.rglob("result.json")):
        stage = STEM if path.relative_to(folder.path).parts[0] == STEM else MAIN
        for row in _read_results(path):
            flat = _checked(flatten(row), path)
            lives.setdefault((stage, flat["condition"], flat["seed"]), []).append(flat)
    if not lives:
        raise ValueError(
            f"{folder.path} has no results yet: none of its runs has finished an iteration."
        )
    rows = [
        {"run": folder.name, "stage": stage, **row}
        for (stage, _, _), life in lives.items()
        for row in _last_life(life)
    ]
    return pd.DataFrame(rows)


def trial_results(trial: Path) -> list[dict[str, Any]]:
    """Results of one trial, a flat row per iteration, what was lived twice only once."""
    path = trial / "result.json"
    rows = [flatten(row) for row in _read_results(path)] if path.is_file() else []
    return _last_life(rows)


def _read_results(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        row = _parse(line)
        if row is not None:
            yield row


def _parse(line: str) -> dict[str, Any] | None:
    """The JSON object on a line, or None.

    A resumed run appends to what a kill left, so half a line may stand before a whole one: every
    opening brace is tried, and only an object that reaches the end of the line is accepted.
    """
    starts = (i for i, character in enumerate(line) if character == "{")
    rows = (_json_or_none(line[start:]) for start in starts)
    return next((row for row in rows if row is not None and "training_iteration" in row), None)


def _json_or_none(text: str) -> dict[str, Any] | None:
    try:
        return json.loads(text)
    except ValueError:
        return None


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested results as one level, keys joined with "/"; only numbers and words are kept."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if not prefix and key in _NOISE:
            continue
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}/")
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            flat[f"{prefix}{key}"] = value
    return flat


def _checked(row: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in ("condition", "seed", "agent_steps"):
        if key not in row:
            raise ValueError(
                f"{path} was not written by this package: its results have no column '{key}'."
            )
    return row


def _last_life(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The iterations that led to the latest result: what a later life repeated is dropped."""
    in_time = sorted(rows, key=lambda row: row.get("timestamp", 0))  # stable within a second
    kept: list[dict[str, Any]] = []
    for row in reversed(in_time):
        if not kept or row["training_iteration"] < kept[-1]["training_iteration"]:
            kept.append(row)
    return kept[::-1]
