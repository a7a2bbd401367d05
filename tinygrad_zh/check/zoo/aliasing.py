"""Two names for one array: shared gradients, recycled buffers, what was kept and then overwritten. 别名"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op

POOL: dict[Any, Any] = {}
"""Buffers by owner and shape, to save allocations."""


def buffer(owner: str, shape: tuple[int, ...], dtype: Any, fill: float = 0.0) -> Any:
    """The owner's buffer of this shape, as its last user left it."""
    array = POOL.setdefault((owner, shape, dtype), np.full(shape, fill, dtype))
    array.setflags(write=True)
    return array


@planted(normal(3), normal(3, seed=1), right=lambda a, b: a + 2 * b,
         cure="return dy, 2 * dy",
         en="db = da makes a second name, not a second array; doubling one doubles both.",
         zh="db = da 只是多了一个名字，并没有多一个数组；把一个乘 2，两个都变了。")
class TwoNamesOneArray(Op):
    """y = a + 2 b
    中文：加权和
    """

    def forward(a, b):
        return a + 2 * b

    def backward(dy):
        da = dy.copy()
        db = da
        db *= 2
        return da, db


@planted(normal(5), right=lambda x: ((x - x.mean()) * (x - x.mean())).sum(),
         cure="squares = deviation**2",
         en="The deviations are kept for the backward and then squared in place: what was kept are the squares.",
         zh="离差先存下来留给反向，随后又就地平方：存下的其实成了平方。")
class SquaredWhatItKept(Op):
    """y = Σ (x − μ)²
    中文：离差平方和
    """

    aux = ("deviation",)

    def forward(x):
        deviation = x - x.mean()
        squares = deviation
        squares **= 2
        return squares.sum(), deviation

    def backward(dy, deviation):
        return dy * 2 * deviation


@planted(normal(3, 4), right=lambda x: x * x,
         cure="return dy * 2 * x",
         en="The gradient is written into a buffer that all calls share. It is right until the op runs backward "
            "again, and then every gradient handed out before changes too.",
         zh="梯度写进所有调用共用的缓冲区。它一直正确，直到该算子再次反向：先前交出去的梯度也跟着变了。")
class OneBufferForAllGradients(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return np.multiply(dy, 2 * x, out=buffer("gradient", x.shape, x.dtype))


@planted(normal(3, 4), right=F.exp,
         cure="return np.exp(x)",
         en="The output lives in the layer's own buffer, as in old Torch. The next forward overwrites the result of "
            "the last one, which its backward was going to use.",
         zh="输出放在层自己的缓冲区里，老式 Torch 就是这样。下一次前向会覆盖上一次的结果，而上一次的反向还要用它。")
class OneBufferForAllOutputs(Op):
    """y = eˣ
    中文：指数
    """

    def forward(x):
        return np.exp(x, out=buffer("output", x.shape, x.dtype))

    def backward(dy, y):
        return dy * y


@planted(normal(5), np.array([0, 2, 2, 1]), right=lambda x, i: F.getitem(x, i),
         threads=("executorch #21687",),
         cure="g[...] = 0; np.add.at(g, i, dy)",
         en="The scatter-add goes into a recycled buffer that nobody cleared. The first backward is right; the "
            "second contains the first.",
         zh="散射累加写进了回收来的缓冲区，却没人清零。第一次反向是对的，第二次里还含着第一次的结果。")
class ScratchNotZeroed(Op):
    """y = x[i]
    中文：取下标
    """

    def forward(x, i):
        return x[i]

    def backward_x(dy, i, x_shape):
        g = buffer("scatter", x_shape, dy.dtype)
        np.add.at(g, i, dy)
        return g.copy()


@planted(normal(4, 3), right=lambda x: x[:2],
         threads=("FBGEMM #5754",),
         cure="g[:2], g[2:] = dy, 0",
         en="Only the rows that were used are written. The rest of the buffer is whatever the last owner left there.",
         zh="只写了用到的那几行，缓冲区其余部分还是上一位使用者留下的东西。")
class TailNeverWritten(Op):
    """y = x[:2]
    中文：取前两行
    """

    def forward(x):
        return x[:2]

    def backward(dy, x_shape):
        g = buffer("segment", x_shape, dy.dtype, fill=1e-3)
        g[:2] = dy
        return g.copy()


@planted(normal(2, 3), normal(3, seed=1), right=lambda x, w: x * w + x,
         cure="dx = dw.copy()",
         en="The two paths to x are added up in dw's array, because dx was made from it: += changed both.",
         zh="通往 x 的两条路径加到了 dw 的数组里，因为 dx 就是由它得来的：一个 += 改了两处。")
class AddedToTheOther(Op):
    """y = x w + x
    中文：加权的残差
    """

    def forward(x, w):
        return x * w + x

    def backward(dy, x, w):
        dw = np.multiply(dy, w)
        dx = dw
        dx += dy
        dw *= x
        return dx, dw
