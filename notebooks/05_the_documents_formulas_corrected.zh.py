# %% [markdown]
# # 05 · 文档公式勘误
#
# 这个项目的依据是五份文档，其中共有 28 条公式，错了一半：14 条。这里少一个负号，那里少一个求和，
# 却一直没有人发现。这一篇就来看看，怎样才能发现。
#
# 错误分三类，各有各的发现办法：
#
# 1. **梯度**错了：梯度检验会发现，并用文字说出错在哪里；
# 2. 梯度没错，但**公式**做的不是想要的事：训练之后才看得出来；
# 3. **形状**、**常数**或**名称**错了：靠数一数、读一读。
#
# 需要的只有链式法则和一支铅笔。

# %%
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n
from tinygrad_zh.documents.experiments import (
    capped,
    climbing,
    collapse,
    dead_outputs,
    depth,
    error_signal,
    literal_loss,
    threshold,
)
from tinygrad_zh.documents.formulas import FORMULAS

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)
np.set_printoptions(precision=5, suppress=True)

rows = {row.id: row for row in FORMULAS}
findings = {row.id: row.findings() for row in FORMULAS if row.verdict == "erratum"}


def erratum(name):  # 文档的写法、正确的写法、当场检验的结论
    row = rows[name]
    print(f"{name}  {', '.join(row.places)}\n   {row.formula}\n→  {row.corrected}")
    for finding in findings[name]:
        print(f"   {'✓' if finding else '✗'} {finding}")
    assert all(findings[name])


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


verdicts = Counter(row.verdict for row in FORMULAS)
print(dict(verdicts))
assert verdicts.total() == 28 and verdicts["erratum"] == 14

# %% [markdown]
# ## 1 · 梯度错了
#
# ### F24 · 一个符号
#
# 预测房价。模型 ŷ = w · x，损失 J = ½ Σ (y − ŷ)²，每步更新 w ← w − α ∇J。文档 004 说 ∇J = Σ (y − ŷ) x。
#
# 拿一栋房子手算：x = 2，y = 3，w = 1。于是 ŷ = 2，J = ½ · 1² = 0.5。
#
# - 照文档：∇J = (3 − 2) · 2 = 2。取 α = 0.1，w 变成 0.8，J 变成 0.98。**反而变大了。**
# - 照链式法则：平方里面是 −ŷ，所以 ∇J = −(3 − 2) · 2 = −2。w 变成 1.2，J 变成 0.18。

# %%
x, y, w, alpha = 2.0, 3.0, 1.0, 0.1


def J(w):
    return 0.5 * (y - w * x) ** 2


printed = (y - w * x) * x
right = -printed

same([J(w), printed, right], [0.5, 2, -2])
same([w - alpha * printed, J(w - alpha * printed)], [0.8, 0.98])
same([w - alpha * right, J(w - alpha * right)], [1.2, 0.18])

# %% [markdown]
# #### 梯度检验怎么说
#
# 把 w 往两边各挪一点点，看 J 怎样变化：这就是斜率，不管别人怎么声称。`gradcheck` 对每个元素都这样做，再作比较。
# 它不只说“错了”，还说出错在哪里。

# %%
weights = np.array([1.0, -0.5])
houses = np.array([[2.0, 1.0], [0.5, -1.0], [1.0, 3.0]])
prices = np.array([3.0, 1.0, -2.0])


def cost(w):
    return 0.5 * np.sum((prices - houses @ w) ** 2)


def as_printed(w):
    return houses.T @ (prices - houses @ w)


report = tz.check.gradcheck(cost, weights, grad=as_printed)
print(report)
assert not report and report.failures[0].diagnosis == "sign"
assert tz.check.gradcheck(cost, weights, grad=lambda w: -as_printed(w))

# %%
erratum("F24")

# %% [markdown]
# #### 训练会显出什么
#
# 艾姆斯的真实房价。用文档的符号，每一步都把 w 推得离最优权重*更远*：沿最陡的方向，误差乘以 1 + α λ。J 是平方，
# 取 α = 1/λ，J 每步变成 4 倍，一直到 64 位浮点数装不下为止。那是第 507 步，而且这个 507 可以事先算出来。
#
# 把 α 调小没有用，只是多花些时间。

