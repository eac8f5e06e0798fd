"""Who meets whom: episodes of focal policies among background policies, played and kept.

A cell is one focal policy in `seats` of the N places of a world, and one background policy in the
others; its measure is the focal per-capita return (Leibo et al. 2021, "Scalable evaluation of
multi-agent reinforcement learning with Melting Pot").  Places rotate with the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from karma_rllib import __version__
from karma_rllib.analysis.store import BACKGROUND, FOCAL, EpisodeStore, Key, Row, name_of
from karma_rllib.config import ConfigError, ExperimentConfig
from karma_rllib.envs.meeting import World, build, play_episodes, seat
from karma_rllib.envs.replay_watch import Witness
from karma_rllib.experiment.meeting_replays import keep
from karma_rllib.experiment.tasks import in_tasks
from karma_rllib.nets.policies import Found, locate, open_found

PIECE = 16  # episodes of one cell that are played side by side, and written when they are done


class Playable(Protocol):
    """Who plays what with whom: a cell of meetings, or a policy that sits a scenario."""

    @property
    def title(self) -> str:
        """What complaints call it."""

    def key(self, seed: int) -> Key:
        """What identifies an episode, seen from who is judged."""

    def play(self, seeds: Sequence[int]) -> list[list[Row]]:
        """Play the episodes of these seeds: for each the rows of all agents."""


@dataclass(frozen=True)
class Cell:
    """One focal policy among one background policy in one world.

    Attributes:
        focal: who is judged.
        background: whom it meets.
        seats: how many agents are focal.
        num_agents: how many there are.
        world: what to build, see `envs.meeting.World`.
        seed: of the policies' chances.
        replays: folder for replays of what is worth seeing; None keeps none.
    """

    focal: Found
    background: Found
    seats: int
    num_agents: int
    world: World
    seed: int
    replays: Path | None = None

    @property
    def scenario(self) -> str:
        """What is played: profile, what differs from it, focal + background places."""
        rest = {k: v for k, v in self.world.items() if k not in ("world", "profile")}
        words = [str(self.world.get("profile") or "default"), *sorted(_flat(rest))]
        if self.seed:
            words.append(f"chances={self.seed}")
        return " ".join([*words, f"{self.seats}+{self.num_agents - self.seats}"])

    def key(self, seed: int, role: str = FOCAL) -> Key:
        """What identifies an episode of this cell, seen from one side."""
        me, other = self.focal, self.background
        if role == BACKGROUND:
            me, other = other, me
        suite, npc = str(self.world.get("world", "harvest-v0")), other.name
        return Key(me.uri, me.version, suite, self.scenario, seed, role, npc, __version__)

    @property
    def title(self) -> str:
        """Who among whom."""
        return f"{self.focal.label} among {self.background.label}"

    def play(self, seeds: Sequence[int]) -> list[list[Row]]:
        """Play episodes, side by side; for each seed the rows of all agents."""
        life = build(self.world)
        me = open_found(self.focal, life, self.seed)
        same = self.focal == self.background
        other = me if same else open_found(self.background, life, self.seed)
        cast = [me] * self.seats + [other] * (self.num_agents - self.seats)
        found: dict[int, list[Row]] = {seed: [] for seed in seeds}
        witness = Witness(self.names) if self.replays else None
        for played in play_episodes(self.world, cast, seeds, witness, rotate=True):
            judged = {seat(k, played.seed, self.num_agents) for k in range(self.seats)}
            role = FOCAL if played.agent in judged else BACKGROUND
            found[played.seed].append(
                Row(
                    self.key(played.seed, role),
                    played.agent,
                    None,
                    played.raw_return,
                    played.shared_return,
                    played.steps,
                    played.stats,
                )
            )
        if self.replays is not None and witness is not None:
            keep(self.replays, self.key(0), witness.drafts, found)
        return list(found.values())

    def names(self, seed: int) -> list[str]:
        """Who plays each agent in the episode of a seed, in few letters."""
        focal = {seat(k, seed, self.num_agents) for k in range(self.seats)}
        who = [self.focal if i in focal else self.background for i in range(self.num_agents)]
        return [name_of(found.label, found.version) for found in who]


def _flat(params: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Parameters as `key=value` words, nested keys joined with dots."""
    for key, value in params.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={value}"


