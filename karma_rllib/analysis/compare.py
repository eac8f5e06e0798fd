"""Conditions side by side: the front door of the analysis.

    comparison = compare(["results/mirror_test"], "results/mirror_test/comparison")
    rich.print(terminal(comparison))

`compare` reads run folders, computes (see `karma_rllib.analysis.late`) and writes the tables;
figures and the report are drawn from what it returns. `compare_settings` does so for each map size
and relatedness by itself where runs have several.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from karma_rllib.analysis import tables, words
from karma_rllib.analysis.late import Interval, condition_table, contrast_table, late_runs
from karma_rllib.analysis.runs import MAIN, RunFolder, load_folders, missing_runs, open_runs
from karma_rllib.analysis.scales import Setting, by_setting, scale_table, setting_of


@dataclass(frozen=True)
class Comparison:
    """Everything that tables, figures and the report are made from."""

    folders: list[RunFolder]
    frame: pd.DataFrame  # one row per run and iteration, see `runs.load_runs`
    runs: pd.DataFrame  # one row per run: its late-window metrics
    table: pd.DataFrame  # one row per condition and metric: mean, low, high, n
    contrasts: pd.DataFrame  # one row per condition and metric: ratio to baseline, low, high, n
    notes: list[str]  # what a reader must know: unfinished or missing runs, mixed settings
    late_fraction: float
    out_dir: Path
    setting: Setting  # map size and relatedness of these runs
    scales: pd.DataFrame  # `table` of every setting, see `scales.scale_table`
    every_run: pd.DataFrame  # `runs` of every setting, likewise

    @property
    def conditions(self) -> list[str]:
        """Conditions in table order."""
        return list(dict.fromkeys(self.runs["condition"]))

    @property
    def marks(self) -> tuple[int, float, int]:
        """Where runs branch (0: nowhere), where the late window begins, and the end [steps]."""
        branch, end = int(self.runs["branch"].max()), int(self.runs["agent_steps"].max())
        return branch, end - self.late_fraction * (end - branch), end

    def cell(self, condition: str, metric: str) -> Interval:
        """Mean and interval of one metric of one condition."""
        rows = self.table[(self.table["condition"] == condition) & (self.table["metric"] == metric)]
        mean, low, high, n = rows[["mean", "low", "high", "n"]].iloc[0]
        return Interval(float(mean), float(low), float(high), int(n))


def compare(
    run_dirs: Iterable[str | Path], out_dir: str | Path, late_fraction: float = 0.2
) -> Comparison:
    """Compare the conditions of one or several run folders.

    Args:
        run_dirs: folders to pool.
        out_dir: where `comparison.csv`, `.json`, `.md` and `runs.csv` are written; made if needed.
        late_fraction: share of the agent-steps after the branch that counts, in (0, 1].

    Raises:
        ValueError: see `runs.load_runs`; or `late_fraction` is out of range; or only stems ran.
    """
    comparison = _pooled(open_runs(run_dirs), Path(out_dir), late_fraction)
    tables.write(comparison, introduction=words.markdown(words.summarise(comparison)))
    return comparison


def compare_settings(
    run_dirs: Iterable[str | Path], out_dir: str | Path, late_fraction: float = 0.2
) -> list[Comparison]:
    """Compare conditions in each setting by itself, and put the settings side by side.

    Runs of one map size and one relatedness are pooled. With several, each comparison has a folder
    of its own beneath `out_dir`, `grid_<size>` or `related_<degree>` or both, and
    `out_dir/scales.csv` holds all of them, `out_dir/runs.csv` their runs.

    Args:
        run_dirs: folders of runs in any setting.
        out_dir: where to write.
        late_fraction: see `compare`.

    Returns:
        One comparison per setting, smallest first; each knows the numbers of all.

    Raises:
        ValueError: see `compare`.
    """
    settings, out = by_setting(open_runs(run_dirs)), Path(out_dir)
    each = [
        _pooled(folders, out / setting.folder(settings), late_fraction)
        for setting, folders in settings.items()
    ]
    scales = pd.concat([comparison.scales for comparison in each], ignore_index=True)
    runs = pd.concat([comparison.every_run for comparison in each], ignore_index=True)
    each = [replace(comparison, scales=scales, every_run=runs) for comparison in each]
    for comparison in each:
        tables.write(comparison, introduction=words.markdown(words.summarise(comparison)))
    if len(each) > 1:
        scales.to_csv(out / "scales.csv", index=False, lineterminator="\n")
        runs.to_csv(out / "runs.csv", index=False, lineterminator="\n")
    return each


def _pooled(folders: list[RunFolder], out_dir: Path, late_fraction: float) -> Comparison:
    if not 0 < late_fraction <= 1:
        raise ValueError(f"late_fraction must lie in (0, 1], but it is {late_fraction}.")
    frame = load_folders(folders)
    if not (frame["stage"] == MAIN).any():
        names = ", ".join(str(folder.path) for folder in folders)
        raise ValueError(f"{names} holds no condition's results yet, only the baseline stem.")
    runs = late_runs(frame, late_fraction)
    table = condition_table(runs)
    setting = setting_of(folders[0])
    return Comparison(
        folders=folders,
        frame=frame,
        runs=runs,
        table=table,
        contrasts=contrast_table(runs),
        notes=_notes(folders, frame, runs),
        late_fraction=late_fraction,
        out_dir=out_dir,
        setting=setting,
        scales=scale_table(table, setting),
        every_run=scale_table(runs, setting),
    )


def _notes(folders: list[RunFolder], frame: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    longest = runs["agent_steps"].max()
    notes = [
        f"{row.condition} with seed {row.seed} has {words.amount(row.agent_steps)} of"
        f" {words.amount(longest)} agent-steps: it is unfinished, yet counted in the means."
        for row in runs[runs["agent_steps"] < 0.95 * longest].itertuples()
    ]
    for folder in folders:
        absent = missing_runs(folder, frame)
        if absent:
            names = ", ".join(f"{condition} with seed {seed}" for condition, seed in absent)
            notes.append(f"{folder.name} has no result yet of {names}.")
    if len({_settings(folder) for folder in folders}) > 1:
        notes.append("The folders were run with different settings; the means mix them.")
    return notes


def _settings(folder: RunFolder) -> str:
    own = {"name", "about", "seeds", "conditions", "tracking", "resources"}
    return repr(sorted((k, v) for k, v in folder.experiment.items() if k not in own))
