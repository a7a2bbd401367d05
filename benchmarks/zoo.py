"""The zoo of broken backwards through gradient checkers: how many of the bugs each finds, and how often it is wrong.

Ours is `gradcheck` with its default settings at the ordinary point of each bug. The others are PyTorch's gradcheck
(slow and fast mode), JAX's and HIPS autograd's check_grads, and the classroom's loop (central differences, an upstream
of ones), with their default settings, in float64, where their libraries are installed (extra `compare`). As they try
no special values by themselves, they are also run where the bug shows: the second figure. Bugs of second order meet
the variants of second order. False alarms are counted on the right twin of every bug, the same function made of the
engine's own ops. `other_checkers.py` says how an op becomes a primitive of theirs and what counts as found.

    python benchmarks/zoo.py [--half tuning|held-out|all] [--checkers NAME …] [--json] [--stored]

The held-out half was never shown to our checker while it was built. It runs on it once, with --json, and that score is
kept with its date and commit; a second run is refused.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.machine import machine, print_machine  # noqa: E402
from benchmarks.other_checkers import CHECKERS, finds, missing  # noqa: E402
from tinygrad_zh.check import gradcheck  # noqa: E402
from tinygrad_zh.check.zoo import BUGS, KINDS, Bug  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "zoo.json"
OURS = "ours"
Found = dict[str, bool | None]


def ours(bug: Bug) -> Found:
    """Whether gradcheck finds the bug, and whether it objects to the right twin, at the ordinary point."""
    return {"inputs": objects(bug.function, bug), "right": objects(bug.right, bug)}


def objects(function: Any, bug: Bug) -> bool | None:
    """None where gradcheck itself breaks down, which counts as a bug not found."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return not gradcheck(function, *bug.inputs, order=bug.order)
        except Exception:
            return None


def theirs(checker: str, bug: Bug) -> Found:
    """The same for another checker, and at the point where the bug shows."""
    found = {"inputs": finds(checker, bug.function, bug.inputs, bug.order),
             "right": finds(checker, bug.right, bug.inputs, bug.order)}
    same = bug.showing is bug.inputs
    return found | {
        "showing": found["inputs"] if same else finds(checker, bug.function, bug.showing, bug.order),
        "right showing": found["right"] if same else finds(checker, bug.right, bug.showing, bug.order)}


def half(name: str) -> list[Bug]:
    return [bug for bug in BUGS if name == "all" or bug.held_out == (name == "held-out")]


def measure(bugs: list[Bug], checkers: Iterable[str]) -> dict[str, dict[str, Found]]:
    """{checker: {bug: what it found}}"""
    return {checker: {bug.name: ours(bug) if checker == OURS else theirs(checker, bug)
                      for bug in tqdm(bugs, desc=checker, leave=False)} for checker in checkers}


# ---- the table


def score(bugs: list[Bug], found: dict[str, Found], *points: str) -> str:
    """How many are found at each point, and of how many if not of all; a dash where the checker was not run."""
    met = [found[bug.name] for bug in bugs if bug.name in found]
    counts = " ".join(f"{sum(bool(f[point]) for f in met):3d}" for point in points if met and point in met[0])
    return (counts if len(met) == len(bugs) else f"{counts}/{len(met)}") if met else "–"


def print_table(bugs: list[Bug], results: dict[str, dict[str, Found]]) -> None:
    """A row a kind: found at the ordinary point, and where the bug shows."""
    print("\nfound at the ordinary point; for others than ours also where the bug shows\n")
    print(f"{'kind':<20}{'bugs':>5}" + "".join(f"{checker:>12}" for checker in results))
    rows = [(kind, [bug for bug in bugs if bug.kind == kind]) for kind in KINDS]
    for kind, some in [*rows, ("all", bugs)]:
        if some:
            scores = "".join(f"{score(some, found, 'inputs', 'showing'):>12}" for found in results.values())
            print(f"{kind:<20}{len(some):5d}{scores}")
    alarms = "".join(f"{score(bugs, found, 'right', 'right showing'):>12}" for found in results.values())
    print(f"{'false alarms':<20}{len(bugs):5d}{alarms}")
    for checker, found in results.items():
        idle = sum(None in f.values() for f in found.values())
        if idle:
            print(f"{checker}: {idle} could not be run")


