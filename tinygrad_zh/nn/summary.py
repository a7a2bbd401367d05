"""A model at a glance: the tree of its modules, what each puts out, and how many numbers it learns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import get_default_dtype, no_grad, record
from tinygrad_zh.i18n import display_width, pad, text

if TYPE_CHECKING:
    from tinygrad_zh.nn.module import Module


def summary(model: Module, input_shape: tuple[int, ...] | None = None, dtype: Any = None) -> str:
    """The table of `Module.summary`."""
    shapes = _output_shapes(model, input_shape, dtype) if input_shape is not None else {}
    rows = [[text("summary.module"), text("summary.output"), text("summary.parameters")]]
    counted: set[int] = set()  # a tensor that two modules share stands in the first one's row
    for label, module in _tree(model):
        own = {id(t): t.size for _, t in module.own_tensors() if t.requires_grad and id(t) not in counted}
        counted |= own.keys()
        rows.append([label, str(shapes.get(id(module), "–")), f"{sum(own.values()):,}" if own else "–"])
    widths = [max(least, *(display_width(cell) + 2 for cell in column))
              for least, column in zip((40, 18, 12), zip(*rows, strict=True), strict=True)]
    lines = ["".join(map(pad, row, widths)).rstrip() for row in rows]
    lines.insert(1, "─" * sum(widths))
    learned = sum(t.size for t in model.parameters())
    state = sum(t.size for _, t in model.named_tensors()) - learned
    size = sum(t.size * t.dtype.itemsize for _, t in model.named_tensors())
    total = text("summary.total", learned=f"{learned:,}", state=f"{state:,}", size=f"{size / 1024:,.1f}")
    return "\n".join([*lines, "─" * sum(widths), total])


def _tree(model: Module) -> Iterator[tuple[str, Module]]:
    """Each module once, under the module that it belongs to."""
    seen = set()

    def below(name: str, module: Module, depth: int) -> Iterator[tuple[str, Module]]:
        if id(module) in seen:
            return
        seen.add(id(module))
        settings = f"({module.describe()})" if module.describe() else ""
        yield "  " * depth + (f"{name}: " if name else "") + type(module).__name__ + settings, module
        for child_name, child in module.named_children():
            yield from below(child_name, child, depth + 1)

    return below("", model, 0)


def _output_shapes(model: Module, input_shape: tuple[int, ...], dtype: Any) -> dict[int, tuple[int, ...]]:
    """What each module puts out for a batch of zeros, read off the tape; modes and state are as before."""
    parameters = model.parameters()
    dtype = dtype or (parameters[0].dtype if parameters else get_default_dtype())
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad(), record() as tape:
            model(np.zeros(input_shape, dtype))
    finally:
        for module, training in modes:
            module.training = training
    return {id(line.info["module"]): line.outputs[0].shape for line in tape.of("leave")
            if hasattr(line.outputs[0], "shape")}
