"""What can be done with a trace, recorded just now or read from a file: the front ends, under one set of names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from typing import TYPE_CHECKING

from tinygrad_zh.i18n import chosen, in_language

if TYPE_CHECKING:
    from tinygrad_zh.stepper.document import Document


class Readable(ABC):
    """The readings of a trace. 中文：可单步浏览的记录。"""

    @abstractmethod
    def document(self, values: str = "auto") -> Document:
        """The trace as data. 中文：数据形式。"""

    def text(self, step: int, lang: str | None = None) -> str:
        """One step in full as plain text; a negative step counts from the end. 中文：某一步的文字。"""
        from tinygrad_zh.stepper.text import step_text

        document = self.document()
        with _speaking(lang):
            return step_text(document.data, document.position(step))

    def print(self, step: int | None = None, lang: str | None = None) -> None:
        """Print one step in full, or, without a step, one line for each. 中文：打印。"""
        from tinygrad_zh.stepper.text import listing

        with _speaking(lang):
            print(listing(self.document().data) if step is None else self.text(step))

    def show(self, step: int = 0) -> None:
        """Open the terminal stepper (the extra `ui`). 中文：在终端里单步浏览。"""
        from tinygrad_zh.stepper.terminal import run

        document = self.document()
        run(document, document.position(step))

    def save_html(self, path: str | PathLike[str], lang: str | None = None) -> None:
        """Write one page that needs no network and no other file, and print where it is. 中文：保存为网页。

        lang: "zh" or "en"; unless given, the language that was asked for, or else the reader's browser decides. Raises
        OSError, with nothing half-written.
        """
        from tinygrad_zh.stepper.page import save

        document = self.document()
        print(save(path, [document.data], title=document.title, lang=lang or chosen()))

    def save_json(self, path: str | PathLike[str], values: str = "auto") -> None:
        """Write the document as JSON, which `load` and `tinygrad-zh step` open. 中文：保存为 JSON。

        values: "auto" for five digits and windows of large arrays, "full" for every bit of every value.
        """
        self.document(values).write(path)

    def _repr_html_(self) -> str:
        """The page, inside a notebook."""
        from tinygrad_zh.stepper.page import iframe, page

        document = self.document()
        return iframe(page([document.data], title=document.title, lang=chosen()))


def _speaking(lang: str | None) -> AbstractContextManager[None]:
    return nullcontext() if lang is None else in_language(lang)
