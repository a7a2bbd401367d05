"""What each step's arrays are, read off the tape's own arrays: nothing here was rounded or written as JSON."""

from __future__ import annotations

import inspect
from collections import defaultdict, deque
from typing import Any

Arrays = dict[str, Any]


def arrays(trace: Any) -> list[Arrays]:
    """For each step of the trace's document, its arrays by the names that the document has for them.

    The document says only in which order things are shown; a step's line is the next one on the tape of its kind.
    """
    lines = _Lines(trace)
    return [lines.of(step) for step in trace.document().data["steps"]]


class _Lines:
    def __init__(self, trace: Any) -> None:
        self.lines = list(trace)
        self.calls = [line for line in trace if line.kind == "forward"]
        self.left: dict[Any, deque[int]] = defaultdict(deque)
        updates = [call for call in self.calls if call.info["op"].__module__.endswith(".update")]
        computed = {id(y) for call in updates for y in call.outputs}
        for at, line in enumerate(trace):
            if line.kind == "assign" and id(line.outputs[0]) in computed:
                continue  # the update that computed it is the step
            for key in _keys(line):
                self.left[key].append(at)

    def of(self, step: dict[str, Any]) -> Arrays:
        reader = getattr(self, f"_{step['phase']}", None)
        return reader(step) if reader else {}

    def _forward(self, step: dict[str, Any]) -> Arrays:
        line = self.calls[step["op"]]
        return {"inputs": list(line.arguments), "outputs": list(line.outputs)}

    def _update(self, step: dict[str, Any]) -> Arrays:
        line = self.calls[step["op"]]
        given = dict(zip(line.info["op"].inputs, line.arguments, strict=False))
        gradient = {"gradient": given["g"]} if "g" in given else {}
        return gradient | {"before": line.arguments[0], "after": line.outputs[0]}

    def _seed(self, step: dict[str, Any]) -> Arrays:
        return {"gradient": self._next("seed").outputs[0]}

    def _backward(self, step: dict[str, Any]) -> Arrays:
        call, slot = self.calls[step["op"]], step["slot"]
        at = self.left["backward", id(call), slot].popleft()
        line = self.lines[at]
        bound = dict(zip(_parameters(line.function), line.arguments, strict=False))
        upstream = [bound.get(f"d{name}") for name in call.info["op"].outputs]
        raw = line.outputs[line.info["slots"].index(slot)]
        return {"upstream": upstream, "raw": raw} | self._added(at, raw, step, "sum_to", "cast", "accumulate")

    def _sum_to(self, step: dict[str, Any]) -> Arrays:
        return self._conformed("sum_to", step, "cast", "accumulate")

    def _cast(self, step: dict[str, Any]) -> Arrays:
        return self._conformed("cast", step, "accumulate")

    def _conformed(self, kind: str, step: dict[str, Any], *later: str) -> Arrays:
        at = self.left[kind, id(self.calls[step["op"]]), step["slot"]].popleft()
        line = self.lines[at]
        return {"raw": line.arguments[0]} | self._added(at, line.outputs[0], step, *later)

    def _added(self, at: int, contribution: Any, step: dict[str, Any], *later: str) -> Arrays:
        """before + contribution = after, unless something is still to be done to the contribution."""
        call, slot = self.calls[step["op"]], step["slot"]
        for line in self.lines[at + 1:]:
            if line.kind not in ("sum_to", "cast", "accumulate"):
                break
            if line.kind in later and line.info["forward"] is call and line.info["slot"] == slot:
                if line.kind != "accumulate":
                    return {}
                return {"contribution": contribution, "before": line.arguments[0], "after": line.outputs[0]}
        return {"contribution": contribution, "before": None, "after": contribution}

    def _gradient(self, step: dict[str, Any]) -> Arrays:
        line = self._next("gradient")
        return {"before": line.arguments[0], "contribution": line.arguments[1], "after": line.outputs[0]}

    def _hook(self, step: dict[str, Any]) -> Arrays:
        return self._replaced("hook")

    def _assign(self, step: dict[str, Any]) -> Arrays:
        return self._replaced("assign")

    def _replaced(self, kind: str) -> Arrays:
        line = self._next(kind)
        return {"before": line.arguments[0], "after": line.outputs[0]}

    def _next(self, kind: str) -> Any:
        return self.lines[self.left[kind].popleft()]


def _keys(line: Any) -> list[Any]:
    """Under what a line is asked for: a formula's by the call and the input, the others by their kind."""
    if line.kind == "backward":
        return [("backward", id(line.info["forward"]), slot) for slot in line.info["slots"]]
    if line.kind in ("sum_to", "cast"):
        return [(line.kind, id(line.info["forward"]), line.info["slot"])]
    if line.kind == "gradient" and len(line.arguments) == 1:
        return []  # a leaf's first gradient is no step: nothing was there before
    return [line.kind]


def _parameters(function: Any) -> list[str]:
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind != p.KEYWORD_ONLY]
