"""Every figure against NumPy, and dead units against the callback that counts them."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import record
from tinygrad_zh.stepper.live.measure import BINS, CELLS, activations, histogram, norm
from tinygrad_zh.train import DeadUnits, fit


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def seen(model, x):
    paths = {id(module): path for path, module in model.named_modules()}
    with record() as tape:
        y = model(tz.tensor(x))
        F.mse_loss(F.sigmoid(y), np.zeros_like(y.numpy()))
    return activations(tape, paths)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 3, 4), (0,)])
def test_norm(draw, shape):
    array = draw.normal(size=shape)
    assert norm(array) == pytest.approx(np.sqrt((array**2).sum()), rel=1e-12)
    assert norm(array.T) == pytest.approx(norm(array), rel=1e-12)


def test_norms_of_what_is_no_number():
    assert np.isnan(norm(np.array([1.0, np.nan]))) and norm(np.array([1.0, -np.inf])) == np.inf


def test_a_histogram_is_numpys(draw):
    array = draw.normal(size=(50, 60))
    found = histogram(array)
    counts, edges = np.histogram(array, BINS)
    assert np.abs(np.array(found["counts"]) - counts).max() <= 1  # an element on an edge may round to either side
    assert (found["low"], found["high"]) == (edges[0], edges[-1])
    assert sum(found["counts"]) == array.size and found["nan"] == 0


def test_a_histogram_of_a_large_array_counts_a_part_of_it(draw):
    array = draw.normal(size=(1000, 1000)).astype(np.float32)
    found = histogram(array)
    assert 5000 < sum(found["counts"]) <= 10_000
    share, whole = np.array(found["counts"]), np.histogram(array, BINS, (found["low"], found["high"]))[0]
    assert np.abs(share / share.sum() - whole / whole.sum()).max() < 0.02


@pytest.mark.parametrize(("values", "nan"), [([], 0), ([np.nan] * 3, 3), ([1.0, np.nan, np.inf], 2), ([2.0] * 5, 0)])
def test_histograms_of_odd_arrays(values, nan):
    found = histogram(np.array(values))
    assert found["nan"] == nan and sum(found["counts"]) == len(values) - nan


def test_dead_units_are_those_of_the_callback(draw):
    x, y = draw.normal(size=(40, 6)).astype(np.float32), draw.integers(3, size=40)
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(6, 30), nn.ReLU(), nn.Dense(30, 20), nn.ReLU(), nn.Dense(20, 3))
    model[0].b.assign(np.where(np.arange(30) % 3 == 0, -100, 0).astype(np.float32))
    history = fit(model, (x, y), loss=F.cross_entropy, optimizer=tz.optim.SGD(model.parameters(), 0.1),
                  callbacks=[DeadUnits(x)], progress="none")
    first, second = seen(model, x)
    assert (first.name, first.op, second.name) == ("1 ReLU", "ReLU", "3 ReLU")
    assert first.share() == history["dead_units/0"][0] == 1 / 3
    assert second.share() == history["dead_units/1"][0]
    assert [cell == 1 for cell in first.cells()] == [i % 3 == 0 for i in range(30)]


@pytest.mark.parametrize(("layer", "name", "ends"), [(nn.Sigmoid, "Sigmoid", 4.6), (nn.Tanh, "Tanh", 3.0)])
def test_saturated_units_are_those_near_the_ends(layer, name, ends):
    x = np.array([[0.0, ends + 0.1, -ends - 0.1, ends - 0.1]] * 3)
    (found,) = seen(nn.Sequential(layer()), x)
    assert found.op == name
    assert found.stuck.tolist() == [0, 1, 1, 0] and found.share() == 0.5
    assert found.y.mean() == pytest.approx(getattr(F, name.lower())(x).mean())


def test_a_unit_that_passes_gradients_for_one_sample_is_not_dead():
    (found,) = seen(nn.Sequential(nn.ReLU()), np.array([[-1.0], [-1.0], [-1.0], [2.0]]))
    assert found.stuck.tolist() == [0.75] and found.share() == 0


def test_what_is_nan_is_not_dead():
    (found,) = seen(nn.Sequential(nn.ReLU()), np.array([[-1.0, np.nan]] * 3))
    assert found.stuck.tolist() == [1, 0] and np.isnan(found.y[:, 1]).all()


def test_what_is_called_again_and_again_is_one_activation_with_more_samples(draw):
    class Recurrent(nn.Module):
        def __init__(self):
            self.cell = nn.Dense(4, 4)

        def forward(self, x):
            h = x
            for _ in range(5):
                h = F.tanh(self.cell(h))
            return F.relu(self.cell(h))

    tanh, relu = seen(Recurrent(), draw.normal(size=(3, 4)))
    assert (tanh.name, tanh.y.shape, relu.name, relu.y.shape) == ("Tanh", (15, 4), "ReLU", (3, 4))


def test_two_of_the_same_kind_in_one_module_are_told_apart(draw):
    class Twice(nn.Module):
        def forward(self, x):
            x = F.relu(x)
            return F.relu(x - 0.5)

    class Both(nn.Module):
        def __init__(self):
            self.part = Twice()

        def forward(self, x):
            return self.part(x)

    assert [each.name for each in seen(Both(), draw.normal(size=(3, 4)))] == ["part ReLU", "part ReLU (2)"]


def test_what_the_loss_computes_is_no_activation(draw):
    assert seen(nn.Sequential(nn.Dense(2, 2)), draw.normal(size=(3, 2)).astype(np.float32)) == []


def test_many_units_are_drawn_as_groups(draw):
    (found,) = seen(nn.Sequential(nn.ReLU()), draw.normal(size=(4, 3, 10, 10)))
    assert found.stuck.shape == (300,) and len(found.cells()) == CELLS
    assert np.mean(found.cells()) == pytest.approx(found.stuck.mean(), abs=0.02)
