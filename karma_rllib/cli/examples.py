"""The experiments that come with the project."""

from __future__ import annotations

from pathlib import Path

import karma_rllib

FOLDER = Path(karma_rllib.__file__).resolve().parent.parent / "tuned_examples"


def examples() -> dict[str, Path]:
    """Name -> file of every tuned example; empty when only the package itself is installed."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find(name: str) -> Path:
    """The file that a command-line argument means: a path, or the name of an example."""
    path = Path(name)
    return examples().get(name, path) if not path.exists() else path


def first_sentence(path: Path) -> str:
    """What an example says it shows: the first paragraph of its header comment."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.lstrip("#").strip()
        if not line.startswith("#") or not text:
            break
        words.append(text)
    return " ".join(words)
