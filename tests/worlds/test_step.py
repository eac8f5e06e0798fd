"""The step as a whole: order-freeness, rewards, labels, ends, and what the caller owns."""

import pickle

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.worlds.events import (
    AGGRESSOR,
    CLEANER,
    IGNORE,
    NEUTRAL,
    VICTIM,
    decision_roles,
    mutual,
    outcome_roles,
    zap_id,
)  # fmt: skip
from karma_rllib.worlds.placement import Placement
from tests.worlds.scene import EAST, NOOP, NORTH, WEST, ZAP, act, scene

PROFILES = tuple(worlds.list_profiles("harvest-v0"))
PER_AGENT = ("pos", "head", "frz", "grace", "cool", "tags", "act", "got", "flag")


def play(world, steps, seed=0):
    """Random play; yields actions and result of each step."""
    rng, buffers = np.random.default_rng(seed), world.empty_obs()
    world.reset(out=buffers)
    for _ in range(steps):
        actions = rng.integers(0, 8, (world.num_worlds, world.num_agents))
        out = world.step(actions, buffers)
        yield actions, out
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)


@pytest.mark.parametrize("profile", PROFILES)
def test_e5_permuting_agents_and_their_places_permutes_the_outcome(profile):
    one, other = (
        worlds.make("harvest-v0", profile=profile, num_worlds=16, waste_spawn_prob=0.0)
        for _ in range(2)
    )
    rng = np.random.default_rng(0)
    other.reset()
    N = one.num_agents
    order = rng.permutation(N)
    for _, _ in play(one, 30):
        pass
    state = one.get_state()
    other.set_state({k: v[:, order] if k in PER_AGENT else v for k, v in state.items()})
    for _ in range(20):  # turns and zaps; who moves first is drawn by index
        actions = rng.choice([NOOP, 5, 6, ZAP, ZAP], (16, N))
        a, b = one.step(actions), other.step(actions[:, order])
        np.testing.assert_array_equal(a.reward[:, order], b.reward)
        np.testing.assert_array_equal(a.events.hit[:, order][:, :, order], b.events.hit)
        np.testing.assert_array_equal(a.events.aim[:, order], b.events.aim)
        np.testing.assert_array_equal(a.obs["vec"][:, order], b.obs["vec"])
        if profile != "karmic_seed":  # whose planes name indices
            np.testing.assert_array_equal(a.obs["grid"][:, order], b.obs["grid"])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("stacks", [False, True])
def test_e11_rewards_are_the_sum_of_what_the_events_say(profile, stacks):
    world = worlds.make("harvest-v0", profile=profile, num_worlds=32, victim_penalty_stacks=stacks)
    p = world.params
    for _, out in play(world, 150):
        e = out.events
        taken = e.hit.sum(axis=1)
        pain = taken if stacks else taken > 0
        r = p.reward_apple * e.ate + p.reward_zap_waste * e.cleaned
        r = r + p.reward_zap_agent * e.hit.sum(axis=2) - p.victim_penalty * pain
        np.testing.assert_allclose(out.reward, r - p.zap_cost * e.fired, atol=1e-6)


def test_events_agree_with_each_other():
    world = worlds.make("harvest-v0", profile="dual_cleanup", num_worlds=32)
    for actions, out in play(world, 300):
        e = out.events
        assert not e.hit[:, range(5), range(5)].any()
        np.testing.assert_array_equal(e.distance > 0, e.hit)
        assert e.distance.max() <= world.params.beam_length
        np.testing.assert_array_equal(e.fired, (actions == ZAP) & e.active)
        assert not (e.hit.any(axis=2) & ~e.fired).any()
        assert not ((e.cleaned > 0) & ~e.fired).any()
        assert not (e.hit.any(axis=2) & (e.cleaned > 0)).any()  # one target per shot
        assert not (e.ate & ~e.active).any()
        assert not (e.hit & ~e.active[:, None, :]).any()  # the frozen are immune
        assert not e.predatory.any()
        assert not e.retributive.any()


def test_aim_foretells_the_target_of_a_shot_when_nobody_moves():
    world = worlds.make("harvest-v0", profile="dual_cleanup", num_worlds=64)
    rng = np.random.default_rng(1)
    for _, _ in play(world, 60):
        pass
    for _ in range(30):
        out = world.step(rng.choice([NOOP, ZAP], (64, 5)))
        e = out.events
        np.testing.assert_array_equal(e.hit.any(axis=2), e.fired & (e.aim == 1))
        np.testing.assert_array_equal(e.cleaned > 0, e.fired & (e.aim == 2))


