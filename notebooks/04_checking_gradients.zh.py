# %% [markdown]
# # 04 · 检验梯度
#
# 前向写错了，一眼就能看出来。梯度写错了却看不出来：网络照样在学，只是学得差一些，而谁也不知道它本来能学得多好。
# 所以，写下的每一个梯度都要量一量。这一页里，你先亲手做，再弄明白为什么最直接的办法还不够，最后学会读 `gradcheck`
# 的报告。
#
# 你需要导数和一点 NumPy。文字里的每个数，都由下面的代码核对。

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, plot
from tinygrad_zh.check import autopsy, gradcheck

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)

# %% [markdown]
# ## 量一个斜率
#
# 导数，就是步长趋于 0 时差商剩下的东西：
#
#     f′(x) ≈ (f(x + h) − f(x)) / h            前向差分
#     f′(x) ≈ (f(x + h) − f(x − h)) / 2h       中心差分
#
# 取 f(x) = x³，x = 2，那里 f′ = 12。手算 h = 0.1：前向差分是 12 + 6h + h² = 12.61，中心差分是 12 + h² = 12.01。
# 两侧的误差相互抵消，所以中心差分的精度高一阶。

# %%
def forward(f, x, h):
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def cube(x):
    return x**3


print(forward(cube, 2, 0.1), central(cube, 2, 0.1))

same(forward(cube, 2, 0.1), 12.61)
same(central(cube, 2, 0.1), 12.01)

# %% [markdown]
# ## 你自己的梯度
#
# 纯 NumPy 的逻辑回归：4 个样本，3 个权重，标签是 −1 和 1。损失是 ln(1 + e^−m) 的均值，其中 m = t (X w) 表示样本站对
# 了哪一边、有多分明。由链式法则，它的梯度是 −Xᵀ (t σ(−m)) / n。
#
# `gradcheck` 要三样东西：函数，位置，以及你声称的梯度。

# %%
X = np.array([[1.0, 2, -1], [0, 1, 3], [2, -1, 1], [-1, 1, 0]])
t = np.array([1.0, -1, 1, -1])
w = np.array([0.5, -0.25, 1.0])


def loss(w):
    return np.log1p(np.exp(-t * (X @ w))).mean()


def gradient(w):
    m = t * (X @ w)
    return -X.T @ (t / (1 + np.exp(m))) / len(t)


report = gradcheck(loss, w, grad=gradient)
print(report)
assert report
assert X.shape == (4, 3)

# %% [markdown]
# 现在忘掉求均值，这是最常见的错误。训练会把它藏起来：无非是学习率大了一些。报告藏不住，它会说出错误的样子：
# 差一个常数因子 4。

# %%
def without_the_mean(w):
    return gradient(w) * len(t)


report = gradcheck(loss, w, grad=without_the_mean)
print(report)
assert not report
assert report.failures[0].diagnosis == "factor"
assert report.failures[0].values["factor"] == "4"

# %% [markdown]
# ## 读报告
#
# 表里的每一行，是移动了一个元素，或者一起移动了许多个：
#
# - **解析值**：你的梯度怎么说。**数值**：差分量出了什么。
# - **误差限**：测量本身可能偏多少。没有它，相差 1e-6 说明不了任何问题。
# - **相对误差**：|解析值 − 数值|，除以两者中较大的。
# - **步长**：用到的最细的步长（1e-20 是复数步长，见下文）。
# - **判定**：函数在那里是什么样子：光滑、折点、边界。
#
# 报告也是数据：是真是假，有哪些错误，最差的是哪一行。

# %%
worst = report.worst
print(worst.analytic, worst.numeric, worst.error, worst.relative_error, worst.verdict)

same(worst.analytic, 4 * worst.numeric, rtol=1e-6)
same(worst.relative_error, 0.75, rtol=1e-6)
assert worst.error < 1e-6

# %% [markdown]
# ## 用哪个步长？
#
# 越小越好吗？浮点数里不是。两个与 f 相近的数相减，留下的是它们的舍入误差，大约 u f，u = 2⁻⁵³ = 1.1e-16；再除以 h，
# 就放大了：
#
#     中心差分的误差 ≈ f‴ h² / 6  +  u f / h
#                       截断         舍入
#
# 一个随 h 减小，一个随 h 减小而增大。对 eˣ 来说 f = f‴，平衡点在 h = (3u)^(1/3) = 6.9e-6。从 1/2 到 2⁻⁴⁸，
# 把所有步长都试一遍。（用 2 的幂，x + h 才没有舍入。误差为 0 的点画在最底下。）

