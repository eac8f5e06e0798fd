"""The world of scenarios: what is trained on is what is judged, and never the same twice."""

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.envs import scenarios
from karma_rllib.envs.suites.oracles import BOTS
from karma_rllib.envs.suites.play import play
from karma_rllib.envs.suites.running import Running
from karma_rllib.envs.suites.scenario import SEEDS
from karma_rllib.envs.suites.world import FIRST_SEED
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.kinship_maps import read_map
from karma_rllib.worlds.kinship_state import EMPTY, WALL

SHORT = {
    "scenarios": ("open_near", "pockets", "altar_ready", "shield_up"), "max_steps": 30,
    "head_start": 0.5,
}  # fmt: skip


def life(num_worlds=1, first_uid=0, seed=7, **params):
    return make_lifetime(
        "suite-v0", num_worlds=num_worlds, first_uid=first_uid, seed=seed, **(params or SHORT)
    )


def live(lives, steps, start=0, obs=None):
    """Play on, actions drawn per uid and step; what was seen, earned and told."""
    obs = lives.reset() if obs is None else obs
    told = []
    for t in range(start, start + steps):
        actions = np.array(
            [
                np.random.default_rng([uid, t]).integers(0, lives.num_actions, lives.num_agents)
                for uid in lives.uid
            ]
        )
        out = lives.step(actions, out=obs)
        told.append([np.copy(x) for x in (*obs.values(), out.reward, out.truncated, *out.events)])
        if out.truncated.any():
            lives.reset(out.truncated.copy(), out=obs)
    return told, obs


