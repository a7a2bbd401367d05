"""A listing as the NumPy program that one would write by hand. 打印成手写风格的 NumPy 程序"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from textwrap import dedent
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_zh._version import __version__
from tinygrad_zh.i18n import display_width, text, wrap
from tinygrad_zh.program.inlining import constant, definition, read_by
from tinygrad_zh.program.listing import UPDATE, Leaf, Listing
from tinygrad_zh.program.listing.lister import literal
from tinygrad_zh.program.printing.calling import display_names
from tinygrad_zh.program.printing.comments import comment
from tinygrad_zh.program.printing.numbers import READER, number, written
from tinygrad_zh.program.printing.rows import Row, copied, required
from tinygrad_zh.program.printing.simplifying import simplified

WIDTH = 120
COLUMNS = range(32, 57)
"""Where the comments of a section may begin."""
GROUPS = {"input": "input", "constant": "input", "parameter": "parameter", "state": "state", "rate": "state",
          "setting": "state", "generator": "state"}


def numpy_text(listing: Listing) -> str:
    """The program, in the language in force."""
    rows = simplified(listing)
    names = display_names(rows, listing)
    used = {name for row in rows for name in row.reads} | required(listing)
    leaves = [leaf for leaf in listing.leaves if leaf.name in used]
    body, packed = _leaves(leaves, rows)
    body += _rows(rows, names)
    body += _print(listing, names)
    helpers = _helpers(listing, rows)
    head = [f'"""{_title(listing)}"""', ""]
    needed = "\n".join([*body, *helpers])
    head += [f"import {module}" for module in _modules(needed, bool(packed))]
    head += ["", *(["", *READER.format(words=text("unroll.stored")).splitlines(), ""] if packed else [])]
    ending = ["", _heading("stored"), "", *packed] if packed else []
    return "\n".join([*head, *helpers, *body, *ending]).rstrip() + "\n"


# ---- its parts


def _title(listing: Listing) -> str:
    kind = "step" if listing.updates else "loss" if listing.gradients else "forward"
    what = text(f"unroll.what.{kind}", name=listing.title)
    origin = text("unroll.origin", version=__version__, numpy=np.__version__, blas=_blas())
    about = [*wrap(listing.about, 100), ""] if listing.about else []
    return spoken([text("unroll.title", what=what), "", *about, *wrap(origin, 100), ""])


def spoken(lines: Sequence[str]) -> str:
    """The inside of a docstring, whatever is in a file's name."""
    return "\n".join(lines).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _blas() -> str:
    """Which library multiplies matrices here, for which processor, with how many threads: bits depend on it."""
    from threadpoolctl import threadpool_info

    several = [info for info in threadpool_info() if info["user_api"] == "blas"]
    several.sort(key=lambda info: "numpy" not in info["filepath"])  # SciPy brings its own
    if not several:
        return text("unroll.no_blas")
    found = several[0]
    return text("unroll.blas", name=f"{found['internal_api']} {found['version']}",
                core=found.get("architecture") or "?", threads=found["num_threads"])


def _heading(section: str) -> str:
    words = f"# ---- {text(f'unroll.section.{section}')} "
    return words + "-" * (WIDTH - 40 - display_width(words))


