"""Whatever the step's Python can find is noticed when it changes; what its code does not name is left alone."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import gc
import importlib.util
import random
import sys
import types
import weakref

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.compiling.twins import assert_equal
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.i18n import in_language

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def follow(make, count=9, at=5):
    """The step and the same step compiled see the same calls; before call `at` the change is made to both."""
    results = []
    for compiled in (False, True):
        tz.manual_seed(0)
        step, change = make()
        run = tz.compile(step, kernels="formulas") if compiled else step
        tz.manual_seed(1)
        results.append([])
        for number in range(count):
            if number == at:
                change()
            results[-1].append(run(tz.tensor(X)))
    assert_equal(*results)
    return run


class Bag:
    """An object of the user's."""

    def __init__(self, **values):
        vars(self).update(values)


class Scaled(nn.Module):
    scale = 2.0

    def __init__(self):
        self._private = 2.0
        self.numbers = [2.0, 3.0]
        self.act = F.relu

    def forward(self, x):
        y = self.act(x * self.scale * self._private * self.numbers[0] * FACTOR)
        return y * self.extra if hasattr(self, "extra") else y


class Named:
    """Its class, a property and methods of every kind say what comes out."""

    rate = 2.0

    def __init__(self):
        self._scale = 2.0

    @property
    def scale(self):
        return self._scale

    @staticmethod
    def fixed(x):
        return x * Named.rate

    @classmethod
    def common(cls, x):
        return x * cls.rate

    def __call__(self, x):
        return self.fixed(x) + self.common(x) * self.scale


@dataclasses.dataclass(slots=True)
class Slots:
    scale: float = 2.0


FACTOR = 2.0


def of_attribute(make, attribute, new, read=None):
    """A step that multiplies by what an object says, and the change of one of its attributes."""

    def made():
        thing = make()
        return (lambda x: x * getattr(thing, attribute)) if read is None else (lambda x: read(thing, x)), \
            lambda: setattr(thing, attribute, new)

    return made


def of_elements(make, change, read):
    """A step that looks into a collection, and a change within it."""

    def made():
        values = make()
        return lambda x: read(values, x), lambda: change(values)

    return made


def of_variable(old, new, read):
    """A step that uses a variable, which then stands for something else."""

    def made():
        value = old()

        def change():
            nonlocal value
            value = new()

        return lambda x: read(value, x), change

    return made


def product(values, x):
    for value in values:
        x = x * value
    return x


def long_list():
    return [1.0] * 99


def array():
    return np.ones(4, np.float32)


COLLECTIONS = {
    "element": of_elements(lambda: [2.0, 3.0], lambda v: v.__setitem__(1, 5.0), product),
    "a longer list": of_elements(lambda: [2.0, 3.0], lambda v: v.append(5.0), product),
    "a shorter list": of_elements(lambda: [2.0, 3.0], lambda v: v.pop(), product),
    "an element of many": of_elements(long_list, lambda v: v.__setitem__(70, 5.0), product),
    "within a list": of_elements(lambda: [[2.0]], lambda v: v[0].__setitem__(0, 5.0), lambda v, x: x * v[0][0]),
    "a layer more": of_elements(lambda: nn.Sequential(nn.Dense(4, 4)), lambda v: v.layers.append(nn.Tanh()),
                                lambda v, x: v(x)),
    "value": of_elements(lambda: {"a": 2.0}, lambda v: v.update(a=5.0), lambda v, x: x * v["a"]),
    "key": of_elements(lambda: {"a": 2.0}, lambda v: v.update(b=5.0), lambda v, x: product(v.values(), x)),
    "order": of_elements(lambda: {"a": 2.0, "b": 3.0}, lambda v: v.update(a=v.pop("a")),
                         lambda v, x: functools.reduce(lambda y, s: (y + s) * s, v.values(), x)),
    "a key without a text": of_elements(lambda: {nn: 2.0}, lambda v: v.update({nn: 5.0}), lambda v, x: x * v[nn]),
    "set": of_elements(lambda: {"a"}, lambda v: v.add("b"), lambda v, x: x * (5 if "b" in v else 2)),
    "deque": of_elements(lambda: collections.deque([2.0]), lambda v: v.appendleft(5.0), lambda v, x: x * v[0]),
    "array": of_elements(array, lambda v: v.__setitem__(1, 5), lambda v, x: x * v),
    "array in a tensor": of_elements(array, lambda v: v.__setitem__(1, 5), lambda v, x: x * tz.tensor(v)),
    "array in a dict": of_elements(lambda: {"a": array()}, lambda v: v["a"].__setitem__(1, 5),
                                   lambda v, x: x * v["a"]),
}

