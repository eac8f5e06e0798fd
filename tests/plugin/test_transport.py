"""Value transport in the data path: a crime of one episode, punished in the next, is charged."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from karma_rllib.worlds.harvest_state import ZAP

from .scripted import GAMMA, make_sampler

PENALTY, ALPHA = -0.5, 0.9  # of being hit in this world; share of the harm that is sent
CRIME, PUNISHMENT = 10, 70  # env-steps; the episode between them ends after step 49


def same(a, b):
    """Whether two nests of arrays are equal to the bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_the_harm_lands_on_the_crime_across_the_end_of_an_episode(preset):
    sampler = make_sampler(preset)
    fragment = sampler.run(90)
    assert fragment.events["hit"][CRIME, :, 0, 1].all()
    assert fragment.events["hit"][PUNISHMENT, :, 1, 0].all()
    assert fragment.truncated[49].all()
    want = np.zeros_like(fragment.transport)
    want[CRIME, :, 0] = ALPHA * PENALTY
    np.testing.assert_allclose(fragment.transport, want, atol=1e-7)
    assert len(fragment.retro.get("blame", ())) == 0
    assert fragment.links["linked"].tolist() == [False, False, True, True]
    assert sampler.memory.sums["transported"] == pytest.approx(2 * ALPHA * PENALTY)


def test_the_gap_that_is_charged_is_that_of_a_plain_recount():
    fragment = make_sampler("tiny", harm="gap").run(90)
    horizon = 26  # the freeze of 25 env-steps, and one more
    end = min(PUNISHMENT + horizon, 90)
    for w in range(2):
        value = fragment.value[:, w, 0].astype(float)
        after = value[end] if end < 90 else float(fragment.last_value[w, 0])
        rewards = fragment.reward[PUNISHMENT:end, w, 0].astype(float)
        gained = sum(GAMMA**k * r for k, r in enumerate(rewards))
        gained += GAMMA ** (end - PUNISHMENT) * after
        usual = value[fragment.events["active"][:, w, 0]].mean()
        harm = min(0.0, gained - usual)
        assert harm < -0.1
        assert fragment.transport[CRIME, w, 0] == pytest.approx(ALPHA * harm, rel=1e-5)


def test_debts_live_through_the_reset_beside_the_memory():
    sampler = make_sampler()
    assert sampler.run(50).truncated[-1].all()
    assert (sampler.lifetime.ledger[:, 0, 1] == 1).all()
    fragment = sampler.run(40)
    assert fragment.events["retributive"][PUNISHMENT - 50, :, 1, 0].all()
    assert not sampler.lifetime.ledger.any()


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_a_crime_of_an_earlier_fragment_comes_back_as_it_was_played(preset):
    sampler = make_sampler(preset)
    first, second = sampler.run(40), sampler.run(50)
    assert not first.transport.any()
    assert not second.transport.any()
    retro = second.retro
    assert retro["world"].tolist() == [0, 1]
    np.testing.assert_allclose(retro["blame"], [[ALPHA * PENALTY]] * 2)
    for column, kept in (("grid", "grid"), ("vec", "vec")):
        assert np.array_equal(retro[kept][:, 0], first.obs[column][CRIME, :, 0])
    assert (retro["action"] == ZAP).all()
    assert np.array_equal(retro["logp"][:, 0], first.logp[CRIME, :, 0])
    assert retro["mask"].all()
    if preset == "small":  # the stored state leads to the recorded probability
        state = {k: torch.from_numpy(retro[f"state/{k}"]) for k in ("h", "c")}
        grid, vec = (torch.from_numpy(retro[k][:, 0]) for k in ("grid", "vec"))
        with torch.no_grad():
            logits, _, _ = sampler.net.step(grid, vec, state)
        np.testing.assert_allclose(logits[:, ZAP], retro["logp"][:, 0], atol=1e-6)


def test_a_window_of_steps_before_the_crime_carries_the_tail_of_its_blame():
    sampler = make_sampler(retro_window=3)
    sampler.run(40)
    retro = sampler.run(50).retro
    tail = (GAMMA * 0.95) ** np.array([2, 1, 0]) * ALPHA * PENALTY
    np.testing.assert_allclose(retro["blame"], [tail, tail], rtol=1e-6)
    assert retro["grid"].shape[:2] == (2, 3)


CONTINUE = """
import pickle, sys
from tests.plugin.scripted import make_sampler
state, steps, answer = sys.argv[1:]
sampler = make_sampler("small")
sampler.set_state(pickle.load(open(state, "rb")))
fragment = sampler.run(int(steps))
pickle.dump((fragment, sampler.get_state()), open(answer, "wb"))
"""


