"""The oracle of competition: farms, and strikes down every rival before it can pay."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from karma_rllib.envs.suites.canvas import AHEAD, Cell, Pose
from karma_rllib.envs.suites.paths import FAR, spread
from karma_rllib.envs.suites.scenario import Episode
from karma_rllib.envs.suites.team_oracles import Farmers, Memory

REACH = [(away, aside) for away in (1, 2, 3) for aside in (-1, 0, 1)]  # attack_1 ... attack_9

SAFE = 20.0  # energy from which a shield is worth raising


def block(pose: Pose) -> list[Cell]:
    """The nine cells that the attacks from a pose fall on, in the order of their names."""
    row, col, head = pose
    down, right = AHEAD[head]
    return [
        (row + away * down + aside * right, col + away * right - aside * down)
        for away, aside in REACH
    ]


class Hunters(Farmers):
    """Farmers who freeze whoever of the others has something to lose or could buy a heart."""

    def __init__(self, world: Any, episode: Episode, agents: np.ndarray) -> None:
        super().__init__(world, episode, agents)
        self.rivals = [i for i in range(world.num_agents) if i not in self.agents]
        bodies = {body.name: body for body in world.params.body_list}
        names = world.params.bodies
        self.arms = [bodies[names[i % len(names)]].can_attack for i in range(world.num_agents)]
        self.price = world.params.altar_cost + world.params.cost_use

    def decide(self, state: Memory) -> tuple[list[str | None], list[int]]:
        """Strike what is in reach, go after threats, farm otherwise."""
        names, done = super().decide(state)
        threats = [j for j in self.rivals if self.threat(j)]
        able = [n for n in range(len(self.agents)) if self.can_strike(n)]
        if not threats or not able:
            return self.guarded(names), done
        fields = [self.within_reach(j) for j in threats]
        steps = np.array([[go[self.pose(self.agents[n])] for go in fields] for n in able], float)
        rows, cols = linear_sum_assignment(np.minimum(steps, 1000.0))
        for row, col in zip(rows.tolist(), cols.tolist(), strict=True):
            n, j = able[row], threats[col]
            i = self.agents[n]
            if steps[row, col] == 0:
                cell = tuple(self.frame.pos[j].tolist())
                names[n] = f"attack_{block(self.pose(i)).index(cell) + 1}"
            elif steps[row, col] < FAR:
                names[n] = self._downhill(self.pose(i), fields[col])
        return self.guarded(names), done

    def guarded(self, names: list[str | None]) -> list[str | None]:
        """The same actions, but for those who had better see to their shields."""
        strikes = [name is not None and name.startswith("attack") for name in names]
        return [
            name if strike else self.guard(n) or name
            for n, (name, strike) in enumerate(zip(names, strikes, strict=True))
        ]

    def threat(self, j: int) -> bool:
        """Whether rival j should be stopped: it holds something, could pay, or could strike."""
        frame = self.frame
        if frame.frozen[j] or not frame.present[j]:
            return False
        shielded = frame.shield[j] and frame.energy[j] >= self.world.params.attack_damage
        loot = frame.inventory[j].sum() > 0
        return bool(not shielded and (loot or frame.energy[j] >= self.price or self.armed(j, 2)))

    def armed(self, j: int, blows: int = 1) -> bool:
        """Whether rival j has the energy for so many blows, and is not frozen."""
        cost = blows * self.world.params.cost_attack
        return bool(self.arms[j] and not self.frame.frozen[j] and self.frame.energy[j] >= cost)

    def guard(self, n: int) -> str | None:
        """Raise the shield of the n-th agent while it could be struck soon; lower it after."""
        i, up = self.agents[n], bool(self.frame.shield[self.agents[n]])
        if self.frame.frozen[i] or (not up and self.frame.energy[i] < SAFE):
            return None
        armed = [j for j in self.rivals if self.armed(j)]
        near = FAR
        if armed:
            go = self.within_reach(i)
            near = min(int(go[self.pose(j)]) for j in armed)
        return "shield" if (near > 7 if up else near <= 4) else None

    def shunned(self, i: int) -> set[Cell]:
        """Cells where a blow could fall on agent i, who has no shield up."""
        if self.frame.shield[i]:
            return set()
        armed = [j for j in self.rivals if self.armed(j)]
        return {cell for j in armed for cell in block(self.pose(j))}

    def can_strike(self, n: int) -> bool:
        """Whether the n-th agent of the team could attack: the mask in its vector tells."""
        return bool(self.obs["vec"][n, self.world.mask_start + self.number["attack_nearest"]])

    def within_reach(self, j: int) -> np.ndarray:
        """Steps from each pose until an attack could fall on rival j."""
        go = np.full((*self.free.shape, 4), FAR, np.int32)
        goal = tuple(self.frame.pos[j].tolist())
        for head, (down, right) in enumerate(AHEAD):
            for away, aside in REACH:
                row = goal[0] - away * down - aside * right
                col = goal[1] - away * right + aside * down
                if self._inside((row, col)) and self.free[row, col]:
                    go[row, col, head] = 0
        spread(self.free, go)
        return go
