"""Relatives in a running batch of worlds: their matrix, their shares, what they do to each other.

Shapes: B worlds, N agents.  The arithmetic is `society.kinship`'s; here it meets episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from karma_rllib.society.kinship import (
    KinshipRules,
    bonded,
    relatedness,
    shared,
    shown,
    weights,
)

if TYPE_CHECKING:
    from karma_rllib.worlds.face import World

#: What relatives add to the state of a lifetime; nothing under scheme `none`.
KIN_STATE = ("kinship", "kinship_seed")
#: From this relatedness on a victim counts as the attacker's own kin.
OWN_KIN = 0.5


class Relatives:
    """Who is related to whom in the current episode of each world.

    Args:
        rules: scheme, sharing, and what is shown.
        world: the worlds, already built.

    Attributes:
        matrix: K[i, j], how much of j's fortune is i's own, bonds included, float64 (B, N, N),
            diagonal 1.
        drawn: the same without bonds.
        on: somebody may be related, or become so.
        anew: the last step made or ended a bond, so that the world shows kinship anew.

    Raises:
        ValueError: the rules do not fit so many agents, or speak of bonds that nobody can make.
    """

    def __init__(self, rules: KinshipRules, world: World) -> None:
        rules.check_agents(world.num_agents)
        rules.check_world(world.traits.bonds)
        self.rules, self.world = rules, world
        self.bonding = world.traits.bonds and rules.bond > 0
        self.on = rules.scheme != "none" or self.bonding
        self.anew = False
        B, N = world.num_worlds, world.num_agents
        self.matrix = np.zeros((B, N, N))
        self.matrix[:] = np.eye(N)
        self.drawn = self.matrix.copy() if self.bonding else self.matrix
        self.seed = np.array(world.seed, np.int64)  # of the draws
        self._reward = np.zeros((B, N), np.float32)
        self._weights = weights(rules, self.matrix)
        self.told: dict[str, np.ndarray] = {
            "raw_reward": np.zeros((B, N), np.float32),
            "hit_kin": np.zeros(B, np.float32),
            "hit_kin_chance": np.zeros(B, np.float32),
            "hit_own": np.zeros(B, np.int16),
            "gift_kin": np.zeros(B, np.float32),
            "gift_kin_chance": np.zeros(B, np.float32),
            "gifts": np.zeros(B, np.int16),
        }

    def draw(self, which: np.ndarray) -> None:
        """Draw the matrix of a new episode in the worlds of `which`, bool (B,), and show it there.

        The draw belongs to (seed, uid, episode).  Worlds that prepare an episode before its first
        frame call this in between, so that the frame shows it.
        """
        if not (self.on and which.any()):
            return
        world: Any = self.world
        place = (int(self.seed), world.uid[which], world.episode[which])
        K = relatedness(self.rules, world.num_agents, *place)
        self.drawn[which] = K
        self.matrix[which] = K  # nobody is bonded yet
        self._weigh()
        if world.traits.shows_kin:
            world.kin[which] = shown(self.rules, K, *place)

    def _weigh(self) -> None:
        self._weights = weights(self.rules, self.matrix)

    def _count_bonds(self, which: np.ndarray) -> None:
        """Make relatives of those who are bonded now in the worlds of `which`, bool (B,)."""
        world: Any = self.world
        K = bonded(self.rules, self.drawn[which], world.bonds[which])
        self.matrix[which] = K
        self._weigh()
        if world.traits.shows_kin:
            place = (int(self.seed), world.uid[which], world.episode[which])
            world.kin[which] = shown(self.rules, K, *place)

    def settle(self, reward: np.ndarray, events: Any) -> np.ndarray:
        """Share the rewards of one step and fill `told` with what kin did to kin.

        Bonds that the step made or ended count from the next step on.

        Args:
            reward: raw, float32 (B, N) [reward units].
            events: of the step; `gift_to` is read where the world has gifts.

        Returns:
            The rewards after sharing, float32 (B, N); `reward` itself under scheme `none`.
        """
        told = self.told
        told["raw_reward"][:] = reward
        gift_to = getattr(events, "gift_to", None)
        if gift_to is not None:
            told["gifts"][:] = (gift_to >= 0).sum(1)
        if not self.on:
            return reward
        b, i, j = np.nonzero(events.hit)
        self._tell("hit", b, i, j)
        own = (events.hit & (self.matrix >= OWN_KIN)).sum((1, 2))
        told["hit_own"][:] = own
        if gift_to is not None:
            b, i = np.nonzero(gift_to >= 0)
            self._tell("gift", b, i, gift_to[b, i])
        self._reward[:] = shared(self._weights, reward)
        if self.bonding:
            which = ((events.bonded > 0) | (events.parted > 0)).any(1)
            self.anew = bool(which.any())
            if self.anew:
                self._count_bonds(which)
        return self._reward

    def _tell(self, what: str, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> None:
        """Sum K[i, j] over the acts of one kind, and its mean over all whom i could choose."""
        others = max(1, self.matrix.shape[-1] - 1)
        chance = (self.matrix[b, i].sum(-1) - 1) / others
        size = len(self.matrix)
        self.told[f"{what}_kin"][:] = np.bincount(b, self.matrix[b, i, j], size)
        self.told[f"{what}_kin_chance"][:] = np.bincount(b, chance, size)

    def get_state(self) -> dict[str, np.ndarray]:
        """The matrix as drawn and the seed of its draws; nothing where nobody can be related."""
        return {"kinship": self.drawn.copy(), "kinship_seed": self.seed.copy()} if self.on else {}

    def check_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Refuse a state that these relatives could not take over.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        for name, mine in self.get_state().items():
            if name not in state:
                raise ValueError(
                    f"the state of a lifetime has no array {name!r}: it was saved without kinship."
                )
            if np.shape(state[name]) != mine.shape:
                raise ValueError(
                    f"{name} of the state has shape {np.shape(state[name])}: "
                    f"this lifetime needs {mine.shape}."
                )

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state that `check_state` accepts; the world has taken over its own."""
        if not self.on:
            return
        self.drawn[...] = state["kinship"]
        self.seed[...] = state["kinship_seed"]
        if self.bonding:
            world: Any = self.world
            self.matrix[...] = bonded(self.rules, self.drawn, world.bonds)
        self._weigh()
