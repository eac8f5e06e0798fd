"""Jobs as Ray tasks, a few at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from karma_rllib.config import ExperimentConfig
from karma_rllib.experiment import cluster

Job = TypeVar("Job")


def in_tasks(
    work: Callable[[Job], Any],
    jobs: Sequence[Job],
    workers: int,
    config: ExperimentConfig,
    **options: Any,
) -> Iterator[tuple[Job, Any]]:
    """Do jobs as Ray tasks of one CPU each, and hand over each as soon as it is done.

    Args:
        work: does one job.
        jobs: in the order in which they are begun.
        workers: tasks at once.
        config: as for `cluster.connected`.
        options: of `ray.remote`.

    Yields:
        A job and what came of it, or the exception that it ended with; the others go on.
    """
    with cluster.connected(config):
        import ray

        task = ray.remote(num_cpus=1, **options)(work)
        waiting = list(jobs)
        running: dict[Any, Job] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[task.remote(job)] = job
            (ref, *_), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(ref)
            try:
                came = ray.get(ref)
            except Exception as err:
                came = err
            yield job, came
