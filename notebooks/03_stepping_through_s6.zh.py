# %% [markdown]
# # 03 · 单步走过 S6
#
# 你已经会用链式法则（[01](01_the_chain_rule_by_hand.zh.py)），也知道反向是照着怎样一张单子做的
# （[02](02_the_tape.zh.py)）。现在看它工作：一个网络，一步训练，慢慢来，**一次一份贡献**。每停一处，先猜，再看。
#
# 这个网络是 S6，出自文档 003 的 §4.3 和 §5.2。它要分清两个点：
#
#     x = (1, 0, 1) 属于类别 0，    x = (1, 1, 0) 属于类别 1
#
# 它有两个隐藏层，各 10 个单元，先是 sigmoid，后是 ReLU，最后一个输出。

# %%
import inspect
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, plot
from tinygrad_zh.documents import s6
from tinygrad_zh.exercises import wrong_gradient

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=4, suppress=True, linewidth=110)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


tz.manual_seed(0)
model, X, Y = s6.network(), tz.tensor(s6.POINTS, name="X"), tz.tensor(s6.LABELS, name="Y")
print(model)

same(X, [[1, 0, 1], [1, 1, 0]])
same(Y, [[0], [1]])
assert [layer.W.shape for layer in model.layers] == [(3, 10), (10, 10), (10, 1)]

# %% [markdown]
# ## 文档的两处疏漏
#
# **§4.2 传给下一层的是 Z，而不是 f(Z)**（F21）。激活函数提到了，却从来没有用上：
#
#     文档：   Zₙ = Wₙ Zₙ₋₁ + bₙ
#     本意：   Aₙ = fₙ(Zₙ)，  Zₙ₊₁ = Wₙ₊₁ Aₙ + bₙ₊₁
#
# 只会相乘和相加的几层，其实就是一层：先 3x + 1，再 2(3x + 1) + 4，就是 6x + 6。在这里，三层一共 161 个参数，
# 做的事只相当于一个 3 × 1 的矩阵和一个数。

# %%
W, b = s6.collapsed(model)
print(W.ravel(), b)

same([2 * (3 * x + 1) + 4 for x in (-1.0, 0.0, 5.0)], [6 * x + 6 for x in (-1.0, 0.0, 5.0)])
same(s6.without_activations(model, X), X.numpy() @ W + b)
assert sum(p.size for p in model.parameters()) == 161 and W.shape == (3, 1) and b.size == 1

# %% [markdown]
# **§4.3 在输出上用 ReLU，再看它是否超过 0.5**（F22）。那是概率的阈值，而 ReLU 给出的不是概率：3 和 0 一样容易出现。
# 这时交叉熵要算 ln(1 − ŷ)，也就是 −2 的对数。文档自己在 §5.2 的代码里，那里用的是 sigmoid，那才对。
#
# 来看看步进器怎样对待这处疏漏。记录中的错误就是最后一步：错在哪里，输入是什么，为什么不行，该怎么改。

# %%
try:
    with tz.record(title="F22") as failed:
        F.binary_cross_entropy(F.relu(tz.tensor([[3.0]])), [[0.0]])
except ValueError as error:
    print(error, end="\n\n")
failed.print(-1)

assert failed[-1].kind == "error" and isinstance(failed[-1].info["error"], ValueError)
assert 1 - 3 == -2

# %% [markdown]
# ## 记录一步
#
# 所以 S6 是这样的，每个样本一行：
#
#     Z₂ = X W₂ + b₂，    A₂ = σ(Z₂)
#     Z₃ = A₂ W₃ + b₃，   A₃ = max(0, Z₃)
#     Z₄ = A₃ W₄ + b₄，   ŷ  = σ(Z₄)
#     J  = −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ))        n = 2 个点
#     W  ← W − α ∂J/∂W，  b ← b − α ∂J/∂b             α = 0.01，文档里的 SGD 不另说明时就取这个值
#
# `s6.step` 就是它的代码，`tz.record` 把算过的东西全部记下来。

# %%
print(inspect.getsource(s6.step))

start = {name: p.numpy() for name, p in model.named_parameters()}

