"""Kernels on the CPU share their work among threads: every parallel loop is taken, each thread has something to do, and
the result is that of one thread to the bit. Nothing is timed."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="Numba is not installed")

import tinygrad_zh_kernels as library  # noqa: E402
from tests.support.machine_code import full_name  # noqa: E402
from tests.support.sharing import drivers  # noqa: E402
from tinygrad_zh_kernels import threads  # noqa: E402
from tinygrad_zh_kernels.adam import cpu as adam  # noqa: E402
from tinygrad_zh_kernels.threads import share, task, threads_for  # noqa: E402
from tinygrad_zh_kernels.vector_math import kernel  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

ALONE = {  # bodies that one thread runs, and why
    "conv2d.backward_b numba": "one pass over dY, a hundredth of what the other gradients take",
    "conv2d.forward numba-1-loops": "a first attempt",
    "matmul.forward numba-1-naive": "a first attempt",
    "matmul.forward numba-2-reordered": "a first attempt",
    "softmax.forward numba-1-loops": "a first attempt",
}


def run(*arguments: str, count: int, **environment: str) -> str:
    """What a process of its own prints, that has so many threads."""
    environment = {**os.environ, **environment, "NUMBA_NUM_THREADS": str(count), "NUMBA_THREADING_LAYER": "omp",
                   "OMP_WAIT_POLICY": "passive", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True,
                          text=True, timeout=600).stdout


@pytest.fixture(scope="module")
def openmp() -> None:
    pytest.importorskip("numba.np.ufunc.omppool", reason="Numba was built without OpenMP here", exc_type=ImportError)


@pytest.fixture(scope="module")
def report(openmp: None) -> dict[str, Any]:
    return json.loads(run("-m", "tests.support.sharing", count=2).splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.slow  # the loops that threads share are compiled anew where the cache has none
def test_every_parallel_loop_is_parallel_and_some_body_comes_to_it(report: dict[str, Any]) -> None:
    assert report["layer"] == "omp"
    assert len(report["parallel"]) > 30
    assert not [name for name, parallel in report["parallel"].items() if not parallel], "no parallel machine code"
    called = {name for body in report["bodies"].values() for name in body["called"]}
    assert not set(report["parallel"]) - called


@pytest.mark.slow
def test_every_body_gives_two_threads_something_to_do(report: dict[str, Any]) -> None:
    idle = {body: found["called"] for body, found in report["bodies"].items()
            if not found["called"] or any(given != [True, True] for given in found["called"].values())}
    assert set(idle) == set(ALONE), idle


@pytest.mark.slow
def test_two_threads_compute_what_one_does_to_the_bit(report: dict[str, Any]) -> None:
    assert not [body for body, found in report["bodies"].items() if not found["same"]]


# ---- the threads are real


@pytest.mark.slow
def test_a_parallel_loop_runs_in_as_many_threads_as_it_is_told(openmp: None) -> None:
    assert run("-c", f"from {__name__} import identities; print(len(identities(3)))", count=3).strip() == "3"


def identities(count: int) -> set[int]:
    """The system's names of the threads that run a parallel loop."""
    seen: set[int] = set()
    note = ctypes.CFUNCTYPE(None)(lambda: seen.add(threading.get_native_id()))

    @kernel(parallel=True, cache=False)
    def loop(count):
        for _ in numba.prange(count):
            note()

    loop(count)
    return seen


# ---- a loop whose body is called by address


@kernel(cache=False)
def note(first, last, seen, shares):
    for i in range(first, last):
        seen[i] += 1
        shares[i] = first


@kernel(cache=False)
def noted(seen, shares, threads):
    share(task(note, (seen, shares)), seen.size, threads)


@pytest.mark.parametrize(("count", "threads"), [(10, 1), (10, 3), (2, 3), (0, 3)])
def test_every_index_of_a_shared_loop_is_run_once(count: int, threads: int, openmp: None) -> None:
    seen, shares = np.zeros(count, np.int64), np.zeros(count, np.int64)
    noted(seen, shares, threads)
    assert seen.tolist() == [1] * count
    assert len(set(shares)) == min(count, threads)


