"""Where an array is, how it gets elsewhere, and that nobody writes to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_zh.device import cuda, extent


def device_of(array: Any) -> str:
    """"cpu" for a NumPy array, "cuda:n" for a CuPy array on GPU n."""
    if isinstance(array, (np.ndarray, np.generic)):
        return "cpu"
    return f"cuda:{array.device.id}"


def on_cuda(x: Any) -> bool:
    """Whether this is an array on a GPU."""
    return hasattr(x, "__cuda_array_interface__")


def index_of(device: str) -> int | None:
    """The number of a GPU, None for the CPU. Raises ValueError for a name that is no device."""
    if device == "cpu":
        return None
    kind, _, number = str(device).partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise ValueError(f'there is no device {device!r}; use "cpu", "cuda" or "cuda:1"')
    return int(number or 0)


def move(array: Any, device: str) -> Any:
    """The array on another device; itself if it is there already.

    From the GPU to the CPU it waits until the GPU has computed the array. Raises ValueError for a name that is no
    device and RuntimeError, in one sentence, where CUDA cannot be had.
    """
    number = index_of(device)
    here = isinstance(array, np.ndarray)
    if number is None:
        return array if here else cuda.download(array)
    if not here and array.device.id == number:
        cuda.use(number)
        return array
    moved = cuda.upload(array, number)
    extent.remember(moved, array)
    return moved


def together(arrays: Iterable[Any]) -> None:
    """Raises TypeError for arrays of different devices: CuPy itself lets two GPUs, and indices of NumPy, pass."""
    devices = {device_of(x) for x in arrays if isinstance(x, np.ndarray) or on_cuda(x)}
    if len(devices) > 1:
        raise TypeError("arrays of two devices cannot be computed with")


def freeze(value: Any) -> Any:
    """The result of a formula as an array that nobody can write to. NumPy's scalars become 0-d arrays.

    What a view looks at is locked too: a view can be unlocked again as long as its base is writable.
    CuPy has no read-only arrays: there a result is only never handed out for writing.
    """
    if type(value) is not np.ndarray:
        if not isinstance(value, (np.generic, np.ndarray, float, int, bool)):
            return value
        value = np.asarray(value)
    value.setflags(False)
    base = value.base
    while isinstance(base, np.ndarray):
        base.setflags(write=False)
        base = base.base
    return value


def is_frozen(array: Any) -> bool:
    """Whether no one can write to this array, neither here nor through an array that it is a view of."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    return array is None
