# %% [markdown]
# # 06 · Attention by hand
#
# Three words, three small matrices, a pencil. You compute attention forward and backward on paper, and every number
# on this page is checked by a line of code below it.
#
# You need matrix products, the chain rule, and nothing else. At the end you know where each gradient comes from, why
# there is a √d, what masks and heads do, why positions are added, and how long texts fit into memory.
#
# Vaswani et al., "Attention is all you need", 2017.

# %%
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, nn, plot

LANGUAGE = "en"
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
        print(f"  {word:<6}{np.round(np.asarray(row), 5) + 0.0}")  # + 0.0: no minus zero

# %% [markdown]
# ## Forward
#
# ### Three words, three vectors
#
# Each word is a vector. Ours has three features: *thing*, *action*, *food*. A fish is a thing, and food.

# %%
X = np.array([[1.0, 0, 0],
              [0.0, 1, 0],
              [1.0, 0, 1]])
show("X =", X)

# %% [markdown]
# ### A question, a label, a message
#
# Each word makes three vectors out of its own:
#
# - a **query** q: what am I looking for?
# - a **key** k: what can others find me by?
# - a **value** v: what do I give to those who find me?
#
# Three matrices do this, and they are all that a network learns here: Q = X W_Q, K = X W_K, V = X W_V.
#
# One trick makes the page computable by pencil: queries are measured in units of ln 2. Then e to a score is a power
# of 2.

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
# ### Scores: S = Q Kᵀ / √d
#
# Row i, column j: how well does the question of word i fit the label of word j? A dot product, divided by √d.
# Queries and keys have d = 4 numbers, so √d = 2.
#
# By hand, "fish" asks "eats": 3 ln 2 · 2 = 6 ln 2, and halved 3 ln 2.

# %%
d = Q.shape[1]
S = Q @ K.T / np.sqrt(d)
show("S / ln 2 =", S / ln2)

assert d == 4
same(S / ln2, [[1, 0, 0], [1, 0, 1], [0, 3, 0]])

# %% [markdown]
# ### Softmax, row by row
#
# P = softmax(S): exponentiate, then divide each row by its sum. With ln 2 as the unit the exponentials are 1, 2 and 8:
#
# | | cat | eats | fish | sum | weights |
# |---|---|---|---|---|---|
# | cat | 2 | 1 | 1 | 4 | 0.5, 0.25, 0.25 |
# | eats | 2 | 1 | 2 | 5 | 0.4, 0.2, 0.4 |
# | fish | 1 | 8 | 1 | 10 | 0.1, 0.8, 0.1 |
#
# A row is what one word pays attention to. It sums to 1: attention is divided, never multiplied.

# %%
def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))  # the largest becomes e⁰: nothing overflows
    return e / e.sum(axis=-1, keepdims=True)


same(np.exp(S), [[2, 1, 1], [2, 1, 2], [1, 8, 1]])
P = softmax(S)
show("P =", P)

same(P, [[0.5, 0.25, 0.25], [0.4, 0.2, 0.4], [0.1, 0.8, 0.1]])
same(P.sum(axis=1), 1)

# %% [markdown]
# The same table as a picture. Read it by rows.

# %%
Image.open(plot.attention_map(P, words, path=pictures / "weights.png"))

# %% [markdown]
# ### The output: Y = P V
#
# Every word takes the weighted mean of the values. By hand, the first row:
# 0.5 · (1, 0) + 0.25 · (0, 1) + 0.25 · (1, 1) = (0.75, 0.5).

# %%
Y = P @ V
show("Y =", Y)

same(Y, [[0.75, 0.5], [0.8, 0.6], [0.2, 0.9]])

# %% [markdown]
# That is all of attention. The engine has it as one function.

# %%
same(F.attention_weights(Q, K), P)
same(F.scaled_dot_product_attention(Q, K, V), Y)

# %% [markdown]
# ### A mean stays inside
#
# Weights are positive and sum to 1, so every output lies inside the triangle of the three values. Attention mixes what
# is there. It cannot invent.

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
# ### Why √d?
#
# A dot product of d random numbers with d others is a sum of d terms. If each factor has variance 1, each term has
# variance 1, and the sum has variance d. Measured, with 16,000 dot products for each d:

# %%
rng = np.random.default_rng(0)
widths = [1, 4, 16, 64, 256]
scores = {n: (rng.standard_normal((2000, 1, n)) * rng.standard_normal((2000, 8, n))).sum(axis=-1) for n in widths}
for n in widths:
    print(f"d = {n:3}   Var(q · k) = {scores[n].var():6.2f}   Var(q · k / √d) = {scores[n].var() / n:.3f}")

