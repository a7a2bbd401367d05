"""unroll: the tape as the NumPy program that a textbook would show. 把计算过程展开成手写的 NumPy 程序"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad_zh.core.tape import Tape
from tinygrad_zh.i18n import in_language
from tinygrad_zh.i18n import language as language_in_force
from tinygrad_zh.optim import Optimizer
from tinygrad_zh.program.listing import Listing, first_step, listed
from tinygrad_zh.program.living import living
from tinygrad_zh.program.printing.derivation import derivation
from tinygrad_zh.program.printing.loops import loops_text
from tinygrad_zh.program.printing.mermaid import mermaid
from tinygrad_zh.program.printing.numpy_text import numpy_text
from tinygrad_zh.program.recording import Recording, recorded

STYLES = {"numpy": numpy_text, "loops": loops_text}


class Unrolled:
    """A program that `unroll` made: `str` gives its text; a notebook shows its formulas. 中文：展开得到的程序。"""

    def __init__(self, listing: Listing, lang: str | None, style: str = "numpy") -> None:
        if style not in STYLES:
            raise ValueError(f"unroll: the style is one of {', '.join(map(repr, STYLES))}, not {style!r}")
        self.listing = listing
        self.lang = lang or language_in_force()
        with in_language(self.lang):
            self.source = STYLES[style](listing)

    def __str__(self) -> str:
        return self.source

    def save(self, path: str | Path) -> None:
        """Write the program into a file. 中文：保存为文件。"""
        Path(path).write_text(self.source, encoding="utf-8")

    def to_latex(self) -> str:
        """The formulas, one a statement, as LaTeX in $$…$$; it needs amsmath, in Chinese ctex too.
        中文：推导过程的 LaTeX 文本，每条语句一个公式。
        """
        with in_language(self.lang):
            return derivation(self.listing)

    def to_mermaid(self, backward: bool = True) -> str:
        """The graph of the forward pass as Mermaid text; backward: with the gradients, as broken lines.
        中文：计算图的 Mermaid 文本；虚线是反向传播的梯度。
        """
        with in_language(self.lang):
            return mermaid(self.listing, backward)

    def _repr_latex_(self) -> str:
        return self.to_latex()


def unroll(function: Callable[..., Any], *example: Any, lang: str | None = None, style: str = "numpy") -> Unrolled:
    """What function(*example) computes, as a NumPy program that reads as if written by hand.
    中文：把一次计算（前向、损失、反向、更新）展开成手写风格的 NumPy 程序。

    function: gives a loss (its backward pass is written out too), or is a whole step of training, or a model. example:
    its arguments; arrays become tensors. lang: "en" or "zh", of comments and titles; the one in force unless given.
    style: "numpy", or "loops" for scalar loops over nested lists, of the smallest models, in Python alone.

    The text is made from the source of the ops that ran, needs NumPy alone, and ends by printing the loss and every
    gradient: the engine's, bit for bit, on the same NumPy, BLAS and number of threads. The function runs once, on the
    formulas; afterwards parameters, gradients, running statistics, the optimizer's state and generators are as before.

    Raises TypeError for what is no function; ValueError where nothing was computed, where a part was computed before or
    with create_graph=True, for an op that is no straight-line formula, and for what the style cannot say; OSError for
    an op whose source is not there.

    >>> import tinygrad_zh as tz
    >>> w = tz.tensor([1.0, -2.0], requires_grad=True, name="w")
    >>> program = tz.unroll(lambda: (w * w).sum())
    >>> "dw = dmul * w + dmul * w" in program.source
    True
    """
    return Unrolled(listed(recorded(function, example)), lang, style)


def unroll_system(step: Callable[[], Any], title: str, about: str, lang: str, style: str = "numpy") -> Unrolled:
    """A step of training that has a name and is told in words, written out. 中文：把有名称的一步训练展开。"""
    return Unrolled(listed(recorded(step, ())._replace(title=title, about=about)), lang, style)


def unroll_tape(tape: Tape, title: str, lang: str | None = None, style: str = "numpy") -> Unrolled:
    """The first step of training on a tape: up to where it goes forward again after its first pass backward.
    中文：把磁带上的第一步训练展开。
    """
    return Unrolled(listed(Recording(first_step(tape), None, {}, title, tuple(living(Optimizer)))), lang, style)
