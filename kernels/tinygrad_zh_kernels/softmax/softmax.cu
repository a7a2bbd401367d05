// Softmax along rows, y = exp(x - m) / s with m = max x and s = sum exp(x - m): three ways, then the one that is used.
#include "row.cuh"

// ---- 1. One thread a row. The threads of a warp read numbers that lie a whole row apart: each transfer of 32 bytes
// brings one number that is wanted, and the next is wanted when it is long gone from the cache.

extern "C" __global__ void softmax_naive(T* __restrict__ y, const T* __restrict__ x, int rows, int columns) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    x += (Long)row * columns;
    y += (Long)row * columns;

    A m = minus_infinity();
    for (int i = 0; i < columns; i++) m = larger(m, read(x[i]));
    A s = 0;
    for (int i = 0; i < columns; i++) s += exponential(read(x[i]) - m);
    for (int i = 0; i < columns; i++) y[i] = (T)(exponential(read(x[i]) - m) / s);
}

// ---- 2. One block a row. Neighbouring threads read neighbouring numbers; what each of them found is put together
// through warp shuffles and shared memory (block_max, block_sum). The row is still read three times.

extern "C" __global__ void softmax_block(T* __restrict__ y, const T* __restrict__ x, int columns) {
    __shared__ A room[32];
    x += (Long)blockIdx.x * columns;
    y += (Long)blockIdx.x * columns;

    A m = minus_infinity();
    for (int i = threadIdx.x; i < columns; i += blockDim.x) m = larger(m, read(x[i]));
    m = block_max(m, room);
    A s = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) s += exponential(read(x[i]) - m);
    s = block_sum(s, room);
    for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = (T)(exponential(read(x[i]) - m) / s);
}

// ---- 3. The maximum and the sum in one pass: s is the sum of exp(x - m) for the largest m so far, and when a larger
// one comes, what was summed is scaled to it (Milakov, Gimelshein 2018). The row is read twice.

extern "C" __global__ void softmax_online(T* __restrict__ y, const T* __restrict__ x, int columns) {
    __shared__ A room[32];
    x += (Long)blockIdx.x * columns;
    y += (Long)blockIdx.x * columns;

    A mine = minus_infinity();
    A s = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        A v = read(x[i]);
        if (v > mine) {
            s *= exponential(mine - v);
            mine = v;
        }
        s += v == mine ? 1 : exponential(v - mine);  // equal: -inf - -inf would be nan, too early
    }
    A m = block_max(mine, room);
    s = block_sum(s * exponential(mine - m), room);
    for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = (T)(exponential(read(x[i]) - m) / s);
}

// ---- The one that is used: a row is read once and kept in registers (row.cuh). For rows that do not fit, see 3.

extern "C" __global__ void __launch_bounds__(THREADS, 1) softmax(
        T* __restrict__ y, const T* __restrict__ x, int rows, int columns) {
    __shared__ A room[32];
    int row = row_of_thread();
    if (row >= rows) return;  // the whole warp
    A held[HELD];
    hold(held, x + (Long)row * columns, columns, minus_infinity());

    A m = minus_infinity();
#pragma unroll
    for (int i = 0; i < HELD; i++) m = larger(m, held[i]);
    m = row_max(m, room);
    A s = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        held[i] = exponential(held[i] - m);
        s += held[i];
    }
    A share = 1 / row_sum(s, room);
#pragma unroll
    for (int i = 0; i < HELD; i++) held[i] *= share;
    release(y + (Long)row * columns, held, columns);
}
