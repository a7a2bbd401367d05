"""Write GPU.md and GPU.zh.md, and their pictures, from benchmarks/results/gpu.json.

    python -m benchmarks gpu_page

What was not measured is not on the pages. A test compares them with what this would write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from benchmarks.bodies import VERSION, points, races  # noqa: E402
from tinygrad_zh.bench import Row  # noqa: E402
from tinygrad_zh.i18n import in_language, text  # noqa: E402
from tinygrad_zh.plot.crossover import crossover  # noqa: E402
from tinygrad_zh.plot.roofline import roofline  # noqa: E402
from tinygrad_zh_kernels import units  # noqa: E402

HERE = ROOT / "benchmarks"
RESULTS = HERE / "results" / "gpu.json"
PICTURES = HERE / "results" / "pictures"
PAGES = {"en": HERE / "GPU.md", "zh": HERE / "GPU.zh.md"}
OURS = "cuda-c"
COLUMNS = ("cupy", "numba-cuda", OURS, "torch", "torch-compiled")

TARGETS = {"softmax": 0.8, "layer_norm": 0.8, "cross_entropy": 0.8, "bias_activation": 0.8, "adam": 0.8, "matmul": 0.7,
           "layer_norm.backward": 0.6}
"""{room or kernel: the share that cuda-c is to reach}: of the measured copy bandwidth, for matmul of cuBLAS's speed."""

Words = dict[str, str]
SAYS: dict[str, Words] = {
    "title": {"en": "# The kernels on a GPU", "zh": "# 计算核在 GPU 上的表现"},
    "other": {"en": "[中文](GPU.zh.md)", "zh": "[English](GPU.md)"},
    "intro": {
        "en": "One program checks every body on CUDA on the GPU itself and then measures: what the GPU can do at most, "
              "what each kernel makes of it, and what a training step takes. This page is written from its results, "
              "never by hand.",
        "zh": "同一个程序先在 GPU 上逐一检验所有 CUDA 写法，然后测量：GPU 最多能做到多少，每个计算核做到了多少，"
              "一个训练步要多久。本页由测量结果生成，没有一个数字是手写的。"},
    "command": {"en": "On a machine with an NVIDIA GPU:", "zh": "在装有 NVIDIA GPU 的机器上运行："},
    "nothing": {
        "en": "**Not measured yet.** Without a GPU every body is checked by the emulator, the simulator and the "
              "compiler; `tinygrad-zh kernels check` does that anywhere.",
        "zh": "**尚未测量。** 没有 GPU 时，所有写法由模拟器和编译器检验；"
              "`tinygrad-zh kernels check` 在任何机器上都能运行。"},
    "machine": {"en": "## The machine", "zh": "## 机器"},
    "fact": {"en": "fact", "zh": "项目"}, "value": {"en": "value", "zh": "值"},
    "sources": {"en": "SHA-256 of the sources", "zh": "源码的 SHA-256"},
    "correct": {"en": "## Right on the hardware", "zh": "## 在硬件上是否正确"},
    "all right": {"en": "{count} bodies were compared with their formula in float64, in {calls} calls: all agree.",
                  "zh": "{count} 种写法与 float64 的公式比较了 {calls} 次调用：全部一致。"},
    "wrong": {"en": "{count} bodies were compared with their formula in float64, in {calls} calls. These do not agree:",
              "zh": "{count} 种写法与 float64 的公式比较了 {calls} 次调用。以下不一致："},
    "left out": {"en": "Left out when the time was up: {names}.", "zh": "因时间用完而略去：{names}。"},
    "failed": {"en": "The section `{section}` failed: {error}", "zh": "`{section}` 一节失败：{error}"},
    "problem": {"en": "Could not be measured: {what}: {why}", "zh": "无法测量：{what}：{why}"},
    "sanitizer": {"en": "## compute-sanitizer", "zh": "## compute-sanitizer"},
    "tool": {"en": "tool", "zh": "工具"}, "bodies": {"en": "bodies run", "zh": "运行的写法"},
    "summary": {"en": "what it says", "zh": "结论"},
    "skipped": {"en": "Not run: {why}.", "zh": "未运行：{why}。"},
    "ceilings": {"en": "## What the GPU can do, measured in the same run", "zh": "## GPU 的上限（同一次运行中实测）"},
    "memory": {"en": "copy in memory", "zh": "显存中复制"}, "cache": {"en": "copy in the cache", "zh": "缓存中复制"},
    "table": {"en": "## Every kernel at its largest size", "zh": "## 每个计算核（最大尺寸）"},
    "table note": {
        "en": "`cupy` is the formula as CuPy composes it. The share is of the least time that the ceilings above "
              "allow: least bytes at copy speed or least operations at matrix product speed, whichever is longer; for "
              "matmul it is of cuBLAS's speed. Times are medians, the inputs are in no cache, the launches' cost to "
              "the host is not in them.",
        "zh": "`cupy` 是由 CuPy 逐个运算组合的公式。占比是指：上面的上限所允许的最短时间（按复制速度搬运最少字节，"
              "或按矩阵乘法速度完成最少运算，取较长者）除以实际时间；matmul 则是与 cuBLAS 的速度之比。"
              "时间取中位数，输入不在缓存中，不含主机启动核函数的开销。"},
    "kernel": {"en": "kernel", "zh": "计算核"}, "size": {"en": "size", "zh": "尺寸"},
    "speed": {"en": "cuda-c", "zh": "cuda-c 的速度"}, "share": {"en": "share", "zh": "占比"},
    "target": {"en": "target", "zh": "目标"},
    "met": {"en": "met", "zh": "达到"}, "not met": {"en": "**not met**", "zh": "**未达到**"},
    "versions": {"en": "### The versions on the way", "zh": "### 一步步的改进"},
    "body": {"en": "body", "zh": "写法"}, "time": {"en": "time", "zh": "时间"},
    "launches": {"en": "## What one launch costs the host", "zh": "## 启动一次的主机开销"},
    "launch": {"en": "by", "zh": "方式"},
    "crossing": {"en": "## From which size on the GPU pays", "zh": "## 从多大开始 GPU 更快"},
    "training": {"en": "## A training step", "zh": "## 一个训练步"},
    "step": {"en": "step", "zh": "训练步"},
    "roofline": {"en": "![roofline](results/pictures/gpu_roofline.en.png)",
                 "zh": "![屋顶线](results/pictures/gpu_roofline.zh.png)"},
    "crossover": {"en": "![crossover](results/pictures/gpu_crossover.en.png)",
                  "zh": "![交叉点](results/pictures/gpu_crossover.zh.png)"},
}
STEPS = {"ours": {"en": "ours", "zh": "本引擎"}, "ours, graph": {"en": "ours, CUDA graph", "zh": "本引擎，CUDA 图"},
         "PyTorch": {"en": "PyTorch", "zh": "PyTorch"}, "PyTorch, graph": {"en": "PyTorch, CUDA graph",
                                                                         "zh": "PyTorch，CUDA 图"}}
