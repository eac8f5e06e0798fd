"""What a scripted player of the harvest world sees: one view, whatever the observation mode.

Shapes: n players, H = 2 R + 1 side of a view with R cells to each side, N agents.  A view is
egocentric: the player stands at (R, R) and faces row 0.  Directions are those of actions 1 to 4:
forward, backward, left, right.
"""

from typing import Any, NamedTuple

import numpy as np

from karma_rllib.worlds import harvest_state as h

FORWARD, BACKWARD, LEFT, RIGHT = range(4)
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # row and column of one step in each direction
#: Heading of an agent in that direction that faces me, relative to mine (0 same, then clockwise).
FACES_ME = (2, 0, 1, 3)
FAR = 10_000  # no way there [cells]


class View(NamedTuple):
    """What n players see; masks are bool (n, H, H)."""

    wall: np.ndarray
    apple: np.ndarray
    waste: np.ndarray
    active: np.ndarray  # another agent that can act
    frozen: np.ndarray  # another agent that cannot
    beam: np.ndarray  # lit by a zap in the last step; nowhere if the observation does not show it
    heading: np.ndarray  # of the agent there, relative to mine, -1 for nobody, int8
    who: np.ndarray  # index of the agent there, 0 for all if they look alike, -1 for nobody, int8
    head: np.ndarray  # my own heading, 0 if it is not shown, int8 (n,)

    @property
    def radius(self) -> int:
        """How far the players see: R [cells]."""
        return self.wall.shape[1] // 2

    @property
    def free(self) -> np.ndarray:
        """Cells that can be walked on, bool (n, H, H)."""
        return ~(self.wall | self.waste | self.active | self.frozen)


class Line(NamedTuple):
    """What a zap in one direction would meet, if nobody moved; each (n,)."""

    rival: np.ndarray  # an active agent, bool
    waste: np.ndarray  # waste, bool
    who: np.ndarray  # index of the first agent, active or frozen, -1 for none, int8
    heading: np.ndarray  # and its heading relative to mine, int8


