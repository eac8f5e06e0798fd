"""P7, first half: what transport charges the crimes of a frozen policy with.

The policy plays a few lives. Its crimes are recalled and charged as in training, by the same code,
over everything that was played at once, so that no charge is lost or stale. Crimes are kept with
all that is needed to live them again.

Shapes: T env-steps, B worlds, N agents, P crimes that are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from karma_rllib.credit.params import TvtParams
from karma_rllib.credit.recall import Links, Recall
from karma_rllib.credit.transport import transport
from karma_rllib.nets.memory import CONTEXT
from karma_rllib.nets.policy import Policy
from karma_rllib.worlds.events import AGGRESSOR

WORLDS = 16  # played side by side
COLUMNS = ("reward", "value", "truncated", "final_value", "hit", "active", "g")


@dataclass(frozen=True)
class Crimes:
    """Crimes as they were decided, and what they were charged with; all have the axis P first."""

    state: dict[str, np.ndarray]  # of the world before the act
    obs: dict[str, np.ndarray]  # what its agents saw, (P, N, ...)
    memory: dict[str, np.ndarray]  # their recurrent states, (P, N, L); {} without
    actions: np.ndarray  # what they all did, int64 (P, N)
    agent: np.ndarray  # who did it, int64 (P,)
    victim: np.ndarray  # to whom; the first of several, int64 (P,)
    episode: np.ndarray  # int64 (P,)
    delta: np.ndarray  # the charge, float64 (P,) [reward]

    def __len__(self) -> int:
        return len(self.agent)

    def take(self, rows: Any) -> Crimes:
        """Some of the crimes."""
        own: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            column = getattr(self, name)
            cut = {key: x[rows] for key, x in column.items()} if name in _NESTED else column[rows]
            own[name] = cut
        return replace(self, **own)


_NESTED = ("state", "obs", "memory")


def crimes(
    policy: Policy,
    world: Mapping[str, Any],
    params: TvtParams,
    *,
    episodes: int,
    wanted: int,
    horizon: int,
    discounts: tuple[float, float],
    seed: int = 0,
) -> tuple[Crimes | None, dict[str, float]]:
    """Play, charge, and keep some crimes.

    Args:
        policy: acts for everybody.
        world: arguments of `make_lifetime`, its name under `world`.
        params: what to remember, how to match, what to charge.
        episodes: at least so many.
        wanted: crimes to keep at most, drawn at random.
        horizon: env-steps that must follow a crime, so that it had time to be punished.
        discounts: gamma and lambda of training.
        seed: of worlds and draws.

    Returns:
        The crimes, None if there were none, and `punishments`, `linked`, `precision` (share of
        recall that fell on crimes against the punisher) and `found` (share of the punishments of
        a remembered criminal that were traced to anything).

    Raises:
        ValueError: a policy that does not fit the world, or soft recall without learned keys.
    """
    from karma_rllib.society.lifetime import make_lifetime

    if params.match == "soft" and policy.net.memory is None:
        raise ValueError("tvt.match soft recalls by keys, but this policy learned none.")
    rest = {key: value for key, value in world.items() if key != "world"}
    life = make_lifetime(world["world"], num_worlds=min(WORLDS, episodes), seed=seed, **rest)
    policy.check(life.obs_shapes, life.num_actions)
    recall = Recall(
        *(life.num_worlds, life.num_agents, params, *discounts, seed), value_dim=CONTEXT
    )
    rounds = -(-episodes // life.num_worlds)
    keeper = _Keeper(wanted, rounds * life.max_steps - horizon, np.random.default_rng(seed))
    recall.begin(rounds * life.max_steps)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
    for round_ in range(rounds):
        _episode(life, policy, recall, keeper, columns, round_)
    whole: dict[str, Any] = {name: np.stack(column) for name, column in columns.items()}
    links = recall.links()
    charged = transport(
        recall,
        links,
        **whole,
        last_value=np.zeros(whole["value"].shape[1:], np.float32),  # the last step ends an episode
        timeout=int(life.traits.timeout),
        gamma=discounts[0],
    )
    return keeper.finish(charged.delta), retrieval(recall, links, whole["hit"], whole["g"])


def _episode(
    life: Any,
    policy: Policy,
    recall: Recall,
    keeper: _Keeper,
    columns: dict[str, list[np.ndarray]],
    round_: int,
) -> None:
    """One episode in every world."""
    lead = (life.num_worlds, life.num_agents)
    obs = _rows(life.reset())
    memory = policy.initial_state(lead[0] * lead[1])
    logits, value, after = policy.logits(obs, memory)
    for _ in range(life.max_steps):
        actions = draw(logits, policy.rng)
        before, state = obs, life.get_state()
        out = life.step(actions.reshape(lead))
        events, obs = out.events, _rows(out.obs)
        keeper.offer(events.hit, state, before, memory, actions.reshape(lead), round_)
        logits, later, following = policy.logits(obs, after)
        names = _names(policy, obs, events, recall.params.key_dim)
        recall.step(
            *(np.array(events.g), life.uid, events.hit, events.cleaned),
            *(events.fired, events.active, *names),
        )
        step = {
            "reward": out.reward,
            "value": value.reshape(lead),
            "truncated": out.truncated,
            "final_value": later.reshape(lead),
            **{name: getattr(events, name) for name in ("hit", "active", "g")},
        }
        for name, column in columns.items():
            column.append(np.array(step[name]))
        memory, value, after = after, later, following
    recall.episode_end(np.ones(lead[0], bool))


def draw(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One action of each row of log-probabilities (M, A), int64 (M,)."""
    p = np.exp(logits.astype(np.float64)).cumsum(-1)
    return (rng.random((len(p), 1)) * p[:, -1:] >= p).sum(-1)


