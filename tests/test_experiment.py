"""From an experiment to its trials: building, staging, run folders, the live table.

Nothing here starts Ray; `test_experiment_ray.py` does.
"""

import json
import os
import pickle
import subprocess
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from karma_rllib import conditions
from karma_rllib.cli.examples import examples
from karma_rllib.config import ConfigError, ExperimentConfig
from karma_rllib.experiment import cluster, provenance, stages, tuning
from karma_rllib.experiment.build import build_algorithm_config
from karma_rllib.experiment.live import HEADS, LiveTable, Row, duration
from karma_rllib.experiment.stages import StageResult
from karma_rllib.experiment.trial import KarmaTrial, algorithm_config, trial_space
from karma_rllib.plugin.algorithm_config import KarmaConfig


def experiment(**sections) -> ExperimentConfig:
    return ExperimentConfig.of({"name": "t", "world": {"profile": "dual_cleanup"}, **sections})


CURE = {
    "mirror": {"start_from": "cure"},
    "budget": {"cure_at_agent_steps": 100, "agent_steps": 300},
}

# --- building ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", conditions.CONDITIONS)
def test_every_condition_builds_and_only_its_name_differs(name):
    config = experiment(conditions=["baseline", name] if name != "baseline" else [name])
    built = build_algorithm_config(config, name, 7).to_dict()
    base = build_algorithm_config(config, "baseline", 7).to_dict()
    differs = {key for key in built if repr(built[key]) != repr(base[key])}
    row = conditions.condition(name)
    rigs, told = row.matchmaker != "off", {"matchmaker"} if row.zap else {"zap_works"}
    world = {"env_config"} if rigs or not row.zap else set()
    assert differs - {"synced_env_keys"} <= {"condition_name"} | world
    if world:  # of the world only who rigs its spawns, or whether zaps work
        extra = set(built["env_config"]) ^ set(base["env_config"])
        assert extra == told
    assert built["condition_name"] == name


def test_each_setting_reaches_the_algorithm():
    config = experiment(
        world={"profile": "dual_cleanup", "timeout": 30},
        ppo={
            "lr": 1e-3,
            "gamma": 0.9,
            "gae_lambda": 0.5,
            "clip": 0.1,
            "epochs": 2,
            "ent": 0.02,
            "vf": 0.7,
            "grad_clip": 1.5,
            "envs": 6,
            "rollout": 64,
            "minibatch": 96,
        },
        module={"preset": "small", "lstm": 16},
        mirror={"weight": 0.3, "aggressor_view": "decision"},
        resources={"num_env_runners": 2, "num_learners": 2, "cpus_per_trial": 3},
    )
    built = build_algorithm_config(config, "karma_out", 5, start_from="/somewhere")
    assert (built.lr, built.gamma, built.lambda_, built.clip_param) == (1e-3, 0.9, 0.5, 0.1)
    assert (built.num_epochs, built.entropy_coeff, built.vf_loss_coeff) == (2, 0.02, 0.7)
    assert (built.grad_clip, built.num_envs_per_env_runner) == (1.5, 6)
    assert built.rollout_fragment_length == 64
    assert (built.num_env_runners, built.num_learners) == (2, 2)
    assert built.num_cpus_for_main_process == 3
    assert built.seed == 5
    assert built.start_from_path == "/somewhere"
    assert built.module_settings["lstm"] == 16
    assert built.mirror_settings["weight"] == 0.3
    assert built.mirror_settings["aggressor_view"] == "decision"
    assert built.world_params["timeout"] == 30


@pytest.mark.parametrize(
    ("setter", "key", "right"),
    [
        ("mirror", "wieght", "`mirror.weight`"),
        ("ppo", "learning_rate", "`ppo.lr`"),
        ("module", "projectr", "`module.projector`"),
        ("role", "wait", "`role.weight`"),
    ],
)
def test_the_typed_setters_speak_as_the_files_do(setter, key, right):
    with pytest.raises(ConfigError) as caught:
        getattr(KarmaConfig(), setter)(**{key: 1})
    assert f"unknown key `{setter}.{key}` (value 1); did you mean {right}?" == str(caught.value)


