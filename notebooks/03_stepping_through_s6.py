# %% [markdown]
# # 03 · Stepping through S6
#
# You know the chain rule ([01](01_the_chain_rule_by_hand.py)) and the list it is worked off from
# ([02](02_the_tape.py)). Now watch it at work, in one training step of one network, slowly: **one contribution at a
# time**. At each stop guess first, then look.
#
# The network is S6, from document 003, §4.3 and §5.2. It is to tell two points apart:
#
#     x = (1, 0, 1) is of class 0,    x = (1, 1, 0) is of class 1
#
# with two hidden layers of 10 units, a sigmoid and then a ReLU, and one output.

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

LANGUAGE = "en"
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
# ## Two slips in the document
#
# **§4.2 feeds the next layer Z, not f(Z)** (F21). The activations are named, and then never used:
#
#     document:   Zₙ = Wₙ Zₙ₋₁ + bₙ
#     meant:      Aₙ = fₙ(Zₙ),  Zₙ₊₁ = Wₙ₊₁ Aₙ + bₙ₊₁
#
# Layers that only multiply and add are one layer: 3x + 1, and then 2(3x + 1) + 4, is 6x + 6. Here the 161 parameters
# of three layers do what one matrix of 3 × 1 and one number do.

# %%
W, b = s6.collapsed(model)
print(W.ravel(), b)

same([2 * (3 * x + 1) + 4 for x in (-1.0, 0.0, 5.0)], [6 * x + 6 for x in (-1.0, 0.0, 5.0)])
same(s6.without_activations(model, X), X.numpy() @ W + b)
assert sum(p.size for p in model.parameters()) == 161 and W.shape == (3, 1) and b.size == 1

# %% [markdown]
# **§4.3 puts a ReLU on the output, and asks whether it exceeds 0.5** (F22). That is a threshold for a probability, and
# a ReLU gives none: 3 comes out as readily as 0. Then the cross-entropy, which takes ln(1 − ŷ), has to take the
# logarithm of −2. The document's own code in §5.2 has a sigmoid there, and is right.
#
# Let us see what the stepper makes of the slip. An error in a recording is its last step: where, what it was given,
# what is wrong, and what to do.

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
# ## Record one step
#
# So this is S6, with rows for samples:
#
#     Z₂ = X W₂ + b₂,    A₂ = σ(Z₂)
#     Z₃ = A₂ W₃ + b₃,   A₃ = max(0, Z₃)
#     Z₄ = A₃ W₄ + b₄,   ŷ  = σ(Z₄)
#     J  = −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ))        n = 2 points
#     W  ← W − α ∂J/∂W,  b ← b − α ∂J/∂b              α = 0.01, what the document's SGD takes unless told
#
# `s6.step` is that in code, and `tz.record` writes down whatever it computes.

# %%
print(inspect.getsource(s6.step))

start = {name: p.numpy() for name, p in model.named_parameters()}

with tz.record(title="S6") as trace:
    s6.step(model, X, Y, alpha=0.01)

trace

# %% [markdown]
# In a notebook the last line opens the stepper, as a page inside the page. Click into it, and use the keys: → and ← for
# a step, n and p for an op, ] and [ for a phase, h j k l to pick another element, L for the other language, t for the
# glossary, and ? for all of them. In the terminal the same keys work: `tinygrad-zh step s6`.
#
# What follows on this page is the same recording as plain text. First all of its steps, a line each.

# %%
trace.print()

steps, ops = trace.document().steps, trace.document().data["ops"]


def at(phase, op="", which=0):  # the number of a step
    named = [k for k, step in enumerate(steps)
             if step["phase"] == phase and (not op or ops[step["op"]]["name"] == op)]
    return named[which]


phases = [step["phase"] for step in steps]
assert phases[at("seed") - 1] == "forward" and phases[at("seed") + 1] == "backward"

# %% [markdown]
# Forward until there is a J, a seed, then everything in reverse; and at the end the update, parameter by parameter. A
# step of the backward pass is *one contribution*: one op, one of its inputs.
#
# Now single steps, in full. In the arrays, [ ] is the element that is picked, and ( ) are those it was made of.
#
# ## Forward: two guesses
#
# **Guess:** the weights are random. What is ŷ, roughly, for a network that knows nothing? And J?
#
# Around 0.5, for either point; here 0.557 and 0.590. And if both were exactly 0.5, J would be ln 2 = 0.693. It is
# 0.671. Whenever a classifier of two classes starts, look for the 0.69. If it is far away, something is wrong already.

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
# ## The seed
#
# **Guess:** where does the backward pass begin, and with which number?

# %%
trace.print(at("seed"))

