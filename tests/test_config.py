"""The experiment schema: round trips, defaults, overrides, and what follows from a config."""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib import conditions, worlds
from karma_rllib.config import ConfigError, ExperimentConfig, Mirror, Ppo, first_seeds
from karma_rllib.config.counterparts import OTHER_NAMES, SEED_KEYS, keys_of
from karma_rllib.config.experiment import section_models

DUAL = {"name": "trial", "world": {"profile": "dual_cleanup"}}


def experiment(**sections) -> ExperimentConfig:
    return ExperimentConfig.of({**DUAL, **sections})


def refusal(**sections) -> str:
    with pytest.raises(ConfigError) as caught:
        experiment(**sections)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# --- round trips -------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
unit = st.floats(0.01, 0.99)


@settings(max_examples=60, deadline=None)
@given(
    about=words,
    entity=st.none() | words,
    weight=st.floats(0, 1e6),
    lr=st.floats(1e-12, 0.9),
    gamma=unit,
    steps=st.integers(1, 10**12),
    margin=st.just("auto") | st.floats(0, 10),
    filters=st.none() | st.lists(st.integers(1, 512), max_size=4),
    seeds=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5, unique=True),
    arms=st.lists(st.sampled_from(list(conditions.CONDITIONS)), min_size=1, unique=True),
    timeout=st.integers(1, 60),
)
def test_an_experiment_written_to_yaml_reads_back_equal(
    tmp_path_factory, about, entity, weight, lr, gamma, steps, margin, filters, seeds, arms, timeout
):
    config = experiment(
        about=about,
        world={"profile": "dual_cleanup", "timeout": timeout},
        mirror={"weight": weight, "margin": margin},
        module={"cnn_filters": filters},
        ppo={"lr": lr, "gamma": gamma},
        budget={"agent_steps": steps},
        tracking={"wandb": "offline", "entity": entity},
        conditions=arms,
        seeds=seeds,
    )
    path = tmp_path_factory.mktemp("round") / "trip.yaml"
    config.dump(path)
    assert ExperimentConfig.load(path) == config
    resolved = config.resolved()
    resolved.dump(path)
    assert ExperimentConfig.load(path) == resolved


def test_what_we_write_other_yaml_readers_read_alike(tmp_path):
    config = experiment(ppo={"lr": 1e-5, "adam_eps": 1e-8}, about="on: off, 010, 1e5, ~, null")
    config.dump(tmp_path / "x.yaml")
    data = yaml.safe_load((tmp_path / "x.yaml").read_text())
    assert data["about"] == config.about
    assert data["matchmaker"]["max_pairs"] is None


def test_resolving_writes_out_every_parameter_of_the_world_and_changes_nothing():
    config = experiment()
    resolved = config.resolved()
    assert set(worlds.resolve_params("harvest-v0").__class__.model_fields) <= set(
        resolved.as_dict()["world"]
    )
    assert resolved.world_params == config.world_params
    assert resolved.fingerprint() == config.fingerprint()
    assert resolved.resolved() == resolved


def test_the_fingerprint_ignores_names_and_machines_but_no_setting():
    config = experiment()
    same = config.with_overrides(["name=other", "about=words", "resources.num_env_runners=2"])
    assert same.fingerprint() == config.fingerprint()
    for change in ("ppo.lr=1e-3", "world.timeout=26", "seeds=[1]", "mirror.weight=0.2"):
        assert config.with_overrides([change]).fingerprint() != config.fingerprint()


def test_settings_of_bonds_change_an_experiment_only_where_agents_court():
    plain = experiment(world={"name": "kinship-v0"}, conditions=["baseline"])
    costly = ["world.cost_court=5.0", "world.max_bonds=2", "kinship.bond=0"]
    assert plain.with_overrides(costly).fingerprint() == plain.fingerprint()
    courting = plain.with_overrides(["world.court=true"])
    assert courting.fingerprint() != plain.fingerprint()
    for change in costly:
        assert courting.with_overrides([change]).fingerprint() != courting.fingerprint()


# --- defaults ----------------------------------------------------------------------------------


