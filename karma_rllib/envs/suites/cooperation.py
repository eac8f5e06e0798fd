"""Cooperation: everybody on the map is judged, and scored together."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from karma_rllib.envs.suites.canvas import AHEAD, HEADS, Canvas, Cell, next_to
from karma_rllib.envs.suites.dice import Dice
from karma_rllib.envs.suites.navigation import ALONE, reachable
from karma_rllib.envs.suites.objects import EMPTY
from karma_rllib.envs.suites.paths import FAR, Stage, costs_to_go, end_of, length, plan, steps_from
from karma_rllib.envs.suites.scenario import Episode, build, heart_share, horizon

SHARE = 3  # diamonds per agent of the commons


def _disperse(dice: Dice, board: Canvas, hub: list[Cell], ends: list[Cell]) -> Episode:
    """As many agents in the hub as arms, an altar at the end of each."""
    for cell in dice.shuffled(hub)[: len(ends)]:
        board.put(dice.choice(HEADS), cell)
    board.put("h", *ends)
    starts = [(*cell, HEADS.index(board.letters[cell])) for cell in board.find(HEADS)]
    away = np.array([costs_to_go(board.free(), [Stage((end,))])[0] for end in ends])
    steps = np.array([[go[start] for go in away] for start in starts])
    farthest = _least_latest(steps)
    params = {
        **ALONE, "map": board.text(), "num_agents": len(ends),
        "max_steps": horizon(1.5, farthest),
    }  # fmt: skip
    return Episode(params, farthest, float(len(ends)))


def _least_latest(steps: np.ndarray) -> int:
    """The earliest time by which everybody can be at an altar of its own; (agents, altars)."""
    for latest in np.unique(steps):
        late = (steps > latest).astype(int)
        if late[linear_sum_assignment(late)].sum() == 0:
            return int(latest)
    raise ValueError("no way leads to some altar")


def disperse_4(dice: Dice) -> Episode:
    """Four agents in the middle of four arms, an altar for one at the end of each."""
    board = Canvas(23, 23, "#")
    board.letters[10:13, 10:13] = "."
    ends = []
    for head in range(4):
        root = next_to((11, 11), head, 2)
        end = next_to(root, head, 3 + dice.below(6))
        board.line(".", root, end)
        ends.append(end)
    hub = [(row, col) for row in range(10, 13) for col in range(10, 13)]
    return _disperse(dice, board, hub, ends)


def disperse_8(dice: Dice) -> Episode:
    """Eight agents in the middle of eight arms, an altar for one at the end of each."""
    board = Canvas(27, 27, "#")
    board.letters[10:17, 10:17] = "."
    ends = []
    for aside in (-2, 2):
        for head, (down, right) in enumerate(AHEAD):
            root = (13 + 4 * down + aside * abs(right), 13 + 4 * right + aside * abs(down))
            end = next_to(root, head, 3 + dice.below(6))
            board.line(".", root, end)
            ends.append(end)
    hub = [(row, col) for row in range(11, 16) for col in range(11, 16)]
    return _disperse(dice, board, hub, ends)


# --- giving ------------------------------------------------------------------------------------

RELAY_BODIES = (
    {"name": "gatherer", "can_charge": False, "can_jump": False, "can_attack": False},
    {"name": "keeper", "can_harvest": False, "can_jump": False, "can_attack": False},
)


def relay(dice: Dice) -> Episode:
    """One may only harvest, the other only charge and take hearts: diamonds must be handed over."""
    while True:
        board = Canvas(9, 13)
        left = dice.shuffled([(row, col) for row in range(9) for col in range(4)])
        right = dice.shuffled([(row, col) for row in range(9) for col in range(9, 13)])
        generator, giver = left[:2]
        charger, altar, keeper = right[:3]
        board.put("G", generator)
        board.put("C", charger)
        board.put("A", altar)
        if keeper < giver:  # the first start in reading order is the gatherer's
            continue
        board.put(dice.choice(HEADS), giver)
        board.put(dice.choice(HEADS), keeper)
        if reachable(board, [generator, charger, altar]):
            break
    shortest, wait = _handover(board, generator, charger, altar)
    params = {
        **ALONE, **EMPTY, "num_agents": 2, "map": board.text(), "cost_gift": 0.0,
        "max_steps": horizon(2, shortest), "generator_stock": 1,
        "bodies": ("gatherer", "keeper"), "custom_bodies": RELAY_BODIES,
    }  # fmt: skip
    return Episode(params, shortest, 1.0, notes={"wait": wait})


def _handover(
    board: Canvas, generator: Cell, charger: Cell, altar: Cell
) -> tuple[int, tuple[int, int, int]]:
    """Steps of the best plan in which the keeper waits somewhere, and where it waits, looking so.

    The gatherer needs some steps to have given, the keeper may come as late as that; then it goes
    on alone.
    """
    free = board.free()
    starts = [(*cell, HEADS.index(board.letters[cell])) for cell in board.find(HEADS)]
    first = plan(free, starts[0], [Stage((generator,))])
    before, fetch = len(first.actions), steps_from(free, end_of(starts[0], first))
    come = steps_from(free, starts[1])
    rest = costs_to_go(free, [Stage((charger,)), Stage((altar,))])[0]
    best, where = FAR, (0, 0, 0)
    for row, col in np.argwhere(free).tolist():
        stands = [(*next_to((row, col), head, -1), head) for head in range(4)]
        near = [fetch[pose] for pose in stands if board.inside(pose[:2]) and free[pose[:2]]]
        given = before + min(near, default=FAR) + 1
        for head in range(4):
            steps = max(given, come[row, col, head]) + rest[row, col, head]
            if steps < best:
                best, where = int(steps), (row, col, head)
    return best, where


def rescue(dice: Dice) -> Episode:
    """One of two has no energy left to reach its altar, and regains none: it needs a gift."""
    board = Canvas(7, 16, "#")
    board.letters[:, 8:] = "."
    row, stuck = dice.below(7), 2 + dice.below(4)
    board.line(".", (row, 1), (row, 7))
    board.put("h", (row, 0))
    own = dice.choice([cell for cell in board.find(".") if cell[1] > 9])
    board.put("h", own)
    helper = dice.choice([cell for cell in board.find(".") if cell[1] > 8])
    board.put(dice.choice(HEADS), helper)
    board.put(dice.choice(HEADS), (row, stuck))
    flip = dice.below(2) == 1
    if flip:
        board = board.mirrored()
    order = [cell[1] == (15 - stuck if flip else stuck) for cell in board.find(HEADS)]
    return _rescue(board, order.index(True))


def _rescue(board: Canvas, weak: int) -> Episode:
    """The episode on this map, whose `weak`-th agent is without energy."""
    free = board.free()
    starts = [(*cell, HEADS.index(board.letters[cell])) for cell in board.find(HEADS)]
    helper, needy = starts[1 - weak], starts[weak]
    altars = sorted(board.find("h"), key=lambda cell: length(free, needy, [Stage((cell,))]))
    alone = free.copy()
    alone[needy[:2]] = False
    gift, own = Stage((needy[:2],), "gift_energy"), Stage((altars[1],))
    walk = length(free, needy, [Stage((altars[0],))])
    gives = length(alone, helper, [gift])
    shortest = max(length(alone, helper, [gift, own]), gives + walk)
    takes = length(alone, helper, [own, gift])
    shortest = min(shortest, takes + walk)
    names = ["hale", "hale"]
    names[weak] = "spent"
    body = {"can_jump": False, "can_attack": False}
    params = {
        "num_agents": 2, "fixed_starts": True, "map": board.text(), "generators": 0,
        "max_steps": horizon(2, shortest), "energy_floor": 0.0, "energy_start": 200.0,
        "bodies": tuple(names),
        "custom_bodies": (
            {"name": "hale", **body}, {"name": "spent", "start_energy": 0.0, **body},
        ),
    }  # fmt: skip
    notes = {"weak": weak, "altar": altars[0], "own": altars[1]}
    return Episode(params, shortest, 2.0, notes=notes)


# --- telling -----------------------------------------------------------------------------------


def signal_3(dice: Dice) -> Episode:
    """A caged speaker sees which of three altars pays; only its marker can tell the listener.

    A machine left, ahead or right behind the speaker, out of the listener's sight, stands for the
    altar left, ahead or right of the listener.  The other altars ask for energy that nobody has.
    """
    arm = 6
    board = Canvas(arm + 10, 2 * arm + 1, "#")
    board.line(".", (arm, 0), (arm, 2 * arm))
    board.line(".", (0, arm), (arm, arm))
    board.put("^", (arm, arm), (arm + 4, arm))
    altars = [(arm, 0), (0, arm), (arm, 2 * arm)]
    live = dice.below(3)
    board.put("A", *altars)
    board.put("h", altars[live])
    board.put("G", (arm + 9, arm - 1 + live))
    shortest = 1 + max(length(board.free(), (arm, arm, 0), [Stage((cell,))]) for cell in altars)
    params = {
        **ALONE, **EMPTY, "num_agents": 2, "map": board.text(), "cost_mark": 0.0,
        "max_steps": horizon(1.4, shortest),
    }  # fmt: skip
    return Episode(params, shortest, 1.0, notes={"live": live, "altars": tuple(altars)})


# --- sharing -----------------------------------------------------------------------------------


def commons(dice: Dice) -> Episode:
    """Four agents and a dozen diamonds: as many hearts as there are, if no energy is wasted."""
    agents, generators = 4, 4
    while True:
        board = Canvas(13, 13)
        spots = dice.shuffled(board.find("."))
        for letter, count in (("G", generators), ("C", 2), ("A", 2)):
            board.put(letter, *(spots.pop() for _ in range(count)))
        for _ in range(agents):
            board.put(dice.choice(HEADS), spots.pop())
        starts = [(*cell, HEADS.index(board.letters[cell])) for cell in board.find(HEADS)]
        lap = [Stage(tuple(board.find(letter))) for letter in "GCA"]
        if all(length(board.free(), starts[0], [Stage((c,))]) < FAR for c in board.find("GCA")):
            break
    shortest = max(length(board.free(), start, lap * SHARE) for start in starts)
    params = {
        "num_agents": agents, "map": board.text(), "fixed_starts": True, **EMPTY,
        "cost_move": 0.0, "cost_use": 0.0, "generator_stock": SHARE * agents // generators,
        "max_steps": horizon(4, shortest),
        "bodies": ("walker",), "custom_bodies": ({"name": "walker", "can_jump": False},),
    }  # fmt: skip
    return Episode(params, shortest, float(SHARE * agents))


SCENARIOS = (
    *build("cooperation", heart_share, (disperse_4, disperse_8), oracle="disperse"),
    *build("cooperation", heart_share, (relay,), oracle="relay"),
    *build("cooperation", heart_share, (rescue,), oracle="rescue"),
    *build("cooperation", heart_share, (signal_3,), oracle="signal", chance=1 / 3),
    *build("cooperation", heart_share, (commons,), oracle="farmers"),
)
