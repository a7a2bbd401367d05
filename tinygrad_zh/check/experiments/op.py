"""`tinygrad-zh check op NAME`: one function of tz.functional, checked on sample inputs. 检验一个算子"""

from __future__ import annotations

import argparse
import difflib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.checking import gradcheck
from tinygrad_zh.check.experiments.page import say
from tinygrad_zh.check.report import Report
from tinygrad_zh.core import Op
from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import text

Array = np.ndarray[Any, Any]

SHAPE = (2, 3)
LABELS = np.array([2, 0])
MASK = np.array([[True, False, True], [True, True, True]])


def normal(*shape: int, seed: int = 0) -> Array:
    return np.asarray(philox(seed).normal(size=shape or SHAPE))


def positive(*shape: int, seed: int = 0) -> Array:
    """Between ½ and 2."""
    return np.asarray(philox(seed).uniform(0.5, 2, size=shape or SHAPE))


def unit(*shape: int, seed: int = 0) -> Array:
    """Probabilities, not too near 0 and 1."""
    return np.asarray(philox(seed).uniform(0.1, 0.9, size=shape or SHAPE))


def distribution() -> Array:
    """Rows of probabilities that sum to 1."""
    p = unit()
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return F.batch_norm(x, np.zeros(3), np.ones(3), gamma, beta, training=True)[0]


SAMPLES: dict[str, tuple[Callable[..., Any] | None, tuple[Any, ...]]] = {
    "astype": (lambda x: F.astype(x, np.float64), (normal(),)),
    "attention_weights": (None, (normal(3, 4), normal(2, 4, seed=1))),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), (normal(1, 2, 4, 4),)),
    "batch_norm": (batch_norm, (normal(4, 3), positive(3), normal(3))),
    "bias_gelu": (None, (normal(), normal(3, seed=1))),
    "bias_relu": (None, (normal(), normal(3, seed=1))),
    "bias_sigmoid": (None, (normal(), normal(3, seed=1))),
    "bias_tanh": (None, (normal(), normal(3, seed=1))),
    "binary_cross_entropy": (None, (unit(), unit(seed=1))),
    "binary_cross_entropy_with_logits": (None, (normal(), unit(seed=1))),
    "broadcast_to": (lambda x: F.broadcast_to(x, (4, 2, 3)), (normal(2, 1),)),
    "clip": (lambda x: F.clip(x, -0.5, 0.5), (normal(),)),
    "concat": (lambda a, b: F.concat([a, b]), (normal(), normal(1, 3, seed=1))),
    "conv2d": (None, (normal(1, 2, 4, 4), normal(3, 2, 2, 2, seed=1), normal(3, seed=2))),
    "cross_entropy": (None, (normal(), LABELS)),
    "cross_entropy_of_probabilities": (None, (distribution(), LABELS)),
    "div": (None, (normal(), positive(seed=1))),
    "dropout": (lambda x: F.dropout(x, 0.5), (normal(),)),
    "einsum": (lambda a, b: F.einsum("ij,kj->ik", a, b), (normal(), normal(4, 3, seed=1))),
    "embedding": (None, (np.array([[2, 0], [2, 1]]), normal(4, 3))),
    "expand_dims": (lambda x: F.expand_dims(x, 1), (normal(),)),
    "getitem": (lambda x: F.getitem(x, np.array([1, 0, 1])), (normal(),)),
    "log": (None, (positive(),)),
    "log1p": (None, (positive(),)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), (normal(1, 2, 4, 4),)),
    "masked_softmax": (None, (normal(), MASK)),
    "matmul": (None, (normal(), normal(3, 4, seed=1))),
    "pad": (lambda x: F.pad(x, ((1, 0), (0, 2))), (normal(),)),
    "pow": (None, (positive(), normal(seed=1))),
    "reshape": (lambda x: F.reshape(x, (3, 2)), (normal(),)),
    "roll": (lambda x: F.roll(x, 1, axis=1), (normal(),)),
    "scaled_dot_product_attention": (None, (normal(3, 4), normal(2, 4, seed=1), normal(2, 5, seed=2))),
    "blocked_attention": (lambda q, k, v: F.blocked_attention(q, k, v, block=1),
                          (normal(3, 4), normal(2, 4, seed=1), normal(2, 5, seed=2))),
    "split": (lambda x: F.split(x, [1], axis=1), (normal(),)),
    "sqrt": (None, (positive(),)),
    "squeeze": (None, (normal(2, 1, 3),)),
    "stack": (lambda a, b: F.stack([a, b]), (normal(), normal(seed=1))),
    "swapaxes": (lambda x: F.swapaxes(x, 0, 2), (normal(2, 3, 4),)),
    "where": (None, (MASK, normal(), normal(seed=1))),
}
"""{name: (the function of the arrays alone, if it is another, and the arrays)}; where a name is missing, each
parameter without a default is an array of ordinary numbers."""

CONSTANT = {"argmax", "argmin", "equal", "greater", "greater_equal", "isfinite", "less", "less_equal", "not_equal",
            "sign"}
"""Functions without a gradient."""


def sample(name: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function and the inputs to check it on. Raises ValueError for a name that is none, or has no gradient."""
    known = name.lower()
    if known not in F.__all__:
        near = ", ".join(difflib.get_close_matches(known, F.__all__, 3, 0.4)) or "–"
        raise ValueError(text("check.op.unknown", op=name, near=near))
    if known in CONSTANT:
        raise ValueError(text("check.op.constant", op=known))
    function, inputs = SAMPLES.get(known, (None, ()))
    function = function or getattr(F, known)
    if not inputs:
        parameters = signature(function).parameters.values()
        required = [p for p in parameters if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
        inputs = tuple(normal(seed=i) for i in range(len(required)))
    return function, inputs


def signature(function: Any) -> inspect.Signature:
    """Of a function, or of an op's forward."""
    return inspect.signature(function.forward if isinstance(function, type) and issubclass(function, Op) else function)


def measure(name: str, order: int = 1, method: str = "ladder") -> Report:
    """The report of gradcheck on the sample inputs of a function of tz.functional."""
    function, inputs = sample(name)

    def named(*arrays: Any) -> Any:
        return function(*arrays)

    named.__name__ = name.lower()
    named.__signature__ = signature(function)  # type: ignore[attr-defined]
    return gradcheck(named, *inputs, order=order, method=method)


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help=text("cli.check.op.name"))
    parser.add_argument("--order", type=int, choices=(1, 2), default=1, help=text("cli.check.op.order"))
    parser.add_argument("--method", choices=("ladder", "central", "five-point", "complex"), default="ladder",
                        help=text("cli.check.op.method"))
    parser.add_argument("--out", type=Path, metavar=text("cli.check.file"), help=text("cli.check.op.out"))


def run(arguments: argparse.Namespace) -> int:
    report = measure(arguments.name, arguments.order, arguments.method)
    print(report)
    if arguments.out:
        say("check.drawn", path=report.plot(arguments.out))
    return 0 if report else 1
