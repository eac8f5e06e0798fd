"""Pairs inside one minibatch against a brute-force recount."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.nets.bank import EventBank
from karma_rllib.nets.in_batch import InBatch
from karma_rllib.nets.mirror import MirrorSpec, MirrorTerm
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.worlds.events import AGGRESSOR, CLEANER, IGNORE, NEUTRAL, VICTIM

ROLES = [NEUTRAL, AGGRESSOR, VICTIM, CLEANER, IGNORE]


def minibatch(seed, M=40, zaps=8):
    rng = np.random.default_rng(seed)
    role = {view: rng.choice(ROLES, M, p=[0.4, 0.2, 0.2, 0.1, 0.1]) for view in ("dec", "out")}
    zid = {}
    for view in ("dec", "out"):
        zid[view] = np.full(M, -1)
        for kind in (AGGRESSOR, VICTIM):  # a zap has one frame of each role and view
            rows = np.flatnonzero(role[view] == kind)[:zaps]
            zid[view][rows] = rng.choice(zaps, len(rows), replace=False)
            role[view][np.flatnonzero(role[view] == kind)[zaps:]] = NEUTRAL
    z = torch.arange(M, dtype=torch.float32)[:, None].repeat(1, 3).requires_grad_()
    return InBatch(z, role["dec"], role["out"], zid["dec"], zid["out"])


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["decision", "outcome"]))
def test_exactly_the_pairs_of_the_minibatch_are_found(seed, view):
    batch, rng = minibatch(seed), np.random.default_rng(0)
    roles, zids = (
        (batch.role_decision, batch.zid_decision)
        if view == "decision"
        else (batch.role_outcome, batch.zid_outcome)
    )
    brute = {
        (a, v)
        for a in range(40)
        for v in range(40)
        if roles[a] == AGGRESSOR
        and batch.role_outcome[v] == VICTIM
        and zids[a] == batch.zid_outcome[v] >= 0
    }
    found = batch.pairs("agg_vic", view, "outcome", "cleaner", rng)
    rows = set() if found is None else {(int(a), int(v)) for a, v in zip(*(x[:, 0] for x in found))}
    assert rows == brute


@settings(deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["agg_vic_shuffled", "agg_cleaner", "agg_neutral", "neutral_neutral"]),
)
def test_controls_take_as_many_pairs_of_the_kind_they_claim(seed, pairing):
    batch, rng = minibatch(seed), np.random.default_rng(seed)
    true = batch.pairs("agg_vic", "outcome", "outcome", "cleaner", rng)
    found = batch.pairs(pairing, "outcome", "outcome", "cleaner", rng)
    if found is None:
        return
    left, right = (x[:, 0].detach().numpy().astype(int) for x in found)
    assert len(left) == len(right) == len(true[0])
    kinds = {
        "agg_vic_shuffled": (AGGRESSOR, VICTIM),
        "agg_cleaner": (AGGRESSOR, CLEANER),
        "agg_neutral": (AGGRESSOR, NEUTRAL),
        "neutral_neutral": (NEUTRAL, NEUTRAL),
    }[pairing]
    assert set(batch.role_outcome[left]) == {kinds[0]}
    assert set(batch.role_outcome[right]) == {kinds[1]}
    if pairing == "agg_vic_shuffled":
        assert (batch.zid_outcome[left] != batch.zid_outcome[right]).all()


@pytest.mark.parametrize("loss", ["pair", "centroid", "infonce", "vicreg", "contrast"])
def test_the_term_aligns_the_minibatch_and_the_gradient_reaches_only_the_aggressors(loss):
    net = MirrorNet((5, 5, 4), 6, 8, make_spec("tiny"))
    term = MirrorTerm(MirrorSpec(bank_mode="in_batch", loss=loss, margin=0.1), EventBank())
    batch = minibatch(3)
    value, stats = term.loss(net, step=0, batch=batch)
    assert stats["active"] == 1
    (grad,) = torch.autograd.grad(value, batch.latent)
    assert grad.isfinite().all()
    victims = batch.role_outcome == VICTIM
    if loss != "vicreg":  # whose spread is over all frames
        assert (grad[victims] == 0).all()


def test_a_minibatch_without_a_pair_gives_a_zero_loss():
    net = MirrorNet((5, 5, 4), 6, 8, make_spec("tiny"))
    nobody = np.full(4, NEUTRAL), np.full(4, -1)
    batch = InBatch(torch.zeros(4, 64), nobody[0], nobody[0], nobody[1], nobody[1])
    for pairing in ("agg_vic", "agg_vic_shuffled", "agg_neutral", "neutral_neutral"):
        term = MirrorTerm(MirrorSpec(bank_mode="in_batch", pairing=pairing), EventBank())
        loss, stats = term.loss(net, step=0, batch=batch)
        assert loss == stats["active"] == 0


def test_what_is_missing_is_said():
    term = MirrorTerm(MirrorSpec(bank_mode="in_batch"), EventBank())
    with pytest.raises(ValueError, match="pass `batch`"):
        term.loss(MirrorNet((5, 5, 4), 6, 8, make_spec("tiny")), step=0)
    with pytest.raises(ValueError, match="no label for forager frames"):
        minibatch(0).pairs("agg_cleaner", "outcome", "outcome", "forager", np.random.default_rng(0))
