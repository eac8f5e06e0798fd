"""Scripted players of the harvest world; K counts the faces that can be told apart."""

from typing import Any

import numpy as np

from karma_rllib.envs.harvest_bot import HarvestBot, Now, first, only
from karma_rllib.envs.harvest_eyes import FACES_ME, FAR, FORWARD, distances
from karma_rllib.worlds import harvest_state as h

PATIENCE = 20  # how long a free rider waits where it saw apples [steps]
GOODWILL = 5  # waste cells a tit-for-tat cleaner removes before it has seen anybody else clean
RIVALRY = 6  # an apple that a rival reaches first counts as so much farther away [cells]
SEED_CORN = 3  # where apples grow from apples: the oracle eats those with as many around [apples]
COMPANY = 0.5  # an apple counts as so much nearer for every other apple around it [cells]


class Forager(HarvestBot):
    """Walks to the nearest apple it sees, looks for one otherwise, and never fires."""

    name = "forager"

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        return first(self._eat(now), self._stroll(now)), {}


class Cleaner(HarvestBot):
    """Removes all the waste it sees, eats when there is none, and never fires at an agent."""

    name = "cleaner"

    def _check(self) -> None:
        self._check_waste()

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        return first(self._clean(now), self._eat(now), self._stroll(now)), {}


class FreeRider(HarvestBot):
    """Eats what grows, never fires, and waits where it saw apples until there are some again."""

    name = "free_rider"

    def _memory(self, n: int) -> dict[str, np.ndarray]:
        return {"waited": np.full(n, PATIENCE, np.int64)}

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        waited = np.where(now.view.apple.any((1, 2)), 0, memory["waited"] + 1)
        wait = only(waited < PATIENCE, h.NOOP)
        return first(self._eat(now), wait, self._stroll(now)), {"waited": waited}


class Bully(HarvestBot):
    """Zaps whoever is in reach, owed or not; eats, and hunts when there is nothing to eat."""

    name = "bully"

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        zap = self._aim(now, [line.rival for line in now.lines])
        return first(zap, self._eat(now), self._go(now, now.view.active), self._stroll(now)), {}


class Avenger(HarvestBot):
    """Forages until it is zapped; then gives every zap back, first of all.

    Where agents can be told apart it returns a zap to the one who fired it, otherwise to whoever
    is in reach.
    """

    name = "avenger"

    def _check(self) -> None:
        self._need(
            self.params.feedback_flags,
            "cannot feel whether it was hit or has hit with feedback_flags=False: set it to True",
        )

    def _memory(self, n: int) -> dict[str, np.ndarray]:
        return {"owed": np.zeros((n, self.eyes.faces), np.int64), "aimed": np.full(n, -1, np.int64)}

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        owed, row = memory["owed"].copy(), np.arange(len(now.ready))
        paid = self.eyes.feel(now.obs, "hit_agent") & (memory["aimed"] >= 0)
        owed[row[paid], memory["aimed"][paid]] -= 1
        np.maximum(owed, 0, out=owed)
        shooter = np.full(len(row), -1, np.int64)
        for line, heading in zip(now.lines, FACES_ME, strict=True):
            shooter = np.where((line.who >= 0) & (line.heading == heading), line.who, shooter)
        if not self.eyes.knows_faces:
            shooter[:] = 0  # somebody
        hurt = self.eyes.feel(now.obs, "was_hit") & (shooter >= 0)
        owed[row[hurt], shooter[hurt]] += 1
        angry = self._angry(now.view.who, owed)
        targets = [line.rival & (owed[row, line.who] > 0) & (line.who >= 0) for line in now.lines]
        wish = first(
            self._aim(now, targets),
            self._go(now, now.view.active & angry),
            self._eat(now),
            self._stroll(now),
        )
        aimed = np.where(wish == h.ZAP, now.lines[FORWARD].who, -1)
        return wish, {"owed": owed, "aimed": aimed}

    def _angry(self, who: np.ndarray, owed: np.ndarray) -> np.ndarray:
        """Cells with an agent that has a zap to come, bool (n, H, H)."""
        row = np.arange(len(who))[:, None, None]
        return (who >= 0) & (owed[row, who] > 0)


