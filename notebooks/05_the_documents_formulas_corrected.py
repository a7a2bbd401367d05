# %% [markdown]
# # 05 · The documents' formulas, corrected
#
# Five documents are the source of this project. They hold 28 formulas, and half of those are wrong: 14. A sign is
# missing here, a sum there, and nobody noticed. You will see how one notices.
#
# There are three kinds, and each is found in its own way:
#
# 1. the **gradient** is wrong: a gradient check finds it, in words;
# 2. the gradient is right, but the **formula** does something else than was meant: only training shows it;
# 3. a **shape**, a **constant** or a **name** is wrong: counting and reading find it.
#
# You need the chain rule, a pencil, and nothing else.

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

LANGUAGE = "en"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)
np.set_printoptions(precision=5, suppress=True)

rows = {row.id: row for row in FORMULAS}
findings = {row.id: row.findings() for row in FORMULAS if row.verdict == "erratum"}


def erratum(name):  # what the document writes, what it should be, and what a live check says, now
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
# ## 1 · The gradient is wrong
#
# ### F24 · A sign
#
# House prices. The model is ŷ = w · x, the loss J = ½ Σ (y − ŷ)², and the step w ← w − α ∇J. Document 004 says
# ∇J = Σ (y − ŷ) x.
#
# Take one house by hand: x = 2, y = 3, and w = 1. Then ŷ = 2, and J = ½ · 1² = 0.5.
#
# - The document: ∇J = (3 − 2) · 2 = 2. With α = 0.1, w becomes 0.8, and J becomes 0.98. **It grew.**
# - The chain rule: inside the square stands −ŷ, so ∇J = −(3 − 2) · 2 = −2. Now w becomes 1.2, and J becomes 0.18.

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
# #### What the gradient check says
#
# Nudge w a little to either side, and see how J moves: that is the slope, whatever anybody claims. `gradcheck` does
# this for every element and compares. It does not only say "wrong", it says what is wrong.

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
# #### What training shows
#
# Real houses from Ames. With the document's sign each step carries w *away* from the best weights, by the factor
# 1 + α λ along the steepest direction. J is a square, so with α = 1/λ it becomes 4 times as large, again and again,
# until no 64-bit number can hold it. That happens at step 507, and one can compute the 507 beforehand.
#
# A smaller α helps nothing. It only takes longer.

# %%
climbs = climbing.measure()
climbing.show(climbs)
first = climbs[0]
same(first.wrong[-2] / first.wrong[-3], 4)
assert first.overflow == first.predicted == 507 and np.isinf(first.wrong[507])
assert [c.overflow == c.predicted for c in climbs] == [True] * 3
Image.open(climbing.draw(climbs, pictures / "climbing.png"))

# %% [markdown]
# ### F04, F05 · An error signal without f′
#
# Now a network. Document 000 sends errors back like this:
#
#     e₃ = y − a₃                     the output
#     e₂ = W₃ᵀ e₃,  e₁ = W₂ᵀ e₂       the layers below
#
# Two slips. The sign is F24's again (F04). And every activation f was passed on the way forward, so every f′ has to be
# passed on the way back, but there is none (F05):
#
#     δ₃ = (a₃ − y) ∘ f′(z₃)
#     δ₂ = (W₃ᵀ δ₃) ∘ f′(z₂),  δ₁ = (W₂ᵀ δ₂) ∘ f′(z₁)
#
# By hand, with two sigmoid neurons in a row. For a sigmoid f′ = a (1 − a). Let the first one give a₁ = 1/2, so
# f′ = 1/4, and the second a₂ = 3/4, so f′ = 3/16. The target is y = 1, and the weight between them is w = 2 ln 3.
#
# | | document | chain rule |
# |---|---|---|
# | output | 1 − 3/4 = 1/4 | (3/4 − 1) · 3/16 = −3/64 |
# | below, in units of ln 3 | 2 · 1/4 = 1/2 | 2 · (−3/64) · 1/4 = −3/128 |
#
# Not only the sign is lost: the document's error is 64/3 times too large after two layers. Each further layer makes it
# worse.

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
# ### F18 · f′ once too often
#
# Document 002 falls off the other side: gradient = ∂loss/∂weight · f′. But ∂loss/∂weight *is* the gradient. It holds
# f′ already, and now has it twice. In the example above the gradient shrinks to 3/16 of what it should be.

# %%
erratum("F18")
same((delta2 * a2 * (1 - a2)) / delta2, 3 / 16)

