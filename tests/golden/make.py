"""Compute the golden files with PyTorch: `python -m tests.golden.make` from the root of the repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch.nn import functional as F
from torch.optim import lr_scheduler

from tests.golden import FOLDER, mlp

Arrays = dict[str, NDArray[Any]]
Family = Callable[[], Iterator[Arrays]]
FAMILIES: dict[str, Family] = {}


def family(cases: Family) -> Family:
    """Each family is one file."""
    FAMILIES[cases.__name__] = cases
    return cases


def random(name: str) -> np.random.RandomState:
    """A stream for each case, so that a new one changes no other; frozen, unlike a Generator's (NEP 19)."""
    return np.random.RandomState(crc32(name.encode()))


def differentiate(
    name: str,
    function: Callable[..., Any],
    inputs: Arrays,
    constants: tuple[str, ...] = (),
    **attributes: Any,
) -> Arrays:
    """The forward value of function(*inputs, **attributes) and its gradients against a random upstream.

    Every float input gets a gradient, but for those named in `constants`. A function that also changes one of
    its inputs returns {"y": …, the input's name: its new value}.
    """
    tensors = {key: torch.tensor(array) for key, array in inputs.items()}
    leaves = [key for key, t in tensors.items() if t.is_floating_point() and key not in constants]
    for key in leaves:
        tensors[key].requires_grad_()
    result = function(*tensors.values(), **attributes)
    outputs = result if isinstance(result, dict) else {"y": result}
    y = outputs["y"]
    upstream = torch.tensor(random(f"{name}/upstream").normal(size=tuple(y.shape)), dtype=y.dtype)
    gradients = torch.autograd.grad(y, [tensors[key] for key in leaves], upstream)
    return {
        **{f"{name}/in/{key}": array for key, array in inputs.items()},
        **{f"{name}/attr/{key}": np.asarray(value) for key, value in attributes.items()},
        f"{name}/upstream": upstream.numpy(),
        **{f"{name}/out/{key}": t.detach().numpy() for key, t in outputs.items()},
        **{f"{name}/grad/{key}": t.numpy() for key, t in zip(leaves, gradients, strict=True)},
    }


def normal(name: str, **shapes: tuple[int, ...]) -> Arrays:
    """N(0, 1) inputs of the case, by name."""
    stream = random(name)
    return {key: np.asarray(stream.normal(size=shape)) for key, shape in shapes.items()}


@family
def activations() -> Iterator[Arrays]:
    elementwise: dict[str, tuple[Callable[..., Any], dict[str, float]]] = {
        "relu": (F.relu, {}),
        "leaky_relu": (lambda x, slope: F.leaky_relu(x, slope), {"slope": 0.01}),
        "sigmoid": (torch.sigmoid, {}),
        "tanh": (torch.tanh, {}),
        "gelu": (lambda x: F.gelu(x, approximate="tanh"), {}),
        "silu": (F.silu, {}),
        "softplus": (F.softplus, {}),
    }
    extreme = np.array([-800.0, -30.0, -1e-3, 1e-3, 30.0, 800.0])
    for name, (function, attributes) in elementwise.items():
        yield differentiate(name, function, {"x": 3 * normal(name, x=(4, 5))["x"]}, **attributes)
        yield differentiate(f"{name}.extreme", function, {"x": extreme}, **attributes)

    extreme_rows = np.array([[1000.0, 0.0, -1000.0], [1e4, 0.0, -5.0], [-3.0, -3.0, -1e4]])
    for name, along in {
        "softmax": lambda x, axis: F.softmax(x, dim=axis),
        "log_softmax": lambda x, axis: F.log_softmax(x, dim=axis),
    }.items():
        yield differentiate(name, along, normal(name, x=(2, 3, 5)), axis=-1)
        yield differentiate(f"{name}.extreme", along, {"x": extreme_rows}, axis=-1)


