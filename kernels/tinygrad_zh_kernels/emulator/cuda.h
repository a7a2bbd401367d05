// The part of CUDA C++ that a kernel finds when g++ compiles it for the emulator. It stands in front of the .cu file.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <type_traits>
#include <utility>

#include "cuda_fp16.h"
#include "runtime.h"

#define __global__
#define __device__ __attribute__((always_inline))  // as nvcc does; then a line is told with the lines that called it
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __align__(n) alignas(n)
#define __launch_bounds__(...)
#define __restrict__  // g++ would keep values in registers across a barrier, which nvcc does not
#define __grid_constant__
#define warpSize 32
#define CUDART_INF_F __builtin_inff()
#define CUDART_INF __builtin_inf()

#define EMULATOR_INLINE inline __attribute__((always_inline))
#define EMULATOR_CALLED_AT emulator::Place place = {__builtin_FILE(), __builtin_LINE()}

namespace emulator {

template <class To, class From>
EMULATOR_INLINE To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}

template <class V>
EMULATOR_INLINE uint64_t pack(V value) {
    static_assert(sizeof(V) <= 8, "a warp exchanges values of at most 8 bytes");
    uint64_t all = 0;
    __builtin_memcpy(&all, &value, sizeof value);
    return all;
}

template <class V>
EMULATOR_INLINE V unpack(uint64_t all) {
    V value;
    __builtin_memcpy(&value, &all, sizeof value);
    return value;
}

template <class V>
constexpr char code_of() {
    if (std::is_same_v<V, bool>) return '?';
    if (std::is_same_v<V, __half>) return 'e';
    if (std::is_floating_point_v<V>) return sizeof(V) == 4 ? 'f' : 'd';
    if (!std::is_integral_v<V>) return std::is_void_v<V> ? 'v' : 's';
    const char* codes = std::is_signed_v<V> ? "bhiq" : "BHIQ";
    return codes[sizeof(V) == 1 ? 0 : sizeof(V) == 2 ? 1 : sizeof(V) == 4 ? 2 : 3];
}

#include "trace.h"

template <class V>
EMULATOR_INLINE V shuffle(const char* name, unsigned mask, V value, unsigned source, Place place) {
    V got = unpack<V>(meet(SHUFFLE, mask, pack(value), source, place));
    return exchanged(name, value, got, source);
}

// A lane outside the group of `width` lanes has nobody to receive from and keeps its own value.
EMULATOR_INLINE unsigned within(int source, int width) {
    int mine = (int)lane(), first = mine & ~(width - 1);
    return (unsigned)(source < first || source >= first + width ? mine : source);
}

}  // namespace emulator

// ---- barriers, and what the lanes of a warp tell each other ------------------------------------------------------

