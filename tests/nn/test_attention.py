"""Multi-head attention: against PyTorch and loops by hand; what masks, dropout and maps promise."""

from __future__ import annotations

import copy
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.golden import cases, cases_of
from tests.support.pytorch import assert_agrees
from tinygrad_zh import nn
from tinygrad_zh.check import check_parameters, gradcheck

pytestmark = pytest.mark.usefixtures("in_float64")
CLOSE = {"rtol": 1e-11, "atol": 1e-13}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def layer_of(width=6, heads=3, dropout=0.0, seed=1):
    """A layer whose biases are not the zeros that hide mistakes."""
    layer = nn.MultiHeadAttention(width, heads, dropout)
    for i, p in enumerate(layer.parameters()):
        p.assign(normal(*p.shape, seed=seed + i) / 2)
    return layer


def by_hand(layer, x, memory, mask, head_size):
    """(Y, P) of one text, number by number: for each head and each row the softmax over what it may attend to."""
    q, k, v = (part(given).numpy() for part, given in
               ((layer.query, x), (layer.key, memory), (layer.value, memory)))
    joined, weights = np.zeros((len(x), q.shape[1])), np.zeros((layer.heads, len(x), len(memory)))
    for head in range(layer.heads):
        columns = slice(head * head_size, (head + 1) * head_size)
        for i in range(len(x)):
            allowed = [j for j in range(len(memory)) if mask[i, j]]
            scores = [q[i, columns] @ k[j, columns] / head_size**0.5 for j in allowed]
            e = np.exp(np.array(scores) - max(scores, default=0))
            for j, p in zip(allowed, e / e.sum(), strict=True):
                weights[head, i, j] = p
                joined[i, columns] += p * v[j, columns]
    return joined @ layer.output.W.numpy() + layer.output.b.numpy(), weights


# ---- values and gradients


@pytest.mark.parametrize("case", [c for c in cases("transformer") if c.function == "multi_head_attention"], ids=str)
def test_values_and_gradients_are_pytorch_s(case):
    assert_agrees(case, **CLOSE)


LIVE = {
    "one row, one head": {"x": (1, 1, 4), "heads": 1},
    "as many heads as columns": {"x": (2, 5, 4), "heads": 4},
    "longer memory": {"x": (3, 4, 12), "m": 9, "heads": 3},
    "shorter memory": {"x": (3, 4, 12), "m": 1, "heads": 6},
    "one mask for the batch": {"x": (2, 5, 6), "mask": np.tri(5, 5, 1, bool)},
    "padding": {"x": (3, 5, 6), "mask": np.arange(5) < np.array([1, 5, 3]).reshape(3, 1, 1)},
    "causal and padding": {"x": (3, 5, 6), "mask": np.arange(5) < np.array([1, 5, 3]).reshape(3, 1, 1),
                           "is_causal": True},
    "causal and more": {"x": (2, 5, 6), "is_causal": True,
                        "mask": np.eye(5, dtype=bool) | (normal(2, 5, 5, seed=3) > 0)},
    "long": {"x": (2, 70, 8), "m": 130, "heads": 2},
}


@pytest.mark.slow  # importing PyTorch alone takes seconds
@pytest.mark.torch
@pytest.mark.parametrize("name", LIVE)
def test_values_and_gradients_are_those_that_pytorch_computes_here(name):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from tests.golden import make

    (case,) = cases_of(make.attention_layer("multi_head_attention.live", **LIVE[name]))
    assert_agrees(case, **CLOSE)


@given(st.data())
def test_it_is_what_loops_make_of_any_mask(data):
    heads, head_size = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    bits = data.draw(st.lists(st.booleans(), min_size=n * m, max_size=n * m))
    mask = np.array(bits).reshape(n, m)
    layer = layer_of(heads * head_size, heads)
    x, memory = normal(n, heads * head_size, seed=1), normal(m, heads * head_size, seed=2)
    y, weights = by_hand(layer, x, memory, mask, head_size)
    found, p = layer(x, memory, mask, return_weights=True)
    np.testing.assert_allclose(p.numpy(), weights, **CLOSE)
    np.testing.assert_allclose(found.numpy(), y, **CLOSE)
    np.testing.assert_allclose(layer(x, memory, mask).numpy(), y, **CLOSE)


