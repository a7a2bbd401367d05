"""One exercise "write the missing backward": what is given, what is asked, and the answer. 一道练习"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import text

if TYPE_CHECKING:
    from tinygrad_zh.exercises.result import Result

Array = np.ndarray[Any, Any]

HINTS = 3


@dataclass(frozen=True, repr=False)
class Exercise:
    """Given y = forward(inputs), write ∂L/∂x for the inputs asked about. 中文：补写反向传播。

    forward returns y, or y and what else it keeps, by the names in outputs. inputs: {name: array}; the integer ones
    are constants. asked: the inputs whose gradients backward returns, in this order. answer: such a backward; its
    parameters are some of dy = ∂L/∂y, the inputs and the outputs.
    """

    name: str
    formula: str
    forward: Callable[..., Any]
    answer: Callable[..., Any]
    inputs: dict[str, Array]
    asked: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it is about, in the language in force."""
        return text(f"exercise.{self.name}.title")

    @property
    def about(self) -> str:
        """What the formula leaves open: which elements, which axis, which names."""
        return text(f"exercise.{self.name}.about")

    @property
    def available(self) -> tuple[str, ...]:
        """What backward may ask for by naming a parameter so."""
        return ("dy", *self.inputs, *self.outputs)

    def values(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """{name: array} of the inputs and of the outputs that forward computes from them."""
        results = self.forward(*inputs.values())
        several = results if len(self.outputs) > 1 else (results,)
        return inputs | dict(zip(self.outputs, several, strict=True))

    def hint(self, number: int = 1) -> str:
        """One of three hints; each says more than the one before. 中文：提示。"""
        if number not in range(1, HINTS + 1):
            raise ValueError(text("exercise.hint.none", name=self.name, number=number, hints=HINTS))
        return text(f"exercise.{self.name}.hint{number}")

    def check(self, backward: Any) -> Result:
        """Whether this backward is right, and if not, how it is wrong. 中文：批改。

        >>> from tinygrad_zh.exercises import missing_backward
        >>> bool(missing_backward("sigmoid").check(lambda dy, y: dy * y * (1 - y)))
        True
        """
        from tinygrad_zh.exercises.checking import checked

        return checked(self, backward)

    @property
    def derivation(self) -> str:
        """Why the answer is what it is, in the language in force. 中文：推导。"""
        return text(f"exercise.{self.name}.why")

    def source(self, function: Callable[..., Any]) -> str:
        """The code of forward or of the answer, its class's indentation taken off."""
        return dedent(inspect.getsource(function)).rstrip()

    @property
    def question(self) -> str:
        """What is to be written, in the language in force."""
        return text("exercise.question", asked=listed(f"∂L/∂{name}" for name in self.asked),
                    names=listed(self.available), shapes=self.shapes)

    @property
    def shapes(self) -> str:
        """The shape of all that backward may ask for: "dy (2, 3), x (2, 3), y (2, 3)"."""
        values = self.values(self.inputs)
        shapes = {"dy": np.shape(values[self.outputs[0]])} | {name: np.shape(value) for name, value in values.items()}
        return ", ".join(f"{name} {shape}" for name, shape in shapes.items())

    def __str__(self) -> str:
        forward = indent(self.source(self.forward), "    ")
        return f"{self.name}  {self.title}\n\n    {self.formula}\n\n{self.about}\n\n{forward}\n\n{self.question}"

    __repr__ = __str__


EXERCISES: dict[str, Exercise] = {}
"""{name: exercise}, from the easiest to the hardest."""


def exercise(*, asked: str = "", outputs: str = "y", **inputs: Array) -> Callable[[Any], Any]:
    """Make an exercise of the class below: its docstring is the formula, its functions are forward and the answer.

    asked: names of inputs, separated by spaces; all floating ones unless given.
    """

    def add(given: Any) -> Any:
        name = re.sub(r"(?<=.)([A-Z])", r"_\1", given.__name__).lower()
        floating = [key for key, value in inputs.items() if value.dtype.kind == "f"]
        EXERCISES[name] = Exercise(name, inspect.getdoc(given) or "", given.forward, given.backward, inputs,
                                   tuple(asked.split() or floating), tuple(outputs.split()))
        return given

    return add


def listed(words: Iterable[str]) -> str:
    """The words with the comma of the language in force between them."""
    return text("exercise.comma").join(words)


def numbers(*shape: int, seed: int = 0) -> Array:
    """Ordinary numbers of two decimals: easy to follow by hand."""
    return np.round(philox(seed).normal(size=shape), 2)
