"""Files that a reader needs and the package does not ship: from the cache, a place at hand, or the internet."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from tinygrad_zh.data.download import cache_folder, fetch
from tinygrad_zh.data.idx import gunzip


@dataclass(frozen=True)
class Collection:
    """The files of one data set.

    ``owner`` is whose they are, for the errors; ``files`` gives the SHA-256 of each name's uncompressed
    bytes, so that raw, gzipped and re-gzipped copies pass the same check; ``addresses`` says where a name
    can be downloaded, and those addresses end in .gz or do not, all alike.
    """

    owner: str
    files: Mapping[str, str]
    addresses: Callable[[str], Sequence[str]]

    def obtain(self, cache: Path, source: str | os.PathLike[str] | None) -> dict[str, bytes]:
        """The uncompressed bytes of every file, by name.

        Looks in the folder ``cache``, then in ``source``: a folder, one of the files, or a tar archive. Only
        without a ``source`` is what the cache lacks downloaded to it.
        """
        contents = self._in_folder(cache)
        missing = [name for name in self.files if name not in contents]
        if missing and source is not None:
            contents |= self._in_source(Path(source), missing)
        elif missing:
            for name in missing:
                self._download(name, cache)
            contents = self._in_folder(cache)
        return contents

    def _in_folder(self, folder: Path) -> dict[str, bytes]:
        found = {}
        for name in self.files:
            for path in (folder / f"{name}.gz", folder / name):
                if path.is_file():
                    found[name] = self._verified(name, path.read_bytes(), path)
                    break
        return found

    def _in_source(self, source: Path, wanted: list[str]) -> dict[str, bytes]:
        name = source.name.removesuffix(".gz")
        if source.is_dir():
            found = self._in_folder(source)
        elif name in self.files:
            found = {name: self._verified(name, source.read_bytes(), source)}
        else:
            found = self._in_archive(source)
        if lacking := [name for name in wanted if name not in found]:
            raise FileNotFoundError(f"{source} does not hold {', '.join(lacking)}")
        return found

    def _in_archive(self, archive: Path) -> dict[str, bytes]:
        found = {}
        try:
            with tarfile.open(archive) as members:
                for member in members:
                    name = PurePosixPath(member.name).name.removesuffix(".gz")
                    if name in self.files and (file := members.extractfile(member)) is not None:
                        found[name] = self._verified(name, file.read(), f"{archive}/{member.name}")
        except (tarfile.TarError, EOFError, BadGzipFile, zlib.error) as error:
            raise ValueError(f"{archive} is not a whole tar archive ({error})") from error
        return found

    def _download(self, name: str, folder: Path) -> None:
        urls = self.addresses(name)
        suffix = ".gz" if any(url.endswith(".gz") for url in urls) else ""
        fetch(urls, folder / f"{name}{suffix}", lambda part: self._verified(name, part.read_bytes(), part))

    def _verified(self, name: str, content: bytes, place: str | os.PathLike[str]) -> bytes:
        """The uncompressed bytes, when they are the right ones."""
        uncompressed = gunzip(content, place)
        if (found := hashlib.sha256(uncompressed).hexdigest()) != self.files[name]:
            raise ValueError(
                f"{place} is not {self.owner}'s {name}, remove it and run again: "
                f"its SHA-256 is {found} instead of {self.files[name]}"
            )
        return uncompressed


def cache_or(folder: str | os.PathLike[str] | None, name: str) -> Path:
    """``folder``, or where there is none, the data set's own in the cache."""
    return cache_folder() / name if folder is None else Path(folder)