@pytest.mark.parametrize("lead", [(), (1,), (2, 3), (0,)])
def test_axes_in_front_are_batches(lead):
    layer, x, memory = layer_of(), normal(*lead, 4, 6), normal(*lead, 5, 6, seed=1)
    mask = normal(*lead, 4, 5, seed=2) > 0
    y, p = layer(x, memory, mask, return_weights=True)
    assert y.shape == (*lead, 4, 6) and p.shape == (*lead, 3, 4, 5)
    for index in np.ndindex(lead):
        one, weights = by_hand(layer, x[index], memory[index], mask[index], 2)
        np.testing.assert_allclose(y.numpy()[index], one, **CLOSE)
        np.testing.assert_allclose(p.numpy()[index], weights, **CLOSE)


def test_each_form_of_a_mask_means_the_same():
    layer, x = layer_of(), normal(2, 4, 6)
    row = np.array([True, False, True, True])
    forms = [row.reshape(1, 4), np.tile(row, (4, 1)), row.reshape(1, 1, 4), np.tile(row, (2, 1, 1)),
             np.tile(row, (2, 4, 1)), np.tile(row, (4, 1)).tolist(), tz.tensor(np.tile(row, (4, 1)))]
    expected = layer(x, mask=forms[0]).numpy()
    assert np.abs(expected - layer(x).numpy()).max() > 0.01
    for mask in forms[1:]:
        np.testing.assert_array_equal(layer(x, mask=mask).numpy(), expected)
    np.testing.assert_array_equal(layer(x, mask=np.ones((4, 4), bool)).numpy(), layer(x).numpy())


def test_causal_is_the_lower_triangle_beside_the_mask():
    layer, x, mask = layer_of(), normal(2, 4, 6), np.array([True, False, True, True])[None]
    np.testing.assert_array_equal(layer(x, is_causal=True).numpy(), layer(x, mask=np.tri(4, dtype=bool)).numpy())
    np.testing.assert_array_equal(layer(x, mask=mask, is_causal=True).numpy(),
                                  layer(x, mask=np.tri(4, dtype=bool) & mask).numpy())


def test_heads_see_columns_of_their_own():
    layer, x = layer_of(6, 3), normal(1, 4, 6)
    before = layer(x, return_weights=True)[1].numpy()
    W = layer.query.W.numpy().copy()
    W[:, 2:4] += 1
    layer.query.W.assign(W)
    after = layer(x, return_weights=True)[1].numpy()
    assert [bool((before[0, h] != after[0, h]).any()) for h in range(3)] == [False, True, False]


@pytest.mark.parametrize("form", ["self", "cross", "causal", "padding", "weights"])
def test_gradients_are_those_of_differences(form):
    layer = layer_of(4, 2)
    x, memory = normal(2, 3, 4, seed=5), normal(2, 5, 4, seed=6)
    if form == "weights":  # also through P itself, as a loss on the weights would go
        def function(x):
            y, p = layer(x, is_causal=True, return_weights=True)
            return y, p
        inputs = [tz.tensor(x)]
    elif form == "cross":
        function, inputs = layer, [tz.tensor(x), tz.tensor(memory)]
    else:
        mask = np.arange(3) < np.array([3, 1]).reshape(2, 1, 1) if form == "padding" else None
        inputs = [tz.tensor(x)]

        def function(x):
            return layer(x, mask=mask, is_causal=form == "causal")
    report = gradcheck(function, *inputs)
    assert report, report
    if form != "weights":
        report = check_parameters(lambda: (function(*inputs) ** 3).sum(), dict(layer.named_parameters()))
        assert report, report


# ---- what the mathematics promises


