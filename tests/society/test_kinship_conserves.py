"""Nothing is made or lost among relatives: items, energy and shared rewards, step by step."""

import numpy as np
import pytest

from karma_rllib.society.kinship import shared, weights
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.rng import uniforms

N = 8
MATRIX = [[1.0 if i == j else 0.9 / (1 + i + 2 * j) for j in range(N)] for i in range(N)]
SCHEMES = {
    "none": {},
    "teams": {"team_size": 3, "strength": 0.5},
    "random": {"symmetric": False, "strength": 0.8},
    "families": {"sizes": [2, 4, 8], "closeness": [0.5, 0.25, 0.125], "strength": 1.0},
    "custom": {"matrix": MATRIX, "strength": 0.3},
    "genomes": {"genes": 8, "strength": 0.9},
}
WORLD = {
    "grid_size": 9, "num_agents": N, "generators": 5, "chargers": 3, "altars": 2, "kinds": 2,
    "max_steps": 97, "generator_cooldown": 3, "energy_start": 200.0, "altar_cost": 30.0,
    "freeze": 3, "steal_energy": 0.37, "reward_diamond": 0.1, "reward_energy": 0.003,
    "penalty_failure": 0.01,
    "inventory_cap": 2, "prestige": 0.5, "prestige_every": 10, "postures": True, "build": True,
    "destroy": True, "cost_build": 1.0,
}  # fmt: skip


def balance(life, steps):
    """Random play in which every step's energy, items and rewards are accounted for."""
    obs, B = life.reset(), life.num_worlds
    state = life.world.get_state()
    conserve = life.relatives.rules.share == "conserve"
    earned = moved = 0.0
    for t in range(steps):
        u = uniforms(9, life.uid, np.full(B, t), N)
        out = life.step((u * life.num_actions).astype(np.int64), out=obs)
        e, after = out.events, life.world.get_state()
        gained = e.energy_charged + e.energy_regained + e.energy_stolen + e.energy_received
        flow = gained.astype(np.int64) - e.energy_spent - e.energy_lost - e.gave_energy
        np.testing.assert_array_equal(after["energy"].astype(np.int64) - state["energy"], flow)
        np.testing.assert_array_equal(e.gave_energy.sum(1), e.energy_received.sum(1))
        items = after["inv"].astype(np.int64).sum((1, 2)) - state["inv"].sum((1, 2))
        np.testing.assert_array_equal(items, (e.harvested + e.produced - e.consumed).sum(1))

        raw, W = (
            e.raw_reward.astype(np.float64),
            weights(life.relatives.rules, life.relatives.matrix),
        )
        exact = shared(W, raw)
        np.testing.assert_allclose(out.reward, exact, rtol=1e-6, atol=1e-7)  # handed out in float32
        scale = np.abs(raw).sum(1).max() + 1e-9
        if conserve:
            np.testing.assert_allclose(W.sum(1), 1.0, rtol=0, atol=1e-14)
            np.testing.assert_allclose(exact.sum(1), raw.sum(1), rtol=0, atol=1e-14 * N * scale)
        else:
            K, lam = life.relatives.matrix, life.relatives.rules.strength
            worth = 1 + lam * (K.sum(1) - 1)  # how often j's reward is felt: once, and by its kin
            if life.relatives.on:
                np.testing.assert_allclose(exact.sum(1), (worth * raw).sum(1), rtol=0, atol=1e-12)
        earned, moved = earned + np.abs(raw).sum(), moved + np.abs(exact - raw).sum()
        if out.truncated.any():
            life.reset(out.truncated, out=obs)
            after = life.world.get_state()
        state = after
    assert earned > 0
    assert (moved > 0) == life.relatives.on


@pytest.mark.parametrize("share", ["conserve", "inclusive"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_energy_items_and_rewards_balance_in_every_scheme(scheme, share):
    rules = {"scheme": scheme, "share": share, **SCHEMES[scheme]}
    balance(make_lifetime("kinship-v0", num_worlds=5, seed=3, kinship=rules, **WORLD), 200)


@pytest.mark.slow
@pytest.mark.parametrize("share", ["conserve", "inclusive"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_they_balance_over_a_hundred_thousand_steps(scheme, share):
    rules = {"scheme": scheme, "share": share, **SCHEMES[scheme]}
    balance(make_lifetime("kinship-v0", num_worlds=50, seed=4, kinship=rules, **WORLD), 2000)
