"""Claimed against measured: every element (or a sample), then many together; and which input is wrong, and how."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.check import diagnosis, directions
from tinygrad_zh.check.differences import UNIT, Array, Line, Slope, ladder
from tinygrad_zh.check.directions import Direction
from tinygrad_zh.check.problem import Problem, RaisedError, largest
from tinygrad_zh.check.report import Comparison, Failure
from tinygrad_zh.check.screening import SCREENS, Screening
from tinygrad_zh.check.verdict import SAFETY, Claim, NotAnalyticError, Verdict, judge

SMALL = 0.5  # inputs over whose own size f may vary
ROUNDING = 1e-11  # of the largest claim: smaller ones may be the rounding of what cancels inside f
SATURATED = 1e-13  # of f's typical gradient: what is left of it where f is flat but for rounding
VAGUE = 100  # error bars at a kink that nobody asked for, as where the slope grows like a logarithm
JITTERS = 1 + 2 * UNIT * np.array([-61, -14, -5, 3, 22, 59])
NEIGHBOURS = 24  # points around a special one, so many that few pieces of f are missed
NEARBY = 1e-6  # how far away they are,
STEP = 1e-9  # and so little are they moved that f stays on one piece
BLUNT = 1e-5  # relative, how well so small a step measures
APART = 1e-3  # slopes that differ by less are those of one smooth piece
BLURRED = 1e-8  # of the largest claim or output: more is never excused as rounding

Upstreams = Sequence[Sequence[Array]]
Moves = Callable[[Sequence[Array], Sequence[int], Collection[int], np.random.Generator], Iterable[Direction]]


def flat(arrays: Sequence[Array]) -> Array:
    """All values in one fresh vector."""
    return arrays[0].flatten() if len(arrays) == 1 else np.concatenate([np.ravel(x) for x in arrays])


def line(problem: Problem, upstreams: Array, direction: Direction, scale: float = 0.0) -> Line:
    """f along a direction."""
    along = partial(evaluate, problem, upstreams.shape[1], direction)
    return Line(along, upstreams, direction.size(problem.points), scale)


def evaluate(problem: Problem, size: int, direction: Direction, t: complex) -> Array | None:
    """f(x + t d) as one vector. Where f raises, is not finite or of another size it is outside its domain."""
    moved = direction.move(problem.points, t)
    return evaluate_complex(problem, moved) if t.imag else evaluate_at(problem, size, moved)


def evaluate_at(problem: Problem, size: int, points: Sequence[Array]) -> Array | None:
    """f at a real point, None outside its domain."""
    try:
        values = flat(problem.value(points))
    except (ValueError, ArithmeticError):
        return None
    return values if values.size == size and np.isfinite(values).all() else None


def evaluate_complex(problem: Problem, points: Sequence[Array]) -> Array:
    """f at a complex point. Raises NotAnalyticError where f takes no complex numbers."""
    try:
        return flat(problem.value(points))
    except Exception as error:
        raise NotAnalyticError(f'gradcheck: method="complex" needs a function of complex numbers, and {problem.title} '
                               f'is none as it is written ({error}); use method="ladder"') from error


@contextmanager
def strict() -> Iterator[None]:
    """To make real numbers of complex ones is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        yield


# ---- form


def check_form(problem: Problem, claims: Sequence[Array], measure: Callable[[int], Array]) -> dict[int, Failure]:
    """Each gradient has the shape and the precision of its input; `measure` gives the right one."""
    malformed = {}
    for i, (name, x, g) in enumerate(zip(problem.names, problem.points, claims, strict=True)):
        if g.shape != x.shape:
            malformed[i] = Failure("shape", name, *diagnosis.diagnose_shape(g, measure(i)))
        elif g.dtype.kind == "f" and g.dtype.itemsize < problem.dtypes[i].itemsize:
            values = {"dtype": str(g.dtype), "wanted": str(problem.dtypes[i])}
            malformed[i] = Failure("dtype", name, "dtype", values)
    return malformed


def measured(problem: Problem, upstreams: Upstreams, i: int) -> Array:
    """The gradient of input i by differences alone."""
    weights = flat(upstreams[0])[None]
    result = np.empty(problem.points[i].shape)
    for j in range(result.size):
        direction = Direction({i: j})
        start = direction.first_step(problem.points, np.inf)
        result.flat[j] = ladder(line(problem, weights, direction), start).value[0]
    return result


# ---- values


class Settings(NamedTuple):
    """How a problem is checked. largest_step: where ladders start at most."""

    upstream: Any
    method: str
    rng: np.random.Generator
    rtol: float
    max_elements: int | Sequence[int]
    largest_step: float


