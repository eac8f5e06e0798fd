"""A lifetime: a world, and what outlives its episodes.

Shapes: B worlds, N agents.  A `Lifetime` steps exactly like the world inside it; it labels every
hit predatory or retributive by its ledger of debts, and carries that ledger across resets.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from karma_rllib import worlds
from karma_rllib.society.ledger import BOOKS, LedgerParams, rates, settle

if TYPE_CHECKING:
    from karma_rllib.worlds.events import StepOut
    from karma_rllib.worlds.harvest import HarvestWorld

#: What a lifetime adds to the state of its world.
OWN_STATE = ("ledger", "ledger_before", "ledger_books")


class Lifetime:
    """A world whose agents keep their debts from one episode to the next.

    Every driver steps a lifetime: a batched env runner with hundreds of worlds, a PettingZoo env
    with one.  Worlds of one batch never share a debt.

    Args:
        world: the worlds to live in, already built; the lifetime takes it over.
        ledger: the rules of the ledger; None takes the defaults of `LedgerParams`.

    Attributes:
        world: the world.
        ledger_params: the rules of the ledger.
        ledger: what i owes j, float32 (B, N, N) [zaps], zero diagonal.
        ledger_before: the ledger as the last step found it, float32 (B, N, N) [zaps].
        ledger_books: running totals, float64 (B, 4) [zaps]; columns `ledger.BOOKS`.
    """

    def __init__(self, world: "HarvestWorld", ledger: LedgerParams | None = None) -> None:
        self.world = world
        self.params, self.uid, self.seed = world.params, world.uid, world.seed
        self.num_worlds, self.num_agents = world.num_worlds, world.num_agents
        self.num_actions, self.max_steps = world.num_actions, world.max_steps
        self.obs_shapes = world.obs_shapes
        self.ledger_params = LedgerParams.of(ledger)
        self._rates = rates(self.ledger_params)
        B, N = world.num_worlds, world.num_agents
        self.ledger = np.zeros((B, N, N), np.float32)
        self.ledger_before = np.zeros((B, N, N), np.float32)
        self.ledger_books = np.zeros((B, len(BOOKS)), np.float64)
        self._shown_debt = None if world.params.obs_debt == "none" else self.ledger
        self._predatory = np.zeros((B, N, N), bool)
        self._retributive = np.zeros((B, N, N), bool)

    def reset(
        self, mask: np.ndarray | None = None, out: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Begin a new episode where `mask` is true; debts stay, but for `debt_decay`.

        Args:
            mask: which worlds, bool (B,); None means all.
            out: observation buffers of the caller, written in place.

        Returns:
            Observations `{"grid": (B, N, H, W, C), "vec": (B, N, D)}`.
        """
        rows = slice(None) if mask is None else np.asarray(mask, bool)
        kept = self.ledger[rows] * np.float32(self.ledger_params.debt_decay)
        forgiven = self.ledger[rows].sum((1, 2), dtype=np.float64) - kept.sum(
            (1, 2), dtype=np.float64
        )
        self.ledger[rows] = kept
        self.ledger_books[rows, BOOKS.index("decayed")] += forgiven
        return self.world.reset(mask, out=out, debt=self._shown_debt)

    def step(self, actions: np.ndarray, out: dict[str, np.ndarray] | None = None) -> "StepOut":
        """Advance every world by one env-step and settle its hits in the ledger.

        Args:
            actions: integers in [0, num_actions), (B, N).
            out: observation buffers of the caller, written in place.

        Returns:
            What the world returns, with `events.predatory` and `events.retributive` filled.  Arrays
            of rewards and events belong to the lifetime and are overwritten by the next step.
        """
        result = self.world.step(actions, out)
        settle(
            self._rates,
            result.events.hit,
            result.events.apple_ctx,
            self.ledger_before,
            self._predatory,
            self._retributive,
            self.ledger,
            self.ledger_books,
        )
        if self._shown_debt is not None:  # the new frame shows the debts as they now are
            self.world.observe(result.obs, self._shown_debt)
        labels = {"predatory": self._predatory, "retributive": self._retributive}
        return result._replace(events=result.events._replace(**labels))

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything needed to live on exactly from here: the world's arrays and the ledger's."""
        own = {name: getattr(self, name).copy() for name in OWN_STATE}
        return {**self.world.get_state(), **own}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from a state that `get_state` of an equally shaped lifetime gave.

        Raises:
            ValueError: if an array of the ledger is missing or has another shape.
        """
        for name in OWN_STATE:
            mine = getattr(self, name)
            if name not in state:
                raise ValueError(f"the state of a lifetime has no array {name!r}.")
            if np.shape(state[name]) != mine.shape:
                raise ValueError(
                    f"{name} of the state has shape {np.shape(state[name])}: "
                    f"this lifetime needs {mine.shape}."
                )
        self.world.set_state({k: v for k, v in state.items() if k not in OWN_STATE})
        for name in OWN_STATE:
            getattr(self, name)[...] = state[name]


def make_lifetime(
    name: str = "harvest-v0",
    *,
    num_worlds: int = 1,
    seed: int = 0,
    first_uid: int = 0,
    num_threads: int = 1,
    profile: str | None = None,
    ledger: LedgerParams | Mapping[str, Any] | None = None,
    **params: Any,
) -> Lifetime:
    """Build worlds and give them a lifetime.

    Args:
        name: the world, one of `worlds.list_worlds()`.
        num_worlds: B, how many copies.
        seed: run seed; with a world's uid it fixes every random draw of that world's life.
        first_uid: uid of world 0; world b has `first_uid + b`.
        num_threads: threads of the step kernel.
        profile: named parameter set of the world; None takes the world's default.
        ledger: rules of the ledger, as an object or as a mapping of its keys.
        **params: single parameters of the world, over the profile.

    Raises:
        ValueError: for an unknown name, key or value, in one sentence.
    """
    rules = LedgerParams.of(ledger)
    world = worlds.make(
        name,
        num_worlds=num_worlds,
        seed=seed,
        first_uid=first_uid,
        num_threads=num_threads,
        profile=profile,
        **params,
    )
    return Lifetime(world, rules)
