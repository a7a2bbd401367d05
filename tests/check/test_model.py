"""A whole model on one batch: what passes, what is to blame for what fails, and that nothing is left changed."""

from __future__ import annotations

import re
import signal
from functools import wraps

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import on_a_terminal
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.check import Report, check_model
from tinygrad_zh.check.blame import ops_to_blame
from tinygrad_zh.check.model import loss_of, parameters_of, shares
from tinygrad_zh.check.parameters import single, substituted
from tinygrad_zh.check.problem import TensorProblem
from tinygrad_zh.core.tape import Tape
from tinygrad_zh.i18n import in_language

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(12, 6)).astype(np.float32)
TOKENS = RNG.integers(0, 30, (6, 8))
LABELS = RNG.integers(0, 3, 12)
WIDTH = 8


# ---- models


class Classifier(nn.Module):
    """Tokens to three classes, by attention."""

    def __init__(self, activation=F.relu, blocks=2):
        self.embedding = nn.Embedding(30, WIDTH)
        self.position = nn.LearnedPosition(8, WIDTH)
        self.blocks = [nn.TransformerBlock(WIDTH, 2, 12, dropout=0.2, activation=activation) for _ in range(blocks)]
        self.pool = nn.MeanPool()
        self.out = nn.Dense(WIDTH, 3)

    def forward(self, tokens, mask=None):
        x = self.position(self.embedding(tokens))
        for block in self.blocks:
            x = block(x)
        return self.out(self.pool(x, mask))


class Tied(nn.Module):
    """One matrix, to read tokens and to write them."""

    def __init__(self):
        self.embedding = nn.Embedding(30, WIDTH)
        self.again = nn.Embedding(30, WIDTH)
        self.again.W = self.embedding.W

    def forward(self, tokens):
        return self.embedding(tokens) @ self.again.W.T


class Apply(nn.Module):
    """Any function as a layer."""

    def __init__(self, function):
        self._function = function

    def forward(self, x):
        return self._function(x)


def dense(*between):
    return nn.Sequential(nn.Dense(6, 5), *(between or [nn.ReLU()]), nn.Dense(5, 3))


def normalized():
    return nn.Sequential(nn.Dense(6, 5), nn.BatchNorm(5), nn.GELU(), nn.Dropout(0.4), nn.Dense(5, 3))


def language_loss(logits, tokens):
    return F.cross_entropy(logits.reshape((-1, 30)), tokens.reshape(-1))


VECTOR_BATCH = (VECTORS, LABELS)
TOKEN_BATCH = (TOKENS, LABELS[:6])
MASKED_BATCH = (TOKENS, np.arange(8) < np.array([[8], [5], [3], [8], [1], [2]]), LABELS[:6])
MODELS = {
    "dense": (dense, VECTOR_BATCH, F.cross_entropy),
    "normalized": (normalized, VECTOR_BATCH, F.cross_entropy),
    "normalized, in eval()": (lambda: normalized().eval(), VECTOR_BATCH, F.cross_entropy),
    "regression": (dense, (VECTORS.astype(np.float64), RNG.normal(size=(12, 3))), F.mse_loss),
    "attention": (Classifier, TOKEN_BATCH, F.cross_entropy),
    "attention with a mask": (Classifier, MASKED_BATCH, F.cross_entropy),
    "decoder": (lambda: nn.Sequential(nn.Embedding(30, WIDTH), nn.PreNormTransformerBlock(WIDTH, 2, 12),
                                      nn.Dense(WIDTH, 30)),
                (TOKENS, TOKENS), language_loss),
    "tied": (Tied, (TOKENS, TOKENS), language_loss),
}


@pytest.fixture(autouse=True)
def seeded():
    tz.manual_seed(0)


@pytest.fixture(params=MODELS, ids=str)
def case(request):
    make, batch, loss = MODELS[request.param]
    return make(), batch, loss


# ---- right ones


def test_a_right_model_passes(case):
    report = check_model(*case)
    assert report, str(report)
    assert {row.name for row in report.comparisons} - {""} == {name for name, _ in case[0].named_parameters()}
    assert not report.warnings


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_it_passes_under_any_seed(case, seed):
    tz.manual_seed(seed)
    for _, module in case[0].named_modules():
        for name, w in module.own_tensors():
            if w.requires_grad:
                getattr(module, name.partition(".")[0]).assign(np.random.default_rng(seed).normal(size=w.shape) * 0.7)
    report = check_model(*case, seed=seed)
    assert report, str(report)


