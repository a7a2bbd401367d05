// A bias and an activation, y = f(x + b) and dx = back(dy, kept) with db = the sums of the columns of dx.
//
// A thread stays in its columns, so that it reads the bias once, and goes down the rows (columns.cuh). Backward keeps
// the sums of its columns in registers on the way; the block puts them together into a partial row.
#include "columns.cuh"
#include "activation/functions.cuh"

#define THREADS 256

// The numbers that a thread has side by side: sixteen bytes of them, or one where rows do not begin at sixteen bytes.
#ifndef STEP
#define STEP WIDTH
#endif
struct alignas(STEP * sizeof(T)) Step {
    T at[STEP];
};

template <A f(A)>
__device__ __forceinline__ void forward(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ b, Long rows,
                                        int columns) {
    int column = (blockIdx.x * blockDim.x + threadIdx.x) * STEP;
    if (column >= columns) return;
    Step bias = *(const Step*)(b + column);
    for (Long row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        Step in = *(const Step*)(x + row * columns + column);
        Step out;
#pragma unroll
        for (int k = 0; k < STEP; k++) out.at[k] = (T)f(read(in.at[k]) + read(bias.at[k]));
        *(Step*)(y + row * columns + column) = out;
    }
}

// What a block sent down its columns becomes its partial row.
__device__ __forceinline__ void store_sums(A* __restrict__ partial, const A (&sum)[STEP], int column, int columns) {
    __shared__ A room[THREADS];
    partial += (Long)blockIdx.y * columns;
#pragma unroll
    for (int k = 0; k < STEP; k++) {
        A whole = sum_down(sum[k], room);
        if (threadIdx.y == 0 && column < columns) partial[column + k] = whole;
    }
}

template <A back(A, A)>
__device__ __forceinline__ void backward(T* __restrict__ dx, A* __restrict__ partial, const T* __restrict__ dy,
                                         const T* __restrict__ y, Long rows, int columns) {
    int column = (blockIdx.x * blockDim.x + threadIdx.x) * STEP;
    A sum[STEP] = {};
    if (column < columns) {
        for (Long row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
            Step slope = *(const Step*)(dy + row * columns + column);
            Step kept = *(const Step*)(y + row * columns + column);
            Step out;
#pragma unroll
            for (int k = 0; k < STEP; k++) {
                A g = back(read(slope.at[k]), read(kept.at[k]));
                out.at[k] = (T)g;
                sum[k] += g;
            }
            *(Step*)(dx + row * columns + column) = out;
        }
    }
    store_sums(partial, sum, column, columns);
}

extern "C" __global__ void relu_forward(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ b, Long rows,
                                        int columns) {
    forward<relu>(y, x, b, rows, columns);
}

extern "C" __global__ void relu_backward(T* __restrict__ dx, A* __restrict__ partial, const T* __restrict__ dy,
                                         const T* __restrict__ y, Long rows, int columns) {
    backward<relu_back>(dx, partial, dy, y, rows, columns);
}

extern "C" __global__ void sigmoid_forward(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ b,
                                           Long rows, int columns) {
    forward<sigmoid>(y, x, b, rows, columns);
}

extern "C" __global__ void sigmoid_backward(T* __restrict__ dx, A* __restrict__ partial, const T* __restrict__ dy,
                                            const T* __restrict__ y, Long rows, int columns) {
    backward<sigmoid_back>(dx, partial, dy, y, rows, columns);
}

extern "C" __global__ void tanh_forward(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ b, Long rows,
                                        int columns) {
    forward<tangent>(y, x, b, rows, columns);
}

extern "C" __global__ void tanh_backward(T* __restrict__ dx, A* __restrict__ partial, const T* __restrict__ dy,
                                         const T* __restrict__ y, Long rows, int columns) {
    backward<tangent_back>(dx, partial, dy, y, rows, columns);
}

extern "C" __global__ void gelu_forward(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ b, Long rows,
                                        int columns) {
    forward<gelu>(y, x, b, rows, columns);
}

// As `backward`, but z = x + b is computed again.
extern "C" __global__ void gelu_backward(T* __restrict__ dx, A* __restrict__ partial, const T* __restrict__ dy,
                                         const T* __restrict__ x, const T* __restrict__ b, Long rows, int columns) {
    int column = (blockIdx.x * blockDim.x + threadIdx.x) * STEP;
    A sum[STEP] = {};
    if (column < columns) {
        Step bias = *(const Step*)(b + column);
        for (Long row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
            Step slope = *(const Step*)(dy + row * columns + column);
            Step kept = *(const Step*)(x + row * columns + column);
            Step out;
#pragma unroll
            for (int k = 0; k < STEP; k++) {
                A g = gelu_back(read(slope.at[k]), read(kept.at[k]) + read(bias.at[k]));
                out.at[k] = (T)g;
                sum[k] += g;
            }
            *(Step*)(dx + row * columns + column) = out;
        }
    }
    store_sums(partial, sum, column, columns);
}
