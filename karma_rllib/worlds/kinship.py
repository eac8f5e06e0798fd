"""The kinship world: B copies of a game of energy, hearts and relatives, stepped together."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from karma_rllib.worlds import checks as check
from karma_rllib.worlds import kinship_kernels as kernels
from karma_rllib.worlds import kinship_names as names
from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.batch import Batch, Obs
from karma_rllib.worlds.book import write_book
from karma_rllib.worlds.events import Events, StepOut, allocate_events
from karma_rllib.worlds.kinship_params import KinshipParams
from karma_rllib.worlds.kinship_profiles import traits
from karma_rllib.worlds.kinship_rules import build_rules
from karma_rllib.worlds.kinship_state import Frame
from karma_rllib.worlds.kinship_tables import build_tables
from karma_rllib.worlds.placement import Placement, placement_of
from karma_rllib.worlds.rng import world_keys

#: The fields of `Events`, then those that only this world has (`kinship_state.EXTRA`).
KinshipEvents: Any = namedtuple(  # type: ignore[misc]
    "KinshipEvents", (*Events._fields, *k.EXTRA)
)

_PAIRS = ("blocked", "froze")
_KINDS = {
    "failed": np.bool_, "blocked": np.bool_, "froze": np.bool_, "shielded": np.bool_,
    "swapped": np.bool_, "built": np.bool_, "gift_to": np.int8, "marked": np.int8,
    "court_to": np.int8,
}  # fmt: skip


def kinship_events(num_worlds: int, num_agents: int) -> Any:
    """Zeroed events of B worlds with N agents."""
    B, N = num_worlds, num_agents
    more: dict[str, np.ndarray] = {}
    for name in k.EXTRA:
        kind = _KINDS.get(name, np.int32 if "energy" in name else np.int16)
        more[name] = np.zeros((B, N, N) if name in _PAIRS else (B, N), kind)
    return KinshipEvents(*allocate_events(B, N), **more)  # type: ignore[call-arg]


class KinshipWorld(Batch):
    """Energy, hearts and relatives: agents who can feed, rob, freeze, warn and avoid each other.

    ## Description

    N agents live on a G x G map, walled all around.  Generators hold diamonds, chargers turn them
    into energy, heart altars turn energy into reward, and almost every action costs energy.  Agents
    can attack: whoever is hit without a shield freezes and loses what it holds.  They can raise
    shields, give each other energy and items, show markers, and trade places with the frozen.  Who
    is related to whom, and what relatives share, is decided outside (`society.kinship`); the world
    shows it.  B worlds are stepped together; all arrays have the leading axis B.

    ## Why it is a dilemma

    Robbing spares the way to the generator; it costs the attacker energy and the victim its stock
    and its time.  Machines pause after every use, so neighbours compete for them.  A gift helps the
    receiver more than it costs when the receiver stands at an altar or has no energy left, but only
    kinship pays the giver back.

    ## Actions

    One flat list, `world.action_names`; actions that the parameters switch off are not in it.

    | name | effect | cost |
    |---|---|---|
    | noop | nothing | 0 |
    | move_forward, move_back | one cell, if it is free | move |
    | rotate_up, right, down, left | face north, east, south, west | rotate |
    | go_north, east, south, west | `controls="simple"`: turn there and step | move |
    | jump | two cells ahead, over anything, if that cell is free | jump |
    | use | harvest, charge, take a heart; with loot `on_use`: rob the frozen | use |
    | attack_1 .. attack_9 | a cell in rows 1-3 ahead: left, middle, right; through walls | attack |
    | attack_nearest | the nearest agent in these rows; in a row middle, left, right | attack |
    | shield | raise (lowering is free) | shield |
    | gift_energy, gift_ITEM | a packet or an item to the agent ahead, if it can hold it | gift |
    | mark_M | show marker M until another one (and leave it on the floor) | mark |
    | swap | trade places with a frozen agent or a block ahead | swap |
    | court | court the agent ahead, or court it back: see *Bonds* | court |
    | posture_P | neutral, rest, scout or fight, then a pause | posture |
    | build | a block on the free cell ahead | build |
    | put, get | all inputs into a station ahead; all outputs out of it | use |

    An action is *possible* if the agent is not frozen, has the energy, and its body, posture and
    goods allow it, whatever is around it: that is the mask, `can_...` in the vector from
    `mask_start` on.  An impossible action does nothing and costs nothing.  A possible one is paid
    for even if it then has no effect.  Both count as failed (`penalty_failure`); a missed attack
    does not.

    ## Energy

    Counted in hundredths, never negative, at most the body's maximum.  Below `energy_floor` an
    agent regains 1 per step, above it `energy_regen`; at rest 1 more.  A raised shield costs its
    upkeep and falls when energy is 0.

    ## Attacks

    All attacks of a step are simultaneous: all attackers pay and aim before the first blow falls;
    then blows fall in the step's random order.  An agent whose shield is up and who has at least
    `attack_damage` loses that much energy and nothing else.  Otherwise it freezes: its shield
    falls, its energy becomes 0 (`steal_energy` of it goes to the attacker), and with
    `loot_mode="on_attack"` the items it held before the first blow go to the attacker, up to the
    cap; the rest stays.  A hit on a frozen agent only makes its freeze last anew.  It loses
    `freeze` actions, that of the same step included.  With `destroy`, a blow on a cell without an
    agent takes one of its hit points.

    ## Machines

    A *generator* gives a diamond of its kind, then pauses; its stock may be finite.  A *charger*
    takes its recipe (one diamond of one kind; or, with several kinds, one of each for
    `charger_bonus` times the energy), then pauses.  A *heart altar* takes `altar_cost` energy,
    gives a heart, then pauses (with `altar_turns`, one altar works at a time, the first by lot, and
    nothing shows which); a *free altar* costs nothing and is not refilled.  A *station* takes
    all inputs of its recipe at once, works `ticks` steps, pauses, and holds outputs for whoever
    comes; one without inputs works by itself.  All begin ready.

    ## Bodies and postures

    A body fixes maximum energy, factors on costs, upkeep and charging, what is allowed and how far
    the agent sees; `default`, `prey` (at most 50 energy, neither attack nor jump, upkeep x 2),
    `predator` (attack x 0.5, a quarter of the energy from the first kind), or `custom_bodies`.  A
    posture can be changed: rest (no upkeep, no moves, +1 energy), scout (moves x 0.5, no attack),
    fight (attack x 0.5, moves x 2).

    ## Bonds

    With `court`, an agent can court the one ahead of it; who is courted back within `court_steps`
    steps is bonded, for the rest of the episode.  An agent courts one other at a time, and has at
    most `max_bonds` bonds: if it then courts somebody else, it loses the oldest.  Courting one's
    mate, or nobody, has no effect and costs as much.  In the world itself a bond does nothing; it
    makes relatives of the two (`bond` of the section `kinship`, `society.relatives`).

    ## Observation

    A dict of `grid`, uint8 (B, N, H, W, C), and `vec`, float32 (B, N, D), named by `plane_names`
    and `vec_names`; `grid_scale` brings each channel to [0, 1].  H = W = 2 view_radius + 1, the
    agent in the centre, north up (`egocentric_rotate`: its front up), walls do not hide anything.
    Planes: terrain (wall also outside the map), the kind of a machine (+ 1) and whether it is
    ready; of other agents presence, frozen, shield, heading (relative with `egocentric_rotate`),
    marker + 1, body + 1, posture + 1, `courting` (1 somebody, 2 me), `bonded` (1 to somebody, 2 to
    me), and with `obs_others` energy (x 255 / maximum) and items; `kin`, what `world.kin` holds for
    the pair.  The agent does not see itself.  Planes that cannot
    vary are left out.  Own energy and items are in the vector.

    ## Rewards

    r = reward_heart * heart + reward_diamond * harvested + reward_energy * (energy from chargers) -
    penalty_failure * failed + change of (item_rewards . items).  Every `prestige_every` steps,
    prestige * (agents with fewer hearts - agents with more) / (N - 1).

    ## Order of events

    1.  Timers of machines and floor markers.  2.  Regained energy, upkeep, pauses.  3.  Attacks.
    4.  All other actions, one after the other in a fresh uniformly random order; then freezes count
    down.  5.  Rewards; with `mortal`, agents without energy leave for the episode.  6.  Observe.

    ## End

    Truncation after `max_steps` steps, for all agents at once; the caller then calls
    `reset(mask=out.truncated)`.

    ## Maps

    Drawn anew for each episode: `open`, `rooms` (a grid of rooms with a door in each wall),
    `corridors` (a spine with arms), `maze` (a spanning tree of cells), `labyrinth` (a depth-first
    walk), `radial` (arms from a hub), `clutter` (blobs of wall).  Only the largest connected part
    is kept; machines and blocks never close a passage and stand in niches of the walls where the
    floor has no other place for them, so every machine is there and can be reached.  A map too
    small for all becomes `open`.  Or `map`, in letters: see `karma_rllib.worlds.kinship_maps`.

    ## Parameters

    All fields of `KinshipParams` (`karma_rllib.worlds.kinship_params`), with units and ranges; the
    named sets are in `karma_rllib.worlds.kinship_profiles`.

    ## Events

    Those of `worlds.events.Events`: `hit` an attack that met an agent (blocked or not), `fired` an
    attack, `ate` a heart, `aim` and `aim_agent` whom attack_nearest would meet from o_t,
    `apple_ctx` a machine in the 5x5 around the agent, `stock` generators that are ready.  And more,
    see `karma_rllib.worlds.kinship_state.EXTRA`: energy flows, gifts, loot, freezes, bonds.

    ## Randomness

    Every draw is addressed by (seed, uid, step or episode, purpose, index): see
    `karma_rllib.worlds.rng`.  World k lives the same life whatever B, `num_threads` or the process.

    ## Versions

    * v0: first version.

    ## References

    The Metta AI project's "model organism" for kinship and cooperation (the game of diamonds,
    chargers and heart altars).  Hamilton 1964, "The genetical evolution of social behaviour"
    (relatedness).  Rosenfeld 1970, "Connectivity in digital pictures" (where an object may stand).
    """

    name = "kinship-v0"

    def __init__(
        self,
        params: KinshipParams,
        *,
        num_worlds: int = 1,
        seed: int = 0,
        first_uid: int = 0,
        num_threads: int = 1,
    ) -> None:
        self._settle_in(num_worlds, seed, num_threads)
        self.params, self.traits = params, traits(params)
        self.num_agents, self.max_steps = params.num_agents, params.max_steps
        self.action_names = names.action_names(params)
        self.num_actions = len(self.action_names)
        self.plane_names, self.vec_names = names.plane_names(params), names.vec_names(params)
        self.grid_scale, self.obs_shapes = names.grid_scale(params), names.obs_shapes(params)
        self.mask_start = names.mask_start(params)
        self.item_names = params.item_names
        self._rules, self._tables = build_rules(params), build_tables(params)
        self.size = self._rules.size  # side of the map [cells]
        self._state, self._work = k.allocate(self._rules, self.num_worlds)
        first = check.whole_number("first_uid", first_uid, 0)
        self._state.uid[:] = np.arange(first, first + self.num_worlds)
        self._state.key[:] = world_keys(self.seed, self._state.uid)
        B, N = self.num_worlds, self.num_agents
        self._events = kinship_events(B, N)
        self._reward, self._truncated = np.zeros((B, N), np.float32), np.zeros(B, np.bool_)
        self._book = write_book(
            self._rules,
            self._state._asdict()
            | self._work._asdict()
            | {f"t_{name}": array for name, array in self._tables._asdict().items()}
            | {f"e_{name}": array for name, array in self._events._asdict().items()}
            | {"reward": self._reward, "truncated": self._truncated},
        )
        self._anywhere = Placement(np.full((B, N, 2), -1, np.int16), np.full((B, N), -1, np.int8))

    @property
    def frozen(self) -> np.ndarray:
        """Agents that cannot act in the current frame, bool (B, N)."""
        return (self._state.frz > 0) | (self._state.dead > 0)

    @property
    def hearts(self) -> np.ndarray:
        """Hearts of this episode, int32 (B, N)."""
        return self._state.hearts

    @property
    def positions(self) -> np.ndarray:
        """Row and column of each agent, -1 off the map, int16 (B, N, 2)."""
        return self._state.pos

    @property
    def live(self) -> np.ndarray:
        """Row and column of the only heart altar that works; -1 where all do, int16 (B, 2)."""
        s, P = self._state, self._rules.side
        found = np.full((self.num_worlds, 2), -1, np.int16)
        for b in np.flatnonzero(s.live >= 0):
            found[b] = np.array(divmod(int(s.o_at[b, s.live[b]]), P)) - k.RIM
        return found

    @property
    def kin(self) -> np.ndarray:
        """What i sees of its kinship to j, uint8 (B, N, N); write to it to change the plane."""
        return self._state.kin

    @property
    def bonds(self) -> np.ndarray:
        """Who is bonded to whom, symmetric, bool (B, N, N)."""
        return self._state.bond > 0

    def reset(
        self,
        mask: np.ndarray | None = None,
        *,
        placement: Placement | None = None,
        out: Obs | None = None,
        debt: Any = None,
    ) -> Obs:
        """Begin a new episode.

        Args:
            mask: which worlds, bool (B,); None for all.
            placement: where agents start, if the cell is free; None for anywhere.
            out: buffers to write to, see `empty_obs`; only the rows of the masked worlds change.
                None allocates.
            debt: not shown here.

        Returns:
            Observations {"grid": uint8 (B, N, H, W, C), "vec": float32 (B, N, D)}.

        Raises:
            ValueError: an argument has the wrong shape, or a placement is off the map or double.
        """
        placement = self._placement(placement)  # a bad one is refused before anything changes
        return self.populate(self.prepare(mask), placement=placement, out=out)

    def prepare(self, mask: np.ndarray | None = None) -> np.ndarray:
        """First half of `reset`: lay out the next map, nobody on it yet.

        Between the halves `open_cells` tells where an agent could be placed.  Returns the mask as
        bool (B,), for `populate`.
        """
        which = self._mask(mask)
        self._run(kernels.prepare, (which,))
        return which

    def populate(
        self,
        which: np.ndarray,
        *,
        placement: Placement | None = None,
        out: Obs | None = None,
        debt: Any = None,
    ) -> Obs:
        """Second half of `reset`: the agents enter, the first observations are written.

        Args:
            which: the worlds that were prepared, bool (B,).
            placement: see `reset`, like the rest.
            out: see `reset`.
            debt: see `reset`.
        """
        place = self._placement(placement)
        buffers = self.empty_obs() if out is None else out
        self._run(kernels.populate, (which, place.pos, place.head, *self._views(buffers)))
        if out is None and not which.all():
            self.observe(buffers)
        return buffers

    def _placement(self, placement: Placement | None) -> Placement:
        """Check where the caller wants the agents; anywhere without a wish."""
        if placement is None or placement is self._anywhere:
            return self._anywhere
        return placement_of(placement, self.num_worlds, self.num_agents, self.size)

    def open_cells(self) -> np.ndarray:
        """Where nothing lies (whoever stands there), bool (B, G, G)."""
        return self._square(self._state.cell) == k.EMPTY

    def _square(self, flat: np.ndarray) -> np.ndarray:
        """A flat array of cells (..., M) as maps (..., G, G)."""
        P, rim = self._rules.side, k.RIM
        return flat.reshape(*flat.shape[:-1], P, P)[..., rim:-rim, rim:-rim]

    def step(self, actions: np.ndarray, out: Obs | None = None, debt: Any = None) -> StepOut:
        """Advance every world by one env-step; never resets by itself.

        Args:
            actions: integer (B, N) in [0, num_actions).
            out: buffers for the observations, see `empty_obs`; None allocates.
            debt: not shown here.

        Returns:
            `StepOut`; where `truncated` is true, the observation is the final one of the episode.
            Reward, truncated and events are overwritten by the next step: copy what you keep.

        Raises:
            ValueError: an action or an argument's shape is wrong.
            RuntimeError: a world has not been reset, or its episode is over.
        """
        joint = self._joint(actions)
        self._check_step(joint)
        buffers = self.empty_obs() if out is None else out
        self._run(kernels.advance, (joint, *self._views(buffers)))
        return StepOut(buffers, self._reward, self._truncated, self._events)

    def observe(self, out: Obs | None = None, debt: Any = None) -> Obs:
        """Write the current observations once more, for instance after `set_state`."""
        buffers = self.empty_obs() if out is None else out
        self._run(kernels.show, self._views(buffers))
        return buffers

    def _derive(self) -> None:
        """Rebuild what follows from the state."""
        self._run(kernels.derive, ())

    def frame(self, b: int = 0) -> Frame:
        """Copy what a renderer needs of world b."""
        s, G = self._state, self.size
        struck = np.zeros(self._rules.side**2, np.bool_)
        struck[s.struck[b][s.struck[b] >= 0]] = True
        ready, kind = np.zeros((G, G), np.bool_), np.full((G, G), -1, np.int8)
        thing = self._square(s.thing[b])
        for row, col in np.argwhere(thing > 0):
            o = thing[row, col] - 1
            kind[row, col] = s.o_kind[b, o]
            idle = s.o_wait[b, o] == 0 and s.o_stock[b, o] != 0
            station = self._square(s.cell[b])[row, col] == k.STATION
            ready[row, col] = s.o_out[b, o].any() if station else idle
        return Frame(
            cells=self._square(s.cell[b]).copy(),
            pos=s.pos[b].copy(),
            head=s.head[b].copy(),
            frozen=s.frz[b] > 0,
            beam=self._square(struck).copy(),
            t=int(s.t[b]),
            present=s.pos[b, :, 0] >= 0,
            ready=ready,
            kind=kind,
            energy=(s.energy[b] / k.CENT).astype(np.float32),
            shield=s.shield[b] > 0,
            mark=(s.mark[b] - 1).astype(np.int8),
            inventory=s.inv[b].copy(),
        )
