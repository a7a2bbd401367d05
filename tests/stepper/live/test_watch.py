"""Watching a training through the socket and the file: what is told, when, and what happens when things go wrong."""

from __future__ import annotations

import base64
import json
import re
import signal
import threading
import urllib.error
import zlib
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.stepper.live.web import Viewer, get
from tests.train.problems import classes, everything, mlp, quietly
from tinygrad_zh import functional as F
from tinygrad_zh.stepper import Watch
from tinygrad_zh.stepper.live.pace import Pace
from tinygrad_zh.stepper.live.stream import KEPT
from tinygrad_zh.train import Callback


@pytest.fixture
def watching():
    """Watches that are closed after the test."""
    made = []

    def watch(*arguments, **keywords):
        made.append(Watch(*arguments, **keywords))
        return made[-1]

    yield watch
    for each in made:
        each.close()


def data_of(path):
    """What the page holds, unpacked."""
    attributes, held = re.search(r'<script id="data"([^>]*)>(.*?)</script>', path.read_text("utf-8"), re.S).groups()
    return json.loads(zlib.decompress(base64.b64decode(held)) if "deflate" in attributes else held)


class At(Callback):
    """Do something in one step of a training."""

    def __init__(self, step, do):
        self.step, self.do, self.steps = step, do, 0

    def on_step(self, run):
        self.steps += 1
        if self.steps == self.step:
            self.do()


def merged(events):
    """The film as a page has it after these events."""
    film = None
    for kind, data in events:
        if kind == "whole":
            film = data
        elif kind == "news":
            curves = film["curves"]
            for name, (steps, values) in data.pop("curves").items():
                known = curves.setdefault(name, [[], []])
                for step, value in zip(steps, values, strict=True):
                    if not known[0] or step > known[0][-1]:
                        known[0].append(step)
                        known[1].append(value)
            film |= data
    return film


def train(watch, epochs=3, callbacks=(), **options):
    model = mlp()
    return model, quietly(model, classes(), epochs=epochs, callbacks=[*callbacks, watch], **options)


# ---- what is seen


def test_every_figure_is_the_trainings(watching):
    watch = watching(port=None, every=1)
    model = mlp()
    optimizer = tz.optim.Adam(model.parameters(), 0.01)
    norms, weights, losses = [], [], []

    class Notes(Callback):
        def on_step(self, run):
            norms.append(np.linalg.norm(run.model[0].W.grad.numpy()))
            weights.append(run.model[0].W.numpy())
            losses.append(run.value)

    history = quietly(model, classes(), optimizer=optimizer, epochs=3, callbacks=[Notes(), watch])
    weights.append(model[0].W.numpy())
    curves = watch.film.curves
    steps = list(range(1, 13))
    assert curves["loss"].steps == curves["gradient/0.W"].steps == steps
    assert curves["loss"].values == losses
    np.testing.assert_allclose(curves["gradient/0.W"].values, norms, rtol=1e-6)
    np.testing.assert_allclose(curves["weight/0.W"].values, [np.linalg.norm(w) for w in weights[:-1]], rtol=1e-6)
    ratios = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in pairwise(weights)]
    assert curves["update/0.W"].steps == steps[:-1]  # of the last step nobody asks any more
    np.testing.assert_allclose(curves["update/0.W"].values, ratios[:-1], rtol=1e-4)
    assert curves["figure/loss"].values == history["loss"]
    assert watch.film.facts["state"] == "ended" and watch.film.facts["epoch"] == 3


def test_the_probe_is_the_first_samples_in_inference(watching):
    watch = watching(port=None, every=1)
    model = everything()
    x, y = classes()
    quietly(model, (x, y), epochs=1, callbacks=[watch])
    model.eval()
    outputs = F.relu(model[1](model[0](tz.tensor(x[:32])))).numpy()
    curves = watch.film.curves
    assert watch.film.facts["activations"] == [{"name": "2 ReLU", "op": "ReLU", "units": 8, "samples": 32}]
    assert curves["mean/2 ReLU"].steps[0] == 0
    assert curves["mean/2 ReLU"].values[-1] == pytest.approx(outputs.mean(), rel=1e-5)
    assert curves["std/2 ReLU"].values[-1] == pytest.approx(outputs.std(), rel=1e-5)
    assert curves["stuck/2 ReLU"].values[-1] == (outputs == 0).all(axis=0).mean()


def test_a_probe_of_ones_own(watching):
    x, y = classes()
    watch = watching(x[40:50], y[40:50], F.cross_entropy, port=None)
    model, _ = train(watch)
    trace = watch._trace
    loss = next(line for line in reversed(trace) if line.kind == "forward").outputs[0]
    assert loss == pytest.approx(F.cross_entropy(model(x[40:50]), y[40:50]).item(), rel=1e-6)


def test_a_gradient_that_is_missing_is_no_zero(watching):
    watch = watching(port=None, every=1)
    model = mlp()
    watch.step(model, 1.0)
    assert "gradient/0.W" not in watch.film.curves and "weight/0.W" in watch.film.curves


