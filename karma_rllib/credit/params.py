"""What value transport can be told: one frozen, checked set of numbers and choices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from karma_rllib.conditions import Condition
from karma_rllib.hints import check_choice, read_rules

MATCHES = ("hard_opp", "hard_role", "soft")
HARMS = ("gap", "surprise", "reward", "value")
PLACEBOS = ("none", "shuffle", "random_time")
EXCLUSIONS = ("gl", "g")


def _integer(least: int) -> tuple[Callable[[Any], bool], str]:
    def holds(x: Any) -> bool:
        return isinstance(x, int) and not isinstance(x, bool) and x >= least

    return holds, f"a whole number of at least {least}"


def _real(holds: Callable[[float], bool], rule: str) -> tuple[Callable[[Any], bool], str]:
    def check(x: Any) -> bool:
        number = isinstance(x, (int, float)) and not isinstance(x, bool)
        return number and math.isfinite(x) and holds(x)

    return check, rule


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "memory_slots": _integer(1),
    "key_dim": _integer(1),
    "read_top_k": _integer(1),
    "beta": _real(lambda x: x >= 0, "at least 0"),
    "tau_age": _real(lambda x: x > 0, "greater than 0"),
    "theta_read": _real(lambda x: True, "a number"),
    "harm_max": _real(lambda x: x > 0, "greater than 0"),
    "alpha": _real(lambda x: 0 <= x <= 1, "in [0, 1]"),
    "blame_cap": _real(lambda x: x > 0, "greater than 0"),
    "retro_max_age": _integer(1),
    "retro_window": _integer(1),
    "retro_dual_clip": _real(lambda x: x > 1, "greater than 1"),
    "snapshots": _integer(1),
}
_CHOICES = {"match": MATCHES, "harm": HARMS, "placebo": PLACEBOS}
_SWITCHES = ("memory_persist", "affects_value", "retro", "contrast")


@dataclass(frozen=True)
class TvtParams:
    """How punishments are traced back to crimes, and what is sent there.

    Attributes:
        match: what a punished agent looks for: its own attacks on the punisher (`hard_opp`), on
            anybody (`hard_role`), or whatever resembles them most (`soft`).
        memory_slots: events that one agent remembers, >= 1; the oldest make room.
        memory_persist: the memory outlives episodes.
        key_dim: width of keys and queries.
        read_top_k: slots that share one punishment, >= 1; 1 takes the latest crime of a hard match.
        beta: sharpness of the shares, >= 0.
        tau_age: env-steps of age that cost one unit of score, > 0.
        theta_read: least score at which a soft match counts.
        exclusion: how recent a crime advantages already reach and recall must leave alone
            [env-steps]: `gl` 1/(1 - gamma lambda), `g` 1/(1 - gamma), or a number.
        harm: what is sent: the return's `gap` below the agent's usual value, its `surprise` below
            the present value, the present `reward`, or the next `value` (whose sign is wrong on
            purpose: the control).
        harm_max: most harm of one punishment [reward], > 0.
        alpha: part of the harm that is sent, in [0, 1].
        blame_cap: most harm one crime can be charged with over its life [reward], > 0.
        affects_value: the value function learns from rewards with transport, too.
        retro: crimes of earlier fragments are charged through a policy term of their own.
        retro_max_age: fragments after which a crime is too old for that, >= 1.
        retro_window: env-steps of the window that ends with the crime, >= 1.
        retro_dual_clip: bound of that term in units of its advantage, > 1.
        placebo: charge something else with the same harm: an own crime against another agent
            (`shuffle`) or an own earlier step without a zap (`random_time`).
        contrast: scale harm by how much likelier open crimes make punishment.
        snapshots: crimes of all worlds of one env runner whose frames are kept, >= 1.

    Raises:
        ValueError: for a value out of its range, in one sentence.
    """

    match: str = "hard_opp"
    memory_slots: int = 1000
    memory_persist: bool = True
    key_dim: int = 32
    read_top_k: int = 5
    beta: float = 10.0
    tau_age: float = 2000.0
    theta_read: float = 1.5
    exclusion: str | int = "gl"
    harm: str = "gap"
    harm_max: float = 5.0
    alpha: float = 0.9
    blame_cap: float = 10.0
    affects_value: bool = True
    retro: bool = True
    retro_max_age: int = 20
    retro_window: int = 1
    retro_dual_clip: float = 3.0
    placebo: str = "none"
    contrast: bool = False
    snapshots: int = 20_000

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for key, choices in _CHOICES.items():
            check_choice(f"tvt.{key}", getattr(self, key), choices)
        for key in _SWITCHES:
            if not isinstance(getattr(self, key), bool):
                raise ValueError(f"tvt.{key} is {getattr(self, key)!r}: it must be true or false.")
        for key, (holds, rule) in _RULES.items():
            if not holds(getattr(self, key)):
                raise ValueError(f"tvt.{key} is {getattr(self, key)!r}: it must be {rule}.")
        if self.exclusion not in EXCLUSIONS and not _integer(0)[0](self.exclusion):
            raise ValueError(
                f"tvt.exclusion is {self.exclusion!r}: it must be 'gl', 'g' or a whole number of "
                "env-steps, at least 0."
            )

    @classmethod
    def of(cls, settings: TvtParams | Mapping[str, Any] | None) -> TvtParams:
        """Read settings given as an object, as a mapping (from YAML, say), or as None (defaults).

        Raises:
            ValueError: for an unknown key, naming the nearest one.
        """
        return read_rules(cls, settings, "tvt")


def exclusion_steps(exclusion: str | int, gamma: float, lambda_: float) -> int:
    """How recent an event recall leaves to ordinary advantages [env-steps].

    `gl` is the horizon of the advantages, ceil(1 / (1 - gamma lambda)): within it a punishment
    reaches the crime anyhow. `g` is the horizon of the values, round(1 / (1 - gamma)), as in Hung
    et al. 2019, arXiv:1810.06721.

    Raises:
        ValueError: if the horizon is infinite.
    """
    if isinstance(exclusion, int):
        return exclusion
    rate = 1.0 - (gamma * lambda_ if exclusion == "gl" else gamma)
    if rate <= 0:
        raise ValueError(
            f"tvt.exclusion {exclusion!r} has no finite horizon at gamma {gamma} and gae_lambda "
            f"{lambda_}: give it as a number of env-steps."
        )
    # floating point puts 1 / (1 - 0.9) just above 10
    horizon = 1.0 / rate - 1e-9
    return math.ceil(horizon) if exclusion == "gl" else round(horizon)


def under(section: Mapping[str, Any], row: Condition) -> TvtParams:
    """The `tvt` section of an experiment under a condition, whose placebo and harm come first."""
    own = {k: v for k, v in section.items() if k in TvtParams.__dataclass_fields__}
    if row.tvt_placebo != "none":
        own["placebo"] = row.tvt_placebo
    if row.harm is not None:
        own["harm"] = row.harm
    if row.alpha is not None:
        own["alpha"] = row.alpha
    return TvtParams.of(own)
