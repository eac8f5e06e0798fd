"""Apples and waste: rates, thresholds, zones, layouts."""

import numpy as np
import pytest

from karma_rllib import worlds
from tests.worlds.scene import EAST, FORWARD, NOOP, NORTH, act, scene

RATES = (0.0, 0.05, 0.15, 0.3, 0.6)


def maps(world):
    """Terrain of all copies, (B, G, G)."""
    return np.stack([world.frame(b).cells for b in range(world.num_worlds)])


def apples_around(cells, disc):
    """Apples in the neighbourhood of every cell, (B, G, G), by shifting the map."""
    G = cells.shape[-1]
    wide = np.pad(cells == 1, ((0, 0), (2, 2), (2, 2)))
    total = np.zeros(cells.shape, int)
    for y in range(-2, 3):
        for x in range(-2, 3):
            inside = y * y + x * x <= 4 if disc else max(abs(y), abs(x)) == 1
            if inside and (y, x) != (0, 0):
                total += wide[:, 2 + y : 2 + y + G, 2 + x : 2 + x + G]
    return total


@pytest.mark.parametrize("radius", ["8nbr", "disc2"])
def test_e8_apples_sprout_at_the_rate_of_their_neighbour_count(radius):
    """Binomial 99.9 % intervals for 5 counts: false alarm below 0.5 % per seed."""
    world = worlds.make(
        "harvest-v0", num_worlds=200, grid_size=15, num_agents=2, apple_layout="uniform",
        apple_density=0.12, regrow_mode="density", regrow_sites_only=False, regrow_rates=RATES,
        regrow_radius=radius, max_steps=3,
    )  # fmt: skip
    tried, grown = np.zeros(5), np.zeros(5)
    for _ in range(10):
        world.reset()
        before = maps(world)
        world.step(np.zeros((200, 2), int))
        after = maps(world)
        free = before == 0
        for b in range(200):
            free[b][tuple(world.frame(b).pos.T)] = False
        n = np.minimum(apples_around(before, radius == "disc2"), 4)
        for k in range(5):
            tried[k] += (free & (n == k)).sum()
            grown[k] += (free & (n == k) & (after == 1)).sum()
    assert grown[0] == 0
    assert (tried > 1000).all()
    half = 3.29 * np.sqrt(np.array(RATES) * (1 - np.array(RATES)) / tried)
    assert (np.abs(grown / tried - RATES) <= half).all()


def test_regrow_speed_multiplies_the_rates():
    world = worlds.make(
        "harvest-v0", num_worlds=400, num_agents=2, regrow_mode="density", regrow_speed=0.25,
        regrow_rates=(1.0,), apple_density=0.0, regrow_sites_only=True,
    )  # fmt: skip
    world.reset()
    stock = world.step(np.zeros((400, 2), int)).events.stock.sum()
    free = 400 * 16 - sum(
        ((world.frame(b).pos >= 2) & (world.frame(b).pos < 6)).all(axis=1).sum() for b in range(400)
    )
    assert abs(stock - 0.25 * free) < 4 * np.sqrt(0.25 * 0.75 * free)


def test_e9_nothing_sprouts_while_waste_is_at_the_depletion_threshold():
    world = worlds.make(
        "harvest-v0", profile="dual_cleanup", num_worlds=100, waste_init_frac=0.4,
        waste_spawn_prob=0.0, apple_density=0.0, respawn_prob=1.0, max_steps=200,
        waste_depletion=10 / 26,
    )  # fmt: skip
    world.reset()
    noop, buffers = np.zeros((100, 5), int), world.empty_obs()
    for _ in range(100):  # 10^4 world-steps at rho = 10/26
        events = world.step(noop, buffers).events
        assert (events.waste == 10).all()
        assert not events.stock.any()


def test_e9_without_waste_sites_sprout_at_the_base_rate():
    """Binomial 99.9 % interval."""
    world = worlds.make(
        "harvest-v0", profile="dual_cleanup", num_worlds=2000, waste_spawn_prob=0.0,
        apple_density=0.0, respawn_prob=0.1, num_agents=2,
    )  # fmt: skip
    world.reset()
    pos = world.get_state()["pos"]
    on_site = ((pos >= 3) & (pos < 9)).all(axis=2).sum()
    tried = 2000 * 36 - on_site
    grown = world.step(np.zeros((2000, 2), int)).events.stock.sum()
    assert abs(grown / tried - 0.1) < 3.29 * np.sqrt(0.09 / tried)


