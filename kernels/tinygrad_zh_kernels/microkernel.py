"""A tile of C ← α A B + β C that stays in the registers: what a fast product of matrices is made of. 矩阵乘法微内核

    for k:   b₁ b₂ ← row k of B, two vectors wide          2 registers
             for each row i of the tile:
                 a ← A[i, k], in every lane                1 register
                 c_i1 ← a b₁ + c_i1;  c_i2 ← a b₂ + c_i2   up to 28 registers, none of which is stored before the end

Each number of B that is loaded serves 14 rows, each of A two whole vectors, so the multiply-adds never wait for
memory. The last columns are loaded and stored under a mask. Numba has no word for a vector, so this is written in
LLVM's own language, for the registers that this processor has: 32 of 64 bytes with AVX-512, 16 of 32 with AVX2.

Source: Goto, van de Geijn 2008, "Anatomy of high-performance matrix multiplication"; Van Zee, van de Geijn 2015, BLIS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic


def _widest() -> int:
    """Bytes of the widest registers of what Numba compiles for: NUMBA_CPU_NAME may name another processor than this."""
    sixteen = "<16 x float>"
    module = llvm.parse_assembly(f"define {sixteen} @f({sixteen} %x) {{ %y = fadd {sixteen} %x, %x ret {sixteen} %y }}")
    assembly = cpu_target.target_context.codegen()._tm.emit_assembly(module)
    return 64 if "zmm" in assembly else 32 if "ymm" in assembly else 16


_BYTES = _widest()

VECTORS = 2
"""Vectors in a row of a tile."""

HEIGHT = 14 if _BYTES == 64 else 6
"""Rows of the largest tile: with the vectors of B and one of A they fill the registers."""

_long, _int, _bit = ir.IntType(64), ir.IntType(32), ir.IntType(1)


def lanes(itemsize: int) -> int:
    """Numbers in a vector."""
    return _BYTES // itemsize


@intrinsic
def tile(typing: Any, rows: Any, columns: Any, inner: Any, alpha: Any, a: Any, a_row: Any, a_inner: Any, b: Any,
         b_row: Any, beta: Any, c: Any, c_row: Any) -> Any:
    """C ← α A B + β C for a tile of at most HEIGHT rows and VECTORS vectors; inner ≥ 1.

    a, b, c: addresses of the first numbers. a_row, a_inner, b_row, c_row: from one row (or column of A) to the next, in
    numbers; those of B and C lie side by side in their rows. β = 0 means that C is not read.
    """
    if alpha not in (types.float32, types.float64):
        return None
    size = types.intp
    signature = types.void(size, size, size, alpha, size, size, size, size, size, alpha, size, size)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = _Kind(context.get_value_type(alpha), builder)
        rows, columns, *rest = arguments
        end = builder.append_basic_block("done")
        impossible = builder.append_basic_block("impossible")
        choice = builder.switch(rows, impossible)
        for height in range(1, HEIGHT + 1):
            block = builder.append_basic_block(f"rows{height}")
            choice.add_case(_constant(height), block)
            builder.position_at_end(block)
            _by_width(kind, height, columns, rest)
            builder.branch(end)
        builder.position_at_end(impossible)
        builder.unreachable()
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, generate


class _Kind:
    """Vectors of a floating type, and the instructions on them."""

    def __init__(self, scalar: Any, builder: Any) -> None:
        self.builder = builder
        self.scalar = scalar
        self.bytes = 4 if isinstance(scalar, ir.FloatType) else 8
        self.lanes = lanes(self.bytes)
        self.vector = ir.VectorType(scalar, self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        mask, pointer = ir.VectorType(_bit, self.lanes), self.vector.as_pointer()
        suffix = f"v{self.lanes}f{8 * self.bytes}"
        # Where a processor cannot do both at once, fmuladd is a product and a sum, fma a function of C for each number.
        self.fma = self._function(f"llvm.fmuladd.{suffix}", self.vector, self.vector, self.vector, self.vector)
        self._load = self._function(f"llvm.masked.load.{suffix}.p0", self.vector, pointer, _int, mask, self.vector)
        self._store = self._function(f"llvm.masked.store.{suffix}.p0", ir.VoidType(), self.vector, pointer, _int, mask)

    def _function(self, name: str, result: Any, *parameters: Any) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, parameters), name)

    def everywhere(self, value: Any) -> Any:
        """A vector with one number in every lane."""
        vector = ir.VectorType(value.type, self.lanes)
        first = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_int, 0))
        zeros = ir.Constant(ir.VectorType(_int, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)

    def first(self, count: Any) -> Any:
        """The mask of the first so many lanes."""
        numbers = ir.Constant(ir.VectorType(_long, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", numbers, self.everywhere(count))

    def number(self, address: Any) -> Any:
        """The number at an address."""
        return self.builder.load(self.builder.inttoptr(address, self.scalar.as_pointer()), align=self.bytes)

    def load(self, address: Any, mask: Any) -> Any:
        """The vector at an address, or what the mask shows of it."""
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        if mask is None:
            return self.builder.load(pointer, align=self.bytes)
        return self.builder.call(self._load, [pointer, ir.Constant(_int, self.bytes), mask, self.zero])

    def store(self, value: Any, address: Any, mask: Any) -> None:
        """Write a vector, or what the mask shows of it, to an address."""
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        if mask is None:
            self.builder.store(value, pointer, align=self.bytes)
        else:
            self.builder.call(self._store, [value, pointer, ir.Constant(_int, self.bytes), mask])


def _constant(number: int) -> Any:
    return ir.Constant(_long, number)


def _by_width(kind: _Kind, height: int, columns: Any, rest: Any) -> None:
    """The tile as wide as it is: whole vectors; or its last one, which may be its first, under a mask."""
    builder = kind.builder
    with builder.if_else(builder.icmp_signed("==", columns, _constant(VECTORS * kind.lanes))) as (whole, partly):
        with whole:
            _tile(kind, height, [None] * VECTORS, *rest)
        with partly, builder.if_else(builder.icmp_signed(">", columns, _constant(kind.lanes))) as (two, one):
            with two:
                _tile(kind, height, [None, kind.first(builder.sub(columns, _constant(kind.lanes)))], *rest)
            with one:
                _tile(kind, height, [kind.first(columns)], *rest)


def _tile(kind: _Kind, height: int, masks: list[Any], inner: Any, alpha: Any, a: Any, a_row: Any, a_inner: Any, b: Any,
          b_row: Any, beta: Any, c: Any, c_row: Any) -> None:
    """The loop over k, and what is done with the sums."""
    builder = kind.builder
    a_row, a_inner, b_row, c_row = (builder.mul(n, _constant(kind.bytes)) for n in (a_row, a_inner, b_row, c_row))
    a_rows = [builder.mul(a_row, _constant(i)) for i in range(height)]
    places = [_constant(i * kind.lanes * kind.bytes) for i in range(len(masks))]

    def body(a: Any, b: Any, sums: list[Any]) -> list[Any]:
        vectors = [kind.load(builder.add(b, place), mask) for place, mask in zip(places, masks, strict=True)]
        numbers = [kind.everywhere(kind.number(builder.add(a, row))) for row in a_rows]
        products = [(number, vector) for number in numbers for vector in vectors]
        return [builder.call(kind.fma, [*pair, so_far]) for pair, so_far in zip(products, sums, strict=True)]

    sums = _loop(kind, inner, (a, a_inner), (b, b_row), height * len(masks), body)
    alpha, factor = kind.everywhere(alpha), kind.everywhere(beta)
    targets = [(builder.add(builder.add(c, builder.mul(c_row, _constant(i))), place), mask)
               for i in range(height) for place, mask in zip(places, masks, strict=True)]
    with builder.if_else(builder.fcmp_unordered("!=", beta, ir.Constant(kind.scalar, 0.0))) as (added, alone):
        with added:
            for so_far, (address, mask) in zip(sums, targets, strict=True):
                before = builder.fmul(factor, kind.load(address, mask))
                kind.store(builder.call(kind.fma, [alpha, so_far, before]), address, mask)
        with alone:
            for so_far, (address, mask) in zip(sums, targets, strict=True):
                kind.store(builder.fmul(alpha, so_far), address, mask)


def _loop(kind: _Kind, count: Any, first: tuple[Any, Any], second: tuple[Any, Any], sums: int,
          body: Callable[[Any, Any, list[Any]], list[Any]]) -> list[Any]:
    """What the sums are after `count` rounds, in which two addresses go on by their steps."""
    builder = kind.builder
    before, loop, after = builder.block, builder.append_basic_block("k"), builder.append_basic_block("sums")
    builder.branch(loop)
    builder.position_at_end(loop)
    left, a, b = (builder.phi(_long) for _ in range(3))
    so_far = [builder.phi(kind.vector) for _ in range(sums)]
    new = body(a, b, so_far)
    following = builder.sub(left, _constant(1)), builder.add(a, first[1]), builder.add(b, second[1])
    for phi, start, value in zip((left, a, b, *so_far), (count, first[0], second[0], *[kind.zero] * sums),
                                 (*following, *new), strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed(">", following[0], _constant(0)), loop, after)
    builder.position_at_end(after)
    return new
