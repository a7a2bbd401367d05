// C = A B, with A (m, k), B (k, n) and C (m, n), six times. blockIdx.z counts the products of a batch.
#include "common.cuh"

// Numbers that are read from global memory at once: 4 where every row begins at a multiple of 4 numbers, else 1.
#ifndef WIDE
#define WIDE 4
#endif

// ---- 1. One thread a number of C. The threads of a warp lie in one column of C: each reads another row of A, k numbers
// from its neighbour's, so that a transfer of 32 bytes brings one number that is wanted.

extern "C" __global__ void matmul_naive(T* __restrict__ c, const T* __restrict__ a, const T* __restrict__ b, int m,
                                        int k, int n) {
    int row = blockIdx.y * blockDim.x + threadIdx.x;
    int column = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= m || column >= n) return;
    a += (Long)blockIdx.z * m * k;
    b += (Long)blockIdx.z * k * n;
    c += (Long)blockIdx.z * m * n;

    A sum = 0;
    for (int p = 0; p < k; p++) sum += read(a[(Long)row * k + p]) * read(b[(Long)p * n + column]);
    c[(Long)row * n + column] = (T)sum;
}

// ---- 2. The same with rows and columns exchanged: a warp lies in one row of C. Its threads read one number of A, all
// the same, and neighbouring numbers of B.

extern "C" __global__ void matmul_coalesced(T* __restrict__ c, const T* __restrict__ a, const T* __restrict__ b, int m,
                                            int k, int n) {
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= m || column >= n) return;
    a += (Long)blockIdx.z * m * k;
    b += (Long)blockIdx.z * k * n;
    c += (Long)blockIdx.z * m * n;

    A sum = 0;
    for (int p = 0; p < k; p++) sum += read(a[(Long)row * k + p]) * read(b[(Long)p * n + column]);
    c[(Long)row * n + column] = (T)sum;
}

// ---- 3. A block computes a tile of C. It brings a tile of A and one of B into shared memory, each thread one number
// of either, and every number there is used 32 times.

constexpr int SHARED_TILE = 32;

extern "C" __global__ void __launch_bounds__(1024) matmul_shared_tile(T* __restrict__ c, const T* __restrict__ a,
                                                                      const T* __restrict__ b, int m, int k, int n) {
    __shared__ A a_tile[SHARED_TILE][SHARED_TILE];
    __shared__ A b_tile[SHARED_TILE][SHARED_TILE];
    int y = threadIdx.y, x = threadIdx.x;
    int row = blockIdx.y * SHARED_TILE + y;
    int column = blockIdx.x * SHARED_TILE + x;
    a += (Long)blockIdx.z * m * k;
    b += (Long)blockIdx.z * k * n;
    c += (Long)blockIdx.z * m * n;

    A sum = 0;
    for (int first = 0; first < k; first += SHARED_TILE) {
        a_tile[y][x] = row < m && first + x < k ? read(a[(Long)row * k + first + x]) : (A)0;
        b_tile[y][x] = first + y < k && column < n ? read(b[(Long)(first + y) * n + column]) : (A)0;
        __syncthreads();
        for (int p = 0; p < SHARED_TILE; p++) sum += a_tile[y][p] * b_tile[p][x];
        __syncthreads();  // nobody brings the next tiles before all have used these
    }
    if (row < m && column < n) c[(Long)row * n + column] = (T)sum;
}

// ---- 4. Shared memory gives a number or two a clock, arithmetic wants many more. So a thread computes 4 x 4 numbers of
// C in registers: it takes 4 numbers of A and 4 of B, and uses each 4 times.

constexpr int REGISTER_TILE = 64, REGISTER_DEEP = 16;  // c: 64 x 64 of a block of 16 x 16 threads; k: 16 at a time

