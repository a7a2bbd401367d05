// The logarithm of softmax along rows, y = x - m - ln s with m = max x and s = sum exp(x - m). As in softmax.cu: the
// row in registers, and a second reading for rows that are too long.
#include "row.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) log_softmax(
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
    for (int i = 0; i < HELD; i++) s += exponential(held[i] - m);
    A log_s = logarithm(row_sum(s, room));
#pragma unroll
    for (int i = 0; i < HELD; i++) held[i] = held[i] - m - log_s;
    release(y + (Long)row * columns, held, columns);
}

extern "C" __global__ void log_softmax_online(T* __restrict__ y, const T* __restrict__ x, int columns) {
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
        s += v == mine ? 1 : exponential(v - mine);
    }
    A m = block_max(mine, room);
    A log_s = logarithm(block_sum(s * exponential(mine - m), room));
    for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = (T)(read(x[i]) - m - log_s);
}
