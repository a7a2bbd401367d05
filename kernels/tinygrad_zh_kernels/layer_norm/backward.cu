// What layer norm sends back: dx = r (g - mean g - n mean(g n)) along the rows, with g = dy gamma and n = (x - m) r, and
// down the columns dgamma = sum dy n and dbeta = sum dy.
//
// There are only as many blocks as run at once, and each goes on to further rows. A thread is in the same columns of all
// of them and keeps their sums in registers; the block puts these together into a partial row: dgamma, then dbeta.
#include "row.cuh"
#include "columns.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    layer_norm_backward(T* __restrict__ dx, A* __restrict__ partial, const T* __restrict__ dy, const T* __restrict__ x,
                        const T* __restrict__ gamma, const T* __restrict__ mean, const T* __restrict__ rstd, int rows,
                        int columns) {
    __shared__ A room[32];
    __shared__ A tower[THREADS];
    A dgamma[HELD] = {};
    A dbeta[HELD] = {};
    A share = (A)1 / columns;
    for (int row = row_of_thread(); row < rows; row += gridDim.x * ROWS) {
        A m = read(mean[row]);
        A r = read(rstd[row]);
        A g[HELD];  // dy at first
        A n[HELD];  // x at first
        hold(g, dy + (Long)row * columns, columns, 0);
        hold(n, x + (Long)row * columns, columns, 0);

        A mean_g = 0;
        A mean_gn = 0;
#pragma unroll
        for (int i = 0; i < HELD; i += STEP) {
            if (column_of(i) >= columns) continue;
            Step scale = *(const Step*)(gamma + column_of(i));
#pragma unroll
            for (int k = i; k < i + STEP; k++) {
                n[k] = (n[k] - m) * r;
                dgamma[k] += g[k] * n[k];
                dbeta[k] += g[k];
                g[k] *= read(scale.at[k - i]);
                mean_g += g[k];
                mean_gn += g[k] * n[k];
            }
        }
        mean_g = row_sum(mean_g, room) * share;
        mean_gn = row_sum(mean_gn, room) * share;
#pragma unroll
        for (int i = 0; i < HELD; i++) g[i] = r * (g[i] - mean_g - n[i] * mean_gn);
        release(dx + (Long)row * columns, g, columns);
    }

    partial += (Long)blockIdx.x * 2 * columns;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        A whole_dgamma = sum_down(dgamma[i], tower);
        A whole_dbeta = sum_down(dbeta[i], tower);
        int column = column_of(i - i % STEP) + i % STEP;
        if (threadIdx.y == 0 && column < columns) {
            partial[column] = whole_dgamma;
            partial[columns + column] = whole_dbeta;
        }
    }
}

// Rows that do not fit: dx with one block a row, in two readings.
extern "C" __global__ void layer_norm_backward_long(T* __restrict__ dx, const T* __restrict__ dy,
                                                    const T* __restrict__ x, const T* __restrict__ gamma,
                                                    const T* __restrict__ mean, const T* __restrict__ rstd,
                                                    int columns) {
    __shared__ A room[32];
    dy += (Long)blockIdx.x * columns;
    x += (Long)blockIdx.x * columns;
    dx += (Long)blockIdx.x * columns;
    A m = read(mean[blockIdx.x]);
    A r = read(rstd[blockIdx.x]);

    A mean_g = 0;
    A mean_gn = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        A g = read(dy[i]) * read(gamma[i]);
        mean_g += g;
        mean_gn += g * ((read(x[i]) - m) * r);
    }
    mean_g = block_sum(mean_g, room) / columns;
    mean_gn = block_sum(mean_gn, room) / columns;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        A n = (read(x[i]) - m) * r;
        dx[i] = (T)(r * (read(dy[i]) * read(gamma[i]) - mean_g - n * mean_gn));
    }
}

// And dgamma and dbeta in another launch: a thread goes down its column, as do those of the other blocks in that column.
extern "C" __global__ void layer_norm_parameters_long(A* __restrict__ partial, const T* __restrict__ dy,
                                                      const T* __restrict__ x, const T* __restrict__ mean,
                                                      const T* __restrict__ rstd, int rows, int columns) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    A dgamma = 0;
    A dbeta = 0;
    for (int row = blockIdx.y; row < rows; row += gridDim.y) {
        Long at = (Long)row * columns + column;
        dgamma += read(dy[at]) * ((read(x[at]) - read(mean[row])) * read(rstd[row]));
        dbeta += read(dy[at]);
    }
    partial += (Long)blockIdx.y * 2 * columns;
    partial[column] = dgamma;
    partial[columns + column] = dbeta;
}
