"""The worlds' external memory beside the sampler: what is recalled, read and charged.

The memory itself (`credit.recall`) is arrays; this collaborator of the sampler shows it the frames.
An event of step t is recalled at its outcome frame o_{t+1}, once, whatever that frame is: the
next frame of the fragment, the final observation of an episode, or the frame after the fragment's
last step, whose reading is then carried over. Only rows that an event touched are embedded.

Shapes: T env-steps, W worlds, N agents, M = W x N rows, F width of phi, V width of a reading.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from karma_rllib.conditions import CONDITIONS
from karma_rllib.credit.params import TvtParams, under
from karma_rllib.credit.recall import Recall
from karma_rllib.credit.snapshots import Snapshots, tail_weights
from karma_rllib.credit.transport import Retro, transport
from karma_rllib.nets.memory import CONTEXT
from karma_rllib.nets.net import MirrorNet
from karma_rllib.plugin.fragment import Arrays, Fragment
from karma_rllib.society.lifetime import Lifetime
from karma_rllib.worlds.events import Events


class Memory:
    """Recall, charges and snapshots for the worlds of one sampler.

    Args:
        lifetime: the worlds.
        net: the acting network, built with a memory.
        params: what to remember, how to match, what to charge.
        gamma: discount per env-step.
        lambda_: lambda of the advantages.
        seed: of the run.
        feed: whether readings enter the network; otherwise they only decide what is charged.
        device: where the network runs.

    Attributes:
        sums: counts and totals of the last fragment, see `credit.transport.transport`.
    """

    def __init__(
        self,
        lifetime: Lifetime,
        net: MirrorNet,
        params: TvtParams,
        *,
        gamma: float,
        lambda_: float,
        seed: int,
        feed: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        if net.memory is None:
            raise ValueError("an external memory needs a network that was built with one.")
        self.name, self.uid, self.gamma, self.lambda_ = (
            net.memory.name,
            lifetime.uid,
            gamma,
            lambda_,
        )
        self.timeout = int(lifetime.traits.timeout)
        self.feed, self.device = feed, torch.device(device)
        lead = (lifetime.num_worlds, lifetime.num_agents)
        self.recall = Recall(*lead, params, gamma, lambda_, seed, value_dim=CONTEXT)
        self.snapshots = Snapshots(params.snapshots, params.retro_window) if params.retro else None
        self.sums: dict[str, float] = {}
        widths = (CONTEXT, params.key_dim, params.key_dim)
        # Rows that no event touched hold old numbers; nobody looks at them.
        self._named = [np.zeros((*lead, width), np.float32) for width in widths]
        self._waiting: Events | None = None  # events whose outcome frame has not been seen
        self._reading = np.zeros((*lead, CONTEXT), np.float32)  # for the frame to come
        self._any = False  # whether a reading is not zero
        self.reads = np.empty((0, 0), np.float32)

    def begin(self, steps: int) -> None:
        """Start a fragment of T env-steps."""
        self.recall.begin(steps)
        if self.feed:
            self.reads = np.zeros((steps, *self._reading.shape), np.float32)

    def note(self, events: Events) -> None:
        """Take in an env-step; its events wait until their outcome frame is encoded."""
        self._waiting = events

    def look(self, phi: Tensor, t: int | None = None) -> Tensor | None:
        """Recall the events that wait, at their outcome frames.

        Args:
            phi: encodings of the frames, (M, F).
            t: row of the frame in the fragment, if the network acts on it.

        Returns:
            What the memory gives back in these frames, (M, V); None if nothing anywhere.
        """
        if self._waiting is not None:
            events, self._waiting = self._waiting, None
            context, key, query = self._embed(phi, events)
            self._reading, _ = self.recall.step(
                *(events.g, self.uid, events.hit, events.cleaned, events.fired, events.active),
                *(key, query, context),
            )
            self._any = bool(self._reading.any())
        if not (self.feed and self._any):
            return None
        if t is not None:
            self.reads[t] = self._reading
        return torch.from_numpy(self._reading).view(-1, CONTEXT).to(self.device)

    def _embed(self, phi: Tensor, events: Events) -> list[np.ndarray]:
        """Context, key and query, (W, N, .) each, of the agents that an event touched."""
        if events.hit.any() or events.cleaned.any():
            touched = events.hit.any(-1) | events.hit.any(-2) | (events.cleaned > 0)
            rows = torch.from_numpy(np.flatnonzero(touched)).to(phi.device)
            context, names = self.name(phi.index_select(0, rows))
            self._named[0][touched] = context.cpu().numpy()
            for array, part in zip(self._named[1:], names.cpu().numpy().swapaxes(0, 1)):
                array[touched] = part
        return self._named

    def begin_episode(self, worlds: np.ndarray) -> None:
        """New episodes in some worlds, bool (W,): their first frames follow nothing."""
        self.recall.episode_end(worlds)
        self._waiting = None
        self._reading[worlds] = 0.0
        self._any = bool(self._reading.any())

    def settle(self, fragment: Fragment, states: Arrays) -> Fragment:
        """At the end of a fragment: charge its punishments, then keep its crimes for later ones.

        Args:
            fragment: as sampled.
            states: recurrent state before every step, (T or more, W, N, C) each; or {}.

        Returns:
            The fragment with what was read, the charges, the windows of earlier crimes that were
            charged, and the links.
        """
        events, links = fragment.events, self.recall.links()
        charged = transport(
            self.recall,
            links,
            reward=fragment.reward,
            value=fragment.value,
            last_value=fragment.last_value,
            truncated=fragment.truncated,
            final_value=fragment.final_value(),
            hit=events["hit"],
            active=events["active"],
            g=events["g"],
            timeout=self.timeout,
            gamma=self.gamma,
            snapshots=self.snapshots,
        )
        self.sums = charged.sums
        retro: Arrays = {}
        if self.snapshots is not None:
            retro = self._windows(charged.retro)
            columns = {**fragment.obs, "action": fragment.action, "logp": fragment.logp}
            if self.feed:
                columns["read"] = self.reads
            self.snapshots.keep(
                self.recall, columns, states, fragment.truncated, events["active"], events["g"]
            )
        return replace(
            fragment, read=self.reads, transport=charged.delta, retro=retro, links=links._asdict()
        )

    def _windows(self, retro: Retro) -> Arrays:
        """Windows of charged crimes of earlier fragments; shares of one crime are added up.

        The policy term is linear in the blame, so one window with the sum of its shares is worth
        the same as one window for each share.
        """
        assert self.snapshots is not None
        snap, first, share = np.unique(retro.snap, return_index=True, return_inverse=True)
        windows, held = self.snapshots.take(snap)
        if not windows:
            return {}
        delta = np.zeros(len(snap))
        np.add.at(delta, share, retro.delta)
        tail = tail_weights(windows.pop("steps"), self.snapshots.window, self.gamma, self.lambda_)
        windows["blame"] = (delta[:, None] * tail).astype(np.float32)
        windows["world"] = retro.world[first]
        return {key: column[held] for key, column in windows.items()}

    def get_state(self) -> dict[str, Any]:
        """What outlives a fragment: the memory, its snapshots, the reading for the next frame."""
        state = {"recall": self.recall.get_state(), "reading": self._reading.copy()}
        return state if self.snapshots is None else {**state, "snaps": self.snapshots.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Remember what `get_state` returned."""
        self.recall.set_state(state["recall"])
        if self.snapshots is not None and "snaps" in state:
            self.snapshots.set_state(state["snaps"])
        self._reading, self._waiting = state["reading"].copy(), None
        self._any = bool(self._reading.any())


def memory_of(
    config: Any, lifetime: Lifetime, net: MirrorNet, device: torch.device | str
) -> Memory | None:
    """The memory that a config's condition asks for, or None."""
    if not CONDITIONS[config.condition_name].tvt or config.tvt_settings["match"] == "hung":
        return None
    return Memory(
        lifetime,
        net,
        tvt_params(config),
        gamma=config.gamma,
        lambda_=config.lambda_,
        seed=int(config.seed or 0),
        feed=config.tvt_settings["memory_read"],
        device=device,
    )


def tvt_params(config: Any) -> TvtParams:
    """The `tvt` section under the condition, whose placebo and harm come first."""
    return under(config.tvt_settings, CONDITIONS[config.condition_name])
