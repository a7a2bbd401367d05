"""Scalar loops compute what the engine does, to 1e-12: every op that can be said in loops, and whole steps."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.checks import as_tuple, seeds_for
from tests.ops.reach import for_examples
from tests.ops.table import TABLE, Case, Row
from tinygrad_zh import functional as F
from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.i18n import in_language
from tinygrad_zh.program.listing import Listing, listed
from tinygrad_zh.program.printing import loops as module
from tinygrad_zh.program.printing.calling import display_names
from tinygrad_zh.program.printing.loops import LARGEST, loops_text, nested_list, wrapped
from tinygrad_zh.program.printing.simplifying import simplified
from tinygrad_zh.program.recording import recorded

ROWS = [row for row in TABLE if not row.constant]
NUMPY_ALONE = ("prod", "conv2d", "max_pool2d", "avg_pool2d", "windows", "unwindows", "blocked_attention")
"""Rows whose formulas run helpers that are loops of their own, or cumulated products."""


def listing_of(function: Any, *example: Any) -> Listing:
    return listed(recorded(function, example))


def assert_equal(listing: Listing) -> dict[str, Any]:
    """Every loss, result, gradient and new value is the engine's, to 1e-12 of the largest number it is made of."""
    code = loops_text(listing)
    assert "numpy" not in {name.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)
                           for name in node.names}
    found: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()):
        exec(compile(code, "<loops>", "exec"), found)
    names = display_names(simplified(listing), listing)
    largest = max(np.abs(v[np.isfinite(v)]).max(initial=0) for v in listing.values.values() if v.dtype.kind == "f")
    wanted = {listing.loss, *listing.gradients.values(), *listing.updates, *listing.outputs} - {""}
    for name in wanted:
        value, computed = np.asarray(listing.values[name]), np.array(found[names[name]], float)
        assert computed.shape == value.shape, name
        np.testing.assert_allclose(computed, value, rtol=1e-12, atol=1e-12 * largest, err_msg=code[:2000])
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_op(row: Row) -> None:
    said = []

    def check(case: Case) -> None:
        if said:
            return
        leaves = [tz.tensor(x, requires_grad=x.dtype.kind == "f", name=f"x{i}") for i, x in enumerate(case.arrays)]

        def loss() -> Any:
            results = as_tuple(row.function(*leaves, **case.keywords))
            roots = [y for y in results if isinstance(y, tz.Tensor) and y.requires_grad]
            losses = [(y * seed).sum() for y, seed in zip(roots, seeds_for(case, roots), strict=True)]
            return sum(losses[1:], losses[0])

        try:
            assert_equal(listing_of(loss))
            said.append(True)
        except ValueError as error:
            if "cannot be written as scalar loops" in str(error):
                said.append(False)
            elif "has 0 numbers" not in str(error):
                raise

    for_examples(6, row, check)
    assert any(said) == (not row.name.startswith(NUMPY_ALONE))


# ---- whole models


@pytest.fixture
def double() -> Iterator[None]:
    before = tz.get_default_dtype()
    tz.set_default_dtype(np.float64)
    yield
    tz.set_default_dtype(before)


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 2)), rng.integers(0, 2, 4)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("optimizer", [tz.optim.SGD, tz.optim.Adam, tz.optim.AdamW, tz.optim.Momentum])
def test_a_training_step(optimizer: Any) -> None:
    tz.manual_seed(0)
    model = tz.nn.Sequential(tz.nn.Dense(2, 3), tz.nn.Sigmoid(), tz.nn.Dense(3, 2))
    optimizer = optimizer(model.parameters(), lr=0.1)

    def step(x, t):
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(2):  # the second time with states that are not zero
        assert_equal(listing_of(step, *data()))
        step(*map(tz.tensor, data()))


def test_a_block_of_layer_norm_attention_and_dropout() -> None:
    rng = np.random.default_rng(1)
    W = [tz.tensor(rng.standard_normal((3, 3)), requires_grad=True, name=f"W{c}") for c in "qkv"]
    gamma, beta = (tz.tensor(rng.standard_normal(3), requires_grad=True, name=name) for name in ("gamma", "beta"))
    generator = np.random.default_rng(2)

    def loss(x):
        n = F.layer_norm(x, gamma, beta)
        q, k, v = (n @ w for w in W)
        y = x + F.dropout(F.scaled_dot_product_attention(q, k, v, is_causal=True), 0.5, generator=generator)
        return (F.softmax(y) * y).sum()

    assert_equal(listing_of(loss, rng.standard_normal((2, 3))))
    assert_equal(listing_of(loss, rng.standard_normal((2, 2, 3))))


@pytest.mark.usefixtures("double")
def test_batch_norm_changes_its_statistics() -> None:
    norm = tz.nn.BatchNorm(2)
    listing = listing_of(lambda x: (norm(x) ** 3).sum(), data()[0])
    assert len(listing.updates) == 2
    assert_equal(listing)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("system", ["s5", "s6"])
def test_the_first_step_of_a_system(system: str) -> None:
    assert_equal(listing_of(import_module(SYSTEMS[system]).first_step()))


# ---- how it reads


