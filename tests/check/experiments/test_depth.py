"""The deeper a network of sigmoids, the less differences say of its gradient; float32 loses nothing."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tinygrad_zh import cli
from tinygrad_zh.check.differences import UNIT
from tinygrad_zh.check.experiments import depth
from tinygrad_zh.check.experiments.depth import ACTIVATIONS, DEPTHS, measure

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

FOUND = {(d.activation, d.depth): d for d in measure((1, 4, 12, 24))}


def test_every_activation_at_every_depth():
    assert list(FOUND) == [(name, n) for name in ACTIVATIONS for n in (1, 4, 12, 24)]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_layer_is_easy(name):
    one = FOUND[name, 1]
    assert one.ladder < 1e-10 and one.central < 1e-8 and one.single < 1e-6 and one.norm > 1


def test_sigmoids_let_the_gradient_vanish_and_the_error_grow():
    norms, central, ladder = (np.array([getattr(FOUND["sigmoid", n], name) for n in (1, 4, 12, 24)])
                              for name in ("norm", "central", "ladder"))
    assert (np.diff(norms) < 0).all() and norms[-1] < 1e-12
    assert (np.diff(ladder) > 0).all() and ladder[-1] == pytest.approx(1)
    assert (np.diff(central) > 0).all() and (central[:3] > 10 * ladder[:3]).all()
    assert FOUND["tanh", 24].norm > 0.1 and FOUND["tanh", 24].ladder < 1e-9


def test_the_absolute_error_is_some_roundings_of_the_loss():
    for name, n in FOUND:
        found = FOUND[name, n]
        assert found.ladder * found.norm < 1e6 * UNIT


def test_float32_keeps_its_digits_where_differences_have_none():
    assert all(1e-9 < d.single < 1e-5 for d in FOUND.values())


def test_it_is_the_same_network_in_numpy_and_with_the_engine():
    rng = np.random.default_rng(0)
    x, t, weights = rng.normal(size=(4, 8)), rng.normal(size=(4, 8)), list(rng.normal(size=(3, 8, 8)) / 3)
    for engine, plain in ACTIVATIONS.values():
        exact = depth._gradient(engine, x, t, weights, np.float64)
        line = depth._line(plain, x, t, weights, 13)
        slope = (line.evaluate(1e-6)[0] - line.evaluate(-1e-6)[0]) / 2e-6
        assert slope == pytest.approx(exact.flat[13], rel=1e-5)


@pytest.mark.parametrize(("language", "said"), [("en", "norm of the gradient"), ("zh", "梯度的范数")])
def test_the_command(language, said, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setattr(depth, "measure", lambda: [d for d in FOUND.values() if d.depth < 24])
    path = tmp_path / "depth.svg"
    assert cli.main(["--lang", language, "check", "depth", "--out", str(path)]) == 0
    assert said in capsys.readouterr().out
    rows = list(csv.DictReader(path.with_suffix(".csv").open(encoding="utf-8")))
    assert len(rows) == len(ACTIVATIONS) * 3 * 4 and float(rows[0]["y"]) == FOUND["tanh", 1].norm
    assert len(DEPTHS) == 8