@pytest.mark.parametrize("name", examples())
def test_every_tuned_example_builds_for_all_its_conditions(name):
    path = examples()[name]
    config = ExperimentConfig.load(path)
    assert config.name == name
    for condition in config.conditions:
        algorithm = build_algorithm_config(config, condition, config.seeds[0])
        algorithm.validate()
    header = path.read_text(encoding="utf-8").partition("name:")[0]
    for heading in ("What it shows:", "What it costs:", "What to expect:"):
        assert heading in header


@pytest.mark.parametrize(
    ("name", "length"), [("mirror_test_laptop", 1_200_000), ("mirror_pilot", 1_500_000)]
)
def test_both_dual_use_examples_are_the_cure_design_of_the_pilot(name, length):
    config = ExperimentConfig.load(examples()[name])
    assert config.cure
    assert (config.budget.cure_at_agent_steps, config.budget.agent_steps) == (600_000, length)
    assert (config.ppo.gae_lambda, config.ppo.lr, config.ppo.epochs) == (0.3, 5e-4, 3)
    assert config.agent_steps_per_iteration == 20 * 256 * 5
    assert config.mirror.aux_warmup_steps == 400_000
    assert {"baseline", "broken", "karma"} <= set(config.conditions)


# --- trials ------------------------------------------------------------------------------------


def test_a_trial_branches_from_the_stem_of_its_seed_inside_the_run_folder():
    space = trial_space(experiment(**CURE), {42: "stem/baseline_s42/checkpoint_000001"})
    trial = {**json.loads(json.dumps(space)), "condition": "karma", "seed": 42}
    built = algorithm_config(trial, "/runs/t_1")
    assert built.start_from_path == "/runs/t_1/stem/baseline_s42/checkpoint_000001"
    assert (built.condition_name, built.seed) == ("karma", 42)
    assert algorithm_config({**trial, "seed": 123}, "/runs/t_1").start_from_path is None


def test_a_trial_may_start_from_a_checkpoint_made_elsewhere():
    space = trial_space(experiment(mirror={"start_from": "/old/checkpoint"}))
    trial = {**space, "condition": "karma", "seed": 42}
    assert algorithm_config(trial, "/runs/t_1").start_from_path == "/old/checkpoint"


@pytest.mark.parametrize(
    ("resources", "bundles"),
    [
        ({}, [{"CPU": 1}]),
        ({"num_env_runners": 2}, [{"CPU": 1}, {"CPU": 1}, {"CPU": 1}]),
        ({"num_gpus": 0.5}, [{"CPU": 1, "GPU": 0.5}]),
        ({"num_learners": 2, "num_gpus": 1}, None),
    ],
)
def test_a_trial_asks_for_what_it_occupies(resources, bundles):
    trial = {**trial_space(experiment(resources=resources)), "condition": "karma", "seed": 1}
    request = KarmaTrial.default_resource_request(trial)
    if bundles is not None:
        assert request.bundles == bundles
    else:
        assert request.required_resources["GPU"] == 2


# --- stages ------------------------------------------------------------------------------------


class FakeTune:
    """Stands in for `run_stage`: notes what it is asked for and answers as told."""

    def __init__(self, *answers: StageResult) -> None:
        self.answers, self.stages = list(answers), []

    def __call__(self, config, stage, run_dir) -> StageResult:
        self.stages.append(stage)
        stage.folder.mkdir(exist_ok=True)
        return self.answers.pop(0) if self.answers else StageResult()


def stem_result(run_dir: Path, *seeds: int) -> StageResult:
    return StageResult(
        {("baseline", s): run_dir / "stem" / f"baseline_s{s}" / "checkpoint_000003" for s in seeds}
    )


def run_stages(monkeypatch, run_dir: Path, config, *answers) -> tuple[stages.Outcome, FakeTune]:
    fake = FakeTune(*answers)
    monkeypatch.setattr(tuning, "run_stage", fake)
    return stages._run_stages(config, run_dir), fake


