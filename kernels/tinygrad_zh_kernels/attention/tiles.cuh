// What the attention kernels share: tiles of matrices in shared memory, and products of them in registers.
//
// A block has 16 x 16 threads. Of a matrix of scores, 16 R rows by 16 C columns, thread (x, y) holds the R x C scores
// of rows y + 16 r and columns x + 16 c; so the 16 threads of a row are half of a warp, and find its largest score and
// its sum by shuffles. Of a result of 16 R rows, WIDE columns, it holds columns x + 16 i of its rows.
//
// attention/cuda_c.py chooses R, C, WIDE (d, rounded up to 32, 64 or 128) and ALIGNED (whether rows of all matrices
// begin at multiples of 16 bytes), so that what is needed fits in the 48 KB that every block may have.
#pragma once
#include "common.cuh"

#ifndef WIDE
#define R 2
#define C 2
#define WIDE 32
#define ALIGNED 0
#endif
#define THREADS 256  // and two blocks on a multiprocessor: each thread may have 128 registers
#define PACKS (WIDE / WIDTH)
#define EACH (WIDE / 16)

// A row of a tile is one Pack longer than it need be: columns of 16 rows then lie in different banks.
typedef Pack Row[PACKS + 1];

__device__ __forceinline__ A at(const Row& row, int column) { return read(row[column / WIDTH].at[column % WIDTH]); }

// Rows first, first + 1, ... of a matrix (length, d); what is outside of it is 0.
template <int ROWS>
__device__ __forceinline__ void load(Row (&tile)[ROWS], const T* __restrict__ x, int first, int length, int d) {
#pragma unroll 2
    for (int i = threadIdx.y * 16 + threadIdx.x; i < ROWS * PACKS; i += THREADS) {
        int row = i / PACKS;
        int column = i % PACKS * WIDTH;
        const T* from = x + (Long)(first + row) * d + column;
        bool inside = first + row < length;
        Pack pack;
#if ALIGNED
        if (inside && column < d) pack = *(const Pack*)from;
#pragma unroll
        for (int k = 0; k < WIDTH; k++) pack.at[k] = inside && column < d ? pack.at[k] : (T)0;
#else
#pragma unroll
        for (int k = 0; k < WIDTH; k++) pack.at[k] = inside && column + k < d ? from[k] : (T)0;
#endif
        tile[row][i % PACKS] = pack;
    }
}

// s = a b^T: the scores of this thread.
template <int NA, int NB>
__device__ __forceinline__ void products(A (&s)[NA][NB], const Row (&a)[16 * NA], const Row (&b)[16 * NB]) {
#pragma unroll
    for (int r = 0; r < NA; r++) {
#pragma unroll
        for (int c = 0; c < NB; c++) s[r][c] = 0;
    }
#pragma unroll 4
    for (int p = 0; p < PACKS; p++) {
        Pack mine[NA];
        Pack others[NB];
#pragma unroll
        for (int r = 0; r < NA; r++) mine[r] = a[threadIdx.y + 16 * r][p];
#pragma unroll
        for (int c = 0; c < NB; c++) others[c] = b[threadIdx.x + 16 * c][p];
#pragma unroll
        for (int r = 0; r < NA; r++) {
#pragma unroll
            for (int c = 0; c < NB; c++) {
#pragma unroll
                for (int k = 0; k < WIDTH; k++) s[r][c] += read(mine[r].at[k]) * read(others[c].at[k]);
            }
        }
    }
}

// sum += p b: p is (16 NA, 16 NB) in shared memory, b has 16 NB rows.
template <int NA, int NB>
__device__ __forceinline__ void accumulate(A (&sum)[NA][EACH], const A (&p)[16 * NA][16 * NB + 1],
                                           const Row (&b)[16 * NB]) {
#pragma unroll 4
    for (int j = 0; j < 16 * NB; j++) {
        A weights[NA];
#pragma unroll
        for (int r = 0; r < NA; r++) weights[r] = p[threadIdx.y + 16 * r][j];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            A value = at(b[j], threadIdx.x + 16 * i);
#pragma unroll
            for (int r = 0; r < NA; r++) sum[r][i] += weights[r] * value;
        }
    }
}

// factor times what was summed up, to rows first, first + 1, ... of a matrix (length, d).
template <int NA>
__device__ __forceinline__ void store(T* __restrict__ x, const A (&sum)[NA][EACH], A factor, int first, int length,
                                      int d) {
#pragma unroll
    for (int r = 0; r < NA; r++) {
        int row = first + threadIdx.y + 16 * r;
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int column = threadIdx.x + 16 * i;
            if (row < length && column < d) x[(Long)row * d + column] = (T)(factor * sum[r][i]);
        }
    }
}

// Over the 16 threads of a row.
__device__ __forceinline__ A row_sum(A x) {
    for (int step = 8; step; step >>= 1) x += __shfl_xor_sync(FULL, x, step);
    return x;
}

__device__ __forceinline__ A row_max(A x) {
    for (int step = 8; step; step >>= 1) x = larger(x, __shfl_xor_sync(FULL, x, step));
    return x;
}

// Which scores count. There are `several` masks (rows, m), rows = 1 or n; head h has mask h / per % several. rows = 0:
// there is none.
struct Allowed {
    int n, m, causal;
    const bool* mask;
    int rows;

    __device__ __forceinline__ bool operator()(int row, int key) const {
        if (row >= n || key >= m || (causal && key > row)) return false;
        return rows == 0 || mask[(Long)(rows == 1 ? 0 : row) * m + key];
    }
};

__device__ __forceinline__ Allowed allowed_in(int head, int n, int m, int causal, const bool* mask, int rows, int per,
                                              int several) {
    const bool* table = rows ? mask + (Long)(head / per % several) * rows * m : mask;
    Allowed allowed = {n, m, causal, table, rows};
    return allowed;
}
