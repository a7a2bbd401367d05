"""What is said about an answer: as text, and in a notebook as a table. 批改结果"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from tinygrad_zh.check import Comparison, Failure, Report
from tinygrad_zh.exercises.exercise import EXERCISES, Exercise
from tinygrad_zh.i18n import display_width, pad, text

UNWRITTEN = "exercise.answer.unwritten"
"""The key of a result that is none yet."""


@dataclass(frozen=True, repr=False)
class Result:
    """Whether an answer is right, and if not, how it is wrong; true if it is right. 中文：批改结果。

    report: what the gradient check says, if the answer could be compared. key, values: else, why not: a text of the
    catalogue, and what fills it. mistake: which of the exercise's known mistakes it is, counted from 1.
    """

    exercise: Exercise
    report: Report | None
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    mistake: int = 0

    def __bool__(self) -> bool:
        return self.report is not None and bool(self.report)

    @property
    def mark(self) -> str:
        """○ not written yet, ✗ wrong, ● right."""
        return "○" if self.key == UNWRITTEN else "●" if self else "✗"

    @property
    def sentences(self) -> list[str]:
        """What is to be said: praise, the laboratory's diagnosis of each gradient, or why there is none."""
        if self.report is None:
            return [text(self.key, **self.values)]
        if not self.report:
            known = [text(f"exercise.{self.exercise.name}.mistake{self.mistake}")] if self.mistake else []
            return [*map(_said, self._failures()), *known]
        praise = text("exercise.right", number=len(self.report.comparisons), points=len(self.report.points))
        return [f"{praise} {self._next()}"]

    def _failures(self) -> list[Failure]:
        """The diagnoses; only the one that counts of a gradient that does not depend on dy, and none without a pattern
        where the mistake is known."""
        failures = list(self.report.failures if self.report is not None else ())
        ignoring = [failure for failure in failures if failure.diagnosis == "zero_upstream"]
        return ignoring or [failure for failure in failures if not (self.mistake and failure.diagnosis == "elements")]

    def _next(self) -> str:
        names = list(EXERCISES)
        rest = names[names.index(self.exercise.name) + 1 :]
        return text("exercise.next", name=rest[0]) if rest else text("exercise.last")

    @property
    def wrong(self) -> Comparison | None:
        """The first element that is wrong, in the order of the inputs and of their elements."""
        return next((row for row in self._rows() if not row.passed), None)

    def _rows(self) -> list[Comparison]:
        """The elements of the first gradient that is wrong somewhere, in their order."""
        rows = [row for row in (self.report.comparisons if self.report is not None else ()) if row.element is not None]
        failed = next((row for row in rows if not row.passed), None)
        if failed is None:
            return []
        same = [row for row in rows if (row.name, row.point) == (failed.name, failed.point)]
        return sorted({row.element: row for row in same}.values(), key=lambda row: row.element or ())

    def __str__(self) -> str:
        first, *others = self.sentences
        lines = [f"{self.mark} {self.exercise.name}  {first}", *(f"  {sentence}" for sentence in others)]
        if self.wrong:
            lines += ["", f"  {self._first(self.wrong)}", "", *(f"  {line}" for line in self._table())]
        return "\n".join(lines)

    __repr__ = __str__

    def _first(self, row: Comparison) -> str:
        return text("exercise.first", name=row.name, element=row.place, claimed=f"{row.analytic:.6g}",
                    measured=f"{row.numeric:.6g}")

    def _table(self) -> list[str]:
        """Claimed and measured elements beside each other, ✗ after a wrong one."""
        cells = [self._head(), *self._cells()]
        widths = [max(display_width(line[i]) for line in cells) for i in range(3)]
        return ["  ".join(map(pad, line, widths, "<>>")).rstrip() + mark
                for line, mark in zip(cells, ["", *self._marks()], strict=True)]

    def _head(self) -> Sequence[str]:
        return f"∂L/∂{self._rows()[0].name}", text("exercise.yours"), text("exercise.measured")

    def _cells(self) -> list[Sequence[str]]:
        return [(row.place, f"{row.analytic:.6g}", f"{row.numeric:.6g}") for row in self._rows()]

    def _marks(self) -> list[str]:
        return ["" if row.passed else "  ✗" for row in self._rows()]

    def _repr_html_(self) -> str:
        """The same in a notebook."""
        first, *others = self.sentences
        name = escape(self.exercise.name)
        lines = [f"<p><b>{self.mark} {name}</b> {escape(first)}</p>", *(f"<p>{escape(each)}</p>" for each in others)]
        if self.wrong:
            rows = [*zip(self._cells(), self._marks(), strict=True)]
            head = "".join(f"<th>{escape(cell)}</th>" for cell in self._head())
            body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}<td>{mark}</td></tr>"
                           for cells, mark in rows)
            lines += [f"<p>{escape(self._first(self.wrong))}</p>",
                      f"<table><thead><tr>{head}<th></th></tr></thead><tbody>{body}</tbody></table>"]
        return "\n".join(lines)


def _said(failure: Failure) -> str:
    if failure.diagnosis == "zero_upstream":
        return text("exercise.ignores", name=failure.name, **failure.values)
    words = str(replace(failure, name=""))
    return text("exercise.named", name=failure.name, words=words) if failure.name else words
