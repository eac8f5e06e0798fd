"""Verdicts for people and programs: terminal, JSON, and a section of the report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from karma_rllib.analysis.predictions import Prediction
from karma_rllib.analysis.rules import (
    INCONCLUSIVE,
    NOT_TESTABLE,
    REFUTED,
    SUPPORTED,
    VERDICTS,
    Judged,
    Rules,
)
from karma_rllib.analysis.tables import number
from karma_rllib.analysis.verdict import Verdict

_STYLES = {
    SUPPORTED: "green",
    REFUTED: "red",
    INCONCLUSIVE: "yellow",
    NOT_TESTABLE: "dim",
}
_HEADS = ("id", "verdict", "compared", "effect", "n", "P(imp)", "p")


def count(verdicts: Sequence[Verdict]) -> str:
    """How many predictions got which verdict, in one line."""
    tally = {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS}
    return ", ".join(f"{n} {name}" for name, n in tally.items() if n)


def caption(rules: Rules) -> str:
    """How to read the numbers."""
    return (
        "Effects are ratios of interquartile means over seeds (differences where they carry a"
        " sign), with 95 % percentile bootstraps; P(imp) is the chance that a run of the left arm"
        " beats one of the right in the claimed direction; p is the one-sided sign-flip test over"
        f" paired seeds, * below {rules.level:g} after Holm's correction over all that was tested."
        f" Smallest effect of interest: {100 * rules.sesoi:g} %."
    )


ALL_OF = "all of:"  # stands where a prediction with several parts would say what is compared


def rows(verdict: Verdict) -> Iterator[tuple[str, str, Judged | None]]:
    """Rows of a table: (id, verdict, what was judged).

    A prediction with several parts has a row without a part, then one for each, which has no id
    and says the part's own verdict.
    """
    if len(verdict.parts) == 1:
        yield verdict.prediction.id, verdict.verdict, verdict.parts[0]
        return
    yield verdict.prediction.id, verdict.verdict, None
    for part in verdict.parts:
        yield "", part.verdict, part


def terminal(verdicts: Sequence[Verdict], rules: Rules, notes: Iterable[str] = ()) -> Group:
    """A table of what could be judged, then a line for each prediction that could not."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for head in _HEADS:
        table.add_column(head, justify="right" if head in ("n", "P(imp)", "p") else "left")
    judged = [v for v in verdicts if v.verdict != NOT_TESTABLE]
    for verdict in judged:
        for name, word, part in rows(verdict):
            left = Text(name, style="bold")
            own = Text(word if name else f"  {word}", style=_STYLES[word])
            if part is None:
                table.add_row(left, own, ALL_OF)
                continue
            p = _p(part, verdict, rules)
            table.add_row(left, own, part.text, effect(part), _n(part), _improvement(part), p)
    parts: list[Any] = [table, Text("")] if judged else []
    for verdict in verdicts:
        if verdict.verdict == NOT_TESTABLE:
            line = Text(f"{verdict.prediction.id:9}", style="bold")
            parts.append(line.append(f"not testable: {verdict.reason}", style="not bold dim"))
    parts += [
        Text(f"{verdict.prediction.id:9}{verdict.reason}", style="dim")
        for verdict in judged
        if verdict.reason
    ]
    parts.append(Text(f"\n{count(verdicts)}", style="bold"))
    parts.append(Text(caption(rules), style="dim"))
    parts += [Text(f"Note: {note}", style="yellow") for note in notes]
    return Group(*parts)


def effect(part: Judged) -> str:
    """The effect with its interval, and the seeds that an inconclusive one would need."""
    if not math.isfinite(part.value):
        return "-"
    signed = part.scale == "difference"
    digits = 3
    value, low, high = (number(x, digits) for x in (part.value, part.low, part.high))
    plus = "+" if signed and part.value > 0 else ""
    need = f", needs n = {part.seeds_needed}" if part.seeds_needed else ""
    return f"{plus}{value} [{low}, {high}]{need}"


def _n(part: Judged) -> str:
    return str(part.n) if part.n else "-"


