"""Rules that tie keys of different sections together; each breach is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from karma_rllib import conditions
from karma_rllib.config.errors import ConfigError

if TYPE_CHECKING:
    from karma_rllib.config.experiment import ExperimentConfig


def check(config: ExperimentConfig) -> None:
    """Run every rule; the first breach speaks.

    Raises:
        ConfigError: two settings that cannot both hold.
    """
    for rule in _RULES:
        rule(config)


def _world(config: ExperimentConfig) -> None:
    _ = config.world_params  # raises on anything the world refuses


def _conditions(config: ExperimentConfig) -> None:
    seen = set()
    for name in config.conditions:
        try:
            conditions.condition(name)
        except ValueError as err:
            raise ConfigError(f"`conditions`: {err}") from None
        if name in seen:
            raise ConfigError(f"`conditions` names '{name}' twice; keep one")
        seen.add(name)


def _seeds(config: ExperimentConfig) -> None:
    for seed in config.seeds:
        if not 0 <= seed < 2**31:
            raise ConfigError(f"`seeds` holds {seed}, but a seed lies between 0 and 2147483647")
    if len(set(config.seeds)) < len(config.seeds):
        twice = next(s for s in config.seeds if config.seeds.count(s) > 1)
        raise ConfigError(f"`seeds` holds {twice} twice; a seed is one run, keep one")


def _waste(config: ExperimentConfig) -> None:
    if config.world_traits.waste_cells:
        return
    place = f"world '{config.world.profile or config.world.name}' has waste_mode none"
    if "waste_mode" not in type(config.world_params).model_fields:
        place = f"world '{config.world.name}' has no waste"
    for name in config.conditions:
        pairs, loss = (
            conditions.condition(name).pairs,
            conditions.condition(name).loss or config.mirror.loss,
        )
        if pairs == "agg_cleaner" and config.mirror.broken_pair == "zap_waste":
            raise ConfigError(
                f"`conditions`: '{name}' pairs zapping a rival with cleaning waste, but {place}; "
                "set `mirror.broken_pair` to apple or random"
            )
        if pairs != "none" and loss == "contrast":
            raise ConfigError(
                f"`conditions`: '{name}' keeps cleaning waste apart from being hurt (loss "
                f"contrast), but {place}; leave it out or choose a world with waste"
            )


def _cure(config: ExperimentConfig) -> None:
    budget, stem = config.budget, config.budget.cure_at_agent_steps
    if config.cure and stem is None:
        raise ConfigError(
            "`mirror.start_from` is cure, but `budget.cure_at_agent_steps` is missing: say how "
            "long the shared baseline is trained"
        )
    if stem is not None and not config.cure:
        raise ConfigError(
            f"`budget.cure_at_agent_steps` is {stem}, but `mirror.start_from` is "
            f"{config.mirror.start_from}; set it to cure or drop the former"
        )
    if stem is not None and stem >= budget.agent_steps:
        raise ConfigError(
            f"`budget.cure_at_agent_steps` is {stem}, but must be below `budget.agent_steps`, "
            f"which is {budget.agent_steps}"
        )


def _mirror_acts(config: ExperimentConfig) -> None:
    mirror = config.mirror
    stem = config.budget.cure_at_agent_steps or 0
    length = config.budget.agent_steps - stem
    if mirror.aux_start_step >= length and any(
        conditions.condition(c).mirror for c in config.conditions
    ):
        raise ConfigError(
            f"`mirror.aux_start_step` is {mirror.aux_start_step}, but an arm lasts {length} "
            "agent-steps: the mirror would never act"
        )
    if max(mirror.min_pairs, mirror.pairs_per_minibatch) > mirror.bank_size:
        key = "min_pairs" if mirror.min_pairs > mirror.bank_size else "pairs_per_minibatch"
        raise ConfigError(
            f"`mirror.{key}` is {getattr(mirror, key)}, but the bank holds only "
            f"`mirror.bank_size` = {mirror.bank_size} pairs"
        )
    if mirror.loss == "infonce" and mirror.pairs_per_minibatch < 16:
        raise ConfigError(
            f"`mirror.pairs_per_minibatch` is {mirror.pairs_per_minibatch}, but loss infonce needs "
            "at least 16 pairs to tell apart"
        )


def _alignable(config: ExperimentConfig) -> None:
    """What the mirror's frames can be taken from."""
    mirror, module = config.mirror, config.module
    rows = [row for row in map(conditions.condition, config.conditions) if row.mirror]
    if mirror.align_layer == "h" and rows:
        if module.lstm == 0 or (module.preset == "tiny" and module.lstm is None):
            raise ConfigError(
                "`mirror.align_layer` is h, the memory, but the network has none; set "
                "`module.lstm` or choose a preset with memory (seed, small)"
            )
        views = {mirror.aggressor_view or row.aggressor_view for row in rows}
        if "decision" in {*views, mirror.victim_view}:
            raise ConfigError(
                "`mirror.align_layer` is h, the memory after a hit, but a decision frame lies "
                "before it; use z, or outcome frames only (conditions other than karma)"
            )
    needs_label = any(row.pairs == "agg_cleaner" for row in rows)
    if mirror.bank_mode == "in_batch" and mirror.broken_pair == "apple" and needs_label:
        raise ConfigError(
            "`mirror.bank_mode` is in_batch, but apple frames are only found through the bank; "
            "set `mirror.broken_pair` to zap_waste or random"
        )


