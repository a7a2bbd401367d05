"""Writing an op: what a declaration may say, what the engine does with it, and how a wrong one is told."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz

F = tz.functional


def leaf(values: Any, dtype: Any = np.float64) -> tz.Tensor:
    return tz.tensor(np.asarray(values, dtype), requires_grad=True)


# ---- declarations


def declare(namespace: dict[str, Any]) -> type:
    return type(tz.Op)("Wrong", (tz.Op,), namespace)


def one(x):
    return x


def two(a, b):
    return a * b


@pytest.mark.parametrize(("namespace", "says"), [
    ({"forward": one, "backward": lambda dy, z: dy}, "names 'z', which is no input, output, auxiliary"),
    ({"forward": one, "backward": lambda dz: dz}, "names 'dz'"),
    ({"forward": one, "backward": lambda dy, z_shape: dy}, "names 'z_shape'"),
    ({"forward": two, "backward": lambda dy, a, b: (dy, dy), "backward_a": lambda dy: dy},
     "either backward, for all inputs, or backward_<input> functions, not both"),
    ({"forward": two, "backward_c": lambda dy: dy}, "backward_c is for no input; the inputs are a, b"),
    ({"forward": lambda x, *, k=2: x * k, "backward": lambda dy, *, k=2: dy},
     "gives 'k' a default; defaults are forward's alone"),
    ({"forward": one, "backward": lambda dy, *, k: dy}, "names 'k', which is no keyword of forward"),
    ({"forward": lambda x, k=2: x * k, "backward": lambda dy, k: dy * k},
     r"'k' has a default, so it is metadata: write "),
    ({"forward": lambda x, **how: x}, r"cannot take \*\*how"),
    ({"forward": lambda a, *xs: a}, r"either named inputs or \*xs, not both"),
    ({"backward": lambda dy: dy}, "there is backward but no forward"),
])
def test_a_wrong_declaration_fails_where_the_class_is_made(namespace: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=f"^Wrong: .*{says}"):
        declare(namespace)


def test_the_bare_base_class_computes_nothing() -> None:
    with pytest.raises(AttributeError, match="forward"):
        tz.Op(leaf(1.0))


class Scale(tz.Op):
    """y = k x"""

    def forward(x, *, k=2.0):
        return x * k

    def backward(dy, *, k):
        return dy * k


def test_an_attribute_and_its_default() -> None:
    x = leaf(3.0)
    (Scale(x) + Scale(x, k=10.0)).backward()
    assert x.grad.item() == 12.0


def test_static_functions_may_be_marked_or_not() -> None:
    class Marked(tz.Op):
        """y = x²"""

        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def backward(dy, x):
            return 2 * dy * x

    x = leaf(3.0)
    Marked(x).backward()
    assert x.grad.item() == 6.0


def test_a_subclass_with_its_own_backward_shares_nothing_with_its_parent() -> None:
    class Five(Scale):
        """y = k x, with a wrong slope"""

        def backward(dy):
            return dy * 5

    x = leaf(1.0)
    Five(x).backward()
    assert x.grad.item() == 5.0
    x.zero_grad()
    Scale(x).backward()
    assert x.grad.item() == 2.0


# ---- outputs, auxiliaries, variadic inputs, shapes


class Polar(tz.Op):
    """r, a = √(x² + y²), atan2(y, x)"""

    outputs = ("r", "a")

    def forward(x, y):
        return np.hypot(x, y), np.arctan2(y, x)

    def backward_x(dr, da, x, y, r):
        return dr * x / r - da * y / r**2

    def backward_y(dr, da, x, y, r):
        return dr * y / r + da * x / r**2


def test_several_outputs_have_a_gradient_each() -> None:
    x, y = leaf(3.0), leaf(4.0)
    r, a = Polar(x, y)
    (r * 10 + a * 100).backward()
    assert x.grad.item() == pytest.approx(10 * 0.6 - 100 * 4 / 25)
    assert y.grad.item() == pytest.approx(10 * 0.8 + 100 * 3 / 25)


def test_an_output_that_is_not_used_counts_as_zeros() -> None:
    x, y = leaf([3.0, 6.0]), leaf([4.0, 8.0])
    Polar(x, y)[1].sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [-4 / 25, -8 / 100])


class Softplus(tz.Op):
    """y = ln(1 + eˣ), keeping σ(x)"""

    aux = ("s",)

    def forward(x):
        e = np.exp(x)
        return np.log(1 + e), e / (1 + e)

    def backward(dy, s):
        return dy * s


def test_an_auxiliary_is_kept_and_not_returned() -> None:
    x = leaf([0.0, 2.0])
    y = Softplus(x)
    assert isinstance(y, tz.Tensor)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 / (1 + np.exp(-np.array([0.0, 2.0]))))
    assert isinstance(Softplus(np.zeros(2)), np.ndarray)  # nor from arrays


def test_a_real_auxiliary_is_differentiated_too() -> None:
    x = leaf([0.0, 2.0])
    (g,) = tz.grad(Softplus(x).sum(), x, create_graph=True)
    (h,) = tz.grad(g.sum(), x)
    s = 1 / (1 + np.exp(-x.numpy()))
    np.testing.assert_allclose(h.numpy(), s * (1 - s))


class Total(tz.Op):
    """y = Σ xᵢ"""

    def forward(*xs):
        return sum(xs)

    def backward(dy, xs_shape):
        return tuple(np.broadcast_to(dy, shape) for shape in xs_shape)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_inputs(count: int) -> None:
    xs = [leaf([1.0, 2.0]) for _ in range(count)]
    y = Total(*xs)
    assert y.tolist() == [count, 2.0 * count]
    y.backward([3.0, 4.0])
    assert all(x.grad.tolist() == [3.0, 4.0] for x in xs)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_concat_of_any_number(count: int) -> None:
    xs = [leaf([1.0, 2.0]) for _ in range(count)]
    F.concat(xs).backward(np.arange(2.0 * count))
    assert [x.grad.tolist() for x in xs] == [[2.0 * i, 2.0 * i + 1] for i in range(count)]


def test_some_of_many_inputs_are_constants() -> None:
    a, b = leaf([1.0]), tz.tensor([2.0])
    F.concat([b, a, b]).backward([1.0, 10.0, 100.0])
    assert a.grad.tolist() == [10.0]
    assert b.grad is None


def test_the_same_op_with_more_and_fewer_inputs() -> None:
    """The same input needs a gradient both times; the number of inputs is part of the plan."""
    a, b = leaf([1.0]), tz.tensor([2.0])
    for xs in ([a], [a, b], [a, b, b], [a]):
        a.zero_grad()
        F.concat(xs).backward(np.arange(1.0, len(xs) + 1))
        assert a.grad.tolist() == [1.0]


def test_an_output_without_a_gradient_is_a_constant() -> None:
    """Batch norm's running statistics: backward names dy and neither dnew_mean nor dnew_var."""
    x, ones = leaf([[1.0], [3.0]]), leaf([1.0])
    y, mean, var = F.batch_norm(x, tz.tensor([0.0]), tz.tensor([1.0]), ones, ones, training=True)
    assert y.requires_grad
    assert not mean.requires_grad
    assert not var.requires_grad


