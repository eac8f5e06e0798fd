"""What is claimed of the conditions, as data: each claim a test over runs.

A prediction is a list of parts. A part is one weighted sum over arms (a contrast) of one metric,
and what is claimed of it:

    "<"    lower by at least the margin          ">"   higher by at least the margin
    "~"    equal within the margin               ">="  not below `bound`
    "G0"   the ecology is aggressive (a gate)    "corr<0"  falls as `metric` of the first arm rises

On the log scale (`rate`, `selectivity`) a contrast is a ratio and margins are factors (0.8 and
1.25); on the `linear` scale it is a difference and margins are in the metric's own unit.

Claims come from the two first descriptions, KARMA's mirror test ("mirror") and Karmic-RL
("karmic"), and from this project ("ours").
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from karma_rllib.config.base import Section

Claim = Literal["<", ">", "~", ">=", "G0", "corr<0"]
Scale = Literal["rate", "selectivity", "linear"]
Window = Literal["late", "early", "slope"]


class Term(Section):
    """One arm of a contrast."""

    condition: str
    weight: float = 1.0
    where: dict[str, Any] = Field(default_factory=dict)  # setting -> value, "min" or "max"
    window: Window = "late"


class Part(Section):
    """One contrast and what is claimed of it."""

    metric: str
    terms: tuple[Term, ...]
    claim: Claim
    scale: Scale = "rate"
    margin: float | None = None  # None: as registered for the scale
    bound: float | None = None  # of ">=": a factor or a level
    mention: float | None = None  # a published figure; is it in the interval?


class Prediction(Section):
    """One registered claim: supported iff all its parts are, refuted iff any part is."""

    id: str
    source: Literal["mirror", "karmic", "ours"]
    claim: str
    parts: tuple[Part, ...]
    gates: tuple[Literal["G0", "G1", "G2"], ...] = ("G0",)


def _arm(name: str, weight: float = 1.0, window: Window = "late", **where: Any) -> Term:
    """An arm; keyword `world__grid_size=20` restricts it to runs with that setting."""
    settings = {key.replace("__", "."): value for key, value in where.items()}
    return Term(condition=name, weight=weight, where=settings, window=window)


def _versus(
    metric: str, left: str, claim: Claim, right: str, scale: Scale = "rate", **options: Any
) -> Part:
    """`left` against `right`, both in runs with the settings among `options`."""
    where: Any = {key: options.pop(key) for key in tuple(options) if "__" in key}
    terms = (_arm(left, 1.0, **where), _arm(right, -1.0, **where))
    return Part(metric=metric, terms=terms, claim=claim, scale=scale, **options)


def _violence(left: str, claim: Claim, right: str, **where: Any) -> Part:
    return _versus("violence_rate", left, claim, right, **where)


def _late_over_early(metric: str, arm: str, claim: Claim, **options: Any) -> Part:
    terms = (_arm(arm), _arm(arm, -1.0, "early"))
    return Part(metric=metric, terms=terms, claim=claim, **options)


def _of(id_: str, source: Any, claim: str, *parts: Part, gates: tuple[str, ...] = ("G0",)) -> Any:
    return Prediction.of(
        {"id": id_, "source": source, "claim": claim, "parts": parts, "gates": gates}
    )


_DUAL = ("G0", "G2")

_MIRROR = (
    _of(
        "A1",
        "mirror",
        "baseline: violence and cooperation are high, and yield is lower than without zaps",
        Part(
            metric="cooperation_rate",
            terms=(_arm("baseline"),),
            claim=">",
            scale="linear",
            margin=0.0,
        ),
        _versus("yield_rate", "baseline", "<", "no_zap"),
        gates=_DUAL,
    ),
    _of(
        "A2a",
        "mirror",
        "broken mirror: as much violence as cooperation",
        Part(metric="selectivity", terms=(_arm("broken"),), claim="~", scale="selectivity"),
        gates=_DUAL,
    ),
    _of(
        "A2b",
        "mirror",
        "broken mirror: lower yield than the baseline",
        _versus("yield_rate", "broken", "<", "baseline"),
    ),
    _of(
        "A2c",
        "mirror",
        "broken mirror: less selective than karma",
        _versus("selectivity", "broken", "<", "karma", "selectivity"),
        gates=_DUAL,
    ),
    _of("A3a", "mirror", "karma lowers violence", _violence("karma", "<", "baseline")),
    _of(
        "A3b",
        "mirror",
        "karma raises cooperation",
        _versus("cooperation_rate", "karma", ">", "baseline"),
        gates=_DUAL,
    ),
    _of(
        "A3b-kept",
        "mirror",
        "karma keeps cooperation (secondary to A3b)",
        _versus("cooperation_rate", "karma", "~", "baseline"),
        gates=_DUAL,
    ),
    _of(
        "A3c",
        "mirror",
        "karma raises selectivity (8.3-fold, it was said)",
        _versus("selectivity", "karma", ">", "baseline", "selectivity", mention=8.3),
        gates=_DUAL,
    ),
    _of(
        "A3d",
        "mirror",
        "karma lowers violence more than any other alignment does",
        _violence("karma", "<", "broken"),
        _violence("karma", "<", "placebo_agg"),
        _violence("karma", "<", "shuffled"),
    ),
    _of("A3e", "mirror", "karma raises yield", _versus("yield_rate", "karma", ">", "baseline")),
    _of(
        "A4",
        "mirror",
        "the baseline's violence rises early; karma's collapses in mid-training",
        Part(
            metric="violence_rate",
            terms=(_arm("baseline", window="slope"),),
            claim=">",
            scale="linear",
            margin=0.0,
        ),
        _late_over_early("violence_rate", "karma", "<"),
    ),
    _of(
        "A5",
        "mirror",
        "the baseline tells harming from being harmed, karma does not; karma's aversion transfers",
        Part(
            metric="probe_auroc_z",
            terms=(_arm("baseline"),),
            claim=">=",
            scale="linear",
            bound=0.7,
        ),
        _versus("probe_auroc_z", "karma", "<", "baseline", "linear"),
        _versus("probe_transfer", "karma", ">", "baseline", "linear", margin=0.0),
        gates=("G0", "G1"),
    ),
    _of(
        "A6a",
        "ours",
        "aligning the consequence (karma_out) lowers violence more than the decision (karma)",
        _violence("karma_out", "<", "karma"),
    ),
    _of(
        "A6b",
        "ours",
        "the mirror's effect grows as gae_lambda falls",
        Part(
            metric="violence_rate",
            terms=(
                _arm("karma_out", 1.0, ppo__gae_lambda="min"),
                _arm("baseline", -1.0, ppo__gae_lambda="min"),
                _arm("karma_out", -1.0, ppo__gae_lambda="max"),
                _arm("baseline", 1.0, ppo__gae_lambda="max"),
            ),
            claim="<",
        ),
    ),
    _of(
        "A6c",
        "ours",
        "a slow ramp of the mirror keeps cooperation",
        Part(
            metric="cooperation_rate",
            terms=(
                _arm("karma_out", 1.0, mirror__aux_warmup_steps="max"),
                _arm("karma_out", -1.0, mirror__aux_warmup_steps="min"),
            ),
            claim=">",
        ),
        gates=_DUAL,
    ),
    _of(
        "A7",
        "ours",
        "karma_out lowers violence specifically and selectively",
        _violence("karma_out", "<", "baseline"),
        _violence("karma_out", "<", "placebo_inert"),
        _versus("cooperation_rate", "karma_out", ">=", "baseline", bound=0.7),
        _versus("selectivity", "karma_out", ">", "baseline", "selectivity"),
        gates=_DUAL,
    ),
)


def _per_grid(size: int) -> tuple[Prediction, ...]:
    """The claims of Karmic-RL for one size of the map; memory alone works only on the smallest."""
    here: Any = {"world__grid_size": size}
    small = size == 10
    memory = "memory alone suffices" if small else "memory alone does not help"
    gate = Part(metric="violence_rate", terms=(_arm("baseline", **here),), claim="G0")
    return (
        _of(f"B1-{size}", "karmic", f"baseline on {size}x{size}: aggressive", gate, gates=()),
        _of(
            f"B2-{size}",
            "karmic",
            f"{memory} on {size}x{size}",
            _violence("tvt", "<" if small else "~", "baseline", **here),
        ),
        _of(
            f"B3-{size}",
            "karmic",
            f"the matchmaker alone does not help on {size}x{size}",
            _violence("matchmaker", ">=", "baseline", bound=0.8, **here),
            _violence("matchmaker", ">=", "matchmaker_random", bound=0.8, **here),
        ),
        _of(
            f"B4-{size}",
            "karmic",
            f"memory and matchmaker together lower predatory zaps on {size}x{size}",
            _versus("predatory_rate", "karmic", "<", "baseline", **here),
        ),
    )


def _scarcity(arm: str, weight: float) -> tuple[Term, Term]:
    """How much violence rises from the richest to the scarcest food, in one arm."""
    return (
        _arm(arm, weight, world__respawn_prob="min"),
        _arm(arm, -weight, world__respawn_prob="max"),
    )


_KARMIC = (
    *_per_grid(10),
    *_per_grid(20),
    *_per_grid(30),
    _of(
        "B4s",
        "karmic",
        "the matchmaker is needed at scale, and only there",
        _violence("karmic", "<", "tvt", world__grid_size=30),
        _violence("karmic", "~", "tvt", world__grid_size=10),
    ),
    _of(
        "B5",
        "karmic",
        "debt falls over training in karmic and does not in the baseline",
        _late_over_early("debt", "karmic", "<"),
        _late_over_early("debt", "baseline", ">=", bound=1.0),
    ),
    _of(
        "B6",
        "karmic",
        "retribution rises in karmic, beyond its chance level",
        _late_over_early("retribution_excess", "karmic", ">", scale="linear"),
    ),
    _of(
        "B7",
        "karmic",
        "aggression rises with scarcity in the baseline, and less so in karmic",
        Part(metric="violence_rate", terms=_scarcity("baseline", 1.0), claim=">"),
        Part(
            metric="violence_rate",
            terms=(*_scarcity("karmic", 1.0), *_scarcity("baseline", -1.0)),
            claim="<",
        ),
    ),
    _of(
        "B8a",
        "ours",
        "karmic lowers predatory zaps more than blaming other acts does",
        _versus("predatory_rate", "karmic", "<", "karmic_shuffle"),
    ),
    _of(
        "B8b",
        "ours",
        "karmic lowers predatory zaps more than memory with randomly placed pairs",
        _versus("predatory_rate", "karmic", "<", "tvt_random_pairs"),
    ),
    _of(
        "B8c",
        "ours",
        "karmic lowers violence more in runs that link more crimes to their punishment",
        Part(
            metric="link_rate",
            terms=(_arm("karmic"), _arm("baseline", -1.0)),
            claim="corr<0",
            scale="linear",
        ),
    ),
)

#: All registered predictions, in table order.
PREDICTIONS: tuple[Prediction, ...] = (*_MIRROR, *_KARMIC)