@pytest.mark.parametrize("cut", [40, 50, 71])
def test_memory_ledger_and_reading_survive_another_process(tmp_path, cut):
    """Cut before the reset, at it, and right after the punishment (whose reading is carried)."""
    sampler = make_sampler("small")
    sampler.run(cut)
    (tmp_path / "state").write_bytes(pickle.dumps(sampler.get_state()))
    ahead = sampler.run(90 - cut)
    files = [str(tmp_path / name) for name in ("state", "answer")]
    command = [sys.executable, "-c", CONTINUE, files[0], str(90 - cut), files[1]]
    subprocess.run(command, check=True, timeout=120)
    found, state = pickle.loads((tmp_path / "answer").read_bytes())
    assert same(vars(found), vars(ahead))
    assert same(state, sampler.get_state())
    if cut < PUNISHMENT:
        np.testing.assert_allclose(found.retro["blame"], [[ALPHA * PENALTY]] * 2)
    else:
        assert found.read[0, :, 0].any()


def test_what_the_punished_reads_is_how_the_crime_looked_to_it():
    sampler = make_sampler()
    fragment = sampler.run(90)
    grid, vec = (torch.from_numpy(fragment.obs[k][CRIME + 1, :, 0]) for k in ("grid", "vec"))
    with torch.no_grad():
        want = sampler.net.memory.embed(sampler.net.encode(grid, vec)[0]).numpy()
    np.testing.assert_allclose(fragment.read[PUNISHMENT + 1, :, 0], want, atol=1e-5)
    rest = fragment.read.copy()
    rest[PUNISHMENT + 1, :, 0] = 0
    assert not rest.any()


def test_a_punishment_on_the_last_step_is_read_in_the_final_frame_and_not_in_the_next_episode():
    plot = {10: 0, 49: 1}
    fragment = make_sampler(plot=plot).run(60)
    deaf = make_sampler(plot=plot, feed=False).run(60)
    assert not fragment.read.any()
    assert deaf.read.size == 0
    assert (fragment.end_value[:, 0] != deaf.end_value[:, 0]).all()
    assert np.array_equal(fragment.end_value[:, 1], deaf.end_value[:, 1])
    assert np.array_equal(fragment.value[50:], deaf.value[50:])


@pytest.mark.parametrize("cut", [11, 50, 70, 71, 72])
def test_two_fragments_play_and_read_as_one(cut):
    whole = make_sampler().run(90)
    sampler = make_sampler()
    first, second = sampler.run(cut), sampler.run(90 - cut)
    for name in ("value", "read", "logits"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)])
        assert np.array_equal(joined, getattr(whole, name)), name
    assert np.array_equal(second.last_value, whole.last_value)
    if cut == PUNISHMENT + 1:  # the frame after the punishment is valued with what was read
        assert np.array_equal(first.last_value, whole.value[PUNISHMENT + 1])


def test_without_a_memory_nothing_is_computed_and_nothing_differs():
    plain, plot = make_sampler(memory=False), {10: 0}  # nobody is ever reminded of anything
    plain.plot = plot
    one, other = plain.run(90), make_sampler(plot=plot).run(90)
    for name in ("value", "logits", "reward", "last_value", "end_value"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert (one.read.size, one.transport.size, one.retro, one.links) == (0, 0, {}, {})
    assert one.states == other.states == {}
    assert "memory" not in plain.get_state()


def test_a_mortal_memory_forgets_at_the_end_of_an_episode():
    fragment = make_sampler(memory_persist=False).run(90)
    assert not fragment.transport.any()
    assert not fragment.links["linked"].any()


def test_pieces_for_several_learners_hold_what_the_whole_holds():
    sampler = make_sampler(worlds=4)
    sampler.run(40)
    whole = sampler.run(50)
    pieces = whole.split(2)
    for name in ("read", "transport"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces], axis=1)
        assert np.array_equal(joined, getattr(whole, name))
    for name in ("retro", "links"):
        rows = getattr(whole, name)
        assert len(rows["world"]) == 4
        for i, piece in enumerate(pieces):
            own = getattr(piece, name)
            assert own["world"].tolist() == [0, 1]
            for key in rows.keys() - {"world"}:
                assert np.array_equal(own[key], rows[key][2 * i : 2 * i + 2])


def test_a_branch_of_a_baseline_begins_with_an_empty_memory():
    stem = make_sampler(memory=False)
    stem.run(60)
    arm = make_sampler()
    arm.set_state(stem.get_state())
    fragment = arm.run(30)
    assert fragment.events["hit"].any()
    assert not fragment.links["linked"].any()
