"""The fragment: what one `sample()` of the batched env runner returns.

Shapes: T env-steps, W worlds, N agents, S sequences per agent, C recurrent cells.
Everything is time-major, as sampled: value transport, advantages and social metrics all
walk time. Worlds are never split: pairs, links and shards stay inside one world.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass
class Fragment:
    """T consecutive env-steps of W worlds, with all that learning from them needs.

    RLlib treats it as an episode list's item: `len`, `env_steps` and `agent_steps` are
    what its counters ask for. It is a plain object, not a dict or a sequence, so that no
    tree library takes it apart.

    Attributes:
        uid: identities of the worlds, int64 (W,).
        obs: observations o_0..o_T; a row after a truncation is the next episode's first
            observation. {"grid": uint8 (T+1, W, N, H, W', C), "vec": float32 (T+1, W, N, D)}.
        action: int64 (T, W, N).
        logp: log-probability of the action when it was taken, float32 (T, W, N).
        logits: log-probabilities of all actions, float32 (T, W, N, A).
        value: V(o_t) [reward units], float32 (T, W, N).
        last_value: V(o_T), float32 (W, N); 0 where step T-1 ended an episode.
        reward: float32 (T, W, N).
        truncated: episode ended after the step, bool (T, W).
        events: the world's events by name, each (T, W, ...).
        end_step, end_world: the truncations, int (E,): step and world of each.
        end_obs: final observations of those episodes, (E, N, ...).
        end_value: V(final observation), float32 (E, N).
        seq_step, seq_world, seq_len: training sequences, int (S,): where each starts and how
            many steps it has; a sequence never crosses an episode end.
        seq_state: recurrent state at each sequence start, (S, N, C) each; empty if stateless.
        states: recurrent state before every step, (T+1, W, N, C) each; empty unless asked for.
        read: what the external memory gave back in each frame o_0..o_{T-1}, float32 (T, W, N, V),
            zeros where nothing was read; like all that follows, empty without value transport.
        transport: blame that lands on each transition [reward], float32 (T, W, N).
        retro: windows of L steps that end with a blamed act of an earlier fragment, one row per
            act, (R, ...); see `plugin.retro`. `world` says whose it is, index into the W worlds.
        links: the punishments of the fragment and what each recalled, one row per punishment,
            (P, ...); see `credit.recall`. `world` as above.
    """

    uid: np.ndarray
    obs: Arrays
    action: np.ndarray
    logp: np.ndarray
    logits: np.ndarray
    value: np.ndarray
    last_value: np.ndarray
    reward: np.ndarray
    truncated: np.ndarray
    events: Arrays
    end_step: np.ndarray
    end_world: np.ndarray
    end_obs: Arrays
    end_value: np.ndarray
    seq_step: np.ndarray
    seq_world: np.ndarray
    seq_len: np.ndarray
    seq_state: Arrays = field(default_factory=dict)
    states: Arrays = field(default_factory=dict)
    read: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    transport: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    retro: Arrays = field(default_factory=dict)
    links: Arrays = field(default_factory=dict)

    def __len__(self) -> int:
        return self.env_steps()

    def env_steps(self) -> int:
        """Joint steps in the fragment: T x W."""
        return int(self.truncated.size)

    def agent_steps(self) -> int:
        """Steps of single agents: T x W x N."""
        return int(self.reward.size)

    def final_value(self) -> np.ndarray:
        """V of the final observation where an episode ended, else 0; float32 (T, W, N)."""
        out = np.zeros_like(self.value)
        out[self.end_step, self.end_world] = self.end_value
        return out

    def outcome(self, step: np.ndarray, world: np.ndarray, agent: np.ndarray) -> Arrays:
        """Frames o_{t+1} of some transitions: the final observation where the episode ended.

        Args:
            step: t, int (P,).
            world: int (P,).
            agent: int (P,).

        Returns:
            {"grid": (P, H, W', C), "vec": (P, D)}.
        """
        frames = {key: column[step + 1, world, agent] for key, column in self.obs.items()}
        ended = self.truncated[step, world]
        if ended.any():
            row = self._end_row(step[ended], world[ended])
            for key, column in self.end_obs.items():
                frames[key][ended] = column[row, agent[ended]]
        return frames

    def outcome_value(self, step: np.ndarray, world: np.ndarray, agent: np.ndarray) -> np.ndarray:
        """V(o_{t+1}) of some transitions, float32 (P,), by the same rule as `outcome`."""
        after = np.concatenate([self.value[1:], self.last_value[None]])[step, world, agent]
        ended = self.truncated[step, world]
        if ended.any():
            after[ended] = self.end_value[self._end_row(step[ended], world[ended]), agent[ended]]
        return after

    def decision(self, step: np.ndarray, world: np.ndarray, agent: np.ndarray) -> Arrays:
        """Frames o_t of some transitions: {"grid": (P, H, W', C), "vec": (P, D)}."""
        return {key: column[step, world, agent] for key, column in self.obs.items()}

    def _end_row(self, step: np.ndarray, world: np.ndarray) -> np.ndarray:
        rows = np.full(self.truncated.shape, -1, np.int64)
        rows[self.end_step, self.end_world] = np.arange(len(self.end_step))
        return rows[step, world]

    def split(self, parts: int) -> list[Fragment]:
        """Cut into `parts` fragments by world, equal in worlds and so in agent-steps.

        Raises:
            ValueError: if the worlds do not divide evenly.
        """
        worlds = self.truncated.shape[1]
        if worlds % parts:
            raise ValueError(f"{worlds} worlds cannot be shared evenly among {parts} learners")
        width = worlds // parts
        return [self._worlds(i * width, (i + 1) * width) for i in range(parts)]

    def _worlds(self, lo: int, hi: int) -> Fragment:
        ends = (self.end_world >= lo) & (self.end_world < hi)
        seqs = (self.seq_world >= lo) & (self.seq_world < hi)
        cut = {
            f.name: _cut(getattr(self, f.name), lo, hi)
            for f in fields(self)
            if f.name in _TIME_MAJOR
        }
        return replace(
            self,
            **cut,
            uid=self.uid[lo:hi],
            last_value=self.last_value[lo:hi],
            end_step=self.end_step[ends],
            end_world=self.end_world[ends] - lo,
            end_obs={k: v[ends] for k, v in self.end_obs.items()},
            end_value=self.end_value[ends],
            seq_step=self.seq_step[seqs],
            seq_world=self.seq_world[seqs] - lo,
            seq_len=self.seq_len[seqs],
            seq_state={k: v[seqs] for k, v in self.seq_state.items()},
            retro=_rows_of(self.retro, lo, hi),
            links=_rows_of(self.links, lo, hi),
        )


_TIME_MAJOR = ("obs action logp logits value reward truncated events states read transport").split()  # noqa: SIM905


def _cut(value: Any, lo: int, hi: int) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item, lo, hi) for key, item in value.items()}
    return value[:, lo:hi]


def _rows_of(rows: Arrays, lo: int, hi: int) -> Arrays:
    """The rows whose `world` lies in [lo, hi), counted from lo."""
    if not rows:
        return rows
    chosen = (rows["world"] >= lo) & (rows["world"] < hi)
    cut = {key: column[chosen] for key, column in rows.items()}
    return {**cut, "world": cut["world"] - lo}


def cut_sequences(truncated: np.ndarray, max_seq_len: int) -> tuple[np.ndarray, ...]:
    """Where training sequences start: every `max_seq_len` steps and after every episode end.

    Args:
        truncated: bool (T, W).
        max_seq_len: longest sequence [env-steps], >= 1.

    Returns:
        (seq_step, seq_world, seq_len), int64 (S,), ordered by world, then step.
    """
    starts = sequence_starts(truncated, max_seq_len)
    world, step = np.nonzero(starts.T)
    steps = truncated.shape[0]
    following = np.append(step[1:], steps)
    last_of_world = np.append(world[1:] != world[:-1], True)
    following[last_of_world] = steps
    return step, world, following - step


def sequence_starts(truncated: np.ndarray, max_seq_len: int) -> np.ndarray:
    """Bool (T, W): true where a sequence starts; see `cut_sequences`."""
    starts = np.zeros_like(truncated)
    since = np.full(truncated.shape[1], max_seq_len)
    for t in range(len(truncated)):
        if t:
            since[truncated[t - 1]] = max_seq_len
        starts[t] = since >= max_seq_len
        since[starts[t]] = 0
        since += 1
    return starts
