"""What every section of the schema shares: strict, frozen, and errors in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from karma_rllib.config import counterparts
from karma_rllib.config.errors import (
    ConfigError,
    Origin,
    Path,
    culprit,
    dotted,
    listed,
    shown,
)
from karma_rllib.hints import closest

S = TypeVar("S", bound="Section")


def _plain(value: Any) -> Any:
    """Lists as tuples and whole floats as ints, so that strict validation takes what YAML gives."""
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class Section(BaseModel):
    """One mapping of the schema: unknown keys refused, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            return {key: _plain(value) for key, value in data.items()}
        return data

    @classmethod
    def of(cls: type[S], values: Any, where: Path = (), origin: Origin | None = None) -> S:
        """Validate `values`; the only way in that speaks in sentences.

        Args:
            values: a mapping of this section's keys.
            where: the section's own key path, for errors.
            origin: where the keys were written, for errors.

        Raises:
            ConfigError: the first thing that is wrong, in one sentence.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as err:
            raise ConfigError(explain(cls, err, where, origin or Origin())) from None

    def updated(self: S, **changes: Any) -> S:
        """A validated copy with `changes`.

        Raises:
            ConfigError: an unknown key or an impossible value.
        """
        name = type(self).__name__.lower()
        given = {key: getattr(self, key) for key in self.model_fields_set}
        return type(self).of({**given, **changes}, where=(name,))

    def keys(self) -> Iterator[str]:
        """The names of the section's keys, in schema order."""
        return iter(type(self).model_fields)

    def as_dict(self) -> dict[str, Any]:
        """Plain data (dict, list, str, numbers), ready for YAML or JSON."""
        return self.model_dump(mode="json")


def explain(model: type[BaseModel], err: ValidationError, where: Path, origin: Origin) -> str:
    """Turn pydantic's findings into one sentence about the most telling of them.

    Unknown keys come first: they usually cause the rest.
    """
    found = sorted(err.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = found[0]
    path = _key_path(model, first["loc"])
    full = (*where, *path)
    place = origin.of(full)
    if first["type"] == "extra_forbidden":
        return place + counterparts.unknown_key(full, first["input"])
    if first["type"] == "value_error" and "`" in first["msg"]:  # the sentence is complete
        sentence = str(first["ctx"]["error"])
        return origin.of(culprit(sentence)) + sentence
    if first["type"] == "missing":
        return f"{place}`{dotted(full)}` is missing; {_description(model, path)}"
    same = [e for e in found if _key_path(model, e["loc"]) == path]
    rules = list(dict.fromkeys(_rule(e) for e in same))
    rule = listed([rules[0], *(r.removeprefix("must be ") for r in rules[1:])])
    if not full:
        return f"{place}the experiment is {shown(first['input'])}, but it {rule}"
    return f"{place}`{dotted(full)}` is {shown(first['input'])}, but it {rule}{_hint(same)}"


def _key_path(model: type[BaseModel], loc: tuple[str | int, ...]) -> Path:
    """The part of pydantic's location that people wrote (union members and the like cut off)."""
    path: list[str | int] = []
    here: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int):
            path.append(part)
            continue
        if here is None:
            break
        path.append(part)
        info = here.model_fields.get(part)
        kinds = [] if info is None else [info.annotation, *get_args(info.annotation)]
        here = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return tuple(path)


def _description(model: type[BaseModel], path: Path) -> str:
    info = model.model_fields.get(str(path[-1])) if len(path) == 1 else None
    return f"it is {info.description}" if info and info.description else "it has no default"


_RULES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "none_required": "must be empty",
}


def _rule(error: ErrorDetails) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    template = _RULES.get(error["type"])
    if template is None:
        return f"is refused ({error['msg']})"
    context = dict(error.get("ctx", {}))
    if context.get("min_length") == 1:
        return "must not be empty"
    if "expected" in context:
        context["expected"] = context["expected"].replace("False", "false")
    numbers = {k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()}
    return template.format(**numbers)


def _hint(errors: list[ErrorDetails]) -> str:
    """A close word, when a word was expected and another was given."""
    for error in errors:
        if error["type"] == "literal_error" and isinstance(error["input"], str):
            words = [
                w.strip("'") for w in error["ctx"]["expected"].replace(" or ", ", ").split(", ")
            ]
            best = closest(error["input"], words)
            if best:
                return f"; did you mean '{best}'?"
    return ""
