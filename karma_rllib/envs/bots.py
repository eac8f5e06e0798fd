"""Players in the policy protocol, and the table of scripted ones: `make_bot`.

A player is a pure step over an explicit state.  What chance it takes is a function of its seed,
the identity of the row that acts and the number of steps that row has taken, so a row acts alike
whatever other rows share its batch.
"""

import inspect
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np

from karma_rllib.hints import hint
from karma_rllib.worlds.rng import uniforms


class Policy(Protocol):
    """Anything that can play: a bot, a trained network, a person.

    A policy keeps nothing between calls but the state it is handed: equal states and observations
    give equal actions and equal next states.
    """

    def initial_state(self, n: int) -> Any:
        """State of n players at the start of an episode.

        A policy that draws chances also takes `rows`, int64 (n,): the identities that its chances
        belong to.  See `begin`.
        """
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


def begin(policy: Policy, rows: np.ndarray) -> Any:
    """State of some players at the start of an episode, chances keyed by who they are.

    Args:
        policy: the player; one that takes no `rows` starts without them.
        rows: identity of each player, int64 (n,), for example hashes of (seed, world, agent).
    """
    if "rows" in inspect.signature(policy.initial_state).parameters:
        return policy.initial_state(len(rows), rows=rows)  # type: ignore[call-arg]
    return policy.initial_state(len(rows))


class BotState(NamedTuple):
    """State of n scripted players."""

    rows: np.ndarray  # identity that chances belong to, int64 (n,)
    steps: np.ndarray  # actions taken since the episode began, int64 (n,)
    memory: dict[str, np.ndarray]  # what the bot remembers, each array (n, ...)

    @classmethod
    def fresh(cls, n: int, rows: np.ndarray | None = None, **memory: np.ndarray) -> "BotState":
        """Nobody has acted yet; without identities the rows are numbered."""
        who = np.arange(n, dtype=np.int64) if rows is None else np.asarray(rows, np.int64)
        return cls(who, np.zeros(n, np.int64), memory)

    def chances(self, seed: int, k: int) -> np.ndarray:
        """Uniform numbers for each row's coming step, float64 (n, k) in [0, 1)."""
        return uniforms(seed, self.rows, self.steps, k)

    def after(self, **memory: np.ndarray) -> "BotState":
        """The state one step later; memories that are not named stay as they are."""
        return BotState(self.rows, self.steps + 1, {**self.memory, **memory})


class RandomPolicy:
    """Draws every action with equal probability.

    Args:
        num_actions: number of actions to choose from.
        seed: of the counter-based generator, >= 0; (seed, row, k) fixes the k-th action of a row.
    """

    def __init__(self, num_actions: int = 8, seed: int = 0) -> None:
        self.num_actions, self.seed = num_actions, seed

    def initial_state(self, n: int, rows: np.ndarray | None = None) -> BotState:
        """Nobody has acted yet."""
        return BotState.fresh(n, rows)

    def step(self, obs: dict[str, np.ndarray], state: BotState) -> tuple[np.ndarray, BotState]:
        """Act once, whatever is seen; see `Policy.step`."""
        u = state.chances(self.seed, 1)[:, 0]
        return (u * self.num_actions).astype(np.int64), state.after()


class BotRow(NamedTuple):
    """A scripted player in the registry."""

    made_by: str  # "module:callable", imported when wanted, called with (name, world, seed)
    about: str  # one line: what it does


_HARVEST, _KINSHIP = "karma_rllib.envs.harvest_bots:make", "karma_rllib.envs.kinship_bots:make"

#: The scripted players of each world; `random` plays in every world.
BOTS: dict[str, dict[str, BotRow]] = {
    "harvest-v0": {
        "forager": BotRow(_HARVEST, "walks to the nearest apple, never fires"),
        "cleaner": BotRow(_HARVEST, "removes all waste it sees before it eats"),
        "free_rider": BotRow(_HARVEST, "eats, never cleans, waits where it saw apples"),
        "bully": BotRow(_HARVEST, "zaps whoever is in reach, eats in between"),
        "avenger": BotRow(_HARVEST, "forages, and returns every zap it is given"),
        "tit_for_tat": BotRow(_HARVEST, "cleans as long as it sees others clean"),
        "oracle": BotRow(_HARVEST, "plans over the whole map, which it must be able to see"),
    },
    "kinship-v0": {
        "forager": BotRow(_KINSHIP, "harvests, charges and takes hearts, nearest first"),
        "raider": BotRow(_KINSHIP, "a forager that attacks whoever comes within reach, but kin"),
        "giver": BotRow(_KINSHIP, "a forager that gives what it can spare to whoever is ahead"),
    },
    "match-v0": {},
    "suite-v0": {},
}

RANDOM = BotRow("karma_rllib.envs.bots:_random", "draws every action with equal probability")


def list_bots(world: str) -> dict[str, str]:
    """Names and descriptions of the scripted players of a world."""
    return {name: row.about for name, row in {"random": RANDOM, **BOTS.get(world, {})}.items()}


def make_bot(name: str, world: Any, seed: int = 0) -> Any:
    """Build a scripted player for a world.

    Args:
        name: one of `list_bots(world.name)`.
        world: the world or a lifetime around it; only its parameters and names are read.
        seed: of the bot's chances, >= 0.

    Raises:
        ValueError: no such bot in this world, or it cannot see there what it needs.
    """
    world = getattr(world, "world", world)
    known = {"random": RANDOM, **BOTS.get(world.name, {})}
    if name not in known:
        raise ValueError(f"there is no bot {name!r} in {world.name}: {hint(name, known)}")
    module, maker = known[name].made_by.split(":")
    return getattr(import_module(module), maker)(name, world, seed)


def _random(name: str, world: Any, seed: int) -> RandomPolicy:
    """A random player for a world."""
    return RandomPolicy(world.num_actions, seed)
