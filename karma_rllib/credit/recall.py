"""An external memory of social events, and what a punished agent recalls from it.

Every agent of every world keeps a ring of events: that it zapped somebody, was zapped, or cleaned.
When agent v is hit by agent i it asks its own ring "when did I do this to you?". The slots m past
the exclusion window that the match admits are scored

    s_m = 1[aggressor_m] + 1[opp_m = i] + cos(key_m, query) - (g - g_m) / tau_age            (1)
    w_m = softmax over the best k slots of beta s_m                                          (2)

with g the env-steps of the world's life. Slots are read before the step is written, so a mutual
zap cannot blame itself. The memory belongs to a world, not to an episode: it is carried through
resets, and through checkpoints by `get_state`.

Shapes: W worlds, N agents, K key width, V value width, T steps of a fragment, P punishments,
k slots per punishment. The cost is linear in events; a step without any costs nothing.

References:
    Hung et al. 2019, arXiv:1810.06721, for transport by reading. Keys of events and opponents,
    reading on punishment, and memory across episodes are this library's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from karma_rllib.credit.bank import Bank, Found, Rules
from karma_rllib.credit.contrast import observe
from karma_rllib.credit.params import MATCHES, PLACEBOS, TvtParams, exclusion_steps
from karma_rllib.credit.recall_kernels import read, write
from karma_rllib.worlds.events import AGGRESSOR

FIRST_SLOTS = 64  # allocated at first; doubled when an agent fills them, up to `memory_slots`
TALLY_FADE = 1.0 - 1e-4  # per env-step: evidence of the contrast lives some 10 000 env-steps


class Links(NamedTuple):
    """Punishments of one fragment and what they were traced to, ordered by step, world, victim.

    An event number of -1 means none; so does an env-step of -1 in `instead`.
    """

    step: np.ndarray  # row t of the fragment, int64 (P,)
    world: np.ndarray  # int64 (P,)
    victim: np.ndarray  # who was punished, int64 (P,)
    attacker: np.ndarray  # who punished, int64 (P,)
    linked: np.ndarray  # a crime was recalled, bool (P,)
    event: np.ndarray  # numbers of the victim's recalled events, best first, int64 (P, k)
    g: np.ndarray  # env-step of each of them, int64 (P, k)
    fragment: np.ndarray  # number of the fragment of each, int64 (P, k)
    snap: np.ndarray  # snapshot of each, -1 none (yet), int64 (P, k)
    blame: np.ndarray  # harm each was charged with before this fragment, float32 (P, k)
    weight: np.ndarray  # share of each, sums to 1 where linked, float32 (P, k)
    factor: np.ndarray  # contrast: factor on the harm, in [0, 1], float32 (P,)
    instead: np.ndarray  # placebo: env-step, fragment, snapshot charged instead, int64 (P, 3)


class Recall:
    """The memory of all worlds of one env runner.

    Call `begin` before a fragment, `step` after each env-step, `links` after the last.

    Args:
        num_worlds: W.
        num_agents: N.
        params: what to remember and how to match.
        gamma: discount per env-step.
        lambda_: lambda of the advantages; with gamma it sets the exclusion window.
        seed: run seed, key of the placebos' draws.
        value_dim: V, width of what a read returns.

    Attributes:
        fragment: number of the current fragment, from 0; -1 before the first.
        exclusion: length of the exclusion window [env-steps].
        bank: what is remembered; `transport` writes the blame.
        usual: running mean of each agent's values on active frames [reward], float64 (W, N); NaN
            before the first fragment. `harm` keeps it.
    """

    def __init__(
        self,
        num_worlds: int,
        num_agents: int,
        params: TvtParams,
        gamma: float,
        lambda_: float,
        seed: int,
        *,
        value_dim: int = 32,
    ) -> None:
        self.params, self.seed = params, int(seed)
        self.worlds, self.agents, self.value_dim = num_worlds, num_agents, value_dim
        self.exclusion = exclusion_steps(params.exclusion, gamma, lambda_)
        self.fragment, self._t = -1, 0
        self.usual = np.full((num_worlds, num_agents), np.nan)
        self.bank = self._allocate(min(FIRST_SLOTS, params.memory_slots))
        self._opened = np.zeros((num_worlds, num_agents, num_agents), bool)
        self._tally = np.zeros((num_worlds, 2, 2))
        self._plain = np.zeros((0, num_worlds, num_agents), bool)
        self._none = self._no_links(0)
        self._found: list[tuple[int, Found]] = []
        self._rules = Rules(
            match=MATCHES.index(params.match),
            slots=params.memory_slots,
            top_k=params.read_top_k,
            beta=float(params.beta),
            tau_age=float(params.tau_age),
            theta=float(params.theta_read),
            exclusion=self.exclusion,
            placebo=PLACEBOS.index(params.placebo),
            contrast=params.contrast,
            seed=self.seed,
        )

    def _allocate(self, slots: int) -> Bank:
        lead = (self.worlds, self.agents, slots)
        return Bank(
            events=np.zeros(lead[:2], np.int64),
            first=np.zeros(lead[:2], np.int64),
            role=np.zeros(lead, np.int8),
            opp=np.zeros(lead, np.int16),
            g=np.zeros(lead, np.int64),
            fragment=np.zeros(lead, np.int32),
            snap=np.full(lead, -1, np.int64),
            blame=np.zeros(lead, np.float32),
            key=np.zeros((*lead, self.params.key_dim), np.float32),
            value=np.zeros((*lead, self.value_dim), np.float32),
        )

    def _make_room(self) -> None:
        """Grow the rings before a step could fill them; slots keep their numbers."""
        slots = self.bank.role.shape[2]
        need = int(self.bank.events.max()) + 2 * self.agents
        while slots < min(need, self.params.memory_slots):
            slots = min(2 * slots, self.params.memory_slots)
        if slots > self.bank.role.shape[2]:
            old, self.bank = self.bank, self._allocate(slots)
            self._copy(old)

    def _copy(self, old: Bank) -> None:
        """Take over a bank with as many slots or fewer."""
        np.copyto(self.bank.events, old.events)
        np.copyto(self.bank.first, old.first)
        for new, was in zip(self.bank[2:], old[2:]):
            new[:, :, : was.shape[2]] = was

    def begin(self, steps: int) -> None:
        """Start a fragment of `steps` env-steps."""
        self.fragment, self._t = self.fragment + 1, 0
        self._found = []
        if self.params.placebo == "random_time":
            self._plain = np.zeros((steps, self.worlds, self.agents), bool)

    def step(
        self,
        g: np.ndarray,
        uid: np.ndarray,
        hit: np.ndarray,
        cleaned: np.ndarray,
        fired: np.ndarray,
        active: np.ndarray,
        key: np.ndarray,
        query: np.ndarray,
        value: np.ndarray,
    ) -> tuple[np.ndarray, Links]:
        """Recall for everyone hit in this env-step, then remember the step.

        Args:
            g: env-steps of each world's life before this one, int64 (W,).
            uid: identities of the worlds, int64 (W,).
            hit: i zapped j, bool (W, N, N).
            cleaned: waste that i removed, number or bool (W, N).
            fired: i fired, bool (W, N).
            active: i could act, bool (W, N).
            key: unit vectors of the outcome frames o_{t+1}, float32 (W, N, K).
            query: unit vectors of the outcome frames, float32 (W, N, K).
            value: what later reads of this step's events return, float32 (W, N, V).

        Returns:
            What each agent recalls, float32 (W, N, V), zeros where it was not punished or
            remembers nothing that fits; several punishers' readings are averaged. And the links
            of this step.
        """
        reading = np.zeros((self.worlds, self.agents, self.value_dim), np.float32)
        hits = int(np.count_nonzero(hit))
        found = self._no_links(hits) if hits else self._none
        g = np.asarray(g, np.int64)
        if hits:
            uid = np.asarray(uid, np.int64)
            read(
                *(self._rules, self.bank, self._plain, self._tally, self._t),
                *(uid, g, hit, np.ascontiguousarray(query, np.float32), found, reading),
            )
            self._found.append((self._t, found))
        if self.params.contrast:
            observe(hit, active, TALLY_FADE, self._opened, self._tally)
        if self.params.placebo == "random_time":
            self._plain[self._t] = active & ~fired
        if hits or np.any(cleaned):
            self._make_room()
            write(
                *(self._rules, self.bank, self.fragment, g, hit, np.asarray(cleaned) > 0),
                np.ascontiguousarray(key, np.float32),
                np.ascontiguousarray(value, np.float32),
            )
        self._t += 1
        return reading, Links(np.full(hits, self._t - 1), *found)

    def _no_links(self, punishments: int) -> Found:
        k = self.params.read_top_k
        return Found(
            world=np.zeros(punishments, np.int64),
            victim=np.zeros(punishments, np.int64),
            attacker=np.zeros(punishments, np.int64),
            linked=np.zeros(punishments, bool),
            event=np.full((punishments, k), -1, np.int64),
            g=np.zeros((punishments, k), np.int64),
            fragment=np.zeros((punishments, k), np.int64),
            snap=np.full((punishments, k), -1, np.int64),
            blame=np.zeros((punishments, k), np.float32),
            weight=np.zeros((punishments, k), np.float32),
            factor=np.ones(punishments, np.float32),
            instead=np.full((punishments, 3), -1, np.int64),
        )

    def links(self) -> Links:
        """Links of the fragment so far."""
        parts = [found for _, found in self._found] or [self._none]
        step = [np.full(len(found.world), t, np.int64) for t, found in self._found]
        return Links(
            np.concatenate(step) if step else np.zeros(0, np.int64),
            *(np.concatenate(columns) for columns in zip(*parts)),
        )

    def episode_end(self, mask: np.ndarray) -> None:
        """Episodes of the worlds in `mask`, bool (W,), have ended: a mortal memory is emptied."""
        if not self.params.memory_persist:
            self.bank.first[mask] = self.bank.events[mask]
            self._opened[mask] = False

    def crimes(self, g0: np.ndarray) -> tuple[np.ndarray, ...]:
        """Crimes remembered since env-step g0 (W,) of each world's life.

        Returns:
            (world, agent, slot, row), int64 (R,) each, with row = g - g0, ordered by world, agent,
            slot.
        """
        bank, slots = self.bank, self.bank.role.shape[2]
        # event number in each slot: the last number below `events` that falls there
        newest = bank.events[..., None] - 1
        number = newest - (newest - np.arange(slots)) % slots
        filled = number >= bank.first[..., None]
        since = bank.g >= np.asarray(g0)[:, None, None]
        world, agent, slot = np.nonzero(filled & since & (bank.role == AGGRESSOR))
        return world, agent, slot, bank.g[world, agent, slot] - np.asarray(g0)[world]

    def attach(
        self, world: np.ndarray, agent: np.ndarray, slot: np.ndarray, snap: np.ndarray
    ) -> None:
        """Say which snapshots, int64 (R,), show the decisions for these crimes."""
        self.bank.snap[world, agent, slot] = snap

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that outlives a fragment, as arrays."""
        state = {f"bank_{name}": x.copy() for name, x in self.bank._asdict().items()}
        state.update(usual=self.usual.copy(), opened=self._opened.copy())
        state.update(tally=self._tally.copy(), fragment=np.array(self.fragment))
        state["memory_slots"] = np.array(self.params.memory_slots)
        return state

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Remember what `get_state` returned.

        Raises:
            ValueError: if the state is of another number of worlds, agents or slots, or of
                other widths.
        """
        bank = Bank(*(state[f"bank_{name}"] for name in Bank._fields))
        slots = self.params.memory_slots
        ours = (self.worlds, self.agents, slots, self.params.key_dim, self.value_dim)
        theirs = (*bank.events.shape, int(state["memory_slots"]))
        theirs += (bank.key.shape[-1], bank.value.shape[-1])
        if ours != theirs:
            raise ValueError(
                f"the saved memory has (worlds, agents, slots, key, value) {theirs}, this one "
                f"{ours}: keep ppo.envs and the tvt section as they were when the checkpoint was "
                "written."
            )
        self.bank = self._allocate(bank.role.shape[2])
        self._copy(bank)
        self.usual, self._opened = state["usual"].copy(), state["opened"].copy()
        self._tally, self.fragment = state["tally"].copy(), int(state["fragment"])
        self._t, self._found = 0, []