def test_a_cure_trains_one_stem_per_seed_and_branches_every_condition_from_it(
    tmp_path, monkeypatch
):
    config = experiment(**CURE, seeds=2)
    outcome, fake = run_stages(monkeypatch, tmp_path, config, stem_result(tmp_path, 42, 123))
    stem, main = fake.stages
    assert (stem.conditions, stem.seeds, stem.agent_steps) == (("baseline",), (42, 123), 100)
    assert stem.folder == tmp_path / "stem"
    assert (main.conditions, main.seeds, main.agent_steps) == (config.conditions, (42, 123), 300)
    assert main.folder == tmp_path
    assert main.stems == {
        42: "stem/baseline_s42/checkpoint_000003",
        123: "stem/baseline_s123/checkpoint_000003",
    }
    assert outcome.ok


def test_a_prevention_design_has_one_stage(tmp_path, monkeypatch):
    _, fake = run_stages(monkeypatch, tmp_path, experiment(seeds=2))
    assert [stage.folder for stage in fake.stages] == [tmp_path]
    assert fake.stages[0].stems == {}


def test_stems_that_finished_are_not_trained_again(tmp_path, monkeypatch):
    config = experiment(**CURE, seeds=1)
    _, first = run_stages(monkeypatch, tmp_path, config, stem_result(tmp_path, 42))
    _, again = run_stages(monkeypatch, tmp_path, config)
    assert len(first.stages) == 2
    assert [stage.folder for stage in again.stages] == [tmp_path]
    assert again.stages[0].stems == first.stages[1].stems


def test_an_interrupted_stem_ends_the_experiment_there(tmp_path, monkeypatch):
    answer = StageResult(interrupted=True)
    outcome, fake = run_stages(monkeypatch, tmp_path, experiment(**CURE), answer)
    assert len(fake.stages) == 1
    assert outcome.interrupted
    assert not outcome.ok


def test_a_failed_stem_costs_its_own_seed_only_and_is_tried_again_on_resume(tmp_path, monkeypatch):
    config = experiment(**CURE, seeds=2)
    answer = stem_result(tmp_path, 123)
    answer.failures = {"baseline_s42": tmp_path / "error.txt"}
    outcome, fake = run_stages(monkeypatch, tmp_path, config, answer)
    assert fake.stages[1].seeds == (123,)
    assert outcome.failures == {"stem/baseline_s42": tmp_path / "error.txt"}
    assert not outcome.ok
    _, again = run_stages(monkeypatch, tmp_path, config, stem_result(tmp_path, 42, 123))
    assert [stage.folder.name for stage in again.stages] == ["stem", tmp_path.name]


def trial(condition: str, status: str, steps: int, checkpoint: str | None = None):
    return SimpleNamespace(
        config={"condition": condition, "seed": 42},
        trial_id=condition,
        status=status,
        last_result={"agent_steps": steps},
        checkpoint=SimpleNamespace(path=checkpoint) if checkpoint else None,
    )


def test_what_became_of_trials_is_read_from_their_goal_not_only_their_status(tmp_path):
    (tmp_path / "broken_s42").mkdir()
    (tmp_path / "broken_s42" / "error.txt").write_text("boom")
    trials = [
        trial("baseline", "TERMINATED", 300, "/c"),
        trial("karma", "TERMINATED", 200),  # stopped by Ctrl-C
        trial("broken", "ERROR", 100),
    ]
    grid = SimpleNamespace(_experiment_analysis=SimpleNamespace(trials=trials))
    stage = stages.Stage(tmp_path, ("baseline",), (42,), agent_steps=300, keep=1)
    result = tuning._result(grid, stage)
    assert result.checkpoints == {("baseline", 42): Path("/c")}
    assert result.failures == {"broken_s42": tmp_path / "broken_s42" / "error.txt"}
    assert result.interrupted


# --- run folders -------------------------------------------------------------------------------


