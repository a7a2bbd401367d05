"""Time against size, and where one way overtakes another. 交叉点"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_zh.i18n import text, wrap
from tinygrad_zh.plot.page import draw
from tinygrad_zh.plot.roofline import MARKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = 10  # of a title's letters in an inch


@dataclass(frozen=True)
class Times:
    """One way's seconds at sizes that increase, with the 10th and the 90th percentile. 中文：一种做法的用时"""

    sizes: Sequence[float]
    seconds: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Race:
    """Ways to do one thing, by name, timed at the same sizes; across: what a size counts. 中文：同一件事的几种做法

    pairs: (one, another) of which it is marked where the other overtakes for the last time; without them it is marked
    wherever the fastest way changes.
    """

    title: str
    across: str
    ways: Mapping[str, Times]
    pairs: Sequence[tuple[str, str]] = ()


def overtakes(first: Times, second: Times) -> list[float]:
    """The sizes at which the faster of the two becomes the slower, between those measured, by straight lines in the
    logarithms. 交叉点

    >>> overtakes(Times([1, 100], [1, 100], [1] * 2, [1] * 2), Times([1, 100], [10, 10], [1] * 2, [1] * 2))
    [10.0]
    """
    other = dict(zip(second.sizes, second.seconds, strict=True))
    gaps = [(size, math.log(seconds / other[size]))
            for size, seconds in zip(first.sizes, first.seconds, strict=True) if size in other]
    found = []
    for (size, gap), (next_size, next_gap) in pairwise(gaps):
        if gap * next_gap < 0:
            share = gap / (gap - next_gap)
            found.append(round(math.exp((1 - share) * math.log(size) + share * math.log(next_size)), 6))
    return found


def crossover(races: Sequence[Race], path: str | os.PathLike[str], *, columns: int = 3, title: str = "") -> Path:
    """Draw a panel a race, both axes logarithmic, with a band from the 10th to the 90th percentile. 交叉图

    A vertical line with the size, in the colour of the way that overtakes, marks where the fastest way changes, or
    where one of a race's pairs overtakes the other. Writes `path` (.png or .svg) and a .csv beside it, and returns
    `path`. Raises ValueError for no race or more than 8 ways.
    """
    names = list(dict.fromkeys(name for race in races for name in race.ways))
    if not races or len(names) > len(MARKS):
        raise ValueError(f"a crossover shows 1 race or more between 1 to {len(MARKS)} ways, not {len(races)} races "
                         f"between {names}")
    styles = dict(zip(names, MARKS, strict=False))
    columns = min(columns, len(races))
    rows = -(-len(races) // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, race in zip(grid, races, strict=False):
            _paint(axes, race, styles)
        for axes in grid[len(races):]:
            axes.set_axis_off()
        if title:
            figure.suptitle("\n".join(wrap(title, int(CELLS * 4.2 * columns))), x=0.01, ha="left", fontsize=12.5)
        lines = [line for axes in grid for line in axes.lines if line.get_label() in styles]
        handles = {line.get_label(): line for line in lines}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(4, len(handles)))

    table = ([race.title, name, *row] for race in races for name, times in race.ways.items()
             for row in zip(times.sizes, times.seconds, times.low, times.high, strict=True))
    header = ["race", "way", "size", "seconds", "low", "high"]
    return draw(path, (4.2 * columns, 3.3 * rows + 0.9), paint, header, table)


def _paint(axes: Any, race: Race, styles: Mapping[str, tuple[str, str]]) -> None:
    for name, times in race.ways.items():
        colour, mark = styles[name]
        axes.plot(times.sizes, times.seconds, "-", marker=mark, ms=4, lw=1.5, color=colour, label=name)
        axes.fill_between(times.sizes, times.low, times.high, color=colour, alpha=0.18, lw=0)
    axes.set(xscale="log", yscale="log", title=race.title, xlabel=race.across, ylabel=text("plot.seconds"))
    for name, place in marks(race):
        colour, _ = styles[name]
        axes.axvline(place, color=colour, lw=1, ls="--")
        axes.annotate(f"{place:,.0f}", (place, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0),
                      textcoords="offset points", fontsize=8.5, color=colour)


def marks(race: Race) -> list[tuple[str, float]]:
    """(the way that overtakes, from which size on): in the race's pairs, or wherever the fastest way changes."""
    ways = race.ways
    if race.pairs:
        pairs = [(first, second) for first, second in race.pairs if {first, second} <= ways.keys()
                 and ways[second].seconds[-1] < ways[first].seconds[-1]]
        found = [(second, overtakes(ways[first], ways[second])) for first, second in pairs]
        return [(second, places[-1]) for second, places in found if places]
    seconds = {name: dict(zip(times.sizes, times.seconds, strict=True)) for name, times in ways.items()}
    sizes = sorted(set.intersection(*map(set, seconds.values())))
    fastest = [min(ways, key=lambda name: seconds[name][size]) for size in sizes]
    return [(after, place) for (before, after), between in zip(pairwise(fastest), pairwise(sizes), strict=True)
            if before != after for place in overtakes(ways[before], ways[after]) if between[0] <= place <= between[1]]
