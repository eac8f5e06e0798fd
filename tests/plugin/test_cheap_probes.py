"""Cheap probes see what happened, and only when they are asked to look."""

import numpy as np
import pytest

from karma_rllib.analysis import linear
from karma_rllib.nets.diagnostics import closeness, spread
from karma_rllib.nets.mirror import latents
from karma_rllib.plugin.cheap_probes import CheapProbes, _zaps
from karma_rllib.plugin.stats import FAMILIES
from tests.plugin.test_sampler import make_sampler


@pytest.fixture(scope="module")
def played():
    """Two fragments of random play in a crowded world, and the network that played."""
    sampler = make_sampler(worlds=6)
    return [sampler.run(64), sampler.run(64)], sampler.net


def measured(played, **options):
    probes = CheapProbes(**{"every": 1, **options})
    probes.take_in(played[0])
    return probes.measure(played[1])


def test_every_column_is_measured_where_there_are_zaps_enough(played):
    found = measured(played)
    assert tuple(found) == ("zaps", "dv_out", "align_ratio", "effective_rank", "auroc_z")
    assert set(found) == set(FAMILIES["probe"])
    assert all(np.isfinite(list(found.values())))
    assert 0 <= found["auroc_z"] <= 1


def test_the_numbers_are_those_of_every_zap_by_itself(played):
    fragments, net = played
    found = measured(played)
    gaps, left, right = [], [], []
    for fragment in fragments:
        after = np.concatenate([fragment.value[1:], fragment.last_value[None]])
        for t, w, i, j in np.argwhere(fragment.events["hit"]):
            mutual = fragment.events["hit"][t, w, j, i]
            if mutual or fragment.truncated[t, w]:
                continue
            gaps.append(after[t, w, i] - after[t, w, j])
            for side, agent in ((left, i), (right, j)):
                side.append({k: x[t + 1, w, agent] for k, x in fragment.obs.items()})
    assert found["zaps"] == len(gaps)
    assert found["dv_out"] == pytest.approx(np.mean(gaps))
    sides = [{k: np.stack([f[k] for f in side]) for k in ("grid", "vec")} for side in (left, right)]
    a, v = latents(net, sides)
    assert found["align_ratio"] == pytest.approx(closeness(a, v)["align_ratio"], rel=1e-4)
    both = np.concatenate([a.detach(), v.detach()])
    rank = spread(a.new_tensor(both))["effective_rank"]
    assert found["effective_rank"] == pytest.approx(rank, rel=1e-4)


def test_folds_keep_episodes_of_a_world_apart_and_whole(played):
    fragment = played[0][0]
    parts = _zaps(fragment, 0)
    t, w = np.nonzero(
        (fragment.events["hit"] & ~fragment.events["hit"].swapaxes(-1, -2)).any((-1, -2))
        & ~fragment.truncated
    )
    number = fragment.truncated.cumsum(0)[t, w]
    assert set(parts["episode"]) == set((w.astype(np.int64) << 24) + number)
    assert np.isnan(linear.grouped(np.zeros((3, 2)), np.ones((3, 2)), np.arange(3)))


@pytest.mark.parametrize(("every", "iteration"), [(0, 0), (0, 10), (3, 4)])
def test_out_of_turn_nothing_is_looked_at(played, every, iteration):
    probes = CheapProbes(every)
    probes.iteration = iteration
    probes.take_in(played[0])
    assert probes.measure(played[1]) == {}
    assert bool(probes.connectors()) == (every > 0)


def test_at_most_so_many_zaps_are_looked_at_and_always_the_same(played, monkeypatch):
    monkeypatch.setattr("karma_rllib.plugin.cheap_probes.MOST", 8)
    one, two = measured(played, seed=4), measured(played, seed=4)
    assert one == two
    assert one["zaps"] > 8
    assert one != measured(played, seed=5)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # RLlib's own, when an Algorithm is built
def test_training_reports_them_every_so_often(cluster, make_config):
    algorithm = make_config("baseline", ppo={"rollout": 200}).probes(every=2).build_algo()
    rows = [algorithm.train()["probe"] for _ in range(3)]
    algorithm.stop()
    assert rows[0].keys() == set(FAMILIES["probe"])
    assert rows[0]["zaps"] > 0
    assert rows[0] == rows[1] != rows[2]
