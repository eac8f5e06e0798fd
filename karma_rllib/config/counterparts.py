"""Names that people bring from elsewhere, and what they are called here.

Nothing here is an alias: a foreign key is refused, and the error names its counterpart.
"""

from __future__ import annotations

from typing import Any

from karma_rllib.config.errors import Path, dotted, shown
from karma_rllib.hints import closest

SEED_KEYS: dict[str, str] = {
    "env.grid_size": "world.grid_size",
    "env.num_agents": "world.num_agents",
    "env.max_steps": "world.max_steps",
    "env.apple_density": "world.apple_density",
    "env.zap_waste_reward": "world.reward_zap_waste",
    "training.episodes": "budget.agent_steps (episodes x max_steps x num_agents)",
    "training.ppo_epochs": "ppo.epochs",
    "training.batch_size": "mirror.pairs_per_minibatch (the contrastive batch)",
    "training.lr": "ppo.lr",
    "training.gamma": "ppo.gamma",
    "training.contrastive_weight": "mirror.weight",
}
"""Keys of the original KARMA configuration file, in its order, and their counterparts."""

SEED_OPTIONS: dict[str, str] = {
    "--mode baseline": "--conditions baseline",
    "--mode broken": "--conditions broken",
    "--mode karma": "--conditions karma",
    "--config FILE": "karma train FILE",
}
"""Options of the original training script and their counterparts."""

KARMIC_OPTIONS: dict[str, str] = {
    "--mode all": "--conditions all",
    "--mode baseline": "--conditions baseline",
    "--mode tvt": "--conditions tvt",
    "--mode matchmaker": "--conditions matchmaker",
    "--mode full": "--conditions karmic",
    "--grid_size 30": "--set world.grid_size=30",
    "--seed 42": "--set seeds=[42]",
    "use_tvt=True": "condition tvt or karmic",
    "KarmicMatchmaker(env)": "condition matchmaker or karmic",
    "lr, gamma, clip, epochs": "ppo.lr, ppo.gamma, ppo.clip, ppo.epochs",
    "hidden": "module.lstm",
}
"""Options and code of the original Karmic-RL script and their counterparts."""

RETIRED: dict[str, str] = {
    "tvt.enabled": "whether value transport runs is the condition's: name one that has it "
    "(`conditions: [baseline, tvt, karmic]`)",
    "matchmaker.mode": "what rigs spawns is the condition's: name one (`conditions: [baseline, "
    "matchmaker, matchmaker_random]`)",
}
"""Switches that people look for in a section, and where they are instead."""

OTHER_NAMES: dict[str, str] = {
    "learning_rate": "ppo.lr",
    "ppo_epochs": "ppo.epochs",
    "num_epochs": "ppo.epochs",
    "num_sgd_iter": "ppo.epochs",
    "minibatch_size": "ppo.minibatch",
    "sgd_minibatch_size": "ppo.minibatch",
    "lambda": "ppo.gae_lambda",
    "lambda_": "ppo.gae_lambda",
    "clip_param": "ppo.clip",
    "entropy_coeff": "ppo.ent",
    "vf_loss_coeff": "ppo.vf",
    "vf_clip_param": "ppo.vf_clip",
    "rollout_fragment_length": "ppo.rollout",
    "num_envs_per_env_runner": "ppo.envs",
    "contrastive_weight": "mirror.weight",
    "karma_weight": "mirror.weight",
    "role_weight": "role.weight",
    "zap_waste_reward": "world.reward_zap_waste",
    "zap_agent_reward": "world.reward_zap_agent",
    "num_gpus_per_learner": "resources.num_gpus",
    "num_workers": "resources.num_env_runners",
    "steps": "budget.agent_steps",
    "total_timesteps": "budget.agent_steps",
    "arm": "conditions",
    "mode": "conditions",
    "seed": "seeds",
    "condition": "conditions",
}
"""Common names of the same things in RLlib and other libraries."""

SECTIONS: dict[str, str] = {
    "env": "world",
    "environment": "world",
    "karma": "mirror",
    "events": "mirror",
    "training": "ppo",
    "memory": "tvt",
    "transport": "tvt",
    "ledger": "matchmaker",
    "society": "matchmaker",
    "model": "module",
    "study": "seeds",
}
"""Common names of whole sections."""


def unknown_key(path: Path, value: Any) -> str:
    """The sentence about a key that the schema does not know.

    Args:
        path: key path as written.
        value: what was assigned to it.
    """
    hint = _top_hint(str(path[0]), value) if len(path) == 1 else _inner_hint(path)
    kind = "section" if len(path) == 1 and isinstance(value, dict) else "key"
    given = "" if kind == "section" else f" (value {shown(value)})"
    return f"unknown {kind} `{dotted(path)}`{given}; {hint}"


def _top_hint(name: str, value: Any) -> str:
    from karma_rllib.config.experiment import ExperimentConfig

    if isinstance(value, dict):
        for key in value:
            if f"{name}.{key}" in SEED_KEYS:
                return f"the counterpart of `{name}.{key}` is `{SEED_KEYS[f'{name}.{key}']}`"
    if name in SECTIONS:
        return f"did you mean `{SECTIONS[name]}`?"
    return _suggest(name, list(ExperimentConfig.model_fields)) or _home_of(name) or _names_of(None)


def _inner_hint(path: Path) -> str:
    section, name = str(path[0]), str(path[-1])
    full = dotted(path)
    if full in RETIRED:
        return RETIRED[full]
    if full in SEED_KEYS:
        return f"its counterpart is `{SEED_KEYS[full]}`"
    best = closest(name, keys_of(section))
    if best and best.lower() != name.lower() and _home_of(name):
        best = None  # a key that exists elsewhere under this very name was meant
    if best:
        return f"did you mean `{section}.{best}`?"
    return _home_of(name) or _names_of(section)


def _suggest(name: str, choices: list[str]) -> str | None:
    best = closest(name, choices)
    return f"did you mean `{best}`?" if best else None


def _home_of(name: str) -> str | None:
    """Where a key of exactly this name, or its counterpart, lives."""
    from karma_rllib.config.experiment import ExperimentConfig

    for section in ExperimentConfig.model_fields:
        if name in keys_of(section):
            return f"did you mean `{section}.{name}`?"
    if name in OTHER_NAMES:
        return f"did you mean `{OTHER_NAMES[name]}`?"
    return None


def _names_of(section: str | None) -> str:
    from karma_rllib.config.experiment import ExperimentConfig

    if section is None:
        return f"the sections are {', '.join(ExperimentConfig.model_fields)}"
    return f"its keys are {', '.join(keys_of(section))}"


def keys_of(section: str) -> list[str]:
    """The keys of one section; of the world, those of every world."""
    from karma_rllib import worlds
    from karma_rllib.config.experiment import section_models

    model = section_models().get(section)
    keys = [] if model is None else list(model.model_fields)
    if section == "world":
        for name in worlds.list_worlds():
            keys += list(worlds.entry(name).params.model_fields)
    return keys
