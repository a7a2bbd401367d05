"""`tinygrad-zh check nan`: famous NaNs, each with its autopsy and its safe form, or your own. NaN 展览"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.autopsy import Autopsy, autopsy
from tinygrad_zh.check.experiments.file import module_of
from tinygrad_zh.check.experiments.page import say
from tinygrad_zh.i18n import text


class Case(NamedTuple):
    """A formula that goes wrong on these inputs, and one that does not: Python over the names of tz.functional and of
    the inputs. name: of its title in the catalogue."""

    name: str
    inputs: dict[str, Any]
    formula: str
    safe: str


GALLERY = (
    Case("softmax", {"x": [0.0, 1000.0]}, "exp(x) / sum(exp(x))", "softmax(x)"),
    Case("log_of_zero", {"x": [1000.0, 0.0]}, "-log(softmax(x))[1]", "cross_entropy(x, 1)"),
    Case("log_sigmoid", {"x": [-800.0]}, "log(sigmoid(x))", "log_sigmoid(x)"),
    Case("softplus", {"x": [1000.0]}, "log(1 + exp(x))", "softplus(x)"),
    Case("where", {"x": [4.0, 0.0]}, "where(x > 0, sqrt(x), 0)", "where(x > 0, sqrt(where(x > 0, x, 1)), 0)"),
    Case("distance", {"a": [1.0, 2.0], "b": [1.0, 2.0]}, "sqrt(sum((a - b)**2))", "norm(a - b)"),
    Case("spread", {"x": [5.0, 5.0, 5.0]}, "sqrt(var(x))", "std(x)"),
    Case("direction", {"x": [0.0, 0.0]}, "x / norm(x)", "x / maximum(norm(x), 1e-8)"),
    Case("entropy", {"p": [1.0, 0.0]}, "-sum(p * log(p))", "-sum(p * log(where(p > 0, p, 1)))"),
    Case("overflow", {"x": [3e38, 3e38]}, "mean(x.astype('float32') * 2)", "mean(x.astype('float64') * 2)"),
)


def evaluate(formula: str, inputs: dict[str, Any]) -> Autopsy | None:
    """The autopsy of a formula of the gallery."""

    def function(*arrays: Any) -> Any:
        return eval(formula, dict(vars(F)), dict(zip(inputs, arrays, strict=True)))

    return autopsy(function, *(np.array(x) for x in inputs.values()))


def measure() -> list[tuple[Case, Autopsy | None, Autopsy | None]]:
    """Every case of the gallery with its autopsy, and that of its safe form."""
    return [(case, evaluate(case.formula, case.inputs), evaluate(case.safe, case.inputs)) for case in GALLERY]


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", nargs="?", metavar="FILE.py:function", help=text("cli.check.nan.function"))


def run(arguments: argparse.Namespace) -> int:
    if arguments.function is not None:
        found = autopsy(load(arguments.function))
        print(found or text("check.nan.finite"))
        return 0 if found is None else 1
    for number, (case, found, safe) in enumerate(measure(), 1):
        say("check.nan.case", number=number, title=text(f"check.nan.{case.name}"))
        given = ", ".join(f"{name} = {value}" for name, value in case.inputs.items())
        print(f"    {case.formula}    {given}")
        print("\n".join(f"    {line}" for line in str(found).splitlines()))
        print(f"  ✓ {case.safe}" + ("" if safe is None else f"\n{safe}") + "\n")
    say("check.nan.yours")
    return 0


def load(place: str) -> Callable[[], Any]:
    """The function that "FILE.py:name" names. Raises ValueError where there is none, OSError without the file."""
    file, colon, name = place.rpartition(":")
    if not (colon and file.endswith(".py") and name.isidentifier()):
        raise ValueError(text("check.nan.place", place=place))
    function = getattr(module_of(file), name, None)
    if not callable(function):
        raise ValueError(text("check.nan.no_function", file=file, name=name))
    return function