class TitForTat(HarvestBot):
    """Cleans first, then as long as it sees others clean; a free rider otherwise.

    It removes as many waste cells as it has seen beams of others, and `GOODWILL` in advance.
    """

    name = "tit_for_tat"

    def _check(self) -> None:
        self._check_waste()
        self._need(
            self.params.feedback_flags and not self.eyes.whole,
            "cannot see others clean: it needs obs_mode='ego_planes', which shows beams, and "
            "feedback_flags=True",
        )

    def _memory(self, n: int) -> dict[str, np.ndarray]:
        return {
            "goodwill": np.full(n, GOODWILL, np.int64),
            "waited": np.full(n, PATIENCE, np.int64),
        }

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        fired = self.eyes.feel(now.obs, "last_zap")
        others = (now.view.beam & ~now.view.frozen).any((1, 2)) & ~fired
        cleaned = self.eyes.feel(now.obs, "hit_waste")
        goodwill = (memory["goodwill"] + others - cleaned).clip(0, GOODWILL)
        waited = np.where(now.view.apple.any((1, 2)), 0, memory["waited"] + 1)
        wish = first(
            only(goodwill > 0, self._clean(now)),
            self._eat(now),
            only(waited < PATIENCE, h.NOOP),
            self._stroll(now),
        )
        return wish, {"goodwill": goodwill, "waited": waited}


class Oracle(HarvestBot):
    """Sees the whole map, and goes for the apple that pays best for its way.

    An apple costs the steps to it, less what lies around it, and more if a rival is there first.
    Where apples grow from apples it leaves those that stand nearly alone: a commons that it alone
    can keep.
    """

    name = "oracle"

    def _check(self) -> None:
        need = self.params.grid_size - 1
        self._need(
            self.params.view_radius >= need,
            f"must see the whole map, but view_radius is {self.params.view_radius}: set it to "
            f"{need}",
        )

    def _choose(self, now: Now, memory: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Any]]:
        view, R = now.view, now.view.radius
        me = np.zeros_like(view.wall)
        me[:, R, R] = True
        mine, theirs = distances(me, view.free), distances(view.active, view.free)
        company = _around(view.apple)
        cost = mine + RIVALRY * (theirs < mine) - COMPANY * company
        ripe = view.apple & (mine < FAR)
        if self.params.regrow_mode == "density":
            ripe &= company >= SEED_CORN
        cost = np.where(ripe, cost, np.inf).reshape(len(me), -1)
        goal = np.zeros_like(cost, bool)
        goal[np.arange(len(me)), cost.argmin(1)] = np.isfinite(cost.min(1))
        return first(self._go(now, goal.reshape(me.shape)), self._home(now)), {}

    def _home(self, now: Now) -> np.ndarray:
        """Nothing to eat: wait, in the middle of the map."""
        inside = ~now.view.wall
        rows, cols = inside.any(2), inside.any(1)
        middle = np.zeros_like(inside)
        n = np.arange(len(inside))
        half = self.params.grid_size // 2
        middle[n, rows.argmax(1) + half, cols.argmax(1) + half] = True
        R = now.view.radius
        return only(~middle[:, R, R], self._go(now, middle))


def _around(mask: np.ndarray) -> np.ndarray:
    """How many of the 8 cells around each are set, int64 (n, H, H)."""
    _, H, W = mask.shape
    wide = np.pad(mask, ((0, 0), (1, 1), (1, 1))).astype(np.int64)
    block = sum(wide[:, y : y + H, x : x + W] for y in range(3) for x in range(3))
    return np.asarray(block) - mask


KINDS = {
    kind.name: kind for kind in (Forager, Cleaner, FreeRider, Bully, Avenger, TitForTat, Oracle)
}


def make(name: str, world: Any, seed: int = 0) -> HarvestBot:
    """Build the player of a name; see `bots.make_bot`."""
    return KINDS[name](world, seed)
