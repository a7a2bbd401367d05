"""Statements, evaluated on expressions instead of arrays. 在表达式上执行语句

Shapes and whatever else is known when the program is made (axes, lengths, Python's numbers) are computed; arrays become
expressions of their elements. Dtypes are NumPy's: its own functions say to what they promote. What is no function of
elements (a sum, a product of matrices) is a step of its own, and read from then on like any array.
"""

from __future__ import annotations

import ast
import builtins
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_zh.program.lowering import functions
from tinygrad_zh.program.lowering.expressions import (
    Apply,
    Change,
    Element,
    Expression,
    NotAView,
    NotLowerable,
    Shape,
    broadcast,
    elements,
    is_dear,
    is_whole,
    seen,
    whole,
)
from tinygrad_zh.program.lowering.steps import Pointwise, Product, Reduction, Step

DTYPES = frozenset(map(np.dtype, (np.float32, np.float64, np.bool_, np.int8, np.int16, np.int32, np.int64,
                                  np.uint8, np.uint16, np.uint32)))
LITTLE = 10
"""Parts of an expression that may be computed again."""

_PYTHON = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
           ast.Pow: operator.pow, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitAnd: operator.and_,
           ast.BitOr: operator.or_, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
           ast.Invert: operator.invert, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
           ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Is: operator.is_,
           ast.IsNot: operator.is_not, ast.MatMult: operator.matmul}
_NUMPY = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide, ast.Pow: np.power,
          ast.BitAnd: np.bitwise_and, ast.BitOr: np.bitwise_or, ast.USub: np.negative, ast.Invert: np.invert,
          ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
          ast.NotEq: np.not_equal}
_STATIC = {bool, float, int, len, max, min, range, slice, tuple, list, abs, sum, enumerate, zip, np.dtype, math.prod,
           math.sqrt, all, any}
_BUILTINS = {name: getattr(builtins, name) for name in (
    "bool", "float", "int", "len", "max", "min", "range", "slice", "tuple", "list", "abs", "sum", "enumerate", "zip",
    "all", "any", "Ellipsis")} | {"np": np, "math": math}


