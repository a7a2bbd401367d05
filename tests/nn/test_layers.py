"""Each layer: forward against NumPy and PyTorch's golden values, gradients against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import cases
from tests.support.differences import numeric_gradient
from tinygrad_zh import nn


@pytest.fixture(autouse=True)
def in_float64():
    tz.set_default_dtype(np.float64)
    tz.manual_seed(0)
    yield
    tz.set_default_dtype(np.float32)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def randomize(model, seed=1):
    """Weights away from their initial zeros and ones, which hide mistakes."""
    for i, p in enumerate(model.parameters()):
        p.assign(normal(*p.shape, seed=seed + i))
    return model


# ---- forward


def erf_free_gelu(x):
    return 0.5 * x * (1 + np.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3)))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


ACTIVATIONS = [
    (nn.ReLU(), lambda x: np.maximum(x, 0)),
    (nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    (nn.Tanh(), np.tanh),
    (nn.GELU(), erf_free_gelu),
    (nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
    (nn.Softplus(), lambda x: np.log1p(np.exp(x))),
    (nn.Softmax(), softmax),
    (nn.Softmax(axis=0), lambda x: softmax(x, 0)),
    (nn.LogSoftmax(), lambda x: np.log(softmax(x))),
    (nn.LogSoftmax(axis=1), lambda x: np.log(softmax(x, 1))),
]


@pytest.mark.parametrize(("layer", "formula"), ACTIVATIONS, ids=lambda value: repr(value)[:15])
def test_an_activation_is_its_formula_and_has_no_parameters(layer, formula):
    x = normal(4, 3, 5)
    np.testing.assert_allclose(layer(tz.tensor(x)).numpy(), formula(x), rtol=1e-13, atol=1e-14)
    assert layer.parameters() == []


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (0, 4), (5, 0, 4)])
def test_dense_is_x_w_plus_b_over_the_last_axis(shape):
    layer, x = randomize(nn.Dense(4, 6)), normal(*shape)
    y = layer(tz.tensor(x))
    assert y.shape == (*shape[:-1], 6)
    np.testing.assert_allclose(y.numpy(), x @ layer.W.numpy() + layer.b.numpy(), rtol=1e-14, atol=1e-15)


def test_dense_without_a_bias():
    layer, x = nn.Dense(4, 6, bias=False), normal(3, 4)
    assert layer.b is None and len(layer.parameters()) == 1
    np.testing.assert_array_equal(layer(tz.tensor(x)).numpy(), x @ layer.W.numpy())


def test_dense_takes_arrays_and_lists_too():
    layer = randomize(nn.Dense(2, 3))
    expected = layer(tz.tensor([[1.0, 2.0]])).numpy()
    np.testing.assert_array_equal(layer(np.array([[1.0, 2.0]])).numpy(), expected)
    np.testing.assert_array_equal(layer([[1.0, 2.0]]).numpy(), expected)


def test_a_float32_layer_keeps_float32_gradients_for_float64_data():
    tz.set_default_dtype(np.float32)
    layer = nn.Dense(2, 3)
    layer(normal(4, 2)).sum().backward()
    assert layer.W.grad.dtype == layer.b.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "flat"),
    [((2, 3, 4), (2, 12)), ((5,), (5, 1)), ((3, 4), (3, 4)), ((0, 28, 28), (0, 784)), ((2, 0), (2, 0))],
)
def test_flatten_makes_every_axis_but_the_first_one(shape, flat):
    x = normal(*shape)
    np.testing.assert_array_equal(nn.Flatten()(tz.tensor(x)).numpy(), x.reshape(flat))
    np.testing.assert_array_equal(nn.Flatten()(x), x.reshape(flat))


def test_embedding_looks_rows_up():
    layer = nn.Embedding(7, 3)
    tokens = np.array([[0, 6, 6], [1, 0, 2]])
    np.testing.assert_array_equal(layer(tokens).numpy(), layer.W.numpy()[tokens])
    np.testing.assert_array_equal(layer(tz.tensor(tokens)).numpy(), layer.W.numpy()[tokens])
    assert layer([]).shape == (0, 3)


def test_embedding_adds_up_the_gradients_of_a_token_that_is_there_twice():
    layer = nn.Embedding(4, 2)
    (layer([1, 3, 1]) * np.array([[1.0], [10.0], [100.0]])).sum().backward()
    assert layer.W.grad.tolist() == [[0, 0], [101, 101], [0, 0], [10, 10]]


def test_layer_norm_is_its_formula_over_the_last_axis():
    layer, x = randomize(nn.LayerNorm(5, eps=1e-3)), 3 + 2 * normal(2, 3, 5)
    n = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    expected = layer.gamma.numpy() * n + layer.beta.numpy()
    np.testing.assert_allclose(layer(tz.tensor(x)).numpy(), expected, rtol=1e-12, atol=1e-13)


def assert_gradients_are(case, found):
    """The gradients of a golden case, by PyTorch's names."""
    assert found.keys() == case.gradients.keys()
    for name, t in found.items():
        np.testing.assert_allclose(t.grad.numpy(), case.gradients[name], rtol=1e-11, atol=1e-13, err_msg=name)


