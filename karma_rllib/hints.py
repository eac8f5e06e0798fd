"""What to say when a word is not known: the nearest one that is.

Every room may use this module; it imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar, cast

T = TypeVar("T")


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that looks most like `word`, whatever the case; None when none does.

    Args:
        word: what was written.
        known: what could have been meant.
        cutoff: how alike they must be, from 0 (anything) to 1 (the same).
    """
    by_lower = {str(choice).lower(): str(choice) for choice in known}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """Return a question for the closest word ("did you mean ...?"), or all that are known."""
    choices = [str(choice) for choice in known]
    best = closest(word, choices, cutoff=0.5)
    return f"did you mean {best!r}?" if best else f"known are {', '.join(choices)}"


def check_choice(key: str, value: Any, choices: Iterable[str]) -> None:
    """Raise ValueError, in one sentence, unless `value` is one of the choices of `key`."""
    known = list(choices)
    if value not in known:
        best = closest(str(value), known, cutoff=0.0)
        raise ValueError(
            f"{key} is {value!r}: it must be one of {', '.join(known)}; did you mean {best!r}?"
        )


def read_rules(cls: type[T], given: T | Mapping[str, Any] | None, section: str) -> T:
    """Rules of a dataclass given as an object, as a mapping (from YAML, say), or as None.

    Args:
        cls: the dataclass; it checks its own values.
        given: an object of it, a mapping of some of its fields, or None for its defaults.
        section: what the user calls these rules.

    Raises:
        ValueError: for an unknown key, naming the nearest one.
    """
    if isinstance(given, cls):
        return given
    rules = cast("Mapping[str, Any]", given or {})
    known = [field.name for field in fields(cast("Any", cls))]
    for key in rules:
        if key not in known:
            best = closest(str(key), known, cutoff=0.0)
            raise ValueError(f"{section} has no key {key!r}: did you mean {best!r}?")
    return cls(**rules)
