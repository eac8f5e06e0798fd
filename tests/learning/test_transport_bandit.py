"""Value transport stops a crime whose punishment PPO cannot see, and its placebos do not.

A bandit with a past. In every env-step the learner (agent 0) stands alone or has agent 1 or
agent 2 in line; it waits or zaps. A zap at nobody costs .02, a zap at somebody pays +.1. Agent 2
forgives. Agent 1 strikes back 300 env-steps later, which costs 1; episodes last 250 env-steps, so
every revenge falls into a later episode than its cause. Nothing but the memory connects the two:
neither returns, which end with the episode, nor observations, which never tell of the past.

The learner is PPO over a table of three observations. Recall, transport, snapshots, advantages and
losses are the package's own.
"""

import numpy as np
import pytest
import torch

from karma_rllib.credit.gae import gae, moments
from karma_rllib.credit.params import TvtParams
from karma_rllib.credit.recall import Recall
from karma_rllib.credit.snapshots import Snapshots
from karma_rllib.credit.transport import transport
from karma_rllib.nets.losses import ppo_loss, retro_loss

ALONE, AVENGER, FORGIVER = 0, 1, 2  # observations; 1 and 2 are the agents in line
WAIT, ZAP = 0, 1
CHANCE = np.array([0.8, 0.1, 0.1])  # of the three observations, whatever happened before
AGENTS, EPISODE, DELAY = 3, 250, 300
GAMMA, LAMBDA, TIMEOUT = 0.99, 0.95, 5
SEEDS = range(5)


class Past:
    """Worlds that remember who was zapped 300 env-steps ago, across fragments."""

    def __init__(self, rng, worlds):
        self.rng, self.g = rng, 0
        self.owed = np.zeros((DELAY, worlds), bool)  # revenge due in the coming env-steps

    def fragment(self, logits, steps):
        """Play a fragment with a fixed policy."""
        shape = (steps, self.owed.shape[1])
        obs = self.rng.choice(3, shape, p=CHANCE)
        zap = self.rng.random(shape) < logits.softmax(-1)[:, ZAP].numpy()[obs]
        struck = np.concatenate([self.owed, zap & (obs == AVENGER)])
        self.owed = struck[steps:]
        hit = np.zeros((*shape, AGENTS, AGENTS), bool)
        for other in (AVENGER, FORGIVER):
            hit[:, :, 0, other] = zap & (obs == other)
        hit[:, :, AVENGER, 0] = struck[:steps]
        reward = np.zeros((*shape, AGENTS), np.float32)
        reward[:, :, 0] = np.where(zap, np.where(obs == ALONE, -0.02, 0.1), 0) - struck[:steps]
        g = np.repeat(self.g + np.arange(steps)[:, None], shape[1], 1)
        self.g += steps
        columns = {"obs": obs, "action": zap.astype(np.int64), "hit": hit, "reward": reward}
        return {**columns, "g": g, "truncated": g % EPISODE == EPISODE - 1}


def charge(recall, snapshots, frag, value):
    """Walk the memory through a fragment and settle it; returns the charges."""
    steps, worlds = frag["obs"].shape
    fired = np.zeros((steps, worlds, AGENTS), bool)
    fired[:, :, 0] = frag["action"] == ZAP
    active = np.ones_like(fired)
    key = np.ones((worlds, AGENTS, 1), np.float32)
    recall.begin(steps)
    for t in range(steps):
        recall.step(
            *(frag["g"][t], np.arange(worlds), frag["hit"][t], np.zeros((worlds, AGENTS))),
            *(fired[t], active[t], key, key, key),
        )
        recall.episode_end(frag["truncated"][t])
    every = np.zeros(fired.shape, np.float32)
    every[:, :, 0] = value[frag["obs"]]
    mean = np.full((worlds, AGENTS), CHANCE @ value, np.float32)
    return transport(
        recall,
        recall.links(),
        **{name: frag[name] for name in ("reward", "truncated", "hit", "g")},
        value=every,
        last_value=mean,
        final_value=np.broadcast_to(mean, every.shape),
        active=active,
        timeout=TIMEOUT,
        gamma=GAMMA,
        snapshots=snapshots,
    )


def keep(recall, snapshots, frag, logp):
    """Photograph the fragment's crimes; only the learner's are ever charged."""
    every = {"obs": frag["obs"], "action": frag["action"], "logp": logp}
    columns = {name: np.repeat(x[..., None], AGENTS, -1) for name, x in every.items()}
    active = np.ones(columns["obs"].shape, bool)
    snapshots.keep(recall, columns, {}, frag["truncated"], active, frag["g"])


