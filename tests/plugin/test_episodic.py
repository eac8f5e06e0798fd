"""Value paid back along reads: beside the sampler, in whole episodes, by the published rule."""

import numpy as np
import pytest
import torch

from karma_rllib.credit.hung import hung_transport
from karma_rllib.nets.episodic import ReadSpec
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.nets.policy import load_policy, save_policy
from karma_rllib.plugin.episodic import ReadTransport, reading_loss
from karma_rllib.plugin.sampler import Sampler
from karma_rllib.society.lifetime import make_lifetime

torch.set_num_threads(1)
STEPS = 40  # of an episode
SPEC = make_spec("small", cnn_filters=(), mlp=(16,), projector=(8,), lstm=12, heads=(16,))
RULE = {"gamma": 0.9, "alpha": 0.9, "threshold": 2.0, "top_k": 50}


def make_sampler(worlds=3, first_uid=0, seq=10, transport=True, **rule):
    lifetime = make_lifetime(
        "match-v0", num_worlds=worlds, seed=5, first_uid=first_uid, look_steps=5, delay_steps=30,
    )  # fmt: skip
    grid, vec = lifetime.obs_shapes["grid"], lifetime.obs_shapes["vec"]
    reads = ReadSpec(slots=STEPS, heads=2, top_k=10, strength=5.0)
    net = MirrorNet(grid, vec[0], lifetime.num_actions, SPEC, seed=1, reads=reads)
    torch.nn.init.constant_(net.value_head.bias, 1.0)  # worth transporting before any training
    pay = ReadTransport(worlds, 1, STEPS, **{**RULE, **rule}) if transport else None
    return Sampler(lifetime, net, seed=5, max_seq_len=seq, transport=pay)


def test_extra_rewards_are_the_published_rule_on_what_training_would_read():
    sampler = make_sampler()
    fragment = sampler.run(2 * STEPS)
    assert fragment.transport.any()
    net = sampler.net
    for w in range(3):
        for start in (0, STEPS):
            now = slice(start, start + STEPS)
            grid, vec = (
                torch.from_numpy(fragment.obs[k][now, w, 0])[None] for k in ("grid", "vec")
            )
            with torch.inference_mode():
                out = net(grid, vec)
                causal = torch.ones(1, STEPS, STEPS, dtype=torch.bool).tril(-1)
                read = net.reads(out.h, out.z, causal)
            expected = hung_transport(
                read.weights[0].numpy(), read.strength[0].numpy(), fragment.value[now, w, 0], **RULE
            )
            np.testing.assert_allclose(fragment.transport[now, w, 0], expected, atol=1e-4)


def test_recorded_choices_are_those_of_a_training_forward_pass():
    sampler = make_sampler()
    fragment = sampler.run(STEPS)
    assert len(fragment.seq_step) == 3 * 4
    for s, (t, w, n) in enumerate(zip(fragment.seq_step, fragment.seq_world, fragment.seq_len)):
        state = {k: torch.from_numpy(v[s]) for k, v in fragment.seq_state.items()}
        assert state["known"].item() == t
        now = slice(t, t + n)
        grid, vec = (torch.from_numpy(fragment.obs[k][now, w, 0])[None] for k in ("grid", "vec"))
        with torch.inference_mode():
            out = sampler.net(grid, vec, state)
        np.testing.assert_allclose(out.logits[0], fragment.logits[now, w, 0], atol=1e-5)
        np.testing.assert_allclose(out.value[0], fragment.value[now, w, 0], atol=1e-5)


def test_each_episode_begins_with_an_empty_memory():
    fragment = make_sampler().run(2 * STEPS)
    first = (fragment.seq_step % STEPS) == 0
    assert not any(column[first].any() for column in fragment.seq_state.values())


