"""The same conditions on maps of several sizes."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from karma_rllib.analysis.runs import RunFolder


def size_of(folder: RunFolder) -> int:
    """Cells per side of a run's map; 0 if the run does not say."""
    world = folder.experiment.get("world")
    size = world.get("grid_size") if isinstance(world, dict) else None
    return int(size) if isinstance(size, int) else 0


def by_size(folders: Iterable[RunFolder]) -> dict[int, list[RunFolder]]:
    """Run folders by the size of their map, smallest first."""
    sizes: dict[int, list[RunFolder]] = {}
    for folder in folders:
        sizes.setdefault(size_of(folder), []).append(folder)
    return dict(sorted(sizes.items()))


def scale_table(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """A comparison's table as part of the comparison of sizes.

    Args:
        table: one row per condition and metric, see `late.condition_table`.
        size: cells per side of its map.

    Returns:
        The same rows with a first column `grid_size`.
    """
    return pd.concat({size: table}, names=["grid_size"]).reset_index(0).reset_index(drop=True)
