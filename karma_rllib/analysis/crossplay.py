"""Cross-play: what policies of several kinds earn among each other, from a file of episodes.

    docs/results/NAME/
      episodes.csv   one row per focal policy, background policy and seed of an episode
      meetings.json  world, places, versions, and which policies were met
      crossplay.png  the matrix of earnings

A kind is a condition (all its trained seeds) or a bot.  Intervals are percentile bootstraps that
draw focal policies, background policies and episodes anew, each independently of the others (the
pigeonhole bootstrap; Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2)).

Shapes: F focal policies of a kind, B background policies of a kind, E episodes, R resamples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from karma_rllib.analysis import store
from karma_rllib.analysis.stats import LEVEL, Interval
from karma_rllib.config.errors import ConfigError

EPISODES, ABOUT, PICTURE = "episodes.csv", "meetings.json", "crossplay.png"
RESAMPLES = 2_000
COUNTS = ("hits", "hits_taken", "cleaned")
VALUES = {
    "earned": "return of the focal agent",
    "others": "return per head of the background",
    "gain": "return of the focal agent, less that of a member of the background in its place",
    "harm": "return per head of the background, less that among its own",
    "hits": "hits by the focal agent",
    "hits_taken": "hits that the focal agent took",
    "cleaned": "waste cells that the focal agent removed",
}
"""What a matrix can hold; all per episode."""


def take(db: Path, folder: Path) -> list[str]:
    """Archive the meetings of a file of episodes, and draw them.

    Args:
        db: the file.
        folder: of the archive; made if missing, older files in it are replaced.

    Returns:
        What a reader must know: the meetings that were left out.

    Raises:
        ConfigError: no such file, no meetings in it, or several worlds or numbers of places.
    """
    try:
        table = store.current(store.read(db))
    except ValueError as err:
        raise ConfigError(str(err)) from None
    table = table[table["score"].isna() & (table["npc"] != "")]
    games = table[["suite", "scenario"]].drop_duplicates()
    if len(games) != 1:
        raise ConfigError(f"{db} holds {len(games)} kinds of meetings, but an archive holds one")
    frame = _episodes(table)
    whole = _whole(frame)
    notes = [f"{len(frame) - len(whole)} episodes left out"] if len(whole) < len(frame) else []
    folder.mkdir(parents=True, exist_ok=True)
    whole.round(3).to_csv(folder / EPISODES, index=False, lineterminator="\n")
    versions = table.drop_duplicates("policy_uri").set_index("policy_uri")["version"]
    about = {
        "world": str(games.iloc[0]["suite"]),
        "places": str(games.iloc[0]["scenario"]),
        "episodes": int(whole["seed"].nunique()),
        "code": sorted(table["code_version"].unique()),
        "policies": {short(str(uri)): int(n) for uri, n in sorted(versions.items())},
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    picture(read(folder), folder / PICTURE)
    return notes


def short(uri: str) -> str:
    """A policy's name in an archive: a bot's, or the last folder of its path."""
    if uri.startswith("random:"):
        return "random"
    return PurePosixPath(uri).name


def kind(name: str) -> str:
    """What policies of several seeds have in common: the name of a trial without its seed."""
    return re.sub(r"_s\d+$", "", name)


def _episodes(table: pd.DataFrame) -> pd.DataFrame:
    """One row per focal policy, background policy and episode."""
    for name in COUNTS:
        table = table.assign(**{name: table["stats"].map(lambda s, name=name: s.get(name, 0.0))})
    me, met = table["policy_uri"].map(short), table["npc"].map(lambda n: n.rpartition("@")[0])
    table = table.assign(me=me, met=met.map(short))
    judged = table[table["role"] == store.FOCAL].rename(
        columns={"me": "focal", "met": "background", "raw_return": "earned"}
    )
    others = table[table["role"] == store.BACKGROUND].rename(
        columns={"me": "background", "met": "focal", "raw_return": "others"}
    )
    keys = ["focal", "background", "seed"]
    one = judged.groupby(keys, sort=False)[["earned", *COUNTS]].mean()
    return one.join(others.groupby(keys)["others"].mean()).reset_index()


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Only episodes that every pair has played, and pairs of policies that met in both roles."""
    pairs = frame.groupby("seed").size()
    kept = frame[frame["seed"].isin(pairs.index[pairs == pairs.max()])]
    both = set(kept["focal"]) & set(kept["background"])
    return kept[kept["focal"].isin(both) & kept["background"].isin(both)]


def read(folder: Path) -> pd.DataFrame:
    """The episodes of an archive, with `focal_kind` and `background_kind`.

    Raises:
        ConfigError: there is no archive, or it is damaged.
    """
    try:
        frame = pd.read_csv(folder / EPISODES)
        return frame.assign(
            focal_kind=frame["focal"].map(kind), background_kind=frame["background"].map(kind)
        )
    except (OSError, ValueError, KeyError) as err:
        raise ConfigError(f"{folder / EPISODES} cannot be read ({err})") from None


