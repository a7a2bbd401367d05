# %% [markdown]
# # 06 · 手算注意力
#
# 三个词，三个小矩阵，一支铅笔。你在纸上算出注意力的前向与反向，本页出现的每个数，下面都有一行代码核对。
#
# 只需要会矩阵乘法和链式法则。读完之后，你会明白：每个梯度从哪里来，为什么要除以 √d，掩码和多头做了什么，
# 为什么要加位置编码，长文本又怎样装进内存。
#
# 出处：Vaswani 等，《Attention is all you need》，2017 年。

# %%
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, nn, plot

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
words = {"en": ["cat", "eats", "fish"], "zh": ["猫", "吃", "鱼"]}[LANGUAGE]
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def show(name, matrix, rows=words):
    print(name)
    for word, row in zip(rows, matrix, strict=True):
        print(f"  {word:<6}{np.round(np.asarray(row), 5) + 0.0}")  # + 0.0：不显示负零

# %% [markdown]
# ## 前向
#
# ### 三个词，三个向量
#
# 每个词是一个向量。这里有三个特征：事物、动作、食物。鱼是事物，也是食物。

# %%
X = np.array([[1.0, 0, 0],
              [0.0, 1, 0],
              [1.0, 0, 1]])
show("X =", X)

# %% [markdown]
# ### 一个问题，一个标签，一条消息
#
# 每个词从自己的向量得到三个新的向量：
#
# - **查询** q：我在找什么？
# - **键** k：别人凭什么找到我？
# - **值** v：找到我的人，我给他什么？
#
# 这由三个矩阵完成，网络在这里要学的也只有它们：Q = X W_Q，K = X W_K，V = X W_V。
#
# 有一个小窍门，让整页都能用铅笔算：查询以 ln 2 为单位。这样 e 的分数次方就是 2 的幂。

# %%
ln2 = np.log(2)
W_Q = ln2 * np.array([[0.0, 2, 0, 0], [2, 0, 0, 0], [0, -2, 0, 3]])
W_K = np.array([[1.0, 1, 0, 0], [0, 0, 2, 2], [0, -1, 1, 0]])
W_V = np.array([[1.0, 0], [0, 1], [0, 1]])

Q, K, V = X @ W_Q, X @ W_K, X @ W_V
show("Q / ln 2 =", Q / ln2)
show("K =", K)
show("V =", V)

same(Q / ln2, [[0, 2, 0, 0], [2, 0, 0, 0], [0, 0, 0, 3]])
same(K, [[1, 1, 0, 0], [0, 0, 2, 2], [1, 0, 1, 0]])
same(V, [[1, 0], [0, 1], [1, 1]])

# %% [markdown]
# ### 分数：S = Q Kᵀ / √d
#
# 第 i 行第 j 列：第 i 个词的问题，与第 j 个词的标签有多相配？一个点积，再除以 √d。
# 查询和键有 d = 4 个数，所以 √d = 2。
#
# 手算一个：“鱼”问“吃”，3 ln 2 · 2 = 6 ln 2，减半得 3 ln 2。

# %%
d = Q.shape[1]
S = Q @ K.T / np.sqrt(d)
show("S / ln 2 =", S / ln2)

assert d == 4
same(S / ln2, [[1, 0, 0], [1, 0, 1], [0, 3, 0]])

# %% [markdown]
# ### 逐行 softmax
#
# P = softmax(S)：先取指数，再把每一行除以它的和。以 ln 2 为单位，指数就是 1、2 和 8：
#
# | | 猫 | 吃 | 鱼 | 和 | 权重 |
# |---|---|---|---|---|---|
# | 猫 | 2 | 1 | 1 | 4 | 0.5, 0.25, 0.25 |
# | 吃 | 2 | 1 | 2 | 5 | 0.4, 0.2, 0.4 |
# | 鱼 | 1 | 8 | 1 | 10 | 0.1, 0.8, 0.1 |
#
# 一行就是一个词的注意力如何分配。每行的和是 1：注意力只能分配，不会变多。

# %%
def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))  # 最大的变成 e⁰，不会溢出
    return e / e.sum(axis=-1, keepdims=True)


same(np.exp(S), [[2, 1, 1], [2, 1, 2], [1, 8, 1]])
P = softmax(S)
show("P =", P)

