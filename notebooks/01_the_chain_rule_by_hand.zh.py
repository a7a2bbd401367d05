# %% [markdown]
# # 01 · 链式法则，手算
#
# 网络靠微积分里的一条法则学习。这一页里，你用铅笔来用它：先算几个数，再算一个两层的网络，前向一遍，反向一遍。
# 这里没有求梯度的库，只有 NumPy。每一行代码就是一行数学，文字里的每个数都由下面的代码核对。
#
# 你需要会求导（x² 的导数是 2x），会算两个矩阵的乘积。读完之后，矩阵乘积的梯度你可以自己推出来，再也不用背。

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from tinygrad_zh import plot

LANGUAGE = "zh"
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

FORWARD, BACKWARD = "#0072B2", "#D55E00"  # 蓝色和橙色，这门课的每张图都一样
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)

# %% [markdown]
# ## 导数就是汇率
#
# f(x) = x²，取 x = 3。导数是 2x = 6：**x 变一点点，f 的变化是它的 6 倍**。让 x 增加 0.01，f 从 9 变到 9.0601，
# 增加了 0.06，再多一点点。多出来的 0.0001 是步长的平方，步长变小时，它小得更快。
#
# 所以任何斜率都可以量出来，不管公式是从哪里来的：把 x 向两边各移一点，再相除。这就是整页的裁判。

# %%
def slope(f, x, h=1e-6):
    return (f(x + h) - f(x - h)) / (2 * h)


def square(x):
    return x**2


print(square(3.01) - square(3), slope(square, 3))

same(square(3.01), 9.0601)
same(slope(square, 3), 6, rtol=1e-6)

# %% [markdown]
# ## 一个接一个：相乘
#
# 如果 1 欧元换 8 元人民币，1 元人民币换 20 日元，那么 1 欧元换 160 日元。一串汇率要相乘。这就是链式法则：
#
#     L = u²          ∂L/∂u = 2u
#     u = 3x − 1      ∂u/∂x = 3
#     ∂L/∂x = ∂L/∂u · ∂u/∂x
#
# 在 x = 2 处，u = 5，L = 25。反向：∂L/∂u = 10，∂L/∂x = 10 · 3 = 30。
#
# 在代码里，`dx` 永远是 ∂L/∂x 的简写：*最后那个数* L 随 x 变得多快。对照着读下面的两半：把前向那一半从下往上读，
# 就是反向那一半，而且每一行只需要上一行给出的东西。

# %%
def forward(x):
    u = 3 * x - 1
    L = u**2
    return L


x = 2.0
u = 3 * x - 1
L = u**2

dL = 1.0  # L 随 L 变得多快
du = dL * 2 * u
dx = du * 3
print(u, L, du, dx)

same(8 * 20, 160)
same([u, L, du, dx], [5, 25, 10, 30])
same(slope(forward, x), dx, rtol=1e-6)

# %% [markdown]
# ## 一个神经元
#
# 神经元做乘法、做加法、折一下，然后和它本该说的答案比较：
#
#     z = w x + b
#     a = max(0, z)          ReLU：z > 0 时斜率是 1，否则是 0
#     L = ½ (a − y)²         斜率是 a − y
#
# 取 w = 2，x = 3，b = −4，y = 5，于是 z = 2，a = 2，L = 4.5。反向，从最后一行到第一行：
#
# - ∂L/∂a = a − y = −3。a 再大一些，L 就会小一些。
# - ∂L/∂z = −3 · 1 = −3。ReLU 是打开的，放它通过。
# - ∂L/∂w = −3 · x = −9，∂L/∂b = −3 · 1 = −3，∂L/∂x = −3 · w = −6。
#
# 看看乘积：**对一个因子的斜率，就是另一个因子**。所以反向时要用到前向时的数，得有人把它们保存下来。

# %%
def neuron(w, x, b, y=5.0):
    return 0.5 * (max(0.0, w * x + b) - y) ** 2


w, x, b, y = 2.0, 3.0, -4.0, 5.0
z = w * x + b
a = max(0.0, z)
L = 0.5 * (a - y) ** 2

