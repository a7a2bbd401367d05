"""Values never change: what a backward needs cannot be overwritten, by anyone, without an error."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz

F = tz.functional


def leaf(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True)


# ---- the user's arrays are copied


def test_a_tensor_copies_its_data() -> None:
    data = np.array([1.0, 2.0])
    x = tz.tensor(data, requires_grad=True)
    data[:] = 99
    assert x.tolist() == [1.0, 2.0]
    data[0] = 5  # and the user's array stays writable
    assert data.flags.writeable


OPERANDS: dict[str, tuple[Callable[[tz.Tensor, np.ndarray], tz.Tensor], np.ndarray, Any]] = {
    "factor": (lambda x, a: x * a, np.array([3.0, 5.0]), 99.0),
    "factor of another dtype": (lambda x, a: x * a, np.array([3, 5]), 99),
    "factor, a view": (lambda x, a: x * a[::-1], np.array([5.0, 3.0]), 99.0),
    "divisor": (lambda x, a: x / a, np.array([0.5, 0.25]), 99.0),
    "matrix": (lambda x, a: a @ x, np.array([[1.0, 2.0], [3.0, 4.0]]), 99.0),
    "condition": (lambda x, a: F.where(a, x, 0.0), np.array([True, False]), True),
    "integer index": (lambda x, a: x[a], np.array([0, 0, 1]), 1),
    "integer index in a tuple": (lambda x, a: x[(a,)], np.array([0, 0, 1]), 1),
    "boolean index": (lambda x, a: x[a], np.array([True, False]), True),
    "labels": (lambda x, a: F.cross_entropy(x, a), np.array(1), 0),
    "target": (lambda x, a: F.mse_loss(x, a), np.array([3.0, 5.0]), 99.0),
    "tokens": (lambda x, a: F.embedding(a, x.reshape(2, 1)), np.array([1, 1, 0]), 0),
    "attention mask": (
        lambda x, a: F.scaled_dot_product_attention(x.reshape(2, 1), x.reshape(2, 1), x.reshape(2, 1), a),
        np.array([[True, False], [True, True]]), True),
    "einsum": (lambda x, a: F.einsum("i,ij->j", x, a), np.array([[1.0, 2.0], [3.0, 4.0]]), 99.0),
    "concat": (lambda x, a: F.prod(F.concat([x, a])), np.array([3.0, 5.0]), 99.0),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERANDS)
def test_an_array_changed_between_forward_and_backward(name: str) -> None:
    f, array, overwrite = OPERANDS[name]
    x = leaf([1.0, 2.0])
    f(x, array.copy()).sum().backward()
    expected = x.grad.tolist()

    x.zero_grad()
    y = f(x, array).sum()
    array[...] = overwrite
    y.backward()
    assert x.grad.tolist() == expected

    x.zero_grad()
    f(x, array).sum().backward()
    assert x.grad.tolist() != expected  # or the overwritten values would not have mattered


def test_a_seed_is_copied() -> None:
    x = leaf([1.0, 2.0])
    seed = np.array([3.0, 4.0])
    x.backward(seed)
    seed[:] = 99
    assert x.grad.tolist() == [3.0, 4.0]


def test_assign_copies_an_array_that_someone_can_write_to() -> None:
    x = leaf([1.0, 2.0])
    new = np.array([3.0, 4.0])
    x.assign(new)
    new[:] = 99
    assert x.tolist() == [3.0, 4.0]
    base = np.array([3.0, 4.0, 5.0])
    view = base[:2]
    view.flags.writeable = False  # read-only, but not frozen: its base still is writable
    x.assign(view)
    base[:] = 99
    assert x.tolist() == [3.0, 4.0]


# ---- what is handed out is read-only


def arrays() -> dict[str, np.ndarray]:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    seen: list[tz.Tensor] = []
    y = x * x
    y.register_hook(seen.append)
    y.retain_grad()
    y.sum().backward()
    return {
        "leaf.numpy()": x.numpy(), "leaf.data": x.data, "np.asarray(leaf)": np.asarray(x),
        "result.numpy()": y.numpy(), "result.data": y.data, "detached": y.detach().numpy(),
        "a view's": x[0].numpy(), "transposed": x.T.numpy(), "gradient": x.grad.numpy(),
        "retained gradient": y.grad.numpy(), "a hook's gradient": seen[0].numpy(),
        "tz.grad's": tz.grad((x * 2).sum(), x)[0].numpy(), "0-d": x.sum().numpy(),
        "a view of a temporary": F.logsumexp(x, axis=0).numpy(),
        "jacobian's": tz.jacobian(lambda z: z * z, x).numpy(), "jvp's": tz.jvp(F.exp, x, x)[1].numpy(),
        "hvp's": tz.hvp(lambda z: (z**3).sum(), x, x)[1].numpy(),
        "zeros of an unused input": tz.vjp(lambda a, b: a.sum(), (x, x))[1][1].numpy(),
        "several outputs": F.split(x, 2)[1].numpy(), "deepcopy": copy.deepcopy(x).numpy(),
        "after assign": copy.deepcopy(x).assign(np.ones((2, 2))).numpy(),
        "a contribution": next(tz.backward_steps((x * 2).sum())).upstream[0],
    }  # fmt: skip


@pytest.mark.parametrize("name", list(arrays()))
def test_what_is_handed_out_cannot_be_written(name: str) -> None:
    array = arrays()[name]
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    if array.base is not None:  # a view of ours cannot be unlocked
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


@pytest.mark.parametrize("read", [tz.Tensor.numpy, tz.Tensor.data.fget, np.asarray])
def test_values_cannot_be_unlocked(read: Callable[[tz.Tensor], np.ndarray]) -> None:
    for tensor in (leaf([1.0, 2.0]), leaf([1.0, 2.0]) * 2, leaf(3.0)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            read(tensor).setflags(write=True)


def test_a_copy_is_the_users_own() -> None:
    x = leaf([1.0, 2.0])
    for mine in (x.numpy().copy(), np.array(x)):
        mine[:] = 0
    assert x.tolist() == [1.0, 2.0]


def test_a_backward_that_writes_into_its_upstream_gradient() -> None:
    """The array may be another input's contribution as well."""

    class Doubles(tz.Op):
        """y = 2 x"""

        def forward(x):
            return 2 * x

        def backward(dy):
            dy *= 2
            return dy

    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"Doubles.backward .*read-only"):
        (Doubles(x) + x).sum().backward()
    assert x.grad is None


