"""How often to look, so that looking takes no more than its share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """After a look that took c seconds, the next is due c / share seconds later. 中文：观察的节奏。

    So looking takes at most this share of the time, on a slow machine and on a fast one, whatever the network.
    least: seconds from one look to the next, at least.
    """

    def __init__(self, share: float, least: float = 0.0, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share, self.least, self.clock = share, least, clock
        self.next = -float("inf")

    def due(self) -> bool:
        return self.clock() >= self.next

    @contextmanager
    def look(self) -> Iterator[None]:
        """The block is the look."""
        began = self.clock()
        try:
            yield
        finally:
            ended = self.clock()
            self.next = max(self.next, ended) + max((ended - began) / self.share, self.least)
