"""Data that is made up, and says so."""

from __future__ import annotations

import numpy as np

from tinygrad_zh.data.tables import Table


def plane(samples: int = 100, *, noise: float = 0.1, seed: int = 0) -> Table:
    """y = √(1 − σ²) · (0.6 u₁ − 0.8 u₂) + σ ε, a noisy plane (带噪声的平面): **synthetic** data.

    The 100 samples with two features of document 002 §4.3 (S5), which gives no data. u₁, u₂, ε ~ N(0, 1)
    are independent, so y has mean 0 and variance 1, and σ² = ``noise``² is the mean squared error that no
    model beats. The features are x₁ = 50 + 10 u₁ and x₂ = 0.5 + 0.1 u₂, on different scales: standardise
    them (F19).

    Raises ValueError unless samples ≥ 1 and 0 ≤ noise ≤ 1.

    >>> plane().names, plane().values.shape
    (('x1', 'x2'), (100, 2))
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise must lie in [0, 1], the standard deviation's share of y, got {noise}")
    u1, u2, epsilon = np.random.Generator(np.random.Philox(seed)).standard_normal((3, samples))
    values = np.stack([50 + 10 * u1, 0.5 + 0.1 * u2], axis=1)
    y = (1 - noise**2) ** 0.5 * (0.6 * u1 - 0.8 * u2) + noise * epsilon
    return Table(("x1", "x2"), values, "y", y)
