"""Rules, maps and parameters of the kinship world, each on a scene small enough to see through."""

import copy
import pickle

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.worlds.kinship_profiles import ENTRY
from karma_rllib.worlds.placement import Placement
from karma_rllib.worlds.rng import uniforms

NORTH, EAST, SOUTH, WEST = range(4)


class Scene:
    """One world on a drawn map, agents on the cells marked @ in reading order."""

    def __init__(self, drawing, heads=None, **params):
        drawing = "\n".join(line.strip() for line in drawing.strip().splitlines())
        rows = drawing.splitlines()
        at = [(r, c) for r, row in enumerate(rows) for c, x in enumerate(row) if x == "@"]
        params = {"view_radius": 2, "energy_start": 200.0, **params}
        self.world = worlds.make("kinship-v0", map=drawing, num_agents=len(at), **params)
        pos = np.array(at, np.int16)[None]
        head = np.array(heads or [NORTH] * len(at), np.int8)[None]
        self.obs = self.world.reset(placement=Placement(pos, head))
        self.names = list(self.world.action_names)

    def do(self, *acts):
        """One step; actions by name, no-op for agents that are not named."""
        acts = list(acts) + ["noop"] * (self.world.num_agents - len(acts))
        return self.world.step(np.array([[self.names.index(a) for a in acts]]), self.obs).events

    def energy(self, i=0):
        return float(self.world.frame().energy[i])

    def items(self, i=0):
        return self.world.frame().inventory[i].tolist()

    def tell(self, i, name):
        """An entry of agent i's vector."""
        return float(self.obs["vec"][0, i, self.world.vec_names.index(name)])


def test_diamond_charger_altar_is_a_heart():
    s = Scene("""
        G.A
        .@C
        ..#""", energy_start=50.0)  # fmt: skip
    s.do("move_forward")
    s.do("rotate_left")
    e = s.do("use")
    assert e.harvested[0, 0] == 1
    assert s.items() == [1]
    assert s.energy() == 48
    s.do("rotate_up")
    s.do("move_back")
    s.do("rotate_right")
    e = s.do("use")
    assert e.energy_charged[0, 0] == 10_000
    assert s.items() == [0]
    s.do("rotate_up")
    s.do("move_forward")
    s.do("rotate_right")
    before = s.energy()
    e = s.do("use")
    assert e.ate[0, 0]
    assert s.world._reward[0, 0] == 1
    assert s.energy() == before - 101  # the price and the cost of the action
    e = s.do("use")
    assert e.failed[0, 0]  # the altar pauses


def test_an_attack_reaches_the_columns_beside_the_one_ahead():
    s = Scene("""
        G@.
        @..""", heads=[WEST, NORTH], inventory_cap=2, generator_cooldown=0, freeze=3)  # fmt: skip
    for _ in range(2):
        s.do("use")
    s.do("noop", "move_back")
    assert s.items(0) == [2]
    s.do("noop", "rotate_right")
    e = s.do("noop", "attack_nearest")
    assert e.froze[0, 1, 0]  # one ahead, one to the left
    assert e.looted[0, 1] == 2
    assert e.energy_spent[0, 1] == 1000
    s.do("noop", "rotate_down")
    e = s.do("noop", "attack_nearest")
    assert not e.hit.any()
    assert e.energy_spent[0, 1] == 1000  # a miss costs as much


def test_loot_is_capped_and_a_second_hit_takes_nothing():
    s = Scene("@@", heads=[EAST, WEST], inventory_cap=3, freeze=4)
    state = s.world.get_state()
    state["inv"][0, :, 0] = [2, 3]
    s.world.set_state(state)
    e = s.do("attack_nearest")
    assert e.hit[0, 0, 1]
    assert e.froze[0, 0, 1]
    assert s.items(0) == [3]
    assert s.items(1) == [2]  # what did not fit stays
    assert s.energy(1) == 0
    s.do("noop", "rotate_up")
    assert s.world.frame().head[1] == WEST  # frozen agents do not act
    e = s.do("attack_nearest")
    assert e.hit[0, 0, 1]
    assert not e.froze[0, 0, 1]
    assert s.items(1) == [2]


