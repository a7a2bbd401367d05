"""What was shared has to be summed: not one row of it, not the mean, and over the right axis. 漏了求和"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(4, 3), normal(3, seed=1), right=lambda x, b: x + b,
         cure="return dy.sum(axis=0)",
         en="A bias is added to every row, so its gradient is the sum over the rows. With the first row alone the "
            "shape is right.",
         zh="偏置加到了每一行上，梯度应当对所有行求和。只取第一行，形状也正好对得上。",
         threads=("pytorch #13669",))
class BiasOfOneRow(Op):
    """y = x + b
    中文：加偏置
    """

    def forward(x, b):
        return x + b

    def backward_x(dy):
        return dy

    def backward_b(dy):
        return dy[0]


@planted(normal(4, 2), normal(2, 3, seed=1), normal(3, seed=2), right=lambda x, w, b: x @ w + b,
         cure="return dy.sum(axis=0)",
         en="A sum() without an axis: one number, broadcast to all the biases. In a lecture's softmax regression they "
            "were all printed equal, and near zero.",
         zh="sum() 没有写轴，得到一个数，再广播给所有偏置。课程代码里的 softmax 回归打印出来，偏置个个相等，都接近零。",
         threads=("stat453-deep-learning-ss21 #5",))
class OneBiasForAll(Op):
    """Y = X W + b
    中文：全连接层
    """

    def forward(x, w, b):
        return x @ w + b

    def backward_x(dy, w):
        return dy @ w.mT

    def backward_w(dy, x):
        return x.mT @ dy

    def backward_b(dy):
        return np.full_like(dy[0], dy.sum())


@planted(normal(5, 2), normal(2, 3, seed=1), normal(3, seed=2), right=lambda x, w, b: F.relu(x @ w + b),
         cure="return np.where(y > 0, dy, 0).sum(axis=0)",
         en="The mean over the batch in place of the sum: the loss had its own 1/n already. Weights and biases now "
            "learn at different speeds.",
         zh="对批取了平均而不是求和，可损失里已经除过一次 n。权重和偏置的学习速度从此不一样。",
         threads=("kvfrans/notes #5",))
class BiasAveraged(Op):
    """Y = max(X W + b, 0)
    中文：全连接层加 ReLU
    """

    def forward(x, w, b):
        return np.maximum(x @ w + b, 0)

    def backward_x(dy, w, y):
        return np.where(y > 0, dy, 0) @ w.mT

    def backward_w(dy, x, y):
        return x.mT @ np.where(y > 0, dy, 0)

    def backward_b(dy, y):
        return np.where(y > 0, dy, 0).mean(axis=0)


@planted(normal(3, 4), right=lambda x: F.softmax(x, axis=0),
         cure="return y * (dy - (dy * y).sum(axis=0))",
         en="Forward was given an axis, backward sums over the last one as before. It runs, since keepdims lets any "
            "axis broadcast.",
         zh="前向可以指定轴了，反向仍旧对最后一轴求和。因为有 keepdims，哪个轴都能广播，所以不报错。")
class SummedOverTheOtherAxis(Op):
    """y = softmax(x), down the columns
    中文：按列的 softmax
    """

    def forward(x):
        e = np.exp(x - x.max(axis=0))
        return e / e.sum(axis=0)

    def backward(dy, y):
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


@planted(normal(4, 2), normal(2, 3, seed=1), right=lambda x, w: x @ w,
         cure="dw += np.outer(x[i], dy[i])",
         en="One sample after the other, and = for +=: only the last sample of the batch teaches. With a batch of "
            "one, as in the test, it is right.",
         zh="逐个样本计算，却把 += 写成了 =：一批里只有最后一个样本起作用。测试时批大小为 1，所以没发现。")
class AssignedInTheLoop(Op):
    """Y = X W
    中文：全连接层（逐样本）
    """

    def forward(x, w):
        return x @ w

    def backward_x(dy, w):
        return dy @ w.mT

    def backward_w(dy, x):
        dw = np.zeros_like(x, shape=(x.shape[1], dy.shape[1]))
        for i in range(len(x)):
            dw[:] = np.outer(x[i], dy[i])
        return dw


@planted(np.array(1.5), normal(3, 4), right=lambda s, x: s * x,
         cure="return (dy * x).sum()",
         en="One number scales a whole picture. Its gradient is the sum of products; what was written is the product "
            "of sums.",
         zh="一个数缩放整幅图，它的梯度是乘积之和，却写成了和的乘积。")
class ProductOfSums(Op):
    """y = s x
    中文：数乘
    """

    def forward(s, x):
        return s * x

    def backward_s(dy, x):
        return dy.sum() * x.sum()

    def backward_x(dy, s):
        return dy * s


@planted(normal(2, 3, 4), normal(5, 4, seed=1), right=lambda q, k: F.einsum("hqd,kd->hqk", q, k) / 2.0,
         cure='return np.einsum("hqk,hqd->kd", dy, q) / 2',
         en="Several heads share one set of keys. The keys were repeated for the heads, and on the way back the copy "
            "of the first head was taken for all of them.",
         zh="多个注意力头共用一组键。前向把键复制给各头，反向却只取了第一个头的那份，没有把各头加起来。")
class KeysOfTheFirstHead(Op):
    """S = Q Kᵀ / √d, one K for all heads, d = 4
    中文：多查询注意力的分数
    """

    def forward(q, k):
        return q @ k.mT / 2

    def backward_q(dy, k):
        return dy @ k / 2

    def backward_k(dy, q):
        return dy[0].mT @ q[0] / 2
