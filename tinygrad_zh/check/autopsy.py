"""autopsy: where did the first NaN or infinity come from? NaN 尸检

A NaN in the loss is only the end of a story. The tape holds the whole of it: the first line whose arguments are
finite and whose output is not is where it began.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.check.repeatable import undo_of
from tinygrad_zh.core import Line, Tape, Tensor, record, using
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.core.walk import walk
from tinygrad_zh.device import move
from tinygrad_zh.i18n import text
from tinygrad_zh.ops.formula import formula

Array = np.ndarray[Any, Any]

PHASES = {"forward": "forward", "backward": "backward", "sum_to": "backward", "cast": "backward",
          "accumulate": "backward"}
"""{kind of a tape's line: the phase it belongs to}, for the lines that compute."""


@dataclass(frozen=True)
class Birth:
    """A number that is not finite, where it was not carried on from another one. 中文：非有限数的诞生。

    op: its name. phase: "forward", "backward", or "input" if the op was given it and nothing here computed it.
    element: its index. value: nan, inf or −inf. arguments: name ↦ the number that went in there, or the whole array
    where shapes do not say which number. formula: what the op computes. source: "file.py:12" of the user's program,
    code: that line. layer: the module that computed it, by path. followed: the ops that carried it on.
    """

    op: str
    phase: str
    element: tuple[int, ...]
    value: float
    arguments: Mapping[str, Any]
    formula: str
    source: str
    code: str
    layer: str
    followed: tuple[str, ...]

    def __str__(self) -> str:
        place = text("check.autopsy.place", element=list(self.element)) if self.element else ""
        lines = [text(f"check.autopsy.{self.phase}", value=_number(self.value), op=self.op, place=place,
                      arguments=_spelled(self.arguments)),
                 f"  {self.formula}"]
        if self.source:
            lines.append(f"  {self.source}  {self.code}".rstrip())
        if self.layer:
            lines.append("  " + text("check.autopsy.layer", layer=self.layer))
        if self.followed:
            lines.append("  " + text("check.autopsy.followed", ops=", ".join(self.followed)))
        return "\n".join(lines)


@dataclass(frozen=True)
class Autopsy(Birth):
    """The first number that was not finite, and what became of it. 中文：尸检报告。

    then: where, after an infinity, the first NaN was born. result: whether what the function returned is finite.
    gradients: of how many leaves the gradient is not finite, and how many got one.
    """

    then: Birth | None
    result: bool
    gradients: tuple[int, int]

    def __str__(self) -> str:
        lines = [super().__str__()]
        if self.then:
            lines += [text("check.autopsy.then"), str(self.then)]
        lines.append(text(f"check.autopsy.result.{'finite' if self.result else 'spoiled'}"))
        bad, all_ = self.gradients
        if all_:
            lines.append(text("check.autopsy.gradients", bad=bad, all=all_))
        return "\n".join(lines)


def autopsy(function: Callable[..., Any], *inputs: Any) -> Autopsy | None:
    """The op and the element where function(*inputs), or its backward pass, first became NaN or infinite.

    None if all is finite. inputs: tensors or arrays; gradients are computed for all floating ones, and for whatever
    else inside requires one. An infinity may be right (ln 0 = −∞): it is reported all the same, and whether a NaN
    came of it. What the call draws and assigns is undone, and no `.grad` changes. Raises what the function raises,
    unless a number stopped being finite before that. 中文：NaN 尸检，查出第一个非有限数出自何处。

    >>> import tinygrad_zh as tz
    >>> from tinygrad_zh.check import autopsy
    >>> found = autopsy(lambda x: tz.functional.log(x).mean(), tz.tensor([2.0, -1.0]))
    >>> found.op, found.phase, found.element, found.arguments
    ('Log', 'forward', (1,), {'x': -1.0})

    Of a model: `autopsy(lambda: loss(model(x), t))`.
    """
    leaves = [_leaf(x) for x in inputs]
    outputs: list[Tensor] = []
    totals: dict[Any, Any] = {}
    with using(grad=True), np.errstate(all="ignore"), record() as tape:
        try:
            result = function(*leaves)
            several = result if isinstance(result, (tuple, list)) else [result]
            outputs = [y for y in several if isinstance(y, Tensor) and y.dtype.kind == "f"]
            roots: dict[Any, Any] = {y.source: np.ones_like(y.array) for y in outputs if y.requires_grad}
            for _ in walk(roots, totals):
                pass
        except Exception:
            if _first(tape, np.isfinite) is None:
                raise
        finally:
            undo_of(tape)()
    return _report(tape, [y.array for y in outputs], list(totals.values()))


def _leaf(x: Any) -> Tensor:
    """A fresh leaf with the input's values, so that the user's own tensor gets no gradient."""
    array = x.array if isinstance(x, Tensor) else np.array(x)
    return leaf(array, array.dtype.kind == "f")


def _report(tape: Tape, outputs: Sequence[Array], gradients: Sequence[Array]) -> Autopsy | None:
    first = _first(tape, np.isfinite)
    if first is None:
        return None
    nan = _first(tape, _is_number)
    then = Birth(**_told(tape, nan)) if nan and nan.at != first.at else None
    lost = [not np.isfinite(_array(g)).all() for g in gradients]
    return Autopsy(**_told(tape, first), then=then, result=all(np.isfinite(_array(y)).all() for y in outputs),
                   gradients=(sum(lost), len(lost)))


# ---- looking through the tape


class Found(NamedTuple):
    """at: (the line's number, the element). phase: see Birth. output: which of the line's values it is in."""

    at: tuple[int, tuple[int, ...]]
    phase: str
    output: int
    value: float


def _is_number(x: Array) -> Array:
    return np.asarray(~np.isnan(x))


def _first(tape: Tape, good: Callable[[Array], Any]) -> Found | None:
    """The first element that is not good. Where it is an argument no line before made it: it was given."""
    for number, line in enumerate(tape):
        if line.kind in PHASES:
            given = [x for _, x in _named(line)]
            for phase, arrays in (("input", given), (PHASES[line.kind], line.outputs)):
                for i, array in enumerate(map(_array, arrays)):
                    bad = np.argwhere(~good(array))
                    if len(bad):
                        element = tuple(bad[0].tolist())
                        return Found((number, element), phase, i, float(array[element]))
    return None


def _host(x: Any) -> Array:
    """A number or array as a NumPy array, from a GPU too."""
    x = x.array if isinstance(x, Tensor) else x
    return np.asarray(move(x, "cpu") if hasattr(x, "__cuda_array_interface__") else x)


def _array(x: Any) -> Array:
    """A floating number or array in memory; of anything else nothing."""
    floating = isinstance(x, float) or getattr(x, "dtype", np.dtype("O")).kind == "f"
    return _host(x) if floating else np.empty(0)


def _named(line: Line) -> list[tuple[str, Any]]:
    """A line's arguments by the names of its function's parameters; of several under one name each by its number."""
    parameters = inspect.signature(line.function).parameters.values()
    names = [p.name for p in parameters if p.kind != p.KEYWORD_ONLY]
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        names = [f"{names[0]}{i}" for i in range(len(line.arguments))]
    pairs: list[tuple[str, Any]] = []
    for name, x in zip(names, line.arguments, strict=True):
        several = isinstance(x, tuple) and any(hasattr(part, "dtype") for part in x)
        pairs += [(f"{name}{i}", part) for i, part in enumerate(x)] if several else [(name, x)]
    return pairs


# ---- telling what was found


def _told(tape: Tape, found: Found) -> dict[str, Any]:
    """The fields of a Birth."""
    (number, element), line = found.at, tape[found.at[0]]
    forward = line if line.kind == "forward" else line.info["forward"]
    where = forward.info["where"] if forward is not None else None
    file, row = where[:2] if where and where[0] not in (__file__, "<string>") else ("", 0)
    named = _named(line)
    if found.phase == "input":
        arguments: Mapping[str, Any] = {named[found.output][0]: found.value}
    else:
        arguments = _alone(line, found) or {name: _array(x) for name, x in named if np.size(_array(x))}
    alike = np.isnan if np.isnan(found.value) else np.isinf
    carried = [other.info["op"].__name__ + (".backward" if other.kind != "forward" else "")
               for other in tape[number + 1:]
               if other.kind in PHASES and any(alike(_array(y)).any() for y in other.outputs)]
    return {
        "op": line.info["op"].__name__, "phase": found.phase, "element": element, "value": found.value,
        "arguments": arguments, "formula": _formula(line, found.output),
        "source": f"{Path(file).name}:{row}" if file else "", "code": linecache.getline(file, row).strip(),
        "layer": _path(forward.info["modules"]) if forward is not None else "",
        "followed": tuple(dict.fromkeys(carried)),
    }


def _path(modules: Sequence[Any]) -> str:
    """Where the innermost of these modules stands in the outermost one: "Sequential.0"."""
    if not modules:
        return ""
    whole, part = modules[0], modules[-1]
    path = next((path for path, module in whole.named_modules() if module is part), type(part).__name__)
    return f"{type(whole).__name__}.{path}" if path else type(whole).__name__


def _alone(line: Line, found: Found) -> dict[str, float] | None:
    """The numbers that went into this element, if the function of these alone gives it: of an op element by element."""
    _, element = found.at
    shape = np.shape(line.outputs[found.output])
    try:
        numbers = [x if type(x) in (float, int) else np.broadcast_to(x, shape)[element] for x in line.arguments]
        with np.errstate(all="ignore"):
            values = line.function(*numbers, **line.keywords)
        value = values[found.output] if isinstance(values, tuple) else values
    except Exception:  # whatever a formula says of numbers where it wants arrays
        return None
    if not np.array_equal(_host(value), found.value, equal_nan=True):
        return None
    return {name: float(_host(x)) for (name, _), x in zip(_named(line), numbers, strict=True)}


def _formula(line: Line, output: int) -> str:
    """What the op says that it computes here; the engine's own steps say their name."""
    try:
        said = formula(line.info["op"])
    except ValueError:
        said = None
    if line.kind == "forward" and said:
        return said.forward
    if line.kind == "backward" and said and said.partials:
        return said.partials[min(line.info["slots"][output], len(said.partials) - 1)]
    return f"{line.function.__name__}({', '.join(name for name, _ in _named(line))})"


def _number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:.6g}".replace("inf", "∞").replace("-", "−")


def _spelled(arguments: Mapping[str, Any]) -> str:
    """Numbers as they are, arrays by shape and range."""
    return ", ".join(
        f"{name} = {_number(np.asarray(x).item())}" if np.size(x) == 1 else
        text("check.autopsy.array", name=name, shape=x.shape, low=_number(x.min()), high=_number(x.max()))
        for name, x in arguments.items())
