"""The RLModule: the mirror network under RLlib's two roads.

The network itself (`nets.net.MirrorNet`) knows no Ray. This module gives it RLlib's face:
stock algorithms call `forward_*` with dict batches, the batched env runner calls
`net.step` directly, and both compute the same numbers from the same tensors.

Shapes: M rows, S sequences, T time steps, A actions; (H, W, C) the grid, (D,) the vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from ray.rllib.utils.annotations import override
from torch import Tensor

from karma_rllib.nets.episodic import ReadSpec
from karma_rllib.nets.net import MirrorNet, NetSpec, make_spec

# Columns of our own in `forward_train`'s output, read by the learner's extra terms.
LATENT, FEATURES, HIDDEN, STRENGTH = "z", "phi", "h", "strength"
# Column of our own in training batches: what the external memory gave back in each frame.
MEMORY_READ = "memory_read"


def net_spec(settings: dict[str, Any]) -> NetSpec:
    """The network spec that module settings name: a preset plus overrides.

    Args:
        settings: `preset` and any field of `NetSpec`; a None value keeps the preset's.

    Raises:
        ValueError: unknown preset or field, or a value out of range.
    """
    rest = {key: value for key, value in settings.items() if key != "role_head_input"}
    return make_spec(rest.pop("preset", "small"), **rest)


class KarmaModule(TorchRLModule, ValueFunctionAPI):
    """Mirror network as an RLModule.

    `model_config` keys: `net` (module settings: preset and overrides), `action_floor`,
    `grid_scale` (1 for 0/1 planes, 1/255 for graded ones), `seed` (weights are a function of
    it alone), `max_seq_len` (RLlib needs it for stateful modules), `memory_key_dim` (0 or absent:
    no external memory), `reads` (fields of `ReadSpec`; absent: no episodic memory), `mask_start`
    (absent or None: every action is always possible). A batch may carry what the memory gave back
    as the column `memory_read`; without it, as under stock algorithms, nothing was read.
    """

    @override(TorchRLModule)
    def setup(self) -> None:
        """Build the network from the spaces and `model_config`."""
        grid, vec = self.observation_space["grid"], self.observation_space["vec"]
        settings = dict(self.model_config.get("net", {}))
        reads = self.model_config.get("reads")
        self.net = MirrorNet(
            tuple(grid.shape),
            int(vec.shape[0]),
            int(self.action_space.n),
            net_spec(settings),
            action_floor=float(self.model_config.get("action_floor", 0.0)),
            role_head_input=settings.get("role_head_input") or "phi",
            grid_scale=self.model_config.get("grid_scale", 1.0),
            seed=int(self.model_config.get("seed") or 0),
            memory_key_dim=int(self.model_config.get("memory_key_dim") or 0),
            mask_start=self.model_config.get("mask_start"),
            reads=ReadSpec(**reads) if reads else None,
        )

    @override(TorchRLModule)
    def get_initial_state(self) -> dict[str, np.ndarray]:
        """Recurrent state of one agent at the start of an episode, without batch axis."""
        state = self.net.initial_state(1, torch.device("cpu"))
        return {key: value[0].numpy() for key, value in state.items()}

    @override(TorchRLModule)
    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        out = self._run(batch)
        result = {Columns.ACTION_DIST_INPUTS: out["logits"]}
        if self.net.stateful:
            result[Columns.STATE_OUT] = out["state"]
        return result

    @override(TorchRLModule)
    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        out = self._run(batch)
        result = {
            Columns.ACTION_DIST_INPUTS: out["logits"],
            Columns.VF_PREDS: out["value"],
            LATENT: out["z"],
            FEATURES: out["phi"],
            HIDDEN: out["h"],
            # What `compute_values` needs so as not to run the network twice.
            Columns.EMBEDDINGS: out["value"],
        }
        if self.net.stateful:
            result[Columns.STATE_OUT] = out["state"]
        if STRENGTH in out:
            result[STRENGTH] = out[STRENGTH]
        return result

    @override(ValueFunctionAPI)
    def compute_values(self, batch: dict[str, Any], embeddings: Tensor | None = None) -> Tensor:
        """Values of a batch [reward units], (rows,) or (sequences, steps).

        Args:
            batch: RLlib batch with observations (and recurrent state).
            embeddings: what `forward_train` returned for the same batch, if it ran.
        """
        return self._run(batch)["value"] if embeddings is None else embeddings

    def _run(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One forward pass over rows (M, ...) or sequences (S, T, ...)."""
        obs = batch[Columns.OBS]
        grid, vec, read = obs["grid"], obs["vec"], batch.get(MEMORY_READ)
        flat = vec.dim() == 2  # no time axis: a stateless module
        if flat:
            grid, vec = grid.unsqueeze(1), vec.unsqueeze(1)
            read = None if read is None else read.unsqueeze(1)
        state = batch.get(Columns.STATE_IN) if self.net.stateful else None
        out = self.net(grid, vec, state or {}, read)
        named = {"logits": out.logits, "value": out.value, "z": out.z, "phi": out.phi, "h": out.h}
        if flat:
            named = {key: value.squeeze(1) for key, value in named.items()}
        elif out.strength is not None:
            named[STRENGTH] = out.strength
        named["state"] = out.state
        return named
