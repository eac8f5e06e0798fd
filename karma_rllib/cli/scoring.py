"""Scenarios on the command line: ``karma evaluate --scenario | --suite`` and ``karma suites``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from karma_rllib.cli import meeting
from karma_rllib.config import ConfigError
from karma_rllib.envs import scenarios
from karma_rllib.envs.suites import table

if TYPE_CHECKING:
    import pandas as pd

    from karma_rllib.experiment.examination import Sitting

EPISODES = 16  # of a scenario, unless told otherwise
EVERY = "all"  # suites


def chosen(names: list[str], suites: list[str]) -> list[str]:
    """Names of scenarios: those given, and those of the suites given.

    Raises:
        ConfigError: no scenario or suite has this name.
    """
    try:
        found = [scenarios.scenario(name).name for name in names]
        for suite in scenarios.suites() if EVERY in suites else suites:
            found += [scenario.name for scenario in scenarios.suite(suite)]
    except ValueError as err:
        raise ConfigError(str(err)) from None
    return list(dict.fromkeys(found))


def refuse_beside_scenarios(**options: Any) -> None:
    """Refuse what a scenario fixes itself.

    Raises:
        ConfigError: one of the options was given.
    """
    for name, value in options.items():
        if value:
            raise ConfigError(
                f"--{name}: a scenario has a world and seats of its own; leave it out, or leave "
                "out --scenario and --suite"
            )


def judge(
    names: list[str],
    policies: list[str],
    background: list[str],
    episodes: int,
    seed: int,
    db: Path,
    workers: int,
) -> int:
    """Let policies sit scenarios, keep the episodes, print scores and returns.

    Args:
        names: of scenarios.
        policies: addresses of who is judged.
        background: addresses of who plays the rivals; empty: the scenarios' own bots.
        episodes: of each, the first so many seeds.
        seed: of the policies' chances.
        db: file that keeps every episode, and knows those already played.
        workers: processes.

    Returns:
        0, or 1 where an episode failed.

    Raises:
        ConfigError: a policy that is not there, or none that can play anything.
    """
    from karma_rllib.experiment import examination, meeting_replays

    replays = db.resolve().parent / meeting_replays.FOLDER
    sittings, why = examination.plan(names, policies, background, seed, replays)
    rows, said, code = meeting.kept(sittings, episodes, db, workers)
    _print(sittings, rows, episodes)
    for line in why:
        typer.echo(f"not played: {line}")
    typer.echo(said)
    return code


def _print(sittings: list[Sitting], rows: pd.DataFrame, episodes: int) -> None:
    """A line per scenario and policy, and the mean over suites of every policy."""
    from karma_rllib.experiment.examination import overall

    heads = {"suite": "left", "scenario": "left", "focal": "left", "among": "left"}
    heads |= dict.fromkeys(("score", "return per head", "of the others"), "right")
    title = f"mean of {episodes} episodes [95 % interval]; returns are raw"
    printed = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head, side in heads.items():
        printed.add_column(head, justify=side)  # type: ignore[arg-type]
    scores: dict[str, list[tuple[str, float]]] = {}
    for one in sittings:
        met = one.rivals.label if one.rivals else "its bots"
        mark = one.mark(rows, range(episodes))
        words = ["failed", "", ""] if mark is None else [meeting.words(x) for x in mark]
        among = met if mark and mark.background else ""
        printed.add_row(one.scenario.suite, one.name, one.focal.label, among, *words)
        if mark is not None:
            name = f"{one.focal.label} among {met}" if one.rivals else one.focal.label
            scores.setdefault(name, []).append((one.scenario.suite, mark.score.mean))
    wide = None if sys.stdout.isatty() else meeting.WIDTH
    Console(markup=False, highlight=False, width=wide).print(printed)
    for name, marks in scores.items():
        if len(marks) > 1:
            typer.echo(f"{name}: {overall(marks):.2f} over all, every suite counting alike")


def show(names: list[str], write: Path | None) -> None:
    """Measure oracles and random play, and print the table, or write it into a page.

    Args:
        names: scenarios or suites; none: all.
        write: the page.

    Raises:
        ConfigError: a name that is not there, or a page without marks.
    """
    parts = [name for name in names if name in scenarios.suites()]
    found = chosen([name for name in names if name not in parts], parts if names else [EVERY])
    todo = [one for one in scenarios.scenarios().values() if one.name in found]
    page = ""
    if write is not None:
        try:
            page = write.read_text()
            table.inserted(page, "")
        except (OSError, ValueError) as err:
            raise ConfigError(f"{write} cannot take the table: {err}") from None
    console = Console(stderr=True)
    bar = track(todo, "playing", console=console, transient=True, disable=not console.is_terminal)
    text = table.markdown([table.measure(scenario) for scenario in bar])
    if write is None:
        typer.echo(text)
    else:
        write.write_text(table.inserted(page, text))
