"""Scripted players of the kinship world: forager, raider, giver.

They know the world's rules and what an agent sees and feels, nothing else: no positions, no map, no
other agent's thoughts; and they remember no places.  All are pure steps over their state, as
`bots.Policy` asks.

    forager   takes hearts where it can pay for them, else charges, else harvests, nearest first;
              waits a while at a machine that pauses, jumps over whoever stands in its way, and
              wanders where it sees nothing to do
    raider    a forager that attacks whoever comes within reach, is neither frozen nor shielded,
              nor kin, and (where energy and items of others can be seen) holds something
    giver     a forager that hands a packet of energy, or else a diamond, to whoever stands ahead
              of it, while it has more than half of what it can hold; where kin can be seen, to
              kin only

Shapes: n players; see `kinship_sight`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from karma_rllib.envs.kinship_sight import FAR, Reader, Sight, beside, distances
from karma_rllib.worlds.kinship_names import action_names
from karma_rllib.worlds.kinship_params import KinshipParams
from karma_rllib.worlds.kinship_state import LATERAL
from karma_rllib.worlds.rng import uniforms

KINSHIP_BOTS = ("forager", "raider", "giver")
PATIENCE = 12  # steps that a player waits at a machine, and then stays away from such [steps]
WAIT = 6.0  # how much nearer a machine that pauses must be than a ready one [cells]
ROUND = 4.0  # how much longer a free way may be than one past another agent [cells]
RESTLESS = 0.1  # probability that a wanderer turns without need
KIN = 128  # shown relatedness, of 255, from which a raider spares an agent
_COMPASS = ("north", "east", "south", "west")
_TURNS = ("up", "right", "down", "left")


class BotState(NamedTuple):
    """State of n players."""

    step: int  # acts so far
    waited: np.ndarray  # > 0: steps spent waiting; < 0: steps until it would wait again, int (n,)


class KinshipBot:
    """A scripted player of a kinship world.

    Args:
        name: one of `KINSHIP_BOTS`.
        params: parameters of the world.
        seed: of the counter-based generator that wanderers turn by, >= 0.

    Raises:
        ValueError: no such bot.
    """

    def __init__(self, name: str, params: KinshipParams, seed: int = 0) -> None:
        if name not in KINSHIP_BOTS:
            raise ValueError(f"unknown bot {name!r}: known are {', '.join(KINSHIP_BOTS)}")
        self.name, self.params, self.seed = name, params, seed
        self._reader = Reader(params)
        self._action = {action: a for a, action in enumerate(action_names(params))}
        way, names = ("go", _COMPASS) if params.controls == "simple" else ("rotate", _TURNS)
        self._turn = np.array([self._action[f"{way}_{n}"] for n in names])
        free = params.altars == 0 and not (params.map and "A" in params.map)
        self._price = params.cost_use + (0.0 if free else params.altar_cost)

    def initial_state(self, n: int) -> BotState:
        """Nobody has acted or waited yet."""
        return BotState(0, np.zeros(n, np.int64))

    def step(self, obs: dict[str, np.ndarray], state: BotState) -> tuple[np.ndarray, BotState]:
        """Act once; see `bots.Policy.step`."""
        see = self._reader.read(obs)
        u = uniforms(self.seed, np.zeros(1), np.array([state.step]), 2 * len(see.energy))
        action, waits = self._forage(see, state.waited < 0, *u.reshape(-1, 2).T)
        if self.name == "raider":
            action = self._raid(see, action)
        elif self.name == "giver":
            action = self._give(see, action)
        waited = np.where(state.waited < 0, state.waited + 1, np.where(waits, state.waited + 1, 0))
        waited[waited > PATIENCE] = -PATIENCE
        return action, BotState(state.step + 1, waited)

    def _forage(
        self, see: Sight, bored: np.ndarray, u: np.ndarray, v: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Go the shortest way to what is useful; actions (n,), and who waits, bool (n,)."""
        goal = self._goals(see, bored)
        toll = np.where(see.solid, FAR, np.where(see.taken, ROUND, 1.0))
        ahead = beside(distances(goal, toll))  # (n, 4)
        rows = np.arange(len(ahead))
        ahead[rows, see.head] -= 0.5  # of equal ways, the one that needs no turn
        best = ahead.argmin(1)
        seen = ahead[rows, best] < FAR / 2
        arrived = seen & (beside(goal)[rows, best] < FAR)
        met = seen & ~arrived & beside(see.taken)[rows, best]
        leaps = met & self._can_leap(see)[rows, best]
        best = np.where(seen & (leaps | ~met), best, self._wander(see, u, v))
        facing = best == see.head
        ready = beside(see.plane["ready"])[rows, best] > 0
        walk = self._action.get("move_forward")  # simple controls turn and walk in one
        turn = self._turn[self._reader.turned(see, best)]
        action = turn if walk is None else np.where(facing, walk, turn)
        action = np.where(leaps & facing, self._action.get("jump", 0), action)
        action = np.where(arrived & facing, np.where(ready, self._action["use"], 0), action)
        return action, arrived & facing & ~ready

    def _goals(self, see: Sight, bored: np.ndarray) -> np.ndarray:
        """Cost of ending at each cell: `FAR` but at machines that are of use, float (n, H, W)."""
        p, kind, n = self.params, see.plane["kind"], len(see.energy)
        room = see.top - see.energy >= 0.5 * np.minimum(p.charger_energy, see.top)
        recipes = p.kinds + (p.kinds > 1)
        charges, gives = np.zeros((n, 256), bool), np.zeros((n, 256), bool)
        charges[:, 1 : p.kinds + 1] = (see.held > 0) & room[:, None]
        charges[:, recipes] |= (see.held > 0).all(1) & room
        charges &= see.can_charge[:, None]
        gives[:, 1 : p.kinds + 1] = (see.held < p.inventory_cap) & see.can_harvest[:, None]
        flat = kind.reshape(n, -1).astype(int)
        goal = np.full(kind.shape, FAR)
        rich = ((see.energy >= self._price) & see.can_charge)[:, None, None]
        some = see.held.sum(1)[:, None, None]
        for plane, useful, cost in (
            ("generator", np.take_along_axis(gives, flat, 1).reshape(kind.shape), 2.0 + 2 * some),
            ("charger", np.take_along_axis(charges, flat, 1).reshape(kind.shape), 1.0),
            ("altar", rich, 0.0),
        ):
            goal = np.where((see.plane[plane] > 0) & useful, cost, goal)
        pauses = (see.plane["ready"] == 0) & (goal < FAR)
        goal = np.where(pauses, goal + WAIT, goal)
        return np.where(pauses & bored[:, None, None], FAR, goal)

    def _can_leap(self, see: Sight) -> np.ndarray:
        """Whether a jump would end on a free cell, for each direction, bool (n, 4)."""
        return ~beside(see.solid | see.taken, 2) & ("jump" in self._action)

    def _wander(self, see: Sight, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Straight on; at random to a free side where that is blocked, and now and then; (n,)."""
        free = ~beside(see.solid | see.taken)  # (n, 4)
        rows = np.arange(len(free))
        straight = free[rows, see.head] & (u > RESTLESS)
        back = (see.head + 2) % 4
        odds = np.where(free, 1.0, 1e-6)
        odds[rows, back] *= 0.1
        ends = odds.cumsum(1)
        pick = (v[:, None] * ends[:, -1:] >= ends).sum(1)
        return np.where(straight, see.head, pick)

    def _raid(self, see: Sight, action: np.ndarray) -> np.ndarray:
        """Attack prey ahead; turn to prey at another side."""
        p = self.params
        victim = (see.plane["agent"] > 0) & (see.plane["frozen"] == 0) & (see.plane["shield"] == 0)
        if p.obs_kin:
            victim &= see.plane["kin"] < KIN
        if p.obs_others:
            wealth = [plane > 0 for name, plane in see.plane.items() if name.startswith("others_")]
            victim &= np.logical_or.reduce(wealth)
        rows, able = np.arange(len(action)), see.energy >= p.cost_attack + p.cost_use
        near = np.zeros((len(action), 4), bool)
        for away in range(min(p.attack_range, p.view_radius), 0, -1):
            for aside in LATERAL[::-1]:
                block = beside(victim, away, aside)
                near |= block
                strike = self._action[f"attack_{3 * (away - 1) + aside + 2}"]
                action = np.where(able & block[rows, see.head], strike, action)
        turns = able & near.any(1) & ~near[rows, see.head] & (p.controls == "turn")
        return np.where(turns, self._turn[self._reader.turned(see, near.argmax(1))], action)

    def _give(self, see: Sight, action: np.ndarray) -> np.ndarray:
        """Hand a packet of energy, or else a second diamond, to the agent ahead; never twice."""
        p = self.params
        if "gift_energy" not in self._action:
            return action
        rows = np.arange(len(action))
        friend = beside(see.plane["agent"])[rows, see.head] > 0
        if p.obs_kin:
            kin = see.plane["kin"]
            friend &= (beside(kin)[rows, see.head] > 0) | ~kin.any((1, 2))
        friend &= ~see.gave
        spare, kind = see.held > 1, see.held.argmax(1)
        item = np.array([self._action[f"gift_diamond_{k + 1}"] for k in range(p.kinds)])[kind]
        action = np.where(friend & spare.any(1), item, action)
        return np.where(friend & (see.energy > 0.5 * see.top), self._action["gift_energy"], action)


def make(name: str, world: Any, seed: int = 0) -> KinshipBot:
    """Build the player of a name; see `bots.make_bot`."""
    return KinshipBot(name, world.params, seed)