VARIABLES = {
    "function": of_variable(lambda: F.relu, lambda: F.tanh, lambda f, x: f(x)),
    "partial": of_variable(lambda: functools.partial(F.softmax, axis=0), lambda: functools.partial(F.softmax, axis=1),
                           lambda f, x: f(x)),
    "method": of_variable(lambda: nn.Dense(4, 4).forward, lambda: nn.Dense(4, 4).forward, lambda f, x: f(x)),
    "tuple": of_variable(lambda: (2.0, 3.0), lambda: (5.0, 3.0), product),
    "list": of_variable(lambda: [2.0, 3.0], lambda: [5.0, 3.0], product),
    "dict": of_variable(lambda: {"a": 2.0}, lambda: {"a": 5.0}, lambda v, x: x * v["a"]),
    "object": of_variable(lambda: Bag(a=2.0), lambda: Bag(a=5.0), lambda v, x: x * v.a),
    "scalar of NumPy's": of_variable(lambda: np.float32(2), lambda: np.float32(5), lambda v, x: x * v),
    "an integer for a float": of_variable(lambda: 2.0, lambda: 2, lambda v, x: x * (v if type(v) is int else 5)),
    "minus zero": of_variable(lambda: 0.0, lambda: -0.0, lambda v, x: x * np.copysign(1, v).item()),
}

ATTRIBUTES = {
    "namespace": of_attribute(lambda: types.SimpleNamespace(a=2.0), "a", 5.0, lambda v, x: x * v.a),
    "arguments": of_attribute(lambda: argparse.Namespace(a=2.0), "a", 5.0, lambda v, x: x * v.a),
    "slots": of_attribute(Slots, "scale", 5.0, lambda v, x: x * v.scale),
    "property": of_attribute(Named, "_scale", 5.0, lambda v, x: v(x)),
    "getattr": of_attribute(lambda: Bag(a=2.0), "a", 5.0),
    "nested": of_attribute(lambda: Bag(a={"b": [Bag(c=2.0)]}), "a", {"b": [Bag(c=5.0)]},
                           lambda v, x: x * v.a["b"][0].c),
    "private": of_attribute(Scaled, "_private", 5.0, lambda v, x: v(x)),
    "function of a module": of_attribute(Scaled, "act", F.tanh, lambda v, x: v(x)),
    "a new one": of_attribute(Scaled, "extra", 5.0, lambda v, x: v(x)),
    "forward": of_attribute(lambda: nn.Dense(4, 4), "forward", lambda x: x * 5, lambda v, x: v(x)),
    "numbers of a module": of_elements(Scaled, lambda v: v.numbers.__setitem__(0, 5.0), lambda v, x: v(x)),
}

CASES = COLLECTIONS | VARIABLES | ATTRIBUTES


@pytest.mark.parametrize("what", CASES)
def test_what_the_code_finds(what):
    step = follow(CASES[what])
    assert step.replays == 9 - 4, step.explain()


@pytest.mark.parametrize(("owner", "attribute", "step"), [
    (Scaled, "scale", Scaled()), (Named, "rate", Named()), (Named, "rate", Named.fixed), (Named, "rate", Named.common),
    (sys.modules[__name__], "FACTOR", Scaled())])
def test_what_classes_and_globals_say(owner, attribute, step, monkeypatch):
    def made():
        monkeypatch.setattr(owner, attribute, 2.0)
        return lambda x: step(x), lambda: monkeypatch.setattr(owner, attribute, 5.0)

    assert follow(made).replays == 9 - 4


def test_a_method_that_is_replaced():
    def made():
        class Twice(nn.Module):
            def forward(self, x):
                return x * 2

        model = Twice()
        return lambda x: model(x), lambda: setattr(Twice, "forward", lambda self, x: x * 5)

    assert follow(made).replays == 9 - 4


def test_defaults_of_a_function():
    def made():
        rates, model = {"a": 2.0}, nn.Dropout(0.5)

        def inner(x, factor=2.0, *, rates=rates, model=model):
            return model(x) * factor * rates["a"]

        def change():
            inner.__defaults__ = (5.0,)
            rates["a"] = 5.0
            model.p = 0.1

        return lambda x: inner(x), change

    assert follow(made).replays == 9 - 4


def test_code_that_a_notebook_loads_again():
    def made():
        def inner(x):
            return x * 2

        def other(x):
            return x * 5

        return lambda x: inner(x), lambda: setattr(inner, "__code__", other.__code__)

    assert follow(made).replays == 9 - 4