da = a - y
dz = da * (z > 0)
dw, db, dx = dz * x, dz, dz * w
print(dw, db, dx)

same([z, a, L], [2, 2, 4.5])
same([da, dz, dw, db, dx], [-3, -3, -9, -3, -6])
same(slope(lambda w: neuron(w, x, b), w), dw, rtol=1e-6)
same(slope(lambda b: neuron(w, x, b), b), db, rtol=1e-6)
same(slope(lambda x: neuron(w, x, b), x), dx, rtol=1e-6)

# %% [markdown]
# 再往下坡走一步：w 变成 w − α ∂L/∂w。取 α = 0.01，w 从 2 变到 2.09，b 从 −4 变到 −3.97。这时 z = 2.3，L = 3.645，
# 比 4.5 小。学习就是这么回事，没有别的。
#
# 如果 b 是 −7，z 就是 −1，ReLU 关着：它下面的斜率全是 0。步子再大，也动不了这个神经元。对这个 x 来说，它*死了*。

# %%
alpha = 0.01
same([w - alpha * dw, b - alpha * db], [2.09, -3.97])
same(2.09 * x - 3.97, 2.3)
same(neuron(2.09, x, -3.97), 3.645)
same(w * x - 7, -1)
same([slope(lambda w: neuron(w, x, -7), w), slope(lambda b: neuron(w, x, b), -7)], 0)

# %% [markdown]
# ## 两条路径：相加
#
# 这里 x 用了两次：
#
#     a = 3x
#     b = x²
#     L = a b
#
# 在 x = 2 处，a = 6，b = 4，L = 24。从 x 到 L 有两条路径，x 的一点变化会沿着两条路一起传过去。沿着一条路径，
# 斜率相乘；**各条路径之间，相加**：
#
#     经过 a：∂L/∂a · ∂a/∂x = b · 3  = 12
#     经过 b：∂L/∂b · ∂b/∂x = a · 2x = 24
#                                      36
#
# 不走任何路径再算一遍：L = 3x³，斜率是 9x² = 36。

# %%
def two_paths(x):
    return (3 * x) * x**2


x = 2.0
a, b = 3 * x, x**2
L = a * b

da, db = b, a
dx = 0.0
dx += da * 3
dx += db * 2 * x
print(dx)

same([a, b, L], [6, 4, 24])
same([da * 3, db * 2 * x, dx, 9 * x**2], [12, 24, 36, 36])
same(slope(two_paths, x), 36, rtol=1e-6)

# %%
spots = {"x": (0, 0), "a": (1.5, 0.8), "b": (1.5, -0.8), "L": (3, 0)}
values, gradients = {"x": 2, "a": 6, "b": 4, "L": 24}, {"x": "12 + 24 = 36", "a": 4, "b": 6, "L": 1}
rates = {("x", "a"): "· 3", ("x", "b"): "· 2x = · 4", ("a", "L"): "· b = · 4", ("b", "L"): "· a = · 6"}

figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
for name, (left, up) in spots.items():
    axes.plot(left, up, "o", ms=44, color="white", mec="0.4")
    axes.text(left, up, f"{name} = {values[name]}", ha="center", va="center", color=FORWARD)
    axes.text(left, up - 0.43, f"∂L/∂{name} = {gradients[name]}", ha="center", va="center", color=BACKWARD)
for (start, end), rate in rates.items():
    axes.annotate("", spots[start], spots[end], arrowprops={"arrowstyle": "->", "color": BACKWARD,
                                                            "shrinkA": 26, "shrinkB": 26, "lw": 1.5})
    left, up = np.add(spots[start], spots[end]) / 2
    axes.text(left, up + 0.2 * np.sign(up), rate, ha="center", va="center", color=BACKWARD)
axes.set(xlim=(-0.7, 3.6), ylim=(-1.45, 1.25))
axes.axis("off")
axes.set_title({"en": "back along both paths, and then the sum", "zh": "沿两条路径往回走，然后相加"}[LANGUAGE])
figure.savefig(pictures / "paths.png", dpi=160)

same([db, da, 3, 2 * x], [6, 4, 3, 4])

