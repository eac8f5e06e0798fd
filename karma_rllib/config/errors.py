"""Errors of the experiment schema: one sentence with the culprit, the rule and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Path = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that cannot be run; its text is one sentence for people."""


def dotted(path: Iterable[str | int]) -> str:
    """Write a key path as people type it: ``("seeds", 1)`` becomes ``seeds[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def shown(value: Any, limit: int = 60) -> str:
    """The value as it stands in a sentence, cut at `limit` characters."""
    text = _as_yaml(value).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _as_yaml(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_as_yaml(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_as_yaml(v)}" for k, v in value.items()) + "}"
    return repr(value)


def listed(choices: Iterable[Any], joint: str = "or") -> str:
    """``a, b or c``."""
    words = [str(choice) for choice in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def culprit(sentence: str) -> Path:
    """The key path that a sentence names first, in backquotes; () when it names none."""
    found = re.search(r"`([A-Za-z_][\w.]*)`", sentence)
    return tuple(found[1].split(".")) if found else ()


class Origin:
    """Where each key of a configuration was written, so that an error can point at it.

    Args:
        source: name of the file, or None for a mapping made in Python.
        lines: key path to line number [1-based].
    """

    def __init__(self, source: str | None = None, lines: Mapping[Path, int] | None = None) -> None:
        self.source = source
        self.lines = dict(lines or {})
        self.overrides: dict[Path, str] = {}  # key path -> the --set argument that wrote it

    def of(self, path: Path) -> str:
        """The place to name before the sentence, for example ``smoke.yaml, line 7: ``."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                return f"--set {self.overrides[path[:end]]}: "
            if self.source and path[:end] in self.lines:
                return f"{self.source}, line {self.lines[path[:end]]}: "
        return f"{self.source}: " if self.source else ""
