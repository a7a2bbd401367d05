"""Every kernel by every body at every size: time, bandwidth, operations a second, against measured peaks.

    python -m benchmarks kernels                                     everything that runs on this CPU
    python -m benchmarks kernels --kernels softmax,matmul.forward    some of it
    python -m benchmarks kernels --file mine.py                      your bodies beside ours
    python -m benchmarks kernels --dtype float32,float64 --threads 1,2
    python -m benchmarks kernels --json before.json --csv before.csv --pictures pictures
    python -m benchmarks kernels --torch                             the public ops beside PyTorch's
    python -m benchmarks kernels --device cuda --transfers           on a GPU, without and with the way there and back

The formula is a body among the others, "numpy". Bodies take turns and medians are compared, so that a slow moment of
the machine meets all; the 10th and 90th percentile are in the files. Set OPENBLAS_NUM_THREADS=1 for figures that do
not depend on the number of cores. --assembly FOLDER and --ptx FOLDER write what the bodies were compiled to.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from benchmarks import against_pytorch, compiled  # noqa: E402
from benchmarks.bodies import drawable, measure, points, races, sizes  # noqa: E402
from benchmarks.machine import machine  # noqa: E402
from benchmarks.on_gpu.environment import libraries  # noqa: E402
from benchmarks.places import PLACES, Place  # noqa: E402
from tinygrad_zh.bench import Results, Row, write  # noqa: E402
from tinygrad_zh.disk import whole_file  # noqa: E402
from tinygrad_zh.i18n import LANGUAGES, aligned, in_language, text  # noqa: E402
from tinygrad_zh.kernels.commands.choosing import chosen, load  # noqa: E402
from tinygrad_zh.plot.crossover import crossover  # noqa: E402
from tinygrad_zh.plot.roofline import roofline  # noqa: E402
from tinygrad_zh_kernels import Kernel, units  # noqa: E402
from tinygrad_zh_kernels.peaks import Peaks, peaks  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
TINY = {"memory": 1 << 16, "cache": 1 << 12, "side": 32}  # of the peaks when quick, on which nothing is measured


def words(name: str) -> list[str]:
    return name.split(",")


def numbers(name: str) -> list[int]:
    return [int(word) for word in name.split(",")]


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog="python -m benchmarks kernels")
    parser.add_argument("--kernels", type=words, default=[], help="rooms or kernels; all by default")
    parser.add_argument("--file", metavar="mine.py", help="a Python file with bodies of your own")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", type=words, default=["float32"], help="float32 by default")
    parser.add_argument("--threads", type=numbers, default=[1], help="1 by default; 1,2 measures with both")
    parser.add_argument("--transfers", action="store_true", help="on CUDA also with the way to the GPU and back")
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long a body is timed at a size")
    parser.add_argument("--torch", action="store_true", help="also the public ops beside PyTorch's")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to try the program, not to measure")
    parser.add_argument("--json", nargs="?", type=Path, const=RESULTS / "kernels.json", metavar="FILE",
                        help="write the results; benchmarks/results/kernels.json by default")
    parser.add_argument("--csv", nargs="?", type=Path, const=RESULTS / "kernels.csv", metavar="FILE")
    parser.add_argument("--pictures", nargs="?", type=Path, const=RESULTS / "pictures", metavar="FOLDER",
                        help="draw the roofline and the crossovers, in both languages")
    parser.add_argument("--assembly", type=Path, metavar="FOLDER", help="write the machine code of the CPU's bodies")
    parser.add_argument("--ptx", type=Path, metavar="FOLDER", help="write the PTX of the bodies on CUDA")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write. Returns the exit status."""
    options = arguments(argv)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nstopped; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    if options.transfers and options.device != "cuda":
        raise ValueError("--transfers measures the way to a GPU and back; it needs --device cuda")
    own = load(options.file)
    kernels = chosen(options.kernels)
    if own and not options.kernels:
        kernels = list(dict.fromkeys(body.kernel for body in own))
    place = PLACES[options.device]()
    facts = {**machine(), **libraries()}
    print("\n".join(f"{fact:<12} {value}" for fact, value in facts.items()))
    rows: list[Row] = []
    roofs: list[tuple[dict[str, Any], Peaks]] = []
    for of, found, measured in sweep(kernels, place, options):
        rows += measured
        roofs.append((of, found))
    compared = against_pytorch.measure(quick=options.quick) if options.torch else []
    if compared:
        print("\n" + "\n".join(against_pytorch.table(compared)))
    _write(options, Results(facts, [*rows, *against_pytorch.rows(compared)], {
        "peaks": [{"of": of, **found._asdict()} for of, found in roofs],
        "pytorch": [{**each._asdict(), "ratio": each.ratio} for each in compared]}), roofs)
    if options.assembly:
        compiled.assembly(kernels, options.assembly)
    if options.ptx:
        compiled.ptx(kernels, options.ptx)
    return 0


