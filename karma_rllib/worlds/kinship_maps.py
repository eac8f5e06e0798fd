"""ASCII maps of the kinship world.

| letter | means | letter | means |
|---|---|---|---|
| `#` | wall | `C` | charger |
| `.` or space | floor | `A` | heart altar |
| `@` | floor where agents start | `h` | free altar |
| `G` | generator | `B` | block |
| `1`-`4` | generator of that kind | `S` | station |
| `a`-`e` | charger of that recipe | `5`-`9` | station: the first to the fifth of `stations` |
| `^` `>` `v` `<` | an agent starts here, facing so | | |

Rows may differ in length; what is missing is wall.  Generators `G`, chargers `C` and stations `S`
take their kinds in turn, in reading order.  The last charger recipe takes one diamond of each kind.
Without a start agents start anywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

LETTERS = {"#": 1, ".": 0, " ": 0, "@": 0, "B": 2, "G": 3, "C": 4, "A": 5, "h": 6, "S": 7}
KINDS = {letter: (3, n) for n, letter in enumerate("1234")}  # letter: terrain code and kind
KINDS |= {letter: (4, n) for n, letter in enumerate("abcde")}
KINDS |= {letter: (7, n) for n, letter in enumerate("56789")}
STARTS = {"@": -1, "^": 0, ">": 1, "v": 2, "<": 3}


class Drawn(NamedTuple):
    """A map as read."""

    height: int
    width: int
    cells: tuple[tuple[int, int, int, int], ...]  # (row, col, terrain code, kind or -1)
    starts: tuple[tuple[int, int, int], ...]  # (row, col, heading or -1) of the cells to start on
    places: int  # cells where an agent could start


@lru_cache(maxsize=256)
def read_map(text: str) -> Drawn:
    """Read an ASCII map; blank lines around it are ignored.

    Raises:
        ValueError: one sentence that names the letter and where it stands.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError("map has no cells: draw at least one row")
    cells, starts, places = [], [], 0
    for row, line in enumerate(lines):
        for col, letter in enumerate(line):
            code, kind = KINDS.get(letter, (LETTERS.get(letter, -1), -1))
            if letter in STARTS:
                code = LETTERS["@"]
                starts.append((row, col, STARTS[letter]))
            if code < 0:
                raise ValueError(
                    f"map has an unknown letter {letter!r} in row {row + 1}, column {col + 1}:"
                    f" known are {' '.join(sorted({*LETTERS, *KINDS, *STARTS} - {' '}))} and space"
                )
            places += code == 0
            cells.append((row, col, code, kind))
    width = max(len(line) for line in lines)
    return Drawn(len(lines), width, tuple(cells), tuple(starts), len(starts) or places)
