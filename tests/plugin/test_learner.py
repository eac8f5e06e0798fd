"""The learner's data path equals RLlib's, and its loss equals RLlib's where nobody is frozen."""

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.evaluation.postprocessing import Postprocessing

from karma_rllib.plugin.connectors import ACTIVE
from karma_rllib.plugin.env_runner import SHARED_MODULE

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]


class Data:
    """What a learner's batch maker reads."""

    def __init__(self, fragments):
        self.episodes, self.batch = fragments, None


@pytest.fixture(params=["tiny", "small"])
def algorithm(request, cluster, make_config):
    algorithm = make_config("karma_out", preset=request.param).build_algo()
    yield algorithm
    algorithm.stop()


def batch_of(algorithm):
    learner = algorithm.learner_group._learner
    fragments = algorithm.env_runner_group.local_env_runner.sample()
    batch = learner._make_batch_if_necessary(training_data=Data(fragments))
    return learner, fragments, batch.policy_batches[SHARED_MODULE]


def test_the_learner_evaluates_the_policy_that_acted(algorithm):
    learner, _, batch = batch_of(algorithm)
    out = learner.module.forward_train({SHARED_MODULE: batch})[SHARED_MODULE]
    logp = out[Columns.ACTION_DIST_INPUTS].gather(-1, batch[Columns.ACTIONS][..., None])[..., 0]
    valid = batch.get(Columns.LOSS_MASK, torch.ones_like(batch[ACTIVE]))
    ratio = (logp - batch[Columns.ACTION_LOGP]).exp()
    assert (ratio - 1).abs()[valid].max() < 1e-4
    torch.testing.assert_close(out[Columns.VF_PREDS][valid], batch[Columns.VF_PREDS][valid])


def test_the_loss_equals_rllibs_where_every_agent_acts(algorithm):
    learner, _, batch = batch_of(algorithm)
    batch[ACTIVE] = torch.ones_like(batch[ACTIVE])
    learner.auxiliary.mirror = learner.auxiliary.role = None
    out = learner.module.forward_train({SHARED_MODULE: batch})[SHARED_MODULE]
    kwargs = {"module_id": SHARED_MODULE, "config": learner.config, "batch": batch}
    ours = learner.compute_loss_for_module(**kwargs, fwd_out=out)
    theirs = PPOTorchLearner.compute_loss_for_module(learner, **kwargs, fwd_out=out)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    parameters = list(learner.module[SHARED_MODULE].net.parameters())
    for a, b in zip(
        torch.autograd.grad(ours, parameters, retain_graph=True, allow_unused=True),
        torch.autograd.grad(theirs, parameters, allow_unused=True),
        strict=True,
    ):
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_every_agent_step_is_trained_on_once_per_epoch(algorithm):
    _, fragments, batch = batch_of(algorithm)
    valid = batch.get(Columns.LOSS_MASK, torch.ones_like(batch[ACTIVE]))
    kept = batch[Columns.ACTION_LOGP][valid].sort().values.numpy()
    assert np.array_equal(kept, np.sort(np.concatenate([f.logp.ravel() for f in fragments])))


def test_advantages_are_standardised_over_agents_that_can_act(algorithm):
    _, _, batch = batch_of(algorithm)
    valid = batch.get(Columns.LOSS_MASK, torch.ones_like(batch[ACTIVE]))
    advantage = batch[Postprocessing.ADVANTAGES][batch[ACTIVE] & valid]
    assert abs(float(advantage.mean())) < 1e-5
    assert abs(float(advantage.std(correction=0)) - 1) < 1e-4


def test_banks_hold_the_pairs_that_a_plain_recount_finds(algorithm):
    learner, fragments, _ = batch_of(algorithm)
    bank = learner.auxiliary.bank
    expected = set()
    for fragment in fragments:
        hit = fragment.events["hit"]
        for t, w, i, j in zip(*np.nonzero(hit), strict=True):
            if not hit[t, w, j, i] and not fragment.truncated[t, w]:
                expected.add(
                    (fragment.obs["grid"][t, w, i].tobytes(),
                     fragment.obs["grid"][t + 1, w, j].tobytes())
                )  # fmt: skip
    rows = bank.pairs.take(np.arange(bank.count("pair")))
    found = {
        (a.tobytes(), v.tobytes())
        for a, v in zip(rows["agg_dec.grid"], rows["vic_out.grid"], strict=True)
    }
    assert found == expected
    assert expected


def test_minibatches_are_a_function_of_seed_learner_and_update(algorithm):
    learner, fragments, _ = batch_of(algorithm)

    def orders():
        data = Data(fragments)
        iterator = learner._create_iterator_if_necessary(
            training_data=data, num_epochs=2, minibatch_size=256
        )
        batches = [b.policy_batches[SHARED_MODULE][Columns.ACTION_LOGP] for b in iterator]
        return torch.cat([x.flatten() for x in batches])

    first = orders()
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  the global generator must not matter
    assert torch.equal(first, orders())
    learner._weights_seq_no += 1
    assert not torch.equal(first, orders())


def test_the_plugin_hands_out_its_two_names_and_no_others():
    import karma_rllib.plugin as plugin
    from karma_rllib.plugin.algorithm import Karma
    from karma_rllib.plugin.algorithm_config import KarmaConfig

    assert (plugin.Karma, plugin.KarmaConfig) == (Karma, KarmaConfig)
    with pytest.raises(AttributeError, match="no attribute 'Carma'"):
        plugin.Carma  # noqa: B018