class Eyes:
    """Turns observations of one harvest world into views.

    Args:
        world: the world, or anything with its `params`, `plane_names` and `vec_names`.

    Raises:
        ValueError: a player could not tell from the observation where it stands or how it moves.
    """

    def __init__(self, world: Any) -> None:
        self.params = p = world.params
        self.planes = {name: k for k, name in enumerate(world.plane_names)}
        self.vec = {name: k for k, name in enumerate(world.vec_names)}
        self.whole = p.obs_mode == "full_grid"
        if self.whole and not p.full_grid_fix:
            raise ValueError(
                "a bot cannot find itself on the map with full_grid_fix=False: set it to True, or "
                "use obs_mode='ego_planes'."
            )
        if p.move_frame == "absolute" and not self.whole:
            raise ValueError(
                "a bot cannot see where north is with move_frame='absolute' and "
                "obs_mode='ego_planes': set obs_mode='full_grid' or move_frame='ego'."
            )
        self.knows_faces = self.whole or p.obs_identity == "onehot"
        self.faces = p.num_agents if self.knows_faces else 1

    def feel(self, obs: dict[str, np.ndarray], name: str) -> np.ndarray:
        """One entry of the vector by its name as a flag, bool (n,)."""
        return obs["vec"][:, self.vec[name]] > 0.5

    def look(self, obs: dict[str, np.ndarray]) -> View:
        """What the players see."""
        return self._turned(obs["grid"]) if self.whole else self._planes(obs["grid"])

    def _planes(self, grid: np.ndarray) -> View:
        """From egocentric planes."""
        seen = {name: grid[..., k] > 0 for name, k in self.planes.items()}
        body = seen["agent_active"] | seen["agent_frozen"]
        at = self.planes["heading_same"]
        heading = np.where(body, grid[..., at : at + 4].argmax(-1), -1).astype(np.int8)
        who = np.where(body, 0, -1).astype(np.int8)
        if self.knows_faces:
            at = self.planes["agent_0"]
            faces = grid[..., at : at + self.params.num_agents]
            who = np.where(body, faces.argmax(-1), -1).astype(np.int8)
        return View(
            seen["wall"],
            seen["apple"],
            seen["waste"],
            seen["agent_active"],
            seen["agent_frozen"],
            seen["beam"],
            heading,
            who,
            np.zeros(len(grid), np.int8),
        )

    def _turned(self, grid: np.ndarray) -> View:
        """From the whole map, north up: cut out a window and turn it."""
        n, G, R = len(grid), grid.shape[1], self.params.view_radius
        mine = grid[..., 1].reshape(n, -1) == h.SEED_SELF
        row, col = np.divmod(mine.argmax(1), G)
        head = np.where(mine.any(1), grid[np.arange(n), row, col, 2] // h.SEED_HEADING - 1, 0)
        ahead, right = np.mgrid[R : -R - 1 : -1, -R : R + 1]  # of each cell of the window
        down, across = np.array(h.STEP_ROW), np.array(h.STEP_COL)
        d, e = head[:, None, None], (head[:, None, None] + 1) & 3
        y = row[:, None, None] + ahead * down[d] + right * down[e]
        x = col[:, None, None] + ahead * across[d] + right * across[e]
        out = (y < 0) | (y >= G) | (x < 0) | (x >= G) | ~mine.any(1)[:, None, None]
        cell = grid[np.arange(n)[:, None, None], y.clip(0, G - 1), x.clip(0, G - 1)]
        ground, code = np.where(out, 0, cell[..., 0]), np.where(out, 0, cell[..., 1])
        body = (code > 0) & (code != h.SEED_SELF)
        frozen = body & (code >= h.SEED_AGENT + h.SEED_FROZEN)
        who = code.astype(np.int64) - h.SEED_AGENT - h.SEED_FROZEN * frozen
        facing = (cell[..., 2].astype(np.int64) // h.SEED_HEADING - 1 - d) & 3
        return View(
            out,
            ground == h.SEED_TERRAIN * h.APPLE,
            ground == h.SEED_TERRAIN * h.WASTE,
            body & ~frozen,
            frozen,
            np.zeros_like(out),
            np.where(body, facing, -1).astype(np.int8),
            np.where(body, who, -1).astype(np.int8),
            head.astype(np.int8),
        )

    def line(self, view: View, direction: int) -> Line:
        """What a zap in a direction would meet, the side rays of a wide beam included."""
        p, R = self.params, view.radius
        n, (dy, dx) = len(view.wall), STEPS[direction]
        rival, waste = np.zeros(n, bool), np.zeros(n, bool)
        who, heading = np.full(n, -1, np.int8), np.full(n, -1, np.int8)
        for side in range(-p.beam_half_width, p.beam_half_width + 1):
            alive = np.ones(n, bool)
            for k in range(1, p.beam_length + 1):
                at = (slice(None), R + k * dy + side * dx, R + k * dx - side * dy)
                alive &= ~view.wall[at]
                body = view.active[at] | view.frozen[at]
                rival |= alive & view.active[at]
                waste |= alive & view.waste[at]
                first = alive & body & (who < 0)
                who, heading = (
                    np.where(first, view.who[at], who),
                    np.where(first, view.heading[at], heading),
                )
                if p.beam_blocking == "first_hit":
                    alive &= ~(body | view.waste[at])
        return Line(rival, waste, who, heading)

    def lines(self, view: View) -> list[Line]:
        """`line` in all four directions."""
        return [self.line(view, direction) for direction in range(4)]

    def act(self, actions: np.ndarray, view: View) -> np.ndarray:
        """Translate moves relative to my heading into the world's actions, int64 (n,)."""
        if self.params.move_frame == "ego":
            return actions
        turn = np.array(h.MOVE_TURN)
        back = np.argsort(turn)  # number of the move for each heading
        moves = (actions >= h.FORWARD) & (actions <= h.RIGHT)
        there = (turn[np.where(moves, actions - 1, 0)] + view.head) & 3
        return np.where(moves, back[there] + 1, actions)


def distances(goals: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Length of the shortest way to the nearest goal.

    Args:
        goals: bool (n, H, H).
        free: cells that can be walked on, bool (n, H, H); goals need not be.

    Returns:
        int32 (n, H, H) [steps]; at least `FAR` where there is no way.
    """
    n, H, W = goals.shape
    D = np.full((n, H + 2, W + 2), FAR, np.int32)
    inner = D[:, 1:-1, 1:-1]
    inner[goals] = 0
    for _ in range(H * W):
        near = np.minimum(
            np.minimum(D[:, :-2, 1:-1], D[:, 2:, 1:-1]), np.minimum(D[:, 1:-1, :-2], D[:, 1:-1, 2:])
        )
        shorter = free & (near + 1 < inner)
        if not shorter.any():
            break
        inner[shorter] = near[shorter] + 1
    return inner


def towards(way: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """First move of a shortest way: action 1 to 4, or -1 where there is none.

    Args:
        way: from `distances`, int (n, H, H).
        chance: breaks ties, float (n, 4) in [0, 1).
    """
    R = way.shape[1] // 2
    beside = np.stack([way[:, R + dy, R + dx] for dy, dx in STEPS], 1)
    best = (beside + chance).argmin(1)
    return np.where(beside.min(1) < FAR, best + h.FORWARD, -1)