def same(these, those):
    return all(
        np.array_equal(a, b)
        for one, other in zip(these, those, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_a_world_lives_the_same_life_alone_and_among_others():
    together, _ = live(life(3, first_uid=4), 70)
    alone, _ = live(life(1, first_uid=5), 70)
    assert same([[x[1:2] for x in step] for step in together], alone)


def test_a_world_goes_on_exactly_where_its_state_was_taken():
    whole = life(4)
    _, obs = live(whole, 25)
    state, seen = whole.get_state(), {key: rows.copy() for key, rows in obs.items()}
    rest, _ = live(whole, 60, 25, obs)
    other = life(4)
    other.set_state(state)
    again, _ = live(other, 60, 25, seen)
    assert same(rest, again)
    assert len({other.world.drawn(b)[0].name for b in range(4)}) > 1


def test_a_state_of_other_worlds_is_refused():
    three = life(3).world
    three.reset()
    with pytest.raises(ValueError, match="expected"):
        life(4).world.set_state(three.get_state())


def test_every_episode_is_another_and_none_is_one_of_those_that_judge():
    lives = life(8, scenarios=("navigation",))
    lives.reset()
    found = set()
    for _ in range(5):
        found |= {(scenario.name, seed) for scenario, seed in map(lives.world.drawn, range(8))}
        lives.reset()
    assert len(found) == 40
    assert {name for name, _ in found} == {one.name for one in scenarios.suite("navigation")}
    assert min(seed for _, seed in found) >= FIRST_SEED > max(SEEDS)


class _Listed:
    """Plays a list of actions."""

    def __init__(self, actions):
        self.actions = actions

    def initial_state(self, n):
        return 0

    def step(self, obs, state):
        return self.actions[state], state + 1


@pytest.mark.parametrize("name", ["clutter_far", "shoot_out", "shield_up", "duel", "team_4v4"])
def test_an_episode_is_the_one_that_is_judged(name):
    lives = life(scenarios=(name,))
    obs = lives.reset()
    scenario, seed = lives.world.drawn()
    focal = scenario.episode(seed).focal
    rng = np.random.default_rng(3)
    actions = rng.integers(0, lives.num_actions, (lives.world._state.length[0], focal.sum()))
    judged = play(scenario, seed, lambda *_: _Listed(actions), BOTS)
    rewards, hearts = [], []
    for t, choice in enumerate(actions):
        out = lives.step(choice[None], out=obs)
        assert bool(out.truncated[0]) == (t + 1 == len(actions))
        rewards.append(out.reward[0].copy())
        hearts.append(out.events.ate[0].copy())
    np.testing.assert_array_equal(rewards, judged.tally.rewards[:, focal])
    np.testing.assert_array_equal(hearts, judged.tally.hearts[:, focal])


def test_events_name_the_judged_agents_and_nobody_else():
    lives = life(4, scenarios=("arena_half",))
    obs, rng = lives.reset(), np.random.default_rng(1)
    beside = Running(*lives.world.drawn(2), BOTS)
    met = 0
    for _ in range(120):
        actions = rng.integers(0, lives.num_actions, (4, 3))
        actions[:, :, None][rng.random((4, 3)) < 0.5] = lives.world.action_names.index("use")
        out = lives.step(actions, out=obs)
        its = beside.step(actions[2]).events
        focal = beside.focal
        np.testing.assert_array_equal(out.events.hit[2], its.hit[0][np.ix_(focal, focal)])
        np.testing.assert_array_equal(out.events.energy[2], its.energy[0, focal])
        aimed = its.aim_agent[0, focal]
        expected = [focal.tolist().index(j) if j in focal else -1 for j in aimed]
        assert out.events.aim_agent[2].tolist() == expected
        met += (aimed >= 0).sum()
    assert met


def test_scenarios_that_look_different_to_an_agent_are_not_mixed():
    with pytest.raises(ValueError, match="'harvest' and 'bonus_charger' differ in their actions"):
        worlds.resolve_params("suite-v0", scenarios=("object_use",))
    with pytest.raises(ValueError, match="differ in their number of judged agents"):
        worlds.resolve_params("suite-v0", scenarios=("disperse_4", "disperse_8"))
    with pytest.raises(ValueError, match="open_near"):
        worlds.resolve_params("suite-v0", scenarios=("open_neer",))


def test_an_episode_that_is_over_and_an_unknown_action_are_refused():
    lives = life(2, **{**SHORT, "head_start": 0.0})
    lives.reset()
    with pytest.raises(ValueError, match="action 99 of agent 0 in world 1"):
        lives.step(np.array([[0], [99]]))
    for _ in range(30):
        lives.step(np.zeros((2, 1), int))
    with pytest.raises(RuntimeError, match="ended its episode after 30 steps"):
        lives.step(np.zeros((2, 1), int))
    with pytest.raises(RuntimeError, match="has not begun"):
        life().step(np.zeros((1, 1), int))


@pytest.mark.parametrize("name", scenarios.scenarios())
def test_no_map_of_a_scenario_is_larger_than_its_frames(name):
    side = worlds.resolve_params("suite-v0", scenarios=(name,)).grid_size
    for seed in range(100, 130):
        drawn = read_map(scenarios.scenario(name).episode(seed).params["map"])
        assert max(drawn.height, drawn.width) <= side


def test_frames_have_the_size_of_the_largest_map_and_show_the_judged():
    lives = life(6)
    assert (lives.world.frame().cells == WALL).all()
    lives.reset()
    for b in range(6):
        seen = lives.world.frame(b)
        assert seen.cells.shape == seen.ready.shape == (28, 28)
        assert len(seen.pos) == len(seen.energy) == 1
        assert seen.cells[tuple(seen.pos[0])] == EMPTY


def test_a_head_start_is_the_plan_played_so_far():
    lives = life(12, scenarios=("pockets", "full_chain", "shield_up"), head_start=0.7)
    plain = life(12, scenarios=("pockets", "full_chain", "shield_up"))
    obs, _ = lives.reset(), plain.reset()
    made = lives.world._state.t.copy()
    for b in range(12):
        scenario, seed = lives.world.drawn(b)
        assert (scenario, seed) == plain.world.drawn(b)
        beside = Running(scenario, seed, BOTS)
        for action in beside.episode.plan[: made[b]]:
            beside.step(np.array([lives.world.action_names.index(action)]))
        np.testing.assert_array_equal(obs["grid"][b], beside.obs["grid"][0, beside.focal])
        assert made[b] < len(beside.episode.plan)
    assert 0 < (made == 0).sum() < 12
    out = lives.step(np.zeros((12, 1), int), out=obs)
    np.testing.assert_array_equal(out.events.t, made)
    assert not plain.world._state.t.any()


def test_what_is_left_of_the_time_is_as_generous_as_a_whole_episode():
    which = {"scenarios": ("pockets", "full_chain"), "head_start": 1.0}
    lives, cut = life(12, **which), life(12, **which, max_steps=40)
    lives.reset()
    cut.reset()
    for b in range(12):
        scenario, seed = lives.world.drawn(b)
        episode = scenario.episode(seed)
        made, plan = lives.world._state.t[b], len(episode.plan)
        left = lives.world._state.length[b] - made
        assert left == -(-episode.params["max_steps"] * (plan - made) // plan)
        assert cut.world._state.t[b] == min(made, 39)
        assert cut.world._state.length[b] == min(lives.world._state.length[b], 40)
    assert len(set(lives.world._state.t.tolist())) > 3
