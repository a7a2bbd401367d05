"""Golden values: what PyTorch computed, for comparison where PyTorch is not installed. See README.md."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """One call: what went in, and what PyTorch made of it. `upstream` is the gradient of the output "y"."""

    name: str
    inputs: Arrays
    attributes: dict[str, Any]
    outputs: Arrays
    gradients: Arrays
    upstream: NDArray[Any] | None

    @property
    def function(self) -> str:
        """The name up to its first dot: the function, without the variant."""
        return self.name.partition(".")[0]

    def __str__(self) -> str:
        return self.name


def families() -> list[str]:
    """The names of the files, without .npz."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def load(family: str) -> Arrays:
    """One file as it is: key → array."""
    with np.load(FOLDER / f"{family}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def cases(*names: str) -> list[Case]:
    """The cases of the named families, of every family without a name: for `parametrize(…, ids=str)`."""
    return [case for family in names or families() for case in cases_of(load(family))]


def cases_of(arrays: Arrays) -> list[Case]:
    """What the arrays of one file hold."""
    by_case = groupby(arrays, key=lambda key: key.partition("/")[0])
    return [
        _case(name, {key.removeprefix(f"{name}/"): arrays[key] for key in keys}) for name, keys in by_case
    ]


def _case(name: str, arrays: Arrays) -> Case:
    def room(kind: str) -> Arrays:
        return {key.partition("/")[2]: array for key, array in arrays.items() if key.startswith(f"{kind}/")}

    attributes = {key: _plain(array) for key, array in room("attr").items()}
    return Case(name, room("in"), attributes, room("out"), room("grad"), arrays.get("upstream"))


def _plain(array: NDArray[Any]) -> Any:
    return tuple(array.tolist()) if array.ndim else array.item()
