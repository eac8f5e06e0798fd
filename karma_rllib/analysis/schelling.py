"""Schelling diagrams: does it pay to defect, whatever the others do, and hurt when all do?

With N players who all either cooperate or defect, C(k) is what a cooperator earns and D(k) what a
defector earns when k of the N - 1 others cooperate.  The game is a social dilemma if

    R > P   C(N - 1) > D(0)        all are better off cooperating than all defecting
    R > S   C(N - 1) > C(0)        a cooperator is better off among cooperators
    T > R   D(N - 1) > C(N - 1)    greed: defecting pays among cooperators, or
    P > S   D(0) > C(0)            fear: cooperating costs among defectors

hold: the first two, and one of the last two at least.  Shapes: N players, S seeds.

References:
    Schelling 1973, "Hockey helmets, concealed weapons, and daylight saving": the diagram.
    Macy and Flache 2002, "Learning dynamics in social dilemmas": the inequalities for two.
    Hughes et al. 2018, "Inequity aversion improves cooperation in intertemporal social dilemmas",
    arXiv:1803.08884: the same for N players.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from karma_rllib.analysis.meetings import mean_interval
from karma_rllib.analysis.stats import Interval

INEQUALITIES = ("R > P", "R > S", "T > R", "P > S")
DILEMMA, NONE, OPEN = "dilemma", "no dilemma", "open"
GAME = ["profile", "cooperator", "defector"]
COLUMNS = [*GAME, "cooperators", "seed", "cooperator_return", "defector_return"]
"""One row per episode: how many cooperated, and what a player of either kind earned on average."""


class Payoffs(NamedTuple):
    """Row k: the others' k cooperators; NaN where an episode is missing."""

    cooperator: np.ndarray  # C, float (N, S) [reward per episode]
    defector: np.ndarray  # D, float (N, S) [reward per episode]


class Test(NamedTuple):
    """The test of one game."""

    differences: dict[str, Interval]  # left side less right side of each inequality
    verdict: str  # DILEMMA, NONE or OPEN
    reasons: tuple[str, ...]  # of a dilemma: "greed", "fear" or both


def schelling_test(payoffs: Payoffs, seed: int = 0) -> Test:
    """Test the inequalities, each by the mean over seeds and its 95 % bootstrap interval.

    An inequality holds if its interval lies above zero and fails if it lies at or below.  It is a
    dilemma if both of the first and one of the last two hold; none if one of the first two fails,
    or both of the last; open otherwise.

    Args:
        payoffs: of the game; the same seeds in the same columns throughout.
        seed: of the bootstrap.

    Raises:
        ValueError: the two arrays differ in shape, or there are fewer than two players.
    """
    C, D = (np.asarray(rows, float) for rows in payoffs)
    if C.shape != D.shape or C.ndim != 2 or len(C) < 2:
        raise ValueError(
            f"payoffs of shapes {C.shape} and {D.shape} must both be (players, seeds), with two"
            " players at least"
        )
    sides = ((C[-1], D[0]), (C[-1], C[0]), (D[-1], C[-1]), (D[0], C[0]))
    found = {
        name: mean_interval(_finite(left - right), seed)
        for name, (left, right) in zip(INEQUALITIES, sides, strict=True)
    }
    holds = [one.low > 0 for one in found.values()]
    fails = [one.high <= 0 for one in found.values()]
    reasons = tuple(word for word, held in zip(("greed", "fear"), holds[2:], strict=True) if held)
    if holds[0] and holds[1] and reasons:
        return Test(found, DILEMMA, reasons)
    none = fails[0] or fails[1] or (fails[2] and fails[3])
    return Test(found, NONE if none else OPEN, ())


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def payoffs_of(rows: pd.DataFrame) -> Payoffs:
    """The payoffs of one game.

    Args:
        rows: `COLUMNS`, of one profile, one cooperator and one defector; every number of
            cooperators from none to all.

    Raises:
        ValueError: a number of cooperators is missing.
    """
    table = rows.pivot(
        index="cooperators", columns="seed", values=["cooperator_return", "defector_return"]
    )
    found = table.index.to_list()
    if found != list(range(len(found))) or len(found) < 3:
        raise ValueError(
            f"episodes with {found} cooperators: every number from none to all must be played"
        )
    C = table["cooperator_return"].to_numpy(float)[1:]  # one of m is judged: m - 1 others
    D = table["defector_return"].to_numpy(float)[:-1]
    return Payoffs(C, D)


def games(table: pd.DataFrame) -> list[tuple[tuple[str, str, str], Payoffs]]:
    """(profile, cooperator, defector) and payoffs of every game in a table, in its order."""
    return [
        ((str(key[0]), str(key[1]), str(key[2])), payoffs_of(rows))
        for key, rows in table.groupby(GAME, sort=False)
    ]


def cell(found: Interval) -> str:
    """A difference with its interval; bold if it lies above zero."""
    text = f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]"
    return f"**{text}**" if found.low > 0 else text


def markdown(table: pd.DataFrame) -> str:
    """One row per game: verdict, and the four differences with their intervals."""
    lines = [
        f"| profile | cooperator, defector | verdict | {' | '.join(INEQUALITIES)} |",
        "|---|---|---|" + "--:|" * len(INEQUALITIES),
    ]
    for (profile, cooperator, defector), payoffs in games(table):
        test = schelling_test(payoffs)
        why = f" ({' and '.join(test.reasons)})" if test.reasons else ""
        cells = " | ".join(cell(one) for one in test.differences.values())
        lines.append(f"| `{profile}` | {cooperator}, {defector} | {test.verdict}{why} | {cells} |")
    return "\n".join(lines)


def means(rows: ArrayLike) -> list[Interval]:
    """Mean and interval of each row, (N,)."""
    return [mean_interval(_finite(row)) for row in np.asarray(rows, float)]
