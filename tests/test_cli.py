"""The command line: light to start, clear about what it has, one sentence for what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import karma_rllib
from karma_rllib import conditions, worlds
from karma_rllib.cli import app, evaluation, examples, listing, training
from karma_rllib.config import ConfigError, ExperimentConfig
from karma_rllib.config.counterparts import SEED_KEYS
from karma_rllib.config.experiment import section_models
from karma_rllib.envs.replay import load
from karma_rllib.envs.replay_life import verify

SMOKE = "name: tiny\nworld: {profile: dual_cleanup}\n"


def karma(*arguments: object) -> tuple[int, str, str]:
    """Run the command in this process: (exit code, stdout, stderr)."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def refusal(*arguments: object) -> str:
    """The one sentence with which a command refuses its arguments."""
    code, out, err = karma(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("karma: ")
    assert err.count("\n") == 1
    return err


# --- starting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    heavy = ["ray", "torch", "numpy", "numba", "gymnasium", "pandas", "matplotlib"]
    code = (
        f"import sys; sys.argv = ['karma', *{arguments}]\n"
        "from karma_rllib.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command():
    _, out, _ = karma("--help")
    names = (
        "train resume evaluate respond analyze suites compare probe calibrate results preregister "
        "verdict list replay play"
    )
    for command in names.split():
        assert command in out


def test_version_is_the_packages():
    assert karma("--version")[1].strip() == f"karma_rllib {karma_rllib.__version__}"


# --- list --------------------------------------------------------------------------------------


def test_list_worlds_and_profiles_show_all_there_are():
    _, out, _ = karma("list", "worlds")
    assert all(name in out for name in worlds.list_worlds())
    _, out, _ = karma("list", "profiles")
    assert all(name in out for name in worlds.list_profiles("harvest-v0"))


def test_list_conditions_shows_the_table():
    _, out, _ = karma("list", "conditions")
    for row in conditions.CONDITIONS.values():
        assert row.name in out
        assert row.about in out


def test_list_examples_shows_every_tuned_example_with_its_purpose():
    _, out, _ = karma("list", "examples")
    names = [path.stem for path in examples.FOLDER.glob("*.yaml")]
    assert {"smoke", "mirror_test_laptop", "mirror_test", "mirror_harm_only"} <= set(names)
    assert all(name in out for name in names)


def test_list_policies_shows_the_kinds_and_the_scripted_players():
    _, out, _ = karma("list", "policies")
    assert all(uri in out for uri in ("file://", "latest:", "random://", "bot://avenger"))
    assert "nowhere: no such run folder" in refusal("list", "policies", "nowhere")


def test_list_params_is_the_whole_reference():
    _, out, _ = karma("list", "params")
    for section, model in section_models().items():
        for key in model.model_fields:
            assert f"{section}.{key} " in out
    for key in type(worlds.resolve_params("harvest-v0")).model_fields:
        assert f"world.{key} " in out
    for there, here in SEED_KEYS.items():
        assert there in out
        assert here in out
    assert "[agent-steps]" in out  # units are not swallowed as markup


def test_list_params_of_one_section_shows_only_that():
    _, out, _ = karma("list", "params", "mirror")
    assert "mirror.weight" in out
    assert "ppo.lr" not in out


def test_list_refuses_what_does_not_exist():
    assert "did you mean 'mirror'?" in refusal("list", "params", "miror")
    assert "takes no further argument" in refusal("list", "worlds", "mirror")
    assert karma("list", "planets")[0] == 2


@pytest.mark.parametrize(
    ("value", "word"),
    [(None, "null"), (True, "true"), ((1, 2), "[1, 2]"), (1e-5, "1e-05"), ("none", "none")],
)
def test_defaults_are_printed_as_yaml(value, word):
    assert listing.yaml_word(value) == word


# --- train: what is refused --------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A valid experiment file, in an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(SMOKE)
    return path


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--set", "ppo.lrr=1"], "did you mean `ppo.lr`?"),
        (["--set", "ppo.lr"], "write it as section.key=value"),
        (["--conditions", "baseline,karmaa"], "did you mean 'karma'?"),
        (["--conditions", ""], "`conditions` is [], but it must not be empty"),
        (["--num-learners", "3"], "`resources.num_learners` is 3, but must divide"),
        (["--num-env-runners", "-1"], "`resources.num_env_runners` is -1, but it must be at least"),
        (["--num-gpus", "-1"], "`resources.num_gpus` is -1"),
        (["--set", "mirror.start_from=nowhere"], "there is no such checkpoint folder"),
        (["--set", "mirror.start_from=."], "that folder is no checkpoint"),
        (["--address", "127.0.0.1:1"], "no Ray cluster answers"),
        (["--address", "here:now"], "no Ray cluster answers"),
        (["--storage", "tiny.yaml"], "is a file, not a folder"),
        (["--storage", "tiny.yaml/deeper"], "is a file, not a folder"),
    ],
)
def test_a_bad_wish_is_refused_before_anything_is_made(tiny, arguments, part):
    assert part in refusal("train", tiny, *arguments)
    assert list(tiny.parent.iterdir()) == [tiny]


