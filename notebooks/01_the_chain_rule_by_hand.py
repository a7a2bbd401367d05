# %% [markdown]
# # 01 · The chain rule by hand
#
# A network learns by one rule of calculus. On this page you use it with a pencil: first on numbers, then on a network
# of two layers, forward and backward. There is no library for gradients here, only NumPy. Every line of code is a line
# of mathematics, and every number in the words is checked by the code below them.
#
# You need derivatives (that of x² is 2x) and the product of two matrices. At the end you can derive the gradient of a
# matrix product, and will never have to remember it.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from tinygrad_zh import plot

LANGUAGE = "en"
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

FORWARD, BACKWARD = "#0072B2", "#D55E00"  # blue and orange, in every picture of this course
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)

# %% [markdown]
# ## A derivative is an exchange rate
#
# f(x) = x² at x = 3. The derivative is 2x = 6: **a small change of x comes back 6 times as large**. Move x by 0.01, and
# f moves from 9 to 9.0601, by 0.06 and a little more. The little more, 0.0001, is the square of the step; it fades
# faster than the step does.
#
# So any slope can be measured, whatever formula it came from: move x to both sides, and divide. This is your referee
# for the whole page.

# %%
def slope(f, x, h=1e-6):
    return (f(x + h) - f(x - h)) / (2 * h)


def square(x):
    return x**2


print(square(3.01) - square(3), slope(square, 3))

same(square(3.01), 9.0601)
same(slope(square, 3), 6, rtol=1e-6)

# %% [markdown]
# ## One after the other: multiply
#
# If 1 euro buys 8 yuan, and 1 yuan 20 yen, then 1 euro buys 160 yen. Rates in a row multiply. That is the chain rule:
#
#     L = u²          ∂L/∂u = 2u
#     u = 3x − 1      ∂u/∂x = 3
#     ∂L/∂x = ∂L/∂u · ∂u/∂x
#
# At x = 2: u = 5, L = 25. Backward: ∂L/∂u = 10, and ∂L/∂x = 10 · 3 = 30.
#
# In code, `dx` is always short for ∂L/∂x: how fast *the last number*, L, changes with x. Read the two halves below: the
# backward half is the forward half from below, and every line needs only what the line before it gave.

# %%
def forward(x):
    u = 3 * x - 1
    L = u**2
    return L


x = 2.0
u = 3 * x - 1
L = u**2

dL = 1.0  # how fast L changes with L
du = dL * 2 * u
dx = du * 3
print(u, L, du, dx)

same(8 * 20, 160)
same([u, L, du, dx], [5, 25, 10, 30])
same(slope(forward, x), dx, rtol=1e-6)

# %% [markdown]
# ## One neuron
#
# A neuron multiplies, adds, bends, and is compared with what it should have said:
#
#     z = w x + b
#     a = max(0, z)          ReLU: the slope is 1 where z > 0, else 0
#     L = ½ (a − y)²         the slope is a − y
#
# With w = 2, x = 3, b = −4 and y = 5: z = 2, a = 2, and L = 4.5. Backward, from the last line to the first:
#
# - ∂L/∂a = a − y = −3. A larger a would make L smaller.
# - ∂L/∂z = −3 · 1 = −3. The ReLU is on, and lets it through.
# - ∂L/∂w = −3 · x = −9, ∂L/∂b = −3 · 1 = −3, and ∂L/∂x = −3 · w = −6.
#
# Look at the product: **the slope for one factor is the other factor.** So a backward pass needs the numbers of the
# forward pass, and someone has to keep them.

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
# And a step downhill: w becomes w − α ∂L/∂w. With α = 0.01, w goes from 2 to 2.09 and b from −4 to −3.97. Then z = 2.3
# and L = 3.645, less than 4.5. That is all of learning.
#
# If b were −7, z would be −1, and the ReLU off: every slope below it is 0. No step of any size would change this
# neuron. It is *dead* for this x.

# %%
alpha = 0.01
same([w - alpha * dw, b - alpha * db], [2.09, -3.97])
same(2.09 * x - 3.97, 2.3)
same(neuron(2.09, x, -3.97), 3.645)
same(w * x - 7, -1)
same([slope(lambda w: neuron(w, x, -7), w), slope(lambda b: neuron(w, x, b), -7)], 0)

# %% [markdown]
# ## Two paths: add
#
# Here x is used twice:
#
#     a = 3x
#     b = x²
#     L = a b
#
# At x = 2: a = 6, b = 4, L = 24. Two paths lead from x to L, and a small change of x travels along both. Along a path
# rates multiply; **over the paths they add up**:
#
#     by a:  ∂L/∂a · ∂a/∂x = b · 3  = 12
#     by b:  ∂L/∂b · ∂b/∂x = a · 2x = 24
#                                     36
#
# Without any path: L = 3x³, so the slope is 9x² = 36.

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
# Whoever writes `dx = …` twice, not `dx += …`, keeps the last path only: 24, not 36. Nothing crashes, and the slope
# points roughly the right way. It is the commonest mistake in all handwritten backpropagation.