same(P, [[0.5, 0.25, 0.25], [0.4, 0.2, 0.4], [0.1, 0.8, 0.1]])
same(P.sum(axis=1), 1)

# %% [markdown]
# 同一张表，画成图。要一行一行地读。

# %%
Image.open(plot.attention_map(P, words, path=pictures / "weights.png"))

# %% [markdown]
# ### 输出：Y = P V
#
# 每个词取各个值的加权平均。手算第一行：
# 0.5 · (1, 0) + 0.25 · (0, 1) + 0.25 · (1, 1) = (0.75, 0.5)。

# %%
Y = P @ V
show("Y =", Y)

same(Y, [[0.75, 0.5], [0.8, 0.6], [0.2, 0.9]])

# %% [markdown]
# 注意力的全部就是这些。在引擎里它是一个函数。

# %%
same(F.attention_weights(Q, K), P)
same(F.scaled_dot_product_attention(Q, K, V), Y)

# %% [markdown]
# ### 平均值出不了圈
#
# 权重为正，和为 1，所以每个输出都在三个值围成的三角形之内。注意力只是混合已有的东西，不会凭空造出新的。

# %%
def triangle(axes):
    axes.fill(*V.T, facecolor="#0072B2", alpha=0.1, edgecolor="#0072B2")
    for word, v, offset in zip(words, V, [(8, -4), (-8, 8), (8, 0)], strict=True):
        axes.annotate(f"v({word})", v, offset, textcoords="offset points", color="#0072B2",
                      ha="right" if offset[0] < 0 else "left")
    axes.set(xlim=(-0.25, 1.35), ylim=(-0.2, 1.2), aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)


figure, axes = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
triangle(axes)
axes.plot(*Y.T, "o", color="#D55E00")
for word, y in zip(words, Y, strict=True):
    axes.annotate(f"y({word})", y, (7, -9), textcoords="offset points", color="#D55E00")
figure.savefig(pictures / "triangle.png", dpi=160)

# %% [markdown]
# ### 为什么除以 √d？
#
# d 个随机数与另外 d 个随机数的点积，是 d 项之和。若每个因子的方差是 1，则每一项的方差是 1，总和的方差就是 d。
# 实测如下，每个 d 取 16,000 个点积：

# %%
rng = np.random.default_rng(0)
widths = [1, 4, 16, 64, 256]
scores = {n: (rng.standard_normal((2000, 1, n)) * rng.standard_normal((2000, 8, n))).sum(axis=-1) for n in widths}
for n in widths:
    print(f"d = {n:3}   Var(q · k) = {scores[n].var():6.2f}   Var(q · k / √d) = {scores[n].var() / n:.3f}")

assert scores[16].size == 16_000
assert all(abs(scores[n].var() / n - 1) < 0.03 for n in widths)

# %% [markdown]
# 分数太大，softmax 就只选一个键，忘掉其余的。8 个随机的键，d = 256 时，不除以 √d，最大权重平均是 0.94；除了，是 0.36。
#
# 更糟的是，softmax 一旦选定，就几乎不再学习。它的导数（见下一章）从 d = 1 时的 0.35 缩到 d = 256 时的 0.08。
# 除以 √d 之后，从 d = 4 起一直是 0.36 或 0.37。

# %%
def largest(s):
    return softmax(s).max(axis=-1).mean()


def steepness(s):
    """‖diag(p) − p pᵀ‖"""
    p = softmax(s)
    J = p[..., None] * np.eye(8) - p[..., None] * p[..., None, :]
    return np.linalg.norm(J, axis=(-2, -1)).mean()


figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for axes, quantity, title in zip(panels, [largest, steepness], ["max P", "‖∂P/∂S‖"], strict=True):
    axes.semilogx(widths, [quantity(scores[n]) for n in widths], "o-", color="#D55E00", label="Q Kᵀ", base=2)
    axes.semilogx(widths, [quantity(scores[n] / np.sqrt(n)) for n in widths], "o-", color="#0072B2", label="Q Kᵀ / √d",
                  base=2)
    axes.set(xlabel="d", title=title, ylim=0, xticks=widths, xticklabels=widths)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(pictures / "root-d.png", dpi=160)

