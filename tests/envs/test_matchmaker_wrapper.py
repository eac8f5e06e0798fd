"""The matchmaker around single envs: Gymnasium's and PettingZoo's faces of rigged spawns."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from pettingzoo.utils.conversions import parallel_to_aec

import karma_rllib  # noqa: F401
from karma_rllib.envs import KarmicMatchmaker, harvest_v0
from karma_rllib.worlds.harvest_state import STEP_COL, STEP_ROW, ZAP

SMALL = {"grid_size": 6, "num_agents": 3, "max_steps": 40, "timeout": 2}


def gym_env(**rules):
    """The seed's two lines."""
    env = gymnasium.make("KarmicHarvest-v0", **SMALL)
    return KarmicMatchmaker(env, **rules)


def play_until_debt(env, seed=0):
    """Zap a lot until somebody owes somebody."""
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(400):
        action = np.where(rng.random(3) < 0.5, ZAP, rng.integers(0, 7, 3))
        *_, truncated, _ = env.step(action)
        if env.debt_ledger:
            return
        if truncated:
            env.reset()
    raise AssertionError("nobody was ever hit")


def test_the_ledger_is_a_dict_of_debtors_and_creditors():
    env = gym_env()
    play_until_debt(env)
    owed = env.unwrapped.stage.life.ledger[0]
    told = env.debt_ledger
    assert sum(len(creditors) for creditors in told.values()) == np.count_nonzero(owed)
    for debtor, creditors in told.items():
        for creditor, zaps in creditors.items():
            assert owed[int(debtor[-1]), int(creditor[-1])] == zaps > 0


def test_at_the_next_reset_the_creditor_faces_its_debtor_and_info_says_so():
    env = gym_env()
    play_until_debt(env)
    before = env.debt_ledger
    _, info = env.reset()
    match = info["matchmaker"]
    assert match["rigged"] == [True]
    (debtor, creditor), debt = match["pairs"][0], match["debt_before"][0]
    assert before[debtor][creditor] == debt
    assert info["debt_ledger"] == before
    frame = env.unwrapped.stage.life.world.frame()
    i, j = int(creditor[-1]), int(debtor[-1])
    ahead = frame.pos[i] + (STEP_ROW[frame.head[i]], STEP_COL[frame.head[i]])
    assert tuple(ahead) == tuple(frame.pos[j])
    action = np.zeros(3, int)
    action[i] = ZAP
    *_, info = env.step(action)
    hit = next(e for e in info["social_events"] if e["type"] == "ZAP_AGENT")
    assert (hit["attacker"], hit["victim"], hit["predatory"]) == (creditor, debtor, False)
    assert info["debt_ledger"].get(debtor, {}).get(creditor, 0.0) == max(debt - 1.0, 0.0)


def test_a_new_seed_is_a_new_life_without_debts():
    env = gym_env()
    play_until_debt(env)
    _, info = env.reset(seed=1)
    assert env.debt_ledger == {} == info["debt_ledger"]
    assert info["matchmaker"]["pairs"] == []


def test_rules_reach_ledger_and_matchmaker():
    env = gym_env(debt_unit=2.5, debtor_heading="facing")
    life = env.unwrapped.stage.life
    assert life.ledger_params.debt_unit == 2.5
    assert life.matchmaker_params.mode == "debt"
    assert life.matchmaker_params.debtor_heading == "facing"


def test_the_ledger_rules_of_the_env_stay_unless_they_are_named():
    env = KarmicMatchmaker(gymnasium.make("KarmicHarvest-v0", ledger={"apple_weight": 1.5}))
    assert env.unwrapped.stage.life.ledger_params.apple_weight == 1.5


@pytest.mark.parametrize(
    ("rules", "words"),
    [({"strength": 1}, "did you mean 'debt_strength'"), ({"pair_distance": 7}, "beam_length")],
)
def test_a_wrong_rule_is_one_sentence(rules, words):
    with pytest.raises(ValueError, match=words):
        gym_env(**rules)


def test_a_foreign_env_is_refused():
    with pytest.raises(TypeError, match="CartPole"):
        KarmicMatchmaker(gymnasium.make("CartPole-v1"))


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
def test_gymnasiums_checker_accepts_the_wrapped_env():
    check_env(gym_env(), skip_render_check=True)


def test_pettingzoos_suites_accept_the_wrapped_env():
    parallel_api_test(KarmicMatchmaker(harvest_v0.parallel_env(**SMALL)), num_cycles=120)
    parallel_seed_test(lambda: KarmicMatchmaker(harvest_v0.parallel_env(**SMALL)))


def test_the_wrapped_parallel_env_can_be_played_in_turns():
    env = parallel_to_aec(KarmicMatchmaker(harvest_v0.parallel_env(**SMALL)))
    env.reset(seed=0)
    for agent in env.agent_iter(60):
        *_, terminated, truncated, info = env.last()
        assert "debt_ledger" in info
        env.step(None if terminated or truncated else env.action_space(agent).sample())


def test_every_agents_info_tells_the_matches_of_the_reset():
    env = KarmicMatchmaker(harvest_v0.parallel_env(**SMALL))
    _, infos = env.reset(seed=0)
    assert set(infos) == set(env.agents)
    for info in infos.values():
        assert info["matchmaker"] == {"pairs": [], "debt_before": [], "rigged": []}
