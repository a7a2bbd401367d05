"""The program, run here: what each of its names is. 在此运行程序，得到每个变量的值"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.program.listing import Listing
from tinygrad_zh.program.printing.rows import Row


def executed(rows: Sequence[Row], listing: Listing) -> dict[str, Any]:
    """The value of every name of the program, computed here: of a formula's own names no line of the tape tells."""
    values: dict[str, Any] = {"np": np, "math": math, **listing.helpers}
    for leaf in listing.leaves:
        values[leaf.name] = generator(leaf.value) if leaf.kind == "generator" else \
            leaf.value.item() if leaf.kind == "setting" else leaf.value
    with np.errstate(all="ignore"):
        for row in rows:
            exec(compile(ast.Module([row.tree], []), "<program>", "exec"), values)
    return {name: value for name, value in values.items() if name not in ("np", "math", "__builtins__")}


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """A generator in a state."""
    made = np.random.Generator(getattr(np.random, state["bit_generator"])(0))
    made.bit_generator.state = state
    return made
