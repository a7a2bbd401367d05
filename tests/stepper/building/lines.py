"""Lines of a tape to explain: those that a row of the table of ops writes down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.ops.checks import Run, cast, seeds_for
from tests.ops.table import TABLE, Case, Row
from tinygrad_zh.core import Line, Tape
from tinygrad_zh.core.tape import recording

ROWS = [row for row in TABLE if not row.constant]


def recorded(row: Row, case: Case, dtype: Any = np.float64) -> Tape:
    """The tape of a row's function and of its gradients, from random upstream gradients."""
    with recording(Tape()) as tape:
        run = Run(row, case, cast(case.arrays, dtype))
        if run.roots:
            run.gradients([seed.astype(y.dtype) for seed, y in zip(seeds_for(case, run.roots), run.roots, strict=True)])
    return tape


def partials(tape: Tape) -> Iterator[tuple[Line, int, Any]]:
    """Each backward line with each of its inputs that has a partial, and that partial."""
    for line in tape.of("backward"):
        for slot, raw in zip(line.info["slots"], line.outputs, strict=True):
            if raw is not None and raw.size:
                yield line, slot, raw


def picks(seed: int, shape: tuple[int, ...], count: int = 3) -> list[tuple[int, ...]]:
    """Some indices of a shape."""
    rng = np.random.default_rng(seed)
    return [tuple(int(rng.integers(n)) for n in shape) for _ in range(count)]
