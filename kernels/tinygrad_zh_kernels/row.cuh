// A row that is read once, 16 bytes at a time, waits in registers, and is written once.
//
// SHARERS threads share a row and hold HELD numbers of it each, STEP of them side by side. row.py chooses all three, for
// an array stays in registers only if every loop over it has a fixed length, and the distance between two steps should
// be a number in the instruction and not in a register. A warp is enough for a short row; then ROWS warps share a block.
#pragma once
#include "common.cuh"

#ifndef HELD
#define SHARERS 32
#define HELD WIDTH
#define STEP WIDTH
#endif
#define ROWS (SHARERS == 32 ? 4 : 1)
#define THREADS (SHARERS * ROWS)

struct alignas(STEP * sizeof(T)) Step {
    T at[STEP];
};

__device__ __forceinline__ int row_of_thread() { return blockIdx.x * ROWS + threadIdx.y; }

// Where a thread's i-th number stands in the row: neighbouring threads have neighbouring steps.
__device__ __forceinline__ int column_of(int i) { return threadIdx.x * STEP + i * SHARERS; }

__device__ __forceinline__ void hold(A (&held)[HELD], const T* __restrict__ row, int columns, A beyond) {
#pragma unroll
    for (int i = 0; i < HELD; i += STEP) {
        bool inside = column_of(i) < columns;
        Step step;
        if (inside) step = *(const Step*)(row + column_of(i));
#pragma unroll
        for (int k = 0; k < STEP; k++) held[i + k] = inside ? read(step.at[k]) : beyond;
    }
}

__device__ __forceinline__ void release(T* __restrict__ row, const A (&held)[HELD], int columns) {
#pragma unroll
    for (int i = 0; i < HELD; i += STEP) {
        Step step;
#pragma unroll
        for (int k = 0; k < STEP; k++) step.at[k] = (T)held[i + k];
        if (column_of(i) < columns) *(Step*)(row + column_of(i)) = step;
    }
}

// Over all the threads of a row: a warp, or the block.
__device__ __forceinline__ A row_max(A x, A* room) { return SHARERS == 32 ? warp_max(x) : block_max(x, room); }
__device__ __forceinline__ A row_sum(A x, A* room) { return SHARERS == 32 ? warp_sum(x) : block_sum(x, room); }
