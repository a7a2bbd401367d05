from __future__ import annotations

import csv

import pytest

from tinygrad_zh.plot.crossover import Race, Times, crossover, marks, overtakes
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


def test_the_size_where_the_fastest_way_changes_is_written(tmp_path, words):
    race = Race("softmax", "elements", {"numpy": power(1e-6, 1), "numba": power(3e-5, 0.5), "never": power(1, 1)})
    path = crossover([race, Race("tanh", "elements", {"numba": line(1e-6, 1e-9), "numpy": line(1e-5, 1e-8)})],
                     tmp_path / "cross.svg", title="CPU")
    said = words(path)
    assert {"900", "softmax", "tanh", "CPU", "numpy", "numba", "elements"} <= set(said)
    assert said.count("900") == 1 and said.count("numba") == 1
    with path.with_suffix(".csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["race", "way", "size", "seconds", "low", "high"] and len(rows) == 1 + 5 * 4


def test_it_is_marked_wherever_the_fastest_way_changes(tmp_path, words):
    seconds = [3.0, 0.5, 5.0]
    for_a_while = Times((1, 10, 100), seconds, seconds, seconds)
    race = Race("", "", {"first": power(1, 0, (1, 10, 100)), "other": for_a_while, "slow": power(9, 0, (1, 10, 100))})
    (one, there), (two, back) = marks(race)
    assert (one, two) == ("other", "first") and 1 < there < 10 < back < 100
    assert {f"{there:,.0f}", f"{back:,.0f}"} <= set(words(crossover([race], tmp_path / "c.svg")))


def test_pairs_are_marked_although_a_third_is_faster():
    ways = {"cpu": power(1e-6, 1), "gpu": power(3e-5, 0.5), "transfers": power(6e-5, 0.5), "best": power(1e-9, 0)}
    race = Race("", "", ways, pairs=(("cpu", "gpu"), ("cpu", "transfers"), ("cpu", "absent"), ("gpu", "transfers"),
                                            ("gpu", "cpu")))
    assert [(name, round(place)) for name, place in marks(race)] == [("gpu", 900), ("transfers", 3600)]


def test_too_many_ways_and_none_are_refused(tmp_path):
    for races in ([], [Race("", "", {str(i): line(1, 1) for i in range(len(MARKS) + 1)})]):
        with pytest.raises(ValueError, match="a crossover shows"):
            crossover(races, tmp_path / "cross.svg")
