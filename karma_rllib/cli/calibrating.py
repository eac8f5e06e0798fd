"""``karma calibrate``: find a world in which harm pays, on baselines alone, and freeze it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from karma_rllib.cli import training
from karma_rllib.config import ConfigError, ExperimentConfig, files

WIDTH = 120
PLAIN = ("conditions=[baseline]", "mirror.start_from=scratch", "budget.cure_at_agent_steps=null")


def calibrate(
    file: str, vary: list[str], overrides: list[str], storage: Path, address: str | None, out: Path
) -> int:
    """Run baselines over a grid of settings and freeze the one that gate G0 likes best.

    Args:
        file: the experiment whose world is calibrated; only its baseline is run.
        vary: `key=value,value` texts; none: the grid of `analysis.calibration`.
        overrides: `key=value` texts that hold for all.
        storage: where the run folders are made.
        address: of a Ray cluster to join; None: this machine.
        out: file to write.

    Returns:
        0, or 1 where no setting passed: then nothing is frozen.

    Raises:
        ConfigError: a bad experiment or setting; nothing was run.
    """
    from karma_rllib import experiment
    from karma_rllib.analysis import calibration, registration

    if out.exists():
        raise ConfigError(f"{out}: is there already; name another file with --out, or remove it")
    grid = dict(_values(text) for text in vary) or calibration.GRID
    plain = [*PLAIN, *overrides]
    planned = [
        (settings, training.load(file, [*plain, *_texts(settings)]))
        for settings in calibration.combinations(grid)
    ]
    typer.echo(f"{len(planned)} settings, {len(planned[0][1].seeds)} seeds each")
    tried = []
    for settings, config in planned:
        outcome = experiment.run(config, storage, address=address)
        if outcome.interrupted:
            return training.INTERRUPTED
        late = config.budget.late_fraction
        reference = registration.random_policy(config)
        tried.append(calibration.measure(outcome.run_dir, settings, reference, late))
    return _finish(tried, planned[0][1], out)


def _finish(tried: list[Any], config: ExperimentConfig, out: Path) -> int:
    from karma_rllib.analysis import calibration

    chosen = calibration.pick(tried)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(_table(tried, chosen))
    if chosen is None:
        console.print("No setting passes gate G0: nothing is frozen.", style="yellow")
        return training.FAILED
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    data = calibration.freeze(tried, chosen, config.name, now)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    console.print(f"frozen: {out}", soft_wrap=True, highlight=False)
    return training.DONE


def _values(text: str) -> tuple[str, tuple[Any, ...]]:
    """One `--vary key=a,b,c`.

    Raises:
        ConfigError: it is not of this form.
    """
    key, equals, rest = text.partition("=")
    if not equals or not key.strip() or not rest.strip():
        raise ConfigError(f"--vary {text}: write it as key=value,value, e.g. world.timeout=25,50")
    values = files.parse(f"[{rest}]", f"--vary {text}")[0]
    return key.strip(), tuple(values)


def _texts(settings: dict[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]


def _table(tried: list[Any], chosen: Any) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("", "settings", "x random", "hit advantage", "gate G0"):
        table.add_column(head, justify="right" if head in ("x random", "hit advantage") else "left")
    for one in sorted(tried, key=lambda t: -t.times_random):
        mark = "frozen" if one is chosen else "passes" if one.passed else ""
        numbers = f"{one.times_random:.2f}", f"{one.hit_advantage:.2f}"
        table.add_row(mark, " ".join(_texts(one.settings)), *numbers, one.reason)
    return table
