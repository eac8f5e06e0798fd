"""Play an episode of a scenario and count what the scorers need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.envs.suites.running import Maker, Running
from karma_rllib.envs.suites.scenario import Scenario, Tally

_SUMS = (
    "harvested", "consumed", "produced", "looted", "gave_items", "gave_energy", "energy_charged",
    "energy_spent", "failed", "shielded",
)  # fmt: skip


class Result(NamedTuple):
    """An episode that was played.

    Attributes:
        raw: its result in [0, 1], before `chance` is taken off.
        group: see `Episode`.
        tally: what happened.
        steps: T [env-steps].
        actions: of all agents, int16 (T, N).
    """

    raw: float
    group: str
    tally: Tally
    steps: int
    actions: np.ndarray


def play(scenario: Scenario, seed: int, focal: Maker, bots: Mapping[str, Maker]) -> Result:
    """Play the episode of a seed.

    Args:
        scenario: the test.
        seed: of the episode; also of the world.
        focal: makes the player that is judged.
        bots: makes the players of the other seats, by their names in `Episode.seats`.

    Raises:
        KeyError: a seat names a bot that is not there.
    """
    running = Running(scenario, seed, bots)
    player = focal(running.world, running.episode, running.focal)
    state = player.initial_state(len(running.focal))
    log, steps = _Log(running.world), running.world.max_steps
    joint = np.empty((steps, running.world.num_agents), np.int16)
    for t in range(steps):
        actions, state = player.step(running.seen_by(running.focal), state)
        log.note(running.step(actions))
        joint[t] = running.actions
    tally, episode = log.tally(), running.episode
    return Result(scenario.raw(episode, tally), episode.group, tally, steps, joint)


class _Log:
    """Counts along an episode."""

    def __init__(self, world: Any) -> None:
        self._world = world
        T, N = world.max_steps, world.num_agents
        self._t = 0
        self._rewards, self._hearts = np.zeros((T, N), np.float32), np.zeros((T, N), np.int64)
        self._sums = {name: np.zeros(N) for name in (*_SUMS, "froze", "hit", "frozen", "revisits")}
        self._been: list[set[tuple[int, int]]] = [set() for _ in range(N)]
        self._visit()

    def _visit(self) -> np.ndarray:
        """Note where everybody stands; whether it had been there before, (N,)."""
        cells = map(tuple, self._world.positions[0].tolist())
        pairs = list(zip(cells, self._been, strict=True))
        again = np.array([cell in been for cell, been in pairs])
        for cell, been in pairs:
            been.add(cell)
        return again

    def note(self, out: Any) -> None:
        """Count a step."""
        events, t, sums = out.events, self._t, self._sums
        self._rewards[t], self._hearts[t] = out.reward[0], events.ate[0]
        for name in _SUMS:
            sums[name] += getattr(events, name)[0]
        sums["froze"] += events.froze[0].sum(1)
        sums["hit"] += events.hit[0].sum(1)
        sums["frozen"] += ~events.active[0].astype(bool)
        sums["revisits"] += self._visit() / len(self._rewards)
        self._t += 1

    def tally(self) -> Tally:
        """The sums so far."""
        items = self._world.frame().inventory
        return Tally(self._rewards[: self._t], self._hearts[: self._t], self._sums, items)
