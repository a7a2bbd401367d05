"""Errors against steps fall and grow as Taylor says, and the command tells and draws it."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest

from tinygrad_zh import cli
from tinygrad_zh.check.experiments import steps
from tinygrad_zh.check.experiments.steps import FUNCTIONS, SCHEMES, STEPS, measure

pytest.importorskip("mpmath", reason="mpmath is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


def curves(name, dtype, x=None):
    return {curve.scheme: curve for curve in measure(name, x).curves if curve.dtype == dtype}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_go_with_the_powers_of_theory(name):
    found = curves(name, "float64")
    assert found["forward"].power == pytest.approx(1, abs=0.1)
    assert found["central"].power == pytest.approx(2, abs=0.1)
    assert found["five_point"].power == pytest.approx(4, abs=0.2)
    assert found["complex"].power == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_in_float32_too(name):
    found = curves(name, "float32")
    assert found["forward"].power == pytest.approx(1, abs=0.1)
    assert found["central"].power == pytest.approx(2, abs=0.1)
    assert found["complex"].power == pytest.approx(0, abs=0.1)
    assert max(curve.lowest for curve in found.values()) > 1e-5 > 3e-7 > found["complex"].lowest


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_best_step_is_where_theory_puts_it(name, dtype):
    unit = np.finfo(dtype).eps / 2
    for scheme, curve in curves(name, dtype).items():
        if scheme != "complex":
            assert curve.theory / 6 < curve.best < 6 * curve.theory
        assert curve.rule == pytest.approx(unit ** (1 / 2 if scheme == "complex" else 1 / (SCHEMES[scheme].order + 1)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_error_is_far_above_the_curve_of_theory(name):
    for dtype in ("float64", "float32"):
        for curve in curves(name, dtype).values():
            whole = STEPS >= 1e3 * np.finfo(dtype).eps  # below, hardly a digit of the difference is left
            theory = curve.truncation + curve.rounding
            small = STEPS <= 2**-4  # above, later terms of the series count
            assert (curve.errors <= 4 * theory)[whole & small].all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_where_truncation_is_all_there_is_it_is_the_error(name):
    for curve in curves(name, "float64").values():
        alone = (curve.truncation > 100 * curve.rounding) & (STEPS <= 2**-7)
        np.testing.assert_allclose(curve.errors[alone], curve.truncation[alone], rtol=0.1)


def test_the_ladder_is_better_than_any_fixed_step_and_its_bar_holds():
    for name in FUNCTIONS:
        found = measure(name)
        assert found.ladder <= found.bar < 1e-9
        assert found.ladder < min(c.lowest for c in found.curves if c.scheme == "central" and c.dtype == "float64")


def test_elsewhere():
    found = curves("sin", "float64", x=0.25)
    assert found["central"].power == pytest.approx(2, abs=0.1)
    assert np.array_equal(found["central"].errors, curves("sin", "float64", x=0.25)["central"].errors)


def test_where_there_is_no_slope_it_says_so():
    with pytest.raises(ValueError, match="needs a slope that is neither 0 nor infinite"):
        measure("inverse", 0.0)


def test_a_power_needs_steps_to_measure_it_with():
    assert np.isnan(steps._power(STEPS[:2], STEPS[:2], 1e-16))
    assert steps._power(STEPS, 5 * STEPS**3, 1e-300) == pytest.approx(3)


def test_one_lucky_step_is_not_the_best():
    errors = np.abs(np.arange(20) - 12.0) + 1
    errors[4] = 0.0
    assert abs(steps._best(errors) - 12) <= 1


@pytest.mark.parametrize(("language", "said"), [("en", "any < "), ("zh", "皆可")])
def test_the_command(language, said, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "sub" / "steps.svg"
    assert cli.main(["--lang", language, "check", "steps", "tanh", "--at", "0.5", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert said in out and "tanh" in out and str(path) in out and "-0.00" not in out
    rows = list(csv.DictReader(path.with_suffix(".csv").open(encoding="utf-8")))
    assert len(rows) == 2 * len(SCHEMES) * len(STEPS)


def test_without_mpmath_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mpmath", None)
    assert cli.main(["--lang", "en", "check", "steps"]) == 1
    assert 'pip install "tinygrad-zh[check]"' in capsys.readouterr().err
