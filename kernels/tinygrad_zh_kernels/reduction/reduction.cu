// Sums and maxima of rows. A row is cut into `parts`, one for each block, and gridDim.x blocks take rows * parts of
// them; a second launch takes the results of the first as rows. No atomics: floats are added in one order, always.
#include "common.cuh"

#ifndef STEP
#define STEP WIDTH
#endif

struct alignas(STEP * sizeof(T)) Step {
    T at[STEP];
};

struct Sum {
    static __device__ __forceinline__ A start() { return 0; }
    static __device__ __forceinline__ A join(A a, A b) { return a + b; }
};

struct Max {
    static __device__ __forceinline__ A start() { return minus_infinity(); }
    static __device__ __forceinline__ A join(A a, A b) { return a != a || b != b ? a + b : larger(a, b); }  // nan, if one is
};

template <class Op>
__device__ __forceinline__ A over_warp(A x) {
    for (int step = 16; step; step >>= 1) x = Op::join(x, __shfl_xor_sync(FULL, x, step));
    return x;
}

template <class Op>
__device__ __forceinline__ A over_block(A x, A* room) {
    int lane = threadIdx.x % 32;
    x = over_warp<Op>(x);
    if (lane == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    return over_warp<Op>(lane < blockDim.x / 32 ? room[lane] : Op::start());
}

// 16 bytes at a time, four times over so that several are under way; then what is left of the row.
template <class Op>
__device__ __forceinline__ A of_thread(const T* __restrict__ row, Long columns, int first, int stride) {
    A found = Op::start();
#pragma unroll 4
    for (Long i = first; i < columns / STEP; i += stride) {
        Step step = ((const Step*)row)[i];
        A some = read(step.at[0]);
#pragma unroll
        for (int k = 1; k < STEP; k++) some = Op::join(some, read(step.at[k]));
        found = Op::join(found, some);
    }
    for (Long i = columns / STEP * STEP + first; i < columns; i += stride) found = Op::join(found, read(row[i]));
    return found;
}

// Short rows: a warp for each, and blockDim.y warps in a block. Long ones: a block for each part.
template <class Op>
__device__ __forceinline__ void reduce(T* out, const T* x, int rows, Long columns, int parts, A divisor, A* room) {
    int task = blockIdx.x * blockDim.y + threadIdx.y;
    if (task >= rows * parts) return;  // the whole warp
    const T* row = x + task / parts * columns;
    A found = of_thread<Op>(row, columns, task % parts * blockDim.x + threadIdx.x, parts * blockDim.x);
    found = blockDim.x == 32 ? over_warp<Op>(found) : over_block<Op>(found, room);
    if (threadIdx.x == 0) out[task] = (T)(found / divisor);
}

extern "C" __global__ void reduce_sum(T* __restrict__ out, const T* __restrict__ x, int rows, Long columns, int parts,
                                      A divisor) {
    __shared__ A room[32];
    reduce<Sum>(out, x, rows, columns, parts, divisor, room);
}

extern "C" __global__ void reduce_max(T* __restrict__ out, const T* __restrict__ x, int rows, Long columns, int parts,
                                      A divisor) {
    __shared__ A room[32];
    reduce<Max>(out, x, rows, columns, parts, divisor, room);
}
