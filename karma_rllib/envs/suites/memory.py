"""Memory and learning within an episode: what was seen or found out before decides now."""

from __future__ import annotations

from karma_rllib.envs.suites.canvas import HEADS, Canvas, Cell
from karma_rllib.envs.suites.dice import Dice
from karma_rllib.envs.suites.navigation import ALONE, reachable
from karma_rllib.envs.suites.objects import EMPTY
from karma_rllib.envs.suites.paths import Plan, Stage, end_of, plan
from karma_rllib.envs.suites.scenario import Episode, Tally, build, heart_share, horizon

RATIO = 1.4  # time for one side only
ARM = 4  # columns between the corridor and the ways back
STEPS = 256  # of the recipes
HALF = 100  # steps until the other altar pays


def _fork(deep: int) -> Canvas:
    """A corridor north from the start, a crossing bar, and two ways back to the start's row."""
    board = Canvas(deep + 1, 2 * ARM + 1, "#")
    board.line(".", (0, 0), (0, 2 * ARM))
    for col in (0, ARM, 2 * ARM):
        board.line(".", (0, col), (deep, col))
    board.put("^", (deep, ARM))
    return board


def _timed(board: Canvas, best: Plan, **params: object) -> Episode:
    """An episode with little more time than its plan takes."""
    steps = horizon(RATIO, len(best.actions))
    world = {**ALONE, **EMPTY, "map": board.text(), "max_steps": steps, **params}
    return Episode(world, len(best.actions), 1.0, best.actions)


def _cue(dice: Dice, deep: int) -> Episode:
    """An altar at the end of one of the ways back, seen through the wall before leaving."""
    board = _fork(deep)
    altar = (deep, 2 * ARM * dice.below(2))
    board.put("h", altar)
    return _timed(board, plan(board.free(), board.start(), [Stage((altar,))]))


def cue_10(dice: Dice) -> Episode:
    """An altar seen at the start, left or right; ten cells on, out of sight, the way forks."""
    return _cue(dice, 10)


def cue_25(dice: Dice) -> Episode:
    """An altar seen at the start, left or right; 25 cells on, out of sight, the way forks."""
    return _cue(dice, 25)


def marker_cue(dice: Dice) -> Episode:
    """A machine behind the start tells which altar pays: a generator the left, a charger the right.

    The altars look alike; the other one asks for energy that nobody has.
    """
    deep, arm = 7, 5
    board = Canvas(deep + 3, 2 * arm + 1, "#")
    board.line(".", (0, 0), (0, 2 * arm))
    board.line(".", (0, arm), (deep, arm))
    board.put("^", (deep, arm))
    side = dice.below(2)
    board.put("GC"[side], (deep + 2, arm))
    live = (0, 2 * arm * side)
    board.put("A", (0, 0), (0, 2 * arm))
    board.put("h", live)
    return _timed(board, plan(board.free(), board.start(), [Stage((live,))]))


def return_home(dice: Dice) -> Episode:
    """An altar seen at the start, left or right; harvest and charge on the way, then come back."""
    deep = 14
    board = _fork(deep)
    altar = (deep, 2 * ARM * dice.below(2))
    generator, charger = (9, ARM - 1 + 2 * dice.below(2)), (4, ARM - 1 + 2 * dice.below(2))
    board.put("G", generator)
    board.put("C", charger)
    board.put("A", altar)
    stages = [Stage((cell,)) for cell in (generator, charger, altar)]
    return _timed(board, plan(board.free(), board.start(), stages))


ITEMS = ("diamond_1", "part", "heart")


def _machines(links: int, sinks: int) -> list[dict[str, object]]:
    """A source, the machines that lead from its item to a heart, and sinks that swallow items."""
    chain = [ITEMS[0], ITEMS[2]] if links == 2 else list(ITEMS)
    found: list[dict[str, object]] = [{"name": "source", "gives": {chain[0]: 1}}]
    for n in range(links - 1):
        maker = {"takes": {chain[n]: 1}, "gives": {chain[n + 1]: 1}}
        found.append({"name": f"maker_{n + 1}", **maker})
    found += [{"name": f"sink_{n + 1}", "takes": {chain[n]: 1}} for n in range(sinks)]
    return [{**machine, "ticks": 1, "cooldown": 0} for machine in found]


def _round(at: dict[str, Cell], links: int) -> list[Stage]:
    """What to do with an item of the source, and to fetch the next one."""
    stages = []
    for n in range(1, links):
        cell = (at[f"maker_{n}"],)
        stages += [Stage(cell, "put"), Stage(cell, "get")]
    return [*stages, Stage((at["source"],), "get")]


def _floor(dice: Dice, names: list[str]) -> tuple[Canvas, dict[str, Cell]]:
    """Stations and the agent anywhere in a small room, each within reach."""
    while True:
        board = Canvas(6, 6)
        cells = dice.shuffled(board.find("."))
        at = dict(zip(names, cells, strict=False))
        for look, name in enumerate(names):
            board.put("56789"[look], at[name])
        board.put(dice.choice(HEADS), cells[len(names)])
        if reachable(board, list(at.values())):
            return board, at