assert [round(largest(s), 2) for s in (scores[256], scores[256] / 16)] == [0.94, 0.36]
assert [round(steepness(s), 2) for s in (scores[1], scores[256])] == [0.35, 0.08]
assert {round(steepness(scores[n] / np.sqrt(n)), 2) for n in widths[1:]} == {0.36, 0.37}

# %% [markdown]
# ## 反向
#
# 注意力之后还有别的运算，最后得到一个数，即损失 L。它告诉我们的只有上游梯度 dY = ∂L/∂Y，形状与 Y 相同。这里由我们来选。
# 有这个梯度的最简单的损失是 L = Σ dY ∘ Y（∘ 表示逐元素相乘）。
#
# −dY 是每个词的愿望：它的输出想往哪里去。“猫”想往左下，“吃”想往右上，“鱼”想往左上。

# %%
dY = np.array([[1.0, 2], [-1, -1], [1, -1]])
L = (dY * Y).sum()
show("dY =", dY)
print(f"L = {L:.2f}")

same(L, -0.35)

# %% [markdown]
# ### ∂L/∂V = Pᵀ dY
#
# 前向时，值 j 以权重 P[i, j] 流向词 i。反向时，词 i 的愿望以同样的权重回到值 j。消息原路返回：P 变成 Pᵀ。
#
# 手算：“猫”的值听到三个声音，0.5 · (1, 2) + 0.4 · (−1, −1) + 0.1 · (1, −1) = (0.2, 0.5)。

# %%
dV = P.T @ dY
show("dV =", dV)

same(dV, [[0.2, 0.5], [0.85, -0.5], [-0.05, 0]])

# %% [markdown]
# ### ∂L/∂P = dY Vᵀ
#
# 如果词 i 对词 j 多看一点，会怎样？流入 y_i 的 v_j 变多，L 的变化是 dY[i] · v_j。
# 所以 dP[i, j] 就是值 j 与词 i 的梯度有多一致。为正，表示会让 L 变大，应该少看。

# %%
dP = dY @ V.T
show("dP =", dP)

same(dP, [[1, 2, 3], [-1, -1, -2], [1, -1, 0]])

# %% [markdown]
# ### softmax 的雅可比矩阵
#
# 权重不会独自变化：一个分数升高，它的权重变大，其余的变小。对一行 p：
#
#     ∂p_j / ∂s_k = p_j (1 − p_j)   当 j = k
#                 = − p_j p_k        其他
#
# 写成矩阵：J = diag(p) − p pᵀ。手算“猫”这一行，p = (0.5, 0.25, 0.25)：
#
#     J = [[ 0.25 , −0.125 , −0.125 ],
#          [−0.125,  0.1875, −0.0625],
#          [−0.125, −0.0625,  0.1875]]
#
# 每行、每列的和都是 0：一个权重得到的，就是其余权重失去的。

# %%
p = P[0]
J = np.diag(p) - np.outer(p, p)
show("J =", J)

same(J, [[0.25, -0.125, -0.125], [-0.125, 0.1875, -0.0625], [-0.125, -0.0625, 0.1875]])
same(J.sum(axis=0), 0)
same(J.sum(axis=1), 0)
same(J, tz.jacobian(F.softmax, tz.tensor(S[0])))

# %% [markdown]
# 链式法则：这一行的梯度乘以 J，dS[0] = J dP[0]。手算第一个数：
# 0.25 · 1 − 0.125 · 2 − 0.125 · 3 = −0.375。

# %%
print(J @ dP[0])

same(J @ dP[0], [-0.375, 0.0625, 0.3125])

# %% [markdown]
# ### 不用矩阵
#
# 没有人真的去造 J。乘开来，它就消失了：
#
#     J dp = diag(p) dp − p (pᵀ dp) = p ∘ (dp − p · dp)
#
# p · dp 是 dp 的加权平均：这个词的注意力平均起来做得如何。所以公式说的是：**一个分数该变多少，等于它的键比平均差多少，
# 再乘以它的权重**。对“猫”来说，平均是 0.5 · 1 + 0.25 · 2 + 0.25 · 3 = 1.75。“猫”（1）比平均好，“鱼”（3）比平均差。
#
# 这个平均还有另一种写法，完全不需要 P：
# p · dp = Σ_j p_j (dy · v_j) = dy · Σ_j p_j v_j = **dy · y**。
# 它就是 dY ∘ Y 的行和。正是这个小小的等式，让长文本的注意力算得起，后面会看到。

