"""What fit, evaluate, predict and the callbacks are given wrongly: the error, and proof that nothing was trained."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, line, mlp
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import Checkpoint, EarlyStopping, evaluate, fit, metrics, predict

X, Y = classes(20)


def spoilt(array, index, value):
    array = np.array(array, np.result_type(array, type(value)))
    array[index] = value
    return array


def no_scores(p, t):
    raise ValueError("no scores")


# Arguments of fit that differ from a good call's; the error; what it says.
FIT = {
    "nan in one sample": ({"train": (spoilt(X, (7, 2), np.nan), Y)}, ValueError,
                          r"train x: sample 7 holds nan or ∞ in float32 \(1 of 20 samples do\)"),
    "∞ in two samples": ({"train": (spoilt(X, ([3, 9], 0), -np.inf), Y)}, ValueError,
                         r"train x: sample 3 holds nan or ∞ .*\(2 of 20"),
    "nan among the targets": ({"train": (X, spoilt(Y, 19, np.nan)), "loss": F.mse_loss}, ValueError,
                              "train y: sample 19 holds nan"),
    "a number too large for float32": ({"train": (spoilt(X.astype(float), (0, 0), 1e300), Y)}, ValueError,
                                       "train x: sample 0 holds nan or ∞ in float32"),
    "nan in the validation set": ({"validation": (spoilt(X, (1, 1), np.nan), Y)}, ValueError,
                                  "validation x: sample 1"),
    "fewer targets": ({"train": (X, Y[:-1])}, ValueError, "train: 20 samples but 19 targets"),
    "fewer samples": ({"train": (X[1:], Y)}, ValueError, "train: 19 samples but 20 targets"),
    "unequal validation": ({"validation": (X, Y[:5])}, ValueError, "validation: 20 samples but 5 targets"),
    "no samples": ({"train": (X[:0], Y[:0])}, ValueError, r"train x: there are no samples in .* \(0, 4\)"),
    "no targets": ({"train": (X, [])}, ValueError, "train y: there are no samples"),
    "an empty validation set": ({"validation": (X[:0], Y[:0])}, ValueError, "validation x: there are no samples"),
    "one number": ({"train": (3.0, 1)}, ValueError, r"train x: there are no samples in an array of shape \(\)"),
    "x alone": ({"train": X}, TypeError, r"train is a pair \(x, y\) of arrays, not ndarray"),
    "three arrays": ({"train": (X, Y, Y)}, TypeError, r"train is a pair \(x, y\)"),
    "words": ({"train": (X, ["cat"] * 20)}, TypeError, "train y: the data are real numbers, not <U3"),
    "objects": ({"train": (np.array([None] * 20), Y)}, TypeError, "train x: the data are real numbers, not object"),
    "complex numbers": ({"train": (X * 1j, Y)}, TypeError, "real numbers, not complex64"),
    "ragged lists": ({"train": ([[1.0], [1.0, 2.0]], [0, 1])}, ValueError, "inhomogeneous"),
    "a label too large": ({"train": (X, spoilt(Y, 4, 3))}, IndexError, "3"),
    "a label of −1": ({"train": (X, spoilt(Y, 4, -1))}, IndexError, "-1"),
    "labels as floats": ({"train": (X, Y.astype(float))}, TypeError, "float32"),
    "labels as a column": ({"train": (X, Y[:, None])}, ValueError, r"\(20,\).*not \(20, 1\)"),
    "(n, 1) against (n,)": ({"train": (line(20)[0], line(20)[1].ravel()), "model": lambda: nn.Dense(2, 1),
                             "loss": F.mse_loss}, ValueError, r"prediction has shape \(20, 1\) and the target \(20,\)"),
    "another width": ({"train": (X[:, :3], Y)}, ValueError, r"Dense\(4 → 8\) takes \(…, 4\), not \(20, 3\)"),
    "pictures without Flatten": ({"train": (np.ones((20, 2, 2)), Y)}, ValueError, r"put nn\.Flatten\(\) before it"),
    "floats for an embedding": ({"model": lambda: nn.Sequential(nn.Embedding(9, 2), nn.Flatten(), nn.Dense(8, 3))},
                                TypeError, "integers"),
    "a token that is not in the vocabulary": (
        {"train": (np.full((20, 4), 9), Y),
         "model": lambda: nn.Sequential(nn.Embedding(9, 2), nn.Flatten(), nn.Dense(8, 3))}, IndexError, "9"),
    "no module": ({"fit_model": lambda x: x}, TypeError, r"the model is a tz\.nn\.Module, not <function"),
    "the class of a module": ({"fit_model": nn.Dense}, TypeError, r"the model is a tz\.nn\.Module, not <class"),
    "the class of an optimizer": ({"optimizer": lambda model: tz.optim.Adam}, TypeError,
                                  r"the optimizer is an Optimizer, not .*; write Adam\(…\)"),
    "no optimizer": ({"optimizer": lambda model: None}, TypeError, "not None"),
    "another model's optimizer": ({"optimizer": lambda model: tz.optim.SGD(mlp().parameters(), lr=0.1)}, ValueError,
                                  r"none of this model's parameters.*model\.parameters\(\)"),
    "no epoch": ({"epochs": 0}, ValueError, "epochs is a number ≥ 1, not 0"),
    "half an epoch": ({"epochs": 2.5}, TypeError, r"epochs is a whole number, not 2\.5"),
    "True epochs": ({"epochs": True}, TypeError, "epochs is a whole number, not True"),
    "batches of none": ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    "batches of a fraction": ({"batch_size": 8.0}, TypeError, r"batch_size must be an int, got 8\.0"),
    "a seed for a generator": ({"generator": 0}, TypeError, r"generator is a NumPy Generator, .* not 0"),
    "augmented data for augment": ({"augment": X + 1}, TypeError,
                                   r"augment is a function \(x, generator\) → x, not ndarray"),
    "an augment without a generator": ({"augment": lambda x: x}, TypeError, "takes 1 positional argument but 2"),
    "an augment that gives nothing back": ({"augment": lambda x, generator: None}, TypeError,
                                           r"augment\(x\): the data are real numbers, not object"),
    "an augment that adds samples": ({"augment": lambda x, generator: np.concatenate([x, x])}, ValueError,
                                     "augment gives 40 samples for 20; each goes with its target"),
    "an augment that makes nan": ({"augment": lambda x, generator: spoilt(x, (7, 0), np.nan)}, ValueError,
                                  r"augment\(x\): sample 7 holds nan or ∞ in float32 \(1 of 20"),
    "an augment that makes too large numbers": ({"augment": lambda x, generator: x.astype(float) * 1e300}, ValueError,
                                                r"augment\(x\): sample 0 holds nan or ∞ in float32"),
    "a word for progress": ({"progress": "yes"}, ValueError, "progress is \"auto\", \"lines\" or \"none\", not 'yes'"),
    "the class of a callback": ({"callbacks": [EarlyStopping]}, TypeError,
                                r"a callback is a Callback, not .*; write EarlyStopping\(…\)"),
    "a function as a callback": ({"callbacks": [print]}, TypeError, "a callback is a Callback, not <built-in"),
    "a metric without brackets": ({"metrics": metrics.accuracy}, TypeError, "a list or a dict of functions"),
    "a metric's name": ({"metrics": ["accuracy"]}, TypeError, r"such as tz\.train\.metrics\.accuracy, not 'accuracy'"),
    "a metric without a name": ({"metrics": [partial(metrics.f1, average="macro")]}, ValueError,
                                r"no name for itself; give the metrics as a dict"),
    "two metrics of one name": ({"metrics": [lambda p, t: 0, lambda p, t: 1]}, ValueError, "no name for itself"),
    "a metric called loss": ({"metrics": {"loss": metrics.mse}}, ValueError, "no metric is called 'loss'"),
    "a loss that is a number": ({"loss": lambda p, t: 0.5}, TypeError, r"gives a tensor, not 0\.5"),
    "a loss that is an array": ({"loss": lambda p, t: np.mean(p.numpy())}, TypeError, "gives a tensor, not np.float32"),
    "a loss for each sample": ({"loss": partial(F.cross_entropy, reduction="none")}, ValueError,
                               r"one number, not a tensor of shape \(20,\); take its mean"),
    "a loss apart from the model": ({"loss": lambda p, t: F.cross_entropy(p.detach(), t)}, RuntimeError,
                                    "nothing to differentiate"),
    "an infinite loss": ({"loss": lambda p, t: F.cross_entropy(p, t) / 0.0}, FloatingPointError,
                         r"the loss is inf in epoch 1, batch 1 \(samples (\d+, ){8}…\); this step was not taken"),
    "an infinite gradient of a finite loss": (
        {"loss": lambda p, t: ((p - p.detach()) ** 2).sum() ** 0.5 + F.cross_entropy(p, t)}, FloatingPointError,
        r"the gradient of the optimizer's parameter 0, \(4, 8\), is not finite in epoch 1, batch 1 \(samples"),
    "a folder to resume from": ({"resume": "."}, OSError, "."),
    "a checkpoint that is not there": ({"resume": "nowhere/run"}, FileNotFoundError, "nowhere"),
}


@pytest.mark.parametrize("case", FIT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fit_refuses_it_and_no_weight_changes(case, capsys):
    changes, error, message = FIT[case]
    changes = dict(changes)
    tz.manual_seed(0)
    model = changes.pop("model", mlp)()
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    given = {"model": changes.pop("fit_model", model), "train": (X, Y), "loss": F.cross_entropy, "progress": "none",
             "optimizer": changes.pop("optimizer", lambda model: optimizer)(model), "batch_size": 20} | changes
    before = contents(model, optimizer)
    with pytest.raises(error, match=message) as caught:
        fit(given.pop("model"), given.pop("train"), **given)
    assert contents(model, optimizer) == before
    assert "\n" not in str(caught.value)
    assert tz.is_grad_enabled()
    assert capsys.readouterr().out == ""


def test_a_model_that_was_refused_bad_input_trains_as_if_nothing_had_been():
    results = []
    for attempts in ([], ["nan in one sample", "a label too large", "an infinite loss", "a loss for each sample"]):
        model = mlp()
        optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
        for case in attempts:
            changes, error, _ = FIT[case]
            with np.errstate(all="ignore"), pytest.raises(error):
                fit(model, **{"train": (X, Y), "loss": F.cross_entropy, "optimizer": optimizer, "progress": "none"}
                    | changes)
        tz.manual_seed(1)
        fit(model, (X, Y), loss=F.cross_entropy, optimizer=optimizer, progress="none", epochs=2)
        results.append(contents(model, optimizer))
    assert results[0] == results[1]


def test_under_no_grad_there_is_nothing_to_learn_from():
    model = mlp()
    before = contents(model)
    with tz.no_grad(), pytest.raises(RuntimeError, match="computed under no_grad"):
        fit(model, (X, Y), loss=F.cross_entropy, optimizer=tz.optim.SGD(model.parameters(), lr=0.1), progress="none")
    assert contents(model) == before


HELD_OUT = {
    "predict nan": (lambda m: predict(m, spoilt(X, 5, np.nan)), ValueError, "x: sample 5 holds nan"),
    "predict nothing": (lambda m: predict(m, X[:0]), ValueError, "x: there are no samples"),
    "predict a word": (lambda m: predict(m, "digits"), TypeError, "x: the data are real numbers"),
    "predict without a model": (lambda m: predict(None, X), TypeError, r"the model is a tz\.nn\.Module, not None"),
    "predict in batches of none": (lambda m: predict(m, X, batch_size=0), ValueError, "batch_size is .* ≥ 1, not 0"),
    "predict another width": (lambda m: predict(m, X[:, :2]), ValueError, "takes"),
    "evaluate unequal lengths": (lambda m: evaluate(m, (X, Y[:3]), F.cross_entropy), ValueError,
                                 "data: 20 samples but 3 targets"),
    "evaluate x alone": (lambda m: evaluate(m, X, F.cross_entropy), TypeError, r"data is a pair \(x, y\)"),
    "evaluate negative batches": (lambda m: evaluate(m, (X, Y), F.cross_entropy, batch_size=-1), ValueError, "≥ 1"),
    "evaluate a label too large": (lambda m: evaluate(m, (X, Y + 1), F.cross_entropy), IndexError, "3"),
    "evaluate a loss that is no tensor": (lambda m: evaluate(m, (X, Y), lambda p, t: 1.0), TypeError, "gives a tensor"),
    "evaluate a metric without brackets": (lambda m: evaluate(m, (X, Y), F.cross_entropy, metrics.accuracy), TypeError,
                                           "put it in brackets"),
    "evaluate a metric that raises": (lambda m: evaluate(m, (X, Y), F.cross_entropy, [no_scores]), ValueError,
                                      "no scores"),
}


@pytest.mark.parametrize("case", HELD_OUT)
def test_predict_and_evaluate_refuse_it_and_nothing_changes(case):
    call, error, message = HELD_OUT[case]
    model = everything()
    before = contents(model)
    with pytest.raises(error, match=message):
        call(model)
    assert contents(model) == before
    assert all(module.training for _, module in model.named_modules())
    assert tz.is_grad_enabled()


@pytest.mark.parametrize("make, message", [
    (lambda: EarlyStopping(patience=0), "patience is a number of epochs ≥ 1, not 0"),
    (lambda: Checkpoint("run", every=0), "every is a number of epochs ≥ 1, not 0"),
])
def test_settings_of_callbacks(make, message):
    with pytest.raises(ValueError, match=message):
        make()
