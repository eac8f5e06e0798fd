"""Players in the policy protocol: a pure step over an explicit state."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from karma_rllib.worlds.rng import uniforms


class Policy(Protocol):
    """Anything that can play: a bot, a trained network, a person.

    A policy keeps nothing between calls but the state it is handed: equal states and observations
    give equal actions and equal next states.
    """

    def initial_state(self, n: int) -> Any:
        """State of n players at the start of an episode."""
        ...

    def step(self, obs: dict[str, np.ndarray], state: Any) -> tuple[np.ndarray, Any]:
        """Act once.

        Args:
            obs: `{"grid": uint8 (n, H, W, C), "vec": float32 (n, D)}`.
            state: what `initial_state` or the last `step` returned.

        Returns:
            Actions, integer (n,), and the next state.
        """
        ...


class RandomState(NamedTuple):
    """State of `RandomPolicy`: how many players, and how often they have acted."""

    n: int
    steps: int


class RandomPolicy:
    """Draws every action with equal probability.

    Args:
        num_actions: number of actions to choose from.
        seed: of the counter-based generator, >= 0; (seed, k, i) fixes the k-th action of player i.
    """

    def __init__(self, num_actions: int = 8, seed: int = 0) -> None:
        self.num_actions, self.seed = num_actions, seed

    def initial_state(self, n: int) -> RandomState:
        """Nobody has acted yet."""
        return RandomState(n, 0)

    def step(
        self, obs: dict[str, np.ndarray], state: RandomState
    ) -> tuple[np.ndarray, RandomState]:
        """Act once, whatever is seen; see `Policy.step`."""
        u = uniforms(self.seed, np.zeros(1), np.array([state.steps]), state.n)[0]  # (n,)
        return (u * self.num_actions).astype(np.int64), state._replace(steps=state.steps + 1)