def apart(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The same episodes, every policy of one kind being a kind of its own."""
    for side in ("focal", "background"):
        own = frame[f"{side}_kind"].mask(frame[f"{side}_kind"] == name, frame[side])
        frame = frame.assign(**{f"{side}_kind": own})
    return frame


def kinds(frame: pd.DataFrame) -> list[str]:
    """All kinds, trained ones first, in the order of the file; seeds told apart stay together."""
    found = dict(frame[["focal", "focal_kind"]].drop_duplicates().to_numpy().tolist())
    order = list(dict.fromkeys(map(kind, found)))
    names = sorted(found, key=lambda name: (kind(name) == name, order.index(kind(name))))
    return list(dict.fromkeys(found[name] for name in names))


def cube(frame: pd.DataFrame, focal: str, background: str, value: str) -> np.ndarray:
    """One number per focal policy, background policy and episode, (F, B, E).

    Args:
        frame: from `read`.
        focal: a kind.
        background: a kind.
        value: one of `VALUES`.

    Raises:
        ConfigError: some of these policies have not met in every episode.
    """
    part = frame[(frame["focal_kind"] == focal) & (frame["background_kind"] == background)]
    column = {"gain": "earned", "harm": "others"}.get(value, value)
    wide = part.pivot_table(index=["focal", "background"], columns="seed", values=column)
    F, B = part["focal"].nunique(), part["background"].nunique()
    if len(wide) != F * B or wide.isna().to_numpy().any() or not F:
        raise ConfigError(f"not every {focal} has met every {background} in every episode")
    found = wide.to_numpy().reshape(F, B, -1)
    if column != value:
        own = frame[(frame["background_kind"] == background)]
        own = own[own["focal"] == own["background"]]
        base = own.pivot_table(index="background", columns="seed", values=column)
        found = found - base.to_numpy()[None]
    return np.asarray(found)


def pigeonhole(values: np.ndarray, seed: int = 0) -> Interval:
    """Mean of (F, B, E) numbers and its 95 % interval; `n` is F x B.

    Where a kind has a single policy only the other axes are drawn anew.
    """
    rng = np.random.default_rng(seed)
    F, B, E = values.shape
    weights = [_counts(rng, size) for size in (F, B, E)]  # how often each was drawn, (R, size)
    drawn = np.einsum("rf,rb,re,fbe->r", *weights, values, optimize=True) / (F * B * E)
    tail = 50 * (1 - LEVEL)  # [percent]
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high), F * B)


def _counts(rng: np.random.Generator, size: int) -> np.ndarray:
    """How often each of `size` things is drawn in `size` draws, float64 (R, size)."""
    return rng.multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(float)


def matrix(frame: pd.DataFrame, value: str) -> dict[tuple[str, str], Interval]:
    """Mean and interval of every kind among every kind.

    Args:
        frame: from `read`.
        value: one of `VALUES`.
    """
    names = kinds(frame)
    return {
        (one, other): pigeonhole(cube(frame, one, other, value))
        for one, other in product(names, names)
    }


def picture(frame: pd.DataFrame, path: Path) -> Path:
    """Draw two matrices: what the focal agent earns, and what it gains over a member."""
    names = kinds(frame)
    side = 1.6 + 0.72 * len(names)
    figure = Figure(figsize=(2 * side, 0.62 * side + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for place, value, title in zip(
        axes,
        ("earned", "gain"),
        ("What one agent earns among the others", "The same, less what one of them earns there"),
        strict=True,
    ):
        found = matrix(frame, value)
        _draw(place, names, found, centred=value == "gain")
        place.set_title(title, loc="left", fontweight="bold")
    axes[0].set_ylabel("the one (focal)")
    axes[0].set_xlabel("the others (background)")
    axes[1].set_xlabel("the others (background); faint: the 95 % interval holds 0")
    figure.savefig(path, dpi=90, metadata={"Software": None})
    return path


def _draw(
    axes: Any, names: list[str], found: Mapping[tuple[str, str], Interval], *, centred: bool
) -> None:
    """One matrix as shaded cells with their means; faint where the interval holds zero."""
    data = np.array([[found[one, other].mean for other in names] for one in names])
    top = float(np.abs(data).max()) or 1.0
    low, high = (-top, top) if centred else (float(data.min()), float(data.max()))
    axes.imshow(data, cmap="RdBu" if centred else "viridis", vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    for (y, x), value in np.ndenumerate(data):
        cell = found[names[y], names[x]]
        dark = abs(value) > 0.6 * top if centred else value < (low + high) / 2
        sure = not centred or cell.low > 0 or cell.high < 0
        axes.text(
            x, y, f"{value:.1f}", ha="center", va="center", fontsize=9,
            color="white" if dark else "black", alpha=1.0 if sure else 0.45,
        )  # fmt: skip
