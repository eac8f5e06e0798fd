"""Epochs of minibatches over a batch of tensors, shuffled by a seed of their own.

RLlib's iterator draws from the global generators, counts a padded batch by its rows and
concatenates slices; this one indexes rows once per minibatch and is a pure function of
(seed, learner, update), so a resumed run shuffles as the uninterrupted one would have.

Shapes: R rows of the batch (agent-steps, or sequences of a recurrent network).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from torch import Tensor


class Minibatches:
    """Iterable over the minibatches of one update.

    Args:
        columns: tensors (R, ...), possibly nested in dicts.
        module_id: the module they train.
        agent_steps: real agent-steps in the batch, padding left out.
        minibatch: agent-steps of one minibatch, about.
        epochs: passes over the batch.
        total: minibatches over all epochs, or 0 for what one pass needs, times epochs.
        key: integers that the shuffle is a function of.
        env_steps: env-steps in the batch, for RLlib's counters.
    """

    def __init__(
        self,
        columns: dict[str, Any],
        *,
        module_id: str,
        agent_steps: int,
        minibatch: int | None,
        epochs: int,
        total: int,
        key: tuple[int, ...],
        env_steps: int,
    ) -> None:
        self.columns, self.module_id, self.env_steps = columns, module_id, env_steps
        self.rows = len(columns["actions"])
        per_epoch = max(1, round(agent_steps / minibatch)) if minibatch else 1
        self.per_epoch = min(per_epoch, self.rows)
        self.total = total or self.per_epoch * epochs
        self.rng = np.random.default_rng(np.random.SeedSequence(key))

    def __iter__(self) -> Iterator[MultiAgentBatch]:
        made = 0
        while made < self.total:
            order = self.rng.permutation(self.rows)
            for rows in np.array_split(order, self.per_epoch)[: self.total - made]:
                yield self._take(torch.from_numpy(rows))
                made += 1

    def _take(self, rows: Tensor) -> MultiAgentBatch:
        device = self.columns["actions"].device
        picked = _index(self.columns, rows.to(device))
        batch = SampleBatch(picked, _zero_padded=True)
        return MultiAgentBatch({self.module_id: batch}, self.env_steps)


def _index(columns: dict[str, Any], rows: Tensor) -> dict[str, Any]:
    return {
        key: _index(value, rows) if isinstance(value, dict) else value.index_select(0, rows)
        for key, value in columns.items()
    }
