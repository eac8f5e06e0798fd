"""The conspiring matchmaker around a single env.

env = gymnasium.make("KarmicHarvest-v0")
env = KarmicMatchmaker(env)
env.debt_ledger                      # {"agent_0": {"agent_1": 3.0}}: agent_0 owes agent_1 3 zaps
"""

from dataclasses import fields
from typing import Any

import gymnasium
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
    core = getattr(env, "unwrapped", env)
    if not isinstance(getattr(core, "stage", None), Stage):
        raise TypeError(
            f"KarmicMatchmaker cannot rig {type(core).__name__}: give it "
            'gymnasium.make("KarmicHarvest-v0") or harvest_v0.parallel_env(); convert to AEC after.'
        )
    ledger = {key: value for key, value in rules.items() if key in _LEDGER_KEYS}
    match = {key: value for key, value in rules.items() if key not in _LEDGER_KEYS}
    before = core.stage.life.ledger_params
    core.stage.employ(
        MatchmakerParams.of({"mode": "debt", **match}),
        LedgerParams.of({**vars(before), **ledger}),
    )
    if isinstance(env, gymnasium.Env):
        return GymMatchmaker(env)
    return ParallelMatchmaker(env)


class GymMatchmaker(gymnasium.Wrapper):
    """What `KarmicMatchmaker` makes of a Gymnasium env."""

    @property
    def debt_ledger(self) -> dict[str, dict[str, float]]:
        """Who owes whom how many zaps; zero debts are left out."""
        return self.unwrapped.stage.debt_ledger()  # type: ignore[attr-defined]

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; info tells whom the matchmaker brought together."""
        obs, info = self.env.reset(**kwargs)
        stage = self.unwrapped.stage  # type: ignore[attr-defined]
        return obs, {**info, "debt_ledger": self.debt_ledger, "matchmaker": stage.matches()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play one env-step; info tells the debts."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, reward, terminated, truncated, {**info, "debt_ledger": self.debt_ledger}


class ParallelMatchmaker(BaseParallelWrapper):
    """What `KarmicMatchmaker` makes of a PettingZoo env."""

    env: ParallelEnv

    @property
    def debt_ledger(self) -> dict[str, dict[str, float]]:
        """Who owes whom how many zaps; zero debts are left out."""
        return self.unwrapped.stage.debt_ledger()  # type: ignore[attr-defined]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; every info tells whom the matchmaker brought together."""
        obs, infos = super().reset(seed=seed, options=options)
        matches = self.unwrapped.stage.matches()  # type: ignore[attr-defined]
        return obs, self._told(infos, matchmaker=matches)

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Play one env-step; every info tells the debts."""
        *rest, infos = super().step(actions)
        return (*rest, self._told(infos))  # type: ignore[return-value]

    def _told(self, infos: dict[str, Any], **more: Any) -> dict[str, Any]:
        news = {"debt_ledger": self.debt_ledger, **more}
        return {agent: {**info, **news} for agent, info in infos.items()}
