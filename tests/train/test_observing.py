"""Observers: they see every run of a block, count in no checkpoint, and hear of what is raised."""

from __future__ import annotations

import numpy as np
import pytest

from tests.train.problems import classes, mlp, quietly
from tinygrad_zh import functional as F
from tinygrad_zh.train import Callback, Checkpoint, GradientNorms, observed


class Eye(Callback):
    """Notes what it sees."""

    observer = True

    def __init__(self):
        self.seen = []

    def on_begin(self, run):
        self.seen.append("begin")

    def on_step(self, run):
        self.seen.append(run.value)

    def on_end(self, run):
        self.seen.append("end")

    def on_error(self, run, error):
        self.seen.append(type(error).__name__)


def train(**options):
    model = mlp()
    return model, quietly(model, classes(), **{"epochs": 2, "batch_size": 20} | options)


def test_every_fit_in_the_block_is_seen_and_none_after_it():
    eye = Eye()
    with observed(eye):
        train()
        train()
    train()
    assert eye.seen.count("begin") == eye.seen.count("end") == 2


def test_the_loss_of_each_step_is_the_epochs_mean():
    eye = Eye()
    with observed(eye):
        _, history = train()
    losses = [value for value in eye.seen if not isinstance(value, str)]
    steps = len(losses) // 2
    assert history["loss"][0] == pytest.approx(np.mean(losses[:steps]), rel=1e-6)


def test_only_an_observer_observes():
    with pytest.raises(TypeError, match=r"observer = True.*give other callbacks to fit"), observed(GradientNorms()):
        pass
    with pytest.raises(TypeError, match="observer = True"), observed(Eye):
        pass


def test_a_checkpoint_of_an_unwatched_run_goes_on_watched(tmp_path):
    train(callbacks=[Checkpoint(tmp_path / "run")])
    eye = Eye()
    train(epochs=3, callbacks=[eye, Checkpoint(tmp_path / "run")], resume=tmp_path / "run")
    assert eye.seen[0] == "begin" and eye.seen[-1] == "end"


def test_what_is_raised_is_heard_of_and_passes_on():
    eye = Eye()
    with observed(eye), pytest.raises(FloatingPointError, match="the loss is nan"):
        train(loss=lambda prediction, y: F.cross_entropy(prediction, y) * float("nan"))
    assert eye.seen == ["begin", "FloatingPointError"]
