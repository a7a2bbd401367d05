"""`python -m benchmarks kernels` on tiny sizes: what it measures, prints and writes; the cases beside PyTorch."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh_kernels as library
from benchmarks import against_pytorch, kernels
from benchmarks.bodies import drawable, points, races
from tinygrad_zh import cli
from tinygrad_zh.bench import Row, read
from tinygrad_zh.i18n import in_language

ROOT = Path(kernels.__file__).parents[1]


def row(kernel="softmax.forward", body="numba", size=(4, 8), seconds=1.0, nbytes=256, flops=160, **of):
    return Row({"kernel": kernel, "body": body, "size": list(size), **of}, seconds,
               {"low": 0.9 * seconds, "high": 1.1 * seconds, "bytes": nbytes, "flops": flops})


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One quick run over softmax.forward, with all that it can write."""
    folder = tmp_path_factory.mktemp("results")
    status = kernels.main(["--quick", "--kernels", "softmax.forward", "--dtype", "float32,float64", "--json",
                           str(folder / "a.json"), "--csv", str(folder / "a.csv"), "--pictures", str(folder)])
    assert status == 0
    return folder


def test_every_body_is_measured_in_every_dtype_beside_the_formula(measured):
    results = read(measured / "a.json")
    found = {(row.of["body"], row.of["dtype"]) for row in results.rows}
    bodies = [name for name, body in library.bodies(library.get("softmax.forward")).items() if body.device == "cpu"]
    assert found == {(name, dtype) for name in ["numpy", *bodies] for dtype in ("float32", "float64")}
    for each in results.rows:
        assert 0 < each.figures["low"] <= each.seconds <= each.figures["high"]
        assert each.figures["flops"] == 5 * np.prod(each.of["size"])
        assert each.figures["bytes"] == 2 * np.prod(each.of["size"]) * np.dtype(each.of["dtype"]).itemsize
    assert results.machine["blas"] and [peak["of"]["dtype"] for peak in results.more["peaks"]] == ["float32", "float64"]


def test_the_table_is_also_a_csv_and_pictures(measured):
    with (measured / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(read(measured / "a.json").rows) and float(rows[0]["seconds"]) > 0
    for name in ("roofline", "crossover.softmax"):
        for language in ("en", "zh"):
            assert (measured / f"{name}.{language}.png").stat().st_size > 5000


def test_two_runs_of_one_machine_can_be_compared(measured, capsys):
    path = str(measured / "a.json")
    with in_language("en"):
        assert cli.main(["bench", "compare", path, path]) == 0
    assert "None of" in capsys.readouterr().out


def test_one_s_own_file_is_measured_alone(tmp_path, capsys):
    (tmp_path / "mine.py").write_text('''
import numpy as np
from tinygrad_zh_kernels import softmax

@softmax.forward.body("mine", device="cpu")
def forward(x, *, axis=-1):
    """Mine.

    中文：我的。
    """
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)
''', encoding="utf-8")
    try:
        assert kernels.main(["--quick", "--file", str(tmp_path / "mine.py")]) == 0
    finally:
        library.get("softmax.forward").own.pop("mine")
    out = capsys.readouterr().out
    assert "softmax.forward mine" in out and "softmax.forward numpy" in out and "softmax.backward" not in out


@pytest.mark.parametrize(("words", "said"), [
    (["--kernels", "softmix"], "there is no kernel and no room 'softmix'"),
    (["--quick", "--kernels", "softmax", "--threads", "4096"], "Numba was started with"),
    (["--file", "/nowhere.py"], "no file"),
    (["--quick", "--transfers"], "it needs --device cuda"),
])
def test_what_cannot_be_is_one_sentence(capsys, words, said):
    assert kernels.main(words) == 1
    assert said in capsys.readouterr().err


def test_numba_s_threads_are_put_back():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    with kernels.limited(1):
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before


def test_the_programs_can_be_listed_and_run_by_name():
    done = subprocess.run([sys.executable, "-m", "benchmarks"], capture_output=True, text=True, encoding="utf-8",
                          cwd=ROOT, check=False)
    assert done.returncode == 2
    assert {f"python -m benchmarks {name} " for name in ("kernels", "gpu", "tape")} <= {
        line[: len(line.partition("  ")[0]) + 1] for line in done.stderr.splitlines()}


def test_the_machine_code_of_the_bodies_that_ran_is_written(tmp_path):
    pytest.importorskip("numba")
    assert kernels.main(["--quick", "--kernels", "activation.tanh_forward", "--assembly", str(tmp_path)]) == 0
    files = list(tmp_path.glob("activation.cpu.*.s"))
    assert files and all("ret" in file.read_text(encoding="utf-8") for file in files)


# ---- the pictures' points


def test_a_kernel_stands_on_the_roofline_at_its_largest_size():
    small = [row(size=(4, 8), nbytes=256), row(body="small only", nbytes=256)]
    found = points([*small, row(size=(8, 8), nbytes=512, flops=320, seconds=2.0)])
    assert [(point.intensity, point.flops) for point in found] == [(320 / 512, 160.0)]


def test_a_race_is_run_over_the_bytes_that_must_move():
    (race,) = races([row(nbytes=512, seconds=2.0), row(nbytes=256), row(body="numpy", nbytes=256)])
    assert race.ways["numba"].sizes == [256, 512] and race.ways["numba"].seconds == [1.0, 2.0]
    assert race.ways["numba"].low == [0.9, 1.8] and list(race.ways) == ["numba", "numpy"]


def test_versions_on_the_way_are_drawn_only_where_there_is_room():
    few = [row(body=name) for name in ("numpy", "cuda-c-1-naive", "cuda-c")]
    many = [row(body=f"cuda-c-{i}-x") for i in range(9)]
    assert drawable(few) == few and [each.of["body"] for each in drawable([*few, *many])] == ["numpy", "cuda-c"]


# ---- beside PyTorch


@pytest.mark.slow
@pytest.mark.torch
def test_every_case_agrees_with_pytorch_and_is_timed():
    pytest.importorskip("torch")
    found = against_pytorch.measure(quick=True)
    assert [each.name for each in found] == [case.name for case in against_pytorch.cases()]
    assert all(each.ours > 0 and each.torch > 0 and 0 <= each.bodies for each in found)
    assert len(against_pytorch.rows(found)) == 2 * len(found)


@pytest.mark.torch
def test_a_case_that_disagrees_is_not_timed():
    pytest.importorskip("torch")
    case = against_pytorch.cases()[0]
    wrong = case._replace(ours=against_pytorch.op_of(lambda x: 2 * x, against_pytorch.one))
    with pytest.raises(AssertionError, match="softmax"):
        against_pytorch._measure(wrong, 0.0, True, "")


def test_a_target_is_met_or_not():
    slow, fast = (against_pytorch.Compared("tanh", (7,), 1.0, 0.5, torch, 5.0, "2") for torch in (4.9, 5.1))
    assert [line.split()[-1] for line in against_pytorch.table([slow, fast])[1:]] == ["MET", "met"]
    assert "NOT MET" in against_pytorch.table([slow])[1] and json.dumps(slow._asdict())
