"""What the regressions share: scaling by the training part, least squares, and the table of baselines."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh.data import Table
from tinygrad_zh.documents import regression
from tinygrad_zh.i18n import in_language


def table(n=50, slope=2.0):
    x = np.random.default_rng(0).uniform(10, 20, (n, 2))
    return Table(("a", "b"), x, "y", slope * x[:, 0] - 5 * x[:, 1] + 100)


def test_the_scale_is_the_training_part_s_alone():
    task = regression.standardised(table(), ("a", "b"), seed=0)
    assert [part.shape for part in task[:4]] == [(40, 2), (10, 2), (40, 1), (10, 1)]
    for part in (task.x, task.y):
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(part.std(axis=0), 1, atol=1e-6)
    assert abs(task.x_out.mean(axis=0)).min() > 1e-3
    assert {part.dtype for part in task[:4]} == {np.dtype(np.float32)}


def test_the_unit_gives_back_what_was_measured():
    samples = table()
    task = regression.standardised(samples, ("a", "b"), seed=0)
    spread = np.ptp(np.concatenate([task.y, task.y_out])) * task.unit
    assert spread == pytest.approx(np.ptp(samples.target), rel=1e-5)


def test_least_squares_explains_a_line_and_the_mean_nothing():
    task = regression.standardised(table(), ("a", "b"), seed=0)
    figures = regression.compare(task, task.y_out + 0.5)
    assert figures["least_squares_mse"] < 1e-9 and figures["least_squares_r2"] == pytest.approx(1)
    assert figures["mse"] == pytest.approx(0.25, rel=1e-5)
    assert figures["mean_mse"] == pytest.approx(float(np.mean(task.y_out**2)), rel=1e-5)
    assert figures["mean_r2"] <= 0


@pytest.mark.parametrize(("lang", "names"), [("zh", ["留出集", "网络", "最小二乘", "总是猜均值"]),
                                             ("en", ["held out", "网络", "least squares", "always the mean"])])
def test_the_table_has_a_row_for_each(lang, names, capsys):
    task = regression.standardised(table(), ("a", "b"), seed=0)
    figures = regression.compare(task, task.y_out + 0.5)
    with in_language(lang):
        regression.show(figures, "网络")
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.startswith(name) for line, name in zip(lines, names, strict=True)] == [True] * 4
    assert lines[1].split()[-2:] == [f"{figures['mse']:.4f}", f"{figures['r2']:.4f}"]
