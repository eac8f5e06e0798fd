"""The network's side of an external memory: what is written, what is asked, what is read.

The memory itself is arrays beside the worlds, no part of the network: a thousand slots per agent
cannot travel as a recurrent state. The network only names frames. From the encoding phi of a frame
come

    c = relu(W_c sg(phi)),    key = n(W_k c),    query = n(W_q c)                          (1)

with sg the stop of gradients and n(x) = x / ||x||. A slot holds the key and the context c of the
frame it was written at; what a query finds is a weighted mean of such contexts, r, and enters the
policy's path behind the projector as z + W_r r.

Who learns what: W_c, W_k, W_q and the role layer W_y learn from `nets.memory_term` alone, W_r from
the policy and value losses alone, and neither moves the encoder: phi is cut off in (1), r is data.
W_r starts at zero, so that a network behaves the same with and without a memory until W_r has
learned something, and an arm that branches from a trained policy begins with that policy.

Shapes: M frames; F width of phi; Z width of z; C = 32 width of c; K width of keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karma_rllib.nets.alignment import unit
from karma_rllib.worlds.events import ROLE_NAMES

CONTEXT = 32
"""C: entries of a context, which is what a slot of the memory gives back."""


class RoleMemory(nn.Module):
    """Maps frames to keys, queries and contexts, and reads to the latent; see the module's page.

    Args:
        phi_size: F.
        z_size: Z.
        key_dim: K.
    """

    def __init__(self, phi_size: int, z_size: int, key_dim: int = 32) -> None:
        super().__init__()
        self.context = nn.Linear(phi_size, CONTEXT)
        self.roles = nn.Linear(CONTEXT, len(ROLE_NAMES))
        self.names = nn.Linear(CONTEXT, 2 * key_dim, bias=False)  # W_k above W_q: one product
        self.read = nn.Linear(CONTEXT, z_size, bias=False)  # no bias: no read adds exactly 0
        self.key_dim = key_dim

    def initialise(self, generator: torch.Generator) -> None:
        """Draw orthogonal weights, zero biases; W_q equals W_k, W_r is zero.

        With equal key and query maps an untrained memory already finds frames like the present
        one.
        """
        key = torch.empty(self.key_dim, CONTEXT)
        weights = ((self.context.weight, 2.0**0.5), (self.roles.weight, 1.0), (key, 1.0))
        for weight, gain in weights:
            nn.init.orthogonal_(weight, gain, generator=generator)
        for layer in (self.context, self.roles):
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.read.weight)
        with torch.no_grad():
            self.names.weight.copy_(torch.cat((key, key)))

    def embed(self, phi: Tensor) -> Tensor:
        """Context of frames: phi (M, F) -> c (M, C) of (1)."""
        return F.relu(self.context(phi.detach().float()))

    def name(self, phi: Tensor) -> tuple[Tensor, Tensor]:
        """Context (M, C), and key and query (M, 2, K), of frames, (1)."""
        context = self.embed(phi)
        return context, unit(self.names(context).view(-1, 2, self.key_dim))