# %%
average = (dY * Y).sum(axis=1, keepdims=True)
dS = P * (dP - average)
show("dS =", dS)

same(average, (P * dP).sum(axis=1, keepdims=True))
same(average, [[1.75], [-1.4], [-0.7]])
same(dS[0], J @ dP[0])
same(dS, [[-0.375, 0.0625, 0.3125], [0.16, 0.08, -0.24], [0.17, -0.24, 0.07]])

# %% [markdown]
# 三个矩阵，一个故事。dP 和 dS 里，红色：少一点；蓝色：多一点。最后一行里，“吃”比平均好 0.3，“猫”比平均差 1.7，
# 然而变化更大的是“吃”（−0.24，“猫”是 0.17）：它的权重更大。**权重接近 0 的地方，错得再多也学不到什么。**

# %%
figure, panels = plt.subplots(1, 3, figsize=(8.4, 3.2), layout="constrained")
for axes, matrix, title in zip(panels, [P, dP, dS], ["P", "dP", "dS = P ∘ (dP − dY · Y)"], strict=True):
    most = abs(matrix).max() * 1.6  # 底色浅一些，数字才看得清
    axes.imshow(matrix, cmap="PuOr" if matrix is P else "RdBu_r", vmin=-most, vmax=most)
    for i, j in np.ndindex(3, 3):
        axes.text(j, i, f"{matrix[i, j]:.4g}", ha="center", va="center")
    axes.set(title=title, xticks=range(3), yticks=range(3), xticklabels=words, yticklabels=words)
    axes.tick_params(length=0)
figure.savefig(pictures / "backward.png", dpi=160)

better = dP[2] - average[2]
same(better[[0, 1]], [1.7, -0.3])
same(dS[2, [0, 1]], [0.17, -0.24])

# %% [markdown]
# ### 用差分看一看
#
# “猫”看“鱼”的 0.3125，你信吗？把这一个分数升高 h，再降低 h，看看 L。

# %%
def loss_of_scores(s):
    return (dY * (softmax(s) @ V)).sum()


h = 1e-5
one = np.zeros((3, 3))
one[0, 2] = h
slope = (loss_of_scores(S + one) - loss_of_scores(S - one)) / (2 * h)
print(f"{slope:.6f}")

assert abs(slope - 0.3125) < 1e-8

# %% [markdown]
# ### ∂L/∂Q = dS K / √d，∂L/∂K = dSᵀ Q / √d
#
# S = Q Kᵀ / √d 是矩阵乘法，这两个就是普通的法则。查询沿着各个键移动，按 dS 加权；键沿着问过它的查询移动。
#
# 手算“吃”的查询：(0.16 · (1, 1, 0, 0) + 0.08 · (0, 0, 2, 2) − 0.24 · (1, 0, 1, 0)) / 2
# = (−0.04, 0.08, −0.04, 0.08)。

# %%
dQ = dS @ K / np.sqrt(d)
dK = dS.T @ Q / np.sqrt(d)
show("dQ =", dQ)
show("dK / ln 2 =", dK / ln2)

same(dQ, [[-0.03125, -0.1875, 0.21875, 0.0625], [-0.04, 0.08, -0.04, 0.08], [0.12, 0.085, -0.205, -0.24]])
same(dK / ln2, [[0.16, -0.375, 0, 0.255], [0.08, 0.0625, 0, -0.36], [-0.24, 0.3125, 0, 0.105]])

# %% [markdown]
# ### 引擎的答案相同
#
# 一次前向，一次反向，三个梯度。再对 Q、K、V 的每个元素做有限差分。

# %%
q, k, v = (tz.tensor(each, requires_grad=True) for each in (Q, K, V))
F.sum(F.scaled_dot_product_attention(q, k, v) * dY).backward()
same(q.grad, dQ)
same(k.grad, dK)
same(v.grad, dV)

report = tz.check.gradcheck(F.scaled_dot_product_attention, Q, K, V)
print(report)
assert report

# %% [markdown]
# 引擎里的反向，就是你刚才写下的。`tinygrad-zh formulas attention` 会把它印出来，不妨读一读。

