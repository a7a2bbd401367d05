"""A document refers to its parts by their positions in lists; here each is looked up once. 引用检查"""

from __future__ import annotations

from typing import Any

REFERENCES = {
    "op": "ops", "tensor": "tensors", "gradient": "arrays", "raw": "arrays", "contribution": "arrays",
    "before": "arrays", "after": "arrays", "upstream": "arrays",
}  # fmt: skip


def check_references(data: dict[str, Any]) -> None:
    """Raise ValueError for a position that its list does not have, or an array whose values do not fill it."""
    for k, step in enumerate(data["steps"]):
        for name, target in REFERENCES.items():
            _within(data, target, step.get(name), f"steps[{k}].{name}")
        if "slot" in step and step["slot"] >= len(data["ops"][step["op"]]["inputs"]):
            raise ValueError(f"steps[{k}].slot is {step['slot']}, and the op has fewer inputs")
    for i, op in enumerate(data["ops"]):
        _within(data, "tensors", op["inputs"] + op["outputs"], f"ops[{i}]")
        _within(data, "modules", op["module"], f"ops[{i}].module")
        if len(op["input_names"]) != len(op["inputs"]) or len(op["output_names"]) < len(op["outputs"]):
            raise ValueError(f"ops[{i}] names not as many inputs and outputs as it has")
    for i, t in enumerate(data["tensors"]):
        _within(data, "arrays", t["value"], f"tensors[{i}].value")
        _within(data, "ops", [t["producer"], *(op for op, _ in t["uses"])], f"tensors[{i}]")
        _within(data, "tensors", t["previous"], f"tensors[{i}].previous")
    for i, module in enumerate(data["modules"]):
        if module["parent"] is not None and module["parent"] >= i:
            raise ValueError(f"modules[{i}].parent is {module['parent']}, which was not entered before it")
    for i, array in enumerate(data["arrays"]):
        _check_size(array, f"arrays[{i}]")


def _within(data: dict[str, Any], target: str, positions: Any, place: str) -> None:
    for position in positions if isinstance(positions, list) else [positions]:
        if position is not None and position >= len(data[target]):
            raise ValueError(f"{place} refers to {target}[{position}], and there are {len(data[target])}")


def _check_size(array: dict[str, Any], place: str) -> None:
    size = 1
    for n in array.get("window", array["shape"]):
        size *= n
    if size != len(array["values"]):
        raise ValueError(f"{place} has {len(array['values'])} values for {size} elements")
    if "window" in array and not len(array["window"]) == len(array["origin"]) == len(array["shape"]):
        raise ValueError(f"{place} has a window of another number of axes")
