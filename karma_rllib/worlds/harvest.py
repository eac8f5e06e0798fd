"""The harvest world: B copies of a social dilemma, stepped together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from karma_rllib.worlds import harvest_kernels as kernels
from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.events import Events, StepOut, allocate_events
from karma_rllib.worlds.harvest_params import HarvestParams
from karma_rllib.worlds.harvest_state import Frame, Placement
from karma_rllib.worlds.rng import world_keys

Obs = dict[str, np.ndarray]


class HarvestWorld:
    """Harvest with a dual-use zap."""

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
        for key, value, low in (
            ("num_worlds", num_worlds, 1),
            ("seed", seed, 0),
            ("first_uid", first_uid, 0),
            ("num_threads", num_threads, 1),
        ):
            if not low <= value < 2**62:
                raise ValueError(f"{key}={value} must be an integer in [{low}, 2**62)")
        self.params = params
        self.num_worlds, self.num_agents = int(num_worlds), params.num_agents
        self.action_names = h.ABSOLUTE_NAMES if params.move_frame == "absolute" else h.ACTION_NAMES
        self.num_actions = len(self.action_names)
        self.max_steps = params.max_steps
        self.seed, self.num_threads = int(seed), min(int(num_threads), self.num_worlds)
        self._rules = h.build_rules(params)
        self._state, self._work = h.allocate(params, self._rules, self.num_worlds)
        self._state.uid[:] = np.arange(first_uid, first_uid + num_worlds)
        self._state.key[:] = world_keys(self.seed, self._state.uid)
        B, N = self.num_worlds, self.num_agents
        side = 2 * params.view_radius + 1 if self._rules.ego else params.grid_size
        self.obs_shapes: dict[str, tuple[int, ...]] = {
            "grid": (side, side, self._rules.planes),
            "vec": (len(self.vec_names),),
        }
        self._events: Events = allocate_events(B, N)
        bits = (a.view(np.uint8) if a.dtype == np.bool_ else a for a in self._events)
        self._raw_events = Events(*bits)  # the kernels' rows are numbers, not truth values
        self._reward = np.zeros((B, N), np.float32)
        self._truncated = np.zeros(B, np.bool_)
        self._fixed = (self._state, self._work, self._rules, self._raw_events)
        self._actions = np.zeros((B, N), np.int64)
        self._no_debt = np.zeros((B, N, N), np.float32)
        self._anywhere = Placement(np.full((B, N, 2), -1, np.int16), np.full((B, N), -1, np.int8))
        self._pool: ThreadPoolExecutor | None = None

    @property
    def uid(self) -> np.ndarray:
        """Identity of each world, int64 (B,)."""
        return self._state.uid

    @property
    def frozen(self) -> np.ndarray:
        """Agents that cannot act in the current frame, bool (B, N)."""
        return self._state.frz > 0

    @property
    def vec_names(self) -> tuple[str, ...]:
        """Meaning of each entry of the vector observation, (D,)."""
        extra = ("time",) * self._rules.show_time + ("own_debt",) * self._rules.debt_self
        return h.VEC_NAMES + extra

    @property
    def plane_names(self) -> tuple[str, ...]:
        """Meaning of each channel of the grid observation, (C,)."""
        if not self._rules.ego:
            return ("terrain", "agent", "heading")
        names = tuple(f"agent_{j}" for j in range(self.num_agents)) * self._rules.onehot
        return h.PLANES + names + ("debt_to_me",) * self._rules.debt_pair

    @property
    def grid_scale(self) -> np.ndarray:
        """Factor that brings each channel to [0, 1], float32 (C,): 1 for planes of 0 and 1."""
        graded = ("terrain", "agent", "heading", "debt_to_me")
        return np.array([1 / 255 if n in graded else 1 for n in self.plane_names], np.float32)

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
        B = self.num_worlds
        which = np.ones(B, np.bool_) if mask is None else self._array("mask", mask, (B,), np.bool_)
        place = self._anywhere if placement is None else self._check_placement(placement)
        buffers = self.empty_obs() if out is None else out
        grid, vec, owed = *self._views(buffers), self._debt(debt)
        self._run(
            kernels.restart,
            (which, place.pos, place.head, owed, grid, vec),
        )
        if out is None and mask is not None:
            self.observe(buffers, debt)
        return buffers

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
        if np.shape(actions) != self._actions.shape:
            raise ValueError(
                f"actions have shape {np.shape(actions)}, expected (num_worlds, num_agents)="
                f"{self._actions.shape}"
            )
        np.copyto(self._actions, actions, casting="same_kind")
        self._check_step()
        buffers = self.empty_obs() if out is None else out
        grid, vec, owed = *self._views(buffers), self._debt(debt)
        self._run(
            kernels.advance,
            (self._actions, owed, self._reward, self._truncated.view(np.uint8), grid, vec),
        )  # fmt: skip
        return StepOut(buffers, self._reward, self._truncated, self._events)

    def observe(self, out: Obs | None = None, debt: np.ndarray | None = None) -> Obs:
        """Write the current observations once more, for instance after `set_state`."""
        buffers = self.empty_obs() if out is None else out
        grid, vec = self._views(buffers)
        self._run(kernels.show, (self._debt(debt), grid, vec))
        return buffers

    def empty_obs(self) -> Obs:
        """Allocate buffers that `reset`, `step` and `observe` accept as `out`."""
        lead = (self.num_worlds, self.num_agents)
        return {
            "grid": np.zeros(lead + self.obs_shapes["grid"], np.uint8),
            "vec": np.zeros(lead + self.obs_shapes["vec"], np.float32),
        }

    def get_state(self) -> dict[str, np.ndarray]:
        """Copy everything that the future of the worlds depends on, as named arrays."""
        return {name: array.copy() for name, array in self._state._asdict().items()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue exactly where `get_state` was called, also in another process.

        Raises:
            ValueError: an array is missing, unknown, or of another shape.
        """
        mine = self._state._asdict()
        if set(state) != set(mine):
            wrong = sorted(set(state) ^ set(mine))
            raise ValueError(f"state does not fit this world: missing or unknown arrays {wrong}")
        for name, array in mine.items():
            if state[name].shape != array.shape:
                raise ValueError(
                    f"state[{name!r}] has shape {state[name].shape}, this world needs {array.shape}"
                )
        for name, array in mine.items():
            array[...] = state[name]
        self._run(kernels.derive, ())

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: how the worlds were built, and their state."""
        build = {"num_worlds": self.num_worlds, "seed": self.seed, "num_threads": self.num_threads}
        return {"params": self.params, "build": build, "state": self.get_state()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Build the worlds anew and continue: some arrays share memory, which no pickle keeps."""
        self.__init__(saved["params"], **saved["build"])  # type: ignore[misc]
        self.set_state(saved["state"])

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

    def _run(self, loop: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Call an outer loop over all worlds, split into equal shares when there are threads."""
        B, n = self.num_worlds, self.num_threads
        if n == 1:
            loop(*self._fixed, *arguments, 0, B)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(n, "harvest")
        cuts = [B * k // n for k in range(n + 1)]
        jobs = [
            self._pool.submit(loop, *self._fixed, *arguments, lo, hi)
            for lo, hi in zip(cuts, cuts[1:])
        ]
        for job in jobs:
            job.result()

    def _views(self, obs: Obs) -> tuple[np.ndarray, np.ndarray]:
        """Check the caller's buffers and fold the columns and planes of the grid together."""
        lead = (self.num_worlds, self.num_agents)
        for key, kind in (("grid", np.uint8), ("vec", np.float32)):
            array, shape = obs[key], lead + self.obs_shapes[key]
            if array.shape != shape or array.dtype != kind or not array.flags.c_contiguous:
                raise ValueError(
                    f"out[{key!r}] must be a C-contiguous {np.dtype(kind).name} array of shape"
                    f" {shape}, not {array.dtype.name} {array.shape}"
                )
        H, W, C = self.obs_shapes["grid"]
        return obs["grid"].reshape(*lead, H, W * C), obs["vec"]

    def _array(self, name: str, value: Any, shape: tuple[int, ...], kind: Any) -> np.ndarray:
        """Return a C-contiguous array of this kind, or raise ValueError for another shape."""
        if np.shape(value) != shape:
            raise ValueError(f"{name} has shape {np.shape(value)}, expected {shape}")
        return np.ascontiguousarray(value, kind)

    def _debt(self, debt: np.ndarray | None) -> np.ndarray:
        """Return the ledger to show, zeros without one."""
        if debt is None:
            return self._no_debt
        return self._array("debt", debt, self._no_debt.shape, np.float32)

    def _check_placement(self, placement: Placement) -> Placement:
        """Return the placement as arrays of the right kind, or say what is wrong with it."""
        B, N, G = self.num_worlds, self.num_agents, self.params.grid_size
        pos = self._array("placement.pos", placement.pos, (B, N, 2), np.int16)
        head = self._array("placement.head", placement.head, (B, N), np.int8)
        if pos.min() < -1 or pos.max() >= G or ((pos[..., 0] < 0) != (pos[..., 1] < 0)).any():
            raise ValueError(f"placement.pos must be -1 (random) or a cell of the {G}x{G} map")
        if head.min() < -1 or head.max() > 3:
            raise ValueError("placement.head must be -1 (random) or a heading in 0..3")
        cell = pos[..., 0].astype(np.int64) * G + pos[..., 1]
        cell = np.sort(np.where(pos[..., 0] < 0, -1 - np.arange(N), cell), axis=1)
        twice = (cell[:, 1:] == cell[:, :-1]).any(axis=1)
        if twice.any():
            b = int(twice.argmax())
            raise ValueError(f"placement.pos puts two agents of world {b} on one cell")
        return Placement(pos, head)

    def _check_step(self) -> None:
        """Raise if an action is unknown or an episode is not running."""
        bad = kernels.first_bad_action(self._actions, self.num_actions)
        if bad >= 0:
            b, i = divmod(bad, self.num_agents)
            raise ValueError(
                f"action {self._actions[b, i]} of agent {i} in world {b} must lie in"
                f" [0, {self.num_actions})"
            )
        b = kernels.first_stopped(self._state.episode, self._state.t, self.max_steps)
        if b >= 0 and self._state.episode[b] < 0:
            raise RuntimeError(f"world {b} has not begun: call reset() before step()")
        if b >= 0:
            raise RuntimeError(
                f"world {b} ended its episode after {self.max_steps} steps: call"
                " reset(mask=out.truncated) before the next step"
            )