# %% [markdown]
# #### What training shows
#
# A surprise. Four error signals, the same network 784–30–30–10, the same 1,000 digits, once with sigmoids and once
# with ReLUs.
#
# - As the document writes them: it climbs. With ReLUs J is infinite within 10 steps.
# - With the sign corrected, but without f′: it learns. With sigmoids even **faster** than with the right gradient.
# - With f′ twice: slower with sigmoids, and exactly the same with ReLUs. Their f′ is 0 or 1, and 0² = 0, 1² = 1.
#
# So training can go well with a wrong gradient. The direction is off, but not by more than 90°, and then it still
# leads down (its cosine with the true gradient is positive). It is another optimum that it heads for, another speed,
# and the next one who builds on it wonders for weeks. **That it trains proves nothing. Check the gradient.**

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
# Why faster? With a sigmoid and the *cross-entropy* the f′ cancels, and the error signal of the output really is
# a − y. Whoever drops f′ there minimises another loss without knowing it, and for classes it happens to be the better
# one.

# %%
z, target = np.array([0.3, -1.2]), np.array([1.0, 0.0])
leaf = tz.tensor(z, requires_grad=True)
F.sum(-(target * F.log(F.sigmoid(leaf)) + (1 - target) * F.log(1 - F.sigmoid(leaf)))).backward()
same(leaf.grad, 1 / (1 + np.exp(-z)) - target)

# %% [markdown]
# ## 2 · The gradient is right, the formula is not
#
# A gradient check asks: is this the derivative of that? If the "that" is wrong, it says yes, and is right.
#
# ### F10 · A loss that wants everything to be 1
#
# Document 004: CE = −1/n Σ y ln ŷ, summed over the samples. The sum over the *classes* is missing. By hand, two
# samples with y = 1 and y = 0, both predicted as ŷ = 1/2:
#
# - as written: −(1 · ln 1/2 + 0 · ln 1/2)/2 = (ln 2)/2. The second sample does not occur.
# - with both classes: −(ln 1/2 + ln 1/2)/2 = ln 2.
#
# And with ŷ = 1 for *every* sample the loss as written is 0, which is as small as it gets.

# %%
labels, half = np.array([[1.0], [0.0]]), np.array([[0.5], [0.5]])
same(literal_loss.as_written(half, labels), np.log(2) / 2)
same(literal_loss.corrected(half, labels), np.log(2))
same(literal_loss.as_written(np.ones((2, 1)), labels), 0)

passes = tz.check.gradcheck(lambda z: literal_loss.as_written(F.sigmoid(z), labels), np.array([[0.4], [-0.7]]))
print(bool(passes))  # its gradient is right: of a wrong loss
assert passes

# %%
erratum("F10")

# %% [markdown]
# Is a digit odd? One neuron, real digits, half of them odd. Both losses fall. The one as written falls below 0.001: a
# triumph. Its accuracy is 50%, which is what a coin gets. The corrected loss stays above 0.1, and gets more than 80%.
#
# **A falling loss proves only that the loss falls.**

# %%
losses = literal_loss.measure()
literal_loss.show(losses)
literal, corrected = losses
assert literal.losses[-1] < 0.001 and literal.accuracy[-1] == 0.50
assert corrected.losses[-1] > 0.1 and corrected.accuracy[-1] > 0.80
Image.open(literal_loss.draw(losses, pictures / "literal-loss.png"))

# %% [markdown]
# ### F03, F12 · A ReLU on the output
#
# Document 000 puts a ReLU behind *every* layer, the last one too. And document 001 says that a ReLU avoids vanishing
# gradients in the negative region. It is the other way round: there the gradient **is** 0, all of it.
#
# By hand: an output z = (−2, 3, −0.5), and the right answer is the first class, y = (1, 0, 0). So ŷ = (0, 3, 0), and
# ∂J/∂z = (0, 3, 0). The first output is as wrong as can be, and gets the gradient 0. It will never hear of it.

# %%
z = tz.tensor([[-2.0, 3.0, -0.5]], requires_grad=True)
F.half_squared_error(F.relu(z), np.array([[1.0, 0.0, 0.0]])).backward()
print(z.grad)
same(z.grad, [[0, 3, 0]])
assert tz.check.gradcheck(F.relu, np.array([-2.0, 3.0, -0.5]))  # and the check agrees: 0 is right

# %%
erratum("F03")
erratum("F12")

