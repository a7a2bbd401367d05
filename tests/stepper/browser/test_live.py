"""The page of a training in a real browser: while it goes on, after its end, as a file, and when it goes wrong."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.stepper.browser.screen import Screen, number
from tests.train.problems import classes
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.stepper import Watch
from tinygrad_zh.train import Callback, fit

CHARTS = ("loss", "gradient", "update", "activation", "stuck")


class Page(Screen):
    """A tab at the address of a training; requests may go there and nowhere else."""

    @classmethod
    def at(cls, browser, url, **context):
        options = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US"}
        page = cls(browser.new_context(**options | context).new_page())
        page.home = url
        page.tab.goto(url)
        page.wait()
        return page

    home = "file:"

    def _requested(self, url):
        if not url.startswith((self.home, "data:", "blob:", "about:")):
            self.mistakes.append(f"asked for {url}")

    def until(self, name, pattern):
        """Wait until what can be read there matches."""
        self.tab.wait_for_function(
            "([name, pattern]) => new RegExp(pattern).test(document.querySelector(`[data-testid=${name}]`)?.innerText)",
            arg=[name, pattern])

    def seen_step(self):
        return int(self.tab.get_by_test_id("live-facts").inner_text().split()[1])

    def row(self, table, name):
        """The cells of one row."""
        rows = self.tab.get_by_test_id(f"live-{table}").locator("tbody tr")
        row = rows.filter(has=self.tab.get_by_text(name, exact=True))
        assert row.count() == 1
        return row

    def lines(self, chart):
        return self.tab.get_by_test_id(f"live-chart-{chart}").locator(".drawing path.line")


def network(dead=3):
    """4–8–8–3 with ReLU and tanh; so many units of the ReLU are dead from the beginning."""
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 8), nn.Tanh(), nn.Dense(8, 3))
    model[0].b.assign(np.where(np.arange(8) < dead, -1000, 0.1).astype(np.float32))
    return model


class Training:
    """A network that learns in a thread of its own until it is stopped."""

    def __init__(self, watch):
        self.watch, self.stopped = watch, threading.Event()
        begun = threading.Event()

        class Until(Callback):
            def on_begin(_, run):
                begun.set()

            def on_epoch(_, run):
                if self.stopped.is_set():
                    run.stop("that is enough")

        def train():
            model = network()
            fit(model, classes(), loss=F.cross_entropy, optimizer=tz.optim.Adam(model.parameters()),
                epochs=1_000_000, batch_size=16, callbacks=[watch, Until()], progress="none")

        self.thread = threading.Thread(target=train)
        self.thread.start()
        assert begun.wait(30)

    def stop(self):
        self.stopped.set()
        self.thread.join(30)


@pytest.fixture
def at(browser):
    """Pages at addresses; after the test nothing may have gone wrong in any."""
    pages = []

    def opened(url, **context):
        pages.append(Page.at(browser, url, **context))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
    for page in pages:
        assert page.mistakes == []


@pytest.fixture
def training():
    going = Training(Watch())
    yield going
    going.stop()
    going.watch.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """(the file of a training that is over, its watch, the network)."""
    path = tmp_path_factory.mktemp("live") / "training.html"
    watch, model = Watch(port=None, path=path, every=1, title="four"), network()
    fit(model, classes(), validation=classes(seed=1), loss=F.cross_entropy, optimizer=tz.optim.Adam(model.parameters()),
        epochs=4, batch_size=16, callbacks=[watch], progress="none")
    return path, watch, model


# ---- while training goes on


def test_the_page_follows_the_training(training, at):
    page = at(training.watch.url)
    page.until("live-state", "● training")
    first = page.seen_step()
    page.until("live-facts", f"^step (?!{first} )")
    assert page.seen_step() > first
    for chart in CHARTS:
        assert page.lines(chart).count() > 0
    assert page.tab.get_by_test_id("live-parameters").locator("tbody tr").count() == 6
    assert "3 of 8 units dead" in page.row("activations", "1 ReLU").inner_text()
    training.stop()
    page.until("live-state", "■ training has ended")


def test_the_language_changes_while_training_goes_on(training, at):
    page = at(training.watch.url, locale="zh-CN")
    page.until("live-state", "● 训练中")
    assert page.language == "zh-CN" and "每一步的损失" in page.text("live-chart-loss")
    assert "8 个神经元中 3 个死亡" in page.row("activations", "1 ReLU").inner_text()
    page.tab.get_by_test_id("language").click()
    page.until("live-state", "● training")
    assert "Loss of each step" in page.text("live-chart-loss")
    page.until("live-facts", "^step")


def test_the_picture_can_be_held_and_then_catches_up(training, at):
    page = at(training.watch.url)
    page.until("live-state", "● training")
    page.tab.get_by_test_id("live-pause").click()
    held, beyond = page.text("live-facts"), training.watch.film.facts["step"] + 200
    page.tab.wait_for_function("""beyond => new Promise(found => {
        const events = new EventSource("events");
        events.addEventListener("whole", event => {
            events.close();
            if (JSON.parse(event.data).step > beyond) found(true); else setTimeout(() => found(false), 50);
        });
    })""", arg=beyond)
    assert page.text("live-facts") == held
    page.tab.get_by_test_id("live-pause").click()
    page.tab.wait_for_function(
        "beyond => parseInt(document.querySelector('[data-testid=live-facts]').innerText.split(' ')[1]) > beyond",
        arg=beyond)


def test_the_latest_step_can_be_stepped_through_and_training_goes_on(training, at):
    page = at(training.watch.url)
    page.until("live-step", r"Step through step \d+")
    page.tab.get_by_test_id("live-step").click()
    page.tab.wait_for_selector("#stepper:visible")
    assert page.step == 0
    page.press("ArrowRight", "ArrowRight")
    assert page.step == 2
    before = training.watch.film.facts["step"]
    page.tab.get_by_role("button", name="Training").click()
    page.tab.wait_for_function(
        "before => parseInt(document.querySelector('[data-testid=live-facts]').innerText.split(' ')[1]) > before",
        arg=before)


def test_after_the_end_the_page_needs_nothing_more(training, at):
    page = at(training.watch.url)
    page.until("live-state", "● training")
    training.stop()
    page.until("live-state", "■")
    training.watch.close()
    page.tab.get_by_test_id("live-step").click()
    page.tab.wait_for_selector("#stepper:visible")
    page.press("End")
    assert page.step > 20


def test_a_second_training_begins_anew_on_the_same_page(at):
    watch = Watch(every=1, title="twice")
    try:
        first = network()
        fit(first, classes(), loss=F.cross_entropy, optimizer=tz.optim.SGD(first.parameters(), 0.1), epochs=5,
            callbacks=[watch], progress="none")
        page = at(watch.url)
        page.until("live-facts", "^step 10 ")
        second = nn.Sequential(nn.Dense(4, 3))
        fit(second, classes(), loss=F.cross_entropy, optimizer=tz.optim.SGD(second.parameters(), 0.1), epochs=1,
            callbacks=[watch], progress="none")
        page.until("live-facts", "^step 2 ")
        assert page.tab.get_by_test_id("live-parameters").locator("tbody tr").count() == 2
        assert page.tab.get_by_test_id("live-activations").count() == 0
    finally:
        watch.close()


def test_without_a_probe_there_are_curves_and_both_languages(at):
    x, y = classes()
    model = network()
    with Watch(every=1) as watch:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        watch.step(model, loss)
        page = at(watch.url)
        page.until("live-state", "● training")
        assert not page.tab.get_by_test_id("live-step").is_visible()
        page.tab.get_by_test_id("language").click()
        page.until("live-state", "● 训练中")
    page.until("live-state", "■ 训练结束")


# ---- as a file


def test_the_file_opens_without_a_network(film, show):
    screen = show(film[0], offline=True)
    assert screen.text("live-state") == "■ training has ended"
    assert screen.text("live-facts").startswith("step 16 · epoch 4 · ")
    screen.tab.get_by_test_id("live-step").click()
    assert screen.step == 0 and screen.shown("headline")


def test_the_numbers_are_the_networks(film, browser):
    path, watch, model = film
    page = Page.at(browser, path.as_uri())
    for name, parameter in model.named_parameters():
        cells = page.row("parameters", name).locator("td")
        shown = number(cells.nth(0).inner_text())
        assert shown == pytest.approx(watch.film.curves[f"weight/{name}"].values[-1], rel=6e-3)
        assert number(cells.nth(1).inner_text()) == pytest.approx(np.linalg.norm(parameter.grad.numpy()), rel=6e-3)
    for name in ("1 ReLU", "3 Tanh"):
        cells = page.row("activations", name).locator("td")
        mean = watch.film.curves[f"mean/{name}"].values[-1]
        assert number(cells.nth(0).inner_text()) == pytest.approx(mean, rel=6e-3)
    crosses = page.row("activations", "1 ReLU").locator(".cross").count()
    assert crosses == 3
    assert page.mistakes == []
    page.close()


def test_a_tick_draws_a_curve_and_takes_it_away(film, show):
    screen = show(film[0])
    lines = screen.tab.get_by_test_id("live-chart-gradient").locator(".drawing path.line")
    assert lines.count() == 3  # the three matrices
    row = screen.tab.get_by_test_id("live-parameters").locator("tbody tr").nth(1)
    row.get_by_role("checkbox").check()
    assert lines.count() == 4
    assert "0.b" in screen.text("live-chart-gradient")
    row.get_by_role("checkbox").uncheck()
    assert lines.count() == 3


def test_no_two_curves_look_alike_in_grey(film, show):
    screen = show(film[0])
    for box in screen.tab.get_by_test_id("live-parameters").get_by_role("checkbox").all():
        box.check()
    lines = screen.tab.get_by_test_id("live-chart-gradient").locator(".drawing path.line").all()
    dashes = [line.get_attribute("stroke-dasharray") for line in lines]
    assert len(set(dashes)) == len(lines) == 6


def test_a_curve_can_be_read_with_keys(film, show):
    screen = show(film[0])
    chart = screen.tab.get_by_test_id("live-chart-loss")
    chart.locator(".drawing").focus()
    curve = film[1].film.curves["loss"]
    screen.press("ArrowLeft")
    assert number(chart.locator("li b").first.inner_text()) == pytest.approx(curve.values[-2], rel=6e-3)
    screen.press(*["ArrowLeft"] * 5)
    assert number(chart.locator("li b").first.inner_text()) == pytest.approx(curve.values[-7], rel=6e-3)
    chart.locator(".drawing").blur()
    assert number(chart.locator("li b").first.inner_text()) == pytest.approx(curve.values[-1], rel=6e-3)


def test_every_chart_is_explained_and_leads_to_the_glossary(film, show):
    screen = show(film[0])
    chart = screen.tab.get_by_test_id("live-chart-stuck")
    chart.locator("summary").click()
    assert "slope" in chart.inner_text()
    chart.locator("details button").click()
    dialog = screen.tab.locator("dialog")
    assert dialog.is_visible() and "dead unit" in dialog.inner_text().lower()


def test_everything_has_a_name_and_the_end_is_announced(film, show):
    screen = show(film[0])
    unnamed = screen.tab.evaluate("""() => [...document.querySelectorAll(
        '#training :is(button, input, svg[role=img], [tabindex])')].filter(each =>
            !each.textContent.trim() && !each.ariaLabel && !each.closest('label')?.innerText).length""")
    assert unnamed == 0
    assert "training has ended" in screen.text("live-said") and "Step 16, loss" in screen.text("live-said")
    tree = screen.tab.locator("#training").aria_snapshot()
    for said in ("3 of 8 units dead", "checkbox", "Gradient norms", "table"):
        assert said in tree


def test_keys_that_do_not_step_work_here_too(film, show):
    screen = show(film[0])
    screen.press("ArrowRight", "End")
    assert screen.step == 0
    screen.press("L")
    assert screen.language == "zh-CN" and "训练结束" in screen.text("live-state")
    for key in "?t":
        screen.press(key)
        assert screen.tab.locator("dialog").is_visible()
        screen.press("Escape")


def test_in_the_dark(film, show):
    screen = show(film[0], color_scheme="dark")
    assert max(screen.background()) < 60
    colour = screen.tab.locator("#training .line0").first.evaluate("line => getComputedStyle(line).stroke")
    assert colour == "rgb(90, 180, 240)"


def test_on_a_narrow_screen_nothing_is_cut_off(film, show):
    screen = show(film[0], viewport={"width": 400, "height": 800})
    assert screen.tab.evaluate("document.documentElement.scrollWidth") <= 400
    assert screen.tab.get_by_test_id("live-chart-loss").bounding_box()["width"] <= 400


# ---- when it goes wrong


def test_nan_is_shown_as_nan_and_the_page_lives_on(show, tmp_path):
    x, y = classes()
    model = network()
    with Watch(x, y, F.cross_entropy, port=None, every=1, path=tmp_path / "nan.html") as watch:
        for step in range(4):
            model.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            watch.step(model, loss)
            if step == 1:
                model[0].W.assign(np.full((4, 8), np.nan, np.float32))
    screen = show(tmp_path / "nan.html")
    assert "loss nan" in screen.text("live-facts")
    assert screen.tab.get_by_test_id("live-chart-loss").locator(".odd").count() == 2
    assert "nan" in screen.tab.get_by_test_id("live-parameters").inner_text()
    screen.tab.get_by_test_id("live-step").click()
    screen.press("x")
    assert "nan" in screen.tab.locator("#panel").inner_text()


def test_what_was_raised_is_said(show, tmp_path):
    model = network()
    watch = Watch(port=None, path=tmp_path / "failed.html")

    def loss(prediction, y):
        return F.cross_entropy(prediction, y) * (1 if len(y) == 32 else np.inf)  # 32 are the probe's

    with pytest.raises(FloatingPointError):
        fit(model, classes(), loss=loss, optimizer=tz.optim.SGD(model.parameters(), 0.1), batch_size=16,
            callbacks=[watch], progress="none")
    screen = show(tmp_path / "failed.html", locale="zh-CN")
    assert screen.text("live-state") == "✕ 训练出错"
    assert screen.text("live-why").startswith("FloatingPointError: the loss is inf in epoch 1, batch 1")


def test_what_a_network_calls_its_parts_is_text(show, tmp_path):
    model = nn.Sequential(nn.Dense(2, 2))
    model.parts = {"<img src=x onerror=alert(1)>": nn.Dense(2, 1)}
    watch = Watch(port=None, path=tmp_path / "odd.html", title="<script>alert(2)</script>")
    with watch:
        watch.step(model, 1.0)
    screen = show(tmp_path / "odd.html")
    assert "<img src=x" in screen.tab.get_by_test_id("live-parameters").inner_text()
    assert "<script>" in screen.tab.locator("#training h2").inner_text()
    assert json.dumps(screen.mistakes) == "[]"
