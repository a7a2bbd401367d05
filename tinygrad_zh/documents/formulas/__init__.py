"""The documents' formulas F01–F28: each with its verdict, its line in our code and a live check. 文档公式"""

from __future__ import annotations

from tinygrad_zh.documents.formulas import activation, backpropagation, loss, named, network, training
from tinygrad_zh.documents.formulas.finding import Finding
from tinygrad_zh.documents.formulas.row import Formula, Line, Place

THEMES = (network, loss, activation, backpropagation, training, named)

FORMULAS: tuple[Formula, ...] = tuple(sorted((row for theme in THEMES for row in theme.ROWS), key=lambda row: row.id))
"""All of them, F01 to F28."""

__all__ = ["FORMULAS", "Finding", "Formula", "Line", "Place"]
