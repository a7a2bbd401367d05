"""At a kink and beside it every method says what theory expects of it."""

from __future__ import annotations

import csv
import math

import pytest

from tinygrad_zh import cli
from tinygrad_zh.check.experiments.kink import AT, FUNCTIONS, STEPS, measure

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

FOUND = {(k.function, k.x): k for k in measure()}
KINKED = {"relu(x)": (0, 1), "|x|": (-1, 1), "max(x, 2x)": (1, 2)}


def test_every_function_at_every_point():
    assert list(FOUND) == [(name, x) for name in FUNCTIONS for x in AT]


@pytest.mark.parametrize("name", KINKED)
def test_at_a_kink_one_side_says_its_slope_and_both_their_mean(name):
    kink, (left, right) = FOUND[name, 0.0], KINKED[name]
    assert (kink.left, kink.right) == (left, right)
    assert (kink.said["backward"], kink.said["forward"]) == (left, right)
    for method in ("central", "five_point", "gradcheck"):
        assert kink.said[method] == pytest.approx((left + right) / 2)
    assert left <= kink.engine <= right and kink.passed


@pytest.mark.parametrize("name", KINKED)
def test_beside_it_a_step_that_reaches_across_is_wrong_and_the_ladder_is_not(name):
    kink = FOUND[name, AT[1]]
    assert STEPS["forward"] < AT[1] < STEPS["central"] < STEPS["five_point"]
    mean = sum(KINKED[name]) / 2
    share = AT[1] / STEPS["central"]  # of the step, on the near side
    assert kink.said["central"] == pytest.approx(mean + (kink.right - mean) * share)
    assert abs(kink.said["five_point"] - kink.right) > 0.3
    assert kink.said["forward"] == pytest.approx(kink.right) == kink.said["backward"]
    assert kink.said["gradcheck"] == pytest.approx(kink.right) == kink.engine
    assert (kink.verdict, kink.passed) == ("smooth", True)


def test_verdicts_and_conventions():
    assert (FOUND["relu(x)", 0.0].verdict, FOUND["relu(x)", 0.0].engine) == ("kink", 0.0)
    assert FOUND["max(x, 2x)", 0.0].engine == 1.5
    root = FOUND["√|x|", 0.0]
    assert (root.left, root.right, root.verdict, root.passed) == (-math.inf, math.inf, "unbounded", False)
    assert math.isnan(root.engine)


def test_a_smooth_function_with_a_kink_in_its_slope():
    assert (FOUND["x|x|", 0.0].left, FOUND["x|x|", 0.0].right) == (0, 0)
    assert FOUND["x|x|", 0.0].said["gradcheck"] == pytest.approx(0, abs=1e-12)
    assert FOUND["x|x|", AT[1]].left == FOUND["x|x|", AT[1]].right == 2e-6
    assert FOUND["x|x|", AT[1]].said["gradcheck"] == pytest.approx(2e-6)


def test_the_complex_step_is_silently_wrong_where_the_code_is_not_analytic():
    assert FOUND["x|x|", AT[1]].said["complex"] == pytest.approx(1e-6)  # half of it
    assert FOUND["√|x|", AT[1]].said["complex"] == 0.0
    assert FOUND["|x|", AT[1]].said["complex"] == 0.0


@pytest.mark.parametrize(("language", "said"), [("en", "unbounded nan ✗"), ("zh", "无界 nan ✗")])
def test_the_command(language, said, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "kink.svg"
    assert cli.main(["--lang", language, "check", "kink", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert said in " ".join(out.split()) and " -0 " not in out
    rows = list(csv.DictReader(path.with_suffix(".csv").open(encoding="utf-8")))
    assert len(rows) == len(FUNCTIONS) * (len(STEPS) + 2)
    assert (rows[2]["at"], rows[2]["beside"][:5]) == ("0.5", "0.631")
    assert [rows[0]["function"], rows[0]["at"], rows[0]["beside"]] == ["relu(x)", "1.0", "1.0"]
