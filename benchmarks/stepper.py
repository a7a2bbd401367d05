"""What the stepper costs: recording, building a document, its file, and a step of the page and of the terminal.

Recording is measured as benchmarks/tape.py measures the tape: one op more of a chain, forward and backward, in
interleaved rounds. "off" is the engine as it is, beyond the same engine with every mention of the tape cut out.
The page is opened from its file in Chromium, in a fresh context each time; a step is timed from the key press until
its frame is painted, which includes the wait for the next frame. What needs playwright, Chromium or textual is
reported as absent where they are.

    python benchmarks/stepper.py [--json] [--rounds N]

Exits with 1 where a budget is exceeded.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import inspect
import json
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from benchmarks.tape import both_engine, marginal  # noqa: E402
from tests.stepper import samples  # noqa: E402
from tests.stepper.browser.screen import ARGUMENTS, program  # noqa: E402
from tinygrad_zh.core import walk  # noqa: E402
from tinygrad_zh.core.op import OpMeta  # noqa: E402

DOCUMENTS = {"mlp30": "121 ops", "blocks250": "1,001 ops"}
STEPS = 40
OPENINGS = 5


class Budget(NamedTuple):
    """The most that a figure may be; None where it is only told."""

    unit: str
    most: float | None = None


FIGURES = {
    "recording off": Budget("µs an op", 0.1),
    "recording on": Budget("µs an op"),
    "mlp30: document": Budget("ms"),
    "mlp30: JSON": Budget("KiB"),
    "mlp30: HTML": Budget("KiB", 200),
    "mlp30: page ready": Budget("ms", 400),
    "mlp30: a step of the page": Budget("ms", 50),
    "mlp30: nodes drawn": Budget("", 60),
    "mlp30: a step of the terminal": Budget("ms"),
    "blocks250: document": Budget("ms"),
    "blocks250: JSON": Budget("KiB"),
    "blocks250: HTML": Budget("KiB", 1024),
    "blocks250: page ready": Budget("ms"),
    "blocks250: a step of the page": Budget("ms", 50),
    "blocks250: nodes drawn": Budget("", 60),
    "blocks250: a step of the terminal": Budget("ms"),
}


# ---- the engine without its tape


class _Cut(ast.NodeTransformer):
    """There is no tape: what asks whether there is one is gone, and what it would do then."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Constant(None) if ast.unparse(node) == "mode.tape" else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return node.body if ast.unparse(node.test) == "tape is None" else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        self.generic_visit(node)
        return None if ast.unparse(node.test) == "tape is not None" else node


def without_tape(function: FunctionType) -> CodeType:
    """The function's code with every mention of the tape cut out."""
    tree = _Cut().visit(ast.parse(textwrap.dedent(inspect.getsource(function))))
    names: dict[str, Any] = dict(function.__globals__)
    exec(compile(ast.fix_missing_locations(tree), function.__code__.co_filename, "exec"), names)
    return names[function.__name__].__code__


ON_THE_WAY: tuple[Any, ...] = (OpMeta.__call__, walk._contributions)
CUT = tuple(without_tape(function) for function in ON_THE_WAY)


@contextmanager
def tapeless() -> Iterator[None]:
    """An engine that never heard of a tape."""
    kept = [function.__code__ for function in ON_THE_WAY]
    for function, code in zip(ON_THE_WAY, CUT, strict=True):
        function.__code__ = code
    try:
        yield
    finally:
        for function, code in zip(ON_THE_WAY, kept, strict=True):
            function.__code__ = code


def recording(rounds: int) -> dict[str, float]:
    """Microseconds that one op more takes, beyond the engine without a tape."""
    samples = []
    for _ in range(rounds):
        with tapeless():
            bare = marginal(both_engine)
        off = marginal(both_engine)
        with tz.record():
            on = marginal(both_engine)
        samples.append((bare, off, on))
    bare, off, on = (statistics.median(column) for column in zip(*samples, strict=True))
    return {"recording off": off - bare, "recording on": on - bare}


# ---- documents and their files


