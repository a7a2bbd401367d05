// The activations, y = f(x), and what they send back, for one number.
#pragma once
#include "common.cuh"

__device__ __forceinline__ float hyperbolic_tangent(float x) { return tanhf(x); }
__device__ __forceinline__ double hyperbolic_tangent(double x) { return tanh(x); }

__device__ __forceinline__ A relu(A x) { return x < 0 ? 0 : x; }  // fmax(x, 0) would make 0 of nan
__device__ __forceinline__ A relu_back(A dy, A y) { return y > 0 ? dy : 0; }

__device__ __forceinline__ A sigmoid(A x) { return 1 / (1 + exponential(-x)); }  // 1 / (1 + inf) = 0
__device__ __forceinline__ A sigmoid_back(A dy, A y) { return dy * y * (1 - y); }

__device__ __forceinline__ A tangent(A x) { return hyperbolic_tangent(x); }
__device__ __forceinline__ A tangent_back(A dy, A y) { return dy * (1 - y * y); }

// gelu(x) = x / (1 + exp(-u)), u = sqrt(8 / pi) (x + 0.044715 x^3)
#define GELU_U ((A)1.5957691216057308)
#define GELU_CUBIC ((A)0.07135481627260025)  // GELU_U 0.044715

__device__ __forceinline__ A gelu_u(A x) { return x * (GELU_U + GELU_CUBIC * (x * x)); }
__device__ __forceinline__ A gelu(A x) { return x / (1 + exponential(-gelu_u(x))); }
__device__ __forceinline__ A gelu_back(A dy, A x) {
    A s = sigmoid(gelu_u(x));
    return dy * (s + x * (s * (1 - s)) * (GELU_U + 3 * GELU_CUBIC * (x * x)));
}
