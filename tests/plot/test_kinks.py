from __future__ import annotations

import math

import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot.kinks import KinkPanel, kink_panels

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


@pytest.mark.parametrize(("language", "said"), [
    ("en", {"said at 0", "said at 0.5", "the slope at 0.5", "between the slopes of the two sides at 0", "slope"}),
    ("zh", {"在 0 处的答案", "在 0.5 处的答案", "0.5 处的斜率", "0 处左右斜率之间", "斜率"}),
])
def test_it_says_what_is_what_and_writes_what_has_no_place(language, said, tmp_path, words, pretend_font):
    panels = [KinkPanel("f", (-1, 1), 1, [0.0, math.nan], [1.0, 1.0]),
              KinkPanel("g", (-math.inf, math.inf), 500, [8192.0, -math.inf], [500.0, 499.0])]
    with in_language(language):
        path = kink_panels(panels, ["one", "two"], tmp_path / "kinks.svg", beside=0.5)
    assert said | {"f", "g", "one", "two", "NaN", "−∞"} <= set(words(path))
    assert path.with_suffix(".csv").read_text().splitlines()[:3] == ["function,method,at,beside", "f,one,0.0,1.0",
                                                                    "f,two,nan,1.0"]
