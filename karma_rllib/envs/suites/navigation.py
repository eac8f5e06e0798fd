"""Navigation: three free altars somewhere, four times the steps of the shortest round."""

from __future__ import annotations

import numpy as np

from karma_rllib.envs.suites.canvas import HEADS, Canvas, Cell, around, next_to
from karma_rllib.envs.suites.dice import Dice
from karma_rllib.envs.suites.paths import FAR, Stage, any_order, length
from karma_rllib.envs.suites.scenario import Episode, build, heart_share, horizon

ALTARS = 3
#: A lone walker: moving costs nothing, it neither jumps over walls nor attacks.
ALONE = {
    "num_agents": 1,
    "cost_move": 0.0,
    "cost_use": 0.0,
    "fixed_starts": True,
    "bodies": ("walker",),
    "custom_bodies": ({"name": "walker", "can_jump": False, "can_attack": False},),
    "generators": 0,
}


def reachable(board: Canvas, targets: list[Cell]) -> bool:
    """Whether the agent can get to each of the targets."""
    free, start = board.free(), board.start()
    return all(length(free, start, [Stage((cell,))]) < FAR for cell in targets)


def collect(board: Canvas, ratio: float) -> Episode:
    """An episode whose aim is every free altar of the board."""
    altars = board.find("h")
    best = any_order(board.free(), board.start(), [Stage((cell,)) for cell in altars])
    shortest = len(best.actions)
    params = {
        **ALONE,
        "map": board.text(),
        "max_steps": horizon(ratio, shortest),
        "reward_heart": 1 / len(altars),
    }
    return Episode(params, shortest, float(len(altars)), best.actions)


def _scatter(dice: Dice, size: int, mean: float, density: float = 0.0) -> Episode:
    """Altars around the agent in the middle of an open map, or among blobs of wall."""
    while True:
        board = Canvas(size, size)
        middle = (size // 2, size // 2)
        _blobs(dice, board, density)
        board.put(dice.choice(HEADS), middle)
        for _ in range(ALTARS):
            board.put("h", around(dice, board, middle, mean))
        if reachable(board, board.find("h")):
            return collect(board, 4)


def _blobs(dice: Dice, board: Canvas, density: float) -> None:
    """Wall in blobs: walks of a few cells, until this part of the board is covered."""
    while (board.letters == "#").mean() < density:
        cell: Cell = (dice.below(board.letters.shape[0]), dice.below(board.letters.shape[1]))
        for _ in range(4 + dice.below(6)):
            if board.inside(cell):
                board.put("#", cell)
            cell = next_to(cell, dice.below(4))


def open_near(dice: Dice) -> Episode:
    """12x12, altars about 8 cells away."""
    return _scatter(dice, 12, 8)


def open_far(dice: Dice) -> Episode:
    """25x25, altars about 15 cells away."""
    return _scatter(dice, 25, 15)


def open_sparse(dice: Dice) -> Episode:
    """35x35, altars about 25 cells away."""
    return _scatter(dice, 35, 25)


def clutter_far(dice: Dice) -> Episode:
    """25x25 with blobs of wall, altars about 15 cells away."""
    return _scatter(dice, 25, 15, density=0.15)


#: An altar behind walls on three sides and a lip: the way in leads around.
_POCKET = Canvas.of(
    "#####",
    "#...#",
    "#.h.#",
    "#.###",
    "#....",
)


def pockets(dice: Dice) -> Episode:
    """28x28, each altar in a pocket of wall that opens to one side."""
    board = Canvas(28, 28)
    spots = dice.shuffled([(row, col) for row in (2, 11, 20) for col in (2, 11, 20)])
    for row, col in spots[:ALTARS]:
        pocket = np.rot90(_POCKET.letters, dice.below(4))
        if dice.below(2):
            pocket = pocket[:, ::-1]
        board.letters[row : row + 5, col : col + 5] = pocket
    row, col = spots[ALTARS]
    board.put(dice.choice(HEADS), (row + dice.below(5), col + dice.below(5)))
    return collect(board, 4)


def corridor_arms(dice: Dice) -> Episode:
    """A spine of 50 cells with 8 arms; three arms hold altars, the agent begins anywhere on it."""
    board = Canvas(17, 50, "#")
    spine = 8
    board.line(".", (spine, 0), (spine, 49))
    arms = []
    for n in range(8):
        col, deep = 3 + 6 * n + dice.below(3), 4 + dice.below(5)
        end = spine - deep if dice.below(2) else spine + deep
        board.line(".", (spine, col), (end, col))
        arms.append((end, col))
    board.put("h", *dice.shuffled(arms)[:ALTARS])
    board.put(dice.choice(HEADS), (spine, dice.below(50)))
    return collect(board, 4)


SCENARIOS = build(
    "navigation",
    heart_share,
    (open_near, open_far, open_sparse, clutter_far, pockets, corridor_arms),
)
