#pragma once

template <int THREADS>
__device__ T total(T x) {
    __shared__ T room[THREADS / 32];
    for (int step = 16; step; step >>= 1) x += __shfl_down_sync(FULL, x, step);
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    T sum = 0;
    for (int i = 0; i < THREADS / 32; i++) sum += room[i];
    __syncthreads();
    return sum;
}
