"""Every metric against its definition, counted sample by sample in plain Python, and against scikit-learn."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_zh.train import metrics
from tinygrad_zh.train.metrics import (
    accuracy,
    auc,
    average_precision,
    confusion,
    exact_match,
    f1,
    mse,
    precision,
    precision_recall,
    r2,
    recall,
    roc,
)

BY_CLASS = [precision, recall, f1]
ON_LABELS = [accuracy, confusion, *BY_CLASS]
ON_SCORES = [roc, precision_recall, average_precision]
ON_NUMBERS = [mse, r2]


# Definitions, one sample at a time.


def share(part, whole):
    return part / whole if whole else 0.0


def counted(predicted, target, c):
    pairs = list(zip(predicted, target, strict=True))
    return (
        sum(p == c and t == c for p, t in pairs),
        sum(p == c and t != c for p, t in pairs),
        sum(p != c and t == c for p, t in pairs),
    )


DEFINITION = {
    precision: lambda tp, fp, fn: share(tp, tp + fp),
    recall: lambda tp, fp, fn: share(tp, tp + fn),
    f1: lambda tp, fp, fn: share(tp, tp + (fp + fn) / 2),
}


def points(scores, target):
    """(threshold, TP, FP, FN, TN) of positive = score ≥ threshold, for each distinct score, falling."""
    for threshold in sorted(set(scores), reverse=True):
        called = [s >= threshold for s in scores]
        yield (
            threshold,
            sum(c and t == 1 for c, t in zip(called, target, strict=True)),
            sum(c and t == 0 for c, t in zip(called, target, strict=True)),
            sum(not c and t == 1 for c, t in zip(called, target, strict=True)),
            sum(not c and t == 0 for c, t in zip(called, target, strict=True)),
        )


# Random samples.


@st.composite
def labelled(draw, most=5):
    """(C, predicted labels, true labels), 2 ≤ C ≤ most; some classes often stay empty."""
    c = draw(st.integers(2, most))
    pairs = draw(st.lists(st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1, max_size=30))
    predicted, target = zip(*pairs, strict=True)
    return c, list(predicted), list(target)


# A grid of few values makes ties common; the wide floats have none.
one_score = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(-1e6, 1e6)


@st.composite
def scored(draw):
    """(scores, labels 0 or 1) with both classes present."""
    pairs = draw(st.lists(st.tuples(one_score, st.integers(0, 1)), min_size=2, max_size=30))
    scores, target = zip(*pairs, strict=True)
    assume(len(set(target)) == 2)
    return list(scores), list(target)


numbers = st.floats(-1e3, 1e3).map(lambda v: round(v, 3))
paired_numbers = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30)


def logits_for(labels, classes, seed=0):
    """Scores (n, C) of any sign whose largest entry is the given label's."""
    scores = np.random.default_rng(seed).normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] = scores.max(axis=1) + 1
    return scores


# Labels.


@given(labelled())
def test_accuracy_is_the_share_of_right_labels(sample):
    _, predicted, target = sample
    expected = sum(p == t for p, t in zip(predicted, target, strict=True)) / len(target)
    assert accuracy(predicted, target) == pytest.approx(expected, abs=1e-15)


@given(labelled())
def test_confusion_counts_true_rows_and_predicted_columns(sample):
    c, predicted, target = sample
    table = confusion(predicted, target, classes=c)
    assert table.shape == (c, c)
    for i, j in product(range(c), repeat=2):
        assert table[i, j] == sum(t == i and p == j for p, t in zip(predicted, target, strict=True))
    assert np.trace(table) / table.sum() == pytest.approx(accuracy(predicted, target))


@pytest.mark.parametrize("metric", BY_CLASS)
@given(sample=labelled())
def test_per_class_macro_and_micro_follow_the_definition(metric, sample):
    c, predicted, target = sample
    counts = [counted(predicted, target, k) for k in range(c)]
    each = [DEFINITION[metric](*k) for k in counts]
    occurring = [value for value, k in zip(each, counts, strict=True) if sum(k)]
    scores = logits_for(predicted, c)
    assert metric(scores, target, average=None) == pytest.approx(each, abs=1e-15)
    assert metric(scores, target, average="macro") == pytest.approx(sum(occurring) / len(occurring))
    pooled = DEFINITION[metric](*np.sum(counts, axis=0))
    assert metric(scores, target, average="micro") == pytest.approx(pooled)
    assert metric(scores, target, average="micro") == pytest.approx(accuracy(scores, target))


