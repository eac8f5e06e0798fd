"""Scripted players of the kinship world: what they get, and that they use only what they see."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib import worlds
from karma_rllib.envs.bots import RandomPolicy
from karma_rllib.envs.kinship_bots import KINSHIP_BOTS, KinshipBot
from karma_rllib.envs.kinship_sight import FAR, beside, distances

SMALL = {"grid_size": 9, "num_agents": 2, "generators": 4, "chargers": 1, "altars": 1}


def make(**params):
    return worlds.make("kinship-v0", num_worlds=4, seed=5, **params)


def play(world, policy, steps=None, see=None):
    """Everybody on one policy; sums of the events' fields over worlds, agents and steps."""
    obs, B = world.reset(), world.num_worlds
    if see is not None:
        world.kin[:] = see
        world.observe(obs)
    state, sums = policy.initial_state(B * world.num_agents), {}
    for _ in range(steps or world.max_steps):
        rows = {key: column.reshape(-1, *column.shape[2:]) for key, column in obs.items()}
        actions, state = policy.step(rows, state)
        events = world.step(actions.reshape(B, -1), obs).events
        for name in ("ate", "hit", "froze", "looted", "gave_energy", "gave_items"):
            sums[name] = sums.get(name, 0) + getattr(events, name).sum()
    return sums


def bot(name, world, seed=1):
    return KinshipBot(name, world.params, seed)


@pytest.mark.parametrize(
    "params", [{}, SMALL, {"controls": "simple"}, {"egocentric_rotate": True}, {"kinds": 2}]
)
def test_a_forager_gets_many_times_the_hearts_of_random_play(params):
    world, other = make(**params), make(**params)
    hearts = play(world, bot("forager", world))["ate"]
    by_chance = play(other, RandomPolicy(other.num_actions, seed=1))["ate"]
    assert hearts >= 10 * world.num_worlds * world.num_agents
    assert hearts > 20 * max(by_chance, 1)


@pytest.mark.parametrize("layout", ["rooms", "corridors", "radial", "clutter"])
def test_a_forager_finds_its_way_among_walls_and_others(layout):
    few = {"num_agents": 2, "generators": 3, "chargers": 1, "altars": 1}
    world = make(layout=layout, grid_size=19, **few)
    assert play(world, bot("forager", world))["ate"] > world.num_worlds * world.num_agents


def test_a_forager_takes_free_hearts_without_energy():
    world = make(generators=0, chargers=0, altars=0, free_altars=3, energy_start=60.0)
    assert play(world, bot("forager", world), 100)["ate"] >= 10  # of 12


def test_foragers_harm_nobody_and_raiders_live_on_others():
    world = make()
    assert play(world, bot("forager", world))["hit"] == 0
    sums = play(world, bot("raider", world), 200)
    assert sums["froze"] > 20
    assert sums["looted"] > 5


def test_raiders_spare_whom_they_see_as_kin():
    world = make()
    assert play(world, bot("raider", world), 200, see=255)["hit"] == 0


def test_raiders_who_see_what_others_hold_leave_the_poor_alone():
    world = make(obs_others=True, generators=0, energy_start=21.0, energy_floor=0.0)
    obs = world.reset()
    poor = bot("raider", world)
    rows = {key: column.reshape(-1, *column.shape[2:]) for key, column in obs.items()}
    for name in ("others_energy", "others_diamond_1"):
        rows["grid"][..., world.plane_names.index(name)] = 0
    attacks = [a for a, name in enumerate(world.action_names) if name.startswith("attack")]
    state = poor.initial_state(len(rows["vec"]))
    assert not np.isin(poor.step(rows, state)[0], attacks).any()


def test_givers_give_and_where_kin_is_seen_to_kin_only():
    world = make()
    assert play(world, bot("giver", world), 300)["gave_energy"] > 0
    kin = np.zeros((6, 6), np.uint8)
    kin[0, 1] = kin[1, 0] = 255
    giver, obs = bot("giver", world), world.reset()
    world.kin[:] = kin
    world.observe(obs)
    state = giver.initial_state(24)
    for _ in range(400):
        rows = {key: column.reshape(-1, *column.shape[2:]) for key, column in obs.items()}
        sees_kin = rows["grid"][..., world.plane_names.index("kin")].any((1, 2)).reshape(4, 6)
        actions, state = giver.step(rows, state)
        to = world.step(actions.reshape(4, 6), obs).events.gift_to
        for b, i in np.argwhere((to >= 0) & sees_kin):
            assert kin[i, to[b, i]]


@pytest.mark.parametrize("name", KINSHIP_BOTS)
def test_a_player_acts_alone_as_it_does_in_a_crowd(name):
    """Nothing but its own row, its own state and its own random numbers decide."""
    world = make()
    policy, obs = bot(name, world), world.reset()
    crowd, alone = policy.initial_state(24), policy.initial_state(1)
    for _ in range(120):
        rows = {key: column.reshape(-1, *column.shape[2:]) for key, column in obs.items()}
        again, _ = policy.step(rows, crowd)
        actions, crowd = policy.step(rows, crowd)
        own, alone = policy.step({key: column[:1] for key, column in rows.items()}, alone)
        np.testing.assert_array_equal(actions, again)
        assert own[0] == actions[0]
        world.step(actions.reshape(4, 6), obs)


def dijkstra(goal, toll):
    """The slow reference of `distances`."""
    cost, queue = goal.copy(), [(goal[c], c) for c in np.ndindex(goal.shape) if goal[c] < FAR]
    heapq.heapify(queue)
    while queue:
        d, (row, col) = heapq.heappop(queue)
        if d > cost[row, col]:
            continue
        for cell in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            inside = 0 <= cell[0] < len(goal) and 0 <= cell[1] < len(goal)
            if inside and d + toll[cell] < cost[cell]:
                cost[cell] = d + toll[cell]
                heapq.heappush(queue, (cost[cell], cell))
    return cost


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), density=st.floats(0, 0.6), side=st.sampled_from([3, 7, 11]))
def test_ways_are_as_long_as_a_plain_search_says(seed, density, side):
    rng = np.random.default_rng(seed)
    toll = np.where(rng.random((3, side, side)) < density, FAR, rng.integers(1, 4, (3, side, side)))
    goal = np.where(rng.random((3, side, side)) < 0.1, rng.integers(0, 9, (3, side, side)), FAR)
    expected = np.stack([dijkstra(g, t) for g, t in zip(goal, toll, strict=True)])
    np.testing.assert_array_equal(distances(goal.astype(float), toll), expected)


def test_what_lies_beside_is_told_for_each_direction():
    cells = np.arange(25).reshape(1, 5, 5)
    assert beside(cells)[0].tolist() == [7, 13, 17, 11]
    assert beside(cells, 2, 1)[0].tolist() == [3, 19, 21, 5]


def test_an_unknown_bot_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown bot 'farmer': known are forager, raider, giver"):
        KinshipBot("farmer", make().params)


def test_a_body_that_may_not_charge_only_harvests():
    idle = {"name": "idle", "can_charge": False}
    world = make(bodies=("idle", "default"), custom_bodies=(idle,), energy_start=250.0)
    policy, obs = bot("forager", world), world.reset()
    state, hearts = policy.initial_state(24), 0
    for _ in range(200):
        rows = {key: column.reshape(-1, *column.shape[2:]) for key, column in obs.items()}
        actions, state = policy.step(rows, state)
        hearts += world.step(actions.reshape(4, 6), obs).events.ate.sum(0)
    assert (hearts[0::2] == 0).all()
    assert (hearts[1::2] > 0).all()