@family
def losses() -> Iterator[Arrays]:
    labels = np.array([2, 0, 3, 3, 1])
    extreme_logits, extreme_labels = np.array([[1e4, 0.0], [1e4, 0.0]]), np.array([1, 0])
    name = "cross_entropy.labels"
    yield differentiate(name, F.cross_entropy, {**normal(name, logits=(5, 4)), "target": labels})
    name = "cross_entropy.labels_extreme"
    yield differentiate(name, F.cross_entropy, {"logits": extreme_logits, "target": extreme_labels})
    name = "cross_entropy.probabilities"
    target = random(f"{name}/target").dirichlet(np.ones(4), size=5)
    yield differentiate(name, F.cross_entropy, {**normal(name, logits=(5, 4)), "target": target}, ("target",))

    binary = np.array([[1.0], [0.0], [0.0], [1.0], [1.0], [0.0]])
    name = "binary_cross_entropy"
    p = random(name).uniform(0.02, 0.98, size=(6, 1))
    yield differentiate(name, F.binary_cross_entropy, {"p": p, "target": binary}, ("target",))
    with_logits, name = F.binary_cross_entropy_with_logits, "binary_cross_entropy_with_logits"
    yield differentiate(name, with_logits, {**normal(name, logits=(6, 1)), "target": binary}, ("target",))
    extreme = {"logits": np.array([800.0, 800.0, -800.0, -800.0]), "target": np.array([1.0, 0.0, 1.0, 0.0])}
    yield differentiate(f"{name}.extreme", with_logits, extreme, ("target",))

    shapes = {"predicted": (6, 2), "target": (6, 2)}
    yield differentiate("mse_loss", F.mse_loss, normal("mse_loss", **shapes))
    yield differentiate("l1_loss", F.l1_loss, normal("l1_loss", **shapes))
    apart = {key: 2 * array for key, array in normal("huber_loss", **shapes).items()}
    yield differentiate("huber_loss", lambda p, t, delta: F.huber_loss(p, t, delta=delta), apart, delta=1.0)


@family
def normalization() -> Iterator[Arrays]:
    name = "layer_norm"
    yield differentiate(
        name,
        lambda x, weight, bias, eps: F.layer_norm(x, (5,), weight, bias, eps),
        normal(name, x=(2, 3, 5), weight=(5,), bias=(5,)),
        eps=1e-5,
    )
    name = "rms_norm"
    yield differentiate(
        name,
        lambda x, weight, eps: F.rms_norm(x, (5,), weight, eps),
        normal(name, x=(2, 3, 5), weight=(5,)),
        eps=1e-6,
    )

    def batch_norm(
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        mean: torch.Tensor,
        var: torch.Tensor,
        **attributes: Any,
    ) -> dict[str, torch.Tensor]:
        y = F.batch_norm(x, mean, var, weight, bias, **attributes)
        return {"y": y, "running_mean": mean, "running_var": var}

    for variant, shape in {"features": (7, 3), "images": (4, 3, 2, 5)}.items():
        for mode in ("training", "eval"):
            name = f"batch_norm.{variant}_{mode}"
            inputs = normal(name, x=shape, weight=(3,), bias=(3,), running_mean=(3,))
            inputs["running_var"] = random(f"{name}/running_var").uniform(0.5, 2.0, size=3)
            yield differentiate(
                name,
                batch_norm,
                inputs,
                ("running_mean", "running_var"),
                training=mode == "training",
                momentum=0.1,
                eps=1e-5,
            )


@family
def convolution() -> Iterator[Arrays]:
    variants: dict[str, dict[str, Any]] = {
        "plain": {"stride": 1, "padding": 0},
        "padded": {"stride": 1, "padding": 1},
        "strided": {"stride": (2, 1), "padding": (0, 2)},
        "apart": {"stride": (4, 3), "padding": 1},
    }
    for variant, how in variants.items():
        name = f"conv2d.{variant}"
        yield differentiate(name, F.conv2d, normal(name, x=(2, 2, 5, 6), weight=(3, 2, 3, 2), bias=(3,)), **how)

    pools: dict[str, Callable[..., Any]] = {
        "max_pool2d": lambda x, kernel, **how: F.max_pool2d(x, kernel, **how),
        "avg_pool2d": lambda x, kernel, **how: F.avg_pool2d(x, kernel, **how),
    }
    for pool, function in pools.items():
        for variant, how in {
            "side_by_side": {"kernel": 2, "stride": 2, "padding": 0},
            "overlapping": {"kernel": 3, "stride": 1, "padding": 1},
            "apart": {"kernel": (2, 3), "stride": (3, 4), "padding": (1, 0)},
        }.items():
            name = f"{pool}.{variant}"
            with_ties = np.round(normal(name, x=(1, 2, 5, 7))["x"])
            yield differentiate(name, function, {"x": with_ties}, **how)


