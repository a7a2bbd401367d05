"""A stand-in for CuPy on machines without a GPU: NumPy's memory, CuPy's rules, and a count of what a GPU would do.

    cupy = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    cupy.gpu.counts["launch"], cupy.gpu.counts["sync"], cupy.gpu.counts["to device"], cupy.gpu.counts["to host"]

What it refuses, CuPy 14.2 refuses: NumPy arrays among its own, NumPy on its arrays, functions and keywords that CuPy
does not have (FUNCTIONS, read off its signatures). Reductions give 0-d arrays, nothing is read-only, indices out of
range wrap, no floating-point error is ever reported. While a stream captures, nothing may wait for the device, come
from the host, or take memory that anyone else could be given; then every launch is noted, and what it computed is
wiped out at the end of the capture, for on a GPU it was never computed. Launching the graph computes it.

Where it is less than CuPy: one thread, launches run at once, and a launch counts as one where CuPy may need more
(a product of transposed batches).
"""

from __future__ import annotations

import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

# Parameters as CuPy 14.2 has them; NumPy's further ones raise there.
FUNCTIONS = {
    "where": "condition x y", "arange": "start stop step dtype", "identity": "n dtype", "tri": "N M k dtype",
    "asarray": "a dtype order", "array": "obj dtype copy order ndmin", "zeros": "shape dtype order",
    "empty": "shape dtype order", "zeros_like": "a dtype order subok shape", "ones_like": "a dtype order subok shape",
    "empty_like": "prototype dtype order subok shape", "full_like": "a fill_value dtype order subok shape",
    "split": "ary indices_or_sections axis", "cumprod": "a axis dtype out", "cumsum": "a axis dtype out",
    "pad": "array pad_width mode constant_values", "flip": "a axis", "roll": "a shift axis",
    "clip": "a a_min a_max out", "einsum": "operands", "concatenate": "tup axis out dtype casting",
    "stack": "tup axis out dtype casting", "broadcast_to": "array shape", "argmax": "a axis dtype out keepdims",
    "argmin": "a axis dtype out keepdims", "max": "a axis out keepdims", "min": "a axis out keepdims",
    "sum": "a axis dtype out keepdims", "mean": "a axis dtype out keepdims", "prod": "a axis dtype out keepdims",
    "any": "a axis out keepdims", "all": "a axis out keepdims", "transpose": "a axes", "reshape": "a newshape order",
    "swapaxes": "a axis1 axis2", "moveaxis": "a source destination", "expand_dims": "a axis", "squeeze": "a axis",
    "ravel": "a order", "tensordot": "a b axes", "take_along_axis": "a indices axis", "copyto": "dst src casting where",
    "repeat": "a repeats axis", "shape": "a", "ndim": "a", "size": "a axis", "dot": "a b out",
    "sliding_window_view": "x window_shape axis",
}  # fmt: skip
FROM_HOST = {"asarray", "array"}
METHODS = {
    "sum": "axis dtype out keepdims", "mean": "axis dtype out keepdims", "prod": "axis dtype out keepdims",
    "max": "axis out keepdims", "min": "axis out keepdims", "any": "axis out keepdims", "all": "axis out keepdims",
    "argmax": "axis out dtype keepdims", "argmin": "axis out dtype keepdims", "cumsum": "axis dtype out",
    "astype": "dtype order casting subok copy", "reshape": "order copy", "transpose": "axes", "copy": "order",
    "swapaxes": "axis1 axis2", "squeeze": "axis", "ravel": "order", "view": "dtype type", "repeat": "repeats axis",
}  # fmt: skip
NOT_NOW = "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing"
MOST_JOINED = 8  # arrays; more are joined by one kernel, which reads their addresses from a table: an upload
BLOCK = 512  # bytes: CuPy's pool hands out multiples of this


