"""Where to go from a step: pure functions over the data of a document, the same in every front end. 导航

A function gives the index of a step. At an end it stays where it is; a search goes round past the last step, and
gives None where there is nothing to find.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from typing import Any

from tinygrad_zh.i18n import LANGUAGES, in_language, text
from tinygrad_zh.stepper.outline import enclosing

Data = dict[str, Any]

GROUPS = ("forward", "seed", "backward", "update", "error")
"""The groups of phases, in the order in which they are shown."""

_GROUP = {"sum_to": "backward", "cast": "backward", "skip": "backward", "gradient": "backward", "hook": "backward",
          "assign": "update"}


def keys() -> list[dict[str, Any]]:
    """The table of keys of every front end: {"action": …, "keys": […]}. 按键表"""
    table: list[dict[str, Any]] = json.loads(
        files("tinygrad_zh.stepper").joinpath("keys.json").read_text(encoding="utf-8")
    )
    return table


# ---- what a step is about


def group(step: Data) -> str:
    """The group of a step's phase: "forward", "seed", "backward", "update" or "error". 阶段

    >>> group({"phase": "sum_to"}), group({"phase": "forward"})
    ('backward', 'forward')
    """
    phase: str = step["phase"]
    return _GROUP.get(phase, phase)


def target(data: Data, index: int) -> int | None:
    """The tensor that a step is about: its own, or the first output of its op; None if it names neither."""
    step = data["steps"][index]
    if step.get("tensor") is not None:
        return int(step["tensor"])
    return next(iter(data["ops"][step["op"]]["outputs"]), None) if step.get("op") is not None else None


def op_of(data: Data, index: int) -> int | None:
    """The op to mark in the graph: the step's own, or the one that made or first uses its tensor."""
    step = data["steps"][index]
    if step.get("op") is not None:
        return int(step["op"])
    if step.get("tensor") is None:
        return None
    tensor = data["tensors"][step["tensor"]]
    if tensor["producer"] is not None:
        return int(tensor["producer"])
    return next((op for op, _ in tensor["uses"]), None)


def gradients_so_far(data: Data, index: int) -> dict[int, int]:
    """{tensor: the array with its gradient} after step `index`; a tensor without one has none yet: "–", never 0."""
    found: dict[int, int] = {}
    for step in data["steps"][: index + 1]:
        gradient = step.get("gradient" if step["phase"] == "seed" else "after")
        if step.get("tensor") is not None and gradient is not None and group(step) in ("seed", "backward"):
            found[step["tensor"]] = gradient
    return found


# ---- to a neighbour


def next_step(data: Data, index: int) -> int:
    """One contribution further."""
    return min(index + 1, len(data["steps"]) - 1)


def previous_step(data: Data, index: int) -> int:
    """One contribution back."""
    return max(index - 1, 0)


def next_op(data: Data, index: int) -> int:
    """The first step of the next op."""
    return _forward(_starts(data, lambda step: (group(step), step.get("op"))), index)


def previous_op(data: Data, index: int) -> int:
    """The first step of this op, or from there of the op before it."""
    return _back(_starts(data, lambda step: (group(step), step.get("op"))), index)


def next_phase(data: Data, index: int) -> int:
    """The first step of the next phase: forward → seed → backward → update."""
    return _forward(_starts(data, group), index)


def previous_phase(data: Data, index: int) -> int:
    """The first step of this phase, or from there of the phase before it."""
    return _back(_starts(data, group), index)


def percent(data: Data, tenths: int) -> int:
    """The step at `tenths` · 10 % of the way, 0 to 9."""
    return tenths * len(data["steps"]) // 10


def _starts(data: Data, key: Callable[[Data], Any]) -> list[int]:
    """The first step of each run of consecutive steps with equal keys."""
    kinds = [key(step) for step in data["steps"]]
    return [k for k in range(len(kinds)) if k == 0 or kinds[k] != kinds[k - 1]]


def _forward(starts: list[int], index: int) -> int:
    return next((k for k in starts if k > index), index)


def _back(starts: list[int], index: int) -> int:
    return next((k for k in reversed(starts) if k < index), index)


def first(data: Data, index: int) -> int:
    """The first step."""
    return 0


def last(data: Data, index: int) -> int:
    """The last step."""
    return len(data["steps"]) - 1


# ---- along the edges of the graph


def producer(data: Data, index: int) -> int | None:
    """The step, of the same phase where there is one, of the op that made an input of this step; None for a leaf.

    The input is the tensor of a backward step, otherwise the first one that an op made.
    """
    step = data["steps"][index]
    if step.get("op") is None or step.get("slot") is not None:
        inputs = [] if step.get("tensor") is None else [step["tensor"]]
    else:
        inputs = data["ops"][step["op"]]["inputs"]
    made = (data["tensors"][t]["producer"] for t in inputs)
    return _step_of(data, next((op for op in made if op is not None), None), group(step))


