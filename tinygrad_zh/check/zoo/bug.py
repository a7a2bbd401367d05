"""One bug of the zoo: an op with one thing wrong, the story behind it, and the line as it should be. 标本"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_zh.check.zoo.seen import SEEN
from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import language

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Bug:
    """A planted bug. 中文：一个有错的反向传播。

    op: the class with the wrong line. function: what a user would check with it. right: the same function made of
    the engine's own ops. inputs: an ordinary point, as a user would choose it. showing: a point where the bug shows;
    the same one, unless it hides at special values. cure: the wrong line as it should be. threads: where it shipped,
    "pytorch #1631". en, zh: the story. order: 2 where only the gradient of the gradient is wrong.
    """

    op: Any
    function: Callable[..., Any]
    right: Callable[..., Any]
    inputs: tuple[Any, ...]
    showing: tuple[Any, ...]
    cure: str
    threads: tuple[str, ...]
    en: str
    zh: str
    order: int = 1

    @property
    def name(self) -> str:
        return str(self.op.__name__)

    @property
    def kind(self) -> str:
        """What sort of bug it is: the name of the file it stands in."""
        return str(self.op.__module__.rpartition(".")[2])

    @property
    def story(self) -> str:
        """What happened, in the language in force."""
        return self.zh if language() == "zh" else self.en

    @property
    def held_out(self) -> bool:
        """Whether the checker was built without ever running on it: by the hash of its name, so nobody chose."""
        return self.name not in SEEN and hashlib.sha256(self.name.encode()).digest()[0] % 2 == 0

    def __str__(self) -> str:
        return self.name


BUGS: list[Bug] = []
"""Every bug, in the order of the files and of the lines in them."""


def planted(*inputs: Any, right: Callable[..., Any], cure: str, en: str, zh: str, threads: tuple[str, ...] = (),
            showing: tuple[Any, ...] | None = None, order: int = 1,
            call: Callable[[Any], Callable[..., Any]] = lambda op: op) -> Callable[[Any], Any]:
    """Put the op below into the zoo. call: op ↦ the function to check, where that is not the op itself."""

    def add(op: Any) -> Any:
        BUGS.append(Bug(op, call(op), right, inputs, inputs if showing is None else showing, cure, threads, en, zh,
                        order))
        return op

    return add


def normal(*shape: int, seed: int = 0) -> Array:
    """Ordinary numbers: a draw from N(0, 1)."""
    return np.asarray(philox(seed).normal(size=shape))
