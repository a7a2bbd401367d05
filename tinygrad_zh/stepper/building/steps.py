"""The lines of a tape as steps: a forward step an op, a backward step a contribution."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tinygrad_zh._version import __version__
from tinygrad_zh.core.tape import Line, Tape, recorded_source
from tinygrad_zh.ops import update as update_rules
from tinygrad_zh.program.naming import name_of_op, result_names
from tinygrad_zh.stepper.building import explaining, hints
from tinygrad_zh.stepper.building.arrays import Arrays, largest, plain
from tinygrad_zh.stepper.building.describing import described, input_names, keyword, output_names, saved
from tinygrad_zh.stepper.building.failing import Failure, failure
from tinygrad_zh.stepper.building.modules import Modules
from tinygrad_zh.stepper.building.rule import upstream_of
from tinygrad_zh.stepper.building.sources import Sources
from tinygrad_zh.stepper.building.tensors import Tensors

Step = dict[str, Any]


def build(tape: Tape, values: str = "auto") -> dict[str, Any]:
    """The document of a tape, as stepper/schema.json describes it."""
    return Builder(tape, values).document()


class Builder:
    """One pass over the lines; each kind has its method."""

    def __init__(self, tape: Tape, values: str) -> None:
        self.tape, self.values = tape, values
        self.arrays, self.modules, self.sources = Arrays(values), Modules(), Sources()
        self.tensors = Tensors(tape, self.arrays, self.modules)
        self.ops: list[dict[str, Any]] = []
        self.steps: list[Step] = []
        self.formulas: dict[str, Any] = {}
        self._op_of: dict[int, int] = {}  # the id of a forward line -> its op
        self._open: dict[tuple[int, int], Step] = {}  # (forward line, slot) -> its backward step, not yet added up
        self._skipped: set[int] = set()
        self._updates: set[int | None] = set()
        self._assigned = {id(line.outputs[0]): (line.info["tensor"], line.arguments[0]) for line in tape.of("assign")}
        self._result_names = result_names(tape.of("forward"))

    def document(self) -> dict[str, Any]:
        readers = {"forward": self._forward, "seed": self._seed, "backward": self._backward, "sum_to": self._conformed,
                   "cast": self._conformed, "accumulate": self._accumulated, "gradient": self._gradient,
                   "hook": self._hook, "assign": self._assign, "error": self._error,
                   "enter": lambda line: self.modules.enter(line.info["module"], line.info["depth"]),
                   "leave": lambda line: self.modules.leave(), "read": lambda line: None}
        for line in self.tape:
            readers[line.kind](line)
        self.modules.close()
        for step in self.steps:
            for name in ("element", "check", "jacobian"):
                if step.get(name):
                    step[name] = plain(step[name], self.arrays.full)
        device = next((entry.info["tensor"].device for entry in self.tape.of("seed")), "cpu")
        return {
            "schema": "tinygrad_zh.trace/1",
            "meta": {"title": self.tape.title, "created": datetime.now(UTC).isoformat(timespec="seconds"),
                     "values": self.values, "device": device, "command": None,
                     "versions": {"tinygrad_zh": __version__, "numpy": np.__version__,
                                  "python": platform.python_version()}},
            "formulas": self.formulas, "sources": self.sources.files, "modules": self.modules.calls,
            "arrays": self.arrays.packed, "tensors": self.tensors.entries, "ops": self.ops, "steps": self.steps,
        }  # fmt: skip

    # ---- forward and update

    def _forward(self, line: Line) -> None:
        op = len(self.ops)
        cls, info = line.info["op"], line.info
        inputs = [self.tensors.input(source, array, name, info["sources"]) for source, array, name
                  in zip(info["sources"], line.arguments, input_names(cls, len(line.arguments)), strict=True)]
        shapes = tuple(self.tensors.entries[t]["shape"].__repr__() for t in inputs)
        module = self.modules.current(len(info["modules"]), cls.__name__, shapes)
        count = len(line.outputs) if cls.many else len(cls.outputs)
        names: tuple[str, ...] = self._result_names.get(id(line), ())
        names = names if len(names) == count else (name_of_op(cls.__name__),) * count
        learns = cls.backwards and info["grad"] and any(self.tensors.entries[t]["gradient"] for t in inputs)
        outputs = [self.tensors.result(line, k, names[k], op, bool(learns) and (cls.many or cls.upstream[k]),
                                       id(line.outputs[k]) in self._assigned) for k in range(count)]
        self._op_of[id(line)] = op
        self._add_op(cls, inputs, outputs, line.keywords, module, info["where"], info["seconds"], bool(learns))
        pick = largest(line.outputs[0])
        element = explaining.forward_element(line, pick)
        if cls.__module__ == update_rules.__name__ or id(line.outputs[0]) in self._assigned:
            self._update(line, op, element)
        else:
            self.steps.append({"phase": "forward", "op": op, "element": element})

    def _add_op(self, cls: Any, inputs: list[int], outputs: list[int], attributes: dict[str, Any], module: int | None,
                where: Any, seconds: float | None, learns: bool) -> None:
        op = len(self.ops)
        for slot, t in enumerate(inputs):
            if learns or not self.tensors.entries[t]["gradient"]:
                self.tensors.entries[t]["uses"].append([op, slot])
        self.ops.append({
            "name": cls.__name__, "inputs": inputs, "outputs": outputs, "input_names": input_names(cls, len(inputs)),
            "output_names": output_names(cls, len(outputs)),
            "attributes": {name: keyword(value) for name, value in attributes.items()}, "module": module,
            "where": self.sources.line(where), "code": self._code(cls, len(inputs)), "saved": saved(cls),
            "seconds": None if seconds is None else float(f"{seconds:.3g}"),
        })  # fmt: skip
        if cls.__name__ not in self.formulas:
            self.formulas[cls.__name__] = described(cls)

    def _code(self, cls: Any, count: int) -> dict[str, Any]:
        """Where each formula is written: forward, and the partial of each input by its name."""
        spans = {"forward": self.sources.function(cls.forward)}
        for key in cls.backwards:
            one = key.removeprefix("backward_")
            for name in input_names(cls, count) if key == "backward" else [one]:
                spans[name] = self.sources.function(getattr(cls, key))
        return {name: span for name, span in spans.items() if span is not None}

    def _update(self, line: Line, op: int, element: Any) -> None:
        self._updates.add(op)
        given = dict(zip(line.info["op"].inputs, line.arguments, strict=False))
        after, tensor = line.outputs[0], self._assigned.get(id(line.outputs[0]))
        before = given.get("w0", given.get("g0")) if tensor is None else tensor[1]
        gradient = given.get("g")
        pick = tuple(element["index"]) if element else ()
        self.steps.append({
            "phase": "update", "op": op,
            "tensor": None if tensor is None else self.tensors.input(tensor[0].source, before),
            "before": self.arrays.add(before, pick), "after": self.arrays.add(after, pick),
            "gradient": None if gradient is None else self.arrays.add(gradient, pick), "element": element,
        })  # fmt: skip

    def _assign(self, line: Line) -> None:
        (old, new), leaf = line.arguments, line.info["tensor"]
        in_model = leaf.source is not None or id(leaf) in self.modules.tensors
        if not in_model and self.tensors.of_array(old) is None:  # an optimizer's rate, before its first use
            return
        by = self.tensors.of_array(new)
        rule = None if by is None else self.tensors.entries[by]["producer"]
        tensor = self.tensors.assigned(leaf, old, new)
        if in_model and rule not in self._updates:
            pick = largest(new)
            self.steps.append({"phase": "assign", "tensor": tensor, "before": self.arrays.add(old, pick),
                               "after": self.arrays.add(new, pick)})

    # ---- backward

    def _seed(self, line: Line) -> None:
        array = line.outputs[0]
        self.steps.append({"phase": "seed", "tensor": self.tensors.of_root(line.info["tensor"]),
                           "gradient": self.arrays.add(array, largest(array)),
                           "given": line.function is not np.ones_like})

    def _backward(self, line: Line) -> None:
        forward = line.info["forward"]
        if id(forward) not in self._op_of:
            raise ValueError("backward ran through an op whose forward was not recorded; put the forward pass inside "
                             "the `with tz.record()` block too")
        op = self._op_of[id(forward)]
        self._skip(forward, op)
        upstream = upstream_of(line)
        for slot, raw in zip(line.info["slots"], line.outputs, strict=True):
            source = forward.info["sources"][slot]
            if source is None:
                continue
            step = self._contribution(line, op, slot, source, upstream, raw)
            self.steps.append(step)
            self._open[id(forward), slot] = step
            self.tensors.gradient_is(step["tensor"], raw)

    def _contribution(self, line: Line, op: int, slot: int, source: Any, upstream: list[Any], raw: Any) -> Step:
        pick = largest(raw)
        element = explaining.explain_backward(line, slot, pick)
        at = _first_term(element, len(upstream))
        value = float(raw[pick]) if raw.size else 0.0
        packed = self.arrays.add(raw, pick)
        return {
            "phase": "backward", "op": op, "slot": slot, "tensor": self.tensors.gradient_goes_to(source),
            "upstream": [None if u is None else self.arrays.add(u, at[k]) for k, u in enumerate(upstream)],
            "raw": packed, "element": element,
            "check": explaining.numeric_check(line, slot, pick, value) if raw.size else None,
            "jacobian": explaining.jacobian(line, slot),
            "contribution": packed, "before": None, "after": packed,
        }  # fmt: skip

    def _conformed(self, line: Line) -> None:
        """A broadcast undone, or a cast: the step before has not added up yet, this one does."""
        key = id(line.info["forward"]), line.info["slot"]
        before = self._open[key]
        for name in ("before", "after", *(["contribution"] if before["phase"] == "backward" else [])):
            del before[name]
        raw, contribution = line.arguments[0], line.outputs[0]
        pick = largest(contribution)
        packed = self.arrays.add(contribution, pick)
        element = explaining.sum_element(raw, contribution, pick)
        at = _first_term(element, 1)[0]
        step = {"phase": line.kind, "op": before["op"], "slot": before["slot"], "tensor": before["tensor"],
                "raw": self.arrays.add(raw, at), "contribution": packed, "before": None, "after": packed,
                "element": element, "code": self.sources.function(line.function)}
        self._insert_after(before, step)
        self._open[key] = step
        self.tensors.gradient_is(step["tensor"], contribution)

    def _insert_after(self, before: Step, step: Step) -> None:
        """A joint backward has left steps of other inputs behind this one's."""
        place = next(k for k in reversed(range(len(self.steps))) if self.steps[k] is before)
        self.steps.insert(place + 1, step)

    def _accumulated(self, line: Line) -> None:
        step = self._open[id(line.info["forward"]), line.info["slot"]]
        pick = largest(line.arguments[1])
        step["before"] = self.arrays.add(line.arguments[0], pick)
        step["after"] = self.arrays.add(line.outputs[0], pick)
        self.tensors.gradient_is(step["tensor"], line.outputs[0])

    def _skip(self, forward: Line, op: int) -> None:
        """Inputs with values of their own that need no gradient: data, and what was detached."""
        if op in self._skipped:
            return
        self._skipped.add(op)
        for slot, (source, array) in enumerate(zip(forward.info["sources"], forward.arguments, strict=True)):
            if source is None and hasattr(array, "dtype") and array.ndim:
                why = "constant" if array.dtype.kind == "f" else "no gradient"
                self.steps.append({"phase": "skip", "op": op, "slot": slot, "tensor": self.ops[op]["inputs"][slot],
                                   "why": why})

    def _gradient(self, line: Line) -> None:
        source, after = line.info["source"], line.outputs[0]
        if len(line.arguments) == 2:
            pick = largest(after)
            before, contribution = (self.arrays.add(a, pick) for a in line.arguments)
            self.steps.append({"phase": "gradient", "tensor": self.tensors.gradient_goes_to(source), "before": before,
                               "contribution": contribution, "after": self.arrays.add(after, pick)})
        self.tensors.gradient_is(self.tensors.gradient_goes_to(source), after)

    def _hook(self, line: Line) -> None:
        before, after = line.arguments[0], line.outputs[0]
        pick = largest(after)
        self.steps.append({"phase": "hook", "before": self.arrays.add(before, pick),
                           "after": self.arrays.add(after, pick),
                           "name": getattr(line.function, "__qualname__", type(line.function).__name__)})

    # ---- what went wrong

    def _error(self, line: Line) -> None:
        cls, error, where = line.info["op"], line.info["error"], line.info["where"]
        arrays, op, name = line.arguments, None, "" if cls is None else cls.__name__
        module = self.modules.current(self.modules.depth, name, ())
        if cls is None:
            found = failure(error)
            where, name = found.where, found.name
            arrays = [getattr(given.value, "array", given.value) for given in found.given]
            op = self._refused(found, module) if found.code is not None else None
        elif line.function is cls.forward:
            op = len(self.ops)
            inputs = [self.tensors.input(None, array, name) for array, name in zip(arrays, cls.inputs, strict=False)]
            self._add_op(cls, inputs, [], line.keywords, module, where, None, True)
        self.steps.append({
            "phase": "error", "op": op, "name": name, "message": str(error), "type": type(error).__name__,
            "hint": hints.hint(error, arrays, cls, line.keywords), "where": self.sources.line(where),
        })  # fmt: skip

    def _refused(self, found: Failure, module: int | None) -> int:
        """A function of the engine that refused its arguments, as an op without a result."""
        op = len(self.ops)
        given = [g for g in found.given if hasattr(g.value, "dtype")]
        inputs = [self.tensors.input(recorded_source(g.value), getattr(g.value, "array", g.value), g.users or g.name)
                  for g in given]
        for slot, t in enumerate(inputs):
            self.tensors.entries[t]["uses"].append([op, slot])
        code = self.sources.function(found.code)
        self.ops.append({
            "name": found.name, "inputs": inputs, "outputs": [], "input_names": [g.name for g in given],
            "output_names": [], "module": module, "where": self.sources.line(found.where), "saved": [],
            "attributes": {g.name: keyword(g.value) for g in found.given if not hasattr(g.value, "dtype")},
            "code": {} if code is None else {"forward": code}, "seconds": None,
        })  # fmt: skip
        return op


def _first_term(element: Any, count: int) -> list[tuple[int, ...]]:
    """For each output the index of the first term of an element, so that its window shows it."""
    found: list[tuple[int, ...]] = [()] * count
    for term in reversed(element["terms"] if element else []):
        found[term["output"]] = tuple(term["index"])
    return found
