"""unroll: the tape as the NumPy program that a textbook would show. 把计算过程展开成手写的 NumPy 程序"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad_zh.core.tape import Tape
from tinygrad_zh.i18n import in_language
from tinygrad_zh.i18n import language as language_in_force
from tinygrad_zh.program.listing import Listing, first_step, listed
from tinygrad_zh.program.printing.numpy_text import numpy_text
from tinygrad_zh.program.recording import Recording, optimizers, recorded


class Unrolled:
    """A program that `unroll` made: `str` gives its text. 中文：展开得到的程序。"""

    def __init__(self, listing: Listing, lang: str) -> None:
        self.listing = listing
        self.lang = lang
        with in_language(lang):
            self.source = numpy_text(listing)

    def __str__(self) -> str:
        return self.source

    def save(self, path: str | Path) -> None:
        """Write the program into a file. 中文：保存为文件。"""
        Path(path).write_text(self.source, encoding="utf-8")


def unroll(function: Callable[..., Any], *example: Any, lang: str | None = None) -> Unrolled:
    """What function(*example) computes, as a NumPy program that reads as if written by hand.
    中文：把一次计算（前向、损失、反向、更新）展开成手写风格的 NumPy 程序。

    function: gives a loss (its backward pass is written out too), or is a whole step of training, or a model. example:
    its arguments; arrays become tensors. lang: "en" or "zh", of comments and titles; the one in force unless given.

    The text is made from the source of the ops that ran, needs NumPy alone, and ends by printing the loss and every
    gradient: the engine's, bit for bit, on the same NumPy, BLAS and number of threads. The function runs once, on the
    formulas; afterwards parameters, gradients, running statistics, the optimizer's state and generators are as before.

    Raises TypeError for what is no function; ValueError where nothing was computed, where a part was computed before or
    with create_graph=True, and for an op that is no straight-line formula; OSError for one whose source is not there.

    >>> import tinygrad_zh as tz
    >>> w = tz.tensor([1.0, -2.0], requires_grad=True, name="w")
    >>> program = tz.unroll(lambda: (w * w).sum())
    >>> "dw = dw + dmul * w" in program.source
    True
    """
    return Unrolled(listed(recorded(function, example)), lang or language_in_force())


def unroll_tape(tape: Tape, title: str, lang: str | None = None) -> Unrolled:
    """The first step of training on a tape: up to where it goes forward again after its first pass backward.
    中文：把磁带上的第一步训练展开。
    """
    return Unrolled(listed(Recording(first_step(tape), None, {}, title, optimizers())), lang or language_in_force())
