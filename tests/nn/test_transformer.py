"""Blocks and stacks: against PyTorch; where norm, dropout, masks and memory stand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import cases, cases_of
from tests.support.pytorch import assert_agrees
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.check import check_parameters, gradcheck

pytestmark = pytest.mark.usefixtures("in_float64")
CLOSE = {"rtol": 1e-10, "atol": 1e-12}

BLOCKS = [nn.TransformerBlock, nn.PreNormTransformerBlock]
DECODER_BLOCKS = [nn.DecoderBlock, nn.PreNormDecoderBlock]
BOTH = [*BLOCKS, *DECODER_BLOCKS]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def randomized(model, seed=1):
    """Weights away from their initial zeros and ones, which hide mistakes."""
    for i, p in enumerate(model.parameters()):
        p.assign(normal(*p.shape, seed=seed + i) / 2)
    return model


def made(block, width=4, heads=2, hidden=3, **keywords):
    return randomized(block(width, heads, hidden, **keywords))


def stack_of(block, depth=2, width=4, **keywords):
    kind = nn.Decoder if block in DECODER_BLOCKS else nn.Encoder
    return randomized(kind(depth, width, 2, 3, block=block, **keywords))


def inputs_of(block, n=3, m=4, width=4):
    return [normal(2, n, width), normal(2, m, width, seed=9)][: 2 if block in DECODER_BLOCKS else 1]


# ---- values and gradients


@pytest.mark.parametrize("case", [c for c in cases("transformer") if c.function != "multi_head_attention"], ids=str)
def test_values_and_gradients_are_pytorch_s(case):
    assert_agrees(case, **CLOSE)


PADDED = np.arange(5) < np.array([5, 2, 1]).reshape(3, 1, 1)
LIVE = {
    "block.one_row": {"x": (1, 1, 4), "heads": 1},
    "block.wide": {"x": (3, 5, 6), "heads": 3, "hidden": 11, "activation": "gelu", "mask": PADDED},
    "block.pre_norm": {"x": (3, 5, 6), "heads": 3, "norm_first": True, "mask": PADDED, "is_causal": True},
    "block.arbitrary": {"x": (3, 5, 6), "mask": (normal(3, 5, 5) > 0) | np.eye(5, dtype=bool)},
    "encoder.post_norm": {"x": (3, 5, 6), "depth": 3, "mask": PADDED},
    "encoder.pre_norm": {"x": (3, 5, 6), "depth": 3, "norm_first": True, "activation": "gelu", "is_causal": True},
    "decoder_block.post_norm": {"x": (3, 4, 6), "m": 5, "memory_mask": PADDED, "activation": "gelu"},
    "decoder_block.pre_norm": {"x": (3, 4, 6), "m": 5, "memory_mask": PADDED, "norm_first": True},
    "decoder_block.arbitrary": {"x": (3, 4, 6), "m": 5, "memory_mask": (normal(4, 5) > 0) | (np.arange(5) == 2)},
    "decoder.post_norm": {"x": (3, 5, 6), "m": 2, "depth": 3, "mask": PADDED},
    "decoder.pre_norm": {"x": (3, 5, 6), "m": 5, "depth": 2, "norm_first": True, "memory_mask": PADDED},
}


@pytest.mark.slow  # importing PyTorch alone takes seconds
@pytest.mark.torch
@pytest.mark.parametrize("name", LIVE)
def test_values_and_gradients_are_those_that_pytorch_computes_here(name):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from tests.golden import make

    (case,) = cases_of(make.blocks(name, **LIVE[name]))
    assert_agrees(case, **CLOSE)


@pytest.mark.parametrize("block", BOTH)
def test_gradients_are_those_of_differences(block):
    model, inputs = made(block, activation=F.gelu), inputs_of(block, n=2, m=3)
    report = gradcheck(model, *map(tz.tensor, inputs))
    assert report, report
    report = check_parameters(lambda: (model(*inputs) * upstream).sum(), dict(model.named_parameters()), samples=6)
    assert report, report


upstream = normal(2, 2, 4, seed=8)


@pytest.mark.parametrize("block", BOTH)
def test_second_derivatives_are_those_of_differences(block):
    model = made(block, 2, 1, 2, activation=F.tanh)
    inputs = [tz.tensor(x[:1]) for x in inputs_of(block, n=2, m=2, width=2)]
    report = gradcheck(model, *inputs, order=2)
    assert report, report


@pytest.mark.parametrize("block", [nn.PreNormTransformerBlock, nn.DecoderBlock])
def test_gradients_with_dropout_and_masks_are_those_of_differences(block):
    model, inputs = stack_of(block, dropout=0.3), inputs_of(block)
    mask = np.array([[[True, True, False]], [[True, False, False]]])
    report = check_parameters(lambda: (model(*inputs, mask=mask) * upstream[:, :1]).sum(),
                              dict(model.named_parameters()), samples=3)
    assert report, report


# ---- where things stand


def layer_norm(x, layer):
    n = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return n * layer.gamma.numpy() + layer.beta.numpy()


def by_hand(block, x, memory=None):
    """The formula of the block's docstring, from its parts."""
    def feed_forward(z):
        first, second = block.feed_forward.first, block.feed_forward.second
        return np.maximum(z @ first.W.numpy() + first.b.numpy(), 0) @ second.W.numpy() + second.b.numpy()

    parts = [(lambda z: block.attention(z, is_causal=memory is not None).numpy(), block.attention_norm)]
    if memory is not None:
        parts.append((lambda z: block.cross(z, memory).numpy(), block.cross_norm))
    for part, norm in [*parts, (feed_forward, block.feed_forward_norm)]:
        x = layer_norm(x + part(x), norm) if block.normalized else x + part(layer_norm(x, norm))
    return x


