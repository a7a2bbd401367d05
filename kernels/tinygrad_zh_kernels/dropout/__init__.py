"""Dropout: zeros at random. 随机失活

    forward    m = u ≥ p,  y = x m s      u uniform in [0, 1), s = 1 / (1 − p), or 0 where p = 1
    backward   dx = dy m s

Covered: x of any shape, contiguous, float32, float64; a generator of NumPy's Philox. The mask is rng.random(x.shape,
np.float32) ≥ p bit for bit, and the generator is left as that leaves it: whoever draws next gets the same numbers.

u is the upper 24 bits of a random word of 32 over 2²⁴, so u ≥ p where those bits, as an integer, are at least ⌈2²⁴ p⌉:
no u is ever computed. The words come from a counter: word i is a function of i alone (philox.py), and any thread can
compute it. Ten rounds of two 64-bit products give eight words, about as much work as it is to fetch the eight numbers.

Least traffic: forward reads x, writes y and a byte of mask, 9 bytes a number in float32; backward reads dy and the mask
and writes dx, 9 too.

Easy to get wrong: a generator that stands in the middle of a block, or has kept half of a 64-bit number from earlier;
p, which is compared with u in float32; p = 1; x = ∞ where m = 0, which is nan.

Srivastava et al. 2014; Salmon et al. 2011.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator


def covers(x: Any, *, p: Any, scale: float, rng: Any) -> bool:
    """Words from NumPy's Philox, and p a Python number: float32 like u; a NumPy float64 would make y float64."""
    return (x.dtype.kind == "f" and x.ndim > 0 and type(rng.bit_generator) is np.random.Philox
            and type(p) in (int, float) and type(scale) is float)


def covers_backward(dy: Any, mask: Any, *, scale: float) -> bool:
    """A mask of dy's shape."""
    return dy.dtype.kind == "f" and mask.dtype == np.bool_ and mask.shape == dy.shape


def threshold(p: float) -> int:
    """⌈2²⁴ p⌉, with p in float32 as u is: where its 24 bits are at least so large, a number is kept."""
    return math.ceil(float(np.float32(p)) * 2**24)


def call(rng: Rng, dtype: Any, size: Size, p: Any = 0.3, words: int = 0, numbers: int = 0) -> Arguments:
    """A call of forward, with a generator that has given so many words of 32 bits, then numbers of 64."""
    generator = np.random.Generator(np.random.Philox(int(rng.integers(2**32))))
    generator.random(words, np.float32)
    generator.random(numbers)
    x = np.asarray(rng.standard_normal(size), dtype)
    return Arguments((x,), {"p": p, "scale": 1 / (1 - p) if p < 1 else 0.0, "rng": generator})


def with_state(rng: Rng, dtype: Any, lowest: int = 0, **changes: Any) -> Arguments:
    """A call with a generator in another state. lowest: the lower 64 bits of its counter; those above are all ones."""
    arguments = call(rng, dtype, (50,))
    state: Any = arguments.keywords["rng"].bit_generator.state | changes
    if lowest:
        state["state"]["counter"] = np.array([lowest, 2**64 - 1, 2**64 - 1, 5], np.uint64)
    arguments.keywords["rng"].bit_generator.state = state
    return arguments


def at_the_threshold(rng: Rng, dtype: Any, i: int) -> Arguments:
    """p is the i-th u, so that number is kept."""
    (x,), keywords = call(rng, dtype, (50,))
    state = keywords["rng"].bit_generator.state
    p = float(keywords["rng"].random(50, np.float32)[i])
    keywords["rng"].bit_generator.state = state
    return Arguments((x,), {**keywords, "p": p})


def anywhere(rng: Rng, dtype: Any) -> Arguments:
    """x does not begin at a multiple of 16 bytes."""
    (x,), keywords = call(rng, dtype, (3000,))
    return Arguments((x[1:],), keywords)


def infinite(rng: Rng, dtype: Any) -> Arguments:
    """x = ±∞ and nan."""
    (x,), keywords = call(rng, dtype, (40,))
    return Arguments((np.where(x > 0, np.inf, np.where(x > -1, -np.inf, np.nan)).astype(dtype),), keywords)


def backward_call(rng: Rng, dtype: Any, size: Size) -> Arguments:
    """dy and a mask."""
    return Arguments((np.asarray(rng.standard_normal(size), dtype), rng.random(size) < 0.7), {"scale": 1 / 0.7})


SIZES = ((4096,), (65_536,), (1_048_576,), (16_777_216,))

forward = Kernel(
    "dropout.forward",
    formula="Dropout.forward",
    arguments=lambda rng, dtype, size: call(rng, dtype, size, words=int(rng.integers(9)), numbers=int(rng.integers(5))),
    limits=((0, 300),),
    cases={
        "1 word given": lambda rng, dtype: call(rng, dtype, (45,), words=1),
        "2 words and 1 number given": lambda rng, dtype: call(rng, dtype, (45,), words=2, numbers=1),
        "3 words and 3 numbers given": lambda rng, dtype: call(rng, dtype, (45,), words=3, numbers=3),
        "7 words given": lambda rng, dtype: call(rng, dtype, (45,), words=7),
        "one number, kept from before": lambda rng, dtype: call(rng, dtype, (1,), words=3),
        "no number": lambda rng, dtype: call(rng, dtype, (0,), words=3),
        "blocks and a rest": lambda rng, dtype: call(rng, dtype, (3, 1400), words=5),
        "p = 0": lambda rng, dtype: call(rng, dtype, (70,), p=0),
        "p = 0.999": lambda rng, dtype: call(rng, dtype, (3000,), p=0.999),
        "p = 1": lambda rng, dtype: call(rng, dtype, (70,), p=1),
        "p = u": lambda rng, dtype: at_the_threshold(rng, dtype, 7),
        "p = the last u": lambda rng, dtype: at_the_threshold(rng, dtype, 49),
        "a counter about to overflow": lambda rng, dtype: with_state(rng, dtype, 2**64 - 3),
        "a counter that overflows at once": lambda rng, dtype: with_state(rng, dtype, 2**64 - 1),
        "a word of 0, kept from before": lambda rng, dtype: with_state(rng, dtype, has_uint32=1, uinteger=0),
        "numbers that begin anywhere": anywhere,
        "±∞ and nan": infinite,
    },
    sizes=SIZES,
    flops=lambda arguments: 2 * arguments.arrays[0].size,  # ·, ·
)

backward = Kernel(
    "dropout.backward",
    formula="Dropout.backward",
    arguments=backward_call,
    limits=((0, 300),),
    cases={"blocks and a rest": lambda rng, dtype: backward_call(rng, dtype, (3, 1400))},
    sizes=SIZES,
    flops=lambda arguments: 2 * arguments.arrays[0].size,
)
