"""A network's functions, one use of one of them with a wrong backward. 埋错"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_zh import functional as F
from tinygrad_zh.core.op import OpMeta


def spoiled(op: Any, wrong: dict[str, Callable[..., Any]]) -> Any:
    """The op with other backwards; its name, its formula in the docstring and its forward are the right ones."""
    return OpMeta(op.__name__, (op,), {"__doc__": op.__doc__, "__module__": __name__} | wrong)


class Functions:
    """The engine's functions by name; at use number `use` of `name`, counted from 1, stands `op` instead."""

    def __init__(self, name: str, op: Any, use: int = 1):
        self.name = name
        self.op = op
        self.use = use
        self.seen = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == self.name:
            self.seen += 1
            if self.seen == self.use:
                return self.op
        return getattr(F, name)
