"""`tinygrad-zh kernels`, with the bodies on the CPU, and with bodies of one's own, right and wrong."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import tinygrad_zh_kernels as library
from tinygrad_zh import cli
from tinygrad_zh.i18n import in_language
from tinygrad_zh.kernels.commands.choosing import size
from tinygrad_zh.kernels.commands.showing import sources

MINE = '''
import numpy as np
from tinygrad_zh_kernels import softmax


@softmax.forward.body("mine", device="cpu")
def forward(x, *, axis=-1):
    """One line more than needed.

    中文：比需要的多一行。
    """
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return WRONG * e / e.sum(axis=axis, keepdims=True)
'''


@pytest.fixture
def kernels(capsys):
    """Run `tinygrad-zh kernels WORDS`, and return the status, what it printed, and its errors."""

    def run(words, language="en"):
        with in_language(language):
            status = cli.main(["kernels", *words.split()])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def mine(tmp_path):
    """A file with a body of softmax.forward, which is forgotten after the test."""

    def make(factor="1", content=MINE):
        path = tmp_path / "mine.py"
        path.write_text(content.replace("WRONG", factor), encoding="utf-8")
        return path

    yield make
    for kernel in library.kernels().values():
        kernel.own.pop("mine", None)


# ---- list and show


@pytest.mark.parametrize(("language", "said"), [("en", "the formula runs"), ("zh", "由公式计算")])
def test_every_kernel_is_listed(kernels, language, said):
    status, out, _ = kernels("list", language)
    assert status == 0 and said in out
    assert [name for name in library.kernels() if f"\n{name} " not in out] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_room_s_bodies_are_listed_with_what_each_adds(kernels, language):
    _, out, _ = kernels("list softmax", language)
    unbroken = "".join(out.split())
    for kernel in library.kernels().values():
        for body in library.bodies(kernel).values():
            added = "".join(body.adds[language == "zh"].split()) in unbroken
            assert added == (kernel.room == "softmax"), body


def test_a_library_that_is_missing_is_named(kernels, monkeypatch):
    monkeypatch.setattr(library, "missing", lambda room: {"cuda": "numba is not installed"})
    _, out, _ = kernels("list softmax")
    assert out.splitlines()[-1] == "not there: softmax/cuda.py: numba is not installed"


def test_the_contract_and_the_formula_are_shown(kernels):
    _, out, _ = kernels("show softmax")
    assert "Least traffic" in out and "return e / e.sum(axis=axis, keepdims=True)" in out


def test_the_source_of_a_body_is_shown_with_its_cuda_c(kernels):
    _, out, _ = kernels("show softmax.forward --body cuda-c")
    assert "── softmax/cuda_c.py" in out and "── softmax/softmax.cu" in out and "__global__" in out
    assert "backward.cu\n" not in out.replace("softmax.cu, log_softmax.cu and backward.cu", "")


def test_every_cuda_c_body_shows_its_kernels():
    for kernel in library.kernels().values():
        for body in library.bodies(kernel).values():
            files = sources(body)
            assert all(file.is_file() for file in files)
            assert any(file.suffix == ".cu" for file in files) == body.name.startswith("cuda-c"), body


# ---- run


@pytest.mark.parametrize(("language", "said"), [("en", "✓ Off by"), ("zh", "✓ 与 float64 的公式相比")])
def test_a_body_is_run(kernels, language, said):
    status, out, _ = kernels("run softmax --body numba --size 2x3", language)
    assert status == 0
    assert "softmax.forward numba" in out and "2 × 3" in out and said in out


def test_a_case_of_the_contract_is_run(kernels, mine):
    path = mine()
    status, out, _ = kernels(f"run softmax --file {path} --case +∞ --dtype float64")
    assert status == 0 and "softmax.forward mine on cpu: float64, +∞" in out and "nan" in out


def test_a_wrong_body_is_exit_status_1(kernels, mine):
    status, out, _ = kernels(f"run softmax --file {mine('2')}")
    assert status == 1 and "✗ Not what the formula says: result 0:" in out


@pytest.mark.parametrize(("words", "said"), [
    ("run softmix", "there is no kernel and no room 'softmix'; there is softmax"),
    ("run everything", "there is no kernel and no room 'everything'; there is activation, adam, "),
    ("run softmax --body numba --size 999999x9999999", "too large for this machine's memory"),
    ("run softmax --body best", "softmax.forward has no body 'best'; it has numba"),
    ("run softmax --body numba --device cuda", "softmax.forward numba does not run on cuda; it runs on cpu"),
    ("run softmax --body numba --size 3", "takes 2 lengths, as --size 4096x64, not 3"),
    ("run softmax --body numba --case none", "softmax.forward has no case 'none'; it has"),
    ("run softmax --body numba --dtype float16", "does not cover float16 arguments of 4 × 10"),
    ("time softmax --size 3", "takes 2 lengths"),
    ("check softmax --body best", "there is no such body to check"),
    ("run softmax --file /nowhere/mine.py", "there is no file /nowhere/mine.py"),
])
def test_what_cannot_be_is_one_sentence(kernels, words, said):
    status, _, err = kernels(words)
    assert status == 1 and said in err and err.count("\n") == 1


def test_without_a_subcommand_there_is_help(kernels):
    status, _, err = kernels("")
    assert status == 2 and "check" in err


@pytest.mark.parametrize("content", [
    "import numpy as np\n1 / 0\n",
    "def f(:\n",
    "import sys\nsys.exit('no')\n",
    "import a_library_that_is_missing\n",
])
def test_a_file_that_fails_is_one_sentence(kernels, mine, content):
    path = mine(content=content)
    status, _, err = kernels(f"check --file {path}")
    assert status == 1 and str(path) in err and err.count("\n") == 1


def test_the_line_of_the_failure_is_named(kernels, mine):
    _, _, err = kernels(f"check --file {mine(content='x = 1' + chr(10) + '1 / 0')}")
    assert "fails in line 2: ZeroDivisionError" in err


def test_a_file_without_a_body_is_one_sentence(kernels, mine):
    _, _, err = kernels(f"check --file {mine(content='x = 1')}")
    assert "registers no body" in err


def test_the_arguments_are_shown_under_the_formula_s_names(kernels):
    _, out, _ = kernels("run cross_entropy --body numba --size 2x3")
    assert "\nx =\n[[" in out and "\nt =\n[" in out and out.count("\n→\n") == 2


@pytest.mark.parametrize("room", sorted({kernel.room for kernel in library.kernels().values()}))
def test_every_room_runs_by_its_name(kernels, room):
    status, out, err = kernels(f"run {room}")
    assert status == 0 and err == "" and len(out.splitlines()) < 80, room


# ---- stepping into a thread of CUDA C, which g++ compiles

compiled = pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed")


@compiled
@pytest.mark.parametrize(("language", "said"), [
    ("en", "softmax.forward cuda-c-2-block: what thread (3, 0, 0) of block (1, 0, 0) does"),
    ("zh", "softmax.forward cuda-c-2-block：线程块 (1, 0, 0) 的线程 (3, 0, 0) 执行的语句"),
])
def test_the_lines_of_one_thread_are_shown_with_their_values(kernels, language, said):
    status, out, _ = kernels("run softmax --body cuda-c-2-block --size 2x5 --block 1 --thread 3 --steps 0", language)
    assert status == 0 and said in out and "softmax_block <<<2, 256>>>" in out
    assert "i = 3  i < columns = True" in out and "i = 259  i < columns = False" in out
    assert "⇄ __shfl_xor_sync: gives" in out and "⇄ waits at __syncthreads()" in out


def test_a_thread_of_numba_s_cuda_is_stepped_through_too(kernels):
    pytest.importorskip("greenlet")
    status, out, _ = kernels("run softmax --body numba-cuda-1-tree --size 2x3 --thread 1 --steps 0")
    assert status == 0 and "me = 1" in out and "⇄ " in out


@compiled
def test_the_first_lines_alone_can_be_shown(kernels):
    _, out, _ = kernels("run softmax --body cuda-c-2-block --size 2x5 --thread 3 --steps 2")
    *_, before, last = out.splitlines()
    assert "softmax.cu:26" in before and last.endswith("more; --steps 0 shows all")


@compiled
@pytest.mark.parametrize(("words", "said"), [
    ("--body cuda-c-2-block --thread 256", "no thread (256, 0, 0) of block (0, 0, 0) ran; the launches: softmax_block"),
    ("--body cuda-c-2-block --block 4 --thread 0", "no thread (0, 0, 0) of block (4, 0, 0) ran"),
    ("--body numba --thread 0", "cannot be stepped through"),
])
def test_a_thread_that_is_none_is_one_sentence(kernels, words, said):
    status, out, err = kernels(f"run softmax --size 4x5 {words}")
    assert status == 1 and said in err and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize("word", ["-1", "1,2,3,4", "a"])
def test_what_is_no_place_is_wrong_usage(word):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["kernels", "run", "softmax", f"--thread={word}"])
    assert stopped.value.code == 2


# ---- check


def test_one_s_own_body_is_checked_alone_and_on_every_case(kernels, mine):
    status, out, _ = kernels(f"check --file {mine()}")
    rows = [line for line in out.splitlines() if line.startswith("softmax.forward")]
    assert status == 0 and len(rows) == 1 and rows[0].endswith("right")
    assert "right: 1 · wrong: 0 · could not be run: 0" in out


@pytest.mark.parametrize(("language", "said"), [("en", "WRONG"), ("zh", "错误")])
def test_a_wrong_body_is_found(kernels, mine, language, said):
    status, out, _ = kernels(f"check --file {mine('np.float32(1.001)')}", language)
    assert status == 1 and said in out and "✗ softmax.forward mine" in out and "float32" in out


def test_a_body_that_raises_is_wrong_and_the_others_go_on(kernels, mine):
    status, out, _ = kernels(f"check softmax.forward --device cpu --file {mine('undefined')}")
    assert status == 1 and "NameError: name 'undefined' is not defined" in out
    assert "softmax.forward numba " in out


def test_a_launcher_that_cannot_be_had_is_a_verdict(kernels, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinygrad_zh_kernels.emulated", None)
    status, out, _ = kernels("check softmax.log_backward")
    assert status == 0 and "not run" in out and "– 2 could not be run: " in out  # numba's body was checked
    assert kernels("check softmax.log_backward --device emulated")[0] == 1  # nothing was


@pytest.mark.parametrize(("language", "said"), [
    ("en", "this needs greenlet, which is not installed: pip install greenlet"),
    ("zh", "这需要 greenlet，但没有安装：pip install greenlet"),
])
def test_a_missing_library_is_named_with_the_cure(kernels, monkeypatch, language, said):
    monkeypatch.setitem(sys.modules, "greenlet", None)
    monkeypatch.delitem(sys.modules, "tinygrad_zh_kernels.simulator.threads", raising=False)
    assert said in kernels("run softmax --body numba-cuda --size 2x3", language)[2]
    _, out, _ = kernels("check softmax.log_backward --body numba-cuda", language)
    assert said in out


# ---- time


def test_bodies_are_timed_beside_their_formula(kernels, mine):
    status, out, _ = kernels(f"time --file {mine()} --size 4x5 --seconds 0")
    names = [line.split()[1] for line in out.splitlines() if line.startswith("softmax.forward")]
    assert status == 0 and names[0] == "numpy" and "mine" in names and "1.00×" in out


def test_without_a_gpu_cuda_is_one_sentence(kernels):
    try:
        import cupy

        if cupy.is_available():
            pytest.skip("there is a GPU")
    except ImportError:
        pass
    status, _, err = kernels("time softmax --device cuda")
    assert status == 1 and err.count("\n") == 1


@pytest.mark.parametrize("word", ["4x5", "4×5", "4,5"])
def test_a_size_is_lengths(word):
    assert size(word) == (4, 5)


def test_the_file_is_run_once_and_by_its_path(mine, kernels):
    path = mine()
    assert kernels(f"list softmax.forward --file {path}")[1].count("  mine  [cpu, float32, float64]") == 1
    assert Path(path).is_file()
