"""Registrations: what will be judged and how, written before the first run and sealed.

    my_experiment.yaml              the experiment
    my_experiment.registered.json   its registration, written once by `karma preregister`
    RUN_DIR/registration.json       the copy that `karma train` leaves in the run folder

A registration holds the whole experiment, the rules, the predictions and the random policy's rates
in that world. A seal over all of it, and the experiment's fingerprint, make later changes show: a
verdict on a changed experiment, or by changed rules, is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.analysis.predictions import PREDICTIONS, Prediction
from karma_rllib.analysis.rules import Rules
from karma_rllib.analysis.runs import RunFolder
from karma_rllib.config import ConfigError, ExperimentConfig

FORMAT, VERSION = "karma_rllib.registration", 1
IN_RUN, SUFFIX = "registration.json", ".registered.json"

WORLDS, EPISODES = 32, 4  # of the random policy: side by side, one after another


class Registration(NamedTuple):
    """A registration whose seal was found whole."""

    created: str  # UTC, ISO 8601
    experiment: ExperimentConfig
    rules: Rules
    predictions: tuple[Prediction, ...]
    random_policy: dict[str, float]
    git: dict[str, Any] | None


def beside(experiment_file: Path) -> Path:
    """Where the registration of an experiment file lies."""
    return experiment_file.with_name(experiment_file.stem + SUFFIX)


def make(config: ExperimentConfig, created: str, git: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything that is fixed before the first run, as JSON data with its seal.

    Args:
        config: the experiment.
        created: now, UTC, ISO 8601.
        git: commit and cleanliness of the code; None where unknown.
    """
    data = {
        "format": FORMAT,
        "version": VERSION,
        "created": created,
        "git": dict(git) if git else None,
        "fingerprint": config.fingerprint(),
        "seeds": list(config.seeds),
        "rules": Rules(late_fraction=config.budget.late_fraction).as_dict(),
        "random_policy": random_policy(config),
        "predictions": [prediction.as_dict() for prediction in PREDICTIONS],
        "experiment": config.resolved().as_dict(),
    }
    return {**data, "seal": seal(data)}


def seal(data: Mapping[str, Any]) -> str:
    """Hash of everything but the seal itself (sha256, hex)."""
    rest = {key: value for key, value in data.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def random_policy(config: ExperimentConfig) -> dict[str, float]:
    """What agents that draw every action uniformly do in the experiment's world.

    Returns:
        `violence_rate` [hits per agent-step], `yield_rate` [apples per agent-step],
        `cooperation_rate` [cleaning shots per agent-step] over 128 episodes, and
        `max_cooperation`: waste that falls, per agent-step; 0 in a world without waste.
    """
    from karma_rllib.analysis import social
    from karma_rllib.society.lifetime import make_lifetime

    params: Any = config.world_params
    # Written out in full: the profile's name would only be laid under it again.
    world = config.resolved().world
    life = make_lifetime(
        world.name, num_worlds=WORLDS, seed=0, profile=world.profile, **world.params
    )
    rng = np.random.default_rng(0)
    life.reset()
    sums: dict[str, float] = {}
    for _ in range(EPISODES * life.max_steps):
        out = life.step(rng.integers(life.num_actions, size=(WORLDS, life.num_agents)))
        stack = type(out.events)(*(column[None] for column in out.events))
        counts = social.tally(
            stack,
            out.reward[None],
            max_steps=life.max_steps,
            timeout=life.traits.timeout,
            waste_zone=life.traits.waste_cells,
        )
        sums = social.pool([sums, counts])
        if out.truncated.any():
            life.reset(out.truncated)
    rates = social.rates(sums)
    names = ("violence_rate", "yield_rate", "cooperation_rate")
    falls = params.waste_spawn_prob / life.num_agents if life.traits.waste_cells else 0.0
    return {name: rates[name] for name in names} | {"max_cooperation": falls}


def agree(folders: Sequence[Path], registered: Sequence[Registration]) -> None:
    """Refuse to judge runs together that were registered under different rules or predictions.

    Raises:
        ConfigError: names the first folder that differs.
    """
    first = registered[0]
    for folder, known in zip(folders[1:], registered[1:], strict=True):
        if (known.rules, known.predictions) != (first.rules, first.predictions):
            raise ConfigError(
                f"{folder}: was registered under other rules or predictions than"
                f" {folders[0]}; judge them apart"
            )


def read(path: Path) -> Registration:
    """Read a registration.

    Raises:
        ConfigError: it is missing, no registration, or was changed after it was written.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such registration; write one with karma preregister before the run"
        ) from None
    except ValueError as err:
        raise ConfigError(f"{path}: is not JSON ({err})") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(f"{path}: is no registration (its format is not {FORMAT})")
    if data.get("version") != VERSION:
        raise ConfigError(
            f"{path}: its version is {data.get('version')!r} but only {VERSION} can be read"
        )
    if data.get("seal") != seal(data):
        raise ConfigError(f"{path}: was changed after it was written; its seal is broken")
    return Registration(
        created=data["created"],
        experiment=ExperimentConfig.of(data["experiment"]),
        rules=Rules.of(data["rules"]),
        predictions=tuple(Prediction.of(item) for item in data["predictions"]),
        random_policy=data["random_policy"],
        git=data["git"],
    )


def check(registration: Registration, folder: RunFolder) -> str:
    """Hold a run folder against its registration.

    Returns:
        "" if all is well, or a sentence a reader must know: the run began before it was registered.

    Raises:
        ConfigError: the run's experiment is not the registered one.
    """
    ran = ExperimentConfig.of(folder.experiment)
    changed = difference(registration.experiment, ran)
    if changed:
        raise ConfigError(
            f"{folder.path}: ran another experiment than was registered ({changed}); a verdict "
            "needs the registered one, so register the new one before running it"
        )
    began = str(folder.provenance.get("created") or "")
    if began and began < registration.created:
        return (
            f"{folder.name} began at {began}, before it was registered at {registration.created}:"
            " its verdicts are exploratory."
        )
    return ""


def difference(registered: ExperimentConfig, ran: ExperimentConfig) -> str:
    """The first setting that makes it another experiment; "" if it is the registered one."""
    if ran.fingerprint() == registered.fingerprint():
        return ""
    left, right = (_flat(config.resolved().as_dict()) for config in (registered, ran))
    for key in dict.fromkeys([*left, *right]):
        own = key.partition(".")[0]
        if own in ("name", "about", "tracking", "resources") or left.get(key) == right.get(key):
            continue
        return f"`{key}` is {right.get(key)}, registered was {left.get(key)}"
    return "its fingerprint differs"


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
