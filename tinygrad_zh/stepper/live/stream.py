"""What viewers are told: a short memory of messages, from which each viewer reads at its own pace."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_zh.stepper.live.film import encoded

KEPT = 64
PATIENCE = 5.0
"""Seconds without a message after which a viewer is asked whether it is still there."""


class Stream:
    """Messages to any number of viewers. 中文：消息流。

    A viewer first gets `whole()`, all that there is, then every message after it. One that falls behind by more
    than 64 messages gets the whole again: nothing waits for a viewer, and none has a queue of its own.
    Whoever changes what `whole` reads holds `changed`.
    """

    def __init__(self, whole: Callable[[], dict[str, Any]]) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._whole = whole
        self._messages: deque[str] = deque(maxlen=KEPT)
        self._count = 0
        self._read: dict[object, int] = {}

    def tell(self, kind: str, data: str) -> None:
        """data: JSON in one line."""
        message = _event(kind, data)
        with self.changed:
            self._messages.append(message)
            self._count += 1
            self.changed.notify_all()

    def read(self) -> Iterator[str]:
        """The messages for one viewer, as server-sent events; it ends when the stream is closed."""
        viewer, read = object(), -1
        try:
            while True:
                with self.changed:
                    self._read[viewer] = read
                    self.changed.notify_all()
                    self.changed.wait_for(lambda: self.closed or self._count > read, PATIENCE)  # noqa: B023
                    missed = self._count - read if read >= 0 else KEPT + 1
                    whole = self._whole() if missed > len(self._messages) else None
                    messages = list(self._messages)[len(self._messages) - missed:] if whole is None else []
                    read, closed = self._count, self.closed
                if whole is not None:
                    messages = [_event("whole", encoded(whole))]
                yield from messages
                if not missed:
                    if closed:
                        yield _event("bye", "null")
                        return
                    yield ":\n\n"
        finally:
            with self.changed:
                self._read.pop(viewer, None)
                self.changed.notify_all()

    def settle(self, seconds: float) -> None:
        """Wait until every viewer has got all, for so many seconds at most."""
        with self.changed:
            self.changed.wait_for(lambda: all(read == self._count for read in self._read.values()), seconds)

    def close(self) -> None:
        """Viewers get what there is, and no more."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()


def _event(kind: str, data: str) -> str:
    """One server-sent event. HTML Living Standard §9.2: a name, a line of data, an empty line."""
    return f"event: {kind}\ndata: {data}\n\n"
