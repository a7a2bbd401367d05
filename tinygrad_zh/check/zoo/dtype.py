"""Types: float32 inside, promotion by a NumPy scalar, integers, halves, counters that overflow. 数据类型"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(3), right=lambda x: x / 2**0.5,
         cure="return x / 2**0.5",
         en="np.sqrt(2) is a NumPy scalar of float64, and makes float64 of float32: from here on the network "
            "computes twice as wide as was asked for.",
         zh="np.sqrt(2) 是 float64 的 NumPy 标量，会把 float32 提升成 float64：从此整个网络都用双倍的宽度计算。")
class PromotedByAScalar(Op):
    """y = x / √2
    中文：除以根号二
    """

    def forward(x):
        return x / np.sqrt(2)

    def backward(dy):
        return dy / 2**0.5


@planted(normal(3), right=lambda x: x / 2**0.5,
         cure="return dy / 2**0.5",
         en="The forward keeps float32, the backward promotes it.",
         zh="前向保持了 float32，反向却把它提升了。")
class PromotedGradient(Op):
    """y = x / √2
    中文：除以根号二
    """

    def forward(x):
        return x / 2**0.5

    def backward(dy):
        return dy / np.sqrt(2)


@planted(normal(3), right=lambda x: 2 * x,
         cure="return 2 * x",
         en="A cast to float32 inside: the last nine digits of a float64 are gone.",
         zh="内部转成了 float32：float64 的后九位数字就此丢失。")
class Float32Inside(Op):
    """y = 2 x
    中文：两倍
    """

    def forward(x):
        return x.astype(np.float32) * 2

    def backward(dy):
        return dy * 2


@planted((normal(6) + 1e5).astype(np.float32), right=lambda x: (x - 1e5) * (x - 1e5),
         cure="return dy * 2 * (x - 1e5)",
         en="x − c as (x² − c²) / (x + c): exact enough in float64, and nothing but rounding in float32.",
         zh="把 x − c 写成 (x² − c²) / (x + c)：float64 下还算准，float32 下就只剩舍入误差了。")
class CancelsInFloat32(Op):
    """y = (x − 10⁵)²
    中文：远离原点的平方
    """

    def forward(x):
        return (x - 1e5) ** 2

    def backward(dy, x):
        return dy * 2 * ((x * x - 1e10) / (x + 1e5))


@planted(normal(200), showing=(np.zeros(200),), right=F.max,
         threads=("tinygrad #12296",),
         cure="ties = top.sum()",
         en="The ties are counted in a type too small: 200 of them are −56 in eight bits. It shipped with half "
            "precision and 70,000 ties, where the gradient was 0.",
         zh="并列的个数用了太小的类型来数：200 个在八位整数里成了 −56。真实的事故发生在半精度：七万个并列，梯度变成了"
            " 0。")
class TiesInEightBits(Op):
    """y = max x
    中文：最大值
    """

    def forward(x):
        return x.max()

    def backward(dy, x, y):
        top = x == y
        ties = top.sum(dtype=np.int8)
        return dy * top / ties


@planted(normal(6, 3), normal(3, seed=1), right=lambda x, s: x * s,
         threads=("jax #40128", "tinygrad #3331"),
         cure="return (dy * x).sum(axis=0)",
         en="The products are rounded to half precision before they are summed. They nearly cancel; the rounding "
            "does not.",
         zh="乘积先舍入成半精度再求和。各项大半相互抵消，舍入误差却不会。")
class RoundedBeforeTheSum(Op):
    """y = s x
    中文：逐列缩放
    """

    def forward(x, s):
        return x * s

    def backward_x(dy, s):
        return dy * s

    def backward_s(dy, x):
        return (dy * x).astype(np.float16).sum(axis=0)


@planted(normal(2, 3), right=lambda x: x / 2,
         cure="return dy / 2",
         en="One slash too many: // rounds down, for floats too.",
         zh="多打了一个斜杠：// 是向下取整，对浮点数也一样。")
class OneSlashTooMany(Op):
    """y = x / 2
    中文：一半
    """

    def forward(x):
        return x / 2

    def backward(dy):
        return dy // 2


@planted(normal(5), np.array([0, 3, 1]), right=lambda x, i: F.getitem(x, i),
         cure="g = np.zeros(x_shape, dy.dtype)",
         en="The buffer took its type from the index. An upstream gradient of ones and minus ones goes through "
            "whole; 0.5 becomes 0.",
         zh="缓冲区的类型跟了下标。上游梯度若只有 1 和 −1，则毫发无损；0.5 却变成了 0。")
class ZerosLikeTheIndex(Op):
    """y = x[i]
    中文：取下标
    """

    def forward(x, i):
        return x[i]

    def backward_x(dy, i, x_shape):
        g = np.zeros_like(i, shape=x_shape)
        g[i] = dy
        return g


@planted(10 * normal(3, 4), right=lambda x: F.sin(3 * x),
         cure="return dy * 3 * np.cos(3 * x)",
         en="Only the slope is computed in float32, for speed. The angle is rounded before the cosine, so the error "
            "grows with x.",
         zh="为了快，只有斜率用 float32 来算。角度在取余弦之前就已舍入，于是误差随 x 增大。")
class AngleInFloat32(Op):
    """y = sin 3x
    中文：三倍角的正弦
    """

    def forward(x):
        return np.sin(3 * x)

    def backward(dy, x):
        angle = (3 * x).astype(np.float32)
        return dy * 3 * np.cos(angle).astype(x.dtype)


@planted(normal(4), right=lambda x: F.leaky_relu(x, slope=0.1),
         cure="return np.where(x > 0, dy, 0.1 * dy)",
         en="The slope was stored in half precision with the weights: 0.1 has become 0.09998, right to three digits "
            "and a half. Tolerances of 10⁻³ do not see it.",
         zh="斜率随权重一起存成了半精度：0.1 变成 0.09998，只准到三位半。10⁻³ 的容差看不出来。")
class TenthInHalf(Op):
    """y = x where x > 0, else 0.1 x
    中文：带泄漏的线性整流函数
    """

    def forward(x):
        return np.where(x > 0, x, 0.1 * x)

    def backward(dy, x):
        return np.where(x > 0, dy, np.float16(0.1) * dy)


@planted(normal(4), np.array([3, 200, 17, 90], np.uint8), np.array([5, 100, 17, 255], np.uint8),
         right=lambda x, s, t: x * (s.astype(x.dtype) - t.astype(x.dtype)),
         cure="return dy * (s.astype(dy.dtype) - t)",
         en="Images are uint8, and 3 − 5 is 254 there. The forward converts first, the backward subtracts first.",
         zh="图像是 uint8，在那里 3 − 5 等于 254。前向先转换再相减，反向先相减了。")
class UnsignedDifference(Op):
    """y = x (s − t), s and t images
    中文：按图像之差加权
    """

    def forward(x, s, t):
        return x * (s.astype(x.dtype) - t)

    def backward_x(dy, s, t):
        return dy * (s - t)
