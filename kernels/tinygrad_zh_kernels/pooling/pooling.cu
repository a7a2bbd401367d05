// Pooling: a thread for each window forward, and for each pixel backward. Threads that lie side by side in a row read side
// by side, for as long as the stride is small.
#include "common.cuh"

// x (planes, H, W) and y (planes, I, J), a plane being one channel of one image; windows of U x V, stride (s, t), padding
// (p, q).

extern "C" __global__ void max_pool(T* __restrict__ y, int* __restrict__ k, const T* __restrict__ x, Long planes, int H,
                                    int W, int U, int V, int I, int J, int s, int t, int p, int q) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (me >= planes * I * J) return;
    int top = s * (int)(me / J % I) - p;
    int left = t * (int)(me % J) - q;
    x += me / ((Long)I * J) * H * W;

    A largest = minus_infinity();
    int taken = 0;
    for (int u = max(0, -top); u < min(U, H - top); u++) {
        for (int v = max(0, -left); v < min(V, W - left); v++) {
            A pixel = read(x[(Long)(top + u) * W + left + v]);
            if (!(pixel <= largest) && largest == largest) {  // a nan is taken, and stays
                largest = pixel;
                taken = u * V + v;
            }
        }
    }
    y[me] = (T)largest;
    k[me] = taken;
}

extern "C" __global__ void avg_pool(T* __restrict__ y, const T* __restrict__ x, Long planes, int H, int W, int U, int V,
                                    int I, int J, int s, int t, int p, int q) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (me >= planes * I * J) return;
    int top = s * (int)(me / J % I) - p;
    int left = t * (int)(me % J) - q;
    x += me / ((Long)I * J) * H * W;

    A sum = 0;
    for (int u = max(0, -top); u < min(U, H - top); u++) {
        for (int v = max(0, -left); v < min(V, W - left); v++) sum += read(x[(Long)(top + u) * W + left + v]);
    }
    y[me] = (T)(sum / (U * V));
}

// The first window that ends at this place or behind it. place = s i + u with u < length.
__device__ __forceinline__ int first_window(int place, int length, int stride) {
    return place < length ? 0 : (place - length) / stride + 1;
}

extern "C" __global__ void max_pool_backward(T* __restrict__ dx, const T* __restrict__ dy, const int* __restrict__ k,
                                             Long planes, int H, int W, int U, int V, int I, int J, int s, int t, int p,
                                             int q) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (me >= planes * H * W) return;
    int row = me / W % H + p;
    int column = me % W + q;
    Long windows = me / ((Long)H * W) * I * J;

    A sum = 0;
    for (int i = first_window(row, U, s); i < min(I, row / s + 1); i++) {
        for (int j = first_window(column, V, t); j < min(J, column / t + 1); j++) {
            Long window = windows + (Long)i * J + j;
            if (k[window] == (row - s * i) * V + column - t * j) sum += read(dy[window]);
        }
    }
    dx[me] = (T)sum;
}

extern "C" __global__ void avg_pool_backward(T* __restrict__ dx, const T* __restrict__ dy, Long planes, int H, int W,
                                             int U, int V, int I, int J, int s, int t, int p, int q) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (me >= planes * H * W) return;
    int row = me / W % H + p;
    int column = me % W + q;
    Long windows = me / ((Long)H * W) * I * J;

    A sum = 0;
    for (int i = first_window(row, U, s); i < min(I, row / s + 1); i++) {
        for (int j = first_window(column, V, t); j < min(J, column / t + 1); j++) sum += read(dy[windows + (Long)i * J + j]);
    }
    dx[me] = (T)(sum / (U * V));
}
