"""Replays of the episodes worth seeing, of a meeting or of a policy that sits a scenario.

Of the episodes that are played side by side: the one with the highest focal return, the median one,
and the one with most hits.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from hashlib import blake2b
from pathlib import Path
from statistics import fmean

from karma_rllib.analysis.store import FOCAL, Key, Row
from karma_rllib.envs.replay import save
from karma_rllib.envs.replay_record import Draft, Keeper

FOLDER = "replays"  # beside the file of episodes


def keep(
    folder: Path, key: Key, drafts: Mapping[int, Draft], found: MutableMapping[int, list[Row]]
) -> None:
    """Write the replays, and their paths into the rows of their episodes.

    Args:
        folder: to write to.
        key: what was played, seen from who is judged, with seed 0.
        drafts: the episodes by seed.
        found: the rows of each seed, changed in place: `replay` becomes the path of the file,
            relative to the folder that holds the folder of replays.

    Raises:
        ReplayError: the world did not live an episode twice alike.
    """
    for seed, draft in drafts.items():
        draft.total = fmean(row.raw_return for row in found[seed] if row.key.role == FOCAL)
    keeper = Keeper(len(drafts))
    keeper.add(list(drafts.values()))
    seeds = {id(draft): seed for seed, draft in drafts.items()}
    why: dict[int, list[str]] = {}
    for name, draft in keeper.pick().items():
        why.setdefault(seeds[id(draft)], []).append(name)
    what = "\n".join(map(str, key))
    name = blake2b(what.encode(), digest_size=8).hexdigest()
    for seed, names in why.items():
        file = Path(name, f"{seed}.replay")
        save(drafts[seed].seal(" and ".join(names)), folder / file)
        path = (folder.name / file).as_posix()
        found[seed] = [row._replace(replay=path) for row in found[seed]]