COMMAND = "```sh\npip install -e \".[gpu,plot]\"\npython -m benchmarks gpu && python -m benchmarks gpu_page\n```"


class Document:
    """The results, as the parts of the page ask for them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.machine = document.get("machine", {})
        self.sections = document.get("sections", {})
        self.rows = [(row["of"]["section"],
                      Row({k: v for k, v in row["of"].items() if k != "section"}, row["seconds"],
                          {k: v for k, v in row.items() if k not in ("of", "seconds")}))
                     for row in document.get("rows", [])]

    def found(self, section: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sections.get(section, {}).get("found", {})
        return found

    def of(self, section: str) -> list[Row]:
        return [row for belongs_to, row in self.rows if belongs_to == section]


def page(document: dict[str, Any] | None, language: str) -> str:
    """The whole page; without results it says so, and how to have them."""
    say = _speaker(language)
    parts = [say("title"), say("other"), say("intro"), say("command"), COMMAND]
    if not document:
        return "\n\n".join([*parts, say("nothing")]) + "\n"
    found = Document(document)
    for part in (_machine, _correct, _sanitizer, _ceilings, _table, _versions, _launches, _crossing, _training):
        parts += part(found, say)
    parts += _failures(found, say)
    return "\n\n".join(parts) + "\n"


Say = Callable[..., str]


def _speaker(language: str) -> Say:
    return lambda key, **values: SAYS[key][language].format(**values) if values else SAYS[key][language]


def _grid(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _machine(found: Document, say: Say) -> Iterator[str]:
    environment = found.found("environment")
    facts = {**environment.get("machine", {}), **environment.get("libraries", {}), **environment.get("clocks", {}),
             say("sources"): f"`{environment.get('sources', '–')[:16]}`"}
    yield say("machine")
    yield _grid([say("fact"), say("value")], ([fact, value] for fact, value in facts.items()))


def _correct(found: Document, say: Say) -> Iterator[str]:
    bodies = found.found("correct").get("bodies", {})
    if not bodies:
        return
    wrong = {name: verdict["problems"] for name, verdict in bodies.items() if verdict["problems"]}
    yield say("correct")
    yield say("wrong" if wrong else "all right", count=len(bodies), calls=sum(v["calls"] for v in bodies.values()))
    if wrong:
        yield "\n".join(f"- `{name}`: {'; '.join(problems)}" for name, problems in wrong.items())


def _sanitizer(found: Document, say: Say) -> Iterator[str]:
    tools = found.found("sanitizer")
    if not tools:
        return
    yield say("sanitizer")
    if "skipped" in tools:
        yield say("skipped", why=tools["skipped"])
        return
    yield _grid([say("tool"), say("bodies"), say("summary")],
                ([tool, str(each["bodies"]), each["summary"]] for tool, each in tools.items()))


def _ceilings(found: Document, say: Say) -> Iterator[str]:
    ceilings = found.found("ceilings")
    if ceilings:
        yield say("ceilings")
        yield _grid([say("fact"), say("value")],
                    ([say(name) if name in SAYS else name, units.rate(value, "B" if name in SAYS else "FLOP")]
                     for name, value in ceilings.items()))


def _table(found: Document, say: Say) -> Iterator[str]:
    ceilings, largest = found.found("ceilings"), _largest(found.of("table") + found.of("compiled"))
    if not largest or not ceilings:
        return
    yield say("table")
    yield say("table note")
    head = [say("kernel"), say("size"), *COLUMNS, say("speed"), say("share"), say("target"), ""]
    yield _grid(head, (_kernel(kernel, rows, ceilings, say) for kernel, rows in largest.items()))
    yield say("roofline")


def _largest(rows: list[Row]) -> dict[str, dict[str, Row]]:
    """{kernel: {body: row}} at each kernel's largest size, in float32."""
    found: dict[str, dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: row.figures["bytes"]):
        if row.of["dtype"] == "float32":
            same = found.setdefault(row.of["kernel"], {})
            if same and next(iter(same.values())).of["size"] != row.of["size"]:
                same.clear()
            same[row.of["body"]] = row
    return dict(sorted((kernel, _with_ours(rows)) for kernel, rows in found.items()))


