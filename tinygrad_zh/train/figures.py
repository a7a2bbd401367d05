"""The figures of an epoch: the mean loss, and the metrics by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.device import move

Metric = Callable[[Any, Any], float]
Metrics = Mapping[str, Metric] | Sequence[Metric]


def named(metrics: Metrics) -> dict[str, Metric]:
    """Metrics by name; functions go by their own.

    Raises TypeError for what is no function, ValueError for a name that is missing, twice there, or the loss's.
    """
    if callable(metrics):
        raise TypeError(f"metrics is a list or a dict of functions, not {metrics!r:.80}; put it in brackets")
    pairs: list[Any] = (list(metrics.items()) if isinstance(metrics, Mapping)
                        else [(getattr(metric, "__name__", None), metric) for metric in metrics])
    names = [name for name, _ in pairs]
    for name, metric in pairs:
        if not callable(metric):
            raise TypeError("a metric is a function (ŷ, y) → number, such as tz.train.metrics.accuracy, "
                            f"not {metric!r:.80}")
        if name is None or names.count(name) > 1:
            raise ValueError(f"{metric!r:.80} has no name for itself; give the metrics as a dict, {{name: function}}")
        if name == "loss":
            raise ValueError("no metric is called 'loss', which is the loss itself; choose another name")
    return dict(pairs)


def amount(value: Any) -> float:
    """The loss as a number. Raises as `single`."""
    return float(single(value).item())


def single(value: Any) -> Tensor:
    """The loss. Raises TypeError for what is no tensor, ValueError for more than one number."""
    if not isinstance(value, Tensor):
        raise TypeError(f"loss(ŷ, y) gives a tensor, not {value!r:.80}; compute it with tz.functional or operators")
    if value.size != 1:
        raise ValueError(f"loss(ŷ, y) gives one number, not a tensor of shape {value.shape}; take its mean")
    return value


class Figures:
    """Collects what batches gave. The loss is the samples' mean; metrics see all predictions at once."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self.total, self.samples = 0.0, 0
        self.predicted: list[Any] = []
        self.targets: list[Any] = []

    def add(self, prediction: Tensor, y: Any, loss: float) -> None:
        self.total += loss * len(y)
        self.samples += len(y)
        if self.metrics:  # predictions are large: they are kept only for who looks at them
            self.predicted.append(move(prediction.data, "cpu"))
            self.targets.append(y)

    def loss(self) -> dict[str, float]:
        return {"loss": self.total / self.samples}

    def all(self) -> dict[str, float]:
        if not self.metrics:
            return self.loss()
        predicted, targets = np.concatenate(self.predicted), np.concatenate(self.targets)
        return self.loss() | {name: float(metric(predicted, targets)) for name, metric in self.metrics.items()}

    def so_far(self) -> dict[str, float]:
        """As `all`; without the metrics while they are undefined, as R² is of one sample."""
        try:
            return self.all()
        except ValueError:
            return self.loss()
