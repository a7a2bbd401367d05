"""How the cost of a step grows with width, depth and batch: one process a framework for all points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS, Peer
from benchmarks.peers.cases import Case
from benchmarks.peers.process import Failed, Process
from tinygrad_zh.bench import Row
from tinygrad_zh.i18n import LANGUAGES, in_language
from tinygrad_zh.plot.crossover import Race, Times, crossover

WAYS = ("compiled", "numba", "formulas", "PyTorch", "PyTorch fused", "JAX jit", "HIPS autograd")
"""torch.compile is left out: it would compile for minutes."""
ROUNDS, SECONDS = 5, 0.1


def grid(quick: bool = False) -> dict[str, dict[int, Case]]:
    """{what grows: {its size: the case}}."""
    widths, depths, batches = ((4, 8), (1, 2), (1, 2)) if quick else (
        (16, 64, 256, 1024), (1, 2, 4, 8, 16, 32), (1, 8, 64, 512, 4096))
    width, inputs = (4, 6) if quick else (128, 784)
    return {
        "width": {n: Case(f"width {n}", "mlp", (n, n, n, 10), 64) for n in widths},
        "depth": {n: Case(f"depth {n}", "mlp", (width,) * (n + 1) + (10,), 64) for n in depths},
        "batch": {n: Case(f"batch {n}", "mlp", (inputs, width, 10), n) for n in batches},
    }


def measured(threads: int = 1, quick: bool = False, rounds: int = ROUNDS,
             peers: Sequence[Peer] = tuple(peer for peer in PEERS if peer.name in WAYS)) -> Iterator[Row]:
    """A row a point and peer that is there; the peers take turns."""
    with ExitStack() as closing:
        processes = {}
        for peer in peers:
            process = Process(peer, threads)
            closing.callback(process.close)
            try:
                process.ask(load=[peer.module, peer.variant])
            except Failed:  # the table says why
                continue
            processes[peer.name] = process
        for grows, cases in grid(quick).items():
            for size, case in cases.items():
                medians = _medians(case, processes, rounds, 0.0 if quick else SECONDS)
                for name, own in medians.items():
                    yield Row({"grows": grows, "size": size, "threads": threads, "peer": name}, min(own),
                              {"most": max(own)})


def _medians(case: Case, processes: dict[str, Process], rounds: int, seconds: float) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, process in processes.items():
        try:
            process.ask(build=case, steps=3)
        except Failed:
            continue
        found[name] = []
    for _ in range(rounds):
        for name, medians in found.items():
            medians.append(processes[name].ask(round=seconds)["median"])
    return found


TITLES = {
    "en": {"width": "Width: n–n–n–10, batch 64", "depth": "Depth: n layers of 128, batch 64",
           "batch": "Batch: 784–128–10",
           "across": {"width": "units a layer", "depth": "hidden layers", "batch": "rows a batch"},
           "title": "Seconds a training step with Adam; {machine}, threads: {threads}",
           "ways": {"compiled": "ours, compiled", "numba": "ours, Numba's kernels", "formulas": "ours, formulas"}},
    "zh": {"width": "宽度：n–n–n–10，批大小 64", "depth": "深度：n 层，每层 128，批大小 64",
           "batch": "批大小：784–128–10",
           "across": {"width": "每层单元数", "depth": "隐藏层数", "batch": "每批行数"},
           "title": "一个训练步（Adam）的秒数；{machine}，线程数 {threads}",
           "ways": {"compiled": "本项目，编译", "numba": "本项目，Numba 计算核", "formulas": "本项目，公式"}},
}  # fmt: skip


def pictures(rows: Sequence[Row], machine: str, folder: Path) -> Iterator[Path]:
    """How the cost grows, a panel for each, in both languages."""
    for language in LANGUAGES:
        with in_language(language):
            words: dict[str, Any] = TITLES[language]
            races = [_race(words, grows, [row for row in rows if row.of["grows"] == grows]) for grows in grid()]
            title = words["title"].format(machine=machine, threads=rows[0].of["threads"])
            yield crossover(races, folder / f"training.{language}.png", title=title)


def _race(words: dict[str, Any], grows: str, rows: list[Row]) -> Race:
    ways: dict[str, Times] = {}
    for name in dict.fromkeys(row.of["peer"] for row in rows):
        own = [row for row in rows if row.of["peer"] == name]
        seconds = [row.seconds for row in own]
        ways[words["ways"].get(name, name)] = Times([row.of["size"] for row in own], seconds, seconds,
                                                    [row.figures["most"] for row in own])
    return Race(words[grows], words["across"][grows], ways)
