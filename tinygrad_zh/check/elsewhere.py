"""The claim of a problem at special points: along few directions, and at all elements if one is wrong. 特殊点"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from tinygrad_zh.check import diagnosis, directions, hygiene, special
from tinygrad_zh.check.comparing import Comparing, Settings, check_form, measured
from tinygrad_zh.check.differences import Array
from tinygrad_zh.check.problem import Problem, Pull, RaisedError
from tinygrad_zh.check.report import Comparison, Failure
from tinygrad_zh.check.upstream import upstreams_of

MORE = 16  # elements of each input that are looked at where f is not smooth
SHOWN = 50  # numbers of an input; of longer ones only the first and the last are shown


class Place(NamedTuple):
    """A special point where f has a value, and this value."""

    name: str
    problem: Problem
    outputs: list[Array]
    pull: Pull


class Elsewhere:
    """The special points of one problem. points: the names of those where f has a value. outside: of the others.
    rows: what was compared."""

    def __init__(self, problem: Problem, settings: Settings, rows: list[Comparison]):
        self.problem = problem
        self.settings = settings
        self.rows = rows
        self.points: list[str] = []
        self.outside: list[str] = []

    def findings(self) -> Iterator[Failure]:
        """What is wrong there; what is wrong at several points is said once."""
        said = set()
        for place in self._places():
            for failure in self._at(place):
                if (failure.name, failure.diagnosis) not in said:
                    said.add((failure.name, failure.diagnosis))
                    yield replace(failure, point=place.name, inputs=_spelled(place.problem))

    def _places(self) -> Iterator[Place]:
        """Each special point once, where f has a value there; else one input alone at a time."""
        seen = {_bytes(self.problem.given)}
        for point, alone in special.points(self.problem.given, self.problem.names):
            for group in ([point], alone):
                new = [p for p in group if _bytes(p.inputs) not in seen]
                seen |= {_bytes(p.inputs) for p in new}
                places = [place for p in new for place in self._place(p.name, partial(self.problem.at, p.inputs))]
                yield from places
                if places or not new:
                    break
        yield from self._place("repeats", self.problem.with_repeats)

    def _place(self, name: str, make: Callable[[], Problem | None]) -> Iterator[Place]:
        try:
            problem = make()
            if problem is None:
                return
            outputs, pull = problem.forward(hygiene.copies(problem.points))
        except Exception:  # whatever f says of inputs that it is not made for
            self.outside.append(name)
            return
        if all(np.isfinite(y).all() for y in outputs):
            self.points.append(name)
            yield Place(name, problem, outputs, pull)
        else:
            self.outside.append(name)

    def _at(self, place: Place) -> Iterator[Failure]:
        problem = place.problem
        upstreams = upstreams_of(problem, place.outputs, self.settings.upstream, self.settings.rng)[:1]
        try:
            claims = [np.array(g) for g in place.pull(upstreams[0])]
            malformed = check_form(problem, claims, lambda i: measured(problem, upstreams, i))
            yield from malformed.values()
            if malformed:
                return
            rows: list[Comparison] = []

            def comparing() -> Comparing:
                rows.clear()
                return Comparing(problem, self.settings, upstreams, [claims], place.outputs, rows, (), place.name)

            found = list(quickly(comparing(), claims, rows, self.settings.rng))
            if found:
                found = list(thoroughly(comparing(), claims, self.settings)) or found
            self.rows += rows
            yield from found
            yield from hygiene.zero_gives_zero(problem, upstreams[0], claims)
        except RaisedError as raised:
            yield Failure("raised", "", *diagnosis.diagnose_error(raised.error))


def quickly(comparing: Comparing, claims: Sequence[Array], rows: Sequence[Comparison],
            rng: np.random.Generator) -> Iterator[Failure]:
    """All inputs together, and the elements that are special; more of them where f is not smooth."""
    yield from comparing.together(directions.joint)
    points = comparing.problem.points
    chosen = [special.worth_a_look(x, g) for x, g in zip(points, claims, strict=True)]
    if not rows or any(row.verdict != "smooth" for row in rows):
        more = directions.elements(claims, MORE, rng)
        chosen = [sorted({*some, *others}) for some, others in zip(chosen, more, strict=True)]
    yield from comparing.one_by_one(chosen)


def thoroughly(comparing: Comparing, claims: Sequence[Array], settings: Settings) -> Iterator[Failure]:
    """As at the given inputs, for the diagnosis."""
    yield from comparing.one_by_one(directions.elements(claims, settings.max_elements, settings.rng))
    yield from comparing.together(directions.dense)


def _bytes(inputs: Sequence[Array]) -> bytes:
    return b"".join(x.tobytes() for x in inputs)


def _spelled(problem: Problem) -> dict[str, str]:
    """The inputs at a special point, long ones shortened."""
    return {name: np.array2string(x, precision=4, threshold=SHOWN, edgeitems=2)
            for name, x in zip(problem.names, problem.given, strict=False)}
