"""Pages of the replays that a heatmap links to."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import pandas as pd


def pages(found: pd.DataFrame, home: Path, out: Path) -> dict[str, str]:
    """Write a page for every replay of a heatmap, unless a newer one is there.

    Args:
        found: from `heatmap.tidy`.
        home: folder of the file of episodes, which paths of replays are relative to.
        out: folder of the heatmap; the pages go into its subfolders, named as in `home`.

    Returns:
        Address of each page, relative to `out`, by the path of its replay.  A replay that is not
        there any more, or cannot be relived, is named on the error stream and has none.
    """
    from karma_rllib.analysis.kept import KINDS

    links = {}
    for path in sorted({name for kind in KINDS for name in found[kind] if name}):
        part = PurePosixPath(path)
        try:
            if part.is_absolute() or ".." in part.parts:
                raise ValueError(f"{path}: a replay lies in a folder beside the file of episodes")
            _page(home / part, out / part.with_suffix(".html"))
        except (ValueError, OSError) as err:
            print(f"karma: {err}", file=sys.stderr)  # noqa: T201
        else:
            links[path] = quote(part.with_suffix(".html").as_posix())
    return links


def _page(file: Path, target: Path) -> None:
    """Write the page of a replay.

    Raises:
        ReplayError: it is not there, broken, or of other rules.
    """
    from karma_rllib.envs import replay as files
    from karma_rllib.envs import viewer
    from karma_rllib.envs.replay_life import verify

    fresh = target.is_file() and file.is_file() and target.stat().st_mtime >= file.stat().st_mtime
    if fresh:
        return
    found = files.load(file)
    try:
        verify(found)
        viewer.write(found, target)
    except files.ReplayError as err:
        raise files.ReplayError(f"{file}: {err}") from None
