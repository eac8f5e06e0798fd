"""Has the latent collapsed, and how well is it aligned? Numbers, and one alarm.

A mirror loss can be paid by making all latents alike. A run in which that happened says nothing
about mechanism, though it stays in the statistics of behaviour.

Shapes: M random frames, P pairs, D width of the latent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from karma_rllib.nets.alignment import unit

MIN_RANK, MAX_UNIFORM, MAX_DEAD, MIN_NORM_RATIO = 4.0, -0.5, 0.5, 0.1
"""Beyond any of these the latent counts as collapsed."""
DEAD_SHARE = 0.05
"""A dimension is dead below this share of the median standard deviation at the start."""


@torch.no_grad()
def spread(z: Tensor) -> dict[str, float]:
    """How the latents of random frames fill their space.

    With s the singular values of centred z, p = s / sum s, l = s^2 and n(x) = x / ||x||:

        effective_rank      = exp(-sum_i p_i ln p_i)
        participation_ratio = (sum l)^2 / sum l^2
        uniform             = ln mean_{x != y} exp(-2 ||n(x) - n(y)||^2)

    Args:
        z: latents, float (M, D), M >= 2.

    Returns:
        std_min and std_median over dimensions, norm = mean ||z||, effective_rank and
        participation_ratio (in [1, D]; 0 if all rows are equal), uniform (in [-8, 0]).

    References:
        Roy & Vetterli 2007, "The effective rank"; Wang & Isola 2020, arXiv:2005.10242, eq. 2.
    """
    z = z.detach().double()
    std = z.std(0)
    s = torch.linalg.svdvals(z - z.mean(0))
    rank = participation = 0.0
    if float(s.max()) > 1e-9 * max(1.0, float(z.abs().max())):
        p = s / s.sum()
        rank = float(torch.exp(torch.special.entr(p).sum()))
        participation = float(s.square().sum() ** 2 / s.pow(4).sum())
    gaps = torch.pdist(unit(z)).square()
    return {
        "std_min": float(std.min()),
        "std_median": float(std.median()),
        "norm": float(z.norm(dim=-1).mean()),
        "effective_rank": rank,
        "participation_ratio": participation,
        "uniform": float(torch.exp(-2 * gaps).mean().log()),
    }


@torch.no_grad()
def closeness(left: Tensor, right: Tensor) -> dict[str, float]:
    """How close the two sides of pairs are, beside how close they would be by chance.

        align       = mean_p ||n(l_p) - n(r_p)||^2
        align_ratio = mean_p ||l_p - r_p||^2 / mean_{q != p} ||l_p - r_q||^2
        role_gap    = ||mean l - mean r||^2 / ((tr Cov l + tr Cov r) / 2)

    Args:
        left: (P, D), P >= 2.
        right: (P, D).

    Returns:
        align (in [0, 4]), align_ratio (1: pairs no closer than strangers), role_gap (0: equal
        means). The ratios are scale free, and 1 and 0 where nothing varies.

    References:
        Wang & Isola 2020, arXiv:2005.10242, eq. 1.
    """
    a, v = left.detach().double(), right.detach().double()
    P = len(a)
    own = (a - v).square().sum()
    every = P * (a.square().sum() + v.square().sum()) - 2 * a.sum(0) @ v.sum(0)
    stranger = float((every - own) / (P * (P - 1)))
    variance = 0.5 * float(a.var(0).sum() + v.var(0).sum())
    gap = float((a.mean(0) - v.mean(0)).square().sum())
    return {
        "align": float((unit(a) - unit(v)).square().sum(-1).mean()),
        "align_ratio": float(own / P) / stranger if stranger > 1e-12 else 1.0,
        "role_gap": gap / variance if variance > 1e-12 else 0.0,
    }


class Diagnostics:
    """The numbers above, relative to how the latent was when the arm began.

    The first `measure` sets the reference for dead dimensions and for the norm.
    """

    def __init__(self) -> None:
        self.start: dict[str, float] = {}

    def measure(
        self, z: Tensor, left: Tensor | None = None, right: Tensor | None = None
    ) -> dict[str, float]:
        """Describe the latent now.

        Args:
            z: latents of random frames, (M, D); about a thousand are enough.
            left: aggressor side of some pairs, (P, D); None if there are none.
            right: victim side, (P, D).

        Returns:
            `spread` without norm, `closeness` if there are pairs, and dead_fraction (share of
            dimensions with a standard deviation below 5 % of the median one at the start),
            norm_ratio (mean ||z|| over that at the start) and collapsed (1 or 0).
        """
        now = spread(z)
        if not self.start:
            self.start = {"std_median": now["std_median"], "norm": now["norm"]}
        norm = now.pop("norm")
        dead = z.detach().double().std(0) < DEAD_SHARE * self.start["std_median"]
        now["dead_fraction"] = float(dead.double().mean())
        now["norm_ratio"] = norm / max(self.start["norm"], 1e-12)
        now["collapsed"] = float(
            now["effective_rank"] < MIN_RANK
            or now["uniform"] > MAX_UNIFORM
            or now["dead_fraction"] > MAX_DEAD
            or now["norm_ratio"] < MIN_NORM_RATIO
        )
        if left is not None and right is not None and len(left) > 1:
            now |= closeness(left, right)
        return now

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the reference, as one array; empty before the first measurement."""
        return {"start": np.array(list(self.start.values()))}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        values = [float(x) for x in state["start"]]
        self.start = dict(zip(("std_median", "norm"), values, strict=False))
