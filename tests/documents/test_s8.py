"""S8: the sign of F24, the bound on α, and the descent to what least squares finds."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import data
from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents import s8
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.regression import least_squares, standardised, with_ones
from tinygrad_zh.i18n import in_language


@pytest.fixture
def problem():
    """w, X, y: 40 samples of a plane in 3 dimensions, float64."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_normal((40, 3)), np.ones((40, 1))], axis=1)
    return rng.standard_normal((4, 1)), X, X @ [[1.0], [-2.0], [0.5], [3.0]] + 0.1 * rng.standard_normal((40, 1))


def test_the_cost_is_the_half_sum_and_no_mean():
    assert s8.cost(np.array([[2.0]]), np.array([[1.0], [3.0]]), np.array([[5.0], [2.0]])) == (3**2 + 4**2) / 2


def test_backpropagation_is_the_corrected_gradient_and_the_check_finds_the_document_s_sign(problem):
    np.testing.assert_allclose(s8.backpropagated(*problem), s8.corrected(*problem), rtol=1e-12)
    assert s8.checked(s8.backpropagated, *problem)
    assert s8.checked(s8.corrected, *problem)
    wrong = s8.checked(s8.as_printed, *problem)
    assert not wrong and wrong.failures[0].diagnosis == "sign"


@pytest.mark.parametrize(("share", "grows"), [(0.5, False), (1.0, False), (1.9, False), (2.1, True)])
def test_alpha_must_be_below_two_over_the_largest_eigenvalue(problem, share, grows):
    w, X, y = problem
    descended = s8.descend(s8.backpropagated, w, X, y, share / s8.largest_eigenvalue(X), 300)
    best = s8.cost(np.linalg.lstsq(X, y)[0], X, y)
    if grows:
        assert s8.cost(descended, X, y) > 1e6 * s8.cost(w, X, y)
    else:
        assert s8.cost(descended, X, y) == pytest.approx(best)


@pytest.mark.parametrize("alpha", [1e-2, 1e-4, 1e-6])
def test_with_the_document_s_sign_every_step_makes_it_worse(problem, alpha):
    w, X, y = problem
    costs = [s8.cost(s8.descend(s8.as_printed, w, X, y, alpha, steps), X, y) for steps in range(10)]
    assert costs == sorted(costs) and costs[-1] > costs[0]


def test_the_descent_ends_where_least_squares_is():
    task = standardised(data.ames(), data.ames().names, seed=0)
    X = with_ones(task.x)
    manual_seed(0)
    w = s8.descend(s8.backpropagated, s8.network().W.numpy(), X, task.y, 1 / s8.largest_eigenvalue(X), s8.STEPS)
    np.testing.assert_allclose(w, least_squares(task), atol=1e-4)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_run_prints_what_it_measured(lang, capsys):
    with in_language(lang):
        figures = s8.run(Options(seed=1))
    assert figures["mse"] == pytest.approx(figures["least_squares_mse"], rel=1e-4)
    assert figures["r2"] > 0.75 and figures["mse"] < 0.3 < 0.9 < figures["mean_mse"]
    assert figures["cost_with_printed_sign"] > 1e15
    printed = capsys.readouterr().out
    for name in ("mse", "r2", "least_squares_mse", "least_squares_r2", "mean_mse", "cost"):
        assert f"{figures[name]:.4f}" in printed
    assert f"{figures['cost_with_printed_sign']:,.4g}" in printed
    unit = standardised(data.ames(), data.ames().names, seed=1).unit
    assert f"{unit * figures['mse'] ** 0.5:,.0f}" in printed
    assert ("符号相反" if lang == "zh" else "the sign is flipped") in printed


def test_fewer_steps_get_less_far(capsys):
    few, many = s8.run(Options(epochs=3)), s8.run(Options(epochs=100))
    assert few["cost"] > many["cost"] > 0


def test_options_without_a_meaning_are_refused():
    with pytest.raises(ValueError, match="S8 has no use for batch_size"):
        s8.run(Options(batch_size=1))
