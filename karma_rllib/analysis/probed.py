"""What `karma probe` found in the runs of an archive, as rows of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from karma_rllib.analysis.archive import PROBED
from karma_rllib.analysis.cells import terse
from karma_rllib.analysis.stats import Interval, t_interval
from karma_rllib.analysis.tables import bounds, number
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
    """The value fingerprint and the geometry, a row per arm, in the columns of `FINGERPRINT`.

    Means over the runs of an arm, with 95 % t intervals; for a single run the interval is that of
    its own probe, over zaps.
    """
    return [_fingerprint(runs) for runs in _by_arm(archive, "values")]


def _fingerprint(runs: list[Probe]) -> list[str]:
    def of(section: str, key: str) -> Interval:
        return _over([run.told[section][key] for run in runs])

    watched = "".join({f" of {run.told['behaviour']}" for run in runs if run.told["behaviour"]})
    values = [of("values", key).mean for key in ("v_before", "v_after", "v_victim")]
    gaps = [run.told["geometry"].get("role_gap") for run in runs]
    return [
        _who(runs),
        f"{sum(run.told['zaps'] for run in runs)}{watched}",
        " / ".join(number(value, 2) for value in values),
        _written(of("values", "dv_out")),
        " / ".join(terse(number(of("linear", key).mean, 2)) for key in ("raw", "z")),
        terse(_written(of("transfer", "effect"))),
        number(_over([gap for gap in gaps if gap is not None]).mean, 2),
    ]


def charges(archive: Path) -> list[list[str]]:
    """What transport charged crimes with and what they really brought, in the columns of `CHARGES`.

    A row per arm, made as in `fingerprints`.
    """
    rows = []
    for runs in _by_arm(archive, "transport"):
        told = [run.told["transport"] for run in runs]
        right = _over([one["precision"] for one in told]).mean
        keys = ("charged", "cost", "slope", "revenge")
        found = [terse(_written(_over([one[key] for one in told]))) for key in keys]
        crimes = sum(one["crimes"] for one in told)
        rows.append([_who(runs), str(crimes), f"{number(100 * right, 0)} %", *found])
    return rows


def _by_arm(archive: Path, section: str) -> list[list[Probe]]:
    return [list(runs) for _, runs in groupby(read(archive, section), lambda one: one.arm)]


def _who(runs: list[Probe]) -> str:
    (arm, seed), n = runs[0][:2], len(runs)
    return f"{arm}, {n} seeds" if n > 1 else f"{arm}, seed {seed}"


def _over(found: Sequence[float | Sequence[float]]) -> Interval:
    """Numbers of several runs, or the estimate of one with the interval that it came with."""
    if len(found) == 1 and not isinstance(found[0], int | float):
        value, low, high = found[0]
        return Interval(value, low, high, 1)
    return t_interval([x if isinstance(x, int | float) else x[0] for x in found])


def _written(interval: Interval) -> str:
    """A mean and its interval, if it has one."""
    ends = bounds(interval, 2)
    return number(interval.mean, 2) + ("" if ends == "-" else f" {ends}")
