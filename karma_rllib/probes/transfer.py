"""P2: does aversion transfer? What learning about being harmed does to harming.

The primary measure is a finite difference: teach a copy of the network, by one step of gradient
descent on its critic, that being zapped is worse by one; see how much worse it now thinks it is to
have zapped. The same step on neutral frames says how much of that is plain generalisation. Cosines
of gradients are secondary.

Shapes: P zaps, Z width of z.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from karma_rllib.nets.net import MirrorNet
from karma_rllib.probes.capture import Capture, Frames
from karma_rllib.probes.features import log_harm, tensors

STEP = 1e-2  # size of the gradient step
BATCH = 64  # pairs per batch of parameter-space cosines


class Taught(NamedTuple):
    """Mean changes after one step that lowers the value of some frames [reward, nats]."""

    v_taught: float  # of the frames that were taught
    v_agg_out: float  # of attackers after their hit
    v_agg_dec: float  # of attackers as they decide
    logp_zap: float  # ln pi(zap) of attackers as they decide


class Cosines(NamedTuple):
    """Mean cosine of gradients over zaps, and over mismatched zaps."""

    matched: float
    mismatched: float

    @property
    def excess(self) -> float:
        """What is due to being the same zap."""
        return self.matched - self.mismatched


def teach(net: MirrorNet, taught: Frames, seen: Capture, zaps: Sequence[int]) -> Taught:
    """One gradient step on encoder, projector and critic towards V - 1 on the taught frames.

    Args:
        net: the network; it is copied.
        taught: frames whose value is lowered.
        seen: what is looked at before and after.
        zaps: numbers of the acts that harm.
    """
    before = _outlook(net, taught, seen, zaps)
    pupil = copy.deepcopy(net)
    grid, vec, state = tensors(pupil, taught)
    value = pupil.decide(pupil.encode(grid, vec)[1], state, vec=vec)[1]
    loss = 0.5 * (value - (value.detach() - 1.0)).square().mean()
    moved = _taught_parameters(pupil)
    gradients = torch.autograd.grad(loss, moved, allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(moved, gradients, strict=True):
            if gradient is not None:
                parameter.sub_(STEP * gradient)
    after = _outlook(pupil, taught, seen, zaps)
    return Taught(*(float(b - a) for a, b in zip(before, after, strict=True)))


def transfer(on_victims: Taught, on_neutral: Taught) -> float:
    """How much of what is learned on victim frames reaches the frame after a hit, beyond chance.

        dV(agg_out) / dV(victim) [taught on victims] - dV(agg_out) / dV(neutral) [on neutral frames]

    It does not depend on the size of the step: 1, all of it; 0, no more than to any frame.
    """
    return _share(on_victims) - _share(on_neutral)


def _share(taught: Taught) -> float:
    return taught.v_agg_out / taught.v_taught if taught.v_taught else float("nan")


def _taught_parameters(net: MirrorNet) -> list[torch.nn.Parameter]:
    parts = ("convs", "mlp", "entry", "projector", "critic", "value_head")
    return [p for name, p in net.named_parameters() if name.split(".")[0] in parts]


@torch.no_grad()
def _outlook(net: MirrorNet, taught: Frames, seen: Capture, zaps: Sequence[int]) -> list[float]:
    def look(frames: Frames) -> tuple[Tensor, Tensor]:
        grid, vec, state = tensors(net, frames)
        logits, value, _ = net.decide(net.encode(grid, vec)[1], state, vec=vec)
        return log_harm(logits, zaps).double().mean(), value.double().mean()

    log_zap, v_dec = look(seen.agg_dec)
    return [float(x) for x in (look(taught)[1], look(seen.agg_out)[1], v_dec, log_zap)]


def latent_cosines(
    net: MirrorNet, seen: Capture, zaps: Sequence[int]
) -> tuple[Cosines, np.ndarray]:
    """Cosines of d ln pi(zap) / dz at decisions and dV / dz of the victims.

    Positive: what raises the value of being a victim also raises the readiness to zap.

    Returns:
        Means over matched and mismatched zaps, and the matched cosine of each zap, (P,).
    """
    a = _unit(_latent_gradient(net, seen.agg_dec, zaps))
    v = _unit(_latent_gradient(net, seen.vic_out, None))
    own = (a * v).sum(1)
    n = len(own)
    every = float(a.sum(0) @ v.sum(0))
    stranger = (every - float(own.sum())) / (n * (n - 1)) if n > 1 else float("nan")
    return Cosines(float(own.mean()), stranger), own


def _latent_gradient(net: MirrorNet, frames: Frames, acts: Sequence[int] | None) -> np.ndarray:
    """Gradient of ln pi(any of the acts), or of V, by z: (P, Z)."""
    grid, vec, state = tensors(net, frames)
    z = net.encode(grid, vec)[1].detach().requires_grad_()
    logits, value, _ = net.decide(z, state, vec=vec)
    target = value if acts is None else log_harm(logits, acts)
    return torch.autograd.grad(target.sum(), z)[0].double().cpu().numpy()


def parameter_cosine(net: MirrorNet, seen: Capture, zaps: Sequence[int]) -> float:
    """Cosine of d ln pi(zap) and dV by encoder and projector, averaged over batches of 64 pairs."""
    names = ("convs", "mlp", "entry", "projector")
    weights = [p for name, p in net.named_parameters() if name.split(".")[0] in names]

    def gradient(frames: Frames, acts: Sequence[int] | None) -> Tensor:
        grid, vec, state = tensors(net, frames)
        logits, value, _ = net.decide(net.encode(grid, vec)[1], state, vec=vec)
        target = (value if acts is None else log_harm(logits, acts)).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(target, weights)])

    cosines = []
    for start in range(0, seen.zaps, BATCH):
        rows = np.arange(start, min(start + BATCH, seen.zaps))
        a, v = gradient(seen.agg_dec.take(rows), zaps), gradient(seen.vic_out.take(rows), None)
        cosines.append(float(torch.nn.functional.cosine_similarity(a, v, dim=0)))
    return float(np.mean(cosines))


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
