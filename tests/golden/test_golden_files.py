"""The golden files are whole, say what README.md says, and are what PyTorch computes today."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.golden import FOLDER, Case, cases, families, load, mlp

FAMILIES = [
    "activations",
    "attention",
    "convolution",
    "linear",
    "losses",
    "normalization",
    "optimizers",
    "reductions",
    "schedules",
    "training",
    "transformer",
]
KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?/(upstream|(in|attr|out|grad)/[A-Za-z0-9_.]+)")
DIFFERENTIATED = [case for case in cases() if case.upstream is not None]


def named(name: str) -> Case:
    (case,) = [case for case in cases() if case.name == name]
    return case


def test_every_family_has_its_file_and_all_are_small():
    assert families() == FAMILIES
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 400_000


@pytest.mark.parametrize("family", FAMILIES)
def test_keys_and_dtypes(family):
    for key, array in load(family).items():
        assert KEY.fullmatch(key)
        assert array.dtype.kind in "fbiU"
        if array.dtype.kind == "f":
            assert array.dtype == (np.float32 if key == "mlp.float32/out/losses" else np.float64)
            assert np.isfinite(array).all()


def test_cases_lose_nothing():
    stored = sum(len(load(family)) for family in FAMILIES)
    loaded = sum(
        len(c.inputs) + len(c.attributes) + len(c.outputs) + len(c.gradients) + (c.upstream is not None)
        for c in cases()
    )
    assert loaded == stored
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names)
    assert [c.name for c in cases("schedules", "training")] == [
        c.name for family in ("schedules", "training") for c in cases(family)
    ]


@pytest.mark.parametrize("case", DIFFERENTIATED, ids=str)
def test_shapes_of_upstream_and_gradients(case):
    assert case.upstream.shape == case.outputs["y"].shape
    assert case.gradients
    for name, gradient in case.gradients.items():
        assert gradient.shape == case.inputs[name].shape
        assert gradient.any() or case.name == "prod.two_zeros"


def test_attributes_are_plain_python_values():
    assert named("var.axes").attributes == {"axis": (0, 2), "keepdims": True}
    assert named("einsum.batch").attributes == {"subscripts": "bij,bjk->bik"}
    assert named("sgd.nesterov").attributes == {"lr": 0.02, "momentum": 0.9, "nesterov": True}
    assert type(named("step").attributes["step_size"]) is int
    assert named("sgd.nesterov").function == "sgd"


@pytest.mark.parametrize("name, zeros", [("prod.no_zero", 0), ("prod.one_zero", 1), ("prod.two_zeros", 2)])
def test_products_hold_the_zeros_they_are_named_for(name, zeros):
    for case in (named(name), named(f"{name}_axis")):
        assert [(row == 0).sum() for row in case.inputs["x"]] == [0, zeros]


def test_embedding_adds_up_repeated_indices():
    case = named("embedding")
    expected = np.zeros_like(case.inputs["weight"])
    for index, row in zip(case.inputs["indices"].ravel(), case.upstream.reshape(-1, 4), strict=True):
        expected[index] += row
    assert np.allclose(case.gradients["weight"], expected, rtol=1e-12, atol=1e-12)
    assert np.bincount(case.inputs["indices"].ravel()).max() == 3


@pytest.mark.parametrize("variant, axes", [("features", (0,)), ("images", (0, 2, 3))])
def test_running_variance_takes_the_unbiased_variance_of_the_batch(variant, axes):
    case = named(f"batch_norm.{variant}_training")
    unbiased = case.inputs["x"].var(axis=axes, ddof=1)
    expected = 0.9 * case.inputs["running_var"] + 0.1 * unbiased
    assert np.allclose(case.outputs["running_var"], expected, rtol=1e-12, atol=1e-12)
    fixed = named(f"batch_norm.{variant}_eval")
    assert np.array_equal(fixed.outputs["running_var"], fixed.inputs["running_var"])


def test_a_masked_key_gets_no_gradient():
    case = named("attention.padding")
    hidden = ~np.broadcast_to(case.inputs["mask"][:, :, 0, :], (2, 2, 5))
    assert hidden.any() and not hidden.all(axis=-1).any()
    for name in ("k", "v"):
        assert not case.gradients[name][hidden].any()


@pytest.mark.parametrize("name", ["sgd", "sgd.momentum", "sgd.nesterov", "adam", "adamw"])
def test_trajectories_descend(name):
    case = named(name)
    a, b, start = (case.inputs[key] for key in ("A", "b", "w"))
    assert case.outputs["w"].shape == (20, 5)
    height = [0.5 * w @ a @ w - b @ w for w in (start, *case.outputs["w"])]
    assert height[-1] < height[0]
    if name == "sgd":
        assert np.allclose(case.outputs["w"][0], start - 0.05 * (a @ start - b), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["mlp.float32", "mlp.float64"])
def test_the_network_and_its_data_are_those_of_the_losses(name):
    case = named(name)
    assert case.attributes["checksum"] == mlp.checksum()
    assert case.outputs["losses"].shape == (mlp.STEPS,)
    assert case.outputs["losses"][-10:].mean() < case.outputs["losses"][:10].mean()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_are_the_samples_in_order(dtype):
    given = list(mlp.batches(dtype))
    assert len(given) == mlp.STEPS
    epoch = mlp.SAMPLES // mlp.BATCH
    for k, (x, labels) in enumerate(given):
        assert x.shape == (mlp.BATCH, 784) and x.dtype == dtype and labels.shape == (mlp.BATCH,)
        assert np.array_equal(x, given[k % epoch][0])
    assert {w.dtype for w in mlp.weights(dtype).values()} == {np.dtype(dtype)}


@pytest.mark.slow  # importing PyTorch alone takes seconds
@pytest.mark.torch
@pytest.mark.parametrize("family", FAMILIES)
def test_pytorch_reproduces(family):
    pytest.importorskip("torch", reason="needs PyTorch")
    from tests.golden import make

    stored, computed = load(family), make.compute(family)
    assert list(computed) == list(stored)
    for key, array in stored.items():
        again = computed[key]
        assert (again.dtype, again.shape) == (array.dtype, array.shape)
        if array.dtype.kind == "f":
            close = 1e-6 if array.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(again, array, rtol=close, atol=close, err_msg=key)
        else:
            assert np.array_equal(again, array)


@pytest.mark.slow  # importing PyTorch alone takes seconds
@pytest.mark.torch
def test_every_family_of_the_generator_is_stored():
    pytest.importorskip("torch", reason="needs PyTorch")
    from tests.golden import make

    assert sorted(make.FAMILIES) == FAMILIES
