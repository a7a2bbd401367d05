"""Optimizers: PyTorch's trajectories, penalties as terms of the loss, steps whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import cases
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim

ALL = {
    "sgd": lambda parameters, **more: optim.SGD(parameters, 0.1, **more),
    "momentum": lambda parameters, **more: optim.Momentum(parameters, 0.1, 0.8, **more),
    "nesterov": lambda parameters, **more: optim.Nesterov(parameters, 0.1, 0.8, **more),
    "adam": lambda parameters, **more: optim.Adam(parameters, 0.1, (0.8, 0.95), 1e-6, **more),
    "adamw": lambda parameters, **more: optim.AdamW(parameters, 0.1, (0.8, 0.95), 1e-6, 0.1, **more),
}
every = pytest.mark.parametrize("name", ALL)


def weights(*values, dtype=np.float64):
    return tz.tensor(np.array(values, dtype), requires_grad=True)


def set_grad(p, *values):
    p.grad = tz.tensor(np.array(values, p.dtype))


# ---- the papers' formulas


def made_as(case, parameters):
    """The optimizer of a golden case, with PyTorch's names for its settings."""
    settings = dict(case.attributes)
    kind = {"sgd": optim.SGD, "sgd.momentum": optim.Momentum, "sgd.nesterov": optim.Nesterov,
            "adam": optim.Adam, "adamw": optim.AdamW}[case.name]  # fmt: skip
    settings.pop("nesterov", None)
    return kind(parameters, **settings)


@pytest.mark.parametrize("case", cases("optimizers"), ids=str)
def test_the_trajectory_is_pytorch_s(case):
    a, b, w = case.inputs["A"], case.inputs["b"], tz.tensor(case.inputs["w"], requires_grad=True)
    optimizer = made_as(case, [w])
    trajectory = []
    for _ in case.outputs["w"]:
        optimizer.zero_grad()
        (0.5 * (w @ a @ w) - b @ w).backward()
        optimizer.step()
        trajectory.append(w.numpy())
    np.testing.assert_allclose(trajectory, case.outputs["w"], rtol=1e-12, atol=1e-13)


def sgd(w, g, k):
    return w - 0.1 * g, {}


def momentum(w, g, k):
    m = 0.8 * k.get("m", 0) + g
    return w - 0.1 * m, {"m": m}


def nesterov(w, g, k):
    m = 0.8 * k.get("m", 0) + g
    return w - 0.1 * (g + 0.8 * m), {"m": m}


def adam(w, g, k, decay=0.0):
    t = k.get("t", 0) + 1
    m, v = 0.8 * k.get("m", 0) + 0.2 * g, 0.95 * k.get("v", 0) + 0.05 * g**2
    m_hat, v_hat = m / (1 - 0.8**t), v / (1 - 0.95**t)
    return w - 0.1 * (m_hat / (v_hat**0.5 + 1e-6) + decay * w), {"m": m, "v": v, "t": t}


def adamw(w, g, k):
    return adam(w, g, k, decay=0.1)


