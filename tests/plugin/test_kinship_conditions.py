"""The conditions in the kinship world: to attack and to be attacked is its mirror pair."""

import numpy as np
import pytest
import torch

from karma_rllib import conditions
from karma_rllib.config import ConfigError
from karma_rllib.config.experiment import experiment_from
from karma_rllib.credit.params import TvtParams
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.plugin.event_frames import LABELS, labels, neutral_steps, pairs
from karma_rllib.plugin.memory import Memory
from karma_rllib.plugin.sampler import Sampler
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.events import AGGRESSOR, VICTIM

torch.set_num_threads(1)
CROWD = {"grid_size": 10, "num_agents": 10, "generators": 3, "chargers": 2, "altars": 1,
         "max_steps": 40, "freeze": 3, "cost_attack": 1.0}  # fmt: skip


def make_sampler(world=None, matchmaker=None, memory=False, num_worlds=4):
    lives = make_lifetime(
        "kinship-v0", num_worlds=num_worlds, seed=5, matchmaker=matchmaker, **(world or CROWD)
    )
    grid, vec = lives.obs_shapes["grid"], lives.obs_shapes["vec"]
    net = MirrorNet(
        grid, vec[0], lives.num_actions, make_spec("tiny"), 0.01, seed=1,
        grid_scale=lives.world.grid_scale.tolist(), mask_start=lives.traits.mask_start,
        memory_key_dim=8 if memory else 0,
    )  # fmt: skip
    held = None
    if memory:
        params = TvtParams(key_dim=8, exclusion=5)
        held = Memory(lives, net, params, gamma=0.9, lambda_=0.5, seed=5)
    return Sampler(lives, net, seed=5, max_seq_len=16, memory=held)


def test_every_hit_of_any_attack_is_a_mirror_pair():
    sampler = make_sampler()
    fragment = sampler.run(100)
    hit = fragment.events["hit"]
    rows = pairs(fragment, exclude_mutual=False, exclude_boundary=False)
    assert len(rows["zid"]) == hit.sum() > 50
    names = np.array(sampler.lifetime.world.action_names)
    t, w, i, _ = np.nonzero(hit)
    used = {name.partition("_")[0] for name in names[fragment.action[t, w, i]]}
    assert used == {"attack"}
    assert len(set(names[fragment.action[t, w, i]])) > 5
    start = sampler.lifetime.world.vec_names.index("hit_agent")
    struck = sampler.lifetime.world.vec_names.index("was_hit")
    assert (rows["agg_out"]["vec"][:, start] == 1).all()
    assert (rows["vic_out"]["vec"][:, struck] == 1).all()


def test_roles_of_frames_follow_from_attacks():
    fragment = make_sampler().run(100)
    told = dict(zip(LABELS, labels(fragment).values(), strict=True))
    hit = fragment.events["hit"]
    outcome, ended = told["role_outcome"][1:], fragment.truncated[:-1, :, None]
    victim = hit[:-1].any(-2) & ~ended
    assert (outcome[victim] == VICTIM).all()
    aggressor = hit[:-1].any(-1) & ~victim & fragment.events["active"][1:] & ~ended
    assert (outcome[aggressor] == AGGRESSOR).all()
    assert aggressor.any()
    assert neutral_steps(fragment).any()


def test_the_ledger_counts_attacks_in_a_crowd_of_24():
    world = {"profile": "arena", "grid_size": 16, "generators": 6, "chargers": 3, "altars": 2,
             "blocks": 5, "max_steps": 50}  # fmt: skip
    sampler = make_sampler(world)
    fragment = sampler.run(50)
    hits = fragment.events["hit"].sum()
    assert hits > 20
    labelled = fragment.events["predatory"] | fragment.events["retributive"]
    np.testing.assert_array_equal(labelled, fragment.events["hit"])
    assert fragment.events["debt_made"].sum() == fragment.events["predatory"].sum()
    assert fragment.events["debt"][-1].sum() == sampler.lifetime.ledger.sum() > 0


def test_a_debtor_starts_beside_its_creditor_who_can_hit_it_at_once():
    lives = make_lifetime("kinship-v0", num_worlds=8, seed=3, matchmaker={"mode": "debt"}, **CROWD)
    lives.ledger[:, 2, 7] = 3.0  # 2 owes 7
    lives.reset()
    assert lives.pair_rigged[:, 0].all()
    assert (lives.pairs[:, 0] == (2, 7)).all()
    state = lives.world.get_state()
    gap = np.abs(state["pos"][:, 2].astype(int) - state["pos"][:, 7]).sum(-1)
    assert (gap == 1).all()
    act = np.zeros((8, 10), int)
    act[:, 7] = lives.world.action_names.index("attack_2")  # straight ahead
    events = lives.step(act).events
    assert events.retributive[:, 7, 2].all()
    np.testing.assert_array_equal(lives.ledger[:, 2, 7], 2.0)


def test_a_punishment_recalls_the_attack_it_answers():
    sampler = make_sampler(matchmaker={"mode": "debt"}, memory=True)
    sampler.run(40)
    fragment = sampler.run(120)
    assert sampler.memory.sums["crimes"] > 0
    assert len(fragment.links["world"]) > 0
    assert np.isfinite(fragment.transport).all()


@pytest.mark.parametrize("name", conditions.CONDITIONS)
def test_every_condition_is_valid_in_the_kinship_world_or_says_why_not(name):
    data = {
        "name": "kin", "world": {"name": "kinship-v0", **CROWD}, "conditions": [name],
        "mirror": {"broken_pair": "random"}, "kinship": {"scheme": "teams", "team_size": 2},
    }  # fmt: skip
    refused = {
        "karma_contrast": "world 'kinship-v0' has no waste",
        "no_zap": "`zap_works`",
    }
    if name in refused:
        with pytest.raises(ConfigError, match=refused[name]):
            experiment_from(data)
    else:
        assert experiment_from(data).kinship.team_size == 2


def test_a_pair_beyond_the_reach_of_an_attack_is_refused():
    data = {
        "name": "kin", "world": {"name": "kinship-v0", "attack_range": 2},
        "conditions": ["karmic"], "matchmaker": {"pair_distance": 3},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="pair_distance"):
        experiment_from(data)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # RLlib's own, when an Algorithm is built
@pytest.mark.parametrize("condition", ["baseline", "karma_out", "karmic", "karma+karmic"])
def test_conditions_train_in_the_kinship_world(cluster, make_config, condition):
    config = make_config(condition, preset="small", mirror={"min_pairs": 2})
    config.world("kinship-v0", **CROWD).kinship(scheme="random")
    algorithm = config.build_algo()
    try:
        for _ in range(2):
            result = algorithm.train()
    finally:
        algorithm.stop()
    for family in ("ppo", "mirror", "role", "tvt", "social", "matchmaker", "counts", "policy"):
        assert all(np.isfinite(value) for value in result[family].values()), family
    assert result["counts"]["hits"] > 0
    assert result["ppo"]["entropy"] > 0
    if conditions.CONDITIONS[condition].mirror:
        assert result["mirror"]["loss"] > 0
    if conditions.CONDITIONS[condition].tvt:
        assert result["counts"]["tvt_crimes"] > 0
    if conditions.CONDITIONS[condition].matchmaker == "debt":
        assert result["counts"]["pairs_rigged"] > 0
