// Attention in three steps, with all n x m scores in memory: what the blocked kernels do without.
#include "common.cuh"

// ---- S = Q K^T / sqrt(d), one score a thread

extern "C" __global__ void attention_scores(T* __restrict__ s, const T* __restrict__ q, const T* __restrict__ k, int n,
                                            int m, int d, A scale) {
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    int i = blockIdx.y * blockDim.y + threadIdx.y;
    Long head = blockIdx.z;
    if (i >= n || j >= m) return;
    const T* query = q + (head * n + i) * d;
    const T* key = k + (head * m + j) * d;
    A sum = 0;
    for (int c = 0; c < d; c++) sum += read(query[c]) * read(key[c]);
    s[(head * n + i) * m + j] = (T)(sum * scale);
}

// ---- P = softmax(S), one warp a row

extern "C" __global__ void attention_weights(T* __restrict__ p, T* __restrict__ lse, const T* __restrict__ s, Long rows,
                                             int m) {
    Long row = (Long)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    s += row * m;
    p += row * m;
    A top = minus_infinity();
    for (int j = threadIdx.x; j < m; j += 32) top = larger(top, read(s[j]));
    top = warp_max(top);
    A total = 0;
    for (int j = threadIdx.x; j < m; j += 32) total += exponential(read(s[j]) - top);
    total = warp_sum(total);
    for (int j = threadIdx.x; j < m; j += 32) p[j] = (T)(exponential(read(s[j]) - top) / total);
    if (threadIdx.x == 0) lse[row] = (T)(top + logarithm(total));
}

// ---- Y = P V, one number a thread

extern "C" __global__ void attention_values(T* __restrict__ y, const T* __restrict__ p, const T* __restrict__ v, int n,
                                            int m, int e) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    int i = blockIdx.y * blockDim.y + threadIdx.y;
    Long head = blockIdx.z;
    if (i >= n || c >= e) return;
    A sum = 0;
    for (int j = 0; j < m; j++) sum += read(p[(head * n + i) * m + j]) * read(v[(head * m + j) * e + c]);
    y[(head * n + i) * e + c] = (T)sum;
}
