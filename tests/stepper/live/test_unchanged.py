"""The proof that watching changes nothing: weights, statistics, optimizer, generators, history, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.stepper.live.test_probe import generators_of
from tests.stepper.live.web import Viewer, get
from tests.train.problems import classes, everything
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.stepper import Watch
from tinygrad_zh.train import Callback, fit


def attentive():
    tz.manual_seed(1)
    return nn.Sequential(nn.Dense(2, 4), nn.TransformerBlock(4, heads=2, hidden=8, dropout=0.3), nn.MeanPool(),
                         nn.BatchNorm(4), nn.Tanh(), nn.Dense(4, 3))


class Curious(Callback):
    """A viewer in every step, who also asks for the steps."""

    observer = True

    def __init__(self, watch):
        self.watch = watch

    def on_step(self, run):
        viewer = Viewer(self.watch.url)
        viewer.next()
        if len(self.watch.film.curves["loss"].steps) == 7:
            get(self.watch.url + "step")
        viewer.close()


def trained(make, shape, optimizer, watch):
    """Every bit of what training leaves behind."""
    model = make()
    x, y = classes(40)
    made = optimizer(model.parameters())
    callbacks = [] if watch is None else [watch, Curious(watch)]
    history = fit(model, (x.reshape(40, *shape), y), validation=(x.reshape(40, *shape), y), loss=F.cross_entropy,
                  optimizer=made, epochs=3, batch_size=8, callbacks=callbacks, progress="none")
    generators = [tz.default_generator(), *generators_of(model)]
    return {
        "model": {name: value.tobytes() for name, value in model.state_dict().items()},
        "optimizer": {name: value.tobytes() for name, value in made.state_dict().items()},
        "gradients": [p.grad.numpy().tobytes() for p in model.parameters()],
        "generators": [str(each.bit_generator.state) for each in generators],
        "history": {name: np.array(values).tobytes() for name, values in history.items()},
        "modes": [module.training for _, module in model.named_modules()],
    }


@pytest.mark.parametrize("optimizer", [lambda p: tz.optim.Adam(p, 0.01), lambda p: tz.optim.Momentum(p, 0.05)])
@pytest.mark.parametrize(("make", "shape"), [(everything, (4,)), (attentive, (2, 2))])
def test_watched_and_unwatched_are_the_same_to_the_bit(make, shape, optimizer, tmp_path):
    watch = Watch(every=1, path=tmp_path / "out.html")
    try:
        assert trained(make, shape, optimizer, watch) == trained(make, shape, optimizer, None)
    finally:
        watch.close()
    assert watch.film.facts["step"] == 15 and len(watch.film.curves["loss"].steps) == 15