# %% [markdown]
# ### 两个和为零
#
# dS 每一行的和是 0：给整行分数加上同一个数，权重不变。
#
# dK 的三行之和是零向量。把所有键都平移同一个 b：第 i 行的分数都增加 q_i · b / √d，softmax 毫无察觉。
# **所以，键的偏置永远学不到任何东西。**

# %%
same(dS.sum(axis=1), 0)
same(dK.sum(axis=0), 0)
same(F.scaled_dot_product_attention(Q, K + np.array([5, -7, 1, 2]), V), Y)

# %% [markdown]
# ### 回到词向量
#
# 自注意力中，X 出场三次：问题、标签、消息。它的梯度是三项之和：dX = dQ W_Qᵀ + dK W_Kᵀ + dV W_Vᵀ。
# 三个矩阵的梯度照旧：dW_Q = Xᵀ dQ，其余类推。

# %%
dX = dQ @ W_Q.T + dK @ W_K.T + dV @ W_V.T
show("dX =", dX)

x, w_q, w_k, w_v = (tz.tensor(each, requires_grad=True) for each in (X, W_Q, W_K, W_V))
F.sum(F.scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v) * dY).backward()
same(x.grad, dX)
same(w_q.grad, X.T @ dQ)
same(w_k.grad, X.T @ dK)
same(w_v.grad, X.T @ dV)

# %% [markdown]
# ### 下山
#
# 现在让分数沿 −dS 走 40 步，步长 0.5，看看会怎样。灰色箭头是愿望，即 −dY。每个输出都走向最合自己愿望的那个值：
# “猫”走向自己，“吃”走向“鱼”，“鱼”走向“吃”。终点处的权重都超过 0.9。
# “猫”的愿望指向三角形之外，而没有哪组权重能到那里，它就在三角形内滑过去。

# %%
s = S
path = [Y]
for _ in range(40):
    p = softmax(s)
    s = s - 0.5 * p * (dP - (p * dP).sum(axis=1, keepdims=True))
    path.append(softmax(s) @ V)

figure, axes = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
triangle(axes)
axes.quiver(*Y.T, *-dY.T / 10, color="#767676", angles="xy", scale_units="xy", scale=1, width=0.006)
for walk in np.stack(path, axis=1):
    axes.plot(*walk.T, ".-", ms=3, lw=1, color="#D55E00")
    axes.plot(*walk[0], "o", color="#D55E00")
figure.savefig(pictures / "downhill.png", dpi=160)

end = softmax(s)
show("P =", end)
assert end.argmax(axis=1).tolist() == [0, 2, 1] and end.max(axis=1).min() > 0.9

# %% [markdown]
# ## 掩码
#
# 掩码规定谁可以看谁：真表示允许。为假的地方，分数变成 −∞，而 e^−∞ = 0，权重恰好为 0。反向不必多写一行：
# dS = P ∘ (…)，P 为 0 的地方，dS 也为 0。

# %% [markdown]
# ### 填充
#
# 一批句子长短不一，短的要补齐。谁也不许看补上去的部分。这样，那里放什么都无所谓：结果不变，它的梯度恰好为 0。

# %%
filling = np.full((1, 4), 9.0)
q = tz.tensor(Q, requires_grad=True)
k = tz.tensor(np.vstack([K, filling]), requires_grad=True)
v = tz.tensor(np.vstack([V, filling[:, :2]]), requires_grad=True)
padded = F.scaled_dot_product_attention(q, k, v, mask=np.array([True, True, True, False]))
F.sum(padded * dY).backward()

same(padded, Y)
same(q.grad, dQ)
same(k.grad, np.vstack([dK, np.zeros((1, 4))]))
same(v.grad, np.vstack([dV, np.zeros((1, 2))]))

# %% [markdown]
# ### 因果
#
# 写文章的模型不能看到还没写的字：词 i 只看 j ≤ i。第一个词只看自己。“吃”看到的指数是 2 和 1，权重就是 2/3 和 1/3。
# “鱼”能看到全部，与之前相同。

# %%
causal = np.tri(3, dtype=bool)
print(causal)
show("P =", F.attention_weights(Q, K, mask=causal))

