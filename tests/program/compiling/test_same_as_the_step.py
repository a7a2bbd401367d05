"""A compiled step is the step, to the bit: layers, optimizers, what happens around the backward pass."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.compiling.twins import Twin, assert_twins, batches, classification
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim


def mlp():
    return nn.Sequential(nn.Dense(4, 6), nn.ReLU(), nn.Dense(6, 3))


def convolutional():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(8, 3))


def transformer():
    return nn.Sequential(nn.Embedding(7, 8), nn.SinusoidalPosition(8),
                         nn.TransformerBlock(8, 2, 16, dropout=0.1), Last(), nn.Dense(8, 3))


class Last(nn.Module):
    def forward(self, x):
        return x[:, -1]


MODELS = {
    "mlp": (mlp, (5, 4)),
    "dropout": (lambda: nn.Sequential(nn.Dense(4, 6), nn.Dropout(0.4), nn.Tanh(), nn.Dense(6, 3)), (5, 4)),
    "batch norm": (lambda: nn.Sequential(nn.Dense(4, 6), nn.BatchNorm(6), nn.GELU(), nn.Dense(6, 3)), (5, 4)),
    "layer norm": (lambda: nn.Sequential(nn.LayerNorm(4), nn.Dense(4, 3)), (5, 4)),
    "convolutional": (convolutional, (3, 1, 6, 6)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_network(name):
    network, shape = MODELS[name]

    def make():
        model = network()
        return classification(model, optim.SGD(model.parameters(), lr=0.1))

    assert_twins(make, batches(shape))


def test_a_transformer():
    def make():
        model = transformer()
        return classification(model, optim.AdamW(model.parameters()))

    rng = np.random.default_rng(0)
    assert_twins(make, [(rng.integers(0, 7, (4, 5)), rng.integers(0, 3, 4)) for _ in range(5)])


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.01, l1=0.001),
    "Momentum": lambda p: optim.Momentum(p, lr=0.1),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p),
    "AdamW": lambda p: optim.AdamW(p),
    "flattened": lambda p: optim.flattened(optim.Adam(p)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_optimizer(name, dtype):
    def make():
        model = mlp()
        return classification(model, OPTIMIZERS[name](model.parameters()))

    assert_twins(make, batches((5, 4), dtype=dtype))


@pytest.mark.parametrize("clip", [lambda p: optim.clip_grad_norm(p, 0.1), lambda p: optim.clip_grad_value(p, 0.01)])
def test_clipping(clip):
    def make():
        model = mlp()
        return classification(model, optim.SGD(model.parameters(), lr=0.1), lambda: clip(model.parameters()))

    assert_twins(make, batches((5, 4)))


def test_a_norm_that_is_not_finite_is_refused_in_a_replay_too():
    model = mlp()
    twin = classification(model, optim.SGD(model.parameters(), lr=0.1),
                          lambda: optim.clip_grad_norm(model.parameters(), 1.0))
    step = tz.compile(twin.step, kernels="formulas")
    given = batches((5, 4))
    for batch in given[:4]:
        step(*batch)
    before = {name: t.array for name, t in model.named_tensors()}
    with pytest.raises(ValueError, match="norm of the gradients is nan"):
        step(np.full((5, 4), np.nan, np.float32), given[0][1])
    assert all(t.array is before[name] for name, t in model.named_tensors())
    assert step.replays == 2
    step(*given[0])
    assert step.replays == 3


def test_gradients_are_accumulated_over_calls():
    """Two batches for each update: in every other call the gradients of the call before are there."""
    def make():
        model = mlp()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y, update):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            if update:
                optimizer.step()
                optimizer.zero_grad()
            return loss

        return Twin(model, optimizer, step)

    twin = assert_twins(make, [(*batch, i % 2 == 1) for i, batch in enumerate(batches((5, 4), count=9))], replays=5)
    twin.optimizer.zero_grad()
    twin.step(*batches((5, 4))[0], True)
    assert "Error" not in twin.step.explain()  # that the gradients are gone is seen before


def test_gradients_that_are_never_taken_away_grow():
    def make():
        model = mlp()

        def step(x, y):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return Twin(model, None, step)

    assert_twins(make, batches((5, 4), count=7), replays=4)  # the first found no gradients, the second did


def test_gradients_of_a_number_are_accumulated():
    def make():
        model = nn.Module()
        model.w = tz.tensor(2.0, requires_grad=True)

        def step(x):
            ((model.w * x) ** 2).sum().backward()
            model.w.assign(model.w - 0.1 * model.w.grad)

        return Twin(model, None, step)

    assert_twins(make, [(x,) for x, _ in batches((5, 4), count=6)], replays=3)


def test_two_steps_share_leaves():
    """As generator and discriminator do: each reads what the other has changed."""
    tz.manual_seed(0)
    results = []
    for compiled in (False, True):
        tz.manual_seed(0)
        a, b = nn.Dense(2, 2), nn.Dense(2, 1)
        first, second = optim.Adam(a.parameters()), optim.Momentum(b.parameters(), lr=0.1)

        def fool(z, a=a, b=b, first=first):
            first.zero_grad()
            loss = -b(a(z)).mean()
            loss.backward()
            first.step()
            b.zero_grad()
            return loss

        def tell(x, z, a=a, b=b, second=second):
            second.zero_grad()
            with tz.no_grad():
                fake = a(z)
            loss = F.softplus(-b(x)).mean() + F.softplus(b(fake)).mean()
            loss.backward()
            second.step()
            return loss

        steps = [tz.compile(step, kernels="formulas") if compiled else step for step in (fool, tell)]
        rng = np.random.default_rng(0)
        losses = []
        for _ in range(6):
            x, z = (tz.tensor(rng.normal(size=(4, 2)).astype(np.float32)) for _ in range(2))
            losses += [steps[0](z).item(), steps[1](x, z).item()]
        results.append((losses, [p.array.tobytes() for p in a.parameters() + b.parameters()]))
        if compiled:
            assert [step.replays for step in steps] == [3, 4]  # the first call of `fool` found no gradients in b
    assert results[0] == results[1]


def test_a_leaf_that_takes_the_array_of_another_stays_another_leaf():
    """After target ← w both hold one array; a step that reads both must still know which is which."""
    def make():
        model = nn.Module()
        model.w = tz.tensor([1.0, 2.0], requires_grad=True)
        model.target = tz.tensor([0.0, 0.0])

        def step(x, copy):
            loss = ((model.w * x - model.target) ** 2).sum()
            model.w.grad = None
            loss.backward()
            model.w.assign(model.w - 0.1 * model.w.grad)
            if copy:
                model.target.assign(model.w)
            return loss

        return Twin(model, None, step)

    x = np.array([1.0, -1.0], np.float32)
    assert_twins(make, [(x, i % 3 == 0) for i in range(16)], replays=11)


def test_leaves_that_change_places():
    def make():
        model = nn.Module()
        model.a, model.b = tz.tensor([1.0]), tz.tensor([2.0])

        def step(x):
            a = model.a.detach()
            model.a.assign(model.b)
            model.b.assign(a)
            return model.a * x

        return Twin(model, None, step)

    assert_twins(make, [(np.float32([i]),) for i in range(1, 8)])


def test_gradients_that_are_returned_instead():
    def make():
        model = mlp()

        def step(x, y):
            return tz.grad(F.cross_entropy(model(x), y), model.parameters())

        return Twin(model, None, step)

    assert_twins(make, batches((5, 4)))


def test_what_a_step_returns_keeps_its_structure():
    def make():
        model = mlp()

        def step(x, y):
            scores = model(x)
            return {"scores": scores, "both": [x, (y, None)], "W": model.layers[0].W, "number": 3.5}

        return Twin(model, None, step)

    assert_twins(make, batches((5, 4)))


def test_nan_and_infinity_flow_as_they_do():
    def make():
        model = mlp()
        return classification(model, optim.Adam(model.parameters()))

    given = batches((5, 4), count=7)
    given[4][0][0, 0] = np.nan
    given[5][0][:] = np.inf
    with np.errstate(all="ignore"):
        assert_twins(make, given)


def test_no_arguments():
    def make():
        model = nn.Module()
        model.w = tz.tensor([3.0, 4.0], requires_grad=True)
        optimizer = optim.SGD([model.w], lr=0.1)

        def step():
            optimizer.zero_grad()
            loss = (model.w**2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return Twin(model, optimizer, step)

    assert_twins(make, [()] * 5)


def test_keywords_and_constants():
    def make():
        model = mlp()

        def step(x, scale, *, shift=0, kind="sum"):
            y = model(x) * scale + shift
            return y.sum() if kind == "sum" else y.mean()

        return Twin(model, None, step)

    plain, compiled = make(), tz.compile(make().step, kernels="formulas")
    tz.manual_seed(0)
    x = np.ones((2, 4), np.float32)
    for shift in (1, 2, 1, 2, 1, 2, 1, 2):
        compiled(x, 3, shift=shift, kind="mean")
    assert compiled.replays == 4 and len(compiled.variants) == 2
    assert plain.step(tz.tensor(x), 3).shape == compiled(x, 3).shape == ()


def test_under_no_grad():
    def make():
        model = mlp()

        def step(x):
            with tz.no_grad():
                return model(x)

        return Twin(model, None, step)

    assert_twins(make, [(x,) for x, _ in batches((5, 4))])
