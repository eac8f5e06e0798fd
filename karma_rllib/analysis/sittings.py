"""Scores of policies in scenarios, from a file of episodes.

    docs/results/NAME/
      scores.csv   one row per policy, scenario and seed

What `karma evaluate --suite` played. Intervals are those of `analysis.meetings`: percentile
bootstraps over the episodes of a scenario; of a suite, over the episodes within its scenarios.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from karma_rllib.analysis import store
from karma_rllib.analysis.crossplay import short
from karma_rllib.analysis.meetings import grouped_interval, mean_interval
from karma_rllib.analysis.stats import Interval
from karma_rllib.config.errors import ConfigError

SCORES = "scores.csv"
_KEYS = ["policy", "suite", "scenario", "seed"]


def only(db: Path) -> bool:
    """Whether a file of episodes holds scores of scenarios and no meetings.

    Raises:
        ConfigError: no such file, or one that is not a store of episodes.
    """
    scored = _table(db).groupby(["suite", "scenario"])["score"].count()  # of whoever was judged
    return bool((scored > 0).all())


def take(db: Path, folder: Path) -> list[str]:
    """Archive the scores of a file of episodes.

    Args:
        db: the file.
        folder: of the archive; made if missing, older files in it are replaced.

    Returns:
        What a reader must know: the scenarios that not all policies have played.

    Raises:
        ConfigError: no such file, or no scores in it.
    """
    judged = _table(db).dropna(subset=["score"])
    judged = judged[judged["role"] == store.FOCAL]
    if judged.empty:
        raise ConfigError(f"{db} holds no scores; karma evaluate --suite writes some")
    judged = judged.assign(policy=judged["policy_uri"].map(short))
    scores = judged.groupby(_KEYS, sort=False)["score"].mean().reset_index()
    players = scores.groupby("scenario")["policy"].nunique()
    partly = sorted(players.index[players < scores["policy"].nunique()])
    folder.mkdir(parents=True, exist_ok=True)
    scores.round(4).to_csv(folder / SCORES, index=False, lineterminator="\n")
    return [f"not every policy has played {', '.join(partly)}"] if partly else []


def _table(db: Path) -> pd.DataFrame:
    try:
        return store.current(store.read(db))
    except ValueError as err:
        raise ConfigError(str(err)) from None


def read(folder: Path) -> pd.DataFrame:
    """The scores of an archive.

    Raises:
        ConfigError: there is no archive, or it is damaged.
    """
    try:
        return pd.read_csv(folder / SCORES)[[*_KEYS, "score"]]
    except (OSError, ValueError, KeyError) as err:
        raise ConfigError(f"{folder / SCORES} cannot be read ({err})") from None


def by_scenario(scores: pd.DataFrame) -> dict[tuple[str, str], dict[str, Interval]]:
    """Mean score of each policy in each scenario, and in each suite under the scenario ""."""
    found: dict[tuple[str, str], dict[str, Interval]] = {}
    for suite, own in scores.groupby("suite", sort=False):
        for scenario, rows in own.groupby("scenario", sort=False):
            found[str(suite), str(scenario)] = {
                str(name): mean_interval(part["score"]) for name, part in rows.groupby("policy")
            }
        found[str(suite), ""] = {
            str(name): grouped_interval(part["score"], list(part["scenario"]))
            for name, part in own.groupby("policy")
        }
    return found
