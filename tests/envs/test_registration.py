"""`import karma_rllib` is light, and enough for `gymnasium.make`, in any order of imports."""

import subprocess
import sys

import pytest

MAKE = "e = gymnasium.make('KarmicHarvest-v0', profile='gathering'); print(e.spec.id)"
HEAVY = ("numpy", "numba", "torch", "ray", "gymnasium", "pettingzoo", "pydantic", "PIL")


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "imports",
    [
        "import karma_rllib, gymnasium",
        "import gymnasium, karma_rllib",
        "import karma_rllib; from gymnasium.envs.registration import registry; import gymnasium",
        "import gymnasium; from karma_rllib import worlds",
        "import importlib, karma_rllib; importlib.reload(karma_rllib); import gymnasium",
        "from karma_rllib.envs import harvest_v0; import gymnasium",
    ],
)
def test_the_id_is_there_whatever_the_order_of_imports(imports):
    assert run(f"{imports}; {MAKE}") == "KarmicHarvest-v0"


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, karma_rllib; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code) == "[]"


def test_the_import_hook_is_gone_once_it_has_worked():
    code = (
        "import sys, karma_rllib; n = len(sys.meta_path); import gymnasium;"
        "print(n - len(sys.meta_path), gymnasium.spec('KarmicHarvest-v0').version)"
    )
    assert run(code) == "1 0"
