# %% [markdown]
# # 04 · Checking gradients
#
# A wrong forward pass shows at once. A wrong gradient does not: the network still learns, only worse, and nobody knows
# what it could have done. So measure every gradient that you write. On this page you do it by hand, find out why the
# obvious way is not good enough, and learn to read the report of `gradcheck`.
#
# You need derivatives and a little NumPy. Every number in the words is checked by the code below them.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, plot
from tinygrad_zh.check import autopsy, gradcheck

LANGUAGE = "en"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)

# %% [markdown]
# ## A slope, measured
#
# A derivative is what is left of a quotient when the step goes to 0:
#
#     f′(x) ≈ (f(x + h) − f(x)) / h            forward difference
#     f′(x) ≈ (f(x + h) − f(x − h)) / 2h       central difference
#
# Take f(x) = x³ at x = 2, where f′ = 12. By hand, with h = 0.1: the forward difference is 12 + 6h + h² = 12.61, the
# central one 12 + h² = 12.01. The errors of the two sides cancel, so central differences are better by a power of h.

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
# ## Your own gradient
#
# Logistic regression in plain NumPy: 4 samples, 3 weights, labels of −1 and 1. The loss is the mean of ln(1 + e^−m),
# where m = t (X w) says how clearly a sample is on its side. Its gradient, by the chain rule, is
# −Xᵀ (t σ(−m)) / n.
#
# `gradcheck` takes the function, the point, and the gradient that you claim.

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
# Now forget the mean, the commonest mistake of all. Training would hide it: it is only a larger learning rate. The
# report does not hide it. It says what the mistake looks like: a constant factor, 4.

# %%
def without_the_mean(w):
    return gradient(w) * len(t)


report = gradcheck(loss, w, grad=without_the_mean)
print(report)
assert not report
assert report.failures[0].diagnosis == "factor"
assert report.failures[0].values["factor"] == "4"

# %% [markdown]
# ## Reading a report
#
# Each row of the table is one element that was moved, or many together:
#
# - **analytic**: what your gradient says. **numeric**: what differences measured.
# - **error bar**: how far the measurement itself may be off. Without it, a difference of 1e-6 means nothing.
# - **relative error**: |analytic − numeric|, divided by the larger of the two.
# - **step**: the finest step that was used (1e-20 is the complex step's, further down).
# - **verdict**: what the function looks like there: smooth, a kink, an edge.
#
# The report is data as well: true or false, with its failures and its worst row.

# %%
worst = report.worst
print(worst.analytic, worst.numeric, worst.error, worst.relative_error, worst.verdict)

same(worst.analytic, 4 * worst.numeric, rtol=1e-6)
same(worst.relative_error, 0.75, rtol=1e-6)
assert worst.error < 1e-6

# %% [markdown]
# ## Which step?
#
# The smaller the better? Not in floating point. A difference of two numbers near f keeps their rounding errors, about
# u f with u = 2⁻⁵³ = 1.1e-16, and the division by h makes them large:
#
#     error of the central difference ≈ f‴ h² / 6  +  u f / h
#                                       truncation    rounding
#
# One falls with h, the other grows. For eˣ, where f = f‴, they are best balanced at h = (3u)^(1/3) = 6.9e-6. Let us
# look at all steps, from 1/2 down to 2⁻⁴⁸. (Powers of 2, so that x + h is exact. An error of 0 stands on the floor.)

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
# Every curve is a V. On its right arm the error goes as h for forward, as h² for central, as h⁴ for the five-point
# formula; on the left arm all are the same rounding. At their best, forward differences keep 7 digits, central ones
# 10, the five-point formula 12. These are the slopes of the right arms, measured:

# %%
powers = {method.__name__: np.polyfit(np.log(h[3:8]), np.log(error[3:8]), 1)[0]
          for method, error in errors.items() if method is not complex_step}
print({name: round(float(power), 2) for name, power in powers.items()})

for method, power in [(forward, 1), (central, 2), (five_point, 4)]:
    assert abs(powers[method.__name__] - power) < 0.1
for method, digits in [(forward, 7), (central, 10), (five_point, 12)]:
    assert np.sort(errors[method])[2] < 10.0**-digits  # not the luckiest step

# %% [markdown]
# ### Without a subtraction
#
# The last curve has no left arm. f(x + ih) = f(x) + ih f′(x) − …: the slope stands alone in the imaginary part, and
# nothing is subtracted. With h = 1e-20 the slope is right to the last digit.
#
# It works where the formula is analytic, and only there. The code for |x| makes a complex number real, and the slope
# of 1 becomes 0 without a word.

# %%
same(complex_step(np.exp, 1.0, 1e-20), np.e, rtol=1e-15)
assert complex_step(np.abs, 1.0, 1e-20) == 0