def test_an_op_without_a_backward_gives_constants() -> None:
    assert not F.sign(leaf([1.0, -2.0])).requires_grad
    assert not (leaf([1.0]) > 0).requires_grad


def test_an_input_without_a_partial_is_refused_and_not_ignored() -> None:
    class Half(tz.Op):
        """y = a b"""

        def forward(a, b):
            return a * b

        def backward_a(dy, b):
            return dy * b

    a, b = leaf(2.0), leaf(3.0)
    with pytest.raises(TypeError, match=r"Half has no gradient for its input b; pass it as a constant"):
        Half(a, b)
    Half(a, b.detach()).backward()
    assert a.grad.item() == 3.0


# ---- what the engine does around the formulas


def test_only_the_wanted_partial_is_computed() -> None:
    asked = []

    class Product(tz.Op):
        """y = a b"""

        def forward(a, b):
            return a * b

        def backward_a(dy, b):
            asked.append("a")
            return dy * b

        def backward_b(dy, a):
            asked.append("b")
            return dy * a

    Product(leaf(1.0), tz.tensor(2.0)).backward()
    assert asked == ["a"]
    Product(tz.tensor(2.0), leaf(1.0)).backward()
    assert asked == ["a", "b"]


def test_broadcasting_is_undone_once_by_the_engine() -> None:
    x, b, c = leaf(np.ones((3, 4))), leaf(np.ones(4)), leaf(np.ones((3, 1)))
    upstream = np.arange(12.0).reshape(3, 4)
    (x * b + c).backward(upstream)
    np.testing.assert_array_equal(b.grad.numpy(), upstream.sum(0))
    np.testing.assert_array_equal(c.grad.numpy(), upstream.sum(1, keepdims=True))