@pytest.mark.parametrize("metric", BY_CLASS)
@given(sample=labelled(most=2))
def test_binary_is_class_one(metric, sample):
    _, predicted, target = sample
    assert metric(predicted, target) == pytest.approx(DEFINITION[metric](*counted(predicted, target, 1)))


@given(labelled(most=2))
def test_f1_is_the_harmonic_mean_of_precision_and_recall_and_not_a_mean_with_accuracy(sample):
    _, predicted, target = sample
    p, r = precision(predicted, target), recall(predicted, target)
    assert f1(predicted, target) == pytest.approx(share(2 * p * r, p + r))


def test_document_000_formula_for_f1_is_not_f1():
    predicted, target = [1, 0, 0, 0], [1, 1, 0, 0]
    assert f1(predicted, target) == pytest.approx(2 / 3)
    assert (accuracy(predicted, target) + recall(predicted, target)) / 2 == pytest.approx(5 / 8)


@given(labelled(), st.integers(0, 9))
def test_scores_one_hot_and_labels_say_the_same(sample, seed):
    c, predicted, target = sample
    logits = logits_for(predicted, c, seed)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    one_hot = np.eye(c)[target]
    expected = confusion(predicted, target, classes=c)
    for scores, truth in product([logits, probabilities], [target, one_hot, one_hot.astype(bool)]):
        assert np.array_equal(confusion(scores, truth), expected)
        assert accuracy(scores, truth) == accuracy(predicted, target)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
def test_binary_probabilities_are_cut_above_one_half(pairs):
    probabilities, target = zip(*pairs, strict=True)
    expected = sum((p > 0.5) == (t == 1) for p, t in pairs) / len(pairs)
    assert accuracy(probabilities, target) == pytest.approx(expected)
    column = np.reshape(probabilities, (-1, 1)), np.reshape(target, (-1, 1)).astype(np.float32)
    assert accuracy(*column) == pytest.approx(expected)
    assert confusion(probabilities, target).shape == (2, 2)


def test_ties_go_to_the_lowest_class():
    assert accuracy([0.5], [0]) == 1.0
    assert accuracy([[0.5, 0.5], [0.2, 0.2]], [0, 1]) == 0.5


def test_masked_logits_of_minus_infinity_are_fine():
    assert accuracy([[-np.inf, 0.0], [3.0, -np.inf]], [1, 1]) == 0.5


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, ">i4", bool])
def test_label_dtypes(dtype):
    predicted, target = np.array([0, 1, 1, 0]).astype(dtype), np.array([0, 1, 0, 0]).astype(dtype)
    assert accuracy(predicted, target) == 0.75
    assert confusion(predicted, target).tolist() == [[2, 1], [0, 1]]


def test_memory_layout_and_array_protocol_do_not_matter():
    class Wrapped:
        def __array__(self, dtype=None, copy=None):
            return np.array([[0.1, 0.9], [0.8, 0.2]])

    assert accuracy(Wrapped(), [1, 1]) == 0.5
    scores = np.asfortranarray(logits_for([0, 1, 2, 1], 3))
    assert accuracy(scores[::-1], [1, 2, 1, 0]) == 1.0


def test_zero_over_zero_is_zero():
    never_predicted, never_occurs = [0, 0, 0], [0, 0, 0]
    assert precision(never_predicted, [0, 1, 0]) == 0.0
    assert recall([0, 1, 0], never_occurs) == 0.0
    assert f1([0, 0, 0], [0, 0, 0]) == 0.0
    assert precision([0, 0], [1, 1], average=None).tolist() == [0.0, 0.0]
    assert f1([0, 0], [1, 1], average="macro") == 0.0


def test_macro_leaves_out_a_class_that_is_nowhere():
    assert recall(logits_for([0, 1], 3), [0, 1], average=None).tolist() == [1.0, 1.0, 0.0]
    assert recall(logits_for([0, 1], 3), [0, 1], average="macro") == 1.0


def test_confusion_takes_the_number_of_classes_it_is_given():
    assert confusion([0], [0]).shape == (2, 2)
    assert confusion([0, 3], [0, 1]).shape == (4, 4)
    assert confusion([0, 3], [0, 1], classes=7).shape == (7, 7)


# Continuous targets: what document 004 §5 (S7) calls accuracy.


@pytest.mark.parametrize("metric", ON_LABELS)
@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_continuous_targets_have_no_accuracy(metric, shape):
    random = np.random.default_rng(0)
    predicted, target = random.uniform(size=shape), random.uniform(size=shape)
    with pytest.raises(ValueError, match=r"exact equality of continuous targets is meaningless.*r2 or mse"):
        metric(predicted, target)


