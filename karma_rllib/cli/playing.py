"""``karma play``: build a world, seat its players, and open a page or a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
import yaml

from karma_rllib.config import ConfigError
from karma_rllib.envs.play import Session, Stander
from karma_rllib.envs.play_terminal import play as play_in_terminal
from karma_rllib.envs.play_terminal import table

NOBODY = "none"


def session_of(
    world: str | None,
    profile: str | None,
    policies: Sequence[str],
    wishes: Sequence[str],
    kinship: str | None,
    seed: int,
) -> Session:
    """Build a session.

    Args:
        world: its name; None: that of the first trained policy, else harvest-v0.
        profile: of the world; None: its default.
        policies: addresses, dealt to the agents in turn; `none` stands still.
        wishes: `KEY=VALUE` parameters of the world.
        kinship: scheme of relatedness; None: that of the first trained policy, if any.
        seed: of world and players.

    Raises:
        ConfigError: anything of it is wrong, in one sentence.
    """
    from karma_rllib.society.lifetime import make_lifetime

    try:
        build = _home(policies) if world is None else {"name": world}
        build |= {"profile": profile} if profile is not None else {}
        build |= {"kinship": {"scheme": kinship}} if kinship is not None else {}
        life = make_lifetime(**{**build, **_parameters(wishes)}, seed=seed)
        who = {uri: _player(uri, life, seed) for uri in dict.fromkeys(policies)}
        dealt = [policies[n % len(policies)] for n in range(life.num_agents)]
        return Session(life, [who[uri] for uri in dealt], [_name(uri) for uri in dealt])
    except (ValueError, TypeError) as err:
        raise ConfigError(str(err)) from None


def _home(policies: Sequence[str]) -> dict[str, Any]:
    """The world in which the first trained policy was trained, as arguments of `make_lifetime`."""
    for uri in policies:
        if uri == NOBODY or ("://" in uri and not uri.startswith("file://")):
            continue
        from karma_rllib.nets.policies import locate

        about = locate(uri).about.get("world")
        if isinstance(about, dict) and "name" in about:
            home = {key: about.get(key) for key in ("name", "profile", "kinship")}
            return {**about.get("params", {}), **home}
    return {"name": "harvest-v0"}


def _parameters(wishes: Sequence[str]) -> dict[str, Any]:
    found = {}
    for wish in wishes:
        key, sign, text = wish.partition("=")
        if not sign or not key.isidentifier() or key in ("name", "seed", "kinship", "profile"):
            raise ValueError(f"--set {wish}: write KEY=VALUE with a parameter of the world")
        try:
            found[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ValueError(f"--set {wish}: the value is no YAML") from None
    return found


def _name(uri: str) -> str:
    """What a player is called: a short name in place of a long path."""
    if uri == NOBODY or uri.startswith(("bot://", "random://")):
        return uri
    from karma_rllib.nets.policies import locate

    return locate(uri).label


def _player(uri: str, life: Any, seed: int) -> Any:
    if uri == NOBODY:
        return Stander()
    if uri.startswith(("bot://", "random://")):  # without torch: the page opens at once
        from karma_rllib.envs.bots import make_bot

        return make_bot(uri.partition("://")[2] or "random", life, seed)
    from karma_rllib.nets.policies import resolve

    return resolve(uri, life, seed)


def serve(session: Session, port: int) -> None:
    """Serve the page until Ctrl-C, then print what everybody got.

    Raises:
        ConfigError: the port is taken.
    """
    from karma_rllib.envs.play_server import Server

    try:
        server = Server(session, port)
    except OSError as err:
        raise ConfigError(f"--port {port}: {(err.strerror or str(err)).lower()}") from None
    typer.echo(f"play here: {server.url}\nstop with Ctrl-C")
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    typer.echo("\n" + table(session))


def terminal(session: Session) -> None:
    """Play in letters, from standard input."""
    play_in_terminal(session, sys.stdin, typer.echo)