# %% [markdown]
# 要是写了两次 `dx = …`，而不是 `dx += …`，留下的就只有最后一条路径：24，不是 36。程序不会报错，斜率的方向也大致没错。
# 手写反向传播时，这是最常见的错误。

# %%
dx = da * 3
dx = db * 2 * x
same(dx, 24)

# %% [markdown]
# ## 两层的网络
#
# 现在换成矩阵。2 个样本，3 个特征，2 个隐藏单元，1 个输出。每个样本是一行。
#
#     Z = X W₁ + b₁          (2, 3) · (3, 2) + (2,)  →  (2, 2)
#     A = max(0, Z)          (2, 2)
#     P = A W₂ + b₂          (2, 2) · (2, 1) + (1,)  →  (2, 1)      预测
#     L = ½ Σ (P − Y)²       一个数
#
# 手算 Z 的第一个元素：X 的第一行乘 W₁ 的第一列，2 · 1 + 1 · 0 + 0 · 2 = 2，加上 1，得 3。

# %%
X = np.array([[2.0, 1, 0],
              [1.0, 3, 1]])
Y = np.array([[4.0], [3]])
W1, b1 = np.array([[1.0, -1], [0, 1], [2, 0]]), np.array([1.0, -1])
W2, b2 = np.array([[1.0], [2]]), np.array([-2.0])

Z = X @ W1 + b1
A = np.maximum(0, Z)
P = A @ W2 + b2
L = 0.5 * np.sum((P - Y) ** 2)
print(Z, A, P, L, sep="\n")

assert [m.shape for m in (X, W1, b1, Z, W2, b2, P)] == [(2, 3), (3, 2), (2,), (2, 2), (2, 1), (1,), (2, 1)]
same(2 * 1 + 1 * 0 + 0 * 2 + 1, 3)
same(Z, [[3, -2], [4, 1]])
same(A, [[3, 0], [4, 1]])
same(P, [[1], [4]])
same(L, 5)

# %% [markdown]
# ## 矩阵乘积的梯度
#
# 对 Z = X W，已知 dZ，求 dW 和 dX。不需要新的法则，只需要路径。一次看一个元素：
#
#     Z_ij = Σ_k X_ik W_kj
#
# **W_kj 影响 Z 的哪些元素**？第 j 列的那些，每个样本 i 一个，斜率各是 X_ik。这些就是路径。把它们加起来：
#
#     dW_kj = Σ_i X_ik dZ_ij = (Xᵀ dZ)_kj                dW = Xᵀ dZ
#
# **X_ik 呢**？第 i 行的那些，每个 j 一个，斜率是 W_kj：
#
#     dX_ik = Σ_j dZ_ij W_kj = (dZ Wᵀ)_ik                dX = dZ Wᵀ
#
# 转置就是这样来的：现在是对*另一个*下标求和。

# %%
def grid(axes, left, matrix, title, colour, lit=()):  # 把矩阵画成格子，选中的涂上颜色
    rows, columns = matrix.shape
    for i, j in np.ndindex(rows, columns):
        corner = left + j, rows / 2 - i - 1
        axes.add_patch(Rectangle(corner, 1, 1, fc=colour if (i, j) in lit else "white", alpha=0.3, ec="none"))
        axes.add_patch(Rectangle(corner, 1, 1, fc="none", ec="0.5"))
        number = f"{matrix[i, j] + 0.0:g}".replace("-", "−")
        axes.text(corner[0] + 0.5, corner[1] + 0.5, number, ha="center", va="center", color=colour)
    axes.text(left + columns / 2, rows / 2 + 0.35, title, ha="center", va="center", color=colour)


touched = {"en": ["one entry of W reaches one column of Z …", "… and collects its gradient from that column"],
           "zh": ["W 的一个元素影响 Z 的一列……", "……它的梯度也就从这一列收集回来"]}[LANGUAGE]