def test_no_op_of_a_right_model_is_to_blame(case):
    model, batch, loss = case
    parameters = parameters_of(model)
    function = loss_of(model, batch, loss, next(iter(parameters.values())))
    tensors = tuple(parameters.values())
    arrays = [w.array for w in tensors]
    problem = TensorProblem(substituted(single(function), tensors), arrays, "loss", list(parameters))
    problem.value(problem.points)
    found = ops_to_blame(problem, set(), {}, seed=0, dtype=np.dtype(np.float32))
    assert [failure.diagnosis for failure in found] == ["no_op"], "\n".join(map(str, found))


@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_data_have_the_precision_of_the_parameters_at_every_moment(given):
    model = dense()
    pairs = set()

    def loss(prediction, targets):
        pairs.add((str(np.finfo(model[0].W.dtype).dtype), str(targets.dtype)))
        return F.mse_loss(prediction, targets)

    assert check_model(model, (VECTORS.astype(given), np.ones((12, 3), given)), loss)
    assert pairs == {("float32", "float32"), ("float64", "float64")}


def test_every_parameter_has_its_share_of_the_samples():
    report = check_model(dense(), VECTOR_BATCH, F.cross_entropy, samples=20)
    moved = [row.name for row in report.comparisons if row.element is not None]
    assert {name: moved.count(name) for name in moved} == {"0.W": 6, "0.b": 5, "2.W": 6, "2.b": 3}


@pytest.mark.parametrize("sizes, samples, limits", [
    ([100, 100], 40, [20, 20]),
    ([100, 1, 100, 3], 40, [18, 1, 18, 3]),
    ([100] * 50, 40, [2] * 50),
    ([0, 5], 40, [0, 5]),
])
def test_shares(sizes, samples, limits):
    assert shares(sizes, samples) == limits


def test_a_frozen_parameter_is_a_constant():
    model = dense()
    model[0].W.requires_grad = False
    report = check_model(model, VECTOR_BATCH, F.cross_entropy)
    assert report
    assert {row.name for row in report.comparisons} == {"0.b", "2.W", "2.b", ""}


def test_a_shared_parameter_counts_once():
    report = check_model(Tied(), (TOKENS, TOKENS), language_loss)
    assert {row.name for row in report.comparisons} == {"embedding.W"}


def test_a_parameter_that_is_not_used_is_a_warning():
    model = dense()
    model.spare = nn.Dense(2, 2)
    report = check_model(model, VECTOR_BATCH, F.cross_entropy)
    assert report
    assert [(w.name, w.layer) for w in report.warnings] == [("spare.W", "spare (Dense)"), ("spare.b", "spare (Dense)")]
    with in_language("en"):
        assert "! parameter W in layer spare (Dense): its gradient is 0 everywhere, rightly" in str(report)
    with in_language("zh"):
        assert "! 层 spare (Dense) 的参数 W: 梯度处处为 0，这没有错" in str(report)
    assert Report.from_json(report.to_json()).warnings == report.warnings


def test_a_shared_parameter_belongs_to_the_first_of_its_layers():
    model = dense()
    model.spare, model.again = nn.Dense(2, 2, bias=False), nn.Dense(2, 2, bias=False)
    model.again.W = model.spare.W
    report = check_model(model, VECTOR_BATCH, F.cross_entropy)
    assert [(w.name, w.layer) for w in report.warnings] == [("spare.W", "spare (Dense)")]


# ---- wrong ones


class Slanted(tz.Op):
    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return dy * (1 - y * y) * (1 + 1e-4)


class WrongAbove2(tz.Op):
    """Right almost everywhere."""

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * np.where(x > 2, 3 * x, 2 * x)


class Remembering(tz.Op):
    last = None

    def forward(x):
        Remembering.last = x
        return x * x

    def backward(dy, x_shape):
        return dy * 2 * Remembering.last


class Raising(tz.Op):
    def forward(x):
        return x * 1.0

    def backward(dy):
        raise ValueError("not written yet")


