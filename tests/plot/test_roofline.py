from __future__ import annotations

import csv

import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot.roofline import MARKS, Point, roofline

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

POINTS = [Point("softmax.forward", "numpy", 0.6, 4e9), Point("softmax.forward", "numba", 0.6, 9e9),
          Point("matmul.forward", "numba", 170.0, 1e11), Point("embedding.forward", "numba", 0.0, 0.0)]
ROOFS = {"memory": 30e9, "cache": 9e10}


@pytest.mark.parametrize(("language", "said"), [
    ("en", {"operations a second", "memory: 30 GB/s, measured", "1  softmax.forward", "2  matmul.forward",
            "matrix product: 200 GFLOP/s, measured, not the vendor's"}),
    ("zh", {"每秒运算次数", "memory：30 GB/s（实测）", "1  softmax.forward", "2  matmul.forward",
            "矩阵乘法：200 GFLOP/s（实测，不是厂家标称）"}),
])
def test_roofs_and_kernels_are_named(tmp_path, pretend_font, words, language, said):
    with in_language(language):
        path = roofline(POINTS, ROOFS, 2e11, tmp_path / "roof.svg", title="one core")
    assert {*said, "one core", "numpy", "numba"} <= set(words(path))


def test_the_table_has_every_point_also_that_without_operations(tmp_path):
    path = roofline(POINTS, ROOFS, 2e11, tmp_path / "roof.svg", title="")
    with path.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kernel"] for row in rows] == [point.kernel for point in POINTS]
    assert float(rows[2]["flops_a_second"]) == 1e11


@pytest.mark.parametrize("points", [[], POINTS[3:], [Point("a", str(i), 1, 1) for i in range(len(MARKS) + 1)]])
def test_what_cannot_be_drawn_is_refused(tmp_path, points):
    with pytest.raises(ValueError, match="points with operations"):
        roofline(points, ROOFS, 2e11, tmp_path / "roof.svg", title="")