# ---- what is kept


def stored() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def published() -> dict[str, dict[str, Found]]:
    """What is stored, our first score on the held-out half with the rest of ours."""
    kept = stored()
    found = kept.get("found", {})
    first = kept.get("held_out_first", {}).get("found", {})
    return {checker: found.get(checker, {}) | (first if checker == OURS else {}) for checker in [OURS, *CHECKERS]}


def commit() -> str:
    """The commit that ran, with -dirty where files differ from it."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def refusal(bugs: list[Bug], checkers: list[str], keep: bool) -> str | None:
    """Why our checker may not run on these bugs."""
    if OURS not in checkers or not any(bug.held_out for bug in bugs):
        return None
    first = stored().get("held_out_first")
    if first:
        caught = sum(found["inputs"] for found in first["found"].values())
        return (f"the held-out half runs once: on {first['date']}, at commit {first['commit']}, {caught} of "
                f"{len(first['found'])} were found; leave ours out of --checkers, or take --half tuning")
    return None if keep else "the first score on the held-out half is the published one; add --json to keep it"


def write(bugs: list[Bug], results: dict[str, dict[str, Found]]) -> None:
    """Add to what is stored: results by checker and bug; our first score on the held-out half in a place of its own."""
    kept = stored()
    held_out = {bug.name for bug in bugs if bug.held_out}
    mine = results.get(OURS, {})
    first = {name: found for name, found in mine.items() if name in held_out}
    if first:
        kept["held_out_first"] = {"date": datetime.now(UTC).date().isoformat(), "commit": commit(), "found": first}
    kept["machine"] = machine()
    kept["versions"] = kept.get("versions", {}) | {
        library: version(library) for library, _ in CHECKERS.values() if library and library not in missing().values()}
    kept["bugs"] = {bug.name: {"kind": bug.kind, "half": "held-out" if bug.held_out else "tuning"} for bug in BUGS}
    found = kept.setdefault("found", {})
    for checker, by_bug in results.items():
        found.setdefault(checker, {}).update({name: f for name, f in by_bug.items() if name not in first})
    innermost = re.compile(r"\{\s+([^{}]*?)\s+\}")  # on a line of its own: there are a thousand of them
    text = innermost.sub(lambda m: "{" + " ".join(m[1].split()) + "}", json.dumps(kept, ensure_ascii=False, indent=1))
    RESULTS.write_text(text + "\n", encoding="utf-8")
    print(f"\n{RESULTS.relative_to(ROOT)}")


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=["tuning", "held-out", "all"], default="tuning", help="which of the bugs")
    parser.add_argument("--checkers", nargs="+", choices=[OURS, *CHECKERS], default=[OURS, *CHECKERS], metavar="NAME",
                        help=f"{', '.join([OURS, *CHECKERS])} (all)")
    parser.add_argument("--json", action="store_true", help="also write benchmarks/results/zoo.json")
    parser.add_argument("--stored", action="store_true", help="run nothing, print the table of what is stored there")
    arguments = parser.parse_args(given)
    bugs = half(arguments.half)
    if arguments.stored:
        print_table(bugs, {name: found for name, found in published().items() if name in arguments.checkers})
        return 0
    why = refusal(bugs, arguments.checkers, arguments.json)
    if why:
        print(why, file=sys.stderr)
        return 2

    print_machine()
    absent = missing()
    for checker, library in absent.items():
        if checker in arguments.checkers:
            print(f'{checker}: {library} is not installed (pip install "tinygrad-zh[compare]")')
    results = measure(bugs, [checker for checker in arguments.checkers if checker not in absent])
    print_table(bugs, results)
    if arguments.json:
        write(bugs, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