def _with_ours(rows: dict[str, Row]) -> dict[str, Row]:
    """Where no body is plainly "cuda-c", the last version stands for it."""
    versions = [name for name in rows if name.startswith(f"{OURS}-")]
    return rows | ({OURS: rows[versions[-1]]} if versions and OURS not in rows else {})


def _kernel(kernel: str, rows: dict[str, Row], ceilings: dict[str, float], say: Say) -> list[str]:
    times = [units.duration(rows[name].seconds) if name in rows else "–" for name in COLUMNS]
    size = "×".join(map(str, next(iter(rows.values())).of["size"]))
    ours = rows.get(OURS)
    if ours is None:
        return [f"`{kernel}`", size, *times, "–", "–", "–", ""]
    share = share_of(kernel, ours, rows.get("cupy"), ceilings)
    bound = ours.figures["flops"] / ceilings["matmul float32"] > ours.figures["bytes"] / ceilings["memory"]
    speed = units.rate(ours.figures["flops" if bound else "bytes"] / ours.seconds, "FLOP" if bound else "B")
    target = TARGETS.get(kernel, TARGETS.get(kernel.partition(".")[0]))
    verdict = "" if target is None else say("met" if share >= target else "not met")
    return [f"`{kernel}`", size, *times, speed, f"{share:.0%}", "–" if target is None else f"≥ {target:.0%}", verdict]


