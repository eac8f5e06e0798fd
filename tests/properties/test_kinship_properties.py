"""What must hold in a kinship world whatever its agents do."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from karma_rllib import worlds

LAYOUTS = ("open", "rooms", "corridors", "maze", "labyrinth", "radial", "clutter")


def totals(world):
    """Energy [hundredths] and items held by each agent, and items in the outputs of stations."""
    state = world.get_state()
    return state["energy"].astype(np.int64), state["inv"].sum(-1), state["o_out"].sum((1, 2))


def check_balance(world, actions, obs):
    """One step in which every unit of energy and every item is accounted for."""
    energy, items, _ = totals(world)
    out = world.step(actions, obs)
    e = out.events
    after, items_after, _ = totals(world)
    flow = e.energy_charged + e.energy_regained + e.energy_stolen + e.energy_received
    flow = flow.astype(np.int64) - e.energy_spent - e.energy_lost - e.gave_energy
    np.testing.assert_array_equal(after - energy, flow)
    assert (after >= 0).all()
    assert (after <= world._tables.top[0][world._tables.body[0]]).all()
    np.testing.assert_array_equal(e.gave_energy.sum(1), e.energy_received.sum(1))
    assert (e.energy_stolen.sum(1) <= e.energy_lost.sum(1)).all()
    # items: what a world gains is harvested or taken from a station, what it loses is put in
    change = items_after.sum(1) - items.sum(1)
    np.testing.assert_array_equal(change, (e.harvested + e.produced - e.consumed).sum(1))
    return out


def check_bodies(world):
    """No two bodies in a cell, and none where something lies."""
    open_cells = world.open_cells()
    for b in range(world.num_worlds):
        frame = world.frame(b)
        cells = [tuple(cell) for cell in frame.pos[frame.present]]
        assert len(set(cells)) == len(cells)
        assert all(open_cells[b][cell] for cell in cells)
        assert (frame.inventory >= 0).all()
        assert (frame.inventory <= world.params.inventory_cap).all()


def check_bonds(world, before, events):
    """Bonds are mutual, few, never with oneself, and change only as the events tell."""
    bonds, earlier = world.bonds, before["bond"] > 0
    np.testing.assert_array_equal(bonds, bonds.swapaxes(1, 2))
    assert not bonds[:, np.eye(world.num_agents, dtype=bool)].any()
    assert (bonds.sum(2) <= world.params.max_bonds).all()
    change = bonds.sum(2) - earlier.sum(2)
    np.testing.assert_array_equal(change, events.bonded - events.parted)
    assert (events.energy_court <= events.energy_spent).all()
    assert not (events.bonded.sum(1) % 2).any()
    if not world.params.court:
        assert not bonds.any()


def play(world, steps, seed, check_every=1):
    """Random actions under all checks."""
    rng = np.random.default_rng(seed)
    obs = world.reset()
    for t in range(steps):
        before = world.get_state() if t % check_every == 0 else None
        actions = rng.integers(0, world.num_actions, (world.num_worlds, world.num_agents))
        out = check_balance(world, actions, obs)
        if before is not None:
            idle = ~out.events.active
            after = world.get_state()
            assert not (out.events.fired & idle).any()
            assert not (out.events.ate & idle).any()
            np.testing.assert_array_equal(before["head"][idle], after["head"][idle])
            np.testing.assert_array_equal(before["mark"][idle], after["mark"][idle])
            assert (out.events.court_to[idle] == -1).all()
            check_bonds(world, before, out.events)
            check_bodies(world)
        if out.truncated.any():
            world.reset(out.truncated, out=obs)


@pytest.mark.parametrize("profile", worlds.list_profiles("kinship-v0"))
def test_every_profile_keeps_its_books(profile):
    world = worlds.make("kinship-v0", num_worlds=3, seed=1, profile=profile, max_steps=150)
    play(world, 200, seed=2, check_every=10)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    layout=st.sampled_from(LAYOUTS),
    size=st.integers(7, 24),
    agents=st.integers(2, 12),
    cap=st.integers(1, 4),
    steal=st.sampled_from([0.0, 0.37, 1.0]),
    loot=st.sampled_from(["on_attack", "on_use"]),
    options=st.fixed_dictionaries(
        {name: st.booleans() for name in ("destroy", "build", "postures", "mortal", "court")}
    ),
    seed=st.integers(0, 2**40),
)
def test_any_world_keeps_its_books(layout, size, agents, cap, steal, loot, options, seed):
    world = worlds.make(
        "kinship-v0", seed=seed, layout=layout, grid_size=size, num_agents=agents, generators=4,
        chargers=2, altars=1, inventory_cap=cap, steal_energy=steal, loot_mode=loot, wall_hp=2,
        machine_hp=3, cost_build=1.0, freeze=4, energy_start=200.0, generator_cooldown=3,
        bodies=("default", "prey", "predator"), max_steps=30, cost_court=1.0, **options,
    )  # fmt: skip
    play(world, 50, seed=seed % 1000)


@pytest.mark.slow
def test_energy_and_items_balance_over_a_hundred_thousand_steps():
    world = worlds.make("kinship-v0", num_worlds=10, seed=4, profile="rich")
    play(world, 10_000, seed=5, check_every=500)


def check_map(world):
    """Everything is there, everybody can walk to everybody, and to a side of every machine."""
    p = world.params
    things = p.generators + p.chargers + p.altars + p.free_altars
    things += sum(station.count for station in p.stations)
    for b in range(world.num_worlds):
        frame, free = world.frame(b), world.open_cells()[b]
        assert frame.present.all()
        assert (frame.cells > 2).sum() == things
        assert (frame.cells == 2).sum() == p.blocks
        parts, found = ndimage.label(free)  # four sides count as neighbours
        assert found == 1
        beside = ndimage.binary_dilation(parts > 0)
        assert beside[frame.cells > 2].all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("profile", worlds.list_profiles("kinship-v0"))
def test_every_layout_has_room_for_every_profile(profile, layout):
    world = worlds.make("kinship-v0", num_worlds=8, seed=3, profile=profile, layout=layout)
    for _ in range(2):
        world.reset()
        check_map(world)


@pytest.mark.parametrize("layout", ["corridors", "labyrinth", "radial", "maze", "rooms"])
def test_a_layout_stays_what_it_is_in_the_default_world(layout):
    """Nothing is gained by clearing the walls away: there is room beside and in them."""
    world = worlds.make("kinship-v0", num_worlds=64, seed=3, layout=layout)
    world.reset()
    assert all((world.frame(b).cells == 1).any() for b in range(64))


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    size=st.integers(8, 40),
    rooms=st.integers(1, 4),
    width=st.integers(1, 3),
    arms=st.integers(2, 12),
    blocks=st.integers(0, 3),
    seed=st.integers(0, 2**40),
)
def test_on_every_random_map_all_can_walk_to_all(layout, size, rooms, width, arms, blocks, seed):
    world = worlds.make(
        "kinship-v0", seed=seed, layout=layout, grid_size=size, rooms=rooms, corridor_width=width,
        arms=arms, blocks=blocks, num_agents=4, generators=5, chargers=2, altars=1,
    )  # fmt: skip
    world.reset()
    check_map(world)


@settings(max_examples=60, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    size=st.integers(5, 20),
    crowd=st.floats(0, 1),
    blocks=st.floats(0, 1),
    width=st.integers(1, 3),
    seed=st.integers(0, 2**40),
)
def test_as_much_as_is_allowed_finds_a_place(layout, size, crowd, blocks, width, seed):
    """At the bound of `_check_map`: three cells for each object and one for each agent."""
    agents = 1 + int(crowd * min(size * size // 3, 63))
    things = (size * size - agents) // 3
    blocks = int(blocks * things / 2)
    world = worlds.make(
        "kinship-v0", seed=seed, layout=layout, grid_size=size, num_agents=agents, blocks=blocks,
        generators=things - blocks, chargers=0, altars=0, corridor_width=width, wall_density=0.3,
    )  # fmt: skip
    world.reset()
    check_map(world)
