// Dropout, y = x m s with m = (u >= p), and dx = dy m s. The random words come from a counter (philox.py): those of one
// block of threads are computed into shared memory, eight at a time, and then used in the order of the numbers.
#include "common.cuh"

#define THREADS 256
#define WORDS 8  // in a block of the stream
typedef unsigned long long U64;

struct alignas(WIDTH) Keep {
    bool at[WIDTH];
};

// Block `later` after the counter c: Philox4x64-10 (Salmon et al. 2011), lower half of each of its numbers first.
__device__ __forceinline__ void philox(unsigned* __restrict__ words, U64 c0, U64 c1, U64 c2, U64 c3, U64 k0, U64 k1,
                                       U64 later) {
    c0 += later;
    if (c0 < later) {
        c1++;
        if (c1 == 0) {
            c2++;
            if (c2 == 0) c3++;
        }
    }
#pragma unroll
    for (int round = 0; round < 10; round++) {
        U64 high0 = __umul64hi(0xD2E7470EE14C6C93ull, c0);
        U64 high1 = __umul64hi(0xCA5A826395121157ull, c2);
        U64 low0 = 0xD2E7470EE14C6C93ull * c0;
        U64 low1 = 0xCA5A826395121157ull * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ull;
        k1 += 0xBB67AE8584CAA73Bull;
    }
    words[0] = (unsigned)c0;
    words[1] = (unsigned)(c0 >> 32);
    words[2] = (unsigned)c1;
    words[3] = (unsigned)(c1 >> 32);
    words[4] = (unsigned)c2;
    words[5] = (unsigned)(c2 >> 32);
    words[6] = (unsigned)c3;
    words[7] = (unsigned)(c3 >> 32);
}

// A block of threads has the numbers from `first` on, one for each of the words that it computes. Its first number has
// word `skip`, so one thread computes a further block of the stream. early: the first word of all is this one, if it
// is not negative.
extern "C" __global__ void __launch_bounds__(THREADS)
    dropout_forward(T* __restrict__ y, bool* __restrict__ mask, const T* __restrict__ x, Long n, U64 c0, U64 c1, U64 c2,
                    U64 c3, U64 k0, U64 k1, int skip, Long early, unsigned limit, A scale, int in_packs) {
    __shared__ unsigned words[WORDS * (THREADS + 1)];
    U64 later = (U64)blockIdx.x * THREADS + threadIdx.x;
    philox(words + WORDS * threadIdx.x, c0, c1, c2, c3, k0, k1, later);
    if (threadIdx.x == 0) philox(words + WORDS * THREADS, c0, c1, c2, c3, k0, k1, later + THREADS);
    if (threadIdx.x == 0 && blockIdx.x == 0 && early >= 0) words[skip] = (unsigned)early;
    __syncthreads();

    Long first = (Long)blockIdx.x * THREADS * WORDS;
    int mine = (int)(n - first < THREADS * WORDS ? n - first : THREADS * WORDS);
    int packs = in_packs ? mine / WIDTH : 0;
    for (int i = threadIdx.x; i < packs; i += THREADS) {
        Pack in = ((const Pack*)(x + first))[i];
        Pack out;
        Keep keep;
#pragma unroll
        for (int k = 0; k < WIDTH; k++) {
            keep.at[k] = words[skip + i * WIDTH + k] >> 8 >= limit;
            out.at[k] = (T)(read(in.at[k]) * (A)keep.at[k] * scale);
        }
        ((Pack*)(y + first))[i] = out;
        ((Keep*)(mask + first))[i] = keep;
    }
    for (int i = packs * WIDTH + threadIdx.x; i < mine; i += THREADS) {
        bool keep = words[skip + i] >> 8 >= limit;
        y[first + i] = (T)(read(x[first + i]) * (A)keep * scale);
        mask[first + i] = keep;
    }
}

extern "C" __global__ void dropout_backward(T* __restrict__ dx, const T* __restrict__ dy,
                                            const bool* __restrict__ mask, A scale, Long n, Long packs) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    Long all = (Long)gridDim.x * blockDim.x;
    for (Long i = me; i < packs; i += all) {
        Pack slope = ((const Pack*)dy)[i];
        Keep keep = ((const Keep*)mask)[i];
        Pack out;
#pragma unroll
        for (int k = 0; k < WIDTH; k++) out.at[k] = (T)(read(slope.at[k]) * (A)keep.at[k] * scale);
        ((Pack*)dx)[i] = out;
    }
    for (Long i = packs * WIDTH + me; i < n; i += all) dx[i] = (T)(read(dy[i]) * (A)mask[i] * scale);
}
