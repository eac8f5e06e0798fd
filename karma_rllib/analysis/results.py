"""Results pages: their tables are made from the raw files beside them.

A page is Markdown. What stands between two comments is made, whatever stood there:

    <!-- made: arms mirror_laptop/tiny_runs.csv violence apples pilot=mirror_laptop/pilot.csv -->
    ...
    <!-- end -->

`arms` FILE CELL...     one row per arm of a `runs.csv`; cells: `analysis.cells.CELLS`;
                        ARM="other words" renames a row
`levels` FILE COLUMN CELL...  one row per value of COLUMN, all runs that have it together
`versus` FILE METRIC... ratios to the paired baseline of a `runs.csv`; against=FILE:ARM takes that
                        arm of another file, with the same seeds, instead
`across` ARM METRIC...  the same ratios of one arm in several runs, a row each: FILE="words for it"
`verdicts` FOLDER...    registered predictions, judged on archived runs (see `analysis.archive`);
                        only=A,B keeps those whose names begin so
`run` FOLDER            what was run: seeds, command, code, cost
`probes` FOLDER         what `karma probe` found in the runs of an archive
`charges` FOLDER        value transport beside what crimes really brought, likewise
`schelling` FILE        social dilemmas, from what `karma schelling --out` wrote
`met` FOLDER VALUE      who earned what among whom; values: `analysis.crossplay.VALUES`;
                        only=A,B keeps these rows, each=A tells the seeds of a kind apart
`scores` FOLDER         scenarios by policies, see `analysis.sittings`; POLICY="other words"

Paths are relative to `docs/results`. The same raw files give the same bytes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from karma_rllib.analysis import (
    archive,
    crossplay,
    probed,
    rules,
    schelling,
    sittings,
    verdict_view,
)
from karma_rllib.analysis.cells import CELLS, terse
from karma_rllib.analysis.late import BASELINE, CONTRASTED, contrast_table
from karma_rllib.analysis.stats import Interval
from karma_rllib.analysis.tables import number
from karma_rllib.config.errors import ConfigError
from karma_rllib.hints import hint

FOLDER = Path("docs", "results")
_BLOCK = re.compile(r"(<!-- made: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_TITLES = {
    "violence_rate": "violence",
    "predatory_rate": "predatory zaps",
    "cooperation_rate": "cooperation",
    "yield_rate": "apples",
    "selectivity": "selectivity",
}


def pages(root: Path) -> list[Path]:
    """The Markdown files of a repository that may hold made tables."""
    found = [folder.glob("*.md") for folder in (root / "docs", root / FOLDER)]
    return [*root.glob("README.md"), *(page for part in found for page in sorted(part))]


def remade(page: Path, root: Path) -> str:
    """The text of a page with its tables made anew.

    Args:
        page: a Markdown file.
        root: the repository, which holds `docs/results`.

    Raises:
        ConfigError: an order that cannot be read, or raw files that are missing or damaged.
    """

    def block(found: re.Match[str]) -> str:
        try:
            lines = _make(found[2], root / FOLDER)
        except ConfigError as err:
            raise ConfigError(f"{page}: `{found[2]}`: {err}") from None
        return f"{found[1]}{lines}\n{found[4]}"

    return _BLOCK.sub(block, page.read_text(encoding="utf-8"))


def _make(order: str, folder: Path) -> str:
    kind, *words = shlex.split(order)
    if kind not in _KINDS or not words:
        raise ConfigError(f"is no table; they are {', '.join(_KINDS)}, each with a file or folder")
    options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    plain = [word for word in words[1:] if "=" not in word]
    return _KINDS[kind](folder, words[0], plain, options)


def _known(word: str, options: Iterable[str], what: str = "column") -> str:
    if word not in options:
        raise ConfigError(f"there is no {what} '{word}'; {hint(word, options)}")
    return word


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=True)
    except (OSError, ValueError) as err:
        raise ConfigError(f"{path} cannot be read ({err})") from None


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _arms(folder: Path, file: str, words: list[str], options: dict[str, str]) -> str:
    """One row per arm; beneath it, in italics, what an earlier pilot had, if there is a file."""
    runs = _read(folder / file)
    pilot = None
    if "pilot" in options:
        pilot = pd.read_csv(folder / options["pilot"], dtype=str, keep_default_na=False)
        pilot = pilot.set_index("condition")
    inline = pilot is not None and "pilot" in words
    cells = [None if word == "pilot" else CELLS[_known(word, CELLS)] for word in words]
    rows = []
    for condition, group in runs.groupby("condition", sort=False):
        told = {} if pilot is None or condition not in pilot.index else dict(pilot.loc[condition])
        row = [told.get("pilot", "") if cell is None else cell.write(group) for cell in cells]
        rows.append([options.get(str(condition), str(condition)), *row])
        if told and not inline:
            rows.append(["*pilot*", *(f"*{told[word]}*" for word in words)])
    heads = ["*pilot*" if cell is None else cell.head for cell in cells]
    return _table(["condition", *heads], rows)


def _levels(folder: Path, file: str, words: list[str], options: dict[str, str]) -> str:
    """One row per value of a column: a setting that was swept."""
    runs = _read(folder / file)
    column = _known(words[0] if words else "", runs.columns)
    cells = [CELLS[_known(word, CELLS)] for word in words[1:]]
    rows = [
        [f"{level:g}" if isinstance(level, float) else str(level), *(c.write(own) for c in cells)]
        for level, own in runs.groupby(column)
    ]
    return _table([column.replace("_", " "), *(cell.head for cell in cells)], rows)


def _versus(folder: Path, file: str, words: list[str], options: dict[str, str]) -> str:
    """Ratios to the baseline, paired by seed, with 95 % t intervals on the log scale."""
    runs, arm = _read(folder / file), BASELINE
    if "against" in options:
        other, _, arm = options["against"].partition(":")
        base = _read(folder / other)
        base = base[base["condition"] == _known(arm, base["condition"].unique(), "arm")]
        own = runs[runs["condition"] != BASELINE]
        runs = pd.concat([base.assign(condition=BASELINE), own], ignore_index=True)
    table = _contrasts(runs, file, arm)
    words = [_known(word, CONTRASTED) for word in words]
    rows = [
        [str(condition), *_ratios(group, words)]
        for condition, group in table.groupby("condition", sort=False)
    ]
    return _table([f"against {arm}", *(_TITLES[word] for word in words)], rows)


def _across(folder: Path, arm: str, words: list[str], options: dict[str, str]) -> str:
    """One arm's ratios to its paired baseline in several runs, a row each."""
    words, rows = [_known(word, CONTRASTED) for word in words], []
    for file, told in options.items():
        table = _contrasts(_read(folder / file), file)
        found = table["condition"].unique()
        rows.append([told, *_ratios(table[table["condition"] == _known(arm, found, "arm")], words)])
    if not rows:
        raise ConfigError('names no run: write FILE="words for its row"')
    return _table([f"{arm} against {BASELINE}", *(_TITLES[word] for word in words)], rows)


