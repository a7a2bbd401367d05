"""A copy of a kernel in which `cuda`, `math`, `max`, `min` and Numba's types mean the stand-ins.

The code object is the kernel's own, so that its lines, a debugger and a traceback are right; only what its names
refer to changes, in its globals and in the closure that a factory of kernels gave it. One thing in the code changes:
a number such as 0.5 becomes np.float64(0.5), which it is to Numba. In NumPy a Python float takes the type of what it
meets, so that a kernel that computes in float64 by accident would not be seen.
"""

from __future__ import annotations

import math
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_zh_kernels.simulator.names import Cuda, Integer, Math, Numba, larger, smaller


class Rebinding:
    """Stand-ins for one launch."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda, self._math = cuda, Math()
        self._done: dict[FunctionType, FunctionType] = {}

    def function(self, kernel: Any) -> FunctionType:
        """The copy of a kernel or of a device function, and of those that it calls."""
        original = getattr(kernel, "py_func", kernel)
        if original in self._done:
            return self._done[original]
        names = dict(original.__globals__)
        cells = tuple(CellType() for _ in original.__closure__ or ())
        copy = FunctionType(_typed(original.__code__), names, original.__name__, original.__defaults__, cells)
        self._done[original] = copy  # before its names are looked at: two device functions may call each other
        names.update(max=larger, min=smaller)
        for name in _names(original.__code__):
            if name in names:
                names[name] = self.value(names[name])
        for new, old in zip(cells, original.__closure__ or (), strict=True):
            new.cell_contents = self.value(old.cell_contents)
        return copy

    @property
    def codes(self) -> frozenset[CodeType]:
        """The code of every function that was copied."""
        return frozenset(copy.__code__ for copy in self._done.values())

    def value(self, value: Any) -> Any:
        """What stands for a global or a closed-over value."""
        if isinstance(value, ModuleType):
            if value.__name__.endswith("numba.cuda"):
                return self._cuda
            if value is math:
                return self._math
            return Numba(value, self.value) if value.__name__ == "numba" else value
        if type(value) is float:
            return np.float64(value)
        if hasattr(value, "py_func"):
            return self.function(value)
        if type(value).__module__.startswith("numba.") and hasattr(value, "cast_python_value"):
            dtype = np.dtype(str(value))
            return Integer(dtype) if dtype.kind in "iu" else dtype.type
        return value


def _typed(code: CodeType) -> CodeType:
    """The code, its numbers with a point as float64."""
    return code.replace(co_consts=tuple(_constant(c) for c in code.co_consts))


def _constant(value: Any) -> Any:
    if type(value) is float:
        return np.float64(value)
    if type(value) is tuple:
        return tuple(_constant(v) for v in value)
    return _typed(value) if isinstance(value, CodeType) else value


def _names(code: CodeType) -> set[str]:
    """The global names in a function, and in the expressions with a scope of their own inside it."""
    return {*code.co_names, *(n for c in code.co_consts if isinstance(c, CodeType) for n in _names(c))}
