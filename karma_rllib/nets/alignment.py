"""The mirror losses: how far "I zap" and "I am zapped" are apart, each beside its equation.

Shapes: P pairs, D width of the latent, K negatives, Q frames that statistics are taken over. Row
p of `left` and `right` are the two frames of pair p (for the mirror: aggressor and victim of one
zap). All functions are pure torch, >= 0, and let gradients pass into every argument that
requires them: which side stands still is decided by the caller, see `hold`. A pair of weight 0
does not count; with no pair that counts the loss is 0 with zero gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOSSES = ("pair", "centroid", "infonce", "vicreg", "contrast")
PAIR_NORMS = ("none", "l2", "mean")
GRAD_MODES = ("agg_to_vic", "symmetric", "vic_to_agg")
_TINY = 1e-6


def hold(left: Tensor, right: Tensor, grad_mode: str) -> tuple[Tensor, Tensor]:
    """Stop the gradient of the side that stands still.

    Args:
        left: aggressor side, (P, D).
        right: victim side, (P, D).
        grad_mode: "agg_to_vic": the aggressor's latent moves to the victim's; "vic_to_agg": the
            other way round; "symmetric": both move.
    """
    if grad_mode == "agg_to_vic":
        return left, right.detach()
    if grad_mode == "vic_to_agg":
        return left.detach(), right
    return left, right


def unit(z: Tensor) -> Tensor:
    """Scale rows to length 1: n(z) = z / max(||z||, 1e-6), (..., D)."""
    return F.normalize(z, dim=-1, eps=_TINY)


def weighted_mean(x: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over rows: sum_p w_p x_p / sum_p w_p, over axis 0; 0 where no weight is positive."""
    if weight is None:
        return x.mean(0)
    w = weight.to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
    return (w * x).sum(0) / w.sum().clamp(min=_TINY)


def pair_loss(
    left: Tensor, right: Tensor, weight: Tensor | None = None, norm: str = "none"
) -> Tensor:
    """Squared distance of the two sides of each pair.

        L = sum_p w_p || g(l_p) - g(r_p) ||^2 / sum_p w_p                                (1)

    Args:
        left: (P, D).
        right: (P, D).
        weight: w >= 0, (P,); None for equal weights.
        norm: g and scale of (1). "none": g(z) = z, summed over D; "l2": g(z) = z / ||z||, so
            that L lies in [0, 4]; "mean": g(z) = z, divided by D.

    Returns:
        Scalar [squared latent units].
    """
    if norm == "l2":
        left, right = unit(left), unit(right)
    loss = weighted_mean((left - right).square().sum(-1), weight)
    return loss / left.shape[-1] if norm == "mean" else loss


