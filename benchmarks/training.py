"""A training step of this engine beside PyTorch's, JAX's, HIPS autograd's, tinygrad's and micrograd's.

    python -m benchmarks training                                     all cases, 1 and 2 threads
    python -m benchmarks training --cases a,c --threads 1             some of it
    python -m benchmarks training --peers compiled,PyTorch,"JAX jit"
    python -m benchmarks training --json --pictures                   write the results, and draw how costs grow

Every framework runs in a process of its own, on as many cores as it has threads, from the same weights on the same
batches. First the losses of six steps must agree to four digits; then the processes take turns, one working while the
others sleep. A time is the quiet median: the least of the rounds' medians, beside which the median and the most of
them stand. A peer that is not installed, fails or computes something else is a row that says why.

The peers: pip install "tinygrad-zh[bench-peers]"; tinygrad also needs the program clang, and torch.compile g++.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from benchmarks.machine import machine  # noqa: E402
from benchmarks.peers import EVERYTHING, OURS, Peer, scaling, targets  # noqa: E402
from benchmarks.peers.cases import BATCHES, CASES, TINY, Case  # noqa: E402
from benchmarks.peers.process import Failed, Process  # noqa: E402
from tinygrad_zh.bench import Results, Row, write  # noqa: E402
from tinygrad_zh.i18n import aligned  # noqa: E402
from tinygrad_zh_kernels import units  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
AGREE = 1e-4
"""The largest relative difference between losses that are the same to four digits."""
ROUNDS, SECONDS = 7, 0.15
ENOUGH = 3.0
"""Seconds: who has worked so long in two rounds or more need not work in another, since its steps are long."""


class Absent(NamedTuple):
    """Why a peer has no time in a case."""

    peer: str
    why: str


class Measured(NamedTuple):
    """One case with one number of threads: a row a peer, in the peers' order, and who has none."""

    case: Case
    threads: int
    rows: list[Row]
    absent: list[Absent]

    @property
    def seconds(self) -> dict[str, float]:
        return {row.of["peer"]: row.seconds for row in self.rows}


def words(name: str) -> list[str]:
    return name.split(",")


def numbers(name: str) -> list[int]:
    return [int(word) for word in name.split(",")]


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog="python -m benchmarks training")
    parser.add_argument("--cases", type=words, default=[], help=f"of {', '.join(CASES)}, by their beginnings; all")
    parser.add_argument("--peers", type=words, default=[], help=f"of {', '.join(p.name for p in EVERYTHING)}; all")
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="1,2 by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default, of {SECONDS} s each")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to try the program, not to measure")
    parser.add_argument("--json", nargs="?", type=Path, const=RESULTS / "training.json", metavar="FILE",
                        help="write the results; benchmarks/results/training.json by default")
    parser.add_argument("--pictures", nargs="?", type=Path, const=RESULTS / "pictures", metavar="FOLDER",
                        help="also measure how costs grow with width, depth and batch, and draw it, in both languages")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write. Returns the exit status."""
    options = arguments(argv)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nstopped; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    cases, peers = chosen_cases(options), chosen_peers(options)
    facts = machine()
    print("\n".join(f"{fact:<10} {value}" for fact, value in facts.items()))
    found = []
    for case, threads in tqdm([(case, threads) for threads in options.threads for case in cases],
                              disable=not sys.stderr.isatty(), leave=False):
        one = measured(case, peers, threads, options.rounds, 0.0 if options.quick else SECONDS)
        tqdm.write("\n" + "\n".join(table(one)))
        sys.stdout.flush()
        found.append(one)
    for heading, kind in judged(found).items():
        print(f"\n{heading}")
        print("\n".join(verdicts(kind)))
    rows = [row for one in found for row in one.rows]
    grown = list(tqdm(scaling.measured(options.threads[0], options.quick), disable=not sys.stderr.isatty(),
                      leave=False)) if options.pictures else []
    for path in scaling.pictures(grown, facts["processor"], options.pictures) if grown else ():
        print(path)
    if options.json:
        absent = [{"case": one.case.name, "threads": one.threads, **each._asdict()}
                  for one in found for each in one.absent]
        cases_said = {one.case.name: str(one.case) for one in found}
        print(f"\n{write(Results(facts, [*rows, *grown], {'cases': cases_said, 'absent': absent}), options.json)}")
    return 0


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """The cases of these names, or whose names begin so. Raises ValueError for a beginning that none has."""
    known = TINY if options.quick else CASES
    chosen: set[str] = set()
    for word in options.cases:
        found = {word} & known.keys() or {name for name in known if name.startswith(word)}
        if not found:
            raise ValueError(f"--cases: no case begins with {word!r}; there are {', '.join(known)}")
        chosen |= found
    return [case for name, case in known.items() if not chosen or name in chosen]


def chosen_peers(options: argparse.Namespace) -> Sequence[Peer]:
    """The peers of these names. Raises ValueError for a name that none has."""
    known = {peer.name: peer for peer in EVERYTHING}
    for name in options.peers:
        if name not in known:
            raise ValueError(f"--peers: there is no {name!r}; there are {', '.join(known)}")
    return [known[name] for name in options.peers] or EVERYTHING


# ---- measuring


def measured(case: Case, peers: Sequence[Peer], threads: int, rounds: int = ROUNDS,
             seconds: float = SECONDS) -> Measured:
    """All peers on one case, in turn."""
    with ExitStack() as closing:
        ready, absent = begun(case, peers, threads, closing)
        figures: dict[str, list[dict[str, Any]]] = {name: [] for name in ready}
        for _ in range(rounds):
            for name, (process, _) in ready.items():
                if len(figures[name]) < 2 or sum(r["took"] for r in figures[name]) < ENOUGH:
                    figures[name].append(process.ask(round=seconds))
        rows = [Row({"case": case.name, "threads": threads, "peer": name}, *summary(figures[name]))
                for name in ready]
        for row, (process, begin) in zip(rows, ready.values(), strict=True):
            row.figures.update(begin, **process.ask(memory=True))  # type: ignore[attr-defined]
    return Measured(case, threads, rows, absent)


def begun(case: Case, peers: Sequence[Peer], threads: int,
          closing: ExitStack) -> tuple[dict[str, tuple[Process, dict[str, Any]]], list[Absent]]:
    """{name: (its process, past the first steps; how it began)} of the peers that agree, and the others."""
    ready: dict[str, tuple[Process, dict[str, Any]]] = {}
    losses: dict[str, list[float]] = {}
    absent: list[Absent] = []
    for peer in peers:
        process = Process(peer, threads)
        closing.callback(process.close)
        try:
            loaded = process.ask(load=[peer.module, peer.variant])
            first = process.ask(build=case, steps=BATCHES)
        except Failed as failure:
            absent.append(Absent(peer.name, str(failure)))
            process.close()
            continue
        losses[peer.name] = first.pop("losses")
        ready[peer.name] = process, {**loaded, **first}
    for name, difference in differences(losses).items():
        ready[name][1]["difference"] = difference
        if not difference <= AGREE:
            absent.append(Absent(name, f"its losses differ from the others' by {difference:.1e}, relatively"))
            ready.pop(name)[0].close()
    return ready, absent


def differences(losses: dict[str, list[float]]) -> dict[str, float]:
    """The largest relative difference of each one's losses from the median of all."""
    middle = np.median(list(losses.values()), axis=0) if losses else 0
    return {name: float(np.abs(np.array(own) / middle - 1).max()) for name, own in losses.items()}


