"""Play: a person among policies, one world, step by step.

`Session` knows nothing of pages and terminals; `play_server` and `play_terminal` put a face on it.

Shapes: N agents.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from karma_rllib.envs.bots import Policy, begin
from karma_rllib.envs.keys import bindings, choose
from karma_rllib.envs.replay import Replay
from karma_rllib.envs.replay_life import moment
from karma_rllib.envs.replay_record import Recorder
from karma_rllib.envs.scene import COUNTS, MILLI, PER_AGENT, Look, Onlooker, stage_of
from karma_rllib.society.lifetime import Lifetime


class PlayError(ValueError):
    """A wish that cannot be granted; its text is one sentence for the player."""


class Stander:
    """Does nothing, for as long as it takes."""

    def initial_state(self, n: int) -> None:
        """There is nothing to remember."""

    def step(self, obs: dict[str, np.ndarray], state: None) -> tuple[np.ndarray, None]:
        """Action 0, the no-op of every world."""
        return np.zeros(len(obs["vec"]), np.int64), None


class Session:
    """One world, played by policies and, where it takes an agent over, by a person.

    Args:
        life: a lifetime with one world.
        players: who plays each agent, N entries; one object may stand in many places.
        names: of the players, N entries.

    Attributes:
        over: the episode has ended; `again` begins the next one.
        taken: the agent that the person played last, or None.

    Raises:
        ValueError: there is not one player for each agent.
    """

    def __init__(self, life: Lifetime, players: Sequence[Policy], names: Sequence[str]) -> None:
        if not len(players) == len(names) == life.num_agents:
            raise ValueError(f"{len(players)} players for {life.num_agents} agents: one for each.")
        self.life, self.players, self.names = life, list(players), list(names)
        self.actions: tuple[str, ...] = tuple(life.world.action_names)
        self.lock = threading.Lock()  # pages may ask twice at once
        self._who = list({id(p): p for p in players}.values())
        self._seats = [[n for n, p in enumerate(players) if p is q] for q in self._who]
        self._eye = Onlooker(life.num_agents)
        self._recorder = Recorder(life, self.names)
        self.taken: int | None = None
        self.again()

    def again(self) -> Look:
        """Begin the next episode of the lifetime; debts stay."""
        with self.lock:
            self._obs = self.life.reset()
            self._recorder.begin()
            self._states = [
                begin(policy, np.array(agents, np.int64))
                for policy, agents in zip(self._who, self._seats, strict=True)
            ]
            self.over = False
            self.last: Replay | None = None
            self.look = self._eye.look(moment(self.life, 0))
            self.kin = self.life.relatives.matrix[0]
            return self.look

    def action_of(self, agent: int, key: str) -> int | None:
        """The action that a key means for an agent as it now faces; None for a key without one."""
        head = int(self.look.agents[agent, PER_AGENT.index("head")])
        name = choose(self.actions, key, head)
        return None if name is None else self.actions.index(name)

    def step(self, agent: int | None = None, action: int | None = None) -> Look:
        """Play one env-step.

        Args:
            agent: whom the person plays; None: nobody.
            action: of that agent; None: its own player decides.

        Raises:
            PlayError: the episode is over.
        """
        with self.lock:
            if self.over:
                raise PlayError("the episode is over: begin the next one")
            joint = np.zeros((1, self.life.num_agents), np.int64)
            for k, (policy, agents) in enumerate(zip(self._who, self._seats, strict=True)):
                seen = {key: rows[0, agents] for key, rows in self._obs.items()}
                chosen, self._states[k] = policy.step(seen, self._states[k])
                joint[0, agents] = chosen
            self.taken = agent
            if agent is not None:
                joint[0, agent] = 0 if action is None else action
            out = self.life.step(joint)
            self._obs = out.obs
            self.look = self._eye.look(moment(self.life, self.look.t + 1, joint[0], out))
            drafts = self._recorder.note(joint, out)
            self.over = bool(out.truncated[0])
            self.last = drafts[0].seal("played") if drafts else None
            return self.look

    def replay(self) -> Replay:
        """The episode so far."""
        with self.lock:
            return self.last or self._recorder.cut().seal("played")

    def table(self) -> list[dict[str, Any]]:
        """One row per agent: player, total reward, what it ate, hits, was hit, debts [zaps]."""
        at = {name: PER_AGENT.index(name) for name in COUNTS}
        rows = self.look.agents
        return [
            {
                "agent": f"agent_{n}",
                "player": self.names[n],
                "reward": float(rows[n, at["total"]]) / MILLI,
                "eaten": int(rows[n, at["eaten"]]),
                "hits": int(rows[n, at["hits"]]),
                "was_hit": int(rows[n, at["struck"]]),
                "owes": float(self.look.debt[n].sum()) / MILLI,
            }
            for n in range(self.life.num_agents)
        ]

    def stage(self) -> dict[str, Any]:
        """What does not change, for the page; and which key does what."""
        stage = stage_of(self.life, self.names, self.kin)
        return {**stage, "keys": bindings(self.actions)}
