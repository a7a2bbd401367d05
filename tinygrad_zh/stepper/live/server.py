"""A page at an address of this machine alone: Python's own HTTP server in a thread, nothing to install.

Only who has the link gets anything: the path begins with a random word. Only this machine can connect, and the
Host header must name it, so that no page of the web can reach in under a name of its own (DNS rebinding).
"""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
CONNECTIONS = 32
SECONDS = 10.0
"""How long a connection may neither send its request nor take what it is sent."""

HEADERS = {
    "Allow": "GET",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                               "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'",
}


Answer = tuple[str, str | Iterable[str]]
"""What an address gives: a media type and its text, whole or as it comes."""


class Server:
    """Serves `answers`, functions by name: "" is the page itself. 中文：本机网页服务。

    port: 0 for any that is free. Raises OSError, naming the port, where it is in use.
    """

    def __init__(self, answers: Mapping[str, Callable[[], Answer]], port: int = 0) -> None:
        try:
            self._http = _Http((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise OSError(f"port {port} of {HOST} cannot be used ({error}); port=0 takes a free one") from error
        self.port = self._http.server_address[1]
        self._http.word = secrets.token_urlsafe(16)
        self._http.hosts = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        self._http.answers = answers
        self.url = f"http://{HOST}:{self.port}/{self._http.word}/"
        threading.Thread(target=self._http.serve_forever, args=(0.1,), name="tinygrad_zh.live", daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    """A thread for each connection, so many at most; what goes wrong with one is no one else's matter."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS
    allow_reuse_address = sys.platform != "win32"  # there it would share the port with whoever asks
    word: str
    hosts: set[str]
    answers: Mapping[str, Callable[[], Answer]]

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def server_bind(self) -> None:
        """As the base's, without asking a name server what this machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer went away, or never was one."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    server_version, sys_version = "tinygrad_zh", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        if self.headers.get("Host", "").lower() not in self.server.hosts:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = self.path.partition("?")[0].split("/")
        if len(path) != 3 or not secrets.compare_digest(path[1].encode(), self.server.word.encode()):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        answer = self.server.answers.get(path[2])
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind, text = answer()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        for part in [text] if isinstance(text, str) else text:
            self.wfile.write(part.encode())

    def do_POST(self) -> None:
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal belongs to the training."""
