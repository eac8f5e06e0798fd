"""Sampling without Ray: one network, many worlds, T steps, one fragment.

Shapes: T env-steps, W worlds, N agents, M = W x N rows, A actions, C recurrent cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from karma_rllib.envs.replay_watch import Watch
from karma_rllib.nets.net import MirrorNet
from karma_rllib.plugin.book import Book
from karma_rllib.plugin.episodic import ReadTransport
from karma_rllib.plugin.fragment import Fragment
from karma_rllib.plugin.memory import Memory
from karma_rllib.society.lifetime import Lifetime
from karma_rllib.worlds.rng import uniforms

# Stream of the counter generator from which actions are drawn. Worlds use small numbers.
ACTION_STREAM = 1000


class Sampler:
    """Steps a lifetime with a network and keeps what has to outlive one fragment.

    Actions are drawn by inverting the policy's distribution at a uniform number that is a
    function of (seed, world, step, agent) alone. So a world's life does not depend on
    which other worlds share its batch, and a restored sampler goes on exactly.

    Args:
        lifetime: the worlds.
        net: acting network; its weights are updated in place by the owner.
        max_seq_len: longest training sequence [env-steps].
        keep_states: store the recurrent state of every step (only `align_layer: h` asks).
        device: where the network runs.
        memory: the worlds' external memory, or None; without one nothing of it is computed.
        transport: what pays value back along the reads of a network with an episodic memory.
        watch: keeps episodes worth seeing, or None; it changes nothing.
    """

    def __init__(
        self,
        lifetime: Lifetime,
        net: MirrorNet,
        *,
        seed: int,
        max_seq_len: int,
        keep_states: bool = False,
        device: torch.device | str = "cpu",
        memory: Memory | None = None,
        transport: ReadTransport | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.watch = watch
        self.memory, self.transport = memory, transport
        self.lifetime, self.net, self.device = lifetime, net, torch.device(device)
        self.seed, self.max_seq_len, self.keep_states = seed, max_seq_len, keep_states
        self.worlds, self.agents = lifetime.num_worlds, lifetime.num_agents
        self.steps_taken = np.zeros(self.worlds, np.int64)  # of each world's life
        self.obs = lifetime.reset()
        self.state = net.initial_state(self.worlds * self.agents, self.device)
        if self.watch is not None:
            self.watch.begin()

    def restart(self) -> None:
        """Begin new episodes everywhere (evaluation rounds ask for it)."""
        self.lifetime.reset(out=self.obs)
        if self.watch is not None:
            self.watch.begin()
        if self.memory is not None:
            self.memory.begin_episode(np.ones(self.worlds, bool))
        self.state = self.net.initial_state(self.worlds * self.agents, self.device)

    @torch.inference_mode()
    def run(self, steps: int, *, explore: bool = True) -> Fragment:
        """Play `steps` env-steps in every world.

        Args:
            steps: T.
            explore: draw actions; otherwise take the most probable one.

        Returns:
            The fragment of these steps.
        """
        book = Book(self, steps)
        if self.memory is not None:
            self.memory.begin(steps)
        if self.transport is not None:
            self.transport.begin(steps)
        since = np.full(self.worlds, self.max_seq_len)
        for t in range(steps):
            if self.net.stateful and (since >= self.max_seq_len).any():
                since[since >= self.max_seq_len] = 0
                book.saved[t] = self._state_arrays()
            since += 1
            book.keep_state(t, self)
            logits, value = self._act(book.obs, t)
            action = self._draw(logits, explore)
            book.write_choice(t, action, logits, value)
            out = self.lifetime.step(action, out=_row(book.obs, t + 1))
            book.write_step(t, out)
            if self.memory is not None:
                self.memory.note(out.events)
            self.steps_taken += 1
            if book.truncated[t].any():
                since[book.truncated[t]] = self.max_seq_len
                self._turn_over(book, t)
        self._tell(book, steps)
        book.keep_state(steps, self)
        self.obs = {key: column[steps].copy() for key, column in book.obs.items()}
        last_value = self._value(self.obs, self.state)
        last_value[book.truncated[-1]] = 0.0
        fragment = book.fragment(self, last_value)
        if self.transport is not None:
            return self.transport.settle(fragment)
        return fragment if self.memory is None else self.memory.settle(fragment, book.states)

    def _act(self, obs: dict[str, np.ndarray], t: int) -> tuple[np.ndarray, np.ndarray]:
        """Logits (W, N, A) and values (W, N) at o_t; moves the recurrent state on."""
        logits, value, self.state = self._decide(_row(obs, t), self.state, t)
        shape = (self.worlds, self.agents)
        return logits.cpu().numpy().reshape(*shape, -1), value.cpu().numpy().reshape(shape)

    def _value(self, obs: dict[str, np.ndarray], state: dict[str, Any]) -> np.ndarray:
        value = self._decide(obs, state)[1]
        return value.cpu().numpy().reshape(self.worlds, self.agents).copy()

    def _decide(
        self, obs: dict[str, np.ndarray], state: dict[str, Any], t: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """The network's step; between its halves, events that led to the frames are recalled."""
        grid, vec = self._tensors(obs)
        phi, z = self.net.encode(grid, vec)
        if self.transport is not None:
            logits, value, after, found = self.net.decide_reading(z, state, vec)
            if t is not None:
                self.transport.note(t, found)
            return logits, value, after
        read = None if self.memory is None else self.memory.look(phi, t)
        return self.net.decide(z, state, read, vec)

    def _tensors(self, obs: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.worlds * self.agents
        grid = torch.from_numpy(obs["grid"]).view(rows, *obs["grid"].shape[2:])
        vec = torch.from_numpy(obs["vec"]).view(rows, -1)
        return grid.to(self.device), vec.to(self.device)

    def _draw(self, logits: np.ndarray, explore: bool) -> np.ndarray:
        if not explore:
            return logits.argmax(-1)
        uid = self.lifetime.uid
        chance = uniforms(self.seed, uid, self.steps_taken, self.agents, ACTION_STREAM)
        p = np.exp(logits.astype(np.float64))
        if self.net.mask_start is None:
            below = np.cumsum(p, -1) < chance[..., None]
            return np.minimum(below.sum(-1), logits.shape[-1] - 1)
        # Where rounding left a crumb of probability, the last possible action takes it.
        below = np.cumsum(p, -1) <= chance[..., None]
        last = logits.shape[-1] - 1 - (p[..., ::-1] > 0).argmax(-1)
        return np.minimum(below.sum(-1), last)

    def _turn_over(self, book: Book, t: int) -> None:
        """Episodes ended after step t: value their last frames, then start new ones."""
        ended = book.truncated[t]
        frames = _row(book.obs, t + 1)
        value = self._value(frames, self.state)
        book.write_end(t, ended, frames, value)
        self._tell(book, t + 1)
        self.lifetime.reset(ended, out=frames)
        if self.watch is not None:
            self.watch.begin(ended)
        if self.memory is not None:
            self.memory.begin_episode(ended)
        if self.net.stateful:
            alive = torch.from_numpy(np.repeat(~ended, self.agents)).to(self.device)
            self.state = {k: v * alive[:, None] for k, v in self.state.items()}

    def _tell(self, book: Book, stop: int) -> None:
        """Tell who watches of the steps before `stop` that it was not yet told of."""
        if self.watch is None or book.told == stop:
            return
        rows, book.told = slice(book.told, stop), stop
        events = {name: column[rows] for name, column in book.events.items()}
        ended = book.truncated[stop - 1]
        self.watch.note(book.action[rows], events, ended, book.value[rows], book.logits[rows])

    def _state_arrays(self) -> dict[str, np.ndarray]:
        shape = (self.worlds, self.agents, -1)
        return {k: v.cpu().numpy().reshape(shape).copy() for k, v in self.state.items()}

    def get_state(self) -> dict[str, Any]:
        """Everything a resumed sampler needs, as arrays."""
        return {
            "lifetime": self.lifetime.get_state(),
            "obs": {key: value.copy() for key, value in self.obs.items()},
            "recurrent": self._state_arrays(),
            "steps_taken": self.steps_taken.copy(),
            **({} if self.memory is None else {"memory": self.memory.get_state()}),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was taken.

        Raises:
            ValueError: if the state is of another number of worlds or agents.
        """
        if len(state["steps_taken"]) != self.worlds:
            raise ValueError(
                f"the saved state has {len(state['steps_taken'])} worlds, this runner "
                f"{self.worlds}: keep ppo.envs as it was when the checkpoint was written"
            )
        self.lifetime.set_state(state["lifetime"])
        if self.watch is not None:
            self.watch.skip()
        if self.memory is not None and "memory" in state:  # a branch of a baseline has none
            self.memory.set_state(state["memory"])
        self.obs = {key: value.copy() for key, value in state["obs"].items()}
        self.steps_taken = state["steps_taken"].copy()
        self.state = {
            key: torch.from_numpy(value.reshape(-1, value.shape[-1]).copy()).to(self.device)
            for key, value in state["recurrent"].items()
        }


def _row(obs: dict[str, np.ndarray], t: int) -> dict[str, np.ndarray]:
    return {key: column[t] for key, column in obs.items()}
