"""The text of the loops that Numba compiles. 生成循环的源代码

    def loops_3f0c(a0, a1, a2):                       y = maximum(x + b, 0), x (32, 128), b (128,)
        use_widest_vectors()
        arrays_do_not_overlap()
        c0 = float32(0.0)
        for i0 in range(32):
            for i1 in range(128):
                v0 = load(a0, 128 * i0 + i1)
                v1 = load(a1, i1)
                v2 = v0 + v1
                v3 = maximum(v2, c0)
                store(a2, 128 * i0 + i1, v3)

What does not change in an inner loop stands before it, and so does the reciprocal of what a loop divides by. (LLVM
could see to that if it were allowed to, by arcp; but then it divides by estimates too, and x / 0 is nan.) Lengths are
literals, so that LLVM knows the end of every loop; names are not, so that equal loops are one function.

Where threads share the outermost loop, the function is told from where to where: loops_3f0c(first, last, a0, a1, a2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_zh.program.lowering import (
    Apply,
    Counter,
    Element,
    Expression,
    Number,
    Place,
    Pointwise,
    ScatterSum,
    read_by,
)
from tinygrad_zh.program.lowering.expressions import Shape, c_strides, is_dear, small_power
from tinygrad_zh.program.native.fusing import FULL, ROW, SCALAR, Member, Nest

_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<", "less_equal": "<=",
              "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=", "bitwise_and": "&",
              "bitwise_or": "|"}
_FUNCTIONS = {"exp": "exp", "tanh": "tanh", "log": "log", "log1p": "log1p", "sqrt": "math.sqrt", "sin": "math.sin",
              "cos": "math.cos", "absolute": "abs", "sign": "sign", "where": "select"}

def type_name(dtype: Any) -> str:
    """A dtype as Numba's own name, which is a conversion too."""
    return "boolean" if dtype.kind == "b" else str(dtype.name)


@dataclass
class _Scope:
    """The inside of one loop: lines, what is known there already, and what is stored at its end."""

    lines: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    last: list[str] = field(default_factory=list)


