"""A real HTTP server on 127.0.0.1 that knows ranges and can misbehave."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``files`` and records (path, Range header).

    The first answers for a path in ``cuts`` stop after so many bytes; without ``ranges`` every answer is the
    whole file; without ``length`` no answer says how long it is.
    """

    files: dict[str, bytes]
    cuts: dict[str, list[int]]
    ranges: bool
    length: bool
    requests: list[tuple[str, str | None]]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.requests.append((self.path, wanted))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if self.server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cuts = self.server.cuts.get(self.path)
        self.wfile.write(body[: cuts.pop(0)] if cuts else body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(
    files: dict[str, bytes],
    *,
    cuts: dict[str, list[int]] | None = None,
    ranges: bool = True,
    length: bool = True,
) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.files, server.cuts, server.ranges, server.length = files, cuts or {}, ranges, length
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
