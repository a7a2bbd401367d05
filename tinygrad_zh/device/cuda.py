"""CUDA through CuPy: the library, the stream, and the memory. Nothing here runs before a GPU is asked for."""

from __future__ import annotations

import gc
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_CAPTURED: ContextVar[str | None] = ContextVar("tinygrad_zh.captured", default=None)


# ---- the library and its stream


def library() -> Any:
    """CuPy, ready to compute. Raises RuntimeError that says in one sentence what is missing."""
    try:
        import cupy
    except ModuleNotFoundError:
        raise RuntimeError('device "cuda" needs CuPy: pip install "tinygrad-zh[gpu]"') from None
    except ImportError as error:
        raise RuntimeError(f'device "cuda" cannot be used: CuPy does not load ({error})') from None
    _check(cupy)
    return cupy


@cache
def _check(cupy: Any) -> None:
    """Raises RuntimeError if CuPy cannot compute. Not getDeviceCount, which raises without a driver."""
    if not cupy.is_available():
        raise RuntimeError(f'device "cuda" cannot be used: {_why(cupy)}; tinygrad-zh doctor says more')


def _why(cupy: Any) -> str:
    """What keeps CuPy from working. Its version calls answer without a driver, all others raise."""
    driver, built = cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
    if not driver:
        return "this machine has no NVIDIA driver, so no GPU that CUDA could use"
    if driver // 1000 < built // 1000:
        return (f"the driver knows CUDA up to {version(driver)} and CuPy was built for {version(built)}; "
                "update the driver")
    return "the driver finds no GPU that it could use"


def version(number: int) -> str:
    """12090 → "12.9"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def use(number: int) -> Any:
    """CuPy, with this GPU and our stream as this thread's current ones. RuntimeError where there is no such GPU."""
    cupy = library()
    try:
        cupy.cuda.Device(number).use()
    except cupy.cuda.runtime.CUDARuntimeError:
        count = cupy.cuda.runtime.getDeviceCount()
        there = f'{count} GPUs, "cuda:0" to "cuda:{count - 1}"' if count > 1 else '1 GPU, "cuda:0"'
        raise RuntimeError(f'there is no device "cuda:{number}"; this machine has {there}') from None
    _stream(cupy, number).use()
    return cupy


@cache
def _stream(cupy: Any, number: int) -> Any:
    """Non-blocking: CUDA's default stream waits for all others, and nothing on it can be captured."""
    return cupy.cuda.Stream(non_blocking=True)


def stream(number: int = 0) -> Any:
    """The CuPy stream that everything of ours runs on, made the current one of this thread. 中文：CUDA 流。

    Moving something to a GPU does this by itself; a thread that only computes with what another one moved begins with
    it, or its launches would not wait for the others.
    """
    return _stream(use(number), number)


def synchronize() -> None:
    """Wait until the GPU has done all that it was given; without CUDA there is nothing to wait for. 中文：同步。"""
    cupy = sys.modules.get("cupy")
    if cupy is not None and cupy.is_available():
        cupy.cuda.get_current_stream().synchronize()


# ---- to and fro


def upload(array: Any, number: int) -> Any:
    """The array on a GPU. The copy waits for nobody, but of what is on another GPU: that has its own stream."""
    if (what := _CAPTURED.get()) is not None:
        raise RuntimeError(f"{what} takes data from the CPU to the GPU while it is captured, and a replay would not "
                           "see them change; pass them as arguments, and set learning rates between the steps")
    cupy = use(number)
    if isinstance(array, cupy.ndarray):
        _stream(cupy, array.device.id).synchronize()
    return roomy(lambda: cupy.asarray(array))


def download(array: Any) -> Any:
    """The array as NumPy's, once the GPU has computed it."""
    if (what := _CAPTURED.get()) is not None:
        raise RuntimeError(f"{what} looks at a value while it is captured, when nothing is computed yet; return the "
                           "tensor and look at it after the step")
    return array.get()


@contextmanager
def capturing(what: str) -> Iterator[None]:
    """Within the block nothing is computed, only noted down; what would need it raises, and names `what`."""
    token = _CAPTURED.set(what)
    try:
        yield
    finally:
        _CAPTURED.reset(token)


# ---- memory


class Memory(NamedTuple):
    """Bytes. used: by arrays that are alive. reserved: by CuPy's pool, which keeps what arrays gave back for the next
    ones. free, total: of the GPU; other programs have the rest."""

    used: int
    reserved: int
    free: int
    total: int


def memory() -> Memory:
    """What the current GPU's memory holds, in bytes. RuntimeError in one sentence without CUDA. 中文：显存用量。"""
    cupy = library()
    pool = cupy.get_default_memory_pool()
    free, total = cupy.cuda.Device().mem_info
    return Memory(pool.used_bytes(), pool.total_bytes(), free, total)


def out_of_memory(error: BaseException) -> bool:
    """Whether the GPU had no room for an array."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(error, cupy.cuda.memory.OutOfMemoryError)


def make_room(error: BaseException) -> None:
    """Give back what nobody holds any more: the intermediate arrays of what failed, garbage, and the pool's spares."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    library().get_default_memory_pool().free_all_blocks()


def roomy(compute: Callable[[], T]) -> T:
    """compute(), once more after `make_room` if the GPU had no room. MemoryError that says what is alive."""
    try:
        return compute()
    except MemoryError as error:
        if not out_of_memory(error):
            raise
        make_room(error)
    try:
        return compute()
    except MemoryError as error:
        raise MemoryError(f"{error}; {alive()}") from error


def alive() -> str:
    """The GPU's memory and its largest arrays, in a sentence: what to make smaller."""
    cupy = library()
    # type(x) and not isinstance: a weak proxy whose object is gone, such as Numba keeps, cannot be asked for its class.
    arrays = [x for x in gc.get_objects() if issubclass(type(x), cupy.ndarray) and x.base is None]
    kinds = Counter((x.dtype.name, x.shape, x.nbytes) for x in arrays)
    largest = sorted(kinds.items(), key=lambda kind: -kind[0][2] * kind[1])[:5]
    shown = ", ".join(f"{count} × {name} {shape} = {_size(count * size)}" for (name, shape, size), count in largest)
    used, reserved, _, total = memory()
    return (f"{_size(used)} of the GPU's {_size(total)} are in use, {_size(reserved)} reserved; {len(arrays)} arrays "
            f"are alive, the most of it {shown}; use smaller batches, or no_grad() where nothing is learnt")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
