"""A world with a plot: two agents stand still but for the zaps that a script tells."""

import numpy as np
import torch

from karma_rllib.credit.params import TvtParams
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.plugin.memory import Memory
from karma_rllib.plugin.sampler import Sampler
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.harvest_state import ZAP

GAMMA, LAMBDA = 0.99, 0.95  # an exclusion window of 17 env-steps
FACE_TO_FACE = ((4, 3), (4, 4)), (1, 3)  # cells; agent 0 looks east, agent 1 west
PLOT = {10: 0, 70: 1}  # who zaps the other, by env-step of the world's life


torch.set_num_threads(1)  # sums then have one order, in any process


class Scripted(Sampler):
    """At the steps of `plot` the two agents are put face to face and one of them zaps."""

    plot = PLOT

    def _draw(self, logits, explore):
        action = np.zeros((self.worlds, self.agents), np.int64)
        attacker = self.plot.get(int(self.steps_taken[0]))
        if attacker is not None:
            world = self.lifetime.world
            state = world.get_state()
            state["pos"][:], state["head"][:] = FACE_TO_FACE
            world.set_state(state)
            action[:, attacker] = ZAP
        return action


def make_sampler(preset="small", *, memory=True, feed=True, worlds=2, plot=None, **tvt):
    """A scripted sampler whose read map has weights, as after training."""
    lifetime = make_lifetime(
        "harvest-v0", num_worlds=worlds, seed=5, profile="gathering", num_agents=2, max_steps=50,
        respawn_prob=0.0, apple_density=0.0,
    )  # fmt: skip
    grid, vec = lifetime.obs_shapes["grid"], lifetime.obs_shapes["vec"]
    spec = make_spec(preset)
    net = MirrorNet(
        grid, vec[0], lifetime.num_actions, spec, seed=1, memory_key_dim=8 if memory else 0
    )
    held = None
    if memory:
        torch.nn.init.normal_(net.memory.read.weight, generator=torch.Generator().manual_seed(2))
        params = TvtParams(**{"key_dim": 8, "harm": "reward", **tvt})
        held = Memory(lifetime, net, params, gamma=GAMMA, lambda_=LAMBDA, seed=5, feed=feed)
    sampler = Scripted(lifetime, net, seed=5, max_seq_len=16, memory=held)
    sampler.plot = PLOT if plot is None else plot
    return sampler