def _rows(obs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows of agents, copied: the world overwrites what it returned."""
    return {key: np.array(x).reshape(-1, *x.shape[2:]) for key, x in obs.items()}


def _names(
    policy: Policy, obs: Mapping[str, np.ndarray], events: Any, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Key, query and context of the frames after a step, (B, N, .); zeros without a memory."""
    lead = events.hit.shape[:2]
    key, query = np.zeros((2, *lead, width), np.float32)
    context = np.zeros((*lead, CONTEXT), np.float32)
    memory = policy.net.memory
    touched = events.hit.any(-1) | events.hit.any(-2) | (np.asarray(events.cleaned) > 0)
    if memory is not None and touched.any():
        at = np.flatnonzero(touched)
        device = policy.net.value_head.weight.device
        with torch.no_grad():
            grid, vec = (torch.as_tensor(obs[name][at], device=device) for name in ("grid", "vec"))
            said, names = memory.name(policy.net.encode(grid, vec)[0])
        context[touched] = said.cpu().numpy()
        key[touched], query[touched] = names.cpu().numpy().swapaxes(0, 1)
    return key, query, context


class _Keeper:
    """A uniform sample of the crimes that are early enough, whatever their number.

    References:
        Vitter 1985, "Random sampling with a reservoir", algorithm R.
    """

    def __init__(self, wanted: int, last: int, rng: np.random.Generator) -> None:
        self.wanted, self.last, self.rng = wanted, last, rng
        self.seen, self.t = 0, -1
        self.kept: list[dict[str, Any]] = []

    def offer(
        self,
        hit: np.ndarray,
        state: Mapping[str, np.ndarray],
        obs: Mapping[str, np.ndarray],
        memory: Mapping[str, np.ndarray],
        actions: np.ndarray,
        round_: int,
    ) -> None:
        """See the crimes of one env-step; everything else is as it was before the step."""
        self.t += 1
        if self.t >= self.last:
            return
        B, N = actions.shape
        for b, i in zip(*np.nonzero(hit.any(-1)), strict=True):
            self.seen += 1
            place = len(self.kept)
            if place >= self.wanted:
                place = int(self.rng.integers(self.seen))
                if place >= self.wanted:
                    continue
            rows = slice(b * N, (b + 1) * N)
            crime = {
                "state": {key: x[b].copy() for key, x in state.items()},
                "obs": {key: x[rows].copy() for key, x in obs.items()},
                "memory": {key: x[rows].copy() for key, x in memory.items()},
                "actions": actions[b].copy(),
                "agent": int(i),
                "victim": int(np.argmax(hit[b, i])),
                "episode": round_ * B + int(b),
                "at": (self.t, int(b), int(i)),
            }
            self.kept[place : place + 1] = [crime]

    def finish(self, delta: np.ndarray) -> Crimes | None:
        """The sample with its charges, delta (T, B, N)."""
        if not self.kept:
            return None
        nested: dict[str, Any] = {
            name: {
                key: np.stack([crime[name][key] for crime in self.kept])
                for key in self.kept[0][name]
            }
            for name in _NESTED
        }
        flat: dict[str, Any] = {
            name: np.array([crime[name] for crime in self.kept])
            for name in ("actions", "agent", "victim", "episode")
        }
        charge = np.array([float(delta[crime["at"]]) for crime in self.kept])
        return Crimes(**nested, **flat, delta=charge)


def retrieval(recall: Recall, links: Links, hit: np.ndarray, g: np.ndarray) -> dict[str, float]:
    """How well punishments were traced, against what the hits themselves say.

    Args:
        recall: the memory, after the last step.
        links: of everything played.
        hit: i zapped j, bool (T, B, N, N).
        g: env-steps of each world's life before the step, int64 (T, B).

    Returns:
        See `crimes`; NaN where there was nothing to trace.
    """
    p, m = np.nonzero((links.event >= 0) & links.linked[:, None])
    world, victim, event = links.world[p], links.victim[p], links.event[p, m]
    bank, slots = recall.bank, recall.params.memory_slots
    held = bank.events[world, victim] - event <= slots  # else the ring has overwritten it
    at = (world, victim, event % slots)
    right = (bank.role[at] == AGGRESSOR) & (bank.opp[at] == links.attacker[p])
    weight = links.weight[p, m] * held
    owed = np.array(
        [
            (hit[:t, w, v, a] & (g[t, w] - g[:t, w] > recall.exclusion)).any()
            for t, w, v, a in zip(links.step, links.world, links.victim, links.attacker)
        ],
        bool,
    )
    return {
        "punishments": float(len(links.step)),
        "linked": float(links.linked.sum()),
        "precision": float((weight * right).sum() / weight.sum()) if weight.any() else np.nan,
        "found": float(links.linked[owed].mean()) if owed.any() else np.nan,
    }