# %%
climbs = climbing.measure()
climbing.show(climbs)
first = climbs[0]
same(first.wrong[-2] / first.wrong[-3], 4)
assert first.overflow == first.predicted == 507 and np.isinf(first.wrong[507])
assert [c.overflow == c.predicted for c in climbs] == [True] * 3
Image.open(climbing.draw(climbs, pictures / "climbing.png"))

# %% [markdown]
# ### F04、F05 · 没有 f′ 的误差信号
#
# 现在轮到网络。文档 000 这样把误差往回传：
#
#     e₃ = y − a₃                     输出层
#     e₂ = W₃ᵀ e₃，e₁ = W₂ᵀ e₂        下面各层
#
# 有两处错。符号和 F24 一样反了（F04）。此外，前向时经过了每个激活函数 f，反向时就要经过每个 f′，
# 而这里一个也没有（F05）：
#
#     δ₃ = (a₃ − y) ∘ f′(z₃)
#     δ₂ = (W₃ᵀ δ₃) ∘ f′(z₂)，δ₁ = (W₂ᵀ δ₂) ∘ f′(z₁)
#
# 手算两个相连的 sigmoid 神经元。sigmoid 的 f′ = a (1 − a)。设第一个输出 a₁ = 1/2，f′ = 1/4；
# 第二个输出 a₂ = 3/4，f′ = 3/16。目标 y = 1，两者之间的权重 w = 2 ln 3。
#
# | | 文档 | 链式法则 |
# |---|---|---|
# | 输出层 | 1 − 3/4 = 1/4 | (3/4 − 1) · 3/16 = −3/64 |
# | 下一层，以 ln 3 为单位 | 2 · 1/4 = 1/2 | 2 · (−3/64) · 1/4 = −3/128 |
#
# 不只是符号反了：才过两层，文档的误差就大了 64/3 倍。层数越多，差得越远。

# %%
ln3 = np.log(3)
a1, w2 = 1 / 2, 2 * ln3
a2 = 1 / (1 + np.exp(-w2 * a1))
delta2 = (a2 - 1) * a2 * (1 - a2)
delta1 = w2 * delta2 * a1 * (1 - a1)
e2 = 1 - a2
e1 = w2 * e2

same([a2, a1 * (1 - a1), a2 * (1 - a2)], [3 / 4, 1 / 4, 3 / 16])
same([e2, delta2], [1 / 4, -3 / 64])
same([e1 / ln3, delta1 / ln3], [1 / 2, -3 / 128])
same(e1 / delta1, -64 / 3)

# %%
erratum("F04")
erratum("F05")

# %% [markdown]
# ### F18 · 多乘了一次 f′
#
# 文档 002 走到了另一头：梯度 = ∂损失/∂权重 · f′。可是 ∂损失/∂权重*就是*梯度，里面已经有 f′，这样就乘了两次。
# 在上面的例子里，梯度缩成了应有值的 3/16。

# %%
erratum("F18")
same((delta2 * a2 * (1 - a2)) / delta2, 3 / 16)

# %% [markdown]
# #### 训练会显出什么
#
# 出人意料。四种误差信号，同一个网络 784–30–30–10，同样的 1,000 张数字，一次用 sigmoid，一次用 ReLU。
#
# - 照文档原样：上山。用 ReLU 时，不到 10 步 J 就成了无穷大。
# - 改正符号、但没有 f′：学得会。用 sigmoid 时甚至比正确的梯度**更快**。
# - f′ 乘两次：sigmoid 变慢；ReLU 分毫不差，因为它的 f′ 是 0 或 1，而 0² = 0，1² = 1。
#
# 可见梯度错了，训练也可能顺利。方向偏了，但没有偏过 90°，就仍然是下山（与真梯度夹角的余弦为正）。
# 只是它去的是另一个最优点，走的是另一种速度，后来接手的人要纳闷好几个星期。**训练得动什么也证明不了。
# 要检验梯度。**

# %%
trainings = error_signal.measure()
error_signal.show(trainings)
by = {(t.activation, t.signal): t for t in trainings}
assert len(error_signal.SIGNALS) == 4 and error_signal.SIZES == (784, 30, 30, 10)
assert not np.isfinite(by["relu", "document"].costs[-1]) and len(by["relu", "document"].costs) <= 10
assert by["sigmoid", "sign"].costs[-1] < by["sigmoid", "right"].costs[-1] < by["sigmoid", "twice"].costs[-1]
assert (by["relu", "twice"].costs == by["relu", "right"].costs).all()
assert all(by[f, "sign"].cosine > 0 > by[f, "document"].cosine for f in ("sigmoid", "relu"))
Image.open(error_signal.draw(trainings, pictures / "error-signal.png"))