class Evaluation:
    """A run of the statements. names: what each name stands for; steps: what computes arrays, in order."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names: dict[str, Any] = {**_BUILTINS, **{name: given(name, value) for name, value in values.items()}}
        self.steps: list[Step] = []
        self.inputs = frozenset(values)
        self.target = ""
        self.unnamed: set[str] = set()

    def run(self, statement: ast.Assign) -> None:
        """One assignment, to a name or to a tuple of names."""
        (target,) = statement.targets
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        self.target = names[0]
        value = self.value(statement.value)
        values = [value] if isinstance(target, ast.Name) else list(value)
        for name, part in zip(names, values, strict=True):
            self.assign(name, part, alone=len(names) == 1)

    def assign(self, name: str, value: Any, *, alone: bool) -> None:
        """From now on the name stands for the value, which is also stored under it, for whoever wants it."""
        self.names[name] = value
        if isinstance(value, tuple) and any(map(functions.is_expression, value)):
            raise NotLowerable(f"{name} is several arrays")
        if not functions.is_expression(value):
            return
        if alone and is_whole(value) and value.name in self.unnamed:
            for step in self.steps:
                step.name = name if step.name == value.name else step.name
            self.names[name] = replace(value, name=name)
        else:
            self.steps.append(Pointwise(name, value.shape, value.dtype, value))
            if isinstance(value, Apply) and not made_of_little(value):
                self.names[name] = whole(name, value.shape, value.dtype)

    # ---- steps

    def stored(self, x: Expression) -> Element:
        """The same numbers as an array that is stored: of what is no element of one already."""
        if isinstance(x, Element) and not x.place.gathers:
            return x
        return self.step(Pointwise(self.fresh(), x.shape, x.dtype, x))

    def step(self, step: Step) -> Element:
        self.steps.append(step)
        return whole(step.name, step.shape, step.dtype)

    def fresh(self) -> str:
        """A name for what the program has none for: an underscore, the name that is being computed, a number."""
        self.unnamed.add(name := f"_{self.target}_{len(self.unnamed)}")
        return name

    def view(self, x: Expression, change: Change) -> Expression:
        """A view of x, or of x stored, if it has to be copied for it."""
        try:
            return seen(x, change)
        except NotAView:
            return seen(self.step(Pointwise(self.fresh(), x.shape, x.dtype, x)), change)

    def reduced(self, kind: str, x: Expression, axes: tuple[int, ...], keepdims: bool) -> Expression:
        """A reduction over axes."""
        kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        shape = kept if keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)
        if all(x.shape[i] == 1 for i in axes):
            return self.view(x, functions.to_shape(shape))
        y = self.step(Reduction(self.fresh(), kept, x.dtype, x, kind, axes))
        return seen(y, functions.to_shape(shape))

    def product(self, a: Expression, b: Expression) -> Expression:
        """a @ b of matrices, with leading axes that broadcast."""
        dtype = np.matmul.resolve_dtypes((a.dtype, b.dtype, None))[2]
        if dtype.kind != "f" or min(a.ndim, b.ndim) < 2:
            raise NotLowerable(f"a product of {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        left = self.matrix(functions.cast(a, dtype), batch)
        right = self.matrix(functions.cast(b, dtype), batch)
        return self.step(Product(self.fresh(), (*batch, a.shape[-2], b.shape[-1]), dtype, left, right))

    def matrix(self, x: Expression, batch: Shape) -> Element:
        """An operand of a product: rows, or columns, without gaps between their numbers; with the result's batch."""
        x = self.stored(x)
        (n, m), (down, right) = x.shape[-2:], x.place.strides[-2:]
        if n > 1 and m > 1:
            direct = (right == 1 and down >= m) or (down == 1 and right >= n)
        else:
            direct = (n == 1 or down >= 1) and (m == 1 or right >= 1)
        if not direct:
            x = self.step(Pointwise(self.fresh(), x.shape, x.dtype, x))
        return broadcast(x, (*batch, n, m))  # type: ignore[return-value]

    # ---- expressions of the program

    def value(self, tree: ast.expr) -> Any:
        """What an expression of the program stands for: an Expression, or what Python knows already."""
        method = getattr(self, f"_{type(tree).__name__.lower()}", None)
        if method is None:
            raise NotLowerable(ast.unparse(tree))
        return method(tree)

    def _constant(self, tree: ast.Constant) -> Any:
        return tree.value

    def _name(self, tree: ast.Name) -> Any:
        if tree.id not in self.names:
            raise NotLowerable(f"{tree.id} is no array")
        return self.names[tree.id]

    def _tuple(self, tree: ast.Tuple | ast.List) -> tuple[Any, ...]:
        parts: list[Any] = []
        for part in tree.elts:
            parts.extend(self.value(part.value) if isinstance(part, ast.Starred) else [self.value(part)])
        return tuple(parts)

    _list = _tuple

    def _slice(self, tree: ast.Slice) -> slice:
        return slice(*[None if part is None else self.value(part) for part in (tree.lower, tree.upper, tree.step)])

    def _attribute(self, tree: ast.Attribute) -> Any:
        x = self.value(tree.value)
        if functions.is_expression(x):
            if tree.attr in ("mT", "T"):
                return functions.METHODS[tree.attr](self, x)
            if tree.attr not in ("shape", "dtype", "ndim", "size"):
                raise NotLowerable(ast.unparse(tree))
        return getattr(x, tree.attr)

    def _generatorexp(self, tree: ast.GeneratorExp | ast.ListComp) -> Any:
        """Of lengths and axes: expressions know their shape, and nothing else of them can be asked here."""
        code = compile(ast.fix_missing_locations(ast.Expression(tree)), "<shapes>", "eval")
        return tuple(eval(code, {"__builtins__": {}, **self.names}))

    _listcomp = _generatorexp

    def _unaryop(self, tree: ast.UnaryOp) -> Any:
        x, kind = self.value(tree.operand), type(tree.op)
        if not functions.is_expression(x):
            return _python(kind)(x)
        return x if kind is ast.UAdd else functions.ufunc(_NUMPY[kind], x)

    def _binop(self, tree: ast.BinOp) -> Any:
        return self._operation(type(tree.op), self.value(tree.left), self.value(tree.right))

    def _compare(self, tree: ast.Compare) -> Any:
        left = self.value(tree.left)
        for op, comparator in zip(tree.ops, tree.comparators, strict=True):
            right = self.value(comparator)
            result = self._operation(type(op), left, right)
            if len(tree.ops) > 1 and functions.is_expression(result):
                raise NotLowerable(ast.unparse(tree))
            if result is False:
                break
            left = right
        return result

    def _operation(self, kind: type[Any], left: Any, right: Any) -> Any:
        if not functions.is_expression(left) and not functions.is_expression(right):
            return _python(kind)(left, right)
        if kind is ast.MatMult:
            return functions.matmul(self, left, right)
        if kind not in _NUMPY:
            raise NotLowerable(kind.__name__)
        return functions.ufunc(_NUMPY[kind], left, right)

    def _boolop(self, tree: ast.BoolOp) -> Any:
        for part in tree.values:
            value = self.known(self.value(part))
            if bool(value) is isinstance(tree.op, ast.Or):
                break
        return value

    def _ifexp(self, tree: ast.IfExp) -> Any:
        return self.value(tree.body if self.known(self.value(tree.test)) else tree.orelse)

    def known(self, value: Any) -> Any:
        """A value on which the program's course may depend: none of an array's numbers."""
        if functions.is_expression(value):
            raise NotLowerable("the course of the program depends on an array's numbers")
        return value

    def _subscript(self, tree: ast.Subscript) -> Any:
        x, index = self.value(tree.value), self.value(tree.slice)
        return functions.getitem(self, x, index) if functions.is_expression(x) else x[self.known(index)]

    def _call(self, tree: ast.Call) -> Any:
        keywords = {}
        for keyword in tree.keywords:
            if keyword.arg is None:
                raise NotLowerable(ast.unparse(tree))
            if keyword.arg != "like":  # says on which device; here there is one
                keywords[keyword.arg] = self.value(keyword.value)
        arguments = self._tuple(ast.Tuple(tree.args, ast.Load()))
        if isinstance(tree.func, ast.Attribute):
            x = self.value(tree.func.value)
            if functions.is_expression(x):
                return self._lowered(functions.METHODS.get(tree.func.attr), tree, x, *arguments, **keywords)
        function = self.value(tree.func)
        if function in functions.FUNCTIONS:
            return self._lowered(functions.FUNCTIONS[function], tree, *arguments, **keywords)
        several = [*arguments, *keywords.values()]
        if isinstance(function, np.ufunc) and any(map(functions.is_expression, several)):
            return functions.ufunc(function, *arguments, **keywords)
        if any(map(functions.is_expression, several)) and function is not len:
            raise NotLowerable(ast.unparse(tree))
        if function in _STATIC or isinstance(function, np.ufunc) or _is_scalar_type(function):
            return function(*arguments, **keywords)
        raise NotLowerable(ast.unparse(tree))

    def _lowered(self, function: Any, tree: ast.Call, *arguments: Any, **keywords: Any) -> Any:
        if function is None:
            raise NotLowerable(ast.unparse(tree))
        return function(self, *arguments, **keywords)