def test_a_layer_as_a_first_lecture_writes_it() -> None:
    tz.manual_seed(0)
    model = tz.nn.Sequential(tz.nn.Dense(2, 3))
    with in_language("en"):
        text = loops_text(listing_of(lambda x: model(x).sum(), data()[0]))
    assert """z = zeros(4, 3)
for i in range(4):
    for j in range(3):
        z[i][j] = sum(x[i][k] * W[k][j] for k in range(2)) + b[j]
""" in text
    assert "float32" in text


def test_indices_are_no_names_of_the_program() -> None:
    k = tz.tensor([[1.0, 2.0]], requires_grad=True, name="k")
    text = loops_text(listing_of(lambda: (k * k).sum()))
    assert "for i in range(2)" in text or "for j in range(2)" in text
    assert "for k in" not in text


def test_a_transposed_and_reversed_array_is_read_where_it_lies() -> None:
    w = tz.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="w")
    seed = np.random.default_rng(0).standard_normal((3, 2))
    found = assert_equal(listing_of(lambda: (tz.functional.flip(w.transpose(), 0) * seed).sum()))
    np.testing.assert_allclose(found["dw"], seed[::-1].T)


@pytest.mark.parametrize("shape", [(), (3,), (30,), (3, 4), (3, 30), (2, 3, 4), (2, 2, 2, 30)])
def test_data_is_written_in_lines_that_are_not_too_long(shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).standard_normal(shape)
    lines = nested_list("data", value)
    assert max(map(len, lines)) <= 120
    found: dict[str, Any] = {}
    exec("\n".join(lines), found)
    np.testing.assert_array_equal(found["data"], value)


class Mirrored(tz.Op):
    """y = 2 x − its mirror image, with one local name for two values"""

    def forward(x):
        e = x * 2
        e = e - e[::-1]
        return e + 0

    def backward(dy):
        return 2 * (dy - dy[::-1])


def test_an_array_that_is_read_elsewhere_is_not_overwritten_meanwhile() -> None:
    x = tz.tensor([1.0, 2.0, 4.0], requires_grad=True, name="x")
    listing = listing_of(lambda: (Mirrored(x) * np.array([1.0, 10.0, 100.0])).sum())
    assert "new[i] = e[i] - e[-i + 2]" in loops_text(listing).replace("2 - i", "-i + 2")
    assert_equal(listing)


def test_what_is_read_at_several_indices_is_computed_once() -> None:
    x = tz.tensor([[1.0, 2.0], [4.0, 3.0]], requires_grad=True, name="x")
    listing = listing_of(lambda: (F.softmax(x) ** 2).sum())
    assert "softmax_x_sum[i] = sum(e[i][j] for j in range(2))" in loops_text(listing)


def test_axes_that_are_joined_are_cut_again() -> None:
    x = tz.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="x")
    listing = listing_of(lambda: (x.reshape(6) * np.arange(6.0) ** 2).sum() + (x.reshape(3, 2) ** 3)[:, 0].sum())
    assert "x[i // 3][i % 3]" in loops_text(listing).replace("(", "").replace(")", "")
    assert_equal(listing)


def test_both_languages() -> None:
    listing = listing_of(lambda x: (x * x).sum(), data()[0])
    with in_language("zh"):
        assert "标量循环" in loops_text(listing)


def test_no_line_is_too_long_and_broken_lines_mean_the_same() -> None:
    x = tz.tensor(np.linspace(-2, 2, 6).reshape(2, 3), requires_grad=True, name="a_name_that_is_rather_long")
    listing = listing_of(lambda: F.gelu(F.gelu(x) * F.sigmoid(x)).sum())
    assert max(map(len, loops_text(listing).splitlines())) <= 120
    assert_equal(listing)


@pytest.mark.parametrize("code", [
    "a + b * (c - d)", "math.exp(a - b) if a > b else -math.inf", "f(a + b, c * d) * sum(x[i][k] for k in range(4))",
    "f(aa + bb - cc)", "f(a)",
])
def test_where_a_line_breaks(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WIDTH", 18)
    lines = wrapped("y[i] = ", code)
    assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(f"y[i] = {code}"))
    assert len(lines) > 1 or code == "f(a)"


# ---- what it refuses


def test_a_model_that_is_too_large() -> None:
    listing = listing_of(lambda x: (x * x).sum(), np.zeros(LARGEST + 1))
    with pytest.raises(ValueError, match=f"x has {LARGEST + 1} numbers, and loops take from 1 to {LARGEST}"):
        loops_text(listing)


def test_a_formula_that_no_loop_says() -> None:
    x = tz.tensor(np.ones((1, 1, 3, 3)), requires_grad=True, name="x")
    with pytest.raises(ValueError, match=r"im2col.* cannot be written as scalar loops"):
        loops_text(listing_of(lambda: tz.functional.conv2d(x, np.ones((1, 1, 2, 2))).sum()))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_are_not_finite() -> None:
    given = np.array([[np.inf, -np.inf], [np.nan, 1.0]])
    w = tz.tensor([1.0, 2.0], requires_grad=True, name="w")
    source = loops_text(listing_of(lambda: (w * given).sum()))
    assert "[[math.inf, -math.inf], [math.nan, 1.0]]" in source
    exec(source, {"__name__": "loops"})
