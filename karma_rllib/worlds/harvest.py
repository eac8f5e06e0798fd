"""The harvest world: B copies of a social dilemma, stepped together."""

from __future__ import annotations

import numpy as np

from karma_rllib.worlds import harvest_checks as check
from karma_rllib.worlds import harvest_kernels as kernels
from karma_rllib.worlds import harvest_names as names
from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.batch import Batch, Obs
from karma_rllib.worlds.book import write_book
from karma_rllib.worlds.events import StepOut, allocate_events
from karma_rllib.worlds.harvest_params import HarvestParams
from karma_rllib.worlds.harvest_profiles import traits
from karma_rllib.worlds.harvest_rules import build_rules, sprout_table
from karma_rllib.worlds.harvest_state import Frame
from karma_rllib.worlds.placement import Placement
from karma_rllib.worlds.rng import world_keys


class HarvestWorld(Batch):
    """Harvest with a dual-use zap: one tool that helps or harms, depending on what it meets.

    ## Description

    N agents live on a G x G map of empty cells, apples and waste, walled all around.  Walking onto
    an apple eats it.  A zap is a beam straight ahead: it removes waste, which blocks the way and
    holds apples back, and it freezes agents.  Apples grow back, either with a density that depends
    on the apples around a bare cell, or each on its own timer.  B worlds are stepped together; all
    arrays have the leading axis B.

    ## Why it is a dilemma

    A frozen rival leaves its share of a contested source of apples to the others, so zapping
    agents pays where few agents share one source with a fixed flow; everyone else pays with the
    time they are frozen.  Where apples grow by density, harvesting the last ones kills the source
    for all: a commons.  Where waste holds growth back, cleaning is a public good: one agent pays
    with its time, all agents eat.  The act that cleans is the act that harms.

    ## Actions

    | num | `move_frame="ego"` | `move_frame="absolute"` |
    |---|---|---|
    | 0 | no-op | no-op |
    | 1 2 3 4 | forward, backward, left, right | north, south, west, east |
    | 5 6 | turn right, turn left (by 90 degrees, on the spot) | same |
    | 7 | zap | zap |

    Moving never turns the agent.  A zap during a cooldown does nothing and costs nothing.  Actions
    of frozen agents are replaced by no-op.

    ## Observation

    A dict of `grid`, uint8 (B, N, H, W, C), and `vec`, float32 (B, N, D).

    `obs_mode="ego_planes"`: H = W = 2 view_radius + 1, the agent in the centre, turned so that it
    faces up, planes of 0 and 1: 0 wall or out of the map, 1 apple, 2 waste, 3 other agent, active,
    4 other agent, frozen, 5 lit by a beam in the last step, 6-9 heading of the other agent relative
    to mine (same, right, facing me, left), then N planes with the other agent's index if
    `obs_identity="onehot"`, then one plane with its debt to me if `obs_debt="pair"`
    (255 x / (1 + x), rounded, for x zaps).  The agent does not see itself.  An agent that is off
    the map (`timeout_mode="remove"`) sees zeros.

    `obs_mode="full_grid"`: H = W = G, C = 3, north up: terrain (64 x code: empty 0, apple 64, waste
    128), agent (10 + index), heading (1 north .. 4 west).  Cells further than `view_radius` are
    hidden (0).  With `full_grid_fix` the observer's own code is 255, a frozen agent's code is
    higher by 100, heading codes are 60 times larger, and hidden terrain is 32: without it an agent
    can tell neither itself, nor the frozen, nor fog from empty ground.

    The world's `plane_names` and `vec_names` name channels and entries; `grid_scale` brings each
    channel to [0, 1].

    `vec` (D = 15 by default): freeze left / timeout, frozen, was hit, hit an
    agent, hit waste (these three by the last step; zeros without `feedback_flags`), ready to zap,
    last reward clipped to [-1, 1], last action as one-hot of 8 (what was in effect: no-op while
    frozen; all zeros after reset), then t / max_steps if `obs_time`, then my total debt as x / (1 +
    x) if `obs_debt="self"`.  Debts are those handed to `reset`, `step` or `observe`: a caller that
    settles its ledger after a step shows it from the next frame on, or calls `observe` again.

    ## Rewards

    r = reward_apple * ate + reward_zap_waste * (waste cells removed) + reward_zap_agent * (agents
    hit) - victim_penalty * [was hit] - zap_cost * fired.  The penalty counts once per attacker with
    `victim_penalty_stacks`.  Two agents that hit the same waste cell in one step are both paid.

    ## Order of events

    1. Decide: frozen agents do nothing.  `events.aim` is what a shot from o_t would meet.
    2. Turn.
    3. Move, one after the other in a fresh uniformly random order; walls, waste and any agent
       block.  An apple that is entered is eaten.
    4. Fire all beams at once, from where everyone now stands: rays of `beam_length` cells, the
       centre one and `beam_half_width` on each side, each starting beside the agent's front.  A ray
       ends at the wall, and with `first_hit` on the first agent (frozen or not) or waste it meets;
       apples never stop it.  Hits are found before any freeze begins, so mutual zaps hit both.
    5. Settle: hit waste becomes empty; rewards; timers: immunity, freeze and cooldown count down,
       then new ones begin.  A victim loses exactly `timeout` decisions.  With `hits_to_tag` > 1
       every hit pays and hurts, and the last one freezes; hits do not wear off before that.
       Frozen agents (`frozen_immune`) and those within `grace_steps` after a freeze cannot be hit.
       With `timeout_mode="remove"` the tagged leave the map and re-enter on a random empty cell
       with a random heading (on a random apple cell, whose apple is lost, if no cell is empty;
       later if there is none either).
    6. Grow, from the map as it now is: apples sprout on empty cells, each with probability
       p = regrow_speed * regrow_rates[n] * F_loc * F_glob for n apples in the neighbourhood (the
       last rate holds for more), or p = respawn_prob * F_loc * F_glob on sites (`timer`).  With
       `respawn_delay` an apple eaten in step t is back after step t + respawn_delay (if both F
       are 1 and no agent stands there).  F_loc = max(0, 1 - waste_alpha * waste in the 3x3);
       F_glob = clip((waste_depletion - rho) / (waste_depletion - waste_restoration), 0, 1) with rho
       the wasted part of the zone.  Then each waste cell fouls one free zone cell beside it with
       probability `waste_spread_prob`, row by row; then, with probability `waste_spawn_prob`, one
       random free zone cell becomes waste.  Free: empty, without an agent.
    7. Observe.

    ## End

    An episode ends by truncation after `max_steps` steps, for all agents at once; nothing
    terminates.  The observation of that step is the final one; the caller then calls
    `reset(mask=out.truncated)`.  A world's life goes on: `events.g` counts all its steps.

    ## Reset

    Sites by `apple_layout`: `central` one square of side 2 patch_half in the middle (one cell north
    and west of it where it cannot be centred), `two_patch` two of them on the diagonal, `patches`
    `n_patches` squares at random places, drawn anew for each episode, possibly overlapping, `sites`
    every third row and column, `uniform` every cell.  Each site holds an apple with probability
    `apple_density`.  Then round(waste_init_frac * zone) waste cells on random empty zone cells,
    then agents on random empty cells with random headings (on apple cells, whose apples are lost,
    if there are too few).  A `Placement` puts agents on given cells, which are cleared for them.

    ## Parameters

    All fields of `HarvestParams` (`karma_rllib.worlds.harvest_params`), with units and ranges; the
    named sets are in `karma_rllib.worlds.harvest_profiles`.  `grid_size`, `num_agents` and the
    observation keys change shapes, nothing else does.  Profile `contested_patch` keeps one central
    patch of 16 sites at every `grid_size`: a larger map has no more food, only more way to it.

    ## Randomness

    Every draw is addressed by (seed, uid, step or episode, purpose, index): see
    `karma_rllib.worlds.rng`.  World k lives the same life whatever B, `num_threads` or the process.

    ## Versions

    * v0: first version.

    ## References

    Leibo et al. 2017, "Multi-agent reinforcement learning in sequential social dilemmas" (the
    gathering game, zaps).  Perolat et al. 2017, "A multi-agent reinforcement learning model of
    common-pool resource appropriation" (density regrowth).  Hughes et al. 2018, "Inequity aversion
    improves cooperation in intertemporal social dilemmas" (cleaning as a public good).
    """

    name = "harvest-v0"

    def __init__(
        self,
        params: HarvestParams,
        *,
        num_worlds: int = 1,
        seed: int = 0,
        first_uid: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.params, self.traits = params, traits(params)
        self._settle_in(num_worlds, seed, num_threads)
        self.num_agents = params.num_agents
        self.action_names = names.action_names(params)
        self.num_actions = len(self.action_names)
        self.plane_names, self.vec_names = names.plane_names(params), names.vec_names(params)
        self.grid_scale, self.obs_shapes = names.grid_scale(params), names.obs_shapes(params)
        self.max_steps = params.max_steps
        self._rules = build_rules(params)
        self._state, self._work = h.allocate(self._rules, sprout_table(params), self.num_worlds)
        first = check.whole_number("first_uid", first_uid, 0)
        self._state.uid[:] = np.arange(first, first + self.num_worlds)
        self._state.key[:] = world_keys(self.seed, self._state.uid)
        B, N = self.num_worlds, self.num_agents
        self._events = allocate_events(B, N)
        self._reward = np.zeros((B, N), np.float32)
        self._truncated = np.zeros(B, np.bool_)
        self._book = write_book(
            self._rules,
            self._state._asdict()
            | self._work._asdict()
            | {f"e_{name}": array for name, array in self._events._asdict().items()}
            | {"reward": self._reward, "truncated": self._truncated},
        )
        self._no_debt = np.zeros((B, N, N), np.float32)
        self._anywhere = Placement(np.full((B, N, 2), -1, np.int16), np.full((B, N), -1, np.int8))

    @property
    def frozen(self) -> np.ndarray:
        """Agents that cannot act in the current frame, bool (B, N)."""
        return self._state.frz > 0

    def reset(
        self,
        mask: np.ndarray | None = None,
        *,
        placement: Placement | None = None,
        out: Obs | None = None,
        debt: np.ndarray | None = None,
    ) -> Obs:
        """Begin a new episode.

        Args:
            mask: which worlds, bool (B,); None for all.
            placement: where agents start; None for anywhere.  An agent's cell is cleared for it.
            out: buffers to write to, see `empty_obs`; only the rows of the masked worlds change.
                None allocates.
            debt: what i owes j, float32 (B, N, N) [zaps], for `obs_debt`; None for nothing.

        Returns:
            Observations {"grid": uint8 (B, N, H, W, C), "vec": float32 (B, N, D)}.

        Raises:
            ValueError: an argument has the wrong shape, or a placement is off the map or double.
        """
        placement = self._placement(placement)  # a bad one is refused before anything changes
        return self.populate(self.prepare(mask), placement=placement, out=out, debt=debt)

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
        debt: np.ndarray | None = None,
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
        grid, vec, owed = *self._views(buffers), self._debt(debt)
        self._run(kernels.populate, (which, place.pos, place.head, owed, grid, vec))
        if out is None and not which.all():
            self.observe(buffers, debt)
        return buffers

    def _placement(self, placement: Placement | None) -> Placement:
        """Check where the caller wants the agents; anywhere without a wish."""
        if placement is None or placement is self._anywhere:
            return self._anywhere
        G = self.params.grid_size
        return check.placement_of(placement, self.num_worlds, self.num_agents, G)

    def open_cells(self) -> np.ndarray:
        """Where nothing lies (whoever stands there), bool (B, G, G)."""
        P, rim = self._rules.side, h.RIM
        cells = self._state.cell[:, : P * P].reshape(-1, P, P)[:, rim:-rim, rim:-rim]
        return cells == h.EMPTY

    def step(
        self, actions: np.ndarray, out: Obs | None = None, debt: np.ndarray | None = None
    ) -> StepOut:
        """Advance every world by one env-step; never resets by itself.

        Args:
            actions: integer (B, N) in [0, 8).
            out: buffers for the observations, see `empty_obs`; None allocates.
            debt: what i owes j, float32 (B, N, N) [zaps], for `obs_debt`; None for nothing.

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
        grid, vec, owed = *self._views(buffers), self._debt(debt)
        self._run(kernels.advance, (joint, owed, grid, vec))
        return StepOut(buffers, self._reward, self._truncated, self._events)

    def observe(self, out: Obs | None = None, debt: np.ndarray | None = None) -> Obs:
        """Write the current observations once more, for instance after `set_state`."""
        buffers = self.empty_obs() if out is None else out
        grid, vec = self._views(buffers)
        self._run(kernels.show, (self._debt(debt), grid, vec))
        return buffers

    def frame(self, b: int = 0) -> Frame:
        """Copy what a renderer needs of world b."""
        s, P, G = self._state, self._rules.side, self.params.grid_size
        beam = np.zeros((G, G), np.bool_)
        lit = s.lit[b, : s.lit_n[b]]
        beam[lit[:, 0], lit[:, 1]] = True
        return Frame(
            cells=s.cell[b, : P * P].reshape(P, P)[h.RIM : -h.RIM, h.RIM : -h.RIM].copy(),
            pos=s.pos[b].copy(),
            head=s.head[b].copy(),
            frozen=s.frz[b] > 0,
            beam=beam,
            t=int(s.t[b]),
            present=s.pos[b, :, 0] >= 0,
        )

    def _debt(self, debt: np.ndarray | None) -> np.ndarray:
        """Return the ledger to show, zeros without one."""
        if debt is None:
            return self._no_debt
        return check.array_of("debt", debt, self._no_debt.shape, np.float32)

    def _derive(self) -> None:
        """Rebuild the working arrays from the state."""
        self._run(kernels.derive, ())
