"""Texts and their classes, and the plain files that they are kept in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.data.plain_text import decoded

HEADER = ("label", "text")


@dataclass(frozen=True, eq=False)
class Texts:
    """n texts and their classes (文本与标签): ``names[labels[i]]`` is the class of ``texts[i]``.

    ``texts`` is a list of n str, ``labels`` int64 (n,), ``names`` a str for each class. Raises TypeError for
    another dtype or for what is not a str; ValueError for other shapes, for lengths that differ, where there
    is no text, and for a label without a name.
    """

    texts: list[str]
    labels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.labels.dtype != np.int64:
            raise TypeError(f"labels must be int64, got {self.labels.dtype}")
        if self.labels.shape != (len(self.texts),):
            raise ValueError(f"{len(self.texts)} texts need labels ({len(self.texts)},), got {self.labels.shape}")
        if not self.texts:
            raise ValueError("the data set is empty; pass at least one text")
        for text in self.texts:
            if not isinstance(text, str):
                raise TypeError(f"a text must be a str, got {type(text).__name__}: {text!r:.40}")
        least, most = self.labels.min(), self.labels.max()
        if least < 0 or most >= len(self.names):
            raise ValueError(f"labels must be in [0, {len(self.names)}), one for each name, got [{least}, {most}]")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: ArrayLike) -> Texts:
        """The texts of these row numbers, in their order (选取), with the same class names.

        Texts are split by their row numbers:

        >>> from tinygrad_zh.data import train_test_split
        >>> reviews = Texts(["好", "很好", "差", "很差"], np.array([1, 1, 0, 0]), ("negative", "positive"))
        >>> rows = np.arange(len(reviews))
        >>> train, test = train_test_split(rows, test_size=0.5, seed=0, stratify=reviews.labels)
        >>> reviews.take(test).texts
        ['好', '很差']
        """
        chosen = np.asarray(rows)
        if chosen.dtype.kind not in "iu":
            raise TypeError(f"row numbers must be integers, got {chosen.dtype}")
        return Texts([self.texts[row] for row in chosen], self.labels[chosen], self.names)


def labelled_texts(path: str | os.PathLike[str], names: Sequence[str] | None = None) -> Texts:
    """A file of one label, a tab and one text a line (读取带标签的文本), UTF-8 or GB18030.

    Empty lines and a first line "label⇥text" are passed over, white space around a text is taken off. The
    classes are the labels of the file in the order of their code points, or else ``names``: give a test file
    the training file's.

    Raises ValueError, naming the file and the line, for a line that is not a label and a text, for a label
    that is not among ``names``, and for a file without texts or in another encoding; OSError when it cannot
    be opened.
    """
    return parsed(Path(path).read_bytes(), path, names)


def parsed(content: bytes, place: str | os.PathLike[str], names: Sequence[str] | None = None) -> Texts:
    """The texts in the bytes of such a file; ``place`` is for the errors."""
    lines = [
        (number, tuple(column.strip() for column in line.split("\t")))
        for number, line in enumerate(decoded(content, place).split("\n"), start=1)
        if line.strip()
    ]
    if lines and lines[0][1] == HEADER:
        del lines[0]
    if not lines:
        raise ValueError(f"{place} holds no texts")
    for number, columns in lines:
        if len(columns) != 2 or not all(columns):
            raise ValueError(f"{place}, line {number}: expected a label, a tab and a text, got {columns!r:.80}")
        if names is not None and columns[0] not in names:
            raise ValueError(f"{place}, line {number}: the label {columns[0]!r} is not one of {', '.join(names)}")
    rows = [columns for _, columns in lines]
    return from_rows(rows, sorted({label for label, _ in rows}) if names is None else names)


def from_rows(rows: Iterable[tuple[str, ...]], names: Sequence[str]) -> Texts:
    """Texts from rows of a class name and a text; the labels cannot be written to."""
    labels, texts = zip(*rows, strict=True)
    numbers = {name: number for number, name in enumerate(names)}
    classes = np.array([numbers[label] for label in labels], dtype=np.int64)
    classes.setflags(write=False)
    return Texts(list(texts), classes, tuple(names))