@family
def attention() -> Iterator[Arrays]:
    name = "attention"
    shapes = {"q": (2, 2, 4, 3), "k": (2, 2, 5, 3), "v": (2, 2, 5, 3)}
    yield differentiate(name, F.scaled_dot_product_attention, normal(name, **shapes))
    name = "attention.causal"
    yield differentiate(
        name,
        lambda q, k, v, causal: F.scaled_dot_product_attention(q, k, v, is_causal=causal),
        normal(name, **dict.fromkeys("qkv", (2, 2, 5, 3))),
        causal=True,
    )
    name = "attention.padding"
    lengths = np.array([5, 3]).reshape(2, 1, 1, 1)
    inputs = {**normal(name, **shapes), "mask": np.arange(5) < lengths}
    yield differentiate(name, F.scaled_dot_product_attention, inputs)

    name = "attention.causal_padding"
    lengths = np.array([7, 4]).reshape(2, 1, 1, 1)
    mask = np.tri(7, dtype=bool) & (np.arange(7) < lengths)
    inputs = {**normal(name, **dict.fromkeys("qkv", (2, 2, 7, 3))), "mask": mask}
    yield differentiate(name, F.scaled_dot_product_attention, inputs)
    name = "attention.arbitrary"
    mask = random(f"{name}/mask").uniform(size=(2, 1, 7, 9)) < 0.4
    mask[..., 4] |= ~mask.any(axis=-1)
    inputs = {**normal(name, q=(2, 2, 7, 3), k=(2, 2, 9, 3), v=(2, 2, 9, 4)), "mask": mask}
    yield differentiate(name, F.scaled_dot_product_attention, inputs)

    name = "masked_softmax"
    mask = random(f"{name}/mask").uniform(size=(3, 5)) < 0.5
    mask[:, 2] |= ~mask.any(axis=-1)
    yield differentiate(
        name,
        lambda x, mask: F.softmax(x.masked_fill(~mask, -torch.inf), dim=-1),
        {**normal(name, x=(2, 3, 5)), "mask": mask},
    )


# ---- attention layers and what is built from them


Given = dict[str, torch.Tensor]
Arguments = Callable[[Given], tuple[tuple[torch.Tensor, ...], dict[str, Any]]]


def of_module(name: str, module: torch.nn.Module, inputs: Arrays, arguments: Arguments, **attributes: Any) -> Arrays:
    """A module's values and gradients. Its parameters, N(0, ¼), are inputs as well, under PyTorch's names."""
    weights = normal(f"{name}/weights", **{key: tuple(p.shape) for key, p in module.named_parameters()})

    def function(*tensors: torch.Tensor, **_: Any) -> Any:
        given = dict(zip([*inputs, *weights], tensors, strict=True))
        result = torch.func.functional_call(module, {key: given[key] for key in weights}, *arguments(given))
        return dict(zip(("y", "weights"), result, strict=True)) if isinstance(result, tuple) else result

    return differentiate(name, function, {**inputs, **{key: w / 2 for key, w in weights.items()}}, **attributes)


def forbidden(mask: torch.Tensor | None, heads: int, causal: int = 0) -> dict[str, Any]:
    """Our mask, true where attention is allowed, in PyTorch's two, true where it is not. causal: the length."""
    masks: dict[str, Any] = {}
    if causal:
        masks["attn_mask"] = torch.ones(causal, causal, dtype=torch.bool).triu(1)
    if mask is not None and mask.ndim == 3 and mask.shape[1] == 1:
        masks["key_padding_mask"] = ~mask[:, 0]
    elif mask is not None:
        masks["attn_mask"] = (~mask if mask.ndim == 2 else (~mask).repeat_interleave(heads, 0)) | masks.get(
            "attn_mask", torch.tensor(False)
        )
    return masks