def _rounds(board: Canvas, fetch: Plan, stages: list[Stage]) -> list[Plan]:
    """Rounds from the source back to it, each from where the last one ended, until they repeat."""
    poses, rounds = [end_of(board.start(), fetch)], []
    while len(poses) == len(set(poses)):
        rounds.append(plan(board.free(), poses[-1], stages))
        poses.append(end_of(poses[-1], rounds[-1]))
    return rounds


def _recipe(dice: Dice, links: int, sinks: int) -> Episode:
    """Stations whose looks say nothing: which does what is drawn anew for each episode.

    The source makes an item only as fast as the longest round takes, so that its items bound the
    hearts: there are 1 + (time - first item - last round) // (time between items) of them.
    """
    machines = dice.shuffled(_machines(links, sinks))
    board, at = _floor(dice, [str(machine["name"]) for machine in machines])
    fetch = plan(board.free(), board.start(), [Stage((at["source"],), "get")])
    rounds = _rounds(board, fetch, _round(at, links))
    ticks = max(len(found.actions) for found in (fetch, *rounds))
    for machine in machines:
        if machine["name"] == "source":
            machine |= {"ticks": ticks, "max_output": 1}
    actions, hearts = list(fetch.actions), 0
    while True:  # the n-th item can be taken in step ticks + n (ticks + 1)
        wait = ticks + hearts * (ticks + 1) + 1 - len(actions)
        actions[-1:] = ["noop"] * wait + ["get"]
        lap = rounds[min(hearts, len(rounds) - 1)]
        tail = len(lap.actions) - _last_leg(lap)
        if len(actions) + tail > STEPS:
            break
        hearts += 1
        actions += lap.actions
    params = {
        **ALONE, "map": board.text(), "max_steps": STEPS, "stations": tuple(machines),
        "items": ITEMS[1:], "item_rewards": (0.0, 0.0, 1.0), "inventory_cap": 50,
    }  # fmt: skip
    return Episode(params, len(fetch.actions) + tail, float(hearts), tuple(actions[:STEPS]))


def _last_leg(found: Plan) -> int:
    """Actions after the heart was taken: the way back to the source, and the item there."""
    gets = [n for n, action in enumerate(found.actions) if action == "get"]
    return gets[-1] - gets[-2]


def recipe_k2_s1(dice: Dice) -> Episode:
    """A source, a machine that makes hearts, one that swallows; find out which is which."""
    return _recipe(dice, 2, 1)


def recipe_k3_s2(dice: Dice) -> Episode:
    """A source, two machines in a row to a heart, two that swallow; find out which is which."""
    return _recipe(dice, 3, 2)


def made(episode: Episode, tally: Tally) -> float:
    """Hearts made, of those possible."""
    return min(float(tally.items[0, -1]) / episode.possible, 1.0)


def reversal(dice: Dice) -> Episode:
    """Two altars, one of which pays; from half time on it is the other."""
    wide, deep = 3 + dice.below(3), 1 + dice.below(4)
    board = Canvas(deep + 2, 2 * wide + 1)
    board.put("^", (deep, wide))
    left, right = (0, 0), (0, 2 * wide)
    board.put("A", left, right)
    first = plan(board.free(), board.start(), [Stage((left,))])
    stand = end_of(board.start(), first)
    across = plan(board.free(), stand, [Stage((right,))])
    pause = 10
    best: list[str] = []
    hearts = 0
    for uses in range(1, HALF // pause + 2):  # leave the first altar after so many hearts
        taken = [len(first.actions) - 1 + pause * n for n in range(uses)]
        change = max(HALF, taken[-1] + len(across.actions))
        more = list(range(change, 2 * HALF, pause))
        if taken[-1] < HALF and uses + len(more) > hearts:
            hearts = uses + len(more)
            best = _timetable(first, taken, across, more)
    params = {
        **ALONE, "map": board.text(), "max_steps": 2 * HALF, "altar_turns": HALF,
        "altar_cost": 0.0, "altar_cooldown": pause,
    }  # fmt: skip
    return Episode(params, len(first.actions), float(hearts), tuple(best))


def _timetable(first: Plan, taken: list[int], across: Plan, more: list[int]) -> list[str]:
    """Actions that take hearts at these steps, `across` between them, waiting otherwise."""
    actions = list(first.actions)
    for step in taken[1:]:
        actions += ["noop"] * (step - len(actions)) + ["use"]
    actions += across.actions[:-1]
    for step in more:
        actions += ["noop"] * (step - len(actions)) + ["use"]
    return actions


SCENARIOS = (
    *build("memory", heart_share, (cue_10, cue_25, marker_cue, return_home), chance=0.5),
    *build("memory", made, (recipe_k2_s1, recipe_k3_s2)),
    *build("memory", heart_share, (reversal,), oracle="mirror"),
)
