"""How often to look, so that looking takes no more than its share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Moment(NamedTuple):
    """Seconds that this thread has worked, and seconds that have passed."""

    work: float
    clock: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.thread_time(), time.perf_counter())


class Pace:
    """After a look that took c seconds of this thread's work, the next is due after c / share more. 中文：观察的节奏。

    So looking takes at most this share of the work, on a slow machine and on a fast one, whatever the network, and
    whatever other programs do meanwhile. least: seconds that pass from one look to the next, at least.
    """

    def __init__(self, share: float, least: float = 0.0, now: Callable[[], Moment] = Moment.now) -> None:
        self.share, self.least, self.now = share, least, now
        self.next = Moment(-float("inf"), -float("inf"))

    def due(self, now: Moment) -> bool:
        return now.work >= self.next.work and now.clock >= self.next.clock

    @contextmanager
    def look(self) -> Iterator[None]:
        """The block is the look."""
        began = self.now()
        try:
            yield
        finally:
            ended = self.now()
            cost = ended.work - began.work
            self.next = Moment(max(self.next.work, ended.work) + cost / self.share, ended.clock + self.least)
