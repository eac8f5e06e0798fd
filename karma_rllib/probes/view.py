"""The probes of one checkpoint as a table for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from karma_rllib.probes.study import ENOUGH


def terminal(found: Mapping[str, Any]) -> Group:
    """One table: probe, measure, value with its interval, how to read it."""
    origin = found["origin"]
    title = f"{origin.get('condition')}, seed {origin.get('seed')}: {found['zaps']} zaps"
    parts: list[Any] = []
    if found["underpowered"]:
        text = f"Underpowered: {found['zaps']} zaps, {ENOUGH} are the least for a claim."
        parts.append(Text(text, style="yellow"))
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head, side in (("probe", "left"), ("measure", "left"), ("value", "right"), ("", "left")):
        table.add_column(head, justify=side)  # type: ignore[arg-type]
    for row in _rows(found):
        table.add_row(*row)
    parts += [table] if len(table.rows) else []
    if "transport" not in found:
        parts.append(Text("P7 transport: not asked for (--branches).", style="dim"))
    return Group(*parts)


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    charged = _transport_rows(found.get("transport"))
    if "linear" not in found:
        return charged
    rows = [
        ("P1 linear", f"AUROC {name}", _interval(value), _P1.get(name, ""))
        for name, value in found["linear"].items()
    ]
    moved = found["transfer"]
    rows += [
        ("P2 transfer", "effect", _number(moved["effect"]), "1: being harmed teaches not to harm"),
        ("", "gradient cosine", _interval(moved["cosine"]), "d ln pi(zap)/dz . dV(victim)/dz"),
        ("", "mismatched zaps", _number(moved["cosine_mismatched"]), "its chance level"),
        ("", "parameter cosine", _number(moved["cosine_parameters"]), "encoder and projector"),
    ]
    rows += [
        ("P3 similarity" if k == 0 else "", name, _number(value), "")
        for k, (name, value) in enumerate(found["similarity"].items())
    ]
    rows += [
        ("P4 values" if k == 0 else "", name, _interval(value), _P4.get(name, ""))
        for k, (name, value) in enumerate(found["values"].items())
    ]
    rows += [
        ("P5 geometry" if k == 0 else "", name, _number(value), "")
        for k, (name, value) in enumerate(found["geometry"].items())
        if not isinstance(value, Mapping)
    ]
    swap = found["counterfactual"]
    return [
        *rows,
        ("P6 swapped flags", "change of V", _interval(swap["dv"]), "attacker with victim's flags"),
        ("", "change of pi(zap)", _interval(swap["d_zap"]), ""),
        ("", "share of the gap", _number(swap["share_of_gap"]), "1: flags alone tell the role"),
        *charged,
    ]


def _transport_rows(found: Mapping[str, Any] | None) -> list[tuple[str, str, str, str]]:
    """P7: first how well crimes were recalled, then what they were charged with."""
    if found is None:
        return []
    rows = [
        ("P7 transport", "crimes lived again", str(found["crimes"]), "with and without the act")
    ]
    rows += [("", name, _number(found[name]), _P7[name]) for name in ("found", "precision")]
    return rows + [("", k, _interval(found[k]), _P7[k]) for k in list(_P7)[2:] if k in found]


_P1 = {
    "raw": "can the observation tell? (should stay high)",
    "z": "does the projection? (a mirror brings it to 0.5)",
    "z_untrained": "control: the network before training",
    "z_without_flags": "control: feedback flags set to zero",
    "z_decision": "attackers as they decide",
    "z_null": "control: roles swapped within zaps",
}
_P4 = {
    "dv_out": "0: having harmed is valued like being harmed",
    "implied_penalty": "gamma (1 - lambda) dv_out",
}


_P7 = {
    "found": "punishments of remembered criminals that were traced",
    "precision": "share of recall that fell on crimes against the punisher",
    "charged": "mean charge of a crime",
    "cost": "mean of what it really cost, its gain included",
    "ratio": "cost over charge: 1, charges are right on average",
    "slope": "cost by charge: 1 calibrated, 0 a tax",
    "intercept": "what an uncharged act brings",
    "revenge": "hits by the victim that the act brought on",
}


def _number(value: Any) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _interval(value: list[float]) -> str:
    mean, low, high = value
    return f"{_number(mean)} [{_number(low)}, {_number(high)}]"
