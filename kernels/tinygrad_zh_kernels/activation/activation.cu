// Activations, y = f(x) and dx = back(dy, kept), where kept is y, or for gelu x.
//
// A thread takes sixteen bytes at a time and then those that lie a whole grid further on. What does not fill sixteen
// bytes at the end goes one number at a time; so does all of an array that does not begin at a multiple of sixteen
// bytes (packs = 0).
#include "activation/functions.cuh"

template <A f(A)>
__device__ __forceinline__ void forward(T* __restrict__ y, const T* __restrict__ x, Long n, Long packs) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    Long all = (Long)gridDim.x * blockDim.x;
    for (Long i = me; i < packs; i += all) {
        Pack in = ((const Pack*)x)[i];
        Pack out;
#pragma unroll
        for (int k = 0; k < WIDTH; k++) out.at[k] = (T)f(read(in.at[k]));
        ((Pack*)y)[i] = out;
    }
    for (Long i = packs * WIDTH + me; i < n; i += all) y[i] = (T)f(read(x[i]));
}

template <A back(A, A)>
__device__ __forceinline__ void backward(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ kept,
                                         Long n, Long packs) {
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    Long all = (Long)gridDim.x * blockDim.x;
    for (Long i = me; i < packs; i += all) {
        Pack slope = ((const Pack*)dy)[i];
        Pack in = ((const Pack*)kept)[i];
        Pack out;
#pragma unroll
        for (int k = 0; k < WIDTH; k++) out.at[k] = (T)back(read(slope.at[k]), read(in.at[k]));
        ((Pack*)dx)[i] = out;
    }
    for (Long i = packs * WIDTH + me; i < n; i += all) dx[i] = (T)back(read(dy[i]), read(kept[i]));
}

extern "C" __global__ void relu_forward(T* __restrict__ y, const T* __restrict__ x, Long n, Long packs) {
    forward<relu>(y, x, n, packs);
}

extern "C" __global__ void relu_backward(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y, Long n,
                                         Long packs) {
    backward<relu_back>(dx, dy, y, n, packs);
}

extern "C" __global__ void sigmoid_forward(T* __restrict__ y, const T* __restrict__ x, Long n, Long packs) {
    forward<sigmoid>(y, x, n, packs);
}

extern "C" __global__ void sigmoid_backward(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y,
                                            Long n, Long packs) {
    backward<sigmoid_back>(dx, dy, y, n, packs);
}

extern "C" __global__ void tanh_forward(T* __restrict__ y, const T* __restrict__ x, Long n, Long packs) {
    forward<tangent>(y, x, n, packs);
}

extern "C" __global__ void tanh_backward(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y, Long n,
                                         Long packs) {
    backward<tangent_back>(dx, dy, y, n, packs);
}

extern "C" __global__ void gelu_forward(T* __restrict__ y, const T* __restrict__ x, Long n, Long packs) {
    forward<gelu>(y, x, n, packs);
}

extern "C" __global__ void gelu_backward(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ x, Long n,
                                         Long packs) {
    backward<gelu_back>(dx, dy, x, n, packs);
}
