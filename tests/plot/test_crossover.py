from __future__ import annotations

import csv

import pytest

from tinygrad_zh.plot.crossover import Race, Times, crossover, overtakes
from tinygrad_zh.plot.roofline import MARKS

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


def line(start, slope, sizes=(10, 100, 1000, 10_000)):
    seconds = [start + slope * n for n in sizes]
    return Times(sizes, seconds, [0.9 * s for s in seconds], [1.1 * s for s in seconds])


def power(factor, exponent, sizes=(10, 100, 1000, 10_000)):
    seconds = [factor * n**exponent for n in sizes]
    return Times(sizes, seconds, seconds, seconds)


def test_powers_meet_where_they_are_equal():
    assert overtakes(power(1e-6, 1), power(3e-5, 0.5)) == [pytest.approx(900, rel=1e-6)]
    assert overtakes(power(1e-6, 1), power(2e-6, 1)) == []


def test_only_sizes_of_both_are_compared():
    assert overtakes(power(1, 1, (1, 100)), power(10, 0, (1, 7, 100))) == [pytest.approx(10)]
    assert overtakes(power(1, 1, (1, 100)), power(10, 0, (2, 50))) == []


def test_the_size_of_the_last_overtaking_is_written(tmp_path, words):
    race = Race("softmax", "elements", {"numpy": power(1e-6, 1), "numba": power(3e-5, 0.5), "never": power(1, 1)})
    path = crossover([race, Race("tanh", "elements", {"numba": line(1e-6, 1e-9), "numpy": line(1e-5, 1e-8)})],
                     tmp_path / "cross.svg", title="CPU")
    said = words(path)
    assert {"900", "softmax", "tanh", "CPU", "numpy", "numba", "elements"} <= set(said)
    assert said.count("900") == 1 and said.count("numba") == 1
    with path.with_suffix(".csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["race", "way", "size", "seconds", "low", "high"] and len(rows) == 1 + 5 * 4


def test_one_that_falls_behind_again_has_not_overtaken(tmp_path, words):
    seconds = [3.0, 0.5, 5.0]
    for_a_while = Times((1, 10, 100), seconds, seconds, seconds)
    path = crossover([Race("", "", {"first": power(1, 0, (1, 10, 100)), "other": for_a_while})], tmp_path / "c.svg")
    assert not {"4", "20", "25"} & set(words(path)) and len(overtakes(power(1, 0, (1, 10, 100)), for_a_while)) == 2
    ahead = path.read_text(encoding="utf-8").count("stroke-dasharray")
    crossover([Race("", "", {"other": for_a_while, "first": power(1, 0, (1, 10, 100))})], path)
    assert path.read_text(encoding="utf-8").count("stroke-dasharray") == ahead + 1  # the line that marks the size


def test_too_many_ways_and_none_are_refused(tmp_path):
    for races in ([], [Race("", "", {str(i): line(1, 1) for i in range(len(MARKS) + 1)})]):
        with pytest.raises(ValueError, match="a crossover shows"):
            crossover(races, tmp_path / "cross.svg")
