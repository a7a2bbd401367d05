"""Bad input over the whole of the engine: a clear error each time, no leaf changed, and the next call works."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.support.bad_input import Case, refuse

F = tz.functional


def nan_labels() -> np.ndarray:
    return np.array([np.nan, 1.0])


def backward_again(w: Any) -> None:
    loss = (w.x * w.x).sum()
    tz.grad(loss, w.x)
    loss.backward()


def shared_by_two_losses(w: Any) -> None:
    shared = w.x * w.x
    tz.grad(shared.sum(), w.x)
    (shared * 2).sum().backward()


def set_item(w: Any) -> None:
    w.x[0, 0] = 5.0


def add_in_place(w: Any) -> None:
    w.x += 1


def write_values(w: Any) -> None:
    w.x.numpy()[0] = 1.0


def into_array(w: Any) -> None:
    np.add(np.ones(3), w.v, out=np.zeros(3))


def set_gradient(w: Any, value: Any) -> None:
    w.x.grad = value


def require_gradient(tensor: Any, wanted: bool) -> None:
    tensor.requires_grad = wanted


class Undifferentiable(tz.Op):
    """y = a + b, with a partial for a alone"""

    def forward(a, b):
        return a + b

    def backward_a(dy):
        return dy


MAKING = {
    "text": Case(lambda w: tz.tensor("1.5"), TypeError, "real numbers or booleans, not <U3 .*convert the data"),
    "nothing": Case(lambda w: tz.tensor(None), TypeError, "not object"),
    "complex": Case(lambda w: tz.tensor([1j]), TypeError, "not complex128"),
    "dates": Case(lambda w: tz.tensor(np.array(["2020"], "M8[Y]")), TypeError, "not datetime64"),
    "ragged lists": Case(lambda w: tz.tensor([[1.0], [1.0, 2.0]]), TypeError, "a rectangular array of numbers"),
    "a masked array": Case(lambda w: tz.tensor(np.ma.ones(2)), TypeError, r"no mask; use masked\.filled"),
    "a gap, as a float": Case(lambda w: tz.tensor([1.0, None], np.float32), TypeError, "not object"),
    "integers with a gradient": Case(
        lambda w: tz.tensor([1, 2], requires_grad=True),
        TypeError, r"only floating tensors .* use dtype=np\.float32"),
    "booleans with a gradient": Case(
        lambda w: tz.tensor(True, requires_grad=True), TypeError, "only floating tensors have gradients"),
    "a dtype of objects": Case(lambda w: tz.tensor([1.0], object), TypeError, "not object"),
    "an unknown dtype": Case(lambda w: tz.tensor([1.0], "float33"), TypeError, "float33"),
    "an integer too large": Case(
        lambda w: tz.tensor([300], np.uint8), OverflowError, "300 out of bounds for uint8"),
    "an unknown device": Case(
        lambda w: tz.tensor([1.0], device="gpu"), ValueError, 'no device .gpu.; use "cpu"'),
    "a default dtype of integers": Case(
        lambda w: tz.set_default_dtype(np.int64), TypeError, "a floating one .*, not <class"),
    "no default dtype": Case(lambda w: tz.set_default_dtype(None), TypeError, "a floating one .*, not None"),
    "a negative seed": Case(lambda w: tz.manual_seed(-1), ValueError, "the seed is an integer ≥ 0, not -1"),
    "a fractional seed": Case(lambda w: tz.manual_seed(1.5), TypeError, "the seed is an integer ≥ 0, not 1.5"),
}  # fmt: skip

TENSORS = {
    "item of many": Case(lambda w: w.v.item(), ValueError, r"one element, this one has shape \(3,\)"),
    "float of many": Case(lambda w: float(w.v), ValueError, r"one element, this one has shape \(3,\)"),
    "truth of many": Case(lambda w: bool(w.v > 0), ValueError, r"shape \(3,\) is ambiguous; use .*any\(\)"),
    "length of a number": Case(lambda w: len(w.s), TypeError, "a 0-d tensor has no length"),
    "iterating over a number": Case(lambda w: list(w.s), TypeError, "a 0-d tensor cannot be iterated over"),
    "a float as an index": Case(
        lambda w: [1, 2][w.s], TypeError, "an index is an integer, this tensor holds float64"),
    "setting items": Case(set_item, TypeError, r"never change in place; use t\.assign\(new\)"),
    "adding in place": Case(
        add_in_place, TypeError, r"replace a parameter by a result; use t\.assign\(t \+ …\)"),
    "writing into numpy()": Case(write_values, ValueError, "read-only"),
    "unlocking numpy()": Case(lambda w: w.x.numpy().setflags(write=True), ValueError, "WRITEABLE"),
    "out=": Case(into_array, TypeError, r"np\.add cannot write into an array .*drop out="),
    "a ufunc without an op": Case(
        lambda w: np.arctan(w.x), TypeError, r"np\.arctan has no op with a gradient; write a tz\.Op"),
    "a reduction by ufunc": Case(lambda w: np.add.reduce(w.x), TypeError, r"np\.add\.reduce has no op"),
    "a function without an op": Case(
        lambda w: np.median(w.x), TypeError, r"np\.median has no op .* or use t\.numpy\(\)"),
    "assigning another shape": Case(
        lambda w: w.x.assign(np.ones((3, 2))),
        ValueError, r"shape \(2, 3\) cannot take values of shape \(3, 2\)"),
    "assigning a number to a matrix": Case(lambda w: w.x.assign(0.0), ValueError, r"of shape \(\)"),
    "assigning fractions to integers": Case(
        lambda w: w.i.assign(np.array([0.5, 1.5, 2.5])),
        TypeError, "float64 values do not fit a tensor of int64"),
    "assigning text": Case(lambda w: w.s.assign("2"), TypeError, "real numbers"),
    "assigning to a result": Case(
        lambda w: (w.x * 2).assign(w.x), RuntimeError, "leaves; .* is the result of Mul"),
    "copying a result deeply": Case(
        lambda w: copy.deepcopy(w.x * 2), RuntimeError, r"copy t\.detach\(\) instead"),
    "moving to an unknown device": Case(
        lambda w: w.x.to("tpu"), ValueError, 'no device .tpu.; use "cpu", "cuda"'),
    "an integer that is to have a gradient": Case(
        lambda w: require_gradient(w.i, True), TypeError, "only floating tensors have gradients, .* int64"),
    "a result that is to have none": Case(
        lambda w: require_gradient(w.x * 2, False),
        RuntimeError, r"only a leaf .*\(use detach\(\) for a constant\)"),
    "casting to text": Case(lambda w: w.x.astype(str), TypeError, "real numbers or booleans, not <U0"),
    "mT of a vector": Case(
        lambda w: w.v.mT, ValueError, r"mT transposes matrices; this tensor has shape \(3,\)"),
}  # fmt: skip

GRADIENTS = {
    "backward from many": Case(
        lambda w: (w.x * 2).backward(),
        ValueError, r"one number, .* \(2, 3\); reduce it \(sum, mean\) or pass .* seed"),
    "a seed of another shape": Case(
        lambda w: (w.x * 2).backward(np.ones(3)), ValueError, r"shape \(2, 3\), like the tensor, not \(3,\)"),
    "a complex seed": Case(lambda w: (w.s * 2).backward(1j), TypeError, "the seed is a gradient, real numbers"),
    "backward from a constant": Case(
        lambda w: tz.tensor(1.0).backward(), RuntimeError, "nothing to differentiate"),
    "backward from a detached loss": Case(lambda w: w.x.sum().detach().backward(), RuntimeError, "or detached"),
    "backward twice": Case(backward_again, RuntimeError, r"use backward\(retain_graph=True\) the first time"),
    "two losses that share a value": Case(
        shared_by_two_losses, RuntimeError, "or add the losses up and go backward once"),
    "a gradient of another shape": Case(
        lambda w: set_gradient(w, tz.tensor([1.0])),
        ValueError, r"has that dtype and shape, not float32 \(1,\)"),
    "a gradient that is an array": Case(
        lambda w: set_gradient(w, np.ones((2, 3))),
        TypeError, r"a tensor or None, not ndarray; use tz\.tensor"),
    "a hook on a constant": Case(lambda w: w.i.register_hook(print), RuntimeError, "a hook would never run"),
    "a hook that is no function": Case(
        lambda w: w.x.register_hook(3), TypeError, "a function of the gradient, not int"),
    "retaining what there is not": Case(lambda w: w.i.retain_grad(), RuntimeError, "none to retain"),
    "grad of no tensor": Case(lambda w: tz.grad(1.0, w.x), TypeError, "the outputs are a tensor .*, not float"),
    "grad by no tensor": Case(
        lambda w: tz.grad(w.x.sum(), np.ones(3)), TypeError, "the inputs .*, not ndarray"),
    "grad by a constant": Case(lambda w: tz.grad(w.x.sum(), w.i), RuntimeError, "input 0 .* does not require"),
    "grad by what is not used": Case(
        lambda w: tz.grad(w.x.sum(), w.v),
        RuntimeError, r"do not depend on input 0 of shape \(3,\); allow_unused=True"),
    "grad of many": Case(lambda w: tz.grad(w.x * 2, w.x), ValueError, r"starts from one number, .* \(2, 3\)"),
    "too few upstream gradients": Case(
        lambda w: tz.grad([w.x.sum(), w.v.sum()], w.x, [1.0]),
        ValueError, "2 outputs need as many grad_outputs, not 1"),
    "an input without a partial": Case(
        lambda w: Undifferentiable(w.x, w.x), TypeError, r"no gradient for its input b; pass it as a constant"),
    "hessian of many": Case(
        lambda w: tz.hessian(lambda z: z * z, w.v), ValueError, "returns one number, not shape"),
    "hvp with a vector of another shape": Case(
        lambda w: tz.hvp(lambda z: z.sum(), w.v, np.ones(2)),
        ValueError, r"v has shape \(2,\); it must be \(3,\)"),
    "jvp without enough vectors": Case(
        lambda w: tz.jvp(lambda a, b: a * b, (w.v, w.v), (w.v,)), ValueError, r"it must be \(3,\), \(3,\)"),
    "jacobian of no tensor": Case(
        lambda w: tz.jacobian(lambda z: z.tolist(), w.v), TypeError, "returns one tensor, not list"),
    "jacobian at integers": Case(lambda w: tz.jacobian(lambda z: z, w.i), TypeError, "only floating tensors"),
}  # fmt: skip

OPS = {
    "shapes that do not broadcast": Case(
        lambda w: w.x + w.w,
        ValueError, r"Add \(y = a \+ b\) cannot take a: float64 \(2, 3\), b: float64 \(3, 2\)"),
    "an operand of text": Case(lambda w: w.x + "1", TypeError, "real numbers or booleans, not <U1"),
    "an operand of complex numbers": Case(lambda w: w.x * 1j, TypeError, "not complex128"),
    "an operand of objects": Case(lambda w: w.v * np.array([1, None, 2]), TypeError, "not object"),
    "too many inputs": Case(lambda w: F.exp(w.x, w.x), TypeError, "Exp .*takes 1 positional argument but 2"),
    "too few inputs": Case(
        lambda w: F.add(w.x), TypeError, "Add .*missing 1 required positional argument: 'b'"),
    "an unknown keyword": Case(
        lambda w: F.softmax(w.x, dim=1), TypeError, "Softmax .*unexpected keyword argument 'dim'"),
    "matrices that do not meet": Case(
        lambda w: w.x @ w.x,
        ValueError, r"shapes \(2, 3\) and \(2, 3\) do not meet; the last axis .* as long as"),
    "a number in a matrix product": Case(
        lambda w: w.x @ w.s, ValueError, r"not shapes \(2, 3\) and \(\); use \*"),
    "batches that do not broadcast": Case(
        lambda w: F.matmul(np.ones((2, 1, 3)), w.w[None][[0, 0, 0]]), ValueError, "MatMul .*cannot take"),
    "einsum without enough operands": Case(
        lambda w: F.einsum("ij,jk->ik", w.x), ValueError, "einsum 'ij,jk->ik' is for 2 operands, not 1"),
    "einsum of another rank": Case(
        lambda w: F.einsum("ijk->i", w.x), ValueError, r"'ijk' does not fit .* \(2, 3\)"),
    "einsum of lengths that differ": Case(
        lambda w: F.einsum("ij,jk->ik", w.x, w.x), ValueError, "index j is both 3 and 2"),
    "einsum to an unknown index": Case(
        lambda w: F.einsum("ij->k", w.x), ValueError, "letters of the operands, each once"),
    "einsum without subscripts": Case(
        lambda w: F.einsum(w.x, w.x),
        TypeError, r'einsum: the subscripts come first, as "ij,jk->ik", not Tensor'),
    "clip without bounds": Case(
        lambda w: F.clip(w.x), ValueError, "needs a lower bound, an upper bound, or both"),
    "clip with its bounds exchanged": Case(
        lambda w: w.x.clip(1, -1), ValueError, "the lower bound 1.0 is above"),
    "clip with a bound that is nan": Case(lambda w: w.x.clip(np.nan, 1), ValueError, "the lower bound nan"),
}  # fmt: skip

REDUCTIONS_AND_SHAPES = {
    "an axis that is not there": Case(
        lambda w: w.x.sum(axis=2), ValueError, "axis 2 is out of bounds .* dimension 2"),
    "an axis that is not there, as an index": Case(
        lambda w: w.x.mean(axis=-3), IndexError, "axis -3 is out of bounds"),
    "an axis twice": Case(lambda w: w.x.sum(axis=(0, -2)), ValueError, "repeated axis in `axis` argument"),
    "an axis of softmax": Case(
        lambda w: F.softmax(w.x, axis=5), ValueError, "Softmax .* axis 5 is out of bounds"),
    "an axis that is no integer": Case(lambda w: w.x.sum(axis=1.5), TypeError, "tuple of integers, not 1.5"),
    "the maximum of nothing": Case(lambda w: w.x[:0].max(), ValueError, "Max .*zero-size array"),
    "the variance of one value": Case(
        lambda w: w.s.var(ddof=1), ValueError, "1 values with ddof=1 .* more than 1"),
    "an unknown norm": Case(lambda w: F.norm(w.x, ord=3), ValueError, "ord is 1, 2 or inf, not 3"),
    "reshape to another size": Case(
        lambda w: w.x.reshape(4, 2), ValueError, r"Reshape .*size 6 into shape \(4,\s*2\)"),
    "reshape with two unknowns": Case(lambda w: w.x.reshape(-1, -1), ValueError, "one unknown dimension"),
    "reshape with an unknown that does not fit": Case(
        lambda w: w.x.reshape(4, -1),
        ValueError, r"cannot reshape 6 elements of shape \(2, 3\) into \(4, -1\)"),
    "transpose without an axis": Case(
        lambda w: w.x.transpose(0), ValueError, r"2 axes need an order of 2, not \(0,\)"),
    "transpose with an axis twice": Case(lambda w: w.x.transpose(0, 0), ValueError, "repeated axis in `axes`"),
    "swapaxes out of range": Case(lambda w: w.x.swapaxes(0, 2), ValueError, "axis 2 is out of bounds"),
    "squeeze of a long axis": Case(
        lambda w: w.x.squeeze(0), ValueError, r"axes \(0,\) of shape \(2, 3\) are not all"),
    "broadcast to a smaller shape": Case(lambda w: w.x.broadcast_to((3,)), ValueError, "BroadcastTo"),
    "concat of nothing": Case(lambda w: F.concat([]), ValueError, "concat needs at least one tensor"),
    "concat of shapes that differ": Case(
        lambda w: F.concat([w.x, w.w]), ValueError, r"Concat .*\(2, 3\).*\(3, 2\)"),
    "stack of shapes that differ": Case(
        lambda w: F.stack([w.x, w.w]), ValueError, r"one shape, not \(2, 3\), \(3, 2\)"),
    "stack of nothing": Case(lambda w: F.stack([]), ValueError, "stack needs at least one tensor"),
    "split into unequal parts": Case(
        lambda w: F.split(w.v, 2), ValueError, "3 along axis 0 does not divide into 2 equal"),
    "split backwards": Case(
        lambda w: F.split(w.v, [2, 1]), ValueError, r"places \[2, 1\] must rise from 0 to 3"),
    "padding by less than nothing": Case(
        lambda w: F.pad(w.v, -1), ValueError, "widths are ≥ 0, not -1; to cut, index"),
    "an index out of range": Case(lambda w: w.v[3], IndexError, "Slice .*index 3 is out of bounds"),
    "an array's index out of range": Case(
        lambda w: w.v[[0, 3]], IndexError, "Gather .*index 3 is out of bounds"),
    "too many indices": Case(lambda w: w.v[0, 0], IndexError, "Slice .*too many indices"),
    "a floating index": Case(lambda w: w.v[np.array([0.0])], IndexError, "integers or booleans, not float64"),
    "a floating tensor as an index": Case(lambda w: w.v[w.s], IndexError, "integers or booleans, not float64"),
    "a number as an index": Case(lambda w: w.v[1.0], IndexError, "integers or booleans, not float"),
    "a mask of another length": Case(
        lambda w: w.v[np.array([True, False])], IndexError, "boolean index did not match"),
    "text as an index": Case(lambda w: w.v["a"], IndexError, "integers or booleans, not str"),
}  # fmt: skip

LOSSES = {
    "(n, 1) against (n,)": Case(
        lambda w: F.mse_loss(w.v.reshape(3, 1), np.ones(3)), ValueError,
        r"prediction has shape \(3, 1\) and the target \(3,\); .*reshape one of them\), they are never broadcast"),
    "one target for many": Case(lambda w: F.l1_loss(w.v, 1.0), ValueError, r"shape \(3,\) and the target \(\)"),
    "a target of text": Case(
        lambda w: F.mse_loss(w.v, ["a", "b", "c"]), TypeError, "target must hold real numbers"),
    "the mean of no losses": Case(lambda w: F.mse_loss(w.v[:0], np.ones(0)), ValueError, "the batch is empty"),
    "an unknown reduction": Case(
        lambda w: F.mse_loss(w.v, w.v, "avg"), ValueError, 'reduction is "mean", "sum" or "none", not .avg.'),
    "huber without a width": Case(
        lambda w: F.huber_loss(w.v, w.v, delta=0), ValueError, "delta is positive, not 0"),
    "a label too large": Case(
        lambda w: F.cross_entropy(w.x, [0, 5]),
        IndexError, r"label 5 is out of range for 3 classes \(0 to 2\)"),
    "a label of −1": Case(lambda w: F.cross_entropy(w.x, [0, -1]), IndexError, "label -1 is out of range"),
    "labels as floats": Case(
        lambda w: F.cross_entropy(w.x, [0.0, 1.0]),
        TypeError, r"labels are integers, not float.*\.astype\(np\.int64\)"),
    "labels with nan": Case(lambda w: F.cross_entropy(w.x, nan_labels()), TypeError, "integers, not float64"),
    "labels as text": Case(lambda w: F.cross_entropy(w.x, ["a", "b"]), TypeError, "integers, not <U1"),
    "labels as objects": Case(
        lambda w: F.cross_entropy(w.x, np.array([0, 1], object)), TypeError, "not object"),
    "labels of another byte order": Case(
        lambda w: F.cross_entropy(w.x, np.array([0, 1], ">i8")), TypeError, ">i8"),
    "too few labels": Case(
        lambda w: F.cross_entropy(w.x, [0]),
        ValueError, r"logits of shape \(2, 3\) need labels of shape \(2,\)"),
    "labels in a column": Case(
        lambda w: F.cross_entropy(w.x, [[0], [1]]), ValueError, r"shape \(2,\) .*not \(2, 1\)"),
    "logits without classes": Case(
        lambda w: F.cross_entropy(w.s, 0), ValueError, r"logits are \(…, classes\), not \(\)"),
    "a probability above 1": Case(
        lambda w: F.binary_cross_entropy(w.v * 5, [1.0, 0.0, 1.0]), ValueError,
        "between 0 and 1, not 1.5; apply sigmoid or softmax first"),
    "a probability that is nan": Case(
        lambda w: F.binary_cross_entropy(w.v * np.nan, [1.0, 0.0, 1.0]),
        ValueError, "between 0 and 1, not nan"),
    "a target below 0": Case(
        lambda w: F.binary_cross_entropy_with_logits(w.v, [1.0, -1.0, 0.0]),
        ValueError, "between 0 and 1, not -1"),
    "logits where probabilities belong": Case(
        lambda w: F.cross_entropy_of_probabilities(w.x, [0, 1]),
        ValueError, "or use the function that takes logits"),
}  # fmt: skip

LAYERS = {
    "a token outside the vocabulary": Case(
        lambda w: F.embedding([3], w.w), IndexError, r"token 3 .* a vocabulary of 3 \(0 to 2\)"),
    "a negative token": Case(lambda w: F.embedding([-1], w.w), IndexError, "token -1 is out of range"),
    "tokens as floats": Case(lambda w: F.embedding([0.5], w.w), TypeError, "tokens are integers, not float"),
    "a table that is no matrix": Case(
        lambda w: F.embedding([0], w.v), ValueError, r"\(vocabulary, d\), not \(3,\)"),
    "layer norm of a number": Case(
        lambda w: F.layer_norm(w.s), ValueError, r"last axis, which shape \(\) does not have"),
    "layer norm with another scale": Case(
        lambda w: F.layer_norm(w.x, np.ones(2)),
        ValueError, r"shape \(3,\) for x of shape \(2, 3\), not \(2,\)"),
    "rms norm of an empty axis": Case(lambda w: F.rms_norm(w.x[:, :0]), ValueError, "last axis, which shape"),
    "batch norm of a vector": Case(
        lambda w: F.batch_norm(w.v, w.v, w.v, w.v, w.v), ValueError, r"takes \(n, channels\) .* not \(3,\)"),
    "batch norm with other statistics": Case(
        lambda w: F.batch_norm(w.w, w.v, w.v, w.v, w.v),
        ValueError, r"running_mean has shape \(3,\), .* it is \(2,\)"),
    "batch norm of one value a channel": Case(
        lambda w: F.batch_norm(w.x[:1], w.v.detach(), w.v.detach(), w.v, w.v, training=True), ValueError,
        r"at least 2 values a channel, shape \(1, 3\) has 1; use a larger batch, or eval\(\)"),
    "attention of vectors": Case(
        lambda w: F.scaled_dot_product_attention(w.v, w.v, w.v),
        ValueError, r"queries are \(…, length, width\), not \(3,\)"),
    "attention of widths that differ": Case(
        lambda w: F.scaled_dot_product_attention(w.x, w.w, w.w),
        ValueError, "queries .* and keys .* need one width"),
    "attention of lengths that differ": Case(
        lambda w: F.scaled_dot_product_attention(w.x, w.x, w.x[:1]), ValueError, "one length"),
    "attention to nothing": Case(
        lambda w: F.scaled_dot_product_attention(w.x, w.x[:0], w.x[:0]), ValueError, "nothing to attend to"),
    "a mask of numbers": Case(
        lambda w: F.scaled_dot_product_attention(w.x, w.x, w.x, np.zeros((2, 2))),
        TypeError, "boolean, .* not float64"),
    "a mask of another shape": Case(
        lambda w: F.scaled_dot_product_attention(w.x, w.x, w.x, np.ones((3, 3), bool)),
        ValueError, r"shape \(3, 3\) does not broadcast to \(2, 2\), the scores; .* padding is \(batch, 1, m\)"),
    "a mask with more leading axes": Case(
        lambda w: F.scaled_dot_product_attention(w.x, w.x, w.x, np.ones((4, 2, 2), bool)),
        ValueError, r"a mask of shape \(4, 2, 2\) does not broadcast to \(2, 2\)"),
    "a mask that would repeat the queries": Case(
        lambda w: F.attention_weights(w.x[:1], w.x, np.ones((2, 2), bool)),
        ValueError, r"a mask of shape \(2, 2\) does not broadcast to \(1, 2\)"),
    "weights of widths that differ": Case(
        lambda w: F.attention_weights(w.x, w.w), ValueError, "queries .* and keys .* need one width"),
    "attention of batches that differ": Case(
        lambda w: F.scaled_dot_product_attention(w.x, np.ones((2, 2, 3)), np.ones((3, 2, 3))),
        ValueError, r"leading axes of queries \(2, 3\), keys \(2, 2, 3\), values \(3, 2, 3\) do not broadcast"),
    "blocked attention of lengths that differ": Case(
        lambda w: F.blocked_attention(w.x, w.x, w.x[:1]), ValueError, "one length"),
    "blocked attention with a mask of another shape": Case(
        lambda w: F.blocked_attention(w.x, w.x, w.x, np.ones((3, 3), bool)),
        ValueError, r"shape \(3, 3\) does not broadcast to \(2, 2\)"),
    "a block of no rows": Case(
        lambda w: F.blocked_attention(w.x, w.x, w.x, block=0), ValueError, "at least 1 row, not 0"),
    "a block of half a row": Case(
        lambda w: F.blocked_attention(w.x, w.x, w.x, block=0.5), TypeError, "whole number of rows, not 0.5"),
    "a softmax mask of numbers": Case(
        lambda w: F.masked_softmax(w.x, np.ones(3)), TypeError, "boolean, .* not float64"),
    "a softmax mask that would enlarge": Case(
        lambda w: F.masked_softmax(w.x, np.ones((4, 2, 3), bool)),
        ValueError, r"masked_softmax: a mask of shape \(4, 2, 3\) does not broadcast to \(2, 3\)"),
    "a masked softmax over no axis": Case(
        lambda w: F.masked_softmax(w.x, np.ones(3, bool), axis=2), ValueError, "axis 2 is out of bounds"),
    "dropout of more than everything": Case(lambda w: F.dropout(w.x, 1.5), ValueError, "from 0 to 1, not 1.5"),
    "dropout of nan": Case(lambda w: F.dropout(w.x, np.nan), ValueError, "from 0 to 1, not nan"),
    "dropout with a seed for a generator": Case(
        lambda w: F.dropout(w.x, 0.5, generator=3),
        TypeError, r"Generator, not int; for a seed use tz\.manual_seed"),
}  # fmt: skip

TABLE = MAKING | TENSORS | GRADIENTS | OPS | REDUCTIONS_AND_SHAPES | LOSSES | LAYERS


@pytest.mark.parametrize("name", TABLE)
def test_bad_input_is_refused_in_words_and_changes_nothing(name: str) -> None:
    refuse(TABLE[name])


def test_the_tables_overlap_nowhere() -> None:
    tables = (MAKING, TENSORS, GRADIENTS, OPS, REDUCTIONS_AND_SHAPES, LOSSES, LAYERS)
    assert len(TABLE) == sum(map(len, tables)) >= 60
