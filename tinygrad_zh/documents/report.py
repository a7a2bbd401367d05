"""How the systems speak: sentences from the catalogue, in the language chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_zh.i18n import aligned, text
from tinygrad_zh.train import Callback, History, Run
from tinygrad_zh.train.progress import figures


def say(key: str, **values: Any) -> None:
    """Print the catalogue's text for a key."""
    print(text(key, **values), flush=True)


def heading(system: str, **values: Any) -> None:
    """What the system is, then what it is trained on."""
    print(text(f"system.{system}"))
    print(text(f"{system}.data", **values))
    print(flush=True)


def table(*rows: Sequence[str]) -> None:
    """Print rows, the first one the head, in columns: the first column to the left, figures to the right."""
    print("\n" + "\n".join(aligned(rows)))
    print(flush=True)


class Milestones(Callback):
    """Print a line for every tenth of the epochs, where one a single epoch would be a thousand lines."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch(self, run: Run) -> None:
        if run.epoch % max(1, self.epochs // 10) == 0:
            epoch = text("train.epoch", epoch=run.epoch, epochs=self.epochs)
            print(epoch, figures({name: values[-1] for name, values in run.history.items()}), sep="  ", flush=True)


def complete(history: History) -> History:
    """The history of a run that went to its end. After Ctrl-C it raises KeyboardInterrupt: the figures of half a
    run are not those of the document's system."""
    if history.stopped:
        raise KeyboardInterrupt
    return history
