"""Documents made by hand: one small pass with a step of every phase, and graphs of any size without numbers."""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]


def array(shape: list[int], values: list[Any], **more: Any) -> Data:
    return {"shape": shape, "dtype": "float64", "values": values, **more}


def tensor(name: str, shape: list[int], value: int, role: str = "result", producer: int | None = None,
           uses: tuple[tuple[int, int], ...] = (), gradient: bool = True, previous: int | None = None) -> Data:
    return {"name": name, "role": role, "shape": shape, "dtype": "float64", "gradient": gradient, "producer": producer,
            "uses": [list(use) for use in uses], "value": value, "previous": previous}


def op(name: str, inputs: list[int], outputs: list[int], input_names: list[str], **more: Any) -> Data:
    made = {"name": name, "inputs": inputs, "outputs": outputs, "input_names": input_names, "output_names": ["y"],
            "attributes": {}, "module": None, "where": None, "code": {}, "saved": [], "seconds": None}
    return {**made, **more}


def document(**parts: Any) -> Data:
    meta = {"title": "handmade", "created": "2026-01-01T00:00:00Z", "values": "auto", "device": "cpu",
            "versions": {"tinygrad_zh": "0", "numpy": "2", "python": "3"}, "command": None}
    empty: Data = {"formulas": {}, "sources": {}, "modules": [], "arrays": [], "tensors": [], "ops": [], "steps": []}
    return {"schema": "tinygrad_zh.trace/1", "meta": meta, **empty, **parts}


def square() -> Data:
    """h = w·x; q = h·h; L = q + b, w = 2, x = 3, b = [1]: dL/dw = 2·h·x = 36. The update is w ← w − 0.1·36."""
    arrays = [array([], [v]) for v in (2.0, 3.0, 6.0, 36.0)]  # 0 w, 1 x, 2 h, 3 q
    arrays += [array([1], [1.0]), array([1], [37.0]), array([1], [1.0])]  # 4 b, 5 L, 6 the seed
    arrays += [array([], [v]) for v in (1.0, 6.0, 12.0, 36.0, -1.6)]  # 7 dq, 8 a half of dh, 9 dh, 10 dw, 11 new w
    arrays += [array([], [0.1]), array([1], [1.0])]  # 12 the learning rate, 13 ∂L/∂b
    tensors = [
        tensor("w", [], 0, "parameter", uses=((0, 0),)),
        tensor("x", [], 1, "input", uses=((0, 1),), gradient=False),
        tensor("h", [], 2, producer=0, uses=((1, 0), (1, 1))),
        tensor("q", [], 3, producer=1, uses=((2, 0),)),
        tensor("b", [1], 4, "parameter", uses=((2, 1),)),
        tensor("L", [1], 5, producer=2),
        tensor("w₂", [], 11, "parameter", producer=3, previous=0),
        tensor("∂L/∂w", [], 10, "gradient", uses=((3, 1),), gradient=False),
        tensor("c", [], 12, "constant", uses=((3, 2),), gradient=False),
    ]
    rule = ["ops.py", 11, 12]
    ops = [
        op("Mul", [0, 1], [2], ["a", "b"], where=["demo.py", 5, "loss"], saved=["a", "b"], seconds=2e-6,
           code={"forward": ["ops.py", 8, 9], "a": rule, "b": rule}),
        op("Mul", [2, 2], [3], ["a", "b"], where=["demo.py", 6, "loss"], code={"forward": ["ops.py", 8, 9], "a": rule,
                                                                              "b": rule}),
        op("Add", [3, 4], [5], ["a", "b"], where=["demo.py", 7, "loss"]),
        op("SGD", [0, 7, 8], [6], ["w0", "g", "lr"], output_names=["w"]),
    ]

    def element(value: float, *terms: tuple[float, float]) -> Data:
        return {"index": [], "value": value, "rest": None,
                "terms": [{"coefficient": c, "value": u, "output": 0, "index": []} for c, u in terms]}

    def diagonal(value: float) -> Data:
        return {"rows": 1, "columns": 1, "kind": "diagonal", "values": [value]}

    check = {"numeric": 6.0, "error": 2e-10, "step": 1e-6}
    steps: list[Data] = [
        {"phase": "forward", "op": 0, "element": {"index": [], "value": 6.0, "more": 0, "inputs": [
            {"slot": 0, "index": [], "value": 2.0}, {"slot": 1, "index": [], "value": 3.0}]}},
        {"phase": "forward", "op": 1, "element": None},
        {"phase": "forward", "op": 2, "element": None},
        {"phase": "seed", "tensor": 5, "gradient": 6, "given": False},
        {"phase": "backward", "op": 2, "slot": 0, "tensor": 3, "upstream": [6], "raw": 6, "element": None,
         "check": {"why": "kink"}, "jacobian": {"rows": 1, "columns": 1, "kind": "identity"}},
        {"phase": "sum_to", "op": 2, "slot": 0, "tensor": 3, "raw": 6, "contribution": 7, "before": None, "after": 7,
         "element": None},
        {"phase": "backward", "op": 2, "slot": 1, "tensor": 4, "upstream": [6], "raw": 6, "contribution": 13,
         "before": None, "after": 13, "element": None, "check": None, "jacobian": None},
        {"phase": "backward", "op": 1, "slot": 0, "tensor": 2, "upstream": [7], "raw": 8, "contribution": 8,
         "before": None, "after": 8, "element": element(6.0, (6.0, 1.0)), "check": check, "jacobian": diagonal(6.0)},
        {"phase": "backward", "op": 1, "slot": 1, "tensor": 2, "upstream": [7], "raw": 8, "contribution": 8,
         "before": 8, "after": 9, "element": element(6.0, (6.0, 1.0)), "check": {**check, "error": 3e-10},
         "jacobian": diagonal(6.0)},
        {"phase": "backward", "op": 0, "slot": 0, "tensor": 0, "upstream": [9], "raw": 10, "contribution": 10,
         "before": None, "after": 10, "element": element(36.0, (3.0, 12.0)), "check": None, "jacobian": diagonal(3.0)},
        {"phase": "skip", "op": 0, "slot": 1, "tensor": 1, "why": "constant"},
        {"phase": "update", "op": 3, "tensor": 0, "before": 0, "after": 11, "gradient": 10,
         "element": {"index": [], "value": -1.6, "more": 0, "inputs": [
             {"slot": 0, "index": [], "value": 2.0}, {"slot": 1, "index": [], "value": 36.0},
             {"slot": 2, "index": [], "value": 0.1}]}},
    ]
    formulas = {
        "Mul": {"forward": "y = a ⊙ b", "partials": {"a": "∂L/∂a = ∂L/∂y · b", "b": "∂L/∂b = ∂L/∂y · a"},
                "zh": "逐元素乘法", "notes": ""},
        "Add": {"forward": "y = a + b", "partials": {"a": "∂L/∂a = ∂L/∂y", "b": "∂L/∂b = ∂L/∂y"}, "zh": "加法",
                "notes": ""},
        "SGD": {"forward": "w ← w − η g", "partials": {}, "zh": "随机梯度下降", "notes": ""},
    }
    sources = {
        "demo.py": {"4": "def loss(w, x, b):", "5": "    h = w * x", "6": "    q = h * h", "7": "    return q + b"},
        "ops.py": {"8": "    def forward(a, b):", "9": "        return a * b", "10": "", "11":
                   "    def backward_a(dy, b):", "12": "        return dy * b"},
    }
    return document(formulas=formulas, sources=sources, arrays=arrays, tensors=tensors, ops=ops, steps=steps)


