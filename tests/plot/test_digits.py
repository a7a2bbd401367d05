from __future__ import annotations

import csv

import numpy as np
import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot import misread_digits

pytestmark = pytest.mark.filterwarnings("error", "ignore:Glyph")

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
TRUE = np.array([3, 1, 4, 1, 5, 9])
PREDICTED = np.array([3, 7, 9, 1, 3, 9])
CONFIDENCE = np.array([0.99, 0.4, 0.8, 0.7, 0.55, 0.9])
SUREST_FIRST = [["2", "4", "9", "0.8"], ["4", "5", "3", "0.55"], ["1", "1", "7", "0.4"]]


def table(path):
    return list(csv.reader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))


def test_only_the_misread_are_drawn_the_surest_first(tmp_path, words):
    with in_language("en"):
        path = misread_digits(IMAGES, TRUE, PREDICTED, CONFIDENCE, tmp_path / "page.svg")
    assert table(path) == [["index", "true", "predicted", "confidence"], *SUREST_FIRST]
    said = words(path)
    assert any(each.startswith("The 3 misread of 6 digits") for each in said)
    assert [each for each in said if each.endswith("%")] == ["80%", "55%", "40%"]
    assert [each for each in said if each.endswith("→")] == ["4 →", "5 →", "1 →"]


def test_flat_images_are_the_same_page(tmp_path):
    flat = misread_digits(IMAGES.reshape(6, 16), TRUE, PREDICTED, CONFIDENCE, tmp_path / "flat.svg")
    square = misread_digits(IMAGES, TRUE, PREDICTED, CONFIDENCE, tmp_path / "square.svg")
    assert flat.read_bytes() == square.read_bytes()


def test_at_most_sixty(tmp_path, words, pretend_font):
    rng = np.random.default_rng(1)
    images, confidence = np.zeros((75, 4)), rng.random(75)
    with in_language("zh"):
        path = misread_digits(images, [0] * 75, [1] * 75, confidence, tmp_path / "page.svg")
    _, *rows = table(path)
    assert [int(row[0]) for row in rows] == np.argsort(-confidence)[:60].tolist()
    assert any("75 个数字中读错 75 个，这里是网络最有把握的 60 个" in each for each in words(path))


def test_a_page_without_mistakes_says_so(tmp_path, words):
    with in_language("en"):
        path = misread_digits(IMAGES, TRUE, TRUE, CONFIDENCE, tmp_path / "page.svg")
    assert words(path) == ["All 6 digits were read correctly"]
    assert len(table(path)) == 1


@pytest.mark.parametrize("shape", [(6,), (6, 15), (6, 0), (6, 1, 4, 4)])
def test_images_of_another_shape_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"height, width"):
        misread_digits(np.zeros(shape), TRUE, PREDICTED, CONFIDENCE, tmp_path / "page.png")


@pytest.mark.parametrize("cut", range(3))
def test_unequal_lengths_are_refused(tmp_path, cut):
    columns = [TRUE, PREDICTED, CONFIDENCE]
    columns[cut] = columns[cut][:-1]
    with pytest.raises(ValueError, match=r"6 images need as many .* \(5,\)"):
        misread_digits(IMAGES, *columns, tmp_path / "page.png")
    assert list(tmp_path.iterdir()) == []
