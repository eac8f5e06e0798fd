"""A map in the making: letters of `worlds.kinship_maps` on a board."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from karma_rllib.envs.suites.dice import Dice

Cell = tuple[int, int]
Pose = tuple[int, int, int]  # row, column, heading

AHEAD = ((-1, 0), (0, 1), (1, 0), (0, -1))  # unit vectors of north, east, south, west
HEADS = "^>v<"  # letters of an agent that looks north, east, south, west
FLOOR = (".", "@", *HEADS)


class Canvas:
    """A board of letters.

    Args:
        height: rows.
        width: columns.
        fill: the letter everywhere.

    Attributes:
        letters: (height, width), one letter each.
    """

    def __init__(self, height: int, width: int, fill: str = ".") -> None:
        self.letters = np.full((height, width), fill, "<U1")

    @classmethod
    def of(cls, *rows: str) -> Canvas:
        """A board from its rows, which are equally long."""
        board = cls(len(rows), len(rows[0]))
        for row, line in enumerate(rows):
            board.letters[row] = list(line)
        return board

    def put(self, letter: str, *cells: Cell) -> None:
        """Write a letter on cells."""
        for row, col in cells:
            self.letters[row, col] = letter

    def line(self, letter: str, first: Cell, last: Cell) -> None:
        """Write a letter on the straight line between two cells, both included."""
        (top, bottom), (left, right) = sorted((first[0], last[0])), sorted((first[1], last[1]))
        self.letters[top : bottom + 1, left : right + 1] = letter

    def find(self, letters: Iterable[str]) -> list[Cell]:
        """Cells that hold one of the letters, in reading order."""
        found = np.argwhere(np.isin(self.letters, list(letters)))
        return [(int(row), int(col)) for row, col in found]

    def inside(self, cell: Cell) -> bool:
        """Whether a cell is on the board."""
        return 0 <= cell[0] < self.letters.shape[0] and 0 <= cell[1] < self.letters.shape[1]

    def free(self) -> np.ndarray:
        """Where one can walk, bool (height, width)."""
        return np.isin(self.letters, FLOOR)

    def start(self) -> Pose:
        """Cell and heading of the first agent drawn with one."""
        row, col = self.find(HEADS)[0]
        return row, col, HEADS.index(self.letters[row, col])

    def text(self) -> str:
        """The map as the world reads it."""
        return "\n".join("".join(row) for row in self.letters)

    def mirrored(self) -> Canvas:
        """The board as seen in a mirror that stands beside it."""
        image = Canvas(*self.letters.shape)
        image.letters = self.letters[:, ::-1].copy()
        for was, now in ((">", "<"), ("<", ">")):
            image.letters[self.letters[:, ::-1] == was] = now
        return image

    def border(self) -> Canvas:
        """The same board with a wall around it."""
        rows, cols = self.letters.shape
        walled = Canvas(rows + 2, cols + 2, "#")
        walled.letters[1:-1, 1:-1] = self.letters
        return walled


def next_to(cell: Cell, head: int, steps: int = 1) -> Cell:
    """The cell so many steps along a heading."""
    return cell[0] + steps * AHEAD[head][0], cell[1] + steps * AHEAD[head][1]


def around(dice: Dice, board: Canvas, centre: Cell, mean: float) -> Cell:
    """A free cell at a Poisson distance from the centre, in any direction.

    Raises:
        RuntimeError: the board has no such cell, or hardly any.
    """
    for _ in range(10_000):
        away, angle = dice.poisson(mean), 2 * math.pi * dice.unit()
        cell = (
            centre[0] + round(away * math.sin(angle)),
            centre[1] + round(away * math.cos(angle)),
        )
        if away > 0 and board.inside(cell) and board.letters[cell] == ".":
            return cell
    raise RuntimeError(f"no free cell about {mean} away from {centre}")
