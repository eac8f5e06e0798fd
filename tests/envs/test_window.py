"""`render_mode="human"` without a display, and without pygame."""

import sys

import numpy as np
import pytest

from karma_rllib.envs import harvest_v0
from karma_rllib.envs.window import Window


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def test_a_window_shows_what_rgb_array_would_return():
    pygame = pytest.importorskip("pygame")
    shown, drawn = (
        harvest_v0.parallel_env(render_mode=mode, max_steps=5) for mode in ("human", "rgb_array")
    )
    for env in (shown, drawn):
        env.reset(seed=3)
        env.step(dict.fromkeys(env.agents, 7))
    assert shown.render() is None
    surface = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    np.testing.assert_array_equal(surface, drawn.render())
    shown.close()
    assert not pygame.display.get_init()


def test_without_pygame_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ImportError, match=r"pip install 'karma_rllib\[play\]'"):
        Window("a title")


def test_a_window_can_be_closed_twice_and_before_it_showed_anything():
    pytest.importorskip("pygame")
    window = Window("a title")
    window.close()
    window.show(np.zeros((8, 12, 3), np.uint8))
    window.close()
    window.close()
