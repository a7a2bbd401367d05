from __future__ import annotations

import csv
import math

import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot import loss_curve

pytestmark = pytest.mark.filterwarnings("error", "ignore:Glyph")

HISTORY = {
    "loss": [0.9, 0.5, 0.3, 0.2],
    "validation_loss": [1.0, 0.7, 0.6, 0.8],
    "accuracy": [0.6, 0.8, 0.9, 0.95],
    "validation_accuracy": [0.5, 0.75, 0.85, 0.8],
    "gradient_norm": [9.0, 8.0, 7.0, 6.0],
}


def table(path):
    return list(csv.reader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))


def test_the_best_validation_epochs_are_marked(tmp_path, words):
    with in_language("en"):
        said = words(loss_curve(HISTORY, tmp_path / "loss.svg"))
    assert {"Loss", "Accuracy", "training", "validation", "epoch"} <= set(said)
    assert "lowest 0.6 · epoch 3" in said
    assert "highest 85.00% · epoch 3" in said


def test_chinese(tmp_path, words, pretend_font):
    with in_language("zh"):
        said = words(loss_curve(HISTORY, tmp_path / "loss.svg"))
    assert {"损失", "准确率", "训练", "验证", "轮次", "最低 0.6 · 第 3 轮"} <= set(said)


def test_the_csv_has_the_figures_that_are_drawn(tmp_path):
    header, *rows = table(loss_curve(HISTORY, tmp_path / "loss.png"))
    assert header == ["epoch", "loss", "validation_loss", "accuracy", "validation_accuracy"]
    assert [list(map(float, row)) for row in rows] == [
        [i + 1, *(HISTORY[name][i] for name in header[1:])] for i in range(4)
    ]


def test_a_loss_alone_is_one_panel_without_a_legend(tmp_path, words):
    with in_language("en"):
        said = words(loss_curve({"loss": [3.0, 1.0, 2.0]}, tmp_path / "loss.svg"))
    assert "lowest 1 · epoch 2" in said
    assert not {"Accuracy", "training", "validation"} & set(said)


def test_epochs_without_a_number_are_not_the_best(tmp_path, words):
    with in_language("en"):
        said = words(loss_curve({"loss": [math.nan, 2.0, math.inf, -math.inf]}, tmp_path / "loss.svg"))
        assert "lowest 2 · epoch 2" in said
        said = words(loss_curve({"loss": [math.nan]}, tmp_path / "nan.svg"))
        assert not any("lowest" in each for each in said)
    assert table(tmp_path / "nan.svg")[1] == ["1", "nan"]


@pytest.mark.parametrize("history", [{}, {"loss": []}, {"validation_loss": [1.0]}])
def test_a_history_without_loss_is_refused(tmp_path, history):
    with pytest.raises(ValueError, match='one "loss" an epoch'):
        loss_curve(history, tmp_path / "loss.png")
    assert list(tmp_path.iterdir()) == []


def test_unequal_lengths_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'loss': 2, 'validation_loss': 1"):
        loss_curve({"loss": [1.0, 2.0], "validation_loss": [1.0]}, tmp_path / "loss.png")
