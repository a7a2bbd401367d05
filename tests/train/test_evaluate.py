"""predict and evaluate: inference mode, no graph, the same numbers in batches of any size."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, line, mlp
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import evaluate, metrics, predict


def modes(model):
    return [module.training for _, module in model.named_modules()]


class Spy(nn.Module):
    """Notes in which mode it ran, and on what."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, tz.is_grad_enabled(), x.shape))
        return x


def test_predictions_are_the_models_in_eval():
    model, x = everything(), classes()[0]
    predicted = predict(model, x)
    model.eval()
    assert type(predicted) is np.ndarray
    assert (predicted == model(tz.tensor(x)).numpy()).all()


def test_the_models_mode_is_as_before_module_by_module():
    model = everything()
    model[1].eval()
    before = modes(model)
    assert len(set(before)) == 2
    predict(model, classes()[0])
    evaluate(model, classes(), F.cross_entropy)
    assert modes(model) == before


def test_the_mode_is_as_before_after_an_error_too():
    model = everything()
    with pytest.raises(IndexError):
        evaluate(model, (classes()[0], np.full(60, 3)), F.cross_entropy)
    with pytest.raises(ValueError):
        predict(model, np.ones((5, 9)))
    assert set(modes(model)) == {True}
    assert tz.is_grad_enabled()


def test_they_run_in_eval_without_gradients_in_batches():
    spy = Spy()
    model = nn.Sequential(spy, mlp())
    graphs = []

    def loss(p, t):
        value = F.cross_entropy(p, t)
        graphs.append((p.requires_grad, value.requires_grad))
        return value

    predict(model, classes(10)[0], batch_size=4)
    evaluate(model, classes(10), loss, batch_size=4)
    assert spy.seen == [(False, False, (4, 4)), (False, False, (4, 4)), (False, False, (2, 4))] * 2
    assert set(graphs) == {(False, False)}


def test_they_change_nothing():
    model = everything()
    before, state = contents(model), tz.default_generator().bit_generator.state
    predict(model, classes()[0])
    evaluate(model, classes(), F.cross_entropy, [metrics.accuracy])
    assert contents(model) == before
    assert all(p.grad is None for p in model.parameters())
    assert str(tz.default_generator().bit_generator.state) == str(state)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 51, 1000])
def test_the_batch_size_changes_nothing(batch_size):
    x, y = line(51)
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(2, 6), nn.BatchNorm(6), nn.Tanh(), nn.Dropout(), nn.Dense(6, 1))
    for _, module in model.named_modules():
        for name, t in list(vars(module).items()):
            if isinstance(t, tz.Tensor):
                setattr(module, name, tz.tensor(t.numpy().astype(np.float64), requires_grad=t.requires_grad))
    whole = predict(model, x, batch_size=51)
    assert whole.shape == (51, 1) and whole.dtype == np.float64
    np.testing.assert_allclose(predict(model, x, batch_size=batch_size), whole, rtol=1e-13, atol=1e-13)
    scores = evaluate(model, (x, y), F.mse_loss, [metrics.mse, metrics.r2], batch_size=batch_size)
    assert list(scores) == ["loss", "mse", "r2"]
    assert scores["loss"] == pytest.approx(np.mean((whole - y) ** 2), rel=1e-13)
    assert scores["mse"] == pytest.approx(scores["loss"], rel=1e-13)
    assert scores["r2"] == pytest.approx(1 - scores["mse"] / y.var(), rel=1e-13)


def test_metrics_see_all_predictions_at_once():
    calls = []

    def metric(p, t):
        calls.append((p.shape, t.shape))
        return 0

    scores = evaluate(mlp(), classes(10), F.cross_entropy, {"mine": metric}, batch_size=3)
    assert calls == [((10, 3), (10,))]
    assert scores["mine"] == 0.0 and type(scores["mine"]) is float


def test_what_predict_gives_belongs_to_the_caller():
    predicted = predict(mlp(), classes(5)[0])
    predicted[:] = 0
    assert predicted.flags.writeable


def test_tokens_and_images_are_predicted_in_their_own_dtype():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Dense(6, 2))
    assert predict(model, [[0, 4], [1, 2], [3, 3]]).shape == (3, 2)
    with pytest.raises(TypeError, match="integers"):
        predict(model, [[0.0, 4.0]])
