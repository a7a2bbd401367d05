"""A listing as scalar loops over nested lists, the way a first lecture writes it. 打印成标量循环

    z1 = x @ W1 + b1            z1 = zeros(4, 3)
                                for i in range(4):
                                    for j in range(3):
                                        z1[i][j] = sum(x[i][k] * W1[k][j] for k in range(2)) + b1[j]

Python alone, and its math. One nest of loops a statement of the NumPy program.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_zh._version import __version__
from tinygrad_zh.i18n import display_width, text, wrap
from tinygrad_zh.program.listing import UPDATE, Leaf, Listing
from tinygrad_zh.program.lowering import Apply, Counter, Element, Expression, NotLowerable, Number, Place
from tinygrad_zh.program.lowering.evaluation import Evaluation
from tinygrad_zh.program.lowering.expressions import NotAView, Shape, c_strides, elements, whole
from tinygrad_zh.program.lowering.steps import Pointwise, Product, Reduction, ScatterSum, Step
from tinygrad_zh.program.printing.calling import display_names
from tinygrad_zh.program.printing.comments import comment
from tinygrad_zh.program.printing.executing import executed
from tinygrad_zh.program.printing.nested import Index, combined, cut, element, separated, variable, written
from tinygrad_zh.program.printing.numpy_text import spoken
from tinygrad_zh.program.printing.rows import Row, copied, required
from tinygrad_zh.program.printing.simplifying import simplified

LARGEST = 2000
"""The most numbers of one array: loops are for reading, and slow."""
WIDTH = 120
_GROUPS = {"input": "input", "constant": "input", "parameter": "parameter", "state": "state", "rate": "state",
           "setting": "state"}
_HELPERS = {
    "zeros": 'def zeros(n, *more):\n    return [zeros(*more) if more else 0.0 for _ in range(n)]\n',
    "sign": "def sign(x):\n    return (x > 0) - (x < 0)\n",
}


def loops_text(listing: Listing) -> str:
    """The program, in the language in force. Raises ValueError for what is too large, and for what cannot be said in
    loops."""
    program = _Program(listing)
    body = [*program.leaves(), *program.rows(), *program.ending()]
    code = "\n".join(body)
    head = [f'"""{_title(listing, program.single)}"""', ""]
    head += ["import math", ""] if "math." in code else []
    for name, helper in _HELPERS.items():
        head += ["", *helper.splitlines(), ""] if f"{name}(" in code else []
    return "\n".join([*head, *body]) + "\n"


def _title(listing: Listing, single: bool) -> str:
    kind = "step" if listing.updates else "loss" if listing.gradients else "forward"
    what = text(f"unroll.what.{kind}", name=listing.title)
    said = [text("unroll.loops.origin", version=__version__), *([text("unroll.loops.single")] if single else [])]
    lines = [line for part in said for line in wrap(part, 100)]
    about = [*wrap(listing.about, 100), ""] if listing.about else []
    return spoken([text("unroll.loops.title", what=what), "", *about, *lines, ""])


class _Program:
    """The rows of a listing, and what is known of their values."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.all_rows = simplified(listing)
        self.names = display_names(self.all_rows, listing)
        self.values = executed(self.all_rows, listing)
        self.drawn = {leaf.name for leaf in listing.leaves if leaf.kind == "generator"}
        arrays = [leaf.value for leaf in listing.leaves if leaf.kind != "generator"]
        self.single = any(a.dtype == np.float32 for a in arrays)
        taken = {*self.names.values(), *(leaf.name for leaf in listing.leaves)}
        self.letters = [c for c in "ijklmnpqrstuvwxyz" if c not in taken]
        self.loops = _Loops(self)
        for name, value in self.values.items():
            count = np.size(value) if isinstance(value, (np.ndarray, np.generic)) else 1
            if count > LARGEST or not count:
                raise ValueError(f"scalar loops are for the smallest models: {self.names.get(name, name)} has {count} "
                                 f"numbers, and loops take from 1 to {LARGEST}; print it in the style 'numpy'")

    # ---- what it starts from

    def leaves(self) -> Iterator[str]:
        used = {name for row in self.all_rows for name in row.reads} | required(self.listing)
        for group in ("input", "parameter", "state"):
            members = [leaf for leaf in self.listing.leaves if _GROUPS.get(leaf.kind) == group and leaf.name in used]
            if members:
                yield from ("", heading(group), "")
            for leaf in members:
                yield from self.leaf(leaf)

    def leaf(self, leaf: Leaf) -> Iterator[str]:
        said = "  ".join(part for part in (leaf.path, " × ".join(map(str, leaf.value.shape))) if part)
        *lines, last = nested_list(leaf.name, leaf.value)
        yield from lines
        yield f"{last}  # {said}" if said else last

    # ---- what it computes

    def rows(self) -> Iterator[str]:
        section, said = "", set[Any]()
        for row in self.all_rows:
            if row.section != section:
                section = row.section
                yield from ("", heading(section))
            lines = self.data(row) if self.drawn & set(row.reads) else self.loops.lines(row)
            ops = {line.info.get("op") for line in row.lines}
            words = comment(row.lines, briefly=section == UPDATE and bool(ops) and ops <= said)
            said |= ops if section == UPDATE else set()
            if words and lines:
                yield from ("", *(f"# {line}" for line in wrap(words, WIDTH - 2)))
            yield from lines

    def data(self, row: Row) -> list[str]:
        """What a generator gave, as numbers: nobody draws them by hand."""
        self.loops.begin(row.targets)
        return [line for target in row.targets for line in nested_list(self.names[target], self.values[target])]

    # ---- what it says

    def ending(self) -> Iterator[str]:
        listing = self.listing
        yield from ("", heading("print" if listing.loss else "print_output"), "")
        for name in [listing.loss] if listing.loss else listing.outputs:
            yield f'print("{self.names[name]} =", {self.names[name]})'
        order = [leaf.name for leaf in listing.leaves]
        for leaf, gradient in sorted(listing.gradients.items(), key=lambda pair: order.index(pair[0])):
            shape = np.shape(self.values[gradient])
            several = "*" if len(shape) > 1 else ""
            yield f'print("d{leaf}", {shape}, {several}{self.names[gradient]}, sep="\\n")'


