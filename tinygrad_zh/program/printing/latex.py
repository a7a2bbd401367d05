"""A program's own expressions as LaTeX. 语句 → 数学公式

    z1 = x @ W1 + b1                  z_1 = x W_1 + b_1
    h1 = 1 / (1 + np.exp(-z1))        h_1 = \\frac{1}{1 + \\mathrm{e}^{-z_1}}

What is mathematics is written as such: A B is the matrix product, a ⊙ b the product of each element with its own,
Σ_j a sum over the second axis, [x > 0] is 1 where it holds and 0 elsewhere. What only moves numbers in memory
(broadcasting, axes of length 1, dtypes) is not shown. Brackets stand where the meaning needs them, nowhere else.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.program.printing.symbols import Symbols, escaped


class Level(IntEnum):
    """How tightly the outermost operation of a formula binds."""

    CASES = 0
    OR = 1
    AND = 2
    COMPARISON = 3
    SUM = 4
    SIGNED = 5
    PRODUCT = 6
    MATRIX = 7
    POWER = 8
    ATOM = 9


class Formula(NamedTuple):
    """LaTeX text, how tightly it binds, and whether it is open: a Σ at its end would take in what follows."""

    text: str
    level: Level = Level.ATOM
    open: bool = False

    @property
    def signed(self) -> bool:
        return self.text.startswith("-")


Value = Callable[[ast.expr], Any]


def evaluation(values: Mapping[str, Any]) -> Value:
    """What a sub-expression is for these values of the names; None where that cannot be said."""
    names = {"np": np, **values}

    def value(node: ast.expr) -> Any:
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if not used <= names.keys() or any(isinstance(names[n], np.random.Generator) for n in used):
            return None
        try:
            with np.errstate(all="ignore"):
                return eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<formula>", "eval"), dict(names))
        except (ArithmeticError, AttributeError, IndexError, NameError, TypeError, ValueError):
            return None

    return value


def typeset(expression: ast.expr, symbols: Symbols, value: Value, otherwise: str = "otherwise") -> str:
    """An expression of a program as LaTeX. value(node): what a sub-expression is, for the shapes.

    >>> tree = ast.parse("1 / (1 + np.exp(-z1))", mode="eval").body
    >>> print(typeset(tree, Symbols(["z1"]), evaluation({"z1": np.zeros(3)})))
    \\frac{1}{1 + \\mathrm{e}^{-z_1}}
    """
    return _Writer(symbols, value, otherwise).arithmetic(expression).text


class _Writer:
    """Writes one expression down, from the inside out."""

    def __init__(self, symbols: Symbols, value: Value, otherwise: str) -> None:
        self.symbols = symbols
        self.value = value
        self.otherwise = otherwise

    def formula(self, node: ast.expr) -> Formula:
        """The formula of a node: by its kind, and a call by what is called."""
        if _is_size(node):
            size = self.value(node)
            if isinstance(size, (int, tuple)):
                return self.formula(ast.parse(repr(size), mode="eval").body)
        writer: Callable[[Any], Formula] | None = getattr(self, f"write_{type(node).__name__}", None)
        return writer(node) if writer is not None else Formula(f"\\mathtt{{{escaped(ast.unparse(node))}}}")

    # ---- names and numbers

    def write_Name(self, node: ast.Name) -> Formula:
        return Formula(self.symbols(node.id), Level.POWER if self.symbols.raised(node.id) else Level.ATOM)

    def write_Constant(self, node: ast.Constant) -> Formula:
        value = node.value
        if isinstance(value, bool) or value is None or not isinstance(value, (int, float)):
            return Formula(f"\\text{{{escaped(str(value))}}}" if value is not Ellipsis else "\\ldots")
        return number(value)

    def write_Tuple(self, node: ast.Tuple) -> Formula:
        return Formula(f"({', '.join(self.formula(part).text for part in node.elts)})")

    write_List = write_Tuple

    def write_Slice(self, node: ast.Slice) -> Formula:
        ends = [self.formula(end).text if end is not None else "" for end in (node.lower, node.upper)]
        step = f"{{:}}{self.formula(node.step).text}" if node.step is not None else ""
        return Formula("{:}".join(ends) + step)

    # ---- arithmetic

    def write_BinOp(self, node: ast.BinOp) -> Formula:
        operation: Callable[[ast.expr, ast.expr], Formula] | None = getattr(self, type(node.op).__name__, None)
        return operation(node.left, node.right) if operation else self.named(type(node.op).__name__,
                                                                             [node.left, node.right])

    def Add(self, left: ast.expr, right: ast.expr) -> Formula:
        a, b = self.arithmetic(left), self.arithmetic(right)
        return Formula(f"{_at_least(Level.SUM, a)} + {_at_least(Level.SUM, b, inside=True)}", Level.SUM)

    def Sub(self, left: ast.expr, right: ast.expr) -> Formula:
        a, b = self.arithmetic(left), self.arithmetic(right)
        return Formula(f"{_at_least(Level.SUM, a)} - {_at_least(Level.PRODUCT, b, inside=True)}", Level.SUM)

    def Mult(self, left: ast.expr, right: ast.expr) -> Formula:
        a, b = self.arithmetic(left), self.arithmetic(right)
        level = Level.SIGNED if a.signed and a.level >= Level.SIGNED else Level.PRODUCT
        first = _at_least(Level.SIGNED, a, closed=True)
        second = _at_least(Level.PRODUCT, b, inside=True)
        if self.has_axes(left) and self.has_axes(right):
            sign = " \\odot "
        elif second[0].isdigit() or (self.is_literal(left) and self.is_literal(right)):
            sign = " \\cdot "
        else:
            sign = _beside(first, second)
        return Formula(f"{first}{sign}{second}", level, b.open)

    def MatMult(self, left: ast.expr, right: ast.expr) -> Formula:
        a, b = self.arithmetic(left), self.arithmetic(right)
        first, second = _at_least(Level.MATRIX, a, closed=True), _at_least(Level.MATRIX, b, inside=True, closed=True)
        if np.ndim(self.value(left)) == np.ndim(self.value(right)) == 1:
            first = f"{_at_least(Level.ATOM, a)}^\\top"
        return Formula(f"{first}{_beside(first, second)}{second}", Level.MATRIX)

    def Div(self, left: ast.expr, right: ast.expr) -> Formula:
        return Formula(f"\\frac{{{self.arithmetic(left).text}}}{{{self.arithmetic(right).text}}}")

    def Pow(self, left: ast.expr, right: ast.expr) -> Formula:
        exponent = _literal(right)
        if exponent == 0.5:
            return self.root(left)
        if exponent in (-0.5, -1):
            below = self.root(left) if exponent == -0.5 else self.arithmetic(left)
            return Formula(f"\\frac{{1}}{{{below.text}}}")
        base = self.arithmetic(left)
        if base.text.startswith("\\frac"):
            base = Formula(_bracketed(base.text))
        return Formula(f"{_at_least(Level.ATOM, base)}^{{{self.arithmetic(right).text}}}", Level.POWER)

    def root(self, x: ast.expr) -> Formula:
        return Formula(f"\\sqrt{{{self.arithmetic(x).text}}}")

    def BitAnd(self, left: ast.expr, right: ast.expr) -> Formula:
        return self.joined("\\wedge", Level.AND, left, right)

    def BitOr(self, left: ast.expr, right: ast.expr) -> Formula:
        return self.joined("\\vee", Level.OR, left, right)

    def joined(self, sign: str, level: Level, left: ast.expr, right: ast.expr) -> Formula:
        a, b = self.formula(left), self.formula(right)
        return Formula(f"{_at_least(level, a)} {sign} {_at_least(level, b)}", level)

    def write_UnaryOp(self, node: ast.UnaryOp) -> Formula:
        if isinstance(node.op, ast.USub):
            x = self.arithmetic(node.operand)
            return Formula(f"-{_at_least(Level.PRODUCT, x, inside=True)}", Level.SIGNED, x.open)
        if isinstance(node.op, (ast.Invert, ast.Not)):
            return Formula(f"\\neg {_at_least(Level.ATOM, self.formula(node.operand))}", Level.COMPARISON)
        return self.formula(node.operand)

    def write_Compare(self, node: ast.Compare) -> Formula:
        sides = [self.arithmetic(side) for side in (node.left, *node.comparators)]
        parts = [_at_least(Level.SUM, sides[0])]
        for operator, side in zip(node.ops, sides[1:], strict=True):
            parts += [_COMPARISONS[type(operator)], _at_least(Level.SUM, side)]
        return Formula(" ".join(parts), Level.COMPARISON)

    def arithmetic(self, node: ast.expr) -> Formula:
        """An operand that is a number: a condition becomes [condition], 1 where it holds (Iverson's bracket)."""
        x = self.formula(node)
        if x.level == Level.CASES or x.level > Level.COMPARISON:
            return x
        return Formula(f"\\left[ {x.text} \\right]")

    def has_axes(self, node: ast.expr) -> bool:
        """Whether a value is an array of numbers and not one number; what cannot be said is taken for an array."""
        value = self.value(node)
        return value is None or np.size(value) != 1

    def is_literal(self, node: ast.expr) -> bool:
        return not any(isinstance(n, ast.Name) and n.id != "np" for n in ast.walk(node))

    # ---- parts of arrays

    def write_Attribute(self, node: ast.Attribute) -> Formula:
        if isinstance(node.value, ast.Name) and node.value.id in ("np", "math"):
            return Formula(_CONSTANTS.get(node.attr, f"\\mathrm{{{escaped(node.attr)}}}"))
        if node.attr in ("mT", "T"):
            return self.transposed(node.value)
        return Formula(f"{self.atom(node.value)}.\\mathrm{{{escaped(node.attr)}}}")

    def transposed(self, x: ast.expr) -> Formula:
        return Formula(f"{self.atom(x)}^\\top", Level.POWER)

    def atom(self, node: ast.expr) -> str:
        x = self.arithmetic(node)
        return _bracketed(x.text) if x.text.startswith("\\frac") and x.level < Level.POWER \
            else _at_least(Level.ATOM, x)

    def write_Subscript(self, node: ast.Subscript) -> Formula:
        index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if all(_is_whole(part) for part in index):
            return self.formula(node.value)
        shown = [part for part in index if not (isinstance(part, ast.Constant) and part.value is None)]
        inside = ", ".join(self.formula(part).text for part in shown)
        return Formula(f"{self.atom(node.value)}[{inside}]")

    # ---- calls

    def write_Call(self, node: ast.Call) -> Formula:
        keywords = {k.arg: k.value for k in node.keywords if k.arg is not None}
        function = node.func
        if not isinstance(function, ast.Attribute):
            return self.called(ast.unparse(function), node.args, keywords)
        of_a_module = isinstance(function.value, ast.Name) and function.value.id in ("np", "math")
        arguments = list(node.args) if of_a_module else [function.value, *node.args]
        writer: Callable[..., Formula] | None = getattr(self, f"call_{function.attr}", None)
        if writer is not None and _takes(writer, arguments, keywords):
            return writer(*arguments, **keywords)
        if function.attr in _FUNCTIONS:
            x = ", ".join(self.arithmetic(argument).text for argument in arguments)
            return Formula(_FUNCTIONS[function.attr].format(_open(x)[0], x, _open(x)[1]))
        if function.attr in _BIG and _takes(self.big, [function, *arguments], keywords):
            return self.big(_BIG[function.attr], arguments[0], *arguments[1:], **keywords)
        return self.named(function.attr, arguments, keywords)

    def called(self, name: str, arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr]) -> Formula:
        """A function of Python or of the program's own."""
        if name == "tuple":
            return self.formula(arguments[0])
        if name == "slice":
            ends = [None if isinstance(a, ast.Constant) and a.value is None else a for a in arguments]
            return self.write_Slice(ast.Slice(*(ends if len(ends) > 1 else [None, *ends])))
        return self.named(name, arguments, keywords)

    def write_IfExp(self, node: ast.IfExp) -> Formula:
        """A condition on shapes is decided before anything is computed."""
        return self.formula(node.body if self.value(node.test) else node.orelse)

    def named(self, name: str, arguments: Sequence[ast.expr],
              keywords: Mapping[str, ast.expr] | None = None) -> Formula:
        """Any other function, by its name."""
        parts = [self.formula(argument).text for argument in arguments]
        parts += [f"\\mathit{{{escaped(key)}}} = {self.formula(value).text}"
                  for key, value in (keywords or {}).items() if key not in ("dtype", "like")]
        inside = ", ".join(parts)
        left, right = _open(inside)
        return Formula(f"\\operatorname{{{escaped(name)}}}{left}{inside}{right}")

    def call_exp(self, x: ast.expr) -> Formula:
        return Formula(f"\\mathrm{{e}}^{{{self.arithmetic(x).text}}}", Level.POWER)

    def call_log1p(self, x: ast.expr) -> Formula:
        return self.formula(_call("log", ast.BinOp(ast.Constant(1), ast.Add(), x)))

    def call_sqrt(self, x: ast.expr) -> Formula:
        return self.root(x)

    def call_clip(self, x: ast.expr, low: ast.expr, high: ast.expr) -> Formula:
        return self.formula(_call("minimum", _call("maximum", x, low), high))

    def call_where(self, condition: ast.expr, a: ast.expr, b: ast.expr) -> Formula:
        rows = [f"{self.formula(a).text} & {self.formula(condition).text}"]
        rest = b
        while isinstance(rest, ast.Call) and ast.unparse(rest.func) == "np.where":
            condition, a, rest = rest.args
            rows.append(f"{self.formula(a).text} & {self.formula(condition).text}")
        rows.append(f"{self.formula(rest).text} & \\text{{{self.otherwise}}}")
        return Formula("\\begin{cases} " + " \\\\ ".join(rows) + " \\end{cases}", Level.CASES)

    def call_mean(self, x: ast.expr, axis: ast.expr | None = None, keepdims: ast.expr | None = None) -> Formula:
        total = self.big("\\sum", x, axis)
        array = self.value(x)
        axes = None if axis is None else self.value(axis)
        if array is None:
            return self.named("mean", [x])
        count = math.prod(np.shape(array)[i] for i in _axes(axes, np.ndim(array)))
        return total if count == 1 else Formula(f"\\frac{{1}}{{{count}}} {total.text}", Level.PRODUCT, total.open)

    def big(self, sign: str, x: ast.expr, axis: ast.expr | None = None, keepdims: ast.expr | None = None) -> Formula:
        """Σ, Π, max and the like, over axes that are named i, j, k, …"""
        inner = self.arithmetic(x)
        ndim = np.ndim(self.value(x))
        axes = _axes(None if axis is None else self.value(axis), ndim)
        letters = self.symbols.indices(ndim)
        below = f"_{{{', '.join(letters[i] for i in axes)}}}" if axes else ""
        if sign not in ("\\sum", "\\prod"):
            left, right = _open(inner.text)
            return Formula(f"{sign}{below} {left}{inner.text}{right}")
        return Formula(f"{sign}{below} {_at_least(Level.PRODUCT, inner, inside=True)}", Level.PRODUCT, open=True)

    def call_einsum(self, subscripts: ast.expr, *operands: ast.expr) -> Formula:
        """Σ over the indices that the result does not have, with the letters that are written there."""
        terms, _, result = str(self.value(subscripts)).partition("->")
        factors = [f"{{{self.atom(x)}}}_{{{term}}}" for x, term in zip(operands, terms.split(","), strict=True)]
        summed = sorted(set(terms) - set(result) - {","})
        product = " \\, ".join(factors)
        return Formula(f"\\sum_{{{', '.join(summed)}}} {product}" if summed else product, Level.PRODUCT, bool(summed))

    # what only moves numbers, or says in which memory they are

    def call_astype(self, x: ast.expr, *_: ast.expr, **__: ast.expr) -> Formula:
        return self.formula(x)

    call_asarray = call_astype

    def call_reshape(self, x: ast.expr, *shape: ast.expr) -> Formula:
        value, written = self.value(x), shape[0] if len(shape) == 1 else ast.Tuple(list(shape), ast.Load())
        new = self.value(ast.Call(ast.Attribute(x, "reshape", ast.Load()), [written], []))
        if value is None or new is None:
            return self.named("reshape", [x, *shape])
        if [n for n in value.shape if n != 1] == [n for n in new.shape if n != 1]:
            return self.formula(x)
        return Formula(f"\\operatorname{{reshape}}_{{{_size(new.shape)}}}({self.formula(x).text})")

    def call_transpose(self, x: ast.expr, *axes: ast.expr) -> Formula:
        order = self.value(axes[0] if len(axes) == 1 else ast.Tuple(list(axes), ast.Load())) if axes else None
        ndim = np.ndim(self.value(x))
        if ndim == 2 or (order is not None and tuple(order) == (*range(ndim - 2), ndim - 1, ndim - 2)):
            return self.transposed(x)
        shown = "" if order is None else f"_{{{', '.join(map(str, order))}}}"
        return Formula(f"\\operatorname{{transpose}}{shown}({self.formula(x).text})")

    def call_broadcast_to(self, x: ast.expr, shape: ast.expr) -> Formula:
        wanted = self.value(shape)
        if not isinstance(wanted, tuple):
            return self.named("broadcast", [x, shape])
        if np.shape(self.value(x)) == wanted:
            return self.formula(x)
        ones = f"\\mathbf{{1}}_{{{_size(wanted)}}}"
        inner = self.arithmetic(x)
        if inner.text == "1":
            return Formula(ones)
        sign = " \\odot " if self.has_axes(x) else _beside(inner.text, ones)
        return Formula(f"{_at_least(Level.PRODUCT, inner, closed=True)}{sign}{ones}", Level.PRODUCT)

    def call_ones_like(self, x: ast.expr, **_: ast.expr) -> Formula:
        shape = np.shape(self.value(x))
        return Formula(f"\\mathbf{{1}}_{{{_size(shape)}}}" if shape else "1")

    def call_zeros_like(self, x: ast.expr, shape: ast.expr | None = None, **_: ast.expr) -> Formula:
        wanted = np.shape(self.value(x)) if shape is None else self.value(shape)
        return Formula(f"\\mathbf{{0}}_{{{_size(wanted)}}}" if wanted else "0")

    def call_arange(self, stop: ast.expr, **_: ast.expr) -> Formula:
        last = self.value(stop)
        return self.named("arange", [stop]) if not isinstance(last, int) or last < 2 else \
            Formula("(0, 1)" if last == 2 else f"(0, \\ldots, {last - 1})")

    def call_random(self, generator: ast.expr, shape: ast.expr, *_: ast.expr) -> Formula:
        return Formula(f"\\operatorname{{random}}_{{{_size(self.value(shape))}}}")

    def call_identity(self, n: ast.expr, **_: ast.expr) -> Formula:
        return Formula(f"I_{{{self.formula(n).text}}}")

    call_eye = call_identity


