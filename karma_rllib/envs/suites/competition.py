"""Competition: the judged agents against bots; the score is their share of all hearts.

Each seed meets one kind of bot and one seating; kinds of bots count alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from karma_rllib.envs.suites.canvas import HEADS, Canvas, Pose
from karma_rllib.envs.suites.dice import Dice
from karma_rllib.envs.suites.paths import FAR, Stage, length
from karma_rllib.envs.suites.scenario import FOCAL, Episode, Tally, build, horizon

RIVALS = ("random", "forager", "raider")


def _ground(dice: Dice, size: int, machines: dict[str, int], agents: int) -> Canvas:
    """An open map with so many machines and starts on it, all within reach."""
    while True:
        board = Canvas(size, size)
        spots = dice.shuffled(board.find("."))
        for letter, count in machines.items():
            board.put(letter, *(spots.pop() for _ in range(count)))
        for _ in range(agents):
            board.put(dice.choice(HEADS), spots.pop())
        free, start = board.free(), _starts(board)[0]
        if all(length(free, start, [Stage((c,))]) < FAR for c in board.find(machines)):
            return board


def _starts(board: Canvas) -> list[Pose]:
    """Where the agents start, in their order."""
    return [(*cell, HEADS.index(board.letters[cell])) for cell in board.find(HEADS)]


def _match(dice: Dice, board: Canvas, ratio: float, sides: int, **params: Any) -> Episode:
    """A match against bots of one kind.

    Args:
        dice: its seed chooses the bots, and which side is judged.
        board: the map.
        ratio: steps allowed, over the shortest chain from diamond to heart.
        sides: the first so many agents are one side, the others the other.
        params: of the world.
    """
    starts = _starts(board)
    rival = RIVALS[dice.seed % len(RIVALS)]
    seats = [FOCAL, rival] if dice.seed // len(RIVALS) % 2 else [rival, FOCAL]
    chain = [Stage(tuple(board.find(letter))) for letter in "GCA"]
    shortest = max(length(board.free(), start, chain) for start in starts)
    world = {
        "map": board.text(), "num_agents": len(starts), "fixed_starts": True,
        "max_steps": horizon(ratio, shortest), **params,
    }  # fmt: skip
    players = [seats[i >= sides] for i in range(len(starts))]
    return Episode(world, shortest, 1.0, seats=tuple(players), group=rival)


def duel(dice: Dice) -> Episode:
    """One against one on 11x11 with a single altar."""
    return _match(dice, _ground(dice, 11, {"G": 2, "C": 1, "A": 1}, 2), 8, 1)


def scarce_3(dice: Dice) -> Episode:
    """One against two on 25x25 with one machine of each kind."""
    board = _ground(dice, 25, {"G": 1, "C": 1, "A": 1}, 3)
    rival = RIVALS[dice.seed % len(RIVALS)]
    seats = [rival] * 3
    seats[dice.seed // len(RIVALS) % 3] = FOCAL
    return replace(_match(dice, board, 6, 1, cost_move=0.0, freeze=40), seats=tuple(seats))


def arena_half(dice: Dice) -> Episode:
    """Three against three among the machines of the default profile."""
    return _match(dice, _ground(dice, 15, {"G": 8, "C": 3, "A": 2}, 6), 10, 3)


WOLF = {"name": "wolf", "attack": 0.5, "can_harvest": False, "start_energy": 100.0}


def predator(dice: Dice) -> Episode:
    """One who lives on what it takes against four who hold little energy and cannot strike."""
    board = _ground(dice, 17, {"G": 3, "C": 2, "A": 2}, 5)
    rules = {"energy_start": 30.0, "altar_cost": 40.0, "freeze": 100, "cost_move": 0.0}
    bodies = {"bodies": ("wolf", "prey", "prey", "prey", "prey"), "custom_bodies": (WOLF,)}
    match = _match(dice, board, 8, 1, **bodies, **rules)
    return replace(match, seats=(FOCAL, *[match.group] * 4))


HUNTER = {
    "name": "hunter", "attack": 0.5, "charge": (0.25,), "can_harvest": False, "start_energy": 45.0,
}  # fmt: skip


def prey(dice: Dice) -> Episode:
    """Four who cannot strike, beside a predator with a heart's worth of energy to begin with."""
    board = _ground(dice, 17, {"G": 6, "C": 4, "A": 4}, 5)
    rules = {"energy_start": 30.0, "altar_cost": 40.0, "freeze": 20, "cost_move": 0.0}
    bodies = {"bodies": ("hunter", "prey", "prey", "prey", "prey"), "custom_bodies": (HUNTER,)}
    match = _match(dice, board, 8, 1, **bodies, **rules)
    return replace(match, seats=(match.group, *[FOCAL] * 4))


def team_4v4(dice: Dice) -> Episode:
    """Four against four; in training, teams share half of what they earn."""
    return _match(dice, _ground(dice, 19, {"G": 8, "C": 4, "A": 2}, 8), 8, 4)


def share(episode: Episode, tally: Tally) -> float:
    """Hearts of the judged, of all; one half if there are none."""
    focal = episode.focal
    mine, theirs = tally.hearts[:, focal].sum(), tally.hearts[:, ~focal].sum()
    return float(mine / (mine + theirs)) if mine + theirs else 0.5


SCENARIOS = build(
    "competition", share, (duel, scarce_3, arena_half, predator, prey, team_4v4), oracle="hunters"
)