def centroid_loss(left: Tensor, right: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared distance of the mean latents, L = || mean_p l_p - mean_p r_p ||^2 / D.

    It aligns the means only: which side a frame is from can still be read from covariances.

    Args:
        left: (P, D).
        right: (P, D).
        weight: w >= 0 of the means, (P,); None for equal weights.

    Returns:
        Scalar [squared latent units].
    """
    return (weighted_mean(left, weight) - weighted_mean(right, weight)).square().mean()


def infonce_loss(
    left: Tensor,
    right: Tensor,
    weight: Tensor | None = None,
    tau: float = 0.1,
    negatives: Tensor | None = None,
) -> Tensor:
    """Tell each pair's own other side from those of the other pairs and from negatives.

        L = 1/2 mean_p [ -log softmax_q( n(l_p).n(x_q) / tau )_p
                         -log softmax_q( n(r_p).n(y_q) / tau )_p ]                       (2)

    where x are all r and the negatives, y all l and the negatives. It asks for the instance
    (this zap's two views), which is more than role invariance. With nothing aligned L is about
    log(P + K).

    Args:
        left: (P, D).
        right: (P, D).
        weight: w >= 0 of the mean in (2), (P,); None for equal weights. A pair of weight 0 is no
            negative of the others either.
        tau: temperature, > 0.
        negatives: further columns, (K, D); None for none.

    Returns:
        Scalar [nats].

    References:
        van den Oord et al. 2018, arXiv:1807.03748, eq. 4; Chen et al. 2020, arXiv:2002.05709,
        eq. 1; He et al. 2020, arXiv:1911.05722 (negatives from a queue).
    """
    a, v = unit(left), unit(right)
    scores = a @ v.T / tau  # (P, P)
    if weight is not None:
        absent = weight <= 0
        scores = scores.masked_fill(absent[:, None] | absent[None, :], -1e9)
    rows, columns = scores, scores.T
    if negatives is not None and len(negatives):
        n = unit(negatives)
        rows = torch.cat((rows, a @ n.T / tau), 1)  # (P, P + K)
        columns = torch.cat((columns, v @ n.T / tau), 1)
    own = scores.diagonal()
    nll = 0.5 * (rows.logsumexp(1) - own + columns.logsumexp(1) - own)
    return weighted_mean(nll, weight)


def vicreg_loss(
    left: Tensor,
    right: Tensor,
    weight: Tensor | None = None,
    frames: Tensor | None = None,
    coefficients: tuple[float, float, float] = (25.0, 25.0, 1.0),
) -> Tensor:
    """Invariance, variance and covariance: alignment that cannot be bought by collapse.

        L = (c_i inv + c_v var + c_c cov) / c_i                                          (3)
        inv = mean_{p,d} (l - r)^2
        var = 1/2 mean_d relu(1 - std_d(l)) + 1/2 mean_d relu(1 - std_d(r))
        cov = (sum_{d != e} C_de(l)^2 + sum_{d != e} C_de(r)^2) / D

    with std = sqrt(variance + 1e-4) and C the covariance, both with P - 1.

    Args:
        left: (P, D).
        right: (P, D).
        weight: w >= 0 of `inv`, (P,); None for equal weights.
        frames: latents whose statistics replace those of both sides in var and cov, (Q, D); a
            whole minibatch is a better estimate than a few pairs.
        coefficients: c_i, c_v, c_c.

    Returns:
        Scalar.

    References:
        Bardes et al. 2022, arXiv:2105.04906, eq. 1 to 6.
    """
    c_inv, c_var, c_cov = coefficients
    invariance = weighted_mean((left - right).square().mean(-1), weight)
    sides = (left, right) if frames is None else (frames, frames)
    variance = sum(F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() for z in sides) / 2
    covariance = sum(_off_diagonal(z) for z in sides) / left.shape[-1]
    return (c_inv * invariance + c_var * variance + c_cov * covariance) / c_inv


def _off_diagonal(z: Tensor) -> Tensor:
    """Sum of squared covariances of different dimensions of z (Q, D)."""
    centred = z - z.mean(0)
    c = centred.T @ centred / (len(z) - 1)  # (D, D)
    return c.square().sum() - c.diagonal().square().sum()


def contrast_loss(
    left: Tensor,
    right: Tensor,
    cleaners: Tensor,
    weight: Tensor | None = None,
    norm: str = "none",
    margin: float = 3.0,
) -> Tensor:
    """`pair_loss`, and frames of cleaning are kept apart from frames of being zapped.

        L = pair(l, r) + mean_p relu(m - || c_p - sg(r_p) ||)^2                          (4)

    with sg the stop of gradients: only the cleaner's latent moves away. Without the second term
    aversion to harm spreads to the tool, which cleans as well as it harms.

    Args:
        left: aggressors, (P, D).
        right: victims, (P, D).
        cleaners: frames after waste was removed, in any order, (P, D).
        weight: w >= 0 of the pairs, (P,); None for equal weights.
        norm: see `pair_loss`.
        margin: m in (4) [latent units].

    Returns:
        Scalar [squared latent units].

    References:
        The hinge is that of Hadsell et al. 2006, "Dimensionality Reduction by Learning an
        Invariant Mapping", eq. 4.
    """
    gap = distance(cleaners, right.detach())
    return pair_loss(left, right, weight, norm) + F.relu(margin - gap).square().mean()


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Row-wise distance ||a_p - b_p||, (P,), with a finite gradient at 0."""
    return ((a - b).square().sum(-1) + _TINY**2).sqrt()
