"""Every formula runs on the GPU as it stands: on the stand-in it gives the CPU's results, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.ops.checks import as_tuple, assert_same, cast, seeds_for
from tests.ops.table import TABLE, Case, Row
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.device import move


def on_device(x: Any) -> Any:
    """Arrays among the keywords (an index) go along."""
    if isinstance(x, tuple):
        return tuple(map(on_device, x))
    return move(x, "cuda") if isinstance(x, np.ndarray) else x


def run(row: Row, case: Case, arrays: Any, device: str) -> list[list[Any]]:
    """The results, the gradients, and the gradients of their sum, brought back."""
    inputs = [leaf(move(x.copy(), device), x.dtype.kind == "f") for x in arrays]
    keywords = case.keywords if device == "cpu" else {k: on_device(v) for k, v in case.keywords.items()}
    results = as_tuple(row.function(*inputs, **keywords))
    roots = [y for y in results if isinstance(y, tz.Tensor) and y.requires_grad]
    leaves = [x for x in inputs if x.requires_grad]
    seeds = [leaf(move(seed, device)) for seed in seeds_for(case, roots)]
    first = tz.grad(roots, leaves, seeds, allow_unused=True, create_graph=True) if roots else ()
    curved = [g.sum() for g in first if g is not None and g.requires_grad]
    second = tz.grad(curved, leaves, allow_unused=True) if curved else ()
    every = [[x for x in xs if x is not None] for xs in (results, first, second)]
    assert all(x.device.startswith(device) for xs in every for x in xs if isinstance(x, tz.Tensor))
    return [[move(x.array if isinstance(x, tz.Tensor) else x, "cpu") for x in xs] for xs in every]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_a_row_gives_the_same_on_both(row: Row, one_cupy: Any) -> None:
    @settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def both(data: st.DataObject) -> None:
        case = data.draw(row.cases)
        for dtype in (np.float32, np.float64):
            arrays = cast(case.arrays, dtype)
            here, there = (run(row, case, arrays, device) for device in ("cpu", "cuda"))
            for what, found, expected in zip(("forward", "gradients", "second gradients"), there, here, strict=True):
                assert_same(found, expected, what)

    both()
    assert not one_cupy.gpu.counts["launch on the null stream"]
