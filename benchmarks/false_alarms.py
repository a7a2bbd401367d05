"""How often the gradient check is wrong about right ops, and how small an error in a backward it still sees.

False alarms: every row of the ops' table (tests/ops/table.py: its function and its cases, the same ones every time) is
checked on N cases, with the case's number as the seed and everything else at its default, in first and second order.
An alarm is wrong by construction, and listed with the case that raised it.

Sharpness: each op's backward is multiplied by 1 + ε, and checked on the first cases on which that changes the
gradient. The smallest ε of which all are caught is how sharp the check is.

    python benchmarks/false_alarms.py [--json] [--seeds N] [--jobs N]

With --json every row is stored as soon as it is done, in results/false_alarms.json, and a later run with the same N
goes on from there. Exits with 1 if there was a false alarm.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from tests.ops.checks import gradients  # noqa: E402
from tests.ops.reach import every_op, for_examples  # noqa: E402
from tests.ops.table import TABLE, WITHOUT_SECOND_DERIVATIVE, Case, Row  # noqa: E402
from tinygrad_zh.check import gradcheck  # noqa: E402

PATH = ROOT / "benchmarks" / "results" / "false_alarms.json"
ROWS = {str(row): row for row in TABLE if not row.constant}
ERRORS = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]
CASES_OF_AN_ERROR = 5

Result = dict[str, Any]


def cases(row: Row, count: int) -> list[Case]:
    """The row's first cases on which there is something to differentiate."""
    found: list[Case] = []
    for_examples(count, row, found.append)
    return [case for case in found if any(x.dtype.kind == "f" for x in case.arrays)]


def check(row: Row, case: Case, **options: Any) -> Any:
    return gradcheck(lambda *xs: row.function(*xs, **case.keywords), *case.arrays, **options)


# ---- false alarms


def alarms(name: str, count: int) -> Result:
    """Every case of one row in both orders: how many were checked, and those that were said to be wrong."""
    row, start = ROWS[name], time.process_time()
    orders = (1,) if name in WITHOUT_SECOND_DERIVATIVE else (1, 2)
    wrong, checked = [], 0
    for number, case in enumerate(cases(row, count)):
        for order in orders:
            checked += 1
            try:
                said = [str(failure) for failure in check(row, case, seed=number, order=order).failures]
            except Exception as error:
                said = [f"{type(error).__name__}: {error}"]
            if said:
                wrong.append({"case": number, "order": order, "says": said})
    return {"checked": checked, "alarms": wrong, "seconds": round(time.process_time() - start, 1)}


# ---- sharpness


@cache
def backwards() -> dict[str, tuple[Any, str, str]]:
    """{"Sigmoid.backward": (the op, the function's name, the first row that runs it)}."""
    functions = {getattr(op, key): (op, key) for op in every_op() for key in op.backwards}
    found: dict[str, tuple[Any, str, str]] = {}
    for name, row in ROWS.items():
        for case in cases(row, 5):
            with tz.record() as tape:
                gradients(row, case, case.arrays)
            for line in tape:
                if line.kind == "backward" and line.function in functions:
                    op, key = functions[line.function]
                    found.setdefault(f"{op.__name__}.{key}", (op, key, name))
    return found


@contextmanager
def scaled(op: Any, key: str, factor: float) -> Iterator[None]:
    """Within the block the op's backward gives `factor` times what it should."""
    function = getattr(op, key)

    @wraps(function)
    def body(*arguments: Any, **keywords: Any) -> Any:
        partials = function(*arguments, **keywords)
        if isinstance(partials, tuple):
            return tuple(None if partial is None else factor * partial for partial in partials)
        return factor * partials

    try:
        setattr(op, key, staticmethod(body))
        op.plans.clear()
        yield
    finally:
        setattr(op, key, staticmethod(function))
        op.plans.clear()


def matters(row: Row, case: Case, op: Any, key: str) -> bool:
    """Whether this backward has a say in this case's gradients: not where all are 0, or empty."""
    right = gradients(row, case, case.arrays)
    with scaled(op, key, 2.0):
        return any((a != b).any() for a, b in zip(right, gradients(row, case, case.arrays), strict=True))


def sharpness(name: str, count: int) -> Result:
    """{ε: [how many errors of that size were caught, of how many]} for one backward."""
    op, key, of = backwards()[name]
    row = ROWS[of]
    tried = [case for case in cases(row, count) if matters(row, case, op, key)][:CASES_OF_AN_ERROR]
    caught: Result = {}
    for error in ERRORS:
        with scaled(op, key, 1 + error):
            seen = sum(not check(row, case, seed=number) for number, case in enumerate(tried))
        caught[f"{error:.0e}"] = [seen, len(tried)]
    return caught


# ---- all of it


def task(job: tuple[str, str, int]) -> tuple[str, str, Result]:
    kind, name, count = job
    with np.errstate(all="ignore"):
        return kind, name, (alarms if kind == "rows" else sharpness)(name, count)


def measure(count: int, jobs: int, results: Result, store: Callable[[], None]) -> None:
    """Add to the results what is not among them yet, and store them after every row and every backward."""
    todo = [("rows", name, count) for name in ROWS] + [("backwards", name, count) for name in backwards()]
    todo = [job for job in todo if job[1] not in results[job[0]]]
    with get_context("spawn").Pool(jobs) as pool, tqdm(total=len(todo), file=sys.stderr) as bar:
        for kind, name, result in pool.imap_unordered(task, todo):
            results[kind][name] = result
            store()
            bar.update()


def show(results: Result) -> int:
    """The table, and the number of false alarms."""
    wrong = [(name, alarm) for name, row in results["rows"].items() for alarm in row["alarms"]]
    checked = sum(row["checked"] for row in results["rows"].values())
    print(f"\n{len(results['rows'])} rows, {results['seeds']} cases each: {checked} checks, {len(wrong)} false alarms")
    for name, alarm in wrong:
        print(f"  {name}, case {alarm['case']}, order {alarm['order']}: {alarm['says'][0]}")
    print(f"\n{'a backward times 1 + ε':<24}{'caught':>8}{'of':>8}{'share':>9}")
    for error, (caught, tried) in results["sharpness"].items():
        print(f"{error:<24}{caught:8}{tried:8}{caught / max(tried, 1):9.1%}")
    return len(wrong)


def totals(results: Result) -> Result:
    """{ε: [caught, tried]} over all backwards."""
    return {f"{error:.0e}": [sum(found[f"{error:.0e}"][i] for found in results["backwards"].values()) for i in (0, 1)]
            for error in ERRORS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="cases of each row (default: 100)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at once (default: 1)")
    parser.add_argument("--json", action="store_true", help="store, and go on from, results/false_alarms.json")
    arguments = parser.parse_args()

    print_machine()
    results: Result = {"machine": machine(), "seeds": arguments.seeds, "rows": {}, "backwards": {}}
    if arguments.json and PATH.exists():
        before = json.loads(PATH.read_text(encoding="utf-8"))
        results = before if before["seeds"] == arguments.seeds else results

    def store() -> None:
        results["sharpness"] = totals(results)
        if arguments.json:
            PATH.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    store()
    measure(arguments.seeds, arguments.jobs, results, store)
    return int(show(results) > 0)


if __name__ == "__main__":
    sys.exit(main())
