# %% [markdown]
# # 02 · 磁带
#
# 在[第一页](01_the_chain_rule_by_hand.zh.py)上，每个程序你都写了两遍：前向一遍，再写它的镜像。镜像里没有新东西，
# 所以只要有人把做过的事记下来，机器就能写出来。记事的那张单子叫作*磁带*。这一页里，你先为数、再为矩阵造一条磁带，
# 不到 40 行；然后打开本项目的磁带，会发现它们是一回事。
#
# 你需要第一页：沿一条路径，斜率相乘；各条路径之间，相加。Wengert 在 1964 年就记这样的单子，
# Linnainmaa 在 1970 年沿着它倒着走。

# %%
import inspect
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, plot
from tinygrad_zh.check import gradcheck

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)

# %% [markdown]
# ## 会记事的数，和一张单子
#
# 磁带的一行写着：做了什么，结果是什么，以及对每个输入，**它以多大的斜率改变结果**。写这一行的时候，这些全都知道，
# 所以当场写下来。

# %%
class Number:
    def __init__(self, value):
        self.value = value
        self.gradient = None  # 还什么都没到，这和 0 不是一回事


lines = []


def write(name, value, *inputs):
    result = Number(value)
    lines.append((name, result, inputs))
    return result


def add(a, b):
    return write("add", a.value + b.value, (a, 1), (b, 1))


def multiply(a, b):
    return write("multiply", a.value * b.value, (a, b.value), (b, a.value))


def square(a):
    return write("square", a.value**2, (a, 2 * a.value))

# %% [markdown]
# 一个五脏俱全的例子，其中 u 用了两次：
#
#     u = x²         x = 2，所以 u = 4
#     v = u + 3      v = 7
#     L = u v        L = 28
#
# 手算：L = x⁴ + 3x²，所以在 2 处的斜率是 4 · 8 + 6 · 2 = 44。

# %%
def example():
    lines.clear()
    x = Number(2)
    u = square(x)
    v = add(u, Number(3))
    return x, u, v, multiply(u, v)


x, u, v, L = example()
for name, result, inputs in lines:
    print(f"{name:<9} = {result.value:>2}   rates: {', '.join(str(rate) for _, rate in inputs)}")

assert (x.value, u.value, v.value, L.value) == (2, 4, 7, 28)
assert 4 * 8 + 6 * 2 == 44
assert [[rate for _, rate in inputs] for _, _, inputs in lines] == [[4], [1, 1], [7, 4]]

# %% [markdown]
# ## 反向：从末尾读这张单子
#
# 从 ∂L/∂L = 1 开始，这是*起点*，也叫种子梯度（seed）：L 随自己变，快慢当然一样。然后从最后一行读到第一行。
# 轮到某一行时，它的结果已经有了梯度，它再分给每个输入：
#
#     贡献 = 上游 · 斜率
#     之前 + 贡献 = 之后
#
# 反向传播从头到尾只做这一件事。用 – 表示“还什么都没到”：
#
# | 行 | 输入 | 上游 · 斜率 | 之前 | 之后 |
# |---|---|---|---|---|
# | multiply | u | 1 · 7 = 7 | – | 7 |
# | multiply | v | 1 · 4 = 4 | – | 4 |
# | add | u | 4 · 1 = 4 | 7 | 11 |
# | add | 3 | 4 · 1 = 4 | – | 4 |
# | square | x | 11 · 4 = 44 | – | 44 |

# %%
def backward(last, order):
    last.gradient = 1
    for name, result, inputs in order:
        for x, rate in inputs:
            if result.gradient is not None:
                contribution, before = result.gradient * rate, x.gradient
                x.gradient = contribution if before is None else before + contribution
                shown = "–" if before is None else before
                print(f"{name:<9}{result.gradient:>3} · {rate} = {contribution:>3}{shown:>6}{x.gradient:>6}")


backward(L, reversed(lines))
assert (L.gradient, v.gradient, u.gradient, x.gradient) == (1, 4, 11, 44)

