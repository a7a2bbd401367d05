"""`tinygrad-zh warmup`: what is compiled stays on disk, is found again, and is removed when asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zh.cli import main
from tinygrad_zh.documents import warmup_command
from tinygrad_zh.program import stored
from tinygrad_zh.train import compiling
from tinygrad_zh.train.step import Compiled

pytest.importorskip("numba")

ROOT = Path(__file__).parents[2]

FEW = """
import sys
from tinygrad_zh import cli
from tinygrad_zh.documents import warmup_command
every = warmup_command._parts
def few():
    for name, compile_it in every():
        if name in ("activation.relu_forward", "S5"):
            yield name, compile_it
            if name in sys.argv[2:]:
                raise KeyboardInterrupt
warmup_command._parts = few
sys.exit(cli.main(["--lang", "en", "warmup", *sys.argv[1].split()]))
"""
"""The command, with one kernel and one system's step."""


def warmup(folder, options="", *interrupted):
    """(status, output, errors) of a process whose compiled functions are in this folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "NUMBA_NUM_THREADS": "1",
                   "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    done = subprocess.run([sys.executable, "-c", FEW, options, *interrupted], env=environment, capture_output=True,
                          text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def compiled(folder):
    """When each file of machine code was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}


@pytest.mark.slow  # it compiles
def test_compiled_once_interrupted_or_not_and_removed(tmp_path):
    status, _, told = warmup(tmp_path, "", "activation.relu_forward")
    some = compiled(tmp_path)
    assert status == 130 and "nterrupted" in told and some

    status, out, _ = warmup(tmp_path)
    every = compiled(tmp_path)
    assert status == 0 and "Compiled in" in out and str(tmp_path / "tinygrad_zh") in out
    assert some.items() < every.items()  # what there was is not compiled again

    status, out, _ = warmup(tmp_path)
    assert status == 0 and "compiled already" in out
    assert compiled(tmp_path) == every

    lost = next(path for path in tmp_path.rglob("compiled_*.nbc"))
    lost.unlink()
    status, out, _ = warmup(tmp_path)
    assert status == 0 and "Compiled in" in out
    assert compiled(tmp_path).keys() == every.keys() and lost.exists()

    foreign = [tmp_path / "tinygrad_zh" / "notes.txt", tmp_path / "other" / "mine.nbc"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    status, out, _ = warmup(tmp_path, "--clear")
    assert status == 0 and out.startswith("Removed ")
    assert compiled(tmp_path).keys() == {"mine.nbc"} and all(path.exists() for path in foreign)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder can be made where programs are to be kept."""
    (tmp_path / "file").touch()
    monkeypatch.setattr("tinygrad_zh.program.native.cache.folder", lambda: tmp_path / "file" / "compiled")


@pytest.mark.usefixtures("nowhere")
def test_a_folder_that_cannot_be_written_to_is_told_in_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr(warmup_command, "_parts", lambda: pytest.fail("compiled, and for nothing"))
    assert main(["--lang", "en", "warmup"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "file/compiled" in told.replace(os.sep, "/") and "NUMBA_CACHE_DIR" in told


def test_without_numba_it_says_so(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert main(["--lang", "en", "warmup"]) == 1
    assert capsys.readouterr().out == "There is nothing to compile without Numba: pip install numba\n"


@pytest.mark.parametrize("code", ["en", "zh"])
def test_progress_is_one_line_where_there_is_no_terminal(code, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tinygrad_zh.program.native.cache.folder", lambda: tmp_path)
    monkeypatch.setattr(warmup_command, "_parts", lambda: iter([("one", lambda: None), ("two", lambda: None)]))
    assert main(["--lang", code, "warmup"]) == 0
    out = capsys.readouterr().out
    assert " 2 " in out.splitlines()[0] and str(tmp_path) in out
    assert main(["--lang", code, "warmup"]) == 0
    assert {"en": "compiled already", "zh": "都已编译好"}[code] in capsys.readouterr().out


def test_the_steps_that_are_compiled_are_those_of_the_systems(monkeypatch):
    """The first batches of each training have the shapes and dtypes that warmup compiles for."""
    from tinygrad_zh.documents import s5, s7, warming

    seen = []

    def step(*parts):
        made = Compiled(*parts[:3], "formulas")
        forward = made.forward
        made.forward = lambda x, y: seen.append(shapes((x.numpy(), np.asarray(y)))) or forward(x, y)
        return made

    monkeypatch.setattr("tinygrad_zh.train.choosing.Compiled", step)
    known = {t.system: {shapes(batch) for batch in t.batches} for t in warming.trainings()}
    with compiling("formulas"):
        s7.train_once(0, epochs=1)
        assert set(seen) == known["s7"]
        seen.clear()
        s5.train_once(0, s5.standardised(s5.data.plane(noise=s5.NOISE), s5.PLANE, 0), epochs=1, batch_size=10)
        assert set(seen) <= known["s5"]


def shapes(batch):
    return tuple((x.shape, x.dtype.name) for x in batch)


def test_the_files_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygrad_zh.kernels.warming.folders", lambda: [tmp_path / "a", tmp_path / "b"])
    monkeypatch.setattr("tinygrad_zh.program.native.cache.folder", lambda: tmp_path / "c")
    for name in ("a/x.nbi", "a/x.1.nbc", "a/x.pyc", "c/compiled_1.py", "c/__pycache__/compiled_1.nbi", "c/other.py",
                 "d/compiled_1.2.nbc", "d/compiled_notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("four")
    found = stored.stored()
    assert sorted(file.name for file in found.files) == ["compiled_1.2.nbc", "compiled_1.nbi", "compiled_1.py",
                                                              "x.1.nbc", "x.nbi"]
    assert (found.size, found.kernels, found.programs) == (20, tmp_path, tmp_path / "c")
    stored.clear()
    assert not stored.stored().files and (tmp_path / "a" / "x.pyc").exists() and (tmp_path / "c" / "other.py").exists()
