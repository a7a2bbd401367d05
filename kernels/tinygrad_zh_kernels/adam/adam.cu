// Adam and AdamW over one buffer: m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g g,
// w <- w - lr (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w).
#include "common.cuh"

// What is the same for all parameters: w <- shrink w - rate m / (root sqrt(v) + eps).
struct Rule {
    A beta1, rest1, beta2, rest2, rate, root, eps, shrink;
};

// lr and t lie on the device, so that a recorded step finds their next values. 1 - b^t is computed in double: for
// b = 0.999 and t = 1 a float would keep four digits of it. One thread of the block computes it for all.
__device__ __forceinline__ Rule rule_of(const T* lr, const double* t, A beta1, A rest1, A beta2, A rest2,
                                        double log_beta1, double log_beta2, A eps, A decay) {
    __shared__ A corrections[2];
    if (threadIdx.x == 0) {
        corrections[0] = (A)(1 / (1 - exponential(*t * log_beta1)));
        corrections[1] = (A)sqrt(1 / (1 - exponential(*t * log_beta2)));
    }
    __syncthreads();
    A rate = read(*lr);
    Rule rule = {beta1, rest1, beta2, rest2, rate * corrections[0], corrections[1], eps, 1 - rate * decay};
    return rule;
}

__device__ __forceinline__ void update(Rule rule, T g, T& w, T& m, T& v) {
    m = rule.beta1 * m + rule.rest1 * g;
    v = rule.beta2 * v + rule.rest2 * (g * g);
    w = rule.shrink * w - rule.rate * m / (sqrt(v) * rule.root + rule.eps);
}

// ---- 1. One parameter a thread, one number a load.

extern "C" __global__ void adam_naive(T* __restrict__ w, T* __restrict__ m, T* __restrict__ v, const T* __restrict__ w0,
                                      const T* __restrict__ g, const T* __restrict__ m0, const T* __restrict__ v0,
                                      const T* __restrict__ lr, const double* __restrict__ t, A beta1, A rest1, A beta2,
                                      A rest2, double log_beta1, double log_beta2, A eps, A decay, Long n) {
    Rule rule = rule_of(lr, t, beta1, rest1, beta2, rest2, log_beta1, log_beta2, eps, decay);
    Long i = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T wi = w0[i];
    T mi = m0[i];
    T vi = v0[i];
    update(rule, g[i], wi, mi, vi);
    w[i] = wi;
    m[i] = mi;
    v[i] = vi;
}

// ---- The one that is used: 16 bytes a load, four loads under way at once in each thread. The rest of a buffer whose
// length is no multiple of them is the first threads'.

extern "C" __global__ void __launch_bounds__(256)
    adam(T* __restrict__ w, T* __restrict__ m, T* __restrict__ v, const T* __restrict__ w0, const T* __restrict__ g,
         const T* __restrict__ m0, const T* __restrict__ v0, const T* __restrict__ lr, const double* __restrict__ t,
         A beta1, A rest1, A beta2, A rest2, double log_beta1, double log_beta2, A eps, A decay, Long n) {
    Rule rule = rule_of(lr, t, beta1, rest1, beta2, rest2, log_beta1, log_beta2, eps, decay);
    Long me = (Long)blockIdx.x * blockDim.x + threadIdx.x;
    Long packs = n / WIDTH;
    if (me < packs) {
        Pack gp = ((const Pack*)g)[me];
        Pack wp = ((const Pack*)w0)[me];
        Pack mp = ((const Pack*)m0)[me];
        Pack vp = ((const Pack*)v0)[me];
#pragma unroll
        for (int k = 0; k < WIDTH; k++) update(rule, gp.at[k], wp.at[k], mp.at[k], vp.at[k]);
        ((Pack*)w)[me] = wp;
        ((Pack*)m)[me] = mp;
        ((Pack*)v)[me] = vp;
    }
    Long i = packs * WIDTH + me;
    if (i < n) {
        T wi = w0[i];
        T mi = m0[i];
        T vi = v0[i];
        update(rule, g[i], wi, mi, vi);
        w[i] = wi;
        m[i] = mi;
        v[i] = vi;
    }
}
