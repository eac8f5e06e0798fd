"""Policy files: bit-equal, readable without code, and refused in one sentence when they lie."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from karma_rllib.nets.net import PRESETS, MirrorNet, make_spec
from karma_rllib.nets.policy import Policy, load_policy, save_policy

GRID, D, A = (7, 7, 10), 15, 8
META = {"world": {"name": "harvest-v0", "params": {"timeout": 25}}, "action_names": ["NOOP"]}


def make_net(preset="small", **kw):
    return MirrorNet(GRID, D, A, make_spec(preset), **{"action_floor": 0.01, "seed": 3, **kw})


def observation(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "grid": rng.integers(0, 2, (n, *GRID), dtype=np.uint8),
        "vec": rng.normal(size=(n, D)).astype(np.float32),
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_a_loaded_policy_has_the_log_probabilities_of_the_saved_network_bit_for_bit(
    preset, tmp_path
):
    net = make_net(preset, role_head_input="z", grid_scale=0.5)
    policy = load_policy(save_policy(net, tmp_path / "policy", META))
    state, direct = policy.initial_state(6), net.initial_state(6)
    for t in range(3):
        obs = observation(seed=t)
        logits, value, state = policy.logits(obs, state)
        with torch.inference_mode():
            expected, expected_value, direct = net.step(
                torch.from_numpy(obs["grid"]), torch.from_numpy(obs["vec"]), direct
            )
        np.testing.assert_array_equal(logits, expected.numpy())
        np.testing.assert_array_equal(value, expected_value.numpy())
        for key in direct:
            np.testing.assert_array_equal(state[key], direct[key].numpy())
    assert policy.meta == META
    assert policy.net.spec == net.spec
    assert policy.net.role_head_input == "z"
    assert (policy.obs_shapes, policy.num_actions) == ({"grid": GRID, "vec": (D,)}, A)
    for path in ("policy.json", "policy.safetensors"):
        assert load_policy(tmp_path / "policy" / path).net.spec == net.spec


def test_actions_are_sampled_from_the_policy_with_its_own_seed():
    # 5000 draws per agent: 5 standard deviations of a frequency, exceeded by one of 32 with a
    # chance below 1e-4.
    net = make_net("tiny")
    torch.nn.init.normal_(net.policy_head.weight, generator=torch.Generator().manual_seed(0))
    obs = {key: np.repeat(x, 5_000, 0) for key, x in observation(4).items()}
    policy = Policy(net, seed=1)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    actions, _ = policy.step(obs, policy.initial_state(20_000))
    assert torch.equal(torch.random.get_rng_state(), before)
    logits, _, _ = policy.logits(observation(4), policy.initial_state(4))
    p = np.exp(logits)
    counts = np.stack([np.bincount(a, minlength=A) for a in actions.reshape(4, -1)])
    assert (np.abs(counts / 5_000 - p) < 5 * np.sqrt(p * (1 - p) / 5_000) + 1e-6).all()
    again, _ = Policy(net, seed=1).step(obs, {})
    other, _ = Policy(net, seed=2).step(obs, {})
    np.testing.assert_array_equal(actions, again)
    assert (actions != other).any()
    assert actions.dtype == np.int64


def test_two_episodes_of_one_policy_do_not_repeat_the_same_chances():
    policy, obs = Policy(make_net("tiny"), seed=1), observation(200)
    first, _ = policy.step(obs, policy.initial_state(200))
    second, _ = policy.step(obs, policy.initial_state(200))
    assert (first != second).any()


def test_a_greedy_policy_takes_the_likeliest_action():
    policy, obs = Policy(make_net(), greedy=True), observation()
    actions, _ = policy.step(obs, policy.initial_state(6))
    logits, _, _ = policy.logits(obs, policy.initial_state(6))
    np.testing.assert_array_equal(actions, logits.argmax(-1))


def test_a_policy_refuses_another_world():
    policy = Policy(make_net("tiny"))
    policy.check({"grid": GRID, "vec": (D,)}, A)
    with pytest.raises(
        ValueError, match=r"sees grid of shape \(7, 7, 10\) but the world shows \(9"
    ):
        policy.check({"grid": (9, 9, 10), "vec": (D,)}, A)
    with pytest.raises(ValueError, match="knows 8 actions but the world has 9"):
        policy.check({"grid": GRID, "vec": (D,)}, 9)
    wrong = observation()
    wrong["vec"] = wrong["vec"][:, :-1]
    with pytest.raises(ValueError, match=r"expects vec of shape \(n, 15\) but got \(6, 14\)"):
        policy.step(wrong, {})


def spoil(directory, **changes):
    file = directory / "policy.json"
    data = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "other"}, "format is not 'karma_rllib.policy'"),
        ({"version": 2}, "version is 2 but only 1 can be read"),
        ({"num_actions": 9}, "weights .* do not fit"),
        ({"net": None}, "key 'net' is missing"),
        ({"net": {"lstms": 3}}, "no policy description: .*lstms"),
        ({"action_floor": 2.0}, "action_floor is 2.0"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_sentence(changes, says, tmp_path):
    save_policy(make_net("tiny"), tmp_path)
    spoil(tmp_path, **changes)
    with pytest.raises(ValueError, match=says) as error:
        load_policy(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no policy\.json in"):
        load_policy(tmp_path)
    save_policy(make_net("tiny"), tmp_path)
    (tmp_path / "policy.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="do not fit"):
        load_policy(tmp_path)
    (tmp_path / "policy.json").write_text("{")
    with pytest.raises(ValueError, match="no policy description"):
        load_policy(tmp_path)
    with pytest.raises(ValueError, match="must be JSON data"):
        save_policy(make_net("tiny"), tmp_path, {"seed": object()})


def test_loading_a_policy_imports_no_ray(tmp_path):
    save_policy(make_net("tiny"), tmp_path)
    code = (
        "import sys; from karma_rllib.nets.policy import load_policy; "
        f"load_policy({str(tmp_path)!r}); sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