with tz.record(title="S6") as trace:
    s6.step(model, X, Y, alpha=0.01)

trace

# %% [markdown]
# 在笔记本里，最后一行会打开步进器，它是页中之页。在里面点一下，然后用按键：→ 和 ← 走一步，n 和 p 走一个算子，
# ] 和 [ 换阶段，h j k l 选别的元素，L 换语言，t 打开术语表，? 列出全部按键。在终端里按键也一样：
# `tinygrad-zh step s6`。
#
# 这一页接下来的内容，是同一份记录的纯文本。先看全部的步，一步一行。

# %%
trace.print()

steps, ops = trace.document().steps, trace.document().data["ops"]


def at(phase, op="", which=0):  # 某一步的编号
    named = [k for k, step in enumerate(steps)
             if step["phase"] == phase and (not op or ops[step["op"]]["name"] == op)]
    return named[which]


phases = [step["phase"] for step in steps]
assert phases[at("seed") - 1] == "forward" and phases[at("seed") + 1] == "backward"

# %% [markdown]
# 先前向，直到得出 J；然后是反向的起点；接着一切倒着来；最后是更新，一个参数一个参数地更新。反向的一步是*一份贡献*：
# 一个算子，它的一个输入。
#
# 下面逐步细看。数组里，[ ] 是选中的元素，( ) 是算出它所用到的元素。
#
# ## 前向：两个猜测
#
# **猜一猜**：权重是随机的。一个什么都不知道的网络，ŷ 大概是多少？J 呢？
#
# 两个点都在 0.5 附近，这里是 0.557 和 0.590。要是两个都正好是 0.5，J 就是 ln 2 = 0.693。现在是 0.671。
# 二分类的网络刚开始训练时，记得看看是不是 0.69 左右。要是差得远，说明已经有什么地方不对了。

# %%
l2, l3, l4 = model.layers
W2, b2, W3, b3, W4, b4 = start.values()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(W2, b2, W3, b3, W4, b4):
    A2 = sigmoid(X.numpy() @ W2 + b2)
    Z3 = A2 @ W3 + b3
    A3 = np.maximum(0, Z3)
    y_hat = sigmoid(A3 @ W4 + b4)
    J = -np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))
    return A2, Z3, A3, y_hat, J


y, n = Y.numpy(), 2
A2, Z3, A3, y_hat, J = forward(*start.values())
print(y_hat.ravel(), J)

same(y_hat.ravel(), [0.557, 0.590], rtol=1e-3)
same([np.log(2), J], [0.693, 0.671], rtol=1e-3)

# %% [markdown]
# ## 起点
#
# **猜一猜**：反向从哪里开始，从哪个数开始？

# %%
trace.print(at("seed"))

# %% [markdown]
# ## 损失：−1/ŷ 和 1/(1 − ŷ)
#
# J 是 2 个点的均值。前向是求和，反向就是复制，所以每个点的损失各得 1 · 1/2。然后是对数：
#
#     类别 1：  L = −ln ŷ          ∂L/∂ŷ = −1/ŷ
#     类别 0：  L = −ln(1 − ŷ)     ∂L/∂ŷ = 1/(1 − ŷ)
#
# **猜一猜**：类别 0 的那个点，梯度是正是负？它的 ŷ 应该怎么变？
#
# 是正的：ŷ 再大就更糟。½ · 1/(1 − 0.557) = 1.129，另一个点是 −½ · 1/0.590 = −0.847。

# %%
trace.print(at("backward", "BinaryCrossEntropy"))

d_y_hat = (-y / y_hat + (1 - y) / (1 - y_hat)) / n
same(d_y_hat.ravel(), [1.129, -0.847], rtol=1e-3)

# %% [markdown]
# 标签 Y 也是这个算子的输入，但没有谁要学标签。它*没有*梯度，这和梯度为 0 不是一回事：专门有一步说明这一点。

# %%
trace.print(at("skip"))