# %%
def five_point(f, x, h):
    return (f(x - 2 * h) - 8 * f(x - h) + 8 * f(x + h) - f(x + 2 * h)) / (12 * h)


def complex_step(f, x, h):
    return f(x + 1j * h).imag / h


h = 2.0 ** -np.arange(1, 49)
errors = {method: np.abs(method(np.exp, 1.0, h) / np.e - 1) for method in (forward, central, five_point, complex_step)}

figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for (method, error), mark, colour in zip(errors.items(), "os^D", ["#D55E00", "#0072B2", "#009E73", "#CC79A7"],
                                         strict=True):
    name = method.__name__.removesuffix("_step")
    axes.loglog(h, np.maximum(error, 1e-17), mark, ms=3.5, color=colour, label=i18n.text(f"check.scheme.{name}"))
axes.loglog(h, h**2 / 6 + 2**-53 / h, lw=1, color="#0072B2")
axes.set(xlabel=i18n.text("plot.steps.step"), ylabel=i18n.text("plot.steps.error"))
axes.legend()
figure.savefig(pictures / "steps.png", dpi=160)

same((3 * 2**-53) ** (1 / 3), 6.9e-6, rtol=0.01)
same(2**-53, 1.1e-16, rtol=0.01)

# %% [markdown]
# 每条曲线都是一个 V。右臂上，前向差分的误差按 h 变化，中心差分按 h²，五点公式按 h⁴；左臂上都是同样的舍入。最好的时候，
# 前向差分有 7 位数字，中心差分有 10 位，五点公式有 12 位。量一量右臂的斜率：

# %%
powers = {method.__name__: np.polyfit(np.log(h[3:8]), np.log(error[3:8]), 1)[0]
          for method, error in errors.items() if method is not complex_step}
print({name: round(float(power), 2) for name, power in powers.items()})

for method, power in [(forward, 1), (central, 2), (five_point, 4)]:
    assert abs(powers[method.__name__] - power) < 0.1
for method, digits in [(forward, 7), (central, 10), (five_point, 12)]:
    assert np.sort(errors[method])[2] < 10.0**-digits  # not the luckiest step

# %% [markdown]
# ### 不做减法
#
# 最后一条曲线没有左臂。f(x + ih) = f(x) + ih f′(x) − …：斜率独自站在虚部里，什么都不用减。取 h = 1e-20，斜率直到
# 最后一位都是对的。
#
# 但它只在公式解析的地方有效。|x| 的代码把复数变成实数，斜率 1 就一声不响地变成了 0。

# %%
same(complex_step(np.exp, 1.0, 1e-20), np.e, rtol=1e-15)
assert complex_step(np.abs, 1.0, 1e-20) == 0

# %% [markdown]
# ### 没有一个步长适合所有函数
#
# 1/x，x = 1e-4，中心差分，用惯常的 h = 1e-5。手算：差商是 −1 / (x² − h²)，所以偏了 1/(1 − 0.01) = 1.0101 倍。
# 差了百分之一，错的只有步长。
#
# 所以 `gradcheck` 不相信任何固定步长。粗看一眼仍有疑问时，它沿着**阶梯** h、h/2、h/4……往下走并外推：误差按 h² 变化，
# narrow + (narrow − wide)/3 就把它全部消去；再由两个这样的数，用同样的办法消去 h⁴（Richardson，1911 年；Ridders，
# 1982 年）。各数最一致处就是答案；它们还相差多少，加上舍入，就是误差限。诚实的测量会说自己有多准。

# %%
def inverse(x):
    return 1 / x


def ladder(f, x, h):
    row, best, bar = [], np.nan, np.inf
    for _ in range(40):
        new = [central(f, x, h)]
        for k, wide in enumerate(row[:6], 1):
            narrow = new[-1]
            new.append(narrow + (narrow - wide) / (4**k - 1))
            apart = max(abs(new[-1] - narrow), abs(new[-1] - wide)) + 2**-52 * abs(f(x)) / h
            if apart < bar:
                best, bar = new[-1], apart
        row, h = new, h / 2
    return best, bar


