"""Sampling without Ray: one network, many worlds, T steps, one fragment.

Shapes: T env-steps, W worlds, N agents, M = W x N rows, A actions, C recurrent cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from karma_rllib.nets.net import MirrorNet
from karma_rllib.plugin.fragment import Fragment, cut_sequences
from karma_rllib.society.lifetime import Lifetime
from karma_rllib.worlds.events import Events
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
    ) -> None:
        self.lifetime, self.net, self.device = lifetime, net, torch.device(device)
        self.seed, self.max_seq_len, self.keep_states = seed, max_seq_len, keep_states
        self.worlds, self.agents = lifetime.num_worlds, lifetime.num_agents
        self.steps_taken = np.zeros(self.worlds, np.int64)  # of each world's life
        self.obs = lifetime.reset()
        self.state = net.initial_state(self.worlds * self.agents, self.device)

    def restart(self) -> None:
        """Begin new episodes everywhere (evaluation rounds ask for it)."""
        self.lifetime.reset(out=self.obs)
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
        book = _Book(self, steps)
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
            book.write_step(t, self.lifetime.step(action, out=_row(book.obs, t + 1)))
            self.steps_taken += 1
            if book.truncated[t].any():
                since[book.truncated[t]] = self.max_seq_len
                self._turn_over(book, t)
        book.keep_state(steps, self)
        self.obs = {key: column[steps].copy() for key, column in book.obs.items()}
        last_value = self._value(self.obs, self.state)
        last_value[book.truncated[-1]] = 0.0
        return book.fragment(self, last_value)

    def _act(self, obs: dict[str, np.ndarray], t: int) -> tuple[np.ndarray, np.ndarray]:
        """Logits (W, N, A) and values (W, N) at o_t; moves the recurrent state on."""
        grid, vec = self._tensors(_row(obs, t))
        logits, value, self.state = self.net.step(grid, vec, self.state)
        shape = (self.worlds, self.agents)
        return logits.cpu().numpy().reshape(*shape, -1), value.cpu().numpy().reshape(shape)

    def _value(self, obs: dict[str, np.ndarray], state: dict[str, Any]) -> np.ndarray:
        grid, vec = self._tensors(obs)
        value = self.net.step(grid, vec, state)[1]
        return value.cpu().numpy().reshape(self.worlds, self.agents).copy()

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
        below = np.cumsum(np.exp(logits.astype(np.float64)), -1) < chance[..., None]
        return np.minimum(below.sum(-1), logits.shape[-1] - 1)

    def _turn_over(self, book: _Book, t: int) -> None:
        """Episodes ended after step t: value their last frames, then start new ones."""
        ended = book.truncated[t]
        frames = _row(book.obs, t + 1)
        value = self._value(frames, self.state)
        book.write_end(t, ended, frames, value)
        self.lifetime.reset(ended, out=frames)
        if self.net.stateful:
            alive = torch.from_numpy(np.repeat(~ended, self.agents)).to(self.device)
            self.state = {k: v * alive[:, None] for k, v in self.state.items()}

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
        self.obs = {key: value.copy() for key, value in state["obs"].items()}
        self.steps_taken = state["steps_taken"].copy()
        self.state = {
            key: torch.from_numpy(value.reshape(-1, value.shape[-1]).copy()).to(self.device)
            for key, value in state["recurrent"].items()
        }


class _Book:
    """The arrays of one fragment while it is being written."""

    def __init__(self, sampler: Sampler, steps: int) -> None:
        lead = (steps, sampler.worlds, sampler.agents)
        self.obs = {
            key: np.empty((steps + 1, *value.shape), value.dtype)
            for key, value in sampler.obs.items()
        }
        for key, value in sampler.obs.items():
            self.obs[key][0] = value
        self.action = np.empty(lead, np.int64)
        self.logits = np.empty((*lead, sampler.lifetime.num_actions), np.float32)
        self.value = np.empty(lead, np.float32)
        self.reward = np.empty(lead, np.float32)
        self.truncated = np.empty(lead[:2], bool)
        self.events: dict[str, np.ndarray] = {}
        self.saved: dict[int, dict[str, np.ndarray]] = {}  # step -> recurrent state before it
        self.states: dict[str, np.ndarray] = {}
        self.ends: list[tuple[np.ndarray, ...]] = []

    def keep_state(self, t: int, sampler: Sampler) -> None:
        if sampler.keep_states:
            for key, value in sampler._state_arrays().items():
                if key not in self.states:
                    self.states[key] = np.empty((len(self.value) + 1, *value.shape), value.dtype)
                self.states[key][t] = value

    def write_choice(
        self, t: int, action: np.ndarray, logits: np.ndarray, value: np.ndarray
    ) -> None:
        self.action[t], self.logits[t], self.value[t] = action, logits, value

    def write_step(self, t: int, out: Any) -> None:
        self.reward[t], self.truncated[t] = out.reward, out.truncated
        if not self.events:
            self.events = {
                name: np.empty((len(self.value), *array.shape), array.dtype)
                for name, array in zip(Events._fields, out.events)
            }
        for column, array in zip(self.events.values(), out.events):
            column[t] = array

    def write_end(
        self, t: int, ended: np.ndarray, frames: dict[str, np.ndarray], value: np.ndarray
    ) -> None:
        (world,) = np.nonzero(ended)
        step = np.full(len(world), t)
        self.ends.append((step, world, frames["grid"][world], frames["vec"][world], value[world]))

    def fragment(self, sampler: Sampler, last_value: np.ndarray) -> Fragment:
        step, world, length = cut_sequences(self.truncated, sampler.max_seq_len)
        seq_state = {
            key: np.stack([self.saved[t][key][w] for t, w in zip(step, world)])
            for key in sampler.state
        }
        logp = np.take_along_axis(self.logits, self.action[..., None], -1)[..., 0]
        ends = [np.concatenate(parts) for parts in zip(*self.ends)] or [
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty((0, *self.obs["grid"].shape[2:]), np.uint8),
            np.empty((0, *self.obs["vec"].shape[2:]), np.float32),
            np.empty((0, sampler.agents), np.float32),
        ]
        return Fragment(
            uid=sampler.lifetime.uid.copy(),
            obs=self.obs,
            action=self.action,
            logp=logp,
            logits=self.logits,
            value=self.value,
            last_value=last_value,
            reward=self.reward,
            truncated=self.truncated,
            events=self.events,
            end_step=ends[0],
            end_world=ends[1],
            end_obs={"grid": ends[2], "vec": ends[3]},
            end_value=ends[4],
            seq_step=step,
            seq_world=world,
            seq_len=length,
            seq_state=seq_state,
            states=self.states,
        )


def _row(obs: dict[str, np.ndarray], t: int) -> dict[str, np.ndarray]:
    return {key: column[t] for key, column in obs.items()}
