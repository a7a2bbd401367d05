"""Memory order: right for C-contiguous arrays only, .T for .mT, writes into a copy. 内存布局"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


def heads_first(x: Any) -> Any:
    """(n, 2 d) as (2, n, d)."""
    return F.swapaxes(F.reshape(x, (x.shape[0], 2, -1)), 0, 1)


@planted(normal(3, 4), right=lambda x: x * x,
         threads=("pytorch #30303", "pytorch #139740"),
         cure="return dy * 2 * x",
         en="The upstream gradient is read in the order of memory, which is the order of its elements only if it is "
            "contiguous.",
         zh="上游梯度按内存次序读取；只有连续数组的内存次序才等于元素次序。")
class InMemoryOrder(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy.ravel(order="K").reshape(x.shape) * 2 * x


@planted(normal(3, 4), right=lambda x: x * x,
         threads=("MrNeRF/optimized-fused-ssim #1",),
         cure="return dy * 2 * x",
         en="The input is read in the order of memory. A transposed image keeps its memory and changes its order.",
         zh="输入按内存次序读取。而转置后的图像，内存没动，次序却变了。")
class InputInMemoryOrder(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2 * x.ravel(order="K").reshape(x.shape)


@planted(normal(3, 4), right=F.exp,
         threads=("flash-attention #355", "torch/nn #345"),
         cure="flat = dy.ravel()",
         en="order=\"A\" was taken to mean \"any\": it reads a column-major array by columns. Slices and broadcasts "
            "come out right; the gradient that a transpose sends does not.",
         zh="把 order=\"A\" 当成“随意”：它会按列去读列主序的数组。切片和广播都没事，转置传来的梯度却读乱了。")
class ColumnsOfATranspose(Op):
    """y = eˣ
    中文：指数
    """

    def forward(x):
        return np.exp(x)

    def backward(dy, y):
        flat = dy.ravel(order="A")
        return (flat * y.ravel()).reshape(y.shape)


@planted(normal(3, 4), right=F.sin,
         threads=("NVIDIA/flownet2-pytorch #39", "torch/cunn #68"),
         cure="dy = np.ascontiguousarray(dy)",
         en="The kernel wants contiguous memory and says so only when it does not get it: the network trains until "
            "somebody adds a transpose after this layer.",
         zh="内核要求内存连续，不满足时才报错：网络一直能训练，直到有人在这层后面加了一个转置。")
class AsksForContiguous(Op):
    """y = sin x
    中文：正弦
    """

    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        if not dy.flags.c_contiguous:
            raise ValueError("the gradient must be contiguous")
        return dy * np.cos(x)


@planted(normal(2, 3), right=lambda x: x * x * x,
         threads=("pytorch #99638",),
         cure="return dy * 3 * x * x",
         en="zeros_like keeps the order of its model. If that is column-major, reshape(-1) makes a copy, the results "
            "go into the copy, and zeros are returned.",
         zh="zeros_like 沿用样板的内存次序。若是列主序，reshape(-1) 得到的是一份副本：结果写进了副本，返回的仍是零。")
class FlatViewOfZerosLike(Op):
    """y = x³
    中文：立方
    """

    def forward(x):
        return x**3

    def backward(dy, x):
        g = np.zeros_like(dy)
        flat = g.reshape(-1)
        flat[:] = (dy * 3 * x * x).ravel()
        return g


@planted(normal(3, 4), np.array([0, 5, 11]), right=lambda x, i: F.getitem(F.reshape(x.T, (-1,)), i),
         cure="g.T[np.unravel_index(i, g.T.shape)] = dy",
         en="ravel of a transposed array is a copy: what is written there never reaches g.",
         zh="对转置数组 ravel 得到的是副本：写在那里的东西到不了 g。")
class WritesIntoACopy(Op):
    """y = the elements i of x, counted by columns
    中文：按列计数取元素
    """

    def forward(x, i):
        return x.T.ravel()[i]

    def backward_x(dy, i, x_shape):
        g = np.zeros(x_shape, dy.dtype)
        g.T.ravel()[i] = dy
        return g


@planted(normal(3, 3, 2), right=lambda x: x @ x.mT,
         cure="return (dy + dy.mT) @ x",
         en=".T reverses all axes; of a stack of matrices it is .mT that transposes each. With as many matrices as "
            "rows, no shape complains.",
         zh=".T 颠倒所有的轴；要转置一叠矩阵中的每一个，得用 .mT。矩阵个数恰好等于行数时，形状不会报错。")
class GramOfAStack(Op):
    """Y = X Xᵀ, of each matrix
    中文：格拉姆矩阵
    """

    def forward(x):
        return x @ x.mT

    def backward(dy, x):
        return (dy + dy.T) @ x


@planted(normal(3, 4), right=heads_first,
         cure="return dy.swapaxes(0, 1).reshape(x_shape)",
         en="Putting the heads together again needs the axes swapped back first; a reshape alone fits, and mixes "
            "positions with heads.",
         zh="合并多头之前要先把轴换回来；直接 reshape 形状也对得上，却把位置和头混在了一起。")
class HeadsNotSwappedBack(Op):
    """Y = X as (heads, n, d)
    中文：拆分成多头
    """

    def forward(x):
        return x.reshape(len(x), 2, -1).swapaxes(0, 1)

    def backward(dy, x_shape):
        return dy.reshape(x_shape)


@planted(normal(3, 4), right=lambda x: F.getitem(x, (np.arange(3), np.arange(3))).sum(),
         cure="g.flat[: columns * columns : columns + 1] = dy",
         en="From one diagonal element to the next it is a row and one, and a row is as long as there are columns. "
            "For square matrices the number of rows does as well.",
         zh="对角线上相邻元素相隔一整行再加一个，而一行的长度是列数。只有方阵用行数代替才没事。")
class DiagonalByRows(Op):
    """y = Σ xᵢᵢ
    中文：迹
    """

    def forward(x):
        return np.trace(x)

    def backward(dy, x_shape):
        rows, _ = x_shape
        g = np.zeros(x_shape, dy.dtype)
        g.flat[: rows * rows : rows + 1] = dy
        return g
