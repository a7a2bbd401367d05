"""A model at a glance: the tree of its modules, what each puts out, and how many numbers it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import get_default_dtype, no_grad, record
from tinygrad_zh.i18n import pad, text

if TYPE_CHECKING:
    from tinygrad_zh.nn.module import Module


def summary(model: Module, input_shape: tuple[int, ...] | None = None, dtype: Any = None) -> str:
    """The table of `Module.summary`."""
    shapes = _output_shapes(model, input_shape, dtype) if input_shape is not None else {}
    rows = [[text("summary.module"), text("summary.output"), text("summary.parameters")]]
    for path, module in model.named_modules():
        depth = path.count(".") + 1 if path else 0
        label = "  " * depth + (f"{path.rpartition('.')[2]}: " if path else "") + type(module).__name__
        label += f"({module.describe()})" if module.describe() else ""
        own = sum(t.size for name, t in module.named_parameters() if "." not in name)
        rows.append([label, str(shapes.get(id(module), "–")), f"{own:,}" if own else "–"])
    widths = [40, 18, 12]
    widths[0] = max([widths[0], *(len(row[0]) + 2 for row in rows)])
    lines = ["".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "─" * sum(widths))
    learned = sum(t.size for t in model.parameters())
    state = sum(t.size for _, t in model.named_tensors()) - learned
    size = sum(t.size * t.dtype.itemsize for _, t in model.named_tensors())
    return "\n".join([*lines, "─" * sum(widths), text("summary.total", learned=f"{learned:,}", state=f"{state:,}",
                                                    size=f"{size / 1024:,.1f}")])


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
