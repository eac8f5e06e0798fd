"""World throughput: each batched world against its plain-Python reference.

harvest-v0: six agents on 15x15, 11x11x10 egocentric planes.  kinship-v0: 24 agents on 40x40, 11x11
view.  Planes and vectors are written every step, actions are random and drawn beforehand, resets
are included, one thread.  Windows of the batches and of the reference are
interleaved, so a busy machine slows all alike; rates are medians of agent-steps per CPU-second of
this process.

    python -m benchmarks.world            # about half a minute
    python -m benchmarks.world --quick
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console

from benchmarks import report
from karma_rllib import worlds
from tests.worlds.harvest_reference import ReferenceWorld
from tests.worlds.kinship_reference import ReferenceKinship

PROFILES = {"harvest-v0": "karma_seed", "kinship-v0": "arena"}
BATCHES = {"harvest-v0": (1, 16, 256, 1024), "kinship-v0": (1, 16, 64, 256)}
ACTION_ROWS = 64


@contextmanager
def cpu_seconds() -> Iterator[Callable[[], float]]:
    """CPU time of this process since the start of the block."""
    start = time.process_time()
    yield lambda: time.process_time() - start


def batched(name: str, num_worlds: int) -> Callable[[float], float]:
    """Agent-steps per CPU-second of a batch, for a window of so many seconds."""
    world = worlds.make(name, num_worlds=num_worlds, profile=PROFILES[name])
    N, A = world.num_agents, world.num_actions
    actions = np.random.default_rng(0).integers(0, A, (ACTION_ROWS, num_worlds, N))
    buffers = world.reset()
    burst = max(1, 2048 // num_worlds)  # steps between looks at the clock

    def window(seconds: float) -> float:
        steps = 0
        with cpu_seconds() as elapsed:
            while elapsed() < seconds:
                for _ in range(burst):
                    out = world.step(actions[steps % ACTION_ROWS], buffers)
                    if out.truncated[0]:  # all worlds end together
                        world.reset(out=buffers)
                    steps += 1
            return steps * num_worlds * N / elapsed()

    return window


def plain_harvest() -> Callable[[float], float]:
    """Agent-steps per CPU-second of the reference, one world."""
    params = worlds.resolve_params("harvest-v0", PROFILES["harvest-v0"])
    world = ReferenceWorld(params)
    world.reset()
    actions = np.random.default_rng(0).integers(0, 8, (ACTION_ROWS, params.num_agents)).tolist()

    def window(seconds: float) -> float:
        steps = 0
        with cpu_seconds() as elapsed:
            while elapsed() < seconds:
                if world.step(actions[steps % ACTION_ROWS])["truncated"]:
                    world.reset()
                steps += 1
            return steps * params.num_agents / elapsed()

    return window


def plain_kinship() -> Callable[[float], float]:
    """The same for the kinship world; its reference begins from maps of the fast one."""
    fast = worlds.make("kinship-v0", profile=PROFILES["kinship-v0"])
    fast.reset()
    world, N = ReferenceKinship(fast, 0), fast.num_agents
    actions = np.random.default_rng(0).integers(0, fast.num_actions, (ACTION_ROWS, N)).tolist()

    def window(seconds: float) -> float:
        steps = 0
        with cpu_seconds() as elapsed:
            while elapsed() < seconds:
                world.step(actions[steps % ACTION_ROWS])
                for i in range(N):
                    world.grid(i)
                    world.vec(i)
                steps += 1
            return steps * N / elapsed()

    return window


PLAIN = {"harvest-v0": plain_harvest, "kinship-v0": plain_kinship}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short windows, more noise")
    quick = parser.parse_args().quick
    rounds, seconds = (3, 0.2) if quick else (7, 0.8)
    for name in PROFILES:
        measure(name, rounds, seconds)


def measure(world: str, rounds: int, seconds: float) -> None:
    """Measure one world and print its table."""
    windows = {f"batch {B}": batched(world, B) for B in BATCHES[world]}
    windows["reference"] = PLAIN[world]()
    for window in windows.values():
        window(0.05)  # compile, warm the caches
    rates: dict[str, list[float]] = {name: [] for name in windows}
    for _ in range(rounds):
        for name, window in windows.items():
            rates[name].append(window(seconds))
    median = {name: statistics.median(found) for name, found in rates.items()}
    base = median.pop("reference")
    report.table(
        f"{world}, {PROFILES[world]}: agent-steps per CPU-second, one thread",
        [(name, rate, base, "the same rules in plain Python") for name, rate in median.items()],
    )
    spread = ", ".join(f"{name} {min(x):,.0f}-{max(x):,.0f}" for name, x in rates.items())
    Console(width=110).print(f"ranges over {rounds} windows: {spread}", highlight=False)


if __name__ == "__main__":
    main()
