"""What changes between two calls: the program sees it, or another one is made; a replay never works on old facts."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.compiling.twins import Twin, assert_equal, batches, classification, state, trained, twins
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.i18n import in_language
from tinygrad_zh.program.compiling.compiled import VARIANTS


def network():
    model = nn.Sequential(nn.Dense(4, 6), nn.Dropout(0.5), nn.BatchNorm(6), nn.Dense(6, 3))
    return classification(model, optim.Momentum(model.parameters(), lr=0.1))


def follow(between, make=network, count=5):
    """Both twins go through the same batches, and before each `between(twin, number)` happens to both."""
    plain, compiled = twins(make)
    given = batches((5, 4), count=count)
    results = []
    for twin in (plain, compiled):
        tz.manual_seed(1)
        results.append([])
        for number, (x, y) in enumerate(given):
            between(twin, number)
            results[-1].append(twin.step(tz.tensor(x), tz.tensor(y)))
    assert_equal(*results)
    assert state(plain) == state(compiled)
    return compiled.step


def once(at, change):
    return lambda twin, number: change(twin) if number == at else None


def set_rate(twin):
    twin.optimizer.lr = 0.5


def load(twin):
    twin.model.load_state_dict({name: array + 1 for name, array in twin.model.state_dict().items()})


def assign(twin):
    twin.model.layers[0].W.assign(np.ones((4, 6)))


SEEN = {"rate": set_rate, "load": load, "assign": assign, "seed": lambda twin: tz.manual_seed(5),
        "optimizer's state": lambda twin: twin.optimizer.load_state_dict(
            {name: array + 1 for name, array in twin.optimizer.state_dict().items()})}


@pytest.mark.parametrize("what", SEEN)
def test_values_that_a_program_reads_anew(what):
    assert follow(once(3, SEEN[what])).replays == 3


def replace(twin):
    twin.model.layers[0].W = tz.tensor(np.ones((4, 6), np.float32), requires_grad=True)


def other_layer(twin):
    twin.model.layers[1] = nn.Dropout(0.2)


def rate_of_dropout(twin):
    twin.model.layers[1].p = 0.1


def freeze(twin):
    twin.model.layers[0].W.requires_grad = False


def weight_decay(twin):
    twin.optimizer.weight_decay = 0.1


def own_generator(twin):
    twin.model.layers[1].generator = np.random.default_rng(0)


NOTICED = {"eval": lambda twin: twin.model.eval(), "a layer": other_layer,
           "a layer's number": rate_of_dropout, "requires_grad": freeze, "the optimizer's number": weight_decay,
           "a layer's generator": own_generator}


@pytest.mark.parametrize("what", NOTICED)
def test_what_python_would_look_up_is_noticed(what):
    step = follow(once(4, NOTICED[what]), count=8)
    assert step.replays == 2 + 2
    assert len(step.variants) == 2


def test_a_parameter_that_is_replaced():
    step = follow(once(4, replace), count=8)
    assert step.replays == 2 + 1  # the optimizer does not know the new one, so its gradients add up from the second on


def test_train_and_eval_in_turns():
    """Two programs, each used again."""
    step = follow(lambda twin, number: twin.model.train(number % 3 > 0), count=12)
    assert step.replays == 12 - 4 and len(step.variants) == 2


def test_a_variable_of_the_step_is_another():
    def make():
        model, scale = nn.Dense(4, 3), 1.0

        def step(x, y):
            return F.cross_entropy(model(x) * scale, y)

        def change():
            nonlocal scale, model
            scale, model = 3.0, nn.Dense(4, 3, init=nn.init.ones)

        step.change = change
        return Twin(model, None, step)

    plain, compiled = twins(make)
    given = batches((5, 4), count=8)
    for twin in (plain, compiled):
        twin.step.change() if twin is plain else twin.step.step.change()
    for number, (x, y) in enumerate(given):
        if number == 4:
            plain.step.change()
            compiled.step.step.change()
        assert_equal(plain.step(tz.tensor(x), tz.tensor(y)), compiled.step(x, y))
    assert compiled.step.replays == 4


def test_shapes_and_dtypes():
    plain, compiled = twins(network)
    for twin in (plain, compiled):
        tz.manual_seed(1)
        for n in (5, 3, 5, 3, 5, 3):
            for dtype in (np.float32, np.float64):
                for x, y in batches((n, 4), count=1, dtype=dtype):
                    twin.step(tz.tensor(x), tz.tensor(y))
    assert state(plain) == state(compiled)
    assert compiled.step.replays == 12 - 4 * 2 and len(compiled.step.variants) == 4


def test_layouts():
    """A transposed batch has the same shape, and its sums may round otherwise."""
    def make():
        w = tz.tensor(np.random.default_rng(0).normal(size=300).astype(np.float32))
        return Twin(nn.Module(), None, lambda x: ((x * w).sum(axis=1), x.sum()))

    plain, compiled = twins(make)
    x = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
    for given in [x, x.T] * 4:
        frozen = given.copy("K")
        frozen.setflags(write=False)
        assert_equal(plain.step(leaf(frozen)), compiled.step(given))
    assert compiled.step.replays == 4


def test_a_leaf_that_is_given_and_assigned_to():
    """The step sees its new values under both names; another tensor of that shape has a program."""
    def make():
        model = nn.Module()
        model.t = tz.tensor(np.ones(3, np.float32))

        def step(x):
            model.t.assign(model.t * 2)
            return x * 3

        return Twin(model, None, step)

    plain, compiled = twins(make)
    other = tz.tensor(np.ones(3, np.float32))
    for number in range(12):
        assert_equal(*(twin.step(twin.model.t if number % 4 == 0 else other) for twin in (plain, compiled)))
    assert compiled.step.replays == 7
    with in_language("en"):
        assert "An argument is model.t, a tensor that the step finds by itself" in compiled.step.explain()


@pytest.mark.parametrize("given", [
    np.ma.masked_array(np.ones((5, 4), np.float32), np.eye(5, 4)), np.ones((5, 4), object), np.ones((5, 4), complex)])
def test_what_is_no_tensor_is_refused_as_ever(given):
    plain, compiled = twins(network)
    labels = np.zeros(5, int)
    for x in [np.ones((5, 4), np.float32)] * 3 + [given]:
        messages = []
        for twin in (plain, compiled):
            try:
                twin.step(tz.tensor(x), tz.tensor(labels)) if twin is plain else twin.step(x, labels)
            except TypeError as error:
                messages.append(str(error))
    assert len(messages) == 2 and messages[0] == messages[1]


@pytest.mark.parametrize("of", [lambda x: x.astype(x.dtype.newbyteorder()), lambda x: x.view(np.memmap)])
def test_arrays_of_another_kind_are_tensors(of):
    plain, compiled = twins(network)
    assert_equal(*(trained(twin, [(of(x), y) for x, y in batches((5, 4), count=6)]) for twin in (plain, compiled)))
    assert state(plain) == state(compiled)


def test_branches():
    """Each way through the step gets a program; a value that is read decides which one runs."""
    def make():
        model = nn.Dense(4, 3)

        def step(x, y):
            model.zero_grad()
            h = model(x)
            if h.sum() > 0:
                h = h * 2
            loss = F.cross_entropy(h, y)
            loss.backward()
            model.W.assign(model.W - 0.1 * model.W.grad)
            return loss

        return Twin(model, None, step)

    plain, compiled = twins(make)
    rng = np.random.default_rng(3)
    for _ in range(20):
        x, y = rng.normal(size=(5, 4)).astype(np.float32), rng.integers(0, 3, 5)
        assert_equal(plain.step(tz.tensor(x), tz.tensor(y)), compiled.step(x, y))
    assert state(plain) == state(compiled)
    assert compiled.step.replays == 20 - 4 and len(compiled.step.variants) == 2


def test_a_branch_that_changes_nothing_in_the_lines_is_still_a_branch():
    def make():
        return Twin(nn.Module(), None, lambda x: "positive" if x.sum() > 0 else "negative")

    _, compiled = twins(make)
    assert [compiled.step(np.full(3, sign)) for sign in [1.0, -1.0] * 4] == ["positive", "negative"] * 4
    assert compiled.step.replays == 4


def test_masks_are_drawn_again_when_another_program_is_tried():
    """The first program draws before it sees that it does not fit; the generator goes back."""
    def make():
        model = nn.Sequential(nn.Dropout(0.5))

        def step(x):
            h = model(x)
            return h * 2 if h.sum() > 2 else h + 1

        return Twin(model, None, step)

    plain, compiled = twins(make)
    results = []
    for twin in (plain, compiled):
        tz.manual_seed(2)
        results.append([twin.step(tz.tensor(np.ones(4))) for _ in range(30)])
    assert_equal(*results)
    assert compiled.step.replays == 26 and len(compiled.step.variants) == 2


def test_gradients_that_another_step_left_are_taken_away():
    """zero_grad in a step that was recorded when there was nothing to take away."""
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @tz.compile(kernels="formulas")
    def first_layer_alone(x):
        optimizer.zero_grad()
        model.layers[0](x).sum().backward()

    x = np.ones((1, 2), np.float32)
    for _ in range(4):
        first_layer_alone(x)
    assert first_layer_alone.replays == 2
    model(x).sum().backward()
    assert model.layers[1].W.grad is not None
    first_layer_alone(x)
    assert model.layers[1].W.grad is None


def test_only_so_many_programs_are_kept():
    step = tz.compile(lambda x: x.sum(), kernels="formulas")
    for n in range(1, 21):
        for _ in range(9):
            assert step(np.ones(n)).item() == n
    assert len(step.variants) == VARIANTS
    assert step.calls == 20 * 9 and step.replays == 20 * 7


def test_a_step_that_never_settles_is_not_recorded_for_ever():
    step = tz.compile(lambda x: x.sum(), kernels="formulas")
    for n in range(1, 200):
        assert step(np.ones(n)).item() == n
    assert step.replays == 0 and step.recordings <= 2 * VARIANTS
    assert len(step._tries) <= 2 * VARIANTS and len(step._pending) <= VARIANTS
    assert "few different shapes" in step.explain() or "形状种类" in step.explain()


def test_a_tape_sees_every_line():
    twin = twins(network)[1]
    given = batches((5, 4))
    for x, y in given[:3]:
        twin.step(x, y)
    assert twin.step.replays == 1
    with tz.record() as tape:
        twin.step(*given[3])
    assert {"forward", "backward", "assign"} <= {line.kind for line in tape}
    assert twin.step.replays == 1


def test_a_compiled_step_in_a_compiled_step():
    def make():
        model = nn.Dense(4, 3)

        @tz.compile(kernels="formulas")
        def inner(x):
            return model(x)

        return Twin(model, None, lambda x: inner(x) * inner(2 * x))

    plain, compiled = twins(make)
    for x, _ in batches((5, 4)):
        assert_equal(plain.step(tz.tensor(x)), compiled.step(x))
    assert compiled.step.replays == 3


def test_a_method():
    class Trainer:
        def __init__(self):
            self.model = nn.Dense(4, 3)
            self.scale = 2.0

        @tz.compile(kernels="formulas")
        def step(self, x):
            return self.model(x).sum() * self.scale

    a, b = Trainer(), Trainer()
    x = np.ones((2, 4), np.float32)
    for trainer in (a, b, a, b, a, b):
        assert trainer.step(x).item() == pytest.approx(trainer.model(x).sum().item() * 2)
    assert Trainer.step.replays == 2
    a.scale = 3.0
    assert a.step(x).item() == pytest.approx(a.model(x).sum().item() * 3)


def test_a_model_that_is_an_argument():
    step = tz.compile(lambda model, x: model(x).sum(), kernels="formulas")
    model, x = nn.Dropout(0.5), np.ones(100)
    tz.manual_seed(0)
    drawn = [step(model, x).item() for _ in range(4)]
    model.eval()
    assert step(model, x).item() == 100 and step.replays == 2
    tz.manual_seed(0)
    assert drawn == [F.dropout(tz.tensor(x)).sum().item() for _ in range(4)]


def test_kernels_around_the_call_are_another_program():
    twin = twins(network)[1]
    twin.model.eval()
    x, y = batches((5, 4))[0]
    for _ in range(3):
        twin.step(x, y)
    with tz.use_kernels("numba"):
        twin.step(x, y)
    assert twin.step.replays == 1
    with tz.use_kernels("formulas"):
        twin.step(x, y)
    assert twin.step.replays == 2


def test_threads_take_turns():
    w = tz.tensor(0.0)

    @tz.compile(kernels="formulas")
    def step(x):
        w.assign(w + x)

    def often():
        for _ in range(200):
            step(np.float32(1).reshape(()))

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert w.item() == 800 and step.calls == 800


def test_copies_of_a_model_are_trained_apart():
    model = nn.Dense(4, 3)

    @tz.compile(kernels="formulas")
    def step(model, x):
        model.W.assign(model.W * x)

    other = copy.deepcopy(model)
    before = model.W.array
    for _ in range(4):
        step(other, np.float32(2).reshape(()))
    assert model.W.array is before
    np.testing.assert_array_equal(other.W.numpy(), before * 16)


class Trainer:
    def __init__(self):
        self.model = nn.Dense(4, 3)
        self.compiled = tz.compile(self.step, kernels="formulas")

    def step(self, x):
        self.model.W.assign(self.model.W * x)


@tz.compile(kernels="formulas")
def decorated(x):
    return x * 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_an_object_with_a_compiled_step_is_trained_by_its_own(copied):
    first, two = Trainer(), np.float32(2)  # a constant
    for _ in range(4):
        first.compiled(two)
    second, before = copied(first), first.model.W.numpy().copy()
    for _ in range(4):
        second.compiled(two)
    assert first.compiled.replays == 2 and second.compiled.replays > 0
    np.testing.assert_array_equal(first.model.W.numpy(), before)
    np.testing.assert_array_equal(second.model.W.numpy(), before * 16)


def test_a_decorated_function_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(decorated)) is decorated
