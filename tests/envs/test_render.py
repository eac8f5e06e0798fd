"""Pictures: pure, steady in size, and clear also to those who see fewer colours."""

import numpy as np
import pytest

from karma_rllib.envs import harvest_v0, render
from karma_rllib.worlds.harvest_state import APPLE, WALL, WASTE, Frame

CELL = 32


def scene(**changes):
    """Two agents face each other on a bare 7x7 map; fields of the frame can be replaced."""
    fields = {
        "cells": np.zeros((7, 7), np.uint8),
        "pos": np.array([(3, 1), (3, 5)], np.int16),
        "head": np.array([1, 3], np.int8),
        "frozen": np.zeros(2, bool),
        "beam": np.zeros((7, 7), bool),
        "t": 4,
        "present": np.ones(2, bool),
    }
    return Frame(**{**fields, **changes})


def patch(image, row, col):
    """The pixels of one cell."""
    y, x = (CELL // 2 + CELL * k for k in (row, col))
    return image[y : y + CELL, x : x + CELL].astype(int)


def differs(a, b):
    """Share of pixels that clearly differ."""
    return (np.abs(a - b).sum(-1) > 40).mean()


def lit(*cells):
    beam = np.zeros((7, 7), bool)
    beam[tuple(zip(*cells))] = True
    return beam


def test_a_picture_is_a_pure_function_of_its_frame():
    frame = scene(beam=lit((3, 2)), frozen=np.array([False, True]))
    kept = [np.copy(field) for field in frame]
    hit = np.array([False, True])
    first = render.draw(frame, fired=~hit, hit=hit)
    np.testing.assert_array_equal(first, render.draw(frame, fired=~hit, hit=hit))
    for before, after in zip(kept, frame):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("cell", [8, 20, 32])
def test_the_size_follows_the_cell(cell):
    image = render.draw(scene(), cell=cell)
    assert image.shape == (8 * cell, 8 * cell, 3)
    assert image.dtype == np.uint8


def test_only_the_cell_that_changes_is_painted_differently():
    bare = render.draw(scene())
    for code in (APPLE, WASTE, WALL):
        cells = np.zeros((7, 7), np.uint8)
        cells[5, 2] = code
        image = render.draw(scene(cells=cells))
        rows, cols = np.nonzero((image != bare).any(-1))
        assert (rows.min() - 16) // 32 == (rows.max() - 16) // 32 == 5
        assert (cols.min() - 16) // 32 == (cols.max() - 16) // 32 == 2
        assert differs(patch(image, 5, 2), patch(bare, 5, 2)) > 0.1


def test_each_heading_looks_different_and_turns_with_the_agent():
    looks = [render.draw(scene(head=np.array([h, 3]))) for h in range(4)]
    for a in range(4):
        for b in range(a):
            assert differs(patch(looks[a], 3, 1), patch(looks[b], 3, 1)) > 0.03


def test_a_frozen_agent_is_unlike_a_free_one():
    free, frozen = (render.draw(scene(frozen=np.array([f, False]))) for f in (False, True))
    assert differs(patch(free, 3, 1), patch(frozen, 3, 1)) > 0.3
    np.testing.assert_array_equal(patch(free, 3, 5), patch(frozen, 3, 5))


def test_a_zap_lights_its_cells_its_ray_and_its_victim():
    beam = lit((3, 2), (3, 3), (3, 4), (3, 5))
    dark, glow = render.draw(scene()), render.draw(scene(beam=beam))
    shot = render.draw(scene(beam=beam), fired=np.array([True, False]))
    struck = render.draw(scene(beam=beam), hit=np.array([False, True]))
    for col in (2, 3, 4):
        assert (patch(glow, 3, col) > patch(dark, 3, col)).mean() > 0.9
        assert patch(shot, 3, col).max() > 240
        assert patch(glow, 3, col).max() < 150
    assert differs(patch(struck, 3, 5), patch(glow, 3, 5)) > 0.2
    np.testing.assert_array_equal(patch(glow, 0, 0), patch(dark, 0, 0))


def test_a_ray_ends_where_the_light_ends():
    beam = lit((3, 2), (3, 4))  # somebody else lit the farther cell
    shot = render.draw(scene(beam=beam), fired=np.array([True, False]))
    assert patch(shot, 3, 2).max() > 240
    assert patch(shot, 3, 4).max() < 150


def test_an_absent_agent_is_not_drawn():
    image = render.draw(scene(present=np.array([True, False]), pos=np.array([(3, 1), (-1, -1)])))
    bare = patch(render.draw(scene(present=np.zeros(2, bool))), 3, 5)
    np.testing.assert_array_equal(patch(image, 3, 5), bare)


# Viénot, Brettel, Mollon 1999 / Machado, Oliveira, Fernandes 2009, severity 1.0; linear RGB
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab(rgb, blindness):
    """CIE L*a*b* (D65) of an sRGB colour as somebody sees it."""
    c = np.asarray(rgb[:3], float) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(BLINDNESS[blindness]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    f = np.cbrt(np.maximum(xyz @ linear / [0.9505, 1.0, 1.089], 1e-6))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_kinds_stay_apart_for_the_colour_blind(blindness):
    kinds = {
        "floor": render.FLOOR[1],
        "apple": render.GREEN,
        "waste": render.SLUDGE,
        "ray": render.RAY,
        "ice": render.ICE_EDGE[:3],
    }
    seen = {name: lab(colour, blindness) for name, colour in kinds.items()}
    for a in ("floor", "apple", "waste", "ray"):
        for b in ("floor", "apple", "waste", "ray"):
            if a < b:
                assert np.linalg.norm(seen[a] - seen[b]) > 15, (a, b)
    for colour in render.AGENTS:
        assert np.linalg.norm(lab(colour, blindness) - seen["floor"]) > 25


def test_text_names_every_kind_where_it_is():
    cells = np.zeros((7, 7), np.uint8)
    cells[0, 0], cells[0, 1], cells[0, 2] = APPLE, WASTE, WALL
    frame = scene(cells=cells, beam=lit((3, 2)), frozen=np.array([False, True]))
    lines = render.text(frame).splitlines()
    assert lines[0] == "step 4"
    assert lines[1] == "o % # . . . ."
    assert lines[4] == ". >0* . . x1."


def test_a_world_with_more_agents_than_colours_can_be_drawn():
    env = harvest_v0.parallel_env(num_agents=20, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().std() > 0