# %% [markdown]
# ### 为什么从末尾开始？
#
# 因为**只有收齐了的数才可以往下传**。还是这三行，换个顺序：square 先于 add。这时 u 把手里的 7 传了下去，
# 而另外的 4 还在路上。后来它也到了，u 最终是 11，可 x 再也听不到，它只有 28。
#
# 按照书写的顺序，凡是用到 u 的行，都写在 u 的后面。所以从末尾往回读，轮到 u 的时候，它该收的都收齐了。不用排序，
# 也不用画图：一张单子倒着读就够了。

# %%
x, u, v, L = example()
squared, added, multiplied = lines
backward(L, [multiplied, squared, added])
assert (u.gradient, x.gradient) == (11, 28)

# %% [markdown]
# ### 为什么相加？
#
# u 用了两次，所以会收到两份贡献：7 和 4。如果第二份覆盖了第一份，u 就是 4 而不是 11，x 就是 4 · 4 = 16。

# %%
def backward_that_overwrites(last):
    last.gradient = 1
    for _, result, inputs in reversed(lines):
        for x, rate in inputs:
            x.gradient = result.gradient * rate


x, u, v, L = example()
backward_that_overwrites(L)
assert (u.gradient, x.gradient) == (4, 16)

# %% [markdown]
# ### 为什么用单子，而不用路径？
#
# 只用路径也行：从 L 沿着每条路径走到 x，一路相乘，最后相加。可是路径太多了。y + y，再加倍，一共 16 次：只有 16 行，
# 却有 2¹⁶ = 65,536 条路径。读单子只要 32 份贡献，每行两份；沿着路径走，要 131,070 份。

# %%
def follow(result):  # 每条路径单独走一遍，一共有多少份贡献
    made_by = {id(made): inputs for _, made, inputs in lines}
    return sum(1 + follow(x) for x, _ in made_by.get(id(result), ()))


lines.clear()
y = Number(1)
for _ in range(16):
    y = add(y, y)
print(len(lines), sum(len(inputs) for _, _, inputs in lines), follow(y))

assert y.value == 2**16 == 65_536
assert sum(len(inputs) for _, _, inputs in lines) == 32
assert follow(y) == 131_070

# %% [markdown]
# ### 两遍
#
# 再跑一遍反向。x 应该还是 44，还是变成 88？都不是，是 148。因为 v 手里还有第一遍的 4，又收到 4，于是传下去 8；
# u 手里还有 11，又收到 7 和 8，于是传下去 26。
#
# 所以，*中间*的东西只属于这一遍：开始时是空的，用完就扔。*两端*的东西，也就是参数，会留住自己的梯度，各遍在那里相加：
# 44 + 44 = 88。这是有意的，这样就可以把几批数据的梯度加在一起。也正因为如此，训练循环每一步之前都要把它们清空，
# 而这件事每个人都忘过一次。

# %%
x, u, v, L = example()
backward(L, reversed(lines))
backward(L, reversed(lines))
assert (v.gradient, u.gradient, x.gradient) == (8, 26, 148)

# %% [markdown]
# ## 换成矩阵，还是一样
#
# 换成矩阵之后，斜率不再是一个数，但仍然是一条*规则*：结果的梯度进来，某个输入的梯度出去。这些规则你在第一页都推导过：
#
#     Z = A B            dA = dZ Bᵀ，dB = Aᵀ dZ
#     Z = A + B          dA = dZ，dB = dZ，再对广播过的维度求和
#     Z = max(0, A)      dA = dZ ∘ (A > 0)
#     L = ½ Σ (P − Y)²   dP = dL (P − Y)
#
# 所以这条磁带的每一行存的是函数。`backward` 从末尾一行一行地取下来：顺序正好对，而且每一行用完就*释放*，
# 连同它保存的所有数组。

# %%
class Array:
    def __init__(self, value):
        self.value = np.asarray(value, float)
        self.grad = None


class Tape(list):
    def write(self, name, value, *inputs):
        result = Array(value)
        self.append((name, result, inputs))
        return result

    def backward(self, last, seed=1.0):
        gradients = {last: np.ones_like(last.value) * seed}
        while self:
            _, result, inputs = self.pop()
            upstream = gradients.pop(result, None)
            for x, rule in inputs if upstream is not None else ():
                contribution = sum_to(rule(upstream), x.value.shape)
                gradients[x] = gradients[x] + contribution if x in gradients else contribution
        for leaf, gradient in gradients.items():
            leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient


