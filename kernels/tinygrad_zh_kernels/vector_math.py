"""eˣ, ln x, tanh x, σ(x) and max for loops that Numba compiles for the CPU. 可向量化的初等函数

LLVM turns a loop into vector instructions only when it sees what each step does: a call of the C library's expf, or
Python's max in a reduction, keeps the whole loop scalar, 8 to 20 times slower. These are polynomials, without a
branch, each rounded as good as the library's own to a few units in the last place.

Each takes float32 or float64 and returns the same. nan stays nan, ±∞ have their limits. Nothing here may be compiled
with the fast-math flags nnan or ninf, nor with reassoc: the reduction x − n ln 2 in two steps depends on its order.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, float64, njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from tinygrad_zh_kernels.cache import keep

SAFE = {"contract", "nsz"}
"""Fast-math flags that these functions bear: multiply and add in one rounding; the sign of zero does not matter."""

LOOSE = {"contract", "nsz", "arcp", "reassoc"}
"""Flags for loops that sum: the order of the terms is free, so that a sum can be kept in a vector."""


def kernel(function: Any = None, **options: Any) -> Any:
    """njit as the bodies here use it: cached on disk, without the GIL, with NumPy's rules for division by zero."""
    if function is None:
        return partial(kernel, **options)
    options = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": LOOSE, **options}
    keeps = options.pop("cache")
    compiled = njit(**options)(function)
    return keep(compiled) if keeps else compiled


# ---- instructions that Python has no word for


@intrinsic
def maximum(typing: Any, a: Any, b: Any) -> Any:
    """The larger of two of one dtype, nan if one is nan. As a reduction it vectorises; Python's max does not."""
    if a != b or a not in (types.float32, types.float64):
        return None
    return a(a, b), _binary("llvm.maximum")


@intrinsic
def minimum(typing: Any, a: Any, b: Any) -> Any:
    """The smaller of two of one dtype, nan if one is nan."""
    if a != b or a not in (types.float32, types.float64):
        return None
    return a(a, b), _binary("llvm.minimum")


def _binary(name: str) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind, kind]))
        return builder.call(function, arguments)

    return generate


@intrinsic
def _power_of_two(typing: Any, shifted: Any) -> Any:
    """2ⁿ by its bits, from a float whose last bits are n + bias: they are moved to where the exponent stands."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        integer, mantissa = (ir.IntType(32), 23) if shifted == types.float32 else (ir.IntType(64), 52)
        bits = builder.bitcast(arguments[0], integer)
        return builder.bitcast(builder.shl(bits, ir.Constant(integer, mantissa)), kind)

    return shifted(shifted), generate


@intrinsic
def select(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b, both computed: no branch."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flag = cgutils.as_bool_bit(builder, arguments[0])
        return builder.select(flag, arguments[1], arguments[2])

    return (a(condition, a, b), generate) if a == b else None


@intrinsic
def use_widest_vectors(typing: Any) -> Any:
    """In the function that calls this, loops use the widest registers there are.

    LLVM prefers half of AVX-512's on Intel's processors, which was right for the first of them; these loops are 1.2 to
    1.7 times faster with whole ones. Without AVX-512 it changes nothing.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite's own `add` knows only attributes that are a word.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


# ---- eˣ = 2ⁿ eʳ, n = round(x / ln 2), |r| ≤ ½ ln 2. ln 2 in two parts keeps r exact (Cody, Waite 1980).
# n comes from adding 1.5 · 2²³ + 127: the sum has no room for a fraction, so it is rounded, and its last bits are those
# of n + 127, an exponent as it is stored. No conversion to integers, which AVX2 does not have for float64.
# The bounds give n = −127, whose bits are 0, and n = 128, whose bits are ∞. Of nan the bits are anything: eʳ is nan.

_E0, _E1, _E2, _E3, _E4, _E5 = (np.float32(c) for c in (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1))  # Cephes
_LOG2E32, _HIGH32, _LOW32 = np.float32(1.44269504088896341), np.float32(0.693359375), np.float32(-2.12194440e-4)
_TOP32, _BOTTOM32, _ONE32 = np.float32(88.7), np.float32(-88.0), np.float32(1)
_SHIFT32, _SHIFT64 = np.float32(1.5 * 2**23 + 127), 1.5 * 2.0**52 + 1023


@njit(fastmath=SAFE, error_model="numpy", forceinline=True)
def _exp32(x):
    x = select(x > _TOP32, _TOP32, x)
    x = select(x < _BOTTOM32, _BOTTOM32, x)
    shifted = x * _LOG2E32 + _SHIFT32
    n = shifted - _SHIFT32
    r = x - n * _HIGH32
    r = r - n * _LOW32
    p = _E0
    p = p * r + _E1
    p = p * r + _E2
    p = p * r + _E3
    p = p * r + _E4
    p = p * r + _E5
    return (p * (r * r) + r + _ONE32) * _power_of_two(shifted)