@pytest.mark.parametrize("block", BOTH)
def test_a_block_is_its_formula(block):
    model, inputs = made(block), inputs_of(block)
    np.testing.assert_allclose(model(*inputs).numpy(), by_hand(model, *inputs), **CLOSE)


@pytest.mark.parametrize("block", BOTH)
def test_a_stack_is_its_blocks_and_after_pre_norm_one_norm_more(block):
    model, (x, *memory) = stack_of(block, depth=3), inputs_of(block)
    for part in model.blocks:
        x = by_hand(part, x, *memory)
    assert (model.norm is None) is block.normalized
    expected = x if model.norm is None else layer_norm(x, model.norm)
    np.testing.assert_allclose(model(*inputs_of(block)).numpy(), expected, **CLOSE)
    assert len({id(p) for p in model.parameters()}) == len(model.parameters()) == 3 * len(
        model.blocks[0].parameters()) + (0 if block.normalized else 2)


@pytest.mark.parametrize("block", BOTH)
def test_with_everything_dropped_the_sum_is_x_alone(block):
    model, (x, *memory) = made(block, dropout=1.0), inputs_of(block)
    expected = x
    if block.normalized:
        for norm in (model.attention_norm, *([model.cross_norm] if memory else []), model.feed_forward_norm):
            expected = layer_norm(expected, norm)
    np.testing.assert_allclose(model(x, *memory).numpy(), expected, **CLOSE)
    assert np.abs(model.eval()(x, *memory).numpy() - expected).max() > 0.01


@pytest.mark.parametrize("block", BOTH)
def test_dropout_works_in_training_alone_and_draws_what_the_seed_says(block):
    model, plain, inputs = stack_of(block, dropout=0.5), stack_of(block), inputs_of(block)
    np.testing.assert_array_equal(model.eval()(*inputs).numpy(), plain(*inputs).numpy())
    model.train()
    tz.manual_seed(1)
    first, second = model(*inputs).numpy(), model(*inputs).numpy()
    tz.manual_seed(1)
    np.testing.assert_array_equal(model(*inputs).numpy(), first)
    assert (first != second).any()


@pytest.mark.parametrize("block", BOTH)
def test_dropout_stands_on_all_attention_weights_and_on_the_sums_and_not_within_the_feed_forward_network(block):
    parts = {path: part.p for path, part in made(block, dropout=0.3).named_modules() if isinstance(part, nn.Dropout)}
    cross = {"cross.dropout": 0.3} if block in DECODER_BLOCKS else {}
    assert parts == {"attention.dropout": 0.3, "feed_forward.dropout": 0.0, "dropout": 0.3, **cross}