def _improvement(part: Judged) -> str:
    return number(part.p_improvement, 2)


def _p(part: Judged, verdict: Verdict, rules: Rules) -> str:
    if not math.isfinite(part.p_permutation):
        return "-"
    flag = "*" if verdict.p_holm < rules.level else ""
    return f"{part.p_permutation:.3f}{flag}"


def as_data(verdicts: Sequence[Verdict], rules: Rules, notes: Iterable[str]) -> dict[str, Any]:
    """Everything as JSON data; numbers that do not exist are None."""
    return {
        "summary": {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS},
        "notes": list(notes),
        "rules": rules.as_dict(),
        "verdicts": [_record(verdict, rules) for verdict in verdicts],
    }


def _record(verdict: Verdict, rules: Rules) -> dict[str, Any]:
    prediction: Prediction = verdict.prediction
    return {
        "id": prediction.id,
        "source": prediction.source,
        "claim": prediction.claim,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "p": _finite(verdict.p),
        "p_holm": _finite(verdict.p_holm),
        "holm_significant": bool(verdict.p_holm < rules.level),
        "gates": [gate._asdict() for gate in verdict.gates],
        "parts": [
            {key: _finite(value) for key, value in part._asdict().items()} for part in verdict.parts
        ],
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(verdicts: Sequence[Verdict], rules: Rules, notes: Iterable[str] = ()) -> str:
    """The same as text."""
    return json.dumps(as_data(verdicts, rules, notes), indent=1, allow_nan=False) + "\n"


def section(verdicts: Sequence[Verdict], rules: Rules, notes: Iterable[str] = ()) -> str:
    """A section of the report: judged predictions as cards, the others folded away."""
    judged = [v for v in verdicts if v.verdict != NOT_TESTABLE]
    others = [v for v in verdicts if v.verdict == NOT_TESTABLE]
    warnings = "".join(f"<li>{escape(note)}</li>" for note in notes)
    untested = "".join(
        f"<tr><td>{escape(v.prediction.id)}</td><td>{escape(v.prediction.claim)}</td>"
        f"<td>{escape(v.reason)}</td></tr>"
        for v in others
    )
    folded = (
        f"<details><summary>{len(others)} predictions that these runs cannot test</summary>"
        f'<div class="scroll"><table class="wide"><tbody>{untested}</tbody></table></div></details>'
        if others
        else ""
    )
    return (
        "<h2>Registered predictions</h2>\n"
        f'<p class="lead">{escape(count(verdicts))}.</p>\n'
        + (f'<ul class="notes">{warnings}</ul>\n' if warnings else "")
        + f'<div class="findings">{"".join(_card(v, rules) for v in judged)}</div>\n'
        f'<p class="soft">{escape(caption(rules))}</p>\n{folded}\n'
    )


def _card(verdict: Verdict, rules: Rules) -> str:
    kind = verdict.verdict.replace(" ", "-")
    items = "".join(f"<li>{_line(part, verdict, rules)}</li>" for part in verdict.parts)
    told = any(part.verdict == NOT_TESTABLE for part in verdict.parts)  # each says why
    remark = f'<p class="soft">{escape(verdict.reason)}</p>' if verdict.reason and not told else ""
    return (
        f'<div class="card {kind}"><h3>{escape(verdict.prediction.id)}'
        f' <span class="badge">{escape(verdict.verdict)}</span></h3>'
        f"<p>{escape(verdict.prediction.claim)}</p><ul>{items}</ul>{remark}</div>"
    )


def _line(part: Judged, verdict: Verdict, rules: Rules) -> str:
    facts = [part.text]
    if math.isfinite(part.value):
        facts.append(f"{part.scale} {effect(part)}, n = {part.n}")
    if math.isfinite(part.p_improvement):
        facts.append(f"P(imp) {_improvement(part)}")
    if math.isfinite(part.p_permutation):
        facts.append(f"p {_p(part, verdict, rules)}")
    if len(verdict.parts) > 1:
        facts.append(part.verdict if part.verdict != NOT_TESTABLE else f"untested: {part.reason}")
    return escape("; ".join(facts))
