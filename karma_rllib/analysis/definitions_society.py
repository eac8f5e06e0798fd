"""Counts and metrics of what outlives an episode: debts and matches, memory and transport.

They follow the rules of `karma_rllib.analysis.definitions`: counts are additive, a metric is a
function of added counts and 0.0 where its denominator is zero. All are computed alike in every
condition, whether or not anything acts on debts or memories there.
"""

from __future__ import annotations

from collections.abc import Callable

from karma_rllib.analysis import life_table
from karma_rllib.analysis.debts import SPELLS, count_names
from karma_rllib.analysis.definitions import Count, Metric, Sums, ratio

#: A crime counts as answered if its victim hits back within this [env-steps].
ANSWER_WITHIN = 2000
#: The first steps of an episode in which rigged creditors and debtors are watched [env-steps].
FIRST_STEPS = 20


def _spell_counts() -> tuple[Count, ...]:
    meaning = {
        "settled": "a retributive hit, oldest first",
        "answered": "any hit back, all at once",
    }
    counts: list[Count] = []
    low = 0.0
    for k, end in enumerate(life_table.ENDS):
        to = "on" if end == float("inf") else f"to {int(end)}"
        for spell in SPELLS:
            events, risk = count_names(spell)[k]
            age = f"at age {low:g} {to}"
            counts.append(Count(events, "zaps", f"crimes {spell} {age}, by {meaning[spell]}"))
            counts.append(Count(risk, "crime-steps", f"time that crimes not {spell} spent {age}"))
        low = end
    return tuple(counts)


SOCIETY_COUNTS: tuple[Count, ...] = (
    Count("chance_retributive", "zaps", "retributive hits to expect of attackers at random"),
    Count("debt_at_end", "zaps", "sum of a world's debts at the end of an episode"),
    Count("ended_episodes", "episodes", "episodes that ended"),
    Count("debt_made", "zaps", "debt made by predatory hits"),
    Count("debt_paid", "zaps", "debt paid by retributive hits"),
    Count("pairs_wanted", "pairs", "pairs that the matchmaker chose"),
    Count("pairs_rigged", "pairs", "pairs that it placed"),
    Count("aim_debtor", "agent-steps", "an active agent had an active debtor of its own in line"),
    Count("aim_debtor_shots", "zaps", "shots fired in such agent-steps"),
    Count("creditor_steps", "agent-steps", f"active, first {FIRST_STEPS} steps, rigged creditors"),
    Count("creditor_shots", "zaps", "shots fired in such agent-steps"),
    Count("debtor_steps", "agent-steps", f"active, first {FIRST_STEPS} steps, rigged debtors"),
    Count("debtor_shots", "zaps", "shots fired in such agent-steps"),
    *_spell_counts(),
)

#: What the transport of a fragment sums up, logged under `counts/tvt_<name>`.
TRANSPORT_SUMS: tuple[Count, ...] = (
    Count("punishments", "zaps", "hits received"),
    Count("linked", "zaps", "punishments that recalled a crime"),
    Count("links", "links", "crimes recalled, over all punishments"),
    Count("blamed", "links", "links that were charged with something"),
    Count("crimes", "zaps", "hits dealt"),
    Count("harm", "reward", "D of all punishments"),
    Count("transported", "reward", "charged to past acts"),
    Count("transported_now", "reward", "of it to acts of the same fragment"),
    Count("transported_retro", "reward", "of it to acts of earlier fragments"),
    Count("capped", "reward", "not charged because a crime had been charged enough"),
    Count("retro_samples", "links", "charges to acts of earlier fragments"),
    Count("retro_lost", "links", "links whose frames were no longer kept"),
    Count("retro_stale", "links", "links to crimes too old to be charged"),
    Count("unplaced", "links", "charges of a placebo that found no place"),
)
TVT_COUNTS: tuple[Count, ...] = tuple(Count(f"tvt_{c.name}", *c[1:]) for c in TRANSPORT_SUMS)


def _plain(name: str, formula: str, unit: str, description: str, better: str = "") -> Metric:
    above, below = formula.split(" / ")

    def value(sums: Sums) -> float:
        return ratio(sums, above, below)

    return Metric(name, formula, unit, better, description, value)


def _spell(spell: str) -> Callable[[Sums], tuple[list[float], list[float]]]:
    names = count_names(spell)

    def table(sums: Sums) -> tuple[list[float], list[float]]:
        return [sums.get(n, 0.0) for n, _ in names], [sums.get(risk, 0.0) for _, risk in names]

    return table


