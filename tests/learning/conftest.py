"""Ray for the whole folder; stopped at the end so that no process stays behind."""

import os

import pytest


@pytest.fixture(scope="session")
def cluster():
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=256 * 1024**2,
    )
    yield
    ray.shutdown()
