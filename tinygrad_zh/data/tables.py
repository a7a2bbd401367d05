"""Tables of house prices that ship with the package, for regression on real numbers."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from tinygrad_zh.data.lengths import common_length


@dataclass(frozen=True, eq=False)
class Table:
    """Named numeric columns and the column to predict (数据表).

    ``names`` of the d features, ``values`` float64 (n, d), ``target_name``, ``target`` float64 (n,). For a
    network with one output unit the target is ``table.target[:, None]``. Raises ValueError when the shapes
    disagree.
    """

    names: tuple[str, ...]
    values: np.ndarray
    target_name: str
    target: np.ndarray

    def __post_init__(self) -> None:
        common_length((self.values, self.target))
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise ValueError(f"values of shape {self.values.shape} do not fit {len(self.names)} names")
        if self.target.ndim != 1:
            raise ValueError(f"the target must have shape (n,), got {self.target.shape}")

    def __len__(self) -> int:
        return len(self.target)

    def features(self, *names: str) -> np.ndarray:
        """The named columns (选取特征) as a new array (n, len(names)); ValueError lists those there are."""
        unknown = [name for name in names if name not in self.names]
        if unknown or not names:
            wrong = f"unknown column {', '.join(unknown)}" if unknown else "no column was named"
            raise ValueError(f"{wrong}; the columns are {', '.join(self.names)}")
        return self.values[:, [self.names.index(name) for name in names]]


def ames() -> Table:
    """2,930 house sales in Ames, Iowa (艾姆斯房价): 14 numeric features, ``Sale_Price`` in US dollars.

    Sales of 2006-2010. D. De Cock, "Ames, Iowa: Alternative to the Boston Housing Data", J. Statistics
    Education 19(3), 2011; from the R package modeldata 1.1.0, MIT (see files/HOUSES.md). Its author advises
    leaving out the five houses with more than 4,000 square feet of living area; they are in.

    >>> ames().features("Gr_Liv_Area", "Year_Built").shape
    (2930, 2)
    """
    return _read("ames.csv.gz", target="Sale_Price")


def sacramento() -> Table:
    """932 home sales in the Sacramento area (萨克拉门托房价), 5 numeric features, ``price`` in US dollars.

    The columns city, zip and type, which are not numbers, are left out. From the R package modeldata 1.1.0,
    MIT (see files/HOUSES.md).

    >>> sacramento().names
    ('beds', 'baths', 'sqft', 'latitude', 'longitude')
    """
    return _read("sacramento.csv.gz", target="price", left_out=("city", "zip", "type"))


def _read(file: str, *, target: str, left_out: tuple[str, ...] = ()) -> Table:
    content = gzip.decompress((files("tinygrad_zh.data") / "files" / file).read_bytes())
    rows = list(csv.DictReader(content.decode("utf-8").splitlines()))
    names = tuple(name for name in rows[0] if name != target and name not in left_out)
    values = np.array([[float(row[name]) for name in names] for row in rows])
    return Table(names, values, target, np.array([float(row[target]) for row in rows]))
