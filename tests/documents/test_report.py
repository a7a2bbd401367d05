"""How the systems speak: tables, milestones, an interrupted run, and options that have no meaning."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import Milestones, complete, table
from tinygrad_zh.i18n import display_width, in_language
from tinygrad_zh.optim import SGD
from tinygrad_zh.train import History, fit


def test_columns_are_aligned_in_cells_and_not_in_characters(capsys):
    table(["训练方法", "步数"], ["SGD", "1,000"], ["小批量", "7"])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines == ["训练方法   步数", "SGD       1,000", "小批量        7"]
    assert {display_width(line) for line in lines} == {15}


@pytest.mark.parametrize(("epochs", "shown"), [(3, [1, 2, 3]), (20, list(range(2, 21, 2)))])
def test_a_tenth_of_the_epochs_is_shown(epochs, shown, capsys):
    model = nn.Dense(1, 1)
    with in_language("en"):
        history = fit(model, (np.ones((4, 1)), np.ones((4, 1))), loss=F.mse_loss, epochs=epochs, progress="none",
                      optimizer=SGD(model.parameters(), lr=0.1), callbacks=[Milestones(epochs)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"epoch {n}/{epochs}  loss {history['loss'][n - 1]:.4f}" for n in shown]


def test_an_interrupted_run_has_no_figures():
    history = History(loss=[0.5])
    assert complete(history) is history
    history.stopped = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        complete(history)


def test_options_are_given_back_when_all_of_them_have_a_meaning():
    options = Options(epochs=3, seed=5)
    assert options.only("S1", "epochs") is options


def test_every_option_without_a_meaning_is_named():
    with pytest.raises(ValueError, match="S9 has no use for data, batch_size; it takes epochs, seed"):
        Options(data="mnist", epochs=3, batch_size=4).only("S9", "epochs")


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_number_of_epochs_or_samples_is_at_least_one(name, value):
    with pytest.raises(ValueError, match=f"{name} is a number ≥ 1, not {value}"):
        Options(**{name: value})
