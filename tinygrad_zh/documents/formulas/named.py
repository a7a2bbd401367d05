"""The rows of what the documents name without a formula: F25–F28. The formulas are those of the papers."""

from __future__ import annotations

from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.ops import update
from tinygrad_zh.ops.attention import Attention
from tinygrad_zh.ops.normalization import BatchNorm
from tinygrad_zh.ops.regularization import Dropout
from tinygrad_zh.optim.schedule import CosineAnnealingLR, ExponentialLR, LinearLR
from tinygrad_zh.train import metrics

ROWS = (
    Formula(
        id="F25", places=("000 §2", "001 §2.6"), verdict="named",
        formula="Y = softmax(Q Kᵀ / √d) V",
        latex=r"Y = \mathrm{softmax}\left(\frac{Q K^{\top}}{\sqrt{d_k}}\right) V",
        en="Self-attention and the Transformer block (Vaswani et al. 2017), with the explicit gradient of each of Q, K "
           "and V.",
        zh="自注意力与 Transformer 块（Vaswani 等，2017），并写明 Q、K、V 各自的梯度。",
        lines=(Line(Attention.forward, "return (e / z) @ v, top + np.log(z)"),
               Line(Attention.backward, "return s @ k, s.mT @ q, p.mT @ dy")),
    ),
    Formula(
        id="F26", places=("001 §2.4.3",), verdict="named",
        formula="y = γ (x − μ) / √(σ² + ε) + β; g + λ w; g + λ sign w; x m / (1 − p); "
                "η₀ (1 − t/T); η₀ γᵗ; ½ η₀ (1 + cos(π t/T))",
        latex=r"y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta,\quad g + \lambda w,\quad "
              r"g + \lambda\,\mathrm{sign}(w),\quad \frac{x m}{1 - p},\quad \eta_0 \left(1 - \frac{t}{T}\right),\quad "
              r"\eta_0 \gamma^t,\quad \frac{\eta_0}{2} \left(1 + \cos\frac{\pi t}{T}\right)",
        en="Batch normalisation (Ioffe, Szegedy 2015), L2 and L1, dropout (Srivastava et al. 2014), linear, exponential "
           "and cosine decay (Loshchilov, Hutter 2017). Data augmentation is named too; this package has none yet.",
        zh="批归一化（Ioffe、Szegedy，2015）、L2 与 L1 正则、Dropout（Srivastava 等，2014），"
           "以及线性、指数、余弦衰减（Loshchilov、Hutter，2017）。文中还提到数据增强，本项目目前没有实现。",
        lines=(Line(BatchNorm.forward,
                    "return gamma * ((x - mean) * rstd) + beta, new_mean, new_var, mean, rstd"),
               Line(update.L2Penalty.forward, "return g0 + decay * w"),
               Line(update.L1Penalty.forward, "return g0 + decay * np.sign(w)"),
               Line(Dropout.forward, "return x * mask * scale, mask"),
               Line(LinearLR.at, "return self.initial * (self.start + (self.end - self.start) * min(t, self.total) / "
                                 "self.total)"),
               Line(ExponentialLR.at, "return self.initial * self.gamma**t"),
               Line(CosineAnnealingLR.at, "return self.minimum + 0.5 * (self.initial - self.minimum) * "
                                          "(1 + math.cos(math.pi * t / self.total))")),
    ),
    Formula(
        id="F27", places=("001 §2.4.2", "002 §4.2", "004 §5"), verdict="named",
        formula="SGD: w ← w − η g; Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², w ← w − η m̂ / (√v̂ + ε)",
        latex=r"w \leftarrow w - \eta g,\quad m \leftarrow \beta_1 m + (1 - \beta_1) g,\quad "
              r"v \leftarrow \beta_2 v + (1 - \beta_2) g^2,\quad "
              r"w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}",
        en="Adam is that of Kingma and Ba (2015, algorithm 1), with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).",
        zh="Adam 按 Kingma 与 Ba（2015，算法 1）实现，m̂ = m / (1 − β₁ᵗ)，v̂ = v / (1 − β₂ᵗ)。",
        lines=(Line(update.SGD.forward, "return w0 - lr * g"),
               Line(update.Adam.forward, "return w0 - lr * m_hat / (np.sqrt(v_hat) + eps), m, v")),
    ),
    Formula(
        id="F28", places=("000 §9.6", "002 §9.6"), verdict="erratum",
        formula="F1 = w · accuracy + (1 − w) · recall",
        latex=r"F_1 = w \cdot \mathrm{accuracy} + (1 - w) \cdot \mathrm{recall}",
        corrected="F1 = 2 P R / (P + R), P = TP / (TP + FP), R = TP / (TP + FN)",
        corrected_latex=r"F_1 = \frac{2 P R}{P + R},\quad P = \frac{TP}{TP + FP},\quad R = \frac{TP}{TP + FN}",
        en="Document 000 calls F1 a weighted mean of 准确率 (accuracy) and recall; it is the harmonic mean of precision "
           "(精确率) and recall. 002 says harmonic, and 准确率 again. Accuracy, ROC and PR are named without a formula.",
        zh="文档 000 说 F1 是准确率（accuracy）与召回率的加权平均；其实是精确率（precision）与召回率的调和平均。"
           "002 说的是调和平均，但仍写成准确率。准确率、ROC、PR 只提到名称，没有公式。",
        lines=(Line(metrics.f1, "return _average(2 * counts.hits, counts.predicted + counts.actual, counts, average)"),
               Line(metrics.precision, "return _average(counts.hits, counts.predicted, counts, average)"),
               Line(metrics.recall, "return _average(counts.hits, counts.actual, counts, average)"),
               Line(metrics.accuracy, "return float(np.mean(labels.predicted == labels.target))")),
    ),
)
