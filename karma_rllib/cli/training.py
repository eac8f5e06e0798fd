"""``karma train`` and ``karma resume``: run, say what happened, compare."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from karma_rllib.cli import examples
from karma_rllib.config import ConfigError, ExperimentConfig, first_seeds

if TYPE_CHECKING:
    from karma_rllib.experiment import Outcome

DONE, FAILED, INTERRUPTED = 0, 1, 130


def load(
    file: str, overrides: list[str], seeds: int | None = None, freeze: Path | None = None
) -> ExperimentConfig:
    """Read an experiment and lay the command line's wishes over it.

    Args:
        file: a path, or the name of an example.
        overrides: ``section.key=value`` texts.
        seeds: run only the first so many seeds; None: all.
        freeze: settings that `karma calibrate` chose, laid over the file; None: none.

    Raises:
        ConfigError: anything wrong with the file or a wish, in one sentence.
    """
    path = examples.find(file)
    if not path.exists() and path.suffix == "" and examples.examples():
        names = ", ".join(examples.examples())
        raise ConfigError(f"{file}: no such file, and no such example (they are {names})")
    if freeze is not None:
        from karma_rllib.analysis.calibration import frozen

        overrides = [*frozen(freeze), *overrides]
    config = ExperimentConfig.load(path, overrides)
    if seeds is None:
        return config
    return config.with_overrides([f"seeds={list(_first(config.seeds, seeds))}"])


def _first(listed: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The first `count` of the listed seeds; the standard list goes on where it was used."""
    if count <= len(listed):
        return listed[:count]
    if listed != first_seeds(len(listed)):
        raise ConfigError(
            f"--seeds {count}: the experiment lists only {len(listed)} seeds of its own; name more "
            "with --set seeds=[...]"
        )
    return first_seeds(count)


def train(
    config: ExperimentConfig,
    storage: Path,
    address: str | None,
    *,
    films: bool,
    file: str | None = None,
) -> int:
    """Run an experiment in a new folder and compare its conditions; returns the exit code.

    Args:
        config: what to run.
        storage: where the run folder is made.
        address: of a Ray cluster to join; None: this machine.
        films: also film an episode of every condition.
        file: where the experiment was read; a registration of this very experiment
            beside it is copied to the run.

    Raises:
        ConfigError: it cannot be run here; nothing was written.
    """
    from karma_rllib import experiment

    registered = _registration(examples.find(file), config) if file is not None else None

    def begin(run_dir: Path) -> None:
        _announce(run_dir)
        if registered is not None:
            _take_along(registered, run_dir)

    outcome = experiment.run(config, storage, address=address, on_start=begin)
    return _finish(outcome, films=films)


def _registration(file: Path, config: ExperimentConfig) -> Path | None:
    """The registration beside the experiment, if it is of this very experiment; says what it is.

    Raises:
        ConfigError: it is damaged.
    """
    from karma_rllib.analysis import registration

    source = registration.beside(file)
    if not source.is_file():
        return None
    changed = registration.difference(registration.read(source).experiment, config)
    name = _short(source.resolve())
    if changed:
        typer.echo(f"not registered: {name} is of another experiment ({changed})")
        return None
    typer.echo(f"registration: {name}")
    return source


def _take_along(source: Path, run_dir: Path) -> None:
    """Copy the registration to the run folder, where `karma verdict` finds it."""
    from karma_rllib.analysis import registration

    shutil.copyfile(source, run_dir / registration.IN_RUN)


def resume(run_dir: Path, address: str | None, *, films: bool) -> int:
    """Go on with an experiment and compare its conditions; returns the exit code.

    Raises:
        ConfigError: not a run folder, or it cannot be run here.
    """
    from karma_rllib import experiment

    outcome = experiment.resume(run_dir, address=address, on_start=_announce)
    return _finish(outcome, films=films)


def _announce(run_dir: Path) -> None:
    typer.echo(f"run folder: {_short(run_dir)}")


def _finish(outcome: Outcome, *, films: bool) -> int:
    """Compare what there is, name what failed, say how to go on."""
    from karma_rllib.cli import comparing

    folder = _short(outcome.run_dir)
    if outcome.interrupted:
        typer.echo(f"karma: interrupted; go on with: karma resume {folder}", err=True)
        return INTERRUPTED
    try:
        comparing.compare([outcome.run_dir], None, films=films)
    except ConfigError as err:  # no trial finished an iteration
        typer.echo(f"karma: nothing to compare: {err}", err=True)
    for name, path in outcome.failures.items():
        where = f"see {_short(path)}" if path else "it left no error file"
        typer.echo(f"karma: trial {name} failed; {where}", err=True)
    return FAILED if outcome.failures else DONE


def _short(path: Path) -> Path:
    """Relative to here where that is shorter to type."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
