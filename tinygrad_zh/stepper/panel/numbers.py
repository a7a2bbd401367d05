"""How one number is written."""

from __future__ import annotations

from tinygrad_zh.stepper.panel.spans import Span

Number = float | int | str | bool

NOTHING = Span("–", "quiet")
"""What was not computed yet; a 0 would be a claim."""


def number(value: Number | None, digits: int = 4) -> str:
    """`value` to a few significant digits, whole up to a million; nan and inf are words, None is "–".

    >>> number(0.287123), number(-1e-7), number(-12345.6), number("nan"), number(3)
    ('0.2871', '-1e-07', '-12346', 'nan', '3')
    """
    if value is None:
        return NOTHING.text
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 10**digits <= abs(value) < 1e6 else f"{value:.{digits}g}"


def colour(value: Number | None) -> str:
    """The style of a value: its sign, or "bad" for nan and inf."""
    if isinstance(value, str):
        return "bad"
    return "negative" if (value or 0) < 0 else "positive" if (value or 0) > 0 else "zero"


def factor(value: Number | None) -> str:
    """A number inside of a product: in parentheses if it is negative."""
    written = number(value, 5)
    return f"({written})" if written.startswith("-") else written
