"""A world of one bit: what each mirror loss does to a latent when nothing else holds it.

A frame is (content, role bit). The two frames of a zap share the content and differ in the bit,
so a role-invariant latent exists: forget the bit, keep the content.
"""

import numpy as np
import torch
from scipy.stats import rankdata

from karma_rllib.nets.alignment import hold, infonce_loss, pair_loss
from karma_rllib.nets.diagnostics import Diagnostics
from karma_rllib.nets.net import MirrorNet, make_spec

CONTENT = 16
NO_GRID = (1, 1, 1)


def zaps(n, seed, shared=True, numbers=CONTENT):
    """Vec of aggressors and victims of n zaps, (n, CONTENT + 1) each; `numbers` carry content."""
    g = torch.Generator().manual_seed(seed)
    content, other = (torch.zeros(n, CONTENT) for _ in range(2))
    content[:, :numbers] = torch.randn(n, numbers, generator=g)
    other[:, :numbers] = torch.randn(n, numbers, generator=g)
    other = content if shared else other
    return torch.cat((content, torch.ones(n, 1)), 1), torch.cat((other, -torch.ones(n, 1)), 1)


def encode(net, vec):
    return net.encode(torch.zeros(len(vec), *NO_GRID, dtype=torch.uint8), vec)[1]


def role_auroc(net, *toy):
    """AUROC of a ridge probe for the role; both frames of a zap lie in the same fold."""
    with torch.no_grad():
        a, v = (encode(net, x).double().numpy() for x in zaps(600, 77, *toy))
    half = len(a) // 2
    x, y = np.concatenate((a[:half], v[:half])), np.repeat([1.0, -1.0], half)
    mean = x.mean(0)
    w = np.linalg.solve((x - mean).T @ (x - mean) + 1e-6 * np.eye(x.shape[1]), (x - mean).T @ y)
    scores = np.concatenate(((a[half:] - mean) @ w, (v[half:] - mean) @ w))
    ranks = rankdata(scores)[:half].sum()
    return (ranks - half * (half + 1) / 2) / half**2


def train(loss, grad_mode="agg_to_vic", *toy, steps=500):
    net = MirrorNet(NO_GRID, CONTENT + 1, 2, make_spec("tiny"), seed=0)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    before, watch = role_auroc(net, *toy), Diagnostics()
    with torch.no_grad():
        watch.measure(encode(net, torch.cat(zaps(512, 5, *toy))))
    for step in range(steps):
        a, v = (encode(net, x) for x in zaps(128, 1000 + step, *toy))
        value = loss(*hold(a, v, grad_mode))
        adam.zero_grad()
        value.backward()
        adam.step()
    with torch.no_grad():
        left, right = (encode(net, x) for x in zaps(256, 5, *toy))
    return before, role_auroc(net, *toy), watch.measure(torch.cat((left, right)), left, right)


def test_the_pair_loss_makes_the_role_unreadable_without_emptying_the_latent():
    before, after, now = train(pair_loss)
    assert before > 0.95
    assert after < 0.6
    assert now["align_ratio"] < 0.05
    assert now["role_gap"] < 0.05
    assert now["collapsed"] == 0


def test_infonce_keeps_the_latent_wide():
    before, _, now = train(infonce_loss)
    assert before > 0.95
    assert now["effective_rank"] > 8
    assert now["align_ratio"] < 0.2
    assert now["collapsed"] == 0


def test_a_symmetric_raw_pair_loss_collapses_and_the_alarm_goes_off():
    # Nothing else holds the latent: the cheapest alignment is to shrink it to a point. What is
    # left of it is noise in all directions, so its rank, which is scale free, stays high.
    _, after, now = train(pair_loss, "symmetric")
    assert after < 0.6
    assert now["norm_ratio"] < 0.1
    assert now["dead_fraction"] > 0.5
    assert now["collapsed"] == 1


def test_a_latent_that_keeps_one_number_has_a_rank_near_one_and_the_alarm_goes_off():
    _, _, now = train(pair_loss, "agg_to_vic", True, 1)
    assert now["effective_rank"] < 2.5
    assert now["norm_ratio"] > 0.1
    assert now["collapsed"] == 1