@pytest.mark.parametrize("rule", [sgd, momentum, nesterov, adam, adamw], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_ten_steps_are_the_formula_s_ten_times(rule, dtype, rtol):
    gradients = np.random.default_rng(0).normal(size=(10, 3)).astype(dtype)
    p = weights(1.0, -2.0, 0.5, dtype=dtype)
    optimizer = ALL[rule.__name__]([p])
    w, kept = p.numpy().astype(np.float64), {}
    for g in gradients:
        set_grad(p, *g)
        optimizer.step()
        w, kept = rule(w, g.astype(np.float64), kept)
    assert p.dtype == dtype
    np.testing.assert_allclose(p.numpy(), w, rtol=rtol)
    for slot, value in kept.items():
        np.testing.assert_allclose(optimizer.state_dict()[f"0.{slot}"], value, rtol=rtol)


def test_adam_s_first_step_has_the_size_of_the_rate_whatever_the_gradient():
    p = weights(0.0, 0.0, 0.0)
    set_grad(p, 1e-3, -5.0, 1e6)
    optim.Adam([p], lr=0.25).step()
    np.testing.assert_allclose(p.numpy(), [-0.25, 0.25, -0.25], rtol=1e-4)


# ---- penalties


PENALTIES = [{"weight_decay": 0.3}, {"l1": 0.2}, {"weight_decay": 0.3, "l1": 0.2}]


@pytest.mark.parametrize(
    ("name", "penalty"),  # AdamW's weight_decay is apart from the gradient: its own test is below
    [(name, penalty) for name in ALL for penalty in PENALTIES if name != "adamw" or penalty == {"l1": 0.2}],
)
def test_a_penalty_is_the_gradient_of_its_term_in_the_loss(name, penalty):
    start = np.random.default_rng(1).normal(size=4)
    inside, outside = tz.tensor(start, requires_grad=True), tz.tensor(start, requires_grad=True)
    plain, penalised = ALL[name]([inside]), ALL[name]([outside], **penalty)
    l2, l1 = penalty.get("weight_decay", 0.0), penalty.get("l1", 0.0)
    for _ in range(5):
        plain.zero_grad()
        loss = (inside**3).sum() + 0.5 * l2 * (inside * inside).sum() + l1 * F.abs(inside).sum()
        loss.backward()
        plain.step()
        penalised.zero_grad()
        (outside**3).sum().backward()
        penalised.step()
    np.testing.assert_allclose(outside.numpy(), inside.numpy(), rtol=1e-12)
    assert np.abs(outside.numpy() - start).min() > 1e-3


def test_adamw_decays_the_weights_apart_from_the_gradient():
    start = np.array([3.0, -2.0])
    with_decay, without = tz.tensor(start, requires_grad=True), tz.tensor(start, requires_grad=True)
    set_grad(with_decay, 0.5, -4.0)
    set_grad(without, 0.5, -4.0)
    optim.AdamW([with_decay], lr=0.1, weight_decay=0.2).step()
    optim.Adam([without], lr=0.1).step()
    np.testing.assert_allclose(with_decay.numpy(), without.numpy() - 0.1 * 0.2 * start, rtol=1e-14)


@every
def test_a_penalty_leaves_the_gradient_itself_alone(name):
    p = weights(1.0, -2.0)
    set_grad(p, 0.5, 0.25)
    ALL[name]([p], l1=0.3).step()
    assert p.grad.tolist() == [0.5, 0.25]


def test_l1_does_not_push_a_weight_that_is_zero():
    p = weights(0.0, 1.0, -1.0)
    set_grad(p, 0.0, 0.0, 0.0)
    optim.SGD([p], lr=0.1, l1=1.0).step()
    assert p.tolist() == [0.0, 0.9, -0.9]


# ---- which parameters move


@every
def test_a_parameter_without_a_gradient_is_left_alone(name):
    used, unused = weights(1.0), weights(2.0)
    optimizer = ALL[name]([unused, used], l1=0.5)
    before = {key: array.copy() for key, array in optimizer.state_dict().items() if key.startswith("0.")}
    set_grad(used, 1.0)
    optimizer.step()
    assert unused.tolist() == [2.0] and used.item() < 1
    for key, array in before.items():
        np.testing.assert_array_equal(optimizer.state_dict()[key], array)


@every
def test_a_parameter_that_had_no_gradient_for_a_while_goes_on_as_if_no_time_had_passed(name):
    late, alone, other = weights(1.0), weights(1.0), weights(1.0)
    together, single = ALL[name]([late, other]), ALL[name]([alone])
    for step in range(8):
        together.zero_grad()
        set_grad(other, 1.0)
        if step in (3, 6, 7):
            set_grad(late, 0.5)
            set_grad(alone, 0.5)
            single.step()
        together.step()
    assert late.numpy().tobytes() == alone.numpy().tobytes()


def test_a_zero_gradient_is_a_gradient():
    p = weights(1.0)
    optimizer = optim.Momentum([p], lr=0.1, momentum=0.5)
    set_grad(p, 1.0)
    optimizer.step()
    set_grad(p, 0.0)
    optimizer.step()
    assert p.item() == pytest.approx(1 - 0.1 - 0.05)


def test_float32_and_float64_parameters_in_one_optimizer():
    for name, make in ALL.items():
        narrow, wide = weights(1.0, 2.0, dtype=np.float32), weights(1.0, 2.0)
        optimizer = make([narrow, wide], l1=0.1)
        only_narrow, only_wide = weights(1.0, 2.0, dtype=np.float32), weights(1.0, 2.0)
        apart = [make([only_narrow], l1=0.1), make([only_wide], l1=0.1)]
        for _ in range(3):
            for p in (narrow, wide, only_narrow, only_wide):
                set_grad(p, 0.3, -0.7)
            for one in (optimizer, *apart):
                one.step()
        assert narrow.dtype == np.float32 and wide.dtype == np.float64
        assert narrow.numpy().tobytes() == only_narrow.numpy().tobytes(), name
        assert wide.numpy().tobytes() == only_wide.numpy().tobytes(), name
        for key, array in optimizer.state_dict().items():
            assert array.dtype == (np.float32 if key in ("0.m", "0.v") else np.float64), key


def test_the_bias_correction_of_a_float32_parameter_is_computed_in_float64():
    """In float32, 1 − β₂ᵗ would be 0 for t = 1."""
    p = weights(0.0, dtype=np.float32)
    set_grad(p, 1.0)
    optim.Adam([p], lr=0.5, betas=(0.9, 1 - 1e-8)).step()
    assert p.item() == pytest.approx(-0.5, rel=1e-6)


# ---- the rate


@every
def test_the_rate_can_be_set_between_steps(name):
    p, twin = weights(1.0, dtype=np.float32), weights(1.0, dtype=np.float32)
    optimizer = ALL[name]([p])
    set_grad(p, 0.5)
    optimizer.lr = 0.0
    assert optimizer.lr == 0.0
    optimizer.step()
    assert p.item() == 1.0
    optimizer.lr = np.float64(0.3)
    assert optimizer.lr == 0.3 and type(optimizer.lr) is float
    optimizer.step()

    other = ALL[name]([twin])
    set_grad(twin, 0.5)
    other.lr = 0.0
    other.step()
    other.lr = 0.6
    other.step()
    assert 1 - twin.item() == pytest.approx(2 * (1 - p.item()), rel=1e-5)


# ---- saving


@every
def test_a_loaded_state_goes_on_to_the_byte(name, tmp_path):
    gradients = np.random.default_rng(3).normal(size=(10, 2))

    def steps(optimizer, p, rows):
        for g in rows:
            set_grad(p, *g)
            optimizer.step()

    unbroken = weights(1.0, -1.0, dtype=np.float32)
    optimizer = ALL[name]([unbroken])
    steps(optimizer, unbroken, gradients[:4])
    optimizer.lr = 0.05
    steps(optimizer, unbroken, gradients[4:6])

    resumed = tz.tensor(unbroken.numpy(), requires_grad=True)
    tz.save(optimizer.state_dict(), tmp_path / "optimizer.safetensors")
    again = ALL[name]([resumed])
    again.load_state_dict(tz.load(tmp_path / "optimizer.safetensors"))
    assert again.lr == 0.05

    steps(optimizer, unbroken, gradients[6:])
    steps(again, resumed, gradients[6:])
    assert resumed.numpy().tobytes() == unbroken.numpy().tobytes()
    for key, array in optimizer.state_dict().items():
        assert array.tobytes() == again.state_dict()[key].tobytes(), key


@every
def test_a_state_is_a_snapshot(name):
    p = weights(1.0)
    optimizer = ALL[name]([p])
    set_grad(p, 1.0)
    optimizer.step()
    state = optimizer.state_dict()
    before = {key: array.copy() for key, array in state.items()}
    optimizer.step()
    for key, array in before.items():
        np.testing.assert_array_equal(state[key], array)


def test_the_state_of_adam_is_its_moments_and_its_count_by_parameter():
    p, q = weights(1.0, 2.0), weights(3.0)
    optimizer = optim.Adam([p, q], lr=0.5)
    set_grad(q, 1.0)
    optimizer.step()
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["lr", "0.m", "0.v", "0.t", "1.m", "1.v", "1.t"]
    assert state["lr"] == 0.5 and state["0.t"] == 0 and state["1.t"] == 2
    assert state["0.m"].shape == (2,)


# ---- whole or not at all


class Fragile(optim.Momentum):
    """Fails at the second parameter."""

    def update(self, p, g, state, lr):
        if p is self.parameters[1]:
            raise FloatingPointError("the second update failed")
        return super().update(p, g, state, lr)


def test_an_error_in_the_second_update_changes_nothing():
    p, q = weights(1.0), weights(2.0)
    optimizer = Fragile([p, q], lr=0.1)
    set_grad(p, 1.0)
    optimizer.step()
    before = (p.item(), q.item(), optimizer.state_dict()["0.m"].copy())
    set_grad(q, 1.0)
    with pytest.raises(FloatingPointError):
        optimizer.step()
    assert (p.item(), q.item(), optimizer.state_dict()["0.m"]) == before
    q.grad = None
    optimizer.step()
    assert p.item() < before[0] and q.item() == before[1]


def test_an_update_that_forgets_the_state_changes_nothing():
    class Forgetful(optim.Momentum):
        def update(self, p, g, state, lr):
            return p.detach() - lr * g

    p = weights(1.0)
    optimizer = Forgetful([p], lr=0.1)
    set_grad(p, 1.0)
    with pytest.raises(ValueError):
        optimizer.step()
    assert p.item() == 1.0


def test_an_update_of_another_shape_changes_nothing():
    class Stacking(optim.SGD):
        def update(self, p, g, state, lr):
            return np.ones((2, 2), np.float32) if p is self.parameters[1] else super().update(p, g, state, lr)

    p, q = weights(1.0), weights(2.0)
    optimizer = Stacking([p, q], lr=0.1)
    set_grad(p, 1.0)
    set_grad(q, 1.0)
    with pytest.raises(ValueError, match=r"Stacking.update gave shape \(2, 2\) for what has shape \(1,\)"):
        optimizer.step()
    assert (p.item(), q.item()) == (1.0, 2.0)


def test_values_computed_before_a_step_stay_what_they_were():
    p = weights(1.0)
    y = p * 2
    seen = p.numpy()
    set_grad(p, 1.0)
    optim.SGD([p], lr=0.1).step()
    assert y.item() == 2.0 and seen.tolist() == [1.0] and p.item() == 0.9


def test_an_optimizer_of_one_s_own_is_a_begin_and_an_update():
    """Adagrad, Duchi et al. 2011: v ← v + g²; w ← w − η g / √v."""

    class Adagrad(optim.Optimizer):
        def begin(self, p):
            return {"v": tz.tensor(np.zeros_like(p.numpy()))}

        def update(self, p, g, state, lr):
            v = state["v"] + g * g
            return p.detach() - lr * g / F.sqrt(v), v

    p = weights(1.0, 1.0)
    optimizer = Adagrad([p], lr=0.1)
    for _ in range(2):
        set_grad(p, 4.0, -0.5)
        optimizer.step()
    np.testing.assert_allclose(p.numpy(), [1 - 0.1 - 0.1 / 2**0.5, 1 + 0.1 + 0.1 / 2**0.5], rtol=1e-14)
    assert optimizer.state_dict()["0.v"].tolist() == [32.0, 0.5]


@every
def test_a_model_of_shared_layers_learns(name):
    """One update a step, however often a layer is used."""
    tz.manual_seed(0)
    dense = nn.Dense(3, 3)
    model = nn.Sequential(dense, nn.Tanh(), dense)
    optimizer = ALL[name](model.parameters())
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), x)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
