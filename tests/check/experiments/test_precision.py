"""float32 against float64, op by op."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tinygrad_zh import cli
from tinygrad_zh import functional as F
from tinygrad_zh.check.experiments import precision
from tinygrad_zh.check.experiments.oracles import ORACLES
from tinygrad_zh.check.experiments.precision import WHOLE, measure

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

FOUND = {(p.op, p.way): p for p in measure()}


def test_every_op_both_ways_the_largest_first():
    assert FOUND.keys() == {(name, way) for name in ORACLES.keys() | WHOLE.keys() for way in ("forward", "backward")}
    largest = [p.largest for p in FOUND.values()]
    assert largest == sorted(largest, reverse=True)


def test_all_are_within_a_few_eps_and_some_exact():
    assert all(0 <= p.median <= p.largest < 50 for p in FOUND.values())
    assert FOUND["Add", "backward"].largest == 0 == FOUND["Sum", "backward"].largest
    assert FOUND["MatMul", "forward"].largest > 0.1
    assert 0 < FOUND["Mul", "forward"].largest <= 0.5


def test_an_op_that_loses_digits_is_seen(monkeypatch):
    def rough(x):
        return F.exp(x).astype(np.float16).astype(x.dtype) if x.dtype == np.float32 else F.exp(x)

    monkeypatch.setitem(WHOLE, "Exp", (rough, ((4, 5),)))
    assert next(p for p in measure() if (p.op, p.way) == ("Exp", "forward")).largest > 100


def test_errors_are_relative_to_the_largest():
    errors = precision._errors(np.array([1.0, 4.0], np.float32), np.array([1.0 + precision.EPS, 4.0]))
    assert errors.tolist() == pytest.approx([0.25, 0.0], rel=1e-6)


@pytest.mark.parametrize(("language", "said"), [("en", "backward"), ("zh", "反向")])
def test_the_command(language, said, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "precision.svg"
    assert cli.main(["--lang", language, "check", "precision", "--out", str(path)]) == 0
    assert said in capsys.readouterr().out
    rows = list(csv.DictReader(path.with_suffix(".csv").open(encoding="utf-8")))
    assert [row["largest"] for row in rows] == [str(p.largest) for p in FOUND.values()]
