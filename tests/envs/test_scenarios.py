"""Scenarios can be solved, cannot be solved by chance, and ask for what they say they ask for."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib import worlds
from karma_rllib.envs import scenarios
from karma_rllib.envs.suites import paths
from karma_rllib.envs.suites.canvas import AHEAD
from karma_rllib.envs.suites.oracles import BOTS, ORACLES, random_player
from karma_rllib.envs.suites.paths import FAR, Stage
from karma_rllib.envs.suites.play import play
from karma_rllib.envs.suites.scenario import SEEDS, SOLVED, measures

NAMES = list(scenarios.scenarios())


def scores(name, maker):
    """Score over all seeds."""
    scenario = scenarios.scenario(name)
    results = [play(scenario, seed, maker, BOTS) for seed in SEEDS]
    return scenario.score([r.raw for r in results], [r.group for r in results])


LONG = {"labyrinth_33", "spiral", "scarce_3", "arena_half", "team_4v4"}
ALL = [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in NAMES]


@pytest.mark.parametrize("name", ALL)
def test_the_oracle_solves_it_and_random_play_is_well_below(name):
    oracle = scores(name, ORACLES[scenarios.scenario(name).oracle])
    random = scores(name, random_player)
    assert oracle >= SOLVED
    assert random <= oracle / 2


@pytest.mark.parametrize("name", sorted(LONG))
def test_the_oracle_solves_the_first_seeds_of_long_scenarios(name):
    scenario = scenarios.scenario(name)
    raws = [play(scenario, seed, ORACLES[scenario.oracle], BOTS).raw for seed in range(3)]
    assert np.mean(raws) >= SOLVED


# --- generators --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_one_episode_and_another_seed_another(name):
    scenario = scenarios.scenario(name)
    assert scenario.episode(3) == scenario.episode(3)
    assert len({str(scenario.episode(seed).params) for seed in range(8)}) > 1
    for seed in SEEDS:
        worlds.resolve_params(scenario.world, **scenario.episode(seed).params)


RATIOS = {"navigation": 4, "maze": 5, "memory": 1.4}


@pytest.mark.parametrize("name", [n for n in NAMES if scenarios.scenario(n).suite in RATIOS])
def test_the_time_is_the_shortest_plan_times_the_ratio_of_the_suite(name):
    if name.startswith(("recipe", "reversal")):
        return
    scenario = scenarios.scenario(name)
    for seed in SEEDS:
        episode = scenario.episode(seed)
        assert len(episode.plan) == episode.shortest
        assert episode.params["max_steps"] == int(
            np.ceil(RATIOS[scenario.suite] * len(episode.plan))
        )


HEARTH = worlds.make("kinship-v0")
OTHER_FACE = {"bonus_charger", "recipe_k2_s1", "recipe_k3_s2", "relay", "rescue"}
OTHER_FACE |= {"predator", "prey"}


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_trained_in_the_default_profile_can_play_all_but_a_few(name):
    scenario = scenarios.scenario(name)
    world = worlds.make(scenario.world, **scenario.episode(0).params)
    same = world.obs_shapes == HEARTH.obs_shapes and world.action_names == HEARTH.action_names
    assert same == (name not in OTHER_FACE)


# --- what the scenarios of memory ask for ------------------------------------------------------


@pytest.mark.parametrize("name", ["cue_10", "cue_25", "return_home", "marker_cue"])
def test_there_is_no_time_for_the_wrong_side_first(name):
    for seed in range(4):
        episode = scenarios.scenario(name).episode(seed)
        rows = [list(row) for row in episode.params["map"].splitlines()]
        free = np.isin(np.array(rows), list(".^"))
        (start,) = np.argwhere(np.array(rows) == "^").tolist()
        (goal,) = (n for n in np.argwhere(np.isin(np.array(rows), list("hA"))).tolist()
                   if name != "marker_cue" or rows[n[0]][n[1]] == "h")  # fmt: skip
        wrong = (goal[0], len(rows[0]) - 1 - goal[1])
        if name == "marker_cue":
            look = Stage((wrong,))
        else:  # far enough down the wrong way to see that nothing is at its end
            look = Stage(((goal[0] - 4, wrong[1]),))
            free[goal[0] - 4, wrong[1]] = True
        detour = paths.length(free, (*start, 0), [look, Stage((tuple(goal),))])
        assert detour > episode.params["max_steps"]


def test_the_altars_of_the_marker_cue_look_alike_and_the_machine_behind_tells():
    machines = set()
    for seed in range(8):
        episode = scenarios.scenario("marker_cue").episode(seed)
        world = worlds.make("kinship-v0", **{**episode.params, "view_radius": 12})
        seen = world.reset()["grid"][0, 0]
        altars = np.argwhere(seen[..., world.plane_names.index("altar")])
        assert len(altars) == 2
        assert (seen[tuple(altars[0])] == seen[tuple(altars[1])]).all()
        behind = seen[14, 12]
        generator = bool(behind[world.plane_names.index("generator")])
        assert generator != bool(behind[world.plane_names.index("charger")])
        machines.add((generator, episode.params["map"].splitlines()[0][0] == "h"))
    assert machines == {(True, True), (False, False)}


def test_the_looks_of_a_recipe_say_nothing():
    seen = {
        tuple(station["name"] for station in scenarios.scenario("recipe_k2_s1").episode(seed)
              .params["stations"])
        for seed in range(32)
    }  # fmt: skip
    assert len(seen) == 6


def test_staying_at_one_altar_gives_half_of_the_reversal():
    for seed in range(4):
        episode = scenarios.scenario("reversal").episode(seed)
        hearts = sum(action == "use" for action in episode.plan)
        assert hearts == episode.possible
        assert 18 <= hearts <= 21


# --- what the scenarios of cooperation ask for -------------------------------------------------


def played(name, seed, maker, *, silent=None):
    """Hearts of a scenario's oracle when one verb does nothing."""
    scenario = scenarios.scenario(name)

    class Muted:
        def __init__(self, world, episode, agents):
            self.inner = maker(world, episode, agents)
            self.off = [n for n, a in enumerate(world.action_names) if a.startswith(silent or "?")]

        def initial_state(self, n):
            return self.inner.initial_state(n)

        def step(self, obs, state):
            actions, state = self.inner.step(obs, state)
            return np.where(np.isin(actions, self.off), 0, actions), state

    return play(scenario, seed, Muted, BOTS).tally.hearts.sum(0)


