"""Errors in ulps: the oracles are right, every op has one, and what IEEE 754 rounds correctly is within a half."""

from __future__ import annotations

import csv
from math import inf

import numpy as np
import pytest

from tinygrad_zh import cli
from tinygrad_zh.check.experiments import ulp
from tinygrad_zh.check.experiments.oracles import DOMAINS, EXACT, ORACLES
from tinygrad_zh.ops.formula import all_ops

mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

M = mpmath.mp.clone()
M.dps = 50
ELEMENTWISE = [name for name, row in ORACLES.items() if not row.vector]


def found(name, way, dtype="float64"):
    return next(u for u in ulp.measure([name]) if (u.way, u.dtype) == (way, dtype))


def test_every_elementwise_op_has_an_oracle_or_a_reason_not_to():
    names = {op.__name__ for op in all_ops() if op.__module__.rpartition(".")[2] in ("arithmetic", "activation")}
    assert names - ORACLES.keys() == EXACT.keys()
    assert {"Sum", "Mean", "Var", "Norm", "LogSumExp", "CrossEntropy", "BinaryCrossEntropy"} <= ORACLES.keys()


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_partials_of_the_oracles_are_the_slopes_of_their_values(name):
    row = ORACLES[name]
    point = [M.mpf(float(DOMAINS[domain](np.array(x)))) for domain, x in zip(row.domains, (0.7, -1.3), strict=False)]
    for i, partial in enumerate(row.partials):
        slope = M.diff(lambda x, i=i: row.value(M, *point[:i], x, *point[i + 1:]), point[i])
        assert M.almosteq(partial(M, *point), slope, rel_eps=M.mpf("1e-20"), abs_eps=M.mpf("1e-20"))


@pytest.mark.parametrize("name", [name for name in ORACLES if name not in ELEMENTWISE])
def test_of_vectors_too(name):
    row, x = ORACLES[name], [M.mpf(v) for v in (0.7, -1.3, 2.1, 0.2)]
    u = [M.mpf(v) for v in (1.5, -0.5, 0.25, 2.0)][: len(row.value(M, x))]
    pulled = row.partials[0](M, u, x)
    for i in range(len(x)):
        slope = M.diff(lambda t, i=i: M.fdot(u, row.value(M, [*x[:i], t, *x[i + 1:]])), x[i])
        assert M.almosteq(pulled[i], slope, rel_eps=M.mpf("1e-20"), abs_eps=M.mpf("1e-20"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["Add", "Sub", "Mul", "Div", "Sqrt"])
def test_what_the_standard_rounds_correctly_is_within_a_half(name, dtype):
    assert 0 < found(name, "forward", dtype).largest <= 0.5


@pytest.mark.parametrize("name", ["Exp", "Log", "Log1p", "Sin", "Cos", "Tanh", "Sigmoid", "Softplus", "LogSigmoid"])
def test_functions_are_within_a_few(name):
    assert found(name, "forward").largest < 3
    assert found(name, "forward", "float32").largest < 4


def test_medians_are_small_everywhere():
    assert all(u.median < 2 for u in ulp.measure(each=12))


def test_it_sees_what_is_lost():
    tanh = found("Tanh", "∂x")
    assert tanh.largest > 1e6 and abs(tanh.worst[0]) > 8  # 1 − y² of a saturated y
    norm = found("Norm", "forward")
    assert (norm.largest, norm.kind) == (inf, "huge")  # x² overflows


def test_an_op_that_is_off_is_seen(monkeypatch):
    row = ORACLES["Exp"]
    monkeypatch.setitem(ORACLES, "Exp", row._replace(function=lambda x: row.function(x) * (1 + 2.0**-46)))
    assert found("Exp", "forward").largest > 60 and found("Exp", "∂x").largest > 60


def test_ulps_by_hand():
    dtype = np.dtype(np.float32)
    one, ulp_of_one = M.mpf(1), M.mpf(2) ** -23

    def ulps(y, truth):
        return ulp.ulps(M, np.array([y], np.float32), [truth], dtype)[0]

    with np.errstate(over="ignore"):
        assert ulps(1.0, one) == 0
        assert ulps(1.0, one + ulp_of_one / 4) == 0.25
        assert ulps(1 + 2.0**-22, one) == 2
        assert ulps(np.inf, M.mpf("1e60")) == 0
        assert ulps(3e38, M.mpf("1e60")) == inf == ulps(np.inf, one) == ulps(np.nan, one)
        assert ulps(0.0, M.mpf("1e-60")) < 1e-9


def test_names_as_one_types_them():
    assert {u.op for u in ulp.measure(["log_softmax", "GELU"], each=12)} == {"LogSoftmax", "GELU"}
    with pytest.raises(ValueError, match="LogSoftmax"):
        ulp.measure(["logsoftmx"])


@pytest.mark.parametrize(("language", "said"), [("en", "worst float64 input"), ("zh", "float64 最差的输入")])
def test_the_command(language, said, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "ulp.svg"
    assert cli.main(["--lang", language, "check", "ulp", "exp", "sum", "div", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert said in out and "LogSoftmax" not in out
    rows = list(csv.DictReader(path.with_suffix(".csv").open(encoding="utf-8")))
    assert {row["function"] for row in rows} == {"Exp", "Exp ∂x", "Sum", "Sum ∂x", "Div", "Div ∂a", "Div ∂b"}
    assert cli.main(["--lang", language, "check", "ulp", "dance"]) == 1


def test_near_special_inputs_are_near_and_not_on_them():
    drawn = ulp._raw("near", 60, ORACLES["Sigmoid"], np.dtype(np.float64), np.random.default_rng(0))
    distance = np.abs(drawn[:, None] - np.array(ORACLES["Sigmoid"].special)).min(axis=1)
    assert 0 < distance.max() <= 88 / 16 and len(np.unique(drawn)) > 50 and np.median(distance) < 1e-3
