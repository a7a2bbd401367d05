"""The upstream gradients that a check pulls back: random signs, and one that is not contiguous. 上游梯度"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_zh.check.differences import Array
from tinygrad_zh.check.hygiene import strided
from tinygrad_zh.check.problem import Problem
from tinygrad_zh.core.tensor import Tensor


def random_upstream(outputs: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Random signs, and random sizes from ½ to 1½ so that contributions cannot cancel by chance."""
    return [np.asarray(rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape)) for y in outputs]


def upstreams_of(problem: Problem, outputs: Sequence[Array], given: Any, rng: np.random.Generator) -> list[list[Array]]:
    """Two upstream gradients, the second one not contiguous. Of a single number the first is 1, so that the
    report shows the derivative itself."""
    if given is None:
        single = all(y.size == 1 for y in outputs)
        first = [np.ones(y.shape) for y in outputs] if single else random_upstream(outputs, rng)
        second = random_upstream(outputs, rng)
    else:
        each = given if isinstance(given, (tuple, list)) and len(outputs) > 1 else [given]
        first = [_real(u) for u in each]
        if [u.shape for u in first] != [y.shape for y in outputs]:
            raise ValueError(f"gradcheck: upstream has shape {', '.join(str(u.shape) for u in first)}, the outputs of "
                             f"{problem.title} have {', '.join(str(y.shape) for y in outputs)}")
        second = first
    return [first] if problem.fixed else [first, [strided(u) for u in second]]


def _real(upstream: Any) -> Array:
    u = np.asarray(upstream.array if isinstance(upstream, Tensor) else upstream)
    if u.dtype.kind not in "fiu" or not np.isfinite(u).all():
        kind = u.dtype if u.dtype.kind not in "fiu" else "what is not finite"
        raise TypeError(f"gradcheck: upstream holds {kind}; it is an array of real numbers, or a tuple, one an output")
    return u.astype(np.float64)