def documents(folder: Path) -> dict[str, float]:
    """Milliseconds to build each document, values shown and checks included, and KiB of its two files."""
    figures = {}
    for name in DOCUMENTS:
        times = []
        for _ in range(3):
            trace = samples.trace(name)
            start = time.perf_counter()
            trace.document()
            times.append(time.perf_counter() - start)
        figures[f"{name}: document"] = statistics.median(times) * 1e3
        trace.save_json(folder / f"{name}.json")
        with redirect_stdout(None):  # it says where the page is
            trace.save_html(folder / f"{name}.html")
        figures[f"{name}: JSON"] = (folder / f"{name}.json").stat().st_size / 1024
        figures[f"{name}: HTML"] = (folder / f"{name}.html").stat().st_size / 1024
    return figures


# ---- the page


ONE_STEP = """() => new Promise(done => {
    const start = performance.now();
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
    requestAnimationFrame(() => { const {port1, port2} = new MessageChannel();
        port1.onmessage = () => done(performance.now() - start); port2.postMessage(0); });
})"""


def page(folder: Path) -> dict[str, float]:
    """Milliseconds until the page is ready, milliseconds a step, and the nodes of the graph that are drawn."""
    from playwright.sync_api import sync_playwright

    figures = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        for name in DOCUMENTS:
            ready, steps, nodes = [], [], 0
            for _ in range(OPENINGS):
                context = browser.new_context(viewport={"width": 1280, "height": 800})
                tab = context.new_page()
                start = time.perf_counter()
                tab.goto((folder / f"{name}.html").as_uri())
                tab.wait_for_selector("body[data-ready]")
                ready.append(time.perf_counter() - start)
                steps += [tab.evaluate(ONE_STEP) for _ in range(STEPS)]
                if tab.locator("body").get_attribute("data-step") != str(STEPS):
                    raise RuntimeError(f"{STEPS} key presses did not go to step {STEPS} of {name}")
                for tenth in "0123456789":
                    tab.keyboard.press(tenth)
                    nodes = max(nodes, tab.locator(".node").count())
                context.close()
            figures[f"{name}: page ready"] = statistics.median(ready) * 1e3
            figures[f"{name}: a step of the page"] = statistics.median(steps)
            figures[f"{name}: nodes drawn"] = nodes
        browser.close()
    return figures


# ---- the terminal


def terminal() -> dict[str, float]:
    """Milliseconds from a key's action until the terminal has drawn it and is idle."""
    from tinygrad_zh.stepper.terminal.app import Stepper

    async def steps(name: str) -> list[float]:
        app = Stepper(samples.trace(name).document().data)
        times = []
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            for _ in range(STEPS):
                start = time.perf_counter()
                app.action_do("next", "right")
                await pilot.pause()
                times.append(time.perf_counter() - start)
        return times

    return {f"{name}: a step of the terminal": statistics.median(asyncio.run(steps(name))) * 1e3
            for name in DOCUMENTS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300, help="repeats of the chain that is recorded")
    parser.add_argument("--json", action="store_true", help="also write benchmarks/results/stepper.json")
    arguments = parser.parse_args()

    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        figures = recording(arguments.rounds) | documents(Path(folder))
        if find_spec("playwright") and program():
            figures |= page(Path(folder))
        if find_spec("textual"):
            figures |= terminal()
    print(f"\n{'the stepper':<44}{'measured':>10}{'budget':>10}")
    passed = True
    for name, (unit, most) in FIGURES.items():
        measured = f"{figures[name]:10.2f}" if name in figures else f"{'absent':>10}"
        within = most is None or figures.get(name, 0) <= most
        passed &= within
        verdict = "" if most is None or name not in figures else "PASS" if within else "FAIL"
        print(f"{name:<44}{measured}{'' if most is None else f'{most:g}':>10}  {unit:<9} {verdict}".rstrip())
    if arguments.json:
        path = ROOT / "benchmarks" / "results" / "stepper.json"
        results = {"machine": machine(), "rounds": arguments.rounds, "documents": DOCUMENTS,
                   "figures": {name: round(value, 3) for name, value in figures.items()}}
        path.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"\n{path.relative_to(ROOT)}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
