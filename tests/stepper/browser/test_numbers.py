"""Every number on the screen is NumPy's: compared with the tape's own arrays, not with the document."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.stepper import samples
from tests.stepper.browser import truth
from tests.stepper.browser.screen import number

DIGITS = 3
HERE = {  # what a table shows of a step: the name that truth.py has for it
    "forward": {"target": "outputs", "output1": "outputs", "output2": "outputs"},
    "seed": {"target": "gradient"},
    "backward": {"target": "raw"},
    "sum_to": {"target": "contribution"},
    "cast": {"target": "contribution"},
    "hook": {"target": "after"},
    "update": {"target": "after"},
    "assign": {"target": "after"},
}
EVERYWHERE = {"raw": "raw", "before": "before", "this": "contribution", "after": "after", "gradient": "gradient"}


def agree(shown: str, value: float) -> bool:
    """Whether a number on the screen is the value to three significant digits, rounded from the five of the file."""
    if not math.isfinite(value):
        return number(shown) == value or (math.isnan(value) and math.isnan(number(shown)))
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1) if value else 1e-300
    return abs(number(shown) - value) <= 0.5051 * unit


SAMPLED = {name: 3 if name in ("blocks250", "flat999") else 6 for name in samples.SAMPLES}


@pytest.mark.parametrize("sample", SAMPLED)
def test_the_numbers_on_the_screen_are_numpys(show, saved, traces, sample):
    """A step of each phase of each sample, and more at random: at least fifty in all."""
    trace = traces(sample)
    expected = truth.arrays(trace)
    screen = show(saved(sample))
    for step in _some(trace, SAMPLED[sample]):
        screen.to(step)
        _compare(screen, trace.document().steps[step], expected[step])


def test_the_window_of_a_large_array_shows_numpys_numbers(show, large, tmp_path):
    large.save_html(tmp_path / "large.html")
    expected = truth.arrays(large)
    screen = show(tmp_path / "large.html")
    for step, recorded in enumerate(large.document().steps):
        screen.to(step)
        _compare(screen, recorded, expected[step])


@pytest.fixture
def large():
    """Matrices of more than 64 elements: a window of each is in the document."""
    generator = np.random.default_rng(5)
    W, b = (tz.tensor(generator.normal(size=size), requires_grad=True) for size in ((30, 20), 20))
    x = tz.tensor(generator.normal(size=(3, 9, 30)))
    with tz.record(title="large") as trace:
        tz.functional.tanh(x @ W + b).sum().backward()
    return trace


def _some(trace, count):
    """The first step of each phase, and `count` more at random."""
    steps = trace.document().steps
    first = {step["phase"]: i for i, step in reversed(list(enumerate(steps)))}
    return sorted({*first.values(), *random.Random(trace.title).sample(range(len(steps)), min(count, len(steps)))})


def _compare(screen, step, arrays):
    """Each table on the screen with the array that it shows, and the element that is written out with its cell."""
    grids = screen.grids()
    for of, cells in grids.items():
        array = _array(of, step["phase"], arrays)
        flat = np.ravel(array)
        assert cells and len(cells) == min(flat.size, len(cells))
        for at, shown in cells.items():
            assert agree(shown, float(flat[at])), (step, of, at, shown, flat[at])
    shown = {_name(of, step["phase"]) for of in grids}
    for name, array in arrays.items():
        if array is None:
            assert "–" in screen.text(name) and name not in shown
        elif name == "contribution" and array is arrays.get("raw"):
            assert "raw" in shown
        elif name != "inputs":
            assert name in shown, (step, name)
    element = screen.element()
    if element:
        made = np.asarray(_array("target", step["phase"], arrays))
        assert agree(element.value, float(made[element.index]))


def _name(of, phase):
    stem = of.rstrip("0123456789")
    return HERE.get(phase, {}).get(of) or EVERYWHERE.get(of) or {"input": "inputs", "upstream": "upstream"}[stem]


def _array(of, phase, arrays):
    found = arrays[_name(of, phase)]
    place = of[len(of.rstrip("0123456789")):]
    return found[int(place or 0)] if isinstance(found, list) else found


@pytest.mark.parametrize("sample", ["mlp", "softmax", "attention", "reused", "s6"])
def test_the_terms_of_the_element_sum_to_the_cell(show, saved, traces, sample):
    """As it can be read: Σ coefficient · upstream, and the rest, is the number that stands in the grid."""
    steps = traces(sample).document().steps
    written = [i for i, s in enumerate(steps) if s["phase"] in ("backward", "sum_to") and s["element"]]
    screen = show(saved(sample))
    for step in random.Random(sample).sample(written, min(8, len(written))):
        screen.to(step)
        _sums(screen)


def _sums(screen):
    element = screen.element()
    assert agree(screen.grids()["target"][screen.picked], number(element.value))
    terms = [math.prod(factors) for factors in element.terms]
    largest = max(map(abs, [*terms, element.rest]), default=0.0)
    assert abs(sum(terms) + element.rest - number(element.value)) <= 2e-3 * largest * (len(terms) + 1)


def test_another_cell_is_written_out_when_it_is_picked(show, saved, traces):
    document = traces("mlp").document()
    step = next(i for i, s in enumerate(document.steps) if s["phase"] == "backward" and len(s["element"]["terms"]) > 2)
    columns = document.data["arrays"][document.steps[step]["raw"]]["shape"][1]
    screen = show(saved("mlp"), anchor=f"#step={step}&pick=0,0")
    assert screen.picked == 0
    for key, place in (("j", columns), ("l", columns + 1), ("k", 1), ("h", 0)):
        screen.press(key)
        assert screen.picked == place
        assert screen.element().index == divmod(place, columns)
        _sums(screen)
    screen.tab.locator(f"table[data-of=target] td[data-flat='{columns}']").click()
    assert screen.picked == columns
    _sums(screen)


def test_the_cells_that_an_element_is_made_of_are_lit(show, saved, traces):
    document = traces("mlp").document()
    step = next(i for i, s in enumerate(document.steps)
                if s["phase"] == "backward" and len(s["element"]["terms"]) > 1 and s["element"]["index"][0])
    element = document.steps[step]["element"]
    shape = document.data["arrays"][document.steps[step]["upstream"][0]]["shape"]
    screen = show(saved("mlp"), anchor=f"#step={step}")
    made_of = {("upstream0", int(np.ravel_multi_index(t["index"], shape))) for t in element["terms"]}
    assert screen.lit() == made_of
    screen.tab.locator("table[data-of=target] td[data-flat='0']").hover()
    assert screen.lit() != made_of
    screen.tab.get_by_test_id("headline").hover()
    assert screen.lit() == made_of


def test_a_gradient_that_is_not_there_is_a_dash(show, saved, traces):
    """Never 0. The first contribution to a tensor has nothing before it."""
    screen = show(saved("reused"))
    kinds = set()
    for i, step in enumerate(traces("reused").document().steps):
        if step["phase"] == "backward":
            screen.to(i)
            there = "before" in screen.grids()
            assert there is (step["before"] is not None)
            assert ("–" in screen.text("before")) is not there
            assert there or not any(digit.isdigit() for digit in screen.text("before"))
            kinds.add(there)
    assert kinds == {True, False}


def test_no_node_claims_a_gradient_before_one_has_arrived(show, saved, traces):
    """The graph counts too: before the seed no node has a number."""
    screen = show(saved("mlp"), anchor="#step=0")
    seed = [s["phase"] for s in traces("mlp").document().steps].index("seed")
    for step in (0, seed - 1):
        screen.to(step)
        assert all("∂ –" in node for node in screen.drawn())
    screen.to(seed)
    assert sum("∂ –" not in node for node in screen.drawn()) == 1


def forward_uses(document, tensor):
    """An optimizer uses a parameter too, and adds nothing to its gradient."""
    forward = {step["op"] for step in document.steps if step["phase"] == "forward"}
    return sum(op in forward for op, _ in document.data["tensors"][tensor]["uses"])


@pytest.mark.parametrize(("sample", "expected"), [("reused", {True, False}), ("mlp", {False}), ("s6", {False})])
def test_a_tensor_that_is_used_twice_has_the_banner(show, saved, traces, sample, expected):
    document = traces(sample).document()
    screen = show(saved(sample))
    seen = set()
    for i, step in enumerate(document.steps):
        if step["phase"] == "backward":
            screen.to(i)
            twice = forward_uses(document, step["tensor"]) > 1
            assert screen.shown("banner") is twice
            seen.add(twice)
    assert seen == expected


def test_the_numeric_check_agrees_where_there_is_one(show, saved, traces):
    screen = show(saved("mlp"))
    for i, step in enumerate(traces("mlp").document().steps):
        if step["phase"] == "backward":
            screen.to(i)
            assert ("✓" in screen.text("check")) is ("numeric" in step["check"])
            assert "✗" not in screen.text("check")


def test_formulas_are_mathml_that_is_drawn(show, saved):
    screen = show(saved("mlp"))
    screen.press("]", "]")
    for name in ("formula", "derivative"):
        box = screen.tab.get_by_test_id(name).locator("math").first
        assert box.evaluate("node => node.namespaceURI") == "http://www.w3.org/1998/Math/MathML"
        assert box.bounding_box()["width"] > 10
