"""Writing where one may only read: the upstream, the input, the output, what was kept. 就地修改"""

from __future__ import annotations

import ctypes

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(4), right=F.relu,
         cure="return np.where(x > 0, dy, 0)",
         en="The upstream gradient is not this op's to write on: another branch may be given the same array. Here it "
            "is read-only, and the write raises.",
         zh="上游梯度不归这个算子改写：另一条支路拿到的可能是同一个数组。这里的数组只读，一写就报错。")
class WritesItsUpstream(Op):
    """y = max(0, x)
    中文：线性整流函数
    """

    def forward(x):
        return np.maximum(x, 0)

    def backward(dy, x):
        dy[x <= 0] = 0
        return dy


@planted(normal(4), right=lambda x: 2 * x,
         cure="return 2 * x",
         en="An assignment operator on an argument writes into the caller's array.",
         zh="对参数使用复合赋值，写进了调用者的数组。")
class WritesItsInput(Op):
    """y = 2 x
    中文：两倍
    """

    def forward(x):
        x *= 2
        return x

    def backward(dy):
        return 2 * dy


@planted(normal(4), right=lambda x: x * x,
         cure="square = x.copy()",
         en="A copy is saved by squaring the input in its own memory, which is unlocked for that. The backward then "
            "finds x² where it looks for x.",
         zh="为省一次复制，先解锁，再把输入就地平方。等到反向来取 x 时，那里放着的已是 x²。")
class UnlocksItsInput(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        square = x if x.flags.owndata else x.copy()
        square.setflags(write=True)
        square *= square
        return square

    def backward(dy, x):
        return dy * 2 * x


@planted(normal(3, 4), right=F.tanh,
         threads=("linkedin/Liger-Kernel #254",),
         cure="dx = dy.copy()",
         en="To save memory the gradient is computed in the upstream's own array, unlocked for it. The value "
            "returned is right; whoever else holds the upstream has it changed under him.",
         zh="为省内存，梯度直接算在上游梯度自己的数组里，还为此解了锁。返回值没错；可别处若也持有这份上游梯度，手里的"
            "数就被改了。")
class GradientInTheUpstream(Op):
    """y = tanh x
    中文：双曲正切
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        dx = dy if dy.flags.owndata else dy.copy()
        dx.setflags(write=True)
        dx *= 1 - y * y
        return dx


@planted(normal(2, 3), right=F.sigmoid,
         threads=("linkedin/Liger-Kernel #272",),
         cure="return dy * y * (1 - y)",
         en="The gradient is stored over the output, which this op needs no more. The op before it may have kept the "
            "same array, the caller may want to print it, and a second backward finds a gradient in its place.",
         zh="梯度覆盖在输出上，反正这个算子不再需要它。可别的算子也许存了同一个数组，调用者也许还要打印它，而第二次反"
            "向在那里读到的是梯度。")
class GradientOverTheOutput(Op):
    """y = σ(x)
    中文：S 型函数
    """

    def forward(x):
        return 1 / (1 + np.exp(-x))

    def backward(dy, y):
        slope = y * (1 - y)
        y.setflags(write=True)
        return np.multiply(dy, slope, out=y)


@planted(normal(5), right=F.sin,
         cure="return dy * slope",
         en="The slope was computed in the forward and kept; the backward multiplies it in place. With retain_graph "
            "the second backward starts from a gradient.",
         zh="斜率在前向里算好存下，反向却就地去乘它。用 retain_graph 再反向一次，乘上的就已是梯度了。")
class ScalesWhatItKept(Op):
    """y = sin x
    中文：正弦
    """

    aux = ("slope",)

    def forward(x):
        return np.sin(x), np.cos(x)

    def backward(dy, slope):
        slope.setflags(write=True)
        slope *= dy
        return slope


@planted(normal(4, 3), right=lambda x: x / 2,
         cure="block = dy.astype(np.float64, order='C')",
         en="A kernel in C is given a pointer and halves what it finds there. NumPy's read-only flag stops nobody on "
            "the other side of a pointer.",
         zh="C 写的内核拿到一个指针，把那里的数就地减半。NumPy 的只读标志管不到指针的另一头。")
class ThroughAPointer(Op):
    """y = x / 2
    中文：一半
    """

    def forward(x):
        return x / 2

    def backward(dy):
        block = np.ascontiguousarray(dy, np.float64)
        memory = np.ctypeslib.as_array(ctypes.cast(block.ctypes.data, ctypes.POINTER(ctypes.c_double)), block.shape)
        memory /= 2
        return memory.astype(dy.dtype)


@planted(normal(4, 2), right=lambda x: x.sum(axis=0) - (x[0] + x[-1]) / 2,
         cure="g = np.broadcast_to(dy, x_shape).copy()",
         en="The rows of a broadcast array are all the same memory: halving the first and the last halves every row, "
            "twice.",
         zh="广播出来的各行其实是同一块内存：把首行和末行各减半，等于让每一行都减半两次。")
class HalvesABroadcast(Op):
    """y = Σ x − ½ (first + last), over the rows
    中文：梯形求和
    """

    def forward(x):
        return x.sum(axis=0) - (x[0] + x[-1]) / 2

    def backward(dy, x_shape):
        row = dy.copy()
        g = np.lib.stride_tricks.as_strided(row, x_shape, (0, row.itemsize))
        g[0] /= 2
        g[-1] /= 2
        return g
