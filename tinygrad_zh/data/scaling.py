"""Features on one scale."""

from __future__ import annotations

import warnings

import numpy as np

from tinygrad_zh.data.lengths import common_length


def standardize(train: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """x := (x − μ) / σ for each feature (标准化), with μ and σ **of the training set alone**, applied to all.

    ``train`` (n, …) and ``others`` (m, …) are real arrays with the same features; σ is the standard
    deviation with ddof 0. Returns new arrays in train's dtype if that is floating, else float64. A feature
    that is constant in the training set is centred and divided by 1, and a warning says so. Document 002
    §4.3 (F19).

    Raises ValueError for an empty training set, features that differ, or a feature with NaN or infinity.

    >>> train, test = standardize(np.array([[0.0], [2.0]]), np.array([[4.0]]))
    >>> train.tolist(), test.tolist()
    ([[-1.0], [1.0]], [[3.0]])
    """
    train = np.asarray(train)
    common_length((train,))
    if train.dtype.kind not in "biuf":
        raise TypeError(f"standardize needs real numbers, got dtype {train.dtype}")
    dtype = train.dtype if train.dtype.kind == "f" else np.dtype(np.float64)
    wide = train.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = wide.mean(axis=0), wide.std(axis=0)
    if not np.isfinite(std).all():
        where = np.argwhere(~np.isfinite(std))[0].tolist()
        raise ValueError(
            f"feature {where} of the training set has values that are NaN, infinite or too large"
        )

    # σ of equal values can be rounded above 0, and σ of tiny ones underflows to it.
    constant = (wide.max(axis=0) == wide.min(axis=0)) | (std == 0)
    if constant.any():
        warnings.warn(
            f"{constant.sum()} of {constant.size} features are constant in the training set, the first at "
            f"index {np.argwhere(constant)[0].tolist()}: they are centred and divided by 1",
            stacklevel=2,
        )
    mean = np.where(constant, wide[0], mean)
    std = np.where(constant, 1.0, std)

    def scaled(x: np.ndarray) -> np.ndarray:
        if x.shape[1:] != train.shape[1:]:
            raise ValueError(
                f"features differ: the training set has shape {train.shape}, another has {x.shape}"
            )
        return ((x.astype(np.float64) - mean) / std).astype(dtype)

    return tuple(scaled(np.asarray(x)) for x in (train, *others))


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """x / 255: uint8 pixels as float32 in [0, 1] (像素归一化). Raises TypeError for any other dtype.

    uint8 − uint8 wraps around at 0, so pixels are cast before anything is done with them.

    >>> to_unit(np.array([0, 255], dtype=np.uint8))
    array([0., 1.], dtype=float32)
    """
    if pixels.dtype != np.uint8:
        raise TypeError(f"to_unit needs uint8 pixels, got dtype {pixels.dtype}")
    return pixels.astype(np.float32) / 255
