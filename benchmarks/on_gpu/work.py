"""What a section is given: where to run, how long, what was found before, and where to note."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.places import Place
from tinygrad_zh.bench import Row
from tinygrad_zh_kernels import Kernel

Item = TypeVar("Item")


@dataclass
class Work:
    """One section's work. quick: tiny sizes, to try the program. found: by this section in an earlier process that a
    kernel ended. limit: seconds, after which the rest is left out and named."""

    place: Place
    kernels: list[Kernel]
    quick: bool
    limit: float
    note: Callable[[dict[str, Any]], None] = lambda found: None
    found: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.started > self.limit

    def in_time(self, items: Iterable[Item], left_out: list[str]) -> Iterator[Item]:
        """The items as long as there is time; then the names of the others go to `left_out`."""
        for item in items:
            if self.over:
                left_out.append(str(item))
            else:
                yield item

    @property
    def seconds(self) -> float:
        """About how long one way is timed."""
        return 0.0 if self.quick else 0.05