def plan(
    focal: Sequence[str],
    background: Sequence[str],
    world: World,
    seats: Iterable[int] = (1,),
    seed: int = 0,
    replays: Path | None = None,
) -> list[Cell]:
    """Every focal policy among every background policy.

    Args:
        focal: addresses, see `nets.policies`.
        background: addresses; empty: the focal policies themselves, all against all.
        world: what to build.
        seats: numbers of focal agents to try.
        seed: of the policies' chances.
        replays: folder for replays, see `meeting_replays.keep`; None keeps none.

    Raises:
        ConfigError: a policy is not there or does not fit the world, or too many focal places;
            nothing was played.
    """
    try:
        life = build(world)
        known = {uri: locate(uri) for uri in dict.fromkeys([*focal, *background])}
        for found in known.values():
            open_found(found, life)
    except (ValueError, OSError) as err:
        raise ConfigError(" ".join(str(err).split())) from None
    places, kept = list(seats), replays if life.traits.replays else None
    for k in places:
        if not 1 <= k < life.num_agents:
            raise ConfigError(
                f"{k} focal agents do not leave anyone to meet among {life.num_agents}: choose 1 "
                f"to {life.num_agents - 1}"
            )
    return [
        Cell(known[one], known[other], k, life.num_agents, world, seed, kept)
        for k, one, other in product(places, dict.fromkeys(focal), background or focal)
    ]


Piece = tuple[Playable, list[int]]


def missing(cells: Iterable[Playable], seeds: Sequence[int], store: EpisodeStore) -> list[Piece]:
    """What is still to be played, cut into pieces."""
    pieces = []
    for cell in cells:
        rest = [seed for seed in seeds if not store.has(cell.key(seed))]
        pieces += [(cell, rest[k : k + PIECE]) for k in range(0, len(rest), PIECE)]
    return pieces


def complete(
    pieces: Sequence[Piece],
    store: EpisodeStore,
    workers: int = 1,
    told: Callable[[int], None] = lambda episodes: None,
) -> list[str]:
    """Play what is missing and keep it, episode by episode.

    Args:
        pieces: from `missing`.
        store: where to keep the rows.
        workers: processes; more than one are Ray tasks, one is this process, without Ray.
        told: called with the number of episodes whenever some are done.

    Returns:
        Why pieces failed, one line each; they are recorded as failed, the others went on.
    """
    complaints = []
    for (cell, seeds), result in _ray(pieces, workers) if workers > 1 and pieces else _here(pieces):
        if isinstance(result, Exception):
            reason = " ".join(str(result).split())[-300:] or type(result).__name__
            complaints.append(f"{cell.title}: {reason}")
            for seed in seeds:
                store.add([Row(cell.key(seed), -1, None, 0.0, 0.0, 0, {}, reason)])
        else:
            for rows in result:
                store.add(rows)
        told(len(seeds))
    return complaints


Result = tuple[Piece, list[list[Row]] | Exception]


def _here(pieces: Sequence[Piece]) -> Iterator[Result]:
    """Play piece by piece in this process."""
    return ((piece, _tried(piece)) for piece in pieces)


def _play(piece: Piece) -> list[list[Row]]:
    one, seeds = piece
    return one.play(seeds)


def _tried(piece: Piece) -> list[list[Row]] | Exception:
    try:
        return _play(piece)
    except Exception as err:
        return err


def _ray(pieces: Sequence[Piece], workers: int) -> Iterator[Result]:
    """Play as Ray tasks, `workers` at once."""
    # Ray is started as for an experiment; which one makes no difference.
    settings = {"name": "evaluate", "world": {}, "conditions": ["baseline"]}
    return in_tasks(_play, pieces, workers, ExperimentConfig.of(settings), max_retries=1)
