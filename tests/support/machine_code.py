"""The machine code of what Numba has compiled: how many of a function's loops compute in whole vector registers?"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

import llvmlite.binding as llvm
from numba.core.dispatcher import Dispatcher

from tinygrad_zh_kernels.blas import gemm


def widest() -> str | None:
    """The name of the widest vector registers of this processor, None if it has none that we know."""
    features = llvm.get_host_cpu_features()
    return "zmm" if features.get("avx512f") else "ymm" if features.get("avx2") else None


def dispatchers(package: str) -> dict[str, Dispatcher]:
    """Every function of a package's imported modules that Numba compiles, by its full name."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(package):
            for value in vars(module).values():
                if isinstance(value, Dispatcher) and value.py_func.__module__.startswith(package):
                    found[full_name(value)] = value
    return found


def full_name(dispatcher: Dispatcher) -> str:
    return f"{dispatcher.py_func.__module__}.{dispatcher.py_func.__name__}"


def compiled(functions: Any) -> dict[str, list[str]]:
    """{full name: machine code, once for each combination of types} of these functions and of all that they call."""
    code: dict[str, dict[str, str]] = defaultdict(dict)
    for dispatcher in functions:
        for overload in dispatcher.overloads.values():
            assembly = overload.library._codegen._tm.emit_assembly(_module(overload))
            for symbol, body in re.findall(r"^(_ZN\w+):.*\n((?:.*\n)*?)\.Lfunc_end", assembly, re.M):
                code[".".join(_parts(symbol[3:]))][symbol] = body
    return {name: list(bodies.values()) for name, bodies in code.items()}


def text(dispatcher: Dispatcher) -> str:
    """LLVM's words for what it has made of a function."""
    return "".join(str(_module(overload)) for overload in dispatcher.overloads.values())


def _module(overload: Any) -> Any:
    """Numba does not show what it has loaded from its cache, but the module is there."""
    library = overload.library
    return library._shared_module if library._disable_inspection else library._final_module


def _parts(symbol: str) -> Iterator[str]:
    """4adam3cpu7_serial… → adam, cpu, _serial."""
    while match := re.match(r"\d+", symbol):
        end = match.end() + int(match[0])
        yield symbol[match.end() : end]
        symbol = symbol[end:]


def vector_loops(code: str, register: str) -> int:
    """How many innermost loops do arithmetic in these registers."""
    arithmetic = re.compile(rf"\tv(?:p?(?:add|sub|mul|min|max|cmp|srl|sll)|div|sqrt|fn?m)\w*\t.*%{register}")
    return sum(bool(arithmetic.search(loop)) for loop in _innermost(code.splitlines()))


def _innermost(lines: list[str]) -> list[str]:
    """From where a jump leads back to, to the jump, where no other such stretch lies between."""
    places = {match[1]: i for i, line in enumerate(lines) if (match := re.match(r"(\.L\w+):", line))}
    back = [(places[match[1]], i) for i, line in enumerate(lines)
            if (match := re.match(r"\tj\w+\t(\.L\w+)", line)) and places.get(match[1], i + 1) <= i]
    return ["\n".join(lines[a : b + 1]) for a, b in back
            if not any((c, d) != (a, b) and a <= c and d <= b for c, d in back)]


def computing_loops(dispatcher: Dispatcher) -> int:
    """How many innermost loops of the source compute with elements of arrays."""
    loops = [node for node in ast.walk(tree(dispatcher)) if isinstance(node, ast.For)]
    innermost = [loop for loop in loops if not any(isinstance(x, ast.For) for x in _inside(loop))]
    return sum(_computes(_inside(loop), dispatcher.py_func.__globals__) for loop in innermost if _counts(loop))


def callees(dispatcher: Dispatcher) -> list[Dispatcher]:
    """The compiled functions that the source calls."""
    return [value for value in _called(ast.walk(tree(dispatcher)), dispatcher.py_func.__globals__)
            if isinstance(value, Dispatcher)]


def tree(dispatcher: Dispatcher) -> ast.Module:
    """The source."""
    return ast.parse(textwrap.dedent(inspect.getsource(dispatcher.py_func)))


def _called(nodes: Iterable[ast.AST], names: dict[str, Any]) -> list[Any]:
    """What `gemm` and `direct.forward` are, of all calls among these nodes."""
    called = sorted({ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)})
    return [reduce(lambda value, part: getattr(value, part, None), name.split(".")[1:], names.get(name.split(".")[0]))
            for name in called]


def _counts(loop: ast.For) -> bool:
    return isinstance(loop.iter, ast.Call) and ast.unparse(loop.iter.func) == "range"


def _computes(inside: list[ast.AST], names: dict[str, Any]) -> bool:
    """Arithmetic, a comparison or a function of an element; but no call of what has loops of its own."""
    called = _called(inside, names)
    if gemm in called or any(isinstance(value, Dispatcher) for value in called):
        return False
    indices = {id(y) for x in inside if isinstance(x, ast.Subscript) for y in ast.walk(x.slice)}
    elements = any(isinstance(x, ast.Subscript) and not any(isinstance(y, ast.Slice) for y in ast.walk(x.slice))
                   for x in inside)
    return elements and any(isinstance(x, (ast.BinOp, ast.AugAssign, ast.Compare, ast.Call)) and id(x) not in indices
                            for x in inside)


def _inside(loop: ast.For) -> list[ast.AST]:
    return [node for statement in loop.body for node in ast.walk(statement)]
