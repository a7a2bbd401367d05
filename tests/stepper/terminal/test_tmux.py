"""A real terminal: tmux draws the screen in its cells, and Chinese columns line up in them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stepper.samples import trace
from tinygrad_zh.i18n import display_width

ROOT = Path(__file__).parents[3]
PROGRAM = "import sys; from tinygrad_zh.stepper import load; load(sys.argv[1]).show(int(sys.argv[2]))"


class Terminal:
    """A tmux session of its own server, with the stepper in it."""

    def __init__(self, folder: Path, file: Path, step: int, columns: int, rows: int) -> None:
        self.socket = str(folder / "tmux")
        environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]), "TINYGRAD_ZH_LANG": "zh",
                       "OPENBLAS_NUM_THREADS": "1"}
        settings = [f"{name}={value}" for name, value in environment.items()]
        program = [sys.executable, "-c", PROGRAM, str(file), str(step)]
        command = shlex.join(["env", "-u", "COLUMNS", "-u", "LINES", *settings, *program])
        self.tmux("-f", os.devnull, "new-session", "-d", "-s", "s", "-x", str(columns), "-y", str(rows), command)

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], capture_output=True, text=True, check=True,
                              encoding="utf-8", timeout=60)
        return done.stdout

    def lines_with(self, words: str) -> list[str]:
        """The screen, as soon as these words are on it."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            screen = self.tmux("capture-pane", "-p", "-t", "s")
            if words in screen:
                return screen.splitlines()
        raise AssertionError(f"{words!r} did not come; the screen is\n{screen}")


@pytest.fixture
def terminal(tmp_path):
    pytest.importorskip("textual", reason="Textual is not installed (the extra ui)")
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    trace("s6").save_json(tmp_path / "s6.json")
    opened = Terminal(tmp_path, tmp_path / "s6.json", 20, 100, 30)
    yield opened
    subprocess.run(["tmux", "-S", opened.socket, "kill-server"], capture_output=True, check=False)


def test_columns_align_under_chinese(terminal):
    lines = terminal.lines_with("◆")
    assert any("矩阵乘法" in line for line in lines)
    edges = [line for line in lines if "│" in line]
    assert len(edges) == 30 - 3
    assert {display_width(line[: line.index("│")]) for line in edges} == {39}
    numbers = [line for line in lines if " 所选元素 " in line or " 数值检验 " in line]
    assert len({display_width(line[: line.index(each)]) for line, each in zip(numbers, ["∂L/∂layers", "数值结果"],
                                                                               strict=True)}) == 1
    terminal.tmux("send-keys", "-t", "s", "Right")
    assert any("步 21/" in line for line in terminal.lines_with("步 21/"))
    terminal.tmux("send-keys", "-t", "s", "L")
    english = terminal.lines_with("step 21/")
    assert {display_width(line[: line.index("│")]) for line in english if "│" in line} == {39}
