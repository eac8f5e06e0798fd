"""The conspiring matchmaker around a single env.

env = gymnasium.make("KarmicHarvest-v0")
env = KarmicMatchmaker(env)
env.debt_ledger                      # {"agent_0": {"agent_1": 3.0}}: agent_0 owes agent_1 3 zaps
"""

from dataclasses import fields
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from karma_rllib.envs.stage import Stage
from karma_rllib.society.ledger import LedgerParams
from karma_rllib.society.matchmaker import MatchmakerParams

_LEDGER_KEYS = {field.name for field in fields(LedgerParams)}


def KarmicMatchmaker(env: Any, **rules: Any) -> "GymMatchmaker | ParallelMatchmaker":  # noqa: N802
    """Rig the spawns of an env by who owes whom.

    From the next reset on, debtor and creditor start an episode side by side, the creditor facing
    the debtor.  The lifetime begins anew; debts last until the next `reset(seed=...)`.  Infos gain
    `debt_ledger` (the ledger as `env.debt_ledger` shows it) and, at a reset, `matchmaker`: `pairs`
    of (debtor, creditor), `debt_before` [zaps] and `rigged`.

    Args:
        env: `gymnasium.make("KarmicHarvest-v0")`, or `harvest_v0.parallel_env()`.  To play it in
            turns, convert what this returns with PettingZoo's `parallel_to_aec`.
        **rules: keys of `MatchmakerParams` (`mode` is "debt" if not given) and of `LedgerParams`.

    Returns:
        The env in a Gymnasium or a PettingZoo wrapper.

    Raises:
        TypeError: for an env that is not one of this package.
        ValueError: for an unknown key or a wrong value, in one sentence.
    """
    wrap = GymMatchmaker if isinstance(env, gymnasium.Env) else ParallelMatchmaker
    return wrap(env, **rules)


def _employ(env: Any, rules: dict[str, Any]) -> Stage:
    """Put the env's lifetime under the rules; returns its stage."""
    core = getattr(env, "unwrapped", env)
    stage = getattr(core, "stage", None)
    if not isinstance(stage, Stage):
        raise TypeError(
            f"KarmicMatchmaker cannot rig {type(core).__name__}: give it "
            'gymnasium.make("KarmicHarvest-v0") or harvest_v0.parallel_env(); convert to AEC after.'
        )
    ledger = {key: value for key, value in rules.items() if key in _LEDGER_KEYS}
    match = {key: value for key, value in rules.items() if key not in _LEDGER_KEYS}
    before = stage.life.ledger_params
    stage.employ(
        MatchmakerParams.of({"mode": "debt", **match}),
        LedgerParams.of({**vars(before), **ledger}),
    )
    return stage


class GymMatchmaker(gymnasium.Wrapper, RecordConstructorArgs):
    """What `KarmicMatchmaker` makes of a Gymnasium env; `gymnasium.make(env.spec)` remakes it."""

    def __init__(self, env: gymnasium.Env, **rules: Any) -> None:
        RecordConstructorArgs.__init__(self, **rules)
        gymnasium.Wrapper.__init__(self, env)
        self.stage = _employ(env, rules)

    @property
    def debt_ledger(self) -> dict[str, dict[str, float]]:
        """Who owes whom how many zaps; zero debts are left out."""
        return self.stage.debt_ledger()

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; info tells whom the matchmaker brought together."""
        obs, info = self.env.reset(**kwargs)
        news = {"debt_ledger": self.debt_ledger, "matchmaker": self.stage.matches()}
        return obs, {**info, **news}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play one env-step; info tells the debts."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, reward, terminated, truncated, {**info, "debt_ledger": self.debt_ledger}


class ParallelMatchmaker(BaseParallelWrapper):
    """What `KarmicMatchmaker` makes of a PettingZoo env."""

    def __init__(self, env: ParallelEnv, **rules: Any) -> None:
        super().__init__(env)
        self.stage = _employ(env, rules)

    @property
    def debt_ledger(self) -> dict[str, dict[str, float]]:
        """Who owes whom how many zaps; zero debts are left out."""
        return self.stage.debt_ledger()

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; every info tells whom the matchmaker brought together."""
        obs, infos = super().reset(seed=seed, options=options)
        return obs, self._told(infos, matchmaker=self.stage.matches())

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Play one env-step; every info tells the debts."""
        *rest, infos = super().step(actions)
        return (*rest, self._told(infos))  # type: ignore[return-value]

    def _told(self, infos: dict[str, Any], **more: Any) -> dict[str, Any]:
        news = {"debt_ledger": self.debt_ledger, **more}
        return {agent: {**info, **news} for agent, info in infos.items()}