def chain(size: int, blocks: int = 0, equal: bool = True) -> Data:
    """`size` ops one after another, forward and backward; with `blocks`, split evenly into modules of two layers."""
    modules: list[Data] = []
    inside: list[int | None] = [None] * size
    for b in range(blocks):
        outer = len(modules)
        modules += [
            {"path": f"blocks.{b}", "kind": "Block", "parent": None, "block": 2 if equal else b + 2},
            {"path": f"blocks.{b}.first", "kind": "Dense", "parent": outer, "block": 0},
            {"path": f"blocks.{b}.second", "kind": "Dense", "parent": outer, "block": 1},
        ]
        ran = range(b * size // blocks, (b + 1) * size // blocks)
        for k in ran:
            inside[k] = outer + 1 + (k >= ran[0] + len(ran) // 2)
    tensors = [tensor("x", [2], 0, "input", uses=((0, 0),))]
    tensors += [tensor(f"y{k}", [2], 0, producer=k, uses=((k + 1, 0),) if k + 1 < size else ()) for k in range(size)]
    ops = [op("Tanh", [k], [k + 1], ["x"], module=inside[k]) for k in range(size)]
    steps: list[Data] = [{"phase": "forward", "op": k, "element": None} for k in range(size)]
    steps.append({"phase": "seed", "tensor": size, "gradient": 0, "given": False})
    steps += [{"phase": "backward", "op": k, "slot": 0, "tensor": k, "upstream": [0], "raw": 0, "contribution": 0,
               "before": None, "after": 0, "element": None, "check": None, "jacobian": None}
              for k in reversed(range(size))]
    return document(modules=modules, arrays=[array([2], [1.0, -1.0])], tensors=tensors, ops=ops, steps=steps)


def showcase() -> Data:
    """One step of each rarer kind: a window, two outputs, a cast, a hook, a wrong check, nan, an error with its fix."""
    window = array([10, 12], [round((r * 8 + c - 30) / 7, 4) for r in range(8) for c in range(8)], origin=[2, 4],
                   window=[8, 8], min=-4.5714, max=9.0, mean=0.25, std=1.5, nan=0, inf=0,
                   histogram={"low": -4.5714, "high": 9.0, "counts": [0] * 16})
    arrays = [
        window,  # 0
        array([2, 3], [0.5, -1.0, 0.25, 1e-7, "nan", 12345.0]),  # 1
        array([3], [0.75, "nan", 2.0]),  # 2
        array([2], [1.0, -2.0]),  # 3
        array([2], [0.5, 0.125]),  # 4
        array([2], [1.5, -1.875]),  # 5
        array([0, 3], []),  # 6
        array([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8], dtype="int64"),  # 7
    ]
    tensors = [
        tensor("W", [10, 12], 0, "parameter", uses=((0, 0),)),
        tensor("b", [3], 2, "parameter", uses=((0, 1),)),
        tensor("y", [2, 3], 1, producer=0),
        tensor("v", [2], 3, "parameter", uses=((1, 0),)),
        tensor("low", [2], 3, producer=1),
        tensor("high", [2], 4, producer=1),
        tensor("k", [2, 2, 2], 7, "input", uses=((2, 0),), gradient=False),
        tensor("c", [], 3, "constant", gradient=False),
    ]
    tensors[7]["value"] = None
    ops = [
        op("Layer", [0, 1], [2], ["W", "b"], attributes={"axis": "-1"}, saved=["W"]),
        op("Split", [3], [4, 5], ["x"], output_names=["low", "high"], where=["demo.py", 5, "<module>"]),
        op("Take", [6], [], ["x"]),
        op("Clip", [3], [], ["g0"]),
    ]
    wide = {"coefficient": -2.0, "value": 0.5, "output": 1, "index": [0]}
    steps: list[Data] = [
        {"phase": "forward", "op": 0, "element": {"index": [1, 1], "value": "nan", "more": 118, "inputs": [
            {"slot": 0, "index": [5, 6], "value": -0.5}, {"slot": 1, "index": [1], "value": "nan"}]}},
        {"phase": "seed", "tensor": 4, "gradient": 3, "given": True},
        {"phase": "backward", "op": 1, "slot": 0, "tensor": 3, "upstream": [None, 4], "raw": 3,
         "element": {"index": [1], "value": -2.0, "terms": [wide, {**wide, "coefficient": 8.0, "value": 0.125,
                                                                  "index": [1]}], "rest": {"count": 12, "sum": -2.0}},
         "check": {"numeric": -1.0, "error": 0.5, "step": 1e-6}, "contribution": 3, "before": 4, "after": 5,
         "jacobian": {"rows": 2, "columns": 2, "kind": "sparse", "row": [0, 0, 1], "column": [0, 1, 1],
                      "values": [4.0, -2.0, 8.0]}},
        {"phase": "backward", "op": 0, "slot": 1, "tensor": 1, "upstream": [1], "raw": 1, "element": None,
         "check": {"why": "not finite"}, "jacobian": None},
        {"phase": "sum_to", "op": 0, "slot": 1, "tensor": 1, "raw": 1, "contribution": 2, "before": None, "after": 2,
         "element": {"index": [0], "value": 0.5, "rest": None, "terms": [
             {"coefficient": 1.0, "value": 0.5, "output": 0, "index": [0, 0]},
             {"coefficient": 1.0, "value": 1e-7, "output": 0, "index": [1, 0]}]}},
        {"phase": "cast", "op": 1, "slot": 0, "tensor": 3, "raw": 3, "contribution": 3, "before": None, "after": 3,
         "element": None},
        {"phase": "skip", "op": 2, "slot": 0, "tensor": 6, "why": "no gradient"},
        {"phase": "skip", "op": 2, "slot": 0, "tensor": 6, "why": "constant"},
        {"phase": "hook", "before": 3, "after": 5, "name": "halve"},
        {"phase": "gradient", "tensor": 3, "before": 3, "contribution": 4, "after": 5},
        {"phase": "update", "op": 3, "tensor": None, "before": 3, "after": 4, "gradient": None, "element": None},
        {"phase": "assign", "tensor": 3, "before": 3, "after": 6},
        {"phase": "error", "op": 0, "name": "Layer", "type": "ValueError", "where": ["demo.py", 6, "forward"],
         "message": "the inner sizes 12 and 3 differ", "hint": {"en": "Transpose W: W.T", "zh": "请转置 W：W.T"}},
        {"phase": "error", "op": None, "name": "", "type": "KeyError", "where": None, "message": "'x'", "hint": None},
    ]
    formulas = {"Layer": {"forward": "Y = X W + b", "partials": {"b": "∂L/∂b = Σ ∂L/∂Y"}, "zh": "线性层（全连接）",
                          "notes": ""}}
    sources = {"demo.py": {str(n): f"line_{n}()" for n in range(4, 8)}}
    return document(formulas=formulas, sources=sources, arrays=arrays, tensors=tensors, ops=ops, steps=steps)
