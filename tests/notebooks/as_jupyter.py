"""Runs a notebook's code as Jupyter does: cell by cell, each a file of its own, and shows a cell's last value.

    python as_jupyter.py NOTEBOOK.py

What has an HTML form is shown as the first tag of it.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def run(notebook: str) -> None:
    """Run every code cell, in a module __main__ that has no file."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    source = Path(notebook).read_text(encoding="utf-8")
    for number, cell in enumerate(re.findall(r"^# %%\n((?:(?!# %%).*\n?)*)", source, re.M)):
        file = f"cell-{number}.py"
        linecache.cache[file] = len(cell), None, cell.splitlines(keepends=True), file
        show(last_value(ast.parse(cell, file), file, vars(main)))


def last_value(tree: ast.Module, file: str, names: dict[str, Any]) -> Any:
    """Run a cell; its value is that of its last line, if this is an expression."""
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, file, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), file, "eval"), names)


def show(value: Any) -> None:
    if hasattr(value, "_repr_html_"):
        print(value._repr_html_().partition(" ")[0])


if __name__ == "__main__":
    run(sys.argv[1])