x = 1e-4
same(central(inverse, x, 1e-5) / -1e8, 1.0101, rtol=1e-5)

slope, bar = ladder(inverse, x, 0.03)
print(slope, bar)
assert abs(slope + 1e8) <= bar < 1e8 * 1e-9
assert gradcheck(inverse, np.array(x), grad=lambda x: -1 / x**2)

# %% [markdown]
# ## 折点
#
# relu(x) = max(0, x) 在 0 处没有斜率：左边是 0，右边是 1。两者之间的每个数都对（*次梯度*）；本引擎取 0。
# 差分并不知道这些。在 0 处，中心差分说 0.5。在折点旁边，斜率是 1，可步长一旦跨过去，就把两侧混在一起：
# x = 1e-6，h = 1e-5 时，它说 (x + h) / 2h = 0.55。
#
# `gradcheck` 与你的答案不同时，会分别看两侧。0 它放行，0.3 也放行。斜率 2，它拒绝。

# %%
def relu(x):
    return np.maximum(x, 0)


same(central(relu, 0.0, 1e-5), 0.5)
same(central(relu, 1e-6, 1e-5), 0.55)

zero = np.array(0.0)
report = gradcheck(F.relu, zero)
print(report)
assert report.comparisons[0].verdict == "kink"
for claim, right in [(0.0, True), (0.3, True), (1.0, True), (2.0, False)]:
    assert bool(gradcheck(relu, zero, grad=np.array(claim))) == right

# %% [markdown]
# ## 看不见的检验
#
# 函数有许多输出时，检验需要一个数：Σ u f(x)，u 是*上游梯度*。课堂上的做法是 u 全取 1，也就是求和。再看下面这个
# softmax，它的反向返回零，错得不能再错。可是，不论 x 是什么，softmax 的输出之和总是 1：和的斜率*就是* 0，检验通过。
#
# 所以 u 要随机取。随机的符号，不会让任何东西抵消。

# %%
class SoftmaxOfZero(tz.Op):
    def forward(x):
        e = np.exp(x - x.max())
        return e / e.sum()

    def backward(dy, y):
        return 0 * y


x = np.array([0.5, -1.0, 2.0])
leaf = tz.tensor(x, requires_grad=True)
F.sum(SoftmaxOfZero(leaf)).backward()
slopes = [central(lambda v, i=i: SoftmaxOfZero.forward(np.where(np.arange(3) == i, v, x)).sum(), x[i], 1e-5)
          for i in range(3)]
same(leaf.grad, slopes)
print("u = 1:", np.abs(leaf.grad.numpy() - slopes).max())

same(SoftmaxOfZero.forward(x).sum(), 1)
report = gradcheck(SoftmaxOfZero, x)
print(report)
assert not report

# %% [markdown]
# ## 错在哪里？
#
# 三个反向，各错一行。先读报告怎么说，再看代码。多数错误都有一张脸：差一个因子，差一个符号，转置了，漏了激活函数的
# 导数，只在某个值上出错。

# %%
class HalfTheSlope(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * x


class WrongSign(tz.Op):
    def forward(x):
        return np.cos(x)

    def backward(dy, x):
        return dy * np.sin(x)


class SigmoidForgotten(tz.Op):
    def forward(x):
        return 1 / (1 + np.exp(-3 * x))

    def backward(dy, y):
        return dy * 3 * np.ones_like(y)


for op in (HalfTheSlope, WrongSign, SigmoidForgotten):
    report = gradcheck(op, np.array([0.5, -2.0, 1.0]))
    print(f"{op.__name__}: {report.failures[0]}")
    assert not report

# %% [markdown]
# ## NaN 是从哪里来的？
#
# 损失是 NaN。一百万个数里，第一个是谁？`autopsy` 在磁带上把函数的前向和反向跑一遍，说出算子、元素，以及送进去的数。
#
# 著名的一例：只在 x > 0 处取 √x，否则取 0。前向没错。但 `where` 选的是值，没有选中的一支仍在链式法则里：它的上游梯度
# 0，碰上了 √ 在 0 处无穷大的斜率。

# %%
def careful(x):
    return F.sum(F.where(x > 0, F.sqrt(x), 0.0))


x = np.array([4.0, 0.0])
found = autopsy(careful, x)
print(found)
assert (found.op, found.phase, found.element) == ("Sqrt", "backward", (1,))
assert found.result
assert careful(tz.tensor(x)).item() == 2

# %% [markdown]
# ## 相信检验之前
#
# - 用 float64 检验。float32 只有 7 位数字，差分还要丢掉一半。
# - 先用普通的值，再用 0、并列、很大和很小的值：错误就住在那里。`gradcheck` 会自己加上这些点。
# - 不是方阵的形状，出现两次的下标，不止一个样本的批。
# - 从没见过错误梯度的检验，什么也没有检验。弄坏自己的梯度，看一看：`tinygrad-zh check bug` 里还有许多错误等你去找。
#
# `tinygrad-zh check` 可以用别的函数重做本页的实验，还有更多：steps、kink、depth、ulp、precision、nan。

# %% [markdown]
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没有做，● 表示正确，答错会报错。用到的都在本页，每题不超过三行。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-9)
        print(f"{number} ●")