def test_two_agents_may_freeze_each_other_and_loot_what_was_held_before():
    s = Scene("@@", heads=[EAST, WEST], inventory_cap=5)
    state = s.world.get_state()
    state["inv"][0, :, 0] = [2, 3]
    s.world.set_state(state)
    e = s.do("attack_nearest", "attack_2")
    assert e.hit[0].sum() == 2
    assert s.world.frozen.all()
    assert s.items(0) == [3]
    assert s.items(1) == [2]


def test_a_shield_absorbs_until_its_energy_is_gone():
    s = Scene("@@", heads=[EAST, WEST], energy_start=25.0, energy_floor=0.0, cost_attack=0.0)
    s.do("noop", "shield")
    assert s.energy(1) == 24
    e = s.do("attack_nearest")
    assert e.blocked[0, 0, 1]
    assert s.energy(1) == 13  # upkeep 1, damage 10
    s.do("attack_nearest")
    assert s.energy(1) == 2
    e = s.do("attack_nearest")
    assert e.froze[0, 0, 1]
    assert s.tell(1, "shield") == 0


def test_a_frozen_agent_loses_as_many_actions_as_it_says():
    s = Scene("@@", heads=[EAST, WEST], freeze=4)
    s.do("attack_nearest", "rotate_up")  # the first lost action
    for _ in range(3):
        assert s.world.frozen[0, 1]
        s.do("noop", "rotate_up")
    assert s.world.frame().head[1] == WEST
    s.do("noop", "rotate_up")
    assert s.world.frame().head[1] == NORTH


def test_gifts_move_only_what_the_receiver_can_hold():
    s = Scene("@@", heads=[EAST, WEST], energy_max=205.0, inventory_cap=1)
    e = s.do("gift_energy")
    assert e.gave_energy[0, 0] == 500
    assert e.gift_to[0, 0] == 1
    assert s.energy(0) == 194
    assert s.energy(1) == 205
    state = s.world.get_state()
    state["inv"][0, :, 0] = 1
    s.world.set_state(state)
    assert s.do("gift_diamond_1").failed[0, 0]
    state["inv"][0, :, 0] = [1, 0]
    s.world.set_state(state)
    s.do("gift_diamond_1")
    assert s.items(0) == [0]
    assert s.items(1) == [1]


def test_below_the_floor_energy_comes_back_one_by_one():
    s = Scene("@", energy_start=8.0)
    for expected in (9, 10, 10, 10):
        s.do("noop")
        assert s.energy() == expected


def test_an_action_without_the_energy_is_masked_and_fails():
    s = Scene("@.", heads=[EAST], energy_start=0.0, energy_floor=0.0)
    assert s.tell(0, "can_move_forward") == 0
    assert s.tell(0, "can_noop") == 1
    assert s.tell(0, "can_rotate_up") == 1  # costs nothing
    e = s.do("move_forward")
    assert e.failed[0, 0]
    assert tuple(s.world.frame().pos[0]) == (0, 0)


def test_a_free_altar_pays_until_its_hearts_are_gone():
    s = Scene("@h", heads=[EAST], free_hearts=2, energy_start=10.0)
    assert [bool(s.do("use").ate[0, 0]) for _ in range(4)] == [True, True, False, False]


def test_walls_break_blocks_are_built_and_swapped():
    s = Scene("@#.", heads=[EAST], destroy=True, wall_hp=2, build=True, cost_attack=1.0)
    s.do("attack_2")
    assert s.world.frame().cells[0, 1] == 1
    assert s.do("attack_2").destroyed[0, 0] == 1
    assert s.world.frame().cells[0, 1] == 0
    assert s.do("build").built[0, 0]
    assert s.world.frame().cells[0, 1] == 2
    assert s.do("swap").swapped[0, 0]
    assert s.world.frame().cells[0].tolist() == [2, 0, 0]
    assert tuple(s.world.frame().pos[0]) == (0, 1)


