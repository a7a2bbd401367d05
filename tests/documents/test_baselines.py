"""The baselines: their probabilities worked out by hand, and what is said without scikit-learn."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tinygrad_zh.documents.baselines import logistic_regression, naive_bayes, with_pairs

TRAIN, LABELS = [["a", "a", "b"], ["b", "c"], ["c", "c", "d"]], [4, 4, 7]


def by_hand(tokens: list[str]) -> int:
    """P(c) Π (count + 1) / (all of the class + 4 tokens known); "z" was never seen and counts for nothing."""
    four = 2 / 3 * np.prod([{"a": 3, "b": 3, "c": 2, "d": 1}[t] / 9 for t in tokens if t != "z"])
    seven = 1 / 3 * np.prod([{"a": 1, "b": 1, "c": 3, "d": 2}[t] / 7 for t in tokens if t != "z"])
    return 4 if four > seven else 7


def test_naive_bayes_is_the_product_of_the_smoothed_frequencies():
    pytest.importorskip("sklearn", reason="the baselines need scikit-learn, the extra `text`")
    test = [["a"], ["b", "c"], ["c"], ["c", "c"], ["d", "c"], ["z"], [], ["a", "d", "d", "d"]]
    assert naive_bayes(TRAIN, LABELS, test).tolist() == [by_hand(tokens) for tokens in test]
    assert set(map(by_hand, test)) == {4, 7}


def test_logistic_regression_separates_the_classes():
    pytest.importorskip("sklearn", reason="the baselines need scikit-learn, the extra `text`")
    assert logistic_regression(TRAIN, LABELS, [["a", "b"], ["c", "d", "d", "c"], ["b"]]).tolist() == [4, 7, 4]


def test_pairs_of_neighbours():
    assert with_pairs(["一", "二"]) == ["一", "二", "一二"]
    assert with_pairs(["一"]) == ["一"]
    assert with_pairs([]) == []


@pytest.mark.parametrize("baseline", [naive_bayes, logistic_regression])
def test_without_scikit_learn_it_names_the_extra(baseline, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.naive_bayes", None)
    with pytest.raises(ImportError, match=r"tinygrad-zh\[text\]"):
        baseline(TRAIN, LABELS, TRAIN)
