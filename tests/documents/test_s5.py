"""S5: the goal of the document, the baselines, and the choices that its errata make."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import data
from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents import s5
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.regression import standardised
from tinygrad_zh.i18n import in_language


def plane(seed=0):
    return standardised(data.plane(noise=s5.NOISE), s5.PLANE, seed)


def test_weights_and_biases_begin_between_minus_one_and_one():
    manual_seed(0)
    drawn = [np.concatenate([p.numpy().ravel() for p in s5.network().parameters()]) for _ in range(200)]
    values = np.concatenate(drawn)
    assert -1 <= values.min() < -0.99 and 0.99 < values.max() <= 1
    assert values.var() == pytest.approx(1 / 3, abs=0.01)
    assert all(np.all(p.numpy() != 0) for p in s5.network().parameters())


def test_the_output_has_no_activation():
    manual_seed(0)
    x = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    outputs = np.concatenate([s5.network()(x).numpy() for _ in range(20)])
    assert outputs.min() < -1 and outputs.max() > 1


def test_the_held_out_error_on_the_plane_is_below_the_document_s_goal():
    figures = s5.train_once(0, plane(), epochs=1000, batch_size=10)
    assert figures["mse"] < 0.1
    assert figures["mse"] < figures["mean_mse"] / 10
    assert figures["r2"] == pytest.approx(1 - figures["mse"] / np.var(plane().y_out), abs=1e-4)


def test_on_house_prices_the_network_beats_least_squares():
    houses = standardised(data.ames(), s5.HOUSES, seed=0)
    figures = s5.train_once(0, houses, epochs=30, batch_size=32)
    assert figures["mse"] < figures["least_squares_mse"] < figures["mean_mse"]
    assert figures["r2"] > figures["least_squares_r2"] > 0.6


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_run_prints_what_it_measured(lang, capsys):
    with in_language(lang):
        figures = s5.run(Options(epochs=2))
    printed = capsys.readouterr().out
    for name in ("mse", "r2", "least_squares_mse", "mean_r2", "section_5_mse", "section_5_loss",
                 "ames_mse", "ames_r2", "ames_least_squares_r2", "ames_mean_mse"):
        assert f"{figures[name]:.4f}" in printed
    unit = standardised(data.ames(), s5.HOUSES, seed=0).unit
    assert f"{unit * figures['ames_mse'] ** 0.5:,.0f}" in printed
    assert "0.0595" in printed and "Gr_Liv_Area, Year_Built" in printed
    assert ("合成数据" if lang == "zh" else "Synthetic data") in printed


def test_options_without_a_meaning_are_refused():
    with pytest.raises(ValueError, match="S5 has no use for data"):
        s5.run(Options(data="mnist"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_goal_is_met_from_other_weights_and_on_other_splits(seed):
    assert s5.train_once(seed, plane(seed), epochs=1000, batch_size=10)["mse"] < 0.1