def test_a_backward_that_writes_into_what_was_kept() -> None:
    class Spoils(tz.Op):
        """y = x²"""

        def forward(x):
            return x * x

        def backward(dy, x):
            x *= 2
            return dy * x

    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"Spoils.backward .*read-only"):
        Spoils(x).sum().backward()
    assert x.tolist() == [1.0, 2.0]


def test_a_forward_that_writes_into_its_input() -> None:
    class Eats(tz.Op):
        """y = x + 1"""

        def forward(x):
            x += 1
            return x

    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"Eats .*read-only"):
        Eats(x)
    assert x.tolist() == [1.0, 2.0]


# ---- writing is told what to do instead


def test_setting_items_names_assign() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"t\.assign\(new\)"):
        x[0] = 5.0
    with pytest.raises(TypeError, match=r"t\.assign\(new\)"):
        x[0] += 5.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("update", ["+= 1", "-= 1", "*= 2", "/= 2", "@= np.eye(2)", "**= 2"])
def test_updating_a_parameter_in_place_names_assign(update: str) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"use t\.assign"):
        exec(f"x {update}", {"x": x, "np": np})


def test_an_in_place_operator_on_a_result_makes_a_new_tensor() -> None:
    x = leaf(3.0)
    y = first = x * 1
    y += 1
    y *= 10
    assert (first.item(), y.item()) == (3.0, 40.0)
    y.backward()
    assert x.grad.item() == 10.0


def test_adding_a_tensor_into_an_array() -> None:
    array = np.ones(2)
    with pytest.raises(TypeError, match="drop out="):
        array += leaf([1.0, 2.0])
    assert array.tolist() == [1.0, 1.0]


# ---- assign, the one effect


def test_assign_leaves_what_was_computed_valid() -> None:
    x = leaf(3.0)
    y = x * x
    x.assign(100.0)
    y.backward()
    assert (x.item(), x.grad.item()) == (100.0, 6.0)
    (x * x).backward()
    assert x.grad.item() == 206.0


def test_assign_keeps_shape_dtype_name_and_gradient() -> None:
    x = tz.tensor([1.0, 2.0], requires_grad=True, name="w")
    (x * x).sum().backward()
    grad = x.grad
    assert x.assign(np.array([5.0, 6.0], np.float64)) is x
    assert (x.dtype, x.name, x.tolist(), x.grad) == (np.float32, "w", [5.0, 6.0], grad)


@pytest.mark.parametrize(("new", "error", "says"), [
    ([1.0], ValueError, r"shape \(2,\) cannot take values of shape \(1,\)"),
    (1.0, ValueError, r"shape \(2,\) cannot take values of shape \(\)"),
    (["a", "b"], TypeError, "real numbers"),
    (np.array([1j, 2j]), TypeError, "complex128"),
    (None, TypeError, "real numbers"),
])
def test_assign_refuses(new: Any, error: type[Exception], says: str) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(error, match=says):
        x.assign(new)
    assert x.tolist() == [1.0, 2.0]


def test_assign_does_not_cut_fractions_off() -> None:
    counts = tz.tensor([1, 2])
    with pytest.raises(TypeError, match="float64 values do not fit a tensor of int64"):
        counts.assign(np.array([1.5, 2.5]))


def test_assign_is_for_leaves() -> None:
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="assign is for leaves; this tensor is the result of Mul"):
        y.assign(3.0)


def test_assigning_a_tensor_shares_and_stays_apart() -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    a.assign(b)
    b.assign([5.0, 6.0])
    assert (a.tolist(), b.tolist()) == ([3.0, 4.0], [5.0, 6.0])


# ---- deepcopy


def test_deepcopy_is_a_leaf_of_its_own() -> None:
    x = tz.tensor([1.0, 2.0], requires_grad=True, name="w")
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert (twin.name, twin.requires_grad, twin.tolist(), twin.grad.tolist()) == ("w", True, [1, 2], [2, 4])
    (twin * 10).sum().backward()
    twin.assign([7.0, 7.0])
    assert (x.tolist(), x.grad.tolist(), twin.grad.tolist()) == ([1.0, 2.0], [2.0, 4.0], [12.0, 14.0])


def test_deepcopy_of_a_structure_copies_a_shared_tensor_once() -> None:
    x = leaf(1.0)
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first is not x


def test_deepcopy_of_a_result() -> None:
    with pytest.raises(RuntimeError, match=r"result of Mul; copy t\.detach\(\) instead"):
        copy.deepcopy(leaf(1.0) * 2)


def test_detach_shares_values_and_no_gradient() -> None:
    x = leaf([1.0, 2.0])
    y = (x * 3).detach()
    assert not y.requires_grad
    (x * y).sum().backward()
    assert x.grad.tolist() == [3.0, 6.0]
