"""One exercise "which gradient is wrong?": one training step of a small network, one backward planted wrong. 找错"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tinygrad_zh.check import gradcheck
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.exercises.spoiling import Functions, spoiled
from tinygrad_zh.i18n import LANGUAGES, in_language, text
from tinygrad_zh.stepper import Document, Trace, record

WRONG = 1e-3
"""A relative error of the numeric check from which a step is wrong; right ones stay below 1e-6."""


@dataclass(frozen=True, repr=False)
class WrongGradient:
    """A network whose function `name`, at its use number `use`, has a wrong backward. 中文：哪个梯度错了。"""

    number: int
    network: Callable[[Any], Tensor]
    name: str
    op: Any
    wrong: dict[str, Callable[..., Any]]
    use: int = 1

    @property
    def title(self) -> str:
        """The network, in the language in force."""
        return text(f"exercise.wrong{self.number}.title")

    @property
    def why(self) -> str:
        """What the wrong line is, and how one sees it, in the language in force."""
        return text(f"exercise.wrong{self.number}.why")

    @cached_property
    def planted(self) -> Any:
        """The op with the wrong backward."""
        return spoiled(self.op, self.wrong)

    @cached_property
    def trace(self) -> Trace:
        """The training step as it ran."""
        with record(title=f"wrong {self.number}") as trace:
            self.network(Functions(self.name, self.planted, self.use)).backward()
        return trace

    @property
    def solved(self) -> Document:
        """The trace with its numeric checks, which tell the answer."""
        return self.trace.document()

    @cached_property
    def document(self) -> Document:
        """The trace as it is set: without numeric checks and without the rules' code. 中文：题目。"""
        data = deepcopy(self.solved.data)
        for step in data["steps"]:
            if "check" in step:
                step["check"] = None
        for op in data["ops"]:
            op["code"] = {}
        program = {op["where"][0] for op in data["ops"]}
        data["sources"] = {file: lines for file, lines in data["sources"].items() if file in program}
        data["meta"]["command"] = f"tinygrad-zh exercise wrong {self.number}"
        data["meta"]["exercise"] = {"kind": "wrong-gradient", "answer": self._sealed()}
        return Document(data)

    @cached_property
    def answer(self) -> int:
        """The wrong step: the one whose numeric check fails."""
        checks = self._checks()
        return next(k for k, check in checks.items() if check.get("error", 0) > WRONG)

    def _checks(self) -> dict[int, dict[str, Any]]:
        return {k: step["check"] for k, step in enumerate(self.solved.steps) if step.get("check")}

    @property
    def diagnosis(self) -> str:
        """What the gradient check says of the wrong backward alone, in the language in force."""
        line = next(line for line in self.trace if line.kind == "forward" and line.info["op"] is self.planted)
        report = gradcheck(self.planted, *line.arguments)
        return str(replace(report.failures[0], name=""))

    @property
    def explanation(self) -> str:
        """The diagnosis and what is behind it, in the language in force."""
        return text("exercise.wrong.explanation", diagnosis=self.diagnosis, why=self.why)

    def verdict(self, step: int) -> Verdict:
        """What is to be said of the claim that this step is the wrong one. 中文：判定。"""
        return Verdict(self, self.solved.position(step))

    def __repr__(self) -> str:
        return f"{self.number}  {self.title}\n\n{text('stepper.exercise.question')}"

    def _repr_html_(self) -> str:
        """The page, in which the question is answered, inside a notebook."""
        return self.document._repr_html_()

    def _sealed(self) -> str:
        """The answer for the page: not to be read at a glance, and no secret."""
        words = {}
        for code in LANGUAGES:
            with in_language(code):
                words[code] = self.explanation
        answer = {"step": self.answer, "checks": self._checks(), "words": words}
        return base64.b64encode(json.dumps(answer, ensure_ascii=False).encode()).decode()


@dataclass(frozen=True, repr=False)
class Verdict:
    """What is said of a step that was named; true if it is the wrong one. 中文：判定。"""

    exercise: WrongGradient
    step: int

    def __bool__(self) -> bool:
        return self.step == self.exercise.answer

    def __str__(self) -> str:
        step = self.exercise.solved.steps[self.step]
        if step["phase"] != "backward":
            return text("exercise.wrong.no_backward", step=self.step)
        found = text("exercise.wrong.found", step=self.step, name=self._name(step))
        innocent = text("exercise.wrong.innocent", step=self.step, name=self._name(step))
        lines = [found if self else innocent, *self._numbers(step)]
        return "\n".join([*lines, self.exercise.explanation] if self else lines)

    __repr__ = __str__

    def _name(self, step: dict[str, Any]) -> str:
        data = self.exercise.solved.data
        return f"{data['ops'][step['op']]['name']} → ∂L/∂{data['tensors'][step['tensor']]['name']}"

    def _numbers(self, step: dict[str, Any]) -> list[str]:
        element, check = step.get("element"), step.get("check")
        if not (element and check and "numeric" in check):
            return []
        return [text("exercise.wrong.check", element=str(element["index"]), claimed=element["value"],
                     measured=check["numeric"], error=f"{check['error']:.1e}")]