def test_soft_targets_have_no_accuracy():
    with pytest.raises(ValueError, match=r"continuous values such as 0\.9"):
        accuracy([[0.2, 0.8]], [[0.9, 0.1]])


def test_exact_match_of_continuous_values_is_zero_and_of_labels_is_accuracy():
    random = np.random.default_rng(0)
    target = random.uniform(size=(1000, 1))
    assert exact_match(random.uniform(size=(1000, 1)), target) == 0.0
    assert exact_match(target + 1e-9, target) == 0.0
    assert exact_match(target, target) == 1.0
    assert exact_match([0, 2, 1, 1], [0, 2, 2, 1]) == accuracy([0, 2, 1, 1], [0, 2, 2, 1])


# Curves.


@given(scored())
def test_roc_counts_at_every_threshold(sample):
    scores, target = sample
    expected = [(0.0, 0.0, math.inf)]
    expected += [(fp / (fp + tn), tp / (tp + fn), t) for t, tp, fp, fn, tn in points(scores, target)]
    assert np.stack(roc(scores, target), axis=1).tolist() == [pytest.approx(row) for row in expected]


@given(scored())
def test_precision_recall_counts_at_every_threshold(sample):
    scores, target = sample
    expected = [(tp / (tp + fp), tp / (tp + fn), t) for t, tp, fp, fn, _ in points(scores, target)]
    assert np.stack(precision_recall(scores, target), axis=1).tolist() == [pytest.approx(r) for r in expected]


@given(scored())
def test_area_under_roc_is_the_chance_of_ranking_a_positive_first(sample):
    scores, target = sample
    positive = [s for s, t in zip(scores, target, strict=True) if t]
    negative = [s for s, t in zip(scores, target, strict=True) if not t]
    wins = sum((p > n) + (p == n) / 2 for p, n in product(positive, negative))
    fpr, tpr, _ = roc(scores, target)
    assert auc(fpr, tpr) == pytest.approx(wins / (len(positive) * len(negative)))


@given(scored())
def test_average_precision_sums_the_steps(sample):
    scores, target = sample
    total, before = 0.0, 0.0
    for _, tp, fp, fn, _ in points(scores, target):
        now = tp / (tp + fn)
        total += (now - before) * tp / (tp + fp)
        before = now
    assert average_precision(scores, target) == pytest.approx(total)


@given(scored(), st.randoms())
def test_curves_do_not_depend_on_the_order_of_samples(sample, random):
    scores, target = sample
    shuffled = list(zip(scores, target, strict=True))
    random.shuffle(shuffled)
    for curve in [roc, precision_recall]:
        for a, b in zip(curve(scores, target), curve(*zip(*shuffled, strict=True)), strict=True):
            assert a.tolist() == b.tolist()


def test_a_column_of_scores_and_unsigned_scores():
    flat = roc([3, 1, 2], [1, 0, 0])
    column = roc(np.array([[3], [1], [2]], np.uint8), [[1.0], [0.0], [0.0]])
    assert (
        [a.tolist() for a in flat]
        == [a.tolist() for a in column]
        == [[0, 0, 0.5, 1], [0, 1, 1, 1], [math.inf, 3, 2, 1]]
    )


def test_precision_recall_needs_no_negative():
    assert [a.tolist() for a in precision_recall([0.2, 0.7], [1, 1])] == [[1.0, 1.0], [0.5, 1.0], [0.7, 0.2]]
    assert average_precision([0.2, 0.7], [1, 1]) == 1.0


@given(st.lists(st.tuples(st.integers(0, 50), numbers), min_size=2, max_size=20))
def test_auc_adds_trapezoids(curve):
    x, y = zip(*sorted(curve), strict=True)
    expected = sum((x[k] - x[k - 1]) * (y[k] + y[k - 1]) / 2 for k in range(1, len(x)))
    assert auc(x, y) == pytest.approx(expected, abs=1e-9)


# Regression.


@given(paired_numbers)
def test_mse_and_r2_follow_the_definition(pairs):
    predicted, target = zip(*pairs, strict=True)
    squares = [(p - t) ** 2 for p, t in pairs]
    assert mse(predicted, target) == pytest.approx(math.fsum(squares) / len(pairs))
    assume(len(set(target)) > 1)
    mean = math.fsum(target) / len(target)
    spread = math.fsum((t - mean) ** 2 for t in target)
    assert r2(predicted, target) == pytest.approx(1 - math.fsum(squares) / spread, rel=1e-6, abs=1e-9)
    column = np.reshape(predicted, (-1, 1)), np.reshape(target, (-1, 1))
    assert r2(*column) == r2(predicted, target)


