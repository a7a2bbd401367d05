"""Answers to the exercises of the notebooks, and the mistakes that are most often made, as the bodies of functions."""

ANSWERS = {
    "01": {
        "gradient_of_x": """\
    a, b = x + 1, x**2
    return b + (a + 1) * 2 * x
""",
        "gradient_of_mse": """\
    return 2 * (p - y) / len(p)
""",
        "gradient_of_z": """\
    return da * a * (1 - a)
""",
        "gradients_of_scale_and_offset": """\
    return (dq * x).sum(axis=0), dq.sum(axis=1, keepdims=True)
""",
        "gradient_of_rows": """\
    return np.broadcast_to(dm / len(x), x.shape)
""",
        "gradient_of_tied": """\
    return x.T @ (dr @ w) + dr.T @ (x @ w)
""",
    },
    "02": {
        "exp": """\
    y = np.exp(a.value)
    return tape.write("exp", y, (a, lambda dy: dy * y))
""",
        "divide": """\
    rules = (a, lambda dy: dy / b.value), (b, lambda dy: -dy * a.value / b.value**2)
    return tape.write("divide", a.value / b.value, *rules)
""",
        "transpose": """\
    return tape.write("transpose", a.value.T, (a, lambda dy: dy.T))
""",
        "log_sum_exp": """\
    e = np.exp(a.value)
    s = e.sum(axis=1, keepdims=True)
    return tape.write("log_sum_exp", np.log(s[:, 0]), (a, lambda dy: dy[:, None] * e / s))
""",
        "softsign_backward": """\
    return dy * (1 - np.abs(y)) ** 2
""",
        "additions": """\
    return sum(line.kind == "accumulate" for line in trace)
""",
    },
    "03": {
        "delta_of_mse": """\
    return 2 * (y_hat - y) * y_hat * (1 - y_hat) / len(y)
""",
        "hidden_delta": """\
    return delta4 @ w4.T * a3 * (1 - a3)
""",
        "learns_nothing": """\
    return (z3 <= 0).all(axis=0)
""",
        "gradient_of_w3_without_slopes": """\
    return a2.T @ (delta4 @ w4.T)
""",
        "alpha_for": """\
    return wish / sum(np.sum(g**2) for g in gradients)
""",
        "wrong_step": """\
    return 10
""",
    },
    "04": {
        "extrapolated": """\
    return 2 * narrow - wide
""",
        "gradient_of_w": """\
    return x.T @ (dy * (1 - y**2))
""",
        "gradient_of_max": """\
    top = x == x.max()
    return dy * top / top.sum()
""",
        "gradient_of_rows": """\
    np.add.at(g, i, dy)
    return g
""",
        "gradient_of_prod": """\
    return dy * np.array([np.delete(x, i).prod() for i in range(len(x))])
""",
        "cured": """\
    return F.where(x > 0, F.sqrt(F.where(x > 0, x, 1)), 0.0)
""",
    },
    "05": {
        "gradient": """\
    return -X.T @ (y - X @ w)
""",
        "gradient_with_penalty": """\
    return -X.T @ (y - X @ w) + lam * w
""",
        "deltas": """\
    delta2 = (a2 - y) * (1 - a2**2)
    return delta2, delta2 @ W2.T * (1 - a1**2)
""",
        "cross_entropy": """\
    return -(y * np.log(y_hat)).sum(axis=1).mean()
""",
        "one_layer": """\
    return W1 @ W2, b1 @ W2 + b2
""",
        "bound": """\
    return np.sqrt(6 / (n * (1 + s**2)))
""",
        "step_of_overflow": """\
    return np.ceil((np.log(np.finfo(float).max) - np.log(J)) / np.log(q))
""",
    },
    "06": {
        "window": """\
    i = np.arange(n)
    return abs(i[:, None] - i) <= reach
""",
        "gradient_of_c": """\
    return (ds * (q @ k.T)).sum()
""",
        "gradient_of_b": """\
    return p * (dp - (p * dp).sum(axis=1, keepdims=True))
""",
        "gradient_of_x": """\
    return (ds + ds.T) @ x / np.sqrt(2) + p.T @ dy
""",
        "gradient_of_s": """\
    dp = (dy @ v.T) * m
    return p * (dp - (p * dp).sum(axis=1, keepdims=True))
""",
        "gradients_of_block": """\
    p = np.exp(q @ k.T / 2 - lse)
    ds = p * (dy @ v.T - (dy * y).sum(axis=1, keepdims=True))
    return ds.T @ q / 2, p.T @ dy
""",
    },
    "07": {
        "macro_accuracy": """\
    return (counts.diagonal() / counts.sum(axis=1)).mean()
""",
        "mean_pool": """\
    return x[allowed].mean(axis=0)
""",
        "mean_pool_backward": """\
    return np.where(allowed[:, None], dy / allowed.sum(), 0)
""",
    },
    "08": {
        "least_bytes": """\
    return 3 * rows * columns * itemsize
""",
        "together": """\
    m = max(m1, m2)
    return m, s1 * np.exp(m1 - m) + s2 * np.exp(m2 - m)
""",
        "partner": """\
    return lane ^ step
""",
        "roof": """\
    return np.minimum(intensity * bandwidth, peak)
""",
        "softmax_backward": """\
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))
""",
    },
    "09": {
        "gradient_of_h1": """\
    return dz2 @ W2.T
""",
        "gradient_of_z1": """\
    return dh1 * h1 * (1 - h1)
""",
        "gradients_of_layer1": """\
    return x.T @ dz1, dz1.sum(axis=0)
""",
        "gradient_of_x": """\
    return dy + dy @ W.T
""",
    },
}

