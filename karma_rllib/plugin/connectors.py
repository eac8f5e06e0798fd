"""The learner's pipeline: fragments -> rewards with transport -> advantages -> tensors.

Each piece is a RLlib learner connector over the list of fragments that `Learner.update`
received.

Shapes: T env-steps, W worlds, N agents; R rows of the batch, which are agent-steps
(stateless network) or sequences of L steps (recurrent network).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.evaluation.postprocessing import Postprocessing
from ray.rllib.utils.annotations import override

from karma_rllib.credit.gae import gae, moments
from karma_rllib.nets.masks import IMPOSSIBLE
from karma_rllib.plugin.event_frames import labels
from karma_rllib.plugin.fragment import Fragment
from karma_rllib.plugin.module import MEMORY_READ

ACTIVE = "active"  # the agent could act: policy and entropy terms count
# Keys of shared data, one array per fragment. Without transport there are no REWARDS.
REWARDS, ADVANTAGES, TARGETS = "rewards", "advantages", "targets"
SPREAD = "spread"  # of the advantages, by which they are divided: a number


class Transport(ConnectorV2):
    """Put the blame for acts of these fragments on their transitions: r~ = r + Delta.

    The blame was found where the memory lives, beside the worlds; here it is only added, before
    advantages are made of rewards. Fragments without transport pass untouched.
    """

    @override(ConnectorV2)
    def __call__(
        self, *, episodes: list[Fragment], batch: dict, shared_data: dict, **kw: Any
    ) -> dict:
        """See the class."""
        if any(fragment.transport.size for fragment in episodes):
            shared_data[REWARDS] = [f.reward + f.transport for f in episodes]
        return batch


class Advantages(ConnectorV2):
    """Generalised advantages of every agent's own stream; truncations bootstrap.

    With value transport the advantages are made of the rewards with blame; the value targets
    are too if `affects_value`, else they stay those of the rewards the world gave.

    Writes raw advantages and value targets, (T, W, N) per fragment, to the shared data, and
    logs what the science asks of them: the mean advantage of zaps and of hits, and the
    value fingerprint (attacker before, attacker after, victim after).
    """

    def __init__(
        self,
        gamma: float,
        lambda_: float,
        floor: float,
        module_id: str,
        *,
        affects_value: bool = True,
        zaps: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.gamma, self.lambda_, self.floor = gamma, lambda_, floor
        self.module_id, self.affects_value, self.zaps = module_id, affects_value, zaps

    @override(ConnectorV2)
    def __call__(
        self, *, episodes: list[Fragment], batch: dict, shared_data: dict, metrics: Any, **kw: Any
    ) -> dict:
        """See the class."""
        given = [fragment.reward for fragment in episodes]
        felt = shared_data.get(REWARDS, given)
        pairs = [self._advantages(f, reward) for f, reward in zip(episodes, felt)]
        shared_data[ADVANTAGES] = [advantage for advantage, _ in pairs]
        if not (self.affects_value or felt is given):
            pairs = [self._advantages(f, reward) for f, reward in zip(episodes, given)]
        shared_data[TARGETS] = [target for _, target in pairs]
        sums = fingerprint(episodes, shared_data[ADVANTAGES], self.floor, self.zaps)
        for key, value in sums.items():
            metrics.log_value((self.module_id, "fingerprint", key), value, reduce="sum")
        return batch

    def _advantages(self, fragment: Fragment, reward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shape = reward.shape  # (T, W, N)
        flat = (shape[0], -1)
        truncated = np.repeat(fragment.truncated[:, :, None], shape[2], axis=2)
        advantage, target = gae(
            reward.reshape(flat),
            fragment.value.reshape(flat),
            fragment.last_value.reshape(-1),
            truncated.reshape(flat),
            fragment.final_value().reshape(flat),
            self.gamma,
            self.lambda_,
        )
        return advantage.reshape(shape), target.reshape(shape)


FINGERPRINT_SUMS = (
    "zap_advantage_sum",
    "hit_advantage_sum",
    "v_before_sum",
    "v_after_sum",
    "v_victim_sum",
    "zap_probability_sum",
    "floor_hits_sum",
)


def fingerprint(
    fragments: list[Fragment],
    advantages: list[np.ndarray],
    floor: float,
    zaps: tuple[int, ...],
) -> dict[str, float]:
    """Sums behind hit advantage, zap advantage, value fingerprint and zap probability.

    Args:
        fragments: of one update.
        advantages: raw GAE advantages [reward units], (T, W, N) each.
        floor: the action floor eps.
        zaps: the actions that harm; their probability is that of any of them.

    Returns:
        `FINGERPRINT_SUMS` by name; divided by the counts of shots, hits and active steps
        they are means, and they pool over learners and iterations.
    """
    sums = dict.fromkeys(FINGERPRINT_SUMS, 0.0)
    for fragment, advantage in zip(fragments, advantages):
        fired, hit = fragment.events["fired"], fragment.events["hit"]
        if zaps:
            logits, active = fragment.logits, fragment.events["active"]
            chance = sum(np.exp(logits[..., zap][active]) for zap in zaps)
            sums["zap_probability_sum"] += float(chance.sum(dtype=np.float64))
            least = floor * _harmful_share(logits[active], zaps)
            rare = (chance <= 2 * least) & (least > 0)
            sums["floor_hits_sum"] += float(rare.sum())
        sums["zap_advantage_sum"] += float(advantage[fired].sum())
        t, w, attacker, victim = np.nonzero(hit)
        sums["hit_advantage_sum"] += float(advantage[t, w, attacker].sum())
        sums["v_before_sum"] += float(fragment.value[t, w, attacker].sum())
        sums["v_after_sum"] += float(fragment.outcome_value(t, w, attacker).sum())
        sums["v_victim_sum"] += float(fragment.outcome_value(t, w, victim).sum())
    return sums


def _harmful_share(logits: np.ndarray, zaps: tuple[int, ...]) -> np.ndarray:
    """Part of the possible actions that harms, (M,), from log-probabilities (M, A)."""
    possible = logits > IMPOSSIBLE / 2
    return possible[:, list(zaps)].sum(1) / possible.sum(1)


class FragmentsToBatch(ConnectorV2):
    """One training batch of tensors from the fragments; the last piece of the pipeline.

    Advantages are standardised over the agent-steps in which the agent could act. A
    recurrent network gets sequences padded to the longest, with `loss_mask` and the stored
    recurrent state of each sequence's first step, so the first epoch's ratio is 1. With
    `labels`, minibatches also carry who was what in each frame.
    """

    def __init__(self, module_id: str, device: Any, *, labels: bool = False) -> None:
        super().__init__()
        self.module_id, self.device, self.labels = module_id, device, labels

    @override(ConnectorV2)
    def __call__(
        self, *, rl_module: Any, episodes: list[Fragment], batch: dict, shared_data: dict, **kw: Any
    ) -> dict:
        """See the class."""
        stateful = rl_module[self.module_id].is_stateful()
        masks = [fragment.events["active"] for fragment in episodes]
        mean, std = moments(shared_data[ADVANTAGES], masks)
        shared_data[SPREAD] = std
        longest = max(int(fragment.seq_len.max()) for fragment in episodes)
        parts = []
        for fragment, advantage, target in zip(
            episodes, shared_data[ADVANTAGES], shared_data[TARGETS]
        ):
            columns = flat_columns(fragment, (advantage - mean) / std, target)
            if self.labels:
                columns |= labels(fragment)
            rows = _sequences(columns, fragment, longest) if stateful else _steps(columns)
            parts.append(rows)
        batch[self.module_id] = _tensors(_concatenate(parts), self.device)
        shared_data[f"_zero_padded_for_mid={self.module_id}"] = True
        return batch


def flat_columns(fragment: Fragment, advantage: np.ndarray, target: np.ndarray) -> dict:
    """The columns of training by RLlib's names, (T, W, N, ...)."""
    steps = len(fragment.reward)
    read = {MEMORY_READ: fragment.read} if fragment.read.size else {}
    return {
        Columns.OBS: {key: column[:steps] for key, column in fragment.obs.items()},
        Columns.ACTIONS: fragment.action,
        Columns.ACTION_LOGP: fragment.logp,
        Columns.ACTION_DIST_INPUTS: fragment.logits,
        Columns.VF_PREDS: fragment.value,
        Postprocessing.ADVANTAGES: advantage.astype(np.float32),
        Postprocessing.VALUE_TARGETS: target.astype(np.float32),
        ACTIVE: fragment.events["active"],
        **read,
    }


