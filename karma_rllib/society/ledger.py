"""Who owes whom: a ledger of zaps that outlives episodes.

Shapes: B worlds, N agents.  `ledger[b, i, j]` is what i owes j [zaps], because i zapped j and j has
not struck back yet.  The ledger labels every hit of a step, and pays or grows by it:

    retributive   hit i -> j while  L[j, i] > debt_threshold :  L[j, i] -= payment            (1)
    predatory     any other hit     i -> j                   :  L[i, j] += debt_unit * w      (2)

with L the ledger *before* the step and w = apple_weight where an apple lay near the victim, else 1.
An ordered pair meets at most once per step, so no two hits draw on the same debt and the result
does not depend on the order in which hits are settled: two attackers of one agent collect or
borrow separately, and in a mutual zap without debts both are predatory.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from karma_rllib.hints import check_choice, read_rules

PAYMENT_MODES = ("subtract", "scale", "clear")

#: Columns of the books (B, 4): debt made, debt paid by retribution, debt cancelled by netting, debt
#: forgiven by decay; all cumulative over the lifetime [zaps].  At any time the sum of the ledger is
#: made - paid - netted - decayed.
BOOKS = ("made", "paid", "netted", "decayed")


@dataclass(frozen=True)
class LedgerParams:
    """Rules of the ledger.

    Attributes:
        debt_threshold: a hit is retributive when the debt exceeds this [zaps], >= 0.
        debt_unit: debt made by one predatory hit [zaps], > 0.
        apple_weight: factor on the debt when an apple lay in the 5x5 around the victim, > 0.
        payment_mode: `subtract` takes `payment` off the debt (never below 0), `scale` multiplies
            the debt by `payment`, `clear` ends it.
        payment: what one retributive hit pays: zaps (`subtract`, > 0) or the remaining fraction
            (`scale`, in [0, 1)); `clear` does not read it.
        debt_decay: every debt is multiplied by this at each reset, in [0, 1].
        netting: cancel min(L[i, j], L[j, i]) on both sides after each step.

    Raises:
        ValueError: for a value out of its range, in one sentence.
    """

    debt_threshold: float = 0.1
    debt_unit: float = 1.0
    apple_weight: float = 1.0
    payment_mode: str = "subtract"
    payment: float = 1.0
    debt_decay: float = 1.0
    netting: bool = False

    def __post_init__(self) -> None:
        """Check every value against its range."""
        check_choice("ledger.payment_mode", self.payment_mode, PAYMENT_MODES)
        if not isinstance(self.netting, (bool, np.bool_)):
            raise ValueError(f"ledger.netting is {self.netting!r}: it must be true or false.")
        positive = "greater than 0"
        rules = {
            "debt_threshold": (lambda x: x >= 0, "at least 0"),
            "debt_unit": (lambda x: x > 0, positive),
            "apple_weight": (lambda x: x > 0, positive),
            "payment": {
                "subtract": (lambda x: x > 0, positive + " when payment_mode is 'subtract'"),
                "scale": (lambda x: 0 <= x < 1, "in [0, 1) when payment_mode is 'scale'"),
                "clear": (lambda x: True, "a number"),
            }[self.payment_mode],
            "debt_decay": (lambda x: 0 <= x <= 1, "in [0, 1]"),
        }
        for key, (holds, rule) in rules.items():
            value = getattr(self, key)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and holds(value)):
                raise ValueError(f"ledger.{key} is {value!r}: it must be {rule}.")

    @classmethod
    def of(cls, rules: "LedgerParams | Mapping[str, Any] | None") -> "LedgerParams":
        """Read rules given as an object, as a mapping (from YAML, say), or as None (defaults).

        Raises:
            ValueError: for an unknown key, naming the nearest one.
        """
        return read_rules(cls, rules, "ledger")


class LedgerRates(NamedTuple):
    """`LedgerParams` as the kernel reads them: numbers only."""

    threshold: float
    unit: float
    apple_weight: float
    mode: int
    payment: float
    netting: bool


def rates(params: LedgerParams) -> LedgerRates:
    """Compile the rules of a ledger into what `settle` takes."""
    return LedgerRates(
        float(params.debt_threshold),
        float(params.debt_unit),
        float(params.apple_weight),
        PAYMENT_MODES.index(params.payment_mode),
        float(params.payment),
        bool(params.netting),
    )


@njit(cache=True)
def _payment(rules: LedgerRates, owed: Any) -> Any:
    """What one retributive hit takes off a debt of `owed` [zaps]."""
    if rules.mode == 0:
        return min(owed, np.float32(rules.payment))
    if rules.mode == 1:
        return np.float32(owed - owed * rules.payment)
    return owed


@njit(cache=True)
def _net(ledger: np.ndarray) -> float:
    """Cancel mutual debts of one world (N, N); returns how much debt disappeared [zaps]."""
    gone = 0.0
    for i in range(len(ledger)):
        for j in range(i):
            both = min(ledger[i, j], ledger[j, i])
            ledger[i, j] -= both
            ledger[j, i] -= both
            gone += 2 * both
    return gone


@njit(cache=True)
def settle(
    rules: LedgerRates,
    hit: np.ndarray,
    apple_ctx: np.ndarray,
    before: np.ndarray,
    predatory: np.ndarray,
    retributive: np.ndarray,
    ledger: np.ndarray,
    books: np.ndarray,
) -> None:
    """Label the hits of one step and write them into the ledger, equations (1) and (2).

    Args:
        rules: the compiled rules.
        hit: i zapped j in this step, bool (B, N, N).
        apple_ctx: an apple lies near agent j, bool (B, N).
        before: receives the ledger as it was before the step, float32 (B, N, N) [zaps].
        predatory: receives the hits without a debt behind them, bool (B, N, N).
        retributive: receives the hits with a debt behind them, bool (B, N, N).
        ledger: i owes j, float32 (B, N, N) [zaps]; updated in place.
        books: running totals, float64 (B, 4) [zaps], columns `BOOKS`; updated in place.
    """
    before[:] = ledger
    predatory[:] = False
    retributive[:] = False
    B, N = apple_ctx.shape
    for b in range(B):
        for i in range(N):
            for j in range(N):
                if not hit[b, i, j]:
                    continue
                owed = before[b, j, i]  # by the victim to the shooter
                if owed > np.float32(rules.threshold):
                    retributive[b, i, j] = True
                    paid = _payment(rules, owed)
                    ledger[b, j, i] -= paid
                    books[b, 1] += paid
                else:
                    predatory[b, i, j] = True
                    weight = rules.apple_weight if apple_ctx[b, j] else 1.0
                    debt = np.float32(rules.unit * weight)
                    ledger[b, i, j] += debt
                    books[b, 0] += debt
        if rules.netting:
            books[b, 2] += _net(ledger[b])


@njit(cache=True)
def tell(
    threshold: float,
    hit: np.ndarray,
    aim: np.ndarray,
    aim_agent: np.ndarray,
    before: np.ndarray,
    ledger: np.ndarray,
    books_before: np.ndarray,
    books: np.ndarray,
    aim_debtor: np.ndarray,
    debt: np.ndarray,
    made: np.ndarray,
    paid: np.ndarray,
    chance: np.ndarray,
) -> None:
    """Write what the ledger adds to the events of one step.

    Args:
        threshold: debt above which someone is a debtor [zaps].
        hit: i zapped j, bool (B, N, N).
        aim: what a shot of each agent would meet, int8 (B, N); 1 is an active rival.
        aim_agent: and whom, int8 (B, N).
        before: the ledger before the step, float32 (B, N, N) [zaps].
        ledger: and after it.
        books_before: the books before the step, float64 (B, 4) [zaps], columns `BOOKS`.
        books: and after it.
        aim_debtor: receives whether that rival owes the agent, bool (B, N).
        debt: receives the sum of all debts after the step, float32 (B,) [zaps].
        made: receives the debt made in the step, float32 (B,) [zaps].
        paid: receives the debt paid in the step, float32 (B,) [zaps].
        chance: receives how many of the hits would be expected to be retributive if each victim
            had been hit by any other agent, all alike likely, float32 (B,) [zaps].
    """
    B, N = aim.shape
    for b in range(B):
        for i in range(N):
            owes = False
            if aim[b, i] == 1:
                owes = before[b, aim_agent[b, i], i] > np.float32(threshold)
            aim_debtor[b, i] = owes
        made[b] = books[b, 0] - books_before[b, 0]
        paid[b] = books[b, 1] - books_before[b, 1]
        debt[b] = ledger[b].sum()
        chance[b] = 0.0
        for j in range(N):
            hits = hit[b, :, j].sum()
            if hits:
                creditors = (before[b, j] > np.float32(threshold)).sum()
                chance[b] += hits * creditors / (N - 1)
