"""Choose an ecology by its baseline alone, before any treatment is looked at.

Settings are tried on plain baselines. Those that pass gate G0 (harm is there, and pays) are ranked
by how much more they harm than a random policy does in the same world, and the first is frozen.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.analysis import gates, stats
from karma_rllib.analysis.runs import open_runs
from karma_rllib.analysis.windows import run_table
from karma_rllib.config import ConfigError

FORMAT, VERSION = "karma_rllib.freeze", 1

#: What is tried unless told otherwise: crowding, scarcity, and how long a hit takes a rival out.
GRID: dict[str, tuple[Any, ...]] = {
    "world.num_agents": (2, 3, 4, 6),
    "world.respawn_prob": (0.01, 0.02, 0.04),
    "world.timeout": (25, 50),
}


class Tried(NamedTuple):
    """One setting and what its baselines did."""

    settings: dict[str, Any]
    run: str  # name of its run folder
    passed: bool  # gate G0
    reason: str
    times_random: float  # violence, late, over the random policy's
    hit_advantage: float


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the grid's values, the last key varying fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def measure(
    run_dir: Path, settings: Mapping[str, Any], reference: Mapping[str, float], late: float
) -> Tried:
    """Hold the baselines of a run folder against gate G0.

    Args:
        run_dir: a run folder with baselines.
        settings: what was varied.
        reference: the random policy's rates in this world, see `registration.random_policy`.
        late: share of the agent-steps that counts.

    Raises:
        ValueError: the folder holds no results.
    """
    table = run_table(open_runs([run_dir]), late, late)
    baseline = table[table["condition"] == "baseline"]
    gate = gates.ecology(baseline, reference, seed=0)
    violence, advantage = (
        float(stats.iqm(baseline[f"late/{name}"].to_numpy(float)))
        for name in ("violence_rate", "hit_advantage")
    )
    times = violence / max(reference["violence_rate"], 1e-12)
    return Tried(dict(settings), run_dir.name, gate.open, gate.reason, times, advantage)


def pick(tried: Sequence[Tried]) -> Tried | None:
    """The most violent of those that pass, compared with a random policy; None if none does."""
    return max((t for t in tried if t.passed), key=lambda t: t.times_random, default=None)


def freeze(tried: Sequence[Tried], chosen: Tried, name: str, created: str) -> dict[str, Any]:
    """What `freeze.json` holds: the choice, and everything it was chosen from."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "created": created,
        "experiment": name,
        "settings": chosen.settings,
        "run": chosen.run,
        "reason": chosen.reason,
        "tried": [
            {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
            for row in (t._asdict() for t in tried)
        ],
    }


def frozen(path: Path) -> list[str]:
    """The settings of a freeze file, as overrides `key=value`.

    Raises:
        ConfigError: it is missing or no freeze file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; write one with karma calibrate") from None
    except ValueError as err:
        raise ConfigError(f"{path}: is not JSON ({err})") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(f"{path}: is no freeze file (its format is not {FORMAT})")
    return [f"{key}={json.dumps(value)}" for key, value in data["settings"].items()]