def sum_to(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] > 1)
    return gradient.sum(axis=stretched, keepdims=True)


def matmul(a, b):
    rules = (a, lambda dz: dz @ b.value.T), (b, lambda dz: a.value.T @ dz)
    return tape.write("matmul", a.value @ b.value, *rules)


def plus(a, b):
    return tape.write("add", a.value + b.value, (a, lambda dz: dz), (b, lambda dz: dz))


def relu(a):
    return tape.write("relu", np.maximum(0, a.value), (a, lambda dz: dz * (a.value > 0)))


def half_squared_error(p, y):
    value = 0.5 * np.sum((p.value - y) ** 2)
    return tape.write("halfsquarederror", value, (p, lambda dL: dL * (p.value - y)))


parts = (Array.__init__, Tape.write, Tape.backward, sum_to, matmul, plus, relu, half_squared_error)
count = sum(len(inspect.getsource(part).splitlines()) for part in parts) + 2  # 还有两行是类的开头
print(count)
assert count < 40

# %% [markdown]
# `gradients` 是这一遍用的草稿纸：中间的东西传下去之后就从纸上擦掉，最后剩下的就是叶子。
# 所以第二遍不会碰到第一遍留下的任何东西，除了叶子自己的累计。
#
# 现在来跑第一页的网络，数也一样。只写前向那一半，另一半什么也不用做。L = 5，梯度就是你在纸上算出来的那些。

# %%
X, Y = np.array([[2.0, 1, 0], [1, 3, 1]]), np.array([[4.0], [3]])
parameters = [np.array(p) for p in ([[1.0, -1], [0, 1], [2, 0]], [1.0, -1], [[1.0], [2]], [-2.0])]

tape = Tape()
W1, b1, W2, b2 = (Array(p) for p in parameters)
P = plus(matmul(relu(plus(matmul(Array(X), W1), b1)), W2), b2)
L = half_squared_error(P, Y)
written = [name for name, _, _ in tape]
print(written)

tape.backward(L)
for leaf in (W1, b1, W2, b2):
    print(leaf.grad + 0.0)  # + 0.0：不显示负零

same(L.value, 5)
same(W1.grad, [[-5, 2], [0, 6], [1, 2]])
same(b1.grad, [-2, 2])
same(W2.grad, [[-5], [1]])
same(b2.grad, [-2])
assert tape == []

# %% [markdown]
# ## 磁带的代价
#
# 内存。matmul 的规则需要 A 和 B，ReLU 的规则需要 A，所以在反向经过之前，磁带一直保存着这些数组。
# 一条从不释放的磁带会一直变长，直到机器的内存用完：为了画图，把损失一个个收进列表，却没有换成普通的数，结果就是这样。
#
# 而且算子可以选择保存*什么*。对 sigmoid 来说，σ(z) (1 − σ(z)) 只需要结果，而结果反正会被下一个算子保存。
# 所以 z 可以不留。
#
# ## 现在打开我们的磁带
#
# `tz.record()` 把本项目在一个代码块里算过的东西全部记下来。还是那个网络：

# %%
leaves = [tz.tensor(p, requires_grad=True) for p in parameters]
with tz.record() as trace:
    A = F.relu(tz.tensor(X) @ leaves[0] + leaves[1])
    loss = F.half_squared_error(A @ leaves[2] + leaves[3], Y)
    loss.backward()

for number, line in enumerate(trace):
    print(f"{number:>2}  {line}")

assert [line.info["op"].__name__.lower() for line in trace if line.kind == "forward"] == written
for ours, leaf in zip(leaves, (W1, b1, W2, b2), strict=True):
    same(ours.grad, leaf.grad)

# %% [markdown]
# 一行一行，就是你造的那条：
#
# - **forward**：6 行，和你的 6 行一样，顺序也一样。
# - **seed**：末尾的那个 1。
# - **backward**：各条规则，从最后一个算子到第一个。一共 9 行：每个算子的每个输入一行，X 和 Y 没有，
#   因为它们不需要梯度。
# - **sum_to**：两个偏置都广播过，所以它们的梯度要求和。这单独算一步，因为形状就是在这里出错的。
# - **gradient**：到了最后，4 个叶子一起拿到各自的梯度。要是哪条规则中途失败，不会有参数只拿到一半的梯度。
#
# 一个值用了两次时，还会有 **accumulate** 行：之前 + 贡献。我们的网络里没有。

