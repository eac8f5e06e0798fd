"""``karma respond``: train fresh agents against frozen policies, and say what they gained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from karma_rllib.cli import meeting
from karma_rllib.config.experiment import first_seeds

if TYPE_CHECKING:
    from karma_rllib.experiment.response import Gain

LEARNING = ("module.", "ppo.", "budget.")  # keys of `--set` that are not the world's


def respond(
    policies: list[str],
    world: str | None,
    profile: str | None,
    overrides: list[str],
    seeds: int,
    episodes: int,
    storage: Path,
    db: Path,
    workers: int,
) -> int:
    """Train what is missing, let it meet its population, print the gains.

    Returns:
        0, or 1 where a training or an episode failed.

    Raises:
        ConfigError: a policy, key or value that is wrong; nothing was trained.
    """
    from karma_rllib.experiment import response

    learning = [text for text in overrides if text.startswith(LEARNING)]
    rest = [text for text in overrides if text not in learning]
    arena = meeting.arena(policies, world, profile, rest)
    config = response.settings(arena, learning)
    todo = response.plan(policies, arena, config, first_seeds(seeds), storage)
    fresh = sum(not one.trained for one in todo)
    with meeting.bar("responses", fresh) as told:
        complaints = response.train_missing(todo, workers, told)
    for complaint in complaints:
        print(f"karma: {complaint}", file=sys.stderr)  # noqa: T201
    done = [one for one in todo if one.trained]
    if not done:
        return meeting.FAILED
    rows, said, code = meeting.kept(response.games(done), episodes, db, workers)
    _print(response.gains(done, rows, range(episodes)), config.budget.agent_steps, episodes)
    console = Console(markup=False, highlight=False)
    console.print(f"{storage}: {fresh - len(complaints)} responses trained", soft_wrap=True)
    console.print(said, soft_wrap=True)
    return meeting.FAILED if complaints else code


def _print(gains: list[Gain], budget: int, episodes: int) -> None:
    title = (
        f"what a fresh agent gains in the place of a member after {budget:,} agent-steps; mean of "
        f"{episodes} episodes [95 % t interval over fresh agents]"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("population", "a member earns", "the response", "gain", "each"):
        table.add_column(head, justify="left" if head == "population" else "right")
    for row in gains:
        each = ", ".join(f"{gain:+.2f}" for gain in row.each)
        own = (f"{row.member:.2f}", meeting.words(row.response), meeting.words(row.gain))
        table.add_row(row.population, *own, each)
    wide = None if sys.stdout.isatty() else meeting.WIDTH
    Console(markup=False, highlight=False, width=wide).print(table)