@pytest.mark.parametrize(("name", "hearts"), [("relay", 0), ("rescue", 1), ("signal_3", 0)])
def test_without_gifts_or_markers_there_is_no_way(name, hearts):
    maker = ORACLES[scenarios.scenario(name).oracle]
    verb = "mark" if name == "signal_3" else "gift"
    for seed in range(3):
        assert played(name, seed, maker).sum() == scenarios.scenario(name).episode(seed).possible
        assert played(name, seed, maker, silent=verb).sum() <= hearts


def test_the_listener_cannot_see_what_the_speaker_sees():
    frames = {}
    for seed in range(12):
        episode = scenarios.scenario("signal_3").episode(seed)
        world = worlds.make("kinship-v0", **episode.params)
        seen = world.reset()["grid"][0]
        frames.setdefault(episode.notes["live"], []).append((seen[0].tobytes(), seen[1].tobytes()))
    assert len(frames) == 3
    assert len({listener for pairs in frames.values() for listener, _ in pairs}) == 1
    assert len({speaker for pairs in frames.values() for _, speaker in pairs}) == 3


@pytest.mark.parametrize("name", ["disperse_4", "disperse_8"])
def test_nobody_has_time_for_two_altars(name):
    for seed in SEEDS:
        result = play(scenarios.scenario(name), seed, ORACLES["disperse"], BOTS)
        assert (result.tally.hearts.sum(0) == 1).all()


# --- what the scenarios of competition ask for -------------------------------------------------


@pytest.mark.parametrize("suite", ["competition"])
def test_every_kind_of_rival_is_met_in_every_seat(suite):
    for scenario in scenarios.suite(suite):
        met = {(e.group, e.seats) for e in map(scenario.episode, SEEDS)}
        assert {group for group, _ in met} == {"random", "forager", "raider"}
        seatings = {tuple(seat == "focal" for seat in seats) for _, seats in met}
        assert len(seatings) == {"predator": 1, "prey": 1, "scarce_3": 3}.get(scenario.name, 2)
        assert all(set(seats) == {"focal", group} for group, seats in met)


def test_a_forager_among_foragers_gets_its_share_of_the_arena():
    arena = scenarios.scenario("arena_half")
    seeds = [seed for seed in SEEDS if arena.episode(seed).group == "forager"]
    shares = [play(arena, seed, BOTS["forager"], BOTS).raw for seed in seeds]
    assert 0.35 < np.mean(shares) < 0.65


# --- scores and names --------------------------------------------------------------------------


def test_chance_is_taken_off_and_groups_count_alike():
    cue = scenarios.scenario("cue_10")
    assert cue.score([1, 1, 0, 0]) == 0
    assert cue.score([1, 1, 1, 0]) == 0.5
    assert cue.score([0, 0]) == 0
    far = scenarios.scenario("open_far")
    assert far.score([1, 1, 1, 0], ["a", "a", "a", "b"]) == 0.5