def test_dropout_of_a_block_stands_on_its_sums_and_on_its_weights_and_keeps_the_mean():
    x = normal(1, 3, 4)
    model = made(nn.PreNormTransformerBlock, dropout=0.25)
    expected = model.eval()(x).numpy()
    model.train()
    model.feed_forward.second.W.assign(np.zeros((3, 4)))
    model.feed_forward.second.b.assign(np.ones(4))
    model.attention.output.W.assign(np.zeros((4, 4)))
    model.attention.output.b.assign(np.zeros(4))
    added = model(x).numpy() - x
    assert set(added.round(9).ravel().tolist()) <= {0, round(1 / 0.75, 9)} and not np.array_equal(x + added, expected)
    draws = np.mean([model(x).numpy() - x for _ in range(500)], axis=0)
    np.testing.assert_allclose(draws, 1, atol=4 * (0.25 / 0.75 / 500) ** 0.5)


def test_feed_forward_works_row_by_row_and_drops_its_hidden_units():
    layer, x = randomized(nn.FeedForward(4, 7)), normal(2, 3, 4)
    y = layer(x).numpy()
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(layer(x[index]).numpy(), y[index], **CLOSE)
    dropped = randomized(nn.FeedForward(4, 7, F.sigmoid, dropout=1.0))  # σ(0) is not 0: after it, then
    np.testing.assert_array_equal(dropped(x).numpy(), np.tile(dropped.second.b.numpy(), (2, 3, 1)))


@pytest.mark.parametrize("activation", [F.gelu, nn.GELU()])
def test_another_activation_may_be_a_function_or_a_module(activation):
    layer, x = randomized(nn.FeedForward(4, 7, activation)), normal(2, 4)
    h = x @ layer.first.W.numpy() + layer.first.b.numpy()
    h = 0.5 * h * (1 + np.tanh((2 / math.pi) ** 0.5 * (h + 0.044715 * h**3)))
    np.testing.assert_allclose(layer(x).numpy(), h @ layer.second.W.numpy() + layer.second.b.numpy(), **CLOSE)
    for model in (made(nn.TransformerBlock, activation=activation), stack_of(nn.DecoderBlock, activation=activation)):
        blocks = getattr(model, "blocks", [model])
        assert all(part.feed_forward.activation is activation for part in blocks)


def test_weights_begin_with_the_variances_that_are_documented():
    layer = nn.TransformerBlock(200, 4, 400)
    assert layer.feed_forward.first.W.numpy().var() == pytest.approx(2 / 200, rel=0.03)
    assert layer.feed_forward.second.W.numpy().var() == pytest.approx(2 / 600, rel=0.03)
    assert layer.attention.query.W.numpy().var() == pytest.approx(2 / 400, rel=0.03)
    np.testing.assert_array_equal(layer.attention_norm.gamma.numpy(), 1)


# ---- who sees whom


def test_an_encoder_without_positions_does_not_see_the_order():
    model, x, order = stack_of(nn.TransformerBlock), normal(2, 5, 4), np.array([3, 0, 4, 2, 1])
    np.testing.assert_allclose(model(x[:, order]).numpy(), model(x).numpy()[:, order], **CLOSE)


@pytest.mark.parametrize("block", BOTH)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_in_a_causal_stack_a_row_knows_nothing_of_later_ones(block, dropout):
    model, (x, *memory) = stack_of(block, dropout=dropout), inputs_of(block, n=5)
    keywords = {} if memory else {"is_causal": True}

    def run(array):
        tz.manual_seed(3)
        leaf = tz.tensor(array, requires_grad=True)
        return model(leaf, *memory, **keywords)[:, :3], leaf

    changed = x.copy()
    changed[:, 3:] = 100 * normal(2, 2, 4, seed=6)
    y, leaf = run(x)
    np.testing.assert_array_equal(run(changed)[0].numpy(), y.numpy())
    (y * normal(2, 3, 4)).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy()[:, 3:], 0)
    assert leaf.grad.numpy()[:, :3].any(axis=-1).all()


def test_an_encoder_sees_all_rows_unless_told_otherwise():
    model, x = stack_of(nn.PreNormTransformerBlock), tz.tensor(normal(1, 4, 4), requires_grad=True)
    (model(x)[:, 0] * normal(4)).sum().backward()
    assert x.grad.numpy().any(axis=-1).all()