def test_a_restored_sampler_goes_on_exactly():
    first, second = make_sampler(), make_sampler()
    first.run(STEPS)
    second.set_state(first.get_state())
    a, b = first.run(STEPS), second.run(STEPS)
    for name in ("action", "value", "transport"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_a_world_is_paid_the_same_in_any_batch():
    together, alone = (
        make_sampler(worlds=4).run(STEPS),
        make_sampler(worlds=1, first_uid=2).run(STEPS),
    )
    assert np.array_equal(together.action[:, 2], alone.action[:, 0])
    np.testing.assert_allclose(together.transport[:, 2], alone.transport[:, 0], atol=1e-5)


def test_without_a_share_to_send_play_is_the_same_and_nothing_is_paid():
    paid, mute = make_sampler(), make_sampler(alpha=0.0)
    a, b = paid.run(STEPS), mute.run(STEPS)
    assert np.array_equal(a.action, b.action)
    assert a.transport.any()
    assert not b.transport.any()
    assert paid.transport.sums["transported"] > 0 == mute.transport.sums["transported"]


def test_fragments_that_are_not_whole_episodes_are_refused():
    sampler = make_sampler()
    with pytest.raises(ValueError, match=r"50 env-steps, but .* ppo\.rollout"):
        sampler.run(50)
    make_late = make_sampler(transport=False)
    make_late.run(7)
    make_late.transport = make_sampler().transport
    with pytest.raises(ValueError, match="does not begin with an episode"):
        make_late.run(STEPS)


def test_a_policy_file_takes_its_memory_along(tmp_path):
    sampler = make_sampler()
    fragment = sampler.run(STEPS)
    policy = load_policy(save_policy(sampler.net, tmp_path / "policy"))
    state = policy.initial_state(3)
    for t in range(STEPS):
        obs = {key: column[t, :, 0] for key, column in fragment.obs.items()}
        logits, _, state = policy.logits(obs, state)
        np.testing.assert_allclose(logits, fragment.logits[t, :, 0], atol=1e-5)


def test_padding_counts_in_no_term_of_the_memorys_loss():
    net = make_sampler().net
    grid = torch.randint(0, 2, (2, 6, *net.grid_shape), dtype=torch.uint8)
    vec, valid = torch.randn(2, 6, net.vec_size), torch.ones(2, 6, dtype=torch.bool)
    out = net(grid, vec)
    part = {"rebuild": 1.0, "cost": 0.1}
    whole, _ = reading_loss(
        net, {"grid": grid[:, :4], "vec": vec[:, :4]}, out.z[:, :4], out.strength[:, :4],
        valid[:, :4], **part,
    )  # fmt: skip
    valid[:, 4:] = False
    padded, stats = reading_loss(
        net, {"grid": grid, "vec": vec}, out.z, out.strength, valid, **part
    )
    torch.testing.assert_close(padded, whole)
    assert float(stats["read_strength"]) == pytest.approx(5.0, abs=0.5)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # RLlib's own, when an Algorithm is built
def test_a_resumed_run_reads_learns_and_pays_as_the_uninterrupted_one(cluster, tmp_path):
    from karma_rllib.plugin.algorithm_config import KarmaConfig

    config = (
        KarmaConfig()
        .world("match-v0", look_steps=5, delay_steps=30)
        .module(**{key: getattr(SPEC, key) for key in ("cnn_filters", "mlp", "projector", "lstm")})
        .tvt(match="hung", memory_slots=STEPS, read_strength=5.0)
        .condition("tvt")
        .ppo(envs=4, rollout=STEPS, minibatch=80, epochs=2, max_seq_len=10)
        .debugging(seed=3, log_level="ERROR")
    )
    first = config.build_algo()
    first.train()
    second = config.build_algo()
    second.restore_from_path(first.save_to_path(str(tmp_path / "saved")))
    results = [one.train() for one in (first, second)]
    weights = [one.get_weights()["shared"] for one in (first, second)]
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])
    for family in ("ppo", "tvt", "match"):
        assert results[0][family] == results[1][family]
    assert results[0]["ppo"]["ratio_epoch0"] < 1e-4
    assert results[0]["tvt"]["rebuild_loss"] > 0
    for one in (first, second):
        one.stop()