def test_every_steps_loss_is_seen_though_looks_are_rare(watching):
    watch, losses = watching(port=None), []
    model = mlp()
    for step in range(500):
        losses.append(1 / (step + 1))
        watch.step(model, losses[-1])
    watch._end("ended")
    curve = watch.film.curves["loss"]
    assert curve.steps == list(range(1, 501)) and curve.values == losses


# ---- in a loop of one's own


def test_a_loop_of_ones_own(watching, capsys):
    x, y = classes()
    model = mlp()
    optimizer = tz.optim.SGD(model.parameters(), 0.1)
    with watching(x, y, F.cross_entropy, every=1, title="mine") as watch:
        for _ in range(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            watch.step(model, loss)
            optimizer.step()
        viewer = Viewer(watch.url)
        url = watch.url
    film = merged(viewer.all())
    assert film["title"] == "mine" and film["state"] == "ended" and film["step"] == 5
    assert film["curves"]["loss"][0] == [1, 2, 3, 4, 5]
    assert watch.url is None
    with pytest.raises(urllib.error.URLError):
        get(url)
    assert url in capsys.readouterr().out


def test_a_loop_that_raises_has_failed_and_a_loop_that_is_interrupted_was(watching):
    cases = [(ValueError("so"), "failed", "ValueError: so"), (KeyboardInterrupt(), "interrupted", None)]
    for error, state, why in cases:
        watch = watching(port=None)
        with pytest.raises(type(error)), watch:
            watch.step(mlp(), 1.0)
            raise error
        assert (watch.film.facts["state"], watch.film.facts["why"]) == (state, why)


def test_without_a_probe_there_are_curves_and_nothing_to_step_through(watching):
    watch = watching()
    watch.step(mlp(), 1.0)
    assert json.loads(get(watch.url + "step")[1]) == []
    assert "<html" in get(watch.url)[1]


# ---- viewers


def test_a_viewer_who_comes_in_the_middle_has_the_whole_history_and_the_end(watching):
    watch = watching(every=1)
    seen = []

    def look():
        viewer = Viewer(watch.url)
        seen.append(viewer.next())
        threads.append(threading.Thread(target=lambda: seen.extend(viewer.all())))
        threads[0].start()

    threads = []
    train(watch, callbacks=[At(6, look)])
    watch.close()
    threads[0].join(30)
    kind, data = seen[0]
    assert kind == "whole" and data["curves"]["loss"][0] == [1, 2, 3, 4, 5]
    film = merged(seen)
    assert film["state"] == "ended" and film["curves"]["loss"][0] == list(range(1, 13))
    (documents,) = [data for kind, data in seen if kind == "documents"]
    assert documents[0]["schema"] == "tinygrad_zh.trace/1"


def test_many_viewers_see_the_same(watching):
    watch = watching(every=1)
    viewers = []
    train(watch, callbacks=[At(2, lambda: viewers.extend(Viewer(watch.url) for _ in range(12)))])
    watch.close()
    films = [merged(viewer.all()) for viewer in viewers]
    assert all(film == films[0] for film in films) and films[0]["state"] == "ended"


def test_a_viewer_that_never_reads_does_not_hold_the_training_up(watching):
    watch = watching(every=1)
    viewers = []

    def come():
        viewers.extend(Viewer(watch.url) for _ in range(3))
        watch._telling = Pace(1e9)  # tell at every step: more than a socket takes up

    _, history = train(watch, epochs=150, callbacks=[At(1, come)])
    assert len(history["loss"]) == 150 and watch.film.facts["state"] == "ended"
    assert len(watch.stream._messages) <= KEPT


def test_a_viewer_that_goes_does_not_disturb(watching, capsys):
    watch = watching(every=1)

    def come_and_go():
        viewer = Viewer(watch.url)
        viewer.next()
        viewer.close()

    train(watch, callbacks=[At(2, come_and_go), At(5, come_and_go)])
    assert watch.film.facts["state"] == "ended" and "Traceback" not in "".join(capsys.readouterr())


def test_the_latest_probe_can_be_stepped_through_while_training_goes_on(watching):
    watch = watching(every=1)
    titles = []
    train(watch, callbacks=[At(3, lambda: titles.append(json.loads(get(watch.url + "step")[1])[0]["meta"]["title"]))])
    assert titles == ["Sequential · 2"]


def test_a_second_training_is_a_new_film(watching, capsys):
    watch = watching(every=1)
    train(watch)
    viewer = Viewer(watch.url)
    assert viewer.next()[1]["run"] == 1
    train(watch, epochs=1)
    watch.close()
    film = merged(viewer.all())
    assert film["run"] == 2 and film["curves"]["loss"][0] == [1, 2, 3, 4]
    assert capsys.readouterr().out.count("http://") == 1


def test_the_browser_is_opened_only_when_asked(watching, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    train(watching())
    assert opened == []
    watch = watching(open=True)
    train(watch)
    assert opened == [watch.url]


# ---- what goes wrong


def test_nan_is_told_and_the_training_says_where(watching):
    watch = watching(every=1)
    viewers = []
    losses = iter([1.0, 1.0, 1.0, float("nan")])

    def loss(prediction, y):
        watched = prediction.shape[0] == 32  # the probe's samples, twice as many as a batch's
        return F.cross_entropy(prediction, y) * (1.0 if watched else next(losses))

    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1, batch 4"):
        train(watch, loss=loss, callbacks=[At(1, lambda: viewers.append(Viewer(watch.url)))])
    watch.close()
    film = merged(viewers[0].all())
    assert film["state"] == "failed" and film["why"].startswith("FloatingPointError: the loss is nan")
    assert film["curves"]["loss"][0] == [1, 2, 3, 4] and film["curves"]["loss"][1][-1] == "nan"


def test_in_a_loop_of_ones_own_nan_goes_on_being_shown(watching, tmp_path):
    x, y = classes()
    model = mlp()
    with watching(x, y, F.cross_entropy, port=None, every=1, path=tmp_path / "nan.html") as watch:
        for _ in range(3):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            watch.step(model, loss)
            model[0].W.assign(np.full(model[0].W.shape, np.nan, np.float32))
            model.zero_grad()
    curves = watch.film.curves
    assert np.isnan(curves["loss"].values[1:]).all() and np.isnan(curves["weight/0.W"].values[1:]).all()
    assert np.isnan(curves["gradient/2.W"].values[1:]).all()
    assert watch.film.now["weights/0.W"]["nan"] == model[0].W.size
    film = data_of(tmp_path / "nan.html")["extra"]["film"]
    assert film["schema"] == "tinygrad_zh.live/1" and film["curves"]["loss"][1][1:] == ["nan", "nan"]


def test_a_probe_that_cannot_run_is_said_before_the_first_step(watching):
    x, y = classes()
    watch = watching(x[:, :3], y, F.cross_entropy, port=None)
    model = mlp()
    before = model[0].W.numpy()
    with pytest.raises(ValueError, match=r"Dense\(4 → 8\) takes \(…, 4\), not \(60, 3\)"):
        quietly(model, (x, y), epochs=1, callbacks=[watch])
    assert (model[0].W.numpy() == before).all()


def test_what_goes_wrong_later_is_a_warning(watching, monkeypatch):
    watch = watching(port=None, every=1)

    def fall(model):
        raise ZeroDivisionError("in the watch")

    monkeypatch.setattr(watch, "_measure", fall)
    with pytest.warns(RuntimeWarning, match=r"watching went wrong, training goes on: ZeroDivisionError: in the watch"):
        _, history = train(watch)
    assert len(history["loss"]) == 3


def test_a_path_that_cannot_be_written_is_said_before_the_first_step(watching, tmp_path):
    with pytest.raises(OSError, match="nowhere"), watching(path=tmp_path / "nowhere" / "out.html") as watch:
        train(watch)
    assert watch.film.facts["state"] == "waiting" and watch.url is None


@pytest.mark.parametrize(("arguments", "match"), [
    (([1.0],), "all three, or none"),
    ((None, None, F.mse_loss), "all three, or none"),
])
def test_half_a_probe_is_none(arguments, match):
    with pytest.raises(ValueError, match=match):
        Watch(*arguments)


def test_every_is_a_number_of_steps():
    with pytest.raises(ValueError, match="every is a number of steps ≥ 1, not 0"):
        Watch(every=0)


def test_ctrl_c_ends_after_the_step_and_the_page_says_so(watching):
    watch = watching(every=1)
    viewers = []

    def interrupt():
        viewers.append(Viewer(watch.url))
        signal.raise_signal(signal.SIGINT)

    _, history = train(watch, callbacks=[At(2, interrupt)])
    watch.close()
    film = merged(viewers[0].all())
    assert history.stopped == "interrupted" and film["state"] == "interrupted"
    assert film["curves"]["loss"][0] == [1, 2]


# ---- the file


def test_the_file_holds_the_whole_training(watching, tmp_path):
    train(watching(port=None, path=tmp_path / "out.html", every=1))
    held = data_of(tmp_path / "out.html")
    film = held["extra"]["film"]
    assert film["state"] == "ended" and film["curves"]["loss"][0] == list(range(1, 13))
    assert held["documents"][0]["schema"] == "tinygrad_zh.trace/1"
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


def test_the_file_is_there_from_the_first_step_and_written_again(watching, tmp_path):
    path = tmp_path / "out.html"
    watch = watching(port=None, path=path, every=1)
    states = []

    def due():
        states.append(data_of(path)["extra"]["film"]["step"])
        watch._writing = Pace(1e9)

    train(watch, callbacks=[At(1, due), At(3, due), At(5, due)])
    assert states == [0, 2, 4]  # as often as its share of the time allows: here always
    assert data_of(path)["extra"]["film"]["step"] == 12


def test_a_second_training_has_a_file_of_its_own(watching, tmp_path):
    watch = watching(port=None, path=tmp_path / "out.html")
    train(watch)
    train(watch, epochs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.html", "out.html"]