class Writer:
    """Writes the function of a nest. arguments: the arrays that it takes, in order, once it is written. split: the
    function runs its outermost loop from `first` to `last`."""

    def __init__(self, nest: Nest, stored: set[str], shared: Mapping[str, str], split: bool = False) -> None:
        self.nest = nest
        self.shared = shared
        self.split = split
        self.members = nest.writers
        self.arguments: dict[str, str] = {}
        self.buffers: dict[str, tuple[Shape, Any]] = {}
        self.count = 0
        self.reads: dict[str, list[tuple[int, Shape]]] = {}  # (pass, strides) of what is read from memory
        self.pass_ = 0
        self.stored = stored
        self.lengths, self.rows, self.axes = _collapsed(nest)
        self.first, self.passes = _schedule(nest)
        self.needs = _needs(nest, self.first, stored)
        self.scopes = [_Scope() for _ in range(len(self.lengths) + 1)]
        self.results: dict[str, str] = {}  # rows' and scalars' values, totals while they add up
        self.cleared_each_turn: list[str] = []  # of the outermost loop

    # ---- the function

    def text(self) -> str:
        """The lines of the function's body."""
        for member in self.nest.members:
            if member.goes == "onto":
                self.cleared(member)
            elif member.goes == "total":
                self.results[member.step.name] = self.begin(member, self.scopes[0])
        while self.pass_ < self.passes:
            self.one_pass()
            self.pass_ += 1
        for member in self.nest.members:
            if member.level == ROW or (member.level == SCALAR and not member.after):
                self.keep(member)
        for depth in range(self.rows, 0, -1):
            self.close(depth)
        outside = self.scopes[0]
        for member in self.nest.members:
            if member.goes == "total" and member.step.name in self.stored:
                outside.last.append(self.store_line(member, self.results[member.step.name]))
        for member in self.nest.members:
            if member.after:
                self.keep(member)
        return "\n".join("    " + line for line in [*outside.lines, *outside.last])

    def one_pass(self) -> None:
        """The loops over the numbers of a row."""
        outer = self.scopes[self.rows]
        for depth in range(self.rows + 1, len(self.scopes)):
            self.scopes[depth] = _Scope()
        inner = self.scopes[-1]
        self.values: dict[str, str] = {}
        sums = []
        for member in self.nest.members:
            if member.level != FULL:
                continue
            name = member.step.name
            if member.goes == "each":
                if name in self.stored and min(self.needs[name]) == self.pass_:
                    value = self.full(member)
                    inner.last.append(self.store_line(member, value))
            elif self.first[name] == self.pass_:
                value, _ = self.emit(member.step.value, FULL)
                if member.goes == "row":
                    sums.append((member, self.begin(member, outer), value))
                    inner.last.append(self.gathered(member, sums[-1][1], value))
                elif member.goes == "total":
                    inner.last.append(self.gathered(member, self.results[name], value))
                else:
                    inner.last.append(self.onto(member, value))
        for depth in range(len(self.scopes) - 1, self.rows, -1):
            self.close(depth)
        for member, total, _ in sums:
            self.results[member.step.name] = total
            if member.step.name in self.stored:
                outer.last.append(self.store_line(member, total, ROW))

    def keep(self, member: Member) -> None:
        """Compute what a row, or the nest, has once, and store it or add it up."""
        value, _ = self.emit(member.step.value, member.level)
        name, scope = member.step.name, self.scopes[self.rows if member.level == ROW else 0]
        if member.goes == "each":
            if name in self.stored:
                scope.last.append(self.store_line(member, value))
        elif member.goes == "total":
            scope.last.append(self.gathered(member, self.results[name], value))
        else:
            scope.last.append(self.onto(member, value))

    def close(self, depth: int) -> None:
        """Put a finished loop into the scope around it."""
        scope, around = self.scopes[depth], self.scopes[depth - 1]
        body = [*(self.cleared_each_turn if depth == 1 else ()), *scope.lines, *scope.last]
        if body:
            turns = "first, last" if depth == 1 and self.split else self.lengths[depth - 1]
            around.lines.append(f"for i{depth - 1} in range({turns}):")
            around.lines.extend("    " + line for line in body)

    # ---- reductions

    def begin(self, member: Member, scope: _Scope) -> str:
        """A variable for what adds up."""
        step = member.step
        self.count += 1
        scope.lines.append(f"s{self.count} = {_literal(_neutral(step.kind, step.dtype), step.dtype)}")
        return f"s{self.count}"

    def gathered(self, member: Member, total: str, value: str) -> str:
        return f"{total} = {self.together(member, total, value)}"

    def together(self, member: Member, total: str, value: str) -> str:
        step = member.step
        kind, dtype = getattr(step, "kind", "add"), step.dtype
        if kind in ("add", "multiply"):
            return f"{kind}({total}, {value})"
        return f"{_extremum(kind, dtype)}({total}, {value})"

    def onto(self, member: Member, value: str) -> str:
        """Add to what is in memory."""
        array, at = self.argument(member.step.name), self.index_of_result(member)
        return f"store({array}, {at}, {self.together(member, f'load({array}, {at})', value)})"

    def cleared(self, member: Member) -> None:
        """The array begins with what changes nothing: all of it, or in each turn of the outermost loop its part."""
        step = member.step
        start = self.begin(member, self.scopes[0]) if hasattr(step, "kind") else _literal(0, step.dtype)
        part = self.part_of_a_turn(member)
        size, at = (part, f"{part} * i0 + ") if part else (int(np.prod(step.shape)), "")
        line = f"store({self.argument(step.name)}, {at}{'i' if size > 1 else 0}, {start})"
        lines = [f"for i in range({size}):", "    " + line] if size > 1 else [line]
        (self.cleared_each_turn if part else self.scopes[0].lines).extend(lines)

    def part_of_a_turn(self, member: Member) -> int:
        """How many numbers of what a member adds to belong to one turn of the outermost loop; 0: they have them in
        common."""
        if isinstance(member.step, ScatterSum) or not self.axes:
            return 0
        return self.strides_onto(member)[self.axes[0][-1]]

    def independent(self) -> bool:
        """Whether no turn of the outermost loop needs what another one does, so that threads may share them."""
        return bool(self.lengths) and not self.buffers and all(map(self._keeps_to_its_turn, self.nest.members))

    def _keeps_to_its_turn(self, member: Member) -> bool:
        if member.level == SCALAR:
            return member.step.name not in self.stored
        if member.goes == "onto":
            return self.part_of_a_turn(member) > 0
        return member.goes != "total"

    # ---- places

    def argument(self, name: str) -> str:
        name = self.shared.get(name, name)
        return self.arguments.setdefault(name, f"a{len(self.arguments)}")

    def store_line(self, member: Member, value: str, level: int | None = None) -> str:
        step = member.step
        return f"store({self.argument(step.name)}, {self.index_of_result(member, level)}, {value})"

    def index_of_result(self, member: Member, level: int | None = None) -> str:
        """Where a member's result goes."""
        step = member.step
        level = member.level if level is None else level
        place = getattr(step, "place", None)
        if place is not None:
            return self.index(step.value.shape, place, level)[0]
        if isinstance(step, Pointwise) or level == ROW != member.level:
            return self.offset(0, self.nest.canonical(level))[0]
        if member.goes == "total":
            return "0"
        return self.offset(0, self.strides_onto(member))[0]

    def strides_onto(self, member: Member) -> Shape:
        """The strides over all axes of what a reduction adds to."""
        step = member.step
        strides = tuple(0 if i in step.axes else s for i, s in enumerate(c_strides(step.shape)))
        return self.nest.spread(step.value.shape, strides, member.level)

    def index(self, shape: Shape, place: Place, level: int) -> tuple[str, int]:
        """The text of an offset, and the depth of the loop where it is known."""
        text, depth = self.offset(place.offset, self.nest.spread(shape, place.strides, level))
        for gather in place.gathers:
            i, deep = self.emit(gather.index, level)
            at = self.named(f"counted({i}, {gather.length})", deep)
            text = f"{text} + {at}" if gather.stride == 1 else f"{text} + {gather.stride} * {at}"
            depth = max(depth, deep)
        return text, depth

    def offset(self, offset: int, strides: Shape) -> tuple[str, int]:
        steps = [strides[group[-1]] for group in self.axes]
        terms = [f"i{i}" if s == 1 else f"{s} * i{i}" for i, s in enumerate(steps) if s]
        if offset or not terms:
            terms.append(str(offset))
        return " + ".join(terms), max((i + 1 for i, s in enumerate(steps) if s), default=0)

    # ---- values

    def emit(self, x: Expression, level: int) -> tuple[str, int]:
        """The variable that holds an expression, and the depth of the loop in which it is known."""
        if isinstance(x, Number):
            return self.named(_literal(x.value, x.dtype), 0), 0
        if isinstance(x, Counter):
            at, depth = self.index(x.shape, x.place, level)
            return self.named(f"int64({at})", depth), depth
        if isinstance(x, Element):
            return self.element(x, level)
        operands = [self.emit(operand, level) for operand in x.operands]
        depth = max(depth for _, depth in operands)
        if x.function == "divide" and operands[1][1] < depth:  # by the same number all through a loop
            inverse = self.named(f"{_literal(1.0, x.dtype)} / {operands[1][0]}", operands[1][1])
            return self.named(f"{operands[0][0]} * {inverse}", depth), depth
        return self.named(_applied(x, [name for name, _ in operands]), depth), depth

    def named(self, text: str, depth: int) -> str:
        """A variable for an expression, the same one if it has been computed before."""
        for scope in self.scopes[: depth + 1]:
            if text in scope.known:
                return scope.known[text]
        self.count += 1
        scope = self.scopes[depth]
        scope.known[text] = f"v{self.count}"
        scope.lines.append(f"v{self.count} = {text}")
        return scope.known[text]

    def element(self, x: Element, level: int) -> tuple[str, int]:
        member = self.members.get(x.name)
        if member is None:
            at, depth = self.index(x.shape, x.place, level)
            strides = self.nest.spread(x.shape, x.place.strides, level)
            self.reads.setdefault(x.name, []).append((self.pass_, () if x.place.gathers else strides))
            return self.named(f"load({self.argument(x.name)}, {at})", depth), depth
        if member.level == FULL and member.goes == "each":
            return self.full(member), len(self.scopes) - 1
        return self.value_of(member)

    def value_of(self, member: Member) -> tuple[str, int]:
        """The value that a row, or the whole nest, has once."""
        if member.goes == "row":
            return self.results[member.step.name], self.rows
        if member.goes == "total":
            return self.results[member.step.name], 0
        return self.emit(member.step.value, member.level)

    def full(self, member: Member) -> str:
        """A value at each index: in a register, in memory since an earlier pass, or computed again."""
        name = member.step.name
        if name in self.values:
            return self.values[name]
        needs = self.needs[name]
        start = min(needs)
        if self.pass_ > start and name in self.stored:
            at, depth = self.offset(0, self.nest.canonical(FULL))
            value = self.named(f"load({self.argument(name)}, {at})", depth)
        elif len(needs) > 1 and name not in self.stored and is_dear(member.step.value):
            value = self.buffered(member, self.pass_ == start)
        else:
            value, _ = self.emit(member.step.value, FULL)
        self.values[name] = value
        return value

    def buffered(self, member: Member, first: bool) -> str:
        """A value that later passes over the row need again, in an array as long as a row."""
        step, width = member.step, self.nest.width or self.nest.total
        buffer = f"_{step.name}_row"
        self.buffers[buffer] = ((width,), step.dtype)
        parts = self.nest.parts
        rows = self.nest.row_axes
        at, _ = self.offset(0, (0,) * rows + c_strides(parts[rows:]))
        if not first:
            return self.named(f"load({self.argument(buffer)}, {at})", len(self.scopes) - 1)
        value, _ = self.emit(step.value, FULL)
        self.scopes[-1].last.append(f"store({self.argument(buffer)}, {at}, {value})")
        return value