def test_what_a_decoder_writes_word_by_word_is_what_it_writes_at_once():
    model, (x, memory) = stack_of(nn.DecoderBlock), inputs_of(nn.DecoderBlock, n=5)
    y = model(x, memory).numpy()
    for n in range(1, 6):
        np.testing.assert_allclose(model(x[:, :n], memory).numpy()[:, -1], y[:, n - 1], **CLOSE)


@pytest.mark.parametrize("block", DECODER_BLOCKS)
def test_every_decoder_block_reads_the_memory(block):
    model, (x, memory) = stack_of(block), inputs_of(block)
    y = model(x, memory).numpy()
    assert np.abs(model(x, -memory).numpy() - y).max() > 0.01
    for part in model.blocks:
        part.cross.output.W.assign(np.zeros((4, 4)))
    np.testing.assert_array_equal(model(x, -memory).numpy(), model(x, memory).numpy())


@pytest.mark.parametrize("block", DECODER_BLOCKS)
def test_what_stands_in_a_padded_memory_has_no_influence(block):
    model, (x, memory) = stack_of(block), inputs_of(block)
    kept = np.arange(4) < np.array([[4], [2]])
    other = np.where(kept[..., None], memory, 50 * normal(2, 4, 4, seed=3))
    leaf = tz.tensor(memory, requires_grad=True)
    y = model(x, leaf, memory_mask=kept[:, None])
    np.testing.assert_array_equal(model(x, other, memory_mask=kept[:, None]).numpy(), y.numpy())
    (y * y * normal(2, 3, 4)).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy().any(axis=-1), kept)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_text_alone_is_what_it_is_in_a_padded_batch(block):
    model, lengths = stack_of(block), [4, 1, 3]
    batch = normal(3, 4, 4)
    kept = np.arange(4) < np.array(lengths)[:, None]
    y = model(batch, mask=kept[:, None]).numpy()
    for i, n in enumerate(lengths):
        np.testing.assert_allclose(y[i, :n], model(batch[i : i + 1, :n]).numpy()[0], **CLOSE)


@pytest.mark.parametrize("block", BOTH)
def test_a_text_of_padding_alone_gives_finite_rows_and_gradients(block):
    model, (x, *memory) = stack_of(block), inputs_of(block)
    nothing = {"mask": np.zeros((2, 1, 3), bool)} | ({"memory_mask": np.zeros((2, 1, 4), bool)} if memory else {})
    with np.errstate(all="raise"):
        y = model(x, *memory, **nothing)
        (y * normal(2, 3, 4)).sum().backward()
    assert np.isfinite(y.numpy()).all()
    for name, p in model.named_parameters():
        assert np.isfinite(p.grad.numpy()).all()
        assert not (name.endswith(("query.W", "key.W", "value.W")) and p.grad.numpy().any())


def test_an_encoder_s_masks_reach_every_block():
    model, x = stack_of(nn.TransformerBlock, depth=3), normal(2, 4, 4)
    mask = np.arange(4) < np.array([3, 2]).reshape(2, 1, 1)
    with nn.attention_maps(model) as maps:
        model(x, mask=mask, is_causal=True)
    for weights in maps.values():
        np.testing.assert_array_equal(weights > 0, np.broadcast_to((np.tri(4) * mask)[:, None], weights.shape) > 0)


def test_a_decoder_s_masks_reach_every_block_and_its_own_part():
    model, (x, memory) = stack_of(nn.DecoderBlock), inputs_of(nn.DecoderBlock)
    mask, memory_mask = np.array([[True, False, True]]), np.array([[False, True, True, False]])
    with nn.attention_maps(model) as maps:
        model(x, memory, mask, memory_mask)
    assert len(maps) == 4
    for path, weights in maps.items():
        expected = np.tri(3) * mask if path.endswith("attention") else np.tile(memory_mask, (3, 1))
        np.testing.assert_array_equal(weights > 0, np.broadcast_to(expected, weights.shape) > 0)


# ---- as modules


