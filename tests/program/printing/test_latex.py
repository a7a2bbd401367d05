"""Expressions as LaTeX: what is printed means what the program computes, with no bracket missing and few too many."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_zh.program.printing.latex import evaluation, typeset
from tinygrad_zh.program.printing.symbols import Symbols

NAMES = {"x": np.zeros((4, 2)), "W1": np.zeros((2, 3)), "b1": np.zeros(3), "z1": np.zeros((4, 3)),
         "h1": np.zeros((4, 3)), "dz1": np.zeros((4, 3)), "dh1": np.zeros((4, 3)), "lr": 0.1, "c": 2.0,
         "t": np.zeros(4, int), "loss": 1.0,
         "hot": np.zeros((4, 3), bool), "m_hat": np.zeros(3), "gamma1": np.zeros(3), "eps": 1e-5}


def printed(text: str) -> str:
    return typeset(ast.parse(text, mode="eval").body, Symbols(NAMES), evaluation(NAMES))


@pytest.mark.parametrize(("program", "formula"), [
    ("x @ W1 + b1", r"x W_1 + b_1"),
    ("1 / (1 + np.exp(-z1))", r"\frac{1}{1 + \mathrm{e}^{-z_1}}"),
    ("np.maximum(0, z1)", r"\max(0, z_1)"),
    ("dh1 * h1 * (1 - h1)", r"\frac{\partial L}{\partial h_1} \odot h_1 \odot (1 - h_1)"),
    ("x.mT @ dz1", r"x^\top \frac{\partial L}{\partial z_1}"),
    ("dz1.sum(axis=0)", r"\sum_{i} \frac{\partial L}{\partial z_1}"),
    ("(x @ W1).mT", r"(x W_1)^\top"),
    ("b1 - lr * b1", r"b_1 - \eta b_1"),
    ("2 * z1", "2 z_1"),
    ("z1 * 2", r"z_1 \cdot 2"),
    ("c * (z1 - h1)", "c (z_1 - h_1)"),
    ("z1 - (h1 - c)", "z_1 - (h_1 - c)"),
    ("z1 + (h1 - c)", "z_1 + h_1 - c"),
    ("z1 + -h1", "z_1 + (-h_1)"),
    ("-(z1 + h1)", "-(z_1 + h_1)"),
    ("(-z1) ** 2", "(-z_1)^{2}"),
    ("(z1 ** 2) ** 3", r"\left( z_1^{2} \right)^{3}"),
    ("(z1 / h1) ** 2", r"\left( \frac{z_1}{h_1} \right)^{2}"),
    ("dz1 ** 2", r"\left( \frac{\partial L}{\partial z_1} \right)^{2}"),
    ("(z1 ** 2 + eps) ** -0.5", r"\frac{1}{\sqrt{z_1^{2} + \epsilon}}"),
    ("np.log1p(z1)", r"\ln(1 + z_1)"),
    ("np.abs(z1)", r"\left| z_1 \right|"),
    ("dh1 * (z1 > 0)", r"\frac{\partial L}{\partial h_1} \odot \left[ z_1 > 0 \right]"),
    ("np.where(z1 > 0, dh1, 0)", r"\begin{cases} \frac{\partial L}{\partial h_1} & z_1 > 0 \\ "
                                 r"0 & \text{otherwise} \end{cases}"),
    ("z1.max(axis=-1, keepdims=True)", r"\max_{j} (z_1)"),
    ("z1.mean(axis=1)", r"\frac{1}{3} \sum_{j} z_1"),
    ("z1.mean()", r"\frac{1}{12} \sum_{i, j} z_1"),
    ("(z1 - h1).sum()", r"\sum_{i, j} (z_1 - h_1)"),
    ("z1.sum() * c", r"\left( \sum_{i, j} z_1 \right) c"),
    ("z1 / z1.shape[-1] ** 0.5", r"\frac{z_1}{\sqrt{3}}"),
    ("np.arange(3) == t[..., None]", r"\left[ (0, \ldots, 2) = t \right]"),
    ("x[t]", "x[t]"),
    ("x[1:2, 0]", "x[1{:}2, 0]"),
    ("gamma1 * m_hat", r"\gamma_1 \odot \hat{m}"),
    ("z1 * 1e-05", r"z_1 \cdot 10^{-5}"),
    ("z1 * 0.3989422804014327", r"z_1 \cdot 0.398942\ldots"),
    ("np.broadcast_to(c, z1.shape)", r"c \, \mathbf{1}_{4 \times 3}"),
    ("np.ones_like(loss)", "1"),
    ("z1.astype(np.float32)", "z_1"),
    ("z1.reshape((4, 1, 3))", "z_1"),
    ("z1.reshape((3, 4))", r"\operatorname{reshape}_{3 \times 4}(z_1)"),
    ("z1.max(axis=0) if z1.size else z1.sum(axis=0)", r"\max_{i} (z_1)"),
    ("np.einsum('ij,jk->ik', x, W1)", r"\sum_{j} {x}_{ij} \, {W_1}_{jk}"),
    ("np.einsum('ij,kj->ikj', z1, h1)", r"{z_1}_{ij} \, {h_1}_{kj}"),
    ("scatter(b1, slice(None, 2, None), (4,))", r"\operatorname{scatter}(b_1, {:}2, (4))"),
    ("tuple(np.split(b1, 3))", r"\operatorname{split}(b_1, 3)"),
    ("scatter_add(dz1, t, (4, 3))", r"\operatorname{scatter\_add}\left( \frac{\partial L}{\partial z_1}, t, (4, 3) "
                                    r"\right)"),
])
def test_a_formula(program: str, formula: str) -> None:
    assert printed(program) == formula


# ---- the meaning: both are evaluated in the whole numbers modulo a prime, where no rounding hides a missing bracket

PRIME = 2**61 - 1
ARRAYS = {"A": [[2, 3], [5, 7]], "B": [[11, 13], [17, 19]], "C": [[23, 29], [31, 37]]}
NUMBERS = {"a": 41, "b": 43}
HERE = {name: np.array(value, dtype=object) for name, value in (ARRAYS | NUMBERS).items()}


def unknown(name: str):
    """Some function of numbers modulo the prime: the same for the same arguments, nothing else is known of it."""
    return np.frompyfunc(lambda *xs: hash((name, *map(int, xs))) % PRIME, 2 if name in ("max", "min") else 1, 1)


def inverse(x):
    return np.frompyfunc(lambda n: pow(int(n), PRIME - 2, PRIME), 1, 1)(x)


def holds(sign: str, x, y):
    return np.frompyfunc(lambda p, q: hash((sign, int(p), int(q))) % 2, 2, 1)(x, y)


def summed(x, axis):
    x = np.asarray(x)
    return x.sum(axis=axis, keepdims=x.ndim > 0) % PRIME


def largest(x, axis):
    return unknown("row")(summed(unknown("element")(x), axis))


@st.composite
def expressions(draw: st.DrawFn, array: bool = True, depth: int = 4) -> str:
    """Programs' expressions, of an array of 2 × 2 or of a number; pairs of operations are what needs brackets."""
    if not depth or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from([*ARRAYS] if array else [*NUMBERS, "2", "0.5", "3"]))

    def inner(of_array: bool = array) -> str:
        return draw(expressions(of_array, depth - 1))

    kind = draw(st.sampled_from(["pair"] * 4 + ["scaled", "product", "sign", "power", "function", "over", "other"]))
    if kind == "scaled" and array:
        first = draw(st.booleans())
        return f"({inner(not first)}) {draw(st.sampled_from('+-*/'))} ({inner(first)})"
    if kind == "product" and array:
        return f"({inner()}) @ ({inner()})"
    if kind == "sign":
        return f"-({inner()})"
    if kind == "power":
        return f"({inner()}) ** {draw(st.sampled_from(['2', '-1', '0.5', '-0.5', '3']))}"
    if kind == "function":
        name = draw(st.sampled_from(["exp", "log", "tanh", "abs", "sqrt", "maximum"]))
        return f"np.maximum({inner()}, {inner()})" if name == "maximum" else f"np.{name}({inner()})"
    if kind == "over" and array:
        method = draw(st.sampled_from(["sum", "max", "mean"]))
        pair = [f"({inner()})", f"({inner()}).{method}(axis={draw(st.integers(0, 1))}, keepdims=True)"]
        return f" {draw(st.sampled_from('+-*/'))} ".join(draw(st.permutations(pair)))
    if kind == "other" and array:
        condition = f"({inner()}) {draw(st.sampled_from(['>', '<=']))} ({inner()})"
        return draw(st.sampled_from([f"({inner()}).mT", f"np.where({condition}, {inner()}, {inner()})",
                                     f"(({condition}) & ~({condition})) * ({inner()})"]))
    return f"({inner()}) {draw(st.sampled_from('+-*/'))} ({inner()})"


