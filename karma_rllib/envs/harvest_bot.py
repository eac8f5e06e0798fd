"""What the scripted players of the harvest world share.

Each is a list of wishes, strongest first; a wish is an action per player, or -1 for no opinion.
Shapes: n players, H side of a view.
"""

from typing import Any, NamedTuple

import numpy as np

from karma_rllib.envs.bots import BotState
from karma_rllib.envs.harvest_eyes import (
    BACKWARD,
    FORWARD,
    LEFT,
    RIGHT,
    Eyes,
    Line,
    View,
    distances,
    towards,
)
from karma_rllib.worlds import harvest_state as h

NO_WISH = -1
STROLL = 0.9  # chance to walk on rather than turn, where nothing is in sight


class Now(NamedTuple):
    """What a bot decides from in one step."""

    obs: dict[str, np.ndarray]
    view: View
    lines: list[Line]  # what a zap would meet: ahead, behind, left, right
    ready: np.ndarray  # a zap would fire, bool (n,)
    chance: np.ndarray  # uniform numbers, float64 (n, 6)


def first(*wishes: np.ndarray) -> np.ndarray:
    """The first wish that is one; no-op where there is none."""
    chosen = np.full(len(wishes[0]), NO_WISH, np.int64)
    for wish in wishes:
        chosen = np.where(chosen == NO_WISH, wish, chosen)
    return np.where(chosen == NO_WISH, h.NOOP, chosen)


def only(where: np.ndarray, wish: np.ndarray | int) -> np.ndarray:
    """A wish of some players only."""
    return np.where(where, wish, NO_WISH)


class HarvestBot:
    """A scripted player; see `bots.Policy` for the protocol.

    A subclass says what it wants in `_choose`, and what it needs in `_check`.

    Args:
        world: its parameters and names are read.
        seed: of the bot's chances.

    Raises:
        ValueError: the bot cannot see in this world what it needs.
    """

    name: str

    def __init__(self, world: Any, seed: int = 0) -> None:
        self.eyes, self.seed, self.params = Eyes(world), seed, world.params
        self._check()

    def _check(self) -> None:
        """Refuse a world that does not show what this bot needs."""

    def _need(self, fine: bool, what: str) -> None:
        if not fine:
            raise ValueError(f"bot {self.name!r} {what}.")

    def _memory(self, n: int) -> dict[str, np.ndarray]:
        """What it remembers at the start of an episode."""
        return {}

    def initial_state(self, n: int, rows: np.ndarray | None = None) -> BotState:
        """State of n players at the start of an episode."""
        return BotState.fresh(n, rows, **self._memory(n))

    def step(self, obs: dict[str, np.ndarray], state: BotState) -> tuple[np.ndarray, BotState]:
        """Act once; see `bots.Policy.step`."""
        view = self.eyes.look(obs)
        now = Now(
            obs,
            view,
            self.eyes.lines(view),
            self.eyes.feel(obs, "ready"),
            state.chances(self.seed, 6),
        )
        wish, memory = self._choose(now, state.memory)
        return self.eyes.act(wish, view), state.after(**memory)

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        """Actions relative to the heading, int64 (n,), and the memories that change."""
        raise NotImplementedError

    # wishes that several bots have

    def _go(self, now: Now, goals: np.ndarray) -> np.ndarray:
        """Walk to the nearest goal."""
        return towards(distances(goals, now.view.free), now.chance[:, :4])

    def _eat(self, now: Now) -> np.ndarray:
        """Walk to the nearest apple."""
        return self._go(now, now.view.apple)

    def _stroll(self, now: Now) -> np.ndarray:
        """Walk on, turn at random before obstacles and now and then."""
        R = now.view.radius
        on = now.view.free[:, R - 1, R] & (now.chance[:, 4] < STROLL)
        turn = np.where(now.chance[:, 5] < 0.5, h.TURN_LEFT, h.TURN_RIGHT)
        return np.where(on, h.FORWARD, turn)

    def _aim(self, now: Now, targets: list[np.ndarray]) -> np.ndarray:
        """Zap what is ahead, else turn to what is beside or behind; targets bool (n,) per line."""
        turn = only(targets[BACKWARD], h.TURN_RIGHT)
        turn = np.where(targets[RIGHT], h.TURN_RIGHT, turn)
        turn = np.where(targets[LEFT], h.TURN_LEFT, turn)
        return np.where(now.ready, np.where(targets[FORWARD], h.ZAP, turn), NO_WISH)

    def _clean(self, now: Now) -> np.ndarray:
        """Zap or go to waste, never through another agent."""
        aim = self._aim(now, [line.waste & ~line.rival for line in now.lines])
        return np.where(aim == NO_WISH, self._go(now, now.view.waste), aim)

    def _check_waste(self) -> None:
        self._need(
            self.params.waste_mode != "none",
            f"needs waste, but waste_mode is 'none' in profile {self.params.profile!r}: "
            "take a profile with waste, such as dual_cleanup",
        )
