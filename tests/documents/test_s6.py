"""S6: one step by hand, the collapse that F21 would be, and how long 100 networks take."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents import s6
from tinygrad_zh.documents.options import Options
from tinygrad_zh.i18n import in_language

X, Y = np.array(s6.POINTS), np.array(s6.LABELS)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step_by_hand(parameters, alpha):
    """δ₄ = (ŷ − y) / n, δ₃ = δ₄ W₄ᵀ ⊙ 1[Z₃ > 0], δ₂ = δ₃ W₃ᵀ ⊙ A₂ (1 − A₂); ∂J/∂W = Aᵀ δ, ∂J/∂b = Σ δ."""
    W2, b2, W3, b3, W4, b4 = (p.astype(np.float64) for p in parameters)
    A2 = sigmoid(X @ W2 + b2)
    Z3 = A2 @ W3 + b3
    A3 = np.maximum(0, Z3)
    d4 = (sigmoid(A3 @ W4 + b4) - Y) / len(X)
    d3 = d4 @ W4.T * (Z3 > 0)
    d2 = d3 @ W3.T * A2 * (1 - A2)
    gradients = (X.T @ d2, d2.sum(0), A2.T @ d3, d3.sum(0), A3.T @ d4, d4.sum(0))
    return [p - alpha * g for p, g in zip((W2, b2, W3, b3, W4, b4), gradients, strict=True)]


def test_a_step_is_the_one_by_hand():
    manual_seed(0)
    model = s6.network()
    by_hand = step_by_hand([p.numpy() for p in model.parameters()], alpha=0.5)
    s6.step(model, tensor(s6.POINTS), tensor(s6.LABELS), alpha=0.5)
    for p, expected in zip(model.parameters(), by_hand, strict=True):
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_without_activations_the_layers_are_one_affine_map():
    manual_seed(1)
    model = s6.network()
    for layer in model.layers:
        layer.b.assign(np.linspace(-1, 1, layer.b.size))
    points = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    W, b = s6.collapsed(model)
    assert (W.shape, b.shape) == ((3, 1), (1,))
    np.testing.assert_allclose(s6.without_activations(model, points).numpy(), points @ W + b, atol=1e-5)
    assert abs(model(points).numpy() - sigmoid(points @ W + b)).max() > 0.01


def test_both_points_must_be_right():
    answers = {"0, 1": [[0.4], [0.6]], "1, 1": [[0.6], [0.6]], "0, 0": [[0.4], [0.4]], "1, 0": [[0.6], [0.4]]}
    right = {name: s6.both_right(lambda _, y=y: tensor(y), tensor(s6.POINTS), tensor(s6.LABELS))
             for name, y in answers.items()}
    assert right == {"0, 1": True, "1, 1": False, "0, 0": False, "1, 0": False}


def test_the_epochs_are_counted_until_both_are_right_and_no_further():
    epochs, answer = s6.train_once(seed=0)
    assert epochs > 10 and 0 < answer < 1
    assert s6.train_once(seed=0, limit=int(epochs)) == (epochs, answer)
    assert s6.train_once(seed=0, limit=int(epochs) - 1).epochs == math.inf


def test_quartiles_are_epochs_that_a_network_took(monkeypatch):
    took = dict(enumerate((0.0, 10.0, 11.0, 500.0, math.inf), start=40))
    monkeypatch.setattr(s6, "train_once", lambda seed, alpha, limit: s6.Outcome(took[seed], 0.1 * (seed - 36)))
    assert s6.train_many(seed=40, alpha=0.01, seeds=5) == {
        "lower": 10, "median": 11, "upper": 500, "longest": math.inf, "within": 2, "untrained": 1, "answer_1": 3}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_run_prints_what_it_measured(lang, monkeypatch, capsys):
    monkeypatch.setattr(s6, "SEEDS", 8)
    monkeypatch.setattr(s6.train_many, "__defaults__", (s6.LIMIT, 8))
    with in_language(lang):
        figures = s6.run(Options(epochs=60))
    printed = capsys.readouterr().out
    row = next(line.split() for line in printed.splitlines() if line.startswith("0.01"))
    assert row == ["0.01", *(f"{figures[name]:,.0f}".replace("inf", "∞")
                             for name in ("lower", "median", "upper", "longest", "within"))]
    assert "∞" in row and "F21" in printed and "F22" in printed


def test_options_without_a_meaning_are_refused():
    with pytest.raises(ValueError, match="S6 has no use for batch_size"):
        s6.run(Options(batch_size=1))


@pytest.mark.slow
def test_of_100_networks_few_are_right_within_the_document_s_ten_epochs(capsys):
    with in_language("en"):
        figures = s6.run(Options())
    assert figures["within"] <= 15
    assert 10 < figures["lower"] < figures["median"] < figures["upper"] < figures["longest"] < math.inf
    assert f"{figures['within']} of 100 networks" in capsys.readouterr().out
    assert s6.train_many(0, alpha=1.0)["within"] > 90
