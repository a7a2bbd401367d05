"""The step that the stepper opens: of every system, the same each time, and the one that its training takes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tinygrad_zh import data
from tinygrad_zh.core import Tensor, manual_seed, record, tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents import SYSTEMS, s1, s2, s3, s5, s6, s7, s8, s11
from tinygrad_zh.documents.gpt import corpus as corpora
from tinygrad_zh.documents.gpt import training as gpt
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.s4 import reviews
from tinygrad_zh.documents.training import step
from tinygrad_zh.train import ClippedNorm, Minibatches, fit


def prepared(name: str) -> Any:
    if name == "s2":
        pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    return import_module(SYSTEMS[name]).first_step()


def values(tape: Any) -> list[bytes]:
    return [np.asarray(array).tobytes() for line in tape if line.kind != "leave" for array in line.outputs]


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_goes_forward_and_backward_and_updates_every_parameter(name: str) -> None:
    take = prepared(name)
    trained = next(part for part in take.args if hasattr(part, "parameters") or isinstance(part, Tensor))
    parameters = [trained] if isinstance(trained, Tensor) else trained.parameters()
    before = [p.numpy() for p in parameters]
    with record() as tape:
        take()
    assert len(tape.of("seed")) == 1
    assert len(tape.of("backward")) >= 2
    updated = {id(line.info["tensor"]) for line in tape.of("assign")}
    assert updated >= {id(p) for p in parameters}
    assert all(np.isfinite(p.numpy()).all() for p in parameters)
    assert sum((p.numpy() != old).any() for p, old in zip(parameters, before, strict=True)) >= len(parameters) / 2


@pytest.mark.parametrize("name", SYSTEMS)
def test_only_the_step_is_recorded_of_few_samples_and_always_the_same(name: str) -> None:
    tapes = []
    for _ in range(2):
        take = prepared(name)
        with record() as tape:
            take()
        tapes.append(tape)
    assert values(tapes[0]) == values(tapes[1])
    assert tapes[0][0].kind in ("enter", "forward")
    batch = next(len(a) for a in take.args[1:] if getattr(a, "ndim", 0) > 1)
    assert 2 <= batch <= 8


class Caught(Exception):
    """What a system was about to train with."""


def caught(monkeypatch: pytest.MonkeyPatch, module: Any, train: Any) -> dict[str, Any]:
    """The arguments that a system's training gives to `fit`."""
    def fit(model: Any, pair: Any, **keywords: Any) -> None:
        raise Caught({"model": model, **keywords})

    monkeypatch.setattr(module, "fit", fit)
    with pytest.raises(Caught) as found:
        train()
    given: dict[str, Any] = found.value.args[0]
    return given


def few(take: Any) -> tuple[Any, Any]:
    return take.args[1].numpy(), take.args[2]


def task() -> Any:
    return s5.standardised(data.plane(noise=s5.NOISE), s5.PLANE, seed=0)


TRAININGS = {
    "s1": (s1, lambda take: s1.train_once(0, 1)),
    "s2": (s2, lambda take: s2.train_once(s2.RECIPES["document"], few(take), few(take))),
    "s3": (s3, lambda take: s3.train(Options(), *s3.images(Options()))),
    "s4": (reviews, lambda take: reviews.optimize(reviews.network(), few(take), few(take), reviews.DOCUMENT)),
    "s5": (s5, lambda take: s5.train_once(0, task(), 1, 10)),
    "s7": (s7, lambda take: s7.train_once(0, 1)),
    "s11": (s11, lambda take: s11.train(s11.network(), Options(), *s11.images(Options()))),
    "gpt": (gpt, lambda take: gpt.train(Options(epochs=1), corpora.cut("从前面的字猜下一个字。" * 200, gpt.WINDOW))),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_the_model_the_loss_and_the_optimizer_are_those_of_the_training(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = prepared(name)
    model, _, _, loss, optimizer = take.args[:5]
    module, train = TRAININGS[name]
    trained = caught(monkeypatch, module, lambda: train(take))
    assert loss is trained["loss"]
    assert type(optimizer) is type(trained["optimizer"])
    kept = ("parameters", "state", "_rates", "_lr")
    assert ({key: value for key, value in vars(optimizer).items() if key not in kept}
            == {key: value for key, value in vars(trained["optimizer"]).items() if key not in kept})
    if name != "gpt":  # whose rate warms up to this one, and whose vocabulary is another
        assert optimizer.lr == trained["optimizer"].lr
        assert repr(model) == repr(trained["model"])
    assert type(model) is type(trained["model"])
    clips = [callback.norm for callback in trained.get("callbacks", ()) if isinstance(callback, ClippedNorm)]
    assert clips == list(take.args[5:])


@pytest.mark.parametrize("name", TRAININGS)
def test_the_step_is_the_one_that_fit_takes(name: str) -> None:
    ours, theirs = prepared(name).args, prepared(name).args
    (model, x, y, *rest), (trained, _, _, loss, optimizer, *clips) = ours, theirs
    ((order,),) = Minibatches(np.arange(len(y)), batch_size=len(y), generator=philox(5))
    manual_seed(1)  # dropout's masks
    step(model, tensor(x.numpy()[order]), y[order], *rest)
    manual_seed(1)
    fit(trained, (x.numpy(), y), loss=loss, optimizer=optimizer, batch_size=len(y), generator=philox(5),
        callbacks=[ClippedNorm(norm) for norm in clips], progress="none")
    for p, q in zip(model.parameters(), trained.parameters(), strict=True):
        assert p.numpy().tobytes() == q.numpy().tobytes()


def test_s6_takes_the_step_of_its_own_training() -> None:
    assert s6.first_step().func is s6.step
    assert all(prepared(name).func is step for name in TRAININGS if name != "s2")


def test_s8_takes_the_step_that_its_descent_takes() -> None:
    take = s8.first_step()
    w, X, y, alpha = take.args
    descended = s8.descend(s8.backpropagated, w.numpy(), X, y, alpha, 1)
    take()
    assert w.numpy().tobytes() == descended.tobytes()