@pytest.mark.parametrize(("wasted", "f_glob"), [(4, 1 - 4 / 26 / 0.4), (8, 1 - 8 / 26 / 0.4)])
def test_global_waste_holds_growth_back_linearly(wasted, f_glob):
    """Binomial 99.9 % interval."""
    world = worlds.make(
        "harvest-v0", profile="dual_cleanup", num_worlds=2000, waste_spawn_prob=0.0,
        waste_init_frac=wasted / 26, apple_density=0.0, respawn_prob=0.2, num_agents=2,
    )  # fmt: skip
    world.reset()
    pos = world.get_state()["pos"]
    tried = 2000 * 36 - ((pos >= 3) & (pos < 9)).all(axis=2).sum()
    p = 0.2 * f_glob
    grown = world.step(np.zeros((2000, 2), int)).events.stock.sum()
    assert abs(grown / tried - p) < 3.29 * np.sqrt(p * (1 - p) / tried)


def test_a_rate_above_one_is_multiplied_by_the_waste_factor_before_it_counts_as_certain():
    world = scene(
        [(0, 0, NORTH), (0, 1, NORTH)], waste=[(r, c) for r in range(2, 5) for c in range(5)],
        grid_size=5, waste_depletion=1.0, regrow_mode="density", regrow_rates=(1.0,),
        regrow_speed=2.5, regrow_sites_only=False,
    )  # fmt: skip
    act(world, NOOP, NOOP)  # F_glob = 1 - 15 / 25 = 0.4, p = 2.5 * 0.4
    assert (world.frame().cells == 1).sum() == 8  # every free cell


@pytest.mark.parametrize(("reach", "grows"), [(1, False), (2, True)])
def test_local_waste_holds_back_its_neighbours_only(reach, grows):
    ring = [
        (4 + y, 4 + x) for y in range(-2, 3) for x in range(-2, 3) if max(abs(y), abs(x)) == reach
    ]
    world = scene(
        [(0, 0, NORTH), (8, 8, NORTH)], waste=ring, waste_mode="local", waste_alpha=0.125,
        respawn_prob=1.0,
    )  # fmt: skip
    act(world, NOOP, NOOP)
    assert (world.frame().cells[4, 4] == 1) == grows


@pytest.mark.parametrize("delay", [1, 2, 7])
def test_with_a_delay_an_eaten_apple_is_back_after_exactly_that_many_steps(delay):
    world = scene(
        [(3, 3, EAST), (8, 8, NORTH)], apples=[(3, 4)], respawn_prob=0.0, respawn_delay=delay
    )
    state = world.get_state()
    state["wait"][:] = 1000  # the other sites stay bare
    world.set_state(state)
    out = act(world, FORWARD, NOOP)
    assert out.events.ate[0, 0]
    act(world, 2, NOOP)  # step back
    cells = [world.frame().cells[3, 4]]
    for _ in range(delay + 1):
        act(world, NOOP, NOOP)
        cells.append(world.frame().cells[3, 4])
    assert cells.index(1) == delay - 1  # cells[k] is the map k + 1 steps after the meal


def test_nothing_sprouts_under_an_agent_unless_allowed():
    for allowed in (False, True):
        world = scene([(3, 3, NORTH), (8, 8, NORTH)], respawn_prob=1.0, regrow_under_agent=allowed)
        act(world, NOOP, NOOP)
        assert (world.frame().cells[3, 3] == 1) == allowed
        assert world.frame().cells[3, 4] == 1


def test_waste_spawns_on_free_zone_cells_at_its_rate():
    """Binomial within 4 sigma."""
    world = worlds.make("harvest-v0", profile="dual_cleanup", num_worlds=3000)
    world.reset()
    waste = world.step(np.zeros((3000, 5), int)).events.waste
    assert abs(waste.sum() - 300) < 4 * np.sqrt(3000 * 0.09)
    for b in np.flatnonzero(waste):
        frame = world.frame(b)
        (cell,) = np.argwhere(frame.cells == 2)
        assert cell[0] < 2
        assert not (frame.pos == cell).all(axis=1).any()


