"""Scripted players of the harvest world do what they are named for."""

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.envs.bots import BOTS, begin, list_bots, make_bot
from karma_rllib.worlds import harvest_state as h

B, T = 8, 120
COUNTS = ("hits", "cleaned", "eaten", "fired")


def play(names, profile="gathering", seed=0, steps=T, **params):
    """Counts (B, N) per event, and rewards, of one player per seat."""
    world = worlds.make("harvest-v0", num_worlds=B, seed=seed, profile=profile, **params)
    bots = [make_bot(name, world, seed) for name in names]
    obs, counts = world.reset(), {key: np.zeros((B, world.num_agents)) for key in COUNTS}
    reward = np.zeros((B, world.num_agents))
    states = [bot.initial_state(B) for bot in bots]
    for _ in range(min(steps, world.max_steps)):
        actions = np.zeros((B, world.num_agents), np.int64)
        for i, bot in enumerate(bots):
            seen = {key: rows[:, i] for key, rows in obs.items()}
            actions[:, i], states[i] = bot.step(seen, states[i])
        obs, got, _, events = world.step(actions)
        reward += got
        found = (events.hit.sum(-1), events.cleaned, events.ate, events.fired)
        for key, value in zip(COUNTS, found, strict=True):
            counts[key] += value
    return counts, reward


def board(world, agents, apples=(), waste=()):
    """One world with agents at (row, col, heading) and nothing else but what is named."""
    world.reset()
    state = world.get_state()
    G = world.params.grid_size
    cells = np.zeros((G, G), np.uint8)
    for row, col in apples:
        cells[row, col] = h.APPLE
    for row, col in waste:
        cells[row, col] = h.WASTE
    P = G + 2 * h.RIM
    whole = state["cell"][0, : P * P].reshape(P, P).copy()
    whole[h.RIM : -h.RIM, h.RIM : -h.RIM] = cells
    state["cell"][0, : P * P] = whole.ravel()
    for i, (row, col, head) in enumerate(agents):
        state["pos"][0, i], state["head"][0, i] = (row, col), head
    world.set_state(state)
    return {key: rows[0] for key, rows in world.observe().items()}


def single(profile="gathering", **params):
    """A world of two agents, so that a scripted board says it all."""
    return worlds.make("harvest-v0", profile=profile, num_agents=2, **params)


def choice(name, world, obs, **feel):
    """What agent 0 does first."""
    bot = make_bot(name, world)
    mine = {key: rows[:1].copy() for key, rows in obs.items()}
    for key, value in feel.items():
        mine["vec"][:, world.vec_names.index(key)] = value
    actions, _ = bot.step(mine, bot.initial_state(1))
    return world.action_names[actions[0]]


@pytest.mark.parametrize(
    ("apple", "move"),
    [((2, 4), "forward"), ((7, 4), "backward"), ((4, 2), "left"), ((4, 7), "right")],
)
@pytest.mark.parametrize("name", ["forager", "free_rider", "bully", "avenger"])
def test_whoever_eats_walks_to_the_apple_it_sees(name, apple, move):
    world = single()
    assert choice(name, world, board(world, [(4, 4, 0), (0, 0, 0)], [apple])) == move


def test_a_forager_walks_around_what_stands_in_its_way():
    world = single("dual_cleanup")
    obs = board(world, [(6, 6, 0), (12, 12, 0)], [(4, 6)], [(5, 6), (5, 5), (5, 4)])
    assert choice("forager", world, obs) == "right"


@pytest.mark.parametrize(
    ("rival", "act"),
    [((2, 4), "zap"), ((6, 4), "turn_right"), ((4, 2), "turn_left"), ((4, 6), "turn_right")],
)
def test_a_bully_zaps_who_is_ahead_and_turns_to_who_is_beside(rival, act):
    world = single()
    obs = board(world, [(4, 4, 0), (*rival, 0)], [(3, 3)])
    assert choice("bully", world, obs) == act
    assert choice("avenger", world, obs) == choice("forager", world, obs)


def test_a_cleaner_removes_waste_but_not_through_an_agent():
    world = single("dual_cleanup")
    assert choice("cleaner", world, board(world, [(4, 4, 0), (9, 9, 0)], [], [(1, 4)])) == "zap"
    blocked = board(world, [(4, 4, 0), (2, 4, 0)], [], [(1, 4)])
    assert choice("cleaner", world, blocked) != "zap"


def test_a_free_rider_waits_where_it_saw_apples_and_a_forager_does_not():
    world = single()
    bot, rows = make_bot("free_rider", world), board(world, [(4, 4, 0), (0, 0, 0)], [(4, 5)])
    mine = {key: x[:1] for key, x in rows.items()}
    _, state = bot.step(mine, bot.initial_state(1))
    bare = {key: x[:1] for key, x in board(world, [(4, 5, 0), (0, 0, 0)]).items()}
    for _ in range(10):
        action, state = bot.step(bare, state)
        assert world.action_names[action[0]] == "noop"
    assert choice("forager", world, bare) != "noop"


def test_an_avenger_strikes_back_at_whoever_struck_it_and_then_forgets():
    world = single(obs_identity="onehot")
    bot = make_bot("avenger", world)
    obs = board(world, [(4, 4, 0), (2, 4, 2)])
    vec = {name: k for k, name in enumerate(world.vec_names)}
    mine = {key: x[:1].copy() for key, x in obs.items()}
    state = bot.initial_state(1)
    calm, state = bot.step(mine, state)
    assert world.action_names[calm[0]] != "zap"
    mine["vec"][0, vec["was_hit"]] = 1
    struck, state = bot.step(mine, state)
    assert world.action_names[struck[0]] == "zap"
    assert state.memory["owed"][0].tolist() == [0, 1]
    mine["vec"][0, [vec["was_hit"], vec["hit_agent"]]] = 0, 1
    after, state = bot.step(mine, state)
    assert world.action_names[after[0]] != "zap"
    assert state.memory["owed"].sum() == 0


