"""micrograd: a graph of single numbers, so for the smallest case alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from micrograd.engine import Value

from benchmarks.peers.cases import Case, batches, weights

VARIANTS = {"micrograd": "a Value for every number"}
MOST = 100  # parameters


def loaded(variant: str) -> str:
    sys.setrecursionlimit(100_000)  # its backward visits the graph by recursion
    return "micrograd, numbers of Python"


def stepper(case: Case, variant: str) -> Callable[[int], Any]:
    arrays = weights(case)
    if case.model != "mlp" or case.loss != "mse" or sum(array.size for array in arrays.values()) > MOST:
        raise ValueError("micrograd computes number by number: it is only timed on case c")
    p = {name: [[Value(float(w)) for w in row] for row in array.reshape(-1, array.shape[-1])]
         for name, array in arrays.items()}
    every = [value for rows in p.values() for row in rows for value in row]
    data = [(x.tolist(), y[:, 0].tolist()) for x, y in batches(case)]
    last, count = len(case.sizes) - 2, len(data)

    def predicted(row: list[Any]) -> Any:
        for i in range(last + 1):
            W, (b,) = p[f"{i}.W"], p[f"{i}.b"]
            row = [sum((x * w[j] for x, w in zip(row, W, strict=True)), b[j]) for j in range(len(b))]
            row = [value.relu() for value in row] if i < last else row
        return row[0]

    def step(i: int) -> float:
        x, y = data[i % count]
        errors = [predicted(row) - target for row, target in zip(x, y, strict=True)]
        L = sum((error * error for error in errors), Value(0.0)) * (1 / len(y))
        for value in every:
            value.grad = 0.0
        L.backward()
        for value in every:
            value.data -= case.rate * value.grad
        return L.data

    return step