_COMPARISONS: dict[type, str] = {ast.Gt: ">", ast.GtE: "\\ge", ast.Lt: "<", ast.LtE: "\\le", ast.Eq: "=",
                                 ast.NotEq: "\\ne", ast.In: "\\in", ast.Is: "=", ast.IsNot: "\\ne"}
_CONSTANTS = {"pi": "\\pi", "inf": "\\infty", "nan": "\\mathrm{nan}", "e": "\\mathrm{e}"}
_FUNCTIONS = {"log": "\\ln{}{}{}", "tanh": "\\tanh{}{}{}", "sin": "\\sin{}{}{}", "cos": "\\cos{}{}{}",
              "maximum": "\\max{}{}{}", "minimum": "\\min{}{}{}", "sign": "\\operatorname{{sign}}{}{}{}",
              "abs": "\\left| {1} \\right|"}
_WORD = re.compile(r"\\(?:mathit|mathtt|mathbf|text|operatorname)\{[^{}]*\}(?:_\w|_\{[^{}]*\})?")
_BIG = {"sum": "\\sum", "prod": "\\prod", "max": "\\max", "min": "\\min",
        "argmax": "\\operatorname*{arg\\,max}", "argmin": "\\operatorname*{arg\\,min}"}


# ---- pieces of text