# ---- the loops


def _collapsed(nest: Nest) -> tuple[list[int], int, list[list[int]]]:
    """The lengths of the loops, how many of them go over rows, and which axes each of them is made of: neighbours
    that everything steps through as if they were one."""
    parts, rows = nest.parts, nest.row_axes
    every = [nest.canonical(FULL), nest.canonical(ROW)]
    for member in nest.members:
        step = member.step
        for x in _offsets(step.value):
            every.append(nest.spread(x.shape, x.place.strides, member.level))
        place = getattr(step, "place", None)
        if place is not None:
            every.append(nest.spread(step.value.shape, place.strides, member.level))
            for gather in place.gathers:
                every += [nest.spread(x.shape, x.place.strides, member.level) for x in _offsets(gather.index)]
        elif member.goes == "onto":
            strides = tuple(0 if i in step.axes else s for i, s in enumerate(c_strides(step.shape)))
            every.append(nest.spread(step.value.shape, strides, member.level))
    groups: list[list[int]] = []
    for i in range(len(parts)):
        if groups and i != rows and all(s[i - 1] == s[i] * parts[i] for s in every):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [int(np.prod([parts[i] for i in g])) for g in groups], sum(g[0] < rows for g in groups), groups


def _offsets(x: Expression) -> list[Any]:
    """Everything in an expression that has a place."""
    if isinstance(x, Apply):
        return [place for operand in x.operands for place in _offsets(operand)]
    if isinstance(x, Number):
        return []
    return [x, *(place for g in x.place.gathers for place in _offsets(g.index))]


