// Kernels with one mistake each; test_mistakes.py says which, and what the emulator must say of it.
#include "common.cuh"

extern "C" __global__ void never_written(T* y, const T* x) {
    __shared__ T room[64];
    int t = threadIdx.x;
    room[t] = x[t];
    y[t] = room[63 - t];
}

extern "C" __global__ void written_too_early(T* y, const T* x) {
    __shared__ T room[64];
    int t = threadIdx.x;
    room[t] = x[t];
    __syncthreads();
    T v = room[63 - t];
    room[t] = v;
    __syncthreads();
    y[t] = room[t];
}

// Right on every GPU today, and wrong by the rules: a shuffle orders no memory.
extern "C" __global__ void no_syncwarp(T* y, const T* x) {
    __shared__ T room[32];
    int t = threadIdx.x;
    room[t] = x[t];
    T v = __shfl_xor_sync(FULL, x[t], 1);
    y[t] = room[31 - t] + v;
}

extern "C" __global__ void same_value_by_all(T* y) {
    __shared__ T flag;
    flag = 1;
    __syncthreads();
    y[threadIdx.x] = flag;
}

extern "C" __global__ void blocks_race(T* y, const T* x) {
    y[threadIdx.x] = x[blockIdx.x];
}

extern "C" __global__ void blocks_read_each_other(T* y, const T* x) {
    y[blockIdx.x] = x[blockIdx.x];
    if (blockIdx.x) y[blockIdx.x] += y[blockIdx.x - 1];
}

extern "C" __global__ void half_atomic(T* y) {
    if (threadIdx.x) atomicAdd(&y[0], (T)1);
    else y[0] = 1;
}

extern "C" __global__ void writes_beyond(T* y, const T* x, int n) {
    y[threadIdx.x] = x[threadIdx.x % n];
}

extern "C" __global__ void reads_beyond(T* y, const T* x, int n) {
    int t = threadIdx.x;
    if (t < n) y[t] = x[t] + x[t + 1];
}

extern "C" __global__ void reads_before(T* y, const T* x) {
    y[threadIdx.x] = x[(int)threadIdx.x - 1];
}

extern "C" __global__ void far_outside(T* y, const T* x) {
    y[threadIdx.x] = x[(Long)1 << 40];
}

extern "C" __global__ void shared_beyond(T* y) {
    __shared__ T room[8];
    room[threadIdx.x] = 1;
    y[threadIdx.x] = room[threadIdx.x];
}

__device__ T sum_of(const T* room, int n) {
    T sum = 0;
    for (int i = 0; i < n; i++) sum += room[i];
    return sum;
}

extern "C" __global__ void shared_beyond_through_a_pointer(T* y) {
    __shared__ T room[32], next[32];
    room[threadIdx.x] = next[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = sum_of(room, 33);
}

extern "C" __global__ void dynamic_beyond(T* y) {
    extern __shared__ T row[];
    row[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = row[0];
}

extern "C" __global__ void local_beyond(T* y, int n) {
    T held[4];
    for (int i = 0; i <= n; i++) held[i] = (T)i;
    y[threadIdx.x] = held[0];
}

extern "C" __global__ void second_row(T* y) {
    __shared__ T tile[4][8];
    if (threadIdx.x < 8) tile[1][threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = tile[0][threadIdx.x % 8 + 8];
}

extern "C" __global__ void writes_a_constant(T* y, const T* x) {
    ((T*)x)[threadIdx.x] = y[threadIdx.x];
}

extern "C" __global__ void two_barriers(T* y) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        y[threadIdx.x] = 1;
        __syncthreads();  // another one
    }
}

extern "C" __global__ void waits_for_ever(T* y) {
    if (threadIdx.x == 0) y[0] = __shfl_sync(FULL, (T)1, 0);
    __syncthreads();
}

extern "C" __global__ void outside_its_mask(T* y) {
    y[threadIdx.x] = __shfl_sync(1, (T)1, 0);
}

extern "C" __global__ void from_an_absent_lane(T* y) {
    if (threadIdx.x >= 16) return;
    y[threadIdx.x] = __shfl_xor_sync(0xffff, (T)1, 16);
}

extern "C" __global__ void misaligned(T* y, const T* x) {
    Pack p = *(const Pack*)(x + 1);
    y[0] = p.at[0];
}

extern "C" __global__ void divides_by_zero(int* y, int n) {
    y[threadIdx.x] = 7 % n;
}

extern "C" __global__ void loops_for_ever(T* y, int n) {
    for (int i = 0; i < n; i += 0) y[i] = 1;
}

extern "C" __global__ void never_initialised(T* y, const T* x, int n) {
    T sum;
    for (int i = 0; i < n; i++) sum += x[i];
    y[threadIdx.x] = sum;
}

extern "C" __global__ void too_much_shared(T* y) {
    __shared__ double room[100][100];
    room[0][threadIdx.x] = 1;
    y[threadIdx.x] = room[0][threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(64) at_most_64(T* y) { y[threadIdx.x] = 1; }

__device__ T block_total(T x, T* room) {
    room[threadIdx.x] = x;
    return room[0] + room[blockDim.x - 1];
}

extern "C" __global__ void through_a_function(T* y) {
    __shared__ T room[64];
    y[threadIdx.x] = block_total(1, room);
}
