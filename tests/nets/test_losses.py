"""Policy, value and role losses against RLlib, hand-made numbers and masks."""

from types import SimpleNamespace

import pytest
import torch

from karma_rllib.nets.losses import ppo_loss

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
        torch.testing.assert_close(stats["vf_explained_var"], explained, rtol=1e-4, atol=1e-4)


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