same(F.attention_weights(Q, K, mask=causal), [[1, 0, 0], [2 / 3, 1 / 3, 0], [0.1, 0.8, 0.1]])
same(F.attention_weights(Q, K, is_causal=True), F.attention_weights(Q, K, mask=causal))

# %% [markdown]
# 最后一个词随便改，前面的输出都不变。所以训练时可以一次处理整段文本，每个位置各自预测下一个词。

# %%
other = X.copy()
other[2] = [3, -1, 4]
before = F.scaled_dot_product_attention(Q, K, V, is_causal=True)
after = F.scaled_dot_product_attention(other @ W_Q, other @ W_K, other @ W_V, is_causal=True)
same(after[:2], before[:2])
assert np.abs(after[2] - before[2]).max() > 0.1

# %% [markdown]
# ### 什么都不许看的词
#
# 这时 softmax 是 0 / 0，不是一个数，而且会传遍整个网络。引擎的约定是：什么都不许看的词得到零向量，传回零梯度。
# 其他词不受影响。

# %%
with np.errstate(invalid="ignore"):
    assert np.isnan(softmax(np.full(3, -np.inf))).all()

nothing = np.array([[True, True, True], [False, False, False], [True, True, True]])
q, k, v = (tz.tensor(each, requires_grad=True) for each in (Q, K, V))
y = F.scaled_dot_product_attention(q, k, v, mask=nothing)
F.sum(y * dY).backward()
show("Y =", y)

same(y[1], 0)
same(q.grad[1], 0)
same(y[[0, 2]], Y[[0, 2]])
same(v.grad, P[[0, 2]].T @ dY[[0, 2]])

# %% [markdown]
# ## 两个头
#
# ### 平均值分不清谁是谁
#
# “吃”给“猫”0.4，给“鱼”0.4。把两者对调，输出不变：谁吃谁，丢失了。有两个头，就可以一个看吃的一方，一个看被吃的一方。
# 两个答案并排放着，不会混淆。

# %%
cat, _, fish = V
same(0.4 * cat + 0.4 * fish, 0.4 * fish + 0.4 * cat)
assert np.concatenate([cat, fish]).tolist() != np.concatenate([fish, cat]).tolist()

# %% [markdown]
# ### 手算
#
# 一个头，就是在一部分列上做的注意力。宽度 4，两个头：第一个取第 0、1 列，第二个取第 2、3 列，各有各的权重，
# 除的是 √2 而不是 √4。输出并排放好，最后由一个矩阵 W_O 混合。
#
# 多头没有额外开销：矩阵和单头时一样大。

# %%
tz.manual_seed(6)
layer = nn.MultiHeadAttention(width=4, heads=2)
x = np.random.default_rng(6).standard_normal((3, 4))

q, k, v = ((part(x)).numpy() for part in (layer.query, layer.key, layer.value))
weights = []
outputs = []
for columns in (slice(0, 2), slice(2, 4)):
    p = softmax(q[:, columns] @ k[:, columns].T / np.sqrt(2))
    weights.append(p)
    outputs.append(p @ v[:, columns])
by_hand = np.concatenate(outputs, axis=1) @ layer.output.W.numpy() + layer.output.b.numpy()
show("Y =", by_hand)

# %% [markdown]
# ### 作为一层
#
# `nn.MultiHeadAttention` 用 reshape 切分各列，而不用循环。结果相同。

# %%
y, p = layer(x, return_weights=True)
same(y, by_hand)
same(p, weights)

one_head = nn.MultiHeadAttention(width=4, heads=1)
assert sum(w.size for w in layer.parameters()) == sum(w.size for w in one_head.parameters()) == 4 * (4 * 4 + 4)

Image.open(plot.attention_map(p.numpy(), words, path=pictures / "heads.png"))

# %% [markdown]
# 还有那个等于零的和：反向之后，键的偏置除了舍入误差没有梯度，查询的偏置则有。

# %%
F.sum(y * np.random.default_rng(1).standard_normal((3, 4))).backward()
print(layer.key.b.grad)
print(layer.query.b.grad)

same(layer.key.b.grad, 0)
assert np.abs(layer.query.b.grad.numpy()).max() > 1e-3