class _Loops:
    """The rows as steps of lowering, and each step as a nest of loops."""

    def __init__(self, program: _Program) -> None:
        self.program = program
        self.names = dict(program.names)
        leaves = {leaf.name: leaf.value for leaf in program.listing.leaves if leaf.kind != "generator"}
        self.evaluation = Evaluation({**{name: _double(value) for name, value in leaves.items()},
                                      **program.listing.helpers})
        self.shapes: dict[str, Shape] = {name: value.shape for name, value in leaves.items()}
        self.inlined: dict[str, Step] = {}
        self.lengths: dict[str, int] = {}
        self.exists = set(leaves)

    def begin(self, targets: Sequence[str]) -> None:
        """Arrays that are there from now on."""
        for target in targets:
            value = np.asarray(self.program.values[target])
            self.evaluation.names[target] = whole(target, value.shape, _double(value).dtype)
            self.shapes[target] = value.shape
            self.exists.add(target)

    def lines(self, row: Row) -> list[str]:
        """The nests of one row."""
        before = len(self.evaluation.steps)
        try:
            self.evaluation.run(_Numbers().visit(copied(row.tree)))
        except (NotLowerable, NotAView, KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{ast.unparse(row.tree)} cannot be written as scalar loops; print it in the style "
                             "'numpy'") from error
        steps = self.evaluation.steps[before:]
        for target in row.targets:
            if target in {step.name for step in steps}:
                self.begin([target])
                self.exists.discard(target)
        self._fold(steps, row)
        return [line for step in steps if step.name not in self.inlined for line in self.nest(step)]

    def _fold(self, steps: Sequence[Step], row: Row) -> None:
        """What is stored for a moment, and read once at each index, is written where it is read."""
        for i, step in enumerate(steps):
            if step.name in row.targets:
                continue
            self.shapes[step.name] = tuple(n for n in step.shape if n > 1)
            kind = step.kind if isinstance(step, Reduction) else "part"
            self.names[step.name] = self._free(f"{self.names[row.targets[0]]}_{_KINDS.get(kind, kind)}")
            readers = [(other, x) for other in steps[i + 1 :] for x in _read(other) if x.name == step.name]
            alone = [other for other in steps if other.name == step.name] == [step]
            if alone and not isinstance(step, ScatterSum) and len(readers) == 1:
                reader, x = readers[0]
                space = math.prod(reader.value.shape) if not isinstance(reader, Product) else -1
                if space == math.prod(step.shape) and not x.place.gathers and self._straight(x, step.shape):
                    self.inlined[step.name] = step

    def _straight(self, x: Element, shape: Shape) -> bool:
        names = [f"_{d}" for d in range(x.ndim)]
        lengths = dict(zip(names, x.shape, strict=True))
        return separated(_address(x.place, [variable(n) for n in names], x.shape), shape, lengths) is not None

    def _free(self, name: str) -> str:
        number, taken = 1, set(self.names.values())
        while (free := name if number == 1 else f"{name}_{number}") in taken:
            number += 1
        return free

    # ---- a nest

    def nest(self, step: Step) -> list[str]:
        name = self.names[step.name]
        space = step.value.shape if isinstance(step, (Pointwise, ScatterSum)) else step.shape
        self.lengths = {}
        indices = [self.loop(n) for n in space]
        value = self.value(step, indices)
        shape = self.shapes[step.name]
        place = getattr(step, "place", None) or Place(0, c_strides(step.shape))
        target = self.at(name, shape, place, indices, space)
        replaced = [x for x in self.reads(step) if self.names[x.name] == name and x.name != step.name]
        in_place = all(x.shape == tuple(space) and self.shapes[x.name] == shape and ast.unparse(target) ==
                       ast.unparse(self.at(name, shape, x.place, indices, x.shape)) for x in replaced)
        lines = []
        if shape and step.name not in self.exists and not (replaced and in_place):
            lines.append(f"{'new' if replaced else name} = zeros({', '.join(map(str, shape))})")
        if replaced and not in_place:
            target = self.at("new", shape, place, indices, space)
        self.exists.add(step.name)
        sign = "+=" if isinstance(step, ScatterSum) else "="
        ranges = [(i.factors[0][0], n) for i, n in zip(indices, space, strict=True) if i.factors]
        for depth, (variable_, n) in enumerate(ranges):
            lines.append("    " * depth + f"for {variable_} in range({n}):")
        lines += wrapped("    " * len(ranges) + f"{ast.unparse(target)} {sign} ", one_bracketed(value))
        return [*lines, f"{name} = new"] if replaced and not in_place and shape else lines

    def reads(self, step: Step) -> Iterator[Element]:
        """What a nest reads, what is written into it included."""
        for x in _read(step):
            if x.name in self.inlined:
                yield from self.reads(self.inlined[x.name])
            else:
                yield x

    def loop(self, n: int) -> Index:
        """The index of a new loop; of an axis of length 1 it is 0."""
        if n == 1:
            return Index(0)
        name = self.program.letters[len(self.lengths)]
        self.lengths[name] = n
        return variable(name)

    def value(self, step: Step, indices: Sequence[Index]) -> ast.expr:
        """What a step holds at the indices of its own axes."""
        if isinstance(step, (Pointwise, ScatterSum)):
            return self.expression(step.value, indices)
        if isinstance(step, Product):
            k = self.loop(step.a.shape[-1])
            a = self.expression(step.a, [*indices[:-1], k])
            b = self.expression(step.b, [*indices[:-2], k, indices[-1]])
            return self.over("add", [(k, step.a.shape[-1])], ast.BinOp(a, ast.Mult(), b))
        new = {axis: self.loop(step.value.shape[axis]) for axis in step.axes}
        inner = self.expression(step.value, [new.get(d, index) for d, index in enumerate(indices)])
        return self.over(step.kind, [(index, step.value.shape[axis]) for axis, index in new.items()], inner)

    def over(self, kind: str, loops: Sequence[tuple[Index, int]], inner: ast.expr) -> ast.expr:
        """sum(… for k in range(n))"""
        generators = [ast.comprehension(ast.Name(index.factors[0][0], ast.Store()),
                                        ast.parse(f"range({n})", mode="eval").body, [], 0)
                      for index, n in loops if index.factors]
        if not generators:
            return inner
        return ast.Call(ast.parse(_OVER[kind], mode="eval").body, [ast.GeneratorExp(inner, generators)], [])

    # ---- expressions

    def expression(self, x: Expression, indices: Sequence[Index]) -> ast.expr:
        if isinstance(x, Number):
            return _number(x)
        if isinstance(x, Counter):
            return written(_address(x.place, indices, x.shape))
        if isinstance(x, Apply):
            return _applied(x, [self.expression(operand, indices) for operand in x.operands])
        if x.name in self.inlined:
            step = self.inlined[x.name]
            inner = separated(_address(x.place, indices, x.shape), step.shape, self.lengths)
            assert inner is not None, x
            return self.value(step, inner)
        return self.at(self.names.get(x.name, x.name), self.shapes[x.name], x.place, indices, x.shape)

    def at(self, name: str, shape: Shape, place: Place, indices: Sequence[Index], space: Shape) -> ast.expr:
        """The element of a nested list at a place."""
        address = _address(place, indices, space)
        parts = separated(address, shape, self.lengths)
        found = [written(part) for part in parts] if parts is not None else cut(address, shape)
        for gather in place.gathers:
            if gather.length == 1:
                continue
            axis = next((d for d, (n, stride) in enumerate(zip(shape, c_strides(shape), strict=True))
                         if stride == gather.stride and n == gather.length), None)
            if axis is None or ast.unparse(found[axis]) != "0":
                raise ValueError(f"an index into {name} cannot be written as scalar loops; print it in the style "
                                 "'numpy'")
            found[axis] = self.expression(gather.index, indices)
        return element(name, found)


