// Embedding: y = W[t], and its gradient, y = 0, y[i] += x. INDEX is the type of the tokens, int or Long.
#include "common.cuh"
#ifndef INDEX
#define INDEX Long
#define STEP 1
#endif

// STEP numbers that are read at once: 16 bytes where every row begins at a multiple of 16, else one.
struct alignas(STEP * sizeof(T)) Step {
    T at[STEP];
};

// -1 is the last row, as in NumPy.
__device__ __forceinline__ Long row_of(INDEX t, int rows) { return t < 0 ? t + rows : t; }

// ---- y = W[t]: a warp a token. blockDim is (32, tokens of a block).

extern "C" __global__ void embedding_gather(T* __restrict__ y, const INDEX* __restrict__ t, const T* __restrict__ W,
                                            int tokens, int rows, int columns) {
    int token = blockIdx.x * blockDim.y + threadIdx.y;
    if (token >= tokens) return;
    const T* from = W + row_of(t[token], rows) * columns;
    T* to = y + (Long)token * columns;
    for (int c = threadIdx.x * STEP; c < columns; c += 32 * STEP) *(Step*)(to + c) = *(const Step*)(from + c);
}

// ---- y[i] += x, 1. One number a thread, added atomically: right, but in the order in which the threads come, so that
// the last digits differ from run to run. y is 0 before.

extern "C" __global__ void embedding_scatter_add_atomic(T* __restrict__ y, const T* __restrict__ x,
                                                        const INDEX* __restrict__ t, Long numbers, int rows,
                                                        int columns) {
    Long i = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= numbers) return;
    Long token = i / columns;
    atomicAdd(&y[row_of(t[token], rows) * columns + i % columns], x[i]);
}

// ---- The one that is used: a block a token. The first token of a row finds all the others of it and adds their rows up,
// in a fixed order; the blocks of the others have nothing to do. No two blocks write to one row, and no atomics. Each of
// the 8 warps takes every eighth group of 32 tokens; their 8 sums are then added in order. y is 0 before.

#define WARPS 8
#define COLUMNS (32 * STEP)

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    embedding_scatter_add(T* __restrict__ y, const T* __restrict__ x, const INDEX* __restrict__ t, int tokens, int rows,
                          int columns) {
    __shared__ A sums[WARPS][COLUMNS];
    int lane = threadIdx.x % 32;
    int warp = threadIdx.x / 32;
    int first = blockIdx.x;
    int column = blockIdx.y * COLUMNS + lane * STEP;
    Long row = row_of(t[first], rows);

    bool earlier = false;
    for (int i = threadIdx.x; i < first; i += blockDim.x) earlier |= row_of(t[i], rows) == row;
    if (__syncthreads_or(earlier)) return;

    A sum[STEP] = {};
    for (int group = first / 32 + warp; group * 32 < tokens; group += WARPS) {
        int i = group * 32 + lane;
        unsigned same = __ballot_sync(FULL, first <= i && i < tokens && row_of(t[i], rows) == row);
        while (same) {
            int token = group * 32 + __ffs(same) - 1;
            same &= same - 1;  // without its lowest bit
            if (column < columns) {
                Step term = *(const Step*)(x + (Long)token * columns + column);
#pragma unroll
                for (int k = 0; k < STEP; k++) sum[k] += read(term.at[k]);
            }
        }
    }
#pragma unroll
    for (int k = 0; k < STEP; k++) sums[warp][lane * STEP + k] = sum[k];
    __syncthreads();

    if (warp > 0 || column >= columns) return;
    Step total;
#pragma unroll
    for (int k = 0; k < STEP; k++) {
        A s = 0;
        for (int other = 0; other < WARPS; other++) s += sums[other][lane * STEP + k];
        total.at[k] = (T)s;
    }
    *(Step*)(y + row * columns + column) = total;
}
