"""``karma list``: the reference, printed from the tables and the schema themselves."""

from __future__ import annotations

import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from rich import box
from rich.console import Console
from rich.table import Table

from karma_rllib import conditions, worlds
from karma_rllib.cli import examples
from karma_rllib.config import ConfigError, ExperimentConfig
from karma_rllib.config.counterparts import KARMIC_OPTIONS, SEED_KEYS, SEED_OPTIONS
from karma_rllib.config.experiment import section_models
from karma_rllib.hints import hint

WIDTH = 120  # columns where the output is not a terminal


def show(topic: str, section: str | None = None) -> None:
    """Print one list.

    Args:
        topic: worlds, profiles, conditions, examples, scenarios, policies or params.
        section: with params, the only section to print; with policies, a run folder.

    Raises:
        ConfigError: an unknown section, or one where none belongs.
    """
    # Markup would swallow units: they stand in brackets.
    width = None if sys.stdout.isatty() else WIDTH
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    if section is not None and topic == "policies":
        _policies_in(console, Path(section))
        return
    if section is not None and topic != "params":
        raise ConfigError(f"karma list {topic} takes no further argument, but got '{section}'")
    if topic == "params":
        _params(console, section)
    else:
        _rows(console, topic, _LISTS[topic]())


def _worlds() -> list[tuple[str, str]]:
    return [(name, worlds.entry(name).about) for name in worlds.list_worlds()]


def _profiles() -> list[tuple[str, str]]:
    return [
        (profile, f"{line} ({world})")
        for world in worlds.list_worlds()
        for profile, line in worlds.list_profiles(world).items()
    ]


def _conditions() -> list[tuple[str, str]]:
    return [(row.name, row.about) for row in conditions.CONDITIONS.values()]


def _examples() -> list[tuple[str, str]]:
    found = examples.examples()
    return [(name, examples.first_sentence(path)) for name, path in found.items()]


def _scenarios() -> list[tuple[str, str]]:
    from karma_rllib.envs import scenarios

    return [(one.name, f"{one.about} ({one.suite})") for one in scenarios.scenarios().values()]


def _policies() -> list[tuple[str, str]]:
    from karma_rllib.envs.bots import list_bots
    from karma_rllib.nets.policies import SCHEMES

    bots = [
        (f"bot://{name}", f"{about} ({world})")
        for world in worlds.list_worlds()
        for name, about in list_bots(world).items()
        if name != "random"
    ]
    return [(uri, about) for uri, about in SCHEMES.items() if uri != "bot://"] + bots


def _policies_in(console: Console, run_dir: Path) -> None:
    """Print the trained policies under a folder."""
    from karma_rllib.nets.policies import list_policies

    try:
        found = list_policies(run_dir)
    except ValueError as err:
        raise ConfigError(str(err)) from None
    table = Table(box=box.SIMPLE_HEAD)
    for head in ("policy", "agent-steps", "condition", "seed", "world"):
        table.add_column(head, no_wrap=head == "policy", overflow="fold")
    for policy in found:
        about, world = policy.about, policy.about.get("world", {})
        place = policy.folder.parent if policy.folder else run_dir
        inside = place.relative_to(run_dir.resolve())
        where = f"{world.get('name', '?')} {world.get('profile') or ''}".strip()
        cells = (str(inside), policy.version, about.get("condition"), about.get("seed"), where)
        table.add_row(*(str(cell) for cell in cells))
    console.print(table)


def export(uri: str, directory: Path) -> None:
    """Write a policy's two files to a folder and say so.

    Raises:
        ConfigError: there is no such policy, or the folder already holds one.
    """
    from karma_rllib.nets import policies

    try:
        where = policies.export(uri, directory)
    except (ValueError, OSError) as err:
        raise ConfigError(str(err)) from None
    Console(markup=False, highlight=False).print(f"policy: {where}", soft_wrap=True)


_LISTS = {
    "worlds": _worlds,
    "profiles": _profiles,
    "conditions": _conditions,
    "examples": _examples,
    "scenarios": _scenarios,
    "policies": _policies,
}


def _rows(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    console.print(table if rows else f"no {title} found")


# --- the reference of all keys -----------------------------------------------------------------


def _params(console: Console, section: str | None) -> None:
    models = section_models()
    if section is not None and section not in models:
        raise ConfigError(f"there is no section '{section}'; {hint(section, models)}")
    if section is None:
        plain = {k: v for k, v in ExperimentConfig.model_fields.items() if k not in models}
        _section(console, "experiment", ExperimentConfig.__doc__ or "", plain)
    for name in [section] if section else models:
        model = models[name]
        fields = dict(model.model_fields)
        if name == "world":
            for own in map(worlds.entry, worlds.list_worlds()):
                fields |= {k: v for k, v in own.params.model_fields.items() if k not in fields}
        _section(console, name, model.__doc__ or "", fields)
    if section is None:
        _counterparts(console)


def _section(console: Console, name: str, about: str, fields: dict[str, FieldInfo]) -> None:
    table = Table(title=f"{name}: {about.partition(chr(10))[0]}", title_justify="left")
    table.box = box.SIMPLE_HEAD
    for head in ("key", "default", "values", "meaning"):
        table.add_column(head, no_wrap=head == "key", overflow="fold")
    prefix = "" if name == "experiment" else f"{name}."
    for key, info in fields.items():
        table.add_row(prefix + key, default_of(info), values_of(info), info.description or "")
    console.print(table)


def _counterparts(console: Console) -> None:
    table = Table(title="Keys and options of the original scripts and their counterparts here")
    table.title_justify, table.box = "left", box.SIMPLE_HEAD
    table.add_column("there", no_wrap=True)
    table.add_column("here", no_wrap=True)
    for there, here in {**SEED_KEYS, **SEED_OPTIONS, **KARMIC_OPTIONS}.items():
        table.add_row(there, here)
    console.print(table)


def default_of(info: FieldInfo) -> str:
    """A key's default as one would write it in YAML."""
    if info.default is PydanticUndefined:
        return "required"
    return yaml_word(info.default)


def yaml_word(value: Any) -> str:
    """A value as one would write it in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(yaml_word(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def values_of(info: FieldInfo) -> str:
    """Type, choices and range of a key."""
    text = type_word(info.annotation)
    bounds = []
    for rule in info.metadata:
        for name, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
            if hasattr(rule, name):
                bounds.append(f"{sign} {getattr(rule, name):g}")
    return " ".join([text, ", ".join(bounds)]).strip()


def type_word(kind: Any) -> str:
    """A type in plain words."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(yaml_word(arg) for arg in args)
    if origin in (types.UnionType, typing.Union):
        return " | ".join(type_word(arg) for arg in args)
    if origin is tuple:
        return f"list of {type_word(args[0])}s"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    words = {int: "whole number", float: "number", bool: "true | false", str: "text"}
    return "null" if kind is type(None) else words.get(kind, str(kind))
