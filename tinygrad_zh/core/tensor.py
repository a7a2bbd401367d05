"""Tensor: an immutable array, and where its gradient goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh import device as devices
from tinygrad_zh.core.dtype import get_default_dtype, to_array
from tinygrad_zh.core.mode import MODE

if TYPE_CHECKING:
    from tinygrad_zh.core.op import Call


class Accumulator:
    """Where a gradient is kept: of a leaf, or of a result that asked with `retain_grad`."""

    __slots__ = ("grad", "hooks", "meta")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.meta = (shape, dtype)
        self.grad: Tensor | None = None
        self.hooks: list[Callable[[Tensor], Any]] | None = None


class Tensor:
    """An n-dimensional array whose computation can be differentiated. 中文：张量。

    Made by `tz.tensor` (a copy of the user's data) or by ops. The values never change: an op makes a new
    tensor, and a leaf takes new values through `assign` alone, so what a backward needs cannot be overwritten.

    `source` says where the gradient goes: the Accumulator of a leaf, (call, index) for an op's result, None for
    a constant. Tensors hold calls and calls hold sources, never tensors: no cycles, nothing for the collector.
    """

    __slots__ = ("__weakref__", "array", "name", "retained", "source")

    def __init__(self, array: Any, source: Accumulator | tuple[Call, int] | None = None, name: str | None = None):
        self.array = array
        self.source = source
        self.name = name
        self.retained: Accumulator | None = None

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """n₁ × n₂ × …, the length of each axis. 中文：形状。"""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """The number of axes. 中文：维数。"""
        return self.array.ndim

    @property
    def size(self) -> int:
        """The number of elements. 中文：元素个数。"""
        return self.array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of each element. 中文：数据类型。"""
        return self.array.dtype

    @property
    def device(self) -> str:
        """"cpu" or "cuda:n". 中文：设备。"""
        return devices.device_of(self.array)

    @property
    def is_leaf(self) -> bool:
        """Whether no remembered op made it: a parameter, an input, a constant. 中文：叶子。"""
        return type(self.source) is not tuple

    # ---- its values

    @property
    def data(self) -> Any:
        """The values, read-only. While a tape records, reading them is a line: the program depends on them."""
        tape = MODE.get().tape
        if tape is not None:
            tape.write("read", _read, [self.array], {}, (self.array,), tensor=self)
        return self.array.view()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a read-only NumPy array. 中文：转换为 NumPy 数组。

        To change a parameter use `assign`; to write elsewhere take `t.numpy().copy()`.
        Raises TypeError for a tensor on a GPU: move it with `t.to("cpu")` first.
        """
        if self.device != "cpu":
            raise TypeError(f'this tensor is on {self.device}; NumPy needs t.to("cpu").numpy()')
        return self.data

    def item(self) -> float | int | bool:
        """The one element as a Python number. Raises ValueError unless there is exactly one. 中文：取标量值。"""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, this one has shape {self.shape}")
        return devices.move(self.data, "cpu").item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return devices.move(self.data, "cpu").tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"an index is an integer, this tensor holds {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous; "
                             "use (…).numpy().any() or .all()")
        return bool(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        values = np.array2string(devices.move(self.array, "cpu"), separator=", ", prefix="tensor(", threshold=100)
        notes = [] if self.dtype in (get_default_dtype(), np.int64, np.bool_) else [f"dtype={self.dtype}"]
        notes += [f'device="{self.device}"'] if self.device != "cpu" else []
        notes += [f'name="{self.name}"'] if self.name else []
        if type(self.source) is tuple:
            notes.append(f"from={self.source[0].op.__name__}")
        elif self.source is not None:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([values, *notes])})"

    def __hash__(self) -> int:
        return id(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("a tensor's values never change in place; use t.assign(new) for a parameter, "
                        "or F.where, F.concat and friends to compute a new tensor")

    # ---- its gradient

    @property
    def requires_grad(self) -> bool:
        """Whether a backward pass reaches it. 中文：是否需要梯度。"""
        return self.source is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError(f"this tensor is the result of {self.source[0].op.__name__}; "  # type: ignore[index]
                               "only a leaf can be told whether it needs a gradient (use detach() for a constant)")
        if wanted and self.source is None:
            if self.dtype.kind != "f":
                raise TypeError(f"only floating tensors have gradients, this one holds {self.dtype}; "
                                "use dtype=np.float32 or t.astype(np.float32)")
            self.source = Accumulator(self.shape, self.dtype)
        elif not wanted:
            self.source = None

    @property
    def grad(self) -> Tensor | None:
        """∂L/∂t, summed over all backward passes since it was last None. 中文：梯度。"""
        holder = self.retained if type(self.source) is tuple else self.source
        return None if holder is None else holder.grad  # type: ignore[union-attr]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        holder = self.retained if type(self.source) is tuple else self.source
        if holder is None:
            raise RuntimeError("this tensor keeps no gradient: it does not require one, or is a result without "
                               "retain_grad()")
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"a gradient is a tensor or None, not {type(value).__name__}; use tz.tensor(…)")
        if value is not None and (value.shape != self.shape or value.dtype != self.dtype):
            raise ValueError(f"the gradient of a tensor of {self.dtype} {self.shape} has that dtype and shape, "
                             f"not {value.dtype} {value.shape}")
        holder.grad = value  # type: ignore[union-attr]

    def zero_grad(self) -> None:
        """Forget the gradient: `grad` is None until the next backward. 中文：清除梯度。"""
        holder = self.retained if type(self.source) is tuple else self.source
        if holder is not None:
            holder.grad = None  # type: ignore[union-attr]

    def retain_grad(self) -> None:
        """Keep this result's gradient too in `grad`; a leaf's is always kept. 中文：保留中间结果的梯度。"""
        if self.source is None:
            raise RuntimeError("this tensor does not require a gradient, so there is none to retain")
        if type(self.source) is tuple and self.retained is None:
            self.retained = Accumulator(self.shape, self.dtype)
            call, index = self.source
            call.watch(index).retained = self.retained

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Callable[[], None]:
        """Call `hook(gradient)` once this tensor's gradient is complete; what it returns, if anything, replaces it.

        Returns a function that removes the hook. 中文：梯度钩子。
        """
        if self.source is None:
            raise RuntimeError("this tensor does not require a gradient, so a hook would never run")
        if not callable(hook):
            raise TypeError(f"a gradient hook is a function of the gradient, not {type(hook).__name__}")
        if type(self.source) is tuple:
            call, index = self.source
            hooks = call.watch(index).hooks
        else:
            hooks = self.source.hooks = self.source.hooks or []  # type: ignore[union-attr]
        hooks.append(hook)
        return lambda: hooks.remove(hook) if hook in hooks else None

    def detach(self) -> Tensor:
        """The same values as a constant. 中文：从计算图分离。"""
        return Tensor(self.array, None, self.name)

    # ---- the one effect

    def assign(self, new: Any) -> Tensor:
        """t ← new: a leaf takes new values; what was computed from the old ones stays valid. 中文：赋值。

        `new` has the tensor's shape and is cast to its dtype; data go where the tensor is. Raises RuntimeError for an
        op's result, ValueError for another shape, TypeError where a cast would lose more than precision and for a
        tensor that is on another device.
        """
        if type(self.source) is tuple:
            raise RuntimeError(f"assign is for leaves; this tensor is the result of "
                               f"{self.source[0].op.__name__}")
        array = new.array if isinstance(new, Tensor) else new
        if not _takes_the_place_of(array, self.array):
            array = self._fitted(new, array)
        tape = MODE.get().tape
        if tape is not None:
            tape.write("assign", _assign, [self.array, array], {}, (array,), tensor=self)
        self.array = array
        return self

    def _fitted(self, new: Any, array: Any) -> Any:
        """What `assign` was given as an array of this tensor's shape and dtype, on its device."""
        if not devices.on_cuda(array) and not (type(array) is np.ndarray and devices.is_frozen(array)):
            array = to_array(new, None)
        if isinstance(new, Tensor) and new.device != self.device:
            raise TypeError(f"assign: this tensor is on {self.device}, the new values are on {new.device}; move them "
                            "with t.to(…)")
        if array.shape != self.shape:
            raise ValueError(f"assign: a tensor of shape {self.shape} cannot take values of shape {array.shape}")
        if array.dtype != self.dtype:
            if not np.can_cast(array.dtype, self.dtype, "same_kind"):
                raise TypeError(f"assign: {array.dtype} values do not fit a tensor of {self.dtype}")
            # of a tensor it is computed, so that a tape has the line
            array = (new.detach() if isinstance(new, Tensor) else array).astype(self.dtype)
            array = array.array if isinstance(array, Tensor) else array
        return devices.freeze(devices.move(array, self.device))

    def to(self, device: str) -> Tensor:
        """The tensor on another device ("cpu", "cuda", "cuda:1"); itself if it is there already. 中文：移动到设备。

        A leaf gives a new leaf. Raises RuntimeError in one sentence where CUDA cannot be had, and for an op's result,
        whose gradient would not come back: move what it is computed from.
        """
        moved = devices.move(self.array, device)
        if moved is self.array:
            return self
        if not self.is_leaf:
            raise RuntimeError(f"only leaves move; this tensor is the result of {self.source[0].op.__name__}, "  # type: ignore[index]
                               "move its inputs before they are computed with, or t.detach()")
        return leaf(moved, self.requires_grad, self.name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(f"deepcopy is for leaves; this tensor is the result of "
                               f"{self.source[0].op.__name__}; copy t.detach() instead")  # type: ignore[index]
        copy = leaf(self.array, self.requires_grad, self.name)
        if self.grad is not None:
            copy.grad = self.grad.detach()
        return copy

    if TYPE_CHECKING:  # operators and methods that ops/methods.py registers

        def __getattr__(self, name: str) -> Any: ...
        def backward(self, seed: Any = None, retain_graph: bool = False) -> None: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...


def _takes_the_place_of(new: Any, old: Any) -> bool:
    """Whether an array may stand where another stood just as it is: what an optimizer assigns in every step."""
    return (type(new) is np.ndarray is type(old) and new.shape == old.shape and new.dtype == old.dtype
            and devices.is_frozen(new))


def _read(value: Any) -> Any:
    return value


def _assign(old: Any, new: Any) -> Any:
    return new


def leaf(array: Any, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A leaf that adopts an array of ours: it is frozen, not copied."""
    tensor = Tensor(devices.freeze(array), None, name)
    tensor.requires_grad = requires_grad
    return tensor


def tensor(data: Any, dtype: Any = None, *, requires_grad: bool = False, name: str | None = None,
           device: str | None = None) -> Tensor:
    """A leaf tensor with a copy of the data. 中文：创建张量。

    data: a number, nested lists, an array or a tensor. Python floats become the default dtype (float32); arrays keep
    theirs. device: "cpu", "cuda", "cuda:1", …; where the data are unless given. Raises TypeError for what is no
    number, and for an integer tensor that is to require a gradient; ValueError for a name that is no device,
    RuntimeError in one sentence where CUDA cannot be had.

    >>> import tinygrad_zh as tz
    >>> tz.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    tensor([[1., 2.],
            [3., 4.]], requires_grad=True)
    """
    values = data.data if isinstance(data, Tensor) else data
    if devices.on_cuda(values):
        array = values.astype(values.dtype if dtype is None else dtype)
    else:
        array = to_array(values, dtype)
    return leaf(array if device is None else devices.move(array, device), requires_grad, name)


def relocate(tensors: Iterable[Tensor], device: str) -> None:
    """Move leaves where they stand, with their gradients, all or none: whoever holds one finds it on the new device."""
    given = list(tensors)
    moved = [(devices.move(t.array, device), None if t.grad is None else t.grad.to(device)) for t in given]
    for t, (array, gradient) in zip(given, moved, strict=True):
        t.array = array
        if gradient is not None:
            t.grad = gradient


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor, an array, a number or nested lists; np.shape would go a long way round to a tensor's."""
    if type(x) is Tensor:
        return x.array.shape
    return x.shape if hasattr(x, "shape") else np.shape(x)


def values_of(data: Any, x: Any = None) -> Any:
    """The values of a tensor, an array or a list as an array, where they are; a list's where x is."""
    return data.data if isinstance(data, Tensor) else beside(data, x)


def beside(data: Any, x: Any, dtype: Any = None) -> Any:
    """Data that are on no device, numbers and lists, as an array on x's; arrays and tensors stay where they are."""
    if hasattr(data, "dtype"):
        return data
    array = np.asarray(data, dtype)
    home = x.array if isinstance(x, Tensor) else x
    return devices.move(array, devices.device_of(home)) if devices.on_cuda(home) else array