# %% [markdown]
# ## sigmoid：最多四分之一
#
# σ′ = σ (1 − σ)，而 ŷ = σ(Z₄)，所以就是 ŷ (1 − ŷ)。它在 ŷ = 0.5 处最大，是 1/4。所以无论什么经过 sigmoid，
# 都至少缩小到原来的 1/4。这里是 0.247 和 0.242。
#
# **猜一猜**：用 ŷ (1 − ŷ) 去乘 −1/ŷ，剩下什么？
#
#     类别 1：  −1/ŷ · ŷ (1 − ŷ)      = ŷ − 1
#     类别 0：  1/(1 − ŷ) · ŷ (1 − ŷ) = ŷ
#
# 两个都是 **ŷ − y**：它说的，减去它本该说的。危险的 1/ŷ 不见了。sigmoid 和交叉熵总是成对出现，原因就在这里。
# 再除以 n：δ₄ = (ŷ − y)/2 = 0.278 和 −0.205。

# %%
trace.print(at("backward", "Sigmoid"))

delta4 = d_y_hat * y_hat * (1 - y_hat)
same(delta4, (y_hat - y) / n)
same(delta4.ravel(), [0.278, -0.205], rtol=2e-3)
same((y_hat * (1 - y_hat)).ravel(), [0.247, 0.242], rtol=2e-3)
assert 0.5 * (1 - 0.5) == 1 / 4 and sigmoid(0) == 0.5

# %% [markdown]
# ## 偏置：还原广播
#
# Z₄ = A₃ W₄ + b₄。乘积有 2 行，b₄ 只有一个数，NumPy 把它复制到了两行。
#
# **猜一猜**：δ₄ 是 (0.278, −0.205)，∂J/∂b₄ 是多少？
#
# 前向是复制，反向就是求和：0.074。它单独占一步。（别的框架在加法里面顺手做掉，谁也看不见，而错误就爱藏在那里。）

# %%
trace.print(at("sum_to"))

db4 = delta4.sum(axis=0)
same(db4, [0.074], rtol=0.01)

# %% [markdown]
# ## 乘积：谁出声了？
#
# ∂J/∂W₄ = A₃ᵀ δ₄。第 k 个权重从每个点得到的，是*第 k 个单元说的话*乘以*输出错了多少*。**说 0 的单元什么也学不到。**
#
# **猜一猜**：这个梯度里有几个元素正好是 0。是哪几个？

# %%
trace.print(at("backward", "MatMul", 1))

dW4 = A3.T @ delta4
silent = (A3 == 0).all(axis=0)
print(np.flatnonzero(dW4.ravel() == 0), np.flatnonzero(silent))
assert ((dW4.ravel() == 0) == silent).all()

# %% [markdown]
# ## ReLU：闸门
#
# Z₃ > 0 的地方，梯度原样通过；别的地方，到此为止。10 个单元里，有 4 个对两个点都关着：在这一步里，
# 没有任何可学的东西传到它们的权重。还有 1 个只对其中一个点关着，它只从另一个点学习。（文档 001 §2.5.2 说 ReLU
# 在负半轴不会丢失梯度。恰恰相反，那里的梯度全丢了：F12。）
#
# 这 4 个单元*死了*吗？对这两个点来说，而且也没有别的点：是的，只要 A₂ 变化不大。下面那一层可能会变，把它们唤醒，
# 那时它们又会学习。

# %%
trace.print(at("backward", "ReLU"))

dA3 = delta4 @ W4.T
delta3 = dA3 * (Z3 > 0)
off = Z3 <= 0
print(np.flatnonzero(off.all(axis=0)), np.flatnonzero(off.sum(axis=0) == 1))
assert len(off[0]) == 10 and off.all(axis=0).sum() == 4 and (off.sum(axis=0) == 1).sum() == 1

# %% [markdown]
# ## 穿过权重，再穿过一个 sigmoid
#
# dA₂ = δ₃ W₃ᵀ 替第一个隐藏层的每个单元，把上面所有单元传来的都收集起来；然后它的 sigmoid 至少拿走四分之三：
# δ₂ = dA₂ ∘ A₂ (1 − A₂)。最后是 ∂J/∂W₂ = Xᵀ δ₂。
#
# **猜一猜**：W₂ 的第 2 行对应特征 2，而第一个点的这个特征是 0。这一行是谁教的？
#
# 只有第二个点。输入是 0，就不出声，和单元一样。

