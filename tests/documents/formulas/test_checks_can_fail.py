"""A check that cannot fail proves nothing: each finding of each row is made false by some wrong version of the code.

Of an erratum the wrong versions are the document's own in the place of ours, which has to be noticed, and ours in the
place of the document's, which leaves nothing to refute.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.data import standardize
from tinygrad_zh.documents.formulas import FORMULAS, Formula, loss, training
from tinygrad_zh.nn.init import uniform
from tinygrad_zh.train import metrics

ROWS = {row.id: row for row in FORMULAS}
F = tz.functional


def scaled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The value off by a thousandth; of several, all but the last, which may be a curve's thresholds."""

    def wrong(*inputs, **keywords):
        y = function(*inputs, **keywords)
        return (*(part * 1.001 for part in y[:-1]), y[-1]) if isinstance(y, tuple) else y * 1.001

    return wrong


def doubled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The right value, and twice the gradient."""

    def wrong(*inputs, **keywords):
        y = function(*inputs, **keywords)
        return 2 * y - y.detach() if isinstance(y, tz.Tensor) else y

    return wrong


def each(functions: tuple[Any, ...], wrong: Callable[[Any], Any]) -> list[tuple[Any, ...]]:
    """The functions with one of them made wrong, for each of them."""
    return [(*functions[:i], wrong(function), *functions[i + 1 :]) for i, function in enumerate(functions)]


def by_its_own_statistics(train, test):
    return standardize(train)[0], standardize(test)[0]


WRONG_VERSIONS: dict[str, list[Any]] = {
    "F07": [lambda W, dW, alpha: W + alpha * dW],
    "F12": [scaled(F.relu)],
    "F13": [lambda x: 1 / (1 + np.exp(-x))],
    "F16": [lambda shape, generator=None: uniform(shape, -0.01, 0.01, generator)],
    "F19": [by_its_own_statistics],
    "F20": [lambda: tz.nn.Dense(2, 1)],
    "F26": [wrong for each_wrong in (scaled, doubled) for wrong in each(ROWS["F26"].ours, each_wrong)],
    "F27": each(ROWS["F27"].ours, scaled),
}
"""More of them, in the place of ours, where making the value or the gradient wrong is not enough."""

PATCHES: dict[str, list[tuple[Any, str, Any]]] = {
    "F09": [(loss, "CrossEntropy", doubled(F.cross_entropy))],
    "F10": [(F, "cross_entropy", scaled(F.cross_entropy))],
    "F14": [(F, "tanh", scaled(F.tanh))],
    "F16": [(training.init, "normal", scaled(training.init.normal))],
    "F25": [(F, "layer_norm", doubled(F.layer_norm))],
    "F28": [(metrics, "recall", scaled(metrics.recall)),
            (metrics, "roc", scaled(metrics.roc)), (metrics, "precision_recall", scaled(metrics.precision_recall))],
}
"""And what a check calls beside the two that are compared."""


def versions(row: Formula) -> list[tuple[Any, Any, Any]]:
    """(ours, literal, patch) of every wrong version."""
    wrong = [(row.literal, row.literal, None), (row.ours, row.ours, None)] if row.verdict == "erratum" else []
    if row.verdict != "erratum" and callable(row.ours):
        wrong += [(change(row.ours), row.literal, None) for change in (scaled, doubled)]
    wrong += [(ours, row.literal, None) for ours in WRONG_VERSIONS.get(row.id, [])]
    return wrong + [(row.ours, row.literal, change) for change in PATCHES.get(row.id, [])]


@pytest.mark.parametrize("row", FORMULAS, ids=lambda row: row.id)
def test_every_finding_is_false_of_some_wrong_version(row: Formula):
    standing = dict(enumerate(row.findings()))
    for ours, literal, change in versions(row):
        with nullcontext() if change is None else patch.object(*change):
            for i, finding in enumerate(row.findings_of(ours, literal)):
                if not finding:
                    standing.pop(i, None)
    assert not standing


@pytest.mark.parametrize("row", [row for row in FORMULAS if row.verdict == "erratum"], ids=lambda row: row.id)
def test_the_documents_version_does_not_pass_for_ours_nor_ours_for_its(row: Formula):
    assert not all(row.findings_of(row.literal, row.literal))
    assert not all(row.findings_of(row.ours, row.ours))


@pytest.mark.parametrize(("id", "diagnosis"), [("F04", "sign"), ("F05", "factor_missing"), ("F12", "factor_missing"),
                                               ("F18", "factor_twice"), ("F24", "sign")])
def test_the_gradient_check_says_what_is_wrong_with_the_document(id: str, diagnosis: str):
    reports = [finding.report for finding in ROWS[id].findings() if finding.name == "refuted"]
    assert [report.failures[0].diagnosis for report in reports] == [diagnosis]
