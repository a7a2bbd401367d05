"""Right on squares only: one length, one axis or one side taken for another. 只在方形时正确"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(3, 3), normal(3, 3, seed=1), right=F.matmul,
         cure="return a.mT @ dy",
         en="The factors of the weights' gradient were exchanged until the shapes fitted. On a square they always "
            "fit.",
         zh="调换权重梯度里的两个因子，直到形状对上为止。若是方阵，怎么换都对得上。")
class SquareOnly(Op):
    """Y = A B
    中文：矩阵乘法
    """

    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy @ b.mT

    def backward_b(dy, a):
        return dy.mT @ a


@planted(normal(2, 3), normal(3, 4, seed=1), right=F.matmul,
         cure="return a.mT @ dy",
         en="The same line, met with shapes of a real layer: it raises at the first backward.",
         zh="同一行代码，换成真实网络层的形状，第一次反向就报错。")
class SquareOnlyElsewhere(Op):
    """Y = A B
    中文：矩阵乘法
    """

    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy @ b.mT

    def backward_b(dy, a):
        return dy.mT @ a


@planted(normal(4, 4), right=F.rms_norm,
         cure="return r[:, None] * (dy - y * (dy * y).mean(axis=1)[:, None])",
         en="One correction a row, without its [:, None]: it is broadcast along the last axis, so that each column "
            "gets the correction of some row. Where both lengths are equal it runs.",
         zh="每行一个修正项，漏了 [:, None]，于是沿最后一轴广播，每一列用上了别的行的修正。行列数相等时，不会报错。",
         threads=("attorch #17",))
class RowCorrectionAcrossColumns(Op):
    """y = x / √(mean x² + 10⁻⁵)
    中文：均方根归一化
    """

    def forward(x):
        return x * ((x * x).mean(axis=1, keepdims=True) + 1e-5) ** -0.5

    def backward(dy, x, y):
        r = ((x * x).mean(axis=1) + 1e-5) ** -0.5
        return r[:, None] * (dy - y * (dy * y).mean(axis=1))


@planted(normal(4, 6), right=lambda x: F.mean(F.reshape(x, 2, 2, 2, 3), axis=(1, 3)),
         cure="return np.repeat(np.repeat(dy / 6, 2, axis=0), 3, axis=1)",
         en="The window's height and width were passed as width and height. Windows are square, as a rule.",
         zh="窗口的高和宽传反了。池化窗口通常是方的，所以很久没人发现。",
         threads=("pytorch #36820", "deeplearning4j #964"))
class HeightForWidth(Op):
    """y = the means of windows of 2 × 3
    中文：平均池化
    """

    def forward(x):
        return x.reshape(2, 2, 2, 3).mean(axis=(1, 3))

    def backward(dy):
        return np.repeat(np.repeat(dy / 6, 3, axis=0), 2, axis=1)


PLACES = np.arange(3)[:, None, None, None], np.arange(4)[:, None, None], np.arange(2)[:, None], np.arange(2)


@planted(normal(4, 5), normal(2, 2, seed=1),
         right=lambda x, w: F.sum(x[PLACES[0] + PLACES[2], PLACES[1] + PLACES[3]] * w, axis=(2, 3)),
         cure="dw[i, j] = (dy * x[i : i + h, j : j + v]).sum()",
         en="The kernel's gradient, with its rows and columns exchanged. All test cases had square images and square "
            "kernels.",
         zh="卷积核梯度的行列写反了。测试用的图和核全是方的。",
         threads=("NNPACK #15",))
class KernelGradientTransposed(Op):
    """yᵢⱼ = Σ xᵢ₊ₖ,ⱼ₊ₗ wₖₗ, k and l from 0 to 1
    中文：二维卷积
    """

    def forward(x, w):
        return (np.lib.stride_tricks.sliding_window_view(x, (2, 2)) * w).sum(axis=(2, 3))

    def backward(dy, x, w):
        h, v = dy.shape
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(2):
            for j in range(2):
                dx[i : i + h, j : j + v] += dy * w[i, j]
                dw[j, i] = (dy * x[i : i + h, j : j + v]).sum()
        return dx, dw


@planted(normal(3, 6), normal(3, 3, 3, seed=1),
         right=lambda x, w: F.einsum("cik,fck->fi", x[:, np.arange(4)[:, None] + np.arange(3)], w),
         cure='return np.einsum("fjk,fck->cj", windows(np.pad(dy, ((0, 0), (2, 2)))), w[:, :, ::-1])',
         en="Turning the kernel round is half of it; its two channel axes change places as well, since what came out "
            "goes in. With as many channels before as after, it runs.",
         zh="反向卷积时，核不但要翻转，输入通道与输出通道两个轴还要互换，因为来路变成了去路。前后通道数相同时，不换也"
            "能运行。",
         threads=("CNN-Numpy #2",))
class ChannelsNotExchanged(Op):
    """y_f,i = Σ x_c,i₊ₖ w_f,c,ₖ
    中文：多通道的一维卷积
    """

    def forward(x, w):
        return np.einsum("cik,fck->fi", windows(x), w)

    def backward_x(dy, w):
        return np.einsum("fjk,cfk->cj", windows(np.pad(dy, ((0, 0), (2, 2)))), w[:, :, ::-1])

    def backward_w(dy, x):
        return np.einsum("fi,cik->fck", dy, windows(x))


def windows(x):
    """Every three neighbours: (c, n) → (c, n − 2, 3)."""
    return np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)


@planted(normal(2, 3, 3), np.array([0.1, 0.2, 0.3]), right=lambda x, a: F.where(x > 0, x, a[:, None] * x),
         cure="return np.where(x > 0, 0, dy * x).sum(axis=(0, 2))",
         en="One slope a channel, and channels are axis 1. The gradient was summed for the last axis, where it fits "
            "whenever a picture is as wide as it has channels.",
         zh="每个通道一个斜率，通道是第 1 轴，梯度却按最后一轴汇总。宽度恰好等于通道数时，形状对得上，便无声地出错。",
         threads=("FlagGems #4992",))
class LastAxisForChannels(Op):
    """y = x where x > 0, else a x, one a for a channel
    中文：PReLU
    """

    def forward(x, a):
        return np.where(x > 0, x, a[:, None] * x)

    def backward_x(dy, x, a):
        return np.where(x > 0, dy, dy * a[:, None])

    def backward_a(dy, x):
        return np.where(x > 0, 0, dy * x).sum(axis=(0, 1))


@planted(normal(2, 3, 4, 3), normal(3, seed=1), right=lambda x, b: x + b,
         cure="return dy.sum(axis=(0, 1, 2))",
         en="The images have their channels last, and the gradient of the bias is summed for channels first. A tile "
            "of three rows and three colours lets it pass.",
         zh="图像的通道在最后一轴，偏置的梯度却按通道在前来求和。高 3 行、3 种颜色时，形状正好相同。",
         threads=("deeplearning4j #8280",))
class ChannelsFirst(Op):
    """y = x + b, a number for each of the last axis
    中文：加偏置（通道在后）
    """

    def forward(x, b):
        return x + b

    def backward_x(dy):
        return dy

    def backward_b(dy):
        return dy.sum(axis=(0, 2, 3))


@planted(normal(3, 5), right=lambda x: x - F.mean(x, axis=1, keepdims=True),
         cure="return dy - dy.sum(axis=1, keepdims=True) / dy.shape[1]",
         en="The sum is over the columns and the divisor is the number of rows. The author's example was 4 by 4.",
         zh="按列数求和，却除以了行数。作者试的例子是 4 × 4。")
class DividedByTheRows(Op):
    """y = x − the mean of its row
    中文：逐行去均值
    """

    def forward(x):
        return x - x.mean(axis=1, keepdims=True)

    def backward(dy):
        return dy - dy.sum(axis=1, keepdims=True) / len(dy)


@planted(normal(3, 4), right=lambda x: F.sum(x[np.arange(3), np.arange(3)]),
         cure="return dy * np.eye(*x_shape, dtype=dy.dtype)",
         en="The gradient of a trace is the identity; and the identity is square. The matrix was not.",
         zh="迹的梯度是单位矩阵，而单位矩阵是方的；偏偏这个矩阵不是。")
class IdentityIsSquare(Op):
    """y = Σ xᵢᵢ
    中文：迹
    """

    def forward(x):
        return np.trace(x)

    def backward(dy, x_shape):
        return dy * np.eye(x_shape[0], dtype=dy.dtype)


@planted(normal(2, 3), right=lambda x: F.reshape(F.broadcast_to(x[:, None, :, None], (2, 2, 3, 2)), 4, 6),
         cure="h, w = x_shape",
         en="Each pixel became a block of four, and the blocks are summed again. Reading width before height cuts the "
            "picture into other blocks, and the last reshape hides it.",
         zh="每个像素放大成四格，反向再把每块加起来。先读宽后读高，切出来的就不是原来的块，最后一个 reshape 把错误盖"
            "住了。")
class WidthReadFirst(Op):
    """y = x, every pixel twice in both directions
    中文：最近邻上采样
    """

    def forward(x):
        return x.repeat(2, axis=0).repeat(2, axis=1)

    def backward(dy, x_shape):
        w, h = x_shape
        return dy.reshape(h, 2, w, 2).sum(axis=(1, 3)).reshape(x_shape)
