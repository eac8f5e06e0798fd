"""Policy, value and role losses against RLlib, hand-made numbers and masks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from karma_rllib.nets.losses import effective_number_weights, ppo_loss, role_loss
from karma_rllib.worlds.events import IGNORE

S, T, A = 4, 6, 8


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    new, old = (torch.randn(S, T, A, generator=g) for _ in range(2))
    actions = torch.randint(0, A, (S, T), generator=g)
    old_logp = old.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)
    adv, values, targets = (3 * torch.randn(S, T, generator=g) for _ in range(3))
    return {
        "logits": new.requires_grad_(),
        "old_logits": old,
        "actions": actions,
        "old_logp": old_logp,
        "advantages": adv,
        "values": values.requires_grad_(),
        "value_targets": targets,
        "valid_mask": torch.ones(S, T, dtype=torch.bool),
        "act_mask": torch.ones(S, T, dtype=torch.bool),
    }


def rllib_loss(columns, mask, clip, vf_coeff, vf_clip, entropy_coeff, kl_coeff):
    """The very function of RLlib, with only its surroundings replaced."""
    pytest.importorskip("ray")
    from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
    from ray.rllib.core.columns import Columns
    from ray.rllib.core.distribution.torch.torch_distribution import TorchCategorical
    from ray.rllib.evaluation.postprocessing import Postprocessing

    logged = {}
    module = SimpleNamespace(
        get_train_action_dist_cls=lambda: TorchCategorical,
        get_exploration_action_dist_cls=lambda: TorchCategorical,
        compute_values=lambda _, embeddings: columns["values"],
    )
    learner = SimpleNamespace(
        module={"m": SimpleNamespace(unwrapped=lambda: module)},
        entropy_coeff_schedulers_per_module={
            "m": SimpleNamespace(get_current_value=lambda: entropy_coeff)
        },
        curr_kl_coeffs_per_module={"m": torch.tensor(kl_coeff)},
        metrics=SimpleNamespace(log_dict=lambda d, **_: logged.update(d)),
    )
    config = SimpleNamespace(
        use_kl_loss=True,
        use_critic=True,
        clip_param=clip,
        vf_clip_param=vf_clip,
        vf_loss_coeff=vf_coeff,
    )
    total = PPOTorchLearner.compute_loss_for_module(
        learner,
        module_id="m",
        config=config,
        batch={
            Columns.LOSS_MASK: mask,
            Columns.ACTION_DIST_INPUTS: columns["old_logits"],
            Columns.ACTIONS: columns["actions"],
            Columns.ACTION_LOGP: columns["old_logp"],
            Postprocessing.ADVANTAGES: columns["advantages"],
            Postprocessing.VALUE_TARGETS: columns["value_targets"],
        },
        fwd_out={Columns.ACTION_DIST_INPUTS: columns["logits"]},
    )
    return total, logged


@pytest.mark.parametrize("vf_clip", [10.0, 1e9])
@pytest.mark.parametrize("padded", [False, True])
def test_the_loss_and_its_gradients_are_those_of_rllib(vf_clip, padded):
    columns = batch()
    if padded:  # RLlib has one mask; ours then coincide
        columns["valid_mask"][1:, 4:] = columns["act_mask"][1:, 4:] = False
    settings = {
        "clip": 0.2, "vf_coeff": 0.7, "vf_clip": vf_clip, "entropy_coeff": 0.03, "kl_coeff": 0.2,
    }  # fmt: skip
    ours, stats = ppo_loss(**columns, **settings)
    theirs, logged = rllib_loss(columns, columns["valid_mask"], **settings)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    wrt = (columns["logits"], columns["values"])
    for a, b in zip(torch.autograd.grad(ours, wrt), torch.autograd.grad(theirs, wrt)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    names = {
        "policy_loss": "policy_loss",
        "vf_loss": "vf_loss",
        "vf_loss_unclipped": "vf_loss_unclipped",
        "entropy": "entropy",
        "kl": "mean_kl_loss",
    }
    for name, key in names.items():
        torch.testing.assert_close(stats[name], logged[key].detach(), rtol=1e-5, atol=1e-6)
    if not padded:
        explained = torch.as_tensor(logged["vf_explained_var"]).float()
        torch.testing.assert_close(stats["explained_variance"], explained, rtol=1e-4, atol=1e-4)


def test_frozen_steps_train_the_value_and_not_the_policy():
    columns = batch()
    columns["act_mask"][:, ::2] = False
    loss, stats = ppo_loss(**columns, entropy_coeff=0.1, kl_coeff=0.1)
    policy, value = torch.autograd.grad(loss, (columns["logits"], columns["values"]))
    assert policy[:, ::2].abs().max() == 0
    assert (policy[:, 1::2].abs().amax(-1) > 0).all()
    assert (value != 0).all()
    assert stats["act_fraction"] == 0.5


def test_padding_changes_nothing_even_where_it_holds_garbage():
    columns = batch()
    columns["valid_mask"][:, 4:] = False
    before, _ = ppo_loss(**columns, entropy_coeff=0.1, kl_coeff=0.1)
    spoiled = dict(columns)
    for key in ("advantages", "value_targets", "old_logp"):
        spoiled[key] = columns[key].clone()
        spoiled[key][:, 4:] = -1e30
    after, _ = ppo_loss(**spoiled, entropy_coeff=0.1, kl_coeff=0.1)
    assert torch.equal(before, after)
    grads = torch.autograd.grad(after, (columns["logits"], columns["values"]))
    assert all(g.isfinite().all() for g in grads)
    assert all(g[:, 4:].abs().max() == 0 for g in grads)


def test_with_nothing_valid_loss_and_gradient_are_exactly_zero():
    columns = batch()
    columns["valid_mask"][:] = False
    loss, _ = ppo_loss(**columns, entropy_coeff=0.1, kl_coeff=0.1)
    grads = torch.autograd.grad(loss, (columns["logits"], columns["values"]))
    assert loss == 0
    assert all((g == 0).all() for g in grads)


def test_before_the_first_update_the_ratio_is_one_and_nothing_is_clipped():
    columns = batch()
    columns["logits"] = columns["old_logits"]
    _, stats = ppo_loss(**columns)
    assert stats["max_ratio_error"] < 1e-6
    assert stats["clip_fraction"] == 0
    assert stats["kl"].abs() < 1e-7


# --- roles ----------------------------------------------------------------------------------


def test_the_role_loss_is_the_weighted_mean_of_cross_entropies():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 1])
    w = torch.tensor([0.5, 2.0, 1.0, 3.0])
    oracle = torch.nn.functional.cross_entropy(logits, labels, weight=w)
    loss, stats = role_loss(logits, labels, w)
    torch.testing.assert_close(loss, oracle)
    assert stats["accuracy"] == (logits.argmax(-1) == labels).float().mean()


def test_ignored_frames_change_nothing():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, IGNORE, 2, 3, IGNORE])
    keep = labels != IGNORE
    loss, stats = role_loss(logits, labels, torch.ones(4))
    short, short_stats = role_loss(logits[keep], labels[keep], torch.ones(4))
    torch.testing.assert_close(loss, short)
    torch.testing.assert_close(stats["accuracy"], short_stats["accuracy"])
    (grad,) = torch.autograd.grad(loss, logits)
    assert (grad[~keep] == 0).all()
    assert (grad[keep].abs().sum(-1) > 0).all()


def test_a_missing_class_gets_no_gradient_and_its_frames_do_not_count():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 1])
    w = torch.tensor([1.0, 1.0, 1.0, 0.0])
    loss, _ = role_loss(logits, labels, w)
    (grad,) = torch.autograd.grad(loss, logits)
    assert (grad[:, 3] == 0).all()
    assert (grad[3] == 0).all()
    without = torch.nn.functional.cross_entropy(logits[[0, 1, 2, 4]][:, :3], labels[[0, 1, 2, 4]])
    torch.testing.assert_close(loss, without)


def test_with_no_labelled_frame_the_role_loss_is_exactly_zero():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, stats = role_loss(logits, torch.full((3,), IGNORE), torch.ones(4))
    (grad,) = torch.autograd.grad(loss, logits)
    assert loss == 0
    assert stats["accuracy"] == 0
    assert (grad == 0).all()


def test_rare_classes_weigh_more_and_absent_ones_nothing():
    w = effective_number_weights(np.array([980.0, 10.0, 10.0, 0.0]), beta=0.999)
    raw = [(1 - 0.999) / (1 - 0.999**n) for n in (980, 10, 10)]
    np.testing.assert_allclose(w[:3], np.array(raw) * 3 / sum(raw), rtol=1e-5)
    assert w[3] == 0
    np.testing.assert_array_equal(effective_number_weights(np.array([9.0, 1.0]), 0.0), [1, 1])
    assert effective_number_weights(np.array([1e6, 1.0]), 0.999, max_weight=1.5).max() == 1.5
    assert not effective_number_weights(np.zeros(4)).any()
