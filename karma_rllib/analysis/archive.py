"""A finished run in a few small files, from which every number that is told of it can be made.

    docs/results/NAME/
      runs.csv           one row per run: the late window, as `karma compare` writes it
      windows.csv        one row per run: all that verdicts read (late, early, slope, probes)
      registration.json  what was claimed, sealed, if it was registered
      run.json           command, code, seeds, versions, cost
      experiment.yaml    the experiment with every parameter written out
      probes/            what `karma probe` found, one file per probed run, if any

Runs that did not reach their length are left out, and so are seeds that lack an arm: an archive
holds whole seeds, in the order in which the experiment lists them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from karma_rllib.analysis import registration
from karma_rllib.analysis.late import late_runs
from karma_rllib.analysis.rules import Rules
from karma_rllib.analysis.runs import MAIN, RunFolder, load_folders, open_runs
from karma_rllib.analysis.verdict import Verdict, judge_table
from karma_rllib.analysis.windows import PROBES, run_table
from karma_rllib.config import files
from karma_rllib.config.errors import ConfigError

RUNS, WINDOWS, RUN, EXPERIMENT = "runs.csv", "windows.csv", "run.json", "experiment.yaml"
PROBED = "probes"


def take(run_dir: Path, out: Path) -> list[str]:
    """Archive a run folder.

    Args:
        run_dir: a run folder; it may be unfinished.
        out: folder of the archive; made if missing, older files in it are replaced.

    Returns:
        What a reader must know: the seeds that were left out.

    Raises:
        ConfigError: not a run folder, no results, no whole seed, or a registration that is not
            its own.
    """
    try:
        (folder,) = open_runs([run_dir])
        frame = load_folders([folder])
    except ValueError as err:
        raise ConfigError(str(err)) from None
    known, rules, notes = None, Rules(), []
    if (folder.path / registration.IN_RUN).is_file():
        known = registration.read(folder.path / registration.IN_RUN)
        notes, rules = [note for note in [registration.check(known, folder)] if note], known.rules
    seeds, left_out = _whole_seeds(folder, frame)
    if not seeds:
        raise ConfigError(f"{run_dir}: no seed has finished all of its arms yet")
    notes += left_out
    out.mkdir(parents=True, exist_ok=True)
    runs = late_runs(frame, rules.late_fraction)
    windows = run_table([folder], rules.late_fraction, rules.early_fraction)
    for name, table in ((RUNS, runs), (WINDOWS, windows)):
        kept = table[table["seed"].isin(seeds)].dropna(axis=1, how="all")
        kept.to_csv(out / name, index=False, lineterminator="\n")
    _take_probes(folder, seeds, out / PROBED)
    if known is not None:
        shutil.copyfile(folder.path / registration.IN_RUN, out / registration.IN_RUN)
    shutil.copyfile(folder.path / EXPERIMENT, out / EXPERIMENT)
    (out / RUN).write_text(
        json.dumps(_told(folder, frame, seeds, notes), indent=1) + "\n", encoding="utf-8"
    )
    return notes


def _take_probes(folder: RunFolder, seeds: list[int], out: Path) -> None:
    """Copy what was found in probed runs of these seeds; others that lie there stay."""
    for seed in seeds:
        for path in sorted(folder.path.glob(f"*_s{seed}/{PROBES}")):
            out.mkdir(exist_ok=True)
            shutil.copyfile(path, out / f"{path.parent.name}.json")


def name_of(run_dir: Path) -> str:
    """What an archive of a run folder is called: its experiment's name.

    Raises:
        ConfigError: not a run folder.
    """
    try:
        (folder,) = open_runs([run_dir])
    except ValueError as err:
        raise ConfigError(str(err)) from None
    return str(folder.experiment.get("name") or folder.name)


def _whole_seeds(folder: RunFolder, frame: pd.DataFrame) -> tuple[list[int], list[str]]:
    """Seeds whose every arm reached its length, and a sentence on the others."""
    main = frame[frame["stage"] == MAIN]
    reached = main.groupby(["seed", "condition"])["agent_steps"].max()
    goal = folder.experiment.get("budget", {}).get("agent_steps") or int(reached.max())
    arms = list(folder.experiment.get("conditions") or main["condition"].unique())
    listed = folder.experiment.get("seeds")
    listed = listed if isinstance(listed, list | tuple) else sorted(main["seed"].unique())
    whole = [
        int(seed) for seed in listed if all(reached.get((seed, arm), 0) >= goal for arm in arms)
    ]
    absent = [int(seed) for seed in listed if seed not in whole]
    if not absent:
        return whole, []
    names = ", ".join(map(str, absent))
    return whole, [f"seeds {names} had not finished every arm when the run was archived"]


def _told(
    folder: RunFolder, frame: pd.DataFrame, seeds: list[int], notes: list[str]
) -> dict[str, Any]:
    """What `run.json` holds; nothing that names a person, a host or a folder of theirs."""
    from_run = folder.provenance
    words = str(from_run.get("command") or "").split()
    own = frame[frame["seed"].isin(seeds)]
    steps = own.groupby(["stage", "condition", "seed"])["counts/agent_steps"].sum().sum()
    return {
        "run": folder.name,
        "command": _command(words),
        "created": from_run.get("created"),
        "git": from_run.get("git"),
        "versions": from_run.get("versions"),
        "cpus": (from_run.get("platform") or {}).get("cpus"),
        "seeds": seeds,
        "notes": notes,
        "agent_steps": int(steps),
        "trial_hours": round(float(own.get("iteration_s", pd.Series([0.0])).sum()) / 3600, 2),
        "hours": round(float(frame["timestamp"].max() - frame["timestamp"].min()) / 3600, 2),
    }


def _command(words: list[str]) -> str:
    """The command line without what says where on a machine things were."""
    kept, skip = [], False
    for word in words[1:]:
        if skip or word.startswith("--storage="):
            skip = False
        elif word == "--storage":
            skip = True
        else:
            path = PurePath(word)
            kept.append(path.name if path.is_absolute() else word)
    return " ".join(["karma", *kept])


def judged(folders: Sequence[Path]) -> tuple[list[Verdict], Rules, list[str]]:
    """Verdicts on archives, the rules they were made by, and what a reader must know.

    Args:
        folders: of one experiment, or of several that give levels of a setting.

    Raises:
        ConfigError: files are missing, damaged, or were changed after they were sealed; or the
            archives were registered under different rules or predictions.
    """
    known = [registration.read(folder / registration.IN_RUN) for folder in folders]
    told = [_json(folder / RUN) for folder in folders]
    registration.agree(folders, known)
    names = [str(one["run"]) for one in told]
    experiments = [dict(files.read(folder / EXPERIMENT)[0]) for folder in folders]
    found = judge_table(
        pd.concat([_windows(folder) for folder in folders], ignore_index=True),
        dict(zip(names, experiments, strict=True)),
        known[0].predictions,
        known[0].rules,
        {name: one.random_policy for name, one in zip(names, known, strict=True)},
    )
    return found, known[0].rules, [note for one in told for note in one["notes"]]


def _windows(folder: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(folder / WINDOWS)
    except (OSError, ValueError) as err:
        raise ConfigError(f"{folder / WINDOWS}: cannot be read ({err})") from None


def about(folder: Path) -> dict[str, str]:
    """What was run, for people: label to text."""
    told = _json(folder / RUN)
    seeds, git, versions = told["seeds"], told["git"] or {}, told["versions"] or {}
    packages = ", ".join(
        f"{name} {versions[name]}" for name in ("ray", "torch") if name in versions
    )
    registered, created = "", str(told["created"])
    if (folder / registration.IN_RUN).is_file():
        registered = registration.read(folder / registration.IN_RUN).created
    return {
        "command": f"`{told['command']}`",
        "seeds": f"{len(seeds)}: {', '.join(map(str, seeds))}",
        **(
            {"registered": f"{registered}, before the run began at {created}"} if registered else {}
        ),
        "code": f"commit {str(git.get('commit', 'unknown'))[:7]}; {packages}",
        "cost": (
            f"{told['agent_steps'] / 1e6:.0f} million agent-steps; {told['trial_hours']:g} hours of"
            f" trials, {told['hours']:g} hours on {told['cpus']} CPU cores that were busy with"
            " other work"
        ),
        **({"left out": "; ".join(told["notes"])} if told["notes"] else {}),
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"{path}: cannot be read ({err})") from None
    if not isinstance(data, dict) or "run" not in data:
        raise ConfigError(f"{path}: is not what `karma results --take` writes")
    return data