def value_of(node: ast.expr):
    """What the program's expression is, modulo the prime."""
    match node:
        case ast.Constant():
            return 3 * int(inverse(2)) % PRIME if node.value == 1.5 else \
                int(inverse(2)) if node.value == 0.5 else node.value
        case ast.Name():
            return HERE[node.id]
        case ast.UnaryOp(op=ast.USub()):
            return -value_of(node.operand) % PRIME
        case ast.UnaryOp():
            return 1 - value_of(node.operand)
        case ast.Compare():
            sign = {ast.Gt: ">", ast.LtE: "\\le"}[type(node.ops[0])]
            return holds(sign, value_of(node.left), value_of(node.comparators[0]))
        case ast.BinOp(op=ast.Pow()):
            return power(value_of(node.left), float(ast.literal_eval(node.right)))
        case ast.BinOp():
            return combined(node.op, value_of(node.left), value_of(node.right))
        case ast.Attribute():
            return value_of(node.value).swapaxes(-1, -2)
        case ast.Call(func=ast.Attribute(attr="where")):
            return np.where(np.asarray(value_of(node.args[0])).astype(bool), *map(value_of, node.args[1:]))
        case ast.Call(func=ast.Attribute(attr="maximum")):
            return unknown("max")(*map(value_of, node.args))
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=name)):
            x = value_of(node.args[0])
            return {"sqrt": lambda: power(x, 0.5)}.get(name, lambda: unknown(name)(x))()
        case ast.Call(func=ast.Attribute(value=x, attr=name)):
            x, axis = value_of(x), node.keywords[0].value.value
            return largest(x, axis) if name == "max" else \
                summed(x, axis) * (inverse(2) if name == "mean" else 1) % PRIME
    raise AssertionError(ast.dump(node))


