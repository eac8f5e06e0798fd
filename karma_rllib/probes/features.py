"""What a network makes of frames: features, values, policies; and their gradients.

Shapes: M frames, D entries of vec, F, Z, L widths of phi, z and h, A actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from karma_rllib.nets.net import MirrorNet
from karma_rllib.probes.capture import Frames


class Seen(NamedTuple):
    """Frames as a network sees them."""

    raw: np.ndarray  # the observation itself, scaled, (M, H W C + D)
    phi: np.ndarray  # (M, F)
    z: np.ndarray  # (M, Z)
    h: np.ndarray  # (M, L); z itself without memory
    value: np.ndarray  # (M,)
    logits: np.ndarray  # log-probabilities, (M, A)


def tensors(net: MirrorNet, frames: Frames) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Grid, vec and recurrent state of frames on the network's device."""
    device = net.value_head.weight.device
    state = {key: torch.as_tensor(x, device=device) for key, x in frames.state.items()}
    return (
        torch.as_tensor(frames.grid, device=device),
        torch.as_tensor(frames.vec, device=device),
        state if net.stateful else {},
    )


@torch.no_grad()
def look(net: MirrorNet, frames: Frames) -> Seen:
    """Evaluate a network on frames with their recorded states."""
    grid, vec, state = tensors(net, frames)
    phi, z = net.encode(grid, vec)
    h = net.recur(z, state) if net.stateful else z
    logits, value, _ = net.decide(z, state, vec=vec)
    scaled = frames.grid * np.asarray(net.grid_scale, np.float32)
    raw = np.concatenate([scaled.reshape(len(frames), -1), frames.vec], 1)
    return Seen(raw, *(x.float().cpu().numpy() for x in (phi, z, h, value, logits)))


def log_harm(logits: Tensor, zaps: Sequence[int]) -> Tensor:
    """Ln pi(any act that harms), (M,), from log-probabilities (M, A) and the numbers of the acts.

    The harvest world has one such act; in the kinship world every cell can be attacked by its own.
    """
    return torch.logsumexp(logits[:, list(zaps)], dim=1)


def untrained(net: MirrorNet, seed: int = 0) -> MirrorNet:
    """The same network before any training, with other initial weights."""
    return MirrorNet(
        net.grid_shape,
        net.vec_size,
        net.num_actions,
        net.spec,
        net.action_floor,
        net.role_head_input,
        grid_scale=net.grid_scale,
        seed=seed,
        mask_start=net.mask_start,
    )
