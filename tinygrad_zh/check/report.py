"""The report of a gradient check: plain data that prints itself in the language in force. 检验报告"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_zh.i18n import display_width, pad, text
from tinygrad_zh.plot.gradients import gradient_report

Plain = dict[str, Any]

SHOWN = 5  # rows of a failed input in the printed table
CUT = 60  # characters of an array
LISTED = 10  # failures, and inputs in the table: a model has more than anybody reads


@dataclass(frozen=True)
class Comparison:
    """One claimed derivative beside a measured one. 中文：一次比较。

    element: the index of the input's element that moved, None for a direction. direction: "" or which elements moved
    together: "ones", "signs", or the same of all inputs. verdict: "smooth"; "kink", where the slopes to the left
    and right differ and the claim must lie between; "jump", "edge" and "unbounded", see `verdict`. point: "" for the
    given inputs, or the name of a special point. value: of the element there.
    """

    name: str
    element: tuple[int, ...] | None
    direction: str
    analytic: float
    numeric: float
    error: float
    tolerance: float
    step: float
    verdict: str
    left: float
    right: float
    passed: bool
    point: str = ""
    value: float = math.nan

    @property
    def relative_error(self) -> float:
        """|analytic − numeric| / max(|analytic|, |numeric|)."""
        largest = max(abs(self.analytic), abs(self.numeric))
        return abs(self.analytic - self.numeric) / largest if largest else 0.0

    @property
    def badness(self) -> float:
        """How many tolerances apart the two are; by that the worst row is chosen."""
        gap = abs(self.analytic - self.numeric)
        if not self.passed:
            return math.inf if math.isnan(gap) else 1e9 * (1 + gap)
        return gap / self.tolerance if self.tolerance and math.isfinite(gap) and self.verdict == "smooth" else 0.0

    @property
    def place(self) -> str:
        """What moved: "[0, 2]", or the direction in words."""
        if self.element is None:
            return text(f"check.direction.{self.direction}")
        return str(list(self.element)) if self.element else "–"


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong, and a diagnosis of it. 中文：一项错误及诊断。

    check: what was looked at ("gradient", "together", "shape", "writes", …). diagnosis: its name, the last part of
    a catalogue key; values fill that text. comparison: the worst of the rows that show it, if any do. Of a model,
    name is the parameter and layer where it stands; with op, what is wrong is that op's backward, for its input name.
    point: "" for the given inputs, or the name of the special point where alone it shows, with the inputs there.
    """

    check: str
    name: str
    diagnosis: str
    values: Mapping[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None
    op: str = ""
    layer: str = ""
    point: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """Whose gradient it is: "x", "parameter W in layer 0 (Dense)", "op Tanh in layer 1 (Tanh), input x"."""
        if not (self.op or self.layer):
            return self.name
        where = text("check.subject.layer", layer=self.layer) if self.layer else text("check.subject.outside")
        if not self.op:
            name = self.name.removeprefix(f"{self.layer.partition(' (')[0]}.")
            return text("check.subject.parameter", name=name, where=where)
        subject = text("check.subject.op", op=self.op, where=where)
        return text("check.subject.input", subject=subject, name=self.name) if self.name else subject

    def __str__(self) -> str:
        words = text(f"check.diagnosis.{self.diagnosis}", **self.values)
        if self.point:
            inputs = ", ".join(f"{name} = {_on_a_line(value)}" for name, value in self.inputs.items())
            words = text("check.only_there", words=words, point=_point(self.point), inputs=inputs)
        return f"{self.subject}: {words}" if self.subject else words


@dataclass(frozen=True, repr=False)
class Report:
    """What a gradient check found; true if all is well. 中文：梯度检验报告。

    title: the function. comparisons: every derivative that was measured. failures: what is wrong, diagnosed.
    warnings: what is right and yet odd, as a parameter that the loss does not depend on. points: the special points
    that were tried, too. outside: those where the function has no value.
    """

    title: str
    order: int
    method: str
    seed: int
    comparisons: tuple[Comparison, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[Failure, ...] = ()
    points: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.failures

    @property
    def worst(self) -> Comparison | None:
        """The row that is furthest out, by its own tolerance; None if nothing was measured (empty inputs)."""
        return max(self.comparisons, key=lambda row: row.badness, default=None)

    def table(self) -> list[Plain]:
        """The rows as dictionaries of plain values, for pandas or a CSV file."""
        return [asdict(row) | {"relative_error": row.relative_error} for row in self.comparisons]

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the report, with a .csv of its rows beside it: `plot.gradient_report`. 中文：画出检验报告。

        Where only special points show what is wrong, the first of them is drawn.
        """
        point = next((row.point for row in self.comparisons if not row.passed), "")
        rows = [row for row in self.table() if row["point"] == point]

        def title() -> str:
            return "\n".join([self._verdict(), *_listed([f"✗ {failure}" for failure in self.failures], 3)])

        return gradient_report(rows, path, title=title)

    def to_json(self) -> str:
        """The whole report as JSON; infinities and nan are the strings "inf", "-inf" and "nan"."""
        return json.dumps(_spelled(asdict(self)), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, source: str) -> Report:
        """The report that `to_json` wrote."""
        data = json.loads(source)
        rows = tuple(_comparison(row) for row in data["comparisons"])
        return cls(**(data | {"comparisons": rows, "failures": _failures(data["failures"]),
                              "warnings": _failures(data["warnings"]), "points": tuple(data["points"]),
                              "outside": tuple(data["outside"])}))

    def __str__(self) -> str:
        here = [row for row in self.comparisons if not row.point]
        elements = sum(row.element is not None for row in here)
        lines = [self._verdict(),
                 text("check.extent", elements=elements, directions=len(here) - elements,
                      method=self.method, order=self.order)]
        if self.points or self.outside:
            elsewhere = text("check.elsewhere", points=len(self.points), comparisons=len(self.comparisons) - len(here))
            lines.append(elsewhere + (text("check.outside", outside=len(self.outside)) if self.outside else ""))
        lines += _listed([f"  ✗ {failure}" for failure in self.failures])
        lines += _listed([f"  ! {warning}" for warning in self.warnings])
        inputs = self._by_input()
        if not inputs:
            return "\n".join(lines)
        failed = sum(not each[0].passed for each in inputs)
        shown = max(1, min(SHOWN, LISTED // max(1, failed)))
        rows = [row for each in inputs[:LISTED] for row in ([r for r in each if not r.passed][:shown] or each[:1])]
        more = [_more(len(inputs) - LISTED)] if len(inputs) > LISTED else []
        return "\n".join([*lines, "", *_columns(rows), *more])

    def __repr__(self) -> str:
        """One line: what pytest shows of `assert gradcheck(…)`."""
        return f"<{'; '.join([self._verdict(), *map(str, self.failures)])}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows."""
        printer.text(str(self))

    def _verdict(self) -> str:
        verdict = text("check.passed") if self else text("check.failed", number=len(self.failures))
        return text("check.heading", title=self.title, verdict=verdict)

    def _by_input(self) -> list[list[Comparison]]:
        """The rows of each input, the worst first, and the worst input first."""
        groups: dict[str, list[Comparison]] = {}
        shown = [row for row in self.comparisons if not (row.point and row.passed)]
        for row in sorted(shown, key=lambda row: -row.badness):
            groups.setdefault(row.name, []).append(row)
        return list(groups.values())


def _listed(lines: list[str], most: int = LISTED) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], _more(len(lines) - most)]


