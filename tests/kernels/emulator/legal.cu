// Legal CUDA C, all that the emulator claims to know; test_language.py compares it with NumPy.
#include "common.cuh"
#include "legal.cuh"

extern "C" __global__ void from_template(T* y, const T* x) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = total<128>(x[i]);
}

extern "C" __global__ void reversed_in_dynamic(T* y, const T* x, int n) {
    extern __shared__ __align__(16) unsigned char bytes[];
    T* row = (T*)bytes;
    int t = threadIdx.x;
    row[t] = x[t];
    __syncthreads();
    y[t] = row[n - 1 - t];
}

extern "C" __global__ void doubled_by_four(float4* y, const float4* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float4 v = x[i];
        y[i] = make_float4(2 * v.x, 2 * v.y, 2 * v.z, 2 * v.w);
    }
}

extern "C" __global__ void histogram(int* counts, const int* x, int n) {
    __shared__ int mine[16];
    if (threadIdx.x < 16) mine[threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&mine[x[i] & 15], 1);
    __syncthreads();
    if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], mine[threadIdx.x]);
}

// One number for each function of the warp.
extern "C" __global__ void warp(unsigned* y, const float* x) {
    int t = threadIdx.x, lane = t % 32;
    unsigned positive = __ballot_sync(FULL, x[t] > 0);
    y[0 * 64 + t] = positive;
    y[1 * 64 + t] = __popc(positive);
    y[2 * 64 + t] = __reduce_add_sync(FULL, (unsigned)lane);
    y[3 * 64 + t] = __shfl_up_sync(FULL, lane, 3);
    y[4 * 64 + t] = __shfl_down_sync(FULL, lane, 3, 8);
    y[5 * 64 + t] = __shfl_xor_sync(FULL, lane, 1, 16);
    y[6 * 64 + t] = __shfl_sync(FULL, lane, 9, 8);
    y[7 * 64 + t] = __all_sync(FULL, lane < 32) + 2 * __any_sync(FULL, lane == 31) + 4 * __all_sync(FULL, lane);
    y[8 * 64 + t] = __match_any_sync(FULL, lane / 4);
    y[9 * 64 + t] = __reduce_max_sync(FULL, -lane) + __reduce_min_sync(FULL, lane - 5);
    unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
    y[10 * 64 + t] = __shfl_xor_sync(half, lane, 15);
}

extern "C" __global__ void votes(int* y, const float* x) {
    int t = threadIdx.x;
    y[t] = __syncthreads_count(x[t] > 0);
    y[t] += 1000 * __syncthreads_or(x[t] > 99.f) + 10000 * __syncthreads_and(1);
}

extern "C" __global__ void some_leave_early(T* y, const T* x, int n) {
    int t = threadIdx.x;
    if (t >= n) return;
    __shared__ T room[128];
    room[t] = x[t];
    __syncthreads();
    y[t] = room[n - 1 - t];
}

extern "C" __global__ void syncwarp_is_enough_for_a_warp(T* y, const T* x) {
    __shared__ T room[64];
    int t = threadIdx.x;
    for (int i = 0; i < 3; i++) {
        room[t] = (T)(read(x[t]) + i);
        __syncwarp();
        y[t] = room[t ^ 1];
        __syncwarp();
    }
}

extern "C" __global__ void in_place(T* y, const T* x, int n) {
    int t = threadIdx.x;
    T v = x[n - 1 - t];
    __syncthreads();
    y[t] = v;
}

__constant__ float coefficients[4] = {1, 2, 3, 4};

extern "C" __global__ void constants(float* y) {
    y[threadIdx.x] = coefficients[threadIdx.x & 3] * rsqrtf(4.f) + fmaxf(0.f, min(3, 4));
}

extern "C" __global__ void integers(unsigned* y, unsigned a, unsigned long long b, long long c, bool yes) {
    y[0] = __umulhi(a, a);
    y[1] = (unsigned)__umul64hi(b, b);
    y[2] = __clz(a) + 100 * __ffs(a);
    y[3] = __brev(a);
    y[4] = (unsigned)(c >> 32) + yes;
    y[5] = __float_as_uint(__int_as_float(0x40490fdb));
    y[6] = __funnelshift_l(a, a, 7);
}

extern "C" __global__ void largest(int* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicMax(y, __float_as_int(fabsf(x[i])));
}

extern "C" __global__ void added(float* f, double* d, unsigned long long* q) {
    atomicAdd(f, 1.f);
    atomicAdd(d, .5);
    unsigned long long old = 0;
    while (true) {
        unsigned long long seen = atomicCAS(q, old, old + 2);
        if (seen == old) break;
        old = seen;
    }
}

extern "C" __global__ void places(int* y) {
    int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    y[block * blockDim.x * blockDim.y * blockDim.z + thread] = 100 * block + thread;
}