extern "C" __global__ void __launch_bounds__(256, sizeof(A) == 4 ? 4 : 2)
    matmul_register_tile(T* __restrict__ c, const T* __restrict__ a, const T* __restrict__ b, int m, int k, int n) {
    __shared__ A a_tile[REGISTER_TILE][REGISTER_DEEP + 1];  // one more: a column lies in 32 different banks
    __shared__ A b_tile[REGISTER_DEEP][REGISTER_TILE];
    int thread = threadIdx.x;
    int row = thread / 16, column = thread % 16;  // and every 16th from there on
    int first_row = blockIdx.y * REGISTER_TILE, first_column = blockIdx.x * REGISTER_TILE;
    a += (Long)blockIdx.z * m * k;
    b += (Long)blockIdx.z * k * n;
    c += (Long)blockIdx.z * m * n;

    A sum[4][4] = {};
    for (int first = 0; first < k; first += REGISTER_DEEP) {
        for (int i = thread; i < REGISTER_TILE * REGISTER_DEEP; i += 256) {
            int r = first_row + i / REGISTER_DEEP, p = first + i % REGISTER_DEEP;
            a_tile[i / REGISTER_DEEP][i % REGISTER_DEEP] = r < m && p < k ? read(a[(Long)r * k + p]) : (A)0;
        }
        for (int i = thread; i < REGISTER_TILE * REGISTER_DEEP; i += 256) {
            int p = first + i / REGISTER_TILE, s = first_column + i % REGISTER_TILE;
            b_tile[i / REGISTER_TILE][i % REGISTER_TILE] = p < k && s < n ? read(b[(Long)p * n + s]) : (A)0;
        }
        __syncthreads();
#pragma unroll
        for (int p = 0; p < REGISTER_DEEP; p++) {
            A left[4], right[4];
#pragma unroll
            for (int i = 0; i < 4; i++) left[i] = a_tile[row + 16 * i][p];
#pragma unroll
            for (int j = 0; j < 4; j++) right[j] = b_tile[p][column + 16 * j];
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] += left[i] * right[j];
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int r = first_row + row + 16 * i, s = first_column + column + 16 * j;
            if (r < m && s < n) c[(Long)r * n + s] = (T)sum[i][j];
        }
    }
}

// ---- What the last two share: tiles of 128 x 128, 8 x 8 numbers a thread, and 16 bytes at a time. The tile of A is
// stored transposed, so that the numbers that a thread takes, of one column of A, lie side by side.

constexpr int TILE = 128, DEEP = 8, THREADS = 256;
constexpr int PITCH = TILE + 4;  // from one p to the next: 16 rows x 2 columns of A go to 32 different banks

struct alignas(16) Four {
    A at[4];
};

struct alignas(WIDE * sizeof(T) < 16 ? WIDE * sizeof(T) : 16) Wide {
    T at[WIDE];
};

// Four numbers of a row of `length`, from `first` on; zeros for those outside the matrix.
__device__ __forceinline__ void fetch(T (&held)[4], const T* __restrict__ row, bool inside, int first, int length) {
#pragma unroll
    for (int i = 0; i < 4; i += WIDE) {
        bool here = inside && first + i < length;
        Wide wide;
        if (here) wide = *(const Wide*)(row + first + i);
#pragma unroll
        for (int j = 0; j < WIDE; j++) held[i + j] = here ? wide.at[j] : (T)(A)0;
    }
}

__device__ __forceinline__ void put(T* __restrict__ row, bool inside, int first, int length, const A* sums) {
#pragma unroll
    for (int i = 0; i < 4; i += WIDE) {
        Wide wide;
#pragma unroll
        for (int j = 0; j < WIDE; j++) wide.at[j] = (T)sums[i + j];
        if (inside && first + i < length) *(Wide*)(row + first + i) = wide;
    }
}

// Eight numbers of a tile: four, and four more `apart` from them.
__device__ __forceinline__ void take(A (&held)[8], const A* tile, int apart) {
    Four near = *(const Four*)tile;
    Four far = *(const Four*)(tile + apart);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        held[i] = near.at[i];
        held[4 + i] = far.at[i];
    }
}

// sum += left right, 64 multiplications for 16 numbers.
__device__ __forceinline__ void add_products(A (&sum)[8][8], const A (&left)[8], const A (&right)[8]) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
#pragma unroll
        for (int j = 0; j < 8; j++) sum[i][j] += left[i] * right[j];
    }
}

// ---- 5. Tiles of 128 x 128, read 16 bytes at a time.

