"""One row of the outline of the graph: how far the pass has come, what it is called, and a number. 大纲的一行"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tinygrad_zh.i18n import text
from tinygrad_zh.stepper.navigation import gradients_so_far, group, nonfinite_words
from tinygrad_zh.stepper.outline import Row
from tinygrad_zh.stepper.panel.numbers import NOTHING, number
from tinygrad_zh.stepper.panel.spans import Line, Span, line, shortened, width

Data = dict[str, Any]

OVERLAYS = ("shape", "value", "gradient", "error", "time")
"""What the numbers beside the ops are, in the order in which a key goes through them."""

WAITING, RAN, PASSED = "·", "→", "←"
"""An op that did not run yet, one that ran, and one through which the gradient has come back."""


class Progress(NamedTuple):
    """What there is at a step: the ops that ran, those whose backward ran, and the gradient of each tensor so far."""

    ran: set[int]
    passed: set[int]
    gradients: dict[int, int]


def progress(data: Data, index: int) -> Progress:
    """How far the pass has come after step `index`."""
    done = [step for step in data["steps"][: index + 1] if step.get("op") is not None]
    return Progress(
        {step["op"] for step in done if group(step) != "backward"},
        {step["op"] for step in done if step["phase"] == "backward"},
        gradients_so_far(data, index),
    )


def graph_row(data: Data, row: Row, so_far: Progress, overlay: str, room: int) -> Line:
    """A row in `room` cells: the name to the left, the number to the right, "–" for what was not computed yet."""
    indent = "  " * row.depth
    if row.kind == "more":
        return line(Span(f"  {indent}{text('stepper.graph.more', count=row.ops)}", "quiet"))
    if row.kind == "module":
        names, right = [_module_name(data, row)], text("stepper.graph.ops", count=row.ops)
    else:
        names, right = _op_names(data, row.number), _overlay(data, row.number, so_far, overlay)
    mark = "▶" if row.current else _mark(row, so_far)
    space = room - width(line(mark, indent, right)) - 2
    name = next((name for name in names if width(line(name)) <= space), None)
    if name is None:  # where there is no room for both, the name is worth more than the number
        name, right = names[-1], ""
    left = shortened(f"{mark} {indent}{name}", room)
    style = "current" if row.current else "waiting" if mark == WAITING else "strong" if row.kind == "module" else ""
    gap = " " * max(room - width(line(left, right)), 1)
    return line(Span(left + gap, style), Span(right, "current" if row.current else "quiet"))


def _mark(row: Row, so_far: Progress) -> str:
    ops = range(row.first, row.first + row.ops)
    if any(op in so_far.passed for op in ops):
        return PASSED
    return RAN if any(op in so_far.ran for op in ops) else WAITING


def _module_name(data: Data, row: Row) -> str:
    module = data["modules"][row.number]
    if row.folded > 1:
        return f"▸ {module['kind']} × {row.folded}"
    return f"{'▾' if row.open else '▸'} {' '.join(filter(None, (module['path'], module['kind'])))}"


def _op_names(data: Data, number: int) -> list[str]:
    """The op with what the program calls its result, "A2 = Sigmoid", and without."""
    op = data["ops"][number]
    results = [data["tensors"][t]["name"] for t in op["outputs"]]
    given = [result for result in results if not result.startswith(op["name"].lower())]
    return [f"{', '.join(given)} = {op['name']}", op["name"]] if given else [op["name"]]


def _overlay(data: Data, number: int, so_far: Progress, overlay: str) -> str:
    op = data["ops"][number]
    if not op["outputs"]:
        return NOTHING.text
    output = op["outputs"][0]
    if overlay == "shape":
        return str(tuple(data["tensors"][output]["shape"]))
    if overlay == "value":
        return _summary(data, data["tensors"][output]["value"]) if number in so_far.ran else NOTHING.text
    if overlay == "gradient":
        return _norm(data, so_far.gradients.get(output))
    if overlay == "error":
        return _worst(data, number)
    return NOTHING.text if op["seconds"] is None else f"{op['seconds'] * 1e6:.3g} µs"


def _summary(data: Data, position: int | None) -> str:
    """A number itself, of more than one the mean."""
    array = None if position is None else data["arrays"][position]
    if array is None or not array["values"]:
        return NOTHING.text
    words = nonfinite_words(array)
    if words:
        return ", ".join(words)
    if array["shape"] == []:
        return number(array["values"][0])
    return f"μ {number(array.get('mean', sum(array['values']) / len(array['values'])), 3)}"


def _norm(data: Data, position: int | None) -> str:
    """‖g‖ = √Σ g², of a large array √(n (σ² + μ²))."""
    array = None if position is None else data["arrays"][position]
    if array is None:
        return NOTHING.text
    words = nonfinite_words(array)
    if words:
        return ", ".join(words)
    squares = math.prod(array["shape"]) * (array["std"] ** 2 + array["mean"] ** 2) if "std" in array \
        else sum(v * v for v in array["values"])
    return f"‖g‖ {number(math.sqrt(squares), 3)}"


def _worst(data: Data, op: int) -> str:
    checks = [step.get("check") or {} for step in data["steps"] if step.get("op") == op]
    errors = [float(check["error"]) for check in checks if "error" in check]
    return number(max(errors), 2) if errors else NOTHING.text
