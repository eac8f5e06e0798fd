"""The mirror term: dose, ramp, which side moves, matching, resume, and silence at weight 0."""

import itertools

import numpy as np
import pytest
import torch
from nets_frames import GRID, D, fill

from karma_rllib.nets import alignment
from karma_rllib.nets.bank import PAIRINGS, EventBank
from karma_rllib.nets.matching import GradientSchedule, Matcher, gradient_norm
from karma_rllib.nets.mirror import MirrorSpec, MirrorTerm, latents, ramp
from karma_rllib.nets.net import MirrorNet, make_spec

TINY = {"mlp": [16], "projector": [12, 8], "trunk": [10]}


def make_net(preset="tiny", **overrides):
    spec = make_spec(preset, **(TINY if preset == "tiny" else {}) | overrides)
    return MirrorNet(GRID, D, 8, spec, seed=1)


def make_term(cells=0, seed=0, reference=None, **spec):
    bank = fill(EventBank(size=128, seed=seed), cells=cells)
    return MirrorTerm(MirrorSpec(**{"pairs_per_minibatch": 24, **spec}), bank, reference)


def gradients(loss, net):
    grads = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return [g for g in grads if g is not None]


@pytest.mark.parametrize(("loss", "pairing"), itertools.product(alignment.LOSSES, PAIRINGS))
def test_every_loss_works_in_every_arm(loss, pairing):
    net, term = make_net(), make_term(loss=loss, pairing=pairing, weight=0.5)
    value, stats = term.loss(net, step=10)
    assert value.item() == pytest.approx(0.5 * stats["loss"].item(), rel=1e-6)
    assert stats["active"] == 1.0
    assert stats["pairs"] == 40
    assert stats["grad_norm"] > 0
    norm = torch.stack([g.norm() for g in gradients(value, net)]).norm()
    assert norm.item() == pytest.approx(0.5 * stats["grad_norm"], rel=1e-4)


def test_the_loss_is_that_of_the_drawn_pairs_under_the_current_network():
    net, term, twin = make_net(), make_term(), make_term()
    value, _ = term.loss(net, step=10)
    draw = twin.bank.draw(24)
    left, right = latents(net, [draw.left, draw.right])
    torch.testing.assert_close(value, 0.1 * (left - right).square().sum(-1).mean())