def summary(rounds: list[dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    """The quiet median, in seconds a step; and what else there is to say of the rounds."""
    medians = [each["median"] for each in rounds]
    return min(medians), {"median": statistics.median(medians), "most": max(medians), "rounds": len(rounds),
                          "steps": sum(each["steps"] for each in rounds)}


# ---- what was found


def table(one: Measured) -> list[str]:
    """A line a peer: its time, how it varied, and against the fastest of ours; then who multiplied with what."""
    own = {peer.name for peer in OURS}
    base = min((row.seconds for row in one.rows if row.of["peer"] in own), default=None)
    lines = [["", "a step", "median", "most", "÷ our best", "first steps", "memory", "with imports"]]
    products: dict[str, list[str]] = {}
    for row in one.rows:
        figures = row.figures
        products.setdefault(figures["product"], []).append(row.of["peer"])
        lines.append([row.of["peer"], *(units.duration(t) for t in (row.seconds, figures["median"], figures["most"])),
                      f"{row.seconds / base:.2f}" if base else "–", f"{figures['first']:.2f} s",
                      *(f"{figures[name] / 1e6:.0f} MB" for name in ("peak", "total"))])
    return [f"{one.case}, {one.threads} thread{'s' * (one.threads > 1)}", *aligned(lines),
            *(f"products by {product}: {', '.join(names)}" for product, names in products.items()),
            *(f"{each.peer}: {each.why}" for each in one.absent)]


def judged(found: list[Measured]) -> dict[str, list[targets.Found]]:
    """Every target whose both sides were measured on one thread, under what it is to be read as."""
    seconds = {one.case.name: one.seconds for one in found if one.threads == 1}
    kinds = {
        "Targets with the core that OpenBLAS chooses, set on an AMD processor:": targets.CHOSEN,
        "Targets where both multiply matrices about equally fast, as on an Intel processor:": targets.equal_products(),
        "The same with OpenBLAS's Haswell core, the stand-in on an AMD processor:": targets.equal_products("Haswell"),
        "Formulas alone, without Numba, beside HIPS autograd:": targets.formulas_beside_hips(list(CASES)),
    }
    results = {heading: [known for target in kind if (known := target.found(seconds.get(target.case, {})))]
               for heading, kind in kinds.items()}
    return {heading: kind for heading, kind in results.items() if kind}


def verdicts(found: list[targets.Found]) -> list[str]:
    """A line a target: it, what was measured, and whether it is met."""
    head = ["case", "ours", "beside", "target", "measured", ""]
    return aligned([head, *([each.target.case, each.target.ours, each.peer, f"≥ {each.target.least:g}",
                             f"{each.ratio:.2f}", each.said] for each in found)])


if __name__ == "__main__":
    sys.exit(main())
