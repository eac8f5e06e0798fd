"""``karma evaluate | respond | analyze | suites``: who judges policies.  Light to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

EPISODES = Path("results/episodes.sqlite")

Database = Annotated[Path, typer.Option(help="File that keeps the episodes.")]
World = Annotated[
    str | None, typer.Option(help="World; default: that of the first trained policy.")
]
Profile = Annotated[str | None, typer.Option(help="Named parameter set of the world.")]


def add_to(app: typer.Typer, speaks: Callable[..., Any]) -> None:
    """Add the commands to the command line; `speaks` turns bad input into a sentence."""
    app.command()(speaks(evaluate))
    app.command()(speaks(respond))
    app.command()(speaks(analyze))
    app.command()(speaks(suites))


def evaluate(
    policies: Annotated[
        list[str],
        typer.Argument(help="Checkpoints, trials' folders or addresses: see karma list policies."),
    ],
    background: Annotated[
        list[str] | None,
        typer.Option(metavar="POLICY", help="Whom they meet; default: each other, all with all."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Play this scenario: see karma list scenarios."),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Play the scenarios of a suite, or all."),
    ] = None,
    focal: Annotated[
        list[int] | None, typer.Option(min=1, help="Agents that are judged; default 1.")
    ] = None,
    world: World = None,
    profile: Profile = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a parameter of the world."),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Episodes to play; default 20, of a scenario 16.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of worlds and actions.")] = 0,
    db: Database = EPISODES,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; more than one are Ray tasks.")
    ] = 1,
    gif: Annotated[Path | None, typer.Option(help="Also film one episode to this file.")] = None,
    replays: Annotated[
        Path | None,
        typer.Option(help="Keep replays of one policy here; meetings keep theirs beside --db."),
    ] = None,
) -> int:
    """Play policies: one alone, with what it does to others; or many, and what each earns."""
    from karma_rllib.cli import evaluation, meeting, scoring

    if scenario or suite:
        scoring.refuse_beside_scenarios(
            focal=focal, world=world, profile=profile, set=overrides, gif=gif, replays=replays
        )
        names = scoring.chosen(scenario or [], suite or [])
        sides = (policies, background or [])
        return scoring.judge(names, *sides, episodes or scoring.EPISODES, seed, db, workers)
    wanted = (background, focal, world, profile, overrides, workers > 1)
    if len(policies) == 1 and not any(wanted) and meeting.is_file(policies[0]):
        folder, count = meeting.folder(policies[0]), episodes or meeting.EPISODES
        evaluation.evaluate(folder, count, seed, gif, replays)
        return 0
    meeting.refuse_alone(gif=gif, replays=replays)
    arena = meeting.arena([*policies, *(background or [])], world, profile, overrides or [])
    sides = (policies, background or [])
    count = episodes or meeting.EPISODES
    return meeting.meet(*sides, arena, focal or [1], count, seed, db, workers)


def respond(
    policies: Annotated[
        list[str], typer.Argument(help="Whom to respond to: see karma list policies.")
    ],
    world: World = None,
    profile: Profile = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a parameter of the world, or e.g. ppo.lr."
        ),
    ] = None,
    agent_steps: Annotated[
        int | None, typer.Option(min=1, help="Budget of a fresh agent; default 500,000.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh agents per policy.")] = 3,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes they are judged by.")] = 64,
    storage: Annotated[Path, typer.Option(help="Folder of the policies trained here.")] = Path(
        "results/responses"
    ),
    db: Database = EPISODES,
    workers: Annotated[int, typer.Option(min=1, help="Processes that train and play.")] = 1,
) -> int:
    """Train fresh agents against frozen policies: how much more can be earned among them?"""
    from karma_rllib.cli import responding

    texts = [*(overrides or [])]
    if agent_steps is not None:
        texts.append(f"budget.agent_steps={agent_steps}")
    return responding.respond(
        policies, world, profile, texts, seeds, episodes, storage, db, workers
    )


def analyze(
    db: Annotated[Path, typer.Argument(help="File of episodes that karma evaluate wrote.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: beside the file.")
    ] = None,
    value: Annotated[
        str, typer.Option(help="What to show: raw_return, shared_return or score.")
    ] = "raw_return",
) -> None:
    """Draw policies x scenarios as a heatmap: a page, pictures and a table."""
    from karma_rllib.cli import meeting

    meeting.analyze(db, out, value)


def suites(
    names: Annotated[
        list[str] | None, typer.Argument(help="Scenarios or suites; default: all.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Page to write the table into, between its two marks.")
    ] = None,
) -> None:
    """Score the oracles and random play in the scenarios; policies: karma evaluate --suite."""
    from karma_rllib.cli import scoring

    scoring.show(names or [], write)
