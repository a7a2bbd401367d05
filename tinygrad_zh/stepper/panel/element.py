"""The picked element, written out: the recorded one, or another where the document says what it is made of. 所选元素"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_zh.i18n import text
from tinygrad_zh.stepper.panel.grid import Index, value_at
from tinygrad_zh.stepper.panel.numbers import Number, factor, number
from tinygrad_zh.stepper.panel.spans import Line, Span, flow, line

Data = dict[str, Any]


def picked_array(data: Data, step: Data) -> Data | None:
    """The array that the picked element belongs to: what the step computes."""
    phase = step["phase"]
    if phase == "forward":
        position = data["tensors"][data["ops"][step["op"]]["outputs"][0]]["value"]
    else:
        name = {"seed": "gradient", "backward": "raw", "sum_to": "contribution", "cast": "contribution"}
        position = step.get(name.get(phase, "after"))
    found: Data | None = None if position is None else data["arrays"][position]
    return found


def picked_index(data: Data, step: Data, pick: Sequence[int] | None) -> Index:
    """The index of the picked element: the reader's, else the recorded one, else the first that is shown."""
    array = picked_array(data, step)
    if array is None:
        return ()
    recorded = (step.get("element") or {}).get("index")
    for index in (pick, recorded):
        if index is not None and len(index) == len(array["shape"]) and value_at(array, index) is not None:
            return tuple(index)
    return tuple(array.get("origin", [0] * len(array["shape"])))


def element(data: Data, step: Data, index: Index) -> Data:
    """The element at `index`: with "terms" (backward) or "inputs" (forward), or with neither where they are unknown."""
    recorded: Data | None = step.get("element")
    if recorded is not None and tuple(recorded["index"]) == index:
        return recorded
    array = picked_array(data, step)
    value = None if array is None else value_at(array, index)
    if step["phase"] != "backward" or step.get("jacobian") is None or array is None:
        return {"index": list(index), "value": value}
    return {"index": list(index), "value": value, "terms": _terms(data, step, flat(array, index)), "rest": None}


def sources(found: Data, output: int) -> set[Index]:
    """The elements of upstream gradient `output` that the picked element is made of."""
    return {tuple(term["index"]) for term in found.get("terms", ()) if term["output"] == output}


def input_sources(found: Data, slot: int) -> set[Index]:
    """The elements of input `slot` that the picked element depends on."""
    return {tuple(each["index"]) for each in found.get("inputs", ()) if each["slot"] == slot}


def written_out(
    name: str, found: Data, room: int, inputs: Sequence[str] = (), coefficients: bool = True
) -> list[Line]:
    """name[index] = coefficient · upstream + … = value, or = value ← the elements of the inputs that it depends on.

    Without coefficients they are all 1 and left out. An element that was not recorded has only its value.
    """
    left = line(Span(name + _subscript(found["index"]), "strong"))
    value = line("= ", Span(number(found["value"], 5), "strong"))
    if "terms" in found:
        terms = [_product(term, "= " if k == 0 else "+ ", coefficients) for k, term in enumerate(found["terms"])]
        return flow([left, *(terms or [line("= 0")]), *_rest(found), value], room)
    if "inputs" in found:
        given = [line(f"{inputs[each['slot']]}{_subscript(each['index'])} = ", Span(number(each["value"]), "source"))
                 for each in found["inputs"]]
        more = [line(Span(text("stepper.element.more", count=found["more"]), "quiet"))] if found["more"] else []
        return [(*left, Span(" "), *value), *flow(_listed(text("stepper.element.from"), [*given, *more]), room)]
    return flow([left, value], room)


def _product(term: Data, sign: str, coefficients: bool) -> Line:
    value = Span(factor(term["value"]), "source")
    return line(sign, Span(factor(term["coefficient"]), "coefficient"), "·", value) if coefficients \
        else line(sign, value)


def _listed(before: str, tokens: Sequence[Line]) -> list[Line]:
    """The words before, and commas between the tokens."""
    return [line(Span(before, "quiet")), *((*token, Span(",")) for token in tokens[:-1]), *tokens[-1:]]


def _rest(found: Data) -> list[Line]:
    rest = found.get("rest")
    if not rest:
        return []
    return [line("+ ", Span(text("stepper.element.rest", count=rest["count"], sum=number(rest["sum"])), "quiet"))]


def _subscript(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def flat(array: Data, index: Index) -> int:
    position = 0
    for i, size in zip(index, array["shape"], strict=True):
        position = position * size + i
    return position


def entries(jacobian: Data) -> list[tuple[int, int, Number]]:
    """(row, column, value) of what is not zero in a Jacobian."""
    if jacobian["kind"] == "identity":
        return [(k, k, 1.0) for k in range(jacobian["rows"])]
    if jacobian["kind"] == "diagonal":
        return [(k, k, v) for k, v in enumerate(jacobian["values"])]
    return list(zip(jacobian["row"], jacobian["column"], jacobian["values"], strict=True))


def _terms(data: Data, step: Data, column: int) -> list[Data]:
    """contribution[column] = Σ over the rows of J[row, column] · upstream[row]; the rows run through all outputs."""
    places: list[tuple[int, Index, Number]] = []
    for output, position in enumerate(step["upstream"]):
        if position is not None:
            array = data["arrays"][position]
            shape = array["shape"]
            places += [(output, _unravelled(k, shape), value_at(array, _unravelled(k, shape)) or 0)
                       for k in range(math.prod(shape))]
    return [{"coefficient": c, "value": places[row][2], "output": places[row][0], "index": list(places[row][1])}
            for row, at, c in sorted(entries(step["jacobian"]), key=lambda entry: entry[0])
            if at == column and row < len(places)]


def _unravelled(position: int, shape: Sequence[int]) -> Index:
    index: list[int] = []
    for size in reversed(shape):
        position, i = divmod(position, size)
        index.insert(0, i)
    return tuple(index)
