"""Debuggers stop on a formula's line, with its arrays, a few frames below loss.backward(): pdb and an editor's."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tinygrad_zh import functional as F

ROOT = Path(__file__).resolve().parents[1]
PROGRAM, SESSION = re.search(
    r"```python\n(.*?)```\n\n```console\n\$ python -m pdb sigmoid\.py\n(.*?)```",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S,
).groups()  # type: ignore[union-attr]
FRAMES = ["backward", "walk", "_contributions", "<lambda>"]  # from loss.backward() down to the formula

needs_debugpy = pytest.mark.skipif(find_spec("debugpy") is None, reason="debugpy is not installed")


def line_of(function: Any, text: str) -> int:
    """The number of the line of a function that holds a text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def environment(package: Path = ROOT) -> dict[str, str]:
    """Where a program finds the package in one folder."""
    path = [str(package), str(ROOT / "kernels"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "sigmoid.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


# ---- pdb


def pdb(program: Path, *commands: str) -> list[str]:
    """What pdb prints at its start and after each command, with paths cut to the folder of the program or package."""
    done = subprocess.run(
        [sys.executable, "-m", "pdb", program], input="\n".join([*commands, ""]), cwd=program.parent,
        capture_output=True, encoding="utf-8", env=environment(), check=False,
    )
    assert done.stderr == ""
    printed = done.stdout.replace(f"{program.parent.resolve()}{os.sep}", "…/").replace(f"{ROOT}{os.sep}", "…/")
    return printed.split("(Pdb) ")


def test_the_session_in_contributing_is_what_pdb_prints(program: Path) -> None:
    start, *turns = re.split(r"^\(Pdb\) ", SESSION, flags=re.M)
    commands, shown = zip(*[turn.split("\n", 1) for turn in turns], strict=True)
    printed = pdb(program, *commands)
    assert len(printed) == 1 + len(commands)
    for expected, actual in zip((start, *shown), printed, strict=True):
        assert without_numbers(actual).endswith(without_numbers(expected.removeprefix("…\n")))
        assert expected.startswith("…\n") or len(expected.splitlines()) == len(actual.splitlines())


def without_numbers(printed: str) -> str:
    """pdb's text without line numbers; those of CONTRIBUTING may be of another version."""
    return re.sub(r"(\.py[:(])\d+", r"\1", printed)


def test_pdb_shows_the_arrays_and_few_frames(program: Path) -> None:
    number = line_of(F.sigmoid.backward, "return")
    stop, dy, y, where = pdb(program, f"break tinygrad_zh/ops/activation.py:{number}", "continue",
                             "p dy", "p y", "where", "quit")[2:6]
    assert stop == f"> …/tinygrad_zh/ops/activation.py({number})backward()\n-> return dy * y * (1 - y)\n"
    assert dy == "array([1., 1.], dtype=float32)\n"
    assert y == "array([0.5, 1. ], dtype=float32)\n"
    below = where.partition("-> loss.backward()\n")[2].splitlines()
    assert [re.search(r"\)([^()]+)\(\)$", frame)[1] for frame in below[::2]] == [*FRAMES, "backward"]  # type: ignore[index]
    assert all(code.startswith("-> ") for code in below[1::2]), "every frame shows its line"
    assert below[6] == "  <Sigmoid.backward(upstream[0], saved[0])>(1)<lambda>()"


def test_pdb_stops_in_a_forward_too(program: Path) -> None:
    printed = pdb(program, "until 4", "break F.sigmoid.forward", "continue", "args", "where", "quit")
    assert printed[4] == "x = array([  0., 100.], dtype=float32)\n"
    below = printed[5].partition("-> loss = F.sum(F.sigmoid(x))\n")[2].splitlines()
    assert [re.search(r"\)([^()]+)\(\)$", frame)[1] for frame in below[::2]] == ["__call__", "forward"]  # type: ignore[index]


def test_a_breakpoint_can_wait_for_an_array(program: Path) -> None:
    for condition, stops in [("y.max() > 0.9", True), ("y.max() > 1.1", False)]:
        printed = pdb(program, "until 4", f"break F.sigmoid.backward, {condition}", "continue", "quit")
        assert ("(57)backward()" in re.sub(r"\d+", "57", printed[3])) == stops


# ---- an editor's debugger: the Debug Adapter Protocol


class Editor:
    """What an editor says to debugpy: JSON messages, each with a header that tells its length."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.sent = 0
        self.waiting: list[dict[str, Any]] = []

    def send(self, command: str, **arguments: Any) -> int:
        self.sent += 1
        message = {"seq": self.sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        return self.sent

    def receive(self, **wanted: Any) -> dict[str, Any]:
        """The next message with these entries; others wait."""
        for message in self._messages():
            if wanted.items() <= message.items():
                self.waiting = [other for other in self.waiting if other is not message]
                return message
            self.waiting += [message] * (message not in self.waiting)
        raise AssertionError(f"debugpy went away before {wanted}")

    def _messages(self) -> Iterator[dict[str, Any]]:
        yield from list(self.waiting)
        while header := self.process.stdout.readline():  # type: ignore[union-attr]
            self.process.stdout.readline()  # type: ignore[union-attr]
            yield json.loads(self.process.stdout.read(int(header.partition(b":")[2])))  # type: ignore[union-attr]

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        answer = self.receive(request_seq=self.send(command, **arguments))
        assert answer["success"], answer
        return answer.get("body", {})

    def frames(self) -> list[dict[str, Any]]:
        """The stack where the program stopped, innermost frame first."""
        thread = self.receive(event="stopped")["body"]["threadId"]
        return self.ask("stackTrace", threadId=thread)["stackFrames"]

    def variables(self, frame: dict[str, Any]) -> dict[str, str]:
        scopes = self.ask("scopes", frameId=frame["id"])["scopes"]
        reference = next(scope["variablesReference"] for scope in scopes if scope["name"] == "Locals")
        return {v["name"]: v["value"] for v in self.ask("variables", variablesReference=reference)["variables"]}


@contextmanager
def debugging(program: Path, package: Path, line: int, *, my_code: bool) -> Iterator[tuple[Editor, dict[str, Any]]]:
    """A program started as an editor starts it, with one breakpoint in activation.py, and what became of that."""
    process = subprocess.Popen([sys.executable, "-m", "debugpy.adapter"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(package))
    guard = threading.Timer(120, process.kill)  # a debugger that hangs is a failure, not a test without an end
    guard.start()
    editor = Editor(process)
    try:
        editor.ask("initialize", adapterID="debugpy")
        editor.send("launch", program=str(program), python=[sys.executable], console="internalConsole",
                    justMyCode=my_code, env=environment(package))
        editor.receive(event="initialized")
        found = editor.ask("setBreakpoints", source={"path": str(package / "tinygrad_zh" / "ops" / "activation.py")},
                           breakpoints=[{"line": line}])
        editor.ask("configurationDone")
        yield editor, found["breakpoints"][0]
    finally:
        editor.send("disconnect", terminateDebuggee=True)
        process.communicate()
        guard.cancel()


@needs_debugpy
def test_an_editor_stops_on_the_formula_with_its_arrays(program: Path) -> None:
    number = line_of(F.sigmoid.backward, "return")
    with debugging(program, ROOT, number, my_code=False) as (editor, breakpoint):
        assert breakpoint["verified"]
        stack = editor.frames()
        assert [frame["name"] for frame in stack][:6] == ["backward", *reversed(FRAMES), "<module>"]
        assert (stack[0]["line"], stack[5]["line"]) == (number, 6)
        assert editor.variables(stack[0]) == {
            "dy": "array([1., 1.], dtype=float32)", "y": "array([0.5, 1. ], dtype=float32)"}
        source = editor.ask("source", sourceReference=stack[1]["source"]["sourceReference"])
        assert source["content"] == "lambda body, upstream, saved, attributes: body(upstream[0], saved[0])"


@needs_debugpy
def test_an_editor_stops_in_a_forward_too(program: Path) -> None:
    number = line_of(F.sigmoid.forward, "return")
    with debugging(program, ROOT, number, my_code=True) as (editor, breakpoint):
        assert breakpoint["verified"]
        stack = editor.frames()
        assert [frame["name"] for frame in stack] == ["forward", "__call__", "<module>"]
        assert editor.variables(stack[0])["x"] == "array([  0., 100.], dtype=float32)"


@needs_debugpy
@pytest.mark.parametrize("my_code", [True, False])
def test_just_my_code_hides_an_installed_package(program: Path, tmp_path: Path, my_code: bool) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(ROOT / "tinygrad_zh", installed / "tinygrad_zh", ignore=shutil.ignore_patterns("__pycache__"))
    with debugging(program, installed, line_of(F.sigmoid.backward, "return"), my_code=my_code) as (editor, breakpoint):
        assert breakpoint["verified"] != my_code
        if my_code:
            assert "justMyCode" in breakpoint["message"]
            editor.receive(event="terminated")
        else:
            assert editor.frames()[0]["name"] == "backward"