class _Numbers(ast.NodeTransformer):
    """Of one number there is no array here."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return node.args[0] if ast.unparse(node.func) == "np.asarray" else node


def _address(place: Place, indices: Sequence[Index], space: Shape) -> Index:
    """Where in memory, of indices into the axes of a space."""
    return combined(place.offset, [(stride, index) for stride, index, n in
                                   zip(place.strides, indices, space, strict=True) if n > 1])


def _read(step: Step) -> list[Element]:
    return [step.a, step.b] if isinstance(step, Product) else list(elements(step.value))


def _double(value: Any) -> Any:
    """Loops compute in Python's numbers, which are double."""
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value


_KINDS = {"add": "sum", "multiply": "product", "maximum": "max", "minimum": "min"}
_OVER = {"add": "sum", "multiply": "math.prod", "maximum": "max", "minimum": "min"}
_OPERATORS: dict[str, Any] = {
    "add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "true_divide": ast.Div, "divide": ast.Div,
    "power": ast.Pow}
_COMPARISONS: dict[str, Any] = {"less": ast.Lt, "less_equal": ast.LtE, "greater": ast.Gt, "greater_equal": ast.GtE,
                                "equal": ast.Eq, "not_equal": ast.NotEq}
_CALLS = {"exp": "math.exp", "log": "math.log", "log1p": "math.log1p", "sqrt": "math.sqrt", "sin": "math.sin",
          "cos": "math.cos", "tanh": "math.tanh", "absolute": "abs", "maximum": "max", "minimum": "min",
          "isfinite": "math.isfinite", "sign": "sign"}


