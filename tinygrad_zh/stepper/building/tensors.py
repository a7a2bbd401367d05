"""Which tensor a line of the tape speaks of: identity is where a gradient goes, or else the array itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.tape import Line, Tape
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.stepper.building.arrays import Arrays, largest
from tinygrad_zh.stepper.building.modules import Modules
from tinygrad_zh.stepper.building.naming import Names


class Tensors:
    """The list "tensors", and the ways to find one."""

    def __init__(self, tape: Tape, arrays: Arrays, modules: Modules) -> None:
        self.tape, self.arrays, self.modules = tape, arrays, modules
        self.entries: list[dict[str, Any]] = []
        self.names = Names()
        self._leaves: dict[int, int] = {}  # the id of a leaf's Accumulator -> its present version
        self._results: dict[tuple[int, int], int] = {}  # (the id of the line that made it, which output)
        self._values: dict[int, int] = {}  # the id of an array -> the tensor that has it
        self._arrays_of: list[Any] = []  # an id stands for its array only as long as that lives

    # ---- finding

    def input(self, source: Any, array: Any) -> int:
        """The tensor that an op was given."""
        if type(source) is Accumulator:
            return self._leaf(source, array)
        if type(source) is tuple and (id(source[0]), source[1]) in self._results:
            return self._results[id(source[0]), source[1]]
        if type(source) is not tuple and hasattr(array, "dtype") and id(array) in self._values:
            return self._values[id(array)]
        found = self._constant(array)
        if type(source) is tuple:
            self._results[id(source[0]), source[1]] = found
            self.entries[found]["gradient"] = True
        return found

    def gradient_goes_to(self, source: Any) -> int:
        """The tensor whose gradient a contribution belongs to."""
        return self._leaves[id(source)] if type(source) is Accumulator else self._results[id(source[0]), source[1]]

    def of_array(self, array: Any) -> int | None:
        """The tensor that has this very array, if it has been met."""
        return self._values.get(id(array))

    def of_root(self, tensor: Any) -> int:
        """The tensor that a backward pass starts from."""
        source = tensor.source
        if type(source) is tuple:
            line = source[0].line
            key = id(source[0] if line is None else line), source[1]
            if key in self._results:
                return self._results[key]
        return self.input(source if type(source) is Accumulator else None, tensor.array)

    # ---- meeting

    def result(self, line: Line, index: int, name: str, op: int, gradient: bool) -> int:
        """A new tensor: output `index` of a forward line."""
        array = line.outputs[index]
        found = self._add(array, self.names.fresh(name), "result", gradient, producer=op)
        self._results[id(line), index] = found
        return found

    def gradient(self, source: Any, array: Any) -> None:
        """From here on this array is the gradient of that leaf: an optimizer's rule takes it as an input."""
        leaf = self._leaves.get(id(source))
        if leaf is not None:
            self._add(array, self.names.fresh(f"∂L/∂{self.entries[leaf]['name']}"), "gradient", False)

    def assigned(self, tensor: Any, old: Any, new: Any) -> int:
        """The version of a leaf that begins with an assignment."""
        before = self.input(tensor.source, old)
        entry = self.entries[before]
        after = self._add(new, self.names.fresh(entry["base"]), entry["role"], entry["gradient"], previous=before)
        self.entries[after]["base"] = entry["base"]
        if tensor.source is not None:
            self._leaves[id(tensor.source)] = after
        return after

    def _leaf(self, source: Accumulator, array: Any) -> int:
        found = self._leaves.get(id(source))
        if found is not None and self._arrays_of[found] is array:
            return found
        name = self._name(array, id(source), "w")
        found = self._add(array, self.names.fresh(name), "parameter", True, previous=found)
        self.entries[found]["base"] = name
        self._leaves[id(source)] = found
        return found

    def _constant(self, array: Any) -> int:
        if not hasattr(array, "dtype"):
            label = _short(array)
            return self._add(np.asarray(array) if isinstance(array, (bool, int, float)) else None, label, "constant",
                             False)
        path = self.modules.tensors.get(id(array))
        scalar = array.ndim == 0
        name = self._name(array, id(array), "c" if scalar else "x")
        role = "state" if path else "constant" if scalar else "input"
        found = self._add(array, self.names.fresh(name), role, False)
        self.entries[found]["base"] = name
        return found

    def _name(self, array: Any, key: int, otherwise: str) -> str:
        leaf = self.tape.leaves.get(id(array))
        given = leaf.name if leaf is not None else None
        return given or self.modules.tensors.get(key) or self.tape.names.get(id(array)) or otherwise

    def _add(self, array: Any, name: str, role: str, gradient: bool, producer: int | None = None,
             previous: int | None = None) -> int:
        found = len(self.entries)
        shape = list(getattr(array, "shape", ()))
        self.entries.append({
            "name": name, "role": role, "shape": shape, "dtype": str(getattr(array, "dtype", "")),
            "gradient": gradient, "producer": producer, "uses": [],
            "value": None if array is None else self.arrays.add(array, largest(array)), "previous": previous,
            "base": name,
        })  # fmt: skip
        self._arrays_of.append(array)
        if array is not None:
            self._values[id(array)] = found
        return found


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:39]}…"