def test_their_parameters_by_path():
    def shapes(path, inputs, outputs):
        return {f"{path}.W": (inputs, outputs), f"{path}.b": (outputs,)}

    def attention(path):
        return {name: s for part in ("query", "key", "value", "output")
                for name, s in shapes(f"{path}.{part}", 4, 4).items()}

    def norm(path):
        return {f"{path}.gamma": (4,), f"{path}.beta": (4,)}

    block = {**attention("attention"), **norm("attention_norm"), **shapes("feed_forward.first", 4, 3),
             **shapes("feed_forward.second", 3, 4), **norm("feed_forward_norm")}
    for kind in BLOCKS:
        assert {name: p.shape for name, p in made(kind).named_parameters()} == block
    for kind in DECODER_BLOCKS:
        assert {name: p.shape for name, p in made(kind).named_parameters()} == {
            **block, **attention("cross"), **norm("cross_norm")}
    names = {name for name, _ in stack_of(nn.PreNormTransformerBlock).named_parameters()}
    assert names == {f"blocks.{i}.{name}" for i in (0, 1) for name in block} | {"norm.gamma", "norm.beta"}


@pytest.mark.parametrize("block", BOTH)
def test_float32_stays_float32(block):
    tz.set_default_dtype(np.float32)
    model = stack_of(block, dropout=0.2)
    x, *memory = (tz.tensor(x.astype(np.float32), requires_grad=True) for x in inputs_of(block))
    tz.set_default_dtype(np.float64)  # has no say in what is there
    y = model(x, *memory, mask=np.array([[True, False, True]]))
    y.sum().backward()
    assert {t.dtype for t in (y, x.grad, *(p.grad for p in model.parameters()))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("block", BOTH)
def test_saved_and_loaded_they_give_equal_bytes(block, tmp_path):
    model, inputs = stack_of(block), inputs_of(block)
    tz.save(model.state_dict(), tmp_path / "model.safetensors")
    fresh = type(model)(2, 4, 2, 3, block=block)
    assert (fresh(*inputs).numpy() != model(*inputs).numpy()).any()
    fresh.load_state_dict(tz.load(tmp_path / "model.safetensors"))
    assert fresh(*inputs).numpy().tobytes() == model(*inputs).numpy().tobytes()


@pytest.mark.parametrize("block", BOTH)
def test_every_line_of_their_tape_gives_its_outputs_again(block):
    model, (x, *memory) = stack_of(block, dropout=0.3), inputs_of(block)
    with tz.record() as tape:
        model(x, *memory, mask=np.array([[True, False, True]])).sum().backward()
    entered = [type(line.info["module"]).__name__ for line in tape.of("enter")]
    assert entered[:3] == [type(model).__name__, block.__name__, "LayerNorm" if not block.normalized
                           else "MultiHeadAttention"]
    assert entered.count("MultiHeadAttention") == (4 if memory else 2)
    for line in tape.of("forward"):
        if not line.info["states"]:
            outputs = line.function(*line.arguments, **line.keywords)
            for a, b in zip(outputs if isinstance(outputs, tuple) else (outputs,), line.outputs, strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_summary_of_an_encoder_has_the_shape_of_every_part():
    with tz.i18n.in_language("en"):
        shown = nn.Encoder(2, 8, 2, 5, block=nn.PreNormTransformerBlock).summary((2, 3, 8))
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in shown.splitlines()]
    assert ["first: Dense(8 → 5)", "(2, 3, 5)", "45"] in rows
    assert ["attention: MultiHeadAttention(8, 2 heads)", "(2, 3, 8)", "–"] in rows
    assert ["norm: LayerNorm(8)", "(2, 3, 8)", "16"] in rows
    learn = 2 * (4 * (64 + 8) + 2 * 16 + 45 + 48) + 16
    assert rows[-1][0].startswith(f"{learn} numbers learn, 0 are state")


def test_an_encoder_learns_what_needs_attention():
    """Whether the first token comes again: no mean of the rows tells, and no row by itself."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 7, (256, 6))
    again = (tokens[:, 1:] == tokens[:, :1]).any(axis=1)

    class Model(nn.Module):
        def __init__(self):
            self.embedding = nn.Embedding(7, 16)
            self.position = nn.LearnedPosition(6, 16)
            self.encoder = nn.Encoder(1, 16, 2, 16)
            self.head = nn.Dense(16, 1)

        def forward(self, t):
            return self.head(self.encoder(self.position(self.embedding(t)))[:, 0])

    model = Model()
    optimizer = tz.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(tokens), again[:, None].astype(float))
        loss.backward()
        optimizer.step()
    assert ((model(tokens).numpy()[:, 0] > 0) == again).mean() > 0.98
    assert 0.4 < again.mean() < 0.8