def _applied(x: Apply, operands: list[ast.expr]) -> ast.expr:
    """A function of numbers, in Python."""
    name = x.function
    if name in _OPERATORS or name in _COMPARISONS:
        operands = [_short(operand) for operand in operands]
    if name in _OPERATORS:
        return ast.BinOp(operands[0], _OPERATORS[name](), operands[1])
    if name in _COMPARISONS:
        return ast.Compare(operands[0], [_COMPARISONS[name]()], [operands[1]])
    if name in _CALLS:
        return ast.Call(ast.parse(_CALLS[name], mode="eval").body, operands, [])
    if name == "where":
        return ast.IfExp(*operands)
    if name == "negative":
        return ast.UnaryOp(ast.USub(), operands[0])
    if name in ("bitwise_and", "bitwise_or") and x.dtype == np.bool_:
        return ast.BoolOp(ast.And() if name == "bitwise_and" else ast.Or(), operands)
    if name == "invert" and x.dtype == np.bool_:
        return ast.UnaryOp(ast.Not(), operands[0])
    if name == "cast":
        if x.dtype.kind == "f" or x.operands[0].dtype.kind in "biu":
            return operands[0]
        return ast.Call(ast.Name("int" if x.dtype.kind in "iu" else "bool", ast.Load()), operands, [])
    raise ValueError(f"{name} of {x.dtype} cannot be written as scalar loops; print it in the style 'numpy'")


