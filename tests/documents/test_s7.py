"""S7: why the document's figures cannot be, and what is measured instead."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_zh import functional as F
from tinygrad_zh.documents import s7
from tinygrad_zh.documents.options import Options
from tinygrad_zh.i18n import in_language

GRID = ((np.arange(100_000) + 0.5) / 100_000)[:, None]  # labels as even as labels can be


def test_who_knows_uniform_labels_has_a_loss_of_one_half():
    assert s7.measured(GRID, GRID)["loss"] == pytest.approx(0.5, abs=1e-6)


def test_no_prediction_has_a_loss_below_the_entropy_of_the_label():
    y, prediction = np.meshgrid(np.linspace(0.01, 0.99, 50), np.linspace(0.01, 0.99, 50))
    losses, entropies = (F.binary_cross_entropy(p, y, reduction="none") for p in (prediction, y))
    assert (losses >= entropies - 1e-12).all()
    assert ((losses - entropies < 1e-12) == np.isclose(prediction, y)).all()


def test_the_best_constant_is_one_half():
    losses = {c: s7.measured(np.full_like(GRID, c), GRID)["loss"] for c in (0.3, 0.45, 0.5, 0.55, 0.7)}
    assert losses[0.5] == pytest.approx(math.log(2))
    assert min(losses, key=losses.__getitem__) == 0.5


def test_the_document_s_figures_cannot_be():
    found = s7.train_once(seed=0)
    loss = {who: figures["loss"] for who, figures in found.items()}
    assert s7.CLAIM["loss"] < 0.45 < loss["labels"] < 0.55
    assert loss["constant"] == pytest.approx(math.log(2))
    assert loss["labels"] < loss["training"] < loss["constant"] < loss["network"]
    assert {figures["accuracy"] for figures in found.values()} == {0.0}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_run_prints_claim_and_measurement(lang, capsys):
    with in_language(lang):
        figures = s7.run(Options(seed=3, epochs=2, batch_size=100))
    printed = capsys.readouterr().out
    assert figures["network_loss"] == s7.train_once(3, epochs=2, batch_size=100)["network"]["loss"]
    for shown in ("0.2805", "0.895", "1/2", "ln 2", *(f"{figures[f'{who}_loss']:.4f}" for who in
                                                      ("training", "network", "constant", "labels"))):
        assert shown in printed
    assert "2/2" in printed


def test_options_without_a_meaning_are_refused():
    with pytest.raises(ValueError, match="S7 has no use for data, out"):
        s7.run(Options(data="mnist", out="here"))
