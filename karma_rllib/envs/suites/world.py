"""The world of scenarios: B copies, in each of which one episode after the other is drawn."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.envs.suites.entry import SuiteParams, traits
from karma_rllib.envs.suites.oracles import BOTS
from karma_rllib.envs.suites.running import Running
from karma_rllib.envs.suites.scenario import Scenario
from karma_rllib.worlds import checks as check
from karma_rllib.worlds import kinship_names as names
from karma_rllib.worlds.batch import Batch, Obs
from karma_rllib.worlds.events import StepOut
from karma_rllib.worlds.kinship import KinshipWorld, kinship_events
from karma_rllib.worlds.kinship_fleet import TOLD, Fleet
from karma_rllib.worlds.kinship_state import WALL, Frame
from karma_rllib.worlds.rng import fold_words, uniforms, world_keys

FIRST_SEED = 1 << 20  # episodes to learn from have seeds from here on, those to be judged below
S_EPISODE, S_HEAD_START = 1, 2  # purposes of random draws: which episode comes, and where it starts
_INDEX = ("aim_agent", "gift_to", "court_to")  # events that hold the number of an agent
_TOLD = tuple(name for name in TOLD if name not in ("g", "episode"))  # those count other lives
_MAPS = {"cells": WALL, "beam": False, "ready": False, "kind": -1}  # of a frame, and beyond its map
_BODIES = ("pos", "head", "frozen", "present", "energy", "shield", "mark", "inventory")
_SCENES = "scenes"  # in a state: what goes on in each world, bytes


class State(NamedTuple):
    """Which episode each of B worlds is in, and how far."""

    uid: np.ndarray  # identity of the world, int64 (B,)
    key: np.ndarray  # random key, uint64 (B,)
    episode: np.ndarray  # episodes begun before this one, -1 before the first, int64 (B,)
    t: np.ndarray  # env-steps since reset, int32 (B,)
    g: np.ndarray  # env-steps of this life, int64 (B,)
    length: np.ndarray  # of the episode [steps], int32 (B,)


class SuiteWorld(Batch):
    """Scenarios of the evaluation suites, to train on: no two episodes alike.

    ## Description

    Each episode is one of a scenario: `scenarios` says of which, and the episode's seed is drawn
    anew, so that maps, starts, rules and time limits differ from episode to episode.  Seeds below
    2**20 are never drawn: they are for judging (`karma evaluate --suite` takes 0 to 15).

    Rules, actions, observation and rewards are those of the kinship world under the parameters of
    the episode (`karma_rllib.worlds.kinship`); `karma evaluate --suite` computes scores.  What all
    episodes share is what an agent sees and can do: scenarios that differ in it cannot be mixed and
    are refused.

    Only the judged agents are seen from outside: they are the N agents of this world.  Other seats
    are played by the scenario's bots.  In events, an agent that is not judged has number -1.

    ## Head start

    With `head_start`, that part of the episodes begins somewhere along the way: the first steps of
    the scenario's shortest plan, up to one less than all, have been made, and what they earned is
    nobody's.  So the last steps to a reward are met before the first ones are known (Florensa et
    al. 2017, "Reverse curriculum generation for reinforcement learning").  Only scenarios with a
    plan, those for one judged agent, know head starts; scores never do.  The time limit is cut so
    that as many steps are left for each step of the plan as a whole episode would leave.

    ## End

    Truncation at the time limit of the episode, so worlds that were reset together end apart
    (`traits.uneven`); `max_steps` is an upper bound.

    ## Randomness

    The episode that world k plays next is a function of (seed, uid, how many it has played); what
    happens in it, of its own seed.  So world k lives the same life whatever B or the process.

    ## Versions

    * v0: first version.
    """

    name = "suite-v0"

    def __init__(
        self,
        params: SuiteParams,
        *,
        num_worlds: int = 1,
        seed: int = 0,
        first_uid: int = 0,
        num_threads: int = 1,
    ) -> None:
        self._settle_in(num_worlds, seed, num_threads)
        self.params, self.traits = params, traits(params)
        self.num_agents, self.max_steps = params.num_agents, params.max_steps
        like = params.example
        self.action_names = names.action_names(like)
        self.num_actions = len(self.action_names)
        self.plane_names, self.vec_names = names.plane_names(like), names.vec_names(like)
        self.grid_scale, self.obs_shapes = names.grid_scale(like), names.obs_shapes(like)
        self.mask_start, self.item_names = names.mask_start(like), like.item_names
        B, N = self.num_worlds, self.num_agents
        uid = np.arange(B) + check.whole_number("first_uid", first_uid, 0)
        self._state = State(
            uid=uid.astype(np.int64),
            key=world_keys(self.seed, uid.astype(np.int64)),
            episode=np.full(B, -1, np.int64),
            t=np.zeros(B, np.int32),
            g=np.zeros(B, np.int64),
            length=np.zeros(B, np.int32),
        )
        self._blank, self.size = KinshipWorld(like), params.grid_size
        self._scenes: list[Running | None] = [None] * B
        most = max(test.episode(0).num_agents for test in params.tests)
        self._fleet = Fleet(B, most, self.obs_shapes)
        self._copies: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(B)]
        self._events = kinship_events(B, N)
        self._reward, self._truncated = np.zeros((B, N), np.float32), np.zeros(B, np.bool_)

    def drawn(self, b: int = 0) -> tuple[Scenario, int]:
        """The scenario that world b is in, and the seed of its episode."""
        s = self._state
        words = np.array([[self.seed], [s.uid[b]], [s.episode[b]], [S_EPISODE]], np.int64)
        lot = int(fold_words(words)[0])
        which, rest = lot % len(self.params.tests), lot // len(self.params.tests)
        return self.params.tests[which], FIRST_SEED + rest % (1 << 48)

    def _begin(self, b: int) -> Running:
        """The episode that world b is in, at its beginning."""
        rows = partial(self._fleet.rows, b)
        start = self._head_start(b)
        scene = Running(*self.drawn(b), BOTS, self.max_steps, start, buffers=rows)
        self._scenes[b] = scene
        self._fleet.put(b, scene.world)
        reward, events = self._fleet.told(b)
        self._copies[b] = [(self._reward[b : b + 1], reward)]
        self._copies[b] += [
            (getattr(self._events, name)[b : b + 1], getattr(events, name)) for name in _TOLD
        ]
        return scene

    def _head_start(self, b: int) -> float:
        """Part of its plan that the episode of world b begins with."""
        s = self._state
        place = s.uid[b : b + 1], s.episode[b : b + 1]
        chosen, part = uniforms(self.seed, *place, 2, S_HEAD_START)[0]
        return float(part) if chosen < self.params.head_start else 0.0

    def _hurry(self, scene: Running) -> int:
        """Make the steps of an episode's head start; how many."""
        for action in scene.episode.plan[: scene.head_start]:
            scene.step(np.array([self.action_names.index(action)]))
        return scene.head_start

    def _scene(self, b: int) -> Running:
        """What goes on in world b.

        Raises:
            RuntimeError: nothing yet.
        """
        scene = self._scenes[b]
        if scene is None:
            raise RuntimeError(f"world {b} has not begun: call reset() first")
        return scene

    @property
    def frozen(self) -> np.ndarray:
        """Agents that cannot act in the current frame, bool (B, N)."""
        found = np.zeros((self.num_worlds, self.num_agents), np.bool_)
        for b, scene in enumerate(self._scenes):
            if scene is not None:
                found[b] = scene.world.frozen[0, scene.focal]
        return found

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
            Observations {"grid": uint8 (B, N, H, W, C), "vec": float32 (B, N, D)}.
        """
        which, s = self._mask(mask), self._state
        buffers = self.empty_obs() if out is None else out
        self._views(buffers)
        for b in np.flatnonzero(which).tolist():
            s.episode[b] += 1
            scene = self._begin(b)
            s.t[b], s.length[b] = self._hurry(scene), scene.world.max_steps
        self._show(buffers, which if out is not None else s.episode >= 0)
        return buffers

    def step(self, actions: np.ndarray, out: Obs | None = None, debt: Any = None) -> StepOut:
        """Advance every world by one env-step; never resets by itself.

        Args:
            actions: of the judged agents, integer (B, N) in [0, num_actions).
            out: buffers for the observations, see `empty_obs`; None allocates.
            debt: not shown here.

        Returns:
            `StepOut`, as any world.  Reward, truncated and events are overwritten by the next step.

        Raises:
            ValueError: an action or an argument's shape is wrong.
            RuntimeError: a world has not been reset, or its episode is over.
        """
        joint, s = self._joint(actions), self._state
        self._check_step(joint)
        buffers = self.empty_obs() if out is None else out
        self._views(buffers)
        for b in range(self.num_worlds):
            choices = self._scene(b).joint(joint[b])[0]
            self._fleet.actions[b, : len(choices)] = choices
        self._fleet.step()
        for b in range(self.num_worlds):
            self._take(b)
        self._events.g[:], self._events.episode[:] = s.g, s.episode
        s.t[:] += 1
        s.g[:] += 1
        self._truncated[:] = s.t >= s.length
        self._show(buffers, np.ones(self.num_worlds, np.bool_))
        return StepOut(buffers, self._reward, self._truncated, self._events)

    def _check_step(self, actions: np.ndarray) -> None:
        """Raise if an action is unknown or an episode is not running."""
        s = self._state
        wrong = np.flatnonzero((actions < 0) | (actions >= self.num_actions))
        stopped = np.flatnonzero((s.episode < 0) | (s.t >= s.length))
        found = int(wrong[0]) if wrong.size else -2 - int(stopped[0]) if stopped.size else -1
        length = int(s.length[stopped[0]]) if stopped.size else 0
        check.may_step(found, actions, self.num_actions, s.episode, length)

    def _take(self, b: int) -> None:
        """Copy what a step did to the judged agents of world b."""
        focal, copies = self._scene(b).focal, self._copies[b]
        if len(focal) == copies[0][1].shape[1]:  # everybody
            for mine, its in copies:
                mine[...] = its
            return
        number = np.full(copies[0][1].shape[1] + 1, -1)  # of an agent among the judged
        number[focal] = np.arange(len(focal))
        for name, (mine, its) in zip(("reward", *_TOLD), copies, strict=True):
            if mine.ndim == 1:  # of the world as a whole
                mine[...] = its
            elif mine.ndim == 3:
                mine[...] = its[:, focal[:, None], focal]
            else:
                mine[...] = number[its[:, focal]] if name in _INDEX else its[:, focal]

    def _show(self, buffers: Obs, which: np.ndarray) -> None:
        """Write what the judged agents of some worlds see."""
        for b in np.flatnonzero(which).tolist():
            scene = self._scene(b)
            for key, rows in buffers.items():
                rows[b] = scene.obs[key][0, scene.focal]

    def observe(self, out: Obs | None = None, debt: Any = None) -> Obs:
        """Write the current observations once more, for instance after `set_state`."""
        buffers = self.empty_obs() if out is None else out
        self._views(buffers)
        self._show(buffers, self._state.episode >= 0)
        return buffers

    def frame(self, b: int = 0) -> Frame:
        """Copy what a renderer needs of world b: its map, with wall beside it, and the judged."""
        scene = self._scenes[b]
        seen = self._blank.frame() if scene is None else scene.world.frame()
        judged = np.arange(self.num_agents) if scene is None else scene.focal
        room = self.size - len(seen.cells)
        more: dict[str, Any] = {
            name: np.pad(getattr(seen, name), (0, room), constant_values=beyond)
            for name, beyond in _MAPS.items()
        }
        more |= {name: getattr(seen, name)[judged] for name in _BODIES}
        return seen._replace(**more)

    def get_state(self) -> dict[str, np.ndarray]:
        """Copy everything that the future of the worlds depends on, as named arrays.

        `scenes` holds, as bytes and padded to the longest, what goes on in the episodes.
        """
        told = [pickle.dumps(scene and scene.get_state(), protocol=5) for scene in self._scenes]
        scenes = np.zeros((self.num_worlds, max(map(len, told))), np.uint8)
        for b, text in enumerate(told):
            scenes[b, : len(text)] = np.frombuffer(text, np.uint8)
        return {**super().get_state(), _SCENES: scenes}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue exactly where `get_state` was called, also in another process.

        Raises:
            ValueError: an array is missing, unknown, or of another shape.
        """
        mine = {**self._state._asdict(), _SCENES: state.get(_SCENES)}
        check.state_of(state, mine)
        if len(state[_SCENES]) != self.num_worlds:
            raise ValueError(
                f"state has scenes of {len(state[_SCENES])} worlds, expected {self.num_worlds}"
            )
        super().set_state({name: state[name] for name in self._state._fields})
        for b in range(self.num_worlds):
            told = pickle.loads(state[_SCENES][b].tobytes())
            if told is None:
                self._scenes[b] = None
            else:
                self._begin(b).set_state(told)
