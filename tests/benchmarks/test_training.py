"""`python -m benchmarks training` on tiny networks: every framework computes the same, and what is said of its time."""

from __future__ import annotations

import ast
import shutil
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from benchmarks import readme, training
from benchmarks.peers import EVERYTHING, PEERS, Peer, scaling, targets
from benchmarks.peers import process as processes
from benchmarks.peers.cases import BATCHES, CASES, TINY, Case, batches, weights
from benchmarks.peers.process import Failed, Process, environment
from benchmarks.peers.worker import Worker
from tinygrad_zh.bench import Results, Row, read, write

NEEDED = {"pytorch": "torch", "jax_": "jax", "hips": "autograd", "tinygrad_": "tinygrad", "micrograd_": "micrograd"}
FORMULAS = Peer("ours", "formulas")


def losses(module: str, variant: str, case: Case) -> list[float]:
    peer = import_module(f"benchmarks.peers.{module}")
    peer.loaded(variant)
    step = peer.stepper(case, variant)
    return [float(step(i)) for i in range(BATCHES)]


# ---- the networks


def test_the_cases_are_those_of_the_table_of_targets():
    assert {target.case for target in targets.CHOSEN} == CASES.keys() - {"wide", "deep"}
    assert set(targets.EQUAL) < set(CASES) and set(TINY) < set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_weights_fit_the_engine_s_network_layer_by_layer(name):
    from benchmarks.peers import ours

    shapes = [p.shape for p in ours.network(CASES[name]).parameters()]
    assert shapes == [array.shape for array in weights(CASES[name]).values()]