extern "C" __global__ void __launch_bounds__(THREADS, sizeof(A) == 4 ? 2 : 1)
    matmul_vectorised(T* __restrict__ c, const T* __restrict__ a, const T* __restrict__ b, int m, int k, int n) {
    alignas(16) __shared__ A a_tile[DEEP][PITCH];
    alignas(16) __shared__ A b_tile[DEEP][TILE];
    int thread = threadIdx.x;
    int first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
    int a_row = thread / 2, a_column = thread % 2 * 4;     // what this thread brings of A,
    int b_row = thread / 32, b_column = thread % 32 * 4;   // and of B
    int row = thread / 16 * 8, column = thread % 16 * 8;   // the corner of what it computes
    a += (Long)blockIdx.z * m * k + (Long)(first_row + a_row) * k;
    b += (Long)blockIdx.z * k * n;
    c += (Long)blockIdx.z * m * n;

    A sum[8][8] = {};
    for (int first = 0; first < k; first += DEEP) {
        T from_a[4], from_b[4];
        fetch(from_a, a, first_row + a_row < m, first + a_column, k);
        fetch(from_b, b + (Long)(first + b_row) * n, first + b_row < k, first_column + b_column, n);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            a_tile[a_column + i][a_row] = read(from_a[i]);
            b_tile[b_row][b_column + i] = read(from_b[i]);
        }
        __syncthreads();
#pragma unroll
        for (int p = 0; p < DEEP; p++) {
            A left[8], right[8];
            take(left, &a_tile[p][row], 4);
            take(right, &b_tile[p][column], 4);
            add_products(sum, left, right);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int r = first_row + row + i;
        put(c + (Long)r * n, r < m, first_column + column, n, &sum[i][0]);
        put(c + (Long)r * n, r < m, first_column + column + 4, n, &sum[i][4]);
    }
}

// ---- 6. Two changes. While the threads multiply one pair of tiles, the next is on its way: into registers, then into a
// second buffer, so that one barrier a tile is enough. And a warp computes 32 x 64 numbers, its threads four squares
// of 4 x 4 each, so that what its lanes read at once of either tile lies side by side in different banks.

extern "C" __global__ void __launch_bounds__(THREADS, sizeof(A) == 4 ? 2 : 1)
    matmul_warp_tiled(T* __restrict__ c, const T* __restrict__ a, const T* __restrict__ b, int m, int k, int n) {
    alignas(16) __shared__ A a_tiles[2][DEEP][PITCH];
    alignas(16) __shared__ A b_tiles[2][DEEP][TILE];
    int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    int first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
    int a_row = thread / 2, a_column = thread % 2 * 4;    // what this thread brings of A,
    int b_row = thread / 32, b_column = thread % 32 * 4;  // and of B
    int row = warp / 2 * 32 + lane / 8 * 4;               // what it computes: 4 rows here and 4, 16 further on,
    int column = warp % 2 * 64 + lane % 8 * 4;            // of 4 columns here and 4, 32 further on
    a += (Long)blockIdx.z * m * k + (Long)(first_row + a_row) * k;
    b += (Long)blockIdx.z * k * n;
    c += (Long)blockIdx.z * m * n;

    A sum[8][8] = {};
    T from_a[4], from_b[4];
    fetch(from_a, a, first_row + a_row < m, a_column, k);
    fetch(from_b, b + (Long)b_row * n, b_row < k, first_column + b_column, n);
    int now = 0;
    for (int first = 0; first < k; first += DEEP) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            a_tiles[now][a_column + i][a_row] = read(from_a[i]);
            b_tiles[now][b_row][b_column + i] = read(from_b[i]);
        }
        __syncthreads();  // the other pair may be written again, too: all have passed its products
        int next = first + DEEP;
        fetch(from_a, a, first_row + a_row < m, next + a_column, k);
        fetch(from_b, b + (Long)(next + b_row) * n, next + b_row < k, first_column + b_column, n);
#pragma unroll
        for (int p = 0; p < DEEP; p++) {
            A left[8], right[8];
            take(left, &a_tiles[now][p][row], 16);
            take(right, &b_tiles[now][p][column], 32);
            add_products(sum, left, right);
        }
        now ^= 1;
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int r = first_row + row + i % 4 + i / 4 * 16;
        put(c + (Long)r * n, r < m, first_column + column, n, &sum[i][0]);
        put(c + (Long)r * n, r < m, first_column + column + 32, n, &sum[i][4]);
    }
}