def _python(kind: type[Any]) -> Callable[..., Any]:
    return _PYTHON[kind]  # type: ignore[return-value]


def _is_scalar_type(function: Any) -> bool:
    return isinstance(function, type) and issubclass(function, np.generic)


def made_of_little(x: Apply) -> bool:
    """Whether reading the result would take longer than computing it again: a few operations on far fewer numbers, as
    arange(n) == t[:, None]."""
    distinct = sum(math.prod(n for n, s in zip(e.shape, e.place.strides, strict=True) if s) for e in elements(x))
    return 4 * distinct <= x.size and len(_parts(x)) <= LITTLE and not is_dear(x)


def given(name: str, value: Any) -> Any:
    """What a name stands for from the start: an array's elements; a number or a function is itself."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return value
    return whole(name, tuple(value.shape), np.dtype(value.dtype))


def check_dtypes(steps: Sequence[Step]) -> None:
    """Raises NotLowerable for numbers that compiled code does not know, or that are not as this machine has them."""
    for step in steps:
        operands = [step.a, step.b] if isinstance(step, Product) else [step.value]
        for x in (step, *(part for operand in operands for part in _parts(operand))):
            if x.dtype not in DTYPES or not x.dtype.isnative:
                raise NotLowerable(f"numbers of dtype {x.dtype}")


def _parts(x: Expression) -> list[Expression]:
    return [x, *(part for operand in x.operands for part in _parts(operand))] if isinstance(x, Apply) else [x]

