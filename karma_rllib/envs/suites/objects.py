"""Object use: one machine, one trick, on 15x15; only the goal pays."""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.envs.suites.canvas import HEADS, Canvas, Cell, around
from karma_rllib.envs.suites.dice import Dice
from karma_rllib.envs.suites.navigation import ALONE, reachable
from karma_rllib.envs.suites.paths import Plan, Stage, any_order, plan
from karma_rllib.envs.suites.scenario import FOCAL, Episode, Scenario, Tally, horizon, title

SIZE, MIDDLE, MEAN = 15, (7, 7), 6
EMPTY = {"energy_start": 0.0, "energy_floor": 0.0}  # no energy but what is earned
KEEP = 3  # items to defend
EVERY = 15  # steps between the shots of the attacker


def _workshop(dice: Dice, letters: str) -> tuple[Canvas, dict[str, Cell]]:
    """An agent in the middle, one of each machine about 6 cells away."""
    while True:
        board = Canvas(SIZE, SIZE)
        board.put(dice.choice(HEADS), MIDDLE)
        found = {}
        for letter in letters:
            found[letter] = around(dice, board, MIDDLE, MEAN)
            board.put(letter, found[letter])
        if reachable(board, list(found.values())):
            return board, found


def _episode(board: Canvas, best: Plan, **params: Any) -> Episode:
    """An episode with this plan, and 80 to 200 steps."""
    shortest = len(best.actions)
    steps = int(np.clip(horizon(4, shortest), 80, 200))
    return Episode(
        {**ALONE, "map": board.text(), "max_steps": steps, **params}, shortest, 1.0, best.actions
    )


def _errand(dice: Dice, goals: str, **params: Any) -> Episode:
    """Use these machines in order, among one of each."""
    board, at = _workshop(dice, "GCA")
    stages = [Stage((at[letter],)) for letter in goals]
    return _episode(board, plan(board.free(), board.start(), stages), generator_stock=1, **params)


def harvest(dice: Dice) -> Episode:
    """Take a diamond from a generator."""
    return _errand(dice, "G", **EMPTY, reward_heart=0.0, reward_diamond=1.0)


def charge(dice: Dice) -> Episode:
    """Turn a diamond into energy at a charger."""
    return _errand(dice, "GC", **EMPTY, reward_heart=0.0, reward_energy=0.01)


def altar_ready(dice: Dice) -> Episode:
    """Spend the energy given on a heart."""
    return _errand(dice, "A", energy_start=100.0)


def full_chain(dice: Dice) -> Episode:
    """Diamond, energy, heart, from nothing."""
    return _errand(dice, "GCA", **EMPTY)


def bonus_charger(dice: Dice) -> Episode:
    """A heart so dear that only the charger that takes both kinds of diamonds can pay for it."""
    board, at = _workshop(dice, "12abcA")
    stages = {letter: Stage((cell,)) for letter, cell in at.items()}
    order = ([stages["1"], stages["2"]], [stages["c"], stages["A"]])
    best = any_order(board.free(), board.start(), *order)
    return _episode(board, best, kinds=2, generator_stock=1, altar_cost=250.0, **EMPTY)


def _jail(dice: Dice, letter: str, stage: Stage, **params: Any) -> Episode:
    """An agent within a ring, an altar outside; one cell of the ring is dealt with by `stage`."""
    while True:
        board = Canvas(SIZE, SIZE)
        row, col = MIDDLE
        board.letters[row - 2 : row + 3, col - 2 : col + 3] = letter
        board.letters[row - 1 : row + 2, col - 1 : col + 2] = "."
        board.put(dice.choice(HEADS), MIDDLE)
        altar = around(dice, board, MIDDLE, MEAN)
        if max(abs(altar[0] - row), abs(altar[1] - col)) > 3:
            break
    board.put("h", altar)
    corners = {(row + y, col + x) for y in (-2, 2) for x in (-2, 2)}
    plans = [
        plan(board.free(), board.start(), [stage._replace(cells=(cell,)), Stage((altar,))])
        for cell in board.find(letter)
        if cell not in corners
    ]
    return _episode(board, min(plans, key=lambda found: len(found.actions)), **params)


def shoot_out(dice: Dice) -> Episode:
    """Shoot a hole into a thin wall and take the heart outside."""
    body = {"name": "walker", "can_jump": False}
    rules = {"destroy": True, "wall_hp": 1, "machine_hp": 1000, "energy_start": 250.0}
    stage = Stage((), "attack_2", clears=True)
    return _jail(dice, "#", stage, custom_bodies=(body,), **rules)


def swap_out(dice: Dice) -> Episode:
    """Trade places with a block of the ring around and take the heart outside."""
    return _jail(dice, "B", Stage((), "swap", clears=True, enters=True))


def shield_up(dice: Dice) -> Episode:
    """Keep three items while a neighbour shoots every 15 steps."""
    board = Canvas.of("...", "...", "...", "#^#")
    spot = (dice.below(3), dice.below(3))
    board.put(dice.choice(HEADS), spot)
    params = {
        "num_agents": 2, "map": board.border().text(), "max_steps": 100, "fixed_starts": True,
        "items_start": (KEEP,), "item_rewards": (1 / KEEP,), "reward_heart": 0.0, "jump": True,
        "energy_start": 200.0, "energy_floor": 0.0,
        "bodies": ("walker",), "custom_bodies": ({"name": "walker", "can_jump": False},),
    }  # fmt: skip
    return Episode(params, 1, 1.0, ("shield",), (FOCAL, "sentry"))


def _had(name: str) -> Any:
    """A scorer: 1 if the agent has this to its credit."""

    def reached(episode: Episode, tally: Tally) -> float:
        return float(tally.sums[name][0] > 0)

    return reached


def heart(episode: Episode, tally: Tally) -> float:
    """1 for a heart."""
    return float(tally.hearts[:, 0].sum() > 0)


def kept(episode: Episode, tally: Tally) -> float:
    """Share of the items still held."""
    return float(min(tally.items[0].sum() / KEEP, 1.0))


SCENARIOS = tuple(
    Scenario(make.__name__, "object_use", title(make), make, raw)
    for make, raw in (
        (harvest, _had("harvested")),
        (charge, _had("energy_charged")),
        (altar_ready, heart),
        (full_chain, heart),
        (bonus_charger, heart),
        (shoot_out, heart),
        (swap_out, heart),
        (shield_up, kept),
    )
)
