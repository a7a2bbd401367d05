"""One formula of the documents: what is printed, what is right, the line of our code that is it, and a live check."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents.formulas.finding import Finding
from tinygrad_zh.i18n import language

Verdict = Literal["exact", "erratum", "named"]

PACKAGE = Path(__file__).parents[2]


class Place(NamedTuple):
    """A line of this package: the file, counted from the folder that holds the package, its number and its code."""

    file: str
    number: int
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True)
class Line:
    """A line of code, by the function that holds it and by its text; where it stands is looked up. 中文：代码行。"""

    function: Callable[..., Any]
    code: str

    @cached_property
    def place(self) -> Place:
        """The file and the number. Raises ValueError where the function does not hold the line, or holds it twice."""
        source, first = inspect.getsourcelines(self.function)
        found = [first + i for i, line in enumerate(source) if line.strip() == self.code]
        if len(found) != 1:
            raise ValueError(f"{self.function.__qualname__} holds the line {self.code!r} {len(found)} times, not once; "
                             "the row of the formula names the line as it was")
        file = Path(inspect.getsourcefile(self.function) or "").resolve().relative_to(PACKAGE.parent)
        return Place(file.as_posix(), found[0], self.code)


@dataclass(frozen=True)
class Formula:
    """A row of the table F01–F28. 中文：文档中的一条公式。

    places: document and section, "000 §4.1". verdict: "exact"; "erratum", the document is wrong or incomplete;
    "named", the document only names it, and the formula is its paper's. formula, latex: as the document writes it (of
    a named one: as the paper does); corrected, corrected_latex: as it should be, "" unless it is an erratum. en, zh:
    what is to be known about it, of an erratum what is wrong. lines: the lines of our code that are this formula, the
    first one before all others.

    ours: what our code computes. literal: the same as the document writes it, a plain NumPy function or an op with
    the gradient that the document claims. check(ours, literal) compares them, live.
    """

    id: str
    places: tuple[str, ...]
    verdict: Verdict
    formula: str
    latex: str
    en: str
    zh: str
    lines: tuple[Line, ...]
    ours: Any
    literal: Any
    check: Callable[[Any, Any], Iterable[Finding]]
    corrected: str = ""
    corrected_latex: str = ""

    @property
    def words(self) -> str:
        """What is to be known about it, in the language in force."""
        return self.zh if language() == "zh" else self.en

    def findings(self) -> tuple[Finding, ...]:
        """What the live check finds, now."""
        return self.findings_of(self.ours, self.literal)

    def findings_of(self, ours: Any, literal: Any) -> tuple[Finding, ...]:
        """The same of other functions. Drawn from seed 0, and without a trace in the caller's generator."""

        def run() -> tuple[Finding, ...]:
            manual_seed(0)
            return tuple(self.check(ours, literal))

        return copy_context().run(run)
