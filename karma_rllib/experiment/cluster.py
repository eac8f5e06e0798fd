"""Starting Ray, or joining it, and leaving the machine as it was found."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

from karma_rllib.config import ConfigError, ExperimentConfig

MIB = 1024**2
ATTEMPTS = 3  # Ray gives its daemons 30 s; on a busy machine the next start finds warm caches

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a trial without GPUs sees the machine as it is
    "RAY_AIR_NEW_OUTPUT": "0",  # Ray's own progress reports: we draw our own
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # named at the end, with their files
    "TUNE_GLOBAL_CHECKPOINT_S": "5",  # how much of the books a killed driver can lose [s]
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "PYTHONWARNINGS": "ignore::DeprecationWarning",
}
"""Set before Ray is imported, unless the user has set them."""


def prepare_environment(config: ExperimentConfig) -> dict[str, str]:
    """Set Ray's and Weights & Biases' environment variables; returns those that workers need."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    shared = {}
    if config.tracking.wandb:
        shared = {"WANDB_MODE": config.tracking.wandb, "WANDB_SILENT": "true"}
        os.environ.update(shared)
    return shared


def check_tracking(config: ExperimentConfig) -> None:
    """Refuse to log online where nobody is logged in.

    Raises:
        ConfigError: `tracking.wandb` is online, and Weights & Biases knows no user.
    """
    if config.tracking.wandb != "online" or os.environ.get("WANDB_API_KEY"):
        return
    import wandb

    if not wandb.login(prompt=False):
        raise ConfigError(
            "`tracking.wandb` is online, but nobody is logged in; run `wandb login` or use offline"
        )


@contextlib.contextmanager
def connected(config: ExperimentConfig, address: str | None = None) -> Iterator[None]:
    """Ray for the duration of the block.

    A Ray that is already initialised is used and left alone; one that is started here is shut down
    at the end, whatever happens.

    Args:
        config: the experiment.
        address: of a cluster to join; None: start Ray on this machine.

    Raises:
        ConfigError: no cluster answers at `address`, or Ray does not come up here.
    """
    shared = prepare_environment(config)
    if address is not None:
        _knock(address)
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        # Fragments pass through the object store only when they leave the trial's process.
        remote = config.resources.num_env_runners or config.resources.num_learners
        options["include_dashboard"] = False
        options["address"] = "local"  # a Ray of our own, whatever RAY_ADDRESS says
        options["object_store_memory"] = (2048 if remote else 256) * MIB
    else:
        options |= {"address": address, "runtime_env": {"env_vars": shared}}
    start(options, address)
    try:
        yield
    finally:
        ray.shutdown()


def start(options: dict[str, Any], address: str | None = None) -> None:
    """Initialise Ray; where it is to be started here and is too slow to come up, try again.

    Args:
        options: of `ray.init`.
        address: of the cluster that they name; None: Ray is started on this machine.

    Raises:
        ConfigError: no cluster answers at `address`, or Ray does not come up here.
    """
    for _ in range(1 if address else ATTEMPTS):
        slow = _tried(options)
        if slow is None:
            return
    reason = str(slow).splitlines()[0] if str(slow) else type(slow).__name__
    if address is not None:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({reason})") from None
    raise ConfigError(
        f"Ray did not start on this machine ({reason}); if it is busy, try again later"
    ) from slow


def _tried(options: dict[str, Any]) -> Exception | None:
    """Initialise Ray; what was in the way, if anything, after taking down what had come up."""
    import ray

    try:
        ray.init(**options)
    except Exception as err:  # a node that is too slow to come up raises just that
        ray.shutdown()
        return err
    return None


def _knock(address: str) -> None:
    """Refuse an address where nothing listens; Ray itself would keep trying for minutes.

    Raises:
        ConfigError: nothing listens at ``host:port``.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # a name that Ray looks up itself, such as auto
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as err:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({err})") from None


def check_fits(config: ExperimentConfig, address: str | None) -> None:
    """Refuse a trial that this machine could never start; Tune would wait for ever.

    A cluster that was joined may grow, so nothing is refused there.

    Raises:
        ConfigError: a trial needs more CPUs or GPUs than there are.
    """
    import ray

    from karma_rllib.experiment.trial import KarmaTrial, trial_space

    # RLlib warns whenever a config is built that it uses the stack that is its default.
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)
    # Building the first condition's config also lets RLlib refuse what only it can judge.
    space = {**trial_space(config), "condition": config.conditions[0], "seed": config.seeds[0]}
    try:
        needed = KarmaTrial.default_resource_request(space).required_resources
    except ValueError as err:
        raise ConfigError(" ".join(str(err).split())) from None
    if address is not None:
        return
    have = ray.cluster_resources()
    for kind, key in (("CPU", "num_env_runners"), ("GPU", "num_gpus")):
        if needed.get(kind, 0) > have.get(kind, 0):
            raise ConfigError(
                f"a trial needs {needed[kind]:g} {kind}s, but this machine has "
                f"{have.get(kind, 0):g}; lower `resources.{key}` or join a cluster with --address"
            )
