"""How often to look, so that looking takes no more than its share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]


class Pace:
    """After a look that cost c seconds, the next is due c / share seconds later. 中文：观察的节奏。

    So looking takes at most this share of the time, on a slow machine and on a fast one, whatever the network. The
    cost is this thread's own work: a look that another program interrupts costs no more than one that is let alone.
    least: seconds from one look to the next, at least.
    """

    def __init__(self, share: float, least: float = 0.0, clock: Clock = time.perf_counter,
                 work: Clock = time.thread_time) -> None:
        self.share, self.least, self.clock, self.work = share, least, clock, work
        self.next = -float("inf")

    def due(self) -> bool:
        return self.clock() >= self.next

    @contextmanager
    def look(self) -> Iterator[None]:
        """The block is the look."""
        began = self.work()
        try:
            yield
        finally:
            cost = self.work() - began
            self.next = max(self.next, self.clock()) + max(cost / self.share, self.least)
