"""`karma play --terminal`: the same session in letters, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from karma_rllib.envs import render
from karma_rllib.envs.play import Session
from karma_rllib.envs.scene import MILLI, PER_AGENT

HELP = (
    "keys: any number of them in one line, one step each. Also: take N, free, step [N], again, "
    "table, keys, quit"
)


def play(session: Session, lines: Iterable[str], say: Callable[[str], None]) -> None:
    """Play until `quit` or until there are no more lines.

    Args:
        session: what is played.
        lines: what the person types.
        say: prints a text.
    """
    say(HELP)
    agent: int | None = None
    say(_scene(session, agent))
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "quit":
            break
        if word == "take":
            agent = _agent(session, rest, say, agent)
        elif word == "free":
            agent = None
        elif word == "again":
            session.again()
        elif word == "step":
            _steps(session, int(rest) if rest.isdigit() else 1)
        elif word == "keys":
            say(keys(session))
            continue
        elif word == "table":
            say(table(session))
            continue
        elif agent is None:
            say(f"take an agent over first (take 0); {HELP}")
            continue
        else:
            _press(session, agent, line.rstrip("\n") or ".", say)
        say(_scene(session, agent))
    say(table(session))


def _agent(session: Session, text: str, say: Callable[[str], None], now: int | None) -> int | None:
    if text.isdigit() and int(text) < session.life.num_agents:
        return int(text)
    say(f"agents are numbered 0 to {session.life.num_agents - 1}")
    return now


def _steps(session: Session, count: int) -> None:
    """Let the policies play so many steps, or to the end."""
    for _ in range(count):
        if session.over:
            break
        session.step()


def _press(session: Session, agent: int, line: str, say: Callable[[str], None]) -> None:
    for key in line:
        action = session.action_of(agent, key)
        if session.over:
            break
        if action is None:
            say(f"{key!r} is no key here; {keys(session)}")
            break
        session.step(agent, action)


def keys(session: Session) -> str:
    """Which key does what."""
    told = session.stage()["keys"]
    return ", ".join(f"{'space' if k == ' ' else k} {v}" for k, v in told.items() if len(k) == 1)


def _scene(session: Session, agent: int | None) -> str:
    text = render.pen(session.life.world.name).text(session.life.world.frame())
    if agent is not None:
        row = dict(zip(PER_AGENT, session.look.agents[agent].tolist(), strict=True))
        text += f"\nagent_{agent}: reward {row['total'] / MILLI:g}"
        if session.stage()["energy_max"]:
            text += f", energy {row['energy'] / MILLI:g}"
        items = zip(session.stage()["items"], session.look.items[agent].tolist(), strict=True)
        text += "".join(f", {count} {name}" for name, count in items if count)
        text += ", frozen" if row["left"] else ""
    return text + ("\nthe episode is over (again begins the next)" if session.over else "")


def table(session: Session) -> str:
    """Everyone's numbers, in columns."""
    rows = session.table()
    cells = [list(rows[0])] + [
        [f"{value:g}" if isinstance(value, float) else str(value) for value in row.values()]
        for row in rows
    ]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if k < 2 else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
