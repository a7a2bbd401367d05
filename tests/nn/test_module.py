"""A module is its attributes: what it finds of them, and how it is switched, copied and shown."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn


def names(model):
    return [name for name, _ in model.named_tensors()]


class Everything(nn.Module):
    """One of each kind of attribute that a module may have."""

    def __init__(self):
        self.scale = tz.tensor(2.0, requires_grad=True)
        self.steps = tz.tensor(0.0)
        self.first = nn.Dense(2, 3)
        self.blocks = [nn.Dense(3, 3), nn.ReLU(), (nn.Dense(3, 3, bias=False),)]
        self.heads = {"age": nn.Dense(3, 1), "name": [nn.Embedding(5, 2)]}
        self.biases = (tz.tensor([1.0], requires_grad=True), tz.tensor([2.0], requires_grad=True))
        self.words = ["no tensor", 3, None]
        self._cache = tz.tensor([0.0], requires_grad=True)
        self._hidden = nn.Dense(9, 9)


# ---- what is found


def test_tensors_and_modules_are_found_in_attributes_lists_tuples_and_dicts():
    assert names(Everything()) == [
        "scale", "steps", "biases.0", "biases.1",
        "first.W", "first.b", "blocks.0.W", "blocks.0.b", "blocks.2.0.W",
        "heads.age.W", "heads.age.b", "heads.name.0.W",
    ]  # fmt: skip


def test_children_come_in_the_order_in_which_they_were_set():
    model = Everything()
    assert [name for name, _ in model.named_children()] == [
        "first", "blocks.0", "blocks.1", "blocks.2.0", "heads.age", "heads.name.0",
    ]  # fmt: skip
    model.last = nn.Tanh()
    assert next(reversed(list(model.named_children()))) == ("last", model.last)


def test_modules_are_this_one_and_all_below_it_by_path():
    model = nn.Sequential(nn.Sequential(nn.Dense(1, 1)), nn.ReLU())
    assert [path for path, _ in model.named_modules()] == ["", "0", "0.0", "1"]
    assert next(model.named_modules()) == ("", model)
    assert [path for path, _ in model.named_modules("net")] == ["net", "net.0", "net.0.0", "net.1"]


def test_tensors_that_require_a_gradient_are_parameters_and_the_others_state():
    model = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm(3))
    assert [name for name, _ in model.named_parameters()] == ["0.W", "0.b", "1.gamma", "1.beta"]
    assert names(model) == ["0.W", "0.b", "1.gamma", "1.beta", "1.running_mean", "1.running_var"]
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]

    model[0].b.requires_grad = False
    assert [name for name, _ in model.named_parameters()] == ["0.W", "1.gamma", "1.beta"]
    assert "0.b" in model.state_dict()


def test_an_attribute_that_was_set_anew_or_deleted_is_found_so():
    model = nn.Dense(2, 2)
    model.b = None
    assert names(model) == ["W"]
    del model.W
    assert names(model) == []


def test_a_shared_module_counts_once_under_its_first_name():
    dense = nn.Dense(2, 2)
    model = nn.Sequential(dense, nn.Tanh(), dense)
    assert names(model) == ["0.W", "0.b"]
    assert [path for path, _ in model.named_modules()] == ["", "0", "1"]

    model(tz.tensor([[1.0, 2.0]])).sum().backward()
    both = model[0].W.grad.numpy()
    inner = np.tanh(np.array([[1.0, 2.0]], np.float32) @ dense.W.numpy())
    outer = inner.T @ np.ones((1, 2), np.float32)
    through = np.array([[1.0], [2.0]], np.float32) @ ((1 - inner**2) * dense.W.numpy().sum(axis=1))
    np.testing.assert_allclose(both, outer + through, rtol=1e-5)


def test_a_tied_weight_counts_once_under_its_first_name():
    class Tied(nn.Module):
        def __init__(self):
            self.encode = nn.Dense(4, 4)
            self.decode = nn.Dense(4, 4)
            self.decode.W = self.encode.W

    model = Tied()
    assert names(model) == ["encode.W", "encode.b", "decode.b"]
    optimizer = tz.optim.SGD(model.parameters(), lr=0.1)
    assert len(optimizer.parameters) == 3


def test_a_module_that_knows_its_parent_does_not_lead_round_in_circles():
    model = nn.Sequential(nn.Dense(1, 1))
    model[0].parent = model
    assert names(model) == ["0.W", "0.b"]


# ---- calling


def test_a_module_is_called_with_what_its_forward_takes():
    class Sum(nn.Module):
        def forward(self, a, b, *, scale=1.0):
            return (a + b) * scale

    assert Sum()(tz.tensor(1.0), tz.tensor(2.0), scale=3.0).item() == 9.0


def test_a_call_is_a_pair_of_lines_around_its_ops():
    model = nn.Sequential(nn.Dense(2, 3), nn.ReLU())
    with tz.record() as tape:
        y = model(tz.tensor([[1.0, 2.0]]))
    done = {"enter": lambda info: type(info["module"]), "leave": lambda info: type(info["module"]),
            "forward": lambda info: info["op"]}
    assert [f"{line.kind} {done[line.kind](line.info).__name__}" for line in tape] == [
        "enter Sequential",
        "enter Dense", "forward MatMul", "forward Add", "leave Dense",
        "enter ReLU", "forward ReLU", "leave ReLU",
        "leave Sequential",
    ]  # fmt: skip
    assert tape.of("forward")[0].info["modules"] == (model, model[0])
    assert tape.of("leave")[-1].outputs == (y,)


def test_an_error_in_a_module_leaves_no_module_open_on_the_tape():
    model = nn.Sequential(nn.Dense(2, 3))
    with tz.record() as tape:
        with pytest.raises(ValueError, match="takes"):
            model(tz.tensor([[1.0]]))
        assert tape.modules == []
        model(tz.tensor([[1.0, 2.0]]))
    assert tape.of("forward")[-1].info["modules"] == (model, model[0])


# ---- Sequential


def test_sequential_is_one_layer_after_the_other():
    a, b = nn.Dense(2, 3), nn.Dense(3, 1)
    model, x = nn.Sequential(a, nn.Tanh(), b), tz.tensor([[1.0, -2.0]])
    np.testing.assert_array_equal(model(x).numpy(), b(tz.functional.tanh(a(x))).numpy())
    assert len(model) == 3 and model[0] is a and model[-1] is b
    assert list(model) == [a, model[1], b]


def test_a_slice_of_a_sequential_is_one_that_shares_the_layers():
    model = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 1))
    body = model[:-1]
    assert isinstance(body, nn.Sequential) and list(body) == [model[0], model[1]]
    assert body(tz.tensor([[1.0, 2.0]])).shape == (1, 3)


def test_an_empty_sequential_is_the_identity():
    x = tz.tensor([1.0])
    assert nn.Sequential()(x) is x
    assert nn.Sequential().parameters() == []


def test_a_sequential_may_have_attributes_besides_its_layers():
    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Dense(2, 3))
            self.head = nn.Dense(3, 1)

    assert names(Net()) == ["0.W", "0.b", "head.W", "head.b"]


# ---- switching, gradients, copies


def test_train_and_eval_reach_every_module_and_return_the_model():
    model = Everything()
    modules = [module for _, module in model.named_modules()]
    assert len(modules) == 7 and all(module.training for module in modules)
    assert model.eval() is model
    assert not any(module.training for module in modules)
    assert model.heads["name"][0].training is False
    assert model.train() is model
    assert all(module.training for module in modules)
    assert nn.Dense(1, 1).training, "one module's mode is not another's"


def test_zero_grad_forgets_every_gradient():
    model = nn.Sequential(nn.Dense(2, 3), nn.Dense(3, 1))
    model(tz.tensor([[1.0, 2.0]])).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_deep_copy_shares_nothing():
    model = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm(3), nn.Dropout(0.5, tz.manual_seed(1)))
    twin = copy.deepcopy(model)
    before = {name: array.copy() for name, array in model.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    optimizer = tz.optim.Adam(twin.parameters(), lr=0.1)
    twin(x).sum().backward()
    optimizer.step()
    twin.eval()

    assert all(p.grad is None for p in model.parameters())
    assert model.training and not twin.training
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
        assert not np.array_equal(twin.state_dict()[name], array), f"{name} of the copy did not change"
    one = model[2](np.ones(50, np.float32))
    other = copy.deepcopy(nn.Dropout(0.5, tz.manual_seed(1)))(np.ones(50, np.float32))
    np.testing.assert_array_equal(one, other, "the copy drew from the model's generator")


def test_a_deep_copy_keeps_ties():
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    model[1].W = model[0].W
    twin = copy.deepcopy(model)
    assert twin[0].W is twin[1].W and twin[0].W is not model[0].W
    assert twin[0].W.requires_grad


# ---- what it looks like


def test_the_repr_is_a_tree_with_sizes_and_settings():
    inner = nn.Sequential(nn.LeakyReLU(0.2), nn.Dropout(0.25))
    model = nn.Sequential(nn.Flatten(), nn.Dense(4, 3), inner, nn.Softmax())
    assert repr(model) == (
        "Sequential()\n"
        "  0: Flatten()\n"
        "  1: Dense(4 → 3)\n"
        "  2: Sequential()\n"
        "    0: LeakyReLU(slope=0.2)\n"
        "    1: Dropout(p=0.25)\n"
        "  3: Softmax(axis=-1)"
    )
    shown = [nn.Embedding(7, 2), nn.LayerNorm(5), nn.BatchNorm(6), nn.LogSoftmax(0), nn.ReLU(), nn.GELU()]
    assert list(map(repr, shown)) == [
        "Embedding(7 × 2)", "LayerNorm(5)", "BatchNorm(6)", "LogSoftmax(axis=0)", "ReLU()", "GELU()",
    ]  # fmt: skip
