"""Our names in other people's registries, at no cost to those who do not use them."""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

GYM_ID = "KarmicHarvest-v0"
KINSHIP_ID = "KinshipGrid-v0"
_REGISTRY = "gymnasium.envs"  # importing it fills Gymnasium's registry


def register_gymnasium() -> None:
    """Register our worlds with Gymnasium; doing it twice does nothing."""
    from gymnasium.envs.registration import register, registry

    for name, env in ((GYM_ID, "KarmicHarvestEnv"), (KINSHIP_ID, "KinshipGridEnv")):
        if name not in registry:
            register(id=name, entry_point=f"karma_rllib.envs.gym_env:{env}")


class _WhenGymnasiumComes(MetaPathFinder):
    """Waits for the import of Gymnasium, registers our envs right after it, and is gone.

    Gymnasium 1 has no plugin entry points; this keeps `import karma_rllib` light and yet lets
    `import karma_rllib, gymnasium` be enough.
    """

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find the module; hook in behind its execution."""
        if fullname != _REGISTRY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_then_register(module: ModuleType) -> None:
            run(module)
            register_gymnasium()

        spec.loader.exec_module = run_then_register  # type: ignore[method-assign]
        return spec


def register_with_gymnasium_now_or_later() -> None:
    """Register at once if Gymnasium is imported already, else as soon as it is."""
    if _REGISTRY in sys.modules:
        register_gymnasium()
    elif not any(isinstance(finder, _WhenGymnasiumComes) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenGymnasiumComes())