def combined(op: ast.operator, x, y):
    if isinstance(op, ast.MatMult):
        return (x @ y if np.ndim(x) and np.ndim(y) else x * y) % PRIME
    return {ast.Add: lambda: x + y, ast.Sub: lambda: x - y, ast.Mult: lambda: x * y, ast.BitAnd: lambda: x * y,
            ast.Div: lambda: x * inverse(y)}[type(op)]() % PRIME


def power(x, p: float):
    return {2: lambda: x * x % PRIME, 3: lambda: x * x % PRIME * x % PRIME, -1: lambda: inverse(x),
            0.5: lambda: unknown("sqrt")(x), -0.5: lambda: inverse(unknown("sqrt")(x))}[p]()


class Reader:
    """Reads a formula as a person does, and evaluates it modulo the prime."""

    TOKEN = re.compile(r"\\(?:left|right)[(|\[\])]|\\[A-Za-z]+|\\\\|\d+(?:\.\d+)?|[A-Za-z]|\S")

    def __init__(self, text: str) -> None:
        self.tokens = [*self.TOKEN.findall(text.replace(r"\,", "")) , "end"]
        self.at = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at]

    def take(self, *wanted: str) -> str:
        token = self.next
        assert not wanted or token in wanted, (token, wanted, self.tokens)
        self.at += 1
        return token

    def group(self):
        self.take("{")
        value = self.condition()
        self.take("}")
        return value

    def condition(self):
        value = self.comparison()
        while self.next == "\\wedge":
            self.take()
            value = value * self.comparison()
        return value

    def comparison(self):
        if self.next == "\\neg":
            self.take()
            return 1 - self.factor()
        value = self.sum()
        return holds(self.take(), value, self.sum()) if self.next in (">", "\\le") else value

    def sum(self):
        if self.next == "-":
            self.take()
            value = -self.product() % PRIME
        else:
            value = self.product()
        while self.next in "+-":
            sign = self.take()
            right = self.product()
            value = (value + right if sign == "+" else value - right) % PRIME
        return value

    def product(self):
        value = self.beside()
        while self.next in ("\\odot", "\\cdot"):
            self.take()
            value = value * self.beside() % PRIME
        return value

    def beside(self):
        """Matrices that stand side by side are multiplied as such; a number multiplies."""
        value = self.factor()
        while self.next not in ("end", "}", ")", "\\right)", "\\right]", "\\right|", ",", "&", "\\\\", "+", "-", ">",
                                "\\le", "\\odot", "\\cdot", "\\wedge", "\\end"):
            right = self.factor()
            value = (value @ right if np.ndim(value) and np.ndim(right) else value * right) % PRIME
        return value

    def factor(self):
        value = self.atom()
        if self.next == "^":
            self.take()
            if self.next == "\\top":
                self.take()
                value = value.swapaxes(-1, -2)
            elif isinstance(value, str):
                value = unknown("exp")(self.group())
            else:
                self.take("{")
                value = power(value, float(self.take()))
                self.take("}")
        assert not isinstance(value, str)
        return value

    def atom(self):
        token = self.take()
        closing = {"(": ")", "\\left(": "\\right)", "\\left[": "\\right]", "\\left|": "\\right|"}
        if token in closing:
            value = self.condition()
            self.take(closing[token])
            return unknown("abs")(value) if token == "\\left|" else value
        match token:
            case "\\frac":
                above = self.group()
                return above * inverse(self.group()) % PRIME
            case "\\sqrt":
                return power(self.group(), 0.5)
            case "\\mathrm":
                self.take("{"), self.take("e"), self.take("}")
                return "e"
            case "\\ln" | "\\tanh":
                return unknown({"\\ln": "log"}.get(token, token[1:]))(self.atom())
            case "\\max":
                if self.next == "_":
                    axis = self.axis()
                    return largest(self.atom(), axis)
                self.take("(", "\\left(")
                first = self.condition()
                self.take(",")
                value = unknown("max")(first, self.condition())
                self.take(")", "\\right)")
                return value
            case "\\sum":
                axis = self.axis()
                return summed(self.product(), axis)
            case "\\begin":
                self.take("{"), [self.take(c) for c in "cases"], self.take("}")
                return self.cases()
        if token.isalpha():
            return HERE[token]
        return int(inverse(2)) if token == "0.5" else int(token)

    def axis(self) -> int:
        self.take("_"), self.take("{")
        letter = self.take()
        self.take("}")
        return "ij".index(letter)

    def cases(self):
        value = self.condition()
        self.take("&")
        if self.next == "\\text":
            while self.take() != "\\end":
                pass
            self.take("{"), [self.take(c) for c in "cases"], self.take("}")
            return value
        condition = self.condition()
        self.take("\\\\")
        return np.where(np.asarray(condition).astype(bool), value, self.cases())


@given(expressions())
@settings(max_examples=400, deadline=None)
def test_what_is_printed_means_what_is_computed(program: str) -> None:
    values = {name: np.ones((2, 2)) for name in ARRAYS} | {name: 1.0 for name in NUMBERS}
    tree = ast.parse(program, mode="eval").body
    text = typeset(tree, Symbols(values), evaluation(values))
    reader = Reader(text)
    value = reader.condition()
    assert reader.next == "end", text
    assert np.array_equal(value, value_of(tree)), text



def test_names_of_two_words() -> None:
    symbols = Symbols(["x_hat", "x_hat2", "W_Q1", "norm_W_Q1"])
    assert [symbols(name) for name in ("x_hat", "x_hat2", "W_Q1", "norm_W_Q1")] == [
        r"\hat{x}", r"\hat{x}_{2}", "W_{Q_1}", r"\mathit{norm}_{W_{Q_1}}"]
