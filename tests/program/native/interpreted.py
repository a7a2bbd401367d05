"""Generated loops, run by Python itself: thousands of small cases in the time that one takes to compile."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_zh.core.tape import Line
from tinygrad_zh.program.inlining import inlined
from tinygrad_zh.program.lowering import lower
from tinygrad_zh.program.native import Item, lowered, module


def statements(line: Line) -> tuple[list[ast.Assign], dict[str, Any], list[str]]:
    """A line of a tape as the program that it stands for: statements, what its names mean, and its results' names."""
    values: dict[str, Any] = {}

    def given(value: Any) -> ast.expr:
        if isinstance(value, tuple):
            return ast.Tuple([given(part) for part in value], ast.Load())
        values[name := f"given{len(values)}"] = value
        return ast.Name(name, ast.Load())

    arguments = [given(a) for a in line.arguments]
    keywords = {name: given(value) for name, value in line.keywords.items()}
    results = [f"result{i}" for i in range(len(line.outputs))]
    count = iter(range(10_000))
    written, helpers = inlined(line.function, arguments, keywords, results, lambda name: f"{name}_{next(count)}")
    return written, values | helpers, results


def run(program: Sequence[ast.Assign], values: Mapping[str, Any], wanted: Sequence[str], *,
        compiled: bool = False) -> dict[str, Any]:
    """The wanted arrays, computed by the items of a program; every array begins as nan or −1."""
    items = lowered(program, values, set(wanted))
    shapes = {step.name: (step.shape, step.dtype) for step in lower(program, values)}
    arrays: dict[str, Any] = {}
    for item in items:
        shapes |= {**item.kinds, **item.temporaries}
        for name in (*sorted(item.reads), *item.writes, *item.temporaries):
            if name not in arrays:
                arrays[name] = np.ascontiguousarray(values[name]) if name in values else unset(*shapes[name])
    lines, texts = text(items)
    function = (module if compiled else interpreted)("program", ["threads", *arrays], lines, texts)
    function(2 if compiled else 3, *arrays.values())
    return {name: arrays.get(name, unset(*shapes[name])) for name in wanted}


def text(items: Sequence[Item]) -> tuple[list[str], dict[str, str]]:
    lines: list[str] = []
    texts: dict[str, str] = {}
    for item in items:
        lines += item.lines()
        texts |= item.definitions()
    return lines, texts


def unset(shape: tuple[int, ...], dtype: Any) -> Any:
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 1, dtype)


def interpreted(name: str, parameters: Sequence[str], lines: Sequence[str], definitions: Mapping[str, str]) -> Any:
    """What `module` compiles, as a Python function."""
    body = "\n".join(f"    {line}" for line in [*lines, "pass"])
    space = dict(_NAMES)
    exec("\n".join([*definitions.values(), f"def {name}({', '.join(parameters)}):\n{body}\n"]), space)
    return space[name]


def _matrix(array: Any, offset: int, shape: tuple[int, int], strides: tuple[int, int]) -> Any:
    steps = tuple(s * array.itemsize for s in strides)
    return np.ndarray(shape, array.dtype, array.reshape(-1), offset * array.itemsize, steps)  # checks the bounds


def _gemm(alpha: float, a: Any, b: Any, beta: float, c: Any) -> None:
    assert a.shape[1] == b.shape[0] and c.shape == (a.shape[0], b.shape[1])
    c[...] = alpha * (a @ b) + (beta * c if beta else 0)


def _store(array: Any, offset: int, value: Any) -> None:
    assert 0 <= offset < array.size
    assert np.asarray(value).dtype == array.dtype or isinstance(value, (bool, np.bool_)), (value, array.dtype)
    array.reshape(-1)[offset] = value


def _load(array: Any, offset: int) -> Any:
    assert 0 <= offset < array.size
    return array.reshape(-1)[offset]


def _same(function: Any) -> Any:
    """In the dtype of its operands, which have one."""

    def checked(*operands: Any) -> Any:
        assert len({np.asarray(x).dtype for x in operands}) == 1, operands
        return function(*operands)

    return checked


def _select(condition: Any, a: Any, b: Any) -> Any:
    assert np.asarray(a).dtype == np.asarray(b).dtype
    return a if condition else b


def _share(task: Any, count: int, threads: int) -> None:
    """The parts in the other order, as threads might run them."""
    function, arguments = task
    for i in reversed(range(threads)):
        function(count * i // threads, count * (i + 1) // threads, *arguments)


_NAMES: dict[str, Any] = {
    "task": lambda function, arguments: (function, arguments), "share": _share,
    "loops": lambda f: f, "use_widest_vectors": lambda: None, "arrays_do_not_overlap": lambda: None, "gemm": _gemm,
    "gemm_shared": lambda alpha, a, b, beta, c, threads: _gemm(alpha, a, b, beta, c),
    "matrix": _matrix, "load": _load, "store": _store, "select": _select, "add": _same(np.add),
    "multiply": _same(np.multiply), "maximum": _same(np.maximum), "minimum": _same(np.minimum),
    "larger": _same(np.maximum), "smaller": _same(np.minimum), "sign": np.sign, "exp": np.exp, "tanh": np.tanh,
    "log": np.log, "log1p": np.log1p, "inf": np.inf, "nan": np.nan, "boolean": np.bool_,
    "counted": lambda i, length: i + length if i < 0 else i,
    "math": SimpleNamespace(sqrt=np.sqrt, sin=np.sin, cos=np.cos),
    **{name: getattr(np, name) for name in ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
                                            "uint32")}}
