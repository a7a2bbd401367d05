"""The rows of training: the update, the initial weights, the features: F07, F16, F17, F19."""

from __future__ import annotations

from tinygrad_zh.data.scaling import standardize
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.nn import init
from tinygrad_zh.ops.update import SGD

ROWS = (
    Formula(
        id="F07", places=("000 §4.2", "002 §4.2", "004 §4.2"), verdict="exact",
        formula="W := W − α ∂J/∂W, b := b − α ∂J/∂b",
        latex=r"W := W - \alpha \frac{\partial J}{\partial W},\quad b := b - \alpha \frac{\partial J}{\partial b}",
        en="Gradient descent; with batches drawn at random, stochastic gradient descent (F27).",
        zh="梯度下降；每步随机取一批样本，就是随机梯度下降（F27）。",
        lines=(Line(SGD.forward, "return w0 - lr * g"),),
    ),
    Formula(
        id="F16", places=("001 §2.5.4", "002 §4.3"), verdict="exact",
        formula="W ~ U[−ε, ε]; W ~ N(0, σ²); W, b ~ U[−1, 1]",
        latex=r"W \sim U[-\epsilon, \epsilon],\quad W \sim N(0, \sigma^2),\quad W, b \sim U[-1, 1]",
        en="U[−1, 1] has variance 1/3: a linear layer multiplies the variance of its input by fan_in/3, a ReLU layer by "
           "fan_in/6, and tanh saturates.",
        zh="U[−1, 1] 的方差是 1/3：线性层把输入的方差放大 fan_in/3 倍，ReLU 层放大 fan_in/6 倍，tanh 则会饱和。",
        lines=(Line(init.uniform, "return (generator or default_generator()).uniform(low, high, shape)"
                                  ".astype(get_default_dtype())"),
               Line(init.normal, "return (generator or default_generator()).normal(mean, std, shape)"
                                 ".astype(get_default_dtype())")),
    ),
    Formula(
        id="F17", places=("001 §2.5.4",), verdict="erratum",
        formula="Xavier, for ReLU: W ~ U(−1/√n, 1/√n)",
        latex=r"W \sim U\left(-\frac{1}{\sqrt{n}}, \frac{1}{\sqrt{n}}\right)",
        corrected="Xavier, for tanh: W ~ U(−√(6 / (fan_in + fan_out)), √(6 / (fan_in + fan_out))); "
                  "He, for ReLU: Var W = 2 / fan_in",
        corrected_latex=r"W \sim U\left(-\sqrt{\frac{6}{n_{in} + n_{out}}}, \sqrt{\frac{6}{n_{in} + n_{out}}}\right),"
                        r"\quad \mathrm{ReLU:}\ \mathrm{Var}\,W = \frac{2}{n_{in}}",
        en="Glorot and Bengio (2010) derive another bound, for activations that are linear around 0, such as tanh; "
           "U(±1/√fan_in) is the heuristic that they improve on. For ReLU, He et al. (2015) derive variance 2/fan_in.",
        zh="Glorot 与 Bengio（2010）推导的是另一个界，针对在 0 附近近似线性的激活函数（如 tanh）；"
           "U(±1/√fan_in) 正是他们要改进的经验做法。ReLU 用的是 He 等（2015）的方差 2/fan_in。",
        lines=(Line(init.xavier_uniform, "bound = (6 / (fan_in + fan_out)) ** 0.5"),
               Line(init.he_uniform, "bound = (6 / fans(shape)[0]) ** 0.5")),
    ),
    Formula(
        id="F19", places=("002 §4.3",), verdict="exact",
        formula="x := (x − mean) / std, for each feature",
        latex=r"x := \frac{x - \mu}{\sigma}",
        en="Mean and standard deviation come from the training set alone, and are applied to all the others.",
        zh="均值和标准差只由训练集计算，再用到其余数据上。",
        lines=(Line(standardize, "return ((x.astype(np.float64) - mean) / std).astype(dtype)"),),
    ),
)