# %% [markdown]
# 为什么会更快？用 sigmoid 配*交叉熵*，f′ 正好消掉，输出层的误差信号真的就是 a − y。在那里漏掉 f′ 的人，
# 不知不觉换了一个损失函数，而对分类来说，它碰巧更好。

# %%
z, target = np.array([0.3, -1.2]), np.array([1.0, 0.0])
leaf = tz.tensor(z, requires_grad=True)
F.sum(-(target * F.log(F.sigmoid(leaf)) + (1 - target) * F.log(1 - F.sigmoid(leaf)))).backward()
same(leaf.grad, 1 / (1 + np.exp(-z)) - target)

# %% [markdown]
# ## 2 · 梯度没错，公式错了
#
# 梯度检验问的是：这个是不是那个的导数？如果“那个”本身错了，它照样回答“是”，而且答得对。
#
# ### F10 · 让一切都变成 1 的损失
#
# 文档 004：CE = −1/n Σ y ln ŷ，对样本求和，漏掉了对*类别*求和。手算两个样本，y = 1 和 y = 0，预测都是 ŷ = 1/2：
#
# - 照文档：−(1 · ln 1/2 + 0 · ln 1/2)/2 = (ln 2)/2。第二个样本根本没有出现。
# - 两个类别都算：−(ln 1/2 + ln 1/2)/2 = ln 2。
#
# 而只要对*每个*样本都说 ŷ = 1，文档的损失就是 0，不可能更小了。

# %%
labels, half = np.array([[1.0], [0.0]]), np.array([[0.5], [0.5]])
same(literal_loss.as_written(half, labels), np.log(2) / 2)
same(literal_loss.corrected(half, labels), np.log(2))
same(literal_loss.as_written(np.ones((2, 1)), labels), 0)

passes = tz.check.gradcheck(lambda z: literal_loss.as_written(F.sigmoid(z), labels), np.array([[0.4], [-0.7]]))
print(bool(passes))  # 它的梯度没错，错的是损失
assert passes

# %%
erratum("F10")

# %% [markdown]
# 这个数字是奇数吗？一个神经元，真实数字，奇偶各半。两个损失都在下降。文档的那个降到 0.001 以下，大获全胜；
# 准确率却是 50%，抛硬币也有这么多。改正后的损失一直在 0.1 以上，准确率超过 80%。
#
# **损失下降，只证明损失下降了。**

# %%
losses = literal_loss.measure()
literal_loss.show(losses)
literal, corrected = losses
assert literal.losses[-1] < 0.001 and literal.accuracy[-1] == 0.50
assert corrected.losses[-1] > 0.1 and corrected.accuracy[-1] > 0.80
Image.open(literal_loss.draw(losses, pictures / "literal-loss.png"))

# %% [markdown]
# ### F03、F12 · 输出层的 ReLU
#
# 文档 000 在*每一层*后面都放了 ReLU，最后一层也不例外。文档 001 还说，ReLU 在负值区域避免了梯度消失。恰恰相反：
# 那里的梯度**就是** 0，一点不剩。
#
# 手算：输出 z = (−2, 3, −0.5)，正确答案是第一类，y = (1, 0, 0)。于是 ŷ = (0, 3, 0)，∂J/∂z = (0, 3, 0)。
# 第一个输出错得不能再错，得到的梯度却是 0。它永远不会知道自己错了。

# %%
z = tz.tensor([[-2.0, 3.0, -0.5]], requires_grad=True)
F.half_squared_error(F.relu(z), np.array([[1.0, 0.0, 0.0]])).backward()
print(z.grad)
same(z.grad, [[0, 3, 0]])
assert tz.check.gradcheck(F.relu, np.array([-2.0, 3.0, -0.5]))  # 梯度检验也同意：0 是对的

# %%
erratum("F03")
erratum("F12")

# %% [markdown]
# 文档自己的网络，784–1000–10。一个输出开始时在 0 以下还是以上，就像抛硬币，所以还没有走第一步，
# 就有大约一半的数字无法教自己那一类的输出任何东西。
#
# 用文档的 α = 0.01，情况会慢慢好转。用 α = 0.1，有些输出对*所有*数字都掉到 0 以下。它们死了：
# 再没有哪个数字推得动它们，这些类别就丢了。去掉这个 ReLU，无论哪种步长，都有 80% 以上正确。

