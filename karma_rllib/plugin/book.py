"""The arrays of one fragment while the sampler writes them.

Shapes: T env-steps, W worlds, N agents, A actions, V width of a read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from karma_rllib.plugin.fragment import Fragment, cut_sequences

if TYPE_CHECKING:
    from karma_rllib.plugin.sampler import Sampler


class Book:
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
        self.told = 0  # steps that who watches the sampler knows of

    def keep_state(self, t: int, sampler: Sampler) -> None:
        """Store the recurrent state before step t, if anybody asks for those of every step."""
        if sampler.keep_states or sampler.memory is not None:
            for key, value in sampler._state_arrays().items():
                if key not in self.states:
                    self.states[key] = np.empty((len(self.value) + 1, *value.shape), value.dtype)
                self.states[key][t] = value

    def write_choice(
        self, t: int, action: np.ndarray, logits: np.ndarray, value: np.ndarray
    ) -> None:
        """Store what was chosen at o_t, and the value of o_t."""
        self.action[t], self.logits[t], self.value[t] = action, logits, value

    def write_step(self, t: int, out: Any) -> None:
        """Store what the world answered."""
        self.reward[t], self.truncated[t] = out.reward, out.truncated
        if not self.events:
            self.events = {
                name: np.empty((len(self.value), *array.shape), array.dtype)
                for name, array in out.events._asdict().items()
            }
        for column, array in zip(self.events.values(), out.events):
            column[t] = array

    def write_end(
        self, t: int, ended: np.ndarray, frames: dict[str, np.ndarray], value: np.ndarray
    ) -> None:
        """Store the final frames of the episodes that step t ended, and their values."""
        (world,) = np.nonzero(ended)
        step = np.full(len(world), t)
        self.ends.append((step, world, frames["grid"][world], frames["vec"][world], value[world]))

    def fragment(self, sampler: Sampler, last_value: np.ndarray) -> Fragment:
        """Bind everything into a fragment."""
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
            states=self.states if sampler.keep_states else {},
        )
