"""Attention in one op, in three steps and in blocks: the same numbers, and what each promises beyond them."""

from __future__ import annotations

import tracemalloc
import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.ops.table import attentions
from tinygrad_zh import functional as F
from tinygrad_zh.check.strategies import upstream
from tinygrad_zh.ops import blocked_attention as blocked


def in_three_steps(q, k, v, mask=None, is_causal=False):
    return F.attention_weights(q, k, mask, is_causal) @ v


def in_blocks(q, k, v, mask=None, is_causal=False):
    return F.blocked_attention(q, k, v, mask, is_causal, block=2)


PLAIN = F.scaled_dot_product_attention
ways = pytest.mark.parametrize("attention", [PLAIN, in_three_steps, in_blocks], ids=["one op", "three steps", "blocks"])


def inputs(rng, n, m, d=3, *, batch=(), dtype=np.float64):
    shapes = ((*batch, n, d), (*batch, m, d), (*batch, m, d))
    return [tz.tensor(rng.normal(size=shape), dtype, requires_grad=True) for shape in shapes]


def value_and_gradients(attention, arrays, seed, *rest, dtype=np.float64, **how):
    leaves = [tz.tensor(x, dtype, requires_grad=True) for x in arrays]
    y = attention(*leaves, *rest, **how)
    return [x.numpy() for x in (y, *tz.grad(y, leaves, seed.astype(dtype)))]


# ---- what holds for all


@ways
def test_a_fully_masked_row_does_not_poison_the_others(attention):
    rng = np.random.default_rng(0)
    q, k, v = inputs(rng, 4, 4)
    mask = rng.random((4, 4)) < 0.7
    mask[1] = False
    mask[[0, 2, 3], 0] = True
    seed = rng.normal(size=(4, 3))
    with warnings.catch_warnings(action="error"):
        y = attention(q, k, v, mask)
        dq, dk, dv = (g.numpy() for g in tz.grad(y, [q, k, v], seed))
    assert not y.numpy()[1].any() and not dq[1].any()

    others = [0, 2, 3]
    y_alone = attention(q[others], k, v, mask[others])
    alone = tz.grad(y_alone, [q, k, v], seed[others])
    np.testing.assert_allclose(y.numpy()[others], y_alone.numpy(), rtol=1e-14)
    for found, expected in zip((dq, dk, dv), alone, strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12, atol=1e-15)


@ways
def test_where_nothing_is_allowed_nothing_flows(attention):
    rng = np.random.default_rng(0)
    leaves = inputs(rng, 3, 5)
    y = attention(*leaves, np.zeros((1, 5), bool))
    assert not y.numpy().any()
    for gradient in tz.grad(y, leaves, rng.normal(size=y.shape)):
        assert not gradient.numpy().any()


@ways
def test_a_padded_key_has_no_part_in_anything(attention):
    rng = np.random.default_rng(0)
    q, k, v = inputs(rng, 4, 5, batch=(2,))
    mask = (np.arange(5) < [[5], [3]])[:, None]
    y = attention(q, k, v, mask)
    dk, dv = (g.numpy() for g in tz.grad(y, [k, v], rng.normal(size=y.shape)))
    for gradient in (dk, dv):
        assert not gradient[1, 3:].any() and gradient[1, :3].all() and gradient[0].all()
    np.testing.assert_allclose(y.numpy()[1], attention(q[1], k[1, :3], v[1, :3]).numpy(), rtol=1e-14)


@ways
def test_a_causal_row_does_not_see_the_future(attention):
    q, k, v = inputs(np.random.default_rng(0), 4, 4)
    y = attention(q, k, v, is_causal=True)
    dk, dv = tz.grad(y[1].sum(), [k, v])
    assert not dk.numpy()[2:].any() and not dv.numpy()[2:].any() and dv.numpy()[:2].all()


@ways
@pytest.mark.parametrize(("n", "m"), [(2, 7), (7, 2)])
def test_causal_attention_of_other_lengths_counts_from_the_first_row(attention, n, m):
    rng = np.random.default_rng(0)
    leaves = inputs(rng, n, m)
    seed = rng.normal(size=(n, 3))
    y, masked = attention(*leaves, is_causal=True), attention(*leaves, np.tri(n, m, dtype=bool))
    np.testing.assert_allclose(y.numpy(), masked.numpy(), rtol=1e-14)
    gradients = [g.numpy() for g in tz.grad(y, leaves, seed)]
    for found, expected in zip(gradients, tz.grad(masked, leaves, seed), strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12, atol=1e-15)
    assert not gradients[1][n:].any() and not gradients[2][n:].any()


