"""Deterministic randomness: counter-based generators, one per context."""

from __future__ import annotations

import secrets
from contextvars import ContextVar

import numpy as np

_GENERATOR: ContextVar[np.random.Generator | None] = ContextVar("tinygrad_zh.generator", default=None)


def philox(seed: int) -> np.random.Generator:
    """A Philox generator: the n-th draw is a function of (seed, n) alone, the same on every device.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". 中文：计数器型随机数生成器。
    """
    return np.random.Generator(np.random.Philox(seed))


def manual_seed(seed: int) -> np.random.Generator:
    """Seed this context's generator and return it: initial weights, shuffling and dropout draw from it.

    Raises TypeError for what is no integer and ValueError for a negative one. 中文：设置随机种子。

    >>> import tinygrad_zh as tz
    >>> a = tz.manual_seed(7).random()
    >>> a == tz.manual_seed(7).random()
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"the seed is an integer ≥ 0, not {seed!r}")
    if seed < 0:
        raise ValueError(f"the seed is an integer ≥ 0, not {seed}")
    generator = philox(int(seed))
    _GENERATOR.set(generator)
    return generator


def default_generator() -> np.random.Generator:
    """This context's generator; seeded from the operating system until `manual_seed` is called."""
    return _GENERATOR.get() or manual_seed(secrets.randbits(64))


def get_state(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """A Philox generator's state as arrays, to be saved with a checkpoint."""
    state = generator.bit_generator.state
    if state["bit_generator"] != "Philox":
        raise TypeError(f"only Philox generators can be saved, not {state['bit_generator']}; use tz.manual_seed")
    return {
        "counter": state["state"]["counter"].copy(),
        "key": state["state"]["key"].copy(),
        "buffer": state["buffer"].copy(),
        "rest": np.array([state["buffer_pos"], state["has_uint32"], state["uinteger"]], np.uint64),
    }


def set_state(generator: np.random.Generator, state: dict[str, np.ndarray]) -> None:
    """Put a generator back to where `get_state` found it."""
    position, has_uint32, uinteger = (int(n) for n in state["rest"])
    generator.bit_generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": state["counter"], "key": state["key"]},
        "buffer": state["buffer"],
        "buffer_pos": position,
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
