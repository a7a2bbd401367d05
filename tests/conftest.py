"""One BLAS thread, and Hypothesis profiles: `ci` draws the same examples every time, so a red build is ours."""

from __future__ import annotations

import os

from hypothesis import settings

# Before NumPy is imported, here and in every process that a test starts. The tests' matrices are small, and two
# threads of one product wait for each other whenever something else runs on a core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
