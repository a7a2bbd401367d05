"""A probe leaves nothing behind, even in a model that does what no model should."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, everything
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.stepper.live.probe import Probe, untouched


def generators_of(model):
    return [value for _, module in model.named_modules() for value in vars(module).values()
            if isinstance(value, np.random.Generator)]


def everything_of(model):
    """Values, gradients, modes and generator states, as bytes."""
    generators = [tz.default_generator(), *generators_of(model)]
    return ([(name, t.array.tobytes()) for name, t in model.named_tensors()],
            [None if t.grad is None else t.grad.array.tobytes() for t in model.parameters()],
            [module.training for _, module in model.named_modules()],
            [str(generator.bit_generator.state) for generator in generators])


class Wilful(nn.Module):
    """Draws, counts and changes its mode whenever it is called, training or not."""

    def __init__(self):
        self.calls = tz.tensor(0.0)
        self.scale = tz.tensor(2.0, requires_grad=True)
        self.generator = np.random.default_rng(3)

    def forward(self, x):
        self.calls.assign(self.calls.array + 1)
        self.scale.grad = tz.tensor(7.0)
        self.training = not self.training
        return x * self.scale + tz.default_generator().random() + self.generator.random()


def trained():
    """A model in training mode with gradients, some modules in another mode."""
    model = everything()
    x, y = classes()
    F.cross_entropy(model(x), y).backward()
    model[2].training = False
    return model, x, y


def test_the_probe_changes_nothing():
    model, x, y = trained()
    before = everything_of(model)
    trace, error = Probe(x, y, F.cross_entropy).run(model, "probe")
    assert error is None and everything_of(model) == before
    phases = {step["phase"] for step in trace.document().steps}
    assert {"forward", "seed", "backward"} <= phases


def test_not_even_in_a_wilful_model():
    model = Wilful()
    before = everything_of(model)
    _, error = Probe(np.ones((2, 2)), np.ones((2, 2)), F.mse_loss).run(model, "probe")
    assert error is None and everything_of(model) == before


def test_nor_where_it_fails():
    model, x, y = trained()
    before = everything_of(model)
    trace, error = Probe(x[:, :3], y, F.cross_entropy).run(model, "probe")
    assert isinstance(error, ValueError) and everything_of(model) == before
    assert trace.document().steps[-1]["phase"] == "error"


def test_nor_where_it_is_interrupted():
    model = everything()
    before = everything_of(model)

    def interrupt(prediction, y):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Probe(*classes(), interrupt).run(model, "probe")
    assert everything_of(model) == before


def test_it_infers():
    model, _, _ = trained()
    with untouched(model):
        assert not any(module.training for _, module in model.named_modules())


def test_it_records_for_itself_within_another_recording_and_without_gradients_in_force():
    model, x, y = trained()
    with tz.record() as outer, tz.no_grad():
        trace, error = Probe(x, y, F.cross_entropy).run(model, "probe")
    assert error is None and len(trace) > 0 and len(outer) == 0


def test_its_samples_are_its_own():
    x, y = classes()
    probe = Probe(x, y, F.cross_entropy)
    x[:] = np.nan
    trace, _ = probe.run(everything(), "probe")
    assert all(np.isfinite(line.outputs[0]).all() for line in trace.of("forward"))