def share_of(kernel: str, ours: Row, cupy: Row | None, ceilings: dict[str, float]) -> float:
    """The least time over the time taken; for matmul, cuBLAS's time over ours."""
    if kernel.startswith("matmul.") and cupy is not None:
        return cupy.seconds / ours.seconds
    least = max(ours.figures["bytes"] / ceilings["memory"], ours.figures["flops"] / ceilings["matmul float32"])
    return least / ours.seconds


def _versions(found: Document, say: Say) -> Iterator[str]:
    """The ladders: what each version makes of the largest size."""
    ends = ("cupy", "numba-cuda", OURS)
    ladders = {kernel: [row for name, row in rows.items() if VERSION.search(name) or name == row.of["body"] in ends]
               for kernel, rows in _largest(found.of("table")).items() if any(map(VERSION.search, rows))}
    if ladders:
        yield say("versions")
        yield _grid([say("kernel"), say("body"), say("time")],
                    ([f"`{kernel}`", f"`{row.of['body']}`", units.duration(row.seconds)]
                     for kernel, rows in ladders.items() for row in rows))


def _launches(found: Document, say: Say) -> Iterator[str]:
    rows = found.of("launches")
    if rows:
        yield say("launches")
        yield _grid([say("launch"), say("time")], ([row.of["launch"], units.duration(row.seconds)] for row in rows))


def _crossing(found: Document, say: Say) -> Iterator[str]:
    if found.of("crossover"):
        yield say("crossing")
        yield say("crossover")


def _training(found: Document, say: Say) -> Iterator[str]:
    rows = found.of("training")
    if not rows:
        return
    language = "zh" if say("time") == SAYS["time"]["zh"] else "en"
    tasks = list(dict.fromkeys(row.of["task"] for row in rows))
    times = {(row.of["task"], row.of["step"]): units.duration(row.seconds) for row in rows}
    yield say("training")
    yield _grid([say("step"), *tasks], ([STEPS[way][language], *(times.get((task, way), "–") for task in tasks)]
                                        for way in STEPS if any((task, way) in times for task in tasks)))


def _failures(found: Document, say: Say) -> Iterator[str]:
    """What is not on the page, and why."""
    for name, section in found.sections.items():
        if "error" in section:
            yield say("failed", section=name, error=section["error"])
        if left_out := section.get("found", {}).get("left_out"):
            yield say("left out", names=", ".join(left_out))
        problems = section.get("found", {}).get("problems")
        if isinstance(problems, dict) and problems:
            yield "\n".join(f"- {say('problem', what=what, why=why)}" for what, why in problems.items())


# ---- pictures


def pictures(document: dict[str, Any], folder: Path = PICTURES) -> Iterator[Path]:
    """The roofline and the crossovers, in both languages, of what was measured."""
    found = Document(document)
    ceilings = found.found("ceilings")
    table = [row for row in found.of("table") if row.of["dtype"] == "float32" and row.of["body"] in COLUMNS]
    for language in PAGES:
        with in_language(language):
            gpu = found.machine.get("gpu", "GPU")
            if table and ceilings:
                bandwidths = {text("plot.memory"): ceilings["memory"], text("plot.cache"): ceilings["cache"]}
                yield roofline(points(table), bandwidths, ceilings["matmul float32"],
                               folder / f"gpu_roofline.{language}.png", title=f"{gpu}, float32")
            if found.of("crossover"):
                moved = text("plot.with_transfers")
                pairs = [(here, f"{there}{way}") for here, there in (("numba", OURS), ("numpy", "cupy"))
                         for way in ("", f" {moved}")]
                yield crossover(races(_named(found.of("crossover")), pairs), folder / f"gpu_crossover.{language}.png",
                                title=f"{found.machine.get('processor', 'CPU')} – {gpu}, float32")


def _named(rows: list[Row]) -> list[Row]:
    """A body's name with where it ran and whether the way there and back is in its time."""
    return [Row({**row.of, "body": " ".join([row.of["body"], *([text("plot.with_transfers")] if "transfers" in row.of
                                                               else [])])}, row.seconds, row.figures) for row in rows]


def read(path: Path = RESULTS) -> dict[str, Any] | None:
    """The results; None where nothing was measured yet."""
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def main() -> int:
    document = read()
    for language, path in PAGES.items():
        path.write_text(page(document, language), encoding="utf-8")
        print(path.relative_to(ROOT))
    for picture in pictures(document) if document else ():
        print(picture.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
