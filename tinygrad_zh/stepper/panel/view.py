"""What to show of a document: a step, an element of it, and how much room there is."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinygrad_zh.stepper.panel.element import element, picked_array, picked_index
from tinygrad_zh.stepper.panel.grid import Index
from tinygrad_zh.stepper.panel.spans import Line

Data = dict[str, Any]

COLUMN = 12
"""The labels stand in a column of so many cells."""


class Section(NamedTuple):
    """A label and its lines. Without a label, the lines take the whole width."""

    label: str
    lines: list[Line]


class View(NamedTuple):
    """A step, the element that the reader picked in it, which parts are shown, and the cells of a line.

    close: of all the numbers only the picked element's, each of its terms on a line of its own.
    """

    data: Data
    at: int
    pick: tuple[int, ...] | None = None
    check: bool = True
    source: bool = True
    close: bool = False
    width: int = 100

    @property
    def room(self) -> int:
        """The cells to the right of the labels."""
        return self.width - COLUMN

    @property
    def step(self) -> Data:
        """The step itself."""
        found: Data = self.data["steps"][self.at]
        return found

    @property
    def op(self) -> Data | None:
        """The op of the step, if it has one."""
        found: Data | None = None if self.step.get("op") is None else self.data["ops"][self.step["op"]]
        return found

    @property
    def picked(self) -> Index:
        """Where the picked element is."""
        return picked_index(self.data, self.step, self.pick)

    @property
    def element(self) -> Data:
        """The picked element, with what it is made of where that is known."""
        return element(self.data, self.step, self.picked)

    @property
    def result(self) -> Data | None:
        """The array that the step computes."""
        return picked_array(self.data, self.step)

    def array(self, name: str) -> Data | None:
        """The step's array of that name; None for one that it does not have."""
        position = self.step.get(name)
        return None if position is None else self.data["arrays"][position]

    def value(self, tensor: int) -> Data | None:
        """The values of a tensor."""
        position = self.data["tensors"][tensor]["value"]
        return None if position is None else self.data["arrays"][position]
