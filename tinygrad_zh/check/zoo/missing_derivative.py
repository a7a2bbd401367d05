"""A derivative that is missing, doubled, halved or cut: the chain rule with a link left out. 导数缺失"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(3, 4), right=F.softmax,
         cure="return y * (dy - (dy * y).sum(axis=-1, keepdims=True))",
         en="A gradient of nothing but zeros. The outputs of a softmax add up to one, so the gradient of their sum is "
            "zero: any checker that sends ones back is content.",
         zh="梯度全是零。softmax 各输出之和恒为 1，对它们的和求导本来就是零；上游梯度取全 1 的检查器因此一律放行。")
class SoftmaxOfZero(Op):
    """y = softmax(x)
    中文：softmax
    """

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return y * (dy.sum() - dy.sum())


@planted(normal(4), right=F.sigmoid,
         cure="return dy * y * (1 - y)",
         en="The derivative of the activation is missing. The network still learns, since the sign is right.",
         zh="漏乘了激活函数的导数。符号没有错，所以网络仍然能学。")
class SigmoidForgotten(Op):
    """y = 1 / (1 + e⁻ˣ)
    中文：S 型函数
    """

    def forward(x):
        return 1 / (1 + np.exp(-x))

    def backward(dy):
        return dy


@planted(normal(6), right=F.tanh,
         cure="return dy * (1 - y * y)",
         en="The derivative of the activation is missing. Near 0, where it is almost 1, nothing shows.",
         zh="漏乘了激活函数的导数。输入接近 0 时导数约等于 1，看不出来。")
class TanhForgotten(Op):
    """y = tanh x
    中文：双曲正切
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy):
        return dy


@planted(normal(6), right=F.exp,
         cure="return dy * y",
         en="The caller had multiplied by the derivative already, and the op did so again.",
         zh="调用者已经乘过导数，算子里又乘了一遍。")
class ExpTwice(Op):
    """y = eˣ
    中文：指数函数
    """

    def forward(x):
        return np.exp(x)

    def backward(dy, y):
        return dy * y * y


@planted(normal(3, 4), right=F.softmax,
         cure="return y * (dy - (dy * y).sum(axis=-1, keepdims=True))",
         en="y (1 − y), remembered from the sigmoid: the diagonal of the Jacobian, without what one class takes from "
            "the others.",
         zh="照 S 型函数写成了 y (1 − y)：这只是雅可比矩阵的对角线，各类别之间此消彼长的部分全丢了。")
class SoftmaxDiagonal(Op):
    """y = softmax(x)
    中文：softmax
    """

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return dy * y * (1 - y)


@planted(normal(4, 3), right=lambda x: (x - F.mean(x, axis=0)) / F.std(x, axis=0),
         cure="return (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / x.std(axis=0)",
         en="The mean and the deviation were taken for constants. A test with the sum as its loss cannot see it: the "
            "true gradient of that sum is zero.",
         zh="把均值和标准差当成了常数。用求和作损失来测试是看不出来的：这个和的真实梯度为零。",
         threads=("Odyssey #3174",))
class BatchNormWithoutMean(Op):
    """y = (x − μ) / σ, over the batch
    中文：批归一化
    """

    def forward(x):
        return (x - x.mean(axis=0)) / x.std(axis=0)

    def backward(dy, x):
        return dy / x.std(axis=0)


@planted(normal(2, 5), right=F.softmax,
         cure="return y * (dy - (dy * y).sum(axis=-1, keepdims=True))",
         en="The softmax layer handed the gradient of its output on as that of its input. Followed by a cross-entropy "
            "that computes ŷ − y in one go, this is what one wants; anywhere else it is wrong.",
         zh="softmax 层把输出的梯度原样当作输入的梯度。若后面的交叉熵一步算出 ŷ − y，这样正好；放在别处就错了。",
         threads=("darknet #96",))
class SoftmaxCopied(Op):
    """y = softmax(x)
    中文：softmax
    """

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy):
        return dy


@planted(normal(5), right=F.tanh,
         cure="return dy * (1 - y * y)",
         en="A well-known collection of questions printed tanh′ = −tanh² in a table. Whoever copied it got a gradient "
            "without its 1, which is 0 at 0.",
         zh="一本流传很广的深度学习题集在表格里把 tanh 的导数印成了 −tanh²。照抄的人得到的梯度少了 1，在 0 处为 0。",
         threads=("DeepLearning-500-questions #544", "DeepLearning-500-questions #466"))