class MissingRow(tz.Op):
    """A matrix product that forgets one element of its weights."""

    def forward(x, w):
        return x @ w

    def backward_x(dy, w):
        return dy @ w.T

    def backward_w(dy, x):
        dw = x.T @ dy
        dw[3, 1] = 0
        return dw


class Cancelling(tz.Op):
    """Its backward is right in float64 and lost in float32."""

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * (((2 * x) + x.dtype.type(1e6)) - x.dtype.type(1e6))


class Noisy(tz.Op):
    """A dropout that forgets to scale its gradient."""

    def forward(x, *, generator):
        return x * (mask := generator.random(x.shape) < 0.5) * 2, mask

    aux = ("mask",)

    def backward(dy, mask):
        return dy * mask


class Flushing(tz.Op):
    """Wrong for small upstream gradients alone, as they come from a mean over a batch."""

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return np.where(np.abs(dy) < 0.1, 0, dy) * (1 - y * y)


class WrongByChance(tz.Op):
    """Wrong where it drew a large number."""

    aux = ("draw",)

    def forward(x, *, generator):
        return np.tanh(x), np.asarray(generator.random())

    def backward(dy, y, draw):
        return dy * (1 - y * y) * np.where(draw > 0.5, 2, 1)


class Sum(tz.Op):
    def forward(*xs):
        return sum(xs)

    def backward(dy, xs):
        return tuple(dy * (i != 1) for i in range(len(xs)))


class HalfTheLoss(tz.Op):
    def forward(x, t):
        return np.square(x - t).mean()

    def backward_x(dy, x, t):
        return dy * (x - t) / x.size


def blamed(report):
    return {(failure.op, failure.layer, failure.name) for failure in report.failures if failure.op}


def shown_in(report):
    return {failure.name for failure in report.failures if not failure.op}


def test_an_op_deep_inside_is_named_with_its_layer():
    model = Classifier(activation=Slanted)
    report = check_model(model, TOKEN_BATCH, F.cross_entropy)
    assert blamed(report) == {("Slanted", "blocks.1.feed_forward (FeedForward)", "x")}
    assert report.failures[0].diagnosis == "factor"
    above = {name for name in parameters_of(model)
             if name.startswith(("out", "blocks.1.feed_forward.second", "blocks.1.feed_forward_norm"))}
    assert not shown_in(report) & above
    assert {"embedding.W", "blocks.0.feed_forward.first.W", "blocks.1.feed_forward.first.W"} <= shown_in(report)


def backwards(model, batch, loss):
    """Every backward formula that runs for a model, with its op."""
    *inputs, targets = batch
    with tz.record() as tape:
        loss(model(*map(tz.tensor, inputs)), targets).backward()
    return sorted({(line.info["op"], line.function.__name__) for line in tape.of("backward")}, key=str)


def a_thousandth_too_large(formula):
    @wraps(formula)
    def backward(*arguments, **keywords):
        partials = formula(*arguments, **keywords)
        return tuple(p * 1.001 for p in partials) if isinstance(partials, tuple) else partials * 1.001

    return staticmethod(backward)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normalized", "attention with a mask"])
def test_whichever_op_is_wrong_is_named(name, monkeypatch):
    make, batch, loss = MODELS[name]
    model = make()
    found = backwards(model, batch, loss)
    assert len(found) >= 8
    for op, key in found[::3]:
        with monkeypatch.context() as patch:
            patch.setattr(op, key, a_thousandth_too_large(getattr(op, key)))
            patch.setattr(op, "plans", {})
            report = check_model(model, batch, loss)
        assert {failure.op for failure in report.failures} - {""} == {op.__name__}, f"{op.__name__}.{key}: {report}"


def test_it_is_said_in_both_languages():
    report = check_model(dense(Apply(Slanted)), VECTOR_BATCH, F.cross_entropy)
    with in_language("en"):
        assert str(report).splitlines()[0] == "gradient check of Sequential: FAILED, 3 found"
        assert ("✗ op Slanted in layer 1 (Apply), input x: off by a constant factor: 1 + 1.0e-04 times what it should "
                "be\n  ✗ parameter W in layer 0 (Dense): off by") in str(report)
    with in_language("zh"):
        assert "✗ 层 1 (Apply) 的算子 Slanted，输入 x: 相差一个常数因子" in str(report)
        assert "✗ 层 0 (Dense) 的参数 W: 相差一个常数因子" in str(report)
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