# Taylor's coefficients 1/13! … 1/2!: on |r| ≤ ½ ln 2 the rest is below half a unit in the last place.
_P64 = tuple(1 / math.factorial(k) for k in range(13, 1, -1))
_LOG2E64, _HIGH64, _LOW64 = 1.4426950408889634, 6.93145751953125e-1, 1.42860682030941723212e-6
_TOP64, _BOTTOM64 = 709.7, -709.1


@njit(fastmath=SAFE, error_model="numpy", forceinline=True)
def _exp64(x):
    x = select(x > _TOP64, _TOP64, x)
    x = select(x < _BOTTOM64, _BOTTOM64, x)
    shifted = x * _LOG2E64 + _SHIFT64
    n = shifted - _SHIFT64
    r = x - n * _HIGH64
    r = r - n * _LOW64
    p = _P64[0]
    p = p * r + _P64[1]
    p = p * r + _P64[2]
    p = p * r + _P64[3]
    p = p * r + _P64[4]
    p = p * r + _P64[5]
    p = p * r + _P64[6]
    p = p * r + _P64[7]
    p = p * r + _P64[8]
    p = p * r + _P64[9]
    p = p * r + _P64[10]
    p = p * r + _P64[11]
    return (p * (r * r) + r + 1.0) * _power_of_two(shifted)


def exp(x: Any) -> Any:
    """eˣ within a unit in the last place; 0 below the normal numbers, ∞ from 88.4 (709.4) on. 中文：指数函数。"""
    raise NotImplementedError("exp is for code that Numba compiles; use np.exp")


@overload(exp, jit_options={"fastmath": SAFE, "error_model": "numpy", "forceinline": True})
def _exp(x):
    if x == float32:
        return lambda x: _exp32(x)
    if x == float64:
        return lambda x: _exp64(x)
    return None


# ---- ln x = n ln 2 + ln(1 + f), ½√2 ≤ 1 + f ≤ √2, and ln(1 + f) from s = f / (2 + f) (fdlibm's e_log.c and e_logf.c).
# x is first made a normal number. n is read off the bits and made a float by the way that _exp takes backwards.


@intrinsic
def _exponent(typing: Any, x: Any) -> Any:
    """The exponent of a positive normal number as it is stored, a float: its bits become the last ones of 2²³ (2⁵²)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        integer, mantissa, unit = _layout(x)
        bits = builder.lshr(builder.bitcast(arguments[0], integer), ir.Constant(integer, mantissa))
        shifted = builder.bitcast(builder.or_(bits, ir.Constant(integer, unit)), kind)
        return builder.fsub(shifted, ir.Constant(kind, 2.0**mantissa))

    return x(x), generate


@intrinsic
def _significand(typing: Any, x: Any) -> Any:
    """A positive normal number with the exponent of 1: from 1 to 2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, mantissa, _ = _layout(x)
        bits = builder.and_(builder.bitcast(arguments[0], integer), ir.Constant(integer, (1 << mantissa) - 1))
        one = 127 << 23 if mantissa == 23 else 1023 << 52
        return builder.bitcast(builder.or_(bits, ir.Constant(integer, one)), context.get_value_type(x))

    return x(x), generate


def _layout(x: Any) -> tuple[Any, int, int]:
    """The integer of a float's size, the bits of its mantissa, and the bits of 2 to that power."""
    return (ir.IntType(32), 23, 150 << 23) if x == types.float32 else (ir.IntType(64), 52, 1075 << 52)


_L32 = tuple(np.float32(c) for c in (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693))
_L64 = (1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
        2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01)


def _log_of(T: Any, bias: int, smallest: float, scale: int, high: float, low: float, series: Any) -> Any:
    """ln for one type. smallest: its smallest normal number; 2^scale makes normal numbers of those below."""
    zero, half, one, two, inf, root = T(0), T(0.5), T(1), T(2), T(np.inf), T(math.sqrt(2))
    least, up, nan = T(smallest), T(2.0**scale), T(np.nan)
    direct, scaled, high, low = T(bias), T(bias + scale), T(high), T(low)

    @njit(fastmath=SAFE, error_model="numpy", forceinline=True)
    def log(x):
        tiny = x < least
        y = select(tiny, x * up, x)
        n = _exponent(y) - select(tiny, scaled, direct)
        m = _significand(y)
        above = m > root
        n = select(above, n + one, n)
        f = select(above, m * half, m) - one
        s = f / (two + f)
        z = s * s
        r = series(z) * z
        h = half * f * f
        y = n * high - ((h - (s * (h + r) + n * low)) - f)
        y = select(x == zero, -inf, y)
        y = select(x < zero, nan, y)
        return select(x < inf, y, x)  # of ∞ and nan they are themselves

    return log