# %% [markdown]
# ## 顺序
#
# ### 注意力看不见顺序
#
# 到现在为止，没有任何东西知道哪个词在前。把词重新排列，输出只是跟着重排：attention(X[π]) = attention(X)[π]。
# 在它眼里，“猫吃鱼”和“鱼吃猫”是一回事。

# %%
order = [2, 1, 0]
same(layer(x[order]), layer(x)[order])

# %% [markdown]
# ### 位置是一组钟表的指针
#
# 所以要把位置写进向量：x_i + position(i)。每两列是一根指针，各以自己的速度转动，第一根最快：
#
#     position(i) = (sin i, cos i, sin i/100, cos i/100)       宽度为 4 时
#
# 位置 0 是 (0, 1, 0, 1)：所有指针都朝上。现在两句话就不同了。

# %%
position = nn.sinusoidal(3, 4)
show("position =", position, rows=range(3))

i = np.arange(3)
same(position, np.stack([np.sin(i), np.cos(i), np.sin(i / 100), np.cos(i / 100)], axis=1))
same(position[0], [0, 1, 0, 1])
assert np.abs(layer(x[order] + position) - layer(x + position)[order]).max() > 0.05

# %% [markdown]
# 为什么用指针？往后走 s 步，就是每根指针转过一个固定的角度，与起点无关。
# 所以 position(i) · position(j) 只取决于距离 j − i，学到的矩阵可以表达“往前三个词”。右图中，每条对角线只有一种颜色。

# %%
positions = nn.sinusoidal(64, 32)
products = positions @ positions.T
figure, panels = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for axes, matrix, title in zip(panels, [positions, products], ["position", "position · positionᵀ"], strict=True):
    figure.colorbar(axes.imshow(matrix, cmap="PuOr" if matrix is positions else "Blues", aspect="auto"), ax=axes)
    axes.set(title=title)
figure.savefig(pictures / "positions.png", dpi=160)

same(products[1:, 1:], products[:-1, :-1])

# %% [markdown]
# ## 长文本
#
# ### 问题
#
# P 有 n² 个数。n = 100,000 个词时，每个头就是 10,000,000,000 个。但 Y 只有 n 行。P 真的需要存在吗？
#
# ### 求和可以分块
#
# 一块一块地走过所有的键。每一行只记三样东西：目前最大的分数，指数之和，指数乘以值之和。如果出现更大的分数，
# 之前的一切都是按错误的最大值算的，乘以 e^(旧 − 新) 即可。

# %%
def blocked(q, k, v, block):
    top = np.full((len(q), 1), -np.inf)
    total = np.zeros((len(q), 1))
    y = np.zeros((len(q), v.shape[1]))
    for j in range(0, len(k), block):
        s = q @ k[j : j + block].T / np.sqrt(q.shape[1])
        new = np.maximum(top, s.max(axis=1, keepdims=True))
        old, e = np.exp(top - new), np.exp(s - new)
        total = old * total + e.sum(axis=1, keepdims=True)
        y = old * y + e @ v[j : j + block]
        top = new
    return y / total


same(blocked(Q, K, V, block=1), Y)
same(blocked(Q, K, V, block=2), Y)
assert 100_000**2 == 10_000_000_000

# %% [markdown]
# 手算“鱼”，一次一个键。分数是 0、3 ln 2、0，值是 (1, 0)、(0, 1)、(1, 1)。
#
# | 之后 | 最大 | 和 | y |
# |---|---|---|---|
# | 猫 | 0 | 1 | (1, 0) |
# | 吃 | 3 ln 2，之前的全部除以 8 | 1/8 + 1 = 1.125 | (0.125, 1) |
# | 鱼 | 3 ln 2，而 e^(0 − 3 ln 2) = 1/8 | 1.125 + 1/8 = 1.25 | (0.25, 1.125) |
#
# 最后 y / 和 = (0.2, 0.9)。正是已知的那一行。

# %%
total, y = 1.0, V[0]
total, y = total / 8 + 1, y / 8 + V[1]
same([total, *y], [1.125, 0.125, 1])
total, y = total + 1 / 8, y + V[2] / 8
same([total, *y], [1.25, 0.25, 1.125])
same(y / total, [0.2, 0.9])
same(y / total, Y[2])

