"""Which replays of a file of episodes belong to a cell of the heatmap."""

from __future__ import annotations

import pandas as pd

from karma_rllib.analysis.store import FOCAL

KINDS = ("best", "median", "violent")
MARKS = {"best": "\u25b2", "median": "\u25cf", "violent": "\u2716"}  # triangle, disc, cross
CELL = ["policy_uri", "version", "suite", "scenario", "npc"]


def replays(rows: pd.DataFrame, value: str = "raw_return") -> pd.DataFrame:
    """Files of each cell's replays: of the best, the median and the most violent episode.

    `evaluate` keeps three of every few episodes; of these, the best is the one with the highest
    focal value, the median the one nearest to the median of all episodes, and the violent the one
    in which all agents together hit most, "" where nobody did.

    Args:
        rows: see `store.current`.
        value: what the focal agents are judged by.

    Returns:
        Columns `CELL` and `KINDS`; cells without a replay have no row.
    """
    hits = rows["stats"].map(lambda stats: float(stats.get("hits", 0)))
    violence = hits.groupby(rows["replay"]).sum()
    focal = rows[rows["role"] == FOCAL]
    episodes = focal.groupby([*CELL, "seed"]).agg(value=(value, "mean"), replay=("replay", "first"))
    found = []
    for cell, part in episodes.groupby(CELL):
        seen = part[(part["replay"] != "") & part["value"].notna()]
        if len(seen):
            far = (seen["value"] - part["value"].median()).abs()
            most = violence[seen["replay"]]
            files = (
                seen["replay"].iloc[int(seen["value"].argmax())],
                seen["replay"].iloc[int(far.argmin())],
                str(most.idxmax()) if most.max() > 0 else "",
            )
            found.append((*cell, *files))
    return pd.DataFrame(found, columns=[*CELL, *KINDS])
