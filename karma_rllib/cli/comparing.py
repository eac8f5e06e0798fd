"""``karma compare``: the table, the pictures, the report and the films of run folders."""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from karma_rllib.cli import evaluation
from karma_rllib.config import Budget, ConfigError, files

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

FOLDER = "comparison"  # in the first run folder, unless told otherwise
WIDTH = 120


def compare(run_dirs: list[Path], out: Path | None, *, films: bool) -> None:
    """Compare conditions over run folders and say where the results are.

    Args:
        run_dirs: run folders; several are pooled, by map size and relatedness.
        out: where to write; None: `FOLDER` in the first run folder.
        films: also film an episode of every condition.

    Raises:
        ConfigError: a folder is not a run, or holds no results yet.
    """
    from karma_rllib.analysis import figures
    from karma_rllib.analysis.compare import compare_settings

    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    target = out or run_dirs[0] / FOLDER
    try:
        each = compare_settings(run_dirs, target, _late_fraction(run_dirs[0]))
    except ValueError as err:
        raise ConfigError(str(err)) from None
    names = shlex.join(["karma", "compare", *map(str, run_dirs)])
    for comparison in each:
        if len(each) > 1:
            console.rule(comparison.setting.title(c.setting for c in each))
        _show(console, comparison, names, films=films)
    for picture in figures.draw_sweep(each[0], target):
        console.print(f"against relatedness: {picture}", soft_wrap=True, highlight=False)


def _show(console: Console, comparison: Comparison, command: str, *, films: bool) -> None:
    """Print one comparison, draw it, and write its report."""
    from karma_rllib.analysis import figures, report, tables

    console.print(tables.terminal(comparison))
    figures.draw(comparison)
    run_dirs = [folder.path for folder in comparison.folders]
    gifs = _film(run_dirs, comparison.conditions, comparison.out_dir) if films else {}
    page = report.write_report(comparison, gifs=gifs, command=command, verdicts=_verdicts(run_dirs))
    console.print(f"report: {page}", soft_wrap=True, highlight=False)


def _verdicts(run_dirs: list[Path]) -> str:
    """The report's section on predictions, where every run folder was registered."""
    from karma_rllib.analysis import registration, verdict_view
    from karma_rllib.cli import judging

    if not all((run / registration.IN_RUN).is_file() for run in run_dirs):
        return ""
    try:
        return verdict_view.section(*judging.judged(run_dirs))
    except ConfigError as err:  # a comparison is due even where a verdict is refused
        return f'<h2>Registered predictions</h2>\n<p class="lead">{escape(str(err))}</p>'


def _late_fraction(run_dir: Path) -> float:
    """The share of a run that its experiment says results are read from."""
    path = run_dir / "experiment.yaml"
    budget = files.read(path)[0].get("budget") if path.is_file() else None
    share = budget.get("late_fraction") if isinstance(budget, dict) else None
    return float(share) if share is not None else Budget().late_fraction


def _film(run_dirs: list[Path], conditions: list[str], target: Path) -> dict[str, Path]:
    """One film per condition, of the first trial that has a policy; the same world for all."""
    gifs = {}
    for condition in conditions:
        trials = [trial for run in run_dirs for trial in sorted(run.glob(f"{condition}_s*"))]
        trial = next((t for t in trials if any(t.glob(evaluation.POLICIES))), None)
        if trial is not None:
            policy, world = evaluation.open_policy(trial, seed=0)
            gifs[condition] = evaluation.film(policy, world, 0, target / f"{condition}.gif")
    return gifs