BY_ADDRESS = """
import numpy as np
from tests.kernels import test_threads
from tinygrad_zh_kernels.vector_math import kernel
noted = kernel(test_threads.noted.py_func)
seen, shares = np.zeros(10, np.int64), np.zeros(10, np.int64)
noted(seen, shares, COUNT)
print(len(set(shares)), sum(noted.stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_what_is_called_by_address_is_kept_on_disk(openmp: None, tmp_path: Path) -> None:
    """Addresses are another process's: the code that takes them must come from the cache, not what it took. It needs
    Numba's threads, also where it is compiled with a loop that has been compiled before."""
    first = "from tests.kernels.test_threads import noted, np; noted(np.zeros(1, int), np.zeros(1, int), 1)"
    run("-c", first, count=3, NUMBA_CACHE_DIR=str(tmp_path))
    found = [run("-c", BY_ADDRESS.replace("COUNT", str(count)), count=3, NUMBA_CACHE_DIR=str(tmp_path)).split()
             for count in (1, 3, 2)]
    assert found == [["1", "0"], ["3", "1"], ["2", "1"]]


# ---- what is kept on disk does not depend on the number of threads

UPDATE = """
import numpy as np, tinygrad_zh_kernels as library
from tinygrad_zh_kernels.adam import cpu
adam = library.get("adam.forward")
body = library.bodies(adam)["numba"]
results = body.run(None, adam.arguments(np.random.default_rng(0), np.dtype(np.float32), (100_003,)))
print(hash(b"".join(x.tobytes() for x in results)), sum(sum(f.stats.cache_hits.values())
                                                         for f in (cpu._serial, cpu._shared)))
"""


@pytest.mark.slow
def test_code_that_was_kept_with_another_number_of_threads_is_right(openmp: None, tmp_path: Path) -> None:
    found = [run("-c", UPDATE, count=count, NUMBA_CACHE_DIR=str(tmp_path), PYTHONHASHSEED="0").split()
             for count in (1, 2, 3, 1)]
    assert len({results for results, _ in found}) == 1
    assert [int(hits) for _, hits in found] == [0, 1, 1, 1], "the parallel loop of 2 threads serves 3"


# ---- how many


@pytest.mark.parametrize(("layer", "work", "expected"), [("omp", 100, 4), ("tbb", 100, 4), ("workqueue", 100, 1),
                                                         ("omp", 99, 1)])
def test_threads_are_for_much_work_and_for_a_good_layer(layer: str, work: int, expected: int,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    monkeypatch.setattr(numba, "threading_layer", lambda: layer)
    assert threads_for(work, 100) == expected


def test_where_there_is_no_good_layer_bodies_run_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    monkeypatch.setattr(numba, "threading_layer", lambda: "workqueue")
    contract = library.get("adam.forward")
    monkeypatch.setattr(adam, "_shared", None)
    call = contract.arguments(np.random.default_rng(0), np.dtype(np.float32), (adam.FEW + 1,))
    assert library.bodies(contract)["numba"].run(None, call)[0].size == adam.FEW + 1


def test_no_kernel_asks_for_the_number_of_threads_itself() -> None:
    """It would be kept on disk with the number that there happened to be: Numba's cache does not look at globals."""
    for body in library.kernels().values():
        library.bodies(body)
    for driver in drivers().values():
        function = driver.py_func
        assert "threads" in function.__code__.co_varnames[: function.__code__.co_argcount], full_name(driver)
        assert "get_num_threads" not in function.__code__.co_names, full_name(driver)


@pytest.mark.parametrize(("layer", "count"), [("omp", 1), ("tbb", 4)])
def test_a_child_of_a_process_with_threads_of_openmp_computes_alone(layer, count, monkeypatch):
    """GNU's OpenMP would end it: fork() called from a process already using GNU OpenMP."""
    monkeypatch.setattr(threads, "_alone", False)
    monkeypatch.setattr(numba, "threading_layer", lambda: layer)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    assert threads.available() == 4
    threads._in_a_child()
    assert threads.available() == count
