"""``karma evaluate`` with several policies: who earns what among whom."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from karma_rllib import worlds
from karma_rllib.config import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from karma_rllib.analysis.stats import Interval
    from karma_rllib.experiment.meeting import Cell, Playable

EPISODES = 20  # unless told otherwise
WIDE = 6  # columns with intervals that a terminal holds
WIDTH = 120  # columns where the output is not a terminal
FAILED = 1
VALUES = ("raw_return", "shared_return", "score")
SECTIONS = ("ledger", "matchmaker", "kinship")  # of a lifetime, beside the world's own keys


def is_file(uri: str) -> bool:
    """Whether an address is that of a trained policy."""
    return not uri.startswith(("bot://", "random://"))


def folder(uri: str) -> Path:
    """The policy folder of an address.

    Raises:
        ConfigError: there is no such policy.
    """
    from karma_rllib.nets.policies import locate

    try:
        found = locate(uri)
    except ValueError as err:
        raise ConfigError(str(err)) from None
    assert found.folder is not None
    return found.folder


def arena(
    uris: list[str], world: str | None, profile: str | None, overrides: list[str]
) -> dict[str, Any]:
    """The world to meet in: that of the first trained policy, unless told otherwise.

    Args:
        uris: all policies.
        world: name of a world; with it or a profile nothing is taken from a policy.
        profile: of the world.
        overrides: `key=value` texts; `kinship.`, `ledger.` and `matchmaker.` keys have dots.

    Returns:
        Arguments of `envs.meeting.build`.

    Raises:
        ConfigError: a policy is not there, or a text is no `key=value`.
    """
    from karma_rllib.nets.policies import locate

    found: dict[str, Any] = {}
    if world is None and profile is None:
        trained = next((uri for uri in uris if is_file(uri)), None)
        if trained is not None:
            try:
                found = locate(trained).about.get("world", {})
            except ValueError as err:
                raise ConfigError(str(err)) from None
    name = world or found.get("name", "harvest-v0")
    try:
        usual = worlds.entry(name).default
    except ValueError as err:
        raise ConfigError(str(err)) from None
    params = found.get("params", {})
    made = {"world": name, "profile": profile or found.get("profile") or usual, **params}
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set {text}: write KEY=VALUE, for example timeout=50")
        section, dot, inner = key.removeprefix("world.").partition(".")
        if dot and section not in SECTIONS:
            raise ConfigError(f"--set {text}: there is no section {section!r} in a world")
        if dot:
            made[section] = {**made.get(section, {}), inner: yaml.safe_load(value)}
        else:
            made[section] = yaml.safe_load(value)
    return made


def refuse_alone(**options: Path | None) -> None:
    """Refuse options of `karma evaluate` that are of one policy only.

    Raises:
        ConfigError: one of them is given, and which.
    """
    for name, given in options.items():
        if given is not None:
            raise ConfigError(
                f"--{name} is of one policy that plays with itself; name a single checkpoint"
            )


def meet(
    policies: list[str],
    background: list[str],
    world: dict[str, Any],
    seats: list[int],
    episodes: int,
    seed: int,
    db: Path,
    workers: int,
) -> int:
    """Let policies meet, keep the episodes, print what each earned.

    Returns:
        0, or 1 where an episode failed.

    Raises:
        ConfigError: a policy is not there or does not fit; nothing was played.
    """
    from karma_rllib.experiment import meeting, meeting_replays

    replays = db.resolve().parent / meeting_replays.FOLDER
    cells = meeting.plan(policies, background, world, seats, seed, replays)
    table, said, code = kept(cells, episodes, db, workers)
    _print(cells, table, episodes)
    Console(markup=False, highlight=False).print(said, soft_wrap=True)
    return code


def kept(
    games: Sequence[Playable], episodes: int, db: Path, workers: int
) -> tuple[pd.DataFrame, str, int]:
    """Play what the file of episodes does not hold yet; complaints go to the error stream.

    Returns:
        All rows of the file, a sentence on what was added, and the exit code.

    Raises:
        ConfigError: the file is none of episodes.
    """
    from karma_rllib.analysis import store
    from karma_rllib.experiment import meeting

    try:
        opened = store.EpisodeStore(db)
    except ValueError as err:
        raise ConfigError(str(err)) from None
    with opened:
        pieces = meeting.missing(games, range(episodes), opened)
        wanted = sum(len(seeds) for _, seeds in pieces)
        with bar("episodes", wanted) as told:
            complaints = meeting.complete(pieces, opened, workers, told)
        table = opened.frame()
    for complaint in complaints:
        print(f"karma: {complaint}", file=sys.stderr)  # noqa: T201
    there = len(games) * episodes - wanted
    said = f"{db}: {wanted} episodes added, {there} were there"
    return table, said, FAILED if complaints else 0


@contextmanager
def bar(what: str, total: int) -> Iterator[Any]:
    """A progress bar on the error stream; yields what is told of progress."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


