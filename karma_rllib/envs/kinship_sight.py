"""What a scripted player makes of an observation of the kinship world: things, free cells, ways.

Shapes: n players, H = W = 2 R + 1 cells of view with the player in the middle, K kinds of diamonds.
Directions are those of the window: 0 up, 1 right, 2 down, 3 left; `Sight.head` says which of them
the player faces, and `turned` what a direction is on the map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from karma_rllib.worlds.kinship_names import plane_names, vec_names
from karma_rllib.worlds.kinship_params import KinshipParams
from karma_rllib.worlds.kinship_state import STEP_COL, STEP_ROW

FAR = 1e9  # no way leads there
_SOLID = ("wall", "block", "generator", "charger", "altar", "station")


class Sight(NamedTuple):
    """An observation by names."""

    plane: dict[str, np.ndarray]  # uint8 (n, H, W)
    solid: np.ndarray  # nobody can ever enter, bool (n, H, W)
    taken: np.ndarray  # somebody else stands there, bool (n, H, W)
    energy: np.ndarray  # float (n,)
    top: np.ndarray  # most energy of the own body, float (n,)
    can_harvest: np.ndarray  # the own body may take diamonds, bool (n,)
    can_charge: np.ndarray  # and use chargers and altars, bool (n,)
    held: np.ndarray  # diamonds of each kind, int (n, K)
    heading: np.ndarray  # on the map: 0 north, 1 east, 2 south, 3 west, int (n,)
    head: np.ndarray  # the same in the window, int (n,)
    gave: np.ndarray  # the last action was a gift, bool (n,)


class Reader:
    """Reads observations of worlds with these parameters.

    Args:
        params: of the world.
    """

    def __init__(self, params: KinshipParams) -> None:
        self.params = params
        self._planes, names = plane_names(params), vec_names(params)
        self._vec = {name: k for k, name in enumerate(names)}
        bodies = params.body_list
        tops = [params.energy_max if b.max_energy is None else b.max_energy for b in bodies]
        self._rows = np.array(
            [tops, [b.can_harvest for b in bodies], [b.can_charge for b in bodies]]
        )
        self._gifts = [k for name, k in self._vec.items() if name.startswith("last_gift_")]
        self._bodies = [self._vec[f"body_{b.name}"] for b in bodies] if len(bodies) > 1 else []

    def read(self, obs: dict[str, np.ndarray]) -> Sight:
        """Take an observation apart; obs as in `bots.Policy.step`."""
        grid, vec = obs["grid"], obs["vec"]
        plane = {name: grid[..., c] for c, name in enumerate(self._planes)}
        mine = vec[:, self._bodies] if self._bodies else np.ones((len(vec), 1))  # one-hot
        top, harvests, charges = self._rows @ mine.T
        first, turn = self._vec["diamond_1"], self._vec["heading_north"]
        held = vec[:, first : first + self.params.kinds] * self.params.inventory_cap
        heading = vec[:, turn : turn + 4].argmax(1)
        return Sight(
            plane=plane,
            solid=np.logical_or.reduce([plane[name] > 0 for name in _SOLID]),
            taken=plane["agent"] > 0,
            energy=vec[:, self._vec["energy"]] * top,
            top=top,
            can_harvest=harvests > 0,
            can_charge=charges > 0,
            held=np.rint(held).astype(int),
            heading=heading,
            head=np.zeros_like(heading) if self.params.egocentric_rotate else heading,
            gave=np.any(vec[:, self._gifts] > 0, axis=1),
        )

    def turned(self, see: Sight, way: np.ndarray) -> np.ndarray:
        """Directions of the window (n,) as headings on the map (n,)."""
        return (way + see.heading) % 4 if self.params.egocentric_rotate else way


def beside(cells: np.ndarray, away: int = 1, aside: int = 0) -> np.ndarray:
    """What lies `away` cells ahead and `aside` to the right, for each direction of the window.

    Args:
        cells: a plane, (n, H, W).
        away: cells ahead, at most the view radius.
        aside: cells to the right, likewise.

    Returns:
        (n, 4).
    """
    R = cells.shape[1] // 2
    rows = [R + away * STEP_ROW[d] + aside * STEP_COL[d] for d in range(4)]
    cols = [R + away * STEP_COL[d] - aside * STEP_ROW[d] for d in range(4)]
    return cells[:, rows, cols]


def distances(goal: np.ndarray, toll: np.ndarray) -> np.ndarray:
    """Cost of the cheapest way to a goal, plus what ending there costs.

    Bellman's equation D = min(goal, toll + min over the four neighbours of D), by iteration.

    Args:
        goal: cost of ending at a cell, `FAR` where there is no goal, float (n, H, W).
        toll: cost of leaving a cell, `FAR` where nobody can be, float (n, H, W).

    Returns:
        float (n, H, W), at least `FAR` where no way leads to a goal.
    """
    n, H, W = goal.shape
    wide = np.full((n, H + 2, W + 2), FAR)
    inner = wide[:, 1:-1, 1:-1]
    inner[:] = goal
    while True:
        step = toll + np.minimum(
            np.minimum(wide[:, :-2, 1:-1], wide[:, 2:, 1:-1]),
            np.minimum(wide[:, 1:-1, :-2], wide[:, 1:-1, 2:]),
        )
        if not (step < inner).any():
            return inner
        np.minimum(inner, step, out=inner)
