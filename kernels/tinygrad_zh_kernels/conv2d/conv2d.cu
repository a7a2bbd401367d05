// Convolution and its gradients: forward with one number a thread; then all three as products of matrices, of which only
// the results exist. What a tile needs is looked up in X, W and dY where it stands (implicit GEMM).
//
//     Y  (o; n, i, j) = W (o; c, u, v)   times the windows of X (c, u, v; n, i, j)
//     dX (c; n, y, x) = W (c; o, u, v)   times the windows of dY that hold the pixel (o, u, v; n, y, x)
//     dW (o; c, u, v) = dY (o; n, i, j)  times the windows of X (n, i, j; c, u, v)
#include "common.cuh"

// The lengths and steps as the formulas name them: X (N, C, H, W), the kernels (O, C, U, V), Y (N, O, I, J), stride (s, t),
// padding (p, q).
struct Lengths {
    int N, C, H, W, O, U, V, I, J, s, t, p, q;
};

__device__ __forceinline__ bool between(int i, int length) { return 0 <= i && i < length; }

// X where it is, 0 outside of the image.
__device__ __forceinline__ A pixel(const T* __restrict__ x, const Lengths& of, int n, int c, int row, int column) {
    if (!between(row, of.H) || !between(column, of.W)) return 0;
    return read(x[(((Long)n * of.C + c) * of.H + row) * of.W + column]);
}

// ---- 1. One number of Y a thread. Each pixel of X is fetched U V O times, from the caches at best.

extern "C" __global__ void conv2d_direct(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ weights,
                                         const T* __restrict__ b, int N, int C, int H, int W, int O, int U, int V, int I,
                                         int J, int s, int t, int p, int q) {
    Lengths of = {N, C, H, W, O, U, V, I, J, s, t, p, q};
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (me >= (Long)N * O * I * J) return;
    int j = me % J;
    int i = me / J % I;
    int o = me / ((Long)I * J) % O;
    int n = me / ((Long)I * J * O);

    weights += (Long)o * C * U * V;
    A sum = read(b[o]);
    for (int c = 0; c < C; c++) {
        for (int u = 0; u < U; u++) {
            for (int v = 0; v < V; v++) {
                sum += read(weights[(c * U + u) * V + v]) * pixel(x, of, n, c, s * i + u - p, t * j + v - q);
            }
        }
    }
    y[me] = (T)sum;
}

// ---- 2. The product of two matrices that are looked up: a block computes TILE x TILE of its numbers, a thread 4 x 4 of
// them in registers, so that 8 numbers from shared memory serve 16 multiplications.
//
// A matrix is a struct and three functions: place(m, r, i) remembers row (column) i as the r-th of this thread's four,
// inner(m, k) the place along the sum, k = -1 for none, and at(m, r) is the number where they meet, 0 outside of the
// matrix. So the divisions that take an index apart are done once for four numbers.

#define TILE 64
#define DEEP 16

template <class Left, class Right>
__device__ __forceinline__ void multiply(A (&sums)[4][4], Left& left, Right& right, A (&lefts)[DEEP][TILE + 2],
                                         A (&rights)[DEEP][TILE], int first, int last) {
    int x = threadIdx.x, y = threadIdx.y;
#pragma unroll
    for (int r = 0; r < 4; r++) {
        place(left, r, blockIdx.y * TILE + y + 16 * r);
        place(right, r, blockIdx.x * TILE + x + 16 * r);
    }
    for (int start = first; start < last; start += DEEP) {
        inner(left, start + x < last ? start + x : -1);
        inner(right, start + y < last ? start + y : -1);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            lefts[x][y + 16 * r] = at(left, r);  // rows of TILE + 2: sixteen x and two y, 32 different banks
            rights[y][x + 16 * r] = at(right, r);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEEP; k++) {
            A a[4], b[4];
#pragma unroll
            for (int r = 0; r < 4; r++) {
                a[r] = lefts[k][y + 16 * r];
                b[r] = rights[k][x + 16 * r];
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) sums[i][j] += a[i] * b[j];
            }
        }
        __syncthreads();  // before the next tile takes the place of this one
    }
}

// ---- Y

struct Kernels {  // W (o; c, u, v), as it lies in memory
    const T* weights;
    int rows, columns;
    int row[4], k;
};

__device__ __forceinline__ void place(Kernels& m, int r, int i) { m.row[r] = i; }
__device__ __forceinline__ void inner(Kernels& m, int k) { m.k = k; }
__device__ __forceinline__ A at(const Kernels& m, int r) {
    if (m.k < 0 || m.row[r] >= m.rows) return 0;
    return read(m.weights[(Long)m.row[r] * m.columns + m.k]);
}

