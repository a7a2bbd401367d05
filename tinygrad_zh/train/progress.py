"""Progress while training: a bar on a terminal, one line an epoch in a pipe, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from tinygrad_zh.i18n import catalogue, text


def label(name: str) -> str:
    """A figure's name in the language chosen; a user's own metric keeps its name."""
    key = f"train.figure.{name}"
    return text(key) if key in catalogue() else name


def figures(values: Mapping[str, float]) -> str:
    """"loss 0.1234  accuracy 0.9700"."""
    return "  ".join(f"{label(name)} {value:.4f}" for name, value in values.items())


class Progress:
    """Reports of one run. shown: "auto" (a bar if the error stream is a terminal, else lines), "lines" or "none"."""

    def __init__(self, epochs: int, batches: int, shown: str = "auto") -> None:
        if shown not in ("auto", "lines", "none"):
            raise ValueError(f'progress is "auto", "lines" or "none", not {shown!r}')
        self.epochs, self.batches = epochs, batches
        self.lines = shown == "lines" or (shown == "auto" and not sys.stderr.isatty())
        self.silent = shown == "none"
        self.bar: Any = None
        self.refreshed = 0.0

    def begin(self, epoch: int) -> None:
        self.started = time.perf_counter()
        if not self.lines and not self.silent:
            from tqdm import tqdm

            self.bar = tqdm(total=self.batches, desc=text("train.epoch", epoch=epoch, epochs=self.epochs), leave=True,
                            bar_format="{desc} {bar:24} {n_fmt}/{total_fmt}  {postfix}", file=sys.stderr)

    def due(self) -> bool:
        """Whether the bar may show new figures: a few times a second."""
        return self.bar is not None and time.perf_counter() - self.refreshed > 0.1

    def advance(self, values: Mapping[str, float] | None) -> None:
        if self.bar is not None:
            if values is not None:
                self.refreshed = time.perf_counter()
                self.bar.set_postfix_str(figures(values), refresh=False)
            self.bar.update()

    def end(self, epoch: int, values: Mapping[str, float]) -> None:
        if self.bar is not None:
            self.bar.set_postfix_str(figures(values))
            self.close()
        elif self.lines and not self.silent:
            seconds = time.perf_counter() - self.started
            print(f"{text('train.epoch', epoch=epoch, epochs=self.epochs)}  {figures(values)}  ({seconds:.1f} s)", flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