def test_the_defaults_are_the_registered_ones():
    config = experiment()
    mirror, ppo = config.mirror, config.ppo
    assert (mirror.loss, mirror.weight, mirror.pair_norm) == ("pair", 0.1, "none")
    assert (mirror.grad_mode, mirror.bank_size, mirror.pairs_per_minibatch) == (
        "agg_to_vic",
        4096,
        64,
    )
    assert (mirror.min_pairs, mirror.aux_warmup_steps, mirror.start_from) == (
        16,
        400_000,
        "scratch",
    )
    assert (ppo.lr, ppo.gamma, ppo.gae_lambda, ppo.action_floor) == (3e-4, 0.99, 0.3, 0.01)
    assert config.role.weight == 0.1
    assert config.conditions == ("baseline", "broken", "karma")
    assert config.seeds == (42, 123, 202, 303, 404)


def test_seeds_may_be_counted_and_the_standard_list_goes_on():
    assert experiment(seeds=2).seeds == (42, 123)
    assert first_seeds(10) == (42, 123, 202, 303, 404, 505, 606, 707, 808, 909)
    assert len(set(first_seeds(200))) == 200
    assert experiment(seeds=[5]).seeds == (5,)


def test_a_section_left_empty_takes_its_defaults():
    assert experiment(ppo=None) == experiment()


def test_a_config_cannot_be_changed_in_place():
    config = experiment()
    with pytest.raises(ValueError, match="frozen"):
        config.ppo.lr = 1.0


# --- strictness --------------------------------------------------------------------------------


def test_a_whole_float_counts_as_a_count_and_a_fraction_does_not():
    assert experiment(budget={"agent_steps": 1.5e6}).budget.agent_steps == 1_500_000
    assert "`budget.agent_steps` is 1.5, but it must be a whole number" in refusal(
        budget={"agent_steps": 1.5}
    )


@pytest.mark.parametrize("value", ["3", True, None, [1], {}])
def test_a_number_is_never_guessed_from_something_else(value):
    assert "`ppo.lr` is" in refusal(ppo={"lr": value})


@pytest.mark.parametrize("value", [0, 1, "true", "yes", None])
def test_a_truth_is_never_guessed_from_something_else(value):
    assert "must be true or false" in refusal(mirror={"grad_match": value})


@pytest.mark.parametrize(
    ("section", "key", "hint"),
    [
        ("ppo", "gamm", "`ppo.gamma`"),
        ("ppo", "learning_rate", "`ppo.lr`"),
        ("ppo", "grid_size", "`world.grid_size`"),
        ("mirror", "pair_window_", "`mirror.pair_window`"),
        ("mirror", "entropy_coeff", "`ppo.ent`"),
        ("world", "zap_waste_reward", "`world.reward_zap_waste`"),
        ("world", "grid_sise", "`world.grid_size`"),
        ("budget", "agentsteps", "`budget.agent_steps`"),
    ],
)
def test_an_unknown_key_names_the_nearest_right_one(section, key, hint):
    base = DUAL["world"] if section == "world" else {}
    sentence = refusal(**{section: {**base, key: 1}})
    assert sentence.startswith(f"unknown key `{section}.{key}`")
    assert f"did you mean {hint}?" in sentence


@pytest.mark.parametrize("key", SEED_KEYS)
def test_every_key_of_the_original_file_is_answered_with_its_counterpart(key):
    section, name = key.split(".")
    sentence = refusal(**{section: {name: 1}})
    assert f"`{key}`" in sentence
    assert f"`{SEED_KEYS[key]}`" in sentence


def test_every_counterpart_exists_in_the_schema():
    for target in [*SEED_KEYS.values(), *OTHER_NAMES.values()]:
        path = target.split(" ")[0].split(".")
        if len(path) == 1:
            assert path[0] in ExperimentConfig.model_fields
        else:
            assert path[1] in keys_of(path[0])


def test_every_key_of_the_schema_says_what_it_is():
    for name, model in section_models().items():
        for key, info in model.model_fields.items():
            assert info.description, f"{name}.{key}"


# --- overrides ---------------------------------------------------------------------------------