# %% [markdown]
# The document's own network, 784–1000–10. Whether an output starts below or above 0 is a coin's toss, so about half of
# the digits cannot teach the output of their own class anything before the first step.
#
# With the document's α = 0.01 that heals slowly. With α = 0.1 some outputs fall below 0 for *all* digits. They are
# dead: no digit moves them any more, and their classes are lost. Without the ReLU more than 80% are right, either
# way.

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
# ### F21 · Layers that are one
#
# Document 003 feeds the next layer Z, not f(Z). Then nothing bends between the layers. By hand: 3x + 1, and then
# 2(3x + 1) + 4, is 6x + 6. Two layers, one line. With matrices it is the same: W = W₁ W₂ W₃ and
# b = b₁ W₂ W₃ + b₂ W₃ + b₃.

# %%
same([2 * (3 * x + 1) + 4 for x in (-1.0, 0.0, 5.0)], [6 * x + 6 for x in (-1.0, 0.0, 5.0)])
erratum("F21")

# %% [markdown]
# A disc within a ring. No straight line separates the two, and the best of all lines is known, because one can try
# them all: it gets less than 3 of 4 points right. Three layers as the document writes them can get no more. With tanh
# between them all 200 are right.
#
# One number, 10⁻¹², is the whole proof: by no more do the outputs of the three layers differ from those of one matrix.
#
# And look at the digits: there the two networks are about equally good. On so few pictures of 784 pixels a plane is
# almost enough. **An accuracy alone would not have told you that your deep network is not deep.**

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
# ### F22 · The threshold of another function
#
# Document 003: class 1 if ŷ > 0.5, with a ReLU on the output. 0.5 is where a *sigmoid* crosses from "rather not" to
# "rather yes": σ(z) > 0.5 where z > 0. A ReLU crosses it at z = 0.5, where σ(z) = 0.62 already.

# %%
same(1 / (1 + np.exp(0)), 0.5)
assert round(1 / (1 + np.exp(-0.5)), 2) == 0.62
erratum("F22")

# %% [markdown]
# Worse: it does not go with the loss that the document names. Where the ReLU gives 0, the cross-entropy takes ln 0.
# Where it gives more than 1, ln(1 − ŷ) is no number. Of 50 networks more than 30 fail before the first step, whatever
# α is: their loss is not finite, or they are silent, 0 for every house, without a gradient for ever. With α = 0.01 none
# of the others lasts 100 steps. With α = 0.001 some do.

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
# ### F20 · Prices under a ceiling
#
# Document 002 puts an activation on the output of a regression. Standardised prices have mean 0: more than half of
# them are negative. A ReLU cannot say any of those, a sigmoid also none above 1. Look at the floor and the ceiling in
# the picture.

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
# No patience and no larger network would help. The table has a column for what a *perfect* network with such an output
# would still get wrong. With the sigmoid that is more than the error of the small network without.
#
# ## 3 · Shapes, constants, names
#
# ### F06 · Shapes
#
# Document 000: W₁ is 1 × 784 with 784 biases, W₂ is 1 × 1000 with 1000. But a *row* of weights is one unit, and a bias
# belongs to a unit. For 784–1000–10 it takes 1000 × 784 and 1000, then 10 × 1000 and 10.
#
# NumPy refuses the first case. In the second it says nothing: a product of shape (1, 1) is *broadcast* along the
# biases, and 1000 outputs come out instead of 10. **No error is not the same as no mistake.**

# %%
hidden = np.ones((1, 1000)) @ np.ones((1000, 1)) + np.ones((1000, 1))
assert (np.ones((1, 1000)) @ hidden).shape == (1, 1)
assert (np.ones((1, 1000)) @ hidden + np.ones((1000, 1))).shape == (1000, 1)
erratum("F06")

# %% [markdown]
# ### F16, F17 · How large the first weights are
#
# A layer adds up n products, so it multiplies the mean square of a signal by n · Var[W]; a ReLU takes half of that
# away. A uniform U(−a, a) has variance a²/3. By hand, with n = 100:
#
# | | Var[W] | linear: n · Var[W] | ReLU: half |
# |---|---|---|---|
# | U(±1/√n), "Xavier" in document 001 | 1/300 | 1/3 | 1/6 |
# | Xavier: 2/(n + n) | 1/100 | 1 | 1/2 |
# | He: 2/n | 1/50 | 2 | 1 |
# | U(−1, 1), document 002 | 1/3 | 100/3 | 100/6 |
#
# 1 is what one wants: the signal neither fades nor explodes. Measured in 30 layers, each factor is within 5% of this
# table. To the power of 30, (1/6)³⁰ is less than 10⁻²³: nothing is left for the last layer to see.

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
# The name matters too: Glorot and Bengio derived Xavier's variance for activations that are straight around 0, such as
# tanh. For the ReLU, which document 001 names, one needs He's.
#
# ### F14, F28 · Names
#
# "tanh is suited to several classes": its outputs lie between −1 and 1 and sum to anything. Softmax is meant.
#
# "F1 is a weighted mean of accuracy and recall": it is the *harmonic* mean of *precision* and recall. By hand, with
# precision 1/2 and recall 1: 2 · 1/2 · 1 / (1/2 + 1) = 2/3. The ordinary mean is 3/4. The harmonic one stays near the
# worse of the two: with precision 0 it is 0, and the ordinary one still 1/2.