def test_the_bonus_recipe_takes_one_of_each_kind_and_pays_threefold():
    s = Scene("""
        1@2
        CCC""", heads=[WEST], kinds=2, energy_start=10.0, energy_max=1000.0)  # fmt: skip
    s.do("use")
    s.do("rotate_right")
    s.do("use")
    s.do("rotate_down")  # the middle charger takes the second kind: dealt in reading order
    assert s.items() == [1, 1]
    e = s.do("use")
    assert e.consumed[0, 0] == 1
    assert e.energy_charged[0, 0] == 10_000
    state = s.world.get_state()
    state["inv"][0, 0] = 1
    state["o_kind"][0, 3] = 2
    state["o_wait"][:] = 0
    s.world.set_state(state)
    e = s.do("use")
    assert e.consumed[0, 0] == 2
    assert e.energy_charged[0, 0] == 30_000


def test_a_station_takes_all_its_inputs_and_anyone_takes_its_outputs():
    mill = {"name": "mill", "takes": {"diamond_1": 2}, "gives": {"flour": 3}, "ticks": 2,
            "cooldown": 1}  # fmt: skip
    s = Scene("@S@", heads=[EAST, WEST], stations=(mill,), items=("flour",), inventory_cap=2)
    assert s.do("put").failed[0, 0]
    state = s.world.get_state()
    state["inv"][0, 0, 0] = 2
    s.world.set_state(state)
    assert s.do("put").consumed[0, 0] == 2
    s.do()
    assert s.do("noop", "get").produced[0, 1] == 2  # as far as it can hold them
    assert s.do("get").produced[0, 0] == 1


def test_kin_shows_on_the_cell_of_each_visible_agent():
    s = Scene("@.@", heads=[EAST, WEST])
    s.world.kin[0] = [[255, 64], [128, 255]]
    s.do()
    kin = s.obs["grid"][0, :, :, :, s.world.plane_names.index("kin")]
    assert kin[0, 2, 4] == 64
    assert kin[1, 2, 0] == 128
    assert (kin > 0).sum() == 2  # not on oneself


def test_the_view_turns_with_the_agent_if_it_is_told_to():
    s = Scene("@G", heads=[EAST], egocentric_rotate=True)
    plane = s.obs["grid"][0, 0, :, :, s.world.plane_names.index("generator")]
    assert np.argwhere(plane).tolist() == [[1, 2]]  # straight ahead


def test_a_short_sighted_body_sees_less():
    owl = {"name": "owl", "view": 1}
    s = Scene("@.G", heads=[EAST], custom_bodies=(owl,), bodies=("owl",))
    assert s.obs["grid"][0, 0, :, 0].sum() == 0
    assert s.obs["grid"][0, 0, :, :, s.world.plane_names.index("generator")].sum() == 0
    assert s.obs["grid"][0, 0, 1, 2, 0] == 1  # the wall next to it


def test_prestige_pays_for_rank_and_sums_to_nothing():
    s = Scene("@h@@", heads=[EAST] * 3, prestige=0.5, prestige_every=2)
    s.do("use")
    s.do()
    assert s.world._reward[0].tolist() == [0.5, -0.25, -0.25]