# %%
dx = da * 3
dx = db * 2 * x
same(dx, 24)

# %% [markdown]
# ## A network of two layers
#
# Now with matrices. 2 samples, 3 features, 2 hidden units, 1 output. Each sample is a row.
#
#     Z = X W₁ + b₁          (2, 3) · (3, 2) + (2,)  →  (2, 2)
#     A = max(0, Z)          (2, 2)
#     P = A W₂ + b₂          (2, 2) · (2, 1) + (1,)  →  (2, 1)      the predictions
#     L = ½ Σ (P − Y)²       one number
#
# By hand, the first entry of Z: the first row of X times the first column of W₁, 2 · 1 + 1 · 0 + 0 · 2 = 2, plus 1,
# is 3.

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
# ## The gradient of a matrix product
#
# For Z = X W we know dZ, and want dW and dX. No new rule is needed, only paths. One entry at a time:
#
#     Z_ij = Σ_k X_ik W_kj
#
# **Which entries of Z does W_kj touch?** Those in column j, one for each sample i, and each at the rate X_ik. Those are
# the paths. Add them up:
#
#     dW_kj = Σ_i X_ik dZ_ij = (Xᵀ dZ)_kj                dW = Xᵀ dZ
#
# **And X_ik?** Those in row i, one for each j, at the rate W_kj:
#
#     dX_ik = Σ_j dZ_ij W_kj = (dZ Wᵀ)_ik                dX = dZ Wᵀ
#
# So that is where the transposes come from: the sum goes over the *other* index now.

# %%
def grid(axes, left, matrix, title, colour, lit=()):  # a matrix as cells; the lit ones are filled
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
# **Shapes are a compass.** dW has the shape of W, always. Of X (2, 3) and dZ (2, 2) you can make a (3, 2) in one way
# only: Xᵀ dZ. When you have forgotten the rule, the shapes still know it. (They do not when the matrices are square.
# Never test with square ones.)
#
# ## The gradient of a broadcast
#
# b₁ has 2 entries, Z has 2 rows of 2. NumPy added b₁ to *every* row: each entry is used twice, once a sample. Two uses,
# two paths, so add: db_j = Σ_i dZ_ij, the sum over the rows.
#
# - **A copy forward is a sum backward.**
# - **A sum forward is a copy backward:** the L of this page is a sum over the samples, and each gets the same 1.
#
# ## Backward, all of it
#
# From the last line to the first, and each line is the mirror of one above:
#
#     dP = P − Y                              (2, 1)
#     dW₂ = Aᵀ dP,  db₂ = Σ_rows dP           (2, 1), (1,)
#     dA = dP W₂ᵀ                             (2, 2)
#     dZ = dA ∘ (Z > 0)                       (2, 2)     ∘ is: entry by entry
#     dW₁ = Xᵀ dZ,  db₁ = Σ_rows dZ           (3, 2), (2,)
#
# Do it on paper before you run it. dP is (−3, 1), and the entry of dW₁ in the middle of the left column is
# 1 · (−3) + 3 · 1 = 0: the two samples pull in opposite directions, and just cancel.

# %%
dP = P - Y
dW2, db2 = A.T @ dP, dP.sum(axis=0)
dA = dP @ W2.T
dZ = dA * (Z > 0)
dW1, db1 = X.T @ dZ, dZ.sum(axis=0)

names = ["dP", "dW2", "db2", "dA", "dZ", "dW1", "db1"]
for name, gradient in zip(names, [dP, dW2, db2, dA, dZ, dW1, db1], strict=True):
    print(f"{name} {gradient.shape}\n{gradient + 0.0}")  # + 0.0: no minus zero

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
# The whole pass in one picture: values above in blue, from left to right, and under each its gradient in orange, from
# right to left. The hidden unit that is off (−2, so 0) stops the −6 that arrives at it.

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
# ## The referee
#
# Move every entry of every parameter, one at a time, and measure. If one transpose were wrong, or one sum forgotten,
# it would show here.

# %%
def loss(W1, b1, W2, b2):
    A = np.maximum(0, X @ W1 + b1)
    return 0.5 * np.sum((A @ W2 + b2 - Y) ** 2)


def slopes(f, x, h=1e-6):  # one for each entry of an array
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
# ## Why backward?
#
# Measuring works, so why calculate? Because of the price. The referee runs the network twice for each number: this one
# has 6 + 2 + 2 + 1 = 11 parameters, so 22 runs. A network of 784–1000–10, like the one that document 000 describes in
# §4.3 for pictures of 28 × 28, has 795,010. That would be 1,590,020 runs for one step. The backward pass has two matrix
# products where the forward pass has one, so it costs about as much as two runs, however many parameters there are: it
# starts from the one number L, and what was worked out for a layer is shared by all that lies below.