def _settlement_time(sums: Sums) -> float:
    return life_table.median(*_spell("settled")(sums))


def _link_rate(sums: Sums) -> float:
    return 1.0 - life_table.survival(*_spell("answered")(sums), ANSWER_WITHIN)


def _retribution_null(sums: Sums) -> float:
    hits = sums.get("predatory", 0.0) + sums.get("retributive", 0.0)
    return sums.get("chance_retributive", 0.0) / hits if hits > 0 else 0.0


def _retro_share(sums: Sums) -> float:
    total = sums.get("tvt_transported", 0.0)  # of either sign: harm is negative, value positive
    return sums.get("tvt_transported_retro", 0.0) / total if total else 0.0


def _intent_index(sums: Sums) -> float:
    others = sums.get("aim_rival", 0.0) - sums.get("aim_debtor", 0.0)
    shots = sums.get("aim_rival_shots", 0.0) - sums.get("aim_debtor_shots", 0.0)
    at_debtor = ratio(sums, "aim_debtor_shots", "aim_debtor")
    return at_debtor * others / max(shots, 0.5) if others > 0 else 0.0


_MATCHMAKER = (
    _plain("predatory", "predatory / episodes", "zaps/episode", "hits without a debt", "lower"),
    _plain("retributive", "retributive / episodes", "zaps/episode", "hits on a debtor"),
    Metric(
        "retribution_null",
        "chance_retributive / (retributive + predatory)",
        "1",
        "",
        "chance level of social/retribution_ratio: each victim hit by any other agent alike likely",
        _retribution_null,
    ),
    Metric(
        "retribution_excess",
        "retribution_ratio - retribution_null",
        "1",
        "",
        "0: who hits whom has nothing to do with who owes whom",
        lambda sums: (
            ratio(sums, "retributive", "hits")
            - (_retribution_null(sums) if sums.get("hits", 0.0) > 0 else 0.0)
        ),
    ),
    _plain("debt", "debt_at_end / ended_episodes", "zaps", "a world's debts at an episode's end"),
    _plain("debt_inflow", "debt_made / episodes", "zaps/episode", "debt made in a world"),
    _plain("debt_outflow", "debt_paid / episodes", "zaps/episode", "debt paid in a world"),
    Metric(
        "settlement_time",
        "median of the life table settled",
        "env-steps",
        "",
        "from a crime to its payment, oldest first, open crimes censored; 0.0: never half",
        _settlement_time,
    ),
    Metric(
        "link_rate",
        "1 - S(ANSWER_WITHIN) of the life table answered",
        "1",
        "",
        f"P(a victim hits back within {ANSWER_WITHIN} env-steps), open crimes censored",
        _link_rate,
    ),
    _plain("pairs", "pairs_wanted / episodes", "pairs/episode", "chosen by the matchmaker"),
    _plain("rig_rate", "pairs_rigged / pairs_wanted", "1", "chosen pairs that were placed"),
    _plain(
        "creditor_zap_rate",
        "creditor_shots / creditor_steps",
        "1",
        f"P(zap) of rigged creditors in their first {FIRST_STEPS} steps",
    ),
    _plain(
        "debtor_zap_rate",
        "debtor_shots / debtor_steps",
        "1",
        f"P(zap) of rigged debtors in their first {FIRST_STEPS} steps",
    ),
    Metric(
        "intent_index",
        "P(zap | debtor in line) / P(zap | another rival in line)",
        "1",
        "",
        "1: blind to debts; half a shot at others is assumed where none was seen",
        _intent_index,
    ),
)

_TRANSPORT = (
    _plain("coverage", "tvt_linked / tvt_punishments", "1", "punishments that recall a crime"),
    _plain("harm", "tvt_harm / tvt_punishments", "reward", "mean D of a punishment"),
    _plain(
        "transported_per_crime",
        "tvt_transported / tvt_crimes",
        "reward",
        "what past acts are charged with, per hit",
    ),
    Metric(
        "retro_share",
        "tvt_transported_retro / tvt_transported",
        "1",
        "",
        "to earlier fragments",
        _retro_share,
    ),
)

#: Metrics `matchmaker/<name>` and `tvt/<name>`, in the order in which they are logged.
MATCHMAKER: dict[str, Metric] = {metric.name: metric for metric in _MATCHMAKER}
TRANSPORT: dict[str, Metric] = {metric.name: metric for metric in _TRANSPORT}
