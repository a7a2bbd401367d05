// __half and __half2 as in CUDA's cuda_fp16.h, as far as kernels here need them: kept in 16 bits, computed in float.
#pragma once
#include <stdint.h>
#include <string.h>

namespace emulator {

inline float widen(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, all;
    if (exponent == 31) {
        all = sign | 0x7f800000 | fraction << 13;
    } else if (exponent) {
        all = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        float small = (float)fraction * 0x1p-24f;
        __builtin_memcpy(&all, &small, 4);
        all |= sign;
    }
    float wide;
    __builtin_memcpy(&wide, &all, 4);
    return wide;
}

// To the nearest, ties to even.
inline uint16_t narrow(double wide) {
    uint16_t sign = __builtin_signbit(wide) ? 0x8000 : 0;
    double size = __builtin_fabs(wide);
    if (size != size) return 0x7fff;
    if (size >= 65520.) return sign | 0x7c00;
    if (size < 0x1p-14) return sign | (uint16_t)__builtin_rint(size * 0x1p24);
    int exponent;
    double fraction = __builtin_frexp(size, &exponent);  // in [1/2, 1)
    return sign | (uint16_t)(((exponent + 13) << 10) + (int)__builtin_rint(fraction * 2048.));
}

}  // namespace emulator

struct __half {
    uint16_t x;
    __half() = default;
    __half(float v) : x(emulator::narrow(v)) {}
    __half(double v) : x(emulator::narrow(v)) {}
    __half(int v) : x(emulator::narrow(v)) {}
    operator float() const { return emulator::widen(x); }
};
typedef __half half;

struct alignas(4) __half2 {
    __half x, y;
};
typedef __half2 half2;

inline __half __float2half(float v) { return __half(v); }
inline __half __float2half_rn(float v) { return __half(v); }
inline __half __double2half(double v) { return __half(v); }
inline __half __int2half_rn(int v) { return __half(v); }
inline float __half2float(__half v) { return (float)v; }
inline unsigned short __half_as_ushort(__half v) { return v.x; }
inline __half __ushort_as_half(unsigned short bits) {
    __half v;
    v.x = bits;
    return v;
}

#define EMULATOR_HALF(operation, name)                                                                       \
    inline __half operator operation(__half a, __half b) { return __half((float)a operation(float) b); }     \
    inline __half name(__half a, __half b) { return a operation b; }                                         \
    inline __half2 operator operation(__half2 a, __half2 b) { return {a.x operation b.x, a.y operation b.y}; } \
    inline __half2 name##2(__half2 a, __half2 b) { return a operation b; }
EMULATOR_HALF(+, __hadd)
EMULATOR_HALF(-, __hsub)
EMULATOR_HALF(*, __hmul)
inline __half __hdiv(__half a, __half b) { return __half((float)a / (float)b); }
inline __half operator/(__half a, __half b) { return __hdiv(a, b); }
inline __half operator-(__half a) { return __ushort_as_half(a.x ^ 0x8000); }
inline __half& operator+=(__half& a, __half b) { return a = a + b; }
inline __half& operator-=(__half& a, __half b) { return a = a - b; }
inline __half& operator*=(__half& a, __half b) { return a = a * b; }
// The product of two halves is exact in double, so one rounding remains, as in the fused instruction.
inline __half __hfma(__half a, __half b, __half c) { return __half((double)(float)a * (double)(float)b + (double)(float)c); }
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
inline __half __hmax(__half a, __half b) { return __half(__builtin_fmaxf(a, b)); }
inline __half __hmin(__half a, __half b) { return __half(__builtin_fminf(a, b)); }
inline bool operator<(__half a, __half b) { return (float)a < (float)b; }
inline bool operator>(__half a, __half b) { return (float)a > (float)b; }
inline bool operator<=(__half a, __half b) { return (float)a <= (float)b; }
inline bool operator>=(__half a, __half b) { return (float)a >= (float)b; }
inline bool operator==(__half a, __half b) { return (float)a == (float)b; }
inline bool operator!=(__half a, __half b) { return (float)a != (float)b; }

inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half2 __float2half2_rn(float v) { return {__half(v), __half(v)}; }
inline __half2 __floats2half2_rn(float x, float y) { return {__half(x), __half(y)}; }
inline float __low2float(__half2 v) { return (float)v.x; }
inline float __high2float(__half2 v) { return (float)v.y; }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }
