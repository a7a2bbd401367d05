"""The parts that the panels of several phases have: formula, element, check, arrays, sum, source. 面板各部分"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from tinygrad_zh.i18n import language, text
from tinygrad_zh.stepper.panel.element import flat, written_out
from tinygrad_zh.stepper.panel.grid import SIDE, Index, grid, title
from tinygrad_zh.stepper.panel.heat import described, heat_map
from tinygrad_zh.stepper.panel.numbers import NOTHING, number
from tinygrad_zh.stepper.panel.source import rule_lines, user_lines
from tinygrad_zh.stepper.panel.spans import BETWEEN, Line, Span, beside, flow, line, paragraph, widest
from tinygrad_zh.stepper.panel.titles import gradient_of, name_of
from tinygrad_zh.stepper.panel.view import Section, View

Data = dict[str, Any]

NARROWEST = 24
"""An array gets at least so many cells; arrays for which there are fewer stand below each other."""
LOW = 4
"""Rows of arrays that stand below each other."""
LARGEST = 64
"""A document has the Jacobians with at most so many rows and columns."""
AGREES = 1e-4
"""A relative error below this is rounding, in float32 too; a wrong formula is off by far more."""

NONE = Section("", [])


def label(name: str) -> str:
    """The word for a part."""
    return text(f"stepper.panel.{name}")


def why(view: View, reason: str, **values: object) -> Section:
    """One or two sentences."""
    return Section(label("why"), paragraph(text(f"stepper.why.{reason}", **values), view.room))


# ---- the arrays


class Shown(NamedTuple):
    """An array to show: its name, what is picked in it, and which of its elements that is computed from."""

    name: str
    array: Data | None
    picked: Index | None = None
    sources: Collection[Index] = ()

    def lines(self, room: int, height: int = SIDE) -> list[Line]:
        return grid(self.name, self.array, room, self.picked, self.sources, height)


def arrays(view: View, shown: Sequence[Shown], signs: Sequence[str]) -> Section:
    """Arrays with a sign between two of them: whole if they fit, or equal parts of the line, or below each other."""
    room = view.width - BETWEEN * len(signs)
    blocks = [each.lines(view.width) for each in shown]
    if sum(map(widest, blocks)) > room:
        blocks = [each.lines(max(room // len(shown), NARROWEST)) for each in shown]
    if sum(map(widest, blocks)) > room:
        blocks = [each.lines(view.width, LOW) for each in shown]
    return Section("", beside(blocks, signs, view.width))


def added_up(view: View) -> list[Section]:
    """before + contribution = after, and the banner where a tensor is used more than once."""
    step = view.step
    if "after" not in step:
        return [Section("", paragraph(text("stepper.sum.later"), view.width, "quiet"))]
    gradient = gradient_of(view.data, step["tensor"])
    banner = Section("", paragraph(text("stepper.sum.banner"), view.width, "banner") if _several(view) else [])
    if step["before"] is None:
        words = f"{NOTHING.text} {text('stepper.sum.first', gradient=gradient)}"
        return [banner, Section(label("before"), paragraph(words, view.room, NOTHING.style))]
    names = {"before": f"{label('before')} {gradient}", "contribution": label("contribution"),
             "after": f"{label('after')} {gradient}"}
    shown = [Shown(name, view.array(part), view.picked) for part, name in names.items()]
    return [banner, arrays(view, shown, ["+", "="])]


def _several(view: View) -> bool:
    """Whether more than one use of the step's tensor sends a gradient back to it."""
    tensor = view.step["tensor"]
    uses = {(step["op"], step["slot"]) for step in view.data["steps"]
            if step["phase"] == "backward" and step["tensor"] == tensor}
    return len(uses) > 1


# ---- formula and shapes


def formula(view: View, part: str | None = None) -> Section:
    """The op's formula; or the partial of an input, with the forward below it."""
    assert view.op is not None
    said = view.data["formulas"].get(view.op["name"], {"forward": view.op["name"], "partials": {}})
    if language() == "zh":
        said = said | {key.removesuffix("_zh"): words for key, words in said.items() if key.endswith("_zh")}
    partial = "" if part is None else said["partials"].get(part, "")
    lines = paragraph(partial, view.room, "formula") if partial else []
    lines += paragraph(said["forward"], view.room, "quiet" if partial else "formula")
    attributes = ", ".join(f"{key}={value}" for key, value in view.op["attributes"].items())
    return Section(label("formula"), lines + (paragraph(attributes, view.room, "quiet") if attributes else []))


