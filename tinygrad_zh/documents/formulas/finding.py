"""What a live check finds. 实测结论"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinygrad_zh.check import Report
from tinygrad_zh.i18n import text


@dataclass(frozen=True)
class Finding:
    """One thing that a live check looked at. 中文：一项实测结论。

    holds: whether it is as the words say. name: the last part of the words' key in the catalogue; values fill them.
    report: of the gradient check, where it was one.
    """

    holds: bool
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        return text(f"formulas.finding.{self.name}", **self.values)