def attention_layer(name: str, x: tuple[int, int, int] = (2, 3, 4), m: int = 0, heads: int = 2,
                    mask: NDArray[np.bool_] | None = None, is_causal: bool = False) -> Arrays:
    """nn.MultiheadAttention: x (batch, n, width), and a memory of length m where that is not 0."""
    batch, n, width = x
    inputs = normal(name, x=x, **({"memory": (batch, m, width)} if m else {}))
    if mask is not None:
        inputs["mask"] = mask

    def arguments(given: Given) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
        memory = given.get("memory", given["x"])
        keywords = forbidden(given.get("mask"), heads, n * is_causal)
        return (given["x"], memory, memory), {**keywords, "average_attn_weights": False}

    module = torch.nn.MultiheadAttention(width, heads, batch_first=True)
    return of_module(name, module, inputs, arguments, heads=heads, is_causal=is_causal)


def transformer_layer(decoder: bool, width: int, heads: int, hidden: int, activation: str, norm_first: bool) -> Any:
    """One block, without dropout. Its GELU is the tanh form."""
    made = torch.nn.TransformerDecoderLayer if decoder else torch.nn.TransformerEncoderLayer
    functions: dict[str, Any] = {"relu": F.relu, "gelu": lambda x: F.gelu(x, approximate="tanh")}
    return made(width, heads, hidden, 0.0, functions[activation], batch_first=True, norm_first=norm_first)


def blocks(name: str, x: tuple[int, int, int] = (2, 3, 4), m: int = 0, depth: int = 0, heads: int = 2,
           hidden: int = 3, activation: str = "relu", norm_first: bool = False,
           mask: NDArray[np.bool_] | None = None, memory_mask: NDArray[np.bool_] | None = None,
           is_causal: bool = False) -> Arrays:
    """A stack of encoder blocks, or of decoder blocks over a memory of length m; depth 0: one block by itself.

    Decoders are causal.
    """
    batch, n, width = x
    module = transformer_layer(bool(m), width, heads, hidden, activation, norm_first)
    if depth:
        stack = torch.nn.TransformerDecoder if m else torch.nn.TransformerEncoder
        keywords = {} if m else {"enable_nested_tensor": False}
        module = stack(module, depth, torch.nn.LayerNorm(width) if norm_first else None, **keywords)
    inputs = normal(name, x=x, **({"memory": (batch, m, width)} if m else {}))
    inputs |= {key: given for key, given in {"mask": mask, "memory_mask": memory_mask}.items() if given is not None}

    def arguments(given: Given) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
        own = forbidden(given.get("mask"), heads, n * (is_causal or bool(m)))
        if m:
            cross = forbidden(given.get("memory_mask"), heads)
            names = {"attn_mask": "mask", "key_padding_mask": "key_padding_mask"}
            keywords = {f"tgt_{names[key]}": value for key, value in own.items()}
            return (given["x"], given["memory"]), keywords | {f"memory_{names[key]}": v for key, v in cross.items()}
        names = {"attn_mask": "mask" if depth else "src_mask", "key_padding_mask": "src_key_padding_mask"}
        return (given["x"],), {names[key]: value for key, value in own.items()}

    return of_module(name, module, inputs, arguments, depth=depth, heads=heads, hidden=hidden, activation=activation,
                     norm_first=norm_first, is_causal=is_causal)


