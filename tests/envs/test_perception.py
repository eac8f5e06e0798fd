"""Can an agent see, in one frame, that it was zapped, and by whom? Asked of the PettingZoo env."""

import numpy as np
import pytest

from karma_rllib.envs import harvest_v0
from karma_rllib.worlds.harvest_state import PLANES, VEC_NAMES
from karma_rllib.worlds.rng import uniforms

AHEAD = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # heading -> (row, col)
ACTIVE, FROZEN, BEAM = (PLANES.index(n) for n in ("agent_active", "agent_frozen", "beam"))
WAS_HIT, IS_FROZEN, LEFT, HIT_AGENT = (
    VEC_NAMES.index(n) for n in ("was_hit", "frozen", "freeze_left", "hit_agent")
)


def hits(env, steps):
    """Yield (zap, observations, frame) for every hit of a zap-happy crowd."""
    env.reset(seed=1)
    for k in range(steps):
        if not env.agents:
            env.reset()
        u = uniforms(2, [0], [k], 2 * len(env.agents))[0]
        pairs = zip(env.agents, u[::2], u[1::2])
        obs, *_, infos = env.step({a: 7 if x < 0.4 else int(7 * y) for a, x, y in pairs})
        frame = env.stage.life.world.frame()
        for info in infos.values():
            for event in info["social_events"]:
                if event["type"] == "ZAP_AGENT":
                    yield event, obs, frame


def seen_at(frame, viewer, other, radius):
    """Where `other` lies in the window of `viewer`, who faces up from its middle."""
    away = frame.pos[other].astype(int) - frame.pos[viewer]
    head = frame.head[viewer]
    ahead, right = away @ AHEAD[head], away @ AHEAD[(head + 1) % 4]
    return radius - ahead, radius + right


@pytest.mark.parametrize("profile", ["gathering", "dual_cleanup", "karmic_seed"])
def test_victim_and_attacker_see_the_hit_in_their_next_frame(profile):
    env = harvest_v0.parallel_env(profile=profile, max_steps=100, timeout=3)
    radius, length = env.stage.life.params.view_radius, env.stage.life.params.beam_length
    count = 0
    for zap, obs, frame in hits(env, 1500):
        i, j = (env.possible_agents.index(zap[who]) for who in ("attacker", "victim"))
        mine, yours = obs[zap["victim"]], obs[zap["attacker"]]
        count += 1

        assert mine["vec"][[WAS_HIT, IS_FROZEN, LEFT]].tolist() == [1, 1, 1]
        assert mine["grid"][radius, radius, BEAM] == 1
        row, col = seen_at(frame, j, i, radius)
        assert abs(row - radius) + abs(col - radius) == zap["zap_distance"] <= length
        assert mine["grid"][row, col, [ACTIVE, FROZEN]].sum() == 1

        assert yours["vec"][HIT_AGENT] == 1
        assert yours["grid"][radius - zap["zap_distance"], radius, FROZEN] == 1
    assert count > 40


def test_the_victim_does_not_yet_see_the_hit_in_the_frame_before():
    env = harvest_v0.parallel_env(max_steps=100, timeout=3)
    before = None
    env.reset(seed=1)
    for k in range(99):
        obs, *_, infos = env.step(dict.fromkeys(env.agents, 7 if k % 2 else 1 + k % 6))
        for agent, info in infos.items():
            if before and any(e["type"] == "BEING_ZAPPED" for e in info["social_events"]):
                assert before[agent]["vec"][IS_FROZEN] == 0
        before = obs