# %% [markdown]
# ## The loss: −1/ŷ and 1/(1 − ŷ)
#
# J is a mean over 2 points. A sum forward is a copy backward, so each point's loss gets 1 · 1/2. Then the logarithms:
#
#     class 1:  L = −ln ŷ          ∂L/∂ŷ = −1/ŷ
#     class 0:  L = −ln(1 − ŷ)     ∂L/∂ŷ = 1/(1 − ŷ)
#
# **Guess:** which sign has the gradient for the point of class 0? What should happen to its ŷ?
#
# It is positive: a larger ŷ would be worse. ½ · 1/(1 − 0.557) = 1.129, and for the other point −½ · 1/0.590 = −0.847.

# %%
trace.print(at("backward", "BinaryCrossEntropy"))

d_y_hat = (-y / y_hat + (1 - y) / (1 - y_hat)) / n
same(d_y_hat.ravel(), [1.129, -0.847], rtol=1e-3)

# %% [markdown]
# The labels Y are an input of this op too, but nobody learns labels. They *get* no gradient, which is something else
# than a gradient of 0: a step of its own says so.

# %%
trace.print(at("skip"))

# %% [markdown]
# ## The sigmoid: never more than a quarter
#
# σ′ = σ (1 − σ), and with ŷ = σ(Z₄) that is ŷ (1 − ŷ). It is largest at ŷ = 0.5: there it is 1/4. So whatever passes
# through a sigmoid becomes at least 4 times smaller. Here it is 0.247 and 0.242.
#
# **Guess:** multiply −1/ŷ by ŷ (1 − ŷ). What is left?
#
#     class 1:  −1/ŷ · ŷ (1 − ŷ)      = ŷ − 1
#     class 0:  1/(1 − ŷ) · ŷ (1 − ŷ) = ŷ
#
# Both are **ŷ − y**: what it said, less what it should have said. The dangerous 1/ŷ is gone. That is why sigmoid and
# cross-entropy belong together. With the 1/n: δ₄ = (ŷ − y)/2 = 0.278 and −0.205.

# %%
trace.print(at("backward", "Sigmoid"))

delta4 = d_y_hat * y_hat * (1 - y_hat)
same(delta4, (y_hat - y) / n)
same(delta4.ravel(), [0.278, -0.205], rtol=2e-3)
same((y_hat * (1 - y_hat)).ravel(), [0.247, 0.242], rtol=2e-3)
assert 0.5 * (1 - 0.5) == 1 / 4 and sigmoid(0) == 0.5

# %% [markdown]
# ## The bias: undo the broadcast
#
# Z₄ = A₃ W₄ + b₄. The product has 2 rows, b₄ has one number, and NumPy copied it to both rows.
#
# **Guess:** δ₄ is (0.278, −0.205). What is ∂J/∂b₄?
#
# A copy forward is a sum backward: 0.074. It has a step of its own. (Frameworks do this inside the addition, where
# nobody sees it. Bugs like to live there.)

# %%
trace.print(at("sum_to"))

db4 = delta4.sum(axis=0)
same(db4, [0.074], rtol=0.01)

# %% [markdown]
# ## The product: who was there?
#
# ∂J/∂W₄ = A₃ᵀ δ₄. Weight k gets, from each point, *what unit k said* times *how wrong the output was*. **A unit that
# said 0 learns nothing.**
#
# **Guess:** some entries of this gradient are exactly 0. Which?

# %%
trace.print(at("backward", "MatMul", 1))

dW4 = A3.T @ delta4
silent = (A3 == 0).all(axis=0)
print(np.flatnonzero(dW4.ravel() == 0), np.flatnonzero(silent))
assert ((dW4.ravel() == 0) == silent).all()

# %% [markdown]
# ## The ReLU: the gate
#
# Where Z₃ > 0, the gradient passes as it is; elsewhere it stops. Of the 10 units, 4 are off for both points: nothing
# that they could learn from reaches their weights in this step. 1 more is off for one of the points, and learns from
# the other alone. (Document 001, §2.5.2, says that a ReLU does not lose gradients in the negative region. It loses all
# of them there: F12.)
#
# Are the 4 *dead*? For these two points, and there are no others: yes, as long as A₂ stays much as it is. The lower
# layer may move and wake them, and then they learn again.

# %%
trace.print(at("backward", "ReLU"))

dA3 = delta4 @ W4.T
delta3 = dA3 * (Z3 > 0)
off = Z3 <= 0
print(np.flatnonzero(off.all(axis=0)), np.flatnonzero(off.sum(axis=0) == 1))
assert len(off[0]) == 10 and off.all(axis=0).sum() == 4 and (off.sum(axis=0) == 1).sum() == 1