struct Windows {  // X (c, u, v; n, i, j)
    const T* x;
    Lengths of;
    int n[4], top[4], left[4];
    int c, u, v;
};

__device__ __forceinline__ void place(Windows& m, int r, int i) {
    const Lengths& of = m.of;
    m.n[r] = i < of.N * of.I * of.J ? i / (of.I * of.J) : -1;
    m.top[r] = of.s * (i / of.J % of.I) - of.p;
    m.left[r] = of.t * (i % of.J) - of.q;
}
__device__ __forceinline__ void inner(Windows& m, int k) {
    m.c = k < 0 ? -1 : k / (m.of.U * m.of.V);
    m.u = k / m.of.V % m.of.U;
    m.v = k % m.of.V;
}
__device__ __forceinline__ A at(const Windows& m, int r) {
    if (m.c < 0 || m.n[r] < 0) return 0;
    return pixel(m.x, m.of, m.n[r], m.c, m.top[r] + m.u, m.left[r] + m.v);
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_forward(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ weights, const T* __restrict__ b, int N,
                   int C, int H, int W, int O, int U, int V, int I, int J, int s, int t, int p, int q) {
    __shared__ A lefts[DEEP][TILE + 2];
    __shared__ A rights[DEEP][TILE];
    A sums[4][4] = {};
    Kernels left = {weights, O, C * U * V};
    Windows right = {x, {N, C, H, W, O, U, V, I, J, s, t, p, q}};
    multiply(sums, left, right, lefts, rights, 0, C * U * V);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int o = blockIdx.y * TILE + threadIdx.y + 16 * i;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int place = blockIdx.x * TILE + threadIdx.x + 16 * j;
            if (o >= O || place >= N * I * J) continue;
            int n = place / (I * J);
            y[((Long)n * O + o) * I * J + place % (I * J)] = (T)(sums[i][j] + read(b[o]));
        }
    }
}

// ---- dX

struct KernelsOfInput {  // W (c; o, u, v)
    const T* weights;
    Lengths of;
    int c[4], o, rest;
};

__device__ __forceinline__ void place(KernelsOfInput& m, int r, int i) { m.c[r] = i; }
__device__ __forceinline__ void inner(KernelsOfInput& m, int k) {
    m.o = k < 0 ? -1 : k / (m.of.U * m.of.V);
    m.rest = k % (m.of.U * m.of.V);
}
__device__ __forceinline__ A at(const KernelsOfInput& m, int r) {
    if (m.o < 0 || m.c[r] >= m.of.C) return 0;
    return read(m.weights[((Long)m.o * m.of.C + m.c[r]) * m.of.U * m.of.V + m.rest]);
}

// Which window begins at this place, -1 for none: with a stride of 2 every second place has none.
__device__ __forceinline__ int window_at(int place, int stride) {
    if (stride == 1) return place;
    return place >= 0 && place % stride == 0 ? place / stride : -1;
}

struct WindowsOfPixel {  // dY (o, u, v; n, y, x): the window that has the pixel (y, x) at its place (u, v)
    const T* dy;
    Lengths of;
    int n[4], row[4], column[4];
    int o, u, v;
};

__device__ __forceinline__ void place(WindowsOfPixel& m, int r, int i) {
    const Lengths& of = m.of;
    m.n[r] = i < of.N * of.H * of.W ? i / (of.H * of.W) : -1;
    m.row[r] = i / of.W % of.H + of.p;
    m.column[r] = i % of.W + of.q;
}
__device__ __forceinline__ void inner(WindowsOfPixel& m, int k) {
    m.o = k < 0 ? -1 : k / (m.of.U * m.of.V);
    m.u = k / m.of.V % m.of.U;
    m.v = k % m.of.V;
}
__device__ __forceinline__ A at(const WindowsOfPixel& m, int r) {
    const Lengths& of = m.of;
    int i = window_at(m.row[r] - m.u, of.s);
    int j = window_at(m.column[r] - m.v, of.t);
    if (m.o < 0 || m.n[r] < 0 || !between(i, of.I) || !between(j, of.J)) return 0;
    return read(m.dy[(((Long)m.n[r] * of.O + m.o) * of.I + i) * of.J + j]);
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_x(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ weights, int N, int C, int H, int W,
                      int O, int U, int V, int I, int J, int s, int t, int p, int q) {
    __shared__ A lefts[DEEP][TILE + 2];
    __shared__ A rights[DEEP][TILE];
    A sums[4][4] = {};
    Lengths of = {N, C, H, W, O, U, V, I, J, s, t, p, q};
    KernelsOfInput left = {weights, of};
    WindowsOfPixel right = {dy, of};
    multiply(sums, left, right, lefts, rights, 0, O * U * V);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int c = blockIdx.y * TILE + threadIdx.y + 16 * i;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int place = blockIdx.x * TILE + threadIdx.x + 16 * j;
            if (c >= C || place >= N * H * W) continue;
            int n = place / (H * W);
            dx[((Long)n * C + c) * H * W + place % (H * W)] = (T)sums[i][j];
        }
    }
}

