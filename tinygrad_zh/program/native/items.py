"""Items: what is executed at once, and the lines of Numba that do it. 执行单元"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_zh.program.lowering import Element, Pointwise, Step, read_by
from tinygrad_zh.program.lowering.expressions import Shape
from tinygrad_zh.program.native.fusing import FULL, Nest, planned
from tinygrad_zh.program.native.products import Matrices, Multiplication
from tinygrad_zh.program.native.source import Writer, function_name
from tinygrad_zh.program.native.sums import MANY, in_parts
from tinygrad_zh_kernels.blas import FEW_SHARED

Shared = Mapping[str, str] | None


class Item(ABC):
    """Something that is executed at once: a loop nest, or a product of matrices.

    reads, writes: names of arrays. temporaries: arrays that it needs to work in, with shape and dtype. in_place: pairs
    (written, read) of one size and dtype; the read array is used last at the very index that is written, so that both
    may be one array (only one of those that are written over the same read one). demands: (name, low, high) of integer
    arrays that index others; out of these bounds (low ≤ i < high, negative ones count from the end as in NumPy)
    nothing may run. shared: threads share it: the lines read how many there are, from a variable `threads`.
    """

    reads: frozenset[str] = frozenset()
    writes: tuple[str, ...] = ()
    kinds: Mapping[str, tuple[Shape, Any]] = {}
    temporaries: Mapping[str, tuple[Shape, Any]] = {}
    in_place: frozenset[tuple[str, str]] = frozenset()
    demands: frozenset[tuple[str, int, int]] = frozenset()
    shared: bool = False

    @abstractmethod
    def lines(self, shared: Shared = None) -> list[str]:
        """Statements of a Numba function in which every name read, written or temporary is a C-contiguous array.

        shared: which written name is the same memory as which read one, of the pairs in `in_place`. LLVM must know it.
        """

    def definitions(self, shared: Shared = None) -> dict[str, str]:
        """The functions that the lines call, each text by its name; equal loops of several items are one function."""
        return {}


class Loops(Item):
    """A loop nest: a function of its own, so that LLVM knows of its arrays that they do not overlap."""

    def __init__(self, nest: Nest, stored: set[str]) -> None:
        self.nest = nest
        self.stored = stored
        steps = [member.step for member in nest.members]
        names = dict.fromkeys(step.name for step in steps)
        self.writes = tuple(name for name in names if name in stored)
        self.kinds = {step.name: (step.shape, step.dtype) for step in steps if step.name in stored}
        self.reads = frozenset(e.name for step in steps for e in read_by(step)) - frozenset(names)
        self.demands = frozenset(demand for step in steps for demand in demanded(step))
        writer, _ = self._written(None)
        self.temporaries = writer.buffers
        self.shared = nest.total >= MANY and writer.independent()
        self.in_place = frozenset(self._in_place(writer))

    def _written(self, shared: Shared) -> tuple[Writer, str]:
        writer = Writer(self.nest, self.stored, shared or {}, self.shared)
        body = writer.text()
        parameters = ", ".join([*(("first", "last") if self.shared else ()), *writer.arguments.values()])
        return writer, f"({parameters}):\n    use_widest_vectors()\n    arrays_do_not_overlap()\n{body}\n"

    def lines(self, shared: Shared = None) -> list[str]:
        writer, text = self._written(shared)
        name, arguments = function_name(text), ", ".join(writer.arguments)
        return [f"share(task({name}, ({arguments},)), {writer.lengths[0]}, threads)" if self.shared else
                f"{name}({arguments})"]

    def definitions(self, shared: Shared = None) -> dict[str, str]:
        _, text = self._written(shared)
        name = function_name(text)
        return {name: f"@loops\ndef {name}{text}"}

    def _in_place(self, writer: Writer) -> list[tuple[str, str]]:
        """Pairs of which one may take the other's memory: every read of it is at the index that is written, and none
        comes in a later pass."""
        pairs = []
        for member in self.nest.members:
            step = member.step
            if step.name not in self.stored or not isinstance(step, Pointwise) or step.place is not None:
                continue
            passed = writer.first[step.name] if member.level == FULL else writer.passes
            at = self.nest.canonical(member.level)
            for name, reads in writer.reads.items():
                if all(strides == at and when <= passed for when, strides in reads) \
                        and self._dtype(name) == step.dtype and self._size(name) == step_size(step):
                    pairs.append((step.name, name))
        return pairs

    def _dtype(self, name: str) -> Any:
        return next(e.dtype for m in self.nest.members for e in read_by(m.step) if e.name == name)

    def _size(self, name: str) -> int:
        """How many numbers of an array are read; it may have more, which whoever shares memory has to compare."""
        return next(e.size for m in self.nest.members for e in read_by(m.step) if e.name == name)


class Products(Item):
    """A product of matrices, or one for each index of a batch, by BLAS."""

    def __init__(self, product: Multiplication) -> None:
        self.product = product
        self.reads = frozenset({product.a.name, product.b.name})
        self.writes = (product.name,)
        shape = product.c.shape if product.adds else (*product.batch, *product.c.shape)
        self.kinds = {product.name: (shape, product.dtype)}
        (rows, inner), (_, columns) = product.a.shape, product.b.shape
        self.shared = rows * inner * columns >= FEW_SHARED

    def lines(self, shared: Shared = None) -> list[str]:
        product, lines = self.product, []
        for i, length in enumerate(product.batch):
            lines.append("    " * i + f"for i{i} in range({length}):")
        a, b, c = (matrix_text(x, len(product.batch)) for x in (product.a, product.b, product.c))
        first = " == ".join([*[f"i{i}" for i in range(len(product.batch))], "0"])
        beta = f"0.0 if {first} else 1.0" if product.adds else "0.0"
        arguments = f"1.0, {a}, {b}, {beta}, {c}"
        call = f"gemm_shared({arguments}, threads)" if self.shared else f"gemm({arguments})"
        return [*lines, "    " * len(product.batch) + call]


def matrix_text(x: Matrices, batch: int) -> str:
    steps = [f"{s} * i{i}" for i, s in enumerate(x.strides[:batch]) if s]
    offset = " + ".join([*steps, str(x.offset)] if x.offset or not steps else steps)
    return f"matrix({x.name}, {offset}, {x.shape}, {tuple(x.strides[batch:])})"


def demanded(step: Step) -> list[tuple[str, int, int]]:
    """What must be true of the integer arrays that a step takes as indices."""
    places = [e.place for e in read_by(step) if isinstance(e, Element)]
    if getattr(step, "place", None) is not None:
        places.append(step.place)  # type: ignore[union-attr, arg-type]
    return [(gather.index.name if isinstance(gather.index, Element) else e.name, -gather.length, gather.length)
            for place in places for gather in place.gathers
            for e in _index_elements(gather.index)]


def _index_elements(x: Any) -> list[Element]:
    if isinstance(x, Element):
        return [x]
    return [e for operand in getattr(x, "operands", ()) for e in _index_elements(operand)]


def step_size(step: Step) -> int:
    size = 1
    for n in step.shape:
        size *= n
    return size


def items(steps: Sequence[Step], wanted: set[str]) -> list[Item]:
    """The items that compute the wanted names of these steps, in order."""
    groups = list(in_parts(planned(steps, wanted)))
    read = [frozenset(group_reads(group)) for group in groups]
    made: list[Item] = []
    for i, group in enumerate(groups):
        if isinstance(group, Multiplication):
            made.append(Products(group))
        else:
            outside = wanted.union(*(names for j, names in enumerate(read) if j != i))
            made.append(Loops(group, set(group.writers) & outside))
    return made


def group_reads(group: Nest | Multiplication) -> set[str]:
    if isinstance(group, Multiplication):
        return {group.a.name, group.b.name}
    return {e.name for m in group.members for e in read_by(m.step)}