assert scores[16].size == 16_000
assert all(abs(scores[n].var() / n - 1) < 0.03 for n in widths)

# %% [markdown]
# Large scores make softmax choose one key and forget the others. Among 8 random keys with d = 256, the largest weight
# is 0.94 on average without √d, and 0.36 with it.
#
# Worse, where softmax has chosen it no longer learns. Its derivative (next chapter) shrinks from 0.35 at d = 1 to 0.08
# at d = 256. Divided by √d, it stays at 0.36 or 0.37 from d = 4 on.

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
# ## Backward
#
# Something comes after attention and ends in one number, the loss L. All it tells us is the upstream gradient
# dY = ∂L/∂Y, a matrix of Y's shape. Here we choose it. The simplest L with this gradient is L = Σ dY ∘ Y
# (∘ is the product of elements).
#
# −dY is each word's wish: where its output would like to go. "cat" wants to the lower left, "eats" to the upper right,
# "fish" to the upper left.

# %%
dY = np.array([[1.0, 2], [-1, -1], [1, -1]])
L = (dY * Y).sum()
show("dY =", dY)
print(f"L = {L:.2f}")

same(L, -0.35)

# %% [markdown]
# ### ∂L/∂V = Pᵀ dY
#
# Forward, value j went to word i with weight P[i, j]. Backward, the wish of word i returns to value j with the same
# weight. The message goes home the way it came: the matrix P becomes Pᵀ.
#
# By hand, the value of "cat" hears all three: 0.5 · (1, 2) + 0.4 · (−1, −1) + 0.1 · (1, −1) = (0.2, 0.5).

# %%
dV = P.T @ dY
show("dV =", dV)

same(dV, [[0.2, 0.5], [0.85, -0.5], [-0.05, 0]])

# %% [markdown]
# ### ∂L/∂P = dY Vᵀ
#
# What if word i looked at word j a little more? More of v_j would flow into y_i, and L would change by dY[i] · v_j.
# So dP[i, j] is how well value j agrees with the gradient of word i. Positive: bad for L, look less.

# %%
dP = dY @ V.T
show("dP =", dP)

same(dP, [[1, 2, 3], [-1, -1, -2], [1, -1, 0]])

# %% [markdown]
# ### Softmax's Jacobian
#
# Weights do not move alone: when one score goes up, its weight grows and the others shrink. For one row p:
#
#     ∂p_j / ∂s_k = p_j (1 − p_j)   if j = k
#                 = − p_j p_k        otherwise
#
# As a matrix: J = diag(p) − p pᵀ. By hand, for "cat", p = (0.5, 0.25, 0.25):
#
#     J = [[ 0.25 , −0.125 , −0.125 ],
#          [−0.125,  0.1875, −0.0625],
#          [−0.125, −0.0625,  0.1875]]
#
# Each row and each column sums to 0: what one weight wins, the others lose.

# %%
p = P[0]
J = np.diag(p) - np.outer(p, p)
show("J =", J)

same(J, [[0.25, -0.125, -0.125], [-0.125, 0.1875, -0.0625], [-0.125, -0.0625, 0.1875]])
same(J.sum(axis=0), 0)
same(J.sum(axis=1), 0)
same(J, tz.jacobian(F.softmax, tz.tensor(S[0])))

# %% [markdown]
# The chain rule multiplies the row's gradient with J: dS[0] = J dP[0]. By hand, the first number:
# 0.25 · 1 − 0.125 · 2 − 0.125 · 3 = −0.375.

# %%
print(J @ dP[0])

same(J @ dP[0], [-0.375, 0.0625, 0.3125])

# %% [markdown]
# ### Without the matrix
#
# Nobody builds J. Multiply out, and it is gone:
#
#     J dp = diag(p) dp − p (pᵀ dp) = p ∘ (dp − p · dp)
#
# p · dp is the weighted mean of dp: how this word's attention does on average. So the formula says: **a score should
# move by how much its key differs from the average, times its weight.** For "cat" the average is 0.5 · 1 + 0.25 · 2 +
# 0.25 · 3 = 1.75. "cat" is better than that (1), "fish" is worse (3).
#
# The average has a second form, which needs no P at all:
# p · dp = Σ_j p_j (dy · v_j) = dy · Σ_j p_j v_j = **dy · y**.
# That is the row sum of dY ∘ Y. This small fact is what makes attention over long texts affordable, as you will see.

