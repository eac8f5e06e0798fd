"""Replays of the episodes of a meeting that are worth seeing.

Of the episodes that are played side by side: the one with the highest focal return, the median one,
and the one with most hits.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from karma_rllib.analysis.store import FOCAL, Row
from karma_rllib.envs.replay import save
from karma_rllib.envs.replay_record import Keeper
from karma_rllib.envs.replay_watch import Witness

if TYPE_CHECKING:
    from karma_rllib.experiment.meeting import Cell

FOLDER = "replays"  # beside the file of episodes


def keep(cell: Cell, witness: Witness, found: dict[int, list[Row]]) -> None:
    """Write the replays, and their paths into the rows of their episodes.

    Args:
        cell: what was played; its `replays` is the folder to write to.
        witness: what saw the episodes.
        found: the rows of each seed, changed in place: `replay` becomes the path of the file,
            relative to the folder that holds the folder of replays.

    Raises:
        ReplayError: the world did not live an episode twice alike.
    """
    assert cell.replays is not None
    for seed, draft in witness.drafts.items():
        draft.total = fmean(row.raw_return for row in found[seed] if row.key.role == FOCAL)
    keeper = Keeper(len(witness.drafts))
    keeper.add(list(witness.drafts.values()))
    why: dict[int, list[str]] = {}
    for name, draft in keeper.pick().items():
        why.setdefault(draft.head.uid, []).append(name)
    what = "\n".join(map(str, cell.key(0)))
    name = blake2b(what.encode(), digest_size=8).hexdigest()
    for seed, names in why.items():
        file = Path(name, f"{seed}.replay")
        save(witness.drafts[seed].seal(" and ".join(names)), cell.replays / file)
        path = (cell.replays.name / file).as_posix()
        found[seed] = [row._replace(replay=path) for row in found[seed]]