# %% [markdown]
# ### No step serves everything
#
# 1/x at x = 1e-4, central, with the usual h = 1e-5. By hand: the difference is −1 / (x² − h²), so it is off by a factor
# 1/(1 − 0.01) = 1.0101. One percent, with nothing wrong but the step.
#
# So `gradcheck` trusts no fixed step. Where a quick look leaves a doubt, it climbs down a **ladder** of h, h/2, h/4, …
# and extrapolates: the error goes as h², so narrow + (narrow − wide)/3 has none of it left, and from two such numbers
# the h⁴ goes the same way (Richardson 1911, Ridders 1982). Where its numbers agree best it stops; how far they disagree
# is, together with the rounding, the error bar. An honest measurement says how good it is.

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
# ## Kinks
#
# relu(x) = max(0, x) has no slope at 0: to the left it is 0, to the right 1. Every number between them is right (a
# *subgradient*); this engine takes 0. Differences do not know. At 0 the central one says 0.5. And beside the kink,
# where the slope is 1, a step that reaches across still mixes the two sides: at x = 1e-6 with h = 1e-5 it says
# (x + h) / 2h = 0.55.
#
# `gradcheck` looks at each side where it disagrees with you. It lets 0 pass, and it would let 0.3 pass. A slope of 2 it
# refuses.

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
# ## The blind check
#
# To check a function of many outputs one needs one number: Σ u f(x), with an *upstream gradient* u. The classroom takes
# u = 1 everywhere, the sum. Now look at this softmax, whose backward returns zeros. It is as wrong as it can be. But
# the outputs of a softmax sum to 1, whatever x is: the slope of the sum *is* 0, and the check passes.
#
# So u is random. Random signs leave nothing to cancel.

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
# ## What is wrong with it?
#
# Three backwards, one line wrong in each. Read what the report says, then look at the code again. Most bugs have a
# face: a factor, a sign, a transpose, an activation's derivative that is missing, a value of the input where alone it
# is wrong.

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
# ## Where did the NaN come from?
#
# A loss is NaN. Which of a million numbers was the first? `autopsy` runs the function on a tape, forward and backward,
# and names the op, the element, and what went in.
#
# A famous one: √x only where x > 0, else 0. The forward is right. But `where` chooses values, and the branch that was
# not taken is still in the chain rule: its upstream gradient 0 meets the slope of √ at 0, which is infinite.

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
# ## Before you believe a check
#
# - Check with float64. float32 has 7 digits, and differences lose half of them.
# - Check on values that are ordinary, and then at 0, at ties, at large and small ones: that is where the bugs live.
#   `gradcheck` adds such points by itself.
# - Shapes that are not square, an index that appears twice, a batch of more than one.
# - A check that was never shown a wrong gradient checks nothing. Break your own, and look: `tinygrad-zh check bug` has
#   many more to find.
#
# `tinygrad-zh check` repeats the experiments of this page for other functions, and has more: steps, kink, depth, ulp,
# precision, nan.

# %% [markdown]
# ## Exercises
#
# Replace each `...` by your answer and run. ○ means not done yet, ● right, and a wrong answer raises an error. All that
# you need is on this page, and none takes more than three lines.

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
# **1.** One rung of the ladder for *forward* differences. Their error goes as c h, and as c h/2 with half the step,
# called `wide` and `narrow`. Which combination of the two has neither?

# %%
def extrapolated(wide, narrow):
    ...


check(1, extrapolated(forward(np.square, 3.0, 0.1), forward(np.square, 3.0, 0.05)), 6)

# %% [markdown]
# **2.** *TanhForgotten.* A layer y = tanh(x W), 2 samples. Its author wrote ∂L/∂W = xᵀ dy. `gradcheck` says no. Write
# the right one; `y` is at hand.

# %%
def gradient_of_w(dy, x, y):
    ...


features, dy = np.array([[1.0, 2, 3], [-1, 0, 1]]), np.array([[1.0, 2], [3, 4]])
W = np.array([[0.1, 0.2], [0, -0.3], [0.2, 0]])
report = gradcheck(lambda W: np.tanh(features @ W), W, grad=lambda dy, W: features.T @ dy)
print(report.failures[0])
check(2, gradient_of_w(dy, features, np.tanh(features @ W)), backward(lambda W: F.tanh(features @ W) * dy, W))

# %% [markdown]
# **3.** *WholeToEveryTie.* y = max(x), and where several are the largest, this backward gives the whole gradient to
# each of them: dy · (x = max x). Moved together they would move y three times as fast as they do. What should each get?

# %%
def gradient_of_max(dy, x):
    ...


ties = np.array([3.0, 1, 3, 3])
check(3, gradient_of_max(2.0, ties), backward(lambda x: 2 * F.max(x), ties))

# %% [markdown]
# **4.** *RepeatedIndex.* y = x[i], and in the backward `g[i] += dy`. If an index appears twice, NumPy adds only once.
# Let every occurrence count. (`g` is all zeros; return it.)

# %%
def gradient_of_rows(dy, i, g):
    ...


check(4, gradient_of_rows(np.array([1.0, 10, 100]), np.array([0, 2, 0]), np.zeros(3)), [101, 0, 10])

# %% [markdown]
# **5.** *ProdByDivision.* y = Π x, and the gradient dy y / x. With a zero among the x it is 0/0: seven projects shipped
# this. Each slope is the product of the *others*. (np.delete(x, i) leaves number i out.)

# %%
def gradient_of_prod(dy, x):
    ...


factors = np.array([2.0, 0, 3])
check(5, gradient_of_prod(1.0, factors), backward(F.prod, factors))

# %% [markdown]
# **6.** Cure `careful`: √x where x > 0, else 0, with a gradient of 0 there. Make the argument of the root harmless
# first, as F.where(x > 0, x, 1) does.

# %%
def cured(x):
    ...


check(6, backward(cured, np.array([4.0, 0])), [0.25, 0])
