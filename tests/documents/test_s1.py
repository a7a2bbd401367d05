"""S1: the shapes, the split, one step an epoch, and what is printed."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import data
from tinygrad_zh import functional as F
from tinygrad_zh.core import grad, manual_seed, tensor
from tinygrad_zh.documents import s1
from tinygrad_zh.documents.options import Options
from tinygrad_zh.i18n import in_language
from tinygrad_zh.optim import SGD, Adam

FIGURES = {"loss": 0.31, "accuracy": 0.951, "validation_loss": 0.47, "validation_accuracy": 0.876,
           "steps": 1000, "seconds": 12.3}


def test_the_shapes_are_the_corrected_ones_of_f06():
    shapes = [p.shape for p in s1.network().parameters()]
    assert shapes == [(784, 1000), (1000,), (1000, 10), (10,)]


def test_a_hundred_of_each_class_to_train_on_and_a_hundred_others_to_validate():
    train, validation = s1.images(seed=3)
    for part in (train, validation):
        assert part.pixels.shape == (1000, 28, 28)
        assert np.bincount(part.labels).tolist() == [100] * 10
    seen = {picture.tobytes() for picture in train.pixels}
    assert len(seen) == 1000
    assert seen.isdisjoint(picture.tobytes() for picture in validation.pixels)


def test_an_epoch_is_one_step_of_gradient_descent_on_all_images():
    train, _ = s1.images(seed=0)
    x, y = data.to_unit(train.pixels), train.labels
    manual_seed(0)
    model = s1.network()
    parameters = model.parameters()
    for p, gradient in zip(parameters, grad(F.cross_entropy(model(x), y), parameters), strict=True):
        p.assign(p.numpy() - 0.01 * gradient.numpy())
    figures = s1.train_once(seed=0, epochs=1)
    assert figures["steps"] == 1
    assert figures["loss"] == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)


def test_f03s_relu_on_the_output_kills_the_gradient_of_negative_outputs():
    z = tensor([[2.0, -1.0, 0.5]], requires_grad=True)
    (with_relu,) = grad(F.cross_entropy(F.relu(z), [1]), z)
    (without,) = grad(F.cross_entropy(z, [1]), z)
    assert with_relu.numpy()[0, 1] == 0
    assert without.numpy()[0, 1] < -0.5


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_run_trains_as_the_document_says_and_prints_what_it_measured(lang, monkeypatch, capsys):
    calls = []

    def train_once(seed, epochs, batch_size=1000, optimizer=SGD, lr=0.01, callbacks=()):
        calls.append((seed, epochs, batch_size, optimizer, lr))
        return FIGURES | {"validation_accuracy": 0.9 + len(calls) / 100}

    monkeypatch.setattr(s1, "train_once", train_once)
    with in_language(lang):
        figures = s1.run(Options(seed=7))
    assert calls == [(7, 1000, 1000, SGD, 0.01), (7, 32, 32, SGD, 0.01), (7, 10, 32, Adam, 0.001)]
    printed = capsys.readouterr().out
    for shown in ("795,010", "F03", "F06", "0.910", "0.920", "0.930", "12.3"):
        assert shown in printed
    assert (figures["validation_accuracy"], figures["adam_validation_accuracy"]) == (0.91, 0.93)


@pytest.mark.parametrize("useless", [{"batch_size": 32}, {"data": "mnist"}, {"source": "here"}, {"out": "here"}])
def test_options_without_a_meaning_are_refused(useless):
    with pytest.raises(ValueError, match="S1 has no use for " + next(iter(useless))):
        s1.run(Options(**useless))


@pytest.mark.slow
def test_the_document_s_training_learns_and_adam_learns_more_in_a_third_of_the_steps(capsys):
    with in_language("en"):
        figures = s1.run(Options())
    assert figures["steps"] == 1000
    assert figures["validation_accuracy"] > 0.85
    assert abs(figures["batches_validation_accuracy"] - figures["validation_accuracy"]) < 0.02
    assert figures["adam_validation_accuracy"] > figures["validation_accuracy"]
    printed = capsys.readouterr().out
    assert "epoch 1000/1000" in printed
    assert f"{figures['validation_accuracy']:.3f}" in printed
