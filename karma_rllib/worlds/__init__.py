"""worlds: batched simulators of social dilemmas, on NumPy and Numba alone.

`make` builds one; importing this package loads neither.  See `karma_rllib.worlds.harvest`,
`karma_rllib.worlds.match` and `karma_rllib.worlds.kinship` for the games,
`karma_rllib.worlds.events` for what a step reports, and `karma_rllib.worlds.face` for what a world
declares.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from karma_rllib.worlds.face import Entry, Traits

#: Where each world declares itself: a light module with an `ENTRY`.  An address is imported when
#: somebody asks for the world, so that one made of other rooms' parts may live there.
_HOMES = {
    "harvest-v0": "karma_rllib.worlds.harvest_profiles",
    "match-v0": "karma_rllib.worlds.match_profiles",
    "kinship-v0": "karma_rllib.worlds.kinship_profiles",
    "suite-v0": "karma_rllib.envs.suites.entry",
}


def list_worlds() -> tuple[str, ...]:
    """Names that `make` knows."""
    return tuple(_HOMES)


def entry(name: str) -> Entry:
    """What a world declares.

    Raises:
        ValueError: no world has this name; the sentence names the nearest one.
    """
    from karma_rllib.hints import hint

    if name not in _HOMES:
        raise ValueError(f"unknown world {name!r}: {hint(str(name), _HOMES)}")
    return import_module(_HOMES[name]).ENTRY


def list_profiles(name: str) -> dict[str, str]:
    """Profiles of a world, each with one line of description."""
    return dict(entry(name).lines)


def resolve_params(name: str, profile: str | None = None, **params: Any) -> Any:
    """Validated parameters of a world, without building it.

    Args:
        name: one of `list_worlds()`.
        profile: one of `list_profiles(name)`, None for the default.
        **params: overrides.

    Raises:
        ValueError: one sentence that names the culprit, its value, the rule and the nearest key.
    """
    return entry(name).resolve(profile, params)


def traits(name: str, profile: str | None = None, **params: Any) -> Traits:
    """What follows from a world's parameters: see `face.Traits`; arguments as `resolve_params`."""
    found = entry(name)
    return found.traits(found.resolve(profile, params))


def grid_scale(name: str, profile: str | None = None, **params: Any) -> list[float]:
    """Factors that bring each channel of a world's grid to [0, 1]; arguments as there."""
    found = entry(name)
    return found.grid_scale(found.resolve(profile, params))


def random_reference(profile: str, world: str = "harvest-v0") -> dict[str, float]:
    """What a uniform random policy does in a profile of a world, a yardstick for gates.

    Returns:
        Means over 400 episodes, named as the metrics are: `violence_rate` [hits per agent-step],
        `yield_rate` [apples per agent-step], `cooperation_rate` [cleaning shots per agent-step],
        `beam_use` [shots per active agent-step], `frozen_share` [part of the agent-steps], `stock`
        [apples on the map].

    Raises:
        ValueError: the profile is unknown, or the world has no such reference.
    """
    import json
    from pathlib import Path

    from karma_rllib.hints import hint

    file = entry(world).reference
    if not file:
        raise ValueError(f"world {world!r} has no reference of random play")
    stored = json.loads(Path(__file__).with_name(file).read_text())
    if profile not in stored:
        raise ValueError(f"unknown profile {profile!r}: {hint(profile, stored)}")
    return {name: value["mean"] for name, value in stored[profile].items()}


def make(
    name: str,
    *,
    num_worlds: int = 1,
    seed: int = 0,
    first_uid: int = 0,
    num_threads: int = 1,
    profile: str | None = None,
    **params: Any,
) -> Any:
    """Build a batch of worlds.

    Args:
        name: one of `list_worlds()`.
        num_worlds: B, copies of the game stepped together.
        seed: run seed; with the uid it fixes a world's whole life.
        first_uid: uid of the first copy; copy b has uid `first_uid + b`.
        num_threads: threads that share the copies; the numbers do not depend on it.
        profile: one of `list_profiles(name)`, None for the default.
        **params: overrides, see the world's docstring.

    Raises:
        ValueError: one sentence that names the culprit, its value, the rule and the nearest key.
    """
    found = entry(name)
    return found.load()(
        found.resolve(profile, params),
        num_worlds=num_worlds,
        seed=seed,
        first_uid=first_uid,
        num_threads=num_threads,
    )
