"""The socket as strangers meet it: wrong hosts, wrong words, wrong methods, broken requests, and too many."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
from urllib.parse import urlsplit

import pytest

from tests.stepper.live.web import SECONDS, get, raw, status
from tinygrad_zh.stepper.live import server as module
from tinygrad_zh.stepper.live.server import Server


class Shop:
    """A server with a page, events that go on until `over`, and an answer that cannot be made."""

    def __init__(self):
        self.over = threading.Event()
        self.server = Server({"": lambda: ("text/html", "<p>页面"), "broken": lambda: 1 / 0,
                              "events": lambda: ("text/event-stream", self.events())})

    def events(self):
        yield "one\n"
        self.over.wait(SECONDS)

    def close(self):
        self.over.set()
        self.server.close()


@pytest.fixture(scope="module")
def server():
    shop = Shop()
    yield shop.server
    shop.close()


def test_the_page_is_there_for_who_has_the_link(server):
    headers, page = get(server.url)
    assert page == "<p>页面" and headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Access-Control-Allow-Origin"] is None


def test_the_name_localhost_will_do(server):
    assert status(server.url, host=f"localhost:{server.port}") == 200


def test_only_this_machine_can_connect(server):
    assert server._http.socket.getsockname()[0] == "127.0.0.1"


def test_the_word_is_long_and_new_each_time(server):
    other = Server({})
    other.close()
    word, another = urlsplit(server.url).path, urlsplit(other.url).path
    assert len(word) > 20 and word != another


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.org", "", "[::1]"])
def test_another_host_is_misdirected(server, host):
    assert status(server.url, host=host or " ") == 421


def test_no_host_is_misdirected(server):
    assert b" 421 " in raw(server.url, f"GET {urlsplit(server.url).path} HTTP/1.1\r\n\r\n".encode())


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/events", "{word}", "{word}/nothing", "{word}/../", "{word}//",
                                  "{word}/%2e%2e/etc/passwd", "/../../etc/passwd", "{word}x/", "/ü/", "*", "//"])
def test_any_other_address_is_not_found(server, path):
    word = urlsplit(server.url).path.rstrip("/")
    assert status(server.url, path=path.format(word=word)) == 404


def test_what_follows_a_question_mark_is_of_no_matter(server):
    assert get(server.url + "?x=1")[1] == "<p>页面"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(server, method):
    answer = raw(server.url, f"{method} {urlsplit(server.url).path} HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\n"
                             "\r\n".encode())
    assert b" 405 " in answer and b"\r\nAllow: GET\r\n" in answer


@pytest.mark.parametrize("request_", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"\xff\xfe\x00",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"BREW / HTTP/1.1\r\n\r\n",
])
def test_a_malformed_request_gets_no_page_and_breaks_nothing(server, request_):
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=SECONDS) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            answer = b""
    assert "页面".encode() not in answer and b" 200 " not in answer
    assert get(server.url)[1] == "<p>页面"


def test_an_answer_that_cannot_be_made_breaks_nothing(server, capsys):
    with pytest.raises((urllib.error.URLError, ConnectionError, OSError)):
        get(server.url + "broken")
    assert get(server.url)[1] == "<p>页面"
    assert capsys.readouterr() == ("", "")


def test_an_answer_comes_as_it_is_made(server):
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=SECONDS) as connection:
        connection.sendall(f"GET {place.path}events HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        came = b""
        while b"one\n" not in came:
            came += connection.recv(65536)
        assert get(server.url)[1] == "<p>页面"


def test_connections_beyond_the_limit_are_closed_and_there_is_room_again():
    shop = Shop()
    place = urlsplit(shop.server.url)
    held = [socket.create_connection((place.hostname, place.port), timeout=SECONDS) for _ in range(module.CONNECTIONS)]
    try:
        for connection in held:
            connection.sendall(f"GET {place.path}events HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        for connection in held:
            assert connection.recv(20)
        with socket.create_connection((place.hostname, place.port), timeout=SECONDS) as late:
            assert late.recv(1) == b""
        shop.over.set()
        for connection in held:
            while connection.recv(65536):
                pass
        while True:  # a thread lets go a moment after its connection is closed
            try:
                assert get(shop.server.url)[1] == "<p>页面"
                break
            except (OSError, http.client.HTTPException):
                pass
    finally:
        for connection in held:
            connection.close()
        shop.close()


def test_who_sends_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(module._Handler, "timeout", 0.1)
    server = Server({})
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as silent:
            assert silent.recv(1) == b""
    finally:
        server.close()


def test_who_takes_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(module._Handler, "timeout", 0.1)
    ended = threading.Event()

    def flood():
        try:
            while True:
                yield "x" * 100_000
        finally:
            ended.set()

    server = Server({"events": lambda: ("text/event-stream", flood())})
    try:
        place = urlsplit(server.url)
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as deaf:
            deaf.sendall(f"GET {place.path}events HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
            assert ended.wait(SECONDS)
    finally:
        server.close()


def test_a_port_in_use_is_named(server):
    with pytest.raises(OSError, match=rf"port {server.port} of 127\.0\.0\.1 cannot be used.*port=0"):
        Server({}, port=server.port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none_is_named(port):
    with pytest.raises(OSError, match=f"port {port} "):
        Server({}, port=port)


def test_after_closing_nobody_answers(server):
    other = Server({"": lambda: ("text/html", "")})
    other.close()
    with pytest.raises(urllib.error.URLError):
        get(other.url)
