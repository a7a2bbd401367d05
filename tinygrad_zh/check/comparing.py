"""Claimed against measured: every element (or a sample), then many together; and which input is wrong, and how."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from tinygrad_zh.check import diagnosis, directions
from tinygrad_zh.check.differences import Array, Line, ladder
from tinygrad_zh.check.directions import Direction
from tinygrad_zh.check.problem import Problem, largest
from tinygrad_zh.check.report import Comparison, Failure
from tinygrad_zh.check.verdict import Claim, NotAnalyticError, Verdict, judge

ROUNDING = 1e-11  # of the largest claim: smaller ones may be the rounding of what cancels inside f

Upstreams = Sequence[Sequence[Array]]


def flat(arrays: Sequence[Array]) -> Array:
    """All values in one fresh vector."""
    return np.concatenate([np.ravel(x) for x in arrays])


def line(problem: Problem, upstreams: Array, direction: Direction, scale: float = 0.0) -> Line:
    """f along a direction. Where f raises or is not finite it is outside its domain."""

    def evaluate(t: complex) -> Array | None:
        moved = direction.move(problem.points, t)
        if t.imag:
            return evaluate_complex(problem, moved)
        try:
            values = flat(problem.value(moved))
        except (ValueError, ArithmeticError):
            if t == 0:
                raise
            return None
        return values if np.isfinite(values).all() else None

    return Line(evaluate, upstreams, direction.size(problem.points), scale)


def evaluate_complex(problem: Problem, points: Sequence[Array]) -> Array:
    """f at a complex point. Raises NotAnalyticError where f takes no complex numbers or makes them real."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return flat(problem.value(points))
    except Exception as error:
        raise NotAnalyticError(f'gradcheck: method="complex" needs a function of complex numbers, and {problem.title} '
                               f'is none as it is written ({error}); use method="ladder"') from error


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


class Comparing:
    """The claims of one problem under comparison. largest_step: where ladders start at most.
    failed: inputs that need no comparison any more."""

    def __init__(self, problem: Problem, upstreams: Upstreams, claims: Sequence[Sequence[Array]],
                 outputs: Sequence[Array], method: str, rtol: float, largest_step: float, failed: Iterable[int]):
        self.problem = problem
        self.upstreams = np.stack([flat(u) for u in upstreams])
        self.claims = claims
        self.outputs = outputs
        self.method = method
        self.rtol = rtol
        self.largest_step = largest_step
        self.scale = max(problem.scale, largest(outputs))
        self.rounding = ROUNDING * np.array([largest(claim) for claim in claims])
        self.failed = set(failed)
        self.sampled: set[int] = set()

    def judge(self, direction: Direction) -> list[Verdict]:
        """One verdict for each upstream gradient."""
        along = line(self.problem, self.upstreams, direction, self.scale)
        slope = np.array([direction.slope(claim) for claim in self.claims])
        claim = Claim(slope, self.rounding, not any(isinstance(part, int) for part in direction.parts.values()))
        start = direction.first_step(self.problem.points, self.largest_step)
        return judge(along, claim, self.method, start, self.rtol)

    def row(self, direction: Direction, verdicts: Sequence[Verdict]) -> Comparison:
        """What the report shows of a direction: the first upstream gradient that fails, or the first one."""
        verdict = next((v for v in verdicts if not v.passed), verdicts[0])
        (i, part), *others = direction.parts.items()
        x = self.problem.points[i]
        element = tuple(int(n) for n in np.unravel_index(part, x.shape)) if isinstance(part, int) else None
        return Comparison("" if others else self.problem.names[i], element, direction.words, verdict.analytic,
                          verdict.numeric, verdict.error, verdict.tolerance, verdict.step, verdict.kind, verdict.left,
                          verdict.right, verdict.passed)

    def one_by_one(self, chosen: Sequence[Sequence[int]], rows: list[Comparison]) -> Iterator[Failure]:
        """Move one element at a time; what an input's elements have in common is its diagnosis."""
        for i, positions in enumerate(chosen):
            if i in self.failed:
                continue
            if len(positions) < self.problem.points[i].size:
                self.sampled.add(i)
            verdicts = []
            for j in positions:
                direction = Direction({i: j})
                verdicts.append(self.judge(direction))
                rows.append(self.row(direction, verdicts[-1]))
            if not all(v.passed for each in verdicts for v in each):
                self.failed.add(i)
                yield self._diagnosed(i, positions, verdicts, rows[len(rows) - len(positions):])

    def _diagnosed(self, i: int, positions: Sequence[int], verdicts: Sequence[Sequence[Verdict]],
                   rows: Sequence[Comparison]) -> Failure:
        worst = max(rows, key=lambda row: row.badness)
        name, x = self.problem.names[i], self.problem.points[i]
        wrong = np.array([[not v.passed for v in each] for each in verdicts])  # elements × upstream gradients
        if len(self.upstreams) > 1 and not wrong[:, 0].any():
            return Failure("gradient", name, "layout_upstream", {}, worst)
        if all(v.kind == "kink" and np.isfinite(v.analytic) for each in verdicts for v in each if not v.passed):
            values = {"analytic": f"{worst.analytic:.6g}", "left": f"{worst.left:.6g}", "right": f"{worst.right:.6g}"}
            return Failure("gradient", name, "kink", values, worst)
        analytic = np.array([each[0].analytic for each in verdicts])
        numeric = np.array([each[0].numeric for each in verdicts])
        y = self.outputs[0] if len(self.outputs) == 1 else np.empty(0)
        whole = i not in self.sampled
        moved = x if whole else x.ravel()[list(positions)]
        return Failure("gradient", name, *diagnosis.diagnose(analytic, numeric, wrong[:, 0], moved, y, whole), worst)

    def together(self, rng: np.random.Generator, rows: list[Comparison]) -> Iterator[Failure]:
        """Move many elements at a time: what is right one by one may be wrong in sum, as at ties, and an element
        that was not in the sample shows here."""
        usable = [i for i in range(len(self.problem.points))
                  if i not in self.failed and all(np.isfinite(claim[i]).all() for claim in self.claims)]
        for direction in directions.dense(self.problem.points, usable, self.sampled, rng):
            if self.failed & direction.parts.keys():
                continue
            verdicts = self.judge(direction)
            row = self.row(direction, verdicts)
            rows.append(row)
            if row.passed:
                continue
            self.failed |= direction.parts.keys()
            if len(direction.parts) == 1 and self.failed & self.sampled & direction.parts.keys():
                direction = self._search(direction)
                row = self.row(direction, self.judge(direction))
                rows.append(row)
                yield Failure("gradient", row.name, "one_element", {"element": row.place}, row)
            else:
                factor = diagnosis.spelled(row.analytic / row.numeric) if row.numeric else "∞"
                yield Failure("together", row.name, "together", {"factor": factor}, row)

    def _search(self, direction: Direction) -> Direction:
        """The element that is wrong, by halving a direction that is."""
        while not isinstance(next(iter(direction.parts.values())), int):
            first, second = directions.halves(direction)
            direction = second if all(v.passed for v in self.judge(first)) else first
        return direction
