"""Whether one run is slower than another. 比较两次运行"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad_zh.bench.results import Results, Row

SAME = ("processor", "cores", "system", "gpu")
"""Facts in which two machines must agree for their times to be compared."""


@dataclass(frozen=True)
class Change:
    """One row before and after: ratio = after / before, above 1 is slower. 变化"""

    key: str
    before: float
    after: float
    tolerance: float

    @property
    def ratio(self) -> float:
        return self.after / self.before

    @property
    def slower(self) -> bool:
        """Whether it is slower by more than the tolerance: a regression."""
        return self.ratio > 1 + self.tolerance

    @property
    def faster(self) -> bool:
        """Whether the way back would be a regression."""
        return self.ratio < 1 / (1 + self.tolerance)


@dataclass(frozen=True)
class Comparison:
    """changes: of the rows that both runs have. gone, new: the rows that only one has."""

    changes: tuple[Change, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def slower(self) -> tuple[Change, ...]:
        """The regressions, the worst first."""
        return tuple(sorted((c for c in self.changes if c.slower), key=lambda c: -c.ratio))


def compare(before: Results, after: Results, tolerance: float = 0.05, any_machine: bool = False) -> Comparison:
    """Match the rows of two runs by what was timed. 比较

    Raises ValueError where the machines differ, unless `any_machine`, and where no row is in both.
    """
    different = differences(before.machine, after.machine)
    if different and not any_machine:
        (fact, (one, other)), *_ = different.items()
        raise ValueError(f"the runs are of two machines: {fact} is {one!r} before and {other!r} after; "
                         "--any-machine compares them all the same")
    old, new = (_by_key(run) for run in (before, after))
    changes = tuple(Change(key, old[key].seconds, new[key].seconds, tolerance) for key in old if key in new)
    if not changes:
        raise ValueError(f"nothing to compare: none of the {len(old)} rows before is among the {len(new)} rows after")
    return Comparison(changes, tuple(key for key in old if key not in new), tuple(key for key in new if key not in old))


def differences(before: Mapping[str, str], after: Mapping[str, str],
                facts: tuple[str, ...] = SAME) -> dict[str, tuple[str, str]]:
    """{fact: (before, after)} where two machines differ. 不同之处"""
    pairs = {fact: (before.get(fact, "–"), after.get(fact, "–")) for fact in facts}
    return {fact: pair for fact, pair in pairs.items() if pair[0] != pair[1]}


def _by_key(results: Results) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for row in results.rows:
        if row.key in rows:
            raise ValueError(f"a row stands twice in one file: {row.key}")
        rows[row.key] = row
    return rows
