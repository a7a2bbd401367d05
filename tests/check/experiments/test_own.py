"""A gradient of the user's own, from a file."""

from __future__ import annotations

import pytest

from tinygrad_zh import cli

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")

SCALAR = """
import numpy as np
from neighbour import half

inputs = np.array([[1.0, -2.0], [0.5, 3.0]])

def f(x):
    return half * (x**2).sum()

def gradient(x):
    return {}
"""
PAIR = """
import numpy as np

inputs = np.array([1.0, -2.0]), np.array([0.5, 3.0])

def f(a, b):
    return a * np.sin(b)

def gradient(dy, a, b):
    return dy * np.sin(b), dy * a * np.cos(b)
"""
TENSORS = """
import numpy as np
from tinygrad_zh import functional as F

inputs = np.array([1.0, -2.0])
f = F.tanh
"""


@pytest.fixture
def check(tmp_path, capsys):
    """Run `tinygrad-zh check own` on a source: its status and what it said."""
    (tmp_path / "neighbour.py").write_text("half = 0.5\n")

    def run(source, *words, language="en"):
        path = tmp_path / "mine.py"
        path.write_text(source)
        status = cli.main(["--lang", language, "check", "own", str(path), *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_right_and_wrong(check):
    assert check(SCALAR.format("x"))[0] == 0
    status, said = check(SCALAR.format("2 * x"))
    assert status == 1 and "2 times what it should be" in said
    assert "正确值的 2 倍" in check(SCALAR.format("2 * x"), language="zh")[1]


def test_several_inputs_and_functions_of_tensors(check):
    status, said = check(PAIR)
    assert status == 0 and "4 elements" in said
    assert check(PAIR.replace("np.cos(b)", "np.sin(b)"))[0] == 1
    assert check(TENSORS)[0] == 0


def test_a_picture(check, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "mine.svg"
    assert str(path) in check(PAIR, "--out", str(path))[1]
    assert path.exists()


def test_what_a_file_lacks(check, capsys):
    status, said = check("def f(x):\n    return x\n")
    assert status == 1 and "defines no inputs" in said
    assert "defines no f, inputs" in check("")[1]
    assert cli.main(["--lang", "en", "check", "own", "nowhere.py"]) == 1
    assert "No such file" in capsys.readouterr().err
    assert cli.main(["--lang", "en", "check", "own", "readme.txt"]) == 1
    assert "defines no f, inputs" in capsys.readouterr().err