def _society(config: ExperimentConfig) -> None:
    """What the memory and the matchmaker can do in this world, with this learner."""
    rows = [conditions.condition(name) for name in config.conditions]
    match, tvt, ppo = config.matchmaker, config.tvt, config.ppo
    traits = config.world_traits
    idle = [row.name for row in rows if not row.zap]
    if idle and "zap_works" not in type(config.world_params).model_fields:
        raise ConfigError(
            f"`conditions`: '{idle[0]}' makes zaps idle, but world '{config.world.name}' has no "
            "parameter `zap_works`; leave it out or choose another world"
        )
    solo = [row.name for row in rows if row.matchmaker != "off" and not traits.places]
    if solo:
        raise ConfigError(
            f"`conditions`: '{solo[0]}' rigs spawns, but in world '{config.world.name}' nobody can "
            "be placed beside another; leave it out or choose another world"
        )
    reach = traits.beam_length
    if match.pair_distance > reach and any(row.matchmaker != "off" for row in rows):
        raise ConfigError(
            f"`matchmaker.pair_distance` is {match.pair_distance}, but the beam reaches only "
            f"`world.beam_length` = {reach} cells: a creditor could not hit its debtor"
        )
    transports = any(row.tvt for row in rows)
    rate = ppo.gamma * ppo.gae_lambda if tvt.exclusion == "gl" else ppo.gamma
    if transports and tvt.exclusion in ("gl", "g") and rate >= 1:
        raise ConfigError(
            f"`tvt.exclusion` is {tvt.exclusion}, but at gamma {ppo.gamma:g} and gae_lambda "
            f"{ppo.gae_lambda:g} that horizon has no end: give it as a number of env-steps"
        )
    if tvt.match == "hung" and transports:
        _reads(config)
    if transports and tvt.match == "soft" and tvt.key_weight == 0:
        raise ConfigError(
            "`tvt.key_weight` is 0, but match soft recalls by keys, which would stay random; give "
            "it a weight or use a hard match"
        )
    if transports and tvt.read_top_k > tvt.memory_slots:
        raise ConfigError(
            f"`tvt.read_top_k` is {tvt.read_top_k}, but a memory has only `tvt.memory_slots` = "
            f"{tvt.memory_slots} slots"
        )


def _kinship(config: ExperimentConfig) -> None:
    config.kinship.check_agents(config.num_agents)
    config.kinship.check_world(config.world_traits.bonds)


def _reads(config: ExperimentConfig) -> None:
    """What an episodic memory with read heads needs of network, fragments and arms."""
    module, tvt, steps = config.module, config.tvt, config.world_params.max_steps  # type: ignore[attr-defined]
    if module.lstm == 0 or (module.preset == "tiny" and module.lstm is None):
        raise ConfigError(
            "`tvt.match` is hung, whose memory is asked by an LSTM, but the network has none; set "
            "`module.lstm` or choose a preset with one (seed, small)"
        )
    if config.ppo.rollout % steps:
        raise ConfigError(
            f"`ppo.rollout` is {config.ppo.rollout}, but `tvt.match` hung transports value within "
            f"whole episodes, of {steps} env-steps here; set it to a multiple of that"
        )
    if tvt.memory_slots < steps:
        raise ConfigError(
            f"`tvt.memory_slots` is {tvt.memory_slots}, but `tvt.match` hung remembers every step "
            f"of an episode, {steps} here; give it as many slots"
        )
    for row in map(conditions.condition, config.conditions):
        if row.tvt_placebo != "none" or row.harm is not None:
            raise ConfigError(
                f"`conditions`: '{row.name}' changes what a punishment sends back, but `tvt.match` "
                "hung knows no punishments; leave it out or choose another match"
            )


def _batch(config: ExperimentConfig) -> None:
    learners = max(1, config.resources.num_learners)
    ppo = config.ppo
    if ppo.envs % learners:
        raise ConfigError(
            f"`resources.num_learners` is {learners}, but must divide `ppo.envs` = {ppo.envs}, so "
            "that no world is split between learners"
        )
    share = config.agent_steps_per_iteration // learners
    if ppo.minibatch > share:
        raise ConfigError(
            f"`ppo.minibatch` is {ppo.minibatch}, but a learner's batch has only {share} "
            "agent-steps (envs x rollout x agents x env runners / learners)"
        )


def _evaluation(config: ExperimentConfig) -> None:
    if config.resources.evaluation_runners and not config.budget.eval_episodes:
        raise ConfigError(
            f"`resources.evaluation_runners` is {config.resources.evaluation_runners}, but "
            "`budget.eval_episodes` is 0: there is nothing to evaluate"
        )


_RULES: tuple[Callable[[ExperimentConfig], None], ...] = (
    _world,
    _conditions,
    _seeds,
    _waste,
    _cure,
    _mirror_acts,
    _alignable,
    _society,
    _kinship,
    _batch,
    _evaluation,
)