def _print(cells: list[Cell], table: pd.DataFrame, episodes: int) -> None:
    """One matrix per share of focal agents: rows are focal, columns background."""
    from karma_rllib.analysis import meetings

    mine = table[table["seed"] < episodes]
    found = {
        tuple(row[name] for name in meetings.CELL): row
        for row in meetings.cells(mine).to_dict("records")
    }
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    for scenario in dict.fromkeys(cell.scenario for cell in cells):
        here = {
            (cell.focal.name, cell.background.name): cell
            for cell in cells
            if cell.scenario == scenario
        }
        rivals = {other: cell.background.label for (_, other), cell in here.items()}
        wide = len(rivals) <= WIDE
        title = (
            f"{scenario}: return per focal agent (rows) among background (columns), raw; mean of "
            f"{episodes} episodes{' [95 % interval]' if wide else ''}"
        )
        matrix = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        matrix.add_column("focal")
        for n, label in enumerate(rivals.values(), start=1):
            matrix.add_column(label if wide else f"{n}", justify="right", no_wrap=not wide)
        for one, label in {name: cell.focal.label for (name, _), cell in here.items()}.items():
            row = (here.get((one, other)) for other in rivals)
            matrix.add_row(label, *(_words(found, cell, wide) if cell else "" for cell in row))
        console.print(matrix)
        if not wide:  # a column is as wide as a mean
            named = ", ".join(f"{n} {label}" for n, label in enumerate(rivals.values(), start=1))
            console.print(f"background: {named}; karma analyze tells the intervals\n")


def _words(found: dict[tuple[Any, ...], Any], cell: Cell, wide: bool) -> str:
    """Mean of a cell, and its interval where there is room."""
    from karma_rllib.analysis.stats import Interval

    key = cell.key(0)
    where = (key.policy_uri, key.version, key.suite, key.scenario, key.npc, key.role)
    if where not in found:
        return "failed"
    row = found[where]
    if not wide:
        return f"{row['mean']:.1f}"
    return words(Interval(row["mean"], row["low"], row["high"], row["n"]))


def words(found: Interval | None) -> str:
    """A mean and its interval; nothing for None."""
    if found is None:
        return ""
    if found.n < 2:
        return f"{found.mean:.2f}"
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def analyze(db: Path, out: Path | None, value: str) -> None:
    """Draw the heatmap of a file of episodes and say where it is.

    Raises:
        ConfigError: no such file, nothing to show in it, or an unknown value.
    """
    from karma_rllib.analysis import heatmap, store
    from karma_rllib.cli import linking
    from karma_rllib.hints import check_choice

    folder = out or db.parent
    try:
        check_choice("--value", value, VALUES)
        found = heatmap.tidy(store.read(db), value)
    except ValueError as err:
        raise ConfigError(str(err)) from None
    files = heatmap.write(found, folder, value, linking.pages(found, db.parent, folder))
    for file in files.values():
        Console(markup=False, highlight=False).print(str(file), soft_wrap=True)
