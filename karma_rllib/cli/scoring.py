"""``karma suites``: play the scenarios with their oracles and at random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import track

from karma_rllib.config import ConfigError
from karma_rllib.envs import scenarios
from karma_rllib.envs.suites import table

if TYPE_CHECKING:
    from karma_rllib.experiment.examination import Mark


def chosen(names: list[str]) -> list[scenarios.Scenario]:
    """Scenarios by their names or those of suites; all without names.

    Raises:
        ConfigError: neither a scenario nor a suite has this name.
    """
    found: dict[str, scenarios.Scenario] = {}
    for name in names or list(scenarios.suites()):
        try:
            part = scenarios.suites().get(name) or (scenarios.scenario(name),)
        except ValueError as err:
            raise ConfigError(str(err)) from None
        found |= {scenario.name: scenario for scenario in part}
    return list(found.values())


def judge(names: list[str], policies: list[str], seeds: int, episodes: Path | None) -> None:
    """Let policies play scenarios, and print what they score.

    Args:
        names: scenarios or suites; none: all.
        policies: their addresses.
        seeds: episodes per scenario, the first so many seeds.
        episodes: file that keeps every episode, and knows those already played.

    Raises:
        ConfigError: a name or policy that is not there, or no policy that can play anything.
    """
    from contextlib import nullcontext

    from karma_rllib.analysis.store import EpisodeStore
    from karma_rllib.experiment import examination

    todo, found = chosen(names), examination.find(policies)
    try:
        opened = EpisodeStore(episodes) if episodes is not None else nullcontext()
    except ValueError as err:
        raise ConfigError(str(err)) from None
    console = Console(stderr=True)
    with opened as store:
        marks = [
            [examination.examine(policy, scenario, range(seeds), store) for policy in found]
            for scenario in track(
                todo, "playing", console=console, transient=True, disable=not console.is_terminal
            )
        ]
    why = [mark.why for row in marks for mark in row if mark.score is None]
    if len(why) == len(todo) * len(found):
        raise ConfigError(why[0])
    typer.echo(_scores(marks))
    for reason in dict.fromkeys(why):
        typer.echo(f"-: {reason}")


def _scores(marks: list[list[Mark]]) -> str:
    """Scenarios x policies as Markdown; the last row is the mean of the suites' means."""
    labels = [mark.policy for mark in marks[0]]
    lines = [f"| suite | scenario | {' | '.join(labels)} |", "|---|---|" + "---:|" * len(labels)]
    for row in marks:
        cells = ["-" if mark.score is None else f"{mark.score:.2f}" for mark in row]
        lines.append(f"| {row[0].suite} | `{row[0].scenario}` | {' | '.join(cells)} |")
    overall = []
    for n in range(len(labels)):
        suites: dict[str, list[float]] = {}
        for row in marks:
            if row[n].score is not None:
                suites.setdefault(row[n].suite, []).append(float(row[n].score or 0.0))
        means = [sum(scores) / len(scores) for scores in suites.values()]
        overall.append(f"{sum(means) / len(means):.2f}" if means else "-")
    return "\n".join([*lines, f"| all | | {' | '.join(overall)} |"])


def show(names: list[str], write: Path | None) -> None:
    """Measure scenarios and print the table, or write it into a page."""
    todo = chosen(names)
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
