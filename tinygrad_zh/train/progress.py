"""Progress while training: a bar on a terminal and one line an epoch, the lines alone in a pipe, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from tinygrad_zh.i18n import catalogue, text


def label(name: str) -> str:
    """A figure's name in the language chosen; a user's own metric keeps its name."""
    key = f"train.figure.{name}"
    return text(key) if key in catalogue() else name


def figures(values: Mapping[str, float]) -> str:
    """"loss 0.1234  accuracy 0.9700"."""
    return "  ".join(f"{label(name)} {value:.4f}" for name, value in values.items())


def bar(terminal: TextIO, total: int, title: str) -> Any:
    """tqdm's bar on a terminal: of one height, gone when it is closed."""
    from tqdm import tqdm

    # A terminal that does not know its size says 0 × 0, where tqdm would draw nothing.
    columns, rows = os.get_terminal_size(terminal.fileno())
    return tqdm(total=total, desc=title, file=terminal, leave=False, ncols=columns or 80, nrows=rows,
                bar_format="{desc} {bar:24} {n_fmt}/{total_fmt}{postfix}")


class Progress:
    """Reports of one run.

    shown: "auto" (with a bar if the error stream is a terminal, and then all of it goes there), "lines", "none".
    """

    def __init__(self, epochs: int, batches: int, shown: str = "auto") -> None:
        if shown not in ("auto", "lines", "none"):
            raise ValueError(f'progress is "auto", "lines" or "none", not {shown!r}')
        self.epochs, self.batches = epochs, batches
        self.silent = shown == "none"
        self.terminal = sys.stderr if shown == "auto" and sys.stderr.isatty() else None
        self.bar: Any = None
        self.refreshed = 0.0

    def begin(self, epoch: int) -> None:
        self.started = time.perf_counter()
        if self.terminal is not None:
            self.bar = bar(self.terminal, self.batches, self._title(epoch))

    def due(self) -> bool:
        """Whether the bar may show new figures: a few times a second."""
        return self.bar is not None and time.perf_counter() - self.refreshed > 0.1

    def advance(self, values: Mapping[str, float] | None) -> None:
        if self.bar is not None:
            self.bar.update()
            if values is not None:
                self.refreshed = time.perf_counter()
                self.bar.set_postfix_str(figures(values))

    def end(self, epoch: int, values: Mapping[str, float]) -> None:
        self.close()
        if not self.silent:
            seconds = time.perf_counter() - self.started
            print(f"{self._title(epoch)}  {figures(values)}  ({seconds:.1f} s)", file=self.terminal, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _title(self, epoch: int) -> str:
        return text("train.epoch", epoch=epoch, epochs=self.epochs)
