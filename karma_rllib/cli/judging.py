"""``karma preregister`` and ``karma verdict``: claims before the runs, judgements after them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from karma_rllib.config import ConfigError

if TYPE_CHECKING:
    from karma_rllib.analysis.rules import Rules
    from karma_rllib.analysis.verdict import Verdict

WIDTH = 120
RESULT = "verdict.json"


def preregister(
    file: str, overrides: list[str], seeds: int | None, freeze: Path | None = None
) -> None:
    """Write the registration of an experiment beside its file.

    Raises:
        ConfigError: a bad experiment, or one that is registered already.
    """
    from karma_rllib.analysis import registration
    from karma_rllib.cli import examples, training
    from karma_rllib.experiment import provenance

    config = training.load(file, overrides, seeds, freeze)
    target = registration.beside(examples.find(file))
    if target.exists():
        raise ConfigError(
            f"{target}: is there already; a registration is written once (remove it to start over)"
        )
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    git = provenance.git_state(Path(registration.__file__).parents[1])
    data = registration.make(config, now, git)
    target.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    console = _console()
    console.print(
        f"registered {len(data['predictions'])} predictions for {config.name}"
        f" (fingerprint {data['fingerprint']}, {len(config.seeds)} seeds): {target}",
        soft_wrap=True,
        highlight=False,
    )
    least = data["rules"]["min_seeds"]
    if len(config.seeds) < least:
        console.print(
            f"Note: {len(config.seeds)} seeds are too few to test anything; {least} are the least.",
            style="yellow",
        )


def verdict(run_dirs: list[Path], registration_file: Path | None, out: Path | None) -> None:
    """Judge registered predictions on run folders: a table, and `verdict.json`.

    Args:
        run_dirs: run folders; several give levels of settings such as the size of the map.
        registration_file: None: the copy in each run folder.
        out: None: in the first run folder.

    Raises:
        ConfigError: no registration, one that was changed, or a run of another experiment.
    """
    from karma_rllib.analysis import verdict_view

    verdicts, rules, notes = judged(run_dirs, registration_file)
    target = out or run_dirs[0] / RESULT
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(verdict_view.as_json(verdicts, rules, notes), encoding="utf-8")
    console = _console()
    console.print(verdict_view.terminal(verdicts, rules, notes))
    console.print(f"verdicts: {target}", soft_wrap=True, highlight=False)


def judged(
    run_dirs: list[Path], registration_file: Path | None = None
) -> tuple[list[Verdict], Rules, list[str]]:
    """Verdicts on run folders, the rules they were made by, and what a reader must know.

    Raises:
        ConfigError: see `verdict`.
    """
    from karma_rllib.analysis import registration
    from karma_rllib.analysis.runs import open_runs
    from karma_rllib.analysis.verdict import judge

    try:
        folders = open_runs(run_dirs)
    except ValueError as err:
        raise ConfigError(str(err)) from None
    registered = [
        registration.read(registration_file or folder.path / registration.IN_RUN)
        for folder in folders
    ]
    notes = [
        note
        for folder, known in zip(folders, registered, strict=True)
        if (note := registration.check(known, folder))
    ]
    registration.agree([folder.path for folder in folders], registered)
    references = {
        folder.name: known.random_policy for folder, known in zip(folders, registered, strict=True)
    }
    first = registered[0]
    try:
        return judge(folders, first.predictions, first.rules, references), first.rules, notes
    except ValueError as err:
        raise ConfigError(str(err)) from None


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