@ways
def test_a_mask_of_numbers_is_refused(attention):
    q = tz.tensor(np.ones((2, 3)))
    with pytest.raises(TypeError, match="boolean"):
        attention(q, q, q, np.ones((2, 2)))


@ways
def test_no_queries_give_no_rows(attention):
    q, k, v = inputs(np.random.default_rng(0), 0, 5)
    for is_causal in (False, True):
        y = attention(q, k, v, is_causal=is_causal)
        dq, dk, dv = tz.grad(y, [q, k, v], np.zeros((0, 3)))
        assert y.shape == dq.shape == (0, 3)
        assert not dk.numpy().any() and not dv.numpy().any()


@ways
@pytest.mark.parametrize("order", [1, -1])
def test_scores_that_are_far_apart_do_not_overflow(attention, order):
    """Growing, each block of keys has a higher score than the last, falling, none has; and each row has its own."""
    q, x = np.array([[50.0], [0.0], [-50.0]]), np.linspace(0, 1000, 5)[::order, None].copy()
    with warnings.catch_warnings(action="error"):
        y, *gradients = value_and_gradients(attention, (q, x, x), np.ones((3, 1)))
    np.testing.assert_allclose(y, [[1000.0], [500.0], [0.0]], rtol=1e-14)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_weights_are_rows_of_a_distribution():
    q, k, _ = inputs(np.random.default_rng(0), 4, 5, batch=(2,))
    p = F.attention_weights(q, k, (np.arange(5) < [[5], [3]])[:, None]).numpy()
    np.testing.assert_allclose(p.sum(-1), np.ones((2, 4)), rtol=1e-15)
    assert not p[1, :, 3:].any() and (p[0] > 0).all()


# ---- blocks


@settings(max_examples=150)
@given(data=st.data())
def test_blocks_change_nothing(data):
    """Lengths that blocks divide or not, blocks of 1 and beyond the length, leading axes that broadcast, any mask."""
    case = data.draw(st.booleans().flatmap(lambda masked: attentions(masked=masked, longest=9)))
    q, k, v, *mask = case.arrays
    seed = upstream(np.random.default_rng(case.seed), PLAIN(q, k, v, *mask).shape)
    block = data.draw(st.integers(1, 12))
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-4)):
        expected = value_and_gradients(PLAIN, (q, k, v), seed, *mask, dtype=dtype, **case.keywords)
        found = value_and_gradients(F.blocked_attention, (q, k, v), seed, *mask, dtype=dtype, block=block,
                                    **case.keywords)  # fmt: skip
        for x, y in zip(found, expected, strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * max(1, np.abs(y).max()))


def test_blocks_above_the_diagonal_are_not_computed(monkeypatch):
    seen = []
    compute = blocked.scores
    monkeypatch.setattr(blocked, "scores", lambda q, k, i, j, *rest: seen.append((i, j)) or compute(q, k, i, j, *rest))
    q, k, v = inputs(np.random.default_rng(0), 10, 10)
    y = F.blocked_attention(q, k, v, is_causal=True, block=3)
    lower = sorted((i, j) for i, j in product(range(4), repeat=2) if j <= i)
    assert sorted(seen) == lower
    seen.clear()
    tz.grad(y.sum(), [q, k, v])
    assert sorted(seen) == lower


def peak(length, **how):
    """Bytes at the worst moment of a forward and a backward, beyond the inputs."""
    leaves = inputs(np.random.default_rng(0), length, length, d=16, dtype=np.float32)
    tracemalloc.start()
    try:
        y = F.blocked_attention(*leaves, **how)
        tz.grad(y, leaves, np.ones(y.shape, np.float32))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["plain", "causal", "padding"])
def test_the_memory_of_blocks_is_linear_in_the_length(kind):
    def memory(length):
        hidden = np.arange(length)[None] < length - 5
        return peak(length, **{"plain": {}, "causal": {"is_causal": True}, "padding": {"mask": hidden}}[kind])

    memory(256)  # the first call of all imports and compiles
    short, long = memory(1024), memory(2048)
    assert long < 2.3 * short
    assert long < 2048 * 2048 * np.dtype(np.float32).itemsize
