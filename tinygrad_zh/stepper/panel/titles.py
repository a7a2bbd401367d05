"""What things are called: the tensors, their gradients, and each step in one line. 标题"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.i18n import language, text
from tinygrad_zh.stepper.panel.numbers import number

Data = dict[str, Any]


def name_of(data: Data, tensor: int) -> str:
    """The name of a tensor."""
    return str(data["tensors"][tensor]["name"])


def short_name(data: Data, tensor: int) -> str:
    """The name of a tensor; of a constant that is one number, the number."""
    found = data["tensors"][tensor]
    if found["role"] == "constant" and found["shape"] == [] and found["value"] is not None:
        return number(data["arrays"][found["value"]]["values"][0])
    return name_of(data, tensor)


def gradient_of(data: Data, tensor: int) -> str:
    """The gradient of the root by a tensor: "∂L/∂W"."""
    return f"∂L/∂{name_of(data, tensor)}"


def term_of(data: Data, op: str) -> str:
    """The op's Chinese term, for a reader of Chinese; without the remark in parentheses that may follow it."""
    said = str(data["formulas"].get(op, {}).get("zh", "")) if language() == "zh" else ""
    return said.partition("（")[0]


def step_title(data: Data, index: int) -> str:
    """What a step does, in one line: "W ← W − η g", "MatMul → ∂L/∂W"."""
    step = data["steps"][index]
    op = None if step.get("op") is None else data["ops"][step["op"]]
    phase = step["phase"]
    tensor = step.get("tensor")
    if phase == "forward":
        assert op is not None
        made, given = (", ".join(short_name(data, t) for t in op[side]) for side in ("outputs", "inputs"))
        return f"{made} = {op['name']}({given})"
    if phase == "error":
        return f"{step['name']}: {step['type']}" if step["name"] else str(step["type"])
    if phase == "hook":
        return text("stepper.title.hook", name=step["name"])
    if phase == "update":
        assert op is not None
        updated = name_of(data, op["inputs"][0] if tensor is None else tensor)
        return f"{updated} ← {op['name']}({updated})"
    if phase == "seed":
        return f"{gradient_of(data, tensor)} = 1" if not step["given"] else gradient_of(data, tensor)
    if phase == "assign":
        return text("stepper.title.assign", name=name_of(data, tensor))
    if phase == "backward":
        assert op is not None
        return f"{op['name']} → {gradient_of(data, tensor)}"
    return text(f"stepper.title.{phase}", name=name_of(data, tensor), gradient=gradient_of(data, tensor))