dZ = np.array([[-3.0, 0], [1, 2]])
figure, panels = plt.subplots(2, figsize=(6.4, 5.4), layout="constrained")
grid(panels[0], 0, X, "X", FORWARD, {(0, 1), (1, 1)})
grid(panels[0], 4, W1, "W", FORWARD, {(1, 0)})
grid(panels[0], 7, X @ W1, "X W", FORWARD, {(0, 0), (1, 0)})
grid(panels[1], 0, X.T, "Xᵀ", FORWARD, {(1, 0), (1, 1)})
grid(panels[1], 4, dZ, "dZ", BACKWARD, {(0, 0), (1, 0)})
grid(panels[1], 7, X.T @ dZ, "dW = Xᵀ dZ", BACKWARD, {(1, 0)})
for panel, title, left in zip(panels, touched, [3.5, 3], strict=True):
    panel.text(left, 0, "·", ha="center", va="center", fontsize=16)
    panel.text(6.5, 0, "=", ha="center", va="center", fontsize=16)
    panel.set(xlim=(-0.2, 9.2), ylim=(-1.7, 2.1), aspect="equal", title=title)
    panel.axis("off")
figure.savefig(pictures / "matmul.png", dpi=160)

same((X.T @ dZ)[1, 0], X[0, 1] * dZ[0, 0] + X[1, 1] * dZ[1, 0])

# %% [markdown]
# **形状是指南针**。dW 的形状永远和 W 一样。用 X (2, 3) 和 dZ (2, 2) 拼出一个 (3, 2)，只有一种办法：Xᵀ dZ。
# 就算把法则忘了，形状还记得。（方阵除外，那时形状帮不上忙。千万不要用方阵来检验。）
#
# ## 广播的梯度
#
# b₁ 有 2 个元素，Z 有 2 行，每行 2 个。NumPy 把 b₁ 加到了*每一行*：每个元素都用了两次，一个样本一次。用两次，
# 就有两条路径，所以相加：db_j = Σ_i dZ_ij，也就是对各行求和。
#
# - **前向是复制，反向就是求和。**
# - **前向是求和，反向就是复制**：这一页的 L 是对样本求和，每个样本得到的都是同一个 1。
#
# ## 完整的反向
#
# 从最后一行到第一行，每一行都是前面某一行的镜像：
#
#     dP = P − Y                              (2, 1)
#     dW₂ = Aᵀ dP,  db₂ = Σ_rows dP           (2, 1), (1,)
#     dA = dP W₂ᵀ                             (2, 2)
#     dZ = dA ∘ (Z > 0)                       (2, 2)     ∘ 表示逐元素相乘
#     dW₁ = Xᵀ dZ,  db₁ = Σ_rows dZ           (3, 2), (2,)
#
# 先在纸上算，再运行。dP 是 (−3, 1)，dW₁ 左列中间的元素是 1 · (−3) + 3 · 1 = 0：两个样本往相反的方向拉，正好抵消。

# %%
dP = P - Y
dW2, db2 = A.T @ dP, dP.sum(axis=0)
dA = dP @ W2.T
dZ = dA * (Z > 0)
dW1, db1 = X.T @ dZ, dZ.sum(axis=0)

names = ["dP", "dW2", "db2", "dA", "dZ", "dW1", "db1"]
for name, gradient in zip(names, [dP, dW2, db2, dA, dZ, dW1, db1], strict=True):
    print(f"{name} {gradient.shape}\n{gradient + 0.0}")  # + 0.0：不显示负零

same(dP, [[-3], [1]])
same(dW2, [[-5], [1]])
same(db2, [-2])
same(dA, [[-3, -6], [1, 2]])
same(dZ, [[-3, 0], [1, 2]])
same(dW1, [[-5, 2], [0, 6], [1, 2]])
same(db1, [-2, 2])
assert 1 * -3 + 3 * 1 == 0
for value, gradient in [(P, dP), (W2, dW2), (b2, db2), (A, dA), (Z, dZ), (W1, dW1), (b1, db1)]:
    assert value.shape == gradient.shape

# %% [markdown]
# 整个过程画成一张图：上面蓝色的是数值，从左往右；下面橙色的是各自的梯度，从右往左。关着的那个隐藏单元（−2，
# 所以输出 0）把传到它这里的 −6 拦住了。

# %%
columns = [("X", X, None), ("W₁", W1, dW1), ("Z", Z, dZ), ("A", A, dA), ("W₂", W2, dW2), ("P", P, dP),
           ("Y", Y, None)]
