"""The printed program computes what the engine does, bit for bit: every op, in both precisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.checks import as_tuple, cast, seeds_for
from tests.ops.reach import for_examples
from tests.ops.table import TABLE, Case, Row
from tests.program.unrolling.running import assert_gradients

ROWS = [row for row in TABLE if not row.constant]
PRECISIONS = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@PRECISIONS
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_op(row: Row, dtype: Any, tmp_path: Path) -> None:
    """With each leaf used again beside the op: as a loss, whose backward unroll writes out itself."""

    def check(case: Case) -> None:
        leaves = [tz.tensor(x, requires_grad=x.dtype.kind == "f", name=f"x{i}")
                  for i, x in enumerate(cast(case.arrays, dtype))]
        learning = [leaf for leaf in leaves if leaf.requires_grad]

        def loss() -> Any:
            results = as_tuple(row.function(*leaves, **case.keywords))
            roots = [y for y in results if isinstance(y, tz.Tensor) and y.requires_grad]
            losses = [(y * seed).sum() for y, seed in zip(roots, seeds_for(case, roots), strict=True)]
            losses += [(leaf * leaf).sum() for leaf in learning]
            return sum(losses[1:], losses[0])

        program = tz.unroll(loss)
        loss().backward()
        assert_gradients(program, learning, tmp_path)

    for_examples(2, row, check)