def _leaves(leaves: Sequence[Leaf], rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    packed: list[str] = []
    for group in ("input", "parameter", "state"):
        members = [leaf for leaf in leaves if GROUPS[leaf.kind] == group]
        members.sort(key=lambda leaf: leaf.kind not in ("rate", "setting"))
        if members:
            lines += ["", _heading(group), ""]
        told = []
        for leaf in members:
            pairs, data = _leaf(leaf, rows)
            told += pairs
            packed += [data] if data else []
        lines += _aligned(told)
    return lines, packed


def _leaf(leaf: Leaf, rows: Sequence[Row]) -> tuple[list[tuple[str, str]], str]:
    """Its definition and what is said beside it, and what stands at the end of the file."""
    if leaf.kind == "generator":
        made = f"{leaf.name} = np.random.Generator(np.random.{leaf.value['bit_generator']}())"
        return [(made, ""), (f"{leaf.name}.bit_generator.state = {_plain(leaf.value)}", text("unroll.generator"))], ""
    if leaf.kind == "rate" and _only_in_updates(leaf.name, rows) and _as_python(leaf.value):
        return [(f"{leaf.name} = {number(leaf.value[()])}", "η")], ""
    if leaf.kind == "setting":
        return [(f"{leaf.name} = {ast.unparse(literal(leaf.value.item()))}", "")], ""
    expression, packed = written(leaf.name, leaf.value, len(leaf.name) + 3)
    said = "  ".join(part for part in (leaf.path, f"{leaf.value.dtype} {leaf.value.shape}") if part)
    return [(f"{leaf.name} = {expression}", said)], packed


def _only_in_updates(name: str, rows: Sequence[Row]) -> bool:
    """Whether a rate meets arrays alone there, so that it may be a Python number: NumPy gives it their dtype."""
    return all(row.section == "update" for row in rows if name in row.reads)


def _as_python(rate: Any) -> bool:
    return bool(rate.dtype.type(float(number(rate[()]))) == rate)


def _plain(value: Any) -> Any:
    """A generator's state in plain numbers."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _rows(rows: Sequence[Row], names: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for section, members in groupby(rows, key=lambda row: row.section):
        lines += ["", _heading(section), "", *_aligned(list(_told(members, names)))]
    return lines


def _told(rows: Iterable[Row], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The code of each row and what is said of it: an update's formula once, not for every parameter."""
    said: set[Any] = set()
    for row in rows:
        ops = {line.info.get("op") for line in row.lines}
        yield _code(row, names), comment(row.lines, briefly=row.section == UPDATE and bool(ops) and ops <= said)
        said |= ops


def _code(row: Row, names: Mapping[str, str]) -> str:
    tree = _Called(names).visit(ast.parse(ast.unparse(row.tree))).body[0]
    code = ast.unparse(tree)
    if isinstance(tree.value, ast.Tuple) and isinstance(tree.targets[0], ast.Tuple):
        return code.replace(" = (", " = ")[:-1]
    return code if len(code) <= WIDTH else _broken(tree, code)


def _broken(tree: ast.Assign, code: str) -> str:
    """A long statement on several lines: before an operator, or after a call's commas."""
    head = ast.unparse(tree.targets[0]) + " = "
    value = tree.value
    if isinstance(value, ast.BinOp):
        return f"{head}({_lines(value, len(head) + 1)})"
    if isinstance(value, ast.Call):
        opening = ast.unparse(value.func) + "("
        parts = [_filled(a, len(head + opening)) for a in value.args]
        parts += [f"{k.arg}={ast.unparse(k.value)}" for k in value.keywords]
        return head + opening + (",\n" + " " * len(head + opening)).join(parts) + ")"
    return code


def _filled(argument: ast.expr, column: int) -> str:
    """A long tuple in several lines, each as full as can be."""
    if not isinstance(argument, ast.Tuple) or column + len(ast.unparse(argument)) < WIDTH:
        return ast.unparse(argument)
    lines = [" " * column + "("]
    for part in map(ast.unparse, argument.elts):
        if len(lines[-1]) + len(part) + 3 > WIDTH:
            lines.append(" " * (column + 1))
        lines[-1] += part + ", "
    return "\n".join(line.rstrip() for line in lines).strip().removesuffix(",") + ")"


def _lines(value: ast.expr, column: int) -> str:
    """An expression in brackets that begins at a column: a long one goes on in the next line, before an operator."""
    whole = ast.unparse(value)
    if not isinstance(value, ast.BinOp) or column + len(whole) < WIDTH:
        return whole
    left, right = ast.unparse(value.left), ast.unparse(value.right)
    bracketed = not whole.startswith(left)
    operator = whole[len(left) + 2 * bracketed :].split()[0] + " "
    first = f"({_lines(value.left, column + 1)})" if bracketed else _lines(value.left, column)
    after = column + len(operator)
    second = f"({_lines(value.right, after + 1)})" if whole.endswith(f"({right})") else _lines(value.right, after)
    return f"{first}\n{' ' * column}{operator}{second}"


class _Called(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """x.reshape((2, 3)) is x.reshape(2, 3)."""
        self.generic_visit(node)
        spread = isinstance(node.func, ast.Attribute) and node.func.attr in ("reshape", "transpose")
        if spread and len(node.args) == 1 and isinstance(node.args[0], ast.Tuple) and node.args[0].elts:
            node.args = node.args[0].elts
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self.names.get(node.arg, node.arg))


def _aligned(told: Sequence[tuple[str, str]]) -> list[str]:
    """Code, and comments in one column; a comment for which there is no room stands above its code."""
    column = max((len(code) for code, words in told if words and len(code) in COLUMNS), default=COLUMNS.start)
    lines: list[str] = []
    for code, words in told:
        first, *rest = code.splitlines()
        beside = f"{first.ljust(column)}  # {words}"
        if not words:
            lines += [first, *rest]
        elif rest or display_width(beside) > WIDTH:
            lines += [*(f"# {line}" for line in wrap(words, WIDTH - 2)), first, *rest]
        else:
            lines.append(beside)
    return lines


def _print(listing: Listing, names: Mapping[str, str]) -> list[str]:
    lines = ["", _heading("print" if listing.loss else "print_output"), "",
             'np.set_printoptions(floatmode="unique", threshold=20, edgeitems=2)']
    results = [listing.loss] if listing.loss else listing.outputs
    lines += [f'print("{names[name]} =", {names[name]})' for name in results]
    for leaf, gradient in sorted(listing.gradients.items(), key=lambda pair: _order(listing, pair[0])):
        name = names[gradient]
        lines.append(f'print("{"d" + leaf}", {name}.shape, {name}, sep="\\n")')
    return lines


def _order(listing: Listing, leaf: str) -> int:
    return [each.name for each in listing.leaves].index(leaf)


# ---- functions that formulas call


def _helpers(listing: Listing, rows: Sequence[Row]) -> list[str]:
    """The functions that are called, and those and the numbers that they need themselves."""
    called = {name for row in rows for name in row.reads}
    wanted: dict[str, FunctionType] = {}
    constants: dict[str, str] = {}
    waiting = [function for name, function in listing.helpers.items() if name in called]
    while waiting:
        function = waiting.pop()
        wanted[function.__name__] = function
        for name, value in read_by(function).items():
            if isinstance(value, FunctionType):
                waiting += [value] if value.__name__ not in wanted else []
                constants |= {name: value.__name__} if name != value.__name__ else {}
                continue
            expression = constant(value)
            if expression is None:
                raise ValueError(f"{function.__name__} cannot be written out: it needs {name}, a "
                                 f"{type(value).__name__}; NumPy and numbers are all that the program has")
            if constants.setdefault(name, ast.unparse(expression)) != ast.unparse(expression):
                raise ValueError(f"two functions that the formulas call read different values named {name}; give one "
                                 "another name")
    constants = {name: value for name, value in constants.items() if name != value}
    lines = ["", *(f"{name} = {value}" for name, value in sorted(constants.items()))] if constants else []
    order = list(listing.helpers)
    for name in sorted(wanted, key=lambda name: order.index(name) if name in order else -1):
        lines += ["", *_source(wanted[name]).splitlines(), ""]
    return ["", _heading("helpers"), *lines] if lines else []


def _source(function: FunctionType) -> str:
    """A function as it is written, without annotations, which have names of their own."""
    source = dedent(inspect.getsource(function))
    tree: Any = copied(definition(function))
    for parameter in ast.walk(tree.args):
        if isinstance(parameter, ast.arg):
            parameter.annotation = None
    tree.args.defaults = [_default(function, value) for value in function.__defaults__ or ()]
    tree.args.kw_defaults = [_default(function, (function.__kwdefaults__ or {})[p.arg])
                             if p.arg in (function.__kwdefaults__ or {}) else None for p in tree.args.kwonlyargs]
    header = ast.FunctionDef(tree.name, tree.args, [ast.Pass()], [], None)
    first = ast.unparse(ast.fix_missing_locations(header)).splitlines()[0]
    begins = definition(function).body[0]
    if begins.lineno == 1 or source.splitlines()[begins.lineno - 1][: begins.col_offset].strip():  # on def's own line
        tree.decorator_list, tree.returns = [], None
        return ast.unparse(ast.fix_missing_locations(tree))
    return "\n".join([first, *source.splitlines()[begins.lineno - 1:]])


def _default(function: FunctionType, value: Any) -> ast.expr:
    expression = constant(value)
    if expression is None:
        raise ValueError(f"{function.__name__} cannot be written out: a default is a {type(value).__name__}; "
                         "NumPy and numbers are all that the program has")
    return expression


def _modules(program: str, packed: bool) -> Iterable[str]:
    standard = [name for name in ("math",) if f"{name}." in program]
    standard += ["base64", "zlib"] if packed else []
    return [*sorted(standard), "numpy as np"]