EMULATOR_INLINE void __syncthreads(EMULATOR_CALLED_AT) {
    emulator::barrier(emulator::NONE, 0, place);
    emulator::waited("__syncthreads()");
}
EMULATOR_INLINE int __syncthreads_count(int predicate, EMULATOR_CALLED_AT) {
    return emulator::barrier(emulator::COUNT, predicate, place);
}
EMULATOR_INLINE int __syncthreads_and(int predicate, EMULATOR_CALLED_AT) {
    return emulator::barrier(emulator::ALL, predicate, place);
}
EMULATOR_INLINE int __syncthreads_or(int predicate, EMULATOR_CALLED_AT) {
    return emulator::barrier(emulator::ANY, predicate, place);
}
EMULATOR_INLINE void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_CALLED_AT) {
    emulator::meet(emulator::SYNC, mask, 0, 0, place);
    emulator::waited("__syncwarp()");
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

template <class V>
EMULATOR_INLINE V __shfl_sync(unsigned mask, V value, int source, int width = 32, EMULATOR_CALLED_AT) {
    unsigned first = emulator::lane() & ~(unsigned)(width - 1);
    return emulator::shuffle("__shfl_sync", mask, value, first + ((unsigned)source & (unsigned)(width - 1)), place);
}
template <class V>
EMULATOR_INLINE V __shfl_xor_sync(unsigned mask, V value, int bits, int width = 32, EMULATOR_CALLED_AT) {
    int source = (int)emulator::lane() ^ bits;
    // An earlier group may be read from, a later one not (PTX ISA, shfl.bfly).
    if (source > ((int)emulator::lane() | (width - 1))) source = (int)emulator::lane();
    return emulator::shuffle("__shfl_xor_sync", mask, value, (unsigned)source, place);
}
template <class V>
EMULATOR_INLINE V __shfl_down_sync(unsigned mask, V value, unsigned step, int width = 32, EMULATOR_CALLED_AT) {
    return emulator::shuffle("__shfl_down_sync", mask, value,
                             emulator::within((int)(emulator::lane() + step), width), place);
}
template <class V>
EMULATOR_INLINE V __shfl_up_sync(unsigned mask, V value, unsigned step, int width = 32, EMULATOR_CALLED_AT) {
    return emulator::shuffle("__shfl_up_sync", mask, value,
                             emulator::within((int)emulator::lane() - (int)step, width), place);
}

EMULATOR_INLINE unsigned __ballot_sync(unsigned mask, int predicate, EMULATOR_CALLED_AT) {
    return (unsigned)emulator::meet(emulator::BALLOT, mask, predicate != 0, 0, place);
}
EMULATOR_INLINE int __any_sync(unsigned mask, int predicate, EMULATOR_CALLED_AT) {
    return emulator::meet(emulator::BALLOT, mask, predicate != 0, 0, place) != 0;
}
EMULATOR_INLINE int __all_sync(unsigned mask, int predicate, EMULATOR_CALLED_AT) {
    return emulator::meet(emulator::BALLOT, mask, predicate == 0, 0, place) == 0;
}
template <class V>
EMULATOR_INLINE unsigned __match_any_sync(unsigned mask, V value, EMULATOR_CALLED_AT) {
    return (unsigned)emulator::meet(emulator::MATCH, mask, emulator::pack(value), 0, place);
}
EMULATOR_INLINE unsigned __activemask() { return 0xffffffffu; }

#define EMULATOR_REDUCE(name, type, kind)                                                           \
    EMULATOR_INLINE type name(unsigned mask, type value, EMULATOR_CALLED_AT) {                      \
        return (type)emulator::meet(emulator::kind, mask, emulator::pack(value), 0, place);         \
    }
EMULATOR_REDUCE(__reduce_add_sync, int, ADD)
EMULATOR_REDUCE(__reduce_add_sync, unsigned, ADD)
EMULATOR_REDUCE(__reduce_min_sync, int, MIN)
EMULATOR_REDUCE(__reduce_min_sync, unsigned, UNSIGNED_MIN)
EMULATOR_REDUCE(__reduce_max_sync, int, MAX)
EMULATOR_REDUCE(__reduce_max_sync, unsigned, UNSIGNED_MAX)
EMULATOR_REDUCE(__reduce_and_sync, unsigned, AND)
EMULATOR_REDUCE(__reduce_or_sync, unsigned, OR)
EMULATOR_REDUCE(__reduce_xor_sync, unsigned, XOR)

// ---- atomics: no fiber is interrupted between reading and writing -------------------------------------------------

#define EMULATOR_ATOMIC __attribute__((noinline, no_sanitize("thread", "undefined", "bounds", "alignment")))
#define EMULATOR_ATOMICALLY(name, type, expression)                                     \
    EMULATOR_ATOMIC inline type name(type* p, type x) {                                 \
        emulator::atomic(p, sizeof(type), __builtin_return_address(0));                 \
        type old = *p;                                                                  \
        *p = expression;                                                                \
        return old;                                                                     \
    }
#define EMULATOR_INTEGER_ATOMICS(type)                              \
    EMULATOR_ATOMICALLY(atomicAdd, type, (type)(old + x))           \
    EMULATOR_ATOMICALLY(atomicExch, type, x)                        \
    EMULATOR_ATOMICALLY(atomicMin, type, x < old ? x : old)         \
    EMULATOR_ATOMICALLY(atomicMax, type, x > old ? x : old)         \
    EMULATOR_ATOMICALLY(atomicAnd, type, old & x)                   \
    EMULATOR_ATOMICALLY(atomicOr, type, old | x)                    \
    EMULATOR_ATOMICALLY(atomicXor, type, old ^ x)                   \
    EMULATOR_ATOMIC inline type atomicCAS(type* p, type compare, type x) {              \
        emulator::atomic(p, sizeof(type), __builtin_return_address(0));                 \
        type old = *p;                                                                  \
        if (old == compare) *p = x;                                                     \
        return old;                                                                     \
    }
EMULATOR_INTEGER_ATOMICS(int)
EMULATOR_INTEGER_ATOMICS(unsigned)
EMULATOR_INTEGER_ATOMICS(unsigned long long)
EMULATOR_ATOMICALLY(atomicSub, int, old - x)
EMULATOR_ATOMICALLY(atomicSub, unsigned, old - x)
EMULATOR_ATOMICALLY(atomicAdd, float, old + x)
EMULATOR_ATOMICALLY(atomicAdd, double, old + x)
EMULATOR_ATOMICALLY(atomicAdd, __half, old + x)
EMULATOR_ATOMICALLY(atomicExch, float, x)

// ---- arithmetic ---------------------------------------------------------------------------------------------------

// glibc declares some of these names itself, so they are macros.
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __powf(x, y) powf(x, y)
#define __exp2f(x) exp2f(x)
#define __fdividef(a, b) ((float)(a) / (float)(b))
#define exp10f(x) powf(10.f, x)

inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
inline double rsqrt(double x) { return 1. / sqrt(x); }
inline float __saturatef(float x) { return x < 0.f ? 0.f : x > 1.f ? 1.f : x; }
inline float __frcp_rn(float x) { return 1.f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline int __float2int_rd(float x) { return (int)floorf(x); }
inline int __float2int_rn(float x) { return (int)rintf(x); }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }

template <class X, class Y>
inline std::common_type_t<X, Y> min(X a, Y b) { return a < b ? a : b; }
template <class X, class Y>
inline std::common_type_t<X, Y> max(X a, Y b) { return a > b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1u) << (31 - i);
    return reversed;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return shift & 31 ? high << (shift & 31) | low >> (32 - (shift & 31)) : high;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return shift & 31 ? low >> (shift & 31) | high << (32 - (shift & 31)) : low;
}

