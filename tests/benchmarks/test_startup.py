"""`python -m benchmarks startup`: a start, and what is said of it."""

from __future__ import annotations

import pytest

from benchmarks import startup
from tinygrad_zh.bench import Row


def test_a_start_reaches_its_steps_one_after_the_other(tmp_path):
    moments = startup.start("formulas", str(tmp_path))
    assert len(moments) == 1 + startup.STEPS and moments == sorted(moments) and moments[0] > 0


def test_a_start_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)by no such way reached no step: .*invalid choice"):
        startup.start("no such way", str(tmp_path))


@pytest.mark.parametrize(("seconds", "status"), [(0.9, 0), (1.1, 1)])
def test_the_slowest_warm_start_counts(monkeypatch, capsys, seconds, status):
    rows = [Row({"way": "numba", "start": kind}, time, {"begins": 0.1, "steps": 2.0})
            for kind, time in (("cold", 5.0), ("warm", seconds))]
    monkeypatch.setattr(startup, "measure", lambda *_: rows)
    assert startup.main([]) == status
    assert ("PASS", "FAIL")[status] in capsys.readouterr().out