def test_the_mortal_leave_the_map_for_the_episode():
    s = Scene("@@", heads=[EAST, WEST], mortal=True)
    s.do("attack_nearest")
    assert not s.world.frame().present[1]
    assert s.world.frozen.tolist() == [[False, True]]
    s.do("move_forward", "move_forward")
    assert tuple(s.world.frame().pos[0]) == (0, 1)
    assert s.obs["grid"][0, 1].sum() == 0


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"map": "@x"}, "unknown letter 'x' in row 1, column 2"),
        ({"map": " \n"}, "map has no cells"),
        ({"map": "@#"}, "num_agents=6 must be at most 1: the map has no more free"),
        ({"map": "......3"}, "generator of kind 3"),
        ({"map": "......S"}, "stations is empty"),
        ({"grid_size": 5, "generators": 30}, "do not fit"),
        ({"grid_size": 101}, r"grid_size=101 must lie in \[3, 100\]"),
        ({"num_agents": 65}, r"must lie in \[1, 64\]"),
        ({"bodies": ("wolf",)}, "unknown body 'wolf'"),
        ({"cost_move": 0.001}, "multiple of 0.01"),
        ({"energy_start": 300.0}, "at most energy_max"),
        ({"layout": "mazes"}, "did you mean 'maze'"),
        ({"generatrs": 1}, "did you mean 'generators'"),
        ({"item_rewards": (1.0, 2.0)}, "2 entries for 1 items"),
        ({"stations": ({"name": "mill", "takes": {"rye": 1}},)}, "item 'rye' that does not exist"),
    ],
)
def test_bad_parameters_are_one_sentence(params, words):
    with pytest.raises(ValueError, match=words) as caught:
        ENTRY.resolve("hearth", params)
    assert "\n" not in str(caught.value)


def test_maps_come_from_seeds():
    def cells(seed, uid=0):
        world = worlds.make("kinship-v0", seed=seed, first_uid=uid, layout="maze", grid_size=21)
        world.reset()
        first = world.frame().cells
        world.reset()
        return first.tobytes(), world.frame().cells.tobytes()

    assert cells(1) == cells(1)
    assert len({*cells(1), *cells(2), *cells(1, uid=5)}) == 6


@pytest.mark.parametrize("size", [3, 100])
def test_the_smallest_and_the_largest_world_run(size):
    small = {"generators": 1, "chargers": 0, "altars": 0, "num_agents": 1} if size == 3 else {}
    world = worlds.make("kinship-v0", grid_size=size, **({"num_agents": 64} | small))
    obs = world.reset()
    for a in range(world.num_actions):
        world.step(np.full((1, world.num_agents), a), obs)


def test_a_copy_of_a_world_lives_on_independently():
    world = worlds.make("kinship-v0", num_worlds=2, profile="rich", seed=3)
    world.reset()
    rng = np.random.default_rng(0)
    moves = rng.integers(0, world.num_actions, (60, 2, world.num_agents))
    for a in moves[:30]:
        world.step(a)
    for clone in (copy.deepcopy(world), pickle.loads(pickle.dumps(world))):
        shown, again = world.observe(), clone.observe()
        np.testing.assert_array_equal(shown["grid"], again["grid"])
        np.testing.assert_array_equal(shown["vec"], again["vec"])
    other = copy.deepcopy(world)
    for a in moves[30:]:
        one, two = world.step(a), other.step(a)
        np.testing.assert_array_equal(one.obs["grid"], two.obs["grid"])
        np.testing.assert_array_equal(one.reward, two.reward)


@pytest.mark.parametrize("profile", worlds.list_profiles("kinship-v0"))
def test_a_world_depends_neither_on_its_batch_nor_on_threads(profile):
    def life(num_worlds, first_uid, num_threads):
        world = worlds.make(
            "kinship-v0", num_worlds=num_worlds, first_uid=first_uid, num_threads=num_threads,
            profile=profile, seed=9, max_steps=25,
        )  # fmt: skip
        tale, obs = [], world.reset()
        for t in range(40):
            u = uniforms(7, world.uid, np.full(num_worlds, t), world.num_agents)
            out = world.step((u * world.num_actions).astype(int), obs)
            b = 5 - first_uid
            tale += [obs["grid"][b].tobytes(), obs["vec"][b].tobytes(), out.reward[b].tobytes()]
            tale += [field[b].tobytes() for field in out.events]
            if out.truncated.any():
                world.reset(out.truncated, out=obs)
        return tale

    alone = life(1, 5, 1)
    assert alone == life(7, 2, 1)
    assert alone == life(7, 0, 3)


