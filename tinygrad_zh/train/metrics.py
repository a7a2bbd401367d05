"""Metrics: how good are the predictions? (评估指标)

Pure NumPy functions on anything that `np.asarray` takes: arrays, lists, Tensors (those on a GPU are brought to the
CPU). They return Python floats and arrays, never Tensors, and nothing is differentiated (documents 000 §9.6 and 002
§9.6, F28).

How the functions on labels read `predicted` and `target`, n samples and C classes:

- integers (n,) or (n, 1) are class labels; target: labels of the same shape;
- floats (n,) or (n, 1) are probabilities of class 1: the label is 1 where p > 0.5 (document 003 §4.3);
  target: 0 or 1, of the same shape;
- numbers (n, C), C ≥ 2, are logits or probabilities: the label is the largest's, the first of equals;
  target: labels (n,), or one-hot rows (n, C).

(n, 1) never meets (n,): NumPy would broadcast them to n² comparisons. A target of floats is accepted where
every value is 0 or 1, as binary cross-entropy wants them.

0/0 is 0.0: the precision of a class that was never predicted, the recall of a class that never occurs.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_zh.core import Tensor
from tinygrad_zh.device import move

Average = Literal["binary", "macro", "micro"] | None


def accuracy(predicted: ArrayLike, target: ArrayLike) -> float:
    """accuracy = (samples whose label is right) / n

    Shapes: see the top of this module. ValueError for a continuous target, where no label
    exists: `exact_match` shows how little equality says there (document 004 §5 prints 0.895 for one).
    准确率 (F28).

    >>> accuracy([0, 2, 1, 1], [0, 2, 2, 1])
    0.75
    >>> accuracy([[2.0, -1.0], [0.5, 3.0]], [0, 1])
    1.0
    """
    labels = _read(predicted, target)
    return float(np.mean(labels.predicted == labels.target))


def exact_match(predicted: ArrayLike, target: ArrayLike) -> float:
    """exact match = (elements with ŷ = y) / (number of elements)

    For numbers of any kind, of one shape. Between continuous values it is about 0 however good the model:
    what a library that compares ŷ and y by == calls their accuracy. 完全相等的比例 (document 004 §5, S7).

    >>> exact_match([0.31, 0.74], [0.31, 0.75])
    0.5
    """
    y, t = _numbers(predicted, "predicted"), _numbers(target, "target")
    _same_shape(y, t)
    return float(np.mean(y == t))


def confusion(predicted: ArrayLike, target: ArrayLike, classes: int | None = None) -> NDArray[np.int64]:
    """M[i, j] = number of samples of true class i predicted as class j

    Returns (C, C) counts: rows true, columns predicted. `classes` is C; without it, the columns of an (n, C)
    prediction, 2 for probabilities, or the largest label + 1. IndexError for a label outside 0 … C − 1.
    混淆矩阵.

    >>> confusion([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    labels = _read(predicted, target, classes)
    cells = labels.target * labels.classes + labels.predicted
    return np.bincount(cells, minlength=labels.classes**2).reshape(labels.classes, labels.classes)


def precision(
    predicted: ArrayLike, target: ArrayLike, average: Average = "binary"
) -> float | NDArray[np.float64]:
    """precision = TP / (TP + FP): of what was called positive, how much is?

    TP, FP, FN: true positives, false positives, false negatives of a class. `average` says what becomes of
    the classes:

    - "binary": class 1 of two classes;
    - "macro": the mean over the classes that occur in target or in predicted;
    - "micro": from the counts summed over all classes (with one label a sample it equals accuracy);
    - None: an array with one value for each class.

    精确率 (F28).

    >>> precision([1, 1, 1, 0], [1, 0, 1, 1])
    0.6666666666666666
    """
    counts = _count(predicted, target)
    return _average(counts.hits, counts.predicted, counts, average)


def recall(
    predicted: ArrayLike, target: ArrayLike, average: Average = "binary"
) -> float | NDArray[np.float64]:
    """recall = TP / (TP + FN): of what is positive, how much was found?

    `average` as in `precision`. 召回率 (F28).

    >>> recall([1, 0, 0, 0], [1, 0, 1, 1])
    0.3333333333333333
    """
    counts = _count(predicted, target)
    return _average(counts.hits, counts.actual, counts, average)


def f1(predicted: ArrayLike, target: ArrayLike, average: Average = "binary") -> float | NDArray[np.float64]:
    """F1 = 2 P R / (P + R) = 2 TP / (2 TP + FP + FN), P precision, R recall

    The harmonic mean of precision and recall. Document 000 §9.6 calls it a weighted mean of accuracy (准确率)
    and recall: an erratum, accuracy is no part of it (002 §9.6 says harmonic, and 准确率 again). "macro" is
    the mean of the classes' F1. `average` as in `precision`. F1 分数，精确率与召回率的调和平均 (F28; van
    Rijsbergen 1979).

    >>> f1([1, 1, 0, 0], [1, 0, 1, 1])
    0.4
    """
    counts = _count(predicted, target)
    return _average(2 * counts.hits, counts.predicted + counts.actual, counts, average)


def roc(
    scores: ArrayLike, target: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """FPR(t) = FP / (FP + TN), TPR(t) = TP / (TP + FN), where positive means score ≥ t

    scores: finite numbers (n,) or (n, 1), the higher the more positive; target: 0 or 1, the same shape.
    Returns (false positive rate, true positive rate, thresholds), one entry for each distinct score, in
    falling order of the threshold, behind the point (0, 0) at t = ∞. Equal scores are one point.
    ValueError where only one class occurs: one of the two rates is 0/0 everywhere. ROC 曲线 (F28).

    >>> fpr, tpr, thresholds = roc([0.9, 0.8, 0.3], [1, 0, 1])
    >>> fpr, tpr, thresholds
    (array([0., 0., 1., 1.]), array([0. , 0.5, 0.5, 1. ]), array([inf, 0.9, 0.8, 0.3]))
    >>> auc(fpr, tpr)
    0.5
    """
    ranked = _rank(scores, target)
    positives, negatives = ranked.hits[-1], ranked.false_alarms[-1]
    if positives == 0 or negatives == 0:
        raise ValueError(
            f"the ROC curve needs both classes, but every target is {int(positives > 0)}: "
            "one of its two rates is 0/0; evaluate on samples of both classes"
        )
    return (
        np.append(0.0, ranked.false_alarms / negatives),
        np.append(0.0, ranked.hits / positives),
        np.append(np.inf, ranked.thresholds),
    )


def auc(x: ArrayLike, y: ArrayLike) -> float:
    """area = Σ_k (x_k − x_{k−1}) (y_k + y_{k−1}) / 2, the trapezoidal rule

    x, y: (k,), k ≥ 2, x never falling. Of a ROC curve it is the probability that a positive sample scores
    above a negative one, ties counted half. For precision and recall use `average_precision`: straight lines
    between their points are too optimistic (Davis & Goadrich 2006). 曲线下面积.

    >>> auc([0.0, 0.5, 1.0], [0.0, 1.0, 1.0])
    0.75
    """
    xs, ys = _finite(x, "x"), _finite(y, "y")
    if xs.ndim != 1 or xs.shape != ys.shape or len(xs) < 2:
        raise ValueError(
            f"auc needs x and y of one shape (k,) with k ≥ 2, got {xs.shape} and {ys.shape}; "
            "give the curve's points in order"
        )
    if (np.diff(xs) < 0).any():
        raise ValueError("auc needs x that never falls; sort the curve's points by x, y along with it")
    return float(np.trapezoid(ys, xs))


def precision_recall(
    scores: ArrayLike, target: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """P(t) = TP / (TP + FP), R(t) = TP / (TP + FN), where positive means score ≥ t

    scores and target as in `roc`. Returns (precision, recall, thresholds), one entry for each distinct score,
    in falling order of the threshold, so recall never falls and ends at 1. Each threshold is a score, so each
    calls some sample positive and no precision is 0/0. ValueError without a positive target: recall is 0/0.
    精确率–召回率曲线 (PR 曲线, F28).

    >>> precision_recall([0.9, 0.8, 0.3], [1, 0, 1])
    (array([1.        , 0.5       , 0.66666667]), array([0.5, 0.5, 1. ]), array([0.9, 0.8, 0.3]))
    """
    ranked = _rank(scores, target)
    positives = ranked.hits[-1]
    if positives == 0:
        raise ValueError(
            "recall needs a positive sample, but every target is 0; evaluate on samples of both classes"
        )
    return ranked.hits / (ranked.hits + ranked.false_alarms), ranked.hits / positives, ranked.thresholds


def average_precision(scores: ArrayLike, target: ArrayLike) -> float:
    """AP = Σ_k (R_k − R_{k−1}) P_k, R_0 = 0, thresholds in falling order

    The area under the steps of `precision_recall`, with its arguments and errors. 平均精确率.

    >>> average_precision([0.9, 0.8, 0.3], [1, 0, 1])
    0.8333333333333333
    """
    p, r, _ = precision_recall(scores, target)
    return float(np.sum(np.diff(r, prepend=0.0) * p))


def mse(predicted: ArrayLike, target: ArrayLike) -> float:
    """MSE = 1/n Σ_i (y_i − ŷ_i)²

    predicted, target: finite numbers of one shape, n elements; summed in float64. 均方误差 (document 001
    §2.5.1, F08).

    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    y, t = _regression_pair(predicted, target)
    return float(np.mean((t - y) ** 2))


def r2(predicted: ArrayLike, target: ArrayLike) -> float:
    """R² = 1 − Σ_i (y_i − ŷ_i)² / Σ_i (y_i − ȳ)²

    1 is perfect, 0 is no better than always saying the mean ȳ of the targets, below 0 is worse than that.
    predicted, target: finite numbers (n,) or (n, 1), one shape. ValueError for a constant target, which has
    nothing to explain. 决定系数.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.7857142857142857
    """
    y, t = _regression_pair(predicted, target)
    if t.ndim not in (1, 2) or t.size != len(t):
        raise ValueError(
            f"r2 takes one target, of shape (n,) or (n, 1), got {t.shape}; call it for each column"
        )
    from_first = t - t[0]  # exactly 0 for a constant target, whose mean may differ from it in the last bit
    spread = np.sum((from_first - from_first.mean()) ** 2)
    if spread == 0:
        raise ValueError(
            f"R² is undefined for a constant target ({t.size} × {t.flat[0]:g}): its variance is 0; use mse"
        )
    return float(1 - np.sum((t - y) ** 2) / spread)


class _Labels(NamedTuple):
    predicted: NDArray[np.int64]  # (n,)
    target: NDArray[np.int64]  # (n,)
    classes: int


class _Counts(NamedTuple):
    hits: NDArray[np.int64]  # (C,) TP
    predicted: NDArray[np.int64]  # (C,) TP + FP
    actual: NDArray[np.int64]  # (C,) TP + FN


class _Ranked(NamedTuple):
    hits: NDArray[np.int64]  # (k,) TP at each threshold
    false_alarms: NDArray[np.int64]  # (k,) FP at each threshold
    thresholds: NDArray[np.float64]  # (k,) the distinct scores, falling


def _count(predicted: ArrayLike, target: ArrayLike) -> _Counts:
    y, t, classes = _read(predicted, target)
    return _Counts(*(np.bincount(labels, minlength=classes) for labels in (t[y == t], y, t)))


def _average(
    numerator: NDArray[np.int64], denominator: NDArray[np.int64], counts: _Counts, average: Average
) -> float | NDArray[np.float64]:
    if average == "micro":
        return float(_ratio(numerator.sum(), denominator.sum()))
    each = _ratio(numerator, denominator)
    if average is None:
        return each
    if average == "macro":
        return float(each[counts.predicted + counts.actual > 0].mean())
    if average != "binary":
        raise ValueError(f'average must be "binary", "macro", "micro" or None, got {average!r}')
    if len(each) != 2:
        raise ValueError(
            f'average="binary" is for two classes, got {len(each)}; '
            'choose average="macro", "micro" or None (one value for each class)'
        )
    return float(each[1])


def _ratio(numerator: Any, denominator: Any) -> NDArray[np.float64]:
    # A denominator of 0 has a numerator of 0 here (TP is part of both), and 0/1 is the 0.0 that is promised.
    return np.asarray(numerator / np.maximum(denominator, 1))


def _rank(scores: ArrayLike, target: ArrayLike) -> _Ranked:
    s, t = _finite(scores, "scores"), _numbers(target, "target")
    _one_column(s, "scores")
    _same_shape(s, t, "scores")
    s, t = s.ravel(), _labels(t, "target").ravel()
    _in_range(t, "target", 2)
    order = np.argsort(-s, kind="stable")
    s, t = s[order], t[order]
    last_of_equals = np.append(np.flatnonzero(s[1:] != s[:-1]), len(s) - 1)
    hits = np.cumsum(t)[last_of_equals]
    return _Ranked(hits, last_of_equals + 1 - hits, s[last_of_equals])


def _read(predicted: ArrayLike, target: ArrayLike, classes: int | None = None) -> _Labels:
    """Both arguments as labels (n,), as the top of this module says."""
    y, t = _numbers(predicted, "predicted"), _numbers(target, "target")
    if y.ndim == 2 and y.shape[1] > 1:
        if t.shape not in (y.shape, y.shape[:1]):
            raise ValueError(
                f"predicted {y.shape} needs a target of labels {y.shape[:1]} or one-hot rows {y.shape}, "
                f"got {t.shape}; reshape the target"
            )
        found = y.shape[1]
        true = _labels(t, "target") if t.ndim == 1 else _one_hot_labels(t)
        chosen = y.argmax(axis=1).astype(np.int64)
    else:
        _one_column(y, "predicted")
        _same_shape(y, t)
        true = _labels(t, "target").ravel()
        if y.dtype.kind == "f":
            chosen, found = _labels_of_probabilities(y).ravel(), 2
        else:
            chosen = y.astype(np.int64).ravel()
            found = max(2, int(chosen.max()) + 1, int(true.max()) + 1)
    classes = found if classes is None else classes
    _in_range(true, "target", classes)
    _in_range(chosen, "predicted", classes)
    return _Labels(chosen, true, classes)


def _labels(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    if values.dtype.kind != "f" or np.isin(values, (0, 1)).all():
        return values.astype(np.int64)
    if (values == np.floor(values)).all():
        raise TypeError(f"{name} must hold integer class labels, got {values.dtype}; use .astype(np.int64)")
    value = values[values != np.floor(values)][0]
    raise ValueError(
        f"{name} holds continuous values such as {value:.6g}, and exact equality of continuous targets is "
        "meaningless, so accuracy and its kin do not apply; use r2 or mse"
    )


def _one_hot_labels(target: NDArray[Any]) -> NDArray[np.int64]:
    one_hot = _labels(target, "target")
    wrong = (one_hot.sum(axis=1) != 1) | (one_hot.min(axis=1) < 0)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"a target of shape {target.shape} must be one-hot, but row {row} is {target[row].tolist()}; "
            f"give one label a sample, of shape {target.shape[:1]}"
        )
    return one_hot.argmax(axis=1).astype(np.int64)


def _labels_of_probabilities(values: NDArray[Any]) -> NDArray[np.int64]:
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise ValueError(
            f"predicted {values.shape} {values.dtype} is read as probabilities of class 1, but holds "
            f"{values[outside][0]:g}; apply a sigmoid to logits, or give class labels as integers"
        )
    return (values > 0.5).astype(np.int64)


def _in_range(labels: NDArray[np.int64], name: str, classes: int) -> None:
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        raise IndexError(
            f"{name} holds label {labels[outside][0]}, but {classes} classes are 0 … {classes - 1}"
        )


def _numbers(values: ArrayLike, name: str) -> NDArray[Any]:
    array = move(values.data, "cpu") if isinstance(values, Tensor) else np.asarray(values)
    if array.size == 0:
        raise ValueError(f"{name} is empty (shape {array.shape}); a metric needs at least one sample")
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}; convert it first")
    if np.isnan(array).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise ValueError(f"{name} holds NaN, first at index {where}; find where the model diverged")
    return array


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = _numbers(values, name).astype(np.float64)
    if np.isinf(array).any():
        raise ValueError(f"{name} holds infinity; it must be finite")
    return array


def _regression_pair(
    predicted: ArrayLike, target: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, t = _finite(predicted, "predicted"), _finite(target, "target")
    _same_shape(y, t)
    return y, t


def _one_column(values: NDArray[Any], name: str) -> None:
    if values.ndim not in (1, 2) or values.size != len(values):
        raise ValueError(f"{name} of shape {values.shape} holds no single column; give (n,) or (n, 1)")


def _same_shape(values: NDArray[Any], target: NDArray[Any], name: str = "predicted") -> None:
    if values.shape != target.shape:
        raise ValueError(
            f"{name} {values.shape} and target {target.shape} must have one shape, because broadcasting "
            f"would compare every pair; reshape target to {values.shape}"
        )