def test_an_op_that_is_wrong_where_it_ran_first_and_right_where_it_ran_last():
    small = Apply(lambda x: WrongAbove2(F.tanh(x)))
    large = Apply(lambda x: WrongAbove2(x * x + 3))
    report = check_model(dense(large, small), VECTOR_BATCH, F.cross_entropy)
    assert blamed(report) == {("WrongAbove2", "1 (Apply)", "x")}


def test_an_op_that_remembers_its_last_call():
    model = dense(Apply(lambda x: Remembering(x) + Remembering(x + 1)))
    report = check_model(model, VECTOR_BATCH, F.cross_entropy)
    assert {(op, layer) for op, layer, _ in blamed(report)} == {("Remembering", "1 (Apply)")}
    assert "state" in {failure.diagnosis for failure in report.failures if failure.op}


def test_an_op_whose_backward_raises():
    report = check_model(dense(Apply(Raising)), VECTOR_BATCH, F.cross_entropy)
    assert {(op, layer) for op, layer, _ in blamed(report)} == {("Raising", "1 (Apply)")}
    with in_language("en"):
        assert "op Raising in layer 1 (Apply): the backward raises ValueError" in str(report)


def test_an_op_that_draws_random_numbers():
    generator = np.random.default_rng(5)
    report = check_model(dense(Apply(lambda x: Noisy(x, generator=generator))), VECTOR_BATCH, F.cross_entropy)
    assert blamed(report) == {("Noisy", "1 (Apply)", "x")}
    assert next(f for f in report.failures if f.op).values == {"factor": "1/2"}
    assert generator.bit_generator.state == np.random.default_rng(5).bit_generator.state


def test_an_op_meets_the_upstream_gradient_that_it_was_given():
    report = check_model(dense(Apply(Flushing)), VECTOR_BATCH, F.cross_entropy)
    assert blamed(report) == {("Flushing", "1 (Apply)", "x")}


def test_an_op_draws_the_numbers_that_it_drew():
    generator = np.random.default_rng(2)
    assert (generator.random(2) > 0.5).tolist() == [False, False]
    assert generator.random() > 0.5
    generator = np.random.default_rng(2)

    def three_times(x):
        for _ in range(3):
            x = WrongByChance(x, generator=generator)
        return x

    report = check_model(dense(Apply(three_times)), VECTOR_BATCH, F.cross_entropy)
    assert {op for op, _, _ in blamed(report)} == {"WrongByChance"}


def test_an_op_of_the_loss_is_outside_the_layers():
    report = check_model(dense(), (VECTORS, np.ones((12, 3))), HalfTheLoss)
    assert blamed(report) == {("HalfTheLoss", "", "x")}
    with in_language("en"):
        assert "op HalfTheLoss outside the layers, input x: off by a constant factor: 1/2" in str(report)


def test_one_element_outside_the_sample_is_found_in_the_parameter_and_in_the_op():
    class Product(nn.Module):
        def __init__(self):
            self.w = nn.parameter(RNG.normal(size=(6, 5)).astype(np.float32) / 100)
            self.w.assign(np.where(np.arange(30).reshape(6, 5) == 16, 1e-4, self.w.numpy()))

        def forward(self, x):
            return MissingRow(x, self.w)

    x = VECTORS * np.where(np.arange(6) == 3, 1e-3, 1).astype(np.float32)  # so it is not among the largest
    report = check_model(nn.Sequential(Product(), nn.Dense(5, 3)), (x, LABELS), F.cross_entropy, samples=8, seed=1)
    assert blamed(report) == {("MissingRow", "0 (Product)", "w")}
    parameter = next(f for f in report.failures if not f.op)
    assert (parameter.name, parameter.diagnosis, parameter.values) == ("0.w", "one_element", {"element": "[3, 1]"})


def test_an_op_that_is_wrong_in_float32_alone():
    report = check_model(dense(Apply(Cancelling)), VECTOR_BATCH, F.cross_entropy)
    assert blamed(report) == {("Cancelling", "1 (Apply)", "x")}
    assert {f.diagnosis for f in report.failures} == {"precision"}