def test_the_way_of_an_oracle_is_as_long_as_it_must_be_and_a_detour_counts_less():
    near = scenarios.scenario("open_near")
    episode = near.episode(0)
    straight = play(near, 0, ORACLES["plan"], BOTS).tally
    assert measures(episode, straight, 1.0)["spl"] == 1
    late = replace(straight, rewards=np.roll(straight.rewards, 5, 0))
    assert measures(episode, late, 1.0)["spl"] == episode.shortest / (episode.shortest + 5)
    half = measures(episode, straight, 2 / 3)["spl"]  # more was to be had: all steps count
    assert half == 2 / 3 * episode.shortest / episode.params["max_steps"]


def test_equal_shares_have_no_gini_and_one_owner_of_four_three_quarters():
    commons = scenarios.scenario("commons")
    tally = play(commons, 0, ORACLES["farmers"], BOTS).tally
    for hearts, gini in (([3, 3, 3, 3], 0.0), ([0, 12, 0, 0], 0.75)):
        told = measures(commons.episode(0), replace(tally, hearts=np.array([hearts])), 1.0)
        assert told["gini"] == gini


def test_a_recipe_found_late_shows_in_the_second_half():
    recipe = scenarios.scenario("recipe_k2_s1")
    tally = play(recipe, 0, ORACLES["plan"], BOTS).tally
    early = tally.rewards.copy()
    early[: len(early) // 2] = 0
    assert measures(recipe.episode(0), replace(tally, rewards=early), 1.0)["late_minus_early"] > 0


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown scenario 'cue_11': did you mean 'cue_10'"):
        scenarios.scenario("cue_11")
    with pytest.raises(ValueError, match="unknown suite 'mazes': did you mean 'maze'"):
        scenarios.suite("mazes")


# --- the planner ---------------------------------------------------------------------------------


def brute_force(free, start, stages):
    """Breadth-first search over (pose, stages done), written from the rules alone."""
    queue, seen = deque([(start, 0, 0)]), {(start, 0)}
    while queue:
        (row, col, head), done, steps = queue.popleft()
        if done == len(stages):
            return steps
        holes = {s.cells[0] for s in stages[:done] if s.clears}

        def open_at(cell, holes=holes):
            inside = 0 <= cell[0] < free.shape[0] and 0 <= cell[1] < free.shape[1]
            return inside and (free[cell] or cell in holes)

        down, right = AHEAD[head]
        ahead, back = (row + down, col + right), (row - down, col - right)
        after = [((row, col, turn), done) for turn in range(4)]
        after += [((*cell, head), done) for cell in (ahead, back) if open_at(cell)]
        if ahead in stages[done].cells:
            stand = ahead if stages[done].enters else (row, col)
            after.append(((*stand, head), done + 1))
        for state in after:
            if state not in seen:
                seen.add(state)
                queue.append((*state, steps + 1))
    return None


@st.composite
def puzzles(draw):
    """A tiny map, a start and stages."""
    rows, cols = draw(st.integers(2, 4)), draw(st.integers(2, 5))
    free = np.array(draw(st.lists(st.booleans(), min_size=rows * cols, max_size=rows * cols)))
    free = free.reshape(rows, cols)
    cells = st.tuples(st.integers(0, rows - 1), st.integers(0, cols - 1))
    start = (*draw(cells), draw(st.integers(0, 3)))
    free[start[:2]] = True
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["use", "break", "swap"]))
        if kind == "use":
            stages.append(Stage(tuple(draw(st.lists(cells, min_size=1, max_size=3)))))
        else:
            stages.append(Stage((draw(cells),), kind, clears=True, enters=kind == "swap"))
    return free, start, stages


@settings(max_examples=200, deadline=None)
@given(puzzles())
def test_a_plan_is_as_short_as_the_shortest_that_a_plain_search_finds(puzzle):
    free, start, stages = puzzle
    shortest = brute_force(free, start, stages)
    if shortest is None:
        assert paths.length(free, start, stages) >= FAR
        with pytest.raises(ValueError, match="no way leads"):
            paths.plan(free, start, stages)
    else:
        found = paths.plan(free, start, stages)
        assert len(found.actions) == shortest == paths.length(free, start, stages)
        assert len(found.goals) == len(stages)


def test_the_best_order_is_the_shortest_of_all():
    free = np.ones((4, 9), bool)
    cells = [(0, 8), (0, 0), (3, 4)]
    for cell in cells:
        free[cell] = False
    best = paths.any_order(free, (2, 1, 0), [Stage((cell,)) for cell in cells])
    assert best.goals == ((0, 0), (3, 4), (0, 8))
