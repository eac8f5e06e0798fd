"""The network: its shapes, its only path, its memory and its first weights."""

import dataclasses
import math

import pytest
import torch

from karma_rllib.nets.net import PRESETS, MirrorNet, NetSpec, floored_log_probs, make_spec

GRID, D, A = (7, 7, 10), 15, 8


def make(preset="small", floor=0.0, seed=0, role="phi", **overrides):
    return MirrorNet(GRID, D, A, make_spec(preset, **overrides), floor, role, seed=seed)


def frames(*lead, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, 2, (*lead, *GRID), generator=g, dtype=torch.uint8),
        torch.randn(*lead, D, generator=g),
    )


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_every_preset_acts_and_trains_with_the_same_numbers(preset, floor):
    net = make(preset, floor)
    S, T = 3, 5
    grid, vec = frames(S, T)
    out = net(grid, vec, net.initial_state(S))
    assert out.logits.shape == (S, T, A)
    assert out.value.shape == (S, T)
    assert out.z.shape == (S, T, 64)
    assert out.phi.shape == (S, T, net.phi_size)
    state = net.initial_state(S)
    with torch.inference_mode():
        for t in range(T):
            logits, value, state = net.step(grid[:, t], vec[:, t], state)
            torch.testing.assert_close(logits, out.logits[:, t], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(value, out.value[:, t], rtol=1e-5, atol=1e-5)
    assert state.keys() == out.state.keys()
    for key in state:
        torch.testing.assert_close(state[key], out.state[key], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out.logits.exp().sum(-1), torch.ones(S, T))


def test_the_presets_have_the_published_widths():
    seed, small, tiny = (make(p) for p in ("seed", "small", "tiny"))
    assert [c.out_channels for c in seed.convs] == [32, 64, 128]
    assert seed.phi_size == 128 * 7 * 7
    assert small.phi_size == 16 * 5 * 5  # a valid convolution eats the border
    assert (seed.lstm.hidden_size, small.lstm.hidden_size, tiny.lstm) == (256, 64, None)
    assert tiny.phi_size == 128
    assert tiny.mlp[0].in_features == 7 * 7 * 10 + D
    assert [net.z_size for net in (seed, small, tiny)] == [64, 64, 64]
    assert not tiny.stateful
    assert tiny.initial_state(4) == {}


def test_a_sequence_split_in_two_gives_the_same_as_a_whole_one():
    net = make("small")
    grid, vec = frames(2, 8)
    whole = net(grid, vec, net.initial_state(2))
    first = net(grid[:, :3], vec[:, :3], net.initial_state(2))
    second = net(grid[:, 3:], vec[:, 3:], first.state)
    torch.testing.assert_close(
        torch.cat((first.value, second.value), 1), whole.value, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_nothing_reaches_policy_and_value_around_z(preset):
    # Two different observations whose z is forced to be equal must be acted on alike.
    net = make(preset)
    last = net.projector[-1] if len(net.projector) else net.entry
    torch.nn.init.zeros_(last.weight)
    a, b = frames(4, seed=1), frames(4, seed=2)
    for x, y in zip(net.step(*a, net.initial_state(4))[:2], net.step(*b, net.initial_state(4))[:2]):
        assert torch.equal(x, y)


def test_the_recurrent_step_on_stored_states_is_the_training_pass():
    net = make("small")
    grid, vec = frames(3, 4)
    out = net(grid, vec)
    before_last = net(grid[:, :3], vec[:, :3]).state
    torch.testing.assert_close(
        net.recur(out.z[:, 3], before_last), out.h[:, 3], rtol=1e-5, atol=1e-6
    )


def test_the_weights_are_a_function_of_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first = make("small", seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = make("small", seed=5), make("small", seed=6)
    for (name, p), q, r in zip(
        first.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(p, q), name
        assert p.ndim < 2 or not torch.equal(p, r), name


def test_hidden_weights_are_orthogonal_with_gain_root_two_and_the_policy_starts_near_uniform():
    net = make("small")
    w = net.projector[0].weight  # (128, 256)
    torch.testing.assert_close(w @ w.T, 2 * torch.eye(128), atol=1e-4, rtol=0)
    joint = torch.cat((net.entry.x.weight, net.entry.vec.weight), 1)  # (256, 415), one matrix
    torch.testing.assert_close(joint @ joint.T, 2 * torch.eye(256), atol=1e-4, rtol=0)
    for gate in net.lstm.weight_hh_l0.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(64), atol=1e-4, rtol=0)
    out = net(*frames(2, 16))
    assert (out.logits.exp() - 1 / A).abs().max() < 0.02


@pytest.mark.parametrize("floor", [0.01, 0.4])
def test_no_action_is_less_likely_than_the_floor(floor):
    scores = torch.tensor([[50.0, -50.0, 0.0, 1.0]])
    p = floored_log_probs(scores, floor).exp()
    expected = (1 - floor) * scores.softmax(-1) + floor / 4
    torch.testing.assert_close(p, expected)
    assert p.min() >= floor / 4 * (1 - 1e-5)
    assert torch.equal(floored_log_probs(scores, 0.0), scores.log_softmax(-1))


def test_the_floor_keeps_gradients_finite_where_the_softmax_is_certain():
    scores = torch.tensor([[200.0, -200.0]], requires_grad=True)
    floored_log_probs(scores, 0.01)[0, 1].backward()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("head", ["phi", "z"])
def test_the_role_head_reads_what_it_is_told_to(head):
    net = make("small", role=head)
    phi, z = net.encode(*frames(5))
    scores = net.role_logits(phi, z)
    assert scores.shape == (5, 4)
    other = {"phi": (phi, z + 1), "z": (phi + 1, z)}[head]
    assert torch.equal(net.role_logits(*other), scores)


def test_images_are_scaled_as_asked_and_planes_are_not():
    spec, plain = make_spec("small"), make("small")
    grid, vec = frames(3)
    scaled = MirrorNet(GRID, D, A, spec, grid_scale=1 / 255)
    scaled.load_state_dict(plain.state_dict())
    torch.testing.assert_close(scaled.encode(grid * 255, vec)[1], plain.encode(grid, vec)[1])
    tiny = MirrorNet(GRID, D, A, make_spec("tiny"), grid_scale=1 / 255)
    flat = make("tiny")
    torch.testing.assert_close(tiny.encode(grid * 255, vec)[1], flat.encode(grid, vec)[1])


def test_bfloat16_changes_the_arithmetic_but_neither_the_weights_nor_the_dtypes():
    plain, fast = make("small"), make("small", dtype="bfloat16")
    grid, vec = frames(2, 3)
    a, b = plain(grid, vec), fast(grid, vec)
    assert b.z.dtype == b.logits.dtype == torch.float32
    assert not torch.equal(a.z, b.z)
    torch.testing.assert_close(a.z, b.z, rtol=0.05, atol=0.05)
    b.value.sum().backward()
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in fast.parameters())


def test_a_world_without_a_vector_is_seen_too():
    for preset in PRESETS:
        net = MirrorNet(GRID, 0, A, make_spec(preset))
        grid, _ = frames(2)
        logits, _, _ = net.step(grid, torch.zeros(2, 0), net.initial_state(2))
        assert logits.shape == (2, A)


def test_every_field_of_the_spec_can_be_overridden():
    spec = make_spec(
        "tiny", cnn_filters=[8], cnn_padding=0, mlp=[32], projector=[16], lstm=24, trunk=[20],
        heads=[12], dtype="bfloat16",
    )  # fmt: skip
    assert {f.name for f in dataclasses.fields(NetSpec)} == set(dataclasses.asdict(spec))
    assert spec.projector == (16,)
    net = MirrorNet(GRID, D, A, spec)
    out = net(*frames(2, 3))
    assert (out.z.shape[-1], out.phi.shape[-1], out.h.shape[-1]) == (16, 32, 24)
    assert math.isfinite(out.value.sum().item())
    assert make_spec("tiny", lstm=None) == PRESETS["tiny"]


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: make_spec("smal"), "'smal' is unknown; did you mean 'small'"),
        (lambda: make_spec("small", lstmm=3), "'lstmm' is unknown; did you mean 'lstm'"),
        (lambda: make_spec("small", lstm=-1), "'lstm' is -1 but must be an integer >= 0"),
        (lambda: make_spec("small", projector=[]), "'projector' is empty"),
        (lambda: make_spec("small", dtype="half"), "'dtype' is 'half' but must be"),
        (lambda: MirrorNet((2, 2, 3), 0, 8, make_spec("small")), "2 x 2 cells is too small"),
        (lambda: make("small", floor=1.0), "action_floor is 1.0"),
        (lambda: make("small", role="h"), "role_head_input is 'h'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(build, says):
    with pytest.raises(ValueError, match=says.replace(".", r"\.")) as error:
        build()
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_channels_can_have_scales_of_their_own(preset):
    scales = [1.0] * (GRID[2] - 1) + [1 / 255]
    one, each = (
        MirrorNet(GRID, D, A, make_spec(preset), grid_scale=scale) for scale in (1.0, scales)
    )
    generator = torch.Generator().manual_seed(0)
    planes = torch.randint(0, 2, (3, *GRID), dtype=torch.uint8, generator=generator)
    vec = torch.randn(3, D, generator=generator)
    graded = planes.clone()
    graded[..., -1] *= 255
    torch.testing.assert_close(one.encode(planes, vec)[1], each.encode(graded, vec)[1])
    with pytest.raises(ValueError, match=f"has 2 entries but the grid {GRID[2]} channels"):
        MirrorNet(GRID, D, A, make_spec(preset), grid_scale=[1.0, 1.0])