def test_two_ops_are_both_named():
    report = check_model(dense(Apply(Slanted), nn.Dense(5, 5), Apply(WrongAbove2)),
                         (VECTORS * 50, LABELS), F.cross_entropy)
    assert {op for op, _, _ in blamed(report)} == {"Slanted", "WrongAbove2"}


def test_only_ops_between_the_wrong_parameters_and_the_loss_are_suspects():
    a, b = tz.tensor([1.0, 3.0], requires_grad=True), tz.tensor([1.0, 3.0], requires_grad=True)

    def loss(a, b):
        return (Slanted(a) + WrongAbove2(b)).sum()

    problem = TensorProblem(loss, [a.numpy(), b.numpy()], "loss", ["a", "b"])
    problem.value(problem.points)

    def found(*wrong):
        return [failure.op for failure in ops_to_blame(problem, wrong, {}, seed=0, dtype=np.dtype(np.float64))]

    assert found("a") == ["Slanted"]
    assert found("b") == ["WrongAbove2"]
    assert found("a", "b") == found() == ["WrongAbove2", "Slanted"]


def test_an_op_and_a_parameter_of_the_model_itself():
    class Root(nn.Module):
        def __init__(self):
            self.w = nn.parameter(np.ones((6, 3), np.float32))

        def forward(self, x):
            return Slanted(x @ self.w)

    report = check_model(Root(), VECTOR_BATCH, F.cross_entropy)
    assert [(f.op, f.name, f.layer) for f in report.failures] == [("Slanted", "x", "Root"), ("", "w", "Root")]
    with in_language("en"):
        assert "✗ parameter w in layer Root: off by" in str(report)


def test_an_op_whose_result_is_not_used_is_not_to_blame():
    def forward(x):
        Slanted(x)
        return x * x.detach()

    report = check_model(dense(Apply(forward)), VECTOR_BATCH, F.cross_entropy)
    assert report.failures[0].diagnosis == "no_op"


def test_an_op_of_any_number_of_inputs():
    report = check_model(dense(Apply(lambda x: Sum(x, x * 2, F.tanh(x)))), VECTOR_BATCH, F.cross_entropy)
    assert blamed(report) == {("Sum", "1 (Apply)", "xs[1]")}


def test_where_no_op_is_to_blame_it_says_so():
    report = check_model(dense(Apply(lambda x: x * x.detach())), VECTOR_BATCH, F.cross_entropy)
    assert blamed(report) == set()
    assert report.failures[0].diagnosis == "no_op"
    with in_language("en"):
        assert "✗ no single op is to blame" in str(report)


@pytest.mark.slow
def test_a_long_report_is_cut_short():
    report = check_model(Classifier(activation=Slanted, blocks=3), TOKEN_BATCH, F.cross_entropy)
    with in_language("en"):
        lines = str(report).splitlines()
    crosses = [line for line in lines if line.startswith("  ✗")]
    assert len(crosses) == 10 < len(report.failures)
    assert f"  … and {len(report.failures) - 10} more" in lines
    inputs = {row.name for row in report.comparisons}
    assert lines[-1] == f"  … and {len(inputs) - 10} more"
    assert len(lines) < 30


# ---- nothing is left changed


def everything(model):
    return {name: (t.array, t.array.tobytes(), t.source, t.grad) for name, t in model.named_tensors()}


