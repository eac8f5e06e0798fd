"""The memory term: names of frames are learned from the event bank, and move nothing else.

Shapes: M frames; C width of a context; K width of keys; P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from karma_rllib.nets.alignment import infonce_loss
from karma_rllib.nets.bank import EventBank, Frames
from karma_rllib.nets.losses import role_loss
from karma_rllib.nets.net import NUM_ROLES, MirrorNet
from karma_rllib.worlds.events import AGGRESSOR, CLEANER, NEUTRAL, ROLE_NAMES, VICTIM


@dataclass(frozen=True)
class MemorySpec:
    """How the memory's names are learned.

    Attributes:
        weight: factor on the loss; 0 leaves the maps as they were drawn.
        pairs: P, pairs of one zap in a draw from the bank, and frames of each other role.
        tau: temperature of the contrast between queries and keys.
    """

    weight: float = 0.1
    pairs: int = 32
    tau: float = 0.1


class MemoryTerm:
    """The memory's part of the loss.

    It asks two things of the context: that it tell the four roles apart, and that the query of a
    victim find the key of its own aggressor among those of other zaps,

        L = weight ( CE(W_y c, role) + InfoNCE(query(victim), key(aggressor)) )             (2)

    Args:
        spec: how the names are learned.
        bank: where frames come from; may be shared with other terms.
    """

    def __init__(self, spec: MemorySpec, bank: EventBank) -> None:
        self.spec, self.bank = spec, bank

    def loss(self, net: MirrorNet) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Compute (2) on one draw.

        Args:
            net: the network being trained, built with a memory.

        Returns:
            Scalar loss, ready to be added, which depends on every parameter of the memory (with
            several learners each must receive a gradient in every step); and `role_loss` [nats],
            `role_accuracy`, `key_loss` [nats] and `key_accuracy` (share of queries whose own
            aggressor's key scores highest); {} while the bank holds too few pairs.

        Raises:
            ValueError: a network without memory.
        """
        memory = net.memory
        if memory is None:
            raise ValueError("the memory term needs a network with memory, but key_dim is 0.")
        draw = self.bank.draw(self.spec.pairs) if self.spec.weight else None
        if draw is None:
            return 0.0 * torch.stack([p.sum() for p in memory.parameters()]).sum(), {}
        P, groups, codes = len(draw.weight), [draw.left, draw.right], [AGGRESSOR, VICTIM]
        for code in (NEUTRAL, CLEANER):
            if self.bank.count(ROLE_NAMES[code]) >= self.bank.min_pairs:
                groups.append(self.bank.singles(ROLE_NAMES[code], P))
                codes.append(code)
        context, names = memory.name(encodings(net, groups))
        device = context.device
        labels = torch.tensor(codes, device=device).repeat_interleave(P)
        present = torch.zeros(NUM_ROLES, device=device)
        present[codes] = 1.0
        roles, stats = role_loss(memory.roles(context), labels, present)
        key, query = names[:P, 0], names[P : 2 * P, 1]  # of aggressors, of victims
        weight = torch.from_numpy(draw.weight).to(device)
        keys = infonce_loss(query, key, weight, self.spec.tau)
        own = (query @ key.T).argmax(1) == torch.arange(P, device=device)
        untouched = 0.0 * memory.read.weight.sum()
        return untouched + self.spec.weight * (roles + keys), {
            **{f"role_{name}": value for name, value in stats.items()},
            "key_loss": keys.detach(),
            "key_accuracy": own.float().mean(),
        }


@torch.no_grad()
def encodings(net: MirrorNet, groups: list[Frames]) -> Tensor:
    """Encode groups of frames (n_k, ...) in one pass, without a graph: phi (sum n_k, F)."""
    device = net.value_head.weight.device
    x = {k: np.concatenate([g[k] for g in groups]) for k in ("grid", "vec")}
    return net.encode(*(torch.from_numpy(x[k]).to(device) for k in ("grid", "vec")))[0]
