// Y = softmax(Q K^T / sqrt(d)) V in blocks (Dao et al. 2022). Block (head, tile) has 16 R rows of Q and meets the keys
// 16 C at a time; no more of the scores exists at any time. tiles.cuh says which thread holds what.
#include "attention/tiles.cuh"

#define ROWS (16 * R)
#define KEYS (16 * C)

extern "C" __global__ void __launch_bounds__(THREADS, 2)
    attention(T* __restrict__ y, T* __restrict__ lse, const T* __restrict__ q, const T* __restrict__ k,
              const T* __restrict__ v, int n, int m, int d, A scale, int causal, int may_be_empty,
              const bool* __restrict__ mask, int mask_rows, int per, int several) {
    __shared__ Row queries[ROWS];
    __shared__ Row others[KEYS];  // keys, then values
    __shared__ A weights[ROWS][KEYS + 1];
    int head = blockIdx.x;
    int first = (gridDim.y - 1 - blockIdx.y) * ROWS;  // the last rows first: with a causal mask they take longest
    y += (Long)head * n * d;
    q += (Long)head * n * d;
    k += (Long)head * m * d;
    v += (Long)head * m * d;
    Allowed allowed = allowed_in(head, n, m, causal, mask, mask_rows, per, several);

    A sum[R][EACH] = {};  // of the values, weighted by e^(score - top)
    A top[R];
    A total[R];  // of the weights
#pragma unroll
    for (int r = 0; r < R; r++) {
        top[r] = minus_infinity();
        total[r] = 0;
    }
    load(queries, q, first, n, d);
    int end = causal ? min(m, first + ROWS) : m;
    for (int key = 0; key < end; key += KEYS) {
        __syncthreads();  // the values of the step before are no longer needed
        load(others, k, key, m, d);
        __syncthreads();
        A s[R][C];
        products(s, queries, others);
        __syncthreads();
        load(others, v, key, m, d);

#pragma unroll
        for (int r = 0; r < R; r++) {
            A higher = top[r];
#pragma unroll
            for (int c = 0; c < C; c++) {
                bool counts = allowed(first + threadIdx.y + 16 * r, key + threadIdx.x + 16 * c);
                s[r][c] = counts ? s[r][c] * scale : minus_infinity();
                higher = larger(higher, s[r][c]);
            }
            higher = row_max(higher);
            A shift = higher == minus_infinity() ? (A)0 : higher;  // nothing was allowed so far
            A rescale = exponential(top[r] - shift);
            A added = 0;
#pragma unroll
            for (int c = 0; c < C; c++) {
                A weight = exponential(s[r][c] - shift);
                weights[threadIdx.y + 16 * r][threadIdx.x + 16 * c] = weight;
                added += weight;
            }
            total[r] = total[r] * rescale + row_sum(added);
            top[r] = higher;
#pragma unroll
            for (int i = 0; i < EACH; i++) sum[r][i] *= rescale;
        }
        __syncthreads();
        accumulate<R, C>(sum, weights, others);
    }

#pragma unroll
    for (int r = 0; r < R; r++) {
        int row = first + threadIdx.y + 16 * r;
        if (may_be_empty && total[r] == 0) {
            total[r] = 1;
            top[r] = 0;
        }
#pragma unroll
        for (int i = 0; i < EACH; i++) sum[r][i] /= total[r];
        if (row < n && threadIdx.x == 0) lse[(Long)head * n + row] = (T)(top[r] + logarithm(total[r]));
    }
    store(y, sum, 1, first, n, d);
}
