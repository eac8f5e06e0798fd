"""What a batch of worlds does that no game is special about.

Buffers, actions, states, threads, pickles.  Shape legend: B worlds, N agents.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit

from karma_rllib.worlds import checks as check

Obs = dict[str, np.ndarray]


class Batch:
    """The common half of a world; the game gives the other.

    Attributes:
        num_worlds: B.
        num_agents: N.
        num_actions: A.
        max_steps: episode length [steps].
        seed: run seed.
        num_threads: threads that share the worlds.
        obs_shapes: of one agent's `grid` and `vec`.
    """

    num_worlds: int
    num_agents: int
    num_actions: int
    max_steps: int
    seed: int
    num_threads: int
    obs_shapes: dict[str, tuple[int, ...]]
    params: Any
    _state: Any  # NamedTuple of arrays with leading axis B; holds uid, key, t, episode
    _book: np.ndarray

    def _settle_in(self, num_worlds: int, seed: int, num_threads: int) -> None:
        """Check and keep the arguments that every world takes."""
        self.num_worlds = check.whole_number("num_worlds", num_worlds, 1)
        self.seed = check.whole_number("seed", seed, 0)
        self.num_threads = min(check.whole_number("num_threads", num_threads, 1), self.num_worlds)
        self._seen: Obs = {}
        self._pool: ThreadPoolExecutor | None = None

    @property
    def uid(self) -> np.ndarray:
        """Identity of each world, int64 (B,)."""
        return self._state.uid

    @property
    def key(self) -> np.ndarray:
        """Random key of each world, uint64 (B,)."""
        return self._state.key

    @property
    def episode(self) -> np.ndarray:
        """Episodes of each world begun before the current one, int64 (B,)."""
        return self._state.episode

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
        check.state_of(state, mine)
        for name, array in mine.items():
            array[...] = state[name]
        self._derive()

    def _derive(self) -> None:
        """Rebuild what follows from the state."""

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: how the worlds were built, and their state."""
        build = {"num_worlds": self.num_worlds, "seed": self.seed, "num_threads": self.num_threads}
        return {"params": self.params, "build": build, "state": self.get_state()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Build the worlds anew and continue: the book holds addresses, which no pickle keeps."""
        self.__init__(saved["params"], **saved["build"])  # type: ignore[misc]
        self.set_state(saved["state"])

    def _mask(self, mask: np.ndarray | None) -> np.ndarray:
        """Which worlds, bool (B,); all without a mask."""
        if mask is None:
            return np.ones(self.num_worlds, np.bool_)
        return check.array_of("mask", mask, (self.num_worlds,), np.bool_)

    def _joint(self, actions: np.ndarray) -> np.ndarray:
        """Actions as int64 (B, N)."""
        actions = np.asarray(actions)
        shape = (self.num_worlds, self.num_agents)
        if actions.shape != shape or actions.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be integers of shape (num_worlds, num_agents)={shape},"
                f" not {actions.dtype} of shape {actions.shape}"
            )
        return np.ascontiguousarray(actions, np.int64)

    def _check_step(self, actions: np.ndarray) -> None:
        """Raise if an action is unknown or an episode is not running."""
        s = self._state
        found = first_problem(actions, self.num_actions, s.episode, s.t, self.max_steps)
        check.may_step(found, actions, self.num_actions, s.episode, self.max_steps)

    def _views(self, obs: Obs) -> tuple[np.ndarray, np.ndarray]:
        """Check the caller's buffers, once as long as they stay the same."""
        if not self._seen or any(obs.get(key) is not array for key, array in self._seen.items()):
            check.buffers(obs, (self.num_worlds, self.num_agents), self.obs_shapes)
            self._seen = {"grid": obs["grid"], "vec": obs["vec"]}
        return obs["grid"], obs["vec"]

    def _run(self, loop: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Call an outer loop over all worlds, split into equal shares when there are threads."""
        B, n = self.num_worlds, self.num_threads
        if n == 1:
            loop(self._book, *arguments, 0, B)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(n, "world")
        cuts = [B * k // n for k in range(n + 1)]
        jobs = [
            self._pool.submit(loop, self._book, *arguments, lo, hi) for lo, hi in pairwise(cuts)
        ]
        for job in jobs:
            job.result()


@njit(cache=True)
def first_problem(actions: Any, num_actions: int, episode: Any, t: Any, max_steps: int) -> int:
    """Find what forbids a step: -1 nothing, k a bad action (flat index), -2-b a stopped world b."""
    for b in range(t.size):
        if episode[b] < 0 or t[b] >= max_steps:
            return -2 - b
        for i in range(actions.shape[1]):
            if actions[b, i] < 0 or actions[b, i] >= num_actions:
                return b * actions.shape[1] + i
    return -1