MISTAKES = {
    "01": {
        "gradient_of_x": """\
    a, b = x + 1, x**2
    return b + a * 2 * x
""",
        "gradient_of_mse": """\
    return 2 * (p - y)
""",
        "gradient_of_z": """\
    return da * (1 - a)
""",
        "gradients_of_scale_and_offset": """\
    return (dq * x).sum(axis=0), dq.sum(axis=1)
""",
        "gradient_of_rows": """\
    return np.broadcast_to(dm, x.shape)
""",
        "gradient_of_tied": """\
    return x.T @ (dr @ w)
""",
    },
    "02": {
        "exp": """\
    y = np.exp(a.value)
    return tape.write("exp", y, (a, lambda dy: y))
""",
        "divide": """\
    rules = (a, lambda dy: dy / b.value), (b, lambda dy: dy * a.value / b.value**2)
    return tape.write("divide", a.value / b.value, *rules)
""",
        "transpose": """\
    return tape.write("transpose", a.value.T, (a, lambda dy: dy))
""",
        "log_sum_exp": """\
    e = np.exp(a.value)
    s = e.sum(axis=1, keepdims=True)
    return tape.write("log_sum_exp", np.log(s[:, 0]), (a, lambda dy: dy[:, None] / s))
""",
        "softsign_backward": """\
    return dy / (1 + np.abs(y)) ** 2
""",
        "additions": """\
    return sum(line.kind == "backward" for line in trace)
""",
    },
    "03": {
        "delta_of_mse": """\
    return 2 * (y_hat - y) / len(y)
""",
        "hidden_delta": """\
    return delta4 @ w4.T * (1 - a3)
""",
        "learns_nothing": """\
    return (z3 <= 0).any(axis=0)
""",
        "gradient_of_w3_without_slopes": """\
    return a2.T @ (delta4 @ w4.T * (a2 * (1 - a2)))
""",
        "alpha_for": """\
    return wish / sum(np.abs(g).sum() for g in gradients)
""",
        "wrong_step": """\
    return 9
""",
    },
    "04": {
        "extrapolated": """\
    return narrow + (narrow - wide) / 3
""",
        "gradient_of_w": """\
    return x.T @ (dy * (1 - y))
""",
        "gradient_of_max": """\
    return dy * (x == x.max())
""",
        "gradient_of_rows": """\
    g[i] += dy
    return g
""",
        "gradient_of_prod": """\
    return dy * x.prod() / np.where(x == 0, 1, x)
""",
        "cured": """\
    return F.where(x > 0, F.sqrt(x), 0.0)
""",
    },
    "05": {
        "gradient": """\
    return X.T @ (y - X @ w)
""",
        "gradient_with_penalty": """\
    return -X.T @ (y - X @ w) - lam * w
""",
        "deltas": """\
    delta2 = a2 - y
    return delta2, delta2 @ W2.T
""",
        "cross_entropy": """\
    return -(y * np.log(y_hat)).mean()
""",
        "one_layer": """\
    return W1 @ W2, b2
""",
        "bound": """\
    return np.sqrt(2 / (n * (1 + s**2)))
""",
        "step_of_overflow": """\
    return np.floor((np.log(np.finfo(float).max) - np.log(J)) / np.log(q))
""",
    },
    "06": {
        "window": """\
    i = np.arange(n)
    return abs(i[:, None] - i) < reach
""",
        "gradient_of_c": """\
    return (ds * (q @ k.T)).sum() / 2
""",
        "gradient_of_b": """\
    return p * (dp - dp.mean(axis=1, keepdims=True))
""",
        "gradient_of_x": """\
    return ds @ x / np.sqrt(2) + p.T @ dy
""",
        "gradient_of_s": """\
    dp = dy @ v.T
    return p * (dp * m - (p * dp).sum(axis=1, keepdims=True))
""",
        "gradients_of_block": """\
    p = np.exp(q @ k.T / 2 - lse)
    ds = p * (dy @ v.T - (p * (dy @ v.T)).sum(axis=1, keepdims=True))
    return ds.T @ q / 2, p.T @ dy
""",
    },
    "07": {
        "macro_accuracy": """\
    return counts.trace() / counts.sum()
""",
        "mean_pool": """\
    return (x * allowed[:, None]).mean(axis=0)
""",
        "mean_pool_backward": """\
    return np.tile(dy / len(x), (len(x), 1))
""",
    },
    "08": {
        "least_bytes": """\
    return 2 * rows * columns * itemsize
""",
        "together": """\
    return max(m1, m2), s1 + s2
""",
        "partner": """\
    return lane + step
""",
        "roof": """\
    return intensity * bandwidth
""",
        "softmax_backward": """\
    return y * (dy - dy.sum(axis=-1, keepdims=True))
""",
    },
    "09": {
        "gradient_of_h1": """\
    return dz2 @ W2
""",
        "gradient_of_z1": """\
    return dh1 * (1 - h1 * h1)
""",
        "gradients_of_layer1": """\
    return x.T @ dz1, dz1.mean(axis=0)
""",
        "gradient_of_x": """\
    return dy @ W.T
""",
    },
}