@pytest.mark.parametrize("name", TINY)
def test_weights_and_batches_are_the_same_each_time(name):
    for one, again in zip(batches(TINY[name]), batches(TINY[name]), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    ours, again = weights(TINY[name]), weights(TINY[name])
    assert list(ours) == list(again) and all(np.array_equal(ours[key], again[key]) for key in ours)


@pytest.mark.parametrize("name", TINY)
def test_kernels_change_no_loss(name):
    pytest.importorskip("numba")
    plain = losses("ours", "formulas", TINY[name])
    assert len(set(plain)) == BATCHES  # it learns, or at least moves
    assert training.differences({"formulas": plain, "numba": losses("ours", "numba", TINY[name])})["numba"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("module", [*NEEDED])
def test_every_framework_trains_the_same_network(module):
    pytest.importorskip(NEEDED[module])
    if module == "tinygrad_" and not shutil.which("clang"):
        pytest.skip("tinygrad compiles with clang, which is not installed")
    variants = [peer.variant for peer in PEERS if peer.module == module and peer.variant != "torch.compile"]
    for case in TINY.values() if module != "micrograd_" else [TINY["c"]]:
        ours = losses("ours", "formulas", case)
        for variant in variants:
            found = training.differences({"ours": ours, "theirs": losses(module, variant, case)})
            assert found["theirs"] < training.AGREE, (case.name, variant)


def test_every_framework_s_file_says_how_it_is_used():
    said: dict[str, set[str]] = {}
    for peer in EVERYTHING:
        tree = ast.parse((Path(processes.__file__).parent / f"{peer.module}.py").read_text(encoding="utf-8"))
        (value,) = (node.value for node in tree.body if isinstance(node, ast.Assign)
                    and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "VARIANTS")
        said[peer.module] = set(ast.literal_eval(value))
    assert said == {module: {peer.variant for peer in EVERYTHING if peer.module == module} for module in said}


# ---- processes


def test_threads_and_the_core_are_set_before_the_process_starts(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in environment(FORMULAS, 2)
    own = environment(FORMULAS._replace(core="Zen"), 1)
    assert own["OPENBLAS_CORETYPE"] == "Zen" and own["OMP_NUM_THREADS"] == own["NUMBA_NUM_THREADS"] == "1"
    assert "XLA_FLAGS" in own and Peer("ours", "numba", "Zen").name == "numba ~Zen"


def test_a_process_answers_and_says_why_it_cannot():
    process = Process(FORMULAS, 1)
    try:
        with pytest.raises(Failed, match="No module named"):
            process.ask(load=["nothing", "of this name"])
        assert "1 threads" in process.ask(load=["ours", "formulas"])["product"]
        begun = process.ask(build=TINY["c"], steps=2)
        assert len(begun["losses"]) == 2
        assert process.ask(round=0)["median"] > 0
        assert process.ask(memory=True)["total"] > 1e6
        process.process.kill()
        with pytest.raises(Failed, match="its process ended"):
            process.ask(round=0)
    finally:
        process.close()
    assert process.process.returncode is not None


def test_a_process_that_does_not_answer_is_given_up():
    process = Process(FORMULAS, 1)
    try:
        with pytest.raises(Failed, match="no answer within"):
            process.ask(patience=0.001, load=["ours", "formulas"])
    finally:
        process.close()


def test_a_sample_is_many_steps_where_a_step_is_short():
    worker = Worker()
    worker.load("ours", "formulas")
    assert len(worker.build(TINY["c"], BATCHES)["losses"]) == BATCHES
    assert worker.repeats > 1 and worker.round(0)["steps"] == worker.repeats
    assert worker.done >= BATCHES + 3 * worker.repeats


# ---- the whole program


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    assert training.main(["--quick", "--cases", "c,d", "--peers", "formulas,micrograd", "--threads", "1", "--rounds",
                          "2", "--json", str(folder / "a.json")]) == 0
    return read(folder / "a.json")


def test_every_case_has_a_row_or_a_reason_for_every_peer(run):
    found = {(row.of["case"], row.of["peer"]) for row in run.rows}
    assert {("c", "formulas"), ("d", "formulas")} <= found
    absent = {(each["case"], each["peer"]): each["why"] for each in run.more["absent"]}
    assert "case c" in absent["d", "micrograd"] or "No module" in absent["d", "micrograd"]
    assert found | absent.keys() == {(case, peer) for case in "cd" for peer in ("formulas", "micrograd")}
    for row in run.rows:
        figures = row.figures
        assert 0 < row.seconds <= figures["median"] <= figures["most"] and figures["rounds"] == 2
        assert figures["product"] and figures["first"] > 0 and figures["total"] >= figures["peak"]


@pytest.mark.parametrize(("words", "said"), [(["--cases", "z"], "no case begins with 'z'"),
                                             (["--peers", "theirs"], "there is no 'theirs'")])
def test_what_there_is_not_is_one_sentence(capsys, words, said):
    assert training.main(words) == 1
    assert said in capsys.readouterr().err


def test_an_interruption_writes_nothing(monkeypatch, tmp_path, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "measured", stop)
    assert training.main(["--quick", "--json", str(tmp_path / "a.json")]) == 130
    assert "nothing was written" in capsys.readouterr().err and not list(tmp_path.iterdir())


class Scripted:
    """A process that answers as it is told, and writes down who was asked for a round."""

    asked: ClassVar[list[str]] = []

    def __init__(self, peer: Peer, threads: int) -> None:
        self.peer, self.closed = peer, False

    def ask(self, **question):
        if "load" in question:
            if self.peer.variant == "JAX jit":
                raise Failed("ModuleNotFoundError: No module named 'jax'")
            return {"product": "by hand"}
        if "build" in question:
            wrong = self.peer.variant == "PyTorch"
            return {"losses": [1.0, 0.5 + 1e-3 * wrong], "first": 1.0}
        if "round" in question:
            Scripted.asked.append(self.peer.name)
            return {"median": 1e-3 * len(Scripted.asked), "steps": 10, "took": 2.0 * (self.peer.variant == "numba")}
        return {"peak": 1, "total": 2}

    def close(self) -> None:
        self.closed = True


def test_who_computes_something_else_is_not_timed_and_the_others_take_turns(monkeypatch):
    monkeypatch.setattr(training, "Process", Scripted)
    monkeypatch.setattr(Scripted, "asked", [])
    peers = [Peer("ours", "formulas"), Peer("ours", "numba"), Peer("pytorch", "PyTorch"), Peer("jax_", "JAX jit")]
    one = training.measured(TINY["c"], peers, 1, rounds=3)
    assert {each.peer: each.why for each in one.absent} == {
        "JAX jit": "ModuleNotFoundError: No module named 'jax'",
        "PyTorch": "its losses differ from the others' by 2.0e-03, relatively"}
    assert Scripted.asked == ["formulas", "numba"] * 2 + ["formulas"]  # numba has worked long enough
    formulas, numba = one.rows
    assert (formulas.seconds, formulas.figures["median"], formulas.figures["most"]) == (1e-3, 3e-3, 5e-3)
    assert one.seconds["numba"] == 2e-3 and numba.figures["rounds"] == 2
    said = "\n".join(training.table(one))
    assert "products by by hand: formulas, numba" in said and "PyTorch: its losses differ" in said


def test_processes_are_closed_when_one_is_interrupted(monkeypatch):
    made = []

    class Interrupted(Scripted):
        def __init__(self, peer: Peer, threads: int) -> None:
            super().__init__(peer, threads)
            made.append(self)

        def ask(self, **question):
            if "round" in question:
                raise KeyboardInterrupt
            return super().ask(**question)

    monkeypatch.setattr(training, "Process", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.measured(TINY["c"], [FORMULAS, Peer("ours", "numba")], 1)
    assert [process.closed for process in made] == [True, True]


def test_losses_that_are_no_numbers_agree_with_nothing(monkeypatch):
    assert not training.differences({"a": [1.0, np.nan], "b": [1.0, 1.0]})["a"] <= training.AGREE
    with ExitStack() as closing:
        assert training.begun(TINY["c"], [], 1, closing) == ({}, [])


# ---- targets


@pytest.mark.parametrize(("theirs", "said"), [(20.0, "met"), (17.9, "MISSED"), (1.04, "MISSED, a tie"),
                                              (0.9, "MISSED, slower")])
def test_a_miss_and_a_tie_are_said(theirs, said):
    found = targets.Target("c", "compiled", ("PyTorch",), 18.0).found({"compiled": 1.0, "PyTorch": theirs})
    assert found is not None and found.said == said


def test_the_fastest_of_a_kind_is_beside_ours_and_what_was_not_measured_is_not_judged():
    target = targets.Target("c", "compiled", targets.FUSED, 8.0)
    found = target.found({"compiled": 1.0, "PyTorch fused": 9.0, "torch.compile": 7.0})
    assert found is not None and (found.peer, found.ratio, found.met) == ("torch.compile", 7.0, False)
    assert target.found({"PyTorch fused": 9.0}) is None and target.found({"compiled": 1.0}) is None


def test_one_thread_is_judged_and_both_cores_are():
    seconds = {"compiled": 1.0, "compiled ~Haswell": 2.0, "formulas": 5.0, "PyTorch": 9.0, "HIPS autograd": 4.0}
    rows = [Row({"case": "c", "threads": 1, "peer": name}, value) for name, value in seconds.items()]
    kinds = list(training.judged([training.Measured(CASES["c"], 1, rows, []),
                                  training.Measured(CASES["d"], 2, rows, [])]).values())
    assert [[(f.target.ours, f.ratio, f.met) for f in kind] for kind in kinds] == [
        [("compiled", 9.0, False)], [("compiled", 9.0, True)], [("compiled ~Haswell", 4.5, False)],
        [("formulas", 0.8, False)]]


# ---- the READMEs' tables


@pytest.fixture
def results(tmp_path, monkeypatch):
    figures = {"total": 3e8, "first": 2.0}
    seconds = {"compiled": 1e-5, "numba": 1e-4, "formulas": 2e-4, "PyTorch": 9.7e-5, "HIPS autograd": 4e-4}
    rows = [Row({"case": case, "threads": 1, "peer": name}, value, figures)
            for case in ("c", "e") for name, value in seconds.items()]
    rows.append(Row({"grows": "width", "size": 2, "threads": 1, "peer": "compiled"}, 1.0, {"most": 2.0}))
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    write(Results({"processor": "a", "cores": "1", "python": "CPython 3", "numpy": "2", "blas": "b"}, rows),
          tmp_path / "training.json")


@pytest.mark.parametrize(("language", "miss"), [("en", "0.97 < 2, a tie"), ("zh", "0.97 < 2，打平")])
def test_goals_met_and_missed_stand_in_one_table(results, language, miss):
    said = "\n".join(readme.goals(language))
    assert miss in said and "9.70 < 18" in said and "9.70 ≥ 8" in said and "9.70 ≥ 1.4" in said and "2.00 ≥ 1" in said
    assert said.count("\n| c") == 2 and said.count("\n| e") == 1


def test_times_and_memory_are_those_measured(results):
    assert "| 10.0 | 100 | 200 | 97.0 | 400 |" in readme.training("en")[2]
    assert readme.memory("zh")[2] == "| 本项目，编译 | – | 300 | 2.0 |"


# ---- how costs grow


def test_the_cost_grows_along_three_axes_and_is_drawn_in_both_languages(tmp_path):
    rows = list(scaling.measured(quick=True, rounds=1, peers=[FORMULAS, Peer("nothing", "of this name")]))
    assert [(row.of["grows"], row.of["size"]) for row in rows] == [
        (grows, size) for grows, cases in scaling.grid(quick=True).items() for size in cases]
    paths = list(scaling.pictures(rows, "a processor", tmp_path))
    assert [path.name for path in paths] == ["training.zh.png", "training.en.png"]
    assert all(path.stat().st_size > 10_000 for path in paths)