class CUDARuntimeError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class Pool:
    """A memory pool: what is in use, and what was given back and is kept for the next of that size."""

    def __init__(self, limit: float = np.inf) -> None:
        self.limit = limit
        self.used = 0
        self.kept: Counter[int] = Counter()

    def malloc(self, size: int) -> int:
        size = -(-size // BLOCK) * BLOCK
        if self.kept[size]:
            self.kept[size] -= 1
        elif self.total_bytes() + size > self.limit:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        self.used += size
        return size

    def free(self, size: int) -> None:
        self.used -= size
        self.kept[size] += 1

    def used_bytes(self) -> int:
        return self.used

    def total_bytes(self) -> int:
        return self.used + sum(size * count for size, count in self.kept.items())

    def set_limit(self, size: int) -> None:
        self.limit = size or np.inf

    def free_all_blocks(self) -> None:
        self.kept.clear()


class Step:
    """One launch of a graph: the function again, on what its arguments hold then, into the same results."""

    def __init__(self, function: Callable[..., Any], arguments: Any, keywords: Any, results: list[np.ndarray]) -> None:
        self.function, self.arguments, self.keywords, self.results = function, arguments, keywords, results

    def run(self) -> None:
        with quietly():
            new = self.function(*self.arguments, **self.keywords)
        for old, value in zip(self.results, new if isinstance(new, (tuple, list)) else [new], strict=False):
            old[...] = value


class Graph:
    def __init__(self, gpu: Gpu, steps: list[Step], pool: Pool) -> None:
        self.gpu, self.steps, self.pool = gpu, steps, weakref.ref(pool)

    def upload(self, stream: Any = None) -> None:
        pass

    def launch(self, stream: Any = None) -> None:
        assert self.pool() is not None, "the graph's memory was given back"
        self.gpu.counts["graph launch"] += 1
        for step in self.steps:
            step.run()


class Capture:
    """What a stream notes down between begin_capture and end_capture."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.steps: list[Step] = []
        self.made: list[np.ndarray] = []
        self.before: list[tuple[np.ndarray, np.ndarray]] = []

    def undo(self) -> None:
        """Nothing has run: what was there holds what it held, what is new holds nothing."""
        for array, values in reversed(self.before):
            array[...] = values
        for array in self.made:
            array[...] = np.nan if array.dtype.kind == "f" else array.dtype.type(101)


class Gpu:
    """What every array of one module() shares: the counts, the current device and stream, the pools, the capture."""

    def __init__(self, devices: int) -> None:
        self.devices = devices
        self.counts: Counter[str] = Counter()
        self.calls: list[tuple[str, Any, Any]] | None = None  # a list notes every call, and keeps its arrays alive
        self.device = 0
        self.default = Pool()
        self.pool = self.default
        self.capture: Capture | None = None
        self.launched: list[SimpleNamespace] = []
        self.null = SimpleNamespace(ptr=0)
        self.streams: dict[int, Any] = {}

    @property
    def stream(self) -> Any:
        return self.streams.get(self.device, self.null)

    def wait(self, why: str = "sync") -> None:
        """The host waits for the device."""
        if self.capture is not None:
            raise CUDARuntimeError(NOT_NOW)
        self.counts[why] += 1

    def array(self, host: np.ndarray, base: FakeArray | None = None) -> FakeArray:
        """An array of this GPU, of new memory unless it is a view of `base`."""
        if base is None and self.capture is not None:
            assert self.pool is not self.default, "the default pool would hand captured memory out again"
            self.capture.made.append(host)
        pool, size = self.pool, self.pool.malloc(host.nbytes) if base is None else 0
        made = FakeArray.__new__(FakeArray)
        made.host, made.gpu, made.number = host, self, self.device if base is None else base.number
        made.base = base
        if base is None:
            weakref.finalize(made, pool.free, size)
        return made

    def upload(self, host: np.ndarray) -> FakeArray:
        if self.capture is not None:
            raise CUDARuntimeError(NOT_NOW)
        self.counts["to device"] += 1
        return self.array(np.array(host))

    def noted(self, name: str, arguments: Any, keywords: Any) -> None:
        if self.calls is not None:
            self.calls.append((name, arguments, keywords))

    def launch(self, name: str, function: Callable[..., Any], arguments: Any, keywords: Any) -> Any:
        """Run a function of NumPy's on the memory of the arrays among its arguments."""
        self.noted(name, arguments, keywords)
        if name in ("concatenate", "stack") and len(arguments[0]) > MOST_JOINED:
            self.upload(np.zeros(len(arguments[0])))
        bare, named = tuple(map(bared, arguments)), {key: bared(value) for key, value in keywords.items()}
        with quietly():
            result = function(*bare, **named)
        several = isinstance(result, (tuple, list))
        given = [x for x in (*flat(arguments), *flat(keywords.values())) if isinstance(x, FakeArray)]
        parts = []
        for part in result if several else [result]:
            parts.append(self._wrapped(part, given))  # a comprehension's cell would outlive its frame
        new = [part for part in parts if isinstance(part, FakeArray) and part.base is None]
        if any(part.host.size for part in new):
            self._counted(name)
            if self.capture is not None:
                self.capture.steps.append(Step(function, bare, named, [part.host for part in new]))
        return type(result)(parts) if several else parts[0]

    def write(self, name: str, target: np.ndarray, function: Callable[..., Any], *arguments: Any) -> None:
        """A launch that changes memory which is there already."""
        if self.capture is not None:
            self.capture.before.append((target, target.copy()))
            self.capture.steps.append(Step(function, arguments, {}, []))
        self._counted(name)
        with quietly():
            function(*arguments)

    def _counted(self, name: str) -> None:
        self.counts["launch"] += 1
        self.counts[f"launch {name}"] += 1
        if self.stream is self.null:
            self.counts["launch on the null stream"] += 1

    def _wrapped(self, part: Any, given: list[FakeArray]) -> Any:
        if not isinstance(part, (np.ndarray, np.generic)):
            return part
        part = np.asarray(part)
        source = next((x for x in given if np.may_share_memory(x.host, part)), None)
        if source is None and part.size == 0 and part.base is not None:
            source = given[0] if given else None
        return self.array(part, source)


@contextmanager
def quietly() -> Iterator[None]:
    """A GPU divides by zero without a word."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def flat(values: Any) -> Iterator[Any]:
    for x in values:
        if isinstance(x, (tuple, list)):
            yield from flat(x)
        else:
            yield x


def bared(x: Any) -> Any:
    if isinstance(x, FakeArray):
        return x.host
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")  # CuPy's words
    if isinstance(x, (list, tuple)):
        return type(x)(map(bared, x))
    return x


def check_keywords(name: str, known: str, keywords: Any) -> None:
    for key in keywords:
        if key not in known.split():
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")


def wrapped_index(index: Any, shape: tuple[int, ...]) -> Any:
    """The index with integer arrays taken modulo the length of their axis, as CuPy reads them."""
    parts = index if isinstance(index, tuple) else (index,)
    taken = sum(x.ndim if getattr(x, "dtype", None) == np.bool_ else x is not None and x is not Ellipsis for x in parts)
    axis, wrapped = 0, []
    for x in parts:
        if x is Ellipsis:
            axis += len(shape) - taken
        elif isinstance(x, np.ndarray) and x.dtype == bool:
            axis += x.ndim
        elif x is not None:
            x = x % shape[axis] if isinstance(x, np.ndarray) and shape[axis] else x
            axis += 1
        wrapped.append(x)
    return tuple(wrapped) if isinstance(index, tuple) else wrapped[0]


class FakeArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array "on a GPU"."""

    host: np.ndarray
    gpu: Gpu
    number: int
    base: FakeArray | None
    __hash__ = None  # type: ignore[assignment]

    # ---- what it is

    @property
    def device(self) -> Any:
        return SimpleNamespace(id=self.number)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.host.ctypes.data)

    @property
    def flags(self) -> Any:
        flags = self.host.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3}

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    T = property(lambda self: self.gpu.array(self.host.T, self))
    mT = property(lambda self: self.gpu.array(self.host.mT, self))

    def __len__(self) -> int:
        return len(self.host)

    # ---- to the host, which waits

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        self.gpu.wait()
        self.gpu.counts["to host"] += 1
        return self.host.copy()

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __index__(self) -> int:
        return self.get().__index__()

    def __format__(self, spec: str) -> str:
        return format(self.get().item(), spec)

    def __array__(self, *arguments: Any, **keywords: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    # ---- launches

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(hasattr(x, "__array_ufunc__") and not isinstance(x, KNOWN) for x in inputs):
            return NotImplemented
        out = keywords.pop("out", None)
        if method == "at":
            target, index, *values = map(bared, inputs)
            if ufunc not in (np.add, np.maximum, np.minimum):
                raise NotImplementedError(f"`{ufunc.__name__}.at` is not supported yet")
            self.gpu.noted(f"{ufunc.__name__}.at", inputs, keywords)
            self._looks_for_true(index)
            self.gpu.write("at", target, _at, ufunc, target, index, *values)
            return None
        if method != "__call__":
            raise TypeError(f"the stand-in has no {ufunc.__name__}.{method}")
        if out is not None:
            self.gpu.write(ufunc.__name__, out[0].host, ufunc, *map(bared, inputs), out[0].host)
            return out[0]
        return self.gpu.launch(ufunc.__name__, ufunc, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if not all(issubclass(kind, KNOWN) for kind in types):
            return NotImplemented
        name = function.__name__
        if name not in FUNCTIONS:
            raise TypeError(f"the stand-in has no {name}; does CuPy?")
        check_keywords(name, FUNCTIONS[name], keywords)
        if name in FROM_HOST and not isinstance(arguments[0], FakeArray):
            return self.gpu.upload(function(*arguments, **keywords))
        if name == "copyto":
            self.gpu.write(name, arguments[0].host, function, *map(bared, arguments))
            return None
        return self.gpu.launch(name, function, arguments, keywords)

    def __getitem__(self, index: Any) -> FakeArray:
        found = bared(index)
        self._looks_for_true(found)
        taken: FakeArray = self.gpu.launch("getitem", _taken, (self, Plain(found)), {})
        return taken

    def __setitem__(self, index: Any, value: Any) -> None:
        found = bared(index)
        self._looks_for_true(found)
        self.gpu.noted("setitem", (self, index, value), {})
        self.gpu.write("setitem", self.host, _put, self.host, found, bared(value))

    def _looks_for_true(self, index: Any) -> None:
        """A boolean index has as many elements as it is true for: the host must know."""
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, np.ndarray) and part.dtype == bool:
                self.gpu.wait()

    def fill(self, value: Any) -> None:
        self.gpu.write("fill", self.host, self.host.fill, value)

    def set(self, array: np.ndarray, stream: Any = None) -> None:
        """Copy from the host into this array's own memory."""
        if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (self.shape, self.dtype):
            raise ValueError("only a NumPy array of this shape and dtype can be set to a CuPy array")
        if self.gpu.capture is not None:
            raise CUDARuntimeError(NOT_NOW)
        self.gpu.counts["to device"] += 1
        self.host[...] = array


KNOWN = (FakeArray, np.ndarray, np.generic)
"""What CuPy computes with, or refuses, itself; anything else is asked in its turn."""


class Plain:
    """An index, which has been made bare already."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _taken(x: np.ndarray, index: Plain) -> Any:
    """x[i]; one element is a view too, as it is in CuPy."""
    taken = x[wrapped_index(index.value, x.shape)]
    parts = index.value if isinstance(index.value, tuple) else (index.value,)
    one = isinstance(taken, np.generic) and all(isinstance(i, (int, np.integer)) for i in parts)
    return x[(*parts, ...)] if one else taken


def _put(target: np.ndarray, index: Any, value: Any) -> None:
    target[wrapped_index(index, target.shape)] = value


def _at(ufunc: np.ufunc, target: np.ndarray, index: Any, *values: Any) -> None:
    ufunc.at(target, wrapped_index(index, target.shape), *values)


def _method(name: str, known: str) -> Callable[..., Any]:
    def method(self: FakeArray, *arguments: Any, **keywords: Any) -> Any:
        check_keywords(name, known, keywords)
        return self.gpu.launch(name, getattr(np.ndarray, name), (self, *arguments), keywords)

    method.__name__ = name
    return method


for _name, _known in METHODS.items():
    setattr(FakeArray, _name, _method(_name, _known))


def module(devices: int = 1, error: str | None = None, driver: int = 13000) -> Any:
    """What `import cupy` gives: a module with working devices, or with a driver that fails."""
    gpu = Gpu(devices)

    def working() -> None:
        if error:
            raise CUDARuntimeError(error)

    class Device:
        def __init__(self, number: int | None = None) -> None:
            self.id = gpu.device if number is None else number
            self.before: list[int] = []

        def use(self) -> None:
            working()
            if not 0 <= self.id < devices:
                raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
            gpu.device = self.id

        def __enter__(self) -> Device:
            self.before.append(gpu.device)
            self.use()
            return self

        def __exit__(self, *why: Any) -> None:
            gpu.device = self.before.pop()

        attributes = {"MultiProcessorCount": 132}  # noqa: RUF012
        compute_capability = "90"
        mem_info = (70 * 2**30, 80 * 2**30)

    class Event:
        def record(self, stream: Any = None) -> None:
            pass

        def synchronize(self) -> None:
            gpu.wait("wait for an event")

    class Stream:
        def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
            working()
            self.is_non_blocking, self.ptr, self.device_id = non_blocking, 1000 + len(gpu.streams), gpu.device
            self.before: list[Any] = []

        def use(self) -> Stream:
            if self.device_id != gpu.device:
                raise RuntimeError(f"The device that the stream is created on ({self.device_id}) does not match with "
                                   f"the current device ({gpu.device})")
            gpu.streams[gpu.device] = self
            return self

        def __enter__(self) -> Stream:
            self.before.append(gpu.streams.get(gpu.device, gpu.null))
            return self.use()

        def __exit__(self, *why: Any) -> None:
            gpu.streams[self.device_id] = self.before.pop()

        def synchronize(self) -> None:
            gpu.wait()

        def record(self, event: Any = None) -> Any:
            return Event() if event is None else event

        def begin_capture(self) -> None:
            assert gpu.capture is None
            assert gpu.stream is self, "what is not launched on the capturing stream is not captured"
            gpu.capture = Capture(gpu.pool)

        def end_capture(self) -> Graph:
            capture, gpu.capture = gpu.capture, None
            assert capture is not None
            capture.undo()
            return Graph(gpu, capture.steps, capture.pool)

        def is_capturing(self) -> bool:
            return gpu.capture is not None

    class RawKernel:
        def __init__(self, owner: Any, name: str) -> None:
            self.owner, self.name, self.max_dynamic_shared_size_bytes = owner, name, 48 * 1024

        def __call__(self, grid: Any, block: Any, arguments: Any, *, shared_mem: int = 0) -> None:
            gpu.counts["launch"] += 1
            gpu.launched.append(SimpleNamespace(module=self.owner, name=self.name, grid=grid, block=block,
                                                arguments=arguments, shared=shared_mem,
                                                most_shared=self.max_dynamic_shared_size_bytes))

    class RawModule:
        def __init__(self, *, code: str, options: tuple[str, ...] = (), backend: str = "nvrtc") -> None:
            self.code, self.options, self.backend = code, options, backend

        def get_function(self, name: str) -> RawKernel:
            gpu.counts["get_function"] += 1
            return RawKernel(self, name)

    @contextmanager
    def using_allocator(malloc: Any) -> Iterator[None]:
        before, gpu.pool = gpu.pool, malloc.__self__
        try:
            yield
        finally:
            gpu.pool = before

    def asarray(x: Any, dtype: Any = None) -> FakeArray:
        working()
        if isinstance(x, FakeArray):
            return x if x.number == gpu.device else gpu.array(x.host.copy())
        return gpu.upload(np.asarray(x, dtype))

    def made(name: str) -> Callable[..., FakeArray]:
        def make(shape: Any, dtype: Any = float) -> FakeArray:
            working()
            array = gpu.array(np.zeros(shape, dtype) if name == "zeros" else np.full(shape, 77, dtype))
            if name == "zeros":
                array.fill(0)
            return array

        return make

    cuda = SimpleNamespace(
        Device=Device, Stream=Stream, Event=Event, MemoryPool=Pool, using_allocator=using_allocator,
        get_current_stream=lambda: gpu.stream, is_available=lambda: error is None,
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=SimpleNamespace(CUDARuntimeError=CUDARuntimeError, getDeviceCount=lambda: working() or devices,
                                driverGetVersion=lambda: driver, runtimeGetVersion=lambda: 12090))
    cupy: Any = ModuleType("cupy")
    vars(cupy).update(
        gpu=gpu, ndarray=FakeArray, asarray=asarray, empty=made("empty"), zeros=made("zeros"), cuda=cuda,
        RawModule=RawModule, is_available=lambda: error is None, get_default_memory_pool=lambda: gpu.default,
        asnumpy=lambda x: x.get() if isinstance(x, FakeArray) else np.asarray(x), __version__="14.2.0",
        empty_like=lambda x: gpu.array(np.empty_like(x.host)))
    return cupy


def cupyx() -> Any:
    """What `import cupyx` gives."""
    made: Any = ModuleType("cupyx")
    made.empty_pinned = lambda shape, dtype: np.empty(shape, dtype)
    return made
