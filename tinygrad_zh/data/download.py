"""Downloads that resume, are checked, and appear whole or not at all."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

TIMEOUT = 10  # seconds without a byte


def cache_folder() -> Path:
    """Where downloads are kept (缓存目录): ``TINYGRAD_ZH_CACHE``, else the platform's cache folder."""
    if chosen := os.environ.get("TINYGRAD_ZH_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinygrad-zh"


def fetch(urls: Sequence[str], path: Path, check: Callable[[Path], object]) -> None:
    """Download one file to ``path`` from the first address that gives the right bytes (下载).

    What has arrived is kept in ``path`` + ".part" and resumed, by the next address, the second round or the
    next call. ``check`` gets the whole part file and raises ValueError when it is not the right one; it is
    then thrown away. Only a checked file is renamed to ``path``.

    Raises ConnectionError, naming the file and where to put it, when no address gives it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    reasons: dict[str, Exception] = {}
    for url in [*urls, *urls]:
        try:
            _resume(url, part)
            check(part)
        except ValueError as error:
            part.unlink(missing_ok=True)
            reasons[url] = error
        except (OSError, HTTPException) as error:
            reasons[url] = error
        else:
            os.replace(part, path)
            return
    tried = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    raise ConnectionError(f"could not download {path.name}; put the file at {path} yourself ({tried})")


def _resume(url: str, part: Path) -> None:
    """Bring the part file to its full length, or raise OSError and keep what has arrived."""
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        # 416, nothing after these bytes: the part is complete or of another file, and check will say which.
        if error.code != 416:
            raise
        return
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        length = response.headers["Content-Length"]
        total = None if length is None else file.tell() + int(length)
        with tqdm(
            total=total, initial=file.tell(), desc=part.stem, unit="B", unit_scale=True, disable=None
        ) as bar:
            while chunk := response.read(2**16):
                file.write(chunk)
                bar.update(len(chunk))
        if total is not None and file.tell() < total:
            raise ConnectionError(f"the connection was cut after {file.tell()} of {total} bytes")
