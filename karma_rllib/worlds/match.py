"""The match world: see a colour, forget it or not, and be asked for it much later."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from karma_rllib.worlds import checks as check
from karma_rllib.worlds import match_kernels as kernels
from karma_rllib.worlds.batch import Batch, Obs
from karma_rllib.worlds.events import StepOut, allocate_events
from karma_rllib.worlds.harvest_state import COLOUR, Frame
from karma_rllib.worlds.match_params import MatchParams
from karma_rllib.worlds.match_profiles import grid_scale, traits
from karma_rllib.worlds.rng import world_keys

PLANES = ("wall", "apple", "floor_look", "floor_delay", "floor_choose")


class State(NamedTuple):
    """Everything that the future of the worlds depends on; leading axis B."""

    uid: np.ndarray  # identity, int64 (B,)
    key: np.ndarray  # key of all random draws, uint64 (B,)
    t: np.ndarray  # step of the episode, int32 (B,)
    g: np.ndarray  # env-steps of the life, int64 (B,)
    episode: np.ndarray  # number of the episode, -1 before the first, int64 (B,)
    cell: np.ndarray  # 0 empty, 1 apple, 2 + k colour k, uint8 (B, G, G)
    pos: np.ndarray  # row and column of the agent, int16 (B, 1, 2) [cells]
    colour: np.ndarray  # of the cue, int8 (B,)
    order: np.ndarray  # working space of the shuffle, int8 (B, 4)
    seen: np.ndarray  # the cue has been in view, int8 (B,)
    chosen: np.ndarray  # 0 not yet, 1 the right pad, 2 a wrong one, int8 (B,)
    last: np.ndarray  # last action, -1 at the start, int8 (B,)
    got: np.ndarray  # last reward, float32 (B,)


class Rules(NamedTuple):
    """`MatchParams` as plain numbers for the kernels."""

    size: int
    radius: int
    look: int
    delay: int
    max_steps: int
    hidden: bool
    cue_places: int
    colours: int
    glow: bool
    shuffle: bool
    apple_prob: float
    reward_apple: float
    reward_match: float


class _Out(NamedTuple):
    grid: np.ndarray
    vec: np.ndarray


class MatchWorld(Batch):
    """Active visual match: go and see a colour, eat apples for long, then choose that colour.

    ## Description

    One agent in a square room of G x G cells.  An episode has three phases, and each begins with
    the agent in the middle of the room.

    1. *Look*, `look_steps` long: one cell of the empty room has a colour, the cue.  With
       `cue="hidden"` it lies in a corner out of sight, so that the agent must go there to see it;
       with `cue="shown"` it lies beside the start.  With `glow` the
       floor of the room shines in that colour as soon as the cue has been in sight.  Nothing pays
       here.
    2. *Delay*, `delay_steps` long: apples sprout, and eating them pays a little.
    3. *Choose*, `choose_steps` long: one pad of each colour lies around the agent, in random order
       or, with `pads="fixed"`, always in the same.
       Stepping on the pad with the cue's colour pays `reward_match`, on another nothing; the first
       pad counts, and with it all pads are gone.

    B worlds are stepped together; all arrays have the leading axes (B, N) with N = 1.

    ## What it is for

    The act that matters, going to look, pays only after the delay.  With a discount of .92 per step
    a reward 200 steps later is worth 6e-8 of itself: no return and no bootstrapped value carries it
    back.  An agent with an episodic memory can use the colour if it happened to see it; only
    credit that jumps over the delay teaches it to go and look.

    ## Actions

    0 no-op, 1 forward, 2 backward, 3 left, 4 right.  The agent never turns: forward is north.
    Walls block.

    ## Observation

    `grid`, uint8 (B, 1, H, W, C), H = W = 2 view_radius + 1, planes of 0 and 1 with the agent in
    the centre: 0 wall, 1 apple, 2-4 floor of the first, second and third room, 5 + k colour k (cue,
    glowing floor and pads alike).

    `vec`, float32 (B, 1, 7): last reward clipped to [-1, 1], last action as one-hot of 5 (zeros
    after reset), elapsed part of the phase.

    ## Order of events

    1. Move.  2. Eat the apple, or settle the pad, on the cell now stood on.  3. In the delay, each
    bare cell without the agent sprouts an apple with probability `apple_prob`.  4. The clock; at
    the end of a phase the next room is laid out, and the outcome frame shows it.  5. Observe.

    ## End

    Truncation after look_steps + delay_steps + choose_steps steps; the caller then calls
    `reset(mask=out.truncated)`.

    ## Events

    `ate`, `active`, `stock`, the clocks, and `match`, bits: 1 the agent is asked (the pads have
    appeared), 2 it has seen the cue (together with 1), 4 right pad, 8 wrong pad.  All others are
    zero: nobody can be harmed here.

    ## Randomness

    Every draw is addressed by (seed, uid, step or episode, purpose, index): see
    `karma_rllib.worlds.rng`.  World k lives the same life whatever B or the process.

    ## Versions

    * v0: first version.

    ## References

    Hung et al. 2019, "Optimizing agent behavior over long time scales by transporting value",
    task "Active Visual Match", in the plane.
    """

    name = "match-v0"
    action_names = ("noop", "forward", "backward", "left", "right")
    vec_names = (
        "last_reward",
        *(f"last_{name}" for name in ("noop", "forward", "backward", "left", "right")),
        "clock",
    )

    def __init__(
        self,
        params: MatchParams,
        *,
        num_worlds: int = 1,
        seed: int = 0,
        first_uid: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.params, self.traits = params, traits(params)
        self._settle_in(num_worlds, seed, num_threads)
        B = self.num_worlds
        self.num_agents, self.num_actions = 1, len(self.action_names)
        self.max_steps = params.max_steps
        self.plane_names = (*PLANES, *(f"colour_{k}" for k in range(params.colours)))
        self.grid_scale = np.array(grid_scale(params), np.float32)
        side, G = 2 * params.view_radius + 1, params.room_size
        self.obs_shapes = {
            "grid": (side, side, len(self.plane_names)),
            "vec": (len(self.vec_names),),
        }
        first = check.whole_number("first_uid", first_uid, 0)
        uid = np.arange(first, first + B)
        self._state = State(
            uid=uid,
            key=world_keys(self.seed, uid),
            t=np.zeros(B, np.int32),
            g=np.zeros(B, np.int64),
            episode=np.full(B, -1, np.int64),
            cell=np.zeros((B, G, G), np.uint8),
            pos=np.zeros((B, 1, 2), np.int16),
            colour=np.zeros(B, np.int8),
            order=np.zeros((B, 4), np.int8),
            seen=np.zeros(B, np.int8),
            chosen=np.zeros(B, np.int8),
            last=np.full(B, -1, np.int8),
            got=np.zeros(B, np.float32),
        )
        self._rules = Rules(
            G, params.view_radius, params.look_steps, params.delay_steps, params.max_steps,
            params.cue == "hidden", params.cue_places, params.colours,
            params.glow, params.pads == "shuffled",
            params.apple_prob, params.reward_apple, params.reward_match,
        )  # fmt: skip
        self._events = allocate_events(B, 1)
        self._reward = np.zeros((B, 1), np.float32)
        self._truncated = np.zeros(B, np.bool_)

    @property
    def frozen(self) -> np.ndarray:
        """Agents that cannot act in the current frame, bool (B, 1): none."""
        return np.zeros((self.num_worlds, 1), np.bool_)

    def reset(
        self, mask: np.ndarray | None = None, *, out: Obs | None = None, debt: Any = None
    ) -> Obs:
        """Begin a new episode.

        Args:
            mask: which worlds, bool (B,); None for all.
            out: buffers to write to, see `empty_obs`; only the rows of the masked worlds change.
                None allocates.
            debt: not shown here.

        Returns:
            Observations {"grid": uint8 (B, 1, H, W, C), "vec": float32 (B, 1, D)}.

        Raises:
            ValueError: an argument has the wrong shape.
        """
        which = self._mask(mask)
        buffers = self.empty_obs() if out is None else out
        grid, vec = self._views(buffers)
        kernels.restart(self._state, self._rules, which, grid, vec)
        if out is None and mask is not None:
            self.observe(buffers)
        return buffers

    def step(self, actions: np.ndarray, out: Obs | None = None, debt: Any = None) -> StepOut:
        """Advance every world by one env-step; never resets by itself.

        Args:
            actions: integer (B, 1) in [0, 5).
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
        grid, vec = self._views(buffers)
        kernels.advance(
            self._state, self._rules, joint, self._reward, self._truncated, self._events,
            _Out(grid, vec),
        )  # fmt: skip
        return StepOut(buffers, self._reward, self._truncated, self._events)

    def observe(self, out: Obs | None = None, debt: Any = None) -> Obs:
        """Write the current observations once more, for instance after `set_state`."""
        buffers = self.empty_obs() if out is None else out
        grid, vec = self._views(buffers)
        kernels.show(self._state, self._rules, grid, vec)
        return buffers

    def frame(self, b: int = 0) -> Frame:
        """Copy what a renderer needs of world b."""
        s, cell = self._state, self._state.cell[b]
        return Frame(
            cells=np.where(cell >= kernels.COLOUR, cell - kernels.COLOUR + COLOUR, cell),
            pos=s.pos[b].copy(),
            head=np.zeros(1, np.int8),
            frozen=np.zeros(1, np.bool_),
            beam=np.zeros(cell.shape, np.bool_),
            t=int(s.t[b]),
            present=np.ones(1, np.bool_),
        )