def test_without_positions_rows_may_be_shuffled():
    layer, x, order = layer_of(), normal(2, 5, 6), np.array([3, 0, 4, 2, 1])
    np.testing.assert_allclose(layer(x[:, order]).numpy(), layer(x).numpy()[:, order], **CLOSE)


def test_the_order_of_a_memory_does_not_matter_when_its_mask_goes_with_it():
    layer, x, memory, order = layer_of(), normal(2, 3, 6), normal(2, 5, 6, seed=1), np.array([3, 0, 4, 2, 1])
    mask = np.array([[[1, 1, 0, 1, 0]], [[0, 1, 1, 1, 1]]], bool)
    np.testing.assert_allclose(layer(x, memory[:, order], mask[..., order]).numpy(), layer(x, memory, mask).numpy(),
                               **CLOSE)


@pytest.mark.parametrize("how", ["fused", "weights", "training with dropout"])
def test_a_causal_row_knows_nothing_of_later_ones(how):
    layer = layer_of(dropout=0.4 if "dropout" in how else 0.0)

    def first_rows(array, i):
        tz.manual_seed(5)
        x = tz.tensor(array, requires_grad=True)
        y = layer(x, is_causal=True, return_weights=how == "weights")
        return (y[0] if how == "weights" else y)[:, : i + 1], x

    x = normal(2, 5, 6)
    for i in range(4):
        changed = x.copy()
        changed[:, i + 1 :] = 1e3 * normal(2, 4 - i, 6, seed=7)
        y, leaf = first_rows(x, i)
        np.testing.assert_array_equal(first_rows(changed, i)[0].numpy(), y.numpy())
        (y * y).sum().backward()
        np.testing.assert_array_equal(leaf.grad.numpy()[:, i + 1 :], 0)
        assert np.abs(leaf.grad.numpy()[:, : i + 1]).min() > 0