# %%
average = (dY * Y).sum(axis=1, keepdims=True)
dS = P * (dP - average)
show("dS =", dS)

same(average, (P * dP).sum(axis=1, keepdims=True))
same(average, [[1.75], [-1.4], [-0.7]])
same(dS[0], J @ dP[0])
same(dS, [[-0.375, 0.0625, 0.3125], [0.16, 0.08, -0.24], [0.17, -0.24, 0.07]])

# %% [markdown]
# Three matrices, one story. In dP and dS red says: less of this, and blue: more. In the last row "eats" is 0.3 better
# than the average and "cat" 1.7 worse, yet the larger change goes to "eats" (−0.24 against 0.17): it has the larger
# weight. **Where a weight is near 0, nothing is learned, however wrong it is.**

# %%
figure, panels = plt.subplots(1, 3, figsize=(8.4, 3.2), layout="constrained")
for axes, matrix, title in zip(panels, [P, dP, dS], ["P", "dP", "dS = P ∘ (dP − dY · Y)"], strict=True):
    most = abs(matrix).max() * 1.6  # pale enough to read on
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
# ### A difference you can see
#
# Do you believe 0.3125 for "cat" looking at "fish"? Raise that one score by h, lower it by h, and look at L.

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
# ### ∂L/∂Q = dS K / √d,   ∂L/∂K = dSᵀ Q / √d
#
# S = Q Kᵀ / √d is a matrix product, so these two are the ordinary rule. A query moves along the keys, each weighted by
# its dS. A key moves along the queries that asked for it.
#
# By hand, the query of "eats": (0.16 · (1, 1, 0, 0) + 0.08 · (0, 0, 2, 2) − 0.24 · (1, 0, 1, 0)) / 2
# = (−0.04, 0.08, −0.04, 0.08).

# %%
dQ = dS @ K / np.sqrt(d)
dK = dS.T @ Q / np.sqrt(d)
show("dQ =", dQ)
show("dK / ln 2 =", dK / ln2)

same(dQ, [[-0.03125, -0.1875, 0.21875, 0.0625], [-0.04, 0.08, -0.04, 0.08], [0.12, 0.085, -0.205, -0.24]])
same(dK / ln2, [[0.16, -0.375, 0, 0.255], [0.08, 0.0625, 0, -0.36], [-0.24, 0.3125, 0, 0.105]])

# %% [markdown]
# ### The engine says the same
#
# One forward, one backward, three gradients. Then finite differences for every element of Q, K and V.

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
# The engine's backward is what you have just written. Read it: `tinygrad-zh formulas attention` prints it.

# %% [markdown]
# ### Two sums are zero
#
# Every row of dS sums to 0: adding one number to a whole row of scores changes no weight.
#
# And the three rows of dK sum to the zero vector. Shift all keys by the same b: every score of row i grows by the same
# q_i · b / √d, and softmax does not notice. **So a bias on the keys never learns anything.**

# %%
same(dS.sum(axis=1), 0)
same(dK.sum(axis=0), 0)
same(F.scaled_dot_product_attention(Q, K + np.array([5, -7, 1, 2]), V), Y)

# %% [markdown]
# ### Back to the words
#
# In self-attention X enters three times, as questions, labels and messages. Its gradient is the sum of three:
# dX = dQ W_Qᵀ + dK W_Kᵀ + dV W_Vᵀ. The matrices get W's usual gradient, dW_Q = Xᵀ dQ, and so on.

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
# ### Downhill
#
# Now move the scores along −dS for 40 steps of 0.5 and watch. The grey arrows are the wishes, −dY. Each output walks
# to the value that suits its wish best: "cat" to its own, "eats" to "fish", "fish" to "eats". The weights there are
# above 0.9. The wish of "cat" points out of the triangle, where no weights lead, so it slides along the inside.

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
# ## Masks
#
# A mask says who may look at whom: true is allowed. Where it is false the score becomes −∞, and e^−∞ = 0: the weight
# is exactly 0. The backward needs no new line. dS = P ∘ (…), and where P is 0, dS is 0.

# %% [markdown]
# ### Padding
#
# Sentences in a batch have different lengths, so the short ones are filled up. Nobody may look at the filling. Then it
# does not matter what stands there: the result is the same, and its gradients are exactly 0.

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
# ### Causal
#
# A model that writes must not see what it has yet to write: word i looks at j ≤ i only. The first word sees itself
# alone. "eats" sees exponentials 2 and 1, so its weights are 2/3 and 1/3. "fish" sees all, as before.