def _on_a_line(array: str) -> str:
    words = " ".join(array.split())
    return words if len(words) <= CUT else words[:CUT] + "…"


def _point(point: str) -> str:
    """The words for "zeros" or "zeros(x)"."""
    name, _, of = point.rstrip(")").partition("(")
    words = text(f"check.point.{name}")
    return text("check.point.alone", point=words, name=of) if of else words


def _more(number: int) -> str:
    return "  " + text("check.more", number=number)


def _columns(rows: list[Comparison]) -> list[str]:
    """The rows as a table with aligned columns."""
    heads = ("input", "element", "analytic", "numeric", "error", "relative", "step", "verdict")
    table = [[text(f"check.column.{head}") for head in heads]]
    for row in rows:
        numeric = f"{row.numeric:.9g}" if row.verdict != "kink" else f"{row.left:.6g} … {row.right:.6g}"
        at = "" if row.passed or row.element is None else f" = {row.value:.4g}"
        table.append([row.name or "–", row.place + at, f"{row.analytic:.9g}", numeric, f"{row.error:.1e}",
                      f"{row.relative_error:.1e}", f"{row.step:.1e}",
                      text(f"check.verdict.{row.verdict}") + ("" if row.passed else " ✗")])
    widths = [max(display_width(line[i]) for line in table) for i in range(len(heads))]
    return ["  " + "  ".join(pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in table]


def _spelled(value: Any) -> Any:
    """JSON has no infinities and no nan."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    return [_spelled(item) for item in value] if isinstance(value, (list, tuple)) else value


_NUMBERS = ("analytic", "numeric", "error", "tolerance", "step", "left", "right", "value")


def _failures(data: list[Plain]) -> tuple[Failure, ...]:
    return tuple(Failure(**(failure | {"comparison": _comparison(failure["comparison"])})) for failure in data)


def _comparison(data: Plain | None) -> Comparison | None:
    if data is None:
        return None
    element = None if data["element"] is None else tuple(data["element"])
    return Comparison(**(data | {name: float(data[name]) for name in _NUMBERS} | {"element": element}))
