"""Gradients that are watched, replaced, kept and set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz

F = tz.functional


def leaf(values: Any, dtype: Any = np.float64) -> tz.Tensor:
    return tz.tensor(np.asarray(values, dtype), requires_grad=True)


# ---- hooks


def test_a_hook_on_a_result_sees_its_whole_gradient_once() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    seen: list[tz.Tensor] = []
    y.register_hook(seen.append)
    (y * 3 + y * 4).sum().backward()
    assert [g.tolist() for g in seen] == [[7.0, 7.0]]
    assert x.grad.tolist() == [14.0, 14.0]


def test_a_hook_on_a_leaf_sees_one_passs_gradient() -> None:
    x = leaf(3.0)
    seen: list[float] = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + x).backward()
    (x * 5).backward()
    assert seen == [7.0, 5.0]
    assert x.grad.item() == 12.0


@pytest.mark.parametrize("on_leaf", [True, False])
def test_what_a_hook_returns_replaces_the_gradient(on_leaf: bool) -> None:
    x = leaf([1.0, 2.0])
    y = x * 10
    (x if on_leaf else y).register_hook(lambda g: g * np.array([1.0, 0.0]))
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 0.0]


def test_hooks_run_in_the_order_of_their_registration() -> None:
    x = leaf(1.0)
    y = x * 1
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 10)
    y.backward()
    assert x.grad.item() == 20.0


@pytest.mark.parametrize("on_leaf", [True, False])
def test_a_hook_that_was_removed_does_not_run(on_leaf: bool) -> None:
    x = leaf(1.0)
    y = x * 1
    seen: list[str] = []
    first = (x if on_leaf else y).register_hook(lambda g: seen.append("first"))
    (x if on_leaf else y).register_hook(lambda g: seen.append("second"))
    first()
    first()  # and again does nothing
    y.backward()
    assert seen == ["second"]


@pytest.mark.parametrize("on_leaf", [True, False])
def test_tz_grad_runs_hooks_too(on_leaf: bool) -> None:
    x = leaf(3.0)
    y = x * x
    (x if on_leaf else y).register_hook(lambda g: g * 100)
    assert tz.grad(y, x)[0].item() == 600.0
    assert x.grad is None


def test_a_hook_is_part_of_the_graph_of_second_derivatives() -> None:
    x = leaf(3.0)
    y = x**3
    y.register_hook(lambda g: g * g * 2)  # the gradient 1 becomes 2
    (g,) = tz.grad(y, x, create_graph=True)
    (h,) = tz.grad(g, x)
    assert (g.item(), h.item()) == (54.0, 36.0)


def test_a_gradient_keeps_its_dtype_through_a_hook() -> None:
    x = leaf([1.0, 2.0], np.float32)
    x.register_hook(lambda g: g * np.array([1.0, 2.0]))  # float64
    (x * 3).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [3.0, 6.0])


@pytest.mark.parametrize("on_leaf", [True, False])
@pytest.mark.parametrize(("replacement", "error", "says"), [
    (tz.tensor([1.0]), ValueError, r"shape \(2,\) and must return one .* not \(1,\)"),
    (tz.tensor(1.0), ValueError, r"not \(\)"),
    (np.ones(2), TypeError, "returns None or a tensor, not ndarray"),
    (3.0, TypeError, "not float"),
])
def test_what_a_hook_may_not_return(replacement: Any, error: type[Exception], says: str, on_leaf: bool) -> None:
    x, other = leaf([1.0, 2.0]), leaf(1.0)
    y = x * 2
    (x if on_leaf else y).register_hook(lambda g: replacement)
    with pytest.raises(error, match=says):
        (y.sum() * other).backward()
    assert (x.grad, other.grad) == (None, None)


def test_an_error_in_a_hook_changes_no_leaf() -> None:
    x, other = leaf(1.0), leaf(2.0)

    def fail(gradient: tz.Tensor) -> None:
        raise OSError("disk full")

    remove = other.register_hook(fail)
    with pytest.raises(OSError, match="disk full"):
        (x * other).backward()
    assert (x.grad, other.grad) == (None, None)
    remove()
    (x * other).backward()
    assert (x.grad.item(), other.grad.item()) == (2.0, 1.0)


def test_a_hook_is_for_a_tensor_that_has_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="does not require a gradient, so a hook would never run"):
        tz.tensor(1.0).register_hook(print)
    with pytest.raises(TypeError, match="a gradient hook is a function of the gradient, not int"):
        leaf(1.0).register_hook(3)


# ---- retain_grad


def test_a_results_gradient_is_kept_on_request_alone() -> None:
    x = leaf([1.0, 2.0])
    y, z = x * 2, x * 3
    y.retain_grad()
    (y * z).sum().backward()
    assert y.grad.tolist() == [3.0, 6.0]
    assert z.grad is None


def test_retained_gradients_add_up_and_can_be_cleared() -> None:
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    y.retain_grad()  # twice is once
    loss = y * 5
    loss.backward(retain_graph=True)
    loss.backward()
    assert y.grad.item() == 10.0
    y.zero_grad()
    assert y.grad is None


def test_a_retained_gradient_is_what_the_hooks_left() -> None:
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.backward()
    assert (y.grad.item(), x.grad.item()) == (10.0, 20.0)


def test_one_output_of_several_is_retained() -> None:
    x = leaf([1.0, 2.0, 3.0, 4.0])
    left, right = F.split(x, 2)
    right.retain_grad()
    (left.sum() + (right * 3).sum()).backward()
    assert (left.grad, right.grad.tolist()) == (None, [3.0, 3.0])


def test_retain_grad_on_a_leaf_and_on_a_constant() -> None:
    x = leaf(1.0)
    x.retain_grad()
    (x * 2).backward()
    assert x.grad.item() == 2.0
    with pytest.raises(RuntimeError, match="none to retain"):
        tz.tensor(1.0).retain_grad()


# ---- setting grad and requires_grad


def test_a_gradient_can_be_set() -> None:
    x = leaf([1.0, 2.0])
    x.grad = tz.tensor(np.array([5.0, 6.0]))
    x.sum().backward()
    assert x.grad.tolist() == [6.0, 7.0]
    x.grad = None
    assert x.grad is None


@pytest.mark.parametrize(("value", "error", "says"), [
    (tz.tensor(np.ones(3)), ValueError, r"float64 \(2,\) has that .* not float64 \(3,\)"),
    (tz.tensor([1.0, 2.0]), ValueError, r"not float32 \(2,\)"),
    (np.ones(2), TypeError, "a gradient is a tensor or None, not ndarray"),
    (0, TypeError, "not int"),
])
def test_a_gradient_that_does_not_fit(value: Any, error: type[Exception], says: str) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(error, match=says):
        x.grad = value
    assert x.grad is None


def test_setting_the_gradient_of_what_keeps_none() -> None:
    for tensor in (tz.tensor(1.0), leaf(1.0) * 2):
        with pytest.raises(RuntimeError, match="keeps no gradient"):
            tensor.grad = tz.tensor(1.0)


def test_requires_grad_is_for_leaves() -> None:
    x = tz.tensor([1.0])
    x.requires_grad = True
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0]
    x.requires_grad = False
    assert not (x * 2).requires_grad
    assert x.grad is None
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"result of Mul; only a leaf .* \(use detach\(\) for a constant\)"):
        y.requires_grad = False


def test_a_replaced_gradient_is_a_line_of_its_own() -> None:
    x = tz.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: None)
    with tz.record() as tape:
        y.sum().backward()
    (line,) = tape.of("hook")
    assert line.arguments[0].tolist() == [1.0, 1.0]
    assert line.outputs[0].tolist() == [10.0, 10.0]
    (after,) = [other for other in tape.of("backward") if other.arguments[0] is line.outputs[0]]
    assert after.info["op"].__name__ == "Mul"