class TextClassifier(torch.nn.Module):
    """Embedding, sines and cosines, two post-norm blocks, the mean of the rows that hold a token, one number."""

    def __init__(self, vocabulary: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, width)
        block = transformer_layer(False, width, heads, hidden, "relu", False)
        self.encoder = torch.nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = torch.nn.Linear(width, 1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        position = torch.arange(x.shape[1]).double()[:, None]
        angle = position / 10000 ** (torch.arange(0, x.shape[2], 2).double() / x.shape[2])
        x = x + torch.stack([torch.sin(angle), torch.cos(angle)], -1).flatten(1)
        y, kept = self.encoder(x, src_key_padding_mask=tokens == 0), (tokens != 0)[..., None]
        return self.head((y * kept).sum(1) / kept.sum(1))


@family
def transformer() -> Iterator[Arrays]:
    lengths = np.arange(4) < np.array([4, 2]).reshape(2, 1, 1)
    square = np.array([[[1, 0, 1], [0, 1, 0], [1, 1, 0]], [[0, 0, 1], [1, 1, 1], [1, 0, 0]]], bool)
    yield attention_layer("multi_head_attention")
    yield attention_layer("multi_head_attention.causal", is_causal=True)
    yield attention_layer("multi_head_attention.cross", m=4)
    yield attention_layer("multi_head_attention.padding", m=4, mask=lengths)
    yield attention_layer("multi_head_attention.arbitrary", mask=square)
    yield blocks("block.post_norm", mask=square[0])
    yield blocks("block.pre_norm", activation="gelu", norm_first=True, is_causal=True)
    yield blocks("decoder_block.post_norm", m=4, memory_mask=lengths)
    yield blocks("decoder_block.pre_norm", m=4, activation="gelu", norm_first=True)
    yield blocks("encoder.pre_norm", depth=2, activation="gelu", norm_first=True, mask=lengths[:, :, 1:])
    yield blocks("decoder.post_norm", m=4, depth=2, mask=lengths[:, :, :3], memory_mask=lengths)
    name = "text_classifier"
    tokens = {"tokens": np.array([[3, 1, 4, 1, 0], [5, 2, 0, 0, 0]])}
    module = TextClassifier(6, 4, 2, 3)
    yield of_module(name, module, tokens, lambda given: ((given["tokens"],), {}), heads=2, hidden=3)


@family
def linear() -> Iterator[Arrays]:
    for variant, (a, b) in {
        "matrices": ((3, 4), (4, 2)),
        "batch": ((6, 3, 4), (6, 4, 2)),
        "batch_broadcast": ((2, 1, 3, 4), (5, 4, 2)),
        "dot": ((4,), (4,)),
        "matrix_vector": ((3, 4), (4,)),
        "vector_batch": ((4,), (5, 4, 2)),
    }.items():
        name = f"matmul.{variant}"
        yield differentiate(name, torch.matmul, normal(name, a=a, b=b))

    def einsum(a: torch.Tensor, b: torch.Tensor, subscripts: str) -> torch.Tensor:
        return torch.einsum(subscripts, a, b)

    name = "einsum.batch"
    yield differentiate(name, einsum, normal(name, a=(2, 3, 4), b=(2, 4, 5)), subscripts="bij,bjk->bik")
    name = "einsum.transposed"
    yield differentiate(name, einsum, normal(name, a=(3, 4), b=(5, 4)), subscripts="ij,kj->ik")

    name = "embedding"
    indices = np.array([[1, 4, 1], [0, 1, 6]])
    yield differentiate(
        name, lambda w, i: F.embedding(i, w), {**normal(name, weight=(7, 4)), "indices": indices}
    )


@family
def reductions() -> Iterator[Arrays]:
    def over(function: Callable[..., Any]) -> Callable[..., Any]:
        """A reduction in NumPy's words: over every axis without `axis`."""
        return lambda x, axis=None, keepdims=False: function(
            x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims
        )

    several = {
        "max": over(torch.amax),
        "min": over(torch.amin),
        "var": over(lambda x, dim, keepdim: torch.var(x, dim, unbiased=False, keepdim=keepdim)),
        "std": over(lambda x, dim, keepdim: torch.std(x, dim, unbiased=False, keepdim=keepdim)),
        "logsumexp": over(torch.logsumexp),
        "norm": over(lambda x, dim, keepdim: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)),
    }
    for function, reduce in several.items():
        for variant, attributes in {
            "all": {},
            "axis": {"axis": 1},
            "axes": {"axis": (0, 2), "keepdims": True},
        }.items():
            name = f"{function}.{variant}"
            yield differentiate(name, reduce, normal(name, x=(3, 4, 2)), **attributes)
    extreme = np.array([[1000.0, 0.0, -1000.0], [-1e4, -1e4, -1e4]])
    yield differentiate("logsumexp.extreme", several["logsumexp"], {"x": extreme}, axis=1)

    for variant, zeros in {"no_zero": [], "one_zero": [1], "two_zeros": [1, 3]}.items():
        name = f"prod.{variant}"
        x = normal(name, x=(2, 5))["x"]
        x[1, zeros] = 0.0
        yield differentiate(name, lambda x: torch.prod(x), {"x": x})
        yield differentiate(f"{name}_axis", lambda x, axis: torch.prod(x, dim=axis), {"x": x}, axis=1)


