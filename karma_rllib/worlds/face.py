"""What a world has to declare, so that everything else need not know which world it is.

To add a world: a module with an `ENTRY`, its name in `worlds._HOMES`, and a class with the face
`World`.  This module is light: pydantic only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import BaseModel, ValidationError

from karma_rllib.hints import hint

if TYPE_CHECKING:
    import numpy as np

    from karma_rllib.worlds.events import StepOut

    Obs = dict[str, np.ndarray]


class Traits(NamedTuple):
    """What follows from a world's parameters, and others must know before it is built.

    A trait that a world does not have keeps its default; what is counted of it is then zero.
    """

    zap: int | None = None  # the action that harms, None: nobody can be harmed
    zaps: tuple[int, ...] = ()  # every action that harms, `zap` among them
    timeout: int = 1  # how long a victim cannot act [env-steps]
    waste_cells: int = 0  # cells that may hold waste, 0: a world without it
    shows_debt: bool = False  # observations show the ledger of debts
    beam_length: int = 0  # how far the harm reaches [cells]
    places: bool = False  # callers can place agents at reset: `prepare`, `open_cells`, `populate`,
    #                       and the `key` and `episode` of each world
    shows_kin: bool = False  # observations show `kin`, uint8 (B, N, N), which society writes
    bonds: bool = False  # agents can bond: `bonds`, bool (B, N, N), and in the events `bonded` and
    #                      `parted`, which society makes kinship of
    mask_start: int | None = None  # entry of the vector where those of `num_actions` begin that
    #                                are 1 for a possible action; None: every action always is
    uneven: bool = False  # episodes differ in length: `max_steps` is only an upper bound
    replays: bool = True  # an episode can be kept in a file: the state of a world is numbers alone


class World(Protocol):
    """B copies of one game with N agents, stepped together; all arrays have the axes (B, N).

    `step` fills the fields of `events.Events` that the game has; the others stay zero.
    """

    name: str
    params: Any  # with `num_agents`, `max_steps`, `profile`
    traits: Traits
    num_worlds: int
    num_agents: int
    num_actions: int
    max_steps: int
    seed: int
    action_names: tuple[str, ...]
    plane_names: tuple[str, ...]
    vec_names: tuple[str, ...]
    grid_scale: np.ndarray  # factor that brings each channel of the grid to [0, 1], float32 (C,)
    obs_shapes: dict[str, tuple[int, ...]]

    @property
    def uid(self) -> np.ndarray:
        """Identity of each world, int64 (B,)."""

    @property
    def frozen(self) -> np.ndarray:
        """Agents that cannot act in the current frame, bool (B, N)."""

    def reset(
        self, mask: np.ndarray | None = None, *, out: Obs | None = None, debt: Any = None
    ) -> Obs:
        """Begin a new episode where `mask` is true."""

    def step(self, actions: np.ndarray, out: Obs | None = None, debt: Any = None) -> StepOut:
        """Advance every world by one env-step; never resets."""

    def observe(self, out: Obs | None = None, debt: Any = None) -> Obs:
        """Write the current observations once more."""

    def empty_obs(self) -> Obs:
        """Buffers that `reset`, `step` and `observe` accept as `out`."""

    def frame(self, b: int = 0) -> Any:
        """What a renderer needs of world b, a `harvest_state.Frame`."""

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that the future of the worlds depends on."""

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Continue where `get_state` was called."""


class Entry(NamedTuple):
    """A world in the registry.

    Attributes:
        world: "module:Class" of the world, imported only when one is built; its constructor takes
            (params, *, num_worlds, seed, first_uid, num_threads).
        about: one line.
        params: the model of its parameters; its keys are what `world:` of an experiment may hold.
        profiles: named parameter sets.
        lines: one line on each profile.
        default: the profile of a world that names none.
        traits: from parameters to `Traits`.
        grid_scale: from parameters to the factors that bring the grid's channels to [0, 1].
        reference: file of what random play does in each profile, beside this module; "" for none.
    """

    world: str
    about: str
    params: type[BaseModel]
    profiles: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, str]
    default: str
    traits: Callable[[Any], Traits]
    grid_scale: Callable[[Any], list[float]]
    reference: str = ""

    def load(self) -> Any:
        """The class of the world."""
        module, name = self.world.split(":")
        return getattr(import_module(module), name)

    def resolve(self, profile: str | None, params: Mapping[str, Any]) -> Any:
        """Build validated parameters from a profile and overrides.

        Args:
            profile: one of `profiles`, None for the default.
            params: overrides, any field of the parameters.

        Raises:
            ValueError: one sentence that names the parameter, its value and the rule.
        """
        name = self.default if profile is None else profile
        if name not in self.profiles:
            raise ValueError(f"unknown profile {name!r}: {hint(name, self.profiles)}")
        try:
            return self.params(**{**self.profiles[name], **params, "profile": name})
        except ValidationError as error:
            raise ValueError(explain(self.params, error)) from None


def _range(bounds: Iterable[Any]) -> str:
    """Range of a numeric parameter, like [1, 64] or [0, 1)."""
    low, high, left, right = "-inf", "inf", "(", ")"
    for bound in bounds:
        low, left = (str(bound.ge), "[") if hasattr(bound, "ge") else (low, left)
        low, left = (str(bound.gt), "(") if hasattr(bound, "gt") else (low, left)
        high, right = (str(bound.le), "]") if hasattr(bound, "le") else (high, right)
        high, right = (str(bound.lt), ")") if hasattr(bound, "lt") else (high, right)
    return f"{left}{low}, {high}{right}"


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def explain(model: type[BaseModel], error: ValidationError) -> str:
    """Say the first complaint of a pydantic error in one sentence (key, value, rule)."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    key, value, kind = str(first["loc"][0]), first["input"], first["type"]
    if kind == "extra_forbidden":
        return f"unknown parameter {key!r}: {hint(key, model.model_fields)}"
    field = model.model_fields[key]
    if kind.startswith(("greater_than", "less_than")):
        rule = f"must lie in {_range(field.metadata)}"
    elif kind == "literal_error":
        options = field.annotation.__args__  # type: ignore[union-attr]
        rule = f"must be one of {', '.join(options)}"
        if "did you mean" in (near := hint(str(value), options)):
            rule += f"; {near}"
    elif kind == "string_type":
        rule = "must be text"
    elif kind.split("_")[0] in _KINDS:
        rule = f"must be {_KINDS[kind.split('_')[0]]}"
    else:
        rule = f"is wrong: {first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{key}={value!r} {rule} ({field.description})"