figure, panels = plt.subplots(2, figsize=(9.6, 4.2), layout="constrained")
left = 0
for name, value, gradient in columns:
    stopped = {(0, 1)} if name in "ZA" else ()
    grid(panels[0], left, value, name, FORWARD, stopped)
    if gradient is not None:
        grid(panels[1], left, gradient, f"d{name}", BACKWARD, stopped)
    left += value.shape[1] + 0.7
for panel in panels:
    panel.set(xlim=(-0.2, left - 0.5), ylim=(-1.6, 2), aspect="equal")
    panel.axis("off")
figure.suptitle({"en": "forward →, and backward ←", "zh": "前向 →，反向 ←"}[LANGUAGE])
figure.savefig(pictures / "network.png", dpi=160)

same([Z[0, 1], A[0, 1], dA[0, 1], dZ[0, 1]], [-2, 0, -6, 0])

# %% [markdown]
# ## 裁判
#
# 把每个参数的每个元素都移动一点，一次一个，量一量。哪怕有一个转置写错了，有一处求和漏掉了，这里都会看出来。

# %%
def loss(W1, b1, W2, b2):
    A = np.maximum(0, X @ W1 + b1)
    return 0.5 * np.sum((A @ W2 + b2 - Y) ** 2)


def slopes(f, x, h=1e-6):  # 数组的每个元素一个
    x, measured = np.array(x, float), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (f(x + step) - f(x - step)) / (2 * h)
    return measured


parameters, gradients = [W1, b1, W2, b2], [dW1, db1, dW2, db2]
for k, gradient in enumerate(gradients):
    measured = slopes(lambda p, k=k: loss(*parameters[:k], p, *parameters[k + 1:]), parameters[k])
    print(np.abs(measured - gradient).max())
    assert np.abs(measured - gradient).max() < 1e-7

# %% [markdown]
# ## 为什么要反向？
#
# 既然量得出来，为什么还要算？因为代价。裁判每量一个数，网络就要跑两遍：这个网络有 6 + 2 + 2 + 1 = 11 个参数，
# 所以是 22 遍。784–1000–10 的网络（文档 000 §4.3 用这样的网络识别 28 × 28 的图片）有 795,010 个参数，
# 走一步就要跑 1,590,020 遍。反向时，前向的每个矩阵乘积对应两个矩阵乘积，所以代价大约相当于跑两遍，不管有多少参数：
# 它从 L 这一个数出发，为某一层算出来的东西，下面的各层共用。

# %%
assert sum(p.size for p in parameters) == 6 + 2 + 2 + 1 == 11
assert 28 * 28 == 784 and 784 * 1000 + 1000 + 1000 * 10 + 10 == 795_010
assert 2 * 795_010 == 1_590_020

# %% [markdown]
# ## 文档是怎么写的
#
# 本项目依据的五份文档里，有两份写了这条法则，两份都有疏漏：
#
# - 文档 000 §4.2 把误差只经过权重往回传，没有 dZ = dA ∘ (Z > 0) 这一行。于是关着的单元会从自己没说过的话里学习：
#   dW₁ 的右列变成 −10、0、2，而真正的斜率是 2、6、2。（另外，它从 y − a 出发，符号也反了。）
# - 文档 002 §4.2 先取 ∂损失/∂权重，再乘激活函数的导数。可是 ∂损失/∂权重*就是*链的终点，导数已经在里面了。
#
# [笔记本 05](05_the_documents_formulas_corrected.zh.py) 展示了这类疏漏会把训练变成什么样：常常是什么也看不出来。
# 所以，要量。

# %%
without_the_gate = X.T @ dA
same(without_the_gate[:, 1], [-10, 0, 2])
same(dW1[:, 1], [2, 6, 2])

# %% [markdown]
# ## 下山
#
# 走 40 步，α = 0.02。L 从 5 降到 0.001 以下。这个循环里的每一行，你都已经手算过。

