"""worlds: batched simulators of social dilemmas, on NumPy and Numba alone.

`make` builds one; importing this package loads neither.  See `karma_rllib.worlds.harvest` for the
game itself and `karma_rllib.worlds.events` for what a step reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from karma_rllib.worlds.harvest import HarvestWorld
    from karma_rllib.worlds.harvest_params import HarvestParams

_NAMES = ("harvest-v0",)


def list_worlds() -> tuple[str, ...]:
    """Names that `make` knows."""
    return _NAMES


def _known(name: str) -> None:
    """Raise ValueError unless a world has this name."""
    if name not in _NAMES:
        from karma_rllib.worlds.harvest_profiles import nearest

        raise ValueError(f"unknown world {name!r}: {nearest(str(name), _NAMES)}")


def list_profiles(name: str) -> dict[str, str]:
    """Profiles of a world, each with one line of description."""
    _known(name)
    from karma_rllib.worlds.harvest_profiles import PROFILE_LINES

    return dict(PROFILE_LINES)


def resolve_params(name: str, profile: str | None = None, **params: Any) -> HarvestParams:
    """Validated parameters of a world, without building it.

    Args:
        name: one of `list_worlds()`.
        profile: one of `list_profiles(name)`, None for the default.
        **params: overrides.

    Raises:
        ValueError: one sentence that names the culprit, its value, the rule and the nearest key.
    """
    _known(name)
    from karma_rllib.worlds.harvest_profiles import resolve

    return resolve(profile, params)


def random_reference(profile: str) -> dict[str, float]:
    """What a uniform random policy does in a profile of `harvest-v0`, a yardstick for gates.

    Returns:
        Means over 400 episodes, named as the metrics are: `violence_rate` [hits per agent-step],
        `yield_rate` [apples per agent-step], `cooperation_rate` [cleaning shots per agent-step],
        `beam_use` [shots per active agent-step], `frozen_share` [part of the agent-steps], `stock`
        [apples on the map].

    Raises:
        ValueError: the profile is unknown.
    """
    import json
    from pathlib import Path

    stored = json.loads(Path(__file__).with_name("random_reference.json").read_text())
    if profile not in stored:
        from karma_rllib.worlds.harvest_profiles import nearest

        raise ValueError(f"unknown profile {profile!r}: {nearest(profile, stored)}")
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
) -> HarvestWorld:
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
    resolved = resolve_params(name, profile, **params)
    from karma_rllib.worlds.harvest import HarvestWorld

    return HarvestWorld(
        resolved,
        num_worlds=num_worlds,
        seed=seed,
        first_uid=first_uid,
        num_threads=num_threads,
    )