def shapes(view: View) -> Section:
    """The shapes of an op's inputs and outputs."""
    assert view.op is not None
    tensors, last = view.data["tensors"], len(view.op["inputs"]) - 1
    given = [line(title(tensors[t]["name"], tensors[t]["shape"]) + "," * (k < last))
             for k, t in enumerate(view.op["inputs"])]
    made = [line("→ ", title(tensors[t]["name"], tensors[t]["shape"])) for t in view.op["outputs"]]
    dtype = line(Span(tensors[view.op["outputs"][0]]["dtype"], "quiet"))
    return Section(label("shapes"), flow([*given, *made, dtype], view.room))


def saved(view: View) -> Section:
    """What the op keeps for its backward."""
    assert view.op is not None
    names = ", ".join(view.op["saved"])
    return Section(label("saved"), paragraph(names, view.room) if names else [])


# ---- one element


def written(view: View, name: str, factors: str = "", coefficients: bool = True) -> Section:
    """The picked element with its numbers; `factors` says in words what the factors of its terms are."""
    if view.result is None or not view.result["values"]:
        return NONE
    found = view.element
    lines = written_out(name, found, 1 if view.close else view.room, _input_names(view), coefficients)
    if "terms" not in found and "inputs" not in found:
        factors = text("stepper.element.unrecorded") if view.step.get("element") else ""
    return Section(label("element"), lines + (paragraph(factors, view.room, "quiet") if factors else []))


def _input_names(view: View) -> list[str]:
    """The names of the op's inputs; that of a constant is what the op calls it, such as "lr"."""
    if view.op is None:
        return []
    return [own if view.data["tensors"][t]["role"] == "constant" else name_of(view.data, t)
            for t, own in zip(view.op["inputs"], view.op["input_names"], strict=True)]


def checked(view: View) -> Section:
    """The numeric check of the recorded element, beside the formula's number."""
    check, recorded = view.step["check"], view.step.get("element")
    if not view.check or check is None:
        return NONE
    if recorded is not None and tuple(recorded["index"]) != view.picked:
        return _remark(view, text("stepper.check.elsewhere", index=recorded["index"]))
    if "why" in check:
        return _remark(view, text(f"stepper.check.{check['why'].replace(' ', '_')}"))
    numeric = text("stepper.check.numeric", numeric=number(check["numeric"], 5), step=number(check["step"], 2))
    error = text("stepper.check.error", error=number(check["error"], 2))
    good = not isinstance(check["error"], str) and check["error"] < AGREES
    verdict = Span(f"✓ {text('stepper.check.agrees')}", "good") if good else \
        Span(f"✗ {text('stepper.check.differs')}", "bad")
    return Section(label("check"), flow([line(numeric), line(error), line(verdict)], view.room))


def _remark(view: View, words: str) -> Section:
    return Section(label("check"), paragraph(words, view.room, "quiet"))


def local_jacobian(view: View) -> Section:
    """∂output/∂input in words, and as a heat map where it is small."""
    jacobian, raw = view.step["jacobian"], view.result
    assert raw is not None
    if jacobian is not None:
        drawn = heat_map(jacobian, flat(raw, view.picked), view.room)
        return Section(label("jacobian"), described(jacobian, view.room) + drawn)
    columns = math.prod(raw["shape"])
    rows = sum(math.prod(view.data["arrays"][a]["shape"]) for a in view.step["upstream"] if a is not None)
    if max(rows, columns) <= LARGEST:
        return NONE
    return Section(label("jacobian"), paragraph(text("stepper.jacobian.large", rows=rows, columns=columns), view.room))


# ---- source


def source_lines(view: View, part: str) -> list[Section]:
    """Your line and the rule's, unless the reader has hidden them. part: "forward", or the partial of that input."""
    if not view.source or view.op is None:
        return []
    return [Section(label("code"), user_lines(view.data, view.op["where"], view.room)),
            Section(label("rule"), rule_lines(view.data, view.step.get("code", view.op["code"].get(part)), view.room))]
