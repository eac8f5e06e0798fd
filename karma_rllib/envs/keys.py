"""Plain keys for people: which key is which action, in any world.

Arrows and `w a s d` mean north, west, south and east on the map, however the agent's own moves are
named; who must turn before it walks turns first.
"""

from __future__ import annotations

from collections.abc import Sequence

COMPASS = {
    "ArrowUp": 0, "ArrowRight": 1, "ArrowDown": 2, "ArrowLeft": 3, "w": 0, "d": 1, "s": 2, "a": 3,
}  # fmt: skip
WAYS = ("north", "east", "south", "west")
_RELATIVE = ("forward", "right", "backward", "left")  # of the agent, clockwise
_ROTATE = ("rotate_up", "rotate_right", "rotate_down", "rotate_left")
#: The first of these actions that a world has gets the key.
_SINGLE: dict[str, tuple[str, ...]] = {
    " ": ("zap", "use"), "u": ("use",), "f": ("attack_nearest", "zap"), "h": ("shield",),
    "q": ("turn_left",), "e": ("turn_right",), "g": ("gift_energy",), "r": ("gift_diamond_1",),
    "t": ("gift_diamond_2",), "m": ("mark_0",), "x": ("swap",), "b": ("build",), "j": ("jump",),
    "c": ("court",),
    "i": ("put",), "o": ("get",), "z": ("move_back",), ".": ("noop",),
    **{str(k): (f"attack_{k}",) for k in range(1, 10)},
}  # fmt: skip


def bindings(action_names: Sequence[str]) -> dict[str, str]:
    """Every key that does something in a world, with the action or the way it stands for."""
    found = {key: WAYS[way] for key, way in COMPASS.items() if walk(action_names, way, 0)}
    for key, actions in _SINGLE.items():
        action = next((name for name in actions if name in action_names), None)
        if action is not None:
            found[key] = action
    return found


def choose(action_names: Sequence[str], key: str, head: int) -> str | None:
    """The action of a key for an agent that faces `head`; None for a key that does nothing."""
    if key in COMPASS:
        return walk(action_names, COMPASS[key], head)
    return next((name for name in _SINGLE.get(key, ()) if name in action_names), None)


def walk(action_names: Sequence[str], way: int, head: int) -> str | None:
    """The action that leads towards `way` (0 north .. 3 west) for an agent that faces `head`."""
    if WAYS[way] in action_names:
        return WAYS[way]
    if f"go_{WAYS[way]}" in action_names:
        return f"go_{WAYS[way]}"
    if "move_forward" in action_names:
        return "move_forward" if way == head else _ROTATE[way]
    relative = _RELATIVE[(way - head) % 4]
    return relative if relative in action_names else None