# %%
trace.print(at("backward", "Sigmoid", 1))

# %%
trace.print(at("backward", "MatMul", -1))

dA2 = delta3 @ W3.T
delta2 = dA2 * A2 * (1 - A2)
dW3, db3 = A2.T @ delta3, delta3.sum(axis=0)
dW2, db2 = X.numpy().T @ delta2, delta2.sum(axis=0)
same(dW2[1], delta2[1])
same(dW2[2], delta2[0])
assert (np.abs(delta2) <= np.abs(dA2) / 4).all()

# %% [markdown]
# 回来的全程画在一张图里，从右往左看。每列是一个单元，每行是一个点；紫色为负，橙色为正。ReLU 留下了空洞。
# sigmoid 不留空洞，但所有颜色都变淡了：这就是*梯度消失*，才过了一层。十个 sigmoid 排成一串，最多剩下 4⁻¹⁰，
# 不到百万分之一。

# %%
figure, panels = plt.subplots(1, 4, figsize=(10.4, 2.4), layout="constrained")
shown = {"δ₂": delta2, "dA₂": dA2, "δ₃": delta3, "dA₃": dA3}
largest = max(np.abs(g).max() for g in shown.values())
for panel, (name, g) in zip(panels, shown.items(), strict=True):
    image = panel.imshow(g, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto")
    panel.set(title=name, xticks=range(10), yticks=[0, 1])
    for point, unit in zip(*np.nonzero(g == 0), strict=True):
        panel.text(unit, point, "0", ha="center", va="center", color="0.4")
panels[0].set_ylabel({"en": "point", "zh": "样本"}[LANGUAGE])
figure.supxlabel({"en": "unit of the hidden layer; ReLU between dA₃ and δ₃, sigmoid between dA₂ and δ₂",
                  "zh": "隐藏层的单元；dA₃ 与 δ₃ 之间是 ReLU，dA₂ 与 δ₂ 之间是 sigmoid"}[LANGUAGE])
figure.colorbar(image, ax=panels)
figure.savefig(pictures / "s6-back.png", dpi=160)

assert 4.0**-10 < 1e-6

# %% [markdown]
# ## 更新
#
# **猜一猜**：J 会降低多少？梯度是 g 的权重移动 −α g，而 J 以斜率 g 跟着变。所以每个权重贡献 −α g²，
# 合起来应该是 −α Σ g²。

# %%
trace.print(at("update"))

by_hand = [dW2, db2, dW3, db3, dW4, db4]
after = [p.numpy() for p in model.parameters()]
for before, gradient, now in zip(start.values(), by_hand, after, strict=True):
    same(now, before - 0.01 * gradient)

expected = -0.01 * sum(np.sum(g**2) for g in by_hand)
fall = forward(*after)[-1] - J
print(expected, fall)
same(fall, expected, rtol=0.01)

# %% [markdown]
# 降低的量正如所料，相差不到 1%。你手算的六个梯度，和磁带求出的六个一样，上面的代码逐个核对过。
#
# ## 两个点，一次一个
#
# 这份记录里，梯度在哪里*相加*？没有哪一步这么说，因为每个参数只用了一次。对各点的求和藏在乘积里面：Xᵀ δ 遍历了两行。
#
# 现在把两个点先后送进网络，再取两个损失的均值。J 还是那个 J。但每个参数都用了两次，所以 6 个参数各会收到第二份贡献。
# 找找“之前 + 贡献 = 之后”。

# %%
for p, value in zip(model.parameters(), start.values(), strict=True):
    p.assign(value)
    p.grad = None

with tz.record(title="S6, one point at a time") as one_by_one:
    first = F.binary_cross_entropy(model(tz.tensor(s6.POINTS[:1])), s6.LABELS[:1])
    second = F.binary_cross_entropy(model(tz.tensor(s6.POINTS[1:])), s6.LABELS[1:])
    ((first + second) / 2).backward()

added = [k for k, step in enumerate(one_by_one.document().steps)
         if step["phase"] in ("backward", "sum_to") and step.get("before") is not None]
one_by_one.print(added[0])

assert len(added) == 6
for p, gradient in zip(model.parameters(), by_hand, strict=True):
    same(p.grad, gradient)

# %% [markdown]
# ## 拿给别人看
#
# 把页面存成文件，再给出想讨论的那一步的链接。打开它只需要浏览器，打开就是那一步，而且是中文：`#step=…&lang=zh`，
# 或者 `lang=en`。加上 `&pick=0,1`，写开来的就是第 0 行第 1 列的元素。

# %%
trace.save_html(pictures / "s6.html")
print(f"s6.html#step={at('backward', 'ReLU')}&lang={LANGUAGE}&pick=0,1")

# %% [markdown]
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没做，● 表示对了；答错会报错，并把两边都列出来：ACTUAL 是你的，
# DESIRED 是把每个参数移动一点点量出来的。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        np.testing.assert_allclose(mine, right, rtol=1e-5, atol=1e-8)
        print(f"{number} ●")


def slopes(loss, x, h=1e-5):
    x, measured = np.array(x, float), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (loss(x + step) - loss(x - step)) / (2 * h)
    return measured


def cross_entropy(y_hat):
    return -np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))

