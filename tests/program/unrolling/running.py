"""Runs printed programs, and compares what they compute with the engine."""

from __future__ import annotations

import io
import runpy
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh.program.printing.calling import display_names
from tinygrad_zh.program.printing.rows import required
from tinygrad_zh.program.printing.simplifying import simplified


def same(a: Any, b: Any) -> bool:
    """Shape, dtype and every bit; one nan is like another."""
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype) == (b.shape, b.dtype) and (
        a.tobytes() == b.tobytes() or bool(np.all((a == b) & (np.signbit(a) == np.signbit(b)) | (a != a) & (b != b))))


def ran(program: tz.program.Unrolled, folder: Path) -> dict[str, Any]:
    """The variables that the program ends with; while it runs there is no engine to be had."""
    path = folder / "program.py"
    program.save(path)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "tinygrad_zh"}
    sys.modules["tinygrad_zh"] = None  # type: ignore[assignment]
    try:
        with redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            return runpy.run_path(str(path))
    finally:
        sys.modules.update(hidden)


def names(program: tz.program.Unrolled) -> dict[str, str]:
    """{the name in the listing: the name in print}"""
    return display_names(simplified(program.listing), program.listing)


def assert_equal(program: tz.program.Unrolled, folder: Path) -> dict[str, Any]:
    """Loss, results, gradients and new values are the recorded ones, bit for bit."""
    found, called, listing = ran(program, folder), names(program), program.listing
    for name in required(listing) - {""}:
        assert same(found[called[name]], listing.values[name]), f"{called[name]}\n{program.source[-20_000:]}"
    return found


def assert_gradients(program: tz.program.Unrolled, leaves: Sequence[tz.Tensor], folder: Path) -> None:
    """What the program calls the gradient of each leaf is the leaf's `.grad`."""
    found, called, listing = assert_equal(program, folder), names(program), program.listing
    for leaf in leaves:
        name = next((n for n, v in listing.values.items() if v is leaf.array and listing.leaf(n)), None)
        if leaf.grad is None:
            assert name not in listing.gradients
        else:
            assert name is not None
            assert same(found[called[listing.gradients[name]]], leaf.grad.numpy()), f"{name}\n{program.source}"


def unchanged(function: Callable[[], Any], leaves: Sequence[tz.Tensor]) -> Any:
    """function(), after which every leaf has the array and the gradient that it had."""
    before = [(leaf, leaf.array, leaf.grad) for leaf in leaves]
    result = function()
    for leaf, array, gradient in before:
        assert leaf.array is array
        assert leaf.grad is gradient
    return result
