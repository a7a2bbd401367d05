"""tz.record: a tape that reads as a document; errors leave a trace that opens where it failed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.stepper import samples
from tinygrad_zh import nn
from tinygrad_zh.core import Line, Tape
from tinygrad_zh.core.mode import MODE
from tinygrad_zh.i18n import LANGUAGES, in_language

F = tz.functional


def phases(trace: tz.stepper.Trace) -> list[str]:
    return [step["phase"] for step in trace.document().steps]


def leaf(values: Any, **options: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True, **options)


def test_a_trace_is_the_list_of_lines_that_ran() -> None:
    x = leaf([1.0, 2.0])
    with tz.record(title="a title") as trace:
        (x * x).sum().backward()
    assert isinstance(trace, Tape)
    assert all(isinstance(line, Line) for line in trace)
    assert trace.document().title == "a title"


def test_nothing_records_outside_of_the_block() -> None:
    x = leaf([1.0])
    with tz.record() as trace:
        pass
    F.exp(x)
    assert len(trace) == 0
    assert MODE.get().tape is None


def test_the_document_is_made_once_and_anew_when_lines_came_since() -> None:
    x = leaf([1.0])
    with tz.record() as trace:
        y = F.exp(x)
        first = trace.document()
        assert trace.document() is first
        y.backward()
    assert phases(trace) == ["forward", "seed", "backward"]
    assert len(first.steps) == 1


def test_reading_a_trace_inside_the_block_writes_nothing_on_it() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    with tz.record() as trace:
        F.softmax(x @ x).sum().backward()
        lines = len(trace)
        trace.document()
        trace.document("full")
    assert len(trace) == lines


def test_making_the_document_changes_no_gradient_and_no_generator() -> None:
    x = leaf(np.ones(50))
    tz.manual_seed(3)
    with tz.record() as trace:
        F.dropout(x, 0.5).sum().backward()
    state, grad = str(tz.default_generator().bit_generator.state), x.grad.numpy().tobytes()
    trace.document("full")
    assert str(tz.default_generator().bit_generator.state) == state
    assert x.grad.numpy().tobytes() == grad


def test_values_is_one_of_two() -> None:
    with tz.record() as trace:
        F.exp(leaf([1.0]))
    with pytest.raises(ValueError, match=re.escape("'all'")):
        trace.document("all")


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_sample_has_a_document_that_is_right_by_its_schema(name: str) -> None:
    tz.stepper.Document(samples.trace(name).document().data)


# ---- one step a contribution


def test_a_contribution_a_step_and_a_broadcast_undone_is_its_own() -> None:
    x, b = leaf(np.ones((2, 3))), leaf([1.0, 2.0, 3.0])
    with tz.record() as trace:
        (x + b).sum().backward()
    assert phases(trace) == ["forward", "forward", "seed", "backward", "backward", "backward", "sum_to"]
    data = trace.document().data
    undone = data["steps"][-1]
    assert data["arrays"][undone["raw"]]["shape"] == [2, 3]
    assert data["arrays"][undone["contribution"]]["values"] == [2.0, 2.0, 2.0]
    assert undone["before"] is None
    file, first, _ = undone["code"]
    assert data["sources"][file][str(first)].startswith("def sum_to(")
    assert "after" not in data["steps"][-2]  # it has not added anything up


def test_a_cast_is_its_own_step_after_the_broadcast() -> None:
    b, x = tz.tensor([1.0, 2.0], requires_grad=True), np.ones((3, 2))
    with tz.record() as trace:
        (b * x).sum().backward()
    assert phases(trace)[-4:] == ["skip", "backward", "sum_to", "cast"]
    data = trace.document().data
    assert data["arrays"][data["steps"][-1]["after"]]["dtype"] == "float32"
    assert data["arrays"][data["steps"][-2]["contribution"]]["dtype"] == "float64"


def test_the_steps_of_a_joint_backward_stay_in_order_of_the_inputs() -> None:
    x, gamma, beta = leaf(np.arange(6.0).reshape(2, 3)), leaf(np.ones(3)), leaf(np.zeros(3))
    with tz.record() as trace:
        F.layer_norm(x, gamma, beta).sum().backward()
    steps = trace.document().steps[4:]
    assert [(s["phase"], s["slot"]) for s in steps] == [
        ("backward", 0), ("backward", 1), ("sum_to", 1), ("backward", 2), ("sum_to", 2)]  # fmt: skip


def test_a_tensor_used_twice_adds_up() -> None:
    x = leaf([3.0])
    with tz.record() as trace:
        (x * x).sum().backward()
    data = trace.document().data
    first, second = [s for s in data["steps"] if s["phase"] == "backward"][-2:]
    assert (first["before"], data["arrays"][first["after"]]["values"]) == (None, [3.0])
    assert data["arrays"][second["before"]]["values"] == [3.0]
    assert data["arrays"][second["after"]]["values"] == [6.0]
    assert data["tensors"][second["tensor"]]["uses"] == [[0, 0], [0, 1]]


def test_a_second_pass_adds_to_the_gradient_of_the_first() -> None:
    w = leaf([2.0])
    with tz.record() as trace:
        (w * 3.0).sum().backward()
        (w * 4.0).sum().backward()
    data = trace.document().data
    assert phases(trace)[-1] == "gradient"
    added = data["steps"][-1]
    assert [data["arrays"][added[k]]["values"] for k in ("before", "contribution", "after")] == [[3.0], [4.0], [7.0]]


def test_a_given_seed_is_said_to_be_given() -> None:
    x = leaf([1.0, 2.0])
    with tz.record() as trace:
        F.exp(x).backward([1.0, 5.0])
    seed = next(s for s in trace.document().steps if s["phase"] == "seed")
    assert seed["given"]
    assert trace.document().data["arrays"][seed["gradient"]]["values"] == [1.0, 5.0]


def test_tz_grad_is_stepped_as_backward_is() -> None:
    x = leaf([1.0, 2.0])
    with tz.record() as trace:
        tz.grad((x * x).sum(), x)
    assert phases(trace) == ["forward", "forward", "seed", "backward", "backward", "backward"]


def test_a_hook_is_a_step() -> None:
    x = leaf([1.0])
    x.register_hook(lambda g: g * 2.0)
    with tz.record() as trace:
        F.exp(x).backward()
    step = trace.document().steps[-1]
    assert step["phase"] == "hook"
    assert "lambda" in step["name"]


def test_data_needs_no_gradient_and_its_step_says_so() -> None:
    w, x, t = leaf(np.ones((2, 2))), tz.tensor(np.ones((3, 2))), np.array([0, 1, 0])
    with tz.record() as trace:
        F.cross_entropy(x @ w, t).backward()
    skipped = [(s["why"], trace.document().data["tensors"][s["tensor"]]["name"])
               for s in trace.document().steps if s["phase"] == "skip"]
    assert skipped == [("no gradient", "t"), ("constant", "x")]


# ---- updates


def test_an_optimizers_rule_is_a_step_a_parameter_and_begins_a_new_version() -> None:
    W = leaf([1.0, 2.0])
    with tz.record() as trace:
        (W * W).sum().backward()
        tz.optim.SGD([W], lr=0.5).step()
    data = trace.document().data
    assert phases(trace)[-2:] == ["backward", "update"]
    update = data["steps"][-1]
    assert data["tensors"][update["tensor"]]["name"] == "W"
    assert [data["arrays"][update[k]]["values"] for k in ("before", "gradient", "after")] == [[1, 2], [2, 4], [0, 0]]
    new = data["ops"][update["op"]]["outputs"][0]
    assert (data["tensors"][new]["name"], data["tensors"][new]["role"]) == ("W′", "parameter")
    assert data["tensors"][new]["previous"] == update["tensor"]
    gradient = data["ops"][update["op"]]["inputs"][1]
    assert (data["tensors"][gradient]["name"], data["tensors"][gradient]["role"]) == ("∂L/∂W", "gradient")


def test_a_hand_written_update_is_one_too() -> None:
    W = leaf([1.0, 2.0])
    with tz.record() as trace:
        (dW,) = tz.grad((W * W).sum(), W)
        with tz.no_grad():
            W.assign(W - 0.5 * dW)
    data = trace.document().data
    assert phases(trace)[-2:] == ["forward", "update"]
    assert data["ops"][data["steps"][-1]["op"]]["name"] == "Sub"
    assert data["arrays"][data["steps"][-1]["after"]]["values"] == [0.0, 0.0]


def test_an_assignment_of_plain_values_is_a_step() -> None:
    W = leaf([1.0, 2.0])
    with tz.record() as trace:
        F.exp(W)
        W.assign([5.0, 6.0])
    step = trace.document().steps[-1]
    assert step["phase"] == "assign"
    assert trace.document().data["tensors"][step["tensor"]]["name"] == "W′"


def test_gradients_that_are_one_array_belong_each_to_its_own_leaf() -> None:
    a, b = leaf([1.0]), leaf([2.0])
    with tz.record() as trace:
        (a + b).sum().backward()
        tz.optim.SGD([a, b], lr=0.1).step()
    names = [t["name"] for t in trace.document().data["tensors"] if t["role"] == "gradient"]
    assert names == ["∂L/∂a", "∂L/∂b"]


def test_the_steps_of_several_updates_use_the_new_versions() -> None:
    W = leaf([4.0])
    optimizer = tz.optim.SGD([W], lr=0.25)
    with tz.record() as trace:
        for _ in range(3):
            optimizer.zero_grad()
            (W * W).sum().backward()
            optimizer.step()
    data = trace.document().data
    assert [data["tensors"][s["tensor"]]["name"] for s in data["steps"] if s["phase"] == "update"] == ["W", "W′", "W″"]
    assert W.numpy().tolist() == [0.5]


# ---- names, modules, lines


def test_names_are_the_programs_own() -> None:
    X, W = tz.tensor(np.ones((2, 3))), leaf(np.ones((3, 4)))
    with tz.record() as trace:
        Z = X @ W + 1.0
        A = F.tanh(Z)
        A = F.tanh(A)
        A.sum()
    names = [t["name"] for t in trace.document().data["tensors"]]
    assert names == ["X", "W", "matmul", "1.0", "Z", "A", "A₂", "sum"]


def test_names_of_several_results_and_of_elements_of_a_list() -> None:
    weights = [leaf([1.0, 2.0]), leaf([3.0, 4.0])]
    with tz.record() as trace:
        first, second = F.split(F.concat(weights), 2)
        first * second
    names = [t["name"] for t in trace.document().data["tensors"]]
    assert names == ["weights[0]", "weights[1]", "concat", "first", "second", "mul"]


def test_a_tensors_own_name_comes_first() -> None:
    w = leaf([1.0], name="weight")
    with tz.record() as trace:
        F.exp(w)
    assert trace.document().data["tensors"][0]["name"] == "weight"


def test_parameters_of_modules_are_named_by_their_paths() -> None:
    model = nn.Sequential(nn.Dense(2, 3), nn.Dense(3, 1))
    with tz.record() as trace:
        model(np.ones((1, 2), np.float32))
    data = trace.document().data
    assert [t["name"] for t in data["tensors"] if t["role"] == "parameter"] == [
        name for name, _ in model.named_parameters()]
    assert [(m["kind"], m["parent"]) for m in data["modules"]] == [("Sequential", None), ("Dense", 0), ("Dense", 0)]
    assert [op["module"] for op in data["ops"]] == [1, 1, 2, 2]


def test_equal_blocks_have_one_number_and_others_another() -> None:
    modules = samples.trace("mlp30").document().data["modules"]
    blocks = [m["block"] for m in modules if m["kind"] == "Block"]
    assert len(blocks) == 30
    assert len(set(blocks)) == 1
    assert blocks[0] not in {m["block"] for m in modules if m["kind"] != "Block"}


def test_the_users_line_and_the_rules_line_are_in_the_sources() -> None:
    x = leaf([0.5])
    with tz.record() as trace:
        y = F.sigmoid(x)  # the line to be found
        y.backward()
    data = trace.document().data
    op = data["ops"][0]
    file, line, function = op["where"]
    assert (file, function) == (
        "tests/stepper/test_recording.py", "test_the_users_line_and_the_rules_line_are_in_the_sources")
    assert data["sources"][file][str(line)].endswith("# the line to be found")
    rule, first, last = op["code"]["x"]
    assert rule == "tinygrad_zh/ops/activation.py"
    assert [data["sources"][rule][str(n)].strip() for n in range(first, last + 1)] == [
        "def backward(dy, y):", "return dy * y * (1 - y)"]


def test_no_absolute_path_is_in_a_document() -> None:
    assert str(Path(samples.__file__).parents[2]) not in str(samples.trace("s6").document().data)


# ---- errors


def test_an_error_opens_at_the_failing_op_with_what_it_was_given() -> None:
    x, W = tz.tensor(np.ones((4, 5))), leaf(np.ones((6, 3)))
    with pytest.raises(ValueError, match="6"), tz.record() as trace:
        h = F.relu(x)
        h @ W
    data = trace.document().data
    step = data["steps"][-1]
    op = data["ops"][step["op"]]
    assert (step["phase"], step["name"], step["type"]) == ("error", "matmul", "ValueError")
    assert [(data["tensors"][t]["name"], data["tensors"][t]["shape"]) for t in op["inputs"]] == [
        ("h", [4, 5]), ("W", [6, 3])]
    assert op["outputs"] == []
    assert op["code"]["forward"][0] == "tinygrad_zh/ops/linear.py"
    assert data["sources"][step["where"][0]][str(step["where"][1])].strip() == "h @ W"
    assert set(step["hint"]) == {"en", "zh"}


def test_an_error_inside_a_formula_names_its_op() -> None:
    class Broken(tz.Op):
        """y = x"""

        def forward(x):
            raise ValueError("by design")

    with pytest.raises(ValueError, match="by design"), tz.record() as trace:
        Broken(leaf([1.0]))
    data = trace.document().data
    assert data["steps"][-1]["name"] == "Broken"
    assert data["tensors"][data["ops"][-1]["inputs"][0]]["shape"] == [1]


def test_an_error_in_a_backward_keeps_the_steps_before_it() -> None:
    class Broken(tz.Op):
        """y = x"""

        def forward(x):
            return x * 1.0

        def backward(dy):
            raise ValueError("by design")

    with pytest.raises(ValueError, match="by design"), tz.record() as trace:
        Broken(leaf([1.0])).sum().backward()
    assert phases(trace) == ["forward", "forward", "seed", "backward", "error"]


def test_the_users_own_error_is_shown_at_its_line() -> None:
    with pytest.raises(ZeroDivisionError), tz.record() as trace:
        F.exp(leaf([1.0]))
        1 / 0  # noqa: B018
    step = trace.document().steps[-1]
    assert (step["op"], step["type"]) == (None, "ZeroDivisionError")
    assert trace.document().data["sources"][step["where"][0]][str(step["where"][1])].strip().startswith("1 / 0")


def test_an_error_inside_a_module_is_inside_it_and_the_next_op_is_not() -> None:
    layer = nn.Dense(3, 2)
    with tz.record() as trace:
        with pytest.raises(ValueError, match="3"):
            layer(np.ones((1, 4), np.float32))
        F.exp(leaf([1.0]))
    assert trace.document().data["ops"][-1]["module"] is None


def test_backward_alone_says_to_record_the_forward_too() -> None:
    x = leaf([1.0])
    y = F.exp(x)
    with tz.record() as trace:
        y.backward()
    with pytest.raises(ValueError, match="put the forward pass inside"):
        trace.document()


def test_what_was_computed_before_is_an_input_with_a_gradient() -> None:
    x = leaf([1.0, 2.0])
    h = F.exp(x)
    with tz.record() as trace:
        F.sum(h * 2.0)
    entry = trace.document().data["tensors"][0]
    assert (entry["name"], entry["producer"], entry["gradient"]) == ("h", None, True)


def test_versions_of_a_leaf_are_told_from_tensors_of_the_same_name() -> None:
    w = leaf([1.0])
    with tz.record() as trace:
        for _ in range(4):
            h = F.tanh(w)
            w.assign(h.detach())
    data = trace.document().data
    assert [t["name"] for t in data["tensors"]] == ["w", "w′", "w″", "w⁽³⁾", "w⁽⁴⁾"]
    assert [t["previous"] for t in data["tensors"]] == [None, 0, 1, 2, 3]


def test_what_an_optimizer_keeps_is_state_by_its_name() -> None:
    W = leaf([1.0])
    optimizer = tz.optim.Adam([W])
    with tz.record() as trace:
        (W * W).sum().backward()
        optimizer.step()
    data = trace.document().data
    roles = {t["name"]: t["role"] for t in data["tensors"]}
    assert {name: roles[name] for name in ("W", "m", "v", "t", "m′", "v′", "t′")} == {
        "W": "parameter", "m": "state", "v": "state", "t": "state", "m′": "state", "v′": "state", "t′": "state"}
    assert [data["ops"][s["op"]]["name"] for s in data["steps"] if s["phase"] == "update"] == ["Add", "Adam"]


def test_running_statistics_are_updated_in_steps_of_their_own() -> None:
    layer = nn.BatchNorm(3)
    with tz.record() as trace:
        layer(np.ones((4, 3), np.float32))
    data = trace.document().data
    updated = [data["tensors"][s["tensor"]] for s in data["steps"] if s["phase"] == "update"]
    assert [(t["name"], t["role"]) for t in updated] == [("running_mean", "state"), ("running_var", "state")]


def test_an_update_is_no_use_that_a_gradient_comes_back_from() -> None:
    W = leaf([1.0, 2.0])
    with tz.record() as trace:
        (dW,) = tz.grad(F.exp(W).sum(), W)
        with tz.no_grad():
            W.assign(W - 0.5 * dW)
    assert trace.document().data["tensors"][0]["uses"] == [[0, 0]]


def test_names_of_several_expressions_in_one_statement_in_a_loop_and_in_place() -> None:
    x = leaf(np.eye(2))
    with tz.record() as trace:
        Q, K = x @ x, F.tanh(x * 2.0)
        for _ in range(2):
            Q = F.tanh(Q)
        Q += K
        loss = F.cross_entropy(Q, np.array([0, 1]))
        if (half := loss * 0.123456789).item():
            half.exp()
    results = [t["name"] for t in trace.document().data["tensors"] if t["role"] in ("result", "constant")]
    assert results == ["Q", "2.0", "mul", "K", "Q₂", "Q₃", "Q₄", "cross_entropy", "loss", "0.12346", "half", "exp"]


def test_a_model_s_result_is_named_once_however_often_its_layers_begin_with_the_same_op() -> None:
    tz.manual_seed(0)
    layers = [nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 2)]
    model, x = nn.Sequential(*layers), leaf(np.eye(2))
    with tz.record() as trace:
        for _ in range(2):
            y = model(x)
        for layer in layers[::2]:
            y = layer(y)
    results = [t["name"] for t in trace.document().data["tensors"] if t["role"] == "result"]
    assert results == ["matmul", "add", "tanh", "matmul₂", "y", "matmul₃", "add₂", "tanh₂", "matmul₄", "y₂",
                       "matmul₅", "y₃", "matmul₆", "y₄"]


def test_a_gradient_that_is_taken_twice_is_one_tensor() -> None:
    W = leaf([3.0, 4.0])
    with tz.record() as trace:
        (W * W).sum().backward()
        tz.optim.clip_grad_norm([W], 1.0)
        tz.optim.SGD([W], lr=1.0, weight_decay=0.1).step()
    names = [t["name"] for t in trace.document().data["tensors"] if t["role"] == "gradient"]
    assert len(names) == len(set(names))
    assert names[0] == "∂L/∂W"


def test_keywords_are_said_shortly() -> None:
    with tz.record() as trace:
        leaf([1.0]).astype(np.float32)
        F.clip(leaf(np.arange(100.0)), 0.5, 3.0)
    assert trace.document().data["ops"][0]["attributes"] == {"dtype": "float32"}
    assert trace.document().data["ops"][1]["attributes"] == {"low": "0.5", "high": "3.0"}


def test_a_result_without_a_name_has_its_functions_or_its_ops() -> None:
    x = leaf([1.0, 2.0])
    with tz.record() as trace:
        F.layer_norm(F.mse_loss(x, np.ones(2)) * x)
    names = [t["name"] for t in trace.document().data["tensors"] if t["role"] == "result"]
    assert names == ["squared_error", "mean", "mul", "layer_norm"]


@pytest.mark.parametrize("asked", LANGUAGES)
def test_a_page_has_the_language_that_was_asked_for(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = samples.trace("reused")
    monkeypatch.delenv("TINYGRAD_ZH_LANG", raising=False)
    unasked = trace._repr_html_()
    monkeypatch.setenv("TINYGRAD_ZH_LANG", asked)
    with_it = trace._repr_html_()
    assert with_it != unasked
    monkeypatch.delenv("TINYGRAD_ZH_LANG")
    with in_language(asked):
        assert trace._repr_html_() == with_it


def test_a_short_index_is_said_and_a_long_one_is_called_index() -> None:
    x = leaf(np.ones((40, 40)))
    with tz.record() as trace:
        x[[0, 1], [2, 3]]
        x[list(range(40)), list(range(40))]
    constants = [t["name"] for t in trace.document().data["tensors"] if t["role"] == "constant"]
    assert constants == ["([0, 1], [2, 3])", "index"]


def test_a_partial_is_filed_under_its_input_though_others_have_none() -> None:
    x, mask = leaf([[1.0, 2.0]]), np.array([[True, True]])
    with tz.record() as trace:
        F.masked_softmax(x, mask) @ leaf([[1.0], [2.0]])
    formulas = trace.document().data["formulas"]
    assert set(formulas["MaskedSoftmax"]["partials"]) == {"x"}
    assert formulas["MatMul"]["partials"] == {"a": "∂L/∂A = ∂L/∂Y · Bᵀ", "b": "∂L/∂B = Aᵀ · ∂L/∂Y"}


def test_the_gradient_of_a_bias_is_its_own_after_the_sum() -> None:
    x, b = leaf(np.ones((4, 2))), leaf([1.0, 2.0])
    with tz.record() as trace:
        (x + b).sum().backward()
        tz.optim.SGD([b], lr=0.1).step()
    assert "∂L/∂b" in [t["name"] for t in trace.document().data["tensors"] if t["role"] == "gradient"]


def test_windows_show_what_the_picked_element_is_made_of() -> None:
    W, b = leaf(np.random.default_rng(0).normal(size=(30, 40))), leaf(np.zeros(40))
    with tz.record() as trace:
        F.tanh(np.ones((20, 30)) @ W + b).sum().backward()
    data = trace.document().data
    looked_at = 0
    for step in data["steps"]:
        terms = (step.get("element") or {}).get("terms")
        if terms and step["phase"] in ("backward", "sum_to"):
            array = data["arrays"][step["raw"] if step["phase"] == "sum_to" else step["upstream"][0]]
            for term in terms[:1]:
                inside = [i - o for i, o in zip(term["index"], array.get("origin", [0] * 9), strict=False)]
                assert all(0 <= i < n for i, n in zip(inside, array.get("window", array["shape"]), strict=True))
                looked_at += "window" in array
    assert looked_at >= 3


def test_what_a_backward_keeps_is_named() -> None:
    with tz.record() as trace:
        F.layer_norm(F.sigmoid(leaf([[1.0, 2.0]])), leaf([1.0, 1.0]), leaf([0.0, 0.0]))
    assert [op["saved"] for op in trace.document().data["ops"]] == [["y"], ["x", "gamma", "mean", "rstd"]]


def test_a_refused_call_says_its_other_arguments() -> None:
    with pytest.raises(ValueError), tz.record() as trace:
        F.reshape(leaf(np.ones(6)), (4, 2))
    op = trace.document().data["ops"][-1]
    assert [trace.document().data["tensors"][t]["shape"] for t in op["inputs"]] == [[6]]
    assert "(4, 2)" in op["attributes"].values()


def test_an_array_of_64_is_whole_and_one_of_65_is_not() -> None:
    with tz.record() as trace:
        leaf(np.arange(64.0)) * 2.0
        leaf(np.arange(65.0)) * 2.0
    windows = ["window" in array for array in trace.document().data["arrays"] if array["shape"]]
    assert windows == [False, False, True, True]


# ---- programs of every kind


def test_an_op_of_the_users_without_a_word_about_itself() -> None:
    class Double(tz.Op):
        def forward(x):
            return x * 2.0

        def backward(dy):
            return dy * 2.0

    with tz.record() as trace:
        Double(leaf([1.0, 2.0])).sum().backward()
    data = trace.document().data
    assert data["formulas"]["Double"] == {"forward": "Double", "partials": {}, "zh": "", "notes": ""}
    assert data["ops"][0]["code"]["x"][0] == "tests/stepper/test_recording.py"
    assert trace.text(3)


def test_a_program_without_source_lines_is_stepped_all_the_same() -> None:
    names: dict[str, Any] = {"tz": tz}
    with tz.record() as trace:
        exec("x = tz.tensor([1.0], requires_grad=True)\ny = x * x\ny.backward()", names)
    data = trace.document().data
    assert data["ops"][0]["where"][0] == "<string>"
    assert data["sources"]["<string>"] == {}
    assert [t["name"] for t in data["tensors"]] == ["x", "mul"]
    assert trace.text(-1)


def test_a_file_that_is_no_python_names_nothing(tmp_path: Any) -> None:
    path = tmp_path / "cell.py"
    path.write_text("%matplotlib inline\ny = x * x\n")
    code = compile("\ny = x * x\n", str(path), "exec")
    with tz.record() as trace:
        exec(code, {"x": leaf([2.0])})
    data = trace.document().data
    assert [t["name"] for t in data["tensors"]] == ["x", "mul"]
    assert data["sources"]["cell.py"]["2"] == "y = x * x"


def test_a_leaf_that_was_assigned_where_nobody_recorded_is_a_new_version() -> None:
    w = leaf([1.0])
    with tz.record() as trace:
        w * 2.0
        with tz.record():
            w.assign([5.0])
        w * 3.0
    data = trace.document().data
    assert [t["name"] for t in data["tensors"] if t["role"] == "parameter"] == ["w", "w′"]
    assert data["ops"][1]["inputs"][0] == 3


def test_an_error_deep_inside_leaves_every_module() -> None:
    model = nn.Sequential(nn.Sequential(nn.Dense(3, 2)), nn.Dense(2, 1))
    with tz.record() as trace:
        with pytest.raises(ValueError, match="3"):
            model(np.ones((1, 4), np.float32))
        model(np.ones((1, 3), np.float32))
    modules = trace.document().data["modules"]
    assert [m["parent"] for m in modules] == [None, 0, 1, None, 3, 4, 3]


def test_what_refused_stands_in_the_module_that_called_it() -> None:
    model = nn.Sequential(nn.Dense(3, 2), nn.Dense(5, 1))
    with pytest.raises(ValueError, match="5"), tz.record() as trace:
        model(np.ones((1, 3), np.float32))
    data = trace.document().data
    assert data["modules"][data["ops"][-1]["module"]] == {"path": "1", "kind": "Dense", "parent": 0, "block": 2}
