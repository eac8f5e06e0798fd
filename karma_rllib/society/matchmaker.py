"""The conspiring matchmaker: who starts an episode next to whom, decided by who owes whom.

Shapes: B worlds, N agents, P <= N // 2 pairs, G side of the map.  A pair is (debtor, creditor).

At a reset, in the worlds that reset:

1. `choose_pairs` takes pairs off the ledger, no agent twice: the largest debt first (`greedy`), or
   at random with probability proportional to exp(debt / temperature) (`softmax`).  Debts at or
   below the ledger's threshold do not count, and equal debts are told apart by a random number.
2. `put_pair` rigs a pair, with probability `debt_strength`: the creditor on a random open cell,
   facing the debtor `pair_distance` cells ahead of it, all such spots alike likely.  A pair for
   which the map has no spot stays unrigged and is counted as wanted, not as rigged.
3. Everyone else enters at random, as without a matchmaker.  At a distance above 1 a bystander may
   thus come to stand between the two.

Modes: `off`; `debt`, as above; `random_pairs`, the contact placebo: as many pairs as `debt` would
rig, of agents drawn at random; `anti`: debtor and creditor start as far apart as the map allows.

Why the creditor faces the debtor and the debtor looks away (`debtor_heading`): face to face, the
debtor might shoot first, and the retribution would become a second crime.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.hints import check_choice, read_rules

MODES = ("off", "debt", "random_pairs", "anti")
PAIRINGS = ("greedy", "softmax")
HEADINGS = ("away", "random", "facing")
COUNTS = ("as_debt", "max")
DEBT, RANDOM_PAIRS, ANTI = 1, 2, 3  # codes of the kernels: MODES.index(...)

#: `Events.rigged` of one agent: what the matchmaker made of it in this episode.
CREDITOR, DEBTOR = 1, 2


@dataclass(frozen=True)
class MatchmakerParams:
    """Rules of the matchmaker.

    Attributes:
        mode: `off`, `debt`, `random_pairs` or `anti`.
        debt_strength: probability that a chosen pair is rigged, in [0, 1].
        pairing: `greedy` or `softmax`.
        temperature: of `softmax` [zaps], > 0.
        pair_distance: cells from creditor to debtor, >= 1 and at most the length of the beam.
        debtor_heading: `away` from the creditor, `random`, or `facing` it.
        max_pairs: most pairs per world, >= 1; None: as many as there are agents for.
        random_count: pairs of `random_pairs`: `as_debt`, or `max` for as many as possible.

    Raises:
        ValueError: for a value out of its range, in one sentence.
    """

    mode: str = "off"
    debt_strength: float = 1.0
    pairing: str = "greedy"
    temperature: float = 1.0
    pair_distance: int = 1
    debtor_heading: str = "away"
    max_pairs: int | None = None
    random_count: str = "as_debt"

    def __post_init__(self) -> None:
        """Check every value against its range."""
        words = {
            "mode": MODES,
            "pairing": PAIRINGS,
            "debtor_heading": HEADINGS,
            "random_count": COUNTS,
        }
        for key, options in words.items():
            _one_of(key, getattr(self, key), options)
        _number("debt_strength", self.debt_strength, lambda x: 0 <= x <= 1, "in [0, 1]")
        _number("temperature", self.temperature, lambda x: x > 0, "greater than 0")
        for key, value in (("pair_distance", self.pair_distance), ("max_pairs", self.max_pairs)):
            if value is None and key == "max_pairs":
                continue
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
                raise ValueError(f"matchmaker.{key} is {value!r}: it must be a whole number >= 1.")

    @classmethod
    def of(cls, rules: "MatchmakerParams | Mapping[str, Any] | None") -> "MatchmakerParams":
        """Read rules given as an object, as a mapping (from YAML, say), or as None (off).

        Raises:
            ValueError: for an unknown key, naming the nearest one.
        """
        return read_rules(cls, rules, "matchmaker")

    def check_beam(self, beam_length: int) -> None:
        """Refuse a distance at which the creditor could not reach the debtor.

        Raises:
            ValueError: pair_distance is longer than the beam.
        """
        if self.mode in ("debt", "random_pairs") and self.pair_distance > beam_length:
            raise ValueError(
                f"matchmaker.pair_distance is {self.pair_distance}, but the beam reaches only "
                f"beam_length = {beam_length} cells: the creditor could not hit the debtor."
            )


def _one_of(key: str, value: Any, options: tuple[str, ...]) -> None:
    if value is False and "off" in options:
        raise ValueError(
            f"matchmaker.{key} is False: it must be one of {', '.join(options)}; YAML reads a bare "
            'off as false, write "off" in quotes.'
        )
    check_choice(f"matchmaker.{key}", value, options)


def _number(key: str, value: Any, holds: Any, rule: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and holds(value)):
        raise ValueError(f"matchmaker.{key} is {value!r}: it must be {rule}.")


class Rules(NamedTuple):
    """`MatchmakerParams` as the kernels read them: numbers only."""

    mode: int
    strength: float
    softmax: bool
    temperature: float
    distance: int
    heading: int
    max_pairs: int
    as_debt: bool
    threshold: float


def compile_rules(params: MatchmakerParams, num_agents: int, threshold: float) -> Rules:
    """Numbers for the kernels; `threshold` is the ledger's [zaps]."""
    most = num_agents // 2
    return Rules(
        MODES.index(params.mode),
        float(params.debt_strength),
        params.pairing == "softmax",
        float(params.temperature),
        int(params.pair_distance),
        HEADINGS.index(params.debtor_heading),
        most if params.max_pairs is None else min(most, int(params.max_pairs)),
        params.random_count == "as_debt",
        float(threshold),
    )


class Match(NamedTuple):
    """What the matchmaker decided for the current episode; rows of worlds it never met are -1."""

    pairs: np.ndarray  # (debtor, creditor), -1 where there is none, int8 (B, P, 2)
    debt: np.ndarray  # what the debtor owed the creditor then [zaps], float32 (B, P)
    rigged: np.ndarray  # the pair was placed, bool (B, P)
    pos: np.ndarray  # where agents start, -1 for anywhere, int16 (B, N, 2)
    head: np.ndarray  # and how they face, -1 for any way, int8 (B, N)


def empty_match(num_worlds: int, num_agents: int) -> Match:
    """No pairs, everyone anywhere."""
    B, N, P = num_worlds, num_agents, max(1, num_agents // 2)
    return Match(
        pairs=np.full((B, P, 2), -1, np.int8),
        debt=np.zeros((B, P), np.float32),
        rigged=np.zeros((B, P), np.bool_),
        pos=np.full((B, N, 2), -1, np.int16),
        head=np.full((B, N), -1, np.int8),
    )