# %%
kinds = [line.kind for line in trace]
print({kind: kinds.count(kind) for kind in dict.fromkeys(kinds)})
assert [kinds.count(kind) for kind in ("forward", "seed", "backward", "sum_to", "gradient")] == [6, 1, 9, 2, 4]
assert "accumulate" not in kinds

x = tz.tensor(2.0, requires_grad=True)
with tz.record() as used_twice:
    u = x * x
    (u * (u + 3)).backward()
print([line for line in used_twice if line.kind == "accumulate"])
same(x.grad, 44)

# %% [markdown]
# ### 像括号一样读
#
# 把反向的每一行和它所对应的前向那一行连起来。这些弧一层套一层，就像括号：最后打开的算子，最先合上。

# %%
figure, axes = plt.subplots(figsize=(9.6, 3.8), layout="constrained")
colours = {"forward": "#0072B2", "seed": "#7B3FA0"}  # 其余各行都属于反向
angle = np.linspace(0, np.pi, 60)
for number, line in enumerate(trace):
    colour = colours.get(line.kind, "#D55E00")
    name = line.info["op"].__name__ if line.kind in ("forward", "backward") else line.kind
    axes.text(number, -0.4, name, rotation=90, ha="center", va="top", color=colour)
    axes.plot(number, 0, "o", color=colour, ms=5)
    if line.kind == "backward":
        start = next(i for i, other in enumerate(trace) if other is line.info["forward"])
        middle, radius = (start + number) / 2, (number - start) / 2
        axes.plot(middle + radius * np.cos(angle), 0.35 * radius * np.sin(angle), color="0.6", lw=1)
axes.set(xlim=(-1, len(trace)), ylim=(-3.4, 3.3))
axes.axis("off")
axes.set_title({"en": "the tape, from left to right: blue forward, orange backward",
                "zh": "磁带，从左到右：蓝色前向，橙色反向"}[LANGUAGE])
figure.savefig(pictures / "tape.png", dpi=160)

# %% [markdown]
# ### 磁带就是程序
#
# 每一行是一个函数和它的参数。所以可以把磁带一行一行地再跑一遍，结果分毫不差，精确到最后一个二进制位。正因为这样，
# 单步、计时、编译只需要这一张单子：都不过是换一种读法。

# %%
for line in trace:
    again = line.function(*line.arguments, **line.keywords)
    again = again if isinstance(again, tuple) else (again,)
    assert all(np.array_equal(new, old) for new, old in zip(again, line.outputs, strict=True))
print(len(trace))

# %% [markdown]
# ### 释放，与相加
#
# 我们的磁带也会释放它保存的东西。对同一条磁带再跑一遍，会被拒绝，并说明理由。写上 `retain_graph=True`
# 就可以跑第二遍，这时叶子的梯度会相加，理应如此：变成两倍。

# %%
try:
    loss.backward()
except RuntimeError as error:
    print(error)
    refused = True
assert refused

w = tz.tensor([1.0, 2], requires_grad=True)
total = F.sum(w * w)
total.backward(retain_graph=True)
once = w.grad.numpy()
total.backward()
same(w.grad, 2 * once)

# %% [markdown]
# ### 算子保存什么
#
# 在你的磁带里，规则是一个函数，它悄悄记住了自己的数组。在我们的磁带里，算子用 `backward` 的参数名说明它要保存什么：
# `dy` 是上游梯度，`y` 是结果，其余的名字是输入。sigmoid 写的是 dy 和 y，所以保存 y，不保存 x。把它当公式来读，
# 它本来就是公式：

# %%
for op in (F.sigmoid, F.relu, F.exp):
    print(op.__name__, inspect.signature(op.backward))
    print(inspect.getsource(op.backward))

assert list(inspect.signature(F.sigmoid.backward).parameters) == ["dy", "y"]