def test_a_map_can_say_who_starts_where_and_looks_where():
    drawing = ">.v\n...\n^.<"
    world = worlds.make("kinship-v0", num_worlds=8, map=drawing, num_agents=4, fixed_starts=True)
    world.reset()
    for b in range(8):
        frame = world.frame(b)
        assert frame.pos.tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]
        assert frame.head.tolist() == [EAST, SOUTH, NORTH, WEST]
    world = worlds.make("kinship-v0", num_worlds=8, map=drawing, num_agents=4)
    world.reset()
    first = {tuple(world.frame(b).pos[0]) for b in range(8)}
    assert len(first) > 1  # otherwise any start
    heads = {(0, 0): EAST, (0, 2): SOUTH, (2, 0): NORTH, (2, 2): WEST}
    for b in range(8):
        frame = world.frame(b)
        assert [heads[tuple(at)] for at in frame.pos.tolist()] == frame.head.tolist()


def test_letters_choose_the_recipe_of_a_charger_and_the_station():
    mill = {"name": "mill", "takes": {"diamond_1": 1}}
    well = {"name": "well", "gives": {"diamond_1": 1}}
    params = {"kinds": 2, "stations": (mill, well), "num_agents": 1}
    world = worlds.make("kinship-v0", map="@cba65", **params)
    world.reset()
    assert world.frame().kind[0].tolist() == [-1, 2, 1, 0, 1, 0]
    with pytest.raises(ValueError, match=r"station 3 in row 1, column 2, and 2 stations are desc"):
        worlds.make("kinship-v0", map="@7", **params)
    with pytest.raises(ValueError, match=r"charger of recipe 4 in row 1, column 2, and kinds=2"):
        worlds.make("kinship-v0", map="@d", **params)


def test_altars_take_turns_and_nothing_shows_whose_turn_it_is():
    seen = []
    for seed in range(6):
        params = {"altar_turns": 5, "altar_cost": 0.0, "altar_cooldown": 0, "cost_use": 0.0}
        world = worlds.make(
            "kinship-v0", map="A>A", num_agents=1, seed=seed, max_steps=20, view_radius=2, **params
        )
        start = world.reset()["grid"]
        assert start[0, 0, 2, 1].tolist() == start[0, 0, 2, 3].tolist()
        use = world.action_names.index("use")
        took = [bool(world.step(np.array([[use]])).events.ate[0, 0]) for _ in range(20)]
        assert took[:5] == took[10:15] != took[5:10] == took[15:]
        assert len(set(took[:5])) == 1
        seen.append(took[0])
        assert world.live[0].tolist() == ([0, 2] if took[-1] else [0, 0])
    assert len(set(seen)) == 2


def test_a_body_may_be_kept_from_machines_and_begin_with_energy_of_its_own():
    cook = {"name": "cook", "can_harvest": False, "start_energy": 7.0}
    digger = {"name": "digger", "can_charge": False}
    s = Scene("""
        G@C
        A@G""", heads=[WEST, WEST], bodies=("cook", "digger"), custom_bodies=(cook, digger),
        items_start=(2,), altar_cost=0.0)  # fmt: skip
    assert [s.energy(0), s.energy(1)] == [7, 200]
    assert s.items(0) == s.items(1) == [2]
    e = s.do("use", "use")
    assert e.failed[0].tolist() == [True, True]
    s.do("rotate_right", "rotate_right")
    e = s.do("use", "use")
    assert e.energy_charged[0].tolist() == [10_000, 0]
    assert e.harvested[0].tolist() == [0, 1]


def test_more_at_the_start_than_can_be_held_is_refused():
    with pytest.raises(ValueError, match="must hold numbers from 0 to inventory_cap=5"):
        worlds.make("kinship-v0", items_start=(6,))
    with pytest.raises(ValueError, match="items_start has 2 entries for 1 items"):
        worlds.make("kinship-v0", items_start=(1, 1))
