"""P4 and P6: what harming and being harmed are worth, and what in the picture says which is which.

Shapes: P zaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from karma_rllib.analysis.stats import LEVEL
from karma_rllib.nets.net import MirrorNet
from karma_rllib.probes.capture import Capture, Frames
from karma_rllib.probes.features import look

#: What tells a victim from its attacker in one frame: entries of vec, planes of the grid.
FLAGS = ("freeze_left", "frozen_left", "frozen", "was_hit", "hit_agent", "last_reward")
PLANES = ("beam",)
DRAWS = 1000


def values(net: MirrorNet, seen: Capture, gamma: float, gae_lambda: float) -> dict[str, Any]:
    """The value fingerprint, the asymmetry, and the penalty that a mirror implies.

        dV_dec = V(o^A_t) - V(o^V_t+1)          dV_out = V(o^A_t+1) - V(o^V_t+1)

    Were the frame after a hit valued like the victim's, the advantage of a hit would fall by
    gamma (1 - lambda) dV_out: of a step's value, generalised advantages see the share 1 - lambda
    (Schulman et al. 2016, arXiv:1506.02438, eq. 16). A symmetric mirror pulls half as far.

    Returns:
        Means over zaps with 95 % bootstraps over episodes, `[mean, low, high]` [reward].
    """
    before, after = look(net, seen.agg_dec).value, look(net, seen.agg_out).value
    victim, episode = look(net, seen.vic_out).value, seen.agg_dec.episode
    neutral = look(net, seen.neutral).value
    gap = mean_over_episodes(after - victim, episode)
    return {
        "v_before": mean_over_episodes(before, episode),
        "v_after": mean_over_episodes(after, episode),
        "v_victim": mean_over_episodes(victim, episode),
        "v_neutral": mean_over_episodes(neutral, seen.neutral.episode),
        "dv_dec": mean_over_episodes(before - victim, episode),
        "dv_out": gap,
        "implied_penalty": [gamma * (1 - gae_lambda) * x for x in gap],
    }


def counterfactual(
    net: MirrorNet,
    seen: Capture,
    zaps: Sequence[int],
    vec_names: Sequence[str],
    plane_names: Sequence[str],
) -> dict[str, Any]:
    """Give attackers, after their hit, the flags and the beam of their victims.

    What an agent could do stays its own: with a victim's mask nobody could attack.

    Returns:
        Mean change of V [reward] and of pi(zap), and which share of the way to the victim's value
        the flags alone go: 1, the network reads the role from them; None where the two values
        cannot be told apart, so that there is no way to go.
    """
    edited = _swapped(seen.agg_out, seen.vic_out, vec_names, plane_names)
    own, other, victim = (look(net, frames) for frames in (seen.agg_out, edited, seen.vic_out))
    episode = seen.agg_out.episode
    change = other.value - own.value
    way, low, high = mean_over_episodes(victim.value - own.value, episode)
    harm = list(zaps)
    zapping = np.exp(other.logits[:, harm]).sum(1) - np.exp(own.logits[:, harm]).sum(1)
    return {
        "dv": mean_over_episodes(change, episode),
        "d_zap": mean_over_episodes(zapping, episode),
        "share_of_gap": float(change.mean()) / way if low > 0 or high < 0 else None,
    }


def _swapped(
    to: Frames, source: Frames, vec_names: Sequence[str], plane_names: Sequence[str]
) -> Frames:
    grid, vec = to.grid.copy(), to.vec.copy()
    columns = [vec_names.index(name) for name in FLAGS if name in vec_names]
    planes = [plane_names.index(name) for name in PLANES if name in plane_names]
    vec[:, columns] = source.vec[:, columns]
    grid[..., planes] = source.grid[..., planes]
    return replace(to, grid=grid, vec=vec)


def without_flags(frames: Frames, vec_names: Sequence[str]) -> Frames:
    """The frames with their feedback flags set to zero, and every action called possible."""
    vec = frames.vec.copy()
    vec[:, [vec_names.index(name) for name in FLAGS if name in vec_names]] = 0.0
    vec[:, [n for n, name in enumerate(vec_names) if name.startswith("can_")]] = 1.0
    return replace(frames, vec=vec)


def mean_over_episodes(x: np.ndarray, episode: np.ndarray, seed: int = 0) -> list[float]:
    """Mean of x (P,) with a 95 % bootstrap that resamples episodes: [mean, low, high]."""
    if not len(x):
        return [float("nan")] * 3
    _, where = np.unique(episode, return_inverse=True)
    count = np.bincount(where).astype(np.float64)
    total = np.bincount(where, weights=x.astype(np.float64))
    rows = np.random.default_rng(seed).integers(len(count), size=(DRAWS, len(count)))
    drawn = total[rows].sum(1) / count[rows].sum(1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return [float(np.mean(x)), low, high]
