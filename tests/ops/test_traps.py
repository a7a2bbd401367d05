"""The traps that engines of this kind fell into: broadcasting, shapes, dtypes, special numbers. One test a trap."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F


def leaf(data, dtype=np.float64) -> tz.Tensor:
    return tz.tensor(data, dtype, requires_grad=True)


def gradient_of(y: tz.Tensor, x: tz.Tensor, seed=None) -> np.ndarray:
    return tz.grad(y, x, np.ones(y.shape) if seed is None else seed)[0].numpy()


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


# ---- broadcasting


def test_the_gradient_of_a_bias_is_the_sum_over_the_rows():
    b = leaf(np.zeros(4))
    seed = ramp(3, 4)
    np.testing.assert_array_equal(gradient_of(tz.tensor(np.ones((3, 4))) + b, b, seed), seed.sum(axis=0))


def test_a_column_times_a_row_gives_each_its_own_sum():
    column, row = leaf(ramp(5, 1)), leaf(ramp(1, 4))
    y = column * row
    assert y.shape == (5, 4)
    a, b = tz.grad(y, [column, row], np.ones((5, 4)))
    np.testing.assert_array_equal(a.numpy(), np.full((5, 1), 6.0))
    np.testing.assert_array_equal(b.numpy(), np.full((1, 4), 10.0))


def test_axes_added_and_axes_stretched_are_both_summed():
    x, y = leaf(ramp(1, 3, 1)), leaf(ramp(2, 3, 4))
    a, b = tz.grad(x * y, [x, y], np.ones((2, 3, 4)))
    np.testing.assert_array_equal(a.numpy(), ramp(2, 3, 4).sum(axis=(0, 2)).reshape(1, 3, 1))
    np.testing.assert_array_equal(b.numpy(), np.broadcast_to(ramp(1, 3, 1), (2, 3, 4)))


def test_where_broadcasts_all_three():
    c, a, b = np.array([[True], [False]]), leaf([1.0, 2.0, 3.0]), leaf(5.0)
    y = F.where(c, a, b)
    np.testing.assert_array_equal(y.numpy(), [[1, 2, 3], [5, 5, 5]])
    da, db = tz.grad(y, [a, b], np.ones((2, 3)))
    assert da.tolist() == [1, 1, 1] and db.tolist() == 3


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.int64(2), True])
def test_a_number_needs_no_gradient_and_no_shape(number):
    x = leaf([1.0, 2.0], np.float32)
    y = number * x + number
    assert y.dtype == np.float32
    np.testing.assert_array_equal(gradient_of(y, x), np.full(2, float(number), np.float32))


def test_shapes_that_do_not_broadcast_are_named_with_the_op():
    with pytest.raises(ValueError, match=r"Add.*\(3,\).*\(4,\)"):
        leaf(np.ones(3)) + leaf(np.ones(4))


@pytest.mark.parametrize(
    "loss",
    [F.mse_loss, F.l1_loss, F.huber_loss, F.half_squared_error, F.binary_cross_entropy,
     F.binary_cross_entropy_with_logits],
    ids=lambda loss: loss.__name__,
)  # fmt: skip
def test_a_column_against_a_vector_is_refused_by_every_loss(loss):
    with pytest.raises(ValueError, match=r"\(3, 1\).*\(3,\)"):
        loss(leaf(np.full((3, 1), 0.5)), tz.tensor(np.full(3, 0.5)))


def test_a_gradient_shared_between_two_inputs_is_not_written_by_the_other():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = a + b
    (y.sum() + (a * 10).sum()).backward()
    assert a.grad.tolist() == [11, 11] and b.grad.tolist() == [1, 1]


# ---- shapes


def test_the_sum_over_an_empty_axis_is_zeros():
    x = leaf(np.zeros((3, 0)))
    y = x.sum(axis=1)
    assert y.tolist() == [0, 0, 0]
    assert gradient_of(y, x).shape == (3, 0)


def test_a_product_over_an_empty_axis_is_zeros():
    a, b = leaf(np.zeros((2, 0))), leaf(np.zeros((0, 3)))
    y = a @ b
    np.testing.assert_array_equal(y.numpy(), np.zeros((2, 3)))
    da, db = tz.grad(y, [a, b], np.ones((2, 3)))
    assert da.shape == (2, 0) and db.shape == (0, 3)


@pytest.mark.parametrize("reduction", [F.max, F.min, F.logsumexp])
def test_nothing_has_no_maximum(reduction):
    with pytest.raises(ValueError, match="zero-size"):
        reduction(leaf(np.zeros((3, 0))), axis=1)


@pytest.mark.parametrize("reduction", [F.var, F.std])
def test_too_few_values_have_no_variance(reduction):
    with pytest.raises(ValueError, match="needs more than 1"):
        reduction(leaf([1.0]), ddof=1)


REDUCTIONS = [F.sum, F.mean, F.var, F.std, F.max, F.min, F.prod, F.logsumexp, F.norm]


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda f: f.__name__)
class TestAxis:
    def call(self, reduction, axis, keepdims=False):
        return reduction(leaf(ramp(2, 3, 4) + 1), axis=axis, keepdims=keepdims)

    @pytest.mark.parametrize("axis", [3, -4, (0, 3)])
    def test_out_of_range(self, reduction, axis):
        with pytest.raises(IndexError, match="out of bounds"):
            self.call(reduction, axis)

    @pytest.mark.parametrize("axis", [(1, 1), (0, -3)])
    def test_named_twice(self, reduction, axis):
        with pytest.raises(ValueError, match="repeated axis"):
            self.call(reduction, axis)

    @pytest.mark.parametrize("axis", [1.0, "1"])
    def test_no_integer(self, reduction, axis):
        with pytest.raises(TypeError):
            self.call(reduction, axis)

    def test_negative_is_counted_from_the_end(self, reduction):
        np.testing.assert_array_equal(self.call(reduction, -1).numpy(), self.call(reduction, 2).numpy())

    def test_the_order_of_a_tuple_does_not_matter(self, reduction):
        kept = self.call(reduction, (2, 0), keepdims=True)
        assert kept.shape == (1, 3, 1)
        np.testing.assert_array_equal(kept.numpy(), self.call(reduction, (0, 2), keepdims=True).numpy())


@pytest.mark.parametrize("rows", [(), (3,)])
def test_a_0d_tensor_passes_through_every_shape_function(rows):
    x = leaf(2.0)
    for y in (x.reshape(1), x.flatten(), F.expand_dims(x, 0), x.T.reshape(()), F.broadcast_to(x, rows), F.pad(x, 0),
              F.flip(x), F.roll(x, 1), x.squeeze(), F.stack([x, x]), x[...], x[None]):  # fmt: skip
        g = gradient_of(y, x)
        assert g.shape == () and g == y.size


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: x.reshape(4, 2), ValueError, "cannot take"),
        (lambda x: x.reshape(-1, 4), ValueError, "cannot reshape 6 elements"),
        (lambda x: x.reshape(-1, -1), ValueError, "reshape|unknown"),
        (lambda x: x.transpose(0), ValueError, "2 axes need an order of 2"),
        (lambda x: x.transpose(0, 0), ValueError, "repeated axis"),
        (lambda x: x.transpose(0, 2), IndexError, "out of bounds"),
        (lambda x: x.swapaxes(0, 2), IndexError, "out of bounds"),
        (lambda x: x.squeeze(0), ValueError, "not all of length 1"),
        (lambda x: F.broadcast_to(x, (3, 2)), ValueError, r"\(2, 3\)"),
        (lambda x: F.concat([]), ValueError, "at least one"),
        (lambda x: F.concat([x, x[:, :2]]), ValueError, "Concat"),
        (lambda x: F.stack([x, x[:, :2]]), ValueError, "one shape"),
        (lambda x: F.split(x, 2, axis=1), ValueError, "does not divide into 2"),
        (lambda x: F.split(x, [2, 1], axis=1), ValueError, "must rise"),
        (lambda x: F.pad(x, -1), ValueError, "widths are ≥ 0"),
        (lambda x: x @ x, ValueError, "do not meet"),
        (lambda x: x @ 2.0, ValueError, "use \\* for a number"),
        (lambda x: F.einsum("ij,jk", x), ValueError, "2 operands, not 1"),
        (lambda x: F.einsum("ij,ij->ii", x, x), ValueError, "each once"),
        (lambda x: F.einsum("ij,jk", x, x), ValueError, "index j is both 3 and 2"),
        (lambda x: F.einsum("ijk", x), ValueError, "does not fit"),
        (lambda x: x[2], IndexError, "out of bounds"),
        (lambda x: x[0, 0, 0], IndexError, "too many indices"),
        (lambda x: x[np.array([0, 5])], IndexError, "out of bounds"),
        (lambda x: x[np.array([0.0])], IndexError, "integers or booleans, not float64"),
        (lambda x: x[np.array([True, False, True])], IndexError, "boolean"),
        (lambda x: x.clip(2, 1), ValueError, "above the upper bound"),
        (lambda x: F.clip(x), ValueError, "lower bound, an upper bound, or both"),
        (lambda x: F.norm(x, ord=3), ValueError, "1, 2 or inf"),
        (lambda x: F.dropout(x, p=1.5), ValueError, "from 0 to 1"),
        (lambda x: F.mse_loss(x, x, reduction="avg"), ValueError, "mean"),
        (lambda x: F.huber_loss(x, x, delta=0), ValueError, "positive"),
        (lambda x: F.mse_loss(x[:0], x[:0]), ValueError, "empty"),
        (lambda x: x.astype(np.complex128), TypeError, "complex128"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error_and_leaves_everything_as_it_was(call, error, says):
    x = leaf(ramp(2, 3))
    with pytest.raises(error, match=says) as caught:
        call(x)
    assert "\n" not in str(caught.value).strip()
    assert x.grad is None
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * ramp(2, 3))


def test_batch_norm_in_training_refuses_one_value_a_channel():
    channel = tz.tensor(np.ones(3))
    with pytest.raises(ValueError, match="at least 2 values a channel"):
        F.batch_norm(leaf(np.ones((1, 3))), channel, channel, channel, channel, training=True)


# ---- dtypes


def test_a_float32_weight_with_float64_data_keeps_a_float32_gradient():
    w = leaf(np.ones((3, 2)), np.float32)
    y = tz.tensor(np.ones((4, 3)), np.float64) @ w
    assert y.dtype == np.float64
    y.sum().backward()
    assert w.grad.dtype == np.float32


@pytest.mark.parametrize("scalar", [np.float64(0.1), np.array(0.1)[()], 0.1])
def test_a_numpy_float_does_not_promote(scalar):
    x = leaf([1.0, 2.0], np.float32)
    for y in (x * scalar, scalar * x, x + scalar, x / scalar, x - scalar, x**scalar, F.where([True, False], x, scalar),
              F.maximum(x, scalar), F.clip(x, scalar, None)):  # fmt: skip
        assert y.dtype == np.float32
        assert gradient_of(y, x).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_])
def test_integers_have_no_gradient(dtype):
    with pytest.raises(TypeError, match=f"only floating tensors have gradients.*{np.dtype(dtype)}"):
        tz.tensor(np.ones(3, dtype), requires_grad=True)


def test_images_of_bytes_are_data_and_floats_after_a_cast():
    pixels = tz.tensor(np.array([0, 255], np.uint8))
    centred = pixels.astype(np.float32) - 128
    assert centred.tolist() == [-128, 127]


def test_labels_of_bytes_count():
    x = leaf(np.zeros((2, 3)))
    y = F.cross_entropy(x, np.array([0, 2], np.uint8))
    np.testing.assert_allclose(y.item(), np.log(3))


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (np.array([0.0, 1.0]), "float64"),
        (np.array([0, 1], object), "object"),
        (np.array(["0", "1"]), "<U1"),
        (np.array([0, 1], ">i8"), ">i8"),
        (np.array([True, False]), "bool"),
        ([0.0, 1.0], "float64"),
    ],
    ids=["float", "object", "string", "big-endian", "boolean", "list of floats"],
)
@pytest.mark.parametrize("function", ["cross_entropy", "embedding"])
def test_labels_that_are_no_integers_are_refused_by_their_dtype(function, labels, named):
    table = leaf(np.zeros((2, 3)))
    with pytest.raises(TypeError, match=f"integers, not {named}"):
        if function == "embedding":
            F.embedding(labels, table)
        else:
            F.cross_entropy(table, labels)


@pytest.mark.parametrize("dtype", [object, "U3", np.complex64, "M8[s]"])
def test_what_is_no_real_number_is_refused_as_an_operand(dtype):
    other = np.zeros(3, dtype)
    with pytest.raises(TypeError):
        leaf(np.ones(3)) * other


def test_a_big_endian_array_becomes_a_native_tensor():
    x = tz.tensor(np.array([1.0, 2.0], ">f4"), requires_grad=True)
    assert x.dtype == np.float32 and x.dtype.isnative
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_a_long_float32_mean_does_not_drift():
    x = tz.tensor(np.full(1_000_000, 0.1, np.float32))
    assert abs(x.mean().item() - 0.1) < 1e-7


def test_float16_keeps_its_dtype_and_counts_many_ties():
    x = leaf(np.ones(70_000), np.float16)
    g = gradient_of(x.max(), x)
    assert g.dtype == np.float16 and np.isfinite(g).all() and (g > 0).all()


@pytest.mark.parametrize("p", [2, 3, -1, 0.5])
def test_an_exponent_does_not_promote(p):
    x = leaf([1.0, 2.0], np.float32)
    for exponent in (p, float(p), np.float64(p), np.float32(p)):
        assert (x**exponent).dtype == np.float32
        assert gradient_of(x**exponent, x).dtype == np.float32


ELEMENTWISE = [F.mse_loss, F.l1_loss, F.huber_loss, F.half_squared_error, F.binary_cross_entropy,
               F.binary_cross_entropy_with_logits, F.cross_entropy_of_probabilities]
TARGETS = {
    "booleans": np.array([True, False, True]),
    **{name: np.array([1, 0, 1], name) for name in ("int8", "uint8", "int64", "uint64", "float16", "float64")},
    "a list": [1, 0, 1],
    "a tensor of integers": tz.tensor([1, 0, 1]),
    "a tensor of booleans": tz.tensor([True, False, True]),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.__name__)
def test_targets_take_the_predictions_dtype_in_every_loss(loss, target, dtype):
    p = leaf([0.25, 0.5, 0.75], dtype)
    y = loss(p, TARGETS[target])
    expected = loss(p, np.array([1, 0, 1], dtype))
    assert y.dtype == dtype and y.item() == expected.item()
    np.testing.assert_array_equal(gradient_of(y, p), gradient_of(expected, p))


@pytest.mark.parametrize("labels", [np.array([1, 0]), np.array([1, 0], np.uint8), [1, 0], tz.tensor([1, 0])])
@pytest.mark.parametrize("loss", [F.cross_entropy, F.cross_entropy_of_probabilities], ids=lambda loss: loss.__name__)
def test_labels_stay_integers_and_the_loss_has_the_predictions_dtype(loss, labels):
    p = leaf([[0.5, 0.25], [0.25, 0.5]], np.float32)
    y = loss(p, labels, "none")
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), loss(p, np.float32([[0, 1], [1, 0]]), "none").numpy())


def test_a_target_that_is_differentiated_keeps_its_dtype():
    p, t = leaf([0.5], np.float32), leaf([1.0], np.float64)
    for loss in ELEMENTWISE:
        y = loss(p, t)
        assert y.dtype == np.float64
        assert [g.dtype for g in tz.grad(y, [p, t])] == [np.float32, np.float64]


def test_a_whole_prediction_does_not_cut_its_target_to_a_whole_number():
    assert F.mse_loss(np.array([1, 2]), [0.5, 2.0], "sum").item() == 0.25


# ---- special numbers


def test_softmax_of_far_apart_logits_is_exact():
    x = leaf([1000.0, 0.0, -1000.0])
    assert F.softmax(x).tolist() == [1, 0, 0]
    assert np.isfinite(gradient_of(F.softmax(x), x, np.array([1.0, 2.0, 3.0]))).all()


def test_log_softmax_of_far_apart_logits_is_exact():
    assert F.log_softmax(leaf([1e4, 0.0])).tolist() == [0, -1e4]


def test_cross_entropy_of_a_hopeless_prediction_is_exact():
    x = leaf([[1e4, 0.0]])
    y = F.cross_entropy(x, [1])
    assert y.item() == 1e4
    assert gradient_of(y, x).tolist() == [[1, -1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("x", [-800.0, 800.0])
def test_saturated_activations_are_finite(x, dtype):
    for function in (F.sigmoid, F.log_sigmoid, F.tanh, F.softplus, F.silu, F.gelu):
        t = leaf(x, dtype)
        y = function(t)
        (g,) = tz.grad(y, t, create_graph=True)
        second = tz.grad(g, t)[0] if g.requires_grad else g
        assert np.isfinite([y.item(), g.item(), second.item()]).all(), function.__name__


@pytest.mark.parametrize("label", [3, 5, -1])
def test_a_label_out_of_range_is_refused_on_both_sides(label):
    x = leaf(np.zeros((2, 3)))
    for call in (
        lambda t: F.cross_entropy(x, t),
        lambda t: F.cross_entropy_of_probabilities(F.softmax(x), t),
    ):
        with pytest.raises(IndexError, match=f"label {label} is out of range for 3 classes"):
            call(np.array([0, label]))
    with pytest.raises(IndexError, match=f"token {label} is out of range for a vocabulary of 3"):
        F.embedding(np.array([0, label]), x.T)


@pytest.mark.parametrize("p", [1.5, -0.1])
def test_what_is_no_probability_is_refused(p):
    for loss in (F.binary_cross_entropy, F.cross_entropy_of_probabilities):
        with pytest.raises(ValueError, match=f"between 0 and 1, not {p}"):
            loss(leaf([p, 0.5]), tz.tensor([1.0, 0.0], np.float64))


@pytest.mark.parametrize("t", [1.5, -0.5])
def test_a_binary_target_is_a_probability(t):
    for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match=f"between 0 and 1, not {t}"):
            loss(leaf([0.5]), tz.tensor([t], np.float64))


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -np.inf])
def test_what_a_mask_hides_may_be_anything(hidden):
    x = leaf([[1.0, 2.0, hidden], [hidden, hidden, hidden], [0.0, hidden, 1.0]])
    mask = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 1]], bool)
    with warnings.catch_warnings(action="error"):
        y = F.masked_softmax(x, mask)
        dx = gradient_of(y, x, ramp(3, 3))
    assert not y.numpy()[~mask].any() and not dx[~mask].any()
    for i, columns in ((0, [0, 1]), (2, [0, 2])):
        alone = x[i, columns]
        np.testing.assert_allclose(y.numpy()[i, columns], F.softmax(alone).numpy(), rtol=1e-15)
        seed = ramp(3, 3)[i, columns]
        np.testing.assert_allclose(dx[i, columns], gradient_of(F.softmax(alone), alone, seed), rtol=1e-13)


def test_a_mask_may_be_a_tensor_and_what_it_allows_may_be_far_apart():
    y = F.masked_softmax(leaf([[1000.0, 0.0, 2000.0]]), tz.tensor([[True, True, False]]))
    assert y.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("x", [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
def test_prod_with_zeros_is_right_to_the_third_order(x):
    """y = x₀x₁x₂, so ∂³y/∂x₀∂x₁∂x₂ = 1 and ∂²y/∂x₀∂x₁ = x₂, wherever the zeros are."""
    t = leaf(x)
    a, b, c = x
    (g,) = tz.grad(F.prod(t), t, create_graph=True)
    assert g.tolist() == [b * c, a * c, a * b]
    (h,) = tz.grad(g[0], t, create_graph=True)
    assert h.tolist() == [0, c, b]
    assert gradient_of(h[1], t).tolist() == [0, 0, 1]


def test_the_mixed_second_derivative_of_a_power_is_right_at_exponent_0():
    """∂²aᵇ/∂a∂b = aᵇ⁻¹ (1 + b ln a), which is 1/a at b = 0."""
    a, b = leaf(4.0), leaf(0.0)
    (g,) = tz.grad(a**b, a, create_graph=True)
    assert (g.item(), gradient_of(g, b)) == (0.0, 0.25)


def test_an_index_taken_twice_adds_up_to_the_second_order():
    x = leaf([2.0, 3.0])
    y = x[[0, 0]] ** 3
    (g,) = tz.grad(y, x, np.ones(2), create_graph=True)
    assert g.tolist() == [24, 0]
    assert gradient_of(g, x).tolist() == [24, 0]


@pytest.mark.parametrize("index", [[0, 0, 2], np.array([[0, 0], [2, 0]]), (np.array([1, 1]), 0), (slice(None), [1, 1])])
def test_repeated_indices_add_up_however_they_are_written(index):
    x = leaf(ramp(3, 2))
    counts = np.zeros((3, 2))
    np.add.at(counts, index, 1.0)
    np.testing.assert_array_equal(gradient_of(x[index], x), counts)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("t", [[[3, 1, 3], [3, 0, 1]], [-1, 0, -1], 2, []])
def test_wide_rows_add_up_as_narrow_ones_do(t, dtype):
    """Of a table as wide as real ones; the rows are added one by one then. Whole numbers, so nothing rounds."""
    t = np.array(t, np.intp)
    table = leaf(ramp(5, 100) % 11, dtype)
    seed = (ramp(*t.shape, 100) % 7 - 3).astype(dtype)
    (g,) = tz.grad(table[t] ** 2, table, seed, create_graph=True)
    sums = np.eye(5)[t].reshape(-1, 5).T @ seed.reshape(-1, 100)
    np.testing.assert_array_equal(g.numpy(), 2 * table.numpy() * sums)
    np.testing.assert_array_equal(gradient_of(g, table), 2 * sums)
    assert g.dtype == dtype


def test_an_index_changed_after_the_forward_does_not_matter():
    index = np.array([0, 1])
    x = leaf([1.0, 2.0, 3.0])
    y = x[index]
    index[:] = 2
    assert gradient_of(y, x).tolist() == [1, 1, 0]


def test_labels_changed_after_the_forward_do_not_matter():
    labels = np.array([0])
    x = leaf([[0.0, 0.0]])
    y = F.cross_entropy(x, labels)
    labels[0] = 1
    assert gradient_of(y, x).tolist() == [[-0.5, 0.5]]


def test_an_operand_changed_after_the_forward_does_not_matter():
    data = np.array([1.0, 2.0])
    x = leaf([3.0, 4.0])
    y = x * data
    data[:] = 99
    assert gradient_of(y, x).tolist() == [1, 2]


def test_equal_functions_agree_at_zero():
    for function in (F.norm, F.std, lambda x: F.norm(x, ord=1), lambda x: F.norm(x, ord=np.inf)):
        x = leaf(np.zeros(4))
        assert not gradient_of(function(x), x).any()


def test_dropout_keeps_the_mean_and_its_mask_is_the_gradients():
    x = leaf(np.ones(10_000))
    y = F.dropout(x, p=0.25, generator=np.random.default_rng(0))
    assert abs(y.numpy().mean() - 1) < 0.02
    np.testing.assert_array_equal(gradient_of(y, x), y.numpy())
    assert F.dropout(x, p=0.25, training=False) is x


def test_dropout_keeps_the_dtype_whatever_kind_of_number_p_is():
    for p in (0.25, 1, np.float64(0.25), np.float32(0.25)):
        assert F.dropout(leaf(np.ones(3), np.float32), p).dtype == np.float32


def test_targets_of_0_and_1_have_mixed_second_derivatives_too():
    p, t = leaf([0.25, 0.25]), leaf([0.0, 1.0])
    (g,) = tz.grad(F.binary_cross_entropy(p, t, "sum"), p, create_graph=True)
    np.testing.assert_allclose(gradient_of(g, t), -1 / 0.25 - 1 / 0.75)  # ∂²L/∂ŷ∂y = −1/ŷ − 1/(1 − ŷ)
    (g,) = tz.grad(F.cross_entropy_of_probabilities(p, t, "sum"), p, create_graph=True)
    np.testing.assert_allclose(gradient_of(g, t), -4)
