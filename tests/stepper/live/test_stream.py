"""Viewers: early, late, slow, gone."""

from __future__ import annotations

import json
import threading

from tinygrad_zh.stepper.live.stream import KEPT, Stream


def parsed(event):
    kind, data, *rest = event.split("\n")
    assert rest == ["", ""]
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


class Counter:
    """The whole is how many messages there were."""

    def __init__(self):
        self.count = 0
        self.stream = Stream(lambda: {"count": self.count})

    def tell(self):
        self.count += 1
        self.stream.tell("news", json.dumps(self.count))


def test_a_viewer_gets_the_whole_and_then_the_news():
    counter = Counter()
    counter.tell()
    viewer = counter.stream.read()
    assert parsed(next(viewer)) == ("whole", {"count": 1})
    counter.tell()
    counter.tell()
    assert [parsed(next(viewer)), parsed(next(viewer))] == [("news", 2), ("news", 3)]


def test_one_that_falls_behind_gets_the_whole_again():
    counter = Counter()
    viewer = counter.stream.read()
    next(viewer)
    for _ in range(KEPT):
        counter.tell()
    assert [parsed(next(viewer))[1] for _ in range(KEPT)] == list(range(1, KEPT + 1))
    for _ in range(KEPT + 1):
        counter.tell()
    assert parsed(next(viewer)) == ("whole", {"count": 2 * KEPT + 1})
    counter.tell()
    assert parsed(next(viewer)) == ("news", 2 * KEPT + 2)


def test_memory_is_bounded_by_what_is_kept():
    counter = Counter()
    viewers = [counter.stream.read() for _ in range(20)]
    for viewer in viewers:
        next(viewer)
    for _ in range(10 * KEPT):
        counter.tell()
    assert len(counter.stream._messages) == KEPT


def test_closing_ends_every_viewer_after_what_there_was():
    counter = Counter()
    viewer = counter.stream.read()
    next(viewer)
    counter.tell()
    counter.stream.close()
    assert [parsed(event) for event in viewer] == [("news", 1), ("bye", None)]
    assert [parsed(event) for event in counter.stream.read()] == [("whole", {"count": 1}), ("bye", None)]


def test_one_that_comes_before_anything_waits_for_it_in_another_thread():
    counter = Counter()
    seen = []
    viewer = threading.Thread(target=lambda: seen.extend(counter.stream.read()))
    viewer.start()
    counter.tell()
    counter.stream.settle(seconds=10)
    counter.stream.close()
    viewer.join(10)
    kinds = [parsed(event)[0] for event in seen]
    assert kinds[0] == "whole" and ("news" in kinds or parsed(seen[0])[1] == {"count": 1})


def test_settling_does_not_wait_for_who_is_gone():
    counter = Counter()
    viewer = counter.stream.read()
    next(viewer)
    counter.tell()
    viewer.close()
    counter.stream.settle(seconds=60)
    assert counter.stream._read == {}
