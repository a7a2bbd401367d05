"""The command unroll: systems and programs of one's own as NumPy programs, and what it says of bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_zh.cli import main

Capture = pytest.CaptureFixture[str]

PROGRAM = """
import sys
import numpy as np
import tinygrad_zh as tz
from tinygrad_zh import functional as F, nn

tz.manual_seed(0)
model = nn.Sequential(nn.Dense(3, 40), nn.Tanh(), nn.Dense(40, 1))
optimizer = tz.optim.Adam(model.parameters(), lr=0.1)
x, y = np.ones((4, 3), np.float32), np.zeros((4, 1), np.float32)

def loss():
    return F.mse_loss(model(x), y)

def nothing():
    pass

def fails():
    raise KeyError("no such thing")

if __name__ == "__main__":
    for epoch in range(3):
        optimizer.zero_grad()
        L = loss()
        L.backward()
        optimizer.step()
        print("epoch", epoch, *sys.argv[1:])
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def unrolled(capsys: Capture, *words: str, lang: str = "en") -> str:
    assert main(["--lang", lang, "unroll", *words]) == 0
    return capsys.readouterr().out


def ran(text: str, folder: Path) -> str:
    """What the program prints, in a process without the engine."""
    path = folder / "plain.py"
    path.write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, check=True).stdout


def test_s6_unless_another_is_named(capsys: Capture) -> None:
    assert unrolled(capsys) == unrolled(capsys, "s6")


@pytest.mark.parametrize(("lang", "title"), [("en", "Backward"), ("zh", "反向传播")])
def test_a_system_in_both_languages(lang: str, title: str, capsys: Capture, tmp_path: Path) -> None:
    text = unrolled(capsys, "s5", lang=lang)
    assert f"# ---- {title} ---" in text
    assert ran(text, tmp_path).startswith("L = 2.19")


def test_a_program_of_ones_own_is_its_first_step(program: Path, capsys: Capture, tmp_path: Path) -> None:
    """What the program prints itself is no part of the text."""
    assert main(["--lang", "en", "unroll", str(program), "--", "and more"]) == 0
    said = capsys.readouterr()
    assert "epoch" not in said.out and "epoch 0 and more" in said.err
    assert said.out.count("# Adam: m") == 1 and "W2 = W2 - lr * m_hat" in said.out
    assert "t = np.asarray(t + 1.0)" in said.out
    assert said.out.count("\nloss = ") == 1
    assert ran(said.out, tmp_path).startswith("loss = ")


def test_a_function_that_returns_a_loss(program: Path, capsys: Capture, tmp_path: Path) -> None:
    text = unrolled(capsys, f"{program}:loss")
    assert "dW1 = x.T @ dz1" in text and "Update" not in text
    assert ran(text, tmp_path).startswith("loss = ")


def test_into_a_file(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "s6.py"
    assert str(out) in unrolled(capsys, "s6", "--out", str(out))
    assert out.read_text(encoding="utf-8") == unrolled(capsys, "s6")


def test_a_terminal_is_spared_the_large_arrays(program: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = unrolled(capsys, f"{program}:loss")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["--lang", "en", "unroll", f"{program}:loss"]) == 0
    said = capsys.readouterr()
    assert whole.startswith(said.out.rstrip()) and "# stored W1" not in said.out
    assert "KiB" in said.err and "--out FILE" in said.err


@pytest.mark.parametrize(("words", "said"), [
    ("s99", "neither a system"),
    ("missing.py", "neither a system"),
    ("{program}:absent", "has no function absent"),
    ("{program}:nothing", "computes nothing with the engine"),
    ("{program}:fails", "line 19: KeyError: 'no such thing'"),
    ("{empty}", "No op of tinygrad_zh ran"),
    ("{broken}", "line 1"),
])  # fmt: skip
def test_what_cannot_be_unrolled_is_said_in_a_sentence(words: str, said: str, program: Path, tmp_path: Path,
                                                       capsys: Capture) -> None:
    empty, broken = tmp_path / "empty.py", tmp_path / "broken.py"
    empty.write_text("print('nothing')\n", encoding="utf-8")
    broken.write_text("def (\n", encoding="utf-8")
    assert main(["--lang", "en", "unroll", words.format(program=program, empty=empty, broken=broken)]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line != "nothing"]
    assert len(error) == 1 and error[0].startswith("error: ") and said in error[0]
