"""Answers to the exercises of the notebooks, and the mistakes that are most often made, as the bodies of functions."""

ANSWERS = {
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
}

MISTAKES = {
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
}
