// Layer norm along rows, y = gamma n + beta with n = (x - m) r. The row waits in registers (row.cuh): one reading of it
// is enough for the mean, then the variance, then y.
#include "row.cuh"

__device__ __forceinline__ float root(float x) { return sqrtf(x); }
__device__ __forceinline__ double root(double x) { return sqrt(x); }

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    layer_norm(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd, const T* __restrict__ x,
               const T* __restrict__ gamma, const T* __restrict__ beta, int rows, int columns, A eps) {
    __shared__ A room[32];
    int row = row_of_thread();
    if (row >= rows) return;  // the whole warp
    A held[HELD];
    hold(held, x + (Long)row * columns, columns, 0);

    A sum = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++) sum += held[i];
    A m = row_sum(sum, room) / columns;
    A squares = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        bool inside = column_of(i - i % STEP) < columns;  // what is beyond the row deviates from nothing
        held[i] = inside ? held[i] - m : 0;
        squares += held[i] * held[i];
    }
    A r = 1 / root(row_sum(squares, room) / columns + eps);

    y += (Long)row * columns;
#pragma unroll
    for (int i = 0; i < HELD; i += STEP) {
        if (column_of(i) >= columns) continue;
        Step scale = *(const Step*)(gamma + column_of(i));
        Step shift = *(const Step*)(beta + column_of(i));
        Step out;
#pragma unroll
        for (int k = 0; k < STEP; k++) out.at[k] = (T)(read(scale.at[k]) * (held[i + k] * r) + read(shift.at[k]));
        *(Step*)(y + column_of(i)) = out;
    }
    if (threadIdx.x == 0) {
        mean[row] = (T)m;
        rstd[row] = (T)r;
    }
}

// A row that does not fit: one block, three readings.
extern "C" __global__ void layer_norm_long(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd,
                                           const T* __restrict__ x, const T* __restrict__ gamma,
                                           const T* __restrict__ beta, int columns, A eps) {
    __shared__ A room[32];
    x += (Long)blockIdx.x * columns;
    y += (Long)blockIdx.x * columns;

    A sum = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += read(x[i]);
    A m = block_sum(sum, room) / columns;
    A squares = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) squares += (read(x[i]) - m) * (read(x[i]) - m);
    A r = 1 / root(block_sum(squares, room) / columns + eps);
    for (int i = threadIdx.x; i < columns; i += blockDim.x)
        y[i] = (T)(read(gamma[i]) * ((read(x[i]) - m) * r) + read(beta[i]));
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = (T)m;
        rstd[blockIdx.x] = (T)r;
    }
}