def sweep(kernels: list[Kernel], place: Place,
          options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], Peaks, list[Row]]]:
    """For every number of threads and every dtype: what it was, the machine's peaks, and a row a body and size."""
    for threads in options.threads if place.device == "cpu" else [1]:
        for dtype in options.dtype:
            of = {"dtype": dtype, **({"threads": threads} if place.device == "cpu" else {})}
            with limited(threads):
                found = peaks(dtype, place.xp, clock=place.clock, **(TINY if options.quick else {}),
                              seconds=0 if options.quick else 0.5)
                print(f"\n{', '.join(f'{name} {value}' for name, value in of.items())}: copy or triad "
                      f"{units.rate(found.memory)} from memory, {units.rate(found.cache)} in the cache; matrix product "
                      f"{units.rate(found.matmul, 'FLOP')}", flush=True)
                rows = []
                for kernel in tqdm(kernels, disable=not sys.stderr.isatty(), leave=False):
                    own = list(_rows(kernel, place, options, of))
                    tqdm.write("\n" + "\n".join(table(own, found)))
                    rows += own
            yield of, found, rows


def _rows(kernel: Kernel, place: Place, options: argparse.Namespace, of: dict[str, Any]) -> Iterator[Row]:
    facts = {name: value for name, value in of.items() if name != "dtype"}
    seconds = 0.0 if options.quick else options.seconds
    for size in sizes(kernel, options.quick):
        yield from measure(kernel, size, of["dtype"], place, seconds=seconds, facts=facts)
        if options.transfers:
            yield from measure(kernel, size, of["dtype"], place, seconds=seconds, facts=facts, transfers=True)


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """BLAS and Numba use this many threads. Raises ValueError where Numba was started with fewer."""
    try:
        import numba
    except ImportError:
        numba = None
    if numba is not None:
        if threads > numba.config.NUMBA_NUM_THREADS:
            raise ValueError(f"--threads {threads}: Numba was started with {numba.config.NUMBA_NUM_THREADS}; "
                             f"set NUMBA_NUM_THREADS={threads}, where there are as many cores")
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if numba is not None:
            numba.set_num_threads(before)


def table(rows: list[Row], found: Peaks) -> list[str]:
    """A line a row: the time, what it is of the machine's peaks, and of the formula."""
    plain: dict[Any, float] = {}
    lines = [["kernel and body", "size", "median", "10–90 %", "bandwidth", "of memory's", "operations", "× formula"]]
    for row in rows:
        figures, at = row.figures, (row.of["kernel"], str(row.of["size"]), row.of.get("transfers"))
        formula = plain.setdefault(at, row.seconds)  # the first of its kind is the formula's
        bandwidth, flops = figures["bytes"] / row.seconds, figures["flops"] / row.seconds
        lines.append([" ".join(filter(None, (row.of["kernel"], row.of["body"], row.of.get("transfers")))),
                      "×".join(map(str, row.of["size"])), units.duration(row.seconds),
                      f"{units.duration(figures['low'])} – {units.duration(figures['high'])}", units.rate(bandwidth),
                      f"{bandwidth / found.memory:.0%}", units.rate(flops, "FLOP"), f"{formula / row.seconds:.2f}"])
    return aligned(lines)


# ---- files


def _write(options: argparse.Namespace, results: Results, roofs: list[tuple[dict[str, Any], Peaks]]) -> None:
    if options.json:
        print(f"\n{write(results, options.json)}")
    if options.csv:
        _csv(results.rows, options.csv)
        print(options.csv)
    if options.pictures:
        for path in pictures(results, roofs, options.pictures):
            print(path)


def _csv(rows: Any, path: Path) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in (*row.of, "seconds", *row.figures)))
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            size = "x".join(map(str, row.of.get("size", ())))
            writer.writerow({**row.of, "size": size, "seconds": row.seconds, **row.figures})


def pictures(results: Results, roofs: list[tuple[dict[str, Any], Peaks]], folder: Path) -> Iterator[Path]:
    """The roofline, and each room's crossovers, of the first dtype and number of threads, in both languages."""
    of, found = roofs[0]
    rows = drawable(row for row in results.rows if "transfers" not in row.of
                    and all(row.of.get(name) == value for name, value in of.items()))
    for language in LANGUAGES:
        with in_language(language):
            what = text("plot.conditions", machine=results.machine["processor"], dtype=of["dtype"],
                        threads=of.get("threads", 1))
            roofs_named = {text("plot.memory"): found.memory, text("plot.cache"): found.cache}
            yield roofline(points(rows), roofs_named, found.matmul, folder / f"roofline.{language}.png", title=what)
            for room in dict.fromkeys(row.of["kernel"].partition(".")[0] for row in rows):
                own = [row for row in rows if row.of["kernel"].startswith(f"{room}.")]
                yield crossover(races(own), folder / f"crossover.{room}.{language}.png", title=what)


if __name__ == "__main__":
    sys.exit(main())
