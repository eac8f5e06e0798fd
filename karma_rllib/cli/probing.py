"""``karma probe``: what a trained policy knows of harming and of being harmed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from karma_rllib.cli import evaluation
from karma_rllib.conditions import CONDITIONS
from karma_rllib.config import ConfigError, ExperimentConfig

WIDTH = 120
RESULT, PICTURE = "probes.json", "probes.png"
BRANCHES = 100  # lived again where a policy was trained with a memory
_PLAIN = CONDITIONS["baseline"]
DEFAULTS = (0.99, 0.95)  # gamma and lambda where the run folder does not say


def probe(
    checkpoint: Path,
    episodes: int,
    seed: int,
    behaviour: Path | None,
    out: Path | None,
    branches: int | None = None,
) -> None:
    """Play a frozen policy, probe it, print a table, write `probes.json` and `probes.png`.

    Args:
        checkpoint: a checkpoint, its policy folder, or a trial's folder.
        episodes: to play.
        seed: of worlds, actions and bootstraps.
        behaviour: a policy that acts in its place; None: it acts itself.
        out: folder to write to; None: the trial's, where `karma verdict` finds the result.
        branches: crimes to live again for P7; None: `BRANCHES` where there is a memory, else 0.

    Raises:
        ConfigError: there is no policy, or it cannot be played.
    """
    from karma_rllib.credit.params import under
    from karma_rllib.probes import study, view

    policy, world = evaluation.open_policy(checkpoint, seed)
    other = evaluation.open_policy(behaviour, seed)[0] if behaviour else None
    folder = evaluation.find_policy(checkpoint)
    target = out or trial_of(folder)
    if branches is None:
        branches = BRANCHES if policy.net.memory_key_dim else 0
    discounts, tvt = _training(folder)
    try:
        found = study.study(
            policy,
            world,
            episodes,
            seed,
            other,
            discounts=discounts,
            transport=under(tvt, CONDITIONS.get(str(policy.meta.get("condition")), _PLAIN)),
            branches=branches,
            picture_file=target / PICTURE,
        )
    except ValueError as err:
        raise ConfigError(" ".join(str(err).split())) from None
    target.mkdir(parents=True, exist_ok=True)
    (target / RESULT).write_text(study.as_json(found), encoding="utf-8")
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(view.terminal(found))
    console.print(f"probes: {target / RESULT}", soft_wrap=True, highlight=False)


def trial_of(policy_folder: Path) -> Path:
    """The trial that a policy belongs to: `trial/checkpoint_x/policy`, else its own folder."""
    checkpoint = policy_folder.parent
    in_trial = checkpoint.name.startswith("checkpoint_") and policy_folder.name == "policy"
    return checkpoint.parent if in_trial else policy_folder


def _training(policy_folder: Path) -> tuple[tuple[float, float], dict[str, Any]]:
    """Gamma and lambda of training, and its `tvt` section, from the run folder around a policy."""
    for parent in policy_folder.resolve().parents:
        path = parent / "experiment.yaml"
        if path.is_file():
            config = ExperimentConfig.load(path)
            return (config.ppo.gamma, config.ppo.gae_lambda), config.tvt.as_dict()
    return DEFAULTS, {}
