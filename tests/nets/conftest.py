"""One torch thread: the suite shares its cores, and sums then have one order."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)
