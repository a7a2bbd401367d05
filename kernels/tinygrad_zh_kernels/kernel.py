"""A kernel's contract, and the bodies that keep it.

    forward = Kernel("softmax.forward", formula="Softmax.forward", …)      in a room's __init__.py

    @softmax.forward.body("numba", device="cpu")                            in a file of the room, or of yours
    def forward(x, *, axis=-1): …

A kernel takes the arguments of the formula that it replaces and returns what the formula returns, auxiliaries too.
So whoever has the formula can check any body against it, and the engine can take either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

Size = tuple[int, ...]
FLOATS = ("float32", "float64")


class Arguments(NamedTuple):
    """One call: the formula's positional arguments, arrays and shapes (tuples), and its keywords."""

    arrays: tuple[Any, ...]
    keywords: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Body:
    """One implementation of a kernel.

    device: "cpu" (function(*arrays, **keywords), on NumPy arrays) or "cuda" (function(launch, *arrays, **keywords),
    where `launch` is a Launcher and the arrays are on its device). dtypes: of the floating arguments. covers: which
    arguments it takes beyond that; for the others the formula is there. strided: it takes any memory layout; for the
    other bodies what is not contiguous is copied first. least: below so many numbers in the first array a call of the
    formula takes less time than one of the body, and the engine takes the formula.
    """

    kernel: Kernel
    name: str
    device: str
    function: Callable[..., Any]
    dtypes: tuple[str, ...]
    covers: Callable[..., bool] | None
    strided: bool = False
    least: int = 0

    @property
    def adds(self) -> tuple[str, str]:
        """What this version adds to the one before, in English and in Chinese: its docstring's two lines."""
        english, _, chinese = inspect.cleandoc(self.function.__doc__ or "").partition("\n中文：")
        return english.strip(), chinese.strip()

    @cached_property
    def _dtypes(self) -> frozenset[np.dtype[Any]]:
        return frozenset(map(np.dtype, self.dtypes))

    def accepts(self, *arrays: Any, **keywords: Any) -> bool:
        """Whether this body covers these arguments: arrays and shapes, all floats of one dtype that it knows."""
        first = None
        for x in arrays:
            dtype = getattr(x, "dtype", None)
            if dtype is None:
                if type(x) is not tuple:
                    return False
            elif dtype.kind == "f" and x.ndim and dtype is not first:
                if first is None:
                    first = dtype
                if dtype != first or dtype not in self._dtypes:
                    return False
        return first is not None and (self.covers is None or self.covers(*arrays, **keywords))

    def run(self, launch: Any, arguments: Arguments) -> Any:
        """The body's result; `launch` is for bodies on CUDA, None for the others."""
        arrays = self.laid_out(arguments.arrays)
        if self.device == "cpu":
            return self.function(*arrays, **arguments.keywords)
        return self.function(launch, *arrays, **arguments.keywords)

    def laid_out(self, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arrays as the body takes them: contiguous, unless it takes any memory layout."""
        if not self.strided:
            for x in arrays:
                if type(x) is not tuple and not x.flags.c_contiguous:
                    return tuple([_contiguous(x) for x in arrays])
        return arrays

    def __str__(self) -> str:
        return f"{self.kernel.name} {self.name}"


def _contiguous(x: Any) -> Any:
    return x if type(x) is tuple or x.flags.c_contiguous else x.copy()


@dataclass(frozen=True, eq=False)
class Kernel:
    """What every body of it must do, and what it costs at least.

    name: "room.function". formula: the op's function that it replaces, as "Softmax.forward".
    arguments(rng, dtype, size): a call of that size with random values. limits: the smallest and largest length of
    each dimension of a size, for tests. cases: named calls with values that are easy to get wrong, each a function
    of (rng, dtype). sizes: of the benchmark, small to large. least_bytes(arguments, results) and flops(arguments):
    what no body can do without; the roofline is drawn from them. tolerance: of a result relative to the largest, by
    dtype.
    """

    name: str
    formula: str
    arguments: Callable[[np.random.Generator, np.dtype[Any], Size], Arguments]
    limits: tuple[tuple[int, int], ...]
    sizes: tuple[Size, ...]
    flops: Callable[[Arguments], int]
    least_bytes: Callable[[Arguments, tuple[Any, ...]], int] = lambda arguments, results: moved(arguments, results)
    cases: Mapping[str, Callable[[np.random.Generator, np.dtype[Any]], Arguments]] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    own: dict[str, Body] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.name in _KERNELS:
            raise ValueError(f"there is a kernel {self.name!r} already")
        _KERNELS[self.name] = self

    @property
    def room(self) -> str:
        """The folder that the contract and its bodies stand in."""
        return self.name.partition(".")[0]

    def body(self, name: str, *, device: str, dtypes: tuple[str, ...] = FLOATS,
             covers: Callable[..., bool] | None = None,
             strided: bool = False, least: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorates a function: it is a body of this kernel from now on.

        Raises ValueError for a name that is taken, a device that is none, or a function without the two lines that
        say what it adds.
        """
        if device not in ("cpu", "cuda"):
            raise ValueError(f'{self.name} {name}: a body runs on "cpu" or "cuda", not {device!r}')

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            body = Body(self, name, device, function, dtypes, covers, strided, least)
            if not all(body.adds):
                raise ValueError(f'{body}: its docstring says what it adds, then "中文：" and the same in Chinese')
            if name in self.own:
                raise ValueError(f"{self.name} has a body {name!r} already")
            self.own[name] = body
            _REGISTERED.append(body)
            return function

        return register

    def tolerated(self, dtype: Any) -> float:
        """How far a result may be off, relative to the largest one."""
        name = np.dtype(dtype).name
        return self.tolerance.get(name, {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}[name])

    def __str__(self) -> str:
        return self.name


_KERNELS: dict[str, Kernel] = {}
_REGISTERED: list[Body] = []


def registrations() -> int:
    """How many bodies were ever registered: who keeps a table of bodies makes it anew when this has grown."""
    return len(_REGISTERED)


def registered() -> Iterator[Kernel]:
    """The kernels whose contracts have been imported."""
    return iter(_KERNELS.values())


def moved(arguments: Arguments, results: tuple[Any, ...]) -> int:
    """Bytes when every array is read once and every result written once."""
    return sum(x.nbytes for x in (*arguments.arrays, *results) if hasattr(x, "nbytes"))