@pytest.mark.parametrize("loss", alignment.LOSSES)
@pytest.mark.parametrize("mode", alignment.GRAD_MODES)
def test_the_gradient_mode_is_kept_however_the_frames_are_encoded(loss, mode):
    # The term encodes the still side without a graph; that must equal encoding both sides and
    # stopping the gradient afterwards.
    net, term = make_net(), make_term(loss=loss, grad_mode=mode, margin=2.0, weight=1.0)
    value, _ = term.loss(net, step=0)
    twin = make_term(loss=loss, grad_mode=mode)
    draw = twin.bank.draw(24)
    extra = {"contrast": ("cleaner", 24), "infonce": ("neutral", 128)}.get(loss)
    groups = [draw.left, draw.right] + ([twin.bank.singles(*extra)] if extra else [])
    left, right, *other = latents(net, groups)
    sides = alignment.hold(left, right, mode)
    weight = torch.from_numpy(draw.weight)
    oracle = {
        "pair": lambda: alignment.pair_loss(*sides, weight),
        "centroid": lambda: alignment.centroid_loss(*sides, weight),
        "infonce": lambda: alignment.infonce_loss(*sides, weight, 0.1, other[0].detach()),
        "vicreg": lambda: alignment.vicreg_loss(*sides, weight),
        "contrast": lambda: alignment.contrast_loss(*sides, other[0], weight, margin=2.0),
    }[loss]()
    torch.testing.assert_close(value, oracle)
    for a, b in zip(gradients(value, net), gradients(oracle, net), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_ramp_is_linear_between_start_and_end():
    assert [ramp(t, 100, 400) for t in (0, 100, 200, 300, 500, 900)] == [0, 0, 0.25, 0.5, 1, 1]
    assert [ramp(t, 100, 0) for t in (99, 100, 101)] == [0, 1, 1]
    net, term = make_net(), make_term(aux_start_step=100, aux_warmup_steps=400, weight=0.2)
    value, stats = term.loss(net, step=300)
    assert stats["weight"] == pytest.approx(0.1)
    assert value.item() == pytest.approx(0.1 * stats["loss"].item(), rel=1e-6)


@pytest.mark.parametrize(("weight", "step"), [(0.0, 10_000), (0.1, 99)])
def test_at_weight_zero_nothing_is_drawn_and_nothing_is_encoded(weight, step):
    term = make_term(weight=weight, aux_start_step=100)
    before = {k: v.copy() for k, v in term.get_state().items()}
    net = make_net()
    net.encode = None  # would fail if called
    torch.manual_seed(3)
    random = torch.random.get_rng_state()
    loss, stats = term.loss(net, step=step)
    assert loss == 0
    assert not loss.requires_grad
    assert stats["active"] == stats["weight"] == 0
    assert torch.equal(torch.random.get_rng_state(), random)
    for key, value in term.get_state().items():
        np.testing.assert_array_equal(value, before[key])


def test_with_too_few_pairs_the_loss_is_zero_and_says_so():
    term = MirrorTerm(MirrorSpec(), fill(EventBank(), pairs=15))
    loss, stats = term.loss(make_net(), step=0)
    assert loss == 0
    assert (stats["active"], stats["pairs"], stats["loss"]) == (0, 15, 0)


def test_a_control_is_matched_to_the_reference_that_is_measured_but_not_applied():
    net = make_net()
    term = make_term(pairing="neutral_neutral", grad_match=True, weight=1.0)
    value, stats = term.loss(net, step=0)
    norm = torch.stack([g.norm() for g in gradients(value, net)]).norm().item()
    assert norm == pytest.approx(stats["grad_norm_reference"], rel=1e-4)
    assert stats["weight"] == pytest.approx(stats["grad_norm_reference"] / stats["grad_norm"])
    assert all(p.grad is None for p in net.parameters())
    # the reference is the pair loss on both frames of a zap, on the draw that follows
    twin = make_term(pairing="neutral_neutral")
    twin.bank.draw(24, "neutral_neutral")
    draw = twin.bank.draw(24, "agg_vic")
    left, right = latents(net, [draw.left, draw.right])
    reference = alignment.pair_loss(left, right.detach())
    assert stats["grad_norm_reference"] == pytest.approx(gradient_norm(reference, net).item(), 1e-4)
    # later minibatches of the iteration keep the scale and measure nothing
    _, again = term.loss(net, step=0)
    assert "grad_norm" not in again
    assert again["weight"] == stats["weight"]


def test_a_recorded_schedule_is_matched_instead_where_there_is_one(tmp_path):
    GradientSchedule(np.array([0, 100]), np.array([2.0, 4.0])).save(tmp_path / "reference.json")
    schedule = GradientSchedule.load(tmp_path / "reference.json")
    assert [schedule(t) for t in (-5, 0, 25, 100, 1e6)] == [2.0, 2.0, 2.5, 4.0, 4.0]
    net = make_net()
    term = make_term(pairing="agg_neutral", grad_match=True, weight=1.0, reference=schedule)
    value, _ = term.loss(net, step=50)
    norm = torch.stack([g.norm() for g in gradients(value, net)]).norm().item()
    assert norm == pytest.approx(3.0, rel=1e-4)


def test_what_is_no_schedule_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"steps": [1]}')
    with pytest.raises(ValueError, match=r'lists "steps" and "norms"'):
        GradientSchedule.load(tmp_path / "x.json")
    with pytest.raises(ValueError, match="as many norms as steps"):
        GradientSchedule(np.array([1.0]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="must not decrease"):
        GradientSchedule(np.array([2.0, 1.0]), np.array([1.0, 2.0]))


def test_unmatched_arms_keep_their_own_weight():
    _, stats = make_term(pairing="neutral_neutral", weight=0.1).loss(make_net(), step=0)
    assert stats["weight"] == pytest.approx(0.1)
    assert "grad_norm_reference" not in stats


def test_the_matching_scale_follows_moving_averages_and_stays_bounded():
    matcher = Matcher(decay=0.5)
    assert matcher.scale == 1.0
    matcher.update(4.0, 1.0)
    assert matcher.scale == pytest.approx(1 / 4)
    matcher.update(2.0, 3.0)  # averages 3 and 2
    assert matcher.scale == pytest.approx(2 / 3)
    matcher.update(0.0, 1e9)
    assert matcher.scale == 1e3
    copy = Matcher(decay=0.5)
    copy.set_state(matcher.get_state())
    assert (copy.own, copy.reference) == (matcher.own, matcher.reference)


def test_memory_is_aligned_with_the_states_in_which_the_frames_were_seen():
    net = make_net("small", projector=[12, 8], lstm=5, heads=[])
    term = make_term(cells=5, align_layer="h", weight=1.0)
    value, _ = term.loss(net, step=0)
    draw = make_term(cells=5).bank.draw(24)
    sides = []
    for side in (draw.left, draw.right):
        x = {k: torch.from_numpy(v) for k, v in side.items()}
        out = net(x["grid"][:, None], x["vec"][:, None], {"h": x["h"], "c": x["c"]})
        sides.append(out.h[:, 0])
    torch.testing.assert_close(value, (sides[0] - sides[1]).square().sum(-1).mean())
    touched = {n for n, p in net.named_parameters() if _reaches(value, p)}
    assert "lstm.weight_hh_l0" in touched


def _reaches(loss, parameter):
    (grad,) = torch.autograd.grad(loss, [parameter], retain_graph=True, allow_unused=True)
    return grad is not None and bool(grad.abs().max() > 0)


def test_memory_cannot_be_aligned_where_there_is_none():
    with pytest.raises(ValueError, match="lstm is 0"):
        make_term(cells=5, align_layer="h").loss(make_net(), step=0)
    net = make_net("small", projector=[12, 8], lstm=5, heads=[])
    with pytest.raises(ValueError, match="needs the recurrent states"):
        make_term(align_layer="h").loss(net, step=0)


def test_the_automatic_margin_is_half_the_usual_distance_and_then_stays():
    net, term = make_net(), make_term(loss="contrast")
    term.loss(net, step=0)
    neutral = term.bank.neutrals.take(np.arange(60))
    z = latents(net, [{k: neutral[f"out.{k}"] for k in ("grid", "vec")}])[0]
    median = torch.pdist(z).median().item()
    assert 0.4 * median < term.margin < 0.6 * median
    first = term.margin
    torch.nn.init.zeros_(net.projector[-1].weight)
    term.loss(net, step=0)
    assert term.margin == first


def test_contrast_is_the_pair_loss_while_nobody_cleans():
    net = make_net()
    terms = [
        MirrorTerm(MirrorSpec(loss=x), fill(EventBank(), cleaners=0)) for x in ("contrast", "pair")
    ]
    a, b = (term.loss(net, step=0)[0] for term in terms)
    torch.testing.assert_close(a, b)


def test_a_restored_term_continues_bit_for_bit():
    spec = {"loss": "contrast", "pairing": "agg_neutral", "grad_match": True}
    net, term = make_net(), make_term(**spec)
    for iteration in range(3):
        term.begin_iteration(iteration)
        fill(term.bank, first=1000 * iteration)
        term.loss(net, step=0)
    state = {k: v.copy() for k, v in term.get_state().items()}
    assert all(v.dtype != object for v in state.values())
    twin = make_term(seed=9, **spec)
    twin.set_state(state)
    for iteration in range(3, 5):
        for one in (term, twin):
            one.begin_iteration(iteration)
        for _ in range(2):
            a, b = term.loss(net, step=0), twin.loss(net, step=0)
            assert torch.equal(a[0], b[0])
            assert a[1].keys() == b[1].keys()


def test_vicreg_takes_its_statistics_from_the_minibatch_where_it_is_given():
    net, term = make_net(), make_term(loss="vicreg", weight=1.0)
    z = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value, _ = term.loss(net, step=0, frames=z)
    (grad,) = torch.autograd.grad(value, z)
    assert grad.abs().max() > 0


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("pairing", "agg_victim", "'pairing' is 'agg_victim' but must be one of agg_vic"),
        ("loss", "cosine", "'loss' is 'cosine'"),
        ("grad_mode", "both", "'grad_mode' is 'both'"),
        ("aggressor_view", "after", "'aggressor_view' is 'after'"),
    ],
)
def test_an_unknown_choice_is_named_with_the_known_ones(key, value, says):
    with pytest.raises(ValueError, match=says):
        MirrorSpec(**{key: value})


def test_the_frame_before_the_zap_has_no_memory_of_it_to_align():
    with pytest.raises(ValueError, match="must both be 'outcome'"):
        MirrorSpec(align_layer="h", aggressor_view="decision")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("loss", alignment.LOSSES)
def test_on_a_gpu_the_term_has_the_value_it_has_on_a_cpu(loss):
    spec = {"loss": loss, "grad_match": True, "pairing": "agg_neutral", "margin": 2.0}
    here, _ = make_term(**spec).loss(make_net(), step=0)
    there, _ = make_term(**spec).loss(make_net().cuda(), step=0)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-4)
