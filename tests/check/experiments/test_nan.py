"""The gallery of NaNs: every case goes wrong as it says, every safe form does not; and the user's own function."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import cli
from tinygrad_zh.check import autopsy
from tinygrad_zh.check.experiments.nan import GALLERY, evaluate, load, measure
from tinygrad_zh.i18n import catalogue, text

BIRTHS = {
    "softmax": ("Exp", "forward", "Div"),
    "log_of_zero": ("Log", "forward", "Softmax"),
    "log_sigmoid": ("Log", "forward", "Sigmoid"),
    "softplus": ("Exp", "forward", "Exp"),
    "where": ("Sqrt", "backward", None),
    "distance": ("Sqrt", "backward", "Pow"),
    "spread": ("Sqrt", "backward", "Var"),
    "direction": ("Div", "forward", None),
    "entropy": ("Log", "forward", "Mul"),
    "overflow": ("Mul", "forward", None),
}


@pytest.mark.parametrize(("case", "found", "safe"), measure(), ids=lambda x: getattr(x, "name", ""))
def test_each_case_goes_wrong_and_its_safe_form_does_not(case, found, safe):
    assert (found.op, found.phase, found.then and found.then.op) == BIRTHS[case.name]
    assert found.source == ""
    assert safe is None
    assert text(f"check.nan.{case.name}")


def test_each_safe_form_is_the_same_function_elsewhere():
    from tinygrad_zh import functional as F

    rng = np.random.default_rng(0)
    for case in GALLERY:
        inputs = {name: np.abs(rng.normal(size=len(value))) for name, value in case.inputs.items()}
        risky, safe = (np.asarray(eval(formula, dict(vars(F)), inputs)) for formula in (case.formula, case.safe))
        assert risky == pytest.approx(safe, rel=1e-6), case.name


def test_all_have_a_title_and_no_title_is_left_over():
    assert BIRTHS.keys() == {case.name for case in GALLERY}
    assert all(f"check.nan.{name}" in catalogue() for name in BIRTHS)
    assert evaluate("x * 2", {"x": [1.0]}) is None


@pytest.mark.parametrize(("language", "said"), [("en", "born in the backward of Sqrt"), ("zh", "诞生于 Sqrt 的反向")])
def test_the_gallery(language, said, capsys):
    assert cli.main(["--lang", language, "check", "nan"]) == 0
    out = capsys.readouterr().out
    assert said in out and out.count("✓") == len(GALLERY) and "10. " in out


def test_the_users_own_function(tmp_path, capsys):
    (tmp_path / "helper.py").write_text("value = -1.0\n")
    path = tmp_path / "train.py"
    path.write_text("import tinygrad_zh as tz\nfrom helper import value\n\n\ndef loss():\n"
                    "    return tz.functional.log(tz.tensor([2.0, value], requires_grad=True)).mean()\n\n\n"
                    "def fine():\n    return tz.tensor(1.0)\n")
    assert cli.main(["--lang", "en", "check", "nan", f"{path}:loss"]) == 1
    out = capsys.readouterr().out
    assert "NaN born in the forward of Log at [1]: x = −1" in out and "train.py:6" in out
    assert cli.main(["--lang", "en", "check", "nan", f"{path}:fine"]) == 0
    assert "All numbers are finite" in capsys.readouterr().out
    assert autopsy(load(f"{path}:fine")) is None


@pytest.mark.parametrize(("place", "said"), [
    ("train.py", "does not say FILE.py:function"),
    ("train.txt:loss", "does not say FILE.py:function"),
    ("nowhere.py:loss", "No such file"),
    (f"{__file__}:no_such", "defines no function no_such"),
])
def test_a_wrong_place(place, said, capsys):
    assert cli.main(["--lang", "en", "check", "nan", place]) == 1
    assert said in capsys.readouterr().err