# %%
silenced = dead_outputs.measure()
dead_outputs.show(silenced)
end = {(t.output, t.alpha): t.moments[-1] for t in silenced}
assert 0.4 < silenced[0].moments[0].own_silent < 0.6
assert end["relu", 0.1].dead_units > end["relu", 0.01].dead_units == 0
assert all(end[output, alpha].accuracy > 0.80 for output in ("linear", "softmax") for alpha in (0.01, 0.1))
assert all(end["relu", alpha].accuracy < end["linear", alpha].accuracy for alpha in (0.01, 0.1))
Image.open(dead_outputs.draw(silenced, pictures / "dead-outputs.png"))

# %% [markdown]
# ### F21 · 许多层，其实是一层
#
# 文档 003 传给下一层的是 Z，不是 f(Z)。这样层与层之间没有任何弯折。手算：先 3x + 1，再 2(3x + 1) + 4，
# 就是 6x + 6。两层，一条直线。换成矩阵也一样：W = W₁ W₂ W₃，b = b₁ W₂ W₃ + b₂ W₃ + b₃。

# %%
same([2 * (3 * x + 1) + 4 for x in (-1.0, 0.0, 5.0)], [6 * x + 6 for x in (-1.0, 0.0, 5.0)])
erratum("F21")

# %% [markdown]
# 圆环中间一个圆盘。没有哪条直线能把它们分开；最好的直线有多好也能知道，因为可以把直线试个遍：4 个点对不到 3 个。
# 照文档搭的三层网络不可能更好。中间加上 tanh，200 个点全对。
#
# 一个数就是全部证明：三层的输出与一个矩阵的输出，相差不超过 10⁻¹²。
#
# 再看看数字：两个网络差不多一样好。784 个像素，图片又这么少，用平面几乎就够了。**只看准确率，
# 你不会发现自己的深层网络并不深。**

# %%
collapsed = collapse.measure()
collapse.show(collapsed)
ring, digits = collapsed.ring, collapsed.digits
assert ring.written.accuracy <= collapsed.best_line < 3 / 4
assert ring.corrected.accuracy == 1 and len(collapsed.x) == 200
assert max(ring.difference, digits.difference) < 1e-12
assert abs(digits.written.held_out - digits.corrected.held_out) < 0.05
Image.open(collapse.draw(collapsed, pictures / "collapse.png"))

# %% [markdown]
# ### F22 · 别的函数的阈值
#
# 文档 003：ŷ > 0.5 判为第 1 类，而输出层是 ReLU。0.5 是 *sigmoid* 从“多半不是”变成“多半是”的地方：
# z > 0 时 σ(z) > 0.5。ReLU 要到 z = 0.5 才越过它，那里 σ(z) 已经是 0.62。

# %%
same(1 / (1 + np.exp(0)), 0.5)
assert round(1 / (1 + np.exp(-0.5)), 2) == 0.62
erratum("F22")

# %% [markdown]
# 更糟的是：它和文档指定的损失合不来。ReLU 输出 0 时，交叉熵要取 ln 0；输出大于 1 时，ln(1 − ŷ) 不是数。
# 50 个网络，有 30 多个还没走第一步就失败了，与 α 无关：要么损失不是有限数，要么一开始就哑了，
# 对每栋房子都输出 0，永远没有梯度。α = 0.01 时，其余的没有一个撑过 100 步；α = 0.001 时，有几个撑住了。

# %%
measured = threshold.measure()
threshold.show(measured)
assert (threshold.STARTS, threshold.STEPS) == (50, 100)
for fates in measured.fates.values():
    assert fates.silent + fates.undefined > 30 and fates.silent > 0
assert measured.fates[0.01].lasted == 0 < measured.fates[0.001].lasted
assert measured.relu.called < measured.sigmoid.called
Image.open(threshold.draw(measured, pictures / "threshold.png"))

# %% [markdown]
# ### F20 · 房价碰到了天花板
#
# 文档 002 在回归的输出层放了激活函数。标准化后的价格均值为 0，一半以上是负数。ReLU 一个负数也说不出，
# sigmoid 还说不出 1 以上的数。看看图里的地板和天花板。

