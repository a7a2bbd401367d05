// Cross-entropy along rows: L = lse - x_t with lse = m + ln s, m = max x, s = sum exp(x - m); and what it sends back,
// dx = dL (exp(x - lse) - 1_t). A row is read once and kept in registers (row.cuh); one that is too long goes through
// them a piece at a time.
#include "row.cuh"

#ifndef LABEL
#define LABEL Long
#endif

// One thread of a row writes its results. Not lse - x_t: m - x_t is exact, and lse has been rounded.
__device__ __forceinline__ void finish(T* losses, T* lse, const T* x, LABEL label, int columns, int row, A m, A s) {
    A log_s = logarithm(s);
    bool known = 0 <= label && label < columns;
    lse[row] = (T)(m + log_s);
    losses[row] = known ? (T)(m - read(x[(Long)row * columns + label]) + log_s) : (T)0;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) cross_entropy(
        T* __restrict__ losses, T* __restrict__ lse, const T* __restrict__ x, const LABEL* __restrict__ t, int rows,
        int columns) {
    __shared__ A room[32];
    int row = row_of_thread();
    if (row >= rows) return;  // the whole warp
    LABEL label = t[row];
    A held[HELD];
    hold(held, x + (Long)row * columns, columns, minus_infinity());

    A m = minus_infinity();
#pragma unroll
    for (int i = 0; i < HELD; i++) m = larger(m, held[i]);
    m = row_max(m, room);
    A s = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++) s += exponential(held[i] - m);
    s = row_sum(s, room);
    if (threadIdx.x == 0) finish(losses, lse, x, label, columns, row, m, s);
}

// The maximum and the sum in one pass, as in softmax_online: nothing is written, so one reading is enough here too.
extern "C" __global__ void cross_entropy_long(T* __restrict__ losses, T* __restrict__ lse, const T* __restrict__ x,
                                              const LABEL* __restrict__ t, int columns) {
    __shared__ A room[32];
    int row = blockIdx.x;
    LABEL label = t[row];
    const T* here = x + (Long)row * columns;

    A mine = minus_infinity();
    A s = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        A v = read(here[i]);
        if (v > mine) {
            s *= exponential(mine - v);
            mine = v;
        }
        s += v == mine ? 1 : exponential(v - mine);  // equal: -inf - -inf would be nan, too early
    }
    A m = block_max(mine, room);
    s = block_sum(s * exponential(mine - m), room);
    if (threadIdx.x == 0) finish(losses, lse, x, label, columns, row, m, s);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) cross_entropy_backward(
        T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ x, const LABEL* __restrict__ t,
        const T* __restrict__ lse, int rows, int columns) {
    int row = row_of_thread();
    if (row >= rows) return;
    LABEL label = t[row];
    A slope = read(dy[row]);
    A log_sum = read(lse[row]);
    A held[HELD];
    hold(held, x + (Long)row * columns, columns, 0);
#pragma unroll
    for (int i = 0; i < HELD; i += STEP)
#pragma unroll
        for (int k = 0; k < STEP; k++)
            held[i + k] = slope * (exponential(held[i + k] - log_sum) - (column_of(i) + k == label ? 1 : 0));
    release(dx + (Long)row * columns, held, columns);
}

extern "C" __global__ void cross_entropy_backward_long(T* __restrict__ dx, const T* __restrict__ dy,
                                                       const T* __restrict__ x, const LABEL* __restrict__ t,
                                                       const T* __restrict__ lse, int columns) {
    int row = blockIdx.x;
    LABEL label = t[row];
    A slope = read(dy[row]);
    A log_sum = read(lse[row]);
    dx += (Long)row * columns;
    x += (Long)row * columns;
    for (int i = threadIdx.x; i < columns; i += blockDim.x)
        dx[i] = (T)(slope * (exponential(read(x[i]) - log_sum) - (i == label ? 1 : 0)));
}
