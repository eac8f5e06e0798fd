"""The page of `karma play`: a server on this machine alone, for whoever knows the token.

    GET  /TOKEN/          the page
    GET  /TOKEN/replay    the episode so far, a file for `karma replay`
    POST /TOKEN/step      {"agent": 2, "key": "ArrowUp"} or {"agent": 2, "action": "zap"} or {}
    POST /TOKEN/again     {}: the next episode

Answers to POST are JSON: `frame` (see `scene.as_json`), `over`, `table`; or `error`, one sentence.
"""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from karma_rllib.envs.play import PlayError, Session
from karma_rllib.envs.replay import pack
from karma_rllib.envs.scene import as_json
from karma_rllib.envs.viewer import page

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # by which a browser may call this machine
MOST = 10_000  # bytes of a request


class Server(ThreadingHTTPServer):
    """Serves one session; only addresses that begin with the token are answered.

    Args:
        session: what is played.
        port: to listen on; 0 takes a free one.

    Attributes:
        url: where the page is.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session, self.token = session, secrets.token_urlsafe(16)
        super().__init__((HOST, port), _Handler)
        self.url = f"http://{HOST}:{self.server_port}/{self.token}/"


def page_of(session: Session) -> str:
    """The page, with the session as it stands."""
    stage = session.stage()
    return page(
        "play.html",
        ("scene.js", "draw.js", "panel.js", "play.js"),
        {"stage": stage, **_told(session)},
        title=f"play {stage['world']}",
        about=f"profile {stage['profile']}, {len(stage['agents'])} agents",
    )


def _told(session: Session) -> dict[str, Any]:
    stage = session.stage()
    return {
        "frame": as_json(session.look),
        "over": session.over,
        "table": session.table(),
        "kin": stage["kin"],
    }


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """The page, or the replay."""
        what = self._wanted()
        if what is None:
            return
        if what == "":
            self._send(HTTPStatus.OK, page_of(self.server.session).encode(), "text/html")
        elif what == "replay":
            data = pack(self.server.session.replay())
            self._send(HTTPStatus.OK, data, "application/octet-stream", "played.replay")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        """A wish of the player."""
        what = self._wanted()
        if what is None:
            return
        session = self.server.session
        try:
            wish = self._body()
            if what == "step":
                session.step(*understood(session, wish))
            elif what == "again":
                session.again()
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
                return
        except PlayError as err:
            self._refuse(HTTPStatus.BAD_REQUEST, str(err))
            return
        self._json(HTTPStatus.OK, _told(session))

    def _wanted(self) -> str | None:
        """What is asked for, behind the token; None if the answer was no."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        token, slash, what = self.path.split("?")[0].lstrip("/").partition("/")
        known = hmac.compare_digest(token.encode(), self.server.token.encode())
        if host not in NAMES or not known or not slash:
            self._refuse(HTTPStatus.FORBIDDEN, "the address needs the token that karma play said")
            return None
        return what

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST:
            self.close_connection = True
            raise PlayError(f"a request holds at most {MOST} bytes and says how many")
        try:
            wish = json.loads(self.rfile.read(int(length)) or b"{}")
        except (ValueError, RecursionError):
            raise PlayError("a request must be JSON") from None
        if not isinstance(wish, dict):
            raise PlayError("a request must be a JSON object")
        return wish

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True  # a body may be left unread
        self._json(status, {"error": sentence})

    def _json(self, status: HTTPStatus, data: dict[str, Any]) -> None:
        self._send(status, json.dumps(data).encode(), "application/json")

    def _send(self, status: HTTPStatus, data: bytes, kind: str, file: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if "text" in kind else kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        if file:
            self.send_header("Content-Disposition", f'attachment; filename="{file}"')
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the player."""


def understood(session: Session, wish: dict[str, Any]) -> tuple[int | None, int | None]:
    """Agent and action of a wish.

    Raises:
        PlayError: an unknown entry, agent, action or key.
    """
    for entry in wish:
        if entry not in ("agent", "key", "action"):
            raise PlayError(f"unknown entry {entry[:40]!r}: a step knows agent, key and action")
    agent, key, name = wish.get("agent"), wish.get("key"), wish.get("action")
    if agent is None:
        if key is not None or name is not None:
            raise PlayError("say which agent is to act")
        return None, None
    N = session.life.num_agents
    if not isinstance(agent, int) or isinstance(agent, bool) or not 0 <= agent < N:
        raise PlayError(f"agent must be a whole number from 0 to {N - 1}")
    if name is not None:
        if name not in session.actions:
            raise PlayError(f"unknown action {str(name)[:40]!r}: see the page for all actions")
        return agent, session.actions.index(name)
    if key is None:
        return agent, None
    action = session.action_of(agent, key) if isinstance(key, str) else None
    if action is None:
        raise PlayError(f"key {str(key)[:40]!r} does nothing here")
    return agent, action