def test_a_file_of_the_user_s(tmp_path, monkeypatch):
    """Its globals, whether its functions are called or its variables read, and its functions themselves."""
    path = tmp_path / "scales_of_mine.py"
    path.write_text("A = B = 2.0\ndef act(x): return x * B\ndef shift(x): return x + 1\n")
    specification = importlib.util.spec_from_file_location("scales_of_mine", path)
    mine = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "scales_of_mine", mine)
    specification.loader.exec_module(mine)
    act = mine.act
    for name, new in (("A", 5.0), ("B", 5.0), ("shift", F.tanh)):
        def made(name=name, new=new):
            monkeypatch.undo()
            monkeypatch.setitem(sys.modules, "scales_of_mine", mine)
            return lambda x: mine.shift(act(x) * mine.A), lambda: monkeypatch.setattr(mine, name, new)

        assert follow(made).replays == 9 - 4


def test_hooks_of_a_leaf():
    def made():
        w = tz.tensor(np.ones(4, np.float32), requires_grad=True)

        def step(x):
            w.grad = None
            ((x * w) ** 2).sum().backward()
            return w.grad

        return step, lambda: w.register_hook(lambda g: g * 5)

    assert follow(made).replays == 5 - 2


def test_an_optimizer_of_the_user_s():
    class Mine(optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, lr=0.1)
            self._factor, self.cfg = 1.0, {"decay": 1.0}

        def update(self, p, g, state, lr):
            return p * self.cfg["decay"] - lr * g * self._factor

    for change in (lambda o: setattr(o, "_factor", 5.0), lambda o: o.cfg.update(decay=0.5)):
        def made(change=change):
            w = tz.tensor(np.ones(4, np.float32), requires_grad=True)
            optimizer = Mine([w])

            def step(x):
                optimizer.zero_grad()
                loss = ((x * w) ** 2).mean()
                loss.backward()
                optimizer.step()
                return loss

            return step, lambda: change(optimizer)

        assert follow(made).replays == 9 - 4


def test_the_dtype_of_python_s_numbers():
    def made():
        tz.set_default_dtype(np.float32)
        return lambda x: tz.tensor([2.0]) * 3, lambda: tz.set_default_dtype(np.float64)

    try:
        follow(made)
    finally:
        tz.set_default_dtype(np.float32)


@pytest.mark.parametrize("draw", [np.random.default_rng(1).random, random.Random(1).random,
                                  lambda: tz.default_generator().random()])
def test_generators_that_python_draws_from(draw):
    """The branch is nearly always the same, and there are masks of ops around it."""
    step = tz.compile(lambda x: F.dropout(F.dropout(x, 0.5) * (2 if draw() < 2 else 3), 0.5), kernels="formulas")
    for _ in range(4):
        step(X)
    with in_language("en"):
        assert step.replays == 0 and "draws random numbers without an op" in step.explain()


def test_a_large_array_that_can_be_written_to():
    """A tensor of it is a leaf, and what is frozen stays what it is."""
    large = np.ones((1024, 300), np.float32)

    def step(x):
        return (large * x[0, 0]).sum()

    refused = tz.compile(step, kernels="formulas")
    for _ in range(4):
        refused(X)
    with in_language("en"):
        assert refused.replays == 0 and "The step looks at large, a large array" in refused.explain()
    large.setflags(write=False)
    taken = tz.compile(step, kernels="formulas")
    for _ in range(4):
        taken(X)
    assert taken.replays == 2


def test_a_class_that_the_step_makes_objects_of():
    def made():
        rates = [2.0]

        class Pair:
            def __init__(self, x):
                self.x, self.y = x, x * rates[0]

        return lambda x: Pair(x).y, lambda: rates.__setitem__(0, 5.0)

    assert follow(made).replays == 9 - 4


def test_what_no_code_names_is_left_alone():
    """A trainer that keeps its losses, its last result and a table of options that this step does not read."""
    class Trainer:
        def __init__(self):
            self.model, self.losses, self.options, self.last = nn.Dense(4, 3), [], {"epochs": 3}, None

        def step(self, x):
            return self.model(x).sum()

        def fit(self):
            for number in range(6):
                self.last = self.compiled(X)
                self.losses.append(self.last)
                self.options["epochs"] = number

    trainer = Trainer()
    trainer.compiled = tz.compile(trainer.step, kernels="formulas")
    trainer.fit()
    assert trainer.compiled.replays == 4, trainer.compiled.explain()


def test_classes_of_the_user_s_are_not_kept_alive():
    def compiled():
        class Local(nn.Module):
            def forward(self, x):
                return x * 2

        model = Local()
        return tz.compile(lambda x: model(x), kernels="formulas"), weakref.ref(Local)

    step, made = compiled()
    for _ in range(3):
        step(X)
    del step
    gc.collect()
    assert made() is None
