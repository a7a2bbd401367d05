"""The stepper in a terminal: a screen to move about in (the extra `ui`), or without it one question a step. 终端前端"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from tinygrad_zh.i18n import language, text

if TYPE_CHECKING:
    from tinygrad_zh.stepper.document import Document


def run(document: Document, step: int = 0) -> None:
    """Step through the document until the reader quits, from `step` on. 中文：在终端里单步浏览。

    Without Textual it says how to install it, and asks for one key after the other instead. Raises RuntimeError in
    a notebook, which has no terminal.
    """
    data = document.data
    if _in_a_notebook():
        raise RuntimeError("show() needs a terminal; in a notebook make the trace the last value of a cell, "
                           "or use trace.print()")
    if not data["steps"]:
        print(text("stepper.nothing"))
        return
    try:
        from tinygrad_zh.stepper.terminal.app import Stepper
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("textual", "rich"):
            raise
        from tinygrad_zh.stepper.terminal.prompt import ask

        print(text("stepper.install"), file=sys.stderr)
        ask(data, step)
    else:
        Stepper(data, step, language()).run()


def _in_a_notebook() -> bool:
    """Whether an event loop is already running here, as it is in every notebook: Textual needs one of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