def test_a_run_folder_holds_the_resolved_experiment_and_its_provenance(tmp_path):
    config = experiment(seeds=2)
    run_dir = provenance.make_run_dir(config, tmp_path / "results")
    assert run_dir.name.startswith("t_")
    assert run_dir.is_absolute()
    path, again = provenance.open_run_dir(run_dir)
    assert (path, again) == (run_dir, config.resolved())
    data = json.loads((run_dir / "provenance.json").read_text())
    assert data["fingerprint"] == config.fingerprint()
    assert data["seeds"] == [42, 123]
    assert data["conditions"] == ["baseline", "broken", "karma"]
    assert data["versions"]["ray"]
    assert data["command"]
    assert data["resumed"] == []


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path):
    folders = {provenance.make_run_dir(experiment(), tmp_path) for _ in range(4)}
    assert len(folders) == 4


def test_a_resumption_is_noted(tmp_path):
    run_dir = provenance.make_run_dir(experiment(), tmp_path)
    provenance.note_resumption(run_dir)
    provenance.note_resumption(run_dir)
    assert len(json.loads((run_dir / "provenance.json").read_text())["resumed"]) == 2


def test_provenance_names_no_host_and_no_user(tmp_path):
    data = provenance.collect(experiment())
    assert set(data["platform"]) == {"system", "machine", "cpus"}