@njit(fastmath=SAFE, error_model="numpy", forceinline=True)
def _series32(z):
    return ((_L32[0] * z + _L32[1]) * z + _L32[2]) * z + _L32[3]


@njit(fastmath=SAFE, error_model="numpy", forceinline=True)
def _series64(z):
    p = _L64[0] * z + _L64[1]
    p = p * z + _L64[2]
    p = p * z + _L64[3]
    p = p * z + _L64[4]
    p = p * z + _L64[5]
    return p * z + _L64[6]


_log32 = _log_of(np.float32, 127, 2.0**-126, 25, 6.9313812256e-01, 9.0580006145e-06, _series32)
_log64 = _log_of(np.float64, 1023, 2.0**-1022, 54, 6.93147180369123816490e-01, 1.90821492927058770002e-10, _series64)


def log(x: Any) -> Any:
    """ln x within a unit in the last place; −∞ at 0, nan below. 中文：自然对数。"""
    raise NotImplementedError("log is for code that Numba compiles; use np.log")


@overload(log, jit_options={"fastmath": SAFE, "error_model": "numpy", "forceinline": True})
def _log(x):
    if x == float32:
        return lambda x: _log32(x)
    if x == float64:
        return lambda x: _log64(x)
    return None


def log1p(x: Any) -> Any:
    """ln(1 + x) within a few units in the last place, where x is small too. 中文：ln(1 + x)。"""
    raise NotImplementedError("log1p is for code that Numba compiles; use np.log1p")


@overload(log1p, jit_options={"fastmath": SAFE, "error_model": "numpy", "forceinline": True})
def _log1p(x):
    if x not in (float32, float64):
        return None
    one, inf = (np.float32(1), np.float32(np.inf)) if x == float32 else (1.0, np.inf)

    def body(x):
        u = one + x
        y = log(u)
        lost = (x - (u - one)) / u  # what rounding 1 + x took away, to first order (Kahan)
        return select((u > 0) & (u < inf), y + lost, y)

    return body


# ---- tanh x. float32: an odd rational function on |x| ≤ 7.9, beyond which the result is ±1 (Eigen's, minimax).
# float64: another near 0, and (1 − e) / (1 + e), e = e^−2|x|, further out (Cephes); both parts always run.

_T1, _T3, _T5, _T7, _T9, _T11, _T13 = (np.float32(c) for c in (
    4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08, -8.60467152213735e-11,
    2.00018790482477e-13, -2.76076847742355e-16))
_U0, _U2, _U4, _U6 = (np.float32(c) for c in (
    4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06))
_END32 = np.float32(7.90531110763549805)
_T64P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_T64Q = (1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
_NEAR64 = 0.625


@njit(fastmath=SAFE, error_model="numpy", forceinline=True)
def _tanh32(x):
    x = select(x > _END32, _END32, x)
    x = select(x < -_END32, -_END32, x)
    z = x * x
    p = _T13
    p = p * z + _T11
    p = p * z + _T9
    p = p * z + _T7
    p = p * z + _T5
    p = p * z + _T3
    p = p * z + _T1
    q = _U6
    q = q * z + _U4
    q = q * z + _U2
    q = q * z + _U0
    return x * p / q


@njit(fastmath=SAFE, error_model="numpy", forceinline=True)
def _tanh64(x):
    z = x * x
    p = _T64P[0]
    p = p * z + _T64P[1]
    p = p * z + _T64P[2]
    q = z + _T64Q[0]
    q = q * z + _T64Q[1]
    q = q * z + _T64Q[2]
    near = x + x * z * (p / q)
    size = abs(x)
    e = _exp64(-(size + size))
    far = (1.0 - e) / (1.0 + e)
    return select(size < _NEAR64, near, select(x < 0.0, -far, far))


def tanh(x: Any) -> Any:
    """tanh x within a few units in the last place; ±1 at ±∞. 中文：双曲正切。"""
    raise NotImplementedError("tanh is for code that Numba compiles; use np.tanh")


@overload(tanh, jit_options={"fastmath": SAFE, "error_model": "numpy", "forceinline": True})
def _tanh(x):
    if x == float32:
        return lambda x: _tanh32(x)
    if x == float64:
        return lambda x: _tanh64(x)
    return None


# ---- σ(x) = 1 / (1 + e⁻ˣ), as it stands: where e⁻ˣ is ∞ the result is 0, and no warning is raised here as in NumPy


def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + e⁻ˣ) within a few units in the last place. 中文：S 型函数。"""
    raise NotImplementedError("sigmoid is for code that Numba compiles; use tinygrad_zh.functional.sigmoid")


@overload(sigmoid, jit_options={"fastmath": SAFE, "error_model": "numpy", "forceinline": True})
def _sigmoid(x):
    if x not in (float32, float64):
        return None
    one = np.float32(1) if x == float32 else 1.0
    return lambda x: one / (one + exp(-x))