def _map(function: Any, columns: dict) -> dict:
    return {
        key: _map(function, value) if isinstance(value, dict) else function(value)
        for key, value in columns.items()
    }


def _steps(columns: dict) -> dict:
    """Rows are agent-steps: (T, W, N, ...) -> (R, ...)."""
    return _map(lambda column: column.reshape(-1, *column.shape[3:]), columns)


def _sequences(columns: dict, fragment: Fragment, length: int) -> dict:
    """Rows are padded sequences: (T, W, N, ...) -> (S x N, L, ...), padding repeats a step."""
    offset = np.arange(length)
    mask = offset < fragment.seq_len[:, None]  # (S, L)
    step = fragment.seq_step[:, None] + np.minimum(offset, fragment.seq_len[:, None] - 1)
    world = fragment.seq_world[:, None]

    def gather(column: np.ndarray) -> np.ndarray:
        rows = column[step, world].swapaxes(1, 2)  # (S, N, L, ...)
        return rows.reshape(-1, *rows.shape[2:])

    agents = fragment.reward.shape[2]
    rows = _map(gather, columns)
    rows[Columns.LOSS_MASK] = np.repeat(mask, agents, axis=0)
    rows[Columns.STATE_IN] = _map(lambda s: s.reshape(-1, s.shape[-1]), fragment.seq_state)
    rows[Columns.SEQ_LENS] = np.repeat(fragment.seq_len, agents).astype(np.int32)
    return rows


def _concatenate(parts: list[dict]) -> dict:
    if len(parts) == 1:
        return parts[0]
    return {
        key: _concatenate([part[key] for part in parts])
        if isinstance(parts[0][key], dict)
        else np.concatenate([part[key] for part in parts])
        for key in parts[0]
    }


def _tensors(columns: dict, device: Any) -> dict:
    return _map(lambda a: torch.from_numpy(np.ascontiguousarray(a)).to(device), columns)