def test_waste_spreads_only_to_free_cells_of_its_zone():
    world = scene(
        [(0, 0, NORTH), (8, 8, NORTH)], waste=[(1, 0)], waste_zone="strip", waste_strip_rows=2,
        waste_spread_prob=1.0,
    )  # fmt: skip
    act(world, NOOP, NOOP)  # (0, 0) is taken, (2, 0) outside the zone
    assert np.argwhere(world.frame().cells == 2).tolist() == [[1, 0], [1, 1]]


def test_e10_a_steady_cleaner_can_clean_what_is_spilled():
    """The waste that appears, and so the most that cooperation can reach, is p T per episode.

    One agent sweeps the row below the strip, facing north.  Spilled waste is binomial; 4 sigma.
    """
    B, T = 100, 250
    world = worlds.make("harvest-v0", profile="dual_cleanup", num_worlds=B, num_agents=2)
    world.reset()
    state = world.get_state()
    state["pos"][:, 0], state["head"][:, 0] = (2, 6), NORTH
    state["pos"][:, 1], state["head"][:, 1] = (12, 0), NORTH
    world.set_state(state)
    buffers = world.empty_obs()
    world.observe(buffers)
    cleaned, direction = 0, np.full(B, 4)
    for _ in range(T):
        ahead = buffers["grid"][:, 0, 1:4, 4, 2].any(axis=1)
        col = world.get_state()["pos"][:, 0, 1]
        direction = np.where(col == 12, 3, np.where(col == 0, 4, direction))
        actions = np.stack([np.where(ahead, 7, direction), np.zeros(B, int)], axis=1)
        events = world.step(actions, buffers).events
        cleaned += events.cleaned.sum()
    left = events.waste.sum()
    bound = 0.10 * B * T
    assert abs(cleaned + left - bound) < 4 * np.sqrt(B * T * 0.09)
    assert cleaned > 0.9 * bound


@pytest.mark.parametrize(
    ("params", "sites"),
    [
        ({"profile": "gathering"}, 16),
        ({"profile": "dual_cleanup"}, 36),
        ({"apple_layout": "two_patch", "patch_half": 1}, 8),
        ({"apple_layout": "patches", "n_patches": 1, "patch_half": 2}, 16),
        ({"apple_layout": "sites"}, 9),
        ({"apple_layout": "uniform", "num_agents": 2}, 81),
    ],
)
def test_layouts_have_their_number_of_sites(params, sites):
    world = worlds.make("harvest-v0", **params)
    world.reset()
    assert (world.get_state()["ground"] & 1).sum() == sites
    assert world.params.max_sites == sites


def test_random_patches_are_drawn_anew_for_each_episode():
    world = worlds.make("harvest-v0", apple_layout="patches", num_worlds=8, patch_half=1)
    seen = set()
    for _ in range(3):
        world.reset()
        seen |= {row.tobytes() for row in world.get_state()["ground"] & 1}
    assert len(seen) > 12


def test_density_of_the_first_apples():
    """Binomial within 4 sigma; agents avoid apples while there is empty ground."""
    world = worlds.make("harvest-v0", profile="karma_seed", num_worlds=300)
    world.reset()
    apples = (maps(world) == 1).sum()
    assert abs(apples - 0.65 * 36 * 300) < 4 * np.sqrt(36 * 300 * 0.65 * 0.35)


def test_a_map_full_of_apples_still_holds_its_agents():
    world = worlds.make("harvest-v0", apple_layout="uniform", grid_size=5, num_agents=25)
    world.reset()
    frame = world.frame()
    assert frame.present.all()
    assert len({tuple(p) for p in frame.pos.tolist()}) == 25
    assert not (frame.cells == 1).any()


def test_initial_waste_has_the_asked_size():
    world = worlds.make("harvest-v0", profile="karma_seed", num_worlds=20)
    world.reset()
    assert ((maps(world) == 2).sum(axis=(1, 2)) == round(0.1 * (225 - 36))).all()
