from __future__ import annotations

import csv
import io
import sys
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tinygrad_zh.core import Tensor
from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot import attention_map, attention_over_text
from tinygrad_zh.plot.attention import SHADES, _ink_on

pytestmark = pytest.mark.filterwarnings("error", "ignore:Glyph")

WEIGHTS = [0.2126, 0.7152, 0.0722]  # of red, green and blue in relative luminance
P = np.array([[0.75, 0.25, 0.0], [0.5, 0.25, 0.25]])


def table(path):
    return list(csv.reader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def drawn(monkeypatch):
    """The figures, looked at before they are written."""
    figures, savefig = [], Figure.savefig

    def keep(self, *words, **options):
        figures.append(self)
        savefig(self, *words, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_a_row_for_each_query_and_a_column_for_each_key(tmp_path, words, pretend_font, drawn):
    with in_language("zh"):
        path = attention_map(P, ["问", "题"], tmp_path / "map.svg", columns=["需", "要", "咨"])
    assert path == tmp_path / "map.svg"
    assert {"注意力权重", "每一行（查询）看向各列（键）", "权重", *"问题需要咨"} <= set(words(path))
    maps, bar = drawn[0].axes
    assert [label.get_text() for label in maps.get_yticklabels()] == ["问", "题"]
    assert [label.get_text() for label in maps.get_xticklabels()] == ["需", "要", "咨"]
    assert np.array_equal(maps.images[0].get_array(), P)
    assert maps.images[0].get_clim() == (0, 0.75) == bar.get_xlim()
    assert table(path) == [
        ["head", "query", "需", "要", "咨"],
        ["1", "问", "0.75", "0.25", "0.0"],
        ["1", "题", "0.5", "0.25", "0.25"],
    ]


def test_heads_share_one_scale(tmp_path, words, drawn):
    heads = np.stack([P, P / 3, P / 5, P / 7, P / 9]).astype(np.float32)
    heads += 0.125  # none is 0, and yet the scale begins there
    with in_language("en"):
        path = attention_map(heads, "ab", tmp_path / "map.svg", columns="xyz", title="Where it $looks$")
    said = words(path)
    assert [each for each in said if each.startswith("Head")] == [f"Head {i}" for i in range(1, 6)]
    assert {"Where it $looks$", "Each row (query) looks at the columns (keys)"} <= set(said)
    *maps, _ = drawn[0].axes
    assert {axes.images[0].get_clim() for axes in maps} == {(0, 0.875)}
    assert all(np.array_equal(axes.images[0].get_array(), head) for axes, head in zip(maps, heads, strict=True))
    _, *rows = table(path)
    assert [row[:2] for row in rows] == [[str(i), token] for i in range(1, 6) for token in "ab"]
    assert np.array_equal(np.array([row[2:] for row in rows], np.float32).reshape(5, 2, 3), heads)


def test_self_attention_has_the_same_tokens_on_both_sides(tmp_path):
    path = attention_map(Tensor(np.eye(2)), "ab", str(tmp_path / "map.png"))
    assert table(path) == [["head", "query", "a", "b"], ["1", "a", "1.0", "0.0"], ["1", "b", "0.0", "1.0"]]


SIZES = [(1, 1, 1), (1, 1, 60), (1, 60, 1), (1, 14, 14), (4, 12, 60), (4, 100, 9)]


@pytest.mark.parametrize(("heads", "n", "m"), SIZES)
@pytest.mark.parametrize("token", ["w", "attention"])
def test_nothing_is_clipped_and_nothing_overlaps(tmp_path, drawn, heads, n, m, token):
    title = "a title that is longer than a narrow page is wide, " * 2
    with in_language("en"):
        attention_map(np.ones((heads, n, m)), [token] * n, tmp_path / "map.png", columns=[token] * m, title=title)
    (figure,) = drawn
    renderer = FigureCanvasAgg(figure).get_renderer()
    *maps, _ = figure.axes
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    boxes += [each.get_window_extent(renderer) for each in figure.texts]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    for axes in maps:
        assert axes.bbox.width / m == pytest.approx(axes.bbox.height / n)  # the cells are square
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            places = [label.get_window_extent(renderer) for label in labels]
            assert not any(a.overlaps(b) for a, b in pairwise(places))


def test_of_too_many_tokens_every_second_is_written(tmp_path, words):
    tokens = [f"{i}" for i in range(100, 200)]
    said = words(attention_map(np.ones((4, 100, 1)), tokens, tmp_path / "map.svg", columns=["all"]))
    assert [each for each in said if each in tokens] == 4 * tokens[::2]
    assert len(table(tmp_path / "map.svg")) == 401
    said = words(attention_map(np.ones((100, 1)), tokens, tmp_path / "one.svg", columns=["all"]))
    assert [each for each in said if each in tokens] == tokens


def test_what_shows_nothing_is_shown_and_the_csv_keeps_it(tmp_path, words):
    path = attention_map(np.eye(3), [" ", "\n", "$5$"], tmp_path / "map.svg")
    assert words(path).count("␣") == 4
    assert words(path).count("$5$") == 2
    rows = csv.reader(io.StringIO(path.with_suffix(".csv").read_text(encoding="utf-8"), newline=""))
    assert [row[1] for row in rows] == ["query", " ", "\n", "$5$"]


def test_a_map_of_zeros_is_drawn(tmp_path, drawn):
    attention_map(np.zeros((2, 2)), "ab", tmp_path / "map.png")
    attention_over_text(np.zeros(2), "ab", tmp_path / "strip.png")
    assert drawn[0].axes[0].images[0].get_clim() == (0, 1)
    assert [each.get_facecolor() for each in drawn[1].axes[0].patches] == 2 * [colormaps[SHADES](0.0)]


def test_the_strip_is_the_text_on_its_grounds(tmp_path, words, pretend_font, drawn):
    sentence = "你好，我有一个问题需要咨询。我昨天买的手机今天早上突然开不了机"
    weights = np.arange(1, len(sentence) + 1) / 100
    with in_language("zh"):
        path = attention_over_text(weights, sentence, tmp_path / "strip.svg")
    assert "".join(each for each in words(path) if len(each) == 1) == sentence
    assert {"注意力落在哪些字词上", "权重"} <= set(words(path))
    assert table(path) == [["token", "weight"], *([c, str(w)] for c, w in zip(sentence, weights, strict=True))]
    strip, bar = drawn[0].axes
    grounds = [patch.get_facecolor() for patch in strip.patches]
    assert grounds == [colormaps[SHADES](share) for share in weights / weights.max()]
    assert [patch.get_xy() for patch in strip.patches] == [(i % 24, i // 24 + 0.04) for i in range(len(sentence))]
    assert (strip.texts[0].get_color(), strip.texts[-1].get_color()) == ("black", "white")
    assert bar.get_xlim() == (0, weights.max())


def test_wide_tokens_have_wide_grounds(tmp_path, drawn):
    attention_over_text([1, 2, 3], ["今天", "ok", "!"], tmp_path / "strip.png", title="today")
    strip, _ = drawn[0].axes
    assert [(patch.get_x(), patch.get_width()) for patch in strip.patches] == [(0, 2), (2, 1), (3, 0.5)]
    assert drawn[0].get_suptitle() == "today"


def test_ink_is_legible_on_every_ground():
    def luminance(colour):
        channels = np.array(to_rgb(colour))
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ WEIGHTS

    for share in np.linspace(0, 1, 256):
        ground = colormaps[SHADES](share)
        dark, light = sorted([luminance(ground), luminance(_ink_on(ground))])
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, success criterion 1.4.3


@pytest.mark.parametrize(
    ("weights", "rows", "message"),
    [
        (P, "abc", r"3 rows and 3 columns need \(3, 3\) weights a head, but the shape is \(2, 3\)"),
        (np.ones((2, 3, 3)), "ab", r"2 rows and 2 columns .* \(2, 3, 3\)"),
        (np.ones(3), "abc", r"\(heads, n, m\).* but the shape is \(3,\)"),
        (np.ones((1, 1, 2, 2)), "ab", r"but the shape is \(1, 1, 2, 2\)"),
        (np.ones((0, 0)), "", r"at least one of each, but the shape is \(0, 0\)"),
        (np.ones((0, 2, 2)), "ab", r"at least one of each, but the shape is \(0, 2, 2\)"),
        ([[1, np.nan], [0, 1]], "ab", r"weights\[0, 1\] is nan"),
        ([[1, 0], [np.inf, 1]], "ab", r"weights\[1, 0\] is inf"),
        ([[1, 0], [0, -0.5]], "ab", r"at least 0, but weights\[1, 1\] is -0.5"),
    ],
)
def test_wrong_weights_are_refused(tmp_path, weights, rows, message):
    with pytest.raises(ValueError, match=message):
        attention_map(weights, rows, tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("weights", "tokens", "message"),
    [
        (np.ones(2), "abc", r"3 tokens need as many weights, .* \(2,\)"),
        (np.ones((2, 2)), "ab", r"2 tokens need as many weights, .* \(2, 2\)"),
        ([], "", "at least one"),
        ([0.5, -0.5], "ab", r"weights\[1\] is -0.5"),
    ],
)
def test_wrong_weights_over_a_text_are_refused(tmp_path, weights, tokens, message):
    with pytest.raises(ValueError, match=message):
        attention_over_text(weights, tokens, tmp_path / "strip.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("weights", [np.eye(2) > 0, np.eye(2) * 1j, [["x", "y"], ["z", "w"]]])
def test_what_is_no_number_is_refused(tmp_path, weights):
    with pytest.raises(TypeError, match="real numbers, but the dtype is"):
        attention_map(weights, "ab", tmp_path / "map.png")


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (lambda path: attention_map([[1.0]], "a", path), lambda path: attention_over_text([1.0], "a", path)):
        with pytest.raises(ImportError, match=r'pip install "tinygrad-zh\[plot\]"'):
            draw(tmp_path / "map.png")
