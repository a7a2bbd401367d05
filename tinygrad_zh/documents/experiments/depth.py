"""F16, F17: how signals and gradients grow or fade with depth. Documents 001 §2.5.4, 002 §4.3.

    z_l = a_{l−1} W_l,   a_l = f(z_l)            n units in every layer, no biases
    E[z_l²] = n · Var[W] · E[a_{l−1}²]           independent weights of mean 0

E[a²] is E[z²] where f is linear, and half of it for a ReLU, which drops one half of a symmetric z. So a layer
multiplies the mean square by

                      Var[W]        linear     ReLU
    U(±1/√n)          1/(3n)        1/3        1/6       what document 001 calls Xavier (F17)
    Xavier            1/n           1          1/2       Glorot, Bengio 2010, with fan_in = fan_out = n
    He                2/n           2          1         He et al. 2015
    U(−1, 1)          1/3           n/3        n/6       document 002 (F16)

and the gradient by the same on its way back. tanh has no such constant: it is linear for small z, and for large ones
it saturates, a = ±1, where its slope 1 − a² is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.i18n import text
from tinygrad_zh.nn.init import fan_in_uniform, he_uniform, uniform, xavier_uniform
from tinygrad_zh.plot.lines import Panel, line_panels

Array = np.ndarray[Any, Any]
Slope = Callable[[Array, Array], Array]

WIDTH, DEPTH, SAMPLES, NETWORKS = 100, 30, 100, 10
INITIALIZERS: dict[str, Any] = {"fan_in": fan_in_uniform, "xavier": xavier_uniform, "he": he_uniform,
                                "uniform": uniform}
VARIANCES = {"fan_in": 1 / (3 * WIDTH), "xavier": 1 / WIDTH, "he": 2 / WIDTH, "uniform": 1 / 3}
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Slope]] = {
    "linear": (lambda z: z, lambda z, a: np.ones_like(z)),
    "relu": (lambda z: np.maximum(0, z), lambda z, a: (z > 0).astype(z.dtype)),
    "tanh": (np.tanh, lambda z, a: 1 - a**2),
}
"""f(z), and f′ from z and a = f(z)."""
KEPT = {"linear": 1.0, "relu": 0.5}
"""E[f(z)²] / E[z²] for a symmetric z."""


class Passage(NamedTuple):
    """Mean squares, (NETWORKS, DEPTH): of z_l forward, l = 1 … DEPTH, and of ∂L/∂z_l backward in the same order.
    saturated: the share of |a| > 0.99 in the last layer."""

    activation: str
    init: str
    forward: Array
    backward: Array
    saturated: float

    @property
    def factors(self) -> tuple[float, float]:
        """What one layer multiplies the mean square by, forward and backward: a mean over layers and networks."""
        return (float(np.mean(self.forward[:, 1:] / self.forward[:, :-1])),
                float(np.mean(self.backward[:, :-1] / self.backward[:, 1:])))

    @property
    def theory(self) -> float | None:
        """n Var[W] times what f keeps; None for tanh."""
        return WIDTH * VARIANCES[self.init] * KEPT[self.activation] if self.activation in KEPT else None


def measure(seed: int = 0) -> list[Passage]:
    """Every activation with every initialisation: 10 networks of 30 layers each."""
    return [passage(activation, init, seed) for activation in ACTIVATIONS for init in INITIALIZERS]


def passage(activation: str, init: str, seed: int) -> Passage:
    """100 normal inputs forward, and a normal upstream gradient backward, through each network."""
    rng = philox(seed)
    f, slope = ACTIVATIONS[activation]
    forward, backward, saturated = np.empty((NETWORKS, DEPTH)), np.empty((NETWORKS, DEPTH)), []
    for network in range(NETWORKS):
        W = [INITIALIZERS[init]((WIDTH, WIDTH), generator=rng).astype(np.float64) for _ in range(DEPTH)]
        z, slopes = rng.standard_normal((SAMPLES, WIDTH)) @ W[0], []
        for layer in range(DEPTH):
            forward[network, layer] = np.mean(z**2)
            a = f(z)
            slopes.append(slope(z, a))
            if layer < DEPTH - 1:
                z = a @ W[layer + 1]
        saturated.append(np.mean(abs(a) > 0.99))
        dz = rng.standard_normal((SAMPLES, WIDTH)) * slopes[-1]
        for layer in reversed(range(DEPTH)):
            backward[network, layer] = np.mean(dz**2)
            if layer:
                dz = dz @ W[layer].T * slopes[layer - 1]
    return Passage(activation, init, forward, backward, float(np.mean(saturated)))


def show(passages: list[Passage]) -> None:
    say("experiment.depth", width=WIDTH, depth=DEPTH, networks=NETWORKS)
    rows = []
    for p in passages:
        forward, backward = p.factors
        theory = "–" if p.theory is None else f"{p.theory:.3f}"
        name = f"{text(f'experiment.depth.{p.activation}')} · {text(f'experiment.depth.{p.init}')}"
        rows.append([name, theory, f"{forward:.3f}", f"{backward:.3f}", f"{np.median(p.forward[:, -1]):.0e}",
                     f"{np.median(p.backward[:, 0]):.0e}"])
    table([text("experiment.depth.network"), *(text(f"experiment.depth.{name}")
           for name in ("theory", "forward", "backward", "last", "first"))], *rows)
    (worst,) = (p for p in passages if (p.activation, p.init) == ("tanh", "uniform"))
    say("experiment.depth.seen", saturated=worst.saturated)


def draw(passages: list[Passage], path: Path) -> Path:
    """The median mean square over the networks: forward above, backward below, a column an activation."""
    layers, panels = range(1, DEPTH + 1), []
    for way in ("forward", "backward"):
        for activation in ACTIVATIONS:
            lines = {text(f"experiment.depth.{p.init}"): (layers, np.median(getattr(p, way), axis=0))
                     for p in passages if p.activation == activation}
            title = text(f"experiment.depth.title.{way}", activation=text(f"experiment.depth.{activation}"))
            panels.append(Panel(title, text("experiment.depth.layer"), "", lines, log=True))
    return line_panels(panels, path, columns=len(ACTIVATIONS))
