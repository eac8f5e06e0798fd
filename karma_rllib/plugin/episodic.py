"""What an episodic memory adds to sampling and to the loss: transport of value, and two terms.

The memory itself is part of the network's recurrent state (`nets.episodic`). Beside the sampler
stands only the record of what was read, from which Hung et al.'s rule (`credit.hung`) makes extra
rewards once an episode is over. A fragment therefore holds whole episodes.

Shapes: T env-steps, W worlds, N agents, R read heads, U rows of the memory, E steps of an episode.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from karma_rllib.conditions import CONDITIONS
from karma_rllib.credit.hung import hung_transport
from karma_rllib.nets.episodic import Read, ReadSpec, rebuild_loss
from karma_rllib.nets.losses import masked_mean
from karma_rllib.nets.net import MirrorNet
from karma_rllib.plugin.fragment import Fragment

STRENGTH_FREE = 2.0
"""Strength up to which reading costs nothing, as in the released code of Hung et al. 2019."""


class ReadTransport:
    """Notes what is read, and pays value back to the steps that were read.

    Args:
        worlds: W.
        agents: N.
        episode: E, the same for every episode.
        gamma: discount per env-step.
        alpha: part of the value that is transported; 0 transports nothing.
        threshold: least strength of a read that transports.
        top_k: most steps that one read reaches.
        exclusion: steps that ordinary returns reach [env-steps]; None: from gamma.
    """

    def __init__(
        self,
        worlds: int,
        agents: int,
        episode: int,
        *,
        gamma: float,
        alpha: float,
        threshold: float,
        top_k: int,
        exclusion: int | None = None,
    ) -> None:
        self.lead, self.episode = (worlds, agents), episode
        self.rule: dict[str, Any] = {
            "alpha": alpha,
            "threshold": threshold,
            "top_k": top_k,
            "exclusion": exclusion,
        }
        self.gamma, self.steps = gamma, 0
        self.weights = self.strength = np.empty(0, np.float32)
        self.sums: dict[str, float] = {}

    def begin(self, steps: int) -> None:
        """Start a fragment of T env-steps.

        Raises:
            ValueError: T is not a number of whole episodes.
        """
        if steps % self.episode:
            raise ValueError(
                f"a fragment has {steps} env-steps, but value is transported within whole episodes "
                f"of {self.episode}: set ppo.rollout to a multiple of that."
            )
        self.steps, self.weights = steps, np.empty(0, np.float32)

    def note(self, t: int, read: Read) -> None:
        """Take in the reads of the fragment's step t, with leading axis M = W N."""
        heads, rows = read.weights.shape[1:]
        if not self.weights.size:
            self.weights = np.zeros((self.steps, *self.lead, heads, rows), np.float32)
            self.strength = np.zeros((self.steps, *self.lead, heads), np.float32)
        self.weights[t] = read.weights.cpu().numpy().reshape(*self.lead, heads, rows)
        self.strength[t] = read.strength.cpu().numpy().reshape(*self.lead, heads)

    def settle(self, fragment: Fragment) -> Fragment:
        """The fragment with the extra reward of each transition.

        Raises:
            ValueError: an episode did not end where it should.
        """
        if not fragment.truncated[self.episode - 1 :: self.episode].all():
            raise ValueError(
                f"the fragment does not begin with an episode: value is transported within whole "
                f"episodes of {self.episode} env-steps."
            )
        extra = np.zeros_like(fragment.reward)
        for start in range(0, len(extra), self.episode):
            now = slice(start, start + self.episode)
            extra[now] = self._episode(self.weights[now], self.strength[now], fragment.value[now])
        total = float(np.abs(extra).sum(dtype=np.float64))
        self.sums = {"transported": total, "transported_now": total}
        return replace(fragment, transport=extra)

    def _episode(self, weights: np.ndarray, strength: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Extra rewards of one episode of every agent, (E, W, N); rows are its steps."""
        E = self.episode
        lives = self.lead[0] * self.lead[1]
        by_life = hung_transport(
            weights[..., :E].reshape(E, lives, -1, E).swapaxes(0, 1),
            strength.reshape(E, lives, -1).swapaxes(0, 1),
            value.reshape(E, lives).T,
            self.gamma,
            **self.rule,
        )
        return by_life.T.reshape(E, *self.lead)


def reads_asked(config: Any) -> dict[str, Any] | None:
    """The episodic memory that a config's condition asks for, as fields of `ReadSpec`; or None."""
    settings = config.tvt_settings
    if not CONDITIONS[config.condition_name].tvt or settings["match"] != "hung":
        return None
    spec = ReadSpec(
        settings["memory_slots"],
        settings["read_heads"],
        settings["read_top_k"],
        settings["read_strength"],
    )
    return dict(spec.__dict__)


def transport_of(config: Any, lifetime: Any) -> ReadTransport | None:
    """What pays value back under a config's condition, or None."""
    if reads_asked(config) is None:
        return None
    row, settings = CONDITIONS[config.condition_name], config.tvt_settings
    given = settings["exclusion"]
    return ReadTransport(
        lifetime.num_worlds,
        lifetime.num_agents,
        lifetime.max_steps,
        gamma=config.gamma,
        alpha=settings["alpha"] if row.alpha is None else row.alpha,
        threshold=settings["strength_threshold"],
        top_k=settings["read_top_k"],
        exclusion=given if isinstance(given, int) else None,
    )


def reading_loss(
    net: MirrorNet,
    obs: dict[str, Tensor],
    z: Tensor,
    strength: Tensor,
    valid: Tensor,
    *,
    rebuild: float,
    cost: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The memory's own part of the loss.

        L = rebuild L_rebuild(z) + cost [ max(beta, 2) ]                                     (1)

    Args:
        net: a network with an episodic memory.
        obs: grid uint8 (S, T, H, W, C) and vec (S, T, D).
        z: encodings, (S, T, Z).
        strength: beta, (S, T, R).
        valid: False for padding, bool (S, T).
        rebuild: factor on `nets.episodic.rebuild_loss`.
        cost: factor on strong reads.

    Returns:
        A scalar, and detached scalars `rebuild_loss` and `read_strength`.
    """
    assert net.reads is not None
    grid = obs["grid"][valid].to(torch.float32) * net._scale
    seen = torch.cat((grid.flatten(1), obs["vec"][valid]), -1)
    told = rebuild_loss(net.reads, z[valid], seen, grid[0].numel())
    mean = masked_mean(strength.mean(-1), valid)
    strong = masked_mean(strength.clamp(min=STRENGTH_FREE).mean(-1), valid)
    stats = {"rebuild_loss": told.detach(), "read_strength": mean.detach()}
    return rebuild * told + cost * strong, stats