def windows_of(retro, snapshots):
    """The learner's charged crimes of earlier fragments as tensors: obs, action, logp, blame."""
    mine = retro.agent == 0
    columns, held = snapshots.take(retro.snap[mine])
    if not held.any():
        return None
    names = ("obs", "action", "logp")
    blame = retro.delta[mine][:, None]
    return [torch.from_numpy(x) for x in (*(columns[name] for name in names), blame)]


def learn(optimiser, logits, critic, frag, reward, retro):
    """One update of 8 epochs on the whole fragment; returns log pi of its actions."""
    old, value = logits.detach().clone(), critic.detach().numpy().copy()
    end = np.full(reward.shape, CHANCE @ value, np.float32)
    advantage, target = gae(
        *(reward, value[frag["obs"]], end[0], frag["truncated"], end, GAMMA, LAMBDA)
    )
    everywhere = torch.ones(reward.shape, dtype=torch.bool)
    obs, action = torch.from_numpy(frag["obs"]), torch.from_numpy(frag["action"])
    old_logp = old.log_softmax(-1)[obs, action]
    mean, spread = moments([advantage], [everywhere.numpy()])
    scaled = torch.from_numpy((advantage - mean) / spread)
    for _ in range(8):
        loss, _ = ppo_loss(
            *(logits[obs], old[obs], action, old_logp, scaled, critic[obs]),
            *(torch.from_numpy(target), everywhere, everywhere),
            entropy_coeff=0.003,
        )
        if retro is not None:
            seen, done, logp, blame = retro
            blame = blame / float(advantage.std())
            always = torch.ones(blame.shape, dtype=torch.bool)
            loss = loss + retro_loss(logits[seen], done, logp, blame, always, reward.size)[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return old_logp.numpy()


def late_zaps(seed, placebo, *, steps=512, worlds=4, fragments=24, **tvt):
    """P(zap | avenger in line), P(zap | forgiver in line): means of the last quarter of training.

    Without a placebo's name (None) there is no transport at all.
    """
    past = Past(np.random.default_rng(seed), worlds)
    logits, critic = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.Adam([logits, critic], lr=0.05)
    params = TvtParams(**{"key_dim": 1, "memory_slots": 300, "placebo": placebo or "none", **tvt})
    recall = Recall(worlds, AGENTS, params, GAMMA, LAMBDA, seed, value_dim=1)
    snapshots = Snapshots(params.snapshots) if params.retro else None
    late = []
    for _ in range(fragments):
        chances = logits.detach().softmax(-1)[[AVENGER, FORGIVER], ZAP]
        late.append(chances.numpy())
        frag, retro = past.fragment(logits.detach(), steps), None
        reward = frag["reward"][:, :, 0]
        if placebo is not None:
            charges = charge(recall, snapshots, frag, critic.detach().numpy())
            reward = reward + charges.delta[:, :, 0]
            if snapshots is not None:
                retro = windows_of(charges.retro, snapshots)
        logp = learn(optimiser, logits, critic, frag, reward, retro)
        if placebo is not None and snapshots is not None:
            keep(recall, snapshots, frag, logp)
    return np.mean(late[-fragments // 4 :], 0)


@pytest.fixture(autouse=True)
def _one_thread():
    """Tables of three rows gain nothing from threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# What each arm does to P(zap | avenger) and P(zap | forgiver): "zaps" above .75, "spares" below
# .15. Over 30 other seeds the nearest to .75 was .88, to .15 .02 (in place) and .06 (retroactive).
IN_PLACE = {"retro": False}
LATE = {"steps": 100, "worlds": 20, "fragments": 30, "exclusion": 100}  # no crime in reach in place
ARMS = {
    "ppo alone": (None, IN_PLACE, "zaps", "zaps"),
    "transport": ("none", IN_PLACE, "spares", "zaps"),
    "transport, with the retroactive term": ("none", {}, "spares", "zaps"),
    "charging crimes against the other agent": ("shuffle", IN_PLACE, "zaps", "spares"),
    "charging steps without a zap": ("random_time", IN_PLACE, "zaps", "zaps"),
    "ppo alone, in short fragments": (None, LATE, "zaps", "zaps"),
    "the retroactive term alone": ("none", LATE, "spares", "zaps"),
    "the retroactive term on crimes against the other": ("shuffle", LATE, "zaps", "spares"),
}


def check(arm, seeds):
    placebo, options, *expected = ARMS[arm]
    for seed in seeds:
        for chance, does in zip(late_zaps(seed, placebo, **options), expected):
            assert (chance > 0.75) if does == "zaps" else (chance < 0.15), (seed, does, chance)


@pytest.mark.parametrize("arm", ["ppo alone", "transport"])
def test_ppo_goes_on_zapping_the_avenger_and_transport_stops_it(arm):
    check(arm, [0])


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS)
def test_only_true_transport_spares_the_avenger_and_only_the_avenger(arm):
    check(arm, SEEDS)