# %% [markdown]
# ### 同样的数，一小部分内存
#
# 2,048 个词。普通公式要存 2,048 × 2,048 的矩阵，分块的只要 2,048 × 128：不到十分之一的内存。
# `F.blocked_attention` 是引擎里的版本，带有反向。
#
# 反向也是分块进行的。P 由记下的和一块一块重新算出来；还需要 dP 的平均，它等于 dY · Y，两个数组本来就有。
# （Dao 等，FlashAttention，2022 年。）

# %%
def peak(function, *arguments):
    """Bytes"""
    tracemalloc.start()
    result = function(*arguments)
    bytes_ = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, bytes_


long_q, long_k, long_v = np.random.default_rng(2).standard_normal((3, 2048, 16))
plain, plain_bytes = peak(lambda q, k, v: softmax(q @ k.T / 4) @ v, long_q, long_k, long_v)
small, small_bytes = peak(blocked, long_q, long_k, long_v, 128)
print(f"{plain_bytes / 1e6:.0f} MB   {small_bytes / 1e6:.0f} MB")

same(small, plain)
same(F.blocked_attention(long_q, long_k, long_v), plain)
assert small_bytes < plain_bytes / 10

# %% [markdown]
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没有做，● 表示正确，答错会报错。
# 用到的都在本页，每题不超过三行。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        mine, right = (np.hstack(each) if isinstance(each, tuple) else each for each in (mine, right))
        np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-9)
        print(f"{number} ●")


def gradient(function, *arrays):
    """∂(Σ dY ∘ function)/∂(each array)"""
    leaves = [tz.tensor(each, requires_grad=True) for each in arrays]
    F.sum(function(*leaves) * dY).backward()
    return [leaf.grad.numpy() for leaf in leaves]

# %% [markdown]
# **1.** 窗口：一个 n × n 的掩码，只有当 i 与 j 相距不超过 `reach` 时，词 i 才可以看词 j。

# %%
def window(n, reach):
    ...


check(1, window(4, 1), [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]])

# %% [markdown]
# **2.** 把 1/√d 换成一个可学习的数 c：S = c Q Kᵀ。∂L/∂c 是什么？（一个数。）

# %%
def gradient_of_c(ds, q, k):
    ...


check(2, gradient_of_c(dS, Q, K), gradient(lambda c: F.softmax(c * (Q @ K.T)) @ V, np.array(0.5))[0])

# %% [markdown]
# **3.** 给分数加上一个可学习的矩阵 B，表示各个距离有多重要：S = Q Kᵀ/√d + B。∂L/∂B 是什么？

# %%
def gradient_of_b(p, dp):
    ...


check(3, gradient_of_b(P, dP), gradient(lambda b: F.softmax(S + b) @ V, np.zeros((3, 3)))[0])

# %% [markdown]
# **4.** 一个矩阵也不用：Q = K = V = X，这里 `x` 是 3 × 2 的矩阵。∂L/∂x 是什么？

# %%
def gradient_of_x(dy, x, p, ds):
    ...


x = np.array([[1.0, 2], [0, 1], [-1, 1]])
p = softmax(x @ x.T / np.sqrt(2))
ds = p * (dY @ x.T - (dY * (p @ x)).sum(axis=1, keepdims=True))
check(4, gradient_of_x(dY, x, p, ds), gradient(lambda x: F.scaled_dot_product_attention(x, x, x), x)[0])

# %% [markdown]
# **5.** 对权重做 dropout：Y = (P ∘ M) V，M 的元素是 0 或 2。现在 dS 是什么？注意减去的是哪个平均。

# %%
def gradient_of_s(p, m, dy, v):
    ...


M = np.array([[2.0, 0, 2], [0, 2, 2], [2, 2, 0]])
check(5, gradient_of_s(P, M, dY, V), gradient(lambda s: (F.softmax(s) * M) @ V, S)[0])

# %% [markdown]
# **6.** 分块的反向：给出一部分键和值，以及每一行对*全部*键的 lse = ln Σ e^s，这一块的 dK 与 dV 是什么？
# 没有给 P：e^(s − lse) 就是权重。

# %%
def gradients_of_block(dy, q, k, v, y, lse):
    ...


lse = np.log(np.exp(S).sum(axis=1, keepdims=True))
check(6, gradients_of_block(dY, Q, K[1:], V[1:], Y, lse), (dK[1:], dV[1:]))
