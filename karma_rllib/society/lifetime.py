"""A lifetime: a world, and what outlives its episodes.

Shapes: B worlds, N agents, P <= N // 2 pairs.  A `Lifetime` steps exactly like the world inside it;
it labels every hit predatory or retributive by its ledger of debts, carries that ledger across
resets, lets the matchmaker decide who starts next to whom, draws who is related to whom in an
episode, and shares rewards among relatives.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from karma_rllib import worlds
from karma_rllib.society.kinship import KinshipRules
from karma_rllib.society.ledger import BOOKS, LedgerParams, rates, settle, tell
from karma_rllib.society.match_kernels import matchmake
from karma_rllib.society.matchmaker import (
    CREDITOR,
    DEBTOR,
    MatchmakerParams,
    compile_rules,
    empty_match,
)
from karma_rllib.society.relatives import KIN_STATE, Relatives
from karma_rllib.worlds.placement import Placement

if TYPE_CHECKING:
    from karma_rllib.worlds.events import StepOut
    from karma_rllib.worlds.face import World

#: What a lifetime adds to the state of its world.
OWN_STATE = (
    "ledger", "ledger_before", "ledger_books",
    "pairs", "pair_debt", "pair_rigged", "rigged", "pairs_wanted", "pairs_rigged",
)  # fmt: skip


class Lifetime:
    """A world whose agents keep their debts from one episode to the next.

    Every driver steps a lifetime: a batched env runner with hundreds of worlds, a PettingZoo env
    with one.  Worlds of one batch never share a debt.

    Args:
        world: the worlds to live in, already built; the lifetime takes it over.
        ledger: the rules of the ledger; None takes the defaults of `LedgerParams`.
        matchmaker: the rules of the matchmaker; None is mode `off`, in which spawns, and every
            random number of the world, are those of the bare world.
        kinship: who is related to whom; None is scheme `none`, in which nothing is shared and
            nothing shown.

    Attributes:
        world: the world.
        ledger_params: the rules of the ledger.
        ledger: what i owes j, float32 (B, N, N) [zaps], zero diagonal.
        ledger_before: the ledger as the last step found it, float32 (B, N, N) [zaps].
        ledger_books: running totals, float64 (B, 4) [zaps]; columns `ledger.BOOKS`.
        pairs: (debtor, creditor) of the current episode, -1 for none, int8 (B, P, 2).
        pair_debt: what the debtor owed when the pair was chosen, float32 (B, P) [zaps].
        pair_rigged: the pair was placed, bool (B, P).
        rigged: 1 for a placed creditor, 2 for a placed debtor, else 0, int8 (B, N).
        relatives: the kinship of the current episodes; `relatives.matrix` is K (B, N, N).

    Raises:
        ValueError: for rules that cannot hold in this world, in one sentence.
    """

    def __init__(
        self,
        world: "World",
        ledger: LedgerParams | None = None,
        matchmaker: MatchmakerParams | None = None,
        kinship: KinshipRules | None = None,
    ) -> None:
        self.world = world
        self.params, self.uid, self.seed = world.params, world.uid, world.seed
        self.traits = world.traits
        self.num_worlds, self.num_agents = world.num_worlds, world.num_agents
        self.num_actions, self.max_steps = world.num_actions, world.max_steps
        self.obs_shapes = world.obs_shapes
        self.ledger_params = LedgerParams.of(ledger)
        self._rates = rates(self.ledger_params)
        B, N = world.num_worlds, world.num_agents
        self.ledger = np.zeros((B, N, N), np.float32)
        self.ledger_before = np.zeros((B, N, N), np.float32)
        self.ledger_books = np.zeros((B, len(BOOKS)), np.float64)
        self._shown_debt = self.ledger if world.traits.shows_debt else None
        self._match = empty_match(B, N)
        self.pairs, self.pair_debt, self.pair_rigged = self._match[:3]
        self.rigged = np.zeros((B, N), np.int8)
        self.pairs_wanted = np.zeros(B, np.int8)  # told by the next step, then 0
        self.pairs_rigged = np.zeros(B, np.int8)
        self._told = {
            "predatory": np.zeros((B, N, N), bool),
            "retributive": np.zeros((B, N, N), bool),
            "aim_debtor": np.zeros((B, N), bool),
            "debt": np.zeros(B, np.float32),
            "debt_made": np.zeros(B, np.float32),
            "debt_paid": np.zeros(B, np.float32),
            "chance_retributive": np.zeros(B, np.float32),
            "rigged": np.zeros((B, N), np.int8),
            "pairs_wanted": np.zeros(B, np.int8),
            "pairs_rigged": np.zeros(B, np.int8),
        }
        self._books_before = np.zeros_like(self.ledger_books)
        self.relatives = Relatives(KinshipRules.of(kinship), world)
        self.employ(matchmaker)

    def employ(self, matchmaker: MatchmakerParams | Mapping[str, Any] | None) -> None:
        """Put the matchmaker under these rules, from the next reset on.

        Raises:
            ValueError: for a key or value that is wrong, or wrong in this world.
        """
        params = MatchmakerParams.of(matchmaker)
        if params.mode != "off" and not self.traits.places:
            raise ValueError(
                f"matchmaker mode is {params.mode!r}: it must be 'off' in {self.world.name}, where "
                "nobody can be placed beside another."
            )
        if self.traits.places:
            params.check_beam(self.traits.beam_length)
        self.matchmaker_params = params
        threshold = self.ledger_params.debt_threshold
        self._matchmaker = compile_rules(params, self.num_agents, threshold)

    def reset(
        self, mask: np.ndarray | None = None, out: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Begin a new episode where `mask` is true; debts stay, but for `debt_decay`.

        The matchmaker looks at the debts before they decay.

        Args:
            mask: which worlds, bool (B,); None means all.
            out: observation buffers of the caller, written in place.

        Returns:
            Observations `{"grid": (B, N, H, W, C), "vec": (B, N, D)}`.
        """
        if not self.traits.places:
            which = np.ones(self.num_worlds, bool) if mask is None else np.asarray(mask, bool)
            self._forgive(which)
            obs = self.world.reset(mask, out=out, debt=self._shown_debt)
            self.relatives.draw(which)
            return obs
        world: Any = self.world  # with the two halves of a reset
        which = world.prepare(mask)
        placement = self._conspire(which)
        self._forgive(which)
        self.relatives.draw(which)
        return world.populate(which, placement=placement, out=out, debt=self._shown_debt)

    def _forgive(self, which: np.ndarray) -> None:
        """Let the debts of the worlds of `which` decay."""
        kept = self.ledger[which] * np.float32(self.ledger_params.debt_decay)
        forgiven = self.ledger[which].sum((1, 2), dtype=np.float64) - kept.sum(
            (1, 2), dtype=np.float64
        )
        self.ledger[which] = kept
        self.ledger_books[which, BOOKS.index("decayed")] += forgiven

    def _conspire(self, which: np.ndarray) -> Placement | None:
        """Choose and place pairs in the worlds of `which`, on the ledger as it is before decay."""
        if self.matchmaker_params.mode == "off":
            return None
        match = self._match
        world: Any = self.world
        matchmake(
            self._matchmaker,
            world.key,
            world.episode,
            which,
            self.ledger,
            world.open_cells(),
            match,
        )
        self.rigged[which] = 0
        b, k = np.nonzero(match.rigged & which[:, None])
        if self.matchmaker_params.mode != "anti":
            self.rigged[b, match.pairs[b, k, 0]] = DEBTOR
            self.rigged[b, match.pairs[b, k, 1]] = CREDITOR
        self.pairs_wanted[which] = (match.pairs[which, :, 0] >= 0).sum(1)
        self.pairs_rigged[which] = match.rigged[which].sum(1)
        return Placement(match.pos, match.head)

    def step(self, actions: np.ndarray, out: dict[str, np.ndarray] | None = None) -> "StepOut":
        """Advance every world by one env-step, settle its hits, share its rewards.

        Args:
            actions: integers in [0, num_actions), (B, N).
            out: observation buffers of the caller, written in place.

        Returns:
            What the world returns, with rewards as relatives share them and the fields of `Events`
            that are society's filled, `raw_reward` among them.  Arrays of rewards and events belong
            to the lifetime and are overwritten by the next step.
        """
        result = self.world.step(actions, out)
        events, told = result.events, self._told
        self._books_before[:] = self.ledger_books
        settle(
            self._rates,
            events.hit,
            events.apple_ctx,
            self.ledger_before,
            told["predatory"],
            told["retributive"],
            self.ledger,
            self.ledger_books,
        )
        tell(
            self._rates.threshold,
            events.hit,
            events.aim,
            events.aim_agent,
            self.ledger_before,
            self.ledger,
            self._books_before,
            self.ledger_books,
            told["aim_debtor"],
            told["debt"],
            told["debt_made"],
            told["debt_paid"],
            told["chance_retributive"],
        )
        told["rigged"][:] = self.rigged
        for name in ("pairs_wanted", "pairs_rigged"):
            counts = getattr(self, name)
            told[name][:] = counts
            counts[:] = 0
        reward = self.relatives.settle(result.reward, events)
        if self._shown_debt is not None or self.relatives.anew:  # debts and kin as they now are
            self.world.observe(result.obs, self._shown_debt)
        return result._replace(reward=reward, events=events._replace(**told, **self.relatives.told))

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything needed to live on exactly from here: the world's arrays and society's."""
        own = {name: getattr(self, name).copy() for name in OWN_STATE}
        return {**self.world.get_state(), **own, **self.relatives.get_state()}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from a state that `get_state` of an equally shaped lifetime gave.

        Raises:
            ValueError: if an array of society's is missing or has another shape.
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
        self.relatives.check_state(state)
        own = (*OWN_STATE, *KIN_STATE)
        self.world.set_state({k: v for k, v in state.items() if k not in own})
        self.relatives.set_state(state)
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
    matchmaker: MatchmakerParams | Mapping[str, Any] | None = None,
    kinship: KinshipRules | Mapping[str, Any] | None = None,
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
        matchmaker: rules of the matchmaker, likewise.
        kinship: rules of kinship, likewise.
        **params: single parameters of the world, over the profile.

    Raises:
        ValueError: for an unknown name, key or value, in one sentence.
    """
    rules, matches = LedgerParams.of(ledger), MatchmakerParams.of(matchmaker)
    kin = KinshipRules.of(kinship)  # before a world is built for nothing
    world = worlds.make(
        name,
        num_worlds=num_worlds,
        seed=seed,
        first_uid=first_uid,
        num_threads=num_threads,
        profile=profile,
        **params,
    )
    return Lifetime(world, rules, matches, kin)