class Comparing:
    """The claims of one problem under comparison. rows: to which every comparison is added.
    failed: inputs that need no comparison any more. point: the name of a special point. typical: the size of f's
    gradients, beside which a slope is 0 where 0 is claimed."""

    def __init__(self, problem: Problem, settings: Settings, upstreams: Upstreams, claims: Sequence[Sequence[Array]],
                 outputs: Sequence[Array], rows: list[Comparison], failed: Iterable[int], point: str = "",
                 typical: float = 0.0):
        self.problem = problem
        self.settings = settings
        self.pulled = upstreams
        self.upstreams = np.stack([flat(u) for u in upstreams])
        self.claims = claims
        self.outputs = outputs
        self.rows = rows
        self.point = point
        self.typical = typical
        self.base = flat(problem.value([np.array(x) for x in problem.points]))
        self.rtol = max(settings.rtol, problem.tolerance)
        self.scale = max(problem.scale, largest(outputs))
        self.extent = 32 * UNIT * (np.abs(self.upstreams) @ (np.abs(self.base) + self.scale))
        self.rounding = ROUNDING * np.array([largest(claim) for claim in claims]) + SATURATED * typical
        self.squares = np.array([[float((g.ravel() ** 2).sum()) for g in claim] for claim in claims])
        self.failed = set(failed)
        self.sampled: set[int] = set()

    def judge(self, direction: Direction) -> list[Verdict]:
        """One verdict for each upstream gradient."""
        along = line(self.problem, self.upstreams, direction, self.scale)
        along.seen[0.0] = self.base
        slope = np.array([direction.slope(claim) for claim in self.claims])
        claim = Claim(slope, self.rounding, direction.dense)
        start = direction.first_step(self.problem.points, self.settings.largest_step)
        verdicts = judge(along, claim, self.settings.method, start, self.rtol)
        return [v if v.passed else self._excused(v, k, direction) for k, v in enumerate(verdicts)]

    def _excused(self, verdict: Verdict, k: int, direction: Direction) -> Verdict:
        """A claim that fails is right all the same where it is rounding that is off, as changes of the inputs in their
        last digits show: a little of it at the given inputs, any at a special point, which may be f's singular one, or
        the only one where f has a value. Where many pieces of f meet, it is right if it lies among their slopes."""
        if self.point and verdict.kind == "outside":
            return verdict._replace(passed=True)
        if (self.point or verdict.kind == "kink") and self._among_neighbours(verdict.analytic, k, direction):
            return verdict._replace(passed=True)
        if self.point and verdict.kind in ("kink", "edge", "jump", "unbounded"):
            if math.isnan(verdict.analytic):
                return verdict._replace(passed=self._infinities_cancel(k, direction))
            vague = abs(verdict.analytic - verdict.numeric) <= VAGUE * verdict.error
            return verdict._replace(passed=vague or verdict.kind == "jump")
        scatter = max((abs(direction.slope(claims[k]) - verdict.analytic) for claims in self.jittered), default=0.0)
        allowed = SAFETY * scatter
        if not self.point:
            allowed = min(allowed, BLURRED * max(largest(self.claims[k]), self.scale))
        if not abs(verdict.analytic - verdict.numeric) <= allowed:
            return verdict
        return verdict._replace(passed=True, kind="blurred", tolerance=allowed)

    def _among_neighbours(self, claim: float, k: int, direction: Direction) -> bool:
        """Whether f has such slopes close by, where it is smooth: the claim is then in its generalised gradient.

        Source: Clarke 1983, "Optimization and Nonsmooth Analysis", 2.1: the hull of the gradients near the point.
        """
        slopes = []
        for _ in range(NEIGHBOURS):
            near = [x + NEARBY * self.settings.rng.normal(size=x.shape) for x in self.problem.points]
            values = [evaluate_at(self.problem, self.upstreams.shape[1], direction.move(near, t))
                      for t in (-STEP, STEP)]
            if values[0] is not None and values[1] is not None:
                slopes.append(float(self.upstreams[k] @ (values[1] - values[0]) / (2 * STEP)))
        largest_slope = max(map(abs, slopes), default=0.0)
        low, high = min(slopes, default=0.0), max(slopes, default=0.0)
        margin = BLUNT * largest_slope
        return high - low > APART * largest_slope and low - margin <= claim <= high + margin

    def _infinities_cancel(self, k: int, direction: Direction) -> bool:
        """Whether the claim is infinite once no outputs weigh against each other: then nan was the honest ∞ − ∞."""
        _, pull = self.problem.forward([np.array(x) for x in self.problem.points])
        return math.isinf(direction.slope(pull([np.abs(u) for u in self.pulled[k]])))

    @cached_property
    def jittered(self) -> list[list[list[Array]]]:
        """The claims again, with inputs whose last digits differ; zeros stay zeros, and ties ties."""
        found = []
        for factor in JITTERS:
            points = [x * factor for x in self.problem.points]
            with suppress(ValueError, ArithmeticError, RaisedError):
                _, pull = self.problem.forward(points)
                found.append([[np.array(g) for g in pull(u)] for u in self.pulled])
        return found

    def judge_all(self, chosen: Sequence[Direction]) -> list[list[Verdict]]:
        """The verdicts of many directions: of most by the screens, of the others one by one."""
        found = self._screened(chosen) if self.settings.method == "ladder" and chosen else [[] for _ in chosen]
        with strict() if self.settings.method == "complex" else nullcontext():
            return [verdicts or self.judge(direction) for verdicts, direction in zip(found, chosen, strict=True)]

    def _screened(self, chosen: Sequence[Direction]) -> list[list[Verdict]]:
        """The verdicts of the directions that pass a screen, and empty lists."""
        found: list[list[Verdict]] = [[] for _ in chosen]
        points = self.problem.points
        screening = Screening(partial(evaluate, self.problem, self.base.size), self.base, self.upstreams, self.scale)
        claims = np.array([[direction.slope(claim) for claim in self.claims] for direction in chosen])
        sizes = np.abs(claims)
        for n, direction in enumerate(chosen):
            if direction.dense:
                sizes[n] = np.sqrt(self.squares[:, list(direction.parts)].sum(axis=1))
        sizes[sizes == 0] = self.typical
        small = np.array([direction.size(points) for direction in chosen])
        counts = np.array([direction.count for direction in chosen])
        lengths = np.exp2(np.floor(np.log2(np.maximum(1, small) / counts) / 2))
        for screen, by_size in SCREENS:
            left = [n for n, verdicts in enumerate(found) if not verdicts]
            if screen is Screening.complex:
                left = [n for n in left if self.problem.analytic and not chosen[n].dense]
            if by_size:
                left = [n for n in left if 0 < small[n] < SMALL]
                lengths = lengths * small
            if not left:
                continue
            try:
                with strict() if screen is Screening.complex else nullcontext():
                    measured = screen(screening, [chosen[n] for n in left], lengths[left])
            except NotAnalyticError:
                self.problem.analytic = False
                continue
            for n, verdicts in self._passed(left, measured, claims[left], sizes[left], lengths[left]):
                found[n] = verdicts
        return found

    def _passed(self, left: Sequence[int], measured: Slope, claims: Array, sizes: Array,
                lengths: Array) -> Iterator[tuple[int, list[Verdict]]]:
        """The verdicts of those that a screen passes: the bar is small beside the gradient, and the claim agrees."""
        floor = self.extent / lengths[:, None] + self.rounding
        tolerance = SAFETY * measured.error + self.rtol * np.abs(measured.value) + floor
        telling = SAFETY * measured.error <= self.rtol * np.maximum(np.abs(measured.value), sizes) + floor
        passed = (telling & (np.abs(claims - measured.value) <= tolerance)).all(axis=1)
        columns = np.stack([claims, measured.value, measured.error, tolerance], axis=-1)
        for row in np.flatnonzero(passed).tolist():
            step = float(measured.step[row])
            yield left[row], [Verdict(True, "smooth", a, v, e, t, step, v, v) for a, v, e, t in columns[row].tolist()]

    def row(self, direction: Direction, verdicts: Sequence[Verdict]) -> Comparison:
        """What the report shows of a direction: the first upstream gradient that fails, or the first one."""
        verdict = next((v for v in verdicts if not v.passed), verdicts[0])
        (i, part), *others = direction.parts.items()
        x = self.problem.points[i]
        element = tuple(int(n) for n in np.unravel_index(part, x.shape)) if isinstance(part, int) else None
        return Comparison("" if others else self.problem.names[i], element, direction.words, verdict.analytic,
                          verdict.numeric, verdict.error, verdict.tolerance, verdict.step, verdict.kind, verdict.left,
                          verdict.right, verdict.passed, self.point, x.item(part) if element is not None else math.nan)

    def plain(self, chosen: Sequence[Direction]) -> bool:
        """Whether f is smooth in these directions, and the claim is right."""
        rows = [self.row(*found) for found in zip(chosen, self.judge_all(chosen), strict=True)]
        self.rows.extend(rows)
        return all(row.passed and row.verdict == "smooth" for row in rows)

    def one_by_one(self, chosen: Sequence[Sequence[int]]) -> Iterator[Failure]:
        """Move one element at a time; what an input's elements have in common is its diagnosis."""
        usable = [i for i in range(len(chosen)) if i not in self.failed]
        self.sampled |= {i for i in usable if len(chosen[i]) < self.problem.points[i].size}
        moves = [Direction({i: j}) for i in usable for j in chosen[i]]
        found = iter(self.judge_all(moves))
        verdicts = {i: list(islice(found, len(chosen[i]))) for i in usable}
        for i in usable:
            rows = [self.row(Direction({i: j}), each) for j, each in zip(chosen[i], verdicts[i], strict=True)]
            self.rows.extend(rows)
            if not all(row.passed for row in rows):
                self.failed.add(i)
                yield self._diagnosed(i, chosen[i], verdicts, rows)

    def _diagnosed(self, i: int, positions: Sequence[int], verdicts: Mapping[int, Sequence[Sequence[Verdict]]],
                   rows: Sequence[Comparison]) -> Failure:
        worst = max(rows, key=lambda row: row.badness)
        name, x = self.problem.names[i], self.problem.points[i]
        wrong = np.array([[not v.passed for v in each] for each in verdicts[i]])  # elements × upstream gradients
        if len(self.upstreams) > 1 and not wrong[:, 0].any():
            return Failure("gradient", name, "layout_upstream", {}, worst)
        if all(v.kind == "kink" and np.isfinite(v.analytic) for each in verdicts[i] for v in each if not v.passed):
            values = {"analytic": f"{worst.analytic:.6g}", "left": f"{worst.left:.6g}", "right": f"{worst.right:.6g}"}
            return Failure("gradient", name, "kink", values, worst)
        analytic = np.array([each[0].analytic for each in verdicts[i]])
        numeric = np.array([each[0].numeric for each in verdicts[i]])
        whole = i not in self.sampled
        others = {self.problem.names[j]: np.array([each[0].numeric for each in verdicts[j]]).reshape(x.shape)
                  for j in verdicts if whole and j != i and j not in self.sampled
                  and self.problem.points[j].shape == x.shape}
        single = len(self.outputs) == 1
        scene = diagnosis.Scene(x if whole else x.ravel()[list(positions)], self.outputs[0] if single else np.empty(0),
                                self.pulled[0][0] if single else np.empty(0), self.problem.indices, others, whole)
        return Failure("gradient", name, *diagnosis.diagnose(analytic, numeric, wrong[:, 0], scene), worst)

    def together(self, moves: Moves = directions.dense) -> Iterator[Failure]:
        """Move many elements at a time: what is right one by one may be wrong in sum, as at ties, and an element
        that was not in the sample shows here."""
        usable = [i for i in range(len(self.problem.points))
                  if i not in self.failed and all(np.isfinite(claim[i]).all() for claim in self.claims)]
        chosen = list(moves(self.problem.points, usable, self.sampled, self.settings.rng))
        for direction, verdicts in zip(chosen, self.judge_all(chosen), strict=True):
            if self.failed & direction.parts.keys():
                continue
            row = self.row(direction, verdicts)
            self.rows.append(row)
            if row.passed:
                continue
            again = list(self._without_complex(direction))
            if again:
                yield from again
                continue
            self.failed |= direction.parts.keys()
            if len(direction.parts) == 1 and self.failed & self.sampled & direction.parts.keys():
                direction = self._search(direction)
                row = self.row(direction, self.judge(direction))
                self.rows.append(row)
                yield Failure("gradient", row.name, "one_element", {"element": row.place}, row)
            else:
                factor = diagnosis.spelled(row.analytic / row.numeric) if row.numeric else "∞"
                yield Failure("together", row.name, "together", {"factor": factor}, row)

    def _without_complex(self, direction: Direction) -> Iterator[Failure]:
        """If complex steps passed the elements of a direction that fails: the elements again, by real ones."""
        if not self.problem.analytic:
            return
        self.problem.analytic = False
        moving = {self.problem.names[i] for i in direction.parts}
        old = [row for row in self.rows if row.name in moving and row.element is not None]
        chosen: list[list[int]] = [[] for _ in self.problem.points]
        for row in old:
            self.rows.remove(row)
            i = self.problem.names.index(row.name)
            chosen[i].append(int(np.ravel_multi_index(row.element or (), self.problem.points[i].shape)))
        yield from self.one_by_one(chosen)

    def _search(self, direction: Direction) -> Direction:
        """The element that is wrong, by halving a direction that is."""
        while not isinstance(next(iter(direction.parts.values())), int):
            first, second = directions.halves(direction)
            direction = second if all(v.passed for v in self.judge(first)) else first
        return direction
