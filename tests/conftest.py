"""What all tests share: how property tests search, and one Ray.

Property tests draw the same cases in every run; HYPOTHESIS_PROFILE=explore draws new ones.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("explore", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session")
def cluster():
    """Ray with four CPUs; stopped at the end so that no process stays behind."""
    import ray

    from karma_rllib.experiment import cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"num_cpus": 4, "include_dashboard": False, "log_to_driver": False}
    cluster.start(options | {"logging_level": "ERROR", "object_store_memory": 256 * 1024**2})
    yield
    ray.shutdown()
