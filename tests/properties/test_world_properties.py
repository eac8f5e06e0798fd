"""What holds in every world at every step, whatever the parameters and the actions."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karma_rllib import worlds
from tests.worlds.test_against_reference import drawn_params


def check_map(world):
    """Agents stand apart, on free ground; counts match the map."""
    for b in range(world.num_worlds):
        frame = world.frame(b)
        here = frame.pos[frame.present]
        assert len({tuple(p) for p in here.tolist()}) == len(here)
        assert ((here >= 0) & (here < world.params.grid_size)).all()
        assert (frame.pos[~frame.present] == -1).all()
        assert frame.present.all() or world.params.timeout_mode == "remove"
        assert (frame.frozen | frame.present).all()
        if not world.params.regrow_under_agent:
            assert (frame.cells[tuple(here.T)] == 0).all()
        assert (frame.cells[tuple(here.T)] != 2).all()
        assert ((frame.head >= 0) & (frame.head < 4)).all()
        assert (frame.cells <= 2).all()


def check_timers(world):
    """Timers stay in their range."""
    p, state = world.params, world.get_state()
    for name, top in (
        ("frz", p.timeout), ("grace", p.grace_steps), ("cool", p.zap_cooldown),
        ("tags", p.hits_to_tag - 1),
    ):  # fmt: skip
        assert (state[name] >= 0).all()
        assert (state[name] <= top).all()


def check_observation(world, obs):
    """Planes are binary, each cell shows at most one agent, vectors are bounded."""
    assert np.isfinite(obs["vec"]).all()
    assert (abs(obs["vec"]) <= 1).all()
    assert (obs["vec"][..., 7:15].sum(axis=-1) <= 1).all()
    if world.params.obs_mode != "ego_planes":
        return
    grid = obs["grid"]
    assert grid[..., :10].max(initial=0) <= 1
    agents = grid[..., 3] + grid[..., 4]
    np.testing.assert_array_equal(agents, grid[..., 6:10].sum(axis=-1))
    assert agents.max(initial=0) <= 1
    assert not (grid[..., 0] & grid[..., 1:6].max(axis=-1)).any()  # nothing lies beyond the wall
    R = world.params.view_radius
    assert not agents[:, :, R, R].any()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=drawn_params(), seed=st.integers(0, 2**40))
def test_invariants_hold_on_random_play(params, seed):
    world = worlds.make("harvest-v0", num_worlds=3, seed=seed, **params)
    rng, buffers = np.random.default_rng(seed), world.empty_obs()
    world.reset(out=buffers)
    check_map(world)
    check_observation(world, buffers)
    for _ in range(25):
        before = world.get_state()
        out = world.step(rng.integers(0, 8, (3, world.num_agents)), buffers)
        check_map(world)
        check_timers(world)
        check_observation(world, buffers)
        e = out.events
        for b in range(3):
            cells = world.frame(b).cells
            assert (e.stock[b], e.waste[b]) == ((cells == 1).sum(), (cells == 2).sum())
        assert (e.waste <= before["pot"]).all()
        np.testing.assert_array_equal(e.active, before["frz"] == 0)
        np.testing.assert_array_equal(world.get_state()["g"], before["g"] + 1)
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=drawn_params(), seed=st.integers(0, 2**40), cut=st.integers(0, 20))
def test_a_saved_state_continues_exactly(params, seed, cut):
    world = worlds.make("harvest-v0", num_worlds=2, seed=seed, **params)
    other = worlds.make("harvest-v0", num_worlds=2, seed=seed + 1, **params)
    rng = np.random.default_rng(seed)
    world.reset()
    for t in range(20):
        if t == cut:
            other.set_state(world.get_state())
        actions = rng.integers(0, 8, (2, world.num_agents))
        out = world.step(actions)
        if t >= cut:
            again = other.step(actions)
            for key in out.obs:
                np.testing.assert_array_equal(out.obs[key], again.obs[key])
            np.testing.assert_array_equal(out.reward, again.reward)
        if out.truncated.any():
            world.reset(out.truncated)
            if t >= cut:
                other.reset(out.truncated)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=drawn_params(), seed=st.integers(0, 2**40), first=st.integers(0, 2**40))
def test_a_world_is_the_same_in_any_batch(params, seed, first):
    many = worlds.make("harvest-v0", num_worlds=4, seed=seed, first_uid=first, **params)
    alone = worlds.make("harvest-v0", num_worlds=1, seed=seed, first_uid=first + 2, **params)
    rng = np.random.default_rng(seed)
    np.testing.assert_array_equal(many.reset()["grid"][2], alone.reset()["grid"][0])
    for _ in range(20):
        actions = rng.integers(0, 8, (4, many.num_agents))
        a, b = many.step(actions), alone.step(actions[2:3])
        np.testing.assert_array_equal(a.obs["grid"][2], b.obs["grid"][0])
        np.testing.assert_array_equal(a.reward[2], b.reward[0])
        if a.truncated.any():
            many.reset(a.truncated)
            alone.reset(b.truncated)
