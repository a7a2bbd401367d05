// Sums down the columns of a table, in two stages and always in the same order: each block sums its rows to a partial
// row, and a second launch sums the partial rows. columns.py is the host's side.
#pragma once
#include "common.cuh"

// The sum over threadIdx.y, for the threads with threadIdx.y = 0. blockDim.y is a power of two; `room` holds a number
// of each thread and may be used again at once.
__device__ __forceinline__ A sum_down(A x, A* room) {
    int me = threadIdx.y * blockDim.x + threadIdx.x;
    room[me] = x;
    __syncthreads();
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) room[me] += room[me + half * blockDim.x];
        __syncthreads();
    }
    return room[me];  // each thread its own, so that no barrier is needed before the room is used again
}

// The second stage, with 32 threads across and up to 32 down the columns.
extern "C" __global__ void column_sums(T* __restrict__ sums, const A* __restrict__ partial, int parts, int columns) {
    __shared__ A room[1024];
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    A sum = 0;
    if (column < columns)
        for (int part = threadIdx.y; part < parts; part += blockDim.y) sum += partial[(Long)part * columns + column];
    sum = sum_down(sum, room);
    if (threadIdx.y == 0 && column < columns) sums[column] = (T)sum;
}
