from __future__ import annotations

import math

import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot.dots import CEILING, FLOOR, DotPanel, _inside, dot_panels

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


@pytest.mark.parametrize(("language", "said"), [
    ("en", {"correctly rounded", "forward: median to worst", "backward: median to worst"}),
    ("zh", {"正确舍入", "前向：中位到最差", "反向：中位到最差"}),
])
def test_it_says_what_is_what(language, said, tmp_path, words, pretend_font):
    panels = [DotPanel("float64", [(0.25, 1.0), (0.0, math.inf)]), DotPanel("float32", [(0.5, 2.0), (0.0, 0.0)])]
    with in_language(language):
        path = dot_panels(panels, ["exp", "exp ∂x"], [False, True], tmp_path / "d.svg", title="t", across="a", best=0.5)
    assert said | {"exp", "exp ∂x", "t", "a", "float64", "float32"} <= set(words(path))
    assert path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()[1:3] == ["float64,exp,0.25,1.0",
                                                                                    "float64,exp ∂x,0.0,inf"]


def test_what_is_off_the_page_stands_on_its_edge():
    assert [_inside(x) for x in (0.0, 1.0, math.inf, math.nan)] == [FLOOR, 1.0, CEILING, CEILING]