def test_r2_of_the_mean_is_zero():
    target = np.array([1.0, 2.0, 6.0])
    assert r2(np.full(3, target.mean()), target) == pytest.approx(0.0)


def test_mse_of_bytes_does_not_wrap():
    assert mse(np.array([0], np.uint8), np.array([255], np.uint8)) == 65025.0


@pytest.mark.parametrize("value", [0.1, 0.0, 1e300])
def test_r2_of_a_constant_target_raises(value):
    with pytest.raises(ValueError, match=r"R² is undefined for a constant target.*use mse"):
        r2([1.0, 2.0, 3.0], [value] * 3)


# Bad input.


@pytest.mark.parametrize("metric", [*ON_LABELS, *ON_SCORES, *ON_NUMBERS, exact_match])
@pytest.mark.parametrize(
    "first, second, error, message",
    [
        ([], [], ValueError, "is empty"),
        (np.empty((0, 3)), np.empty(0, int), ValueError, r"is empty \(shape \(0, 3\)\)"),
        ([1, 0], [], ValueError, "target is empty"),
        ([0.5, np.nan], [1, 0], ValueError, r"(predicted|scores) holds NaN, first at index \(1,\)"),
        ([1, 0], [1.0, np.nan], ValueError, "target holds NaN"),
        (["cat", "dog"], [1, 0], TypeError, "must hold real numbers, got dtype <U3"),
        ([1, 0], np.array([1, 0], object), TypeError, "target must hold real numbers, got dtype object"),
        ([1j, 0], [1, 0], TypeError, "must hold real numbers, got dtype complex128"),
        (np.zeros((3, 1)), [0, 1, 0], ValueError, r"\(3, 1\) and target \(3,\) must have one shape"),
        ([0.0, 1.0, 0.0], np.zeros((3, 1)), ValueError, r"\(3,\) and target \(3, 1\) must have one shape"),
        ([0, 1, 0], [0, 1], ValueError, "must have one shape"),
    ],
)
def test_bad_input_of_every_metric(metric, first, second, error, message):
    with pytest.raises(error, match=message):
        metric(first, second)


@pytest.mark.parametrize("metric", ON_LABELS)
@pytest.mark.parametrize(
    "predicted, target, error, message",
    [
        (0, 0, ValueError, r"shape \(\) holds no single column"),
        (np.zeros((2, 2, 2)), [0, 1], ValueError, r"shape \(2, 2, 2\) holds no single column"),
        (
            np.zeros((2, 3)),
            np.zeros((2, 2), int),
            ValueError,
            r"labels \(2,\) or one-hot rows \(2, 3\), got \(2, 2\)",
        ),
        (np.zeros((2, 3)), np.zeros((2, 1), int), ValueError, r"got \(2, 1\)"),
        (np.zeros((2, 3)), [0, 3], IndexError, "target holds label 3, but 3 classes are 0 … 2"),
        (np.zeros((2, 3)), [0, -1], IndexError, "target holds label -1"),
        ([0, 1], [0, -1], IndexError, "target holds label -1"),
        ([0, -1], [0, 1], IndexError, "predicted holds label -1"),
        ([0.2, 0.9], [0, 2], IndexError, "target holds label 2, but 2 classes are 0 … 1"),
        (np.zeros((2, 3)), [0.0, 2.0], TypeError, r"target must hold integer class labels, got float64"),
        ([0.2, 1.5], [0, 1], ValueError, "read as probabilities of class 1, but holds 1.5; apply a sigmoid"),
        (
            [-0.2, 0.5],
            [0, 1],
            ValueError,
            "read as probabilities of class 1, but holds -0.2; apply a sigmoid",
        ),
        (np.zeros((2, 3)), [[0, 1, 0], [1, 1, 0]], ValueError, r"row 1 is \[1, 1, 0\]"),
        (np.zeros((2, 3)), [[0, 0, 0], [1, 0, 0]], ValueError, r"row 0 is \[0, 0, 0\]"),
        (np.zeros((2, 3)), [[0, 1, 0], [2, -1, 0]], ValueError, r"row 1 is \[2, -1, 0\]"),
        (np.zeros((2, 3)), [[0, 1, 0], [2, 0, 0]], ValueError, r"row 1 is \[2, 0, 0\]"),
    ],
)
def test_bad_labels(metric, predicted, target, error, message):
    with pytest.raises(error, match=message):
        metric(predicted, target)


def test_confusion_refuses_a_label_outside_the_classes_it_is_given():
    with pytest.raises(IndexError, match="predicted holds label 3, but 3 classes"):
        confusion([0, 3], [0, 1], classes=3)


