"""``karma schelling``: is a profile a social dilemma, for scripted cooperators and defectors?"""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from karma_rllib.config import ConfigError


def schelling(names: list[str], seeds: int, out: Path | None, picture: Path | None) -> None:
    """Play the games, print the test, and write raw data and picture if asked to.

    Args:
        names: profiles; none: all that have bots to cooperate and to defect.
        seeds: episodes per number of cooperators.
        out: CSV file for the raw data.
        picture: PNG file for the diagrams.

    Raises:
        ConfigError: an unknown profile, or a file that cannot be written.
    """
    import pandas as pd

    from karma_rllib.analysis import look, schelling_figure
    from karma_rllib.analysis.schelling import COLUMNS, markdown
    from karma_rllib.envs.dilemma import GAMES, rounds
    from karma_rllib.hints import hint

    for name in names:
        if name not in GAMES:
            raise ConfigError(f"no Schelling test for profile {name!r}: {hint(name, GAMES)}")
    for path in filter(None, (out, picture)):
        if not path.parent.is_dir():
            raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
    games = [(name, *pair) for name in names or GAMES for pair in GAMES[name]]
    rows = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        for game in bar.track(games, description="playing"):
            rows += [(*game, *round_) for round_ in rounds(*game, range(seeds))]
    table = pd.DataFrame(rows, columns=COLUMNS)
    typer.echo(markdown(table))
    if out is not None:
        table.to_csv(out, index=False, float_format="%.6g", lineterminator="\n")
    if picture is not None:
        picture.write_bytes(look.png(schelling_figure.diagrams(table)))
