"""Arrays that behave like CuPy's where it matters here, for machines without a GPU.

They refuse to meet a NumPy array, are never read-only, hold 0-d arrays and no scalars, and say where they are.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def _bare(x: Any) -> Any:
    if isinstance(x, FakeArray):
        return x.host
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")  # CuPy's words
    if isinstance(x, (list, tuple)):
        return type(x)(map(_bare, x))
    return x


def _fake(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_fake, x))
    return FakeArray(np.asarray(x)) if isinstance(x, (np.ndarray, np.generic)) else x


class FakeArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array "on a GPU"."""

    device = SimpleNamespace(id=0)
    __cuda_array_interface__: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    def get(self) -> np.ndarray:
        return self.host.copy()

    def __array__(self, *arguments: Any, **keywords: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return _fake(getattr(ufunc, method)(*map(_bare, inputs), **keywords))

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        return _fake(function(*map(_bare, arguments), **{name: _bare(x) for name, x in keywords.items()}))

    def __getitem__(self, index: Any) -> FakeArray:
        return _fake(np.asarray(self.host[_bare(index)]))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.host, name)
        if not callable(found):
            return _fake(found)
        return lambda *arguments, **keywords: _fake(found(*map(_bare, arguments), **keywords))


def asarray(x: Any) -> FakeArray:
    return x if isinstance(x, FakeArray) else FakeArray(np.array(x))


def module(devices: int = 1, error: str | None = None) -> Any:
    """What `import cupy` gives: a module with one working device, or with a driver that fails."""

    class CUDARuntimeError(RuntimeError):
        pass

    def count() -> int:
        if error:
            raise CUDARuntimeError(error)
        return devices

    class Device:
        def __init__(self, number: int) -> None:
            self.id = number

        def __enter__(self) -> Device:
            return self

        def __exit__(self, *why: Any) -> None:
            pass

    runtime = SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    return SimpleNamespace(asarray=asarray, ndarray=FakeArray, cuda=SimpleNamespace(runtime=runtime, Device=Device))
