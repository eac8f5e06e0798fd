"""Policies by address: found, told apart, refused in a sentence; and they act alike anywhere."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from karma_rllib import worlds
from karma_rllib.envs.bots import begin
from karma_rllib.envs.harvest_bots import Bully
from karma_rllib.nets import policies
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.nets.policy import load_policy, names_of, save_policy

PARAMS = {"num_agents": 2, "max_steps": 30}


def make_world(**params):
    return worlds.make("harvest-v0", profile="gathering", **{**PARAMS, **params})


def write(folder, steps=10, seed=0, **meta):
    world = make_world()
    net = MirrorNet(
        world.obs_shapes["grid"], world.obs_shapes["vec"][0], 8, make_spec("small"), 0.01, seed=seed
    )
    about = {"name": "harvest-v0", "profile": "gathering", "params": PARAMS}
    meta = {"world": about, "names": names_of(world), "agent_steps": steps, **meta}
    return save_policy(net, folder, meta)


@pytest.fixture
def run(tmp_path):
    """A run folder with two trials; yields fall in the first and rise in the second."""
    for trial, yields in (("karma_s1", (3.0, 2.0)), ("karma_s2", (1.0, 5.0))):
        rows = []
        for k, value in zip((9, 10), yields, strict=True):
            write(tmp_path / trial / f"checkpoint_{k}" / "policy", steps=k * 100)
            row = {"agent_steps": k * 100, "training_iteration": k}
            rows.append({**row, "social": {"yield": value, "violence_rate": value}})
        text = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / trial / "result.json").write_text(text)
    return tmp_path


def test_addresses_lead_to_the_policies_that_they_name(run):
    trial = run / "karma_s1"
    newest = trial / "checkpoint_10" / "policy"
    for uri in (trial, f"file://{trial}", newest, newest.parent, newest / "policy.json"):
        found = policies.locate(str(uri))
        assert found.folder == newest
        assert (found.uri, found.version) == (f"file://{trial}", 1000)
    assert policies.locate(f"latest:{trial}").folder == newest
    best = {
        "social/yield": ("karma_s2", 1000),
        "yield": ("karma_s2", 1000),
        "-yield": ("karma_s2", 900),
        "social/violence_rate": ("karma_s2", 900),
    }
    for metric, (name, version) in best.items():
        found = policies.locate(f"best:{metric}:{run}")
        assert (found.uri, found.version) == (f"file://{run / name}", version)
    assert [found.version for found in policies.list_policies(run)] == [900, 1000] * 2


def test_bots_and_chance_have_addresses_too():
    world = make_world()
    assert isinstance(policies.resolve("bot://bully", world), Bully)
    obs = {key: x[0] for key, x in world.reset().items()}
    policy = policies.resolve("random://", world, seed=1)
    actions, _ = policy.step(obs, policy.initial_state(2))
    assert actions.shape == (2,)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("bot://buly", "no bot 'buly' in harvest-v0: did you mean 'bully'"),
        ("s3://bucket/x", "nothing is addressed by s3://; known are"),
        ("latest:{run}", "one of 2 trials"),
        ("best:social/yeild:{run}", "no checkpoint in there has a result 'social/yeild'"),
        ("best:yield", "names no run folder"),
        ("{run}/nowhere", "no such checkpoint"),
        ("latest:{run}/nowhere", "no such run folder"),
        ("{run}", "holds no trained policy"),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(uri, says, run):
    with pytest.raises(ValueError, match=says) as error:
        policies.resolve(uri.format(run=run), make_world())
    assert "\n" not in str(error.value)


def test_a_policy_of_another_world_is_refused(tmp_path):
    folder = write(tmp_path / "a")
    with pytest.raises(ValueError, match="cannot act here: the policy sees grid of shape"):
        policies.resolve(str(folder), make_world(view_radius=5))
    with pytest.raises(ValueError, match="entry 1 of action_names as 'forward'"):
        policies.resolve(str(folder), make_world(move_frame="absolute"))
    policies.resolve(str(folder), make_world(num_agents=4))


@pytest.mark.parametrize("write_pickle", [pickle.dump, torch.save])
def test_a_file_with_a_pickle_inside_is_refused_unread(write_pickle, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('the pickle was read')",))

    folder = write(tmp_path)
    with (folder / "policy.safetensors").open("wb") as file:
        write_pickle(Bomb(), file)
    with pytest.raises(ValueError, match="holds a pickle, which could run code"):
        load_policy(folder)


def test_an_exported_policy_is_the_same_and_is_not_written_over(run, tmp_path):
    world = make_world()
    obs = {key: x[0] for key, x in world.reset().items()}
    here = policies.export(str(run / "karma_s1"), tmp_path / "out")
    one, two = policies.resolve(str(run / "karma_s1"), world), policies.resolve(str(here), world)
    for a, b in zip(
        one.logits(obs, {**one.initial_state(2)}),
        two.logits(obs, two.initial_state(2)),
        strict=True,
    ):
        if not isinstance(a, dict):
            np.testing.assert_array_equal(a, b)
    assert {file.name for file in here.iterdir()} == {"policy.json", "policy.safetensors"}
    with pytest.raises(ValueError, match="already holds a policy"):
        policies.export(str(run / "karma_s2"), here)
    with pytest.raises(ValueError, match="no files to export"):
        policies.export("bot://bully", tmp_path / "bully")


def test_a_row_that_is_named_takes_the_same_chances_in_any_batch(tmp_path):
    policy = load_policy(write(tmp_path), seed=3)
    rng = np.random.default_rng(0)
    obs = {
        "grid": rng.integers(0, 2, (40, *policy.obs_shapes["grid"]), dtype=np.uint8),
        "vec": rng.normal(size=(40, *policy.obs_shapes["vec"])).astype(np.float32),
    }
    rows, some = np.arange(40) + 7, np.array([3, 30])
    actions, after = policy.step(obs, begin(policy, rows))
    again, _ = policy.step(obs, begin(policy, rows))
    later, _ = policy.step(obs, {**begin(policy, rows), "steps": after["steps"]})
    alone, _ = policy.step({k: x[some] for k, x in obs.items()}, begin(policy, rows[some]))
    np.testing.assert_array_equal(actions, again)
    np.testing.assert_array_equal(alone, actions[some])
    assert (later != actions).any()


def test_a_policy_acts_where_ray_cannot_be_imported(tmp_path):
    """The log-probabilities of another process without ray are those of this one, bit for bit."""
    folder = write(tmp_path / "policy")
    code = f"""
