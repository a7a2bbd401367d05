// The gradients of attention, with P = e^(scores - lse) computed again in blocks (Dao 2023). dQ is a sum over keys, dK
// and dV are sums over queries: two kernels, so that each block owns what it writes, and no sum depends on chance.
#include "attention/tiles.cuh"

#define ROWS (16 * R)
#define KEYS (16 * C)

// ---- sum dY Y of each row, a warp a row

extern "C" __global__ void attention_row_products(T* __restrict__ sums, const T* __restrict__ dy,
                                                  const T* __restrict__ y, Long rows, int d) {
    Long row = (Long)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    A sum = 0;
    for (int i = threadIdx.x; i < d; i += 32) sum += read(dy[row * d + i]) * read(y[row * d + i]);
    sum = warp_sum(sum);
    if (threadIdx.x == 0) sums[row] = (T)sum;
}

// ---- dQ = S K / sqrt(d), S = P (dY V^T - sum dY Y): 16 R rows of Q a block

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_backward_q(T* __restrict__ dq, const T* __restrict__ dy, const T* __restrict__ q,
                         const T* __restrict__ k, const T* __restrict__ v, const T* __restrict__ lse,
                         const T* __restrict__ sums, int n, int m, int d, A scale, int causal,
                         const bool* __restrict__ mask, int mask_rows, int per, int several) {
    __shared__ Row queries[ROWS];
    __shared__ Row upstream[ROWS];
    __shared__ Row keys[KEYS];
    __shared__ Row values[KEYS];
    __shared__ A weights[ROWS][KEYS + 1];
    int head = blockIdx.x;
    int first = (gridDim.y - 1 - blockIdx.y) * ROWS;
    Allowed allowed = allowed_in(head, n, m, causal, mask, mask_rows, per, several);
    load(queries, q + (Long)head * n * d, first, n, d);
    load(upstream, dy + (Long)head * n * d, first, n, d);

    A sum[R][EACH] = {};
    int end = causal ? min(m, first + ROWS) : m;
    for (int key = 0; key < end; key += KEYS) {
        __syncthreads();  // what the step before loaded is no longer needed
        load(keys, k + (Long)head * m * d, key, m, d);
        load(values, v + (Long)head * m * d, key, m, d);
        __syncthreads();
        A p[R][C];
        A dp[R][C];
        products(p, queries, keys);
        products(dp, upstream, values);
#pragma unroll
        for (int r = 0; r < R; r++) {
            int row = first + threadIdx.y + 16 * r;
            A shift = row < n ? read(lse[(Long)head * n + row]) : (A)0;
            A mean = row < n ? read(sums[(Long)head * n + row]) : (A)0;
#pragma unroll
            for (int c = 0; c < C; c++) {
                bool counts = allowed(row, key + threadIdx.x + 16 * c);
                A weight = exponential((counts ? p[r][c] * scale : minus_infinity()) - shift);
                weights[threadIdx.y + 16 * r][threadIdx.x + 16 * c] = weight * (dp[r][c] - mean);
            }
        }
        __syncthreads();
        accumulate<R, C>(sum, weights, keys);
    }
    store(dq + (Long)head * n * d, sum, scale, first, n, d);
}

// ---- dK = S^T Q / sqrt(d), dV = P^T dY: 16 R keys a block, which meet the queries 16 C at a time

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention_backward_kv(T* __restrict__ dk, T* __restrict__ dv, const T* __restrict__ dy, const T* __restrict__ q,
                          const T* __restrict__ k, const T* __restrict__ v, const T* __restrict__ lse,
                          const T* __restrict__ sums, int n, int m, int d, A scale, int causal,
                          const bool* __restrict__ mask, int mask_rows, int per, int several) {
    __shared__ Row keys[ROWS];
    __shared__ Row values[ROWS];
    __shared__ Row queries[KEYS];
    __shared__ Row upstream[KEYS];
    __shared__ A weights[ROWS][KEYS + 1];
    int head = blockIdx.x;
    int first = blockIdx.y * ROWS;
    Allowed allowed = allowed_in(head, n, m, causal, mask, mask_rows, per, several);
    load(keys, k + (Long)head * m * d, first, m, d);
    load(values, v + (Long)head * m * d, first, m, d);

    A sum_k[R][EACH] = {};
    A sum_v[R][EACH] = {};
    for (int query = causal ? first / KEYS * KEYS : 0; query < n; query += KEYS) {
        __syncthreads();  // what the step before loaded is no longer needed
        load(queries, q + (Long)head * n * d, query, n, d);
        load(upstream, dy + (Long)head * n * d, query, n, d);
        __syncthreads();
        A p[R][C];
        A dp[R][C];
        products(p, keys, queries);
        products(dp, values, upstream);
#pragma unroll
        for (int c = 0; c < C; c++) {
            int row = query + threadIdx.x + 16 * c;
            A shift = row < n ? read(lse[(Long)head * n + row]) : (A)0;
            A mean = row < n ? read(sums[(Long)head * n + row]) : (A)0;
#pragma unroll
            for (int r = 0; r < R; r++) {
                bool counts = allowed(row, first + threadIdx.y + 16 * r);
                A weight = exponential((counts ? p[r][c] * scale : minus_infinity()) - shift);
                weights[threadIdx.y + 16 * r][threadIdx.x + 16 * c] = weight;
                dp[r][c] = weight * (dp[r][c] - mean);
            }
        }
        __syncthreads();
        accumulate<R, C>(sum_v, weights, upstream);
        __syncthreads();
#pragma unroll
        for (int c = 0; c < C; c++) {
#pragma unroll
            for (int r = 0; r < R; r++) weights[threadIdx.y + 16 * r][threadIdx.x + 16 * c] = dp[r][c];
        }
        __syncthreads();
        accumulate<R, C>(sum_k, weights, queries);
    }
    store(dk + (Long)head * m * d, sum_k, scale, first, m, d);
    store(dv + (Long)head * m * d, sum_v, 1, first, m, d);
}