# %%
parameters, losses = [W1, b1, W2, b2], []
for _ in range(40):
    W1, b1, W2, b2 = parameters
    Z = X @ W1 + b1
    A = np.maximum(0, Z)
    P = A @ W2 + b2
    losses.append(0.5 * np.sum((P - Y) ** 2))
    dP = P - Y
    dZ = dP @ W2.T * (Z > 0)
    gradients = [X.T @ dZ, dZ.sum(axis=0), A.T @ dP, dP.sum(axis=0)]
    parameters = [p - 0.02 * dp for p, dp in zip(parameters, gradients, strict=True)]
print(losses[0], losses[1], losses[-1])

same(losses[0], 5)
assert losses[-1] < 0.001

# %% [markdown]
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没做，● 表示对了；答错会报错，并把两边都列出来：ACTUAL 是你的，
# DESIRED 是裁判量出来的。每题都不超过三行。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
        return
    if not isinstance(right, tuple):
        mine, right = (mine,), (right,)
    for my, slopes_ in zip(mine, right, strict=True):
        np.testing.assert_allclose(my, slopes_, rtol=1e-5, atol=1e-7)
    print(f"{number} ●")

# %% [markdown]
# **1.** 路径。a = x + 1，b = x²，L = a b + b。∂L/∂x 是什么？（一共有几条路径？）

# %%
def gradient_of_x(x):
    ...


check(1, gradient_of_x(3.0), slope(lambda x: (x + 1) * x**2 + x**2, 3.0))

# %% [markdown]
# **2.** 均方误差要除以样本数 n，而且没有 ½：L = 1/n Σ (P − Y)²，P 和 Y 是 n × 1 的矩阵。dP 是什么？
# （文档 001 §2.5.1。）

# %%
def gradient_of_mse(p, y):
    ...


check(2, gradient_of_mse(P, Y - 1), slopes(lambda p: np.mean((p - (Y - 1)) ** 2), P))

# %% [markdown]
# **3.** 把 ReLU 换成 sigmoid：A = σ(Z) = 1/(1 + e^−Z)，它的斜率是 σ(Z) (1 − σ(Z))。已知 dA 和 A，dZ 是什么？

# %%
def gradient_of_z(da, a):
    ...


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


upstream = np.array([[-3.0, -6], [1, 2]])
check(3, gradient_of_z(upstream, sigmoid(Z)), slopes(lambda z: np.sum(upstream * sigmoid(z)), Z))

# %% [markdown]
# **4.** 广播。Q = X ∘ s + c，其中 X 是 (2, 3)；s 是 (3,)，每个特征一个系数；c 是 (2, 1)，每个样本一个偏移。
# ds 和 dc 是什么？两个一起返回。注意形状。

# %%
def gradients_of_scale_and_offset(dq, x):
    ...


dQ, s, c = np.array([[1.0, 2, -1], [0, 3, 1]]), np.array([1.0, -1, 2]), np.array([[1.0], [2]])
measured = slopes(lambda s: np.sum(dQ * (X * s + c)), s), slopes(lambda c: np.sum(dQ * (X * s + c)), c)
check(4, gradients_of_scale_and_offset(dQ, X), measured)

# %% [markdown]
# **5.** 反向的复制。m 是 X 对各行取的均值，形状是 (3,)。已知 dm，dX 是什么？

# %%
def gradient_of_rows(dm, x):
    ...


dm = np.array([1.0, -2, 4])
check(5, gradient_of_rows(dm, X), slopes(lambda x: np.sum(dm * x.mean(axis=0)), X))

# %% [markdown]
# **6.** 用了两次的矩阵。R = (X W) Wᵀ：用同一个 W 先压缩，再还原。已知 dR，dW 是什么？把第二次用到的记作 V = Wᵀ，
# 先求第一次的 dW 和第二次的 dV，再想想路径。

# %%
def gradient_of_tied(dr, x, w):
    ...


dR, W = np.array([[1.0, 0, -1], [2, 1, 0]]), np.array([[1.0, -1], [0, 1], [2, 0]])
check(6, gradient_of_tied(dR, X, W), slopes(lambda w: np.sum(dR * (X @ w @ w.T)), W))

# %% [markdown]
# 下一篇：[磁带](02_the_tape.zh.py)，由它来写反向的那一半。