def test_peaceful_bots_never_fire_and_avengers_among_them_neither():
    for names in (["forager"] * 4, ["free_rider"] * 4, ["avenger"] * 4):
        counts, _ = play(names)
        assert counts["fired"].sum() == 0


def test_a_bully_hits_more_than_anyone_and_an_avenger_only_because_of_it():
    counts, reward = play(["bully", "avenger", "forager", "forager"])
    hits = counts["hits"].mean(0)
    assert hits[0] > 2
    assert hits[1] > 0
    assert hits[2:].sum() == 0
    _, alone = play(["bully", "forager", "forager", "forager"])
    assert alone[:, 0].mean() > 1.5 * alone[:, 1:].mean()  # harm pays while nobody hits back
    assert reward[:, 0].mean() < alone[:, 0].mean()


def test_a_cleaner_removes_more_waste_than_all_others_and_free_riders_eat_more():
    counts, reward = play(
        ["cleaner", "free_rider", "free_rider", "forager", "bully"], "dual_cleanup"
    )
    cleaned = counts["cleaned"].mean(0)
    assert cleaned[0] > 5 * cleaned[1:].sum()
    _, reward = play(["cleaner"] + ["free_rider"] * 4, "dual_cleanup", steps=250)
    assert reward[:, 1:].mean() > reward[:, 0].mean()


def test_a_tit_for_tat_cleaner_cleans_more_among_cleaners_than_among_free_riders():
    among = {}
    for other in ("cleaner", "free_rider"):
        counts, _ = play(
            ["tit_for_tat"] + [other] * 4,
            "dual_cleanup",
            waste_spawn_prob=0.3,
            reward_zap_waste=0.1,
            steps=250,
        )
        among[other] = counts["cleaned"][:, 0].mean()
    assert among["free_rider"] <= 5  # its goodwill
    assert among["cleaner"] > 1.5 * among["free_rider"]


def test_an_oracle_eats_more_than_foragers_and_keeps_a_commons_that_they_ruin():
    _, reward = play(["oracle", "forager", "forager", "forager"], view_radius=8)
    assert reward[:, 0].mean() > 1.5 * reward[:, 1:].mean()
    small = {"view_radius": 11, "grid_size": 12, "steps": 200}
    kept, _ = play(["oracle"] * 5, "karmic_seed", **small)
    ruined, _ = play(["forager"] * 5, "karmic_seed", **small)
    assert kept["eaten"].mean() > 1.5 * ruined["eaten"].mean()


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("oracle", {}, "must see the whole map, but view_radius is 3: set it to 8"),
        ("cleaner", {}, "needs waste, but waste_mode is 'none' in profile 'gathering'"),
        ("avenger", {"feedback_flags": False}, "cannot feel whether it was hit"),
        ("tit_for_tat", {"profile": "dual_cleanup", "obs_mode": "full_grid"}, "others clean"),
        ("forager", {"move_frame": "absolute"}, "cannot see where north is"),
        ("bully", {"obs_mode": "full_grid", "full_grid_fix": False}, "cannot find itself"),
        ("foragre", {}, "there is no bot 'foragre' in harvest-v0: did you mean 'forager'"),
    ],
)
def test_a_bot_that_cannot_see_what_it_needs_refuses_in_a_sentence(name, params, says):
    world = worlds.make("harvest-v0", **params)
    with pytest.raises(ValueError, match=says):
        make_bot(name, world)


def test_all_observation_modes_give_the_same_play():
    """With the same chances, the same world seen in other coordinates is played alike."""
    played = [
        play(["bully", "forager", "free_rider", "forager"], **params)[1]
        for params in (
            {},
            {"obs_mode": "full_grid"},
            {"obs_mode": "full_grid", "move_frame": "absolute"},
        )
    ]
    np.testing.assert_array_equal(played[0], played[1])
    np.testing.assert_array_equal(played[0], played[2])


@pytest.mark.parametrize("name", [n for n in list_bots("harvest-v0") if n != "oracle"])
def test_bots_are_pure_and_a_row_acts_alike_in_any_batch(name):
    world = worlds.make("harvest-v0", num_worlds=4, profile="dual_cleanup")
    obs = {key: x.reshape(20, *x.shape[2:]) for key, x in world.reset().items()}
    bot, rows = make_bot(name, world, seed=3), np.arange(20) + 100
    before = {key: x.copy() for key, x in obs.items()}
    state = begin(bot, rows)
    actions, after = bot.step(obs, state)
    again, _ = bot.step(obs, state)
    np.testing.assert_array_equal(actions, again)
    some = np.array([3, 17])
    alone, _ = bot.step({key: x[some] for key, x in obs.items()}, begin(bot, rows[some]))
    np.testing.assert_array_equal(alone, actions[some])
    np.testing.assert_array_equal(after.steps, 1)
    for key, x in obs.items():
        np.testing.assert_array_equal(x, before[key])


def test_every_listed_bot_of_every_world_can_be_made():
    assert set(BOTS) == set(worlds.list_worlds())
    for name in worlds.list_worlds():
        whole = {"view_radius": 12, "profile": "dual_cleanup"} if name == "harvest-v0" else {}
        world = worlds.make(name, **whole)
        assert "random" in list_bots(name)
        for bot in list_bots(name):
            make_bot(bot, world)
