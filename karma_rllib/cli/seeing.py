"""``karma replay | play``: the commands that show what agents do.  Light to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def add_to(app: typer.Typer, speaks: Callable[..., Any]) -> None:
    """Add the commands to the command line; `speaks` turns bad input into a sentence."""
    app.command()(speaks(replay))
    app.command()(speaks(play))


def replay(
    file: Annotated[Path, typer.Argument(help="A .replay file.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Page or film to write: .html, .gif or .mp4; default: FILE as .html."),
    ] = None,
    fps: Annotated[int, typer.Option(min=1, max=120, help="Pictures per second of a film.")] = 8,
    check: Annotated[bool, typer.Option("--check", help="Only compare all frames.")] = False,
) -> None:
    """Check a replay frame by frame; write it as a web page, a GIF or an MP4."""
    from karma_rllib.config import ConfigError
    from karma_rllib.envs import replay as files
    from karma_rllib.envs import viewer
    from karma_rllib.envs.replay_life import verify

    target = out or file.with_suffix(".html")
    try:
        if target.suffix not in viewer.SUFFIXES:
            raise ValueError(f"--out {target}: it must end in {', '.join(viewer.SUFFIXES)}")
        found = files.load(file)
        try:
            verify(found)
        except files.ReplayError as err:
            raise ValueError(f"{file}: {err}") from None
        typer.echo(f"{file}: {found.steps + 1} frames, all as they were lived")
        if not check:
            typer.echo(f"written: {viewer.write(found, target, fps)}")
    except (ValueError, OSError) as err:
        raise ConfigError(str(err)) from None


def play(
    world: Annotated[
        str | None, typer.Option(help="The world; default: that of the policy, or harvest-v0.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="A named parameter set.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URI",
            help="Who plays: a checkpoint, bot://NAME, random:// or none; several take turns.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the world."),
    ] = None,
    kinship: Annotated[
        str | None, typer.Option(help="Scheme of relatedness, e.g. families.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of world and players.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Play in letters, not on a page.")
    ] = False,
) -> None:
    """Play among trained agents or bots, on a page that only this machine can open."""
    from karma_rllib.cli import playing

    who = policy or [playing.NOBODY]
    session = playing.session_of(world, profile, who, overrides or [], kinship, seed)
    if terminal:
        playing.terminal(session)
    else:
        playing.serve(session, port)
