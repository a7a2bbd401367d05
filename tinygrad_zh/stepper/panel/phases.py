"""The sections of a step: each phase has its own, in the order in which a learner asks. 各阶段的面板

What is computed (formula, shapes), one number of it (the element and its check), all of it (the arrays), why (the
local Jacobian), and where it is written (your line, the rule's line).
"""

from __future__ import annotations

from tinygrad_zh.i18n import language, text
from tinygrad_zh.stepper.panel.element import input_sources, sources
from tinygrad_zh.stepper.panel.grid import title
from tinygrad_zh.stepper.panel.parts import (
    Shown,
    added_up,
    arrays,
    checked,
    formula,
    label,
    local_jacobian,
    saved,
    shapes,
    source_lines,
    why,
    written,
)
from tinygrad_zh.stepper.panel.source import user_lines
from tinygrad_zh.stepper.panel.spans import Span, flow, line, paragraph
from tinygrad_zh.stepper.panel.titles import gradient_of, name_of
from tinygrad_zh.stepper.panel.view import Section, View


def sections(view: View) -> list[Section]:
    """What the panel of a step shows."""
    return [section for section in _PHASES[view.step["phase"]](view) if section.lines]


def _forward(view: View) -> list[Section]:
    assert view.op is not None
    inputs, outputs, found = view.op["inputs"], view.op["outputs"], view.element
    given = [Shown(name_of(view.data, t), view.value(t), None, input_sources(found, slot))
             for slot, t in enumerate(inputs)]
    made = [Shown(name_of(view.data, t), view.value(t), view.picked if k == 0 else None)
            for k, t in enumerate(outputs)]
    signs = [","] * (len(given) - 1) + ["⇒"] * bool(given) + [","] * (len(made) - 1)
    return [formula(view), shapes(view), written(view, name_of(view.data, outputs[0])),
            arrays(view, [*given, *made], signs), saved(view), *source_lines(view, "forward")]


def _seed(view: View) -> list[Section]:
    tensor, given = view.step["tensor"], view.step["given"]
    shown = Shown(gradient_of(view.data, tensor), view.array("gradient"), view.picked)
    return [Section(label("formula"), [] if given else [line(Span("∂L/∂L = 1", "formula"))]),
            why(view, "given" if given else "seed", name=name_of(view.data, tensor)), arrays(view, [shown], [])]


def _backward(view: View) -> list[Section]:
    step, data = view.step, view.data
    assert view.op is not None
    part, gradient, found = view.op["input_names"][step["slot"]], gradient_of(data, step["tensor"]), view.element
    above = [(k, gradient_of(data, t), data["arrays"][position])
             for k, (t, position) in enumerate(zip(view.op["outputs"], step["upstream"], strict=True))
             if position is not None]
    shown = [Shown(f"{label('upstream')} {name}", array, None, sources(found, k)) for k, name, array in above]
    result = label("contribution") if "after" in step else label("raw")
    shown.append(Shown(f"{result} → {gradient}", view.result, view.picked))
    raw = data["arrays"][step["raw"]]
    sizes = [line(title(name, array["shape"]) + "," * (array is not above[-1][2])) for _, name, array in above]
    sizes += [line("→ ", title(gradient, raw["shape"])), line(Span(raw["dtype"], "quiet"))]
    return [
        formula(view, part), Section(label("shapes"), flow(sizes, view.room)),
        written(view, gradient, text("stepper.element.factors")), checked(view),
        arrays(view, shown, [","] * (len(above) - 1) + ["⇒"] * bool(above)), *added_up(view), local_jacobian(view),
        *source_lines(view, part),
    ]


def _conformed(view: View) -> list[Section]:
    """A broadcast undone, or a cast."""
    step, raw, contribution = view.step, view.array("raw"), view.array("contribution")
    assert raw is not None and contribution is not None
    gradient = gradient_of(view.data, step["tensor"])
    form = "shape" if step["phase"] == "sum_to" else "dtype"
    before, after = (tuple(a[form]) if form == "shape" else a[form] for a in (raw, contribution))
    shown = [Shown(label("raw"), raw, None, sources(view.element, 0)),
             Shown(f"{label('contribution')} → {gradient}", contribution, view.picked)]
    return [
        why(view, step["phase"], name=name_of(view.data, step["tensor"]), before=before, after=after),
        written(view, gradient, coefficients=False), arrays(view, shown, ["⇒"]), *added_up(view),
        *source_lines(view, ""),
    ]


def _skip(view: View) -> list[Section]:
    nothing = Shown(gradient_of(view.data, view.step["tensor"]), None)
    reason = "constant" if view.step["why"] == "constant" else "discrete"
    return [why(view, reason, name=name_of(view.data, view.step["tensor"])), arrays(view, [nothing], []),
            *source_lines(view, "")]


def _gradient(view: View) -> list[Section]:
    return [why(view, "gradient", name=name_of(view.data, view.step["tensor"])), *added_up(view)]


def _hook(view: View) -> list[Section]:
    return [why(view, "hook", name=view.step["name"]), _replaced(view, "")]


def _assign(view: View) -> list[Section]:
    name = name_of(view.data, view.step["tensor"])
    return [why(view, "assign", name=name), _replaced(view, name)]


def _replaced(view: View, name: str) -> Section:
    shown = [Shown(f"{label(when)} {name}".rstrip(), view.array(when), view.picked) for when in ("before", "after")]
    return arrays(view, shown, ["⇒"])


def _update(view: View) -> list[Section]:
    """w ← w − η g: the parameter, its gradient, and the parameter after the step."""
    assert view.op is not None
    tensor = view.op["inputs"][0] if view.step["tensor"] is None else view.step["tensor"]
    name = name_of(view.data, tensor)
    headings = {"before": f"{label('before')} {name}", "gradient": f"g = ∂L/∂{name}",
                "after": f"{label('after')} {name}"}
    shown = [Shown(heading, view.array(part), view.picked) for part, heading in headings.items()
             if view.array(part) is not None]
    return [formula(view), written(view, name), arrays(view, shown, [","] * (len(shown) - 2) + ["⇒"]),
            *source_lines(view, "forward")]


def _error(view: View) -> list[Section]:
    step, op = view.step, view.op
    inputs = [] if op is None else [f"{own}: {title(name_of(view.data, t), view.data['tensors'][t]['shape'])}"
                                    for t, own in zip(op["inputs"], op["input_names"], strict=True)]
    message = f"{step['type']}: {step['message']}"
    return [
        formula(view) if op is not None and op["name"] in view.data["formulas"] else Section("", []),
        Section(label("shapes"), paragraph("; ".join(inputs), view.room) if inputs else []),
        Section(label("message"), paragraph(message, view.room, "bad")),
        Section(label("fix"), paragraph(step["hint"][language()], view.room, "strong") if step["hint"] else []),
        Section(label("code"), user_lines(view.data, step["where"], view.room) if view.source else []),
    ]


_PHASES = {"forward": _forward, "seed": _seed, "backward": _backward, "sum_to": _conformed, "cast": _conformed,
           "skip": _skip, "gradient": _gradient, "hook": _hook, "update": _update, "assign": _assign, "error": _error}