# %%
causal = np.tri(3, dtype=bool)
print(causal)
show("P =", F.attention_weights(Q, K, mask=causal))

same(F.attention_weights(Q, K, mask=causal), [[1, 0, 0], [2 / 3, 1 / 3, 0], [0.1, 0.8, 0.1]])
same(F.attention_weights(Q, K, is_causal=True), F.attention_weights(Q, K, mask=causal))

# %% [markdown]
# Change the last word as you like: the outputs before it stay what they were. That is why a whole text can be trained
# on at once, every position predicting its next word.

# %%
other = X.copy()
other[2] = [3, -1, 4]
before = F.scaled_dot_product_attention(Q, K, V, is_causal=True)
after = F.scaled_dot_product_attention(other @ W_Q, other @ W_K, other @ W_V, is_causal=True)
same(after[:2], before[:2])
assert np.abs(after[2] - before[2]).max() > 0.1

# %% [markdown]
# ### A word that may look at nothing
#
# Then softmax is 0 / 0, which is not a number, and it spreads through the whole network. The engine has a convention:
# who may look at nothing gets the zero vector, and sends zero gradients. The others do not notice.

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
# ## Two heads
#
# ### A mean forgets who is who
#
# "eats" gave 0.4 to "cat" and 0.4 to "fish". Swap the two, and its output is the same: who eats whom is lost. With two
# heads one can look at the eater and the other at the food. Put side by side, the two answers are not confused.

# %%
cat, _, fish = V
same(0.4 * cat + 0.4 * fish, 0.4 * fish + 0.4 * cat)
assert np.concatenate([cat, fish]).tolist() != np.concatenate([fish, cat]).tolist()

# %% [markdown]
# ### By hand
#
# A head is attention on a part of the columns. Width 4, two heads: the first takes columns 0 and 1, the second 2 and
# 3, each with its own weights and √2 instead of √4. The outputs stand side by side, and one last matrix W_O mixes
# them.
#
# Heads cost nothing extra: the matrices are as large as for one head.

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
# ### As a layer
#
# `nn.MultiHeadAttention` cuts the columns with a reshape instead of a loop. The numbers are the same.

# %%
y, p = layer(x, return_weights=True)
same(y, by_hand)
same(p, weights)

one_head = nn.MultiHeadAttention(width=4, heads=1)
assert sum(w.size for w in layer.parameters()) == sum(w.size for w in one_head.parameters()) == 4 * (4 * 4 + 4)

Image.open(plot.attention_map(p.numpy(), words, path=pictures / "heads.png"))

# %% [markdown]
# And the sum that is zero: after a backward pass the keys' bias has no gradient but rounding. The queries' bias has
# one.

# %%
F.sum(y * np.random.default_rng(1).standard_normal((3, 4))).backward()
print(layer.key.b.grad)
print(layer.query.b.grad)

same(layer.key.b.grad, 0)
assert np.abs(layer.query.b.grad.numpy()).max() > 1e-3

# %% [markdown]
# ## Order
#
# ### Attention sees no order
#
# Nothing so far knew which word came first. Reorder the words, and the outputs are reordered, nothing else:
# attention(X[π]) = attention(X)[π]. "cat eats fish" and "fish eats cat" are the same to it.

# %%
order = [2, 1, 0]
same(layer(x[order]), layer(x)[order])

# %% [markdown]
# ### Positions as clock hands
#
# So the position is written into the vector: x_i + position(i). Every pair of columns is a clock hand that turns at
# its own speed, the first fastest:
#
#     position(i) = (sin i, cos i, sin i/100, cos i/100)       for width 4
#
# Position 0 is (0, 1, 0, 1): all hands point up. Now the two sentences differ.

# %%
position = nn.sinusoidal(3, 4)
show("position =", position, rows=range(3))

i = np.arange(3)
same(position, np.stack([np.sin(i), np.cos(i), np.sin(i / 100), np.cos(i / 100)], axis=1))
same(position[0], [0, 1, 0, 1])
assert np.abs(layer(x[order] + position) - layer(x + position)[order]).max() > 0.05

