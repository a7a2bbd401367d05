"""The fix of a mistake, in words and in both languages. 错误的修正建议"""

from __future__ import annotations

from typing import Any


def hint(error: Any, arrays: Any = (), op: Any = None, attributes: Any = None) -> dict[str, str] | None:
    """What to do about an error: {"en", "zh"}, or None where all there is to say is in its message."""
    return None