@family
def optimizers() -> Iterator[Arrays]:
    """20 steps down f(w) = ½ wᵀ A w − bᵀ w, whose gradient is A w − b."""
    stream = random("optimizers")
    root = stream.normal(size=(5, 5))
    quadratic = {"A": root @ root.T + np.eye(5), "b": stream.normal(size=5), "w": stream.normal(size=5)}
    adam = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8}
    for name, (optimizer, attributes) in {
        "sgd": (torch.optim.SGD, {"lr": 0.05}),
        "sgd.momentum": (torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}),
        "sgd.nesterov": (torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
        "adam": (torch.optim.Adam, adam),
        "adamw": (torch.optim.AdamW, {**adam, "weight_decay": 0.01}),
    }.items():
        a, b, w = (torch.tensor(array) for array in quadratic.values())
        steps = optimizer([w.requires_grad_()], **attributes)
        trajectory = []
        for _ in range(20):
            steps.zero_grad()
            (0.5 * w @ a @ w - b @ w).backward()
            steps.step()
            trajectory.append(w.detach().numpy().copy())
        yield {
            **{f"{name}/in/{key}": array for key, array in quadratic.items()},
            **{f"{name}/attr/{key}": np.asarray(value) for key, value in attributes.items()},
            f"{name}/out/w": np.stack(trajectory),
        }


@family
def schedules() -> Iterator[Arrays]:
    """The learning rate after 0, 1, …, 30 steps of the schedule."""
    for name, (schedule, attributes) in {
        "step": (lr_scheduler.StepLR, {"step_size": 7, "gamma": 0.5}),
        "exponential": (lr_scheduler.ExponentialLR, {"gamma": 0.9}),
        "cosine": (lr_scheduler.CosineAnnealingLR, {"T_max": 30, "eta_min": 0.001}),
        "linear": (lr_scheduler.LinearLR, {"start_factor": 0.25, "end_factor": 1.0, "total_iters": 12}),
    }.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler = schedule(optimizer, **attributes)
        rates = [scheduler.get_last_lr()[0]]
        for _ in range(30):
            optimizer.step()
            scheduler.step()
            rates.append(scheduler.get_last_lr()[0])
        yield {
            **{f"{name}/attr/{key}": np.asarray(value) for key, value in {"lr": 0.1, **attributes}.items()},
            f"{name}/out/lr": np.array(rates),
        }


@family
def training() -> Iterator[Arrays]:
    """100 steps of Adam on the network of mlp.py: the loss before each step."""
    adam = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
    dtypes: list[DTypeLike] = [np.float32, np.float64]
    for dtype in dtypes:
        name = f"mlp.{np.dtype(dtype)}"
        w1, b1, w2, b2 = parameters = [torch.tensor(w).requires_grad_() for w in mlp.weights(dtype).values()]
        optimizer = torch.optim.Adam(parameters, **adam)
        losses = []
        for x, labels in mlp.batches(dtype):
            logits = F.relu(torch.tensor(x) @ w1 + b1) @ w2 + b2
            loss = F.cross_entropy(logits, torch.tensor(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach().numpy())
        yield {
            f"{name}/attr/checksum": np.asarray(mlp.checksum()),
            **{f"{name}/attr/{key}": np.asarray(value) for key, value in adam.items()},
            f"{name}/out/losses": np.stack(losses),
        }


def compute(name: str) -> Arrays:
    """The arrays of one file, by key."""
    return {key: array for case in FAMILIES[name]() for key, array in case.items()}


if __name__ == "__main__":
    for name in FAMILIES:
        np.savez_compressed(FOLDER / f"{name}.npz", allow_pickle=False, **compute(name))