# %% [markdown]
# **1.** 把交叉熵换成均方误差：J = 1/n Σ (ŷ − y)²，仍然是 ŷ = σ(Z₄)。现在 δ₄ = ∂J/∂Z₄ 是什么？（什么不再抵消了？
# 对一个很有把握却错了的点，会怎么样？）

# %%
def delta_of_mse(y_hat, y):
    ...


check(1, delta_of_mse(y_hat, y), slopes(lambda z: np.mean((sigmoid(z) - y) ** 2), A3 @ W4 + b4))

# %% [markdown]
# **2.** 有人把 ReLU 换成了 sigmoid，和下面那一层一样：A₃ = σ(Z₃)。δ₃ 是什么？已知 δ₄、W₄ 和新的 A₃。

# %%
def hidden_delta(delta4, w4, a3):
    ...


bent = sigmoid(Z3)
signal = (sigmoid(bent @ W4 + b4) - y) / n
check(2, hidden_delta(signal, W4, bent), slopes(lambda z: cross_entropy(sigmoid(sigmoid(z) @ W4 + b4)), Z3))

# %% [markdown]
# **3.** 哪些 ReLU 单元从整批数据里什么也学不到？每个单元给出一个布尔值。（只对一个点打开的单元，也能学到东西。）

# %%
def learns_nothing(z3):
    ...


check(3, learns_nothing(Z3), (dW3 == 0).all(axis=0))

# %% [markdown]
# **4.** 文档的误差信号（000 §4.2）里完全没有 f′。从 δ₄ 出发，它算出的 ∂J/∂W₃ 是什么？（这一个*故意*是错的；
# 写出来之后，和 dW3 比一比。）

# %%
def gradient_of_w3_without_slopes(delta4, w4, a2):
    ...


check(4, gradient_of_w3_without_slopes(delta4, W4, A2), A2.T @ dA3)

# %% [markdown]
# **5.** α 该取多大？J 大约降低 α Σ g²（给出的是一个梯度列表）。假如这个式子是准确的，要让 J 降低 `wish`，
# α 应该是多少？

# %%
def alpha_for(wish, gradients):
    ...


check(5, alpha_for(0.001, by_hand), -0.001 * 0.01 / expected)

# %% [markdown]
# **6.** *哪个梯度错了*？两层之间隔着 ReLU，其中埋了一个错误的反向。数值检验拿掉了，代码也拿掉了。一步一步地看，
# 在页面里看，或者用 `puzzle.document.print(12)`：进来的是什么，出去的是什么，本该出去的又是什么？
# 返回它在列表里的编号。（`tinygrad-zh exercise wrong` 里还有更多这样的题。）

# %%
def wrong_step():
    ...


def judge(step):
    if step is not None:
        verdict = puzzle.verdict(step)
        print(verdict)
        return bool(verdict)


puzzle = wrong_gradient(5)
puzzle.document.print()
check(6, judge(wrong_step()), True)
puzzle.document

# %% [markdown]
# 下一篇：[检验梯度](04_checking_gradients.zh.py)，从此再也不用轻信任何一个梯度。
