"""The episodic memory: reads against a loop, what is known when, and who learns from what."""

import math

import pytest
import torch

from karma_rllib.nets.episodic import EpisodicReads, ReadSpec, rebuild_loss, written
from karma_rllib.nets.net import MirrorNet, make_spec

GRID, D, A = (3, 3, 8), 7, 5
SPEC = make_spec("small", cnn_filters=(), mlp=(16,), projector=(6,), lstm=12, heads=(10,))


def make(slots=9, heads=2, top_k=50, strength=4.0, reads=True, seed=0):
    spec = ReadSpec(slots, heads, top_k, strength) if reads else None
    return MirrorNet(GRID, D, A, SPEC, seed=seed, reads=spec)


def frames(*lead, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, 2, (*lead, *GRID), generator=g, dtype=torch.uint8),
        torch.randn(*lead, D, generator=g),
    )


@torch.no_grad()
def read_by_loop(reads, h, rows, known):
    """Equations (1) and (2), one head of one step at a time."""
    content, weights, strength = [], [], []
    for asked in reads.ask(h).view(reads.spec.heads, reads.row + 1):
        beta = math.log1p(math.exp(asked[-1]))
        scores = {
            u: beta * float(torch.cosine_similarity(asked[:-1], rows[u], dim=0))
            for u in range(len(rows))
            if known[u]
        }
        best = sorted(scores, key=scores.get, reverse=True)[: reads.spec.top_k]
        total = sum(math.exp(scores[u]) for u in best)
        w = [math.exp(scores[u]) / total if u in best else 0.0 for u in range(len(rows))]
        content.append(sum((w[u] * rows[u] for u in best), torch.zeros(reads.row)))
        weights.append(w)
        strength.append(beta)
    return torch.cat(content), torch.tensor(weights), torch.tensor(strength)


@pytest.mark.parametrize("top_k", [1, 3, 50])
def test_reads_are_those_of_a_plain_loop(top_k):
    reads = EpisodicReads(12, 6, 79, ReadSpec(9, 3, top_k, 2.0))
    g = torch.Generator().manual_seed(1)
    reads.initialise(g)
    h, rows = torch.randn(4, 5, 12, generator=g), torch.randn(4, 9, 6, generator=g)
    known = torch.rand(4, 5, 9, generator=g) < 0.5
    known[0, 0] = False
    got = reads(h, rows, known)
    for s in range(4):
        for t in range(5):
            expected = read_by_loop(reads, h[s, t], rows[s], known[s, t])
            for have, want in zip((got.content, got.weights, got.strength), expected, strict=True):
                torch.testing.assert_close(have[s, t], want, rtol=1e-4, atol=1e-5)


def test_untrained_heads_ask_with_the_strength_of_the_spec():
    reads = make(strength=3.0).reads
    assert reads.ask(torch.zeros(12)).view(2, 7)[:, -1].exp().log1p().tolist() == pytest.approx(
        [3.0, 3.0]
    )


def test_a_step_knows_the_rows_written_before_it_and_no_others():
    rows, z = torch.zeros(2, 5 * 3), torch.arange(2 * 4 * 3.0).view(2, 4, 3)
    after, known = written(rows, torch.tensor([[0.0], [3.0]]), z)
    assert known.sum(-1).tolist() == [[0, 1, 2, 3], [3, 4, 5, 5]]
    torch.testing.assert_close(after[0, :4], z[0])
    torch.testing.assert_close(after[1, 3:], z[1, :2])  # full: the last two do not fit
    assert not after[0, 4:].any()
    assert not after[1, :3].any()


def test_acting_step_by_step_gives_the_numbers_of_training_in_sequences():
    net = make()
    grid, vec = frames(3, 8)
    whole = net(grid, vec)
    state = net.initial_state(3)
    with torch.inference_mode():
        for t in range(8):
            if t == 5:  # a training sequence that starts here, from the state of acting
                late = net(grid[:, 5:], vec[:, 5:], {k: v.clone() for k, v in state.items()})
            logits, value, state = net.step(grid[:, t], vec[:, t], state)
            torch.testing.assert_close(logits, whole.logits[:, t], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(value, whole.value[:, t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(late.logits, whole.logits[:, 5:], rtol=1e-4, atol=1e-5)
    for key in state:
        torch.testing.assert_close(state[key], whole.state[key], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(state[key], late.state[key], rtol=1e-4, atol=1e-5)


def test_what_a_step_sees_reaches_later_decisions_through_the_memory_alone():
    """With the LSTM's memory wiped in between, only the rows can tell the episodes apart."""
    net = make()
    grid, vec = frames(1, 2)
    seen = []
    for cue in (0, 1):
        grid[:, 0] = cue
        _, _, state = net.step(grid[:, 0], vec[:, 0], net.initial_state(1))
        state |= {key: torch.zeros_like(state[key]) for key in ("h", "c")}
        seen.append(net.step(grid[:, 1], vec[:, 1], state)[0])
    assert not torch.equal(*seen)


def test_reading_moves_keys_and_strengths_but_never_what_was_written():
    net = make()
    rows = torch.randn(1, 9, 6, requires_grad=True)
    h = torch.randn(1, 2, 12)
    net.reads(h, rows, torch.ones(1, 2, 9, dtype=torch.bool)).content.square().sum().backward()
    assert rows.grad is None
    by_head = net.reads.ask.weight.grad.view(2, 7, 12)
    assert by_head[:, :-1].any()
    assert by_head[:, -1].any()


def test_the_first_step_reads_nothing_and_has_finite_gradients():
    net = make()
    out = net(*frames(1, 1))
    (out.logits.sum() + out.value.sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_rebuilding_teaches_the_encoding_and_the_layer():
    net = make()
    grid, vec = frames(4)
    seen = torch.cat((grid.flatten(1).float(), vec), -1)
    rebuild_loss(net.reads, net.encode(grid, vec)[1], seen, 72).backward()
    assert net.entry.x.weight.grad.any()
    assert net.reads.rebuild.weight.grad.any()
    assert net.policy_head.weight.grad is None


def test_the_network_without_reads_is_what_it_was():
    plain, reading = make(reads=False), make()
    assert set(plain.initial_state(1)) == {"h", "c"}
    own, other = plain.state_dict(), reading.state_dict()
    assert [k for k in other if k not in own] == [
        "reads.ask.weight", "reads.ask.bias", "reads.rebuild.weight", "reads.rebuild.bias",
    ]  # fmt: skip
    torch.testing.assert_close(own["lstm.weight_ih_l0"], other["lstm.weight_ih_l0"])


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"heads": 0}, {"top_k": 1.5}, {"strength": 0.0}])
def test_an_impossible_memory_is_refused(wrong):
    with pytest.raises(ValueError, match=f"reads.{next(iter(wrong))} is"):
        ReadSpec(**wrong)


def test_a_memory_without_anyone_to_ask_it_is_refused():
    with pytest.raises(ValueError, match="asked by an LSTM"):
        MirrorNet(GRID, D, A, make_spec("tiny"), reads=ReadSpec())