def backward(function, x):
    """∂(Σ function)/∂x"""
    leaf = tz.tensor(x, requires_grad=True)
    y = function(leaf)
    if y is not None:
        F.sum(y).backward()
    return leaf.grad

# %% [markdown]
# **1.** 用*前向*差分搭一级阶梯。它的误差是 c h，步长减半就是 c h/2，两个差商叫 `wide` 和 `narrow`。
# 怎样组合，两个误差都消失？

# %%
def extrapolated(wide, narrow):
    ...


check(1, extrapolated(forward(np.square, 3.0, 0.1), forward(np.square, 3.0, 0.05)), 6)

# %% [markdown]
# **2.** *TanhForgotten。* 一层 y = tanh(x W)，2 个样本。作者写的是 ∂L/∂W = xᵀ dy，`gradcheck` 不同意。请写对；
# `y` 可以直接用。

# %%
def gradient_of_w(dy, x, y):
    ...


features, dy = np.array([[1.0, 2, 3], [-1, 0, 1]]), np.array([[1.0, 2], [3, 4]])
W = np.array([[0.1, 0.2], [0, -0.3], [0.2, 0]])
report = gradcheck(lambda W: np.tanh(features @ W), W, grad=lambda dy, W: features.T @ dy)
print(report.failures[0])
check(2, gradient_of_w(dy, features, np.tanh(features @ W)), backward(lambda W: F.tanh(features @ W) * dy, W))

# %% [markdown]
# **3.** *WholeToEveryTie。* y = max(x)，有几个并列最大时，这个反向把整个梯度给了其中每一个：dy · (x = max x)。
# 一起移动时，y 的变化就成了实际的若干倍。每一个该得多少？

# %%
def gradient_of_max(dy, x):
    ...


ties = np.array([3.0, 1, 3, 3])
check(3, gradient_of_max(2.0, ties), backward(lambda x: 2 * F.max(x), ties))

# %% [markdown]
# **4.** *RepeatedIndex。* y = x[i]，反向里写 `g[i] += dy`。同一个下标出现两次时，NumPy 只加一次。让每一次都算数。
# （`g` 全是零；返回它。）

# %%
def gradient_of_rows(dy, i, g):
    ...


check(4, gradient_of_rows(np.array([1.0, 10, 100]), np.array([0, 2, 0]), np.zeros(3)), [101, 0, 10])

# %% [markdown]
# **5.** *ProdByDivision。* y = Π x，梯度写成 dy y / x。x 里有一个零，就成了 0/0：七个项目都发布过这个错误。
# 每个斜率是*其余*各数的积。（np.delete(x, i) 去掉第 i 个。）

# %%
def gradient_of_prod(dy, x):
    ...


factors = np.array([2.0, 0, 3])
check(5, gradient_of_prod(1.0, factors), backward(F.prod, factors))

# %% [markdown]
# **6.** 治好 `careful`：x > 0 处取 √x，否则取 0，那里的梯度也是 0。先把根号里的数变得无害，正如 F.where(x > 0, x, 1)。

# %%
def cured(x):
    ...


check(6, backward(cured, np.array([4.0, 0])), [0.25, 0])