# %%
def harmonic(p, r):
    return 2 * p * r / (p + r)


same([harmonic(1 / 2, 1), (1 / 2 + 1) / 2], [2 / 3, 3 / 4])
same([harmonic(0, 1), (0 + 1) / 2], [0, 1 / 2])
erratum("F14")
erratum("F28")

# %% [markdown]
# ## What finds what
#
# Of the 14 errata, a gradient check refutes 6. (F10 is among them by a back door: ŷ − y, the gradient that everybody
# uses with a cross-entropy, is not the gradient of the loss as written.) The others pass it, or have no gradient to
# check. That is no weakness: it answers one question, exactly. The other questions are yours:
#
# - Can this output give every answer that is needed? (F03, F20, F22)
# - Is there a stupid answer that makes the loss least? (F10)
# - Would a simpler model do the same? (F21)
# - Is 1 the factor from layer to layer? (F17)

# %%
refuted = [name for name, found in findings.items() if any(f.name == "refuted" for f in found)]
print(refuted)
assert len(findings) == 14 and len(refuted) == 6
assert not {"F03", "F20", "F22", "F21", "F17"} & set(refuted)

# %% [markdown]
# The whole list, exact ones too: `tinygrad-zh formulas`. One with its proof: `tinygrad-zh formulas F05`. An experiment
# with another seed: `tinygrad-zh formulas F24 --experiment --seed 7`.
#
# ## Exercises
#
# Replace each `...` by your answer and run. ○ means not tried yet, ● means right, and a wrong answer is an error. Each
# takes at most three lines.

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
# **1.** The gradient of J = ½ ‖y − X w‖². `X` is (n, d), `w` is (d).

# %%
def gradient(X, y, w):
    ...


check(1, gradient(houses, prices, weights), -as_printed(weights))

# %% [markdown]
# **2.** The same with a penalty: J = ½ ‖y − X w‖² + ½ λ ‖w‖². Which sign does the new term get?

# %%
def gradient_with_penalty(X, y, w, lam):
    ...


check(2, gradient_with_penalty(houses, prices, weights, 0.3), -as_printed(weights) + 0.3 * weights)

# %% [markdown]
# **3.** δ₂ and δ₁ of two *tanh* layers, from a₁, a₂, y and W₂ (row batches: z₂ = a₁ W₂). The loss is ½ Σ (y − a₂)².

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
# **4.** The cross-entropy with its sum over the classes: `y` and `y_hat` are (n, classes), the mean is over n.

# %%
def cross_entropy(y, y_hat):
    ...


one_hot, y_hat = np.eye(3)[[0, 2, 1, 1]], F.softmax(rng.normal(size=(4, 3)))
check(4, cross_entropy(one_hot, y_hat), F.cross_entropy_of_probabilities(y_hat, np.array([0, 2, 1, 1])))

# %% [markdown]
# **5.** One W and one b for two layers: x W₁ + b₁, and then that times W₂ plus b₂.

# %%
def one_layer(W1, b1, W2, b2):
    ...


layers = [(rng.normal(size=(3, 5)), rng.normal(size=5)), (rng.normal(size=(5, 2)), rng.normal(size=2))]
check(5, one_layer(*layers[0], *layers[1]), collapse.collapse(layers))

# %% [markdown]
# **6.** For which a does W ~ U(−a, a) keep the signal in layers of n units with a *leaky* ReLU of slope s, which keeps
# (1 + s²)/2 of a mean square?

# %%
def bound(n, s):
    ...


check(6, bound(50, 0.2), 0.3396831102433787)

# %% [markdown]
# **7.** J is multiplied by q at each step. After how many steps is it larger than any 64-bit number,
# `np.finfo(float).max`? (A whole number. A power would overflow; take logarithms.)

# %%
def step_of_overflow(J, q):
    ...


check(7, step_of_overflow(0.5, 2.25), 877)
