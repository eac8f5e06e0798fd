"""The table of scenarios: how long the shortest plan is, what the oracle and random play score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from karma_rllib.envs.suites.oracles import BOTS, ORACLES, random_player
from karma_rllib.envs.suites.play import Result, play
from karma_rllib.envs.suites.running import Maker
from karma_rllib.envs.suites.scenario import SEEDS, Scenario

BEGIN = "<!-- written by: karma suites --write docs/suites.md -->"
END = "<!-- until here -->"


class Row(NamedTuple):
    """One scenario; means over all seeds."""

    suite: str
    name: str
    about: str
    shortest: float  # steps of the shortest plan
    steps: float  # steps allowed
    oracle: float  # score
    random: float  # score


def results(scenario: Scenario, maker: Maker) -> tuple[float, list[Result]]:
    """Play all seeds of a scenario; its score, and every episode's result."""
    played = [play(scenario, seed, maker, BOTS) for seed in SEEDS]
    score = scenario.score([one.raw for one in played], [one.group for one in played])
    return score, played


def measure(scenario: Scenario) -> Row:
    """Play all seeds with the oracle and with a random player."""
    episodes = [scenario.episode(seed) for seed in SEEDS]
    return Row(
        scenario.suite,
        scenario.name,
        scenario.about,
        float(np.mean([episode.shortest for episode in episodes])),
        float(np.mean([episode.params["max_steps"] for episode in episodes])),
        results(scenario, ORACLES[scenario.oracle])[0],
        results(scenario, random_player)[0],
    )


def markdown(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    lines = [
        "| suite | scenario | what has to be done | shortest | steps | oracle | random |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.suite} | `{row.name}` | {row.about} | {row.shortest:.0f} | {row.steps:.0f} |"
        f" {row.oracle:.2f} | {row.random:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def inserted(page: str, table: str) -> str:
    """The page with the table between its two marks.

    Raises:
        ValueError: the page has no such marks.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must hold the marks {BEGIN!r} and {END!r}, in this order")
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"