def test_what_stands_in_padded_rows_has_no_influence():
    layer, x, upstream = layer_of(), normal(2, 5, 6), normal(2, 5, 6, seed=2)
    kept = np.arange(5) < np.array([[5], [2]])
    upstream[~kept] = 0

    def run(array):
        leaf = tz.tensor(array, requires_grad=True)
        layer.zero_grad()
        y = layer(leaf, mask=kept[:, None])
        y.backward(upstream)
        return [y.numpy()[kept], leaf.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]

    other = np.where(kept[..., None], x, 1e3 * normal(2, 5, 6, seed=3))
    found = run(x)
    for a, b in zip(found, run(other), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(found[1][~kept], 0)


def test_a_masked_nan_has_influence_as_the_documentation_says():
    layer, x = layer_of(), normal(1, 3, 6)
    x[0, 2] = np.nan
    with np.errstate(invalid="ignore"):
        y = layer(x, mask=np.array([[True, True, False]])).numpy()
    assert np.isnan(y).all()


def test_a_text_alone_is_what_it_is_in_a_padded_batch():
    layer, texts = layer_of(), [normal(n, 6, seed=n) for n in (4, 1, 3)]
    batch = np.zeros((3, 4, 6))
    for i, text in enumerate(texts):
        batch[i, : len(text)] = text
    kept = np.arange(4) < np.array([[4], [1], [3]])
    y = layer(batch, mask=kept[:, None]).numpy()
    for i, text in enumerate(texts):
        np.testing.assert_allclose(y[i, : len(text)], layer(text[None]).numpy()[0], **CLOSE)


@pytest.mark.parametrize("return_weights", [False, True])
def test_a_row_that_may_attend_to_nothing_is_the_output_s_bias_and_has_no_gradient(return_weights):
    layer, mask = layer_of(), np.ones((2, 3, 4), bool)
    mask[0, 1] = mask[1] = False
    x, memory = tz.tensor(normal(2, 3, 6), requires_grad=True), tz.tensor(normal(2, 4, 6, seed=1), requires_grad=True)
    with np.errstate(all="raise"):
        y = layer(x, memory, mask, return_weights=return_weights)
        if return_weights:
            y, p = y
            np.testing.assert_array_equal(p.numpy().any(axis=(1, 3)), [[True, False, True], [False] * 3])
        np.testing.assert_array_equal(y.numpy()[0, 1], layer.output.b.numpy())
        np.testing.assert_array_equal(y.numpy()[1], np.tile(layer.output.b.numpy(), (3, 1)))
        (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy().any(axis=-1), [[True, False, True], [False] * 3])
    np.testing.assert_array_equal(memory.grad.numpy().any(axis=-1), [[True] * 4, [False] * 4])
    others = layer(x.numpy()[:1, [0, 2]], memory.numpy()[:1])
    np.testing.assert_allclose(y.numpy()[0, [0, 2]], others.numpy()[0], **CLOSE)


def test_scores_of_thousands_do_not_overflow():
    layer, x = layer_of(), 1e3 * normal(1, 4, 6)
    with np.errstate(over="raise", invalid="raise"):
        y, p = layer(x, is_causal=True, return_weights=True)
        fused = layer(x, is_causal=True)
    np.testing.assert_allclose(p.numpy().sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(fused.numpy(), y.numpy(), rtol=1e-9)


# ---- dropout on the weights


def transparent(n, p):
    """A layer whose output is its weights after dropout, with the x for it: values are the columns of an identity."""
    layer = nn.MultiHeadAttention(n, 1, p)
    for part in (layer.value, layer.output):
        part.W.assign(np.eye(n))
    return layer, np.eye(n)


def test_in_training_a_share_p_of_the_weights_is_dropped_and_the_rest_scaled():
    layer, x = transparent(200, 0.3)
    y, weights = (t.numpy() for t in layer(x, return_weights=True))
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-12)  # before dropout
    dropped = y == 0
    assert dropped.mean() == pytest.approx(0.3, abs=0.01)  # four standard errors
    np.testing.assert_allclose(y[~dropped], (weights[0] / 0.7)[~dropped], rtol=1e-12)
    assert y.sum(-1).mean() == pytest.approx(1, abs=0.02)


def test_a_dropped_weight_takes_the_whole_row_of_values_with_it():
    layer, x = transparent(8, 0.5)
    layer.value.W.assign(np.ones((8, 8)))
    y = layer(x).numpy()
    np.testing.assert_allclose(y, np.tile(y[:, :1], 8), rtol=1e-12)
    assert len(set(y[:, 0].round(9))) > 2


def test_dropout_draws_for_each_text_and_each_head():
    layer, x = nn.MultiHeadAttention(8, 2, 0.5), np.tile(np.eye(8), (2, 1, 1))
    for part in (layer.value, layer.output):
        part.W.assign(np.eye(8))
    zero = layer(x).numpy() == 0
    pieces = [zero[text, :, head * 4 : head * 4 + 4] for text in (0, 1) for head in (0, 1)]
    assert all((a != b).any() for i, a in enumerate(pieces) for b in pieces[:i])


def test_dropout_draws_what_the_seed_says_and_nothing_in_eval():
    layer, x = layer_of(dropout=0.5), normal(2, 4, 6)
    tz.manual_seed(3)
    first, second = layer(x).numpy(), layer(x).numpy()
    tz.manual_seed(3)
    np.testing.assert_array_equal(layer(x).numpy(), first)
    assert (first != second).any()
    plain = layer_of()
    state = str(tz.manual_seed(3).bit_generator.state)
    np.testing.assert_array_equal(layer.eval()(x).numpy(), plain(x).numpy())
    assert str(tz.default_generator().bit_generator.state) == state
    assert (layer.train()(x).numpy() != plain(x).numpy()).any()


def test_gradients_pass_where_the_weights_pass():
    layer, x = layer_of(4, 2, dropout=0.4), tz.tensor(normal(2, 3, 4), requires_grad=True, name="x")
    report = check_parameters(lambda: (layer(x, is_causal=True) ** 3).sum(), {**dict(layer.named_parameters()), "x": x})
    assert report, report


def test_of_everything_dropped_the_output_s_bias_is_left():
    layer = layer_of(dropout=1.0)
    np.testing.assert_array_equal(layer(normal(1, 2, 6)).numpy(), np.tile(layer.output.b.numpy(), (1, 2, 1)))


# ---- maps


def stack(depth=2, dropout=0.0):
    return nn.Encoder(depth, 6, 3, 5, dropout)


def test_maps_are_the_weights_by_path():
    model, x = stack(), normal(2, 4, 6)
    with nn.attention_maps(model) as maps:
        y = model(x, is_causal=True)
        assert list(maps) == ["blocks.0.attention", "blocks.1.attention"]
    np.testing.assert_allclose(y.numpy(), model(x, is_causal=True).numpy(), **CLOSE)
    first = model.blocks[0].attention
    np.testing.assert_array_equal(maps["blocks.0.attention"], first(x, is_causal=True, return_weights=True)[1].numpy())
    z = model.blocks[0](x, is_causal=True)
    second = model.blocks[1].attention(z, is_causal=True, return_weights=True)[1]
    np.testing.assert_allclose(maps["blocks.1.attention"], second.numpy(), **CLOSE)
    assert all(not array.flags.writeable for array in maps.values())


def test_a_decoder_maps_itself_and_its_memory():
    model = nn.Decoder(1, 6, 2, 4)
    with nn.attention_maps(model) as maps:
        model(normal(2, 3, 6), normal(2, 5, 6))
    assert {path: weights.shape for path, weights in maps.items()} == {
        "blocks.0.attention": (2, 2, 3, 3), "blocks.0.cross": (2, 2, 3, 5)}
    assert not maps["blocks.0.attention"][..., 0, 1:].any()


def test_a_layer_itself_has_the_empty_path_and_a_model_without_one_no_maps():
    layer = layer_of()
    with nn.attention_maps(layer) as maps, nn.attention_maps(nn.Dense(6, 6)) as none:
        layer(normal(1, 4, 6))
    assert list(maps) == [""] and none == {}


def test_a_shared_layer_is_one_and_shows_its_last_pass():
    shared = layer_of()
    model = nn.Sequential(shared, shared)
    x = normal(1, 4, 6)
    with nn.attention_maps(model) as maps:
        model(x)
    assert list(maps) == ["0"]
    np.testing.assert_array_equal(maps["0"], shared(shared(x), return_weights=True)[1].numpy())


def test_afterwards_nothing_is_watched_even_after_an_error():
    model, x = stack(), normal(1, 4, 6)
    with pytest.raises(ValueError, match="takes x"), nn.attention_maps(model) as maps:
        model(x)
        kept = dict(maps)
        model(normal(1, 4, 5))
    model(2 * x)
    assert all(maps[path] is array for path, array in kept.items())
    with tz.record() as tape:
        model(x)
    assert not list(tape.of("read"))


def test_maps_within_maps_see_the_same():
    model, x = stack(), normal(1, 4, 6)
    with nn.attention_maps(model) as outer:
        with nn.attention_maps(model.blocks[1]) as maps:
            model(x)
        assert list(maps) == ["attention"] and list(outer) == ["blocks.0.attention", "blocks.1.attention"]
        np.testing.assert_array_equal(maps["attention"], outer["blocks.1.attention"])
        before = maps["attention"]
        model(-x)
        assert maps["attention"] is before and (outer["blocks.1.attention"] != before).any()


def test_in_training_maps_change_no_draw_and_no_gradient():
    x = normal(2, 4, 6)

    def run(watch):
        tz.manual_seed(4)
        model = stack(dropout=0.3)
        with ExitStack() as watching:
            if watch:
                watching.enter_context(nn.attention_maps(model))
            y = model(x)
        (y * y).sum().backward()
        return [y.numpy(), *(p.grad.numpy() for p in model.parameters())]

    for a, b in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(a, b)


def test_maps_do_not_become_part_of_the_model():
    model = stack()
    names = list(model.state_dict())
    with nn.attention_maps(model):
        model(normal(1, 2, 6))
        assert list(model.state_dict()) == names
    assert list(model.state_dict()) == names


# ---- padding masks


def test_a_padding_mask_is_true_where_there_is_a_token():
    tokens = np.array([[5, 0, 7], [0, 0, 0]])
    expected = np.array([[[True, False, True]], [[False, False, False]]])
    for form in (tokens, tokens.tolist(), tokens.astype(np.uint8), tz.tensor(tokens)):
        mask = nn.padding_mask(form)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(nn.padding_mask(tokens, pad=7), [[[True, True, False]], [[True] * 3]])
    assert nn.padding_mask(np.zeros((2, 3, 4), int)).shape == (2, 3, 1, 4)


# ---- as a module


def test_its_parameters_and_its_text():
    layer = nn.MultiHeadAttention(6, 3, 0.1)
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        f"{part}.{name}": shape for part in ("query", "key", "value", "output")
        for name, shape in (("W", (6, 6)), ("b", (6,)))}
    assert repr(layer).splitlines() == [
        "MultiHeadAttention(6, 3 heads)", "  query: Dense(6 → 6)", "  key: Dense(6 → 6)", "  value: Dense(6 → 6)",
        "  output: Dense(6 → 6)", "  dropout: Dropout(p=0.1)"]
    assert [row.split()[-1] for row in layer.summary((1, 4, 6)).splitlines()[2:8]] == ["–"] + ["42"] * 4 + ["–"]