import sys
sys.modules["ray"] = None  # importing it raises
import numpy as np
from karma_rllib import worlds
from karma_rllib.nets import load_policy
world = worlds.make("harvest-v0", profile="gathering", **{PARAMS!r})
policy = load_policy({str(folder)!r})
obs = {{key: x[0] for key, x in world.reset().items()}}
np.save({str(tmp_path / "there.npy")!r}, policy.logits(obs, policy.initial_state(2))[0])
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    world, policy = make_world(), load_policy(folder)
    obs = {key: x[0] for key, x in world.reset().items()}
    here = policy.logits(obs, policy.initial_state(2))[0]
    np.testing.assert_array_equal(np.load(tmp_path / "there.npy"), here)


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_log_probabilities_are_those_of_the_rllib_module_bit_for_bit(preset, tmp_path):
    import gymnasium as gym

    from karma_rllib.plugin.module import KarmaModule

    world = make_world()
    grid, vec = world.obs_shapes["grid"], world.obs_shapes["vec"]
    module = KarmaModule(
        observation_space=gym.spaces.Dict(
            grid=gym.spaces.Box(0, 255, grid, np.uint8), vec=gym.spaces.Box(-9, 9, vec)
        ),
        action_space=gym.spaces.Discrete(8),
        model_config={"net": {"preset": preset}, "action_floor": 0.01, "max_seq_len": 8},
    )
    policy = load_policy(save_policy(module.net, tmp_path))
    obs = {key: x[0] for key, x in world.reset().items()}
    state = policy.initial_state(2)
    batch = {"obs": {key: torch.from_numpy(x) for key, x in obs.items()}}
    if module.net.stateful:
        batch["obs"] = {key: x[:, None] for key, x in batch["obs"].items()}
        batch["state_in"] = {key: torch.from_numpy(x) for key, x in state.items()}
    with torch.inference_mode():
        want = module.forward_inference(batch)["action_dist_inputs"]
    want = want.numpy().reshape(2, -1)
    np.testing.assert_array_equal(policy.logits(obs, state)[0], want)