def test_layer_norm_is_pytorch_s():
    (case,) = [c for c in cases("normalization") if c.function == "layer_norm"]
    layer, x = nn.LayerNorm(5, eps=case.attributes["eps"]), tz.tensor(case.inputs["x"], requires_grad=True)
    layer.gamma.assign(case.inputs["weight"])
    layer.beta.assign(case.inputs["bias"])
    y = layer(x)
    y.backward(case.upstream)
    np.testing.assert_allclose(y.numpy(), case.outputs["y"], rtol=1e-11, atol=1e-13)
    assert_gradients_are(case, {"x": x, "weight": layer.gamma, "bias": layer.beta})


def test_embedding_is_pytorch_s():
    (case,) = [c for c in cases("linear") if c.function == "embedding"]
    layer = nn.Embedding(7, 4)
    layer.W.assign(case.inputs["weight"])
    y = layer(case.inputs["indices"])
    y.backward(case.upstream)
    np.testing.assert_array_equal(y.numpy(), case.outputs["y"])
    assert_gradients_are(case, {"weight": layer.W})


def test_layer_norm_starts_as_plain_normalisation():
    y = nn.LayerNorm(50)(tz.tensor(3 + 2 * normal(4, 50))).numpy()
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(-1), 1, atol=1e-5)


# ---- batch norm


def batch_norm_of(case):
    """The layer of a golden case, with its weights and running statistics."""
    layer = nn.BatchNorm(3, momentum=case.attributes["momentum"], eps=case.attributes["eps"])
    layer.gamma.assign(case.inputs["weight"])
    layer.beta.assign(case.inputs["bias"])
    layer.running_mean.assign(case.inputs["running_mean"])
    layer.running_var.assign(case.inputs["running_var"])
    return layer.train(case.attributes["training"])


@pytest.mark.parametrize("case", [c for c in cases("normalization") if c.function == "batch_norm"], ids=str)
def test_batch_norm_is_pytorch_s(case):
    layer, x = batch_norm_of(case), tz.tensor(case.inputs["x"], requires_grad=True)
    y = layer(x)
    y.backward(case.upstream)
    close = {"rtol": 1e-11, "atol": 1e-13}
    np.testing.assert_allclose(y.numpy(), case.outputs["y"], **close)
    np.testing.assert_allclose(layer.running_mean.numpy(), case.outputs["running_mean"], **close)
    np.testing.assert_allclose(layer.running_var.numpy(), case.outputs["running_var"], **close)
    np.testing.assert_allclose(x.grad.numpy(), case.gradients["x"], **close)
    np.testing.assert_allclose(layer.gamma.grad.numpy(), case.gradients["weight"], **close)
    np.testing.assert_allclose(layer.beta.grad.numpy(), case.gradients["bias"], **close)


def test_batch_norm_s_running_statistics_move_towards_the_batch_s():
    layer, x = nn.BatchNorm(3, momentum=0.25), 5 + normal(7, 3)
    layer(tz.tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.75 + 0.25 * x.var(0, ddof=1), rtol=1e-13)
    for _ in range(200):
        layer(tz.tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), x.var(0, ddof=1), rtol=1e-12)


def test_batch_norm_in_eval_uses_the_running_statistics_and_moves_nothing():
    layer = nn.BatchNorm(3, eps=1e-3)
    layer(tz.tensor(5 + normal(7, 3)))
    mean, var, x = layer.running_mean.numpy(), layer.running_var.numpy(), normal(1, 3, seed=4)
    y = layer.eval()(tz.tensor(x)).numpy()
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-3), rtol=1e-12)
    np.testing.assert_array_equal(layer.running_mean.numpy(), mean)
    np.testing.assert_array_equal(layer.running_var.numpy(), var)
    assert not layer.running_mean.requires_grad and not layer.running_var.requires_grad