# %% [markdown]
# ## 你自己的算子
#
# 磁带不知道世上有哪些算子，任何一对前向和反向都可以。下面是 softsign，本项目里没有它：
#
#     y = x / (1 + |x|)          ∂L/∂x = ∂L/∂y / (1 + |x|)²
#
# 手算 x = 3：y = 3/4，斜率是 1/16。没有量过的反向，谁也不会相信，所以下一行就来量它（怎么量，
# 见[笔记本 04](04_checking_gradients.zh.py)）。

# %%
class Softsign(tz.Op):
    def forward(x):
        return x / (1 + np.abs(x))

    def backward(dy, x):
        return dy / (1 + np.abs(x)) ** 2


x = tz.tensor([3.0, -1.0], requires_grad=True)
with tz.record() as trace:
    y = Softsign(x)
    F.sum(y).backward()
print(*trace, sep="\n")

report = gradcheck(Softsign, np.array([3.0, -1.0, 0.5]))
print(report)
assert report
same([y.numpy()[0], x.grad.numpy()[0]], [3 / 4, 1 / 16])

# %% [markdown]
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没做，● 表示对了；答错会报错，并把两边都列出来：ACTUAL 是你的，
# DESIRED 是差分量出来的。前四题是为*你的*磁带写算子：返回 `tape.write(…)`，每个输入配一条规则。

# %%
def slopes(f, x, h=1e-6):
    x, measured = np.array(x, float), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (f(x + step) - f(x - step)) / (2 * h)
    return measured


def gradients(op, seed, *arrays):  # 用磁带求 Σ seed ∘ op(…) 对每个数组的梯度
    tape.clear()
    leaves = [Array(a) for a in arrays]
    result = op(*leaves)
    if result is None:
        return None
    tape.backward(result, seed)
    return [leaf.grad for leaf in leaves]


def check(number, mine, *right):
    if mine is None:
        print(f"{number} ○")
        return
    for my, measured in zip(mine if isinstance(mine, list) else [mine], right, strict=True):
        np.testing.assert_allclose(my, measured, rtol=1e-5, atol=1e-7)
    print(f"{number} ●")


M, N, dM = np.array([[1.0, -1, 2], [0.5, 2, -2]]), np.array([2.0, -1, 4]), np.array([[1.0, 2, 3], [-1, 0, 1]])

# %% [markdown]
# **1.** eˣ，逐元素。（你要保存哪个数组？）

# %%
def exp(a):
    ...


check(1, gradients(exp, dM, M), slopes(lambda m: np.sum(dM * np.exp(m)), M))

# %% [markdown]
# **2.** a / b，逐元素，可以广播。（`sum_to` 由 `Tape` 负责，不用你管。）

# %%
def divide(a, b):
    ...


by_m, by_n = slopes(lambda m: np.sum(dM * (m / N)), M), slopes(lambda n: np.sum(dM * (M / n)), N)
check(2, gradients(divide, dM, M, N), by_m, by_n)

# %% [markdown]
# **3.** 矩阵的转置。

# %%
def transpose(a):
    ...


check(3, gradients(transpose, dM.T, M), slopes(lambda m: np.sum(dM.T * m.T), M))

# %% [markdown]
# **4.** 每一行的 ln Σⱼ eᵃʲ，所以 (2, 3) 的矩阵得到形状 (2,)。它的梯度有个响亮的名字。

# %%
def log_sum_exp(a):
    ...


dY = dM[:, 0]
check(4, gradients(log_sum_exp, dY, M), slopes(lambda m: np.sum(dY * np.log(np.exp(m).sum(axis=1))), M))

# %% [markdown]
# **5.** softsign 的反向需要 x，其实只要 y 也行。用 dy 和 y 写出 dx。

# %%
def softsign_backward(dy, y):
    ...


check(5, softsign_backward(dM, Softsign(M)), Softsign.backward(dM, M))

# %% [markdown]
# **6.** 读一条我们的磁带：有多少次，是把一份贡献加到已有的梯度上？（看看有哪几种行。）

# %%
def additions(trace):
    ...


w = tz.tensor([1.0, 2], requires_grad=True)
with tz.record() as trace:
    F.sum(w * w * w + w).backward()
check(6, additions(trace), 3)

# %% [markdown]
# 下一篇：[单步走过 S6](03_stepping_through_s6.zh.py)，一次一份贡献，走完文档里的一个网络。
