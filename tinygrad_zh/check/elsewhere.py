"""The claim of a problem at special points: along few directions, and at all elements if one is wrong. 特殊点"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from tinygrad_zh.check import diagnosis, directions, hygiene, special
from tinygrad_zh.check.birth import with_birth
from tinygrad_zh.check.comparing import Comparing, Settings, check_form, measured
from tinygrad_zh.check.differences import Array
from tinygrad_zh.check.directions import Direction
from tinygrad_zh.check.problem import Problem, Pull, RaisedError
from tinygrad_zh.check.report import Comparison, Failure
from tinygrad_zh.check.upstream import upstreams_of

FEW = 16  # elements of each input that are looked at where f is not smooth
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
        self.typical = max((abs(row.analytic) for row in rows if math.isfinite(row.analytic)), default=0.0)
        self.points: list[str] = []
        self.outside: list[str] = []
        self.upstream: Sequence[Array] = ()

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
        problem, upstream = place.problem, self._upstream(place)
        try:
            claims = _claims(place.pull, upstream)
            malformed = check_form(problem, claims, lambda i: measured(problem, [upstream], i))
            yield from malformed.values()
            if not malformed:
                yield from with_birth(problem, self._compared(place, upstream, claims))
        except RaisedError as raised:
            yield Failure("raised", "", *diagnosis.diagnose_error(raised.error))

    def _compared(self, place: Place, upstream: Sequence[Array], claims: Sequence[Array]) -> list[Failure]:
        """Far away only claims that are no number; else few directions, and all elements if one of them is wrong."""

        def comparing() -> Comparing:
            return Comparing(place.problem, self.settings, [upstream], [claims], place.outputs, [], (), place.name,
                             self.typical)

        look, rng = comparing(), self.settings.rng
        if place.name.partition("(")[0] in special.FAR:
            found = list(look.one_by_one(not_finite(claims)))
        elif look.plain(first_look(place.problem.points, claims, rng)):
            found = []
        else:
            look = comparing()
            found = [*look.together(directions.joint), *look.one_by_one(directions.elements(claims, FEW, rng))]
            if found:
                look = comparing()
                many = directions.elements(claims, self.settings.max_elements, rng)
                found = [*look.one_by_one(many), *look.together(directions.dense)] or found
        self.rows += look.rows
        return found

    def _upstream(self, place: Place) -> Sequence[Array]:
        """The same one everywhere, where the outputs keep their shapes."""
        if [u.shape for u in self.upstream] != [y.shape for y in place.outputs]:
            self.upstream, *_ = upstreams_of(place.problem, place.outputs, self.settings.upstream, self.settings.rng)
        return self.upstream


def _claims(pull: Pull, upstream: Sequence[Array]) -> list[Array]:
    """The claimed gradients; whoever wrote them, it is a finding if that raises where f has a value."""
    try:
        return [np.array(g) for g in pull(upstream)]
    except RaisedError:
        raise
    except Exception as error:
        raise RaisedError(error) from error


def first_look(points: Sequence[Array], claims: Sequence[Array], rng: np.random.Generator) -> list[Direction]:
    """All inputs at once, and one element of each: one whose claim is no number, or else the one nearest to 0."""
    finite = [np.isfinite(claim) for claim in claims]
    moves = directions.joint(points, [i for i, all_ in enumerate(finite) if all_.all()], (), rng)
    moves += [Direction({i: int(np.argmin(np.abs(x) if ok.all() else ok))})
              for i, (x, ok) in enumerate(zip(points, finite, strict=True)) if x.size]
    return moves


def not_finite(claims: Sequence[Array]) -> list[list[int]]:
    """Flat positions of claims that are no number, of each input a few."""
    return [np.flatnonzero(~np.isfinite(claim))[:FEW].tolist() for claim in claims]


def _bytes(inputs: Sequence[Array]) -> bytes:
    return b"".join(x.tobytes() for x in inputs)


def _spelled(problem: Problem) -> dict[str, str]:
    """The inputs at a special point, long ones shortened."""
    return {name: np.array2string(x, precision=4, threshold=SHOWN, edgeitems=2)
            for name, x in zip(problem.names, problem.given, strict=False)}
