"""The command line: ``karma train | compare | ...``; ``karma --help`` names all commands.

This module only parses.  Every command imports what it needs when it runs, so that ``karma --help``
answers at once.  Exit codes: 0 done, 1 a trial failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from karma_rllib.cli import evaluating, seeing

BAD_INPUT = 2

app = typer.Typer(
    name="karma",
    help="Experiments on harm, cooperation and credit in multi-agent RL, on Ray RLlib.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Topic(str, enum.Enum):
    """What `karma list` can show."""

    worlds = "worlds"
    profiles = "profiles"
    conditions = "conditions"
    examples = "examples"
    scenarios = "scenarios"
    policies = "policies"
    params = "params"


class WandbMode(str, enum.Enum):
    """Where Weights & Biases keeps its records."""

    offline = "offline"
    online = "online"


def _speaks(command: Callable[..., int | None]) -> Callable[..., None]:
    """Bad input becomes one sentence on stderr and exit code 2, never a traceback."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            code = command(*args, **kwargs)
        except ValueError as err:
            from karma_rllib.config.errors import ConfigError

            if not isinstance(err, ConfigError):
                raise
            typer.echo(f"karma: {err}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        raise typer.Exit(code or 0)

    return wrapper


def _version(wanted: bool) -> None:
    if wanted:
        from karma_rllib import __version__

        typer.echo(f"karma_rllib {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command()
@_speaks
def train(
    file: Annotated[str, typer.Argument(help="Experiment file, or the name of an example.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. ppo.lr=1e-3."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds.")] = None,
    conditions: Annotated[
        str | None, typer.Option(metavar="A,B", help="Conditions; all: those of the file.")
    ] = None,
    num_env_runners: Annotated[int | None, typer.Option(help="Sampling processes.")] = None,
    num_learners: Annotated[int | None, typer.Option(help="Learner processes.")] = None,
    num_gpus: Annotated[float | None, typer.Option(help="GPUs per learner.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join, e.g. auto; default: this machine.")
    ] = None,
    storage: Annotated[Path, typer.Option(help="Where the run folder is made.")] = Path("results"),
    wandb: Annotated[WandbMode | None, typer.Option(help="Log to Weights & Biases.")] = None,
    gif: Annotated[bool, typer.Option(help="Film an episode of every condition.")] = True,
    freeze: Annotated[
        Path | None, typer.Option(help="Settings that karma calibrate froze.")
    ] = None,
) -> int:
    """Run an experiment: every condition with every seed, then compare."""
    from karma_rllib.cli import training

    flags = {
        "resources.num_env_runners": num_env_runners,
        "resources.num_learners": num_learners,
        "resources.num_gpus": num_gpus,
        "tracking.wandb": wandb.value if wandb else None,
        "conditions": f"[{conditions}]" if conditions not in (None, "all") else None,
    }
    texts = [f"{key}={value}" for key, value in flags.items() if value is not None]
    config = training.load(file, [*(overrides or []), *texts], seeds, freeze)
    return training.train(config, storage, address, films=gif, file=file)


@app.command()
@_speaks
def resume(
    run_dir: Annotated[Path, typer.Argument(help="A run folder made by karma train.")],
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    gif: Annotated[bool, typer.Option(help="Film an episode of every condition.")] = True,
) -> int:
    """Go on with an interrupted experiment; finished trials are kept."""
    from karma_rllib.cli import training

    return training.resume(run_dir, address, films=gif)


@app.command()
@_speaks
def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Run folders; several are pooled.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: in the first run folder.")
    ] = None,
    gif: Annotated[bool, typer.Option(help="Film an episode of every condition.")] = True,
) -> None:
    """Print the table per condition; write curves, report and films."""
    from karma_rllib.cli import comparing

    comparing.compare(run_dirs, out, films=gif)


@app.command()
@_speaks
def probe(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or a trial's folder.")],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to play.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of worlds and actions.")] = 0,
    behaviour: Annotated[
        Path | None, typer.Option(help="A policy that acts in its place, so that there is harm.")
    ] = None,
    branches: Annotated[
        int | None,
        typer.Option(
            min=0, help="Zaps lived again without the act; default: 100 where there is a memory."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: the trial's.")
    ] = None,
) -> None:
    """Look into a trained policy: does it know harming from being harmed?"""
    from karma_rllib.cli import probing

    probing.probe(checkpoint, episodes, seed, behaviour, out, branches)


@app.command()
@_speaks
def results(
    pages: Annotated[
        list[Path] | None,
        typer.Argument(help="Markdown files; default: README.md and docs/results/*.md."),
    ] = None,
    take: Annotated[
        Path | None, typer.Option(help="Run folder or episodes to archive under docs/results.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of that archive; default: the experiment's.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a table would change.")
    ] = False,
) -> int:
    """Make the tables of results pages from the raw files beside them."""
    from karma_rllib.cli import reporting

    return reporting.results(pages or [], take, name, check=check)


@app.command()
@_speaks
def calibrate(
    file: Annotated[str, typer.Argument(help="Experiment file, or the name of an example.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B", help="Values to try of a setting; default: a grid."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")
    ] = None,
    storage: Annotated[Path, typer.Option(help="Where run folders are made.")] = Path("results"),
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("freeze.json"),
) -> int:
    """Find a world in which harm pays, on baselines alone, and freeze it."""
    from karma_rllib.cli import calibrating

    return calibrating.calibrate(file, vary or [], overrides or [], storage, address, out)


@app.command()
@_speaks
def preregister(
    file: Annotated[str, typer.Argument(help="Experiment file, or the name of an example.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds.")] = None,
    freeze: Annotated[
        Path | None, typer.Option(help="Settings that karma calibrate froze.")
    ] = None,
) -> None:
    """Write down what will be judged and how, before the first run."""
    from karma_rllib.cli import judging

    judging.preregister(file, overrides or [], seeds, freeze)


@app.command()
@_speaks
def verdict(
    run_dirs: Annotated[
        list[Path], typer.Argument(help="Run folders; several give levels of a setting.")
    ],
    registration: Annotated[
        Path | None, typer.Option(help="The registration; default: the run folder's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: verdict.json in the run folder.")
    ] = None,
) -> None:
    """Judge registered predictions: supported, refuted, inconclusive or not testable."""
    from karma_rllib.cli import judging

    judging.verdict(run_dirs, registration, out)


@app.command()
@_speaks
def schelling(
    profiles: Annotated[
        list[str] | None, typer.Argument(help="Profiles of harvest-v0; default: all with a test.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Episodes per number of cooperators.")] = 32,
    out: Annotated[Path | None, typer.Option(help="CSV file for what was earned.")] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG file for the diagrams.")] = None,
) -> None:
    """Test whether a profile is a social dilemma, with scripted cooperators and defectors."""
    from karma_rllib.cli import dilemmas

    dilemmas.schelling(profiles or [], seeds, out, picture)


@app.command()
@_speaks
def export(
    policy: Annotated[
        str, typer.Argument(help="A checkpoint, a trial's folder, or an address: latest:RUN_DIR.")
    ],
    directory: Annotated[Path, typer.Argument(help="Folder for the policy's two files.")],
) -> None:
    """Write a trained policy as two files that act without Ray."""
    from karma_rllib.cli import listing

    listing.export(policy, directory)


@app.command(name="list")
@_speaks
def list_(
    topic: Annotated[Topic, typer.Argument(help="What to list.")],
    section: Annotated[
        str | None,
        typer.Argument(help="With params: one section, e.g. mirror; with policies: a run folder."),
    ] = None,
) -> None:
    """List what there is to choose from; `params` is the reference of all keys."""
    from karma_rllib.cli import listing

    listing.show(topic.value, section)


evaluating.add_to(app, _speaks)
seeing.add_to(app, _speaks)


def main() -> None:
    """Entry point of the `karma` command."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `karma list params | head`
        sys.stderr.close()
        sys.exit(0)