# %% [markdown]
# Why clock hands? To go s steps further is to turn each hand by a fixed angle, wherever you start. So position(i) ·
# position(j) depends on the distance j − i alone, and a learned matrix can ask for "three words back". On the right,
# every diagonal has one colour.

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
# ## Long texts
#
# ### The problem
#
# P has n² numbers. At n = 100,000 words that is 10,000,000,000 for each head. But Y has only n rows. Must P ever
# exist?
#
# ### The sum can be taken in blocks
#
# Go over the keys a block at a time. Keep three things for each row: the largest score so far, the sum of the
# exponentials, and the sum of exponentials times values. If a larger score comes, everything so far was measured from
# the wrong maximum: multiply it by e^(old − new).

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
# By hand, "fish", one key at a time. Its scores are 0, 3 ln 2, 0, its values (1, 0), (0, 1), (1, 1).
#
# | after | top | total | y |
# |---|---|---|---|
# | cat | 0 | 1 | (1, 0) |
# | eats | 3 ln 2, so all before is divided by 8 | 1/8 + 1 = 1.125 | (0.125, 1) |
# | fish | 3 ln 2, and e^(0 − 3 ln 2) = 1/8 | 1.125 + 1/8 = 1.25 | (0.25, 1.125) |
#
# Last, y / total = (0.2, 0.9). It is the row that we know.

# %%
total, y = 1.0, V[0]
total, y = total / 8 + 1, y / 8 + V[1]
same([total, *y], [1.125, 0.125, 1])
total, y = total + 1 / 8, y + V[2] / 8
same([total, *y], [1.25, 0.25, 1.125])
same(y / total, [0.2, 0.9])
same(y / total, Y[2])

# %% [markdown]
# ### The same numbers, a small part of the memory
#
# 2,048 words. The plain formula holds matrices of 2,048 × 2,048, the blocked one of 2,048 × 128: less than a tenth of
# the memory. `F.blocked_attention` is the engine's, with a backward.
#
# The backward goes over the blocks too. It computes P again, block by block, from the sum that was kept, and it needs
# the average of dP: which is dY · Y, two arrays that are there anyway. (Dao et al., FlashAttention, 2022.)

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
# ## Exercises
#
# Replace each `...` by your answer and run the cell. ○ means not tried yet, ● means right, and a wrong answer is an
# error. All of them need what is on this page, and no more than three lines.

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
# **1.** A window: a mask of n × n that lets word i look at j only if they are at most `reach` apart.

# %%
def window(n, reach):
    ...


check(1, window(4, 1), [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]])

# %% [markdown]
# **2.** A learned number c stands where 1/√d stood: S = c Q Kᵀ. What is ∂L/∂c? (One number.)

# %%
def gradient_of_c(ds, q, k):
    ...


check(2, gradient_of_c(dS, Q, K), gradient(lambda c: F.softmax(c * (Q @ K.T)) @ V, np.array(0.5))[0])

# %% [markdown]
# **3.** A learned matrix B is added to the scores, to say how much each distance matters: S = Q Kᵀ/√d + B. What is
# ∂L/∂B?

# %%
def gradient_of_b(p, dp):
    ...


check(3, gradient_of_b(P, dP), gradient(lambda b: F.softmax(S + b) @ V, np.zeros((3, 3)))[0])

# %% [markdown]
# **4.** No matrices at all: Q = K = V = X, here a matrix `x` of 3 × 2. What is ∂L/∂x?

# %%
def gradient_of_x(dy, x, p, ds):
    ...


x = np.array([[1.0, 2], [0, 1], [-1, 1]])
p = softmax(x @ x.T / np.sqrt(2))
ds = p * (dY @ x.T - (dY * (p @ x)).sum(axis=1, keepdims=True))
check(4, gradient_of_x(dY, x, p, ds), gradient(lambda x: F.scaled_dot_product_attention(x, x, x), x)[0])

# %% [markdown]
# **5.** Dropout on the weights: Y = (P ∘ M) V, where M holds 0 or 2. What is dS now? Mind which average is subtracted.

# %%
def gradient_of_s(p, m, dy, v):
    ...


M = np.array([[2.0, 0, 2], [0, 2, 2], [2, 2, 0]])
check(5, gradient_of_s(P, M, dY, V), gradient(lambda s: (F.softmax(s) * M) @ V, S)[0])

# %% [markdown]
# **6.** The blocked backward: given some of the keys and values, and each row's lse = ln Σ e^s over *all* keys, what
# are dK and dV of this block? No P is given: e^(s − lse) is a weight.

# %%
def gradients_of_block(dy, q, k, v, y, lse):
    ...


lse = np.log(np.exp(S).sum(axis=1, keepdims=True))
check(6, gradients_of_block(dY, Q, K[1:], V[1:], Y, lse), (dK[1:], dV[1:]))
