"""What a zap does: beams, freezing, cleaning, timers."""

import numpy as np
import pytest

from tests.worlds.scene import (
    EAST,
    FORWARD,
    NOOP,
    NORTH,
    SOUTH,
    TURN_LEFT,
    TURN_RIGHT,
    WEST,
    ZAP,
    act,
    scene,
    where,
)  # fmt: skip


@pytest.mark.parametrize("first", [0, 1])
def test_e1_a_mutual_zap_freezes_and_pays_both_in_either_index_order(first):
    places = [(4, 2, EAST), (4, 4, WEST)]
    world = scene(places if first == 0 else places[::-1])
    out = act(world, ZAP, ZAP)
    assert out.events.hit[0].tolist() == [[False, True], [True, False]]
    np.testing.assert_allclose(out.reward[0], [0.1 - 0.5 - 0.01] * 2, rtol=1e-6)
    assert world.frozen.all()


@pytest.mark.parametrize("timeout", [1, 2, 25])
@pytest.mark.parametrize("mode", ["freeze", "remove"])
def test_e2_a_victim_is_inactive_for_exactly_timeout_decisions(timeout, mode):
    world = scene([(4, 2, EAST), (4, 4, NORTH)], timeout=timeout, timeout_mode=mode)
    act(world, ZAP, NOOP)
    active = [bool(act(world, NOOP, NOOP).events.active[0, 1]) for _ in range(timeout + 2)]
    assert active == [False] * timeout + [True, True]


def test_e3_a_frozen_target_gives_no_event_no_reward_and_no_extension_but_stops_the_beam():
    world = scene([(4, 2, EAST), (4, 3, NORTH), (4, 4, NORTH)], timeout=5)
    act(world, ZAP, NOOP, NOOP)
    for left in (4, 3, 2):
        out = act(world, ZAP, NOOP, NOOP)
        assert not out.events.hit.any()
        np.testing.assert_allclose(out.reward[0], [-0.01, 0, 0], atol=1e-7)
        assert world.get_state()["frz"][0].tolist() == [0, left, 0]
        assert np.argwhere(world.frame().beam).tolist() == [[4, 3]]


def test_without_immunity_a_frozen_target_pays_again_and_starts_over():
    world = scene([(4, 2, EAST), (4, 3, NORTH)], timeout=5, frozen_immune=False)
    for _ in range(3):
        out = act(world, ZAP, NOOP)
        np.testing.assert_allclose(out.reward[0], [0.09, -0.5], rtol=1e-6)
        assert world.get_state()["frz"][0, 1] == 5


def test_e4_a_beam_stops_at_waste_and_turns_it_into_empty_ground():
    world = scene([(4, 1, EAST), (4, 3, NORTH)], waste=[(4, 2)], reward_zap_waste=0.3)
    out = act(world, ZAP, NOOP)
    assert out.events.cleaned[0].tolist() == [1, 0]
    assert not out.events.hit.any()
    np.testing.assert_allclose(out.reward[0], [0.29, 0], atol=1e-7)
    assert world.frame().cells[4, 2] == 0
    assert np.argwhere(world.frame().beam).tolist() == [[4, 2]]
    assert act(world, ZAP, NOOP).events.hit[0, 0, 1]  # the way is free now


def test_two_who_hit_the_same_waste_at_once_are_both_paid():
    world = scene([(4, 1, EAST), (4, 3, WEST)], waste=[(4, 2)])
    out = act(world, ZAP, ZAP)
    assert out.events.cleaned[0].tolist() == [1, 1]
    assert out.events.waste[0] == 0


def test_a_piercing_beam_takes_everything_on_its_way():
    world = scene(
        [(4, 0, EAST), (4, 1, NORTH), (4, 3, NORTH), (4, 4, NORTH)],
        waste=[(4, 2)],
        beam_blocking="pierce",
        victim_penalty_stacks=True,
    )
    out = act(world, ZAP, NOOP, NOOP, NOOP)
    assert out.events.hit[0, 0].tolist() == [False, True, True, False]  # the last is out of reach
    assert out.events.distance[0, 0].tolist() == [0, 1, 3, 0]
    assert out.events.cleaned[0, 0] == 1


def test_apples_do_not_stop_a_beam():
    world = scene([(4, 1, EAST), (4, 4, NORTH)], apples=[(4, 2), (4, 3)])
    assert act(world, ZAP, NOOP).events.distance[0, 0, 1] == 3


