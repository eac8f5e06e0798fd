"""``karma suites``: play the scenarios with their oracles and at random."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track

from karma_rllib.config import ConfigError
from karma_rllib.envs import scenarios
from karma_rllib.envs.suites import table


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