def consumer(data: Data, index: int) -> int | None:
    """The step, of the same phase where there is one, of the first op that uses what this op made; None without one.

    A step without an op, such as an update, goes to the first op that uses its tensor.
    """
    step = data["steps"][index]
    if step.get("op") is not None:
        made = data["ops"][step["op"]]["outputs"]
    else:
        made = [] if step.get("tensor") is None else [step["tensor"]]
    uses = (op for t in made for op, _ in data["tensors"][t]["uses"])
    return _step_of(data, next(uses, None), group(step))


def step_of(data: Data, op: int, index: int) -> int | None:
    """The step of an op to show when it is clicked at step `index`: of the same phase where there is one."""
    return _step_of(data, op, group(data["steps"][index]))


def _step_of(data: Data, op: int | None, phase: str) -> int | None:
    if op is None:
        return None
    mine = [k for k, step in enumerate(data["steps"]) if step.get("op") == op]
    return next((k for k in mine if group(data["steps"][k]) == phase), next(iter(mine), None))


# ---- searches


def next_accumulation(data: Data, index: int) -> int | None:
    """The next step where a gradient is added to one that was there before. 下一处梯度累加"""
    return _search(data, index, _accumulates)


def next_nonfinite(data: Data, index: int) -> int | None:
    """The next step that makes a nan or an inf. 下一个非有限值"""
    return _search(data, index, lambda step: any(nonfinite_words(data["arrays"][a]) for a in results(data, step)))


def worst(data: Data, index: int) -> int | None:
    """The step with the largest relative error of its numeric check, the first of equals."""
    errors = [(float(step["check"]["error"]), -k) for k, step in enumerate(data["steps"])
              if (step.get("check") or {}).get("error") is not None]
    return -max(errors)[1] if errors else None


def find(data: Data, query: str) -> list[int]:
    """The steps whose op, tensor, module, shape or phase contains `query`; "nan" and "inf": those that make one. 查找

    Upper and lower case are the same, spaces do not count: "(4,3)" finds (4, 3).
    """
    words = _squeezed(query)
    return [k for k, step in enumerate(data["steps"]) if any(words in _squeezed(name) for name in _names(data, step))]


def find_next(data: Data, query: str, index: int) -> int | None:
    """The next hit of `find`."""
    hits = find(data, query)
    return next((k for k in hits if k > index), hits[0] if hits else None)


def results(data: Data, step: Data) -> list[int]:
    """The arrays that a step makes: the values of a forward step, the gradients or new values of another."""
    if step["phase"] == "forward":
        values = [data["tensors"][t]["value"] for t in data["ops"][step["op"]]["outputs"]]
    else:
        names = ["gradient"] if step["phase"] == "seed" else ["raw", "contribution", "after"]
        values = [step.get(name) for name in names]
    return [a for a in values if a is not None]


def nonfinite_words(array: Data) -> list[str]:
    """Which of "nan" and "inf" an array contains, outside its window too; [] for an array that is finite."""
    strings = {v for v in array["values"] if isinstance(v, str)}
    return [word for word in ("nan", "inf") if array.get(word) or word in strings or f"-{word}" in strings]


def _accumulates(step: Data) -> bool:
    return group(step) == "backward" and step["phase"] != "hook" and step.get("before") is not None


def _search(data: Data, index: int, wanted: Callable[[Data], bool]) -> int | None:
    n = len(data["steps"])
    around = (k % n for k in range(index + 1, index + 1 + n))
    return next((k for k in around if wanted(data["steps"][k])), None)


def _names(data: Data, step: Data) -> Iterator[str]:
    yield from (_in(code, f"stepper.phase.{group(step)}") for code in LANGUAGES)
    yield step["phase"]
    tensors: Iterable[int] = [] if step.get("tensor") is None else [step["tensor"]]
    if step.get("op") is not None:
        op = data["ops"][step["op"]]
        yield op["name"]
        yield data["formulas"].get(op["name"], {}).get("zh", "")
        yield from (data["modules"][m][name] for m in enclosing(data, step["op"]) for name in ("path", "kind"))
        tensors = [*op["inputs"], *op["outputs"]] if step.get("slot") is None else [op["inputs"][step["slot"]]]
    for t in tensors:
        yield data["tensors"][t]["name"]
        yield str(tuple(data["tensors"][t]["shape"]))
    for a in results(data, step):
        yield from nonfinite_words(data["arrays"][a])


def _in(code: str, key: str) -> str:
    with in_language(code):
        return text(key)


def _squeezed(words: str) -> str:
    return "".join(words.split()).casefold()


MOVES: dict[str, Callable[[Data, int], int | None]] = {
    "next": next_step, "previous": previous_step, "next_op": next_op, "previous_op": previous_op,
    "next_phase": next_phase, "previous_phase": previous_phase, "first": first, "last": last, "producer": producer,
    "consumer": consumer, "accumulation": next_accumulation, "nonfinite": next_nonfinite, "worst": worst,
}  # fmt: skip
"""{action of the table of keys: where it leads}, for those that need no more than the step."""
