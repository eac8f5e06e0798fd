"""Windows go nowhere: SDL draws into memory."""

import pytest


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