// ---- dW, a sum over all places of all images: each blockIdx.z adds up a part of them, and a second kernel the parts, in
// the same order every time. Atomics would need no second kernel, and give other last digits in every run.

struct Upstream {  // dY (o; n, i, j)
    const T* dy;
    int O, size;
    int o[4], n, rest;
};

__device__ __forceinline__ void place(Upstream& m, int r, int i) { m.o[r] = i; }
__device__ __forceinline__ void inner(Upstream& m, int k) {
    m.n = k < 0 ? -1 : k / m.size;
    m.rest = k % m.size;
}
__device__ __forceinline__ A at(const Upstream& m, int r) {
    if (m.n < 0 || m.o[r] >= m.O) return 0;
    return read(m.dy[((Long)m.n * m.O + m.o[r]) * m.size + m.rest]);
}

struct WindowsAcross {  // X (n, i, j; c, u, v)
    const T* x;
    Lengths of;
    int c[4], u[4], v[4];
    int n, top, left;
};

__device__ __forceinline__ void place(WindowsAcross& m, int r, int i) {
    const Lengths& of = m.of;
    m.c[r] = i < of.C * of.U * of.V ? i / (of.U * of.V) : -1;
    m.u[r] = i / of.V % of.U;
    m.v[r] = i % of.V;
}
__device__ __forceinline__ void inner(WindowsAcross& m, int k) {
    const Lengths& of = m.of;
    m.n = k < 0 ? -1 : k / (of.I * of.J);
    m.top = of.s * (k / of.J % of.I) - of.p;
    m.left = of.t * (k % of.J) - of.q;
}
__device__ __forceinline__ A at(const WindowsAcross& m, int r) {
    if (m.n < 0 || m.c[r] < 0) return 0;
    return pixel(m.x, m.of, m.n, m.c[r], m.top + m.u[r], m.left + m.v[r]);
}

extern "C" __global__ void __launch_bounds__(256)
    conv2d_backward_W(A* __restrict__ parts, const T* __restrict__ dy, const T* __restrict__ x, int share, int N, int C, int H,
                      int W, int O, int U, int V, int I, int J, int s, int t, int p, int q) {
    __shared__ A lefts[DEEP][TILE + 2];
    __shared__ A rights[DEEP][TILE];
    A sums[4][4] = {};
    Upstream left = {dy, O, I * J};
    WindowsAcross right = {x, {N, C, H, W, O, U, V, I, J, s, t, p, q}};
    int first = blockIdx.z * share;
    multiply(sums, left, right, lefts, rights, first, min(first + share, N * I * J));
    parts += (Long)blockIdx.z * O * C * U * V;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int o = blockIdx.y * TILE + threadIdx.y + 16 * i;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int place = blockIdx.x * TILE + threadIdx.x + 16 * j;
            if (o < O && place < C * U * V) parts[(Long)o * C * U * V + place] = sums[i][j];
        }
    }
}

extern "C" __global__ void conv2d_add_parts(T* __restrict__ dW, const A* __restrict__ parts, int count, int size) {
    int me = blockIdx.x * blockDim.x + threadIdx.x;
    if (me >= size) return;
    A sum = 0;
    for (int part = 0; part < count; part++) sum += parts[(Long)part * size + me];
    dW[me] = (T)sum;
}

// ---- db: a block adds up one channel of all images.

extern "C" __global__ void conv2d_backward_b(T* __restrict__ db, const T* __restrict__ dy, int N, int O, int size) {
    __shared__ A room[32];
    int o = blockIdx.x;
    A sum = 0;
    for (int n = 0; n < N; n++) {
        const T* image = dy + ((Long)n * O + o) * size;
        for (int k = threadIdx.x; k < size; k += blockDim.x) sum += read(image[k]);
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) db[o] = (T)sum;
}