def test_a_beam_ends_at_the_wall():
    world = scene([(1, 4, NORTH), (8, 8, NORTH)])
    act(world, ZAP, NOOP)
    assert np.argwhere(world.frame().beam).tolist() == [[0, 4]]


def test_rays_of_a_wide_beam_are_independent():
    agents = [(4, 1, EAST), (3, 2, NORTH), (4, 4, NORTH), (5, 3, NORTH), (3, 1, NORTH)]
    world = scene(agents, beam_half_width=1)
    out = act(world, ZAP, NOOP, NOOP, NOOP, NOOP)
    assert out.events.hit[0, 0].tolist() == [False, True, True, True, False]  # not beside
    assert out.events.distance[0, 0].tolist() == [0, 1, 3, 2, 0]
    np.testing.assert_allclose(out.reward[0, 0], 3 * 0.1 - 0.01, rtol=1e-6)


def test_two_attackers_hurt_once_unless_penalties_stack():
    agents = [(4, 2, EAST), (4, 6, WEST), (4, 4, NORTH)]
    for stacks, pain in ((False, -0.5), (True, -1.0)):
        out = act(scene(agents, victim_penalty_stacks=stacks), ZAP, ZAP, NOOP)
        assert out.events.hit[0, :2, 2].all()
        np.testing.assert_allclose(out.reward[0], [0.09, 0.09, pain], rtol=1e-6)


def test_with_two_hits_to_tag_the_second_hit_freezes():
    world = scene([(4, 2, EAST), (4, 4, NORTH)], hits_to_tag=2)
    first = act(world, ZAP, NOOP)
    assert first.events.hit[0, 0, 1]
    np.testing.assert_allclose(first.reward[0], [0.09, -0.5], rtol=1e-6)
    assert not world.frozen.any()
    assert act(world, ZAP, NOOP).events.hit[0, 0, 1]
    assert world.frozen[0].tolist() == [False, True]


def test_two_hits_in_one_step_tag_at_once():
    world = scene([(4, 2, EAST), (4, 6, WEST), (4, 4, NORTH)], hits_to_tag=2)
    act(world, ZAP, ZAP, NOOP)
    assert world.frozen[0].tolist() == [False, False, True]


def test_grace_protects_for_exactly_its_steps_after_a_freeze():
    world = scene([(4, 2, EAST), (4, 4, NORTH)], timeout=2, grace_steps=3)
    hits = [bool(act(world, ZAP, NOOP).events.hit[0, 0, 1]) for _ in range(7)]
    assert hits == [True, False, False, False, False, False, True]


def test_a_cooldown_blocks_exactly_its_decisions_and_costs_nothing():
    world = scene([(4, 2, EAST), (0, 0, NORTH)], zap_cooldown=2)
    fired, rewards, ready = [], [], []
    for _ in range(4):
        out = act(world, ZAP, NOOP)
        fired.append(bool(out.events.fired[0, 0]))
        rewards.append(float(out.reward[0, 0]))
        ready.append(float(out.obs["vec"][0, 0, 5]))
    assert fired == [True, False, False, True]
    np.testing.assert_allclose(rewards, [-0.01, 0, 0, -0.01], atol=1e-7)
    assert ready == [0, 0, 1, 0]


def test_a_zap_that_does_not_work_is_a_pause():
    places = {"agents": [(4, 2, EAST), (4, 4, NORTH), (6, 4, NORTH)], "waste": [(5, 4)]}
    still, armless = scene(**places), scene(**places, zap_works=False)
    before, after = act(still, NOOP, NOOP, NOOP), act(armless, ZAP, ZAP, ZAP)
    assert not after.events.fired.any()
    assert not after.events.hit.any()
    assert not after.events.cleaned.any()
    assert not armless.frame().beam.any()
    np.testing.assert_array_equal(after.reward, before.reward)
    assert not armless.frozen.any()


def test_beams_start_from_where_agents_stand_after_moving():
    world = scene([(4, 2, EAST), (3, 4, SOUTH)])
    out = act(world, ZAP, FORWARD)  # walks into the beam
    assert out.events.hit[0, 0, 1]
    assert where(world, 1) == (4, 4)


def test_a_shot_leaves_in_the_direction_faced_before_since_zapping_does_not_turn():
    world = scene([(4, 4, NORTH), (4, 6, NORTH)])
    act(world, TURN_RIGHT, NOOP)
    assert act(world, ZAP, NOOP).events.hit[0, 0, 1]
    act(world, TURN_LEFT, NOOP)
    assert not act(world, ZAP, NOOP).events.hit.any()


