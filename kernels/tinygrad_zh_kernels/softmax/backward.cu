// What softmax and its logarithm send back along rows: dx = y (dy - sum dy y), and dx = dy - exp(y) sum dy. Both rows,
// dy and y, wait in registers for the sum; those that are too long are read twice.
#include "row.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) softmax_backward(
        T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y, int rows, int columns) {
    __shared__ A room[32];
    int row = row_of_thread();
    if (row >= rows) return;  // the whole warp
    A slope[HELD];
    A held[HELD];
    hold(slope, dy + (Long)row * columns, columns, 0);
    hold(held, y + (Long)row * columns, columns, 0);

    A dot = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++) dot += slope[i] * held[i];
    dot = row_sum(dot, room);
#pragma unroll
    for (int i = 0; i < HELD; i++) held[i] *= slope[i] - dot;
    release(dx + (Long)row * columns, held, columns);
}

extern "C" __global__ void softmax_backward_long(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y,
                                                 int columns) {
    __shared__ A room[32];
    dx += (Long)blockIdx.x * columns;
    dy += (Long)blockIdx.x * columns;
    y += (Long)blockIdx.x * columns;

    A dot = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) dot += read(dy[i]) * read(y[i]);
    dot = block_sum(dot, room);
    for (int i = threadIdx.x; i < columns; i += blockDim.x) dx[i] = (T)(read(y[i]) * (read(dy[i]) - dot));
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) log_softmax_backward(
        T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y, int rows, int columns) {
    __shared__ A room[32];
    int row = row_of_thread();
    if (row >= rows) return;  // the whole warp
    A slope[HELD];
    A held[HELD];
    hold(slope, dy + (Long)row * columns, columns, 0);
    hold(held, y + (Long)row * columns, columns, 0);

    A sum = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++) sum += slope[i];
    sum = row_sum(sum, room);
#pragma unroll
    for (int i = 0; i < HELD; i++) slope[i] -= exponential(held[i]) * sum;
    release(dx + (Long)row * columns, slope, columns);
}

extern "C" __global__ void log_softmax_backward_long(T* __restrict__ dx, const T* __restrict__ dy,
                                                     const T* __restrict__ y, int columns) {
    __shared__ A room[32];
    dx += (Long)blockIdx.x * columns;
    dy += (Long)blockIdx.x * columns;
    y += (Long)blockIdx.x * columns;

    A sum = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += read(dy[i]);
    sum = block_sum(sum, room);
    for (int i = threadIdx.x; i < columns; i += blockDim.x) dx[i] = (T)(read(dy[i]) - exponential(read(y[i])) * sum);
}
