from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot import confusion_matrix

pytestmark = pytest.mark.filterwarnings("error", "ignore:Glyph")

COUNTS = np.array([[8, 0, 2], [1, 4, 0], [0, 0, 0]])


def test_counts_shares_and_accuracy(tmp_path, words):
    with in_language("en"):
        path = confusion_matrix(COUNTS, ["cat", "dog", "bird"], tmp_path / "confusion.svg")
    said = words(path)
    assert "Confusion matrix: 12 of 15 right, 80.0%" in said
    cells = [each for each in said if re.fullmatch(r"[\d.]+%?", each)]
    assert cells == ["8", "80.0%", "2", "20.0%", "1", "20.0%", "4", "80.0%"]  # nothing is written for a zero
    assert {"true class", "predicted class", "cat", "dog", "bird"} <= set(said)


def test_the_csv_is_the_matrix(tmp_path, pretend_font):
    with in_language("zh"):
        path = confusion_matrix(COUNTS, ["猫", "狗", "鸟"], tmp_path / "confusion.png")
    assert list(csv.reader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines())) == [
        ["true", "猫", "狗", "鸟"],
        ["猫", "8", "0", "2"],
        ["狗", "1", "4", "0"],
        ["鸟", "0", "0", "0"],
    ]


@pytest.mark.parametrize(("name", "turned"), [("seven 7", 0), ("eight 88", 2), ("五个字的名", 2)])
def test_names_wider_than_a_cell_stand_upright(tmp_path, name, turned):
    with in_language("en"):
        path = confusion_matrix(np.diag([3, 4]), [name, "b"], tmp_path / "confusion.svg")
    upright = re.findall(r"rotate\(-90", path.read_text(encoding="utf-8"))
    assert len(upright) == turned + 1  # the axis' own name always does


@pytest.mark.parametrize("counts", [[[0]], [[5]], np.zeros((2, 2), int), np.diag([3, 4])])
def test_extremes_are_drawn(tmp_path, words, counts):
    with in_language("en"):
        path = confusion_matrix(counts, range(len(counts)), tmp_path / "confusion.svg")
    total = int(np.sum(counts))
    assert f"Confusion matrix: {total} of {total} right, {100.0 * (total > 0)}%" in words(path)


def test_wrong_counts_are_refused(tmp_path):
    path = tmp_path / "confusion.png"
    with pytest.raises(TypeError, match="float64"):
        confusion_matrix(COUNTS / 2, "abc", path)
    with pytest.raises(ValueError, match=r"2 labels need .* \(2, 2\), but the shape is \(3, 3\)"):
        confusion_matrix(COUNTS, "ab", path)
    with pytest.raises(ValueError, match="0 labels"):
        confusion_matrix(np.zeros((0, 0), int), [], path)
    with pytest.raises(ValueError, match="the least is -1"):
        confusion_matrix([[1, -1], [0, 1]], "ab", path)
    assert list(tmp_path.iterdir()) == []