# ---- the passes over a row


def _schedule(nest: Nest) -> tuple[dict[str, int], int]:
    """In which pass each member can be computed first, and how many passes there are."""
    first: dict[str, int] = {}
    there: dict[str, int] = {}
    passes = 1
    for member in nest.members:
        name = member.step.name
        first[name] = max((there[e.name] for e in read_by(member.step) if e.name in there), default=0)
        there[name] = first[name] + (member.goes == "row")
        if member.level == FULL:
            passes = max(passes, first[name] + 1)
    return first, passes


def _needs(nest: Nest, first: Mapping[str, int], stored: set[str]) -> dict[str, set[int]]:
    """In which passes each value that there is at every index is needed."""
    needs: dict[str, set[int]] = {m.step.name: set() for m in nest.members}
    writers = nest.writers
    for member in reversed(nest.members):
        name, own = member.step.name, needs[member.step.name]
        if member.level != FULL:
            continue
        if member.goes != "each" or name in stored:
            own.add(first[name])
        kept = member.goes != "each" or name in stored or is_dear(member.step.value)
        for e in read_by(member.step):
            if e.name in writers:
                needs[e.name] |= {min(own)} if kept and own else own
    return needs


# ---- the text of one operation


def _literal(value: Any, dtype: Any) -> str:
    if dtype.kind == "b":
        return str(bool(value))
    return f"{type_name(dtype)}({value!r})"


