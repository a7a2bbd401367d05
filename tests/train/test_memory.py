"""A run leaves nothing behind, neither for the collector nor on the heap."""

from __future__ import annotations

import contextlib
import gc
import tracemalloc

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, everything, line, mlp, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import Callback, GradientNorms, evaluate, predict


class Heap(Callback):
    """Bytes in use, and the most that were, at certain steps."""

    def __init__(self, *steps):
        self.steps, self.taken, self.current, self.peak = steps, 0, [], []

    def on_step(self, run):
        self.taken += 1
        if self.taken in self.steps:
            current, peak = tracemalloc.get_traced_memory()
            self.current.append(current)
            self.peak.append(peak)
            tracemalloc.reset_peak()


@pytest.fixture
def traced():
    # CPython keeps up to 2,000 freed tuples of a length for later use: here they are, before anything is counted.
    spare = [(object(),) for _ in range(2000)]
    del spare
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("epochs, samples", [(1, 4000), (250, 16)])
def test_memory_is_flat_over_1000_steps(traced, epochs, samples):
    heap = Heap(100, 500, 1000)
    model = mlp(hidden=64)
    quietly(model, classes(samples), optimizer=tz.optim.Adam(model.parameters()), epochs=epochs, batch_size=4,
            callbacks=[heap])
    assert heap.taken == 1000
    assert max(heap.current) - min(heap.current) < 16_000, heap.current  # a graph, or a batch a step, is far more
    assert max(heap.peak[1:]) - min(heap.peak[1:]) < 16_000, heap.peak


@pytest.fixture
def collector_off():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collector_off")
def test_nothing_is_left_for_the_collector_after_1000_steps():
    model = everything()
    optimizer = tz.optim.Adam(model.parameters())
    quietly(model, classes(4000), validation=classes(100), optimizer=optimizer, batch_size=4,
            metrics=[tz.train.metrics.accuracy], callbacks=[GradientNorms()])
    predict(model, classes(100)[0])
    evaluate(model, classes(100), F.cross_entropy)
    assert gc.collect() == 0


@pytest.mark.usefixtures("collector_off")
def test_nothing_is_left_after_a_step_that_failed():
    def fail(p, t):
        raise ArithmeticError

    def results():
        return sum(type(o) is tz.Tensor and not o.is_leaf for o in gc.get_objects())

    before = results()
    with contextlib.suppress(ArithmeticError):
        quietly(mlp(), classes(), loss=fail)
    assert results() == before


def test_predictions_are_kept_only_for_metrics(traced):
    heaps = []
    for metrics in ([], [tz.train.metrics.mse]):
        heap = Heap(1, 60)
        tz.manual_seed(0)
        model = nn.Dense(2, 1000)
        x, _ = line(60)
        quietly(model, (x, np.zeros((60, 1000), np.float32)), loss=F.mse_loss, batch_size=1, metrics=metrics,
                callbacks=[heap])
        heaps.append(heap.current[1] - heap.current[0])
    assert heaps[0] < 60 * 1000  # less than a quarter of the predictions
    assert heaps[1] > 60 * 1000 * 4
