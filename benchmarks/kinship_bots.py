"""What scripted players make of the kinship world: the table of docs/worlds/kinship.md.

    python -m benchmarks.kinship_bots

Means over worlds and agents, per agent and episode, with the standard error over worlds for hearts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib import worlds
from karma_rllib.envs.bots import RandomPolicy
from karma_rllib.envs.kinship_bots import KinshipBot

SETS: dict[str, dict[str, Any]] = {
    "`hearth`": {},
    "open, 9x9, 2 agents": {
        "grid_size": 9, "num_agents": 2, "generators": 4, "chargers": 1, "altars": 1,
    },
    "`arena`": {"profile": "arena"},
}  # fmt: skip
CROWDS = ("random", "forager", "raider", "giver", "one raider among foragers")
COLUMNS = ("hearts", "charged", "attacks", "frozen", "looted", "gifts")


def _players(crowd: str, world: Any, seed: int) -> list[tuple[Any, np.ndarray]]:
    """Policies, and the agents that each of them moves."""
    everybody = np.arange(world.num_agents)
    if crowd == "random":
        return [(RandomPolicy(world.num_actions, seed), everybody)]
    if crowd in ("forager", "raider", "giver"):
        return [(KinshipBot(crowd, world.params, seed), everybody)]
    one = KinshipBot("raider", world.params, seed)
    return [(one, everybody[:1]), (KinshipBot("forager", world.params, seed + 1), everybody[1:])]


def play(crowd: str, params: dict[str, Any], num_worlds: int = 32, seed: int = 0) -> dict[str, Any]:
    """One episode in each world; every column per agent, (B, N)."""
    world = worlds.make("kinship-v0", num_worlds=num_worlds, seed=seed, **params)
    obs, B, N = world.reset(), num_worlds, world.num_agents
    players = _players(crowd, world, seed)
    states = [policy.initial_state(B * len(who)) for policy, who in players]
    sums = {name: np.zeros((B, N)) for name in COLUMNS}
    actions = np.zeros((B, N), np.int64)
    for _ in range(world.max_steps):
        for n, (policy, who) in enumerate(players):
            rows = {k: v[:, who].reshape(-1, *v.shape[2:]) for k, v in obs.items()}
            chosen, states[n] = policy.step(rows, states[n])
            actions[:, who] = chosen.reshape(B, -1)
        e = world.step(actions, obs).events
        sums["hearts"] += e.ate
        sums["charged"] += e.energy_charged / 100
        sums["attacks"] += e.hit.sum(-1)
        sums["frozen"] += ~e.active
        sums["looted"] += e.looted
        sums["gifts"] += e.gift_to >= 0
    return sums


def row(map_name: str, crowd: str, sums: dict[str, Any]) -> str:
    """One line of the table."""
    hearts = sums["hearts"].mean(1)
    error = hearts.std(ddof=1) / len(hearts) ** 0.5
    cells = [f"{hearts.mean():.1f} ± {error:.1f}"]
    cells += [f"{sums[name].mean():.1f}" for name in COLUMNS[1:]]
    return f"| {map_name} | {crowd} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    print(f"| map | all players | {' | '.join(COLUMNS)} |")
    print("|---|---|" + "--:|" * len(COLUMNS))
    for map_name, params in SETS.items():
        for crowd in CROWDS:
            sums = play(crowd, params)
            print(row(map_name, crowd, sums), flush=True)
            if " " in crowd:
                first = {name: column[:, :1] for name, column in sums.items()}
                print(row(map_name, "(that raider alone)", first), flush=True)


if __name__ == "__main__":
    main()
