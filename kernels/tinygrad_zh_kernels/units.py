"""Numbers as people read them: 1.25 ms, 48.3 GB/s. 带单位的数"""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Three digits, in the largest unit that leaves at least 1.

    >>> duration(0.00125), duration(2.5e-7), duration(12)
    ('1.25 ms', '250 ns', '12.0 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds / 1e-9)} ns"


def rate(a_second: float, what: str = "B") -> str:
    """Three digits of bytes ("B") or operations ("FLOP") a second.

    >>> rate(48.3e9), rate(2.5e12, "FLOP"), rate(123456.0), rate(0, "FLOP")
    ('48.3 GB/s', '2.50 TFLOP/s', '0.123 MB/s', '–')
    """
    if not a_second:
        return "–"
    for prefix, size in (("T", 1e12), ("G", 1e9)):
        if a_second >= 0.9995 * size:
            return f"{_three(a_second / size)} {prefix}{what}/s"
    return f"{_three(a_second / 1e6)} M{what}/s"


def _three(x: float) -> str:
    return f"{x:.{0 if x >= 99.95 else 1 if x >= 9.995 else 2 if x >= 0.9995 else 3}f}"
