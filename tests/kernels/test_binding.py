"""use_kernels: bodies in the formulas' place where they cover a call, formulas elsewhere, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
import tinygrad_zh_kernels as library
from tinygrad_zh.kernels import check, check_call, chosen, known

F = tz.functional

OWN = '''
import numpy as np
from tinygrad_zh_kernels import get

calls = []

@get("softmax.forward").body("{name}", device="cpu", dtypes=("float32",){more})
def forward(x, *, axis=-1):
    """Counts how often it is called.
    中文：数一数被调用的次数。"""
    calls.append(x.shape)
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return (e / e.sum(axis=axis, keepdims=True)){spoil}
'''


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Any]:
    """Load a body from a file of one's own; it is forgotten after the test."""
    added = []

    def load(name: str = "mine", more: str = "", spoil: str = "") -> Any:
        path = tmp_path / f"{name}.py"
        path.write_text(OWN.format(name=name, more=more, spoil=spoil), encoding="utf-8")
        (body,) = library.load(path)
        added.append(body)
        return body

    yield load
    for body in added:
        del body.kernel.own[body.name]


def counted(body: Any) -> list[Any]:
    return body.function.__globals__["calls"]  # type: ignore[no-any-return]


def test_a_body_of_ones_own_runs_in_the_formulas_place(mine: Any) -> None:
    body = mine()
    x = tz.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
    plain = F.softmax(x)
    with tz.use_kernels("mine"):
        y = F.softmax(x)
    assert counted(body) == [(2, 3)]
    np.testing.assert_allclose(y.numpy(), plain.numpy(), rtol=1e-6)
    F.softmax(x)
    assert len(counted(body)) == 1, "after the block the formula runs again"
    y[0, 0].backward()
    np.testing.assert_allclose(x.grad.numpy(), tz.grad(plain[0, 0], x)[0].numpy(), rtol=1e-6)


def test_it_is_tested_like_all_others(mine: Any) -> None:
    assert all(row.problem is None for row in check(mine()))
    wrong = [row for row in check(mine("wrong", spoil=" + 1e-4")) if row.problem]
    assert wrong and "instead of" in str(wrong[-1].problem)


@pytest.mark.parametrize(("spoil", "says"), [
    (".astype(np.float64)", "float64"), ("[..., None]", "result 0 is float32"), (", None", "returns 2 results")])
def test_a_body_that_returns_something_else_is_told(mine: Any, spoil: str, says: str) -> None:
    problems = [row.problem for row in check(mine("other", spoil=spoil)) if row.problem]
    assert problems and all(says in problem for problem in problems)


@pytest.mark.filterwarnings("error")
def test_memory_that_a_body_never_wrote_may_hold_any_bits(mine: Any) -> None:
    def forward(x: Any, *, axis: int = -1) -> Any:
        return np.full(x.shape, 0x7F800001, np.uint32).view(np.float32)  # a signalling nan: its cast warns

    problems = [row.problem for row in check(replace(mine(), function=forward))]
    assert any(problem and problem.startswith("result 0: nan instead of") for problem in problems)


def test_a_body_that_writes_into_its_arguments_is_told(mine: Any) -> None:
    body = mine("writer")
    inner = body.function

    def forward(x: Any, *, axis: int = -1) -> Any:
        y = inner(x, axis=axis)
        x[...] = 0
        return y

    assert any(row.problem == "it writes into its arguments" for row in check(replace(body, function=forward)))


def test_what_no_body_covers_the_formula_does(mine: Any) -> None:
    body = mine("picky", more=", covers=lambda x, axis=-1: x.shape[0] == 2")
    x = np.zeros((2, 3))
    with tz.use_kernels("picky"):
        F.softmax(tz.tensor(x))  # float64
        F.softmax(tz.tensor(x[:1].astype(np.float32)))  # one row
        F.softmax(tz.tensor(x.astype(np.float32)))
    assert counted(body) == [(2, 3)]


def test_where_the_formula_takes_less_time_it_runs(mine: Any) -> None:
    body = mine(more=", least=12")
    with tz.use_kernels("mine"):
        F.softmax(tz.tensor(np.zeros((2, 3), np.float32)))
        F.softmax(tz.tensor(np.zeros((4, 3), np.float32)))
    assert counted(body) == [(4, 3)]


