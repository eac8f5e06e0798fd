"""The registry of scenarios: tests of one ability each, in suites."""

from __future__ import annotations

from functools import cache

from karma_rllib.envs.suites import competition, cooperation, maze, memory, navigation, objects
from karma_rllib.envs.suites.scenario import Scenario
from karma_rllib.hints import hint

_MODULES = (navigation, maze, memory, objects, cooperation, competition)


@cache
def scenarios() -> dict[str, Scenario]:
    """All scenarios by name, suite by suite."""
    return {scenario.name: scenario for module in _MODULES for scenario in module.SCENARIOS}


def suites() -> dict[str, tuple[Scenario, ...]]:
    """The scenarios of each suite."""
    found: dict[str, tuple[Scenario, ...]] = {}
    for scenario in scenarios().values():
        found[scenario.suite] = (*found.get(scenario.suite, ()), scenario)
    return found


def scenario(name: str) -> Scenario:
    """One scenario.

    Raises:
        ValueError: none has this name; the sentence names the nearest.
    """
    if name not in scenarios():
        raise ValueError(f"unknown scenario {name!r}: {hint(name, scenarios())}")
    return scenarios()[name]


def suite(name: str) -> tuple[Scenario, ...]:
    """The scenarios of a suite.

    Raises:
        ValueError: no suite has this name; the sentence names the nearest.
    """
    if name not in suites():
        raise ValueError(f"unknown suite {name!r}: {hint(name, suites())}")
    return suites()[name]
