"""`tz.record()`: a tape that can be read one step at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tinygrad_zh.core.tape import Tape, recording
from tinygrad_zh.stepper.building import build
from tinygrad_zh.stepper.document import Document
from tinygrad_zh.stepper.readable import Readable


class Trace(Readable, Tape):
    """A tape (a list of `Line`) with its readings: text, terminal, page, JSON. 中文：计算过程的记录。"""

    def __init__(self, title: str = "") -> None:
        super().__init__(title)
        self._documents: dict[str, tuple[int, Document]] = {}

    def document(self, values: str = "auto") -> Document:
        """The trace as data that every front end reads (`Document`), made at the first use. 中文：数据形式。

        values: "auto" keeps five digits, and of an array above 64 elements a window and its statistics; "full" keeps
        every bit. Raises ValueError for other values, and where the forward pass is not in the recording.
        """
        if values not in ("auto", "full"):
            raise ValueError(f'values is "auto" or "full", not {values!r}')
        lines, document = self._documents.get(values, (-1, None))
        if document is None or lines != len(self):
            document = Document(build(self, values))
            self._documents[values] = len(self), document
        return document


def record(*, title: str = "") -> AbstractContextManager[Trace]:
    """Write down every formula that runs in this block: forward, backward, update. 中文：记录计算过程，供单步浏览。

    Gives a `Trace`, a list of the lines that ran, which can be stepped through: `trace.print()`, `trace.show()`,
    `trace.save_html("out.html")`, or as the last value of a notebook's cell. An error inside the block is the
    last line, where the trace opens, and passes on. A `record` inside another takes its lines for itself.

    >>> import tinygrad_zh as tz
    >>> x = tz.tensor(3.0, requires_grad=True)
    >>> with tz.record() as trace:
    ...     (x * x + x).backward()
    >>> [step["phase"] for step in trace.document().steps]
    ['forward', 'forward', 'seed', 'backward', 'backward', 'backward', 'backward']
    >>> x.grad.item()
    7.0
    """
    return recording(Trace(title))
