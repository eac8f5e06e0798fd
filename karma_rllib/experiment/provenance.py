"""What a run folder says about itself: the whole configuration, and what it was run with."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import karma_rllib
from karma_rllib.config import ConfigError, ExperimentConfig

EXPERIMENT_FILE, PROVENANCE_FILE = "experiment.yaml", "provenance.json"
PACKAGES = ("ray", "torch", "numpy", "numba", "gymnasium", "pettingzoo", "pydantic")


def check_storage(storage: str | Path) -> None:
    """Refuse a place where no run folder can be made, without making one.

    Raises:
        ConfigError: it, or the part of its path that exists, is a file or cannot be written.
    """
    base = Path(storage).expanduser().resolve()
    there = next(path for path in (base, *base.parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"--storage {storage}: {there} is a file, not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"--storage {storage}: {there} cannot be written")


def make_run_dir(config: ExperimentConfig, storage: str | Path) -> Path:
    """Create ``<storage>/<name>_<time>/`` with the resolved experiment and its provenance.

    Returns:
        The absolute path.

    Raises:
        ConfigError: the folder cannot be created.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    base = Path(storage).expanduser().resolve()
    check_storage(storage)
    for suffix in ("", *(f"-{k}" for k in range(2, 100))):
        run_dir = base / f"{config.name}_{stamp}{suffix}"
        try:
            run_dir.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as err:
            raise ConfigError(f"--storage {storage}: cannot be written ({err.strerror})") from None
        config.resolved().dump(run_dir / EXPERIMENT_FILE)
        write_provenance(run_dir, collect(config))
        return run_dir
    raise ConfigError(f"--storage {storage}: a hundred runs began in this second")


def open_run_dir(run_dir: str | Path) -> tuple[Path, ExperimentConfig]:
    """The absolute path of a run folder and the experiment it holds.

    Raises:
        ConfigError: not a run folder, or one whose experiment cannot be read.
    """
    path = Path(run_dir).expanduser()
    if not path.is_dir():
        raise ConfigError(f"{run_dir}: no such run folder")
    if not (path / EXPERIMENT_FILE).is_file():
        inner = sorted(p.parent.name for p in path.glob(f"*/{EXPERIMENT_FILE}"))
        hint = f"; did you mean {path / inner[-1]}?" if inner else ""
        raise ConfigError(f"{run_dir}: is not a run folder (it has no {EXPERIMENT_FILE}){hint}")
    return path.resolve(), ExperimentConfig.load(path / EXPERIMENT_FILE)


def collect(config: ExperimentConfig) -> dict[str, Any]:
    """Everything needed to run the experiment again and nothing that names a person or host."""
    return {
        "name": config.name,
        "created": _now(),
        "command": _command(),
        "resumed": [],
        "fingerprint": config.fingerprint(),
        "conditions": list(config.conditions),
        "seeds": list(config.seeds),
        "git": git_state(Path(karma_rllib.__file__).parent),
        "versions": {
            "karma_rllib": karma_rllib.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "platform": {
            "system": platform.system(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
        },
    }


def write_provenance(run_dir: Path, data: dict[str, Any]) -> None:
    """Write `provenance.json`."""
    (run_dir / PROVENANCE_FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def note_resumption(run_dir: Path) -> None:
    """Add to the provenance that the run was taken up again, when and with what code."""
    path = run_dir / PROVENANCE_FILE
    data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    entry = {"time": _now(), "git": git_state(Path(karma_rllib.__file__).parent)}
    write_provenance(run_dir, {**data, "resumed": [*data.get("resumed", []), entry]})


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and cleanliness of the code's own git tree; None where there is none."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    # A tree that merely contains the environment the package is installed in is not its tree.
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ".")
    if commit is None:
        return None
    return {"commit": commit.strip(), "dirty": bool(changes and changes.strip())}


def _command() -> str:
    program = Path(sys.argv[0]).name if sys.argv else "python"
    return shlex.join([program, *sys.argv[1:]])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
