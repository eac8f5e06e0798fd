"""YAML in and out.

The dialect is YAML 1.2's core: only ``true`` and ``false`` are booleans (so ``mode: off`` is the
word "off"), ``3e-4`` is a number, and digits may be grouped (``1_500_000``).  A key written twice
in one mapping is an error, never a silent last-one-wins.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from karma_rllib.config import errors
from karma_rllib.config.errors import ConfigError, Origin
from karma_rllib.hints import closest

_CORE = [
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|false|True|False)$", list("tfTF")),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9][0-9_]*$", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|\.(?:inf|nan))$",
        list("-+.0123456789"),
    ),
]


class _Loader(yaml.SafeLoader):
    """SafeLoader that resolves plain scalars by YAML 1.2's core schema."""


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes exactly what `_Loader` would otherwise read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


for _cls in (_Loader, _Dumper):
    _cls.yaml_implicit_resolvers = {}  # forget YAML 1.1's
    for _tag, _pattern, _first in _CORE:
        _cls.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    return (
        int(plain)
        if re.fullmatch(r"[-+]?[0-9]+", plain)
        else float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    )


_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: _number(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: _number(node.value))
_Loader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() == "true")
_Dumper.add_representer(tuple, lambda dumper, data: dumper.represent_list(list(data)))


def _represent_list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


_Dumper.add_representer(list, _represent_list)


def _walk(node: yaml.Node, path: errors.Path, lines: dict[errors.Path, int], name: str) -> None:
    """Record the line of every key; refuse duplicate and non-text keys and self-reference."""
    if len(path) > 50:
        raise ConfigError(f"{name}: the mapping under `{path[0]}` nests without end")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, name)
    if not isinstance(node, yaml.MappingNode):
        return
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if key_node.tag != "tag:yaml.org,2002:str":
            shown = getattr(key_node, "value", "?")
            raise ConfigError(f"{name}, line {line}: the key {errors.shown(shown)} is not a word")
        here = (*path, key_node.value)
        if here in lines:
            raise ConfigError(
                f"{name}, line {line}: `{errors.dotted(here)}` is set twice (first on line "
                f"{lines[here]}); keep one"
            )
        lines[here] = line
        _walk(value_node, here, lines, name)


def parse(text: str, name: str) -> tuple[Any, dict[errors.Path, int]]:
    """Parse one YAML document.

    Args:
        text: the document.
        name: what to call it in errors.

    Returns:
        The value and the line number of every key path.

    Raises:
        ConfigError: not valid YAML, a duplicate key, a key that is not text.
    """
    lines: dict[errors.Path, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _walk(node, (), lines, name)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as err:
        # An override is one line long: its line number says nothing.
        mark = None if name.startswith("--set") else err.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: not valid YAML ({err.problem or err.context})") from None
    except yaml.YAMLError as err:
        reason = str(err).splitlines()[0]
        raise ConfigError(f"{name}: not valid YAML ({reason})") from None
    except (ValueError, RecursionError) as err:
        if isinstance(err, ConfigError):
            raise
        raise ConfigError(f"{name}: not valid YAML ({err})") from None


def read(path: str | Path) -> tuple[dict[str, Any], Origin]:
    """Read an experiment file.

    Args:
        path: the file.

    Returns:
        Its mapping and where each key stands.

    Raises:
        ConfigError: missing, a folder, unreadable, not text, empty, not a mapping, bad YAML.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{_neighbour(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder, not an experiment file") from None
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror})") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: not a text file (byte {err.start} is not UTF-8)") from None
    if "\0" in text:
        raise ConfigError(f"{path}: not a text file (it contains zero bytes)")
    data, lines = parse(text, str(path))
    if data is None:
        raise ConfigError(
            f"{path}: the file is empty; an experiment needs at least `name` and `world`"
        )
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else f"plain {errors.shown(data)}"
        raise ConfigError(f"{path}: the file holds {kind}, not a mapping such as `name: smoke`")
    return data, Origin(str(path), lines)


def _neighbour(path: Path) -> str:
    """A hint at the file that was probably meant."""
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")]
    except OSError:
        return f" (the folder {path.parent} does not exist)"
    best = closest(path.name, names)
    return f"; did you mean {path.parent / best}?" if best else ""


def dump(data: dict[str, Any]) -> str:
    """Write a mapping as YAML that `parse` reads back to an equal mapping."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=False,
    )


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """Split one ``--set section.key=value``; the value is a YAML scalar or flow collection.

    Raises:
        ConfigError: no ``=``, an empty key, or a value that is not YAML.
    """
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ConfigError(f"--set {text}: write it as section.key=value, for example ppo.lr=1e-3")
    return path, parse(value, f"--set {text}")[0]


def apply_overrides(data: dict[str, Any], origin: Origin, overrides: list[str]) -> dict[str, Any]:
    """Copy `data` with every ``--set`` laid over it; `origin` learns who wrote what.

    Raises:
        ConfigError: a malformed override, or one that reaches into something that is no mapping.
    """
    out = {**data}
    for text in overrides:
        path, value = parse_override(text)
        node = out
        for depth, part in enumerate(path[:-1]):
            child = node.get(part)
            child = {} if child is None else child
            if not isinstance(child, dict):
                above = errors.dotted(path[: depth + 1])
                raise ConfigError(
                    f"--set {text}: `{above}` is {errors.shown(child)}, not a section"
                )
            node[part] = {**child}
            node = node[part]
        node[path[-1]] = value
        origin.overrides[path] = text
    return out