def test_both_kinds_of_broadcasting_at_once() -> None:
    x = leaf(np.ones((1, 3, 1)))
    upstream = np.arange(24.0).reshape(2, 3, 4)
    (x * np.ones((2, 3, 4))).backward(upstream)
    np.testing.assert_array_equal(x.grad.numpy(), upstream.sum((0, 2)).reshape(1, 3, 1))


def test_the_gradient_has_its_tensors_dtype() -> None:
    w = leaf([1.0, 2.0], np.float32)
    y = w * np.array([3.0, 4.0])
    assert y.dtype == np.float64
    y.sum().backward()
    assert w.grad.dtype == np.float32


def test_arrays_in_arrays_out() -> None:
    x = np.ones(2)
    for y in (Scale(x), F.softmax(x), F.matmul(np.ones((2, 2)), x), F.sum(x)):
        assert not isinstance(y, tz.Tensor)
    r, a = Polar(np.array(3.0), np.array(4.0))
    assert (float(r), a.shape) == (5.0, ())


# ---- backwards that are wrong


def broken(gradient: Any, *, joint: bool = False) -> Any:
    def forward(a, b):
        return a * b

    namespace: dict[str, Any] = {"forward": forward, "__doc__": "y = a b"}
    if joint:
        namespace["backward"] = lambda dy: gradient
    else:
        namespace["backward_a"] = lambda dy: gradient
    return type(tz.Op)("Broken", (tz.Op,), namespace)


@pytest.mark.parametrize(("gradient", "joint", "error", "says"), [
    (np.ones(3), False, ValueError, r"gradient of shape \(3,\) for input a of shape \(2,\)"),
    (np.ones((2, 3)), False, ValueError, r"gradient of shape \(2, 3\) for input a of shape \(2,\)"),
    (np.float64(1), False, ValueError, r"gradient of shape \(\) for input a of shape \(2,\)"),
    (1.0, False, TypeError, r"gave float as the gradient of input a of shape \(2,\)"),
    (None, False, TypeError, "gave NoneType as the gradient of input a"),
    (np.array([1j, 1j]), False, TypeError, "gave complex128 as the gradient of input a"),
    (np.array(["a", "b"]), False, TypeError, "gave <U1 as the gradient of input a"),
    (np.ones(2), True, ValueError, "a tuple of 2 gradients, one for each of a, b, not a ndarray"),
    (np.ones((2, 2)), True, ValueError, "a tuple of 2 gradients, one for each of a, b, not a ndarray"),
    ((np.ones(2),), True, ValueError, "a tuple of 2 gradients, one for each of a, b, not 1 of them"),
    ((np.ones(2),) * 3, True, ValueError, "a tuple of 2 gradients, one for each of a, b, not 3 of them"),
    ((np.ones(2), 1.0), True, TypeError, "gave float as the gradient of input b"),
])
def test_a_backward_that_returns_something_else(
    gradient: Any, joint: bool, error: type[Exception], says: str
) -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    with pytest.raises(error, match=f"the backward of Broken .*{says}"):
        broken(gradient, joint=joint)(a, b if joint else b.detach()).sum().backward()
    assert a.grad is None
    assert b.grad is None


