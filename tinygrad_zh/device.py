"""Devices: the only place where arrays move. On the CPU an array is NumPy's, on CUDA it is CuPy's."""

from __future__ import annotations

from typing import Any

import numpy as np


def device_of(array: Any) -> str:
    """"cpu" for a NumPy array, "cuda:n" for a CuPy array on GPU n."""
    if isinstance(array, (np.ndarray, np.generic)):
        return "cpu"
    return f"cuda:{array.device.id}"


def move(array: Any, device: str) -> Any:
    """The array on another device; itself if it is there already.

    Raises ValueError for a name that is no device and RuntimeError, in one sentence, where CUDA cannot be had.
    """
    if device == "cpu":
        return array if isinstance(array, np.ndarray) else array.get()
    kind, _, number = str(device).partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise ValueError(f'there is no device {device!r}; use "cpu", "cuda" or "cuda:1"')
    cupy = _cupy()
    with cupy.cuda.Device(int(number or 0)):
        return cupy.asarray(array)


def _cupy() -> Any:
    try:
        import cupy
    except ImportError:
        raise RuntimeError('device "cuda" needs CuPy: pip install "tinygrad-zh[gpu]"') from None
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(f'device "cuda" cannot be used: {error}; tinygrad-zh doctor says more') from None
    return cupy


def freeze(value: Any) -> Any:
    """The result of a formula as an array that nobody can write to. NumPy's scalars become 0-d arrays.

    What a view looks at is locked too: a view can be unlocked again as long as its base is writable.
    CuPy has no read-only arrays: there a result is only never handed out for writing.
    """
    if isinstance(value, (np.ndarray, np.generic, float, int, bool)):
        array = np.asarray(value)
        array.setflags(write=False)
        base = array.base
        while isinstance(base, np.ndarray):
            base.setflags(write=False)
            base = base.base
        return array
    return value


def is_frozen(array: Any) -> bool:
    """Whether no one can write to this array, neither here nor through an array that it is a view of."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    return array is None