def test_overrides_are_yaml_values_validated_like_the_file():
    config = experiment().with_overrides(
        [
            "ppo.lr=1e-3",
            "seeds=[7, 8]",
            "conditions=[baseline, karma_out]",
            "world.timeout=30",
            "mirror.aggressor_view=outcome",
            "matchmaker.pairing=softmax",
            "tracking.wandb=offline",
            "budget.agent_steps=2_000_000",
        ]
    )
    assert config.ppo.lr == 1e-3
    assert config.seeds == (7, 8)
    assert config.conditions == ("baseline", "karma_out")
    assert config.world_params.timeout == 30
    assert config.mirror.aggressor_view == "outcome"
    assert config.budget.agent_steps == 2_000_000


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("ppo.lr", "section.key=value"),
        ("=3", "section.key=value"),
        ("ppo..lr=3", "section.key=value"),
        ("ppo.lr=[1", "not valid YAML"),
        ("ppo.lr=fast", "`ppo.lr` is 'fast', but it must be a number"),
        ("ppo.lrr=1", "did you mean `ppo.lr`?"),
        ("name.first=x", "`name` is 'trial', not a section"),
        ("conditions=[karmaa]", "did you mean 'karma'?"),
        ("world.grid_sise=9", "did you mean `world.grid_size`?"),
    ],
)
def test_a_bad_override_is_named_as_typed(override, part):
    with pytest.raises(ConfigError) as caught:
        experiment().with_overrides([override])
    assert str(caught.value).startswith(f"--set {override}: ")
    assert part in str(caught.value)


def test_an_override_may_mend_a_file(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("name: x\nworld: {profile: dual_cleanup}\nmirror: {start_from: cure}\n")
    config = ExperimentConfig.load(path, ["budget.cure_at_agent_steps=1000"])
    assert config.cure
    with pytest.raises(ConfigError, match=r"x\.yaml, line 3: `mirror\.start_from` is cure"):
        ExperimentConfig.load(path)


# --- what follows ------------------------------------------------------------------------------


def test_the_batch_counts_every_agent_of_every_world_of_every_runner():
    config = experiment(ppo={"envs": 6, "rollout": 100}, resources={"num_env_runners": 2})
    assert config.num_agents == 5
    assert config.agent_steps_per_iteration == 2 * 6 * 100 * 5


def test_a_controls_pairing_may_be_changed_where_there_is_no_waste():
    world = {"profile": "gathering"}
    assert "`mirror.broken_pair`" in refusal(world=world, conditions=["broken"])
    config = experiment(world=world, conditions=["broken"], mirror={"broken_pair": "apple"})
    assert config.mirror.broken_pair == "apple"


def test_sections_validate_alone_as_the_typed_setters_do():
    assert Ppo.of({"lr": 0.001}).lr == 0.001
    with pytest.raises(ConfigError, match=r"unknown key `mirror\.wieght`.*`mirror\.weight`"):
        Mirror.of({"wieght": 1}, where=("mirror",))
    assert Mirror(weight=0.2).updated(tau=0.5) == Mirror(weight=0.2, tau=0.5)
    with pytest.raises(ConfigError, match=r"`mirror\.tau` is -1, but it must be greater than 0"):
        Mirror().updated(tau=-1)


def test_the_schema_is_light_to_import():
    heavy = "{'numpy', 'numba', 'torch', 'ray', 'gymnasium', 'pandas', 'matplotlib'}"
    code = (
        "import sys, karma_rllib.conditions, karma_rllib.config as c;"
        "c.ExperimentConfig.of({'name': 'x', 'world': {'profile': 'dual_cleanup'}});"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_memory_of_a_file_and_that_of_python_have_the_same_defaults():
    from dataclasses import asdict

    from karma_rllib.config import Tvt
    from karma_rllib.credit.params import TvtParams

    own = Tvt().model_dump()
    assert own.pop("memory_read") is True
    assert own.pop("key_weight") == 0.1
    for key in (  # of match hung, which knows no crimes
        "read_heads", "read_strength", "strength_threshold", "strength_cost", "rebuild_weight",
    ):  # fmt: skip
        own.pop(key)
    assert own == asdict(TvtParams())


def test_the_society_of_a_file_and_that_of_python_have_the_same_defaults():
    from dataclasses import asdict

    from karma_rllib.config import Matchmaker
    from karma_rllib.society.ledger import LedgerParams
    from karma_rllib.society.matchmaker import MatchmakerParams

    python = {**asdict(LedgerParams()), **asdict(MatchmakerParams())}
    assert python.pop("mode") == "off"  # the condition's
    assert Matchmaker().model_dump() == python
