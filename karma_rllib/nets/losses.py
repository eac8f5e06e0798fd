"""Losses of policy, value and role head, each written beside its equation.

Shapes: S sequences of T steps (any leading axes will do); M frames; A actions; R roles. All
functions are pure torch: no ray, no logging, no global state; a mask replaces every
data-dependent early return.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from karma_rllib.worlds.events import IGNORE


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of x where mask is true; 0, with zero gradient, where it is true nowhere."""
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)


def ppo_loss(
    logits: Tensor,
    old_logits: Tensor,
    actions: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    values: Tensor,
    value_targets: Tensor,
    valid_mask: Tensor,
    act_mask: Tensor,
    clip: float = 0.2,
    vf_coeff: float = 0.5,
    vf_clip: float | None = None,
    entropy_coeff: float = 0.0,
    kl_coeff: float = 0.0,
    normalised: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Clipped policy loss, value loss, entropy bonus and KL penalty.

    With rho = pi(a|o) / pi_old(a|o), the mean over acting steps <.> and over valid steps [.]:

        L = - < min(rho A, clamp(rho, 1 - clip, 1 + clip) A) >
            + vf_coeff [ min((V - target)^2, vf_clip) ]
            - entropy_coeff < H(pi) >  +  kl_coeff < KL(pi_old || pi) >

    A step whose action could have no effect (a frozen agent) is valid but does not act: its
    value is learned, its action is not. When both masks are true everywhere this is the loss of
    RLlib's PPOTorchLearner, `vf_clip` included, which there bounds the squared error.

    Args:
        logits: scores of the current policy, (S, T, A).
        old_logits: scores of the policy that acted, (S, T, A).
        actions: integer (S, T).
        old_logp: log pi_old(a|o) as recorded, (S, T) [nats].
        advantages: A, standardised or not, (S, T).
        values: V(o) now, (S, T).
        value_targets: (S, T).
        valid_mask: False for padding, bool (S, T).
        act_mask: False where the action had no effect, bool (S, T); padding never acts.
        clip: half-width of the trust interval of rho.
        vf_coeff: weight of the value loss.
        vf_clip: largest squared error that is counted; None for no limit.
        entropy_coeff: weight of the entropy bonus.
        kl_coeff: weight of the KL penalty.
        normalised: both scores are log-probabilities already, as `MirrorNet` gives them; else
            they are normalised here.

    Returns:
        Scalar loss, and detached scalars: total, policy_loss, vf_loss, vf_loss_unclipped,
        explained_variance (>= -1), entropy [nats], kl [nats], clip_fraction, max_ratio_error = max
        |rho - 1| (0 before the first update), act_fraction.

    References:
        Schulman et al. 2017, arXiv:1707.06347, eq. 7 to 9.
    """
    act = act_mask & valid_mask
    acting, valid, zero = (
        act.sum().clamp(min=1),
        valid_mask.sum().clamp(min=1),
        logits.new_zeros(()),
    )
    logp_all, old_all = logits, old_logits
    if not normalised:
        logp_all, old_all = F.log_softmax(logits, -1), F.log_softmax(old_logits, -1)

    def of_acting(x: Tensor) -> Tensor:
        return torch.where(act, x, zero).sum() / acting

    def of_valid(x: Tensor) -> Tensor:
        return torch.where(valid_mask, x, zero).sum() / valid

    logp = logp_all.gather(-1, actions.long()[..., None]).squeeze(-1)
    rho = torch.where(act, logp - old_logp, zero).exp()  # masked before exp: no inf in padding
    surrogate = torch.min(advantages * rho, advantages * rho.clamp(1 - clip, 1 + clip))
    entropy = of_acting(-(logp_all.exp() * logp_all).sum(-1))
    kl = of_acting(
        (old_all.exp() * (old_all - (logp_all if kl_coeff else logp_all.detach()))).sum(-1)
    )
    error = (values - value_targets).square()
    clipped = error if vf_clip is None else error.clamp(max=vf_clip)
    policy_loss, vf_loss = -of_acting(surrogate), of_valid(clipped)
    total = policy_loss + vf_coeff * vf_loss - entropy_coeff * entropy
    if kl_coeff:
        total = total + kl_coeff * kl
    with torch.no_grad():
        moved = (rho - 1.0).abs()
        spread = of_valid((value_targets - of_valid(value_targets)).square())
        residual = value_targets - values
        unexplained = of_valid((residual - of_valid(residual)).square())
        stats = {
            "total": total.detach(),
            "policy_loss": policy_loss.detach(),
            "vf_loss": vf_loss.detach(),
            "vf_loss_unclipped": of_valid(error),
            "explained_variance": (1.0 - unexplained / spread.clamp(min=1e-8)).clamp(min=-1),
            "entropy": entropy.detach(),
            "kl": kl.detach(),
            "clip_fraction": of_acting((moved > clip).float()),
            "max_ratio_error": moved.max(),  # rho is 1 where nobody acts
            "act_fraction": act.sum() / valid,
        }
    return total, stats


def role_loss(
    logits: Tensor, labels: Tensor, class_weight: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Class-weighted cross-entropy of the role head.

        L = sum_m w_{y_m} CE(logits_m, y_m) / sum_m w_{y_m}

    over the frames whose label is not IGNORE. A class of weight 0 is missing altogether: its
    frames do not count and its logit takes no part in the softmax, so it gets no gradient.

    Args:
        logits: (M, R).
        labels: role of each frame, integer (M,); `worlds.events.IGNORE` for none.
        class_weight: w >= 0, (R,).

    Returns:
        Scalar loss [nats], 0 with zero gradient where no frame counts; and detached scalars
        `loss` and `accuracy` (over the same frames, unweighted).
    """
    labels = labels.long()
    weight = class_weight.to(logits.dtype)
    label = torch.where(labels == IGNORE, 0, labels)
    w = torch.where(labels == IGNORE, 0.0, weight[label])  # (M,)
    scores = logits.masked_fill(weight <= 0, -1e9)
    nll = -scores.log_softmax(-1).gather(-1, label[:, None]).squeeze(-1)
    loss = torch.where(w > 0, w * nll, 0.0).sum() / w.sum().clamp(min=1e-6)
    right = (scores.detach().argmax(-1) == label).float()
    return loss, {"loss": loss.detach(), "accuracy": masked_mean(right, w > 0)}


def effective_number_weights(
    counts: NDArray[np.floating], beta: float = 0.999, max_weight: float = 50.0
) -> NDArray[np.float32]:
    """Class weights that fall with the effective number of frames of a class.

        w_c = (1 - beta) / (1 - beta^{n_c}),   scaled to mean 1 over the classes with n_c > 0

    Args:
        counts: n_c, frames of each class (fractions allowed), (R,).
        beta: overlap of frames, in [0, 1); 0 weighs all classes alike.
        max_weight: largest weight after scaling.

    Returns:
        Weights (R,); 0 for classes with n_c = 0.

    References:
        Cui et al. 2019, arXiv:1901.05555, eq. 2.
    """
    n = np.asarray(counts, np.float64)
    present = n > 0
    if not present.any():
        return np.zeros(n.shape, np.float32)
    w = np.zeros(n.shape)
    w[present] = (1 - beta) / (1 - beta ** n[present]) if beta else 1.0
    w *= present.sum() / w.sum()
    return np.minimum(w, max_weight).astype(np.float32)


def retro_loss(
    logits: Tensor,
    actions: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    mask: Tensor,
    transitions: Tensor | float,
    clip: float = 0.2,
    dual_clip: float = 3.0,
    ratio_range: tuple[float, float] = (0.05, 10.0),
) -> tuple[Tensor, Tensor, Tensor]:
    """Policy loss of blame for acts of older updates, whose transitions are long consumed.

    With rho = pi(a|o) / pi_old(a|o) of the stored act,

        obj  = min(rho A, clamp(rho, 1 - clip, 1 + clip) A),  and if A < 0: max(obj, dual_clip A)
        L    = - (1 / M) sum obj                                                           (1)

    M is the number of acting transitions of the PPO minibatch beside it, so that one stored act
    weighs as one transition. The lower bound for A < 0 keeps an act that the policy has come to
    like much more since from pulling with a weight of rho. Acts with rho outside `ratio_range`
    are dropped: nothing that is known about them holds any more.

    Args:
        logits: scores of the current policy, (R, L, A); normalised here.
        actions: integer (R, L).
        old_logp: log pi_old(a|o) as recorded, (R, L) [nats].
        advantages: A, (R, L): the blame over the standard deviation by which this update's
            advantages are divided; not centred, since blame of zero must do nothing.
        mask: False for padding, bool (R, L).
        transitions: M, > 0.
        clip: half-width of the trust interval of rho.
        dual_clip: bound in (1), > 1.
        ratio_range: least and greatest rho that counts.

    Returns:
        Scalar loss; rho of every step, (R, L), detached, 0 for padding; and which steps count,
        bool (R, L).

    References:
        Schulman et al. 2017, arXiv:1707.06347, eq. 7; Ye et al. 2020, arXiv:1912.09729, eq. 4.
    """
    logp = F.log_softmax(logits, -1).gather(-1, actions.long()[..., None]).squeeze(-1)
    rho = torch.where(mask, logp - old_logp, 0.0).exp()
    low, high = ratio_range
    counts = mask & (rho >= low) & (rho <= high)
    objective = torch.min(advantages * rho, advantages * rho.clamp(1 - clip, 1 + clip))
    bounded = torch.where(advantages < 0, torch.max(objective, dual_clip * advantages), objective)
    loss = -torch.where(counts, bounded, 0.0).sum() / transitions
    return loss, torch.where(mask, rho.detach(), 0.0), counts
