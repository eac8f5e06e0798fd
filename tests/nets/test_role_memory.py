"""The network's side of the external memory: added without a trace, learned without a pull."""

import numpy as np
import pytest
import torch
from nets_frames import GRID, D, fill

from karma_rllib.nets.bank import EventBank
from karma_rllib.nets.memory import CONTEXT
from karma_rllib.nets.memory_term import MemorySpec, MemoryTerm
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.nets.policy import load_policy, save_policy

SMALL = {
    "feed-forward": make_spec("tiny", mlp=[16], projector=[12, 8], trunk=[10]),
    "recurrent": make_spec("small", cnn_filters=[3], projector=[12, 8], lstm=6, heads=[10]),
}


def make_net(kind="feed-forward", key_dim=5, **options):
    return MirrorNet(GRID, D, 8, SMALL[kind], seed=1, memory_key_dim=key_dim, **options)


def some_frames(*lead):
    rng = np.random.default_rng(0)
    grid = torch.from_numpy(rng.integers(0, 2, (*lead, *GRID), dtype=np.uint8))
    return grid, torch.from_numpy(rng.normal(size=(*lead, D)).astype(np.float32))


def wake(net):
    """Give the read map weights, as training would."""
    torch.nn.init.normal_(net.memory.read.weight, generator=torch.Generator().manual_seed(7))
    return net


@pytest.mark.parametrize("kind", SMALL)
def test_all_other_weights_are_those_of_a_network_without_memory(kind):
    plain, own = make_net(kind, 0).state_dict(), make_net(kind).state_dict()
    assert [k for k in own if not k.startswith("memory")] == list(plain)
    assert list(own)[: len(plain)] == list(plain)  # so that an optimiser's state fits as well
    assert all(torch.equal(plain[key], own[key]) for key in plain)


@pytest.mark.parametrize("kind", SMALL)
def test_a_read_of_zeros_changes_no_bit(kind):
    net, (grid, vec) = wake(make_net(kind)), some_frames(3, 4)
    with torch.no_grad():
        plain = net(grid, vec)
        empty = net(grid, vec, read=torch.zeros(3, 4, CONTEXT))
    assert torch.equal(plain.logits, empty.logits)
    assert torch.equal(plain.value, empty.value)


def test_an_untrained_memory_leaves_the_policy_as_it_is():
    net, (grid, vec) = make_net("recurrent"), some_frames(3, 4)
    with torch.no_grad():
        assert torch.equal(
            net(grid, vec).logits, net(grid, vec, read=torch.ones(3, 4, CONTEXT)).logits
        )


@pytest.mark.parametrize("kind", SMALL)
def test_acting_with_reads_equals_training_with_them(kind):
    net, (grid, vec) = wake(make_net(kind)), some_frames(3, 4)
    read = torch.randn(3, 4, CONTEXT, generator=torch.Generator().manual_seed(2))
    read[:, ::2] = 0.0
    with torch.no_grad():
        whole = net(grid, vec, read=read)
        state = net.initial_state(3)
        for t in range(4):
            logits, value, state = net.step(grid[:, t], vec[:, t], state, read[:, t])
            torch.testing.assert_close(logits, whole.logits[:, t])
            torch.testing.assert_close(value, whole.value[:, t])
    assert not torch.equal(whole.value, net(grid, vec).value)


def test_keys_and_queries_are_unit_vectors_that_agree_before_training():
    net, (grid, vec) = make_net(), some_frames(6)
    context, names = net.memory.name(net.encode(grid, vec)[0])
    key, query = names.unbind(1)
    assert context.shape == (6, CONTEXT)
    torch.testing.assert_close(key.norm(dim=-1), torch.ones(6))
    torch.testing.assert_close(key, query)


@pytest.mark.parametrize("kind", SMALL)
def test_learning_names_moves_nothing_but_the_names(kind):
    net = make_net(kind)
    loss, stats = MemoryTerm(MemorySpec(), fill(EventBank())).loss(net)
    loss.backward()
    moved = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {
        "memory.context.weight", "memory.context.bias", "memory.roles.weight",
        "memory.roles.bias", "memory.names.weight",
    }  # fmt: skip
    assert stats.keys() == {"role_loss", "role_accuracy", "key_loss", "key_accuracy"}


def test_what_is_read_moves_the_read_map_and_the_memory_gets_no_other_gradient():
    net, (grid, vec) = wake(make_net("recurrent")), some_frames(3, 4)
    net(grid, vec, read=torch.ones(3, 4, CONTEXT)).value.sum().backward()
    moved = {n for n, p in net.memory.named_parameters() if p.grad is not None}
    assert moved == {"read.weight"}


def test_every_parameter_of_the_memory_takes_part_without_any_event():
    net = make_net()
    loss, stats = MemoryTerm(MemorySpec(), EventBank()).loss(net)
    loss.backward()
    assert loss == 0
    assert stats == {}
    assert all(p.grad is not None and not p.grad.any() for p in net.memory.parameters())


def test_queries_learn_to_find_the_key_of_their_own_zap():
    net = make_net()
    term = MemoryTerm(MemorySpec(weight=1.0), fill(EventBank(), pairs=32))
    optimizer = torch.optim.Adam(net.memory.parameters(), lr=0.01)
    seen = []
    for _ in range(150):
        loss, stats = term.loss(net)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append((float(stats["key_accuracy"]), float(stats["role_accuracy"])))
    assert seen[0][0] < 0.5
    key_accuracy, role_accuracy = np.mean(seen[-10:], axis=0)
    assert key_accuracy > 0.9
    assert role_accuracy > 0.5  # of four roles


@pytest.mark.parametrize("key_dim", [0, 5])
def test_a_policy_file_keeps_the_memory_and_acts_without_reads(tmp_path, key_dim):
    net = make_net("recurrent", key_dim)
    policy = load_policy(save_policy(net, tmp_path))
    assert policy.net.memory_key_dim == key_dim
    grid, vec = some_frames(3)
    logits, _, _ = policy.logits(
        {"grid": grid.numpy(), "vec": vec.numpy()}, policy.initial_state(3)
    )
    with torch.inference_mode():
        assert np.array_equal(logits, net.step(grid, vec, net.initial_state(3))[0].numpy())
