"""One function by name: every function of the engine has sample inputs, and passes on them."""

from __future__ import annotations

import pytest

import tinygrad_zh as tz
from tinygrad_zh import cli
from tinygrad_zh import functional as F
from tinygrad_zh.check.experiments import op
from tinygrad_zh.check.experiments.op import CONSTANT, SAMPLES, measure, sample

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


def test_the_tables_name_functions_of_the_engine():
    assert CONSTANT | SAMPLES.keys() <= set(F.__all__)
    assert not CONSTANT & SAMPLES.keys()


@pytest.mark.parametrize("name", [name for name in F.__all__ if name not in CONSTANT])
def test_every_function_passes_on_its_samples(name):
    report = measure(name)
    assert report, report
    assert report.title == name
    assert any(row.element is not None for row in report.comparisons)


@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_a_function_without_a_gradient_says_so(name):
    with pytest.raises(ValueError, match=name):
        sample(name)


def test_a_wrong_name_hears_of_those_near_it(capsys):
    assert cli.main(["--lang", "en", "check", "op", "tahn"]) == 1
    assert "there is no function tahn; near: tanh" in capsys.readouterr().err


@pytest.mark.parametrize(("language", "said"), [("en", "passed order 2"), ("zh", "通过 2 阶")])
def test_the_command(language, said, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "tanh.svg"
    assert cli.main(["--lang", language, "check", "op", "Tanh", "--order", "2", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in (*said.split(" ", 1), "tanh"))
    assert path.exists() and path.with_suffix(".csv").exists()
    assert cli.main(["check", "op", "tanh", "--method", "complex"]) == 0


def test_the_status_of_a_wrong_gradient_is_1(monkeypatch, capsys):
    class Half(tz.Op):
        def forward(x):
            return x * x

        def backward(dy, x):
            return dy * x

    monkeypatch.setitem(SAMPLES, "tanh", (Half, (op.normal(),)))
    assert cli.main(["--lang", "en", "check", "op", "tanh"]) == 1
    assert "1/2 times what it should be" in capsys.readouterr().out
