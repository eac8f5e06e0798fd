"""Memory is taken without paying for every page twice."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from karma_rllib.plugin.allocator import leave_new_tensors_unfilled


@pytest.fixture
def deterministic():
    """As RLlib sets it for a seeded run on a CPU."""
    before = torch.utils.deterministic.fill_uninitialized_memory
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = before


def fills():
    """How often torch fills memory while it makes a tensor."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        torch.empty(1000)
    return sum(event.count for event in seen.key_averages() if event.key == "aten::fill_")


def test_new_tensors_are_not_filled(deterministic):
    assert fills() == 1
    leave_new_tensors_unfilled()
    assert fills() == 0
