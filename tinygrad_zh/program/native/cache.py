"""Compiled functions from text, found again by the next process. 编译结果的磁盘缓存"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def module(name: str, parameters: Sequence[str], lines: Sequence[str],
           definitions: Mapping[str, str]) -> Callable[..., Any]:
    """The compiled function `name(*parameters)` whose body is these lines.

    definitions: what stands above it, texts by name: functions that the lines call, or imports. Compiled at the first
    call, cached on disk by what the text says. Equal text gives the same function.
    """
    raise NotImplementedError