def test_the_commit_is_that_of_the_codes_own_tree(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@e"]
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert provenance.git_state(package) is None
    git("init")
    assert provenance.git_state(package) is None  # in a tree, but not part of it
    git("add", ".")
    git("commit", "-m", "first")
    state = provenance.git_state(package)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (package / "__init__.py").write_text("x = 1\n")
    assert provenance.git_state(package) == {**state, "dirty": True}


def test_storage_that_cannot_be_used_is_refused_without_making_anything(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/inner"):
        with pytest.raises(ConfigError, match="is a file, not a folder"):
            provenance.check_storage(tmp_path / place)
    provenance.check_storage(tmp_path / "new" / "deep")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_to_start_from_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "rllib_checkpoint.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    config = stages.with_checked_start(experiment(mirror={"start_from": "old"}))
    assert config.mirror.start_from == str(tmp_path / "old")
    assert stages.with_checked_start(experiment(**CURE)) == experiment(**CURE)


@pytest.mark.parametrize(("key", "user"), [("", False), ("", True), ("a key", False)])
def test_logging_online_needs_someone_logged_in(monkeypatch, key, user):
    import wandb

    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setattr(wandb, "login", lambda prompt: user)
    cluster.check_tracking(experiment(tracking={"wandb": "offline"}))
    online = experiment(tracking={"wandb": "online"})
    if key or user:
        cluster.check_tracking(online)
    else:
        with pytest.raises(ConfigError, match="nobody is logged in; run `wandb login`"):
            cluster.check_tracking(online)


def test_what_the_user_set_in_the_environment_stands(monkeypatch):
    own = {"RAY_AIR_NEW_OUTPUT": "1", "WANDB_MODE": "online"}
    monkeypatch.setattr(os, "environ", own)
    assert cluster.prepare_environment(experiment()) == {}
    assert os.environ["RAY_AIR_NEW_OUTPUT"] == "1"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    offline = experiment(tracking={"wandb": "offline"})
    assert cluster.prepare_environment(offline)["WANDB_MODE"] == "offline"
    assert os.environ["WANDB_MODE"] == "offline"


# --- the live table ----------------------------------------------------------------------------


def result(steps: int, iteration: int = 1, speed: float = 10.0) -> dict:
    social = {
        "violence_rate": 0.0123,
        "cooperation_rate": 0.2,
        "yield": 17.5,
        "selectivity": 16.3,
    }
    return {
        "training_iteration": iteration,
        "agent_steps": steps,
        "agent_steps_per_s": speed,
        "social": social,
    }


def live(terminal: bool) -> tuple[LiveTable, StringIO]:
    screen = StringIO()
    return LiveTable("t", 100, Console(file=screen, force_terminal=terminal, width=140)), screen


def test_a_row_shows_progress_metrics_and_time_left():
    row = Row("karma", 42, status="running")
    row.update(result(40, iteration=3))
    assert dict(zip(HEADS, row.cells(100), strict=True)) == {
        "condition": "karma",
        "seed": "42",
        "iter": "3",
        "agent-steps": "40",
        "steps/s": "10",
        "violence": "0.0123",
        "cooperation": "0.2000",
        "yield": "17.50",
        "selectivity": "16.30",
        "time left": "0:06",
    }


def test_the_metrics_of_the_table_are_documented_ones():
    from karma_rllib.analysis.definitions import METRICS
    from karma_rllib.experiment.live import METRICS as SHOWN

    assert {key for key, _ in SHOWN.values()} <= set(METRICS)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03")]
)
def test_durations_read_like_a_clock(seconds, text):
    assert duration(seconds) == text


def test_without_a_terminal_a_trial_prints_a_few_plain_lines():
    table, screen = live(terminal=False)
    one = trial("karma", "RUNNING", 0)
    table.on_step_begin(0, [one])
    for steps in range(1, 101):
        table.on_trial_result(0, [one], one, result(steps, iteration=steps))
    table.on_trial_complete(0, [one], one)
    lines = screen.getvalue().splitlines()
    assert 5 <= len(lines) <= 8
    assert lines[0].startswith("karma seed 42  iter 1  1 agent-steps")
    assert lines[-1].endswith("done")


def test_on_a_terminal_the_table_holds_every_trial_and_gives_the_screen_back():
    table, screen = live(terminal=True)
    trials = [trial("karma", "RUNNING", 0), trial("baseline", "PENDING", 0)]
    table.on_step_begin(0, trials)
    table.on_trial_start(0, trials, trials[0])
    table.on_trial_result(0, trials, trials[0], result(50))
    table.on_trial_error(0, trials, trials[0])
    table.on_experiment_end(trials)
    text = screen.getvalue()
    assert "karma" in text
    assert "baseline" in text
    assert "waiting" in text
    assert "failed" in text
    assert table._live is None


def test_restored_trials_show_where_they_stand():
    table, _ = live(terminal=False)
    done = trial("karma", "TERMINATED", 100)
    table.on_step_begin(0, [done])
    assert table.rows["karma"].status == "done"
    assert table.rows["karma"].agent_steps == 100


def test_the_table_can_be_stored_with_the_experiment_while_it_is_on_screen():
    table, _ = live(terminal=True)
    table.on_step_begin(0, [trial("karma", "RUNNING", 0)])
    again = pickle.loads(pickle.dumps(table))
    table.close()
    assert (again.title, again.goal, again.rows) == ("t", 100, {})


@pytest.mark.filterwarnings("ignore")  # Ray's and W&B's own, when their logger is imported
def test_a_trial_that_never_started_does_not_upset_the_tracking(tmp_path):
    from karma_rllib.experiment.tuning import _trackers

    config = ExperimentConfig.load(examples()["smoke"], ["tracking.wandb=offline"])
    (tracker,) = _trackers(config, tmp_path)
    tracker.log_trial_end(object(), failed=True)


def test_a_ray_that_does_not_come_up_is_one_sentence(monkeypatch):
    import ray

    def too_slow(**options):
        raise Exception("The current node timed out during startup.\nAnd more.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", too_slow)
    started = cluster.connected(experiment())
    with pytest.raises(ConfigError, match="did not start on this machine") as caught:
        started.__enter__()
    assert "\n" not in str(caught.value)


def test_a_ray_that_is_slow_to_come_up_is_started_again(monkeypatch):
    import ray

    calls = []

    def slow_at_first(**options):
        calls.append("init")
        if calls.count("init") < 3:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", slow_at_first)
    monkeypatch.setattr(ray, "shutdown", lambda: calls.append("shutdown"))
    with cluster.connected(experiment()):
        assert calls == ["init", "shutdown", "init", "shutdown", "init"]
    assert calls[-1] == "shutdown"