def _contrasts(runs: pd.DataFrame, file: str, arm: str = BASELINE) -> pd.DataFrame:
    table = contrast_table(runs)
    if table.empty:
        raise ConfigError(f"no condition in {file} has a seed in common with the {arm} beside it")
    return table


def _ratios(contrasts: pd.DataFrame, metrics: list[str]) -> list[str]:
    """Cells of one arm: ratio and interval of every metric, from rows of `contrast_table`.

    A metric that the world does not have, such as cooperation without waste, leaves its cell empty.
    """
    by_metric, cells = contrasts.set_index("metric"), []
    for metric in metrics:
        if metric not in by_metric.index:
            cells.append("")
            continue
        ratio, low, high = (float(by_metric[end][metric]) for end in ("ratio", "low", "high"))
        digits = 2 if ratio < 10 else 0
        ends = ", ".join(number(x, digits) for x in (low, high))
        cells.append(terse(f"x{number(ratio, digits)} [{ends}]").replace("x0.", "x."))
    return cells


def _verdicts(folder: Path, name: str, words: list[str], options: dict[str, str]) -> str:
    """Every prediction that could be judged, then the others with what they lack."""
    found, registered, notes = archive.judged([folder / one for one in (name, *words)])
    heads = tuple(options.get("only", "").split(","))
    found = [one for one in found if one.prediction.id.startswith(heads)]
    if not found:
        raise ConfigError(f"there is no prediction whose name begins with {options['only']}")
    rows = []
    for verdict in found:
        if verdict.verdict == rules.NOT_TESTABLE:
            continue
        for head, word, part in verdict_view.rows(verdict):
            left = [f"**{head}**", f"**{word}**"] if head else ["", word]
            if part is None:
                rows.append([*left, verdict_view.ALL_OF, "", "", ""])
                continue
            holm = "*" if verdict.p_holm < registered.level else ""
            p = number(part.p_permutation, 3)
            told = "" if p == "-" else p + holm
            rows.append([*left, part.text, verdict_view.effect(part), str(part.n or ""), told])
    table = _table(["id", "verdict", "compared", "effect", "n", "p"], rows)
    lacking: dict[str, list[str]] = {}
    for verdict in found:
        if verdict.verdict == rules.NOT_TESTABLE:
            lacking.setdefault(verdict.reason, []).append(verdict.prediction.id)
    untested = [
        f"- {reason[:1].upper()}{reason[1:]}: {', '.join(ids)}" for reason, ids in lacking.items()
    ]
    remarks = [f"- Note: {note}" for note in notes]
    parts = [f"{verdict_view.count(found)}."]
    if rows:
        parts += [table, verdict_view.caption(registered)]
    if untested:
        parts += ["Not testable with these runs:", "\n".join(untested)]
    return "\n\n".join([*parts, *(["\n".join(remarks)] if remarks else [])])