def _neutral(kind: str, dtype: Any) -> float:
    """What a reduction begins with."""
    if kind in ("add", "multiply"):
        return int(kind == "multiply")
    lowest, highest = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return lowest if kind == "maximum" else highest


def _extremum(kind: str, dtype: Any) -> str:
    return kind if dtype.kind == "f" else {"maximum": "larger", "minimum": "smaller"}[kind]


def _applied(x: Apply, operands: list[str]) -> str:
    name, kind = x.function, type_name(x.dtype)
    if name == "cast":
        return f"{operands[0]} != 0" if x.dtype.kind == "b" else f"{kind}({operands[0]})"
    if name in _OPERATORS:
        text = f"{operands[0]} {_OPERATORS[name]} {operands[1]}"
        return f"{kind}({text})" if x.dtype.kind in "iu" else text
    if name == "power":
        return _power(x, operands)
    if name in ("maximum", "minimum"):
        return f"{_extremum(name, x.dtype)}({operands[0]}, {operands[1]})"
    if name == "negative":
        return f"{kind}(-{operands[0]})"
    if name == "invert":
        return f"not {operands[0]}" if x.dtype.kind == "b" else f"{kind}(~{operands[0]})"
    if name == "isfinite":
        return f"abs({operands[0]}) < {_literal(np.inf, x.operands[0].dtype)}"
    return f"{_FUNCTIONS[name]}({', '.join(operands)})"


def _power(x: Apply, operands: list[str]) -> str:
    exponent = small_power(x)
    one = _literal(1.0, x.dtype)
    if exponent is None:
        return f"{operands[0]} ** {operands[1]}"
    whole, half = int(abs(exponent)), abs(exponent) != int(abs(exponent))
    factors = [operands[0]] * whole + [f"math.sqrt({operands[0]})"] * half
    while len(factors) > 1:  # in pairs: x⁴ = x² x²
        pairs = zip(factors[::2], factors[1::2], strict=False)
        factors = [f"({a} * {b})" for a, b in pairs] + factors[len(factors) // 2 * 2 :]
    text = factors[0] if factors else one
    return text if exponent >= 0 else f"{one} / {text}"


def function_name(body: str) -> str:
    """Equal loops have one name."""
    return f"loops_{hashlib.sha256(body.encode()).hexdigest()[:12]}"

