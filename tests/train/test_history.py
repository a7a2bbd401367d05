"""What fit returns: one number an epoch for every figure, and they are the right numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, everything, line, mlp, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import Callback, History, evaluate, metrics


class Watch(Callback):
    """Notes what a function says after each epoch."""

    def __init__(self, look):
        self.look, self.seen = look, []

    def on_epoch(self, run):
        self.seen.append(self.look(run))


def test_the_names_and_their_order():
    model = mlp()
    history = quietly(model, classes(), validation=classes(20, seed=1), epochs=3,
                      metrics={"accuracy": metrics.accuracy, "macro F1": partial(metrics.f1, average="macro")})
    assert list(history) == ["loss", "accuracy", "macro F1", "validation_loss", "validation_accuracy",
                             "validation_macro F1"]
    assert all(len(values) == 3 and all(type(value) is float for value in values) for values in history.values())
    assert isinstance(history, History) and history.stopped is None


def test_without_validation_and_metrics_there_is_the_loss_alone():
    assert list(quietly(mlp(), classes(), epochs=2)) == ["loss"]


def test_the_loss_is_the_mean_over_samples_not_over_batches():
    losses = []

    def loss(p, t):
        value = F.cross_entropy(p, t)
        losses.append((value.item(), len(t)))
        return value

    history = quietly(mlp(), classes(35), loss=loss, batch_size=16)  # 16, 16 and 3
    assert [n for _, n in losses] == [16, 16, 3]
    assert history["loss"] == [pytest.approx(sum(value * n for value, n in losses) / 35, rel=1e-15)]


def test_training_metrics_see_the_predictions_made_on_the_way():
    made, targets, given = [], [], []

    def loss(p, t):
        made.append(p.numpy())
        targets.append(t)
        return F.cross_entropy(p, t)

    def metric(p, t):
        given.append((p, t))
        return metrics.accuracy(p, t)

    history = quietly(mlp(), classes(35), loss=loss, metrics=[metric])
    [(p, t)] = given
    assert (p == np.concatenate(made)).all() and (t == np.concatenate(targets)).all()
    assert history["metric"] == [metrics.accuracy(p, t)]


def test_validation_figures_are_those_of_evaluate_after_each_epoch():
    held_out = classes(300, seed=1)
    watch = Watch(lambda run: evaluate(run.model, held_out, F.cross_entropy, [metrics.accuracy]))
    history = quietly(everything(), classes(), validation=held_out, metrics=[metrics.accuracy], epochs=3,
                      callbacks=[watch])
    assert history["validation_loss"] == [scores["loss"] for scores in watch.seen]
    assert history["validation_accuracy"] == [scores["accuracy"] for scores in watch.seen]


def test_callbacks_find_the_epochs_figures_in_the_history():
    watch = Watch(lambda run: (run.epoch, {name: len(values) for name, values in run.history.items()}))
    quietly(mlp(), classes(), validation=classes(20, seed=1), epochs=2, callbacks=[watch])
    assert watch.seen == [(1, {"loss": 1, "validation_loss": 1}), (2, {"loss": 2, "validation_loss": 2})]


def test_continuous_targets_have_r2_and_mse():
    x, y = line()
    tz.manual_seed(0)
    model = nn.Dense(2, 1)
    history = quietly(model, (x, y), loss=F.mse_loss, metrics=[metrics.mse, metrics.r2], epochs=5, validation=(x, y))
    assert history["mse"] == pytest.approx(history["loss"], rel=1e-6)
    unexplained = [error / y.var() for error in history["validation_mse"]]
    assert history["validation_r2"] == pytest.approx([1 - share for share in unexplained], rel=1e-6)
    assert history["validation_r2"][-1] > 0.8


def test_continuous_targets_have_no_accuracy():
    with pytest.raises(ValueError, match=r"continuous.*use r2 or mse"):
        quietly(nn.Dense(2, 1), line(), loss=F.mse_loss, metrics=[metrics.accuracy])
