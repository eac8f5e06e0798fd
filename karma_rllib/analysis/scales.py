"""The same conditions in several settings: maps of several sizes, kin of several degrees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from karma_rllib.analysis.runs import RunFolder

_EPISODES = 200  # drawn where relatedness is random


class Setting(NamedTuple):
    """What runs that are pooled have in common."""

    grid_size: int  # cells per side of the map; 0 if the run does not say
    relatedness: float  # of an agent to the closest other one, on average

    def folder(self, others: Iterable[Setting]) -> str:
        """Name of this setting's folder among those of `others`; "" if there is no other."""
        sizes, degrees = zip(*others, strict=True)
        parts = [f"grid_{self.grid_size}"] if len(set(sizes)) > 1 else []
        parts += [f"related_{self.relatedness:g}"] if len(set(degrees)) > 1 else []
        return "_".join(parts)

    def title(self, others: Iterable[Setting]) -> str:
        """The same for people."""
        sizes, degrees = zip(*others, strict=True)
        size = f"map of {self.grid_size}x{self.grid_size} cells"
        parts = [size] if len(set(sizes)) > 1 else []
        parts += [f"relatedness {self.relatedness:g}"] if len(set(degrees)) > 1 else []
        return ", ".join(parts)


def setting_of(folder: RunFolder) -> Setting:
    """Map size and relatedness of a run."""
    world = folder.experiment.get("world")
    world = world if isinstance(world, dict) else {}
    size = world.get("grid_size")
    return Setting(int(size) if isinstance(size, int) else 0, _relatedness(folder, world))


def _relatedness(folder: RunFolder, world: dict[str, Any]) -> float:
    """Mean over agents of max over j != i of K[i, j], to three decimals; 0 without kin.

    Raises:
        ValueError: the run's section `kinship` is not one that this version knows.
    """
    section, agents = folder.experiment.get("kinship"), world.get("num_agents")
    if not isinstance(section, dict) or section.get("scheme", "none") == "none":
        return 0.0
    if not isinstance(agents, int) or agents < 2:
        return 0.0
    from karma_rllib.society.kinship import KinshipRules, relatedness

    episodes = np.arange(_EPISODES)
    K = relatedness(KinshipRules.of(section), agents, 0, np.zeros_like(episodes), episodes)
    return round(float((K - np.eye(agents)).max(-1).mean()), 3)


def by_setting(folders: Iterable[RunFolder]) -> dict[Setting, list[RunFolder]]:
    """Run folders by map size, then relatedness, smallest first."""
    settings: dict[Setting, list[RunFolder]] = {}
    for folder in folders:
        settings.setdefault(setting_of(folder), []).append(folder)
    return dict(sorted(settings.items()))


def scale_table(table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """A table as part of the comparison of settings.

    Args:
        table: any rows of one setting, for example of `late.condition_table`.
        setting: which.

    Returns:
        The same rows with first columns `grid_size` and `relatedness`.
    """
    own = table.copy()
    for place, name in enumerate(Setting._fields):
        own.insert(place, name, getattr(setting, name))
    return own