def test_e14_outcome_roles_are_victim_exactly_where_someone_was_hit():
    world = worlds.make("harvest-v0", profile="dual_cleanup", num_worlds=32)
    for _, out in play(world, 250):
        e = out.events
        roles = outcome_roles(e, world.frozen)
        np.testing.assert_array_equal(roles == VICTIM, e.hit.any(axis=1))
        np.testing.assert_array_equal(roles == AGGRESSOR, e.hit.any(axis=2) & ~e.hit.any(axis=1))
        np.testing.assert_array_equal(roles == IGNORE, world.frozen & ~e.hit.any(axis=1))
        decided = decision_roles(e)
        np.testing.assert_array_equal(decided == IGNORE, ~e.active)
        np.testing.assert_array_equal(decided[e.active], np.where(
            roles[e.active] == IGNORE, NEUTRAL, roles[e.active]))  # fmt: skip
        assert (roles[(e.cleaned > 0) & ~e.hit.any(axis=1)] == CLEANER).all()


def test_roles_of_one_scene():
    world = scene([(4, 2, EAST), (4, 4, NORTH), (0, 0, EAST), (8, 8, NORTH)], waste=[(0, 2)])
    out = act(world, ZAP, NOOP, ZAP, NOOP)
    assert outcome_roles(out.events, world.frozen).tolist() == [[1, 2, 3, 0]]
    assert decision_roles(out.events).tolist() == [[1, 2, 3, 0]]
    out = act(world, NOOP, NOOP, NOOP, NOOP)
    assert outcome_roles(out.events, world.frozen).tolist() == [[0, IGNORE, 0, 0]]


def test_roles_and_mutual_accept_a_stack_of_steps():
    world = scene([(4, 2, EAST), (4, 4, WEST)])
    rows = [act(world, ZAP, ZAP).events for _ in range(1)]
    stack = type(rows[0])(*(np.stack([a, a]) for a in rows[0]))
    assert outcome_roles(stack, np.ones((2, 1, 2), bool)).tolist() == [[[VICTIM, VICTIM]]] * 2
    assert mutual(stack).tolist() == [[[[False, True], [True, False]]]] * 2


def test_zap_ids_are_distinct_and_broadcast():
    uid, g, i, j = np.ogrid[0:20, 0:50, 0:6, 0:6]
    ids = zap_id(uid, g, i, j)
    assert ids.shape == (20, 50, 6, 6)
    assert ids.dtype == np.int64
    assert ids.min() >= 0
    assert np.unique(ids).size == ids.size
    assert ids[3, 7, 1, 2] == zap_id(3, 7, 1, 2)


def test_e15_the_observation_at_truncation_is_the_final_one():
    world = worlds.make("harvest-v0", num_worlds=3, max_steps=5, obs_time=True)
    buffers = world.reset()
    for t in range(5):
        out = world.step(np.full((3, 4), ZAP), buffers)
        assert (out.events.t == t).all()
        assert out.truncated.all() == (t == 4)
    assert (buffers["vec"][..., -1] == 1).all()  # t = max_steps
    assert (buffers["vec"][..., 7 + ZAP] == out.events.active).all()
    final = {k: v.copy() for k, v in buffers.items()}
    world.reset(np.array([True, False, True]), out=buffers)
    assert (buffers["vec"][[0, 2], :, -1] == 0).all()
    for key in final:
        np.testing.assert_array_equal(buffers[key][1], final[key][1])


def test_resetting_some_worlds_leaves_the_others_alone():
    world = worlds.make("harvest-v0", num_worlds=4, profile="karma_seed")
    for _, _ in play(world, 20):
        pass
    before = world.get_state()
    obs_before = world.observe()
    obs = world.reset(np.array([False, True, False, True]))
    after = world.get_state()
    for name in before:
        np.testing.assert_array_equal(before[name][[0, 2]], after[name][[0, 2]], err_msg=name)
    assert after["episode"].tolist() == [0, 1, 0, 1]
    assert after["t"].tolist() == [20, 0, 20, 0]
    assert after["g"].tolist() == [20] * 4
    np.testing.assert_array_equal(obs["grid"][[0, 2]], obs_before["grid"][[0, 2]])


def test_every_episode_starts_differently():
    world = worlds.make("harvest-v0", num_worlds=1)
    starts = {world.reset()["grid"].tobytes() for _ in range(10)}
    assert len(starts) == 10


