"""A file of measured times: {"machine": {fact: value}, "rows": [{"of": {…}, "seconds": …}, …]}. 结果文件"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_zh.disk import whole_file


@dataclass(frozen=True)
class Row:
    """One time. 一行结果

    of: what was timed, as {"kernel": "softmax.forward", "body": "numba", "size": [64, 64], …}; two rows of two files
    with the same are compared. seconds: the median. figures: whatever else was measured, as low, high, bytes, flops.
    """

    of: Mapping[str, Any]
    seconds: float
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What was timed, as one text: "softmax.forward numba 64×64 float32"."""
        return " ".join("×".join(map(str, part)) if isinstance(part, (list, tuple)) else str(part)
                        for part in self.of.values())


@dataclass(frozen=True)
class Results:
    """One run of a benchmark. 一次运行的结果

    machine: facts about where it ran. rows: the times. more: what else the program wrote.
    """

    machine: Mapping[str, str]
    rows: Sequence[Row]
    more: Mapping[str, Any] = field(default_factory=dict)


def write(results: Results, path: str | os.PathLike[str]) -> Path:
    """Write the results as JSON, whole or not at all, and return the path. 写结果"""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"of": dict(row.of), "seconds": row.seconds, **row.figures} for row in results.rows]
    document = {"machine": dict(results.machine), **results.more, "rows": rows}
    with whole_file(path) as beside:
        beside.write_text(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read(path: str | os.PathLike[str]) -> Results:
    """The results in a file. 读结果

    Raises OSError where it cannot be read and ValueError, in one sentence, where it does not hold times.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(f"{path} is no JSON file; python -m benchmarks kernels --json writes results") from None
    match document:
        case {"machine": dict() as machine, "rows": list() as rows, **more}:
            return Results({str(fact): str(value) for fact, value in machine.items()},
                           [_row(path, i, row) for i, row in enumerate(rows)],
                           {str(name): value for name, value in more.items()})
    raise ValueError(f'{path} holds no times: a file of results has "machine" and "rows"')


def _row(path: Any, i: int, row: Any) -> Row:
    match row:
        case {"of": dict() as of, "seconds": float() | int() as seconds, **figures} if of and seconds is not True:
            if math.isfinite(seconds) and seconds > 0:
                return Row(of, float(seconds), {str(name): value for name, value in figures.items()})
    raise ValueError(f'{path}: row {i} has no "of" with what was timed and "seconds" above 0')
