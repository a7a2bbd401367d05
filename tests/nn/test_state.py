"""state_dict and load_state_dict: the same outputs to the byte afterwards, or nothing changed at all."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn


def network():
    return nn.Sequential(nn.Dense(4, 5), nn.BatchNorm(5), nn.ReLU(), nn.Dropout(0.3), nn.Dense(5, 2))


def trained(seed=0):
    """A network after a few steps, so that nothing in it has its initial value."""
    tz.manual_seed(seed)
    model = network()
    optimizer = tz.optim.SGD(model.parameters(), lr=0.1)
    x = np.random.default_rng(seed).normal(size=(8, 4)).astype(np.float32)
    for _ in range(3):
        optimizer.zero_grad()
        tz.functional.mse_loss(model(x), np.ones((8, 2), np.float32)).backward()
        optimizer.step()
    return model


def values(model):
    return {name: array.tobytes() for name, array in model.state_dict().items()}


# ---- there and back


def test_the_state_is_every_tensor_read_only_by_path():
    model = trained()
    state = model.state_dict()
    assert list(state) == [name for name, _ in model.named_tensors()]
    for name, t in model.named_tensors():
        np.testing.assert_array_equal(state[name], t.numpy())
        with pytest.raises(ValueError, match="read-only"):
            state[name][...] = 0


def test_a_state_is_a_snapshot():
    model = trained()
    state = model.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    for _, t in model.named_tensors():
        t.assign(np.full(t.shape, 7.0))
    for name, array in state.items():
        np.testing.assert_array_equal(array, before[name])
    model.load_state_dict(state)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fresh_model_from_disk_gives_equal_bytes(tmp_path, dtype):
    before = tz.get_default_dtype()
    tz.set_default_dtype(dtype)
    try:
        model, fresh = trained(seed=1), network()
    finally:
        tz.set_default_dtype(before)
    x = np.random.default_rng(5).normal(size=(6, 4)).astype(dtype)
    expected = model.eval()(x).numpy()
    assert not np.array_equal(fresh.eval()(x).numpy(), expected)

    tz.save(model.state_dict(), tmp_path / "model.safetensors")
    fresh.load_state_dict(tz.load(tmp_path / "model.safetensors"))
    assert fresh(x).numpy().tobytes() == expected.tobytes()
    assert fresh(x).dtype == dtype
    assert values(fresh) == values(model)


def test_parameters_stay_the_same_tensors_so_an_optimizer_goes_on():
    model, other = trained(1), trained(2)
    tensors = [id(t) for _, t in model.named_tensors()]
    optimizer = tz.optim.SGD(model.parameters(), lr=1.0)
    model.load_state_dict(other.state_dict())
    assert [id(t) for _, t in model.named_tensors()] == tensors
    assert all(p.requires_grad for p in model.parameters())
    w = model[0].W.numpy()
    model[0].W.grad = tz.tensor(np.ones((4, 5), np.float32))
    optimizer.step()
    np.testing.assert_array_equal(model[0].W.numpy(), w - 1)


def test_the_model_does_not_share_memory_with_the_arrays_it_took():
    model, state = network(), {k: v.copy() for k, v in trained().state_dict().items()}
    model.load_state_dict(state)
    before = values(model)
    for array in state.values():
        array[...] = 0
    assert values(model) == before


def test_values_take_the_model_s_dtype():
    model = nn.Dense(2, 1)
    model.load_state_dict({"W": np.array([[0.1], [0.2]]), "b": [1]})
    assert model.W.dtype == model.b.dtype == np.float32
    np.testing.assert_array_equal(model.W.numpy(), np.array([[0.1], [0.2]], np.float32))
    model.load_state_dict({"W": tz.tensor([[3.0], [4.0]]), "b": np.array([5.0], ">f4")})
    assert model.W.tolist() == [[3.0], [4.0]] and model.b.tolist() == [5.0]


def test_not_strict_takes_what_there_is_and_leaves_the_rest():
    model = nn.Dense(2, 1)
    b = model.b.numpy()
    model.load_state_dict({"W": [[1.0], [2.0]], "gone": [0.0]}, strict=False)
    assert model.W.tolist() == [[1.0], [2.0]]
    np.testing.assert_array_equal(model.b.numpy(), b)


# ---- all or nothing


def refused(error, state, *fragments, strict=True):
    """load_state_dict raises one sentence with these fragments, and nothing has changed."""
    model = trained()
    before = values(model)
    with pytest.raises(error) as caught:
        model.load_state_dict(state, strict)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)
    assert values(model) == before
    model.load_state_dict(trained(3).state_dict())
    assert values(model) == values(trained(3))


def state_with(changes):
    """A state that fits, but for these arrays; None takes a name away."""
    state = {**trained(3).state_dict(), **changes}
    return {name: array for name, array in state.items() if array is not None}


def test_every_missing_extra_and_misshapen_name_is_listed():
    state = state_with({"0.W": None, "4.b": None, "9.W": np.zeros(1), "old": np.zeros(1),
                        "0.b": np.zeros((5, 1)), "1.gamma": np.zeros(4)})
    refused(ValueError, state, "does not fit this model, nothing was loaded", "missing: 0.W, 4.b",
            "not in it: 9.W, old", "of another shape: 0.b is (5, 1), not (5,), 1.gamma is (4,), not (5,)")


def test_the_state_of_another_architecture_is_refused():
    refused(ValueError, nn.Sequential(nn.Dense(4, 6), nn.ReLU()).state_dict(), "0.W is (4, 6), not (4, 5)")


def test_a_transposed_weight_is_refused():
    refused(ValueError, state_with({"0.W": np.zeros((5, 4), np.float32)}), "0.W is (5, 4), not (4, 5)")


@pytest.mark.parametrize("strict", [True, False])
def test_a_shape_matters_with_and_without_strict(strict):
    refused(ValueError, state_with({"4.b": np.zeros(3)}), "4.b is (3,), not (2,)", strict=strict)


def test_every_array_of_a_dtype_that_does_not_fit_is_listed():
    state = state_with({"0.b": np.zeros(5, complex), "4.b": np.array(["a", "b"])})
    refused(TypeError, state, "nothing was loaded",
            "of another dtype: 0.b is complex128, not float32, 4.b is <U1, not float32")


@pytest.mark.parametrize("state", ["model.safetensors", None, [("0.W", 1)], network()], ids=type)
def test_what_is_no_state_is_refused_and_tz_load_named(state):
    refused(TypeError, state, "maps names to arrays", "tz.load", f"this is a {type(state).__name__}")