def test_batch_norm_s_running_statistics_are_no_path_for_gradients():
    layer = nn.BatchNorm(2)
    x = tz.tensor(normal(5, 2), requires_grad=True)
    layer(x)
    assert layer.running_mean.is_leaf and not layer.running_mean.requires_grad


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)])
def test_batch_norm_with_one_value_a_channel_has_no_variance(shape):
    layer = nn.BatchNorm(3)
    before = {name: array.tobytes() for name, array in layer.state_dict().items()}
    with pytest.raises(ValueError, match=r"at least 2 values a channel, .* use a larger batch, or eval\(\)"):
        layer(tz.tensor(np.ones(shape)))
    assert {name: array.tobytes() for name, array in layer.state_dict().items()} == before
    assert layer.eval()(tz.tensor(np.ones(shape))).shape == shape


# ---- dropout


def test_dropout_zeroes_a_share_p_and_scales_the_rest():
    y = nn.Dropout(0.3)(tz.tensor(np.ones((200, 500)))).numpy()
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7])
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.006)  # four standard errors
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_dropout_lets_gradients_through_where_it_lets_values_through():
    x = tz.tensor(normal(40), requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.where(y.numpy() == 0, 0, 2))
    assert 0 < (y.numpy() == 0).sum() < 40


def test_dropout_in_eval_is_the_identity_and_draws_nothing():
    state = str(tz.manual_seed(1).bit_generator.state)
    x = tz.tensor(normal(5))
    assert nn.Dropout(0.5).eval()(x) is x
    assert str(tz.default_generator().bit_generator.state) == state


@pytest.mark.parametrize(("p", "expected"), [(0, 1), (1, 0)])
def test_dropout_of_nothing_and_of_everything(p, expected):
    x = tz.tensor(np.ones(100), requires_grad=True)
    y = nn.Dropout(p)(x)
    np.testing.assert_array_equal(y.numpy(), expected)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_dropout_draws_what_the_seed_says():
    layer, x = nn.Dropout(0.5), tz.tensor(np.ones(1000))
    tz.manual_seed(7)
    first, second = layer(x).numpy(), layer(x).numpy()
    tz.manual_seed(7)
    np.testing.assert_array_equal(layer(x).numpy(), first)
    assert not np.array_equal(first, second)


def test_dropout_with_a_generator_of_its_own_leaves_the_context_s_alone():
    state = str(tz.manual_seed(1).bit_generator.state)
    masks = [nn.Dropout(0.5, np.random.Generator(np.random.Philox(9)))(np.ones(99)) for _ in range(2)]
    np.testing.assert_array_equal(*masks)
    assert str(tz.default_generator().bit_generator.state) == state


# ---- gradients


def image_norm():
    return nn.Sequential(nn.BatchNorm(3), nn.Flatten())


def mlp():
    return nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.GELU(), nn.Dense(4, 2))


def activations():
    return nn.Sequential(nn.SiLU(), nn.Softplus(), nn.Sigmoid(), nn.LogSoftmax(), nn.Softmax(0))


NETWORKS = {
    "dense": (lambda: nn.Sequential(nn.Dense(3, 4)), (5, 3)),
    "dense of a batch of sequences": (lambda: nn.Sequential(nn.Dense(3, 2)), (2, 4, 3)),
    "dense of one sample": (lambda: nn.Sequential(nn.Dense(3, 2)), (3,)),
    "layer norm": (lambda: nn.Sequential(nn.LayerNorm(4)), (3, 4)),
    "batch norm": (lambda: nn.Sequential(nn.BatchNorm(3)), (5, 3)),
    "batch norm of images": (image_norm, (2, 3, 2, 2)),
    "batch norm in eval": (lambda: nn.Sequential(nn.BatchNorm(3)).eval(), (5, 3)),
    "mlp": (mlp, (5, 3)),
    "activations": (activations, (4, 3)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_finite_differences(name):
    make, shape = NETWORKS[name]
    model, data = randomize(make()), normal(*shape, seed=3)
    x = tz.tensor(data, requires_grad=True)
    y = model(x)
    upstream = np.random.default_rng(4).choice([-1.5, 0.5, 1.0], size=y.shape)
    y.backward(upstream)
    leaves = [x, *model.parameters()]

    def forward(*arrays):
        for leaf, array in zip(leaves, arrays, strict=True):
            leaf.assign(array)
        return [model(leaves[0]).numpy()]

    arrays = [leaf.numpy().copy() for leaf in leaves]
    gradients = [leaf.grad.numpy() for leaf in leaves]
    for i, gradient in enumerate(gradients):
        expected = numeric_gradient(forward, arrays, i, [upstream])
        np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-9)
        assert np.abs(gradient).max() > 1e-4, "a gradient of zeros proves nothing"