class TanhFromTheTable(Op):
    """y = tanh x
    中文：双曲正切
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return dy * -(y * y)


@planted(2 * normal(6), normal(6, seed=1), right=lambda p, t: F.huber_loss(p, t, reduction="none"),
         cure="return dy * np.clip(p - t, -1, 1)",
         en="A loss comes last, and its upstream gradient is one; so the loss did not look at it. Its test sent ones "
            "back as well. Two losses added with weights were not weighted.",
         zh="损失总在最后，上游梯度是 1，于是它干脆不看上游，测试用的也是全 1。给两个损失加权求和，权重不起作用。",
         threads=("chainer #1178",))
class UpstreamTakenForOne(Op):
    """L = ½ e² where |e| ≤ 1, else |e| − ½, e = ŷ − y
    中文：胡伯损失
    """

    def forward(p, t):
        e = np.abs(p - t)
        return np.where(e <= 1, 0.5 * e * e, e - 0.5)

    def backward_p(p, t):
        return np.clip(p - t, -1, 1)

    def backward_t(dy, p, t):
        return -dy * np.clip(p - t, -1, 1)


@planted(normal(3, 4), normal(3, 4, seed=1), right=lambda a, b: F.norm(a - b, axis=1),
         cure="return dy[:, None] * (a - b) / y[:, None]",
         en="The distance of two points, with the gradient of half its square: it was not divided by the distance. It "
            "points the right way, and far points pull too hard.",
         zh="两点之间的距离，用的却是距离平方之半的梯度：忘了除以距离。方向没错，远处的点却拉得太重。",
         threads=("torch7-distro #48",))
class DistanceNotDivided(Op):
    """y = √(Σ (a − b)²)
    中文：欧氏距离
    """

    def forward(a, b):
        return np.sqrt(((a - b) ** 2).sum(axis=1))

    def backward_a(dy, a, b):
        return dy[:, None] * (a - b)

    def backward_b(dy, a, b, y):
        return dy[:, None] * (b - a) / y[:, None]


@planted(normal(2, 5), np.linspace(0.5, 1.5, 5), right=F.rms_norm,
         cure="g = dy * gamma * r",
         en="The scale γ was left out on the way back to x. It starts as all ones, so the first step is right; the "
            "author spent days on it.",
         zh="往回传给 x 时漏乘了 γ。γ 的初值全是 1，第一步完全正确，之后才慢慢出错；作者为此查了好几天。",
         threads=("llm.c #763",))
class GainForgotten(Op):
    """y = γ x / √(mean x² + 10⁻⁵)
    中文：均方根归一化
    """

    def forward(x, gamma):
        return gamma * x * ((x * x).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5

    def backward(dy, x, gamma):
        r = ((x * x).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
        g = dy * r
        return g - x * r * r * (g * x).mean(axis=-1, keepdims=True), dy * x * r


@planted(normal(2, 6), normal(2, 6, seed=1) > -0.7, right=lambda x, kept: x * kept / 0.75,
         cure="return dy * kept / 0.75",
         en="The scale of dropout is in the backward, the mask is not: the units that were dropped learn as if they "
            "had been there.",
         zh="dropout 的缩放写进了反向，掩码却没有：被丢弃的单元照样更新，好像从未缺席。",
         threads=("numpy-ml #94",))
class DropoutWithoutMask(Op):
    """y = m x / (1 − p), p = ¼
    中文：随机失活
    """

    def forward(x, kept):
        return x * kept / 0.75

    def backward_x(dy):
        return dy / 0.75


@planted(normal(3, 4), normal(3, 4, seed=1), right=lambda x, r: F.concat([x + r, F.rms_norm(x + r)], axis=1),
         cure="d = dres + dnorm(dnormed, x + r)",
         en="A block returns the residual sum and its normalised form. The two gradients were added first and sent "
            "through the norm together, when only one of them had come through it.",
         zh="模块同时返回残差和与它的归一化。两路梯度先相加再一起穿过归一化，而其实只有一路经过了它。",
         threads=("quack #53",))
class ResidualThroughTheNorm(Op):
    """y = [h, h / √(mean h² + 10⁻⁵)], h = x + r
    中文：残差与前置归一化
    """

    def forward(x, r):
        h = x + r
        return np.concatenate([h, h * ((h * h).mean(axis=1, keepdims=True) + 1e-5) ** -0.5], axis=1)

    def backward(dy, x, r):
        dres, dnormed = np.split(dy, 2, axis=1)
        d = dnorm(dres + dnormed, x + r)
        return d, d


def dnorm(dy, h):
    """The gradient of h / √(mean h² + 10⁻⁵), which is right."""
    s = ((h * h).mean(axis=1, keepdims=True) + 1e-5) ** -0.5
    return s * (dy - h * s * s * (dy * h).mean(axis=1, keepdims=True))


@planted(normal(2, 5), right=F.layer_norm,
         cure="return r * (dy - dy.mean(axis=-1, keepdims=True) - y * (dy * y).mean(axis=-1, keepdims=True))",
         en="The gradient goes through the variance but not through the mean: a normalisation has three paths from x "
            "to y, and one was left out.",
         zh="梯度经过了方差，却没有经过均值：归一化里从 x 到 y 有三条路，漏了一条。",
         threads=("caffe #1891",))
class MeanHeldStill(Op):
    """y = (x − μ) / √(σ² + 10⁻⁵)
    中文：层归一化
    """

    def forward(x):
        return (x - x.mean(axis=-1, keepdims=True)) * (x.var(axis=-1, keepdims=True) + 1e-5) ** -0.5

    def backward(dy, x, y):
        r = (x.var(axis=-1, keepdims=True) + 1e-5) ** -0.5
        return r * (dy - y * (dy * y).mean(axis=-1, keepdims=True))


@planted(normal(3, 3), right=F.silu,
         cure="return dy * (s + x * s * (1 - s))",
         en="Half of the product rule. SiLU looks like a gate, and the gate was held open: σ(x) · x′ without x · σ′.",
         zh="乘积法则只用了一半。SiLU 像一道门，求导时却把门当成了常数：只有 σ(x) · x′，没有 x · σ′。")
class GateHeldOpen(Op):
    """y = x σ(x)
    中文：SiLU
    """

    def forward(x):
        return x / (1 + np.exp(-x))

    def backward(dy, x):
        s = 1 / (1 + np.exp(-x))
        return dy * s


@planted(normal(6), right=lambda x: F.exp(-0.5 * x * x),
         cure="return dy * y * -x",
         en="The outer derivative only. The bell curve e^(−x²/2) was differentiated as if it were e^z.",
         zh="只求了外层的导数：把钟形曲线 e^(−x²/2) 当成 e^z 来求导。")
class InnerDerivativeLost(Op):
    """y = e^(−x²/2)
    中文：高斯函数
    """

    def forward(x):
        return np.exp(-0.5 * x * x)

    def backward(dy, y):
        return dy * -y


@planted(np.array([[0.2, 0.3, 0.5], [0.7, 0.1, 0.2]]), right=lambda p: -F.sum(p * F.log(p), axis=-1),
         cure="return -dy[:, None] * (np.log(p) + 1)",
         en="The entropy of a distribution. (p ln p)′ is ln p + 1, and the 1 was dropped, since probabilities add up "
            "to one and it makes no difference; that is so after a softmax, and nowhere else.",
         zh="分布的熵。(p ln p)′ = ln p + 1，那个 1 被省掉了，理由是概率之和为 1，加不加都一样；这只在经过 softmax 之"
            "后才成立。")
class EntropyWithoutOne(Op):
    """y = −Σ p ln p
    中文：熵
    """

    def forward(p):
        return -(p * np.log(p)).sum(axis=-1)

    def backward(dy, p):
        return -dy[:, None] * np.log(p)


@planted(normal(3, 4), right=lambda x: x / F.norm(x, axis=1, keepdims=True),
         cure="return (dy - y * (dy * y).sum(axis=1, keepdims=True)) / length",
         en="A unit vector cannot grow, so the part of the gradient along it must go. Here it stays: the length was "
            "taken for a constant.",
         zh="单位向量的长度不会变，梯度沿着它的分量应当去掉。这里没有去掉：把长度当成了常数。")
class LengthTakenForConstant(Op):
    """y = x / |x|
    中文：单位化
    """

    def forward(x):
        return x / np.sqrt((x * x).sum(axis=1, keepdims=True))

    def backward(dy, x):
        length = np.sqrt((x * x).sum(axis=1, keepdims=True))
        return dy / length
