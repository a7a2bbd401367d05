"""Which tensor a line of the tape speaks of: identity is where a gradient goes, or else the array itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.tape import Line, Tape
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.stepper.building.arrays import Arrays, largest
from tinygrad_zh.stepper.building.modules import Modules
from tinygrad_zh.stepper.building.naming import Names, version


class Tensors:
    """The list "tensors", and the ways to find one."""

    def __init__(self, tape: Tape, arrays: Arrays, modules: Modules) -> None:
        self.tape, self.arrays, self.modules = tape, arrays, modules
        self.entries: list[dict[str, Any]] = []
        self.names = Names()
        self._leaves: dict[int, int] = {}  # the id of a leaf's Accumulator -> its present version
        self._results: dict[tuple[int, int], int] = {}  # (the id of the line that made it, which output)
        self._versions: dict[int, tuple[str, int]] = {}  # an updated leaf -> its first name, how often it was updated
        self._states = {id(line.arguments[0]) for line in tape.of("assign") if line.info["tensor"].source is None}
        self._values: dict[int, int] = {}  # the id of an array -> the tensor that has it
        self._gradients: dict[int, dict[int, Any]] = {}  # the id of an array -> the tensors whose gradient it is
        self._taken: dict[tuple[int, int], int] = {}  # a gradient as an input: (the id of its array, whose it is)
        self._arrays_of: list[Any] = []  # an id stands for its array only as long as that lives

    # ---- finding

    def input(self, source: Any, array: Any, role: str = "x", beside: tuple[Any, ...] = ()) -> int:
        """The tensor that an op was given. role: its name in the formula. beside: the sources of all the inputs."""
        if type(source) is Accumulator:
            return self._leaf(source, array, role)
        if type(source) is tuple and (id(source[0]), source[1]) in self._results:
            return self._results[id(source[0]), source[1]]
        if type(source) is not tuple and hasattr(array, "dtype"):
            if id(array) in self._values:
                return self._values[id(array)]
            if id(array) in self._gradients:
                return self._gradient(array, beside)
        found = self._constant(array, role)
        if type(source) is tuple:  # made before the recording began: its gradient is of interest all the same
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

    def result(self, line: Line, index: int, name: str, op: int, gradient: bool, assigned: bool) -> int:
        """A new tensor: output `index` of a forward line. One that is assigned to a leaf will have the leaf's name."""
        array = line.outputs[index]
        found = self._add(array, name if assigned else self.names.fresh(name), "result", gradient, producer=op)
        self._results[id(line), index] = found
        return found

    def gradient_is(self, tensor: int, array: Any) -> None:
        """So far this array is the gradient of that tensor; one array may be that of several."""
        self._gradients.setdefault(id(array), {})[tensor] = array

    def _gradient(self, array: Any, beside: tuple[Any, ...]) -> int:
        """An optimizer's rule takes a gradient as its input: of the leaf that it takes too, where there is a choice."""
        owners = self._gradients[id(array)]
        leaves = [self._leaves[id(s)] for s in beside if type(s) is Accumulator and id(s) in self._leaves]
        owner = next((t for t in leaves if t in owners), next(reversed(owners)))
        if (id(array), owner) not in self._taken:
            name = self.names.fresh(f"∂L/∂{self.entries[owner]['name']}")
            self._taken[id(array), owner] = self._add(array, name, "gradient", False)
        return self._taken[id(array), owner]

    def assigned(self, tensor: Any, old: Any, new: Any) -> int:
        """The version of a leaf that begins with an assignment: the result that was assigned, where there is one."""
        before = self.input(tensor.source, old)
        after = self._values.get(id(new))
        if after is None or self.entries[after]["producer"] is None:
            after = self._add(new, "", "parameter", False)
        self.entries[after] |= {"role": self.entries[before]["role"], "gradient": self.entries[before]["gradient"]}
        self._next_version(before, after)
        if tensor.source is not None:
            self._leaves[id(tensor.source)] = after
        return after

    def _next_version(self, before: int, after: int) -> None:
        name, number = self._versions.get(before, (self.entries[before]["name"], 0))
        self._versions[after] = name, number + 1
        self.entries[after] |= {"name": version(name, number + 1), "previous": before}

    def _leaf(self, source: Accumulator, array: Any, role: str) -> int:
        before = self._leaves.get(id(source))
        if before is not None and self._arrays_of[before] is array:
            return before
        found = self._add(array, "", "parameter", True)
        self._leaves[id(source)] = found
        if before is None:
            self.entries[found]["name"] = self.names.fresh(self._name(array, role))
        else:  # it was assigned where nobody recorded
            self._next_version(before, found)
        return found

    def _constant(self, array: Any, role: str) -> int:
        if not hasattr(array, "dtype"):
            number = np.asarray(array) if isinstance(array, (bool, int, float)) else None
            return self._add(number, _short(array, role), "constant", False)
        kept = self.path(array) is not None or id(array) in self._states
        kind = "state" if kept else "input" if array.ndim else "constant"
        return self._add(array, self.names.fresh(self._name(array, role)), kind, False)

    def path(self, array: Any) -> str | None:
        """Where in a model the leaf is that had this array, if it is a part of one."""
        return self.modules.tensors.get(id(self.tape.leaves.get(id(array))))

    def _name(self, array: Any, otherwise: str) -> str:
        leaf = self.tape.leaves.get(id(array))
        given = leaf.name if leaf is not None else None
        return given or self.path(array) or self.tape.names.get(id(array)) or otherwise

    def _add(self, array: Any, name: str, role: str, gradient: bool, producer: int | None = None) -> int:
        found = len(self.entries)
        shape = list(getattr(array, "shape", ()))
        self.entries.append({
            "name": name, "role": role, "shape": shape, "dtype": str(getattr(array, "dtype", "")),
            "gradient": gradient, "producer": producer, "uses": [],
            "value": None if array is None else self.arrays.add(array, largest(array)), "previous": None,
        })  # fmt: skip
        self._arrays_of.append(array)
        if array is not None and role != "gradient":
            self._values[id(array)] = found
        return found


def _short(value: Any, role: str) -> str:
    """A constant's name is its value, where that is short, else its role in the formula."""
    if isinstance(value, float):
        return f"{value:.5g}" if not value.is_integer() else repr(value)
    if isinstance(value, tuple):
        value = tuple(part.tolist() if hasattr(part, "tolist") else part for part in value)
    return repr(value) if len(repr(value)) <= 40 else role