def _probes(folder: Path, name: str, words: list[str], options: dict[str, str]) -> str:
    """The value fingerprint and the geometry of every probed run, arm by arm."""
    return _table(list(probed.FINGERPRINT), probed.fingerprints(folder / name))


def _charges(folder: Path, name: str, words: list[str], options: dict[str, str]) -> str:
    """What value transport charged, beside what the crimes really brought."""
    return _table(list(probed.CHARGES), probed.charges(folder / name))


def _schelling(folder: Path, file: str, words: list[str], options: dict[str, str]) -> str:
    """Which games are social dilemmas, and by how much."""
    try:
        return schelling.markdown(_read(folder / file))
    except (KeyError, ValueError) as err:
        raise ConfigError(
            f"{folder / file} is not what karma schelling --out writes ({err})"
        ) from None


def _run(folder: Path, name: str, words: list[str], options: dict[str, str]) -> str:
    """What was run, as two columns."""
    told = archive.about(folder / name)
    lines = ["| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {key} | {value} |" for key, value in told.items())])


def _met(folder: Path, name: str, words: list[str], options: dict[str, str]) -> str:
    """Kinds of focal policies by kinds of background policies."""
    value = _known(words[0] if words else "earned", crossplay.VALUES)
    frame = crossplay.apart(crossplay.read(folder / name), options.get("each", ""))
    found, names = crossplay.matrix(frame, value), crossplay.kinds(frame)
    rows = options["only"].split(",") if "only" in options else names
    digits = 1 if max(abs(cell.mean) for cell in found.values()) >= 10 else 2

    def write(one: str, other: str) -> str:
        mean, low, high = (number(x, digits) for x in found[_known(one, names), other][:3])
        return terse(f"{mean} [{low}, {high}]")

    table = [[one, *(write(one, other) for other in names)] for one in rows]
    return _table(["focal, among:", *names], table)


def _scores(folder: Path, name: str, words: list[str], options: dict[str, str]) -> str:
    """Scenarios by policies, a suite's mean beneath its scenarios."""
    scores = sittings.read(folder / name)
    names = list(dict.fromkeys(scores["policy"]))

    def write(cell: Interval | None) -> str:
        if cell is None:
            return ""
        mean, low, high = (terse(number(x, 2)) for x in cell[:3])
        return f"{mean} [{low}, {high}]"

    rows = [
        [f"`{scenario}`" if scenario else f"**{suite}**", *(write(found.get(n)) for n in names)]
        for (suite, scenario), found in sittings.by_scenario(scores).items()
    ]
    return _table(["scenario", *(options.get(n, n) for n in names)], rows)


_KINDS: dict[str, Callable[[Path, str, list[str], dict[str, Any]], str]] = {
    "arms": _arms,
    "levels": _levels,
    "versus": _versus,
    "across": _across,
    "verdicts": _verdicts,
    "run": _run,
    "probes": _probes,
    "charges": _charges,
    "schelling": _schelling,
    "met": _met,
    "scores": _scores,
}
