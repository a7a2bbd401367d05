"""Does CuPy take the calls that the formulas make of it? CuPy itself answers, without a driver.

The stand-in notes every call that the ops table, the layers and the documents' training steps make; each is made once
more of CuPy, on arrays of the same kind in memory that only looks like a GPU's. CuPy checks names, keywords and types,
and fails at the launch, for want of a driver: as it should. Any other error would have come on a GPU too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.devices import launches
from tests.devices.test_layers import LAYERS
from tests.devices.test_layers import run as run_layer
from tests.devices.test_ops import run
from tests.ops.checks import cast
from tests.ops.table import TABLE
from tests.support.fake_cupy import FakeArray, Plain

real = pytest.importorskip("cupy", reason="CuPy is not installed")
pytestmark = pytest.mark.skipif(real.is_available(), reason="a GPU is there: it answers itself")


def called(gpu: Any) -> dict[Any, tuple[str, Any, Any]]:
    """Every kind of call that rows, layers and training steps make, by function, dtypes and numbers of axes."""
    gpu.calls = []
    for row in TABLE:
        @settings(max_examples=4, deadline=None, phases=[Phase.generate], derandomize=True, database=None,
                  suppress_health_check=list(HealthCheck))
        @given(data=st.data())
        def draw(data: st.DataObject) -> None:
            case = data.draw(row.cases)  # noqa: B023, run at once
            run(row, case, cast(case.arrays, np.float32), "cuda")  # noqa: B023

        draw()
    for made in LAYERS.values():
        run_layer(made, "cuda", training=True)
    for name in launches.STEPS:
        launches.train(name, "cuda", steps=1)
    return {(name, kind(arguments), kind(keywords)): (name, arguments, keywords)
            for name, arguments, keywords in gpu.calls}


def kind(x: Any) -> Any:
    if isinstance(x, (FakeArray, np.ndarray)):
        return "array", x.dtype.name, x.ndim, x.size > 0
    if isinstance(x, Plain):
        return "index", kind(x.value)
    if isinstance(x, (tuple, list)):
        return type(x).__name__, tuple(map(kind, x))
    if isinstance(x, dict):
        return tuple((key, kind(value)) for key, value in sorted(x.items()))
    return type(x).__name__


class Memory:
    """Host memory that CuPy takes for a GPU's."""

    def __init__(self) -> None:
        self.bytes = np.zeros(1 << 20, np.uint8)
        self.pointer = real.cuda.MemoryPointer(
            real.cuda.UnownedMemory(self.bytes.ctypes.data, self.bytes.nbytes, self.bytes, device_id=0), 0)

    def given(self, x: Any) -> Any:
        """An argument of the stand-in's as CuPy would be given it."""
        if isinstance(x, (FakeArray, np.ndarray)):
            return real.ndarray(x.shape, x.dtype, memptr=self.pointer)
        if isinstance(x, Plain):
            return self.given(x.value)
        if isinstance(x, (tuple, list)):
            return type(x)(map(self.given, x))
        return x


def call(name: str, arguments: Any, keywords: Any) -> None:
    """The same call of CuPy: an operator or NumPy's function, a method, or an index."""
    if name == "getitem":
        arguments[0][arguments[1]]
    elif name == "setitem":
        arguments[0][arguments[1]] = arguments[2]
    elif name.endswith(".at"):
        getattr(np, name.removesuffix(".at")).at(*arguments)
    elif name == "sliding_window_view":
        np.lib.stride_tricks.sliding_window_view(*arguments, **keywords)
    elif arguments and isinstance(arguments[0], real.ndarray) and not isinstance(getattr(np, name, None), np.ufunc) \
            and callable(getattr(real.ndarray, name, None)):
        getattr(arguments[0], name)(*arguments[1:], **keywords)
    elif name in ("arange", "identity", "tri", "asarray"):
        getattr(np, name)(*arguments, **keywords, like=real.ndarray((1,), memptr=Memory().pointer))
    else:
        getattr(np, name)(*arguments, **keywords)


def test_cupy_takes_every_call_that_the_formulas_make(one_cupy: Any) -> None:
    memory = Memory()
    without_driver = (real.cuda.runtime.CUDARuntimeError, ImportError)  # cuBLAS is not there either
    refused = {}
    calls = called(one_cupy.gpu)
    for key, (name, arguments, keywords) in calls.items():
        try:
            call(name, memory.given(arguments), {k: memory.given(v) for k, v in keywords.items()})
        except without_driver:
            pass
        except Exception as error:
            refused[key] = f"{type(error).__name__}: {error}"
    assert len(calls) > 300
    assert not refused, "\n".join(f"{key}: {why}" for key, why in refused.items())
