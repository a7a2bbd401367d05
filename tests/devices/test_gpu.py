"""On a GPU itself: the formulas give the CPU's numbers to rounding, and a replayed step the eager one's to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.devices import launches
from tests.devices.test_layers import LAYERS
from tests.devices.test_layers import run as run_layer
from tests.devices.test_ops import run
from tests.ops.checks import assert_close, cast
from tests.ops.table import TABLE, Row
from tinygrad_zh import device
from tinygrad_zh import functional as F
from tinygrad_zh.program import cuda_graph

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not cupy.is_available(), reason="there is no GPU")]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_a_row_gives_the_same_on_both_to_rounding(row: Row) -> None:
    @settings(max_examples=10, deadline=None, phases=[Phase.generate], derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def both(data: st.DataObject) -> None:
        case = data.draw(row.cases)
        for dtype, tolerance in ((np.float32, 3e-5), (np.float64, 1e-11)):
            arrays = cast(case.arrays, dtype)
            here, there = (run(row, case, arrays, place) for place in ("cpu", "cuda"))
            for what, found, expected in zip(("forward", "gradients", "second gradients"), there, here, strict=True):
                assert_close(found, expected, tolerance, f"{what} in {np.dtype(dtype)}")

    both()


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_runs(name: str) -> None:
    assert run_layer(LAYERS[name], "cuda", training=True).keys() == run_layer(LAYERS[name], "cpu", training=True).keys()


@pytest.mark.parametrize("name", launches.STEPS)
def test_a_step_is_the_cpus_to_rounding(name: str) -> None:
    here, there = (launches.train(name, place).state_dict() for place in ("cpu", "cuda"))
    for key, expected in here.items():
        np.testing.assert_allclose(there[key], expected, rtol=1e-3, atol=1e-4, err_msg=key)


def test_a_replayed_step_is_the_eager_one_to_the_bit() -> None:
    """S3 has no scatter-add, whose atomics add in another order each time."""
    make, loss, batch, _ = launches.STEPS["s3"]
    found = []
    for replay in (False, True):
        tz.manual_seed(0)
        model = make().to("cuda")
        optimizer = tz.optim.Adam(model.parameters())

        def step(x: Any, y: Any) -> tz.Tensor:
            value = loss(model(x), y)  # noqa: B023
            optimizer.zero_grad()  # noqa: B023
            value.backward()
            optimizer.step()  # noqa: B023
            return value

        take = cuda_graph(step) if replay else step
        rng = np.random.default_rng(0)
        losses = [take(*(tz.tensor(array, device="cuda") for array in batch(rng))) for _ in range(20)]
        found.append(([value.item() for value in losses], {k: a.tobytes() for k, a in model.state_dict().items()}))
    assert found[1] == found[0]


def test_labels_out_of_range_are_not_wrapped() -> None:
    for labels in (tz.tensor([0, 3], device="cuda"), tz.tensor([0, 3], device="cuda") * 1):
        with pytest.raises(IndexError, match="class label 3 is out of range"):
            F.cross_entropy(tz.tensor(np.zeros((2, 3)), device="cuda"), labels)


def test_devices_do_not_meet() -> None:
    with pytest.raises(TypeError, match=r"the inputs are on cpu and cuda:0, move them with t\.to\(…\)"):
        tz.tensor([1.0], device="cuda") + tz.tensor([1.0])


def test_the_memory_is_full() -> None:
    x = tz.tensor(np.ones((256, 2**20), np.float32), device="cuda")
    assert device.memory().used >= 2**30
    cupy.get_default_memory_pool().set_limit(size=device.memory().used + 2**20)
    try:
        with pytest.raises(MemoryError, match=r"1 × float32 \(256, 1048576\) = 1\.0 GiB"):
            x * 2.0
    finally:
        cupy.get_default_memory_pool().set_limit(size=0)
    assert (x * 2.0).shape == x.shape


def test_everything_runs_on_a_stream_that_waits_for_no_other() -> None:
    assert device.stream().is_non_blocking
    assert cupy.cuda.get_current_stream() == device.stream()
