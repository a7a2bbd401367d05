"""fit learns, does what the plain loop does, and does it again with the same seed."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, line, mlp, plainly, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.data import digits, to_unit, train_test_split
from tinygrad_zh.train import Callback, fit, metrics, predict

# ---- it learns


def test_xor():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([0, 1, 1, 0])
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2))
    history = quietly(model, (x, y), optimizer=tz.optim.Adam(model.parameters(), lr=0.05), epochs=200, batch_size=4,
                      metrics=[metrics.accuracy])
    assert predict(model, x).argmax(axis=1).tolist() == y.tolist()
    assert history["accuracy"][-1] == 1.0
    assert history["loss"][-1] < 0.05


def test_a_line_is_found_exactly():
    x, y = line()
    tz.manual_seed(0)
    model = nn.Dense(2, 1)
    quietly(model, (x, y), loss=F.mse_loss, epochs=100)
    np.testing.assert_allclose(model.W.numpy(), [[3.0], [-2.0]], atol=1e-5)
    np.testing.assert_allclose(model.b.numpy(), [1.0], atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_1000_real_digits_teach_to_read_500_others(seed):
    every = digits()
    pixels, labels = to_unit(every.pixels).reshape(len(every), -1), every.labels
    x, x_out, y, y_out = train_test_split(pixels, labels, test_size=500, seed=0, stratify=labels)
    tz.manual_seed(seed)
    model = nn.Sequential(nn.Dense(784, 32), nn.ReLU(), nn.Dense(32, 10))
    history = fit(model, (x[:1000], y[:1000]), validation=(x_out, y_out), loss=F.cross_entropy, epochs=6,
                  optimizer=tz.optim.Adam(model.parameters(), lr=3e-3), metrics=[metrics.accuracy], progress="none")
    assert history["validation_accuracy"][-1] >= 0.85
    assert metrics.accuracy(predict(model, x_out), y_out) == history["validation_accuracy"][-1]


# ---- it is the plain loop


@pytest.mark.parametrize("optimizer", [tz.optim.SGD, tz.optim.Momentum, tz.optim.Adam])
def test_fit_takes_the_steps_of_the_plain_loop_to_the_byte(optimizer):
    data = classes(n=50)  # three batches of 16 and one of 2
    model = mlp(seed=1)
    o = optimizer(model.parameters(), lr=0.05)
    quietly(model, data, optimizer=o, epochs=3)
    plain = mlp(seed=1)
    p = optimizer(plain.parameters(), lr=0.05)
    plainly(plain, data, p, steps=12)
    assert contents(model, o) == contents(plain, p)


# ---- the same seed, the same bytes


def trained(seed, **keywords):
    model = everything(seed)
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    history = quietly(model, classes(), optimizer=optimizer, epochs=3, metrics=[metrics.accuracy], **keywords)
    return contents(model, optimizer), dict(history)


def test_twice_with_one_seed_gives_the_same_bytes():
    assert trained(5) == trained(5)


def test_another_seed_gives_other_weights():
    assert trained(5)[0] != trained(6)[0]


def test_looking_at_held_out_data_changes_nothing_in_training():
    alone, looking = trained(5), trained(5, validation=classes(20, seed=1))
    assert alone[0] == looking[0]
    assert alone[1] == {name: values for name, values in looking[1].items() if not name.startswith("validation_")}


@pytest.mark.parametrize("validation", [None, classes(20, seed=1)])
def test_every_epoch_trains_in_training_mode(validation):
    modes = []

    class Look(Callback):
        def on_step(self, run):
            modes.append({module.training for _, module in run.model.named_modules()})

    quietly(everything().eval(), classes(), epochs=2, validation=validation, callbacks=[Look()])
    assert modes == [{True}] * 8


def test_a_second_fit_goes_on_with_the_model():
    data = classes()
    model, both = mlp(), mlp()
    tz.manual_seed(3)
    quietly(model, data, epochs=2)
    quietly(model, data, epochs=3)
    tz.manual_seed(3)
    quietly(both, data, epochs=5)
    assert contents(model) == contents(both)


# ---- kinds of data


def test_lists_arrays_and_tensors_are_the_same_data():
    x, y = classes(20)
    results = []
    for data in [(x, y), (x.tolist(), y.tolist()), (tz.tensor(x), tz.tensor(y)), [x[::-1][::-1], np.asfortranarray(y)]]:
        model = mlp()
        quietly(model, data, epochs=2)
        results.append(contents(model))
    assert results[1:] == results[:-1]


@pytest.mark.parametrize("data_dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("model_dtype", [np.float32, np.float64])
def test_floating_data_take_the_dtype_of_the_model(model_dtype, data_dtype):
    x, y = line(dtype=np.float64)
    seen = set()

    def loss(p, t):
        seen.update([p.dtype, t.dtype])
        return F.mse_loss(p, t)

    tz.manual_seed(0)
    model = nn.Dense(2, 1)
    for t in model.parameters():
        t_new = tz.tensor(t.numpy().astype(model_dtype), requires_grad=True)
        setattr(model, "W" if t.ndim == 2 else "b", t_new)
    quietly(model, (x.astype(data_dtype), y.astype(data_dtype)), loss=loss)
    assert seen == {np.dtype(model_dtype)}
    assert {t.dtype for t in model.parameters()} == {np.dtype(model_dtype)}
    assert predict(model, x).dtype == model_dtype


def test_a_float64_model_finds_the_line_to_float64():
    x, y = line()
    model = nn.Dense(2, 1)
    model.W = tz.tensor(np.zeros((2, 1)), requires_grad=True)
    model.b = tz.tensor(np.zeros(1), requires_grad=True)
    tz.manual_seed(0)
    quietly(model, (x, y), loss=F.mse_loss, epochs=300)
    np.testing.assert_allclose(model.W.numpy(), [[3.0], [-2.0]], atol=1e-13)


def test_uint8_images_reach_the_model_as_they_are():
    every = digits()
    seen = []

    class First(nn.Module):
        def forward(self, x):
            seen.append((x.dtype, x.shape))
            return F.astype(x, np.float32) / 255.0

    tz.manual_seed(0)
    model = nn.Sequential(First(), nn.Flatten(), nn.Dense(784, 10))
    history = quietly(model, (every.pixels[::50], every.labels[::50]), epochs=3, batch_size=50)
    assert set(seen) == {(np.dtype(np.uint8), (50, 28, 28))}
    assert history["loss"][-1] < history["loss"][0]


def test_tokens_stay_integers_for_an_embedding():
    tokens = np.random.default_rng(0).integers(7, size=(40, 3))
    y = tokens[:, 0]
    tz.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 5), nn.Flatten(), nn.Dense(15, 7))
    history = quietly(model, (tokens, y), optimizer=tz.optim.Adam(model.parameters(), lr=0.05), epochs=30,
                      metrics=[metrics.accuracy])
    assert history["accuracy"][-1] == 1.0


def test_the_callers_arrays_are_neither_changed_nor_frozen():
    x, y = classes(20)
    before = x.copy(), y.copy()
    model = mlp()
    quietly(model, (x, y), epochs=2, validation=(x, y))
    predict(model, x)
    assert (x == before[0]).all() and (y == before[1]).all()
    assert x.flags.writeable and y.flags.writeable
