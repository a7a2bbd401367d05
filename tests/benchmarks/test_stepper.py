"""The benchmark of the stepper: what it compares recording with is the engine, less its tape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import tinygrad_zh as tz
from benchmarks import stepper
from benchmarks.tape import LONG, both_engine


def test_the_engine_without_a_tape_computes_the_same_and_writes_nothing():
    expected = both_engine(LONG)
    with tz.record() as trace, stepper.tapeless():
        found = both_engine(LONG)
    np.testing.assert_array_equal(found, expected)
    assert {line.kind for line in trace} <= {"seed", "gradient", "read"}
    with tz.record() as trace:
        both_engine(1)
    assert {"forward", "backward"} <= {line.kind for line in trace}


def test_the_figures_on_file_are_within_their_budgets():
    results = json.loads(Path(stepper.ROOT, "benchmarks", "results", "stepper.json").read_text(encoding="utf-8"))
    assert results["figures"].keys() == stepper.FIGURES.keys()
    for name, (_, most) in stepper.FIGURES.items():
        assert most is None or results["figures"][name] <= most, name