def test_of_several_the_first_that_covers_a_call(mine: Any) -> None:
    first, second = mine("first", more=", covers=lambda x, axis=-1: x.shape[0] == 2"), mine("second")
    with tz.use_kernels("first", "second"):
        F.softmax(tz.tensor(np.zeros((2, 3), np.float32)))
        F.softmax(tz.tensor(np.zeros((4, 3), np.float32)))
    assert counted(first) == [(2, 3)] and counted(second) == [(4, 3)]


def test_bodies_see_contiguous_arrays_unless_they_ask_for_any(mine: Any) -> None:
    x = tz.tensor(np.arange(12, dtype=np.float32).reshape(4, 3)).swapaxes(0, 1)
    plain = F.softmax(x).numpy()
    for name, more, contiguous in (("contiguous", "", True), ("strided", ", strided=True", False)):
        seen = []
        mine(name, more=f"{more}, covers=lambda x, axis=-1: True").function.__globals__["np"] = Spy(seen)
        with tz.use_kernels(name):
            np.testing.assert_allclose(F.softmax(x).numpy(), plain, rtol=1e-6)
        assert seen == [contiguous]


class Spy:
    """NumPy, whose exp notes the layout of what came."""

    def __init__(self, seen: list[bool]) -> None:
        self.seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def exp(self, x: Any) -> Any:
        self.seen.append(x.flags.c_contiguous)
        return np.exp(x)


def test_formulas_takes_the_kernels_away(mine: Any) -> None:
    body = mine("inner")
    with tz.use_kernels("inner"), tz.use_kernels("formulas"):
        F.softmax(tz.tensor(np.zeros((2, 3), np.float32)))
    assert not counted(body)


def test_second_derivatives_run_the_formulas(mine: Any) -> None:
    mine("outer")
    x = tz.tensor(np.array([[1.0, 2.0, 4.0]], np.float32), requires_grad=True)
    with tz.use_kernels("outer"):
        (g,) = tz.grad(F.softmax(x)[0, 0], x, create_graph=True)
        (h,) = tz.grad(g[0, 1], x)
    (g,) = tz.grad(F.softmax(x)[0, 0], x, create_graph=True)
    np.testing.assert_allclose(h.numpy(), tz.grad(g[0, 1], x)[0].numpy(), rtol=1e-5)


def test_a_name_that_no_body_has() -> None:
    with pytest.raises(ValueError, match=r"there are no kernels 'mkl'; there are formulas, .*numba"), \
            tz.use_kernels("mkl"):
        pass


def test_the_environment_chooses_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYGRAD_ZH_KERNELS", raising=False)
    assert chosen() == ("formulas",)
    monkeypatch.setenv("TINYGRAD_ZH_KERNELS", "cuda-c, numba")
    assert chosen() == ("cuda-c", "numba")
    assert chosen("numba") == ("numba",)
    assert {"formulas", "numba", "cuda-c", "numba-cuda"} <= set(known())


@pytest.mark.parametrize(("text", "error", "says"), [
    ("x = 1", ValueError, "registers no body"),
    ("raise RuntimeError('broken')", RuntimeError, "broken"),
    ("from tinygrad_zh_kernels import get\nget('softmax.sideways')", KeyError, "there is no kernel 'softmax.sideways'"),
    ("from tinygrad_zh_kernels import get\n@get('softmax.forward').body('q', device='cpu')\ndef f(x): pass", ValueError,
     "its docstring says what it adds"),
    ("from tinygrad_zh_kernels import get\n@get('softmax.forward').body('q', device='tpu')\ndef f(x): pass", ValueError,
     'runs on "cpu" or "cuda"'),
])
def test_a_file_that_is_no_body(tmp_path: Path, text: str, error: type[Exception], says: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=says):
        library.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        library.load(tmp_path / "none.py")


def test_rounding_that_the_formula_itself_loses_is_no_problem_but_a_wrong_digit_is(mine: Any) -> None:
    def cancelling(rng: np.random.Generator, dtype: Any) -> library.Arguments:
        dy, y = rng.standard_normal((2, 3, 5))
        dy = 1000 + 1e-3 * dy  # dx = y (dy − Σ dy y): what is left of dy is small
        return library.Arguments((dy.astype(dtype), (np.abs(y) / np.abs(y).sum(-1, keepdims=True)).astype(dtype)),
                                 {"axis": -1})

    body = library.bodies(library.get("softmax.backward"))["numba"]
    single = np.dtype(np.float32)
    assert check_call(body, "cancelling", cancelling, single).problem is None
    off = replace(body, function=lambda dy, y, *, axis: body.function(dy, y, axis=axis) * np.float32(1.2))
    assert "off by" in str(check_call(off, "cancelling", cancelling, single).problem)