@pytest.mark.parametrize("how", [{}, {"is_causal": True}, {"return_weights": True}, {"mask": np.ones((2, 1, 3), bool)}])
def test_float32_stays_float32(how):
    tz.set_default_dtype(np.float32)
    layer = nn.MultiHeadAttention(6, 2, dropout=0.2)
    x = tz.tensor(normal(2, 3, 6).astype(np.float32), requires_grad=True)
    tz.set_default_dtype(np.float64)  # has no say in what is there
    outputs = layer(x, **how)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    outputs[0].sum().backward()
    assert {t.dtype for t in (*outputs, x.grad, *(p.grad for p in layer.parameters()))} == {np.dtype(np.float32)}


def test_float32_is_near_float64():
    layer, x = layer_of(), normal(2, 5, 6)
    expected = layer(x, is_causal=True).numpy()
    tz.set_default_dtype(np.float32)
    single = nn.MultiHeadAttention(6, 3)
    single.load_state_dict({name: array.astype(np.float32) for name, array in layer.state_dict().items()})
    y = single(x.astype(np.float32), is_causal=True).numpy()
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_saved_and_loaded_it_gives_equal_bytes(tmp_path):
    layer, fresh, x = layer_of(), nn.MultiHeadAttention(6, 3), normal(2, 4, 6)
    tz.save(layer.state_dict(), tmp_path / "attention.safetensors")
    assert (fresh(x).numpy() != layer(x).numpy()).any()
    fresh.load_state_dict(tz.load(tmp_path / "attention.safetensors"))
    assert fresh(x).numpy().tobytes() == layer(x).numpy().tobytes()
    assert copy.deepcopy(layer)(x).numpy().tobytes() == layer(x).numpy().tobytes()


def test_a_tape_shows_the_steps_and_which_layer_they_belong_to():
    layer = layer_of(dropout=0.5).eval()
    with tz.record() as tape:
        layer(normal(1, 4, 6), is_causal=True)
    assert [type(line.info["module"]).__name__ for line in tape.of("enter")] == ["MultiHeadAttention"] + ["Dense"] * 4
    ops = [line.info["op"].__name__ for line in tape.of("forward")]
    assert ops.count("MaskedAttention") == 1 and ops.count("MatMul") == 4
    with tz.record() as tape, nn.attention_maps(layer):
        layer(normal(1, 4, 6), is_causal=True)
    ops = [line.info["op"].__name__ for line in tape.of("forward")]
    assert "MaskedAttention" not in ops and ops.count("MaskedSoftmax") == 1 and ops.count("MatMul") == 6
