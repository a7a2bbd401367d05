"""Watch: what a network does while it learns, on a page that draws itself as training goes on."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable
from importlib.resources import files
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.device import move
from tinygrad_zh.i18n import text
from tinygrad_zh.nn import Module
from tinygrad_zh.stepper.live.film import Film, encoded
from tinygrad_zh.stepper.live.measure import Array, activations, histogram, norm
from tinygrad_zh.stepper.live.pace import Moment, Pace
from tinygrad_zh.stepper.live.probe import Probe
from tinygrad_zh.stepper.live.stream import Stream
from tinygrad_zh.stepper.recording import Trace
from tinygrad_zh.train import Callback

if TYPE_CHECKING:
    from tinygrad_zh.stepper.live.server import Answer, Server
    from tinygrad_zh.stepper.page import Extra
    from tinygrad_zh.train import Run

SAMPLES = 32
BLINK = 0.01
"""Seconds between looking around: to ask after every step what is due would cost a tiny network more than the looks."""
KEEPING = 0.98
"""Of the running average of the loss, what a step leaves: it looks back about 50 steps."""
MEASURING, PROBING, TELLING, WRITING = 0.01, 0.0075, 0.005, 0.0025
"""Shares of the training's time: 2.5 % together, so that with what each step notes, and with caches that are cold after
a look, watching takes less than 5 % (benchmarks/live.py)."""


class Watch(Callback):
    """Weights, gradients, activations and dead units of a network that is learning, on a page. 中文：观看训练。

    As a callback, `fit(…, callbacks=[Watch()])`, it prints a link to a page of this machine alone, which shows every
    step's loss, and as often as 5 % of the time allows (or `every` so many steps) ‖W‖, ‖∂L/∂W‖ and ‖ΔW‖ / ‖W‖ of
    each parameter with histograms, and mean, spread and dead or saturated units of each activation. The latest probe,
    a few samples forward and backward, can be stepped through while training goes on. In a loop of one's own:

        with tz.stepper.Watch(x[:32], y[:32], loss) as watch:
            for …:
                loss(model(x), y).backward()
                watch.step(model, value)          # after the backward, before the update
                optimizer.step()

    x, y, loss: the probe; those of `fit`, the first 32 samples, unless given. Training is as if nobody watched, to
    the bit. port: 0 is any free one, None no page. path: a file that holds the whole page, written now and then and
    at the end; it needs no network. open: also open the page in a browser.

    Raises OSError for a port or a path that cannot be used, and what the model or the loss raises on the probe, all
    before the first step. Whatever goes wrong with watching later is a warning, and training goes on.
    """

    observer = True

    def __init__(self, x: Any = None, y: Any = None, loss: Callable[[Any, Any], Tensor] | None = None, *,
                 port: int | None = 0, path: str | PathLike[str] | None = None, every: int | None = None,
                 open: bool = False, title: str = "") -> None:
        if not (x is None) == (y is None) == (loss is None):
            raise ValueError("Watch: a probe is x, y and loss; give all three, or none")
        if every is not None and every < 1:
            raise ValueError(f"Watch: every is a number of steps ≥ 1, not {every}")
        self.probe = None if loss is None else Probe(x, y, loss)
        self.port, self.path, self.every, self.open, self.title = port, path, every, open, title
        self.film = Film(title)
        self.stream = Stream(lambda: self.film.whole())
        self.server: Server | None = None
        self.runs = 0
        self._trace: Trace | None = None
        self._model: Module | None = None

    # ---- as a callback of fit

    def on_begin(self, run: Run) -> None:
        x, y = run.data
        self._begin(run.model, self.probe or Probe(x[:SAMPLES], y[:SAMPLES], run.loss))

    def on_step(self, run: Run) -> None:
        self.film.facts["epoch"] = run.epoch + 1
        self.step(run.model, run.value)

    def on_epoch(self, run: Run) -> None:
        self._note()
        with self.stream.changed:
            for name, values in run.history.items():
                if "/" not in name:
                    self.film.add(f"figure/{name}", self.film.facts["step"], values[-1])

    def on_end(self, run: Run) -> None:
        stopped = run.history.stopped
        self._end("interrupted" if stopped == "interrupted" else "ended", stopped)

    def on_error(self, run: Run, error: BaseException) -> None:
        if not math.isfinite(run.value):
            self._losses.append(run.value)  # of a step that was not taken
        self._failed(error)

    # ---- in a loop of one's own

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.film.facts["state"] == "running":
            self._end("ended") if error is None else self._failed(error)
        self.close()

    def step(self, model: Module, loss: Tensor | float) -> None:
        """One step of training: after the backward, before the update. loss: this step's, one number."""
        if self.film.facts["state"] != "running":
            self._begin(model, self.probe)
        self._losses.append(float(loss.array.item() if isinstance(loss, Tensor) else loss))
        if self._before or self.every is not None or time.perf_counter() >= self._wake:
            self._look_around(model)

    def _look_around(self, model: Module) -> None:
        """Whatever is due."""
        self._note()
        now = Moment.now()
        if self._before:
            self._look(self._measuring, self._updates, model)
        if self._due(self._measuring, now):
            self._look(self._measuring, self._measure, model)
        if self._due(self._probing, now):
            self._look(self._probing, self._look_inside, model)
        if self._telling.due(now):
            self._look(self._telling, self._tell)
        if self.path is not None and self._writing.due(now):
            self._look(self._writing, self._write)
        self._wake = time.perf_counter() + BLINK

    @property
    def url(self) -> str | None:
        """Where the page is, from the first step on. 中文：网址。"""
        return None if self.server is None else self.server.url

    def close(self) -> None:
        """No page any more at this address; pages that are open stay as they are. 中文：关闭网页服务。"""
        self.stream.close()
        if self.server is not None:
            self.server.close()
            self.server = None

    # ---- what happens

    def _begin(self, model: Module, probe: Probe | None) -> None:
        self._model, self._probe = model, probe
        self._measuring, self._probing = Pace(MEASURING), Pace(PROBING)
        self._telling, self._writing = Pace(TELLING, least=0.25), Pace(WRITING, least=10.0)
        self._losses: list[float] = []
        self._average, self._finite = 0.0, 0
        self._wake = 0.0
        self._before: dict[str, Array] = {}
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._began = time.perf_counter()
        self._trace = None
        self.runs += 1
        film = Film(self.title or type(model).__name__)
        film.facts["run"] = self.runs
        film.facts["parameters"] = [{"name": name, "shape": list(p.shape)} for name, p in model.named_parameters()]
        with self.stream.changed:
            self.film = film
        with np.errstate(all="ignore"):
            error = self._look_inside(model)
            if error is not None:
                raise error
        if self.path is not None:
            self._write()
        if self.port is not None and self.server is None:
            self._serve(self.port)
        film.facts["state"] = "running"
        self.stream.tell("whole", encoded(film.whole()))

    def _serve(self, port: int) -> None:
        from tinygrad_zh.stepper.live.server import Server

        self.stream.closed = False
        self.server = Server({"": self._page, "events": self._events, "step": self._steps}, port)
        print(text("stepper.live.address", url=self.url), flush=True)
        if self.open:
            import webbrowser

            webbrowser.open(self.server.url)

    def _note(self) -> None:
        """The losses of the steps since the last time, and their running average."""
        losses, self._losses = self._losses, []
        facts = self.film.facts
        with self.stream.changed:
            for step, value in enumerate(losses, facts["step"] + 1):
                self.film.add("loss", step, value)
                if math.isfinite(value):
                    self._finite += 1
                    self._average += (value - self._average) * max(1 - KEEPING, 1 / self._finite)
            facts["step"] += len(losses)
            facts["seconds"] = time.perf_counter() - self._began
            if self._finite:
                self.film.add("average", facts["step"], self._average)

    def _due(self, pace: Pace, now: Moment) -> bool:
        return pace.due(now) if self.every is None else (self.film.facts["step"] - 1) % self.every == 0

    def _look(self, pace: Pace, look: Callable[..., Any], *arguments: Any) -> None:
        """Hours of training do not end because watching them went wrong."""
        try:
            with pace.look(), np.errstate(all="ignore"):
                look(*arguments)
        except Exception as error:
            warnings.warn(f"watching went wrong, training goes on: {type(error).__name__}: {error}", RuntimeWarning,
                          stacklevel=3)

    def _measure(self, model: Module) -> None:
        """Norms and histograms of each parameter and its gradient."""
        step = self.film.facts["step"]
        for name, p in model.named_parameters():
            w = self._before[name] = move(p.array, "cpu")
            g = None if p.grad is None else move(p.grad.array, "cpu")
            found = {"weight": norm(w)} | ({} if g is None else {"gradient": norm(g)})
            drawn = {"weights": histogram(w)} | ({} if g is None else {"gradients": histogram(g)})
            with self.stream.changed:
                for curve, value in found.items():
                    self.film.add(f"{curve}/{name}", step, value)
                for strip, counts in drawn.items():
                    self.film.strip(f"{strip}/{name}", counts)

    def _updates(self, model: Module) -> None:
        """‖ΔW‖ / ‖W‖ of the step before, which was measured: a parameter's arrays never change, so the old one is still
        what it was."""
        measured, self._before = self._before, {}
        for name, p in model.named_parameters():
            before = measured.get(name)
            if before is not None and (size := norm(before)):
                ratio = norm(move(p.array, "cpu") - before) / size
                with self.stream.changed:
                    self.film.add(f"update/{name}", self.film.facts["step"] - 1, ratio)

    def _look_inside(self, model: Module) -> Exception | None:
        """Run the probe, note what its activations do, and keep it for whoever wants to step through it."""
        if self._probe is None:
            return None
        step = self.film.facts["step"]
        trace, error = self._probe.run(model, f"{self.film.facts['title']} · {step}")
        found = activations(trace, self._paths)
        with self.stream.changed:
            self._trace = trace
            self.film.facts["activations"] = [{"name": each.name, "op": each.op, "units": each.stuck.size,
                                               "samples": len(each.y)} for each in found]
            self.film.facts["probed"] = step
            for each in found:
                for curve, value in {"mean": each.y.mean(), "std": each.y.std(), "stuck": each.share()}.items():
                    self.film.add(f"{curve}/{each.name}", step, float(value))
                self.film.strip(f"outputs/{each.name}", histogram(each.y))
                self.film.strip(f"stuck/{each.name}", each.cells())
        return error

    def _tell(self) -> None:
        with self.stream.changed:
            news = self.film.news()
        self.stream.tell("news", encoded(news))

    def _failed(self, error: BaseException) -> None:
        interrupted = isinstance(error, KeyboardInterrupt)
        self._end(*("interrupted", None) if interrupted else ("failed", f"{type(error).__name__}: {error}"))

    def _end(self, state: str, why: str | None = None) -> None:
        """The last look, and the last word to every viewer: with it their pages need nothing more from here."""
        self._note()
        self._look(self._probing, self._look_inside, self._model)
        self.film.facts |= {"state": state, "why": why}
        if self.path is not None:
            self._look(self._writing, self._write)
        if self.server is not None:
            self._look(self._telling, self._last_word)
        self._model = None

    def _last_word(self) -> None:
        self._tell()
        self.stream.tell("documents", self._json())
        self.stream.settle(seconds=1.0)

    # ---- what is served and written

    def _documents(self) -> list[dict[str, Any]]:
        """The latest probe as a document; built when it is wanted, in the thread of who wants it."""
        trace = self._trace
        return [] if trace is None else [trace.document().data]

    def _page(self) -> Answer:
        from tinygrad_zh.stepper.page import page

        return "text/html", page(self._documents(), title=self.film.facts["title"], extra=_view(None))

    def _events(self) -> Answer:
        return "text/event-stream", self.stream.read()

    def _steps(self) -> Answer:
        return "application/json", self._json()

    def _json(self) -> str:
        return json.dumps(self._documents(), allow_nan=False, ensure_ascii=False)

    def _write(self) -> None:
        """The page of a moment, as a file of its own."""
        from tinygrad_zh.stepper.page import save

        path = Path(self.path)  # type: ignore[arg-type]
        path = path if self.runs == 1 else path.with_stem(f"{path.stem}-{self.runs}")
        with self.stream.changed:
            film = self.film.whole()
        save(path, self._documents(), title=film["title"], extra=_view(json.loads(encoded(film))))


def _view(film: dict[str, Any] | None) -> Extra:
    """The page's view of the training: of a film that is over, or of one that comes from the same address."""
    from tinygrad_zh.stepper.page import Extra

    script, style = (files("tinygrad_zh.stepper.page").joinpath(f"live.{kind}").read_text(encoding="utf-8")
                     for kind in ("js", "css"))
    return Extra(script, style, {"film": film}, "'none'" if film else "'self'")
