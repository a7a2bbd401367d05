"""The code of a bug as a reader may see it: without its name, its formula, its story and its cure. 源码"""

from __future__ import annotations

import ast
import inspect
import sys
from textwrap import dedent
from typing import Any

from tinygrad_zh.check.zoo.bug import Bug


def listing(bug: Bug) -> list[str]:
    """The functions that are used, forward and backward, and how the op is called where it is not called alone.

    A program of numbered lines; nothing of what `planted` was told but `call`.
    """
    lines = inspect.getsource(bug.op).splitlines()
    op: Any = ast.parse("\n".join(lines)).body[0]
    _, *body = op.body  # the docstring goes
    code = dedent("\n".join(lines[body[0].lineno - 1 : body[-1].end_lineno]))
    call = next((keyword.value for keyword in op.decorator_list[0].keywords if keyword.arg == "call"), None)
    parts = [*_used(bug, [*body, *([call] if call else [])]), code]
    if isinstance(call, ast.Lambda):
        parts.append(f"f = {_on_one_line(call.body)}")
    elif call is not None:
        parts.append(f"f = {_on_one_line(call)}(op)")
    return "\n\n".join(parts).splitlines()


def title(bug: Bug) -> tuple[str, str]:
    """What its kind is, in English and as a Chinese term: the first line of the file."""
    line = (inspect.getdoc(sys.modules[bug.op.__module__]) or "").splitlines()[0]
    english, _, chinese = line.rpartition(" ")
    return english, chinese


def _on_one_line(expression: ast.expr) -> str:
    return " ".join(ast.unparse(expression).split())


def _used(bug: Bug, nodes: list[Any]) -> list[str]:
    """The source of the file's own functions and ops that the nodes name."""
    names = dict.fromkeys(n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name))
    module = sys.modules[bug.op.__module__]
    own = [vars(module)[name] for name in names if getattr(vars(module).get(name), "__module__", "") == module.__name__]
    return [inspect.getsource(part).rstrip() for part in own if part is not bug.op]