# %% [markdown]
# ## Through the weights, and through a sigmoid again
#
# dA₂ = δ₃ W₃ᵀ collects, for each unit of the first hidden layer, from all units above it; then its sigmoid takes at
# least three quarters away: δ₂ = dA₂ ∘ A₂ (1 − A₂). At last ∂J/∂W₂ = Xᵀ δ₂.
#
# **Guess:** row 2 of W₂ belongs to feature 2, which is 0 in the first point. Who teaches it?
#
# Only the second point. An input of 0 is silent, just like a unit.

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
# The whole way back in one picture, from the right to the left. Each column is a unit, each row a point; violet is
# negative, orange is positive. The ReLU leaves holes. The sigmoid leaves no holes, but everything is paler: that is the
# *vanishing gradient*, after one layer. Ten sigmoids in a row leave 4⁻¹⁰ of it at best, less than a millionth.

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
# ## The update
#
# **Guess:** by how much does J fall? A weight moves by −α g, where g is its gradient, and J follows at the rate g. So
# each weight contributes −α g², and together they should give −α Σ g².

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
# It falls by what was expected, to within 1%. The six gradients that you derived by hand and the six that the tape
# found are the same; the code above has checked each.
#
# ## Two points, one at a time
#
# Where in this trace do gradients *add up*? Not a single step says so, for every parameter is used once. The sum over
# the points is inside the products: Xᵀ δ runs over both rows.
#
# Now send the points through the network one after the other, and take the mean of the two losses. It is the same J.
# But every parameter is used twice, and so each of the 6 gets a second contribution. Look for `before + this = after`.

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
# ## Show it to somebody
#
# The page as a file, and a link to the step that you want to talk about. Whoever opens it needs nothing but a browser,
# and sees that step, in Chinese: `#step=…&lang=zh`, or `lang=en`. With `&pick=0,1` the element in row 0 and column 1
# is the one that is written out.

# %%
trace.save_html(pictures / "s6.html")
print(f"s6.html#step={at('backward', 'ReLU')}&lang={LANGUAGE}&pick=0,1")

# %% [markdown]
# ## Exercises
#
# Replace each `...` by your answer and run the cell. ○ means not done yet, ● right, and a wrong answer is an error that
# shows both: ACTUAL is yours, DESIRED is what was measured, by moving each parameter a little.

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
# **1.** The mean squared error in place of the cross-entropy: J = 1/n Σ (ŷ − y)², and ŷ = σ(Z₄) as before. What is δ₄ =
# ∂J/∂Z₄ now? (What no longer cancels? What becomes of a point that is certain, and wrong?)

# %%
def delta_of_mse(y_hat, y):
    ...


check(1, delta_of_mse(y_hat, y), slopes(lambda z: np.mean((sigmoid(z) - y) ** 2), A3 @ W4 + b4))

# %% [markdown]
# **2.** Somebody replaces the ReLU by a sigmoid, as in the layer below it: A₃ = σ(Z₃). What is δ₃? You have δ₄, W₄ and
# the new A₃.

# %%
def hidden_delta(delta4, w4, a3):
    ...


bent = sigmoid(Z3)
signal = (sigmoid(bent @ W4 + b4) - y) / n
check(2, hidden_delta(signal, W4, bent), slopes(lambda z: cross_entropy(sigmoid(sigmoid(z) @ W4 + b4)), Z3))

# %% [markdown]
# **3.** Which ReLU units learn nothing from a whole batch? Give a boolean for each unit. (One that is on for a single
# point does learn.)

# %%
def learns_nothing(z3):
    ...


check(3, learns_nothing(Z3), (dW3 == 0).all(axis=0))

# %% [markdown]
# **4.** The document's error signal (000, §4.2) has no f′ at all. From δ₄, what does it make of ∂J/∂W₃? (This one is
# *wrong* on purpose; compare it with dW3 when you have it.)

# %%
def gradient_of_w3_without_slopes(delta4, w4, a2):
    ...


check(4, gradient_of_w3_without_slopes(delta4, W4, A2), A2.T @ dA3)

# %% [markdown]
# **5.** How far should α go? J falls by about α Σ g² (a list of gradients is given). Which α would make J fall by
# `wish`, if that were exact?

# %%
def alpha_for(wish, gradients):
    ...


check(5, alpha_for(0.001, by_hand), -0.001 * 0.01 / expected)

# %% [markdown]
# **6.** *Which gradient is wrong?* Two layers with a ReLU between them, and one backward was planted wrong. The numeric
# checks are gone, and so is the code. Look at the steps, in the page or with `puzzle.document.print(12)`: what goes in,
# what comes out, and what had to come out? Return the number that stands before it in the list. (More of these:
# `tinygrad-zh exercise wrong`.)

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
# Next: [checking gradients](04_checking_gradients.py), so that you never again have to believe one.