def number(value: float) -> Formula:
    """A number: 0.1, 10⁻⁵, ∞; of a long one the first digits, and dots."""
    if math.isnan(value):
        return Formula("\\mathrm{nan}")
    if value < 0 or (value == 0 and math.copysign(1, value) < 0):
        return Formula(f"-{number(-value).text}", Level.SIGNED)
    if math.isinf(value):
        return Formula("\\infty")
    text = repr(value).removesuffix(".0")
    if len(text) > 10 and isinstance(value, float) and "e" not in text:
        return Formula(f"{value:.6g}\\ldots" if "e" not in f"{value:.6g}" else text)
    digits, exponent, power = text.partition("e")
    if not exponent:
        return Formula(text)
    ten = f"10^{{{int(power)}}}"
    return Formula(ten, Level.POWER) if digits == "1" else Formula(f"{digits} \\cdot {ten}", Level.PRODUCT)


def _literal(node: ast.expr) -> float | None:
    """The number that a literal is."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _literal(node.operand)
        return None if inner is None else -inner
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) else None


def _at_least(level: Level, x: Formula, inside: bool = False, closed: bool = False) -> str:
    """The text, in brackets unless it binds as tightly; inside: it follows a sign, so a minus needs brackets too."""
    fits = x.level >= level and not (inside and x.signed) and not (closed and x.open)
    return x.text if fits else _bracketed(x.text)


def _bracketed(text: str) -> str:
    left, right = _open(text)
    return f"{left}{text}{right}"


def _open(text: str) -> tuple[str, str]:
    """Brackets as tall as what is in them."""
    tall = any(mark in text for mark in ("\\frac", "\\sum", "\\prod", "\\begin", "\\left", "\\sqrt", "_{i", "^{"))
    return ("\\left( ", " \\right)") if tall else ("(", ")")


def _beside(first: str, second: str) -> str:
    """What stands between two factors: nothing between single letters, a little space beside a word."""
    words = _WORD.match(second) or any(found.end() == len(first) for found in _WORD.finditer(first))
    return " \\, " if words else " "


def _takes(writer: Callable[..., Formula], arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr]) -> bool:
    """Whether a call is of the form that has a notation; NumPy knows others, np.where(c) say."""
    try:
        inspect.signature(writer).bind(*arguments, **keywords)
    except TypeError:
        return False
    return True


def _is_size(node: ast.expr) -> bool:
    """x.shape, x.ndim, x.size, len(x) or a part of one: a number that the program knows beforehand."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("len", "int")
    return isinstance(node, ast.Attribute) and node.attr in ("shape", "ndim", "size")


def _is_whole(index: ast.expr) -> bool:
    """An index that keeps all there is: `:`, `...` or None."""
    if isinstance(index, ast.Slice):
        return index.lower is index.upper is index.step is None
    return isinstance(index, ast.Constant) and index.value in (None, Ellipsis)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()), list(arguments), [])


def _axes(axis: Any, ndim: int) -> Iterator[int] | Sequence[int]:
    """The axes that are meant, counted from the front."""
    if axis is None:
        return range(ndim)
    return [i % ndim for i in (axis if isinstance(axis, tuple) else (axis,))] if ndim else []


def _size(shape: Sequence[int]) -> str:
    return " \\times ".join(map(str, shape)) if len(shape) != 0 else "1"