def test_a_placement_decides_where_agents_start():
    world = worlds.make("harvest-v0", num_worlds=2)
    pos = np.full((2, 4, 2), -1, np.int16)
    head = np.full((2, 4), -1, np.int8)
    pos[1, 2], head[1, 2] = (4, 4), WEST  # amid the apples
    pos[1, 0], head[1, 0] = (4, 5), WEST
    world.reset(placement=Placement(pos, head))
    frame = world.frame(1)
    assert frame.pos[[2, 0]].tolist() == [[4, 4], [4, 5]]
    assert frame.head[[2, 0]].tolist() == [WEST, WEST]
    assert frame.cells[4, 4] == 0
    assert len({tuple(p) for p in frame.pos.tolist()}) == 4
    assert world.step(np.array([[0] * 4, [ZAP, 0, 0, 0]])).events.hit[1, 0, 2]


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [([(9, 0), (-1, -1)], "9x9"), ([(-1, 3), (-1, -1)], "9x9"), ([(2, 2), (2, 2)], "two agents")],
)
def test_an_impossible_placement_is_refused(cells, complaint):
    world = worlds.make("harvest-v0", num_agents=2)
    with pytest.raises(ValueError, match=complaint):
        world.reset(placement=Placement(np.array([cells]), np.full((1, 2), -1)))


def test_the_callers_buffers_are_written_in_place():
    world = worlds.make("harvest-v0", num_worlds=2)
    buffers = world.empty_obs()
    assert world.reset(out=buffers) is buffers
    assert buffers["vec"].any()
    assert world.step(np.zeros((2, 4), int), buffers).obs is buffers
    fresh = world.step(np.zeros((2, 4), int)).obs
    assert fresh["grid"] is not buffers["grid"]


def test_wrong_arguments_are_named():
    world = worlds.make("harvest-v0", num_worlds=2)
    with pytest.raises(RuntimeError, match="reset"):
        world.step(np.zeros((2, 4), int))
    world.reset()
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(4,\)"):
        world.step(np.zeros(4, int))
    with pytest.raises(ValueError, match="action 8 of agent 3 in world 1"):
        world.step(np.array([[0] * 4, [0, 1, 2, 8]]))
    with pytest.raises(ValueError, match="integers"):
        world.step(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="mask"):
        world.reset(np.ones(3, bool))
    with pytest.raises(ValueError, match="debt"):
        world.reset(debt=np.zeros((2, 4)))
    buffers = world.empty_obs()
    with pytest.raises(ValueError, match="uint8"):
        world.step(np.zeros((2, 4), int), {**buffers, "grid": buffers["grid"].astype(int)})
    with pytest.raises(ValueError, match="C-contiguous"):
        world.step(np.zeros((2, 4), int), {**buffers, "vec": buffers["vec"][..., ::-1]})
    with pytest.raises(ValueError, match="'vec'"):
        world.step(np.zeros((2, 4), int), {"grid": buffers["grid"]})


def test_stepping_past_the_end_is_an_error():
    world = worlds.make("harvest-v0", max_steps=1)
    world.reset()
    world.step(np.zeros((1, 4), int))
    with pytest.raises(RuntimeError, match=r"reset\(mask=out.truncated\)"):
        world.step(np.zeros((1, 4), int))


def test_a_refused_step_changes_nothing():
    world = worlds.make("harvest-v0", num_worlds=2)
    world.reset()
    before = pickle.dumps(world.get_state())
    with pytest.raises(ValueError, match="action"):
        world.step(np.array([[0] * 4, [0, 1, 2, -1]]))
    assert pickle.dumps(world.get_state()) == before


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_actions_of_any_integer_kind_mean_the_same(dtype):
    world = worlds.make("harvest-v0", num_worlds=2)
    world.reset()
    out = world.step(np.full((2, 4), ZAP, dtype))
    assert out.events.fired.all()


def test_an_unknown_state_is_refused():
    world = worlds.make("harvest-v0", num_worlds=2)
    state = world.get_state()
    with pytest.raises(ValueError, match="pos"):
        world.set_state({k: v for k, v in state.items() if k != "pos"})
    with pytest.raises(ValueError, match="shape"):
        worlds.make("harvest-v0", num_worlds=3).set_state(state)


def test_a_frame_is_a_copy():
    world = scene([(4, 2, EAST), (4, 4, NORTH)], apples=[(0, 0)])
    frame = world.frame()
    frame.cells[:], frame.pos[:] = 9, 9
    again = world.frame()
    assert again.cells[0, 0] == 1
    assert again.pos.tolist() == [[4, 2], [4, 4]]
    assert again.t == 0
