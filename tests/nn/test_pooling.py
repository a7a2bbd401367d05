"""Pooling: every mask against loops over the rows that count; what does not count has no influence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zh as tz
from tinygrad_zh import nn
from tinygrad_zh.check import check_parameters, gradcheck

pytestmark = pytest.mark.usefixtures("in_float64")
CLOSE = {"rtol": 1e-12, "atol": 1e-14}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def attention_pool(width):
    layer = nn.AttentionPool(width)
    layer.u.assign(normal(1, width, seed=5))
    return layer


MADE = {"mean": lambda width: nn.MeanPool(), "max": lambda width: nn.MaxPool(), "attention": attention_pool}


def softmax_sum(rows):
    scores = rows @ normal(1, rows.shape[1], seed=5)[0] / rows.shape[1] ** 0.5
    e = np.exp(scores - scores.max())
    return e / e.sum() @ rows


OF_ROWS = {"mean": lambda rows: sum(rows) / len(rows), "max": lambda rows: np.array(list(map(max, rows.T))),
           "attention": softmax_sum}

MASK = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], bool)


@st.composite
def pooled(draw):
    """x (…, n, width) with ties among its values, and a mask (…, n)."""
    lead = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    n, width = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    size = int(np.prod((*lead, n)))
    x = draw(st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]), min_size=size * width, max_size=size * width))
    mask = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(x).reshape(*lead, n, width), np.array(mask).reshape(*lead, n)


@pytest.mark.parametrize("kind", MADE)
@given(pooled())
def test_it_is_the_rows_that_count_one_text_at_a_time(kind, drawn):
    x, mask = drawn
    y = MADE[kind](x.shape[-1])(tz.tensor(x), mask).numpy()
    assert y.shape == (*x.shape[:-2], x.shape[-1])
    for index in np.ndindex(x.shape[:-2]):
        rows = x[index][mask[index]]
        expected = OF_ROWS[kind](rows) if len(rows) else np.zeros(x.shape[-1])
        np.testing.assert_allclose(y[index], expected, **CLOSE)


@pytest.mark.parametrize("kind", MADE)
def test_without_a_mask_all_rows_count(kind):
    layer, x = MADE[kind](3), tz.tensor(normal(2, 4, 3))
    for mask in (np.ones((2, 4), bool), [[True] * 4] * 2, tz.tensor(np.ones((2, 4), bool))):
        np.testing.assert_array_equal(layer(x, mask).numpy(), layer(x).numpy())


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("mask", [None, MASK])
def test_gradients_are_those_of_differences(kind, mask):
    layer, x = MADE[kind](3), tz.tensor(normal(4, 4, 3, seed=1))
    report = gradcheck(lambda x: layer(x, mask), x)
    assert report, report
    report = gradcheck(lambda x: layer(x, mask) ** 3, x, order=2)
    assert report, report
    if layer.parameters():
        report = check_parameters(lambda: (layer(x, mask) ** 3).sum(), dict(layer.named_parameters()))
        assert report, report


@pytest.mark.parametrize("kind", MADE)
def test_what_does_not_count_has_no_influence_and_no_gradient(kind):
    layer, x, upstream = MADE[kind](3), normal(4, 4, 3), normal(4, 3, seed=2)

    def run(array):
        leaf = tz.tensor(array, requires_grad=True)
        layer.zero_grad()
        with np.errstate(all="raise"):
            y = layer(leaf, MASK)
            y.backward(upstream)
        return [y.numpy(), leaf.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]

    found = run(x)
    for a, b in zip(found, run(np.where(MASK[..., None], x, 1e6)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not found[0][3].any() and not found[1][~MASK].any()
    assert found[1][MASK].any(axis=-1).any()


@pytest.mark.parametrize("kind", ["mean", "max"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_mean_and_max_leave_out_even_what_is_not_finite(kind, value):
    layer, x = MADE[kind](3), normal(4, 4, 3)
    leaf = tz.tensor(np.where(MASK[..., None], x, value), requires_grad=True)
    y = layer(leaf, MASK)
    y.backward(np.ones((4, 3)))
    np.testing.assert_array_equal(y.numpy(), layer(tz.tensor(x), MASK).numpy())
    assert np.isfinite(leaf.grad.numpy()).all() and not leaf.grad.numpy()[~MASK].any()


def test_attention_needs_finite_rows_as_the_documentation_says():
    x = normal(1, 2, 3)
    x[0, 1] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.isnan(attention_pool(3)(tz.tensor(x), np.array([[True, False]])).numpy()).all()


@pytest.mark.parametrize("kind", MADE)
def test_a_text_alone_is_what_it_is_in_a_padded_batch(kind):
    layer, x = MADE[kind](3), normal(3, 5, 3)
    for i, n in enumerate((5, 1, 3)):
        y = layer(tz.tensor(x), np.arange(5) < np.array([[5], [1], [3]])).numpy()[i]
        np.testing.assert_allclose(y, layer(tz.tensor(x[i, :n])).numpy(), **CLOSE)


@pytest.mark.parametrize("kind", MADE)
def test_the_order_of_the_rows_does_not_matter(kind):
    layer, x, order = MADE[kind](3), normal(4, 4, 3), np.array([2, 0, 3, 1])
    np.testing.assert_allclose(layer(tz.tensor(x[:, order]), MASK[:, order]).numpy(), layer(tz.tensor(x), MASK).numpy(),
                               **CLOSE)


@pytest.mark.parametrize("kind", MADE)
def test_float32_stays_float32(kind):
    tz.set_default_dtype(np.float32)
    layer = MADE[kind](3)
    x = tz.tensor(normal(4, 4, 3).astype(np.float32), requires_grad=True)
    tz.set_default_dtype(np.float64)  # has no say in what is there
    for mask in (None, MASK):
        y = layer(x, mask)
        y.sum().backward()
        assert {t.dtype for t in (y, x.grad, *(p.grad for p in layer.parameters()))} == {np.dtype(np.float32)}


def test_equal_maxima_share_the_gradient():
    x = tz.tensor(np.array([[2.0, 1.0], [2.0, 3.0], [9.0, 9.0], [0.0, 3.0]]), requires_grad=True)
    y = nn.MaxPool()(x, np.array([True, True, False, True]))
    y.backward(np.array([1.0, 10.0]))
    assert y.tolist() == [2, 3]
    assert x.grad.tolist() == [[0.5, 0], [0.5, 5], [0, 0], [0, 5]]


def test_a_maximum_may_be_negative():
    assert nn.MaxPool()(tz.tensor([[-3e30], [-2e30], [5.0]]), np.array([True, True, False])).tolist() == [-2e30]


def test_the_mean_of_many_rows_in_float32_counts_them_exactly():
    x = tz.tensor(np.full((1, 70_000, 1), 0.1, np.float32))
    np.testing.assert_allclose(nn.MeanPool()(x).numpy(), 0.1, rtol=1e-5)


def test_attention_that_asks_nothing_is_the_mean():
    layer, x = nn.AttentionPool(3, init=nn.init.zeros), tz.tensor(normal(4, 4, 3))
    np.testing.assert_allclose(layer(x, MASK).numpy(), nn.MeanPool()(x, MASK).numpy(), **CLOSE)
    assert repr(layer) == "AttentionPool(3)" and [p.shape for p in layer.parameters()] == [(1, 3)]
    assert nn.AttentionPool(2000).u.numpy().std() == pytest.approx(0.02, rel=0.06)


def test_attention_shows_its_weights_and_changes_nothing_by_it():
    layer, x = attention_pool(3), tz.tensor(normal(4, 4, 3))
    with nn.attention_maps(nn.Sequential(layer)) as maps:
        y = layer(x, MASK)
    assert list(maps) == ["0"] and maps["0"].shape == (4, 1, 4)
    np.testing.assert_array_equal(maps["0"][:, 0] > 0, MASK)
    np.testing.assert_allclose((maps["0"] @ x.numpy())[:, 0], y.numpy(), **CLOSE)
    np.testing.assert_array_equal(layer(x, MASK).numpy(), y.numpy())
    layer(2 * x)
    assert not maps["0"][3].any()


def test_attention_learns_which_row_matters():
    x = normal(64, 5, 4)
    x[:, :, 0] = 0
    marked = np.random.default_rng(1).integers(0, 5, 64)
    x[np.arange(64), marked, 0] = 3
    layer = nn.AttentionPool(4)
    optimizer = tz.optim.Adam(layer.parameters(), lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = tz.functional.mse_loss(layer(tz.tensor(x))[:, 1:], x[np.arange(64), marked, 1:])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01