def test_seeds_must_be_a_positive_number(tiny):
    assert karma("train", tiny, "--seeds", "0")[0] == 2
    assert karma("train", tiny, "--seeds", "many")[0] == 2
    assert list(tiny.parent.iterdir()) == [tiny]


def test_a_missing_file_names_its_neighbour_or_the_examples(tiny):
    assert "did you mean" in refusal("train", "tinny.yaml")
    assert "smoke" in refusal("train", "smoek")


def test_a_real_process_refuses_with_exit_code_2_and_one_line(tiny):
    tiny.write_text(SMOKE + "ppo: {lr: fast}\n")
    done = subprocess.run(
        [sys.executable, "-m", "karma_rllib.cli", "train", "tiny.yaml"],
        capture_output=True,
        text=True,
        cwd=tiny.parent,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "karma: tiny.yaml, line 3: `ppo.lr` is 'fast', but it must be a number\n"
    )
    assert list(tiny.parent.iterdir()) == [tiny]


# --- train: what is understood -----------------------------------------------------------------


@pytest.fixture
def understood(monkeypatch) -> list[ExperimentConfig]:
    """Experiments that the command line hands on, instead of running them."""
    seen: list[ExperimentConfig] = []
    monkeypatch.setattr(training, "train", lambda config, *_, **__: seen.append(config))
    return seen


def test_options_are_short_for_keys(tiny, understood):
    code, _, _ = karma(
        *("train", tiny, "--seeds", 2, "--conditions", "baseline, karma_out"),
        *("--num-env-runners", 2, "--num-learners", 2, "--num-gpus", 0.5, "--wandb", "offline"),
        *("--set", "ppo.lr=1e-3", "--set", "name=other"),
    )
    assert code == 0
    (config,) = understood
    assert config.seeds == (42, 123)
    assert config.conditions == ("baseline", "karma_out")
    assert config.resources.num_env_runners == config.resources.num_learners == 2
    assert config.resources.num_gpus == 0.5
    assert config.tracking.wandb == "offline"
    assert (config.ppo.lr, config.name) == (1e-3, "other")


def test_an_example_may_be_called_by_its_name(tiny, understood):
    karma("train", "smoke")
    assert understood[0] == ExperimentConfig.load(examples.FOLDER / "smoke.yaml")


def test_a_file_here_goes_before_an_example_of_that_name(tiny, understood):
    (tiny.parent / "smoke").write_text(SMOKE)
    karma("train", "smoke")
    assert understood[0].name == "tiny"


def test_fewer_seeds_are_the_first_of_the_file_and_more_go_on_along_the_standard_list(tiny):
    own = ["seeds=[7, 8, 9]"]
    assert training.load(str(tiny), own, 2).seeds == (7, 8)
    assert training.load(str(tiny), [], 7).seeds == (42, 123, 202, 303, 404, 505, 606)
    with pytest.raises(ConfigError, match="lists only 3 seeds of its own"):
        training.load(str(tiny), own, 4)


# --- resume, compare, evaluate: what is refused ------------------------------------------------


def test_resume_wants_a_run_folder(tmp_path):
    assert "no such run folder" in refusal("resume", tmp_path / "nowhere")
    assert "is not a run folder" in refusal("resume", tmp_path)
    inner = tmp_path / "run_1"
    inner.mkdir()
    (inner / "experiment.yaml").write_text(SMOKE)
    assert f"did you mean {inner}?" in refusal("resume", tmp_path)


def test_compare_wants_results(tmp_path):
    assert "does not exist" in refusal("compare", tmp_path / "nowhere")
    (tmp_path / "experiment.yaml").write_text(SMOKE)
    assert "no results yet" in refusal("compare", tmp_path)
    assert not (tmp_path / "comparison").exists()


