"""One world on a stage: what the PettingZoo and the Gymnasium face have in common.

Shapes: N agents, (H, W, C) the grid seen by one agent, D its vector, G the side of the map.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete

from karma_rllib.envs import render
from karma_rllib.envs.social_events import agent_names, social_events
from karma_rllib.society.kinship import KinshipRules
from karma_rllib.society.ledger import LedgerParams
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.society.matchmaker import MatchmakerParams
from karma_rllib.worlds.events import IGNORE, Events, decision_roles, outcome_roles

RENDER_MODES = ("human", "rgb_array", "ansi")
FPS = 8

Obs = dict[str, np.ndarray]  # "grid" uint8 (N, H, W, C), "vec" float32 (N, D)


class Stage:
    """A lifetime with B = 1, told in the words of the outside: spaces, infos, pictures.

    Args:
        world: name of the world.
        profile: named parameter set; None takes the world's default.
        ledger: rules of the ledger.
        matchmaker: rules of the matchmaker.
        kinship: rules of kinship.
        uid: identity of the world; two stages with equal seed and uid live the same life.
        render_mode: `human`, `rgb_array`, `ansi` or None.
        params: single parameters of the world.

    Raises:
        ValueError: for an unknown name, key or value, in one sentence.
    """

    def __init__(
        self,
        world: str,
        profile: str | None,
        ledger: LedgerParams | Mapping[str, Any] | None,
        matchmaker: MatchmakerParams | Mapping[str, Any] | None,
        kinship: KinshipRules | Mapping[str, Any] | None,
        uid: int,
        render_mode: str | None,
        params: dict[str, Any],
    ) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(
                f"render_mode is {render_mode!r}: it must be None or one of "
                f"{', '.join(RENDER_MODES)}."
            )
        self.render_mode = render_mode
        self._build = dict(
            name=world,
            profile=profile,
            ledger=ledger,
            matchmaker=matchmaker,
            kinship=kinship,
            first_uid=uid,
            **params,
        )
        self.life = make_lifetime(**self._build)
        self.uid = uid
        self.names = agent_names(self.life.num_agents)
        self._pen = render.pen(world)
        self._title = f"{world} ({self.life.params.profile})"
        self._events: Events | None = None  # of the step that led to the current frame
        self._clock = (0, 0)  # env-steps and episodes of the lifetime before the current frame
        self._window: Any = None

    def employ(self, matchmaker: MatchmakerParams, ledger: LedgerParams) -> None:
        """Live under these rules from now on; the lifetime begins anew.

        Raises:
            ValueError: for a rule that cannot hold in this world.
        """
        build = {**self._build, "matchmaker": matchmaker, "ledger": ledger}
        self.life = make_lifetime(**build)
        self._build = build

    def debt_ledger(self) -> dict[str, dict[str, float]]:
        """Who owes whom how many zaps, as {debtor: {creditor: zaps}}; zero debts are left out."""
        owed = self.life.ledger[0]
        return {
            self.names[i]: {self.names[j]: float(owed[i, j]) for j in np.flatnonzero(owed[i])}
            for i in np.flatnonzero(owed.any(1))
        }

    def matches(self) -> dict[str, Any]:
        """What the matchmaker did at the last reset.

        `pairs` (debtor, creditor), `debt_before` what the one owed the other then [zaps], and
        `rigged`, whether the pair could be placed; three lists of equal length.
        """
        life = self.life
        chosen = np.flatnonzero(life.pairs[0, :, 0] >= 0)
        return {
            "pairs": [tuple(self.names[n] for n in life.pairs[0, k]) for k in chosen],
            "debt_before": [float(life.pair_debt[0, k]) for k in chosen],
            "rigged": [bool(life.pair_rigged[0, k]) for k in chosen],
        }

    def begin(self, seed: int) -> None:
        """Forget everything and start the lifetime that `seed` fixes (0 <= seed < 2**62)."""
        self.life = make_lifetime(seed=int(seed), **self._build)

    def reset(self) -> tuple[Obs, list[dict[str, Any]]]:
        """Begin the next episode of the lifetime; returns observations and one info per agent."""
        obs = self.life.reset()
        self._events = None
        state = self.life.get_state()
        self._clock = int(state["g"][0]), int(state["episode"][0])
        if self.render_mode == "human":
            self.render()
        return {key: rows[0] for key, rows in obs.items()}, self._infos()

    def step(self, actions: np.ndarray) -> tuple[Obs, np.ndarray, bool, list[dict[str, Any]]]:
        """Play one env-step.

        Args:
            actions: integers (N,).

        Returns:
            Observations, rewards float32 (N,), whether the episode ended, one info per agent.
        """
        obs, reward, truncated, events = self.life.step(np.asarray(actions, np.int64)[None])
        self._events = events
        self._clock = int(events.g[0]) + 1, int(events.episode[0])
        if self.render_mode == "human":
            self.render()
        obs = {key: rows[0] for key, rows in obs.items()}
        return obs, reward[0].copy(), bool(truncated[0]), self._infos()

    def _infos(self) -> list[dict[str, Any]]:
        """One info per agent; see `WorldParallelEnv` for the keys."""
        events, N = self._events, len(self.names)
        role_out = role_dec = np.full(N, IGNORE)
        told: list[list[dict[str, Any]]] = [[] for _ in self.names]
        if events is not None:
            role_out = outcome_roles(events, self.life.world.frozen)[0]
            role_dec = decision_roles(events)[0]
            told = social_events(events, self.life.ledger_before, self.uid)
        g, episode = self._clock
        common = {"env_uid": self.uid, "global_step": g, "episode": episode}
        return [
            {
                "social_events": told[n],
                "zids": [event["zid"] for event in told[n] if "zid" in event],
                "role_out": int(role_out[n]),
                "role_dec": int(role_dec[n]),
                **common,
            }
            for n in range(N)
        ]

    def picture(self, cell: int = 32) -> np.ndarray:
        """The current frame as an RGB image, uint8 (height, width, 3)."""
        lights = {}
        if self._events is not None:
            lights = {"fired": self._events.fired[0], "hit": self._events.hit[0].any(0)}
        return self._pen.draw(self.life.world.frame(), cell=cell, **lights)

    def render(self) -> np.ndarray | str | None:
        """Show the current frame as `render_mode` says.

        Raises:
            ValueError: without a render mode.
            ImportError: for `human` without pygame.
        """
        if self.render_mode is None:
            raise ValueError(
                f"render() needs a render_mode: build the env with one of "
                f"{', '.join(RENDER_MODES)}."
            )
        if self.render_mode == "ansi":
            return self._pen.text(self.life.world.frame())
        if self.render_mode == "rgb_array":
            return self.picture()
        if self._window is None:
            from karma_rllib.envs.window import Window

            self._window = Window(self._title, FPS)
        self._window.show(self.picture())
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the window travels in a pickle."""
        return {**self.__dict__, "_window": None, "_pen": None}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Find the pen again: modules do not travel."""
        self.__dict__.update(saved)
        self._pen = render.pen(self._build["name"])

    def spaces(self) -> tuple[Dict, Discrete]:
        """Observation and action space of one agent."""
        shapes = self.life.obs_shapes
        bits = bool((self.life.world.grid_scale == 1).all())
        obs: dict[str, Any] = {
            "grid": Box(0, 1 if bits else 255, shapes["grid"], np.uint8),
            "vec": Box(-1.0, 1.0, shapes["vec"], np.float32),
        }
        return Dict(obs), Discrete(self.life.num_actions)

    def state(self) -> np.ndarray:
        """The whole map as codes, uint8 (G, G, 5).

        Channels: terrain (harvest and match: 0 empty, 1 apple, 2 waste, 3 wall, 4-7 a colour;
        kinship: `kinship_state.TERRAIN`); lit or struck by the last step; agent index + 1,
        heading + 1 (north, east, south, west) and frozen, all 0 where nobody stands.
        """
        frame = self.life.world.frame()
        out = np.zeros((*frame.cells.shape, 5), np.uint8)
        out[..., 0], out[..., 1] = frame.cells, frame.beam
        n = np.flatnonzero(frame.present)
        row, col = frame.pos[n].T
        out[row, col, 2], out[row, col, 3] = n + 1, frame.head[n] + 1
        out[row, col, 4] = frame.frozen[n]
        return out

    def state_space(self) -> Box:
        """Space of `state()`."""
        G, N = len(self.life.world.frame().cells), len(self.names)
        high = np.broadcast_to(np.array([7, 1, N, 4, 1], np.uint8), (G, G, 5))
        return Box(np.zeros_like(high), high, dtype=np.uint8)


def fresh_seed() -> int:
    """A seed from the operating system, for a reset that names none."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(2))
