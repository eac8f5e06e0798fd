"""What `karma probe` found in the runs of an archive, as rows of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from karma_rllib.analysis.archive import PROBED
from karma_rllib.analysis.cells import terse
from karma_rllib.analysis.stats import t_interval
from karma_rllib.analysis.tables import number
from karma_rllib.conditions import CONDITIONS
from karma_rllib.config.errors import ConfigError

FINGERPRINT = (
    *("probed", "zaps", "V before / after / victim", "V after less V victim"),
    *("AUROC raw / z", "transfer", "role gap"),
)
CHARGES = (
    *("probed", "crimes", "recalled right", "charged", "really brought"),
    *("slope", "hits by the victim"),
)


class Probe(NamedTuple):
    """The probes of one run."""

    arm: str
    seed: int
    told: Mapping[str, Any]


def read(archive: Path, section: str) -> list[Probe]:
    """The probed runs that have a section, by arm and seed.

    Raises:
        ConfigError: a file is damaged, or there is none with that section.
    """
    found = []
    for path in sorted((archive / PROBED).glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            one = Probe(told["origin"]["condition"], told["origin"]["seed"], told)
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ConfigError(f"{path} cannot be read ({err})") from None
        if told.get(section):
            found.append(one)
    if not found:
        raise ConfigError(f"{archive / PROBED} holds no probes with '{section}'")
    arms = list(CONDITIONS)
    return sorted(found, key=lambda one: (arms.index(one.arm), one.seed))


def fingerprints(archive: Path) -> list[list[str]]:
    """The value fingerprint and the geometry, a row per run, in the columns of `FINGERPRINT`."""
    return [_fingerprint(one) for one in read(archive, "values")]


def _fingerprint(one: Probe) -> list[str]:
    values, linear, told = one.told["values"], one.told["linear"], one.told
    mean, low, high = (number(x, 2) for x in values["dv_out"])
    gap = told["geometry"].get("role_gap")
    watched = f" of {told['behaviour']}" if told["behaviour"] else ""
    return [
        f"{one.arm}, seed {one.seed}",
        f"{told['zaps']}{watched}",
        " / ".join(number(values[key][0], 2) for key in ("v_before", "v_after", "v_victim")),
        f"{mean} [{low}, {high}]",
        " / ".join(terse(number(linear[key][0], 2)) for key in ("raw", "z")),
        terse(number(told["transfer"]["effect"], 2)),
        "-" if gap is None else number(gap, 2),
    ]


def charges(archive: Path) -> list[list[str]]:
    """What transport charged crimes with and what they really brought, in the columns of `CHARGES`.

    A row per arm: means over its runs, with 95 % t intervals.
    """
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for one in read(archive, "transport"):
        by_arm.setdefault(one.arm, []).append(one.told["transport"])

    def write(runs: list[Mapping[str, Any]], key: str) -> str:
        mean, low, high, n = t_interval([run[key][0] for run in runs])
        ends = f" [{number(low, 2)}, {number(high, 2)}]" if n > 1 else ""
        return terse(f"{number(mean, 2)}{ends}")

    return [
        [
            f"{arm}, {len(runs)} seed{'s'[: len(runs) > 1]}",
            str(sum(run["crimes"] for run in runs)),
            number(t_interval([run["precision"] for run in runs]).mean * 100, 0) + " %",
            *(write(runs, key) for key in ("charged", "cost", "slope", "revenge")),
        ]
        for arm, runs in by_arm.items()
    ]
