"""Many ways to get an experiment file wrong, each answered with one sentence."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from karma_rllib.cli import app
from karma_rllib.config import ConfigError, ExperimentConfig

FOLDER = Path(__file__).parent / "broken_experiments"

SENTENCES = {
    "a_list": "holds a list, not a mapping",
    "a_word": "holds plain 'smoke', not a mapping",
    "apples_without_bank": "line 4: `mirror.bank_mode` is in_batch, but apple frames",
    "bank_smaller_than_draw": "line 3: `mirror.pairs_per_minibatch` is 64, but the bank holds only",
    "blame_without_bound": "line 4: `tvt.alpha` is 1.5, but it must be at most 1",
    "endless_exclusion": "line 5: `tvt.exclusion` is gl, but at gamma 1 and gae_lambda 1",
    "misspelt_harm": "did you mean 'surprise'?",
    "more_shares_than_slots": "line 5: `tvt.read_top_k` is 5, but a memory has only",
    "pair_beyond_the_beam": "line 4: `matchmaker.pair_distance` is 9, but the beam reaches only",
    "reads_without_lstm": "line 3: `tvt.match` is hung, whose memory is asked by an LSTM, but the "
    "network has none",
    "recall_without_keys": "line 5: `tvt.key_weight` is 0, but match soft recalls by keys",
    "binary": "not a text file",
    "broken_without_waste": "line 3: `conditions`: 'broken' pairs zapping a rival with cleaning",
    "contrast_without_waste": "line 3: `conditions`: 'karma_contrast' keeps cleaning waste apart",
    "cure_without_stem": "line 4: `mirror.start_from` is cure, but `budget.cure_at_agent_steps`",
    "empty": "the file is empty",
    "empty_name": "line 1: `name` is empty, but it must be text",
    "endless_alias": "nests without end",
    "evaluators_without_episodes": "line 6: `resources.evaluation_runners` is 1, but",
    "fraction_for_a_count": "line 4: `ppo.epochs` is 2.5, but it must be a whole number",
    "impossible_gamma": "line 4: `ppo.gamma` is 1.5, but it must be at most 1",
    "impossible_world_value": "line 4: `world.grid_size` is -3, but it must lie in [5, 256]",
    "infinite_weight": "line 4: `mirror.weight` is inf, but it must be a finite number",
    "key_in_wrong_section": "line 4: unknown key `mirror.gae_lambda` (value 0.3); did you mean "
    "`ppo.gae_lambda`?",
    "key_twice": "line 6: `ppo.lr` is set twice (first on line 4)",
    "unknown_kinship": "line 4: `kinship.scheme` is 'siblings', but it must be 'none', 'teams'",
    "latin1": "not a text file (byte 9 is not UTF-8)",
    "learners_split_worlds": "line 4: `resources.num_learners` is 3, but must divide `ppo.envs`",
    "matchmaker_on": "line 4: unknown key `matchmaker.mode` (value 'debt'); what rigs spawns is "
    "the condition's",
    "memory_before_the_hit": "line 4: `mirror.align_layer` is h, the memory after a hit, but",
    "memory_below_episode": "line 5: `tvt.memory_slots` is 99, but `tvt.match` hung remembers "
    "every step of an episode, 100 here",
    "memory_without_lstm": "line 4: `mirror.align_layer` is h, the memory, but the network has",
    "minibatch_above_batch": "line 3: `ppo.minibatch` is 2048, but a learner's batch has only 80",
    "mirror_never_acts": "line 4: `mirror.aux_start_step` is 2000000, but an arm lasts 1500000",
    "misspelt_choice": "line 4: `mirror.loss` is 'pari', but it must be 'pair'",
    "name_is_a_path": "line 1: `name` is '../elsewhere', but it must be made of letters",
    "negative_seed": "line 3: `seeds` holds -2",
    "no_conditions": "line 3: `conditions` is [], but it must not be empty",
    "no_name": "`name` is missing",
    "no_seeds": "line 3: `seeds` is 0, but it must be a list of seeds or a count",
    "no_zap_to_take_away": "line 3: `conditions`: 'no_zap' makes zaps idle, but world 'match-v0'",
    "number_as_key": "line 4: the key '3' is not a word",
    "only_comments": "the file is empty",
    "parts_of_episodes": "line 5: `ppo.rollout` is 128, but `tvt.match` hung transports value "
    "within whole episodes, of 100 env-steps here",
    "payment_that_never_pays": "line 5: `matchmaker.payment` is 1.0, but payment_mode scale",
    "placebo_without_punishment": "line 5: `conditions`: 'tvt_shuffle' changes what a punishment "
    "sends back",
    "python_object": "line 2: not valid YAML",
    "same_condition_twice": "line 3: `conditions` names 'karma' twice",
    "same_seed_twice": "line 3: `seeds` holds 7 twice",
    "seed_env_section": "line 2: unknown section `env`; the counterpart of `env.grid_size` is "
    "`world.grid_size`",
    "seed_training_section": "line 3: unknown section `training`; the counterpart of "
    "`training.contrastive_weight` is `mirror.weight`",
    "stem_longer_than_run": "line 7: `budget.cure_at_agent_steps` is 600000, but must be below",
    "stem_without_cure": "line 4: `budget.cure_at_agent_steps` is 600000, but `mirror.start_from`",
    "tab_indented": "line 4: not valid YAML",
    "text_for_a_number": "line 4: `ppo.lr` is 'fast', but it must be a number",
    "truth_for_a_number": "line 4: `mirror.weight` is true, but it must be a number",
    "tvt_on": "line 4: unknown key `tvt.enabled` (value true); whether value transport runs is the "
    "condition's",
    "two_documents": "line 3: not valid YAML",
    "unclosed_bracket": "not valid YAML",
    "unknown_condition": "line 3: `conditions`: there is no condition 'karma_our'; did you mean "
    "'karma_out'?",
    "unknown_key": "line 4: unknown key `ppo.learning_rate` (value 0.001); did you mean `ppo.lr`?",
    "unknown_profile": "line 2: `world.profile`: unknown profile 'dual_cleanap'",
    "unknown_section": "line 3: unknown section `mirorr`; did you mean `mirror`?",
    "unknown_world": "line 2: `world.name` is 'harvest-v1', but there is no such world; did you "
    "mean 'harvest-v0'?",
    "unknown_world_parameter": "line 4: unknown key `world.grid_siz` (value 13); did you mean "
    "`world.grid_size`?",
    "wandb_true": "line 4: `tracking.wandb` is true, but it must be false, 'offline' or 'online'",
    "map_unknown_letter": "line 6: `world.map`: map has an unknown letter 'X' in row 2, column 4",
    "map_without_cells": "line 5: `world.map`: map has no cells: draw at least one row",
    "map_too_small": "line 5: `world.num_agents` is 3, but it must be at most 2: the map has no",
    "map_unknown_kind": "line 6: `world.map`: map has a generator of kind 2 in row 2, column 4",
    "map_station_undescribed": "line 6: `world.map`: map has a station S and stations is empty",
    "map_is_a_list": "line 6: `world.map` is ['####', '#@G#'], but it must be text",
    "machines_beyond_the_map": "45 machines, 0 blocks and num_agents=6 do not fit on grid_size=9",
    "negative_altars": "line 5: `world.altars` is -1, but it must lie in [0, 500]",
    "too_many_agents": "line 5: `world.num_agents` is 65, but it must lie in [1, 64]",
    "energy_beyond_the_most": "energy_start=300.0 must be at most energy_max=250.0",
    "matrix_not_square": "line 8: `kinship.matrix` must be square: row 1 has 2 entries, not 3",
    "matrix_out_of_range": "line 8: `kinship.matrix`[0][1] is 1.5: must lie in [0, 1]",
    "matrix_of_another_size": "`kinship.matrix` is 2 x 2, but there are 3 agents: it must have a",
    "matrix_stranger_to_oneself": "line 8: `kinship.matrix`[1][1] is 0.9, but must be 1",
    "matrix_of_words": "line 8: `kinship.matrix[0][1]` is 'kin', but it must be a number",
    "matrix_without_scheme": "line 9: `kinship.matrix` belongs to scheme custom, but the scheme is",
    "scheme_without_matrix": "line 6: `kinship.scheme` is custom, which needs `kinship.matrix`",
    "bond_without_court": "`kinship.bond` is 0.5, but nobody can court and bond in this world; use",
    "bond_beyond_self": "line 7: `kinship.bond` is 1.5, but it must be at most 1",
    "team_beyond_the_agents": "`kinship.team_size` is 7, but there are only 6 agents",
    "families_not_nested": "line 7: `kinship.sizes` is [2, 5], but must be nested: each divides",
    "families_unequally_long": "line 8: `kinship.closeness` has 1 entries, but `kinship.sizes` has",
    "relatedness_beyond_self": "line 8: `kinship.closeness` holds 1.25, but it must lie in [0, 1]",
    "range_upside_down": "line 8: `kinship.low` is 0.8, but must be at most `kinship.high` = 0.2",
    "group_without_groups": "line 7: `kinship.observe` is group, which needs scheme teams or",
    "shares_more_than_all": "line 7: `kinship.strength` is 1.5, but it must be at most 1",
    "yes_for_a_truth": "line 4: `matchmaker.netting` is 'yes', but it must be true or false",
}


def test_the_table_covers_every_broken_file():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SENTENCES)


@pytest.mark.parametrize("name", SENTENCES)
def test_a_broken_file_is_refused_in_one_sentence_that_names_the_culprit(name):
    path = FOLDER / f"{name}.yaml"
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.load(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert SENTENCES[name] in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("name", SENTENCES)
def test_the_command_answers_with_that_sentence_alone_and_leaves_nothing_behind(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["train", str(FOLDER / f"{name}.yaml")])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert SENTENCES[name] in done.stderr
    assert list(tmp_path.iterdir()) == []