@pytest.mark.parametrize("metric", BY_CLASS)
def test_bad_average(metric):
    with pytest.raises(ValueError, match='"binary" is for two classes, got 3'):
        metric([0, 1, 2], [0, 1, 1])
    with pytest.raises(ValueError, match='must be "binary", "macro", "micro" or None, got \'weighted\''):
        metric([0, 1], [0, 1], average="weighted")


@pytest.mark.parametrize("label", [0, 1])
def test_roc_needs_both_classes(label):
    with pytest.raises(ValueError, match=f"ROC curve needs both classes, but every target is {label}"):
        roc([0.2, 0.7], [label, label])


@pytest.mark.parametrize("metric", [precision_recall, average_precision])
def test_precision_recall_needs_a_positive(metric):
    with pytest.raises(ValueError, match="every target is 0"):
        metric([0.2, 0.7], [0, 0])


@pytest.mark.parametrize("metric", ON_SCORES)
@pytest.mark.parametrize(
    "scores, target, error, message",
    [
        ([0.5, np.inf], [0, 1], ValueError, "scores holds infinity"),
        (np.zeros((2, 2)), np.eye(2), ValueError, r"scores of shape \(2, 2\) holds no single column"),
        ([0.1, 0.2], [0, 2], IndexError, "target holds label 2"),
        ([0.1, 0.2], [0.3, 0.4], ValueError, "continuous"),
    ],
)
def test_bad_scores(metric, scores, target, error, message):
    with pytest.raises(error, match=message):
        metric(scores, target)


@pytest.mark.parametrize("metric", ON_NUMBERS)
def test_infinite_numbers(metric):
    with pytest.raises(ValueError, match="target holds infinity"):
        metric([1.0, 2.0], [1.0, np.inf])


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_r2_takes_one_target(shape):
    with pytest.raises(ValueError, match="r2 takes one target"):
        r2(np.ones(shape), np.zeros(shape))


@pytest.mark.parametrize(
    "x, y, message",
    [
        ([0.0], [1.0], "k ≥ 2"),
        ([0.0, 1.0], [1.0, 1.0, 1.0], "one shape"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "one shape"),
        ([0.0, 1.0, 0.5], [0.0, 1.0, 1.0], "never falls"),
        ([0.0, np.nan], [0.0, 1.0], "x holds NaN"),
    ],
)
def test_bad_curves(x, y, message):
    with pytest.raises(ValueError, match=message):
        auc(x, y)


# scikit-learn, where it is installed.


@given(labelled())
def test_labels_agree_with_scikit_learn(sample):
    sk = pytest.importorskip("sklearn.metrics")
    c, predicted, target = sample
    every = list(range(c))
    assert accuracy(predicted, target) == pytest.approx(sk.accuracy_score(target, predicted))
    assert np.array_equal(
        confusion(predicted, target, classes=c), sk.confusion_matrix(target, predicted, labels=every)
    )
    scores = logits_for(predicted, c)
    for name, average in product(["precision", "recall", "f1"], ["macro", "micro", None]):
        theirs = getattr(sk, f"{name}_score")(
            target, predicted, average=average, zero_division=0, labels=None if average else every
        )
        assert getattr(metrics, name)(scores, target, average=average) == pytest.approx(theirs)


@given(scored())
def test_curves_agree_with_scikit_learn(sample):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = sample
    fpr, tpr, thresholds = roc(scores, target)
    for ours, theirs in zip(
        (fpr, tpr, thresholds), sk.roc_curve(target, scores, drop_intermediate=False), strict=True
    ):
        assert ours == pytest.approx(theirs)
    assert auc(fpr, tpr) == pytest.approx(sk.roc_auc_score(target, scores))
    assert average_precision(scores, target) == pytest.approx(sk.average_precision_score(target, scores))
    # scikit-learn's thresholds rise, and it adds the point (P, R) = (1, 0) at the end.
    p, r, thresholds = sk.precision_recall_curve(target, scores)
    for ours, theirs in zip(precision_recall(scores, target), (p[:-1], r[:-1], thresholds), strict=True):
        assert ours == pytest.approx(theirs[::-1])


@given(paired_numbers)
def test_regression_agrees_with_scikit_learn(pairs):
    sk = pytest.importorskip("sklearn.metrics")
    predicted, target = zip(*pairs, strict=True)
    assert mse(predicted, target) == pytest.approx(sk.mean_squared_error(target, predicted))
    assume(len(set(target)) > 1)
    assert r2(predicted, target) == pytest.approx(sk.r2_score(target, predicted), rel=1e-6, abs=1e-9)