inline int __float_as_int(float x) { return emulator::bits<int>(x); }
inline unsigned __float_as_uint(float x) { return emulator::bits<unsigned>(x); }
inline float __int_as_float(int x) { return emulator::bits<float>(x); }
inline float __uint_as_float(unsigned x) { return emulator::bits<float>(x); }
inline long long __double_as_longlong(double x) { return emulator::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulator::bits<double>(x); }

// Loads and stores that only say how to use the caches.
#define EMULATOR_LOAD(name) \
    template <class V> EMULATOR_INLINE V name(const V* p) { return *p; }
#define EMULATOR_STORE(name) \
    template <class V> EMULATOR_INLINE void name(V* p, V value) { *p = value; }
EMULATOR_LOAD(__ldg)
EMULATOR_LOAD(__ldca)
EMULATOR_LOAD(__ldcg)
EMULATOR_LOAD(__ldcs)
EMULATOR_LOAD(__ldlu)
EMULATOR_STORE(__stcg)
EMULATOR_STORE(__stcs)
EMULATOR_STORE(__stwb)
EMULATOR_STORE(__stwt)

// ---- vectors --------------------------------------------------------------------------------------------------------

#define EMULATOR_VECTORS(type, name)                                                                       \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                               \
    struct name##3 { type x, y, z; };                                                                      \
    struct alignas(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; };            \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                       \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                            \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMULATOR_VECTORS(float, float)
EMULATOR_VECTORS(double, double)
EMULATOR_VECTORS(int, int)
EMULATOR_VECTORS(long long, longlong)
EMULATOR_VECTORS(signed char, char)
EMULATOR_VECTORS(unsigned char, uchar)
EMULATOR_VECTORS(short, short)
EMULATOR_VECTORS(unsigned short, ushort)
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline float2 __half22float2(__half2 v) { return {(float)v.x, (float)v.y}; }
inline __half2 __float22half2_rn(float2 v) { return {__half(v.x), __half(v.y)}; }

// ---- how Python starts a kernel -------------------------------------------------------------------------------------



namespace emulator {

constexpr int first_of(int threads, int = 0, int = 0) { return threads; }  // of __launch_bounds__(threads, …)

// One parameter in two characters: '*' a pointer, 'c' a pointer to what it does not change, ' ' a value; its type.
template <class P>
struct Code {
    static constexpr bool pointer = std::is_pointer_v<P>;
    using Pointed = std::remove_pointer_t<P>;
    static constexpr char kind = !pointer ? ' ' : std::is_const_v<Pointed> ? 'c' : '*';
    static constexpr char type = code_of<std::remove_cv_t<Pointed>>();
};

template <class... P>
inline const char* signature(void (*)(P...)) {
    static const char codes[][2] = {{Code<P>::kind, Code<P>::type}..., {0, 0}};
    return codes[0];
}

template <class... P, size_t... I>
__attribute__((no_sanitize("thread"))) inline void call(void (*kernel)(P...), void** arguments,
                                                        std::index_sequence<I...>) {
    kernel(*(std::remove_cv_t<P>*)arguments[I]...);
}

template <class... P>
inline void call(void (*kernel)(P...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<P...>{});
}

}  // namespace emulator

#define EMULATOR_VISIBLE extern "C" __attribute__((visibility("default")))
#define EMULATOR_KERNEL(name, ...)                                                            \
    EMULATOR_VISIBLE const char* emulator_signature_##name() {                                \
        return emulator::signature(name);                                                     \
    }                                                                                         \
    EMULATOR_VISIBLE int emulator_threads_##name() {                                          \
        return emulator::first_of(__VA_ARGS__);                                               \
    }                                                                                         \
    EMULATOR_VISIBLE int emulator_run_##name(const emulator::Launch* launch) {                \
        return emulator::run(*launch, [](void** all) { emulator::call(name, all); });         \
    }
