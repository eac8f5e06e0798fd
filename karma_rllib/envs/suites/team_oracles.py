"""Oracles for several agents: they walk downhill on costs to go and step around each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from karma_rllib.envs.suites.canvas import Cell, Pose
from karma_rllib.envs.suites.paths import FAR, Stage, costs_to_go, moves, steps_from
from karma_rllib.envs.suites.scenario import Episode
from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.rng import uniforms

Obs = dict[str, np.ndarray]


class Memory(NamedTuple):
    """What a team remembers: steps made, and for how many each agent has been held up."""

    t: int
    held: tuple[int, ...]
    done: tuple[int, ...]  # stages behind each agent


class Team:
    """What the oracles of several agents share: a look at the world, and walking.

    Args:
        world: one copy of the kinship world.
        episode: of the scenario.
        agents: whom the team moves, (n,).
    """

    pushy = False  # takes the straight way even if others are ahead

    def __init__(self, world: Any, episode: Episode, agents: np.ndarray) -> None:
        self.world, self.episode, self.agents = world, episode, agents.tolist()
        self.number = {name: n for n, name in enumerate(world.action_names)}
        self._fields: dict[tuple[Cell, ...], np.ndarray] = {}

    def initial_state(self, n: int) -> Memory:
        """Nothing done yet."""
        return Memory(0, (0,) * n, (0,) * n)

    def step(self, obs: Obs, state: Memory) -> tuple[np.ndarray, Memory]:
        """One action for each agent of the team, from the world itself."""
        self.obs, self.frame = obs, self.world.frame()
        self.free = self.frame.cells == k.EMPTY
        self.taken = {tuple(cell): i for i, cell in enumerate(self.frame.pos.tolist())}
        self.lot = uniforms(self.world.seed, np.zeros(1), np.array([state.t]), len(self.agents))[0]
        names, done = self.decide(state)
        held = []
        for n, (i, name) in enumerate(zip(self.agents, names, strict=True)):
            waits = name is None
            held.append(state.held[n] + 1 if waits else 0)
            if waits and state.held[n] >= 2:
                names[n] = self.aside(i, self.lot[n])
        actions = np.array([self.number[name or "noop"] for name in names])
        return actions, Memory(state.t + 1, tuple(held), tuple(done))

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """The action of each agent by name, None to be held up; and the stages behind it."""
        raise NotImplementedError

    def pose(self, i: int) -> Pose:
        """Where agent i stands."""
        row, col = self.frame.pos[i].tolist()
        return row, col, int(self.frame.head[i])

    def field(self, cells: Iterable[Cell]) -> np.ndarray:
        """Costs to go until something at one of the cells is used; agents do not count."""
        key = tuple(sorted(cells))
        if key not in self._fields:
            self._fields[key] = costs_to_go(self.free, [Stage(key)])[0]
        return self._fields[key]

    def toward(self, i: int, cells: Iterable[Cell], verb: str = "use") -> str | None:
        """The next action of agent i on its way to use one of the cells; None if there is no way.

        Others are walked around as if they stood there for good (by the pushy only if they are in
        the way now); if that closes every way, the agent goes as far as it gets.
        """
        pose, key = self.pose(i), tuple(sorted(cells))
        if self.field(key)[pose] == 1:
            return verb
        if self.pushy and (action := self._downhill(pose, self.field(key))):
            return action
        free = self.free.copy()
        for cell in self.shunned(i).union(self.taken):
            if cell != pose[:2] and self._inside(cell):
                free[cell] = False
        around = costs_to_go(free, [Stage(key, verb)])[0]
        return self._downhill(pose, around if around[pose] < FAR else self.field(key))

    def shunned(self, i: int) -> set[Cell]:
        """Cells that agent i would rather not enter."""
        return set()

    def _downhill(self, pose: Pose, go: np.ndarray) -> str | None:
        """The first possible move that lowers the cost to go; None if there is none."""
        if go[pose] >= FAR:
            return None
        for name, after in moves(pose):
            turns = name.startswith("rotate")
            if (turns or self._open(after[:2])) and go[after] == go[pose] - 1:
                return name
        return None

    def _inside(self, cell: Cell) -> bool:
        """Whether a cell is on the map."""
        return 0 <= cell[0] < self.free.shape[0] and 0 <= cell[1] < self.free.shape[1]

    def _open(self, cell: Cell) -> bool:
        """Whether a cell can be entered now."""
        return self._inside(cell) and bool(self.free[cell]) and cell not in self.taken

    def aside(self, i: int, lot: float) -> str:
        """A step out of the way, or a turn to make one."""
        options = [
            name
            for name, after in moves(self.pose(i))
            if name.startswith("rotate") or self._open(after[:2])
        ]
        steps = [name for name in options if name.startswith("move")]
        pick = steps or options
        return pick[int(lot * len(pick))]

    def spots(self, code: int, *, ready: bool = False) -> list[Cell]:
        """Cells of the machines of a kind."""
        found = np.argwhere((self.frame.cells == code) & (self.frame.ready | (not ready)))
        return [(int(row), int(col)) for row, col in found]


class Disperse(Team):
    """Everybody to the altar that is its own, so that the last is there as early as possible."""

    pushy = True  # in an arm there is no way around, and nobody stays in it

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """Agents share the altars out at each step: those that are left, to those without one."""
        altars = self.spots(k.FREE_ALTAR, ready=True)
        names: list[str | None] = ["noop"] * len(self.agents)
        todo = [n for n, i in enumerate(self.agents) if self.world.hearts[0, i] == 0]
        if not altars or not todo:
            return names, list(state.done)
        steps = np.array(
            [[self.field([cell])[self.pose(self.agents[n])] for cell in altars] for n in todo]
        )
        rows, cols = linear_sum_assignment(steps.astype(float) ** 4)  # spares the last one
        for row, col in zip(rows, cols, strict=True):
            n = todo[row]
            names[n] = self.toward(self.agents[n], [altars[col]])
        return names, list(state.done)


class Relay(Team):
    """The gatherer harvests and brings; the keeper waits, charges, and takes the heart."""

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """Agent 0 gathers, agent 1 keeps."""
        wait = self.episode.notes["wait"]
        holds = self.frame.inventory[:, 0]
        names: list[str | None] = ["noop", "noop"]
        if holds[0]:
            names[0] = self.toward(0, [wait[:2]], "gift_diamond_1")
        elif self.spots(k.GENERATOR, ready=True):
            names[0] = self.toward(0, self.spots(k.GENERATOR))
        if names[0] == "gift_diamond_1" and self.pose(1)[:2] != wait[:2]:
            names[0] = "noop"
        if holds[1]:
            names[1] = self.toward(1, self.spots(k.CHARGER))
        elif self.frame.energy[1] > 0:
            names[1] = self.toward(1, self.spots(k.ALTAR))
        elif self.pose(1) != wait:
            names[1] = self._go(1, wait)
        return names, list(state.done)

    def _go(self, i: int, goal: Pose) -> str | None:
        """The next move to a pose."""
        return self._downhill(self.pose(i), steps_from(self.free, goal))


class Rescue(Team):
    """The hale one brings energy, in whichever order is shorter; the spent one then walks."""

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """One packet is enough."""
        notes = self.episode.notes
        weak, hale = notes["weak"], 1 - notes["weak"]
        names: list[str | None] = ["noop", "noop"]
        if self.frame.energy[weak] > 0:
            if self.world.hearts[0, weak] == 0:
                names[weak] = self.toward(weak, [notes["altar"]])
        else:
            names[hale] = self.toward(hale, [self.pose(weak)[:2]], "gift_energy")
        if names[hale] == "noop" and self.world.hearts[0, hale] == 0:
            names[hale] = self.toward(hale, [notes["own"]])
        return names, list(state.done)


class Signal(Team):
    """The speaker shows the number of the altar; the listener believes it."""

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """Agent 0 listens, agent 1 speaks."""
        names: list[str | None] = ["noop", "noop"]
        shown = int(self.frame.mark[1])
        if shown < 0:
            names[1] = f"mark_{self.episode.notes['live']}"
        elif self.world.hearts[0, 0] == 0:
            names[0] = self.toward(0, [self.episode.notes["altars"][shown]])
        return names, list(state.done)


class Farmers(Team):
    """Each its own chain from diamond to heart, at machines that no nearer one heads for."""

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """Whoever can pay goes to an altar, with a diamond to a charger, else to a generator."""
        names: list[str | None] = [None] * len(self.agents)
        wants: dict[int, list[int]] = {}
        for n, i in enumerate(self.agents):
            wants.setdefault(self.want(i), []).append(n)
        for code, who in wants.items():
            self._share(code, who, names)
        return names, list(state.done)

    def want(self, i: int) -> int:
        """The kind of machine that agent i needs next."""
        params = self.world.params
        if self.frame.energy[i] >= params.altar_cost + params.cost_use:
            return k.ALTAR
        return k.CHARGER if self.frame.inventory[i, 0] > 0 else k.GENERATOR

    def _share(self, code: int, who: list[int], names: list[str | None]) -> None:
        """Send agents to machines of a kind: ready ones first, one each as far as they go."""
        spots = self.spots(code, ready=True)
        if not spots and code == k.GENERATOR:
            for n in who:
                names[n] = "noop"
            return
        spots = spots or self.spots(code)
        steps = np.array(
            [[self.field([cell])[self.pose(self.agents[n])] for cell in spots] for n in who], float
        )
        rows, cols = linear_sum_assignment(steps)
        chosen = dict(zip(rows.tolist(), cols.tolist(), strict=True))
        for row, n in enumerate(who):
            cell = spots[chosen.get(row, int(steps[row].argmin()))]
            action = self.toward(self.agents[n], [cell])
            if action == "use" and not self.frame.ready[cell]:
                action = "noop"
            if row not in chosen and steps[row, int(steps[row].argmin())] < 4:
                action = "noop"  # leave room for whoever was sent
            names[n] = action
