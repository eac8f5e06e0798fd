"""A window for `render_mode="human"`; pygame is imported only when one is opened."""

from typing import Any

import numpy as np


def _pygame() -> Any:
    try:
        import pygame
    except ImportError:
        raise ImportError(
            "render_mode='human' needs pygame-ce: pip install 'karma_rllib[play]'."
        ) from None
    return pygame


class Window:
    """Shows one RGB image after another; works headless with SDL_VIDEODRIVER=dummy.

    Args:
        title: text of the title bar.
        fps: pictures per second; 0 shows them as fast as they come.
    """

    def __init__(self, title: str, fps: int = 0) -> None:
        self._pygame = _pygame()
        self._title, self._fps = title, fps
        self._screen: Any = None
        self._clock = self._pygame.time.Clock()

    def show(self, image: np.ndarray) -> None:
        """Show an image, uint8 (height, width, 3)."""
        height, width, _ = image.shape
        if self._screen is None or self._screen.get_size() != (width, height):
            self._pygame.display.init()
            self._screen = self._pygame.display.set_mode((width, height))
            self._pygame.display.set_caption(self._title)
        self._pygame.event.pump()
        self._pygame.surfarray.blit_array(self._screen, image.swapaxes(0, 1))
        self._pygame.display.flip()
        if self._fps:
            self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window."""
        if self._screen is not None:
            self._screen = None
            self._pygame.display.quit()
