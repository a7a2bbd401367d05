"""benchmarks/gpu.py without a GPU: on tiny sizes in the emulator, and what needs CuPy on its stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_zh as tz
import tinygrad_zh_kernels as library
from benchmarks import bodies, gpu, gpu_page, places
from benchmarks.on_gpu import (
    compiled_torch,
    correctness,
    crossing,
    environment,
    launches,
    sanitizer,
    table,
    torch_ways,
    training,
)
from benchmarks.on_gpu.work import Work
from tests.support import fake_cupy
from tinygrad_zh.nn import position
from tinygrad_zh_kernels import Arguments, timing
from tinygrad_zh_kernels import gpu as gpu_launcher

needs_emulator = pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed")


@pytest.fixture
def work():
    kernel = library.get("softmax.forward")
    return lambda place, **more: Work(place, [kernel], **{"quick": True, "limit": 60.0, **more})


@pytest.fixture
def cupy(monkeypatch):
    """A GPU's stand-in, as the only CuPy there is, with what the stand-in itself need not have."""
    module = fake_cupy.module()
    module.cuda.get_elapsed_time = lambda begin, end: 0.5
    module.cuda.runtime.getDeviceProperties = lambda number: {
        "name": b"Stand-in", "l2CacheSize": 1 << 12, "multiProcessorCount": 3, "totalGlobalMem": 1 << 30}
    module.cuda.runtime.deviceSynchronize = lambda: None
    module.RawKernel = lambda code, name: module.RawModule(code=code).get_function(name)
    module.add, module.ones, module.matmul, module.copyto = np.add, None, np.matmul, np.copyto
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupyx", fake_cupy.cupyx())
    monkeypatch.setattr(timing, "BLOCKER", 1 << 10)
    caches = (places.cuda, gpu_launcher.launcher, position._placed)
    for cache in caches:
        cache.cache_clear()
    yield module
    for cache in caches:
        cache.cache_clear()


# ---- the whole program


@pytest.mark.slow
@needs_emulator
def test_every_section_runs_and_the_page_is_written_from_it(tmp_path):
    out = tmp_path / "gpu.json"
    words = ["--quick", "--device", "emulated", "--kernels", "softmax.forward,activation.tanh_forward"]
    status = gpu.main([*words, "--out", str(out)])
    document = json.loads(out.read_text(encoding="utf-8"))
    assert status == 0 and list(document["sections"]) == list(gpu.SECTIONS)
    assert {name: section["error"] for name, section in document["sections"].items() if "error" in section} == {}
    assert {row["of"]["section"] for row in document["rows"]} == {"table", "crossover", "training"}
    bodies = document["sections"]["correct"]["found"]["bodies"]
    assert {"softmax.forward cuda-c", "softmax.forward numba-cuda", "activation.tanh_forward cuda-c"} <= bodies.keys()
    assert all(verdict["calls"] and not verdict["problems"] for verdict in bodies.values())
    english, chinese = (gpu_page.page(document, language) for language in ("en", "zh"))
    assert "all agree" in english and "全部一致" in chinese and "| `softmax.forward` |" in english
    assert [path.name for path in gpu_page.pictures(document, tmp_path)] == [
        "gpu_roofline.en.png", "gpu_crossover.en.png", "gpu_roofline.zh.png", "gpu_crossover.zh.png"]


@needs_emulator
def test_a_section_that_fails_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    out = tmp_path / "gpu.json"

    def fails(work):
        work.note({"copy": 1.0})
        raise RuntimeError("out of luck")

    monkeypatch.setattr("benchmarks.on_gpu.ceilings.run", fails)
    words = ["--quick", "--device", "emulated", "--kernels", "softmax.forward", "--out", str(out)]
    assert gpu.main([*words, "--section", "ceilings", "--section", "launches"]) == 1
    sections = json.loads(out.read_text(encoding="utf-8"))["sections"]
    assert sections["ceilings"]["error"] == "RuntimeError: out of luck"
    assert sections["ceilings"]["found"] == {"copy": 1.0}
    assert "skipped" in sections["launches"]["found"]
    monkeypatch.undo()
    assert gpu.main([*words, "--section", "ceilings"]) == 0
    again = json.loads(out.read_text(encoding="utf-8"))["sections"]
    assert "error" not in again["ceilings"] and again["launches"] == sections["launches"]


