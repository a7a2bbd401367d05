"""What learners write: for each exercise its typical mistakes, and what is to be said of each.

{exercise: [(backward, {"en": words, "zh": words})]}; the words are a part of the diagnosis.
"""

from __future__ import annotations

import numpy as np


def sums(z, axis=1):
    return z.sum(axis=axis, keepdims=True)


def means(z):
    return z.mean(axis=1, keepdims=True)


def softmax_backward(p, dp):
    return p * (dp - sums(p * dp))


def gather_overwriting(dy, x, i):
    dx = np.zeros(x.shape)
    dx[i] = dy
    return dx


def gather_adding_once(dy, x, i):
    dx = np.zeros(x.shape)
    dx[i] += dy
    return dx


ROOT3 = np.sqrt(3)

MISTAKES = {
    "square": [
        (lambda dy, x: dy * x, {"en": "1/2 times what it should be", "zh": "正确值的 1/2 倍"}),
        (lambda dy, x: 2 * x, {"en": "dy is missing", "zh": "漏了 dy"}),
        (lambda dy, x: -dy * 2 * x, {"en": "the sign is flipped", "zh": "符号相反"}),
        (lambda dy: dy * 2, {"en": "the factor x is missing", "zh": "缺少因子 x"}),
        (lambda dy, y: dy * 2 * y, {"en": "the factor x is there once too often", "zh": "多乘了一次因子 x"}),
    ],
    "relu": [
        (lambda dy: dy, {"en": "the factor (x > 0) is missing", "zh": "缺少因子 (x > 0)"}),
        (lambda dy, x: dy * (x < 0), {"en": "The other way round", "zh": "方向反了"}),
        (lambda dy, x: dy * np.sign(x),
         {"en": "not −1: that would be the backward of |x|", "zh": "这成了 |x| 的反向"}),
        (lambda dy, y: dy * y, {"en": "the factor y is there once too often", "zh": "多乘了一次因子 y"}),
    ],
    "sigmoid": [
        (lambda dy, y: dy * y, {"en": "the factor 1 − y is missing", "zh": "缺少因子 1 − y"}),
        (lambda dy: dy, {"en": "the factor y (1 − y) is missing", "zh": "缺少因子 y (1 − y)"}),
        (lambda dy, y: dy * (1 - y), {"en": "the factor y is missing", "zh": "缺少因子 y"}),
        (lambda dy, y: dy * y * (y - 1), {"en": "the sign is flipped", "zh": "符号相反"}),
        (lambda dy, y: dy * (1 - y**2), {"en": "the derivative of tanh", "zh": "tanh 的导数"}),
        (lambda dy, x: dy * x * (1 - x), {"en": "x stands where y belongs", "zh": "该用 y 的地方用了 x"}),
    ],
    "mean": [
        (lambda dy, x: dy * np.ones(x.shape), {"en": "12 times what it should be", "zh": "正确值的 12 倍"}),
        (lambda dy, x: dy * np.ones(x.shape) / len(x), {"en": "4 times", "zh": "4 倍"}),
        (lambda dy, x: dy / x.size, {"en": "shape", "zh": "形状"}),
        (lambda dy, x: dy * x / x.size, {"en": "The factor x does not belong there", "zh": "不该有因子 x"}),
        (lambda x: np.ones(x.shape) / x.size, {"en": "dy is missing", "zh": "漏了 dy"}),
    ],
    "product": [
        (lambda dy, a, b: (dy * b, dy * a), {"en": "sum it over axis 0", "zh": "应沿轴 0 求和"}),
        (lambda dy, a, b: ((dy * a).sum(axis=0), dy * b), {"en": "shape", "zh": "形状"}),
        (lambda dy, a, b: (dy * a, (dy * b).sum(axis=0)), {"en": "it has to be the other one", "zh": "应当乘另一个"}),
        (lambda dy, a, b: (dy * b, (dy * a).mean(axis=0)), {"en": "1/4 times", "zh": "1/4 倍"}),
        (lambda dy, a, b: (dy * b, dy.sum(axis=0)), {"en": "lacks the factor a", "zh": "缺少因子 a"}),
    ],
    "matmul_a": [
        (lambda dy, b: b @ dy.T, {"en": "transposed", "zh": "转置"}),
        (lambda dy, b: dy @ b, {"en": "ValueError", "zh": "ValueError"}),
        (lambda dy, b: -dy @ b.T, {"en": "the sign is flipped", "zh": "符号相反"}),
    ],
    "matmul_b": [
        (lambda dy, a: dy.T @ a, {"en": "transposed", "zh": "转置"}),
        (lambda dy, a: a @ dy, {"en": "ValueError", "zh": "ValueError"}),
        (lambda dy, a: a.T @ dy / len(a), {"en": "1/2 times", "zh": "1/2 倍"}),
    ],
    "dense": [
        (lambda dy, x, w, y: (dy @ w.T, x.T @ dy, dy.sum(axis=0)),
         {"en": "derivative of tanh is missing", "zh": "漏了 tanh 的导数"}),
        (lambda dy, x, w, y: (dy * (1 - y) @ w.T, x.T @ (dy * (1 - y)), (dy * (1 - y)).sum(axis=0)),
         {"en": "1 − y², not 1 − y", "zh": "是 1 − y²，不是 1 − y"}),
        (lambda dy, x, w, y: ((dy * (1 - y**2)) @ w.T, x.T @ (dy * (1 - y**2)), dy * (1 - y**2)),
         {"en": "sum it over axis 0", "zh": "应沿轴 0 求和"}),
        (lambda dy, x, w, y: (x.T @ (dy * (1 - y**2)), (dy * (1 - y**2)) @ w.T, (dy * (1 - y**2)).sum(axis=0)),
         {"en": "shape", "zh": "形状"}),
        (lambda dy, x, w, y: ((dy * (1 - y**2)) @ w.T, x.T @ (dy * (1 - y**2)), (dy * (1 - y**2)).mean(axis=0)),
         {"en": "1/4 times", "zh": "1/4 倍"}),
    ],
    "gather": [
        (gather_overwriting, {"en": "contributions overwrite each other", "zh": "互相覆盖，没有累加"}),
        (gather_adding_once, {"en": "contributions overwrite each other", "zh": "互相覆盖，没有累加"}),
        (lambda dy, i: dy, {"en": "shape (4, 3), not its input's (5, 3)", "zh": "(5, 3)"}),
        (lambda dy, i: dy[i], {"en": "IndexError", "zh": "IndexError"}),
    ],
    "softmax": [
        (lambda dy, y: dy * y * (1 - y), {"en": "only the diagonal", "zh": "只有雅可比矩阵的对角线"}),
        (lambda dy, y: dy * y, {"en": "taken for a constant", "zh": "当成了常数"}),
        (lambda dy, y: y * (dy - dy.sum(axis=1, keepdims=True)), {"en": "taken for a constant", "zh": "当成了常数"}),
        (lambda dy, y: y * (dy - sums(y * dy, 0)), {"en": "which is axis 1", "zh": "即轴 1"}),
        (lambda dy, y: y * (dy - (y * dy).sum()), {"en": "taken for a constant", "zh": "当成了常数"}),
    ],
    "cross_entropy": [
        (lambda dy, t, p: dy * (p - np.eye(3)[t]), {"en": "4 times", "zh": "4 倍"}),
        (lambda dy, t, p: dy * (np.eye(3)[t] - p) / len(t), {"en": "the sign is flipped", "zh": "符号相反"}),
        (lambda dy, t, p: dy * p / len(t),
         {"en": "The −1 at the right class is missing", "zh": "漏了正确类别处的 −1"}),
        (lambda dy, t, p: (p - np.eye(3)[t]) / len(t), {"en": "dy is missing", "zh": "漏了 dy"}),
        (lambda dy, t, p: -dy * np.eye(3)[t] / p / len(t),
         {"en": "from p back to x, is still missing", "zh": "从 p 回到 x 的一步"}),
    ],
    "layer_norm": [
        (lambda dy, r: dy * r, {"en": "taken for a constant", "zh": "当成了常数"}),
        (lambda dy, r: r * (dy - means(dy)), {"en": "taken for a constant", "zh": "当成了常数"}),
        (lambda dy, y, r: dy - means(dy) - y * means(dy * y),
         {"en": "factor r in front is missing", "zh": "漏了最前面的因子 r"}),
    ],
    "attention_v": [
        (lambda dy, p: p @ dy, {"en": "ValueError", "zh": "ValueError"}),
        (lambda dy, p: dy.T @ p, {"en": "transposed", "zh": "转置"}),
    ],
    "attention_qk": [
        (lambda dy, q, k, v, p: (softmax_backward(p, dy @ v.T) @ k, softmax_backward(p, dy @ v.T).T @ q),
         {"en": "1.732 times", "zh": "1.732 倍"}),
        (lambda dy, q, k, v, p: (dy @ v.T @ k / ROOT3, (dy @ v.T).T @ q / ROOT3),
         {"en": "takes dP for dS", "zh": "把 dP 当成了 dS"}),
        (lambda dy, q, k, v, p: ((p * (dy @ v.T)) @ k / ROOT3, (p * (dy @ v.T)).T @ q / ROOT3),
         {"en": "has to be taken off first", "zh": "先减去每行的和"}),
    ],
}