def _number(x: Number) -> ast.expr:
    value = x.value
    if isinstance(value, float) and not math.isfinite(value):
        return ast.parse("math.nan" if math.isnan(value) else "math.inf" if value > 0 else "-math.inf",
                         mode="eval").body
    return ast.parse(repr(value), mode="eval").body


def _short(operand: ast.expr) -> ast.expr:
    """2.0 * x is 2 * x."""
    if isinstance(operand, ast.Constant) and isinstance(operand.value, float) and operand.value.is_integer() \
            and 0 < operand.value < 1e6:
        return ast.Constant(int(operand.value))
    return operand


# ---- text


def one_bracketed(value: ast.expr) -> str:
    """An expression as text; sum((x for …)) needs one pair of brackets only."""
    code = ast.unparse(value)
    for opening in reversed([match.end() - 1 for match in re.finditer(r"(?:sum|max|min|prod)\(\(", code)]):
        depth = 0
        for closing in range(opening, len(code)):
            depth += {"(": 1, ")": -1}.get(code[closing], 0)
            if not depth:
                break
        if code[closing + 1] == ")":
            code = code[:opening] + code[opening + 1 : closing] + code[closing + 1 :]
    return code


def wrapped(head: str, code: str) -> list[str]:
    """head and code in lines that are not too long: broken before operators, as far outside of brackets as can be."""
    if len(head) + len(code) <= WIDTH:
        return [head + code]
    lines, prefix, code, indent = [], f"{head}(", f"{code})", " " * (len(head) + 1)
    while len(prefix) + len(code) > WIDTH:
        breaks = [(depth, -place) for depth, place in _breaks(code) if place + len(prefix) <= WIDTH]
        if not breaks:
            break
        place = -min(breaks)[1]
        lines.append(prefix + code[:place])
        prefix, code = indent, code[place + 1 :]
    return [*lines, prefix + code]


def _breaks(code: str) -> Iterator[tuple[float, int]]:
    """(how many brackets are open, where) for the space before each operator; * and / bind like half a bracket."""
    depth, last = 0, 0
    for found in re.finditer(r" (?:[-+*/]|if|else|for) ", code):
        between = code[last : found.start()]
        depth += sum(between.count(opening) for opening in "([") - sum(between.count(closing) for closing in ")]")
        last = found.start()
        yield depth + 0.5 * (found[0].strip() in "*/"), last


def heading(section: str) -> str:
    words = f"# ---- {text(f'unroll.section.{section}')} "
    return words + "-" * (WIDTH - 40 - display_width(words))


def nested_list(name: str, value: Any) -> list[str]:
    """name = [[1.0, 2.0], …], a row a line where one line is too short."""
    first, *rest = _nested(_plain(np.asarray(value)), len(name) + 3)
    return [f"{name} = {first}", *rest]


def _nested(numbers: Any, indent: int) -> list[str]:
    code = re.sub(r"inf|nan", r"math.\g<0>", str(numbers))
    if not isinstance(numbers, list) or indent + len(code) <= WIDTH - 20:
        return [code]
    if isinstance(numbers[0], list):
        inner = [line for part in numbers for line in _with_comma(_nested(part, 4))]
    else:
        inner = wrap(code[1:-1], WIDTH - 24)
    return ["[", *(f"    {line}" for line in inner), "]"]


def _with_comma(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1] + ","]


def _plain(value: Any) -> Any:
    """Python's numbers: of a float32 the shortest that says which one it is."""
    if value.ndim:
        return [_plain(part) for part in value]
    return float(str(value)) if value.dtype == np.float32 and np.isfinite(value) else value.item()
