"""A viewer without a browser: requests, and server-sent events as they come."""

from __future__ import annotations

import json
import socket
import urllib.request
from urllib.parse import urlsplit

SECONDS = 30


def get(url, **headers):
    """(headers, text)."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=SECONDS) as answer:
        return answer.headers, answer.read().decode()


def raw(url, request):
    """What comes back for these bytes, until the other side closes."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=SECONDS) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status(url, *, method="GET", path=None, host=None, version="HTTP/1.1"):
    """The status of the answer to a request."""
    place = urlsplit(url)
    lines = [f"{method} {path or place.path} {version}", f"Host: {host or place.netloc}", "", ""]
    return int(raw(url, "\r\n".join(lines).encode()).split()[1])


class Viewer:
    """Reads the events of a page, one at a time."""

    def __init__(self, url):
        self.answer = urllib.request.urlopen(url + "events", timeout=SECONDS)

    def next(self):
        """(kind, data) of the next event; None at the end."""
        kind = None
        for line in self.answer:
            line = line.decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))
        return None

    def all(self):
        """Every event until the server closes."""
        events = []
        while (event := self.next()) is not None:
            events.append(event)
        return events

    def close(self):
        self.answer.close()