# %%
assert sum(p.size for p in parameters) == 6 + 2 + 2 + 1 == 11
assert 28 * 28 == 784 and 784 * 1000 + 1000 + 1000 * 10 + 10 == 795_010
assert 2 * 795_010 == 1_590_020

# %% [markdown]
# ## What the documents write
#
# Two of the five documents that this project builds on state the rule, and both slip:
#
# - Document 000, §4.2, sends errors back through the weights alone, without the line dZ = dA ∘ (Z > 0). Then the unit
#   that is off learns from what it never said: the right column of dW₁ becomes −10, 0, 2 where the slopes are 2, 6, 2.
#   (It also starts from y − a, the wrong sign.)
# - Document 002, §4.2, takes ∂loss/∂weight and multiplies it by the activation's derivative. But ∂loss/∂weight *is*
#   the end of the chain. The derivative is in it already.
#
# [Notebook 05](05_the_documents_formulas_corrected.py) shows what training makes of such slips: often nothing that one
# would notice. So measure.

# %%
without_the_gate = X.T @ dA
same(without_the_gate[:, 1], [-10, 0, 2])
same(dW1[:, 1], [2, 6, 2])

# %% [markdown]
# ## Down we go
#
# 40 steps with α = 0.02. L falls from 5 to less than 0.001. Nothing is in this loop that you have not done by hand.

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
# ## Exercises
#
# Replace each `...` by your answer and run the cell. ○ means not done yet, ● right, and a wrong answer is an error that
# shows both: ACTUAL is yours, DESIRED is what the referee measured. None takes more than three lines.

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
# **1.** Paths. a = x + 1, b = x², L = a b + b. What is ∂L/∂x? (How many paths are there?)

# %%
def gradient_of_x(x):
    ...


check(1, gradient_of_x(3.0), slope(lambda x: (x + 1) * x**2 + x**2, 3.0))

# %% [markdown]
# **2.** The mean squared error divides by n, the number of samples, and has no ½: L = 1/n Σ (P − Y)², for n × 1
# matrices. What is dP? (Document 001, §2.5.1.)

# %%
def gradient_of_mse(p, y):
    ...


check(2, gradient_of_mse(P, Y - 1), slopes(lambda p: np.mean((p - (Y - 1)) ** 2), P))

# %% [markdown]
# **3.** A sigmoid in place of the ReLU: A = σ(Z) = 1/(1 + e^−Z), and its slope is σ(Z) (1 − σ(Z)). You have dA and A.
# What is dZ?

# %%
def gradient_of_z(da, a):
    ...


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


upstream = np.array([[-3.0, -6], [1, 2]])
check(3, gradient_of_z(upstream, sigmoid(Z)), slopes(lambda z: np.sum(upstream * sigmoid(z)), Z))

# %% [markdown]
# **4.** Broadcasts. Q = X ∘ s + c, where X is (2, 3), s is (3,), one factor for each feature, and c is (2, 1), one
# offset for each sample. What are ds and dc, as a pair? Mind the shapes.

# %%
def gradients_of_scale_and_offset(dq, x):
    ...


dQ, s, c = np.array([[1.0, 2, -1], [0, 3, 1]]), np.array([1.0, -1, 2]), np.array([[1.0], [2]])
measured = slopes(lambda s: np.sum(dQ * (X * s + c)), s), slopes(lambda c: np.sum(dQ * (X * s + c)), c)
check(4, gradients_of_scale_and_offset(dQ, X), measured)

# %% [markdown]
# **5.** A copy backward. m = the mean of X over its rows, so of shape (3,). You have dm. What is dX?

# %%
def gradient_of_rows(dm, x):
    ...


dm = np.array([1.0, -2, 4])
check(5, gradient_of_rows(dm, X), slopes(lambda x: np.sum(dm * x.mean(axis=0)), X))

# %% [markdown]
# **6.** A matrix used twice. R = (X W) Wᵀ: compress, and restore, with the same W. You have dR. What is dW? Call the
# second use V = Wᵀ, find dW of the first use and dV of the second, and then think of paths.

# %%
def gradient_of_tied(dr, x, w):
    ...


dR, W = np.array([[1.0, 0, -1], [2, 1, 0]]), np.array([[1.0, -1], [0, 1], [2, 0]])
check(6, gradient_of_tied(dR, X, W), slopes(lambda w: np.sum(dR * (X @ w @ w.T)), W))

# %% [markdown]
# Next: [the tape](02_the_tape.py), which writes the backward half by itself.
