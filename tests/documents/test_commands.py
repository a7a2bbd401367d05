"""The commands formulas and summary, and the table of systems."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.cli import main
from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.i18n import catalogue
from tinygrad_zh.ops.conventions import CONVENTIONS
from tinygrad_zh.ops.formula import all_ops, formula, source

Capture = pytest.CaptureFixture[str]


def shown(capsys: Capture, *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("language", ["zh", "en"])
def test_formulas_lists_every_op_once(capsys: Capture, language: str) -> None:
    lines = shown(capsys, "--lang", language, "formulas", "--ops").splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line.strip()]
    assert listed[: len(all_ops())] == [op.__name__ for op in all_ops()]
    assert any("S 型函数" in line for line in lines) == (language == "zh")


def test_formulas_shows_one_op_with_its_own_code(capsys: Capture) -> None:
    page = shown(capsys, "--lang", "en", "formulas", "log_softmax")
    op = tz.functional.log_softmax
    assert formula(op).forward in page
    assert all(partial in page for partial in formula(op).partials)
    assert "def forward(x, *, axis=-1):" in page
    assert "def backward(dy, y, *, axis):" in page


@pytest.mark.parametrize("op", all_ops(), ids=lambda op: op.__name__)
def test_the_source_of_every_op_is_python(op: type) -> None:
    compile(source(op), op.__name__, "exec")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_formulas_edges_shows_every_convention_and_its_reason(capsys: Capture, language: str) -> None:
    page = shown(capsys, "--lang", language, "formulas", "--edges")
    for row in CONVENTIONS:
        assert row.formula in page
        assert (row.zh if language == "zh" else row.en) in page


def test_an_unknown_op_names_close_ones(capsys: Capture) -> None:
    assert main(["--lang", "en", "formulas", "sigmod"]) == 1
    assert "Sigmoid" in capsys.readouterr().err


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_a_network_that_takes_its_input(name: str) -> None:
    system = import_module(SYSTEMS[name])
    tz.manual_seed(0)
    network = system.network()
    assert network(np.zeros(system.INPUT, getattr(system, "INPUT_DTYPE", np.float32))).shape[0] == system.INPUT[0]
    assert f"system.{name}" in catalogue()
    assert inspect.signature(system.run).parameters.keys() == {"options"}


def test_summary_of_a_system(capsys: Capture) -> None:
    page = shown(capsys, "--lang", "en", "summary", "s3")
    assert "100,480" in page
    assert "101,770" in page
    assert "(1, 128)" in page


def test_summary_of_a_saved_file(capsys: Capture, tmp_path: Path) -> None:
    tz.save({"0.W": np.zeros((3, 2), np.float32), "0.b": np.zeros(2)}, tmp_path / "m.safetensors")
    page = shown(capsys, "--lang", "en", "summary", str(tmp_path / "m.safetensors"))
    assert "(3, 2)" in page
    assert "float32" in page
    assert "2 tensors, 8 numbers" in page


def test_summary_of_what_is_neither(capsys: Capture) -> None:
    assert main(["--lang", "en", "summary", "s99"]) == 1
    assert "s3" in capsys.readouterr().err
