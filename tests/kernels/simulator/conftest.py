import pytest


@pytest.fixture(autouse=True)
def needs_greenlet():
    pytest.importorskip("greenlet", reason="the simulator of Numba's CUDA needs greenlet")