def test_a_formula_that_fails_is_named_with_its_shapes() -> None:
    a = leaf(np.ones((2, 3)))
    says = r"Add \(y = a \+ b\) cannot take a: float64 \(2, 3\), b: float64 \(4,\)"
    with pytest.raises(ValueError, match=says):
        a + np.ones(4)


def test_a_backward_that_fails_is_named_with_its_arguments() -> None:
    class Bad(tz.Op):
        """y = 2 x"""

        def forward(x):
            return 2 * x

        def backward(dy):
            return dy @ np.ones((5, 5))

    with pytest.raises(ValueError, match=r"Bad.backward \(y = 2 x\) cannot take .*float64 \(3,\)"):
        Bad(leaf(np.ones(3))).sum().backward()


def test_an_error_inside_a_formula_is_explained_once() -> None:
    class Outer(tz.Op):
        """y = σ(x) in another op"""

        def forward(x):
            return F.sigmoid(x, x)

    with pytest.raises(TypeError, match=r"^Sigmoid ") as caught:
        Outer(leaf(1.0))
    assert caught.value.__cause__ is not caught.value


@pytest.mark.parametrize(("raised", "kind"), [
    (ValueError, ValueError), (TypeError, TypeError), (IndexError, IndexError), (KeyError, RuntimeError),
    (RuntimeError, RuntimeError), (ZeroDivisionError, ZeroDivisionError),
    (FloatingPointError, FloatingPointError), (OverflowError, OverflowError),
    (MemoryError, MemoryError), (np.linalg.LinAlgError, ValueError),
    (UnicodeError, ValueError), (OSError, RuntimeError),
])
def test_the_kind_of_error_is_kept(raised: type[Exception], kind: type[Exception]) -> None:
    class Raises(tz.Op):
        """y = x"""

        def forward(x):
            raise raised("why")

    with pytest.raises(kind, match=r"Raises .*why") as caught:
        Raises(leaf(1.0))
    assert type(caught.value) is kind
    assert type(caught.value.__cause__) is raised


def test_an_axis_out_of_range_is_an_index_error_and_a_value_error() -> None:
    for kind in (IndexError, ValueError):
        with pytest.raises(kind, match=r"Softmax .*axis 4 is out of bounds"):
            F.softmax(leaf([1.0, 2.0]), axis=4)


def test_ctrl_c_passes_untouched() -> None:
    class Interrupted(tz.Op):
        """y = x"""

        def forward(x):
            return x + 0

        def backward(dy):
            raise KeyboardInterrupt

    x = leaf(1.0)
    with pytest.raises(KeyboardInterrupt):
        (Interrupted(x) + x).backward()
    assert x.grad is None


# ---- operands that are no tensors


NUMBERS = [3, 3.0, True, np.float32(3), np.float64(3), np.int64(3), np.uint8(3), np.True_]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_does_not_promote(number: Any) -> None:
    x = tz.tensor([1.0, 2.0])
    y = x * number
    assert y.dtype == np.float32
    assert y.tolist() == [float(number), 2 * float(number)]


def test_lists_are_taken_in_the_default_dtype() -> None:
    y = F.add(tz.tensor([1.0, 2.0]), [0.5, 0.25])
    assert (y.dtype, y.tolist()) == (np.float32, [1.5, 2.25])


def test_a_numpy_matrix_is_an_array_here() -> None:
    """Its * is a matrix product; taken as it is, it would change what Mul means."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        m = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    y = x * m
    assert y.tolist() == [[1.0, 4.0], [9.0, 16.0]]
    assert type(y.numpy()) is np.ndarray


@pytest.mark.parametrize(("operand", "says"), [
    (np.array([1j, 2j]), "complex128"), (1j, "complex128"), ("ab", "<U2"), (np.array(["a", "b"]), "<U1"),
    (np.array([1, None]), "object"), (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
    (np.ma.array([1.0, 2.0], mask=[True, False]), "mask"), (object(), "object"), ({}, "object"),
])
def test_an_operand_that_is_no_real_number(operand: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        leaf([1.0, 2.0]) * operand