@pytest.mark.parametrize(("found", "left"), [({}, ["ceilings"]), ({"bodies": {"a": {}}}, ["correct", "ceilings"])])
def test_after_a_lost_device_the_rest_runs_in_a_new_process(tmp_path, monkeypatch, found, left):
    commands = []

    def ends_the_device(work):
        work.note(found)
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(subprocess, "run", lambda command, **options: commands.append(command) or SimpleNamespace(
        returncode=0))
    monkeypatch.setattr("benchmarks.on_gpu.correctness.run", ends_the_device)
    monkeypatch.setattr(gpu, "lost", lambda work: True)
    words = ["--quick", "--device", "emulated", "--kernels", "softmax.forward", "--out", str(tmp_path / "gpu.json")]
    assert gpu.main([*words, "--section", "correct", "--section", "ceilings"]) == 1
    (command,) = commands
    assert command[1:4] == ["-m", "benchmarks", "gpu"] and "--resume" in command
    assert [command[i + 1] for i, word in enumerate(command) if word == "--section"] == left


def test_without_a_gpu_it_says_so_in_one_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    places.cuda.cache_clear()
    assert gpu.main(["--out", str(tmp_path / "gpu.json")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "CuPy" in error and error.count("\n") == 1
    assert not (tmp_path / "gpu.json").exists()


# ---- the sections


@needs_emulator
def test_a_wrong_body_is_found_and_goes_on_after_the_one_that_ended_the_process(work):
    kernel = library.get("softmax.forward")

    @kernel.body("cuda-c-0-wrong", device="cuda")
    def wrong(launch, x, *, axis=-1):
        """Wrong.

        中文：错的。
        """
        return launch.zeros(x.shape, x.dtype)

    noted = []
    try:
        section = work(places.emulated(), found={"bodies": {"softmax.forward cuda-c": {
            "calls": 0, "error": 0.0, "problems": ["it ended the process"]}}}, note=noted.append)
        found = correctness.run(section)
    finally:
        kernel.own.pop("cuda-c-0-wrong")
    assert {"softmax.forward cuda-c", "softmax.forward cuda-c-0-wrong"} <= set(found["failed"])
    assert not {"softmax.forward cuda-c-1-naive", "softmax.forward cuda-c-2-block"} & set(found["failed"])
    assert found["bodies"]["softmax.forward cuda-c"]["problems"] == ["it ended the process"]
    assert len(noted) == len(found["bodies"]) - 1


def test_what_a_body_forgets_to_write_is_not_a_number():
    launch = correctness.Poisoned(SimpleNamespace(empty=np.empty, zeros=np.zeros))
    assert np.isnan(launch.empty((2, 3), np.float32)).all() and (launch.empty(3, np.int64) == -1).all()
    assert np.isnan(launch.empty(2, np.float16)).all() and launch.empty((0, 3), np.float32).shape == (0, 3)
    assert (launch.zeros(3, np.float32) == 0).all()


def test_when_the_time_is_up_the_rest_is_named(work):
    found = correctness.run(work(places.emulated(), limit=-1.0))
    assert found["bodies"] == {} and "softmax.forward cuda-c" in found["left_out"]


def test_the_device_s_facts_are_noted(cupy, work):
    found = environment.gpu(work(places.cuda()))
    assert found["gpu"] == "Stand-in" and found["multiprocessors"] == "3" and found["memory"] == "1 GiB"


def test_the_hash_is_of_the_sources(tmp_path, monkeypatch):
    folder = tmp_path / "kernels" / "tinygrad_zh_kernels"
    folder.mkdir(parents=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    seen = set()
    for name, text in (("a.cu", "x"), ("a.cu", "y"), ("b.cuh", "y"), ("notes.txt", "z")):
        (folder / name).write_text(text, encoding="utf-8")
        seen.add(environment.source_hash())
    assert len(seen) == 3  # notes are no source


def test_every_way_to_launch_is_measured(cupy, work):
    section = work(places.cuda())
    found = launches.run(section)
    measured = {row.of["launch"] for row in section.rows}
    assert found["problems"].keys() <= {"Numba CUDA"}  # which needs a driver
    assert {"CuPy ufunc", "CuPy RawKernel", "CUDA graph"} <= measured


def test_arguments_are_copied_to_the_gpu_until_its_cache_cannot_hold_them(cupy):
    place = places.cuda()
    given = Arguments((np.ones(512, np.float32), np.float32(1)), {"axis": -1})
    copies = place.copies(given)
    assert len(copies) == 5 and all(isinstance(copy.arrays[0], cupy.ndarray) for copy in copies)
    assert copies[0].keywords == {"axis": -1} and copies[0].arrays[1] == 1
    assert place.get((copies[0].arrays[0], None))[0].tolist() == [1.0] * 512


def test_the_sanitizer_s_words_are_kept(work, monkeypatch):
    said = "softmax.forward cuda-c\n========= ERROR SUMMARY: 0 errors\n"
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: SimpleNamespace(stdout=said, stderr="",
                                                                                     returncode=0))
    place = SimpleNamespace(name="cuda")
    found = sanitizer.run(work(place))
    assert list(found) == list(sanitizer.TOOLS)
    assert found["memcheck"] == {"status": 0, "bodies": 1, "summary": "ERROR SUMMARY: 0 errors", "tail": ""}


def test_a_sanitizer_that_takes_too_long_is_stopped(work, monkeypatch):
    def slow(*words, **options):
        raise subprocess.TimeoutExpired(words, options["timeout"], output=b"softmax.forward cuda-c\n")

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", slow)
    found = sanitizer.run(work(SimpleNamespace(name="cuda")))
    assert found["racecheck"]["summary"] == "stopped after 20 s" and found["racecheck"]["bodies"] == 1


def test_every_way_is_timed_by_the_gpu_s_events(cupy, work):
    section = work(places.cuda())
    assert not any("numba" not in what for what in table.run(section)["problems"])  # Numba needs a driver
    bodies = {row.of["body"] for row in section.rows}
    assert {"cupy", "cuda-c"} <= bodies and not {"numpy", "numba"} & bodies
    assert all(row.figures["bytes"] and row.seconds > 0 for row in section.rows)
    assert cupy.gpu.counts["wait for an event"] > 0


def test_the_cpu_and_the_gpu_race_without_and_with_the_transfers(cupy, work):
    section = work(places.cuda())
    assert crossing.run(section)["problems"] == {}
    found = {(row.of["device"], row.of["body"], "transfers" in row.of) for row in section.rows}
    assert {("cpu", "numpy", False), ("cuda", "cuda-c", False), ("cuda", "cuda-c", True)} <= found
    assert cupy.gpu.counts["to device"] > 10


@pytest.mark.torch
def test_compiled_functions_are_measured_where_they_agree(work, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(torch_ways, "usable", lambda place: True)
    monkeypatch.setattr(torch_ways, "same_stream", lambda place: nullcontext())
    place = replace(places.emulated(), name="cuda")
    section = work(place)
    assert compiled_torch.run(section) == {"left_out": [], "problems": {}}
    assert [row.of["body"] for row in section.rows] == ["torch-compiled"]
    monkeypatch.setattr(torch_ways, "functions", lambda: {"softmax.forward": lambda x: 2 * torch.softmax(x, -1)})
    section = work(place)
    (problem,) = compiled_torch.run(section)["problems"]
    assert problem == "softmax.forward (5, 64) torch-compiled" and section.rows == []


@pytest.mark.torch
def test_pytorch_s_functions_compute_what_the_formulas_do(work):
    pytest.importorskip("torch")
    for name in torch_ways.functions():
        problems = {}
        table._measure(library.get(name), bodies.sizes(library.get(name), True)[0], "float32",
                       work(replace(places.emulated(), device="none")), problems)
        assert problems == {}, name


def test_our_step_is_measured_eager_and_replayed(cupy, work, monkeypatch):
    monkeypatch.setattr(training, "_kernels", lambda work: tz.use_kernels("formulas"))  # no kernel computes here
    section = work(places.cuda())
    found = training.run(section)
    assert [why for name, why in found["problems"].items() if name.startswith("S3 ours")] == []
    assert {row.of["step"] for row in section.rows} >= {"ours", "ours, graph"}
    first, fifth = (found["losses"]["S3"][way] for way in ("ours", "ours, graph"))
    assert 0 < fifth < first  # four steps were taken until the graph was there
    assert cupy.gpu.counts["graph launch"] > 1


@pytest.mark.slow
@pytest.mark.torch
def test_s4_begins_with_the_same_loss_in_pytorch(work):
    pytest.importorskip("torch")
    section = work(places.emulated())
    problems = {}
    task = training.TASKS[1]
    steps = training._steps(task, section, problems)
    losses = [training._first(step, task, way, problems) for way, step in steps.items()]
    assert problems == {} and losses[0] == pytest.approx(losses[1], rel=training.CLOSE)


# ---- the pages


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_are_what_the_results_say(language):
    assert gpu_page.PAGES[language].read_text(encoding="utf-8") == gpu_page.page(gpu_page.read(), language)


@pytest.mark.parametrize(("language", "said"), [("en", "Not measured yet"), ("zh", "尚未测量")])
def test_without_results_the_page_says_how_to_have_them(language, said):
    text = gpu_page.page(None, language)
    assert said in text and "python -m benchmarks gpu && python -m benchmarks gpu_page" in text and "|" not in text


def test_every_text_of_the_page_is_in_both_languages():
    for words in (*gpu_page.SAYS.values(), *gpu_page.STEPS.values()):
        assert words.keys() == {"en", "zh"} and all(words.values())


def document(**seconds):
    """Results of one kernel that moves 1000 bytes, on a GPU that copies 1000 bytes a second."""
    rows = [{"of": {"section": "table", "kernel": "softmax.forward", "body": body, "size": [8], "dtype": "float32"},
             "seconds": value, "bytes": 1000, "flops": 10} for body, value in seconds.items()]
    ceilings = {"memory": 1000.0, "cache": 5000.0, "matmul float32": 1e6}
    return {"machine": {}, "rows": rows, "sections": {"ceilings": {"found": ceilings}}}


def test_the_share_is_of_the_least_time_and_the_target_is_met_or_not():
    met = gpu_page.page(document(**{"cupy": 4.0, "cuda-c": 1.25}), "en")
    assert "| 4.00 s | – | 1.25 s | – | – | 0.001 MB/s | 80% | ≥ 80% | met |" in met
    assert "| 79% | ≥ 80% | **not met** |" in gpu_page.page(document(**{"cuda-c": 1.26}), "en")


def test_matmul_is_measured_against_cublas_and_its_last_version_stands_for_it():
    of = document(**{"cupy": 0.7, "cuda-c-1-naive": 9.0, "cuda-c-2-tiled": 1.0})
    for row in of["rows"]:
        row["of"]["kernel"] = "matmul.forward"
    text = gpu_page.page(of, "en")
    assert "| 70% | ≥ 70% | met |" in text and "| `matmul.forward` | `cuda-c-1-naive` | 9.00 s |" in text
    assert text.count("`cuda-c-2-tiled`") == 1


def test_failures_and_what_was_left_out_are_on_the_page():
    of = document(**{"cuda-c": 2.0})
    of["sections"]["table"] = {"error": "RuntimeError: lost", "found": {"left_out": ["tanh"], "problems": {"a": "b"}}}
    text = gpu_page.page(of, "en")
    assert "The section `table` failed: RuntimeError: lost" in text and "Left out when the time was up: tanh." in text
    assert "- Could not be measured: a: b" in text
