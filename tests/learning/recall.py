"""A world that only a memory can solve, with the face that the batched env runner steps.

Shapes: B worlds, N agents.  At step 0 of an episode every agent sees a cue, 0 or 1, and never
again.  From step `ASKED_FROM` on it earns 1 for an action whose parity is the cue; from step
`REVERSED_FROM` on, for the other parity.
"""

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from karma_rllib import worlds
from karma_rllib.worlds.events import StepOut, allocate_events
from karma_rllib.worlds.face import Traits
from karma_rllib.worlds.rng import uniforms

LENGTH = 6  # of an episode [env-steps]
ASKED_FROM, REVERSED_FROM = 2, 4
AGENTS = 2
# The network scales its input as the harvest world needs it, so the channels are as many.
GRID = (3, 3, worlds.make("harvest-v0").obs_shapes["grid"][2])  # always empty
CUES = 77  # stream of the counter generator


class RecallLives:
    """B copies of the world; what `Lifetime` is to the harvest world."""

    num_agents, num_actions, max_steps = AGENTS, 8, LENGTH
    obs_shapes = {"grid": GRID, "vec": (3,)}  # noqa: RUF012 - the face of a world
    traits = Traits()

    def __init__(self, num_worlds: int, seed: int, first_uid: int) -> None:
        self.num_worlds, self.seed = num_worlds, seed
        self.uid = np.arange(first_uid, first_uid + num_worlds)
        self.events = allocate_events(num_worlds, AGENTS)
        self.events.active[:] = True
        self.t = np.zeros(num_worlds, np.int64)
        self.episode = np.full(num_worlds, -1)
        self.cue = np.zeros((num_worlds, AGENTS), np.int64)
        self.right, self.asked = np.zeros(LENGTH), np.zeros(LENGTH)  # by step of the episode

    def reset(self, mask=None, out=None):
        mask = np.ones(self.num_worlds, bool) if mask is None else mask
        self.t[mask] = 0
        self.episode[mask] += 1
        drawn = uniforms(self.seed, self.uid, self.episode, AGENTS, CUES) < 0.5
        self.cue[mask] = drawn[mask]
        return self._observe(out, mask)

    def step(self, actions, out=None):
        asked, wanted = self.t >= ASKED_FROM, self.cue ^ (self.t >= REVERSED_FROM)[:, None]
        reward = ((actions % 2 == wanted) & asked[:, None]).astype(np.float32)
        np.add.at(self.right, self.t, reward.sum(1))
        np.add.at(self.asked, self.t, AGENTS)
        self.t += 1
        return StepOut(self._observe(out), reward, self.t == LENGTH, self.events)

    def _observe(self, out=None, mask=slice(None)):
        if out is None:
            out = {
                "grid": np.zeros((self.num_worlds, AGENTS, *GRID), np.uint8),
                "vec": np.zeros((self.num_worlds, AGENTS, 3), np.float32),
            }
        vec = np.zeros((self.num_worlds, AGENTS, 3), np.float32)
        vec[..., 2] = self.t[:, None] / LENGTH
        first = self.t == 0
        vec[first, :, :2] = np.eye(2)[self.cue[first]]
        out["grid"][mask], out["vec"][mask] = 0, vec[mask]
        return out


class RecallEnv(MultiAgentEnv):
    """The spaces of the world, and the way to many copies of it."""

    def __init__(self, config=None) -> None:
        self.possible_agents = self.agents = [f"agent_{n}" for n in range(AGENTS)]
        one = Dict({"grid": Box(0, 1, GRID, np.uint8), "vec": Box(-1, 1, (3,), np.float32)})
        self.observation_spaces = dict.fromkeys(self.agents, one)
        self.action_spaces = dict.fromkeys(self.agents, Discrete(8))
        self.observation_space = Dict(self.observation_spaces)
        self.action_space = Dict(self.action_spaces)
        super().__init__()

    def make_batched(self, num_worlds, seed=0, first_uid=0, num_threads=1):
        return RecallLives(num_worlds, seed, first_uid)
