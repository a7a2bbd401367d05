from __future__ import annotations

import csv

import numpy as np
import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot.steps import LOWEST, StepCurve, StepPanel, step_panels

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

H = np.array([0.1, 0.01, 0.001])


@pytest.mark.parametrize(("language", "said"), [
    ("en", {"step h", "relative error", "best step", "theory: truncation + rounding", "ladder: error to error bar"}),
    ("zh", {"步长 h", "相对误差", "最佳步长", "理论：截断 + 舍入", "阶梯外推：误差到误差限"}),
])
def test_it_says_what_is_what(language, said, tmp_path, words, pretend_font):
    panels = [StepPanel("float64", H, [StepCurve("one", H, 2 * H, 0.01), StepCurve("two", H**2, H)], (0.0, 1e-12))]
    with in_language(language):
        path = step_panels(panels, tmp_path / "steps.svg", title="the title")
    assert said | {"the title", "float64", "one", "two", "0"} <= set(words(path))
    rows = list(csv.reader(path.with_suffix(".csv").open(encoding="utf-8")))
    assert rows[0] == ["panel", "scheme", "step", "error", "theory"]
    assert rows[1] == ["float64", "one", "0.1", "0.1", "0.2"] and len(rows) == 7


def test_an_error_of_0_stands_on_the_floor(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    heights, plot = [], Axes.plot

    def keep(self, x, y, *words, **options):
        heights.extend(np.atleast_1d(np.asarray(y, float)))
        return plot(self, x, y, *words, **options)

    monkeypatch.setattr(Axes, "plot", keep)
    step_panels([StepPanel("p", H, [StepCurve("c", 0 * H, H, 0.001)], (0.0, 0.0))], tmp_path / "s.png", title="t")
    assert heights[:3] == [LOWEST] * 3 and heights[6] == LOWEST