def test_evaluate_wants_a_policy(tmp_path):
    assert "no such checkpoint" in refusal("evaluate", tmp_path / "nowhere")
    assert "holds no trained policy" in refusal("evaluate", tmp_path)
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "policy.json").write_text("{}")
    assert "policy.safetensors" in refusal("evaluate", tmp_path)
    (policy / "policy.safetensors").write_bytes(b"")
    assert "no policy description" in refusal("evaluate", tmp_path)


# --- evaluate: what it does --------------------------------------------------------------------

WORLD = {"name": "harvest-v0", "profile": "gathering", "params": {"num_agents": 2, "max_steps": 40}}


@pytest.fixture
def trial(tmp_path) -> Path:
    """A trial's folder with two checkpoints of an untrained policy."""
    from karma_rllib.nets.net import MirrorNet
    from karma_rllib.nets.policy import save_policy
    from karma_rllib.nets.spec import make_spec
    from karma_rllib.society.lifetime import make_lifetime

    shapes = make_lifetime(profile="gathering", **WORLD["params"]).obs_shapes
    net = MirrorNet(shapes["grid"], shapes["vec"][0], 8, make_spec("small"), 0.01)
    for k in (9, 10):
        meta = {"world": WORLD, "condition": "karma", "seed": 42, "agent_steps": k}
        save_policy(net, tmp_path / f"checkpoint_0000{k:02d}" / "policy", meta)
    return tmp_path


def test_a_trial_means_its_newest_checkpoint(trial):
    newest = trial / "checkpoint_000010" / "policy"
    assert evaluation.find_policy(trial) == newest
    assert evaluation.find_policy(newest.parent) == newest
    assert evaluation.find_policy(newest) == newest


def test_evaluate_prints_every_metric_and_films_an_episode(trial):
    from karma_rllib.analysis.definitions import METRICS

    code, out, _ = karma("evaluate", trial, "--episodes", 3, "--gif", trial / "film.gif")
    assert code == 0
    assert "condition karma, seed 42, agent_steps 10" in out
    assert all(f"social/{name} " in out for name in METRICS)
    assert (trial / "film.gif").read_bytes().startswith(b"GIF8")


def test_evaluation_keeps_episodes_worth_seeing(trial):
    code, out, _ = karma("evaluate", trial, "--episodes", 3, "--replays", trial / "kept")
    assert (code, out.count(".replay")) == (0, 3)
    kept = {path.stem: load(path) for path in (trial / "kept").iterdir()}
    assert set(kept) == {"best", "median", "violent"}
    for replay in kept.values():
        verify(replay)
        assert set(replay.head.policies) == {"karma_s42"}
    said = refusal("evaluate", "bot://bully", "random://", "--replays", trial / "kept")
    assert "--replays is of one policy" in said


def test_evaluation_repeats_itself_and_counts_whole_episodes(trial):
    def played(episodes: int, seed: int) -> dict[str, float]:
        policy, world = evaluation.open_policy(trial, seed)
        return evaluation.play(policy, world, episodes, seed)

    metrics = played(4, seed=1)
    assert metrics == played(4, seed=1)
    assert metrics != played(4, seed=2)
    # One world's apples per step, over all its agents, are its apples per agent and episode.
    assert metrics["efficiency"] * 40 / 2 == pytest.approx(metrics["yield"])
    assert metrics["yield_rate"] * 40 == pytest.approx(metrics["yield"])


def test_more_episodes_than_worlds_are_played_in_rounds(trial, monkeypatch):
    monkeypatch.setattr(evaluation, "WORLDS", 2)
    policy, world = evaluation.open_policy(trial, 0)
    metrics = evaluation.play(policy, world, 5, 0)
    assert metrics["efficiency"] * 40 / 2 == pytest.approx(metrics["yield"])
    assert 0 < metrics["peace"] <= 2


def test_a_policy_is_not_played_in_a_world_it_cannot_see(trial):
    policy, world = evaluation.open_policy(trial, 0)
    with pytest.raises(ConfigError, match="the policy sees grid of shape"):
        evaluation.play(policy, {**world, "view_radius": 4}, 1, 0)


def test_a_policy_must_say_where_it_was_trained(trial):
    path = trial / "checkpoint_000010" / "policy" / "policy.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "meta": {}}))
    assert "does not say in which world" in refusal("evaluate", trial)