# %%
regressions = capped.measure()
capped.show(regressions)
free, relu, sigmoid = regressions
assert relu.reachable < 0.5 and relu.predicted.min() >= 0
assert sigmoid.predicted.min() >= 0 and sigmoid.predicted.max() <= 1
assert relu.least > 0 and sigmoid.least > free.mse
erratum("F20")
Image.open(capped.draw(regressions, pictures / "capped.png"))

# %% [markdown]
# 耐心训练没有用，换更大的网络也没有用。表里有一列，是*完美*的网络加上这种输出层仍然要犯的误差。对 sigmoid 来说，
# 它比没有激活的小网络的误差还大。
#
# ## 3 · 形状、常数、名称
#
# ### F06 · 形状
#
# 文档 000：W₁ 是 1 × 784，偏置 784 个；W₂ 是 1 × 1000，偏置 1000 个。可是权重的一*行*是一个单元，
# 偏置也是每个单元一个。784–1000–10 需要的是 1000 × 784 和 1000，然后是 10 × 1000 和 10。
#
# 第一种情况 NumPy 会拒绝。第二种它一声不吭：形状为 (1, 1) 的乘积沿着偏置*广播*，出来的不是 10 个输出，
# 而是 1000 个。**没有报错，不等于没有错。**

# %%
hidden = np.ones((1, 1000)) @ np.ones((1000, 1)) + np.ones((1000, 1))
assert (np.ones((1, 1000)) @ hidden).shape == (1, 1)
assert (np.ones((1, 1000)) @ hidden + np.ones((1000, 1))).shape == (1000, 1)
erratum("F06")

# %% [markdown]
# ### F16、F17 · 初始权重该多大
#
# 一层把 n 个乘积加起来，信号的均方就乘以 n · Var[W]；ReLU 再拿走一半。均匀分布 U(−a, a) 的方差是 a²/3。手算，
# n = 100：
#
# | | Var[W] | 线性：n · Var[W] | ReLU：一半 |
# |---|---|---|---|
# | U(±1/√n)，文档 001 称为“Xavier” | 1/300 | 1/3 | 1/6 |
# | Xavier：2/(n + n) | 1/100 | 1 | 1/2 |
# | He：2/n | 1/50 | 2 | 1 |
# | U(−1, 1)，文档 002 | 1/3 | 100/3 | 100/6 |
#
# 想要的是 1：信号既不衰减，也不膨胀。在 30 层里实测，每个倍数与此表相差都在 5% 以内。连乘 30 次，
# (1/6)³⁰ 小于 10⁻²³：最后一层什么也看不到。

# %%
factors = {"fan_in": 1 / 3, "xavier": 1, "he": 2, "uniform": 100 / 3}
same([100 * depth.VARIANCES[init] for init in factors], list(factors.values()))
same([depth.VARIANCES[init] for init in factors], [1 / 300, 1 / 100, 1 / 50, 1 / 3])

passages = depth.measure()
depth.show(passages)
for p in passages:
    if p.theory is not None:
        same(p.theory, factors[p.init] * {"linear": 1, "relu": 1 / 2}[p.activation])
        assert max(abs(np.array(p.factors) / p.theory - 1)) < 0.05
assert (depth.WIDTH, depth.DEPTH) == (100, 30) and (1 / 6) ** 30 < 1e-23
Image.open(depth.draw(passages, pictures / "depth.png"))

# %%
erratum("F17")

# %% [markdown]
# 名称也有讲究：Glorot 与 Bengio 推导 Xavier 的方差时，针对的是在 0 附近近似直线的激活函数，例如 tanh。
# 文档 001 说的是 ReLU，那要用 He。
#
# ### F14、F28 · 名称
#
# “tanh 适用于多分类”：它的输出在 −1 和 1 之间，加起来可以是任何数。说的应该是 softmax。
#
# “F1 是准确率和召回率的加权平均”：其实是*精确率*与召回率的*调和*平均。手算，精确率 1/2，召回率 1：
# 2 · 1/2 · 1 / (1/2 + 1) = 2/3。普通平均是 3/4。调和平均靠近两者中较差的那个：精确率为 0 时它就是 0，
# 而普通平均还有 1/2。

# %%
def harmonic(p, r):
    return 2 * p * r / (p + r)


same([harmonic(1 / 2, 1), (1 / 2 + 1) / 2], [2 / 3, 3 / 4])
same([harmonic(0, 1), (0 + 1) / 2], [0, 1 / 2])
erratum("F14")
erratum("F28")