def unchanged(before, model):
    after = everything(model)
    return all(a is b or a == b for name in before for a, b in zip(before[name], after[name], strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_parameters_statistics_gradients_mode_and_generators_stay_as_they_are(training):
    model = normalized().train(training)
    F.cross_entropy(model(tz.tensor(VECTORS)), LABELS).backward()
    before = everything(model)
    drawn = str(tz.default_generator().bit_generator.state)
    assert check_model(model, VECTOR_BATCH, F.cross_entropy)
    assert unchanged(before, model)
    assert str(tz.default_generator().bit_generator.state) == drawn
    assert {module.training for _, module in model.named_modules()} == {training}


def interrupted(model, call, stop):
    """Whether a check whose loss calls `stop` at some call ends with KeyboardInterrupt."""
    calls = 0

    def loss(prediction, targets):
        nonlocal calls
        calls += 1
        if calls == call:
            stop()
        return F.cross_entropy(prediction, targets)

    with pytest.raises(KeyboardInterrupt):
        check_model(model, VECTOR_BATCH, loss)
    return calls


def raise_at_once():
    raise KeyboardInterrupt


@pytest.mark.parametrize("call", [1, 2, 5, 60])
def test_also_after_an_exception_in_the_middle_of_an_evaluation(call):
    model = normalized()
    before = everything(model)
    assert interrupted(model, call, raise_at_once) == call
    assert unchanged(before, model)


def test_ctrl_c_ends_it_after_the_evaluation_in_hand():
    model, handler = normalized(), signal.getsignal(signal.SIGINT)
    before = everything(model)
    assert interrupted(model, 20, lambda: signal.raise_signal(signal.SIGINT)) == 20
    assert unchanged(before, model)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_while_the_op_is_searched_for_counts_too(monkeypatch):
    asked = []

    def of(tape, kind):
        if not asked:
            asked.append(signal.raise_signal(signal.SIGINT))
        return [line for line in tape if line.kind == kind]

    monkeypatch.setattr(Tape, "of", of)
    with pytest.raises(KeyboardInterrupt):
        check_model(dense(Apply(Slanted)), VECTOR_BATCH, F.cross_entropy)
    assert asked


# ---- bad calls


def with_nan():
    model = dense()
    model[0].W.assign(np.where(np.arange(30).reshape(6, 5) == 7, np.nan, 0.1))
    return model


@pytest.mark.parametrize("call, error, words", [
    (lambda: check_model(F.relu, VECTOR_BATCH, F.mse_loss), TypeError, "not OpMeta|not function"),
    (lambda: check_model(nn.ReLU(), VECTOR_BATCH, F.mse_loss), TypeError, "ReLU has no parameter to check"),
    (lambda: check_model(with_nan(), VECTOR_BATCH, F.mse_loss), ValueError, r"0\.W is nan at \[1, 2\] \(1 of 30"),
    (lambda: check_model(dense(), VECTORS, F.mse_loss), TypeError, r"\(inputs, targets\).*not ndarray"),
    (lambda: check_model(dense(), (VECTORS,), F.mse_loss), TypeError, "not tuple of 1"),
    (lambda: check_model(dense(), (VECTORS * np.nan, LABELS), F.mse_loss), ValueError, "input 0: sample 0 holds nan"),
    (lambda: check_model(dense(), (VECTORS, ["a"] * 12), F.mse_loss), TypeError, "targets: the data are real numbers"),
    (lambda: check_model(dense(), VECTOR_BATCH, "mse"), TypeError, "loss is a function"),
    (lambda: check_model(dense(), VECTOR_BATCH, lambda y, t: y), TypeError, r"not of shape \(12, 3\)"),
    (lambda: check_model(dense(), VECTOR_BATCH, lambda y, t: 1.0), TypeError, "not float"),
    (lambda: check_model(dense(), VECTOR_BATCH, F.cross_entropy, progress=True), ValueError, "progress is"),
    (lambda: check_model(dense(), VECTOR_BATCH, F.cross_entropy, samples=0), ValueError, "samples is"),
])
def test_a_bad_call(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---- the bar


SCRIPT = """
import numpy as np, tinygrad_zh as tz
from tinygrad_zh.i18n import use_language
use_language("en")
batch = np.ones((4, 6)), np.array([0, 1, 2, 0])
tz.check.check_model(tz.nn.Dense(6, 3), batch, tz.functional.cross_entropy, progress=sys.argv[1])
"""


def test_a_bar_on_a_terminal_that_goes_away():
    out, shown = on_a_terminal(SCRIPT, "auto")
    assert out == ""
    counts = [(int(n), int(total)) for n, total in re.findall(r"checking gradients \S* *\S* (\d+)/(\d+)", shown)]
    assert counts
    assert all(n <= total for n, total in counts)
    assert "\n" not in shown


def test_no_bar_where_none_is_asked_for():
    assert on_a_terminal(SCRIPT, "none") == ("", "")


def test_no_bar_in_a_pipe(capfd):
    check_model(nn.Dense(6, 3), VECTOR_BATCH, F.cross_entropy)
    assert capfd.readouterr() == ("", "")
