"""A model's parameters are checked where they stand, and left as they were."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.check import check_parameters


def batch(n=8, width=20):
    rng = np.random.default_rng(0)
    return tz.tensor(rng.random((n, width), np.float32)), rng.integers(0, 3, n)


@pytest.fixture
def network():
    tz.manual_seed(0)
    return nn.Sequential(nn.Dense(20, 16), nn.ReLU(), nn.Dense(16, 3))


def parameters_of(model):
    return dict(model.named_parameters())


def state(parameters):
    return {name: (w.array, w.array.tobytes(), w.source, w.grad) for name, w in parameters.items()}


def same_state(before, parameters):
    after = state(parameters)
    return all(a is b or a == b for name in before for a, b in zip(before[name], after[name], strict=True))


def loss_of(model):
    x, t = batch()
    return lambda: F.cross_entropy(model(x), t)


def test_a_network_passes_and_every_parameter_is_sampled(network):
    parameters = parameters_of(network)
    report = check_parameters(loss_of(network), parameters)
    assert report, str(report)
    moved = [row.name for row in report.comparisons if row.element is not None]
    assert {name: moved.count(name) for name in parameters} == {name: min(w.size, 40) for name, w in parameters.items()}


def test_half_of_the_sample_is_where_the_gradient_is_largest(network):
    w = parameters_of(network)["0.W"]
    loss_of(network)().backward()
    size = np.abs(w.grad.numpy())
    report = check_parameters(loss_of(network), {"w": w}, samples=10)
    sampled = {row.element for row in report.comparisons if row.element is not None}
    largest = {tuple(np.unravel_index(i, size.shape)) for i in np.argsort(size, axis=None)[-5:]}
    assert largest <= sampled


def test_parameters_and_gradients_are_as_they_were(network):
    parameters = parameters_of(network)
    loss_of(network)().backward()
    before = state(parameters)
    check_parameters(loss_of(network), parameters)
    assert same_state(before, parameters)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("call", [1, 2, 4, 30])
def test_they_are_as_they_were_after_an_exception(network, error, call):
    parameters, loss, calls = parameters_of(network), loss_of(network), 0
    before = state(parameters)

    def failing():
        nonlocal calls
        calls += 1
        value = loss()
        if calls >= call:
            raise error("stop")
        return value

    try:
        check_parameters(failing, parameters)
    except (ValueError, KeyboardInterrupt) as raised:
        assert type(raised) is error
    assert calls >= call
    assert same_state(before, parameters)
    assert check_parameters(loss, parameters)


class HalvedReLU(tz.Op):
    def forward(x):
        return np.maximum(x, 0)

    def backward(dy, y):
        return np.where(y > 0, dy / 2, 0)


def test_a_wrong_op_shows_in_the_layers_below_it(network):
    first, second = network.layers[0], network.layers[2]
    x, t = batch()
    report = check_parameters(lambda: F.cross_entropy(second(HalvedReLU(first(x))), t), parameters_of(network))
    assert [(f.op, f.name, f.diagnosis, f.values["factor"]) for f in report.failures] == [
        ("HalvedReLU", "x", "factor", "1/2"),
        ("", "0.W", "factor", "1/2"),
        ("", "0.b", "factor", "1/2"),
    ]


def test_a_parameter_without_influence(network):
    spare = tz.tensor([1.0, 2.0], requires_grad=True)
    report = check_parameters(loss_of(network), {**parameters_of(network), "spare": spare})
    assert report
    assert [(warning.name, warning.diagnosis) for warning in report.warnings] == [("spare", "unused")]


def test_a_parameter_that_is_cut_off():
    w = tz.tensor([1.0, 2.0], requires_grad=True)
    report = check_parameters(lambda: (w.detach() * w.detach()).sum(), {"w": w})
    assert [f.diagnosis for f in report.failures] == ["no_op", "zero"]
    assert not report.warnings


def test_a_parameter_without_elements():
    empty, w = tz.tensor(np.zeros((0, 3)), requires_grad=True), tz.tensor([1.0, 2.0], requires_grad=True)
    report = check_parameters(lambda: (w * w).sum() + empty.sum(), {"empty": empty, "w": w})
    assert report
    assert not report.warnings


def test_an_op_in_a_module_is_named_with_its_class():
    class Layer(nn.Module):
        def forward(self, x):
            return HalvedReLU(x)

    w, layer = tz.tensor([1.0, 2.0], requires_grad=True), Layer()
    report = check_parameters(lambda: layer(w * w).sum(), {"w": w})
    assert [(f.op, f.layer) for f in report.failures] == [("HalvedReLU", "Layer"), ("", "")]


def test_a_shared_parameter_counts_once():
    w = tz.tensor([1.0, 2.0], requires_grad=True)
    report = check_parameters(lambda: (w * w).sum(), {"a": w, "b": w})
    assert report
    assert {row.name for row in report.comparisons} == {"a"}


def test_running_statistics_and_random_numbers_are_put_back():
    tz.manual_seed(3)
    model = nn.Sequential(nn.Dense(20, 6), nn.BatchNorm(6), nn.Dropout(0.5), nn.Dense(6, 3))
    before = {name: value.array.tobytes() for name, value in model.named_tensors()}
    drawn = tz.default_generator().bit_generator.state["state"]["counter"].tolist()
    assert check_parameters(loss_of(model), parameters_of(model))
    assert {name: value.array.tobytes() for name, value in model.named_tensors()} == before
    assert tz.default_generator().bit_generator.state["state"]["counter"].tolist() == drawn


def test_float64_parameters():
    w = tz.tensor(np.array([1.0, -2.0]), requires_grad=True)
    assert w.dtype == np.float64
    assert check_parameters(lambda: (w * w * w).sum(), {"w": w})
