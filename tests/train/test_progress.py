"""What a learner sees of a run: lines in a pipe, a bar on a terminal, or nothing."""

from __future__ import annotations

import re

import pytest

from tests.train.problems import classes, mlp, on_a_terminal, quietly
from tinygrad_zh.i18n import in_language
from tinygrad_zh.train import metrics

TRAIN = """
import sys
import numpy as np, tinygrad_zh as tz
from tests.train.problems import classes, line, mlp, quietly
from tinygrad_zh.i18n import use_language
from tinygrad_zh.train import metrics
use_language("en")
"""
ACCURATE = TRAIN + """
quietly(mlp(), classes(), epochs=2, metrics=[metrics.accuracy], validation=classes(20), progress=sys.argv[1])
"""
# R² is undefined for the one sample of the first batch, which is what the bar would show at once.
UNDEFINED_AT_FIRST = TRAIN + """
model = tz.nn.Dense(2, 1)
quietly(model, line(), loss=tz.functional.mse_loss, batch_size=1, metrics=[metrics.r2], progress="auto")
"""
FAILING = TRAIN + """
def loss(p, t):
    global steps
    steps += 1
    return tz.functional.cross_entropy(p, t) if steps < 3 else 1 / 0

steps = 0
try:
    quietly(mlp(), classes(), loss=loss, progress="auto")
except ZeroDivisionError:
    print("failed", file=sys.stderr)
"""


@pytest.mark.parametrize("progress", ["auto", "lines"])
@pytest.mark.parametrize("code, line", [
    ("en", r"epoch {}/3  loss \d\.\d{{4}}  accuracy \d\.\d{{4}}  validation loss \d\.\d{{4}}  "
           r"validation accuracy \d\.\d{{4}}  \(\d+\.\d s\)"),
    ("zh", r"第 {}/3 轮  损失 \d\.\d{{4}}  准确率 \d\.\d{{4}}  验证损失 \d\.\d{{4}}  "
           r"验证准确率 \d\.\d{{4}}  \(\d+\.\d s\)"),
])
def test_one_line_an_epoch_in_a_pipe(capsys, code, line, progress):
    with in_language(code):
        history = quietly(mlp(), classes(), epochs=3, metrics=[metrics.accuracy], validation=classes(20, seed=1),
                          progress=progress)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 3
    for epoch, printed in enumerate(lines, 1):
        assert re.fullmatch(line.format(epoch), printed), printed
        assert f"{history['loss'][epoch - 1]:.4f}" in printed
        assert f"{history['validation_accuracy'][epoch - 1]:.4f}" in printed


def test_a_metric_of_the_users_own_keeps_its_name(capsys):
    with in_language("zh"):
        quietly(mlp(), classes(), metrics={"my score": lambda p, t: 0.25}, progress="lines")
    assert "my score 0.2500" in capsys.readouterr().out


def test_none_is_silence(capsys):
    quietly(mlp(), classes(), epochs=2, progress="none")
    assert capsys.readouterr() == ("", "")


# ---- on a terminal


@pytest.mark.parametrize("columns", [80, 0])  # 0: a terminal that does not know its width
def test_a_bar_of_loss_and_accuracy_on_a_terminal_and_a_line_after_it(columns):
    out, shown = on_a_terminal(ACCURATE, "auto", columns=columns)
    assert out == ""
    drawn = re.findall(r"epoch (\d)/2 \S* *\S* (\d)/4, loss \d\.\d{4}  accuracy \d\.\d{4}", shown)
    assert drawn and drawn == sorted(drawn), shown
    lines = re.findall(r"epoch (\d)/2  loss \d\.\d{4}  accuracy \d\.\d{4}  "
                       r"validation loss \d\.\d{4}  validation accuracy \d\.\d{4}  \(\d\.\d s\)\r\n", shown)
    assert lines == ["1", "2"], shown
    assert shown.count("\n") == 2, shown  # the bars are gone


def test_lines_are_to_be_had_on_a_terminal_too():
    out, shown = on_a_terminal(ACCURATE, "lines")
    assert [line[:9] for line in out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert shown == ""


def test_none_is_silence_on_a_terminal():
    assert on_a_terminal(ACCURATE, "none") == ("", "")


def test_a_metric_that_is_undefined_on_a_part_of_the_data_does_not_end_a_run_on_a_terminal():
    out, shown = on_a_terminal(UNDEFINED_AT_FIRST)
    assert out == ""
    assert re.search(r"1/32, loss \d+\.\d{4} *\r", shown), shown  # the first, without
    assert re.search(r"epoch 1/1  loss \d+\.\d{4}  R² -?\d+\.\d{4}  ", shown), shown


def test_a_bar_is_gone_when_a_run_fails():
    _, shown = on_a_terminal(FAILING)
    assert re.search(r"1/4, loss \d\.\d{4}\r +\rfailed\r\n$", shown), repr(shown)
