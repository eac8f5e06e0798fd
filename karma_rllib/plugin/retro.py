"""Blame for acts of older fragments, dealt out to the minibatches of one update.

Such an act cannot be blamed in place: the transition has been consumed. Its window of frames was
kept when it was played, and comes back with the fragment in which it was blamed; here every
window is used once per epoch, in the minibatch that a shuffle of its own puts it into.

Shapes: R windows of L steps, the last of which is the act; C recurrent cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.utils.annotations import override
from torch import Tensor

from karma_rllib.nets.losses import retro_loss
from karma_rllib.nets.net import MirrorNet
from karma_rllib.plugin.connectors import SPREAD
from karma_rllib.plugin.fragment import Arrays, Fragment

# Stream of the shuffle, beside that of the minibatches.
_SHUFFLE = 2


class Retro:
    """The windows of one update and the loss over them.

    A window's blame falls off before the act as ordinary advantages would, with (gamma lambda)^k
    at k steps before it; it is divided by the spread of this update's advantages, as they are.

    Args:
        clip: half-width of PPO's trust interval.
        dual_clip: bound for acts that have become likelier, see `nets.losses.retro_loss`.
        device: where the network learns.
    """

    def __init__(self, clip: float, dual_clip: float, device: Any) -> None:
        self.clip, self.dual_clip, self.device = clip, dual_clip, device
        self.windows: Arrays = {}
        self.spread = 1.0
        self._parts: list[np.ndarray] = []
        self._turn = 0
        self._seen: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self.windows["blame"]) if self.windows else 0

    def connector(self) -> ConnectorV2:
        """The pipeline piece that takes the windows out of the fragments."""
        return TakeWindows(self)

    def take(self, fragments: list[Fragment], spread: float) -> None:
        """Hold the windows of these fragments and forget all others."""
        found = [fragment.retro for fragment in fragments if fragment.retro]
        self.windows = {k: np.concatenate([f[k] for f in found]) for k in found[0]} if found else {}
        self.spread = spread

    def deal(self, per_epoch: int, epochs: int, key: tuple[int, ...]) -> None:
        """Decide which windows go into which minibatch.

        Args:
            per_epoch: minibatches of one epoch.
            epochs: passes over the windows.
            key: integers that the shuffle is a function of.
        """
        rng = np.random.default_rng(np.random.SeedSequence((*key, _SHUFFLE)))
        self._parts = [
            part
            for _ in range(epochs)
            for part in np.array_split(rng.permutation(len(self)), per_epoch)
        ]
        self._turn, self._seen = 0, []

    def loss(self, net: MirrorNet, transitions: Tensor) -> Tensor | None:
        """The term of the next minibatch.

        Args:
            net: the network being trained.
            transitions: acting transitions of the minibatch, a scalar.

        Returns:
            Scalar loss, ready to be added; None if no window falls to this minibatch.
        """
        if self._turn >= len(self._parts):
            return None
        index = self._parts[self._turn]
        self._turn += 1
        if not len(index):
            return None
        w = {key: torch.from_numpy(x[index]).to(self.device) for key, x in self.windows.items()}
        state = {key: w[f"state/{key}"] for key in ("h", "c")} if net.stateful else {}
        logits = net(w["grid"], w["vec"], state, w.get("read")).logits
        loss, rho, counts = retro_loss(
            logits,
            w["action"],
            w["logp"],
            w["blame"] / self.spread,
            w["mask"],
            transitions,
            self.clip,
            self.dual_clip,
        )
        self._seen.append((rho[w["mask"]], counts[w["mask"]]))
        return loss

    def stats(self) -> dict[str, float]:
        """What the ratios of the update looked like; {} if nothing was blamed.

        Returns:
            `retro_ratio`: mean rho; `retro_ess`: (sum rho)^2 / (n sum rho^2), the share of the
            windows that the weights leave in effect; `retro_dropped`: share out of range.
        """
        if not self._seen:
            return {}
        rho, counts = (torch.cat(x).double() for x in zip(*self._seen))
        return {
            "retro_ratio": float(rho.mean()),
            "retro_ess": float(rho.sum() ** 2 / (len(rho) * rho.square().sum()).clamp(min=1e-12)),
            "retro_dropped": float(1.0 - counts.mean()),
        }


class TakeWindows(ConnectorV2):
    """Learner connector behind the batch: hand the windows to `Retro`; the batch is untouched."""

    def __init__(self, retro: Retro) -> None:
        super().__init__()
        self.retro = retro

    @override(ConnectorV2)
    def __call__(
        self, *, episodes: list[Fragment], batch: dict, shared_data: dict, **kwargs: Any
    ) -> dict:
        """See the class."""
        self.retro.take(episodes, shared_data[SPREAD])
        return batch