# %% [markdown]
# ## 什么发现什么
#
# 14 条勘误中，梯度检验否定了 6 条。（F10 是从后门进来的：人人配交叉熵用的梯度 ŷ − y，并不是文档原式的梯度。
# ）其余的都能通过检验，或者根本没有梯度可检。这不是它的缺点：它只回答一个问题，而且答得准确。
# 其他的问题要你来问：
#
# - 这个输出层给得出需要的所有答案吗？（F03、F20、F22）
# - 有没有一个愚蠢的答案，让损失最小？（F10）
# - 更简单的模型是不是也一样？（F21）
# - 层与层之间的倍数是 1 吗？（F17）

# %%
refuted = [name for name, found in findings.items() if any(f.name == "refuted" for f in found)]
print(refuted)
assert len(findings) == 14 and len(refuted) == 6
assert not {"F03", "F20", "F22", "F21", "F17"} & set(refuted)

# %% [markdown]
# 全部公式，包括准确的：`tinygrad-zh formulas`。一条公式及其证据：`tinygrad-zh formulas F05`。
# 换个随机种子做实验：`tinygrad-zh formulas F24 --experiment --seed 7`。
#
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没有做，● 表示正确，答错会报错。每题不超过三行。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        mine, right = (np.hstack([np.ravel(part) for part in each]) if isinstance(each, tuple) else each
                       for each in (mine, right))
        np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-9)
        print(f"{number} ●")


rng = np.random.default_rng(5)

# %% [markdown]
# **1.** J = ½ ‖y − X w‖² 的梯度。`X` 是 (n, d)，`w` 是 (d)。

# %%
def gradient(X, y, w):
    ...


check(1, gradient(houses, prices, weights), -as_printed(weights))

# %% [markdown]
# **2.** 同上，再加惩罚项：J = ½ ‖y − X w‖² + ½ λ ‖w‖²。新的一项是什么符号？

# %%
def gradient_with_penalty(X, y, w, lam):
    ...


check(2, gradient_with_penalty(houses, prices, weights, 0.3), -as_printed(weights) + 0.3 * weights)

# %% [markdown]
# **3.** 两个 *tanh* 层的 δ₂ 和 δ₁，由 a₁、a₂、y 和 W₂ 算出（每行一个样本：z₂ = a₁ W₂）。损失是 ½ Σ (y − a₂)²。

# %%
def deltas(a1, a2, y, W2):
    ...


z1, W2, wanted = rng.normal(size=(2, 3)), rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
leaf = tz.tensor(z1, requires_grad=True)
last = F.tanh(leaf) @ W2
F.half_squared_error(F.tanh(last), wanted).backward()
a1, a2 = np.tanh(z1), np.tanh(last.numpy())
check(3, deltas(a1, a2, wanted, W2), ((a2 - wanted) * (1 - a2**2), leaf.grad.numpy()))

# %% [markdown]
# **4.** 对类别求和的交叉熵：`y` 和 `y_hat` 都是 (n, 类别数)，对 n 取平均。

# %%
def cross_entropy(y, y_hat):
    ...


one_hot, y_hat = np.eye(3)[[0, 2, 1, 1]], F.softmax(rng.normal(size=(4, 3)))
check(4, cross_entropy(one_hot, y_hat), F.cross_entropy_of_probabilities(y_hat, np.array([0, 2, 1, 1])))

# %% [markdown]
# **5.** 把两层合成一个 W 和一个 b：先 x W₁ + b₁，再乘 W₂ 加 b₂。

# %%
def one_layer(W1, b1, W2, b2):
    ...


layers = [(rng.normal(size=(3, 5)), rng.normal(size=5)), (rng.normal(size=(5, 2)), rng.normal(size=2))]
check(5, one_layer(*layers[0], *layers[1]), collapse.collapse(layers))

# %% [markdown]
# **6.** *带泄漏*的 ReLU 斜率为 s 时，保留均方的 (1 + s²)/2。每层 n 个单元，a 取多少，
# W ~ U(−a, a) 才能让信号保持不变？

# %%
def bound(n, s):
    ...


check(6, bound(50, 0.2), 0.3396831102433787)

# %% [markdown]
# **7.** J 每步乘以 q。多少步之后，它大于任何 64 位浮点数，即 `np.finfo(float).max`？（一个整数。直接求幂会溢出，
# 请用对数。）

# %%
def step_of_overflow(J, q):
    ...


check(7, step_of_overflow(0.5, 2.25), 877)
