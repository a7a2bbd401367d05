"""What counting tokens tells without a network: naive Bayes and logistic regression, through scikit-learn.

A network on texts is printed beside these two, trained on the same texts and tested on the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Texts = Sequence[Sequence[str]]


def naive_bayes(train: Texts, labels: ArrayLike, test: Texts) -> np.ndarray:
    """The class of the greatest P(c) Π P(token | c) for each test text, counts smoothed by 1. 中文：朴素贝叶斯。

    Texts are lists of tokens. Raises ImportError without scikit-learn, the extra `text`.
    """
    return _predicted(_sklearn().naive_bayes.MultinomialNB(), train, labels, test)


def logistic_regression(train: Texts, labels: ArrayLike, test: Texts) -> np.ndarray:
    """The class of the greatest softmax(n W + b), n the counts of a text's tokens. 中文：逻辑回归。

    Learnt with the penalty ½ Σ W². Texts are lists of tokens. Raises ImportError without scikit-learn, the extra
    `text`.
    """
    return _predicted(_sklearn().linear_model.LogisticRegression(max_iter=1000), train, labels, test)


def with_pairs(tokens: Sequence[str]) -> list[str]:
    """The tokens, then every two that stand side by side as one (一元与二元).

    >>> with_pairs(["你", "好", "吗"])
    ['你', '好', '吗', '你好', '好吗']
    """
    return [*tokens, *map("".join, pairwise(tokens))]


def _predicted(model: Any, train: Texts, labels: ArrayLike, test: Texts) -> np.ndarray:
    counter = _sklearn().feature_extraction.text.CountVectorizer(analyzer=list)
    model.fit(counter.fit_transform(train), np.asarray(labels))
    return np.asarray(model.predict(counter.transform(test)))


def _sklearn() -> ModuleType:
    try:
        import sklearn.feature_extraction.text
        import sklearn.linear_model
        import sklearn.naive_bayes
    except ImportError:
        raise ImportError('the baselines need scikit-learn: pip install "tinygrad-zh[text]"') from None
    return sklearn
