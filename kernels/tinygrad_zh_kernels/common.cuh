// What every .cu file here shares: the types, 16-byte access, and sums over a warp and over a block.
// It compiles with NVRTC (CuPy's RawModule), with nvcc, and with g++ under the emulator.
#pragma once

// T is the type in memory, A the type that sums are kept in: float for half and float, double for double.
// The launcher defines both.
#ifndef T
#define T float
#define A float
#endif
#ifdef T_IS_HALF
#include <cuda_fp16.h>
#endif

#define FULL 0xffffffffu
typedef long long Long;

__device__ __forceinline__ A read(T x) { return (A)x; }  // __half converts itself
__device__ __forceinline__ A minus_infinity() { return (A)__int_as_float(0xff800000); }

__device__ __forceinline__ float larger(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ double larger(double a, double b) { return fmax(a, b); }
__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }

// Sixteen bytes that are read or written in one instruction: 4 floats, 2 doubles, 8 halves.
#define WIDTH (16 / (int)sizeof(T))
struct alignas(16) Pack {
    T at[WIDTH];
};

// Every lane of the warp receives the sum (the largest) of all 32.
__device__ __forceinline__ A warp_sum(A x) {
    for (int step = 16; step; step >>= 1) x += __shfl_xor_sync(FULL, x, step);
    return x;
}

__device__ __forceinline__ A warp_max(A x) {
    for (int step = 16; step; step >>= 1) x = larger(x, __shfl_xor_sync(FULL, x, step));
    return x;
}

// Every thread of the block receives the sum (the largest) of all. The block has whole warps. `room` holds 32
// numbers of shared memory and may be used again at once: the second barrier keeps it until all have read.
__device__ __forceinline__ A block_sum(A x, A* room) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    x = warp_sum(x);
    if (lane == 0) room[warp] = x;
    __syncthreads();
    x = warp_sum(lane < warps ? room[lane] : (A)0);
    __syncthreads();
    return x;
}

__device__ __forceinline__ A block_max(A x, A* room) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    x = warp_max(x);
    if (lane == 0) room[warp] = x;
    __syncthreads();
    x = warp_max(lane < warps ? room[lane] : minus_infinity());
    __syncthreads();
    return x;
}
