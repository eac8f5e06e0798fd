"""A place like a reader's: the project's files, the `karma` command, perhaps a finished run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import ROOT

RUN = "karma train smoke --set budget.agent_steps=9_600"
TIMEOUT = 280  # of one command [s]
BUILD_FILES = ("Makefile", "setup.py", "pyproject.toml", "constraints.txt")


def shell(text: str, place: Path, *program: str) -> subprocess.CompletedProcess:
    """Run a block in a place, with the interpreter's own folder first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [*(program or ("bash", "-euo", "pipefail", "-c")), text],
        cwd=place,
        env={**os.environ, "PATH": path, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.fixture
def place(tmp_path):
    """A folder that looks like the repository's root."""
    for name in ("tuned_examples", "docs", *BUILD_FILES):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The folder of a small run of the smoke experiment, and how the command that made it ended."""
    place = tmp_path_factory.mktemp("run")
    done = shell(RUN, place)
    assert done.returncode == 0, done.stderr
    return place / "results", done


@pytest.fixture
def place_with_run(place, finished_run):
    """The same with that run in it, under its own name."""
    shutil.copytree(finished_run[0], place / "results", symlinks=True)
    return place