def test_frozen_agents_neither_move_nor_turn_nor_zap():
    world = scene([(4, 2, EAST), (4, 4, NORTH)])
    act(world, ZAP, NOOP)
    for action in (FORWARD, TURN_RIGHT, ZAP):
        out = act(world, NOOP, action)
        assert not out.events.fired.any()
        assert where(world, 1) == (4, 4)
        assert world.frame().head[1] == NORTH
        assert out.obs["vec"][0, 1, 7] == 1  # the last action in effect was no-op


def test_removed_agents_leave_the_map_and_come_back_somewhere_free():
    world = scene([(4, 2, EAST), (4, 4, NORTH)], timeout=3, timeout_mode="remove")
    out = act(world, ZAP, NOOP)
    frame = world.frame()
    assert frame.present.tolist() == [True, False]
    assert where(world, 1) == (-1, -1)
    assert not out.obs["grid"][0, 1].any()
    np.testing.assert_allclose(out.obs["vec"][0, 1, :3], [1, 1, 1])
    assert not act(world, ZAP, NOOP).events.hit.any()  # nobody there
    act(world, NOOP, NOOP)
    act(world, NOOP, NOOP)
    assert world.frame().present.all()
    assert where(world, 1) != where(world, 0)


def test_removed_agents_come_back_uniformly_over_free_cells():
    """Chi-square over 22 cells at level 0.001: one false alarm in a thousand seeds."""
    counts = np.zeros((5, 5))
    for seed in range(1500):
        world = scene(
            [(0, 0, EAST), (0, 1, NORTH), (4, 4, NORTH)], seed=seed, grid_size=5, patch_half=1,
            timeout=1, timeout_mode="remove", view_radius=3,
        )  # fmt: skip
        act(world, ZAP, NOOP, NOOP)
        act(world, NOOP, NOOP, NOOP)
        counts[where(world, 1)] += 1
    assert counts[0, 0] == counts[4, 4] == 0
    free = np.delete(counts.ravel(), [0, 24])
    chi2 = ((free - free.mean()) ** 2 / free.mean()).sum()
    assert chi2 < 48.3  # 0.999 quantile of chi-square with 22 degrees of freedom


@pytest.mark.parametrize(
    ("things", "aim"),
    [
        ({}, 0),
        ({"apples": [(4, 3)]}, 0),
        ({"waste": [(4, 3)]}, 2),
        ({"rival": (4, 3)}, 1),
        ({"rival": (4, 4), "waste": [(4, 3)]}, 2),
        ({"rival": (4, 3), "waste": [(4, 4)]}, 1),
        ({"rival": (4, 6)}, 0),
    ],
)
def test_aim_is_what_a_shot_from_the_decision_frame_would_meet_first(things, aim):
    things = dict(things)
    rival = things.pop("rival", (8, 8))
    world = scene([(4, 2, EAST), (*rival, NORTH)], **things)
    assert act(world, NOOP, NOOP).events.aim[0, 0] == aim


def test_aim_tells_a_frozen_rival_from_an_active_one():
    world = scene([(4, 2, EAST), (4, 3, NORTH)])
    assert act(world, ZAP, NOOP).events.aim[0, 0] == 1
    assert act(world, ZAP, NOOP).events.aim[0, 0] == 3


def test_apple_context_is_the_five_by_five_around_an_agent():
    for cell, near in (((2, 2), True), ((6, 6), True), ((1, 4), False), ((4, 7), False)):
        world = scene([(4, 4, EAST), (8, 0, NORTH)], apples=[cell])
        assert act(world, NOOP, NOOP).events.apple_ctx[0, 0] == near


def test_an_agent_that_finds_no_free_cell_stays_away_until_there_is_one():
    everywhere = [(r, c) for r in range(5) for c in range(5) if (r, c) not in ((0, 0), (0, 1))]
    world = scene(
        [(0, 0, EAST), (0, 1, NORTH)], waste=everywhere, grid_size=5, patch_half=1, timeout=2,
        timeout_mode="remove", waste_spawn_prob=1.0, reward_zap_waste=0.0,
    )  # fmt: skip
    act(world, ZAP, NOOP)  # removed, and its cell fouled: nothing is free
    for _ in range(4):
        assert not world.frame().present[1]
        assert world.frozen[0, 1]
        act(world, NOOP, NOOP)
    act(world, ZAP, NOOP)  # cleans (0, 1), where the other comes back before anything is spilled
    assert where(world, 1) == (0, 1)
    assert not world.frozen.any()
