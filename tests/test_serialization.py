"""Weights on disk: exact, whole or not there, and hostile files refused."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_zh import serialization
from tinygrad_zh.serialization import load, load_metadata, save

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


def assert_same(stored: dict, expected: dict) -> None:
    assert stored.keys() == expected.keys()
    for name, array in expected.items():
        array = np.asarray(array)
        assert stored[name].dtype == array.dtype.newbyteorder("="), name
        assert stored[name].shape == array.shape, name
        assert stored[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes(), name


def write(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(content) if length is None else length).to_bytes(8, "little") + content + data)
    return path


def tensor(dtype: str = "F32", shape: object = (1,), offsets: object = (0, 4)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


# What goes in comes out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (3, 4)])
def test_dtypes_and_shapes_are_kept(tmp_path, dtype, shape):
    state = {"w": np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)}
    save(state, tmp_path / "w.safetensors")
    assert_same(load(tmp_path / "w.safetensors"), state)


X = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "array",
    [
        X.T,
        X[::2],
        X[::-1],
        X[:, ::-2],
        np.broadcast_to(X[0], (5, 4)),
        np.broadcast_to(np.float64(3), (2, 2)),
        np.asfortranarray(X),
        X.astype(">f4"),
        X.astype(">i8"),
    ],
    ids=["T", "[::2]", "[::-1]", "[:, ::-2]", "rows", "scalar", "fortran", "big-endian", "big-endian int"],
)
def test_every_memory_layout(tmp_path, array):
    save({"w": array}, tmp_path / "w.safetensors")
    assert_same(load(tmp_path / "w.safetensors"), {"w": array})


def test_bits_of_special_values(tmp_path):
    payload = np.array([0x7FF8_0000_0000_1234, 0xFFF0_0000_0000_0000, 1, 1 << 63], dtype=np.uint64)
    save({"w": payload.view(np.float64)}, tmp_path / "w")
    assert load(tmp_path / "w")["w"].tobytes() == payload.tobytes()


any_array = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4))
)
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(st.dictionaries(text.filter(lambda name: name != "__metadata__"), any_array, max_size=4))
def test_round_trip(state):
    with tempfile.TemporaryDirectory() as folder:
        save(state, Path(folder, "w"))
        assert_same(load(Path(folder, "w")), state)


@given(st.dictionaries(text.filter(lambda key: key != serialization.CHECKSUM), text, max_size=4))
def test_metadata_round_trip(metadata):
    with tempfile.TemporaryDirectory() as folder:
        save({"w": X}, Path(folder, "w"), metadata=metadata)
        assert load_metadata(Path(folder, "w")) == metadata


def test_what_numpy_understands_is_saved(tmp_path):
    save({"scalar": 0.5, "list": [[1, 2], [3, 4]], "bool": True}, tmp_path / "w")
    assert_same(
        load(tmp_path / "w"),
        {"scalar": np.float64(0.5), "list": np.array([[1, 2], [3, 4]]), "bool": np.True_},
    )


def test_names_are_never_paths(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    state = {"../outside": X, "/tmp/absolute": X, "层.0/权重": X, "": X}
    save(state, folder / "w")
    assert_same(load(folder / "w"), state)
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "w"]


def test_loaded_arrays_belong_to_the_caller(tmp_path):
    save({"w": X}, tmp_path / "w")
    first = load(tmp_path / "w")["w"]
    first[:] = 7
    assert_same(load(tmp_path / "w"), {"w": X})


def test_a_symbolic_link_stays_a_link(tmp_path):
    save({"w": X}, tmp_path / "real")
    (tmp_path / "latest").symlink_to(tmp_path / "real")
    save({"w": X + 1}, tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert_same(load(tmp_path / "real"), {"w": X + 1})


def test_files_of_other_writers_load(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": X, "n": np.array(3)}, tmp_path / "w")
    assert_same(load(tmp_path / "w"), {"w": X, "n": np.array(3)})
    assert load_metadata(tmp_path / "w") == {}
    assert_same(
        load(write(tmp_path / "null", {"__metadata__": None, "a": tensor()}, bytes(4))),
        {"a": np.zeros(1, "f4")},
    )


# What is refused before anything is written


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.array(["a"]), "<U1"),
        (np.array([None]), "object"),
        (None, "object"),
        (np.array([1j]), "complex128"),
        (np.zeros(2, np.longdouble), "longdouble|float128"),
        (np.zeros(2, "M8[s]"), "datetime64"),
        (np.zeros(2, "f4,i4"), "f4"),
        ([[1], [1, 2]], "inhomogeneous"),
    ],
)
def test_other_dtypes_name_the_key(tmp_path, value, told):
    save({"w": X}, tmp_path / "w")
    with pytest.raises(TypeError, match=rf"state\['bad'\].*({told})"):
        save({"good": X, "bad": value}, tmp_path / "w")
    assert_same(load(tmp_path / "w"), {"w": X})


@pytest.mark.parametrize(
    ("state", "metadata", "error", "told"),
    [
        ({3: X}, None, TypeError, "names in a state must be str, got 3"),
        ({"__metadata__": X}, None, ValueError, "reserved"),
        ({"\ud800": X}, None, ValueError, "UTF-8"),
        ({"w": X}, {"epoch": 3}, TypeError, "'epoch': 3"),
        ({"w": X}, {"tinygrad_zh.sha256": "0"}, ValueError, "reserved"),
        ({"w": X}, {"note": "\udfff"}, ValueError, "UTF-8"),
    ],
)
def test_bad_names_and_metadata(tmp_path, state, metadata, error, told):
    with pytest.raises(error, match=told):
        save(state, tmp_path / "w", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


# The old file or the new one


def assert_old_file_only(folder: Path) -> None:
    assert_same(load(folder / "w"), {"w": X})
    assert [path.name for path in folder.iterdir()] == ["w"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot sync a folder")
def test_the_file_is_on_the_disk_before_it_is_renamed_and_its_folder_after(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        done.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def note_replace(source, target):
        done.append("rename")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(serialization.os, "fsync", note_fsync)
        patch.setattr(serialization.os, "replace", note_replace)
        save({"w": X}, tmp_path / "w")
    assert done == ["sync file", "rename", "sync folder"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_an_error_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise OSError(28, "No space left on device")

    save({"w": X}, tmp_path / "w")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(serialization.os, broken, fail)
        save({"w": X + 1}, tmp_path / "w")
    assert_old_file_only(tmp_path)


def test_ctrl_c_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    save({"w": X}, tmp_path / "w")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(serialization.os, "fsync", interrupt)
        save({"w": X + 1}, tmp_path / "w")
    assert_old_file_only(tmp_path)


def test_a_disk_that_lies_is_noticed(tmp_path, monkeypatch):
    import safetensors.numpy

    honest = safetensors.numpy.save

    def lie(arrays, metadata):
        content = bytearray(honest(arrays, metadata=metadata))
        content[-1] ^= 1
        return bytes(content)

    save({"w": X}, tmp_path / "w")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="read back is not what was written"):
        patch.setattr(safetensors.numpy, "save", lie)
        save({"w": X + 1}, tmp_path / "w")
    assert_old_file_only(tmp_path)


def test_missing_folder_and_folder_as_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        save({"w": X}, tmp_path / "nowhere" / "w")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        save({"w": X}, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions of another user need os.seteuid")
def test_permission_denied_leaves_the_old_file():
    with tempfile.TemporaryDirectory() as parent:  # not tmp_path: only its owner may enter that one
        os.chmod(parent, 0o755)
        folder = Path(parent, "folder")
        folder.mkdir()
        save({"w": X}, folder / "w")
        folder.chmod(0o555)
        with as_ordinary_user(), pytest.raises(PermissionError):
            save({"w": X + 1}, folder / "w")
        assert_old_file_only(folder)
        folder.chmod(0o755)


@contextlib.contextmanager
def as_ordinary_user():
    """Root may write anywhere: be nobody for a moment."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def python(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


DISK_FULL = """
import resource, signal, sys
import numpy as np
from tinygrad_zh.serialization import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save({"w": np.ones(100_000)}, sys.argv[1])
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a file size limit needs POSIX")
def test_disk_full_leaves_the_old_file_and_no_litter(tmp_path):
    save({"w": X}, tmp_path / "w")
    out, err = python(DISK_FULL, tmp_path / "w").communicate()
    assert out == "File too large\n", err
    assert_old_file_only(tmp_path)


SAVE_FOREVER = """
import sys
import numpy as np
from tinygrad_zh.serialization import save
print("ready", flush=True)
for i in range(1_000_000):
    save({f"w{k}": np.full((256, 256), float(i)) for k in range(8)}, sys.argv[1], metadata={"i": str(i)})
    print(i, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 needs POSIX")
def test_kill_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "w"
    generator = np.random.default_rng(0)
    for _ in range(8):
        child = python(SAVE_FOREVER, path)
        for _ in range(3):  # three lines: ready, 0, 1, so the third save or a later one is under way
            child.stdout.readline()
        spin = 0
        for _ in range(generator.integers(0, 300_000)):  # a random moment, without a clock
            spin += 1
        os.kill(child.pid, signal.SIGKILL)
        finished, _ = child.communicate()
        last = max([1, *map(int, finished.split("\n")[:-1])])
        number = int(load_metadata(path)["i"])
        assert number in (last, last + 1)
        assert_same(load(path), {f"w{k}": np.full((256, 256), float(number)) for k in range(8)})


# Damaged and hostile files


def test_every_flipped_byte_of_the_data_is_noticed(tmp_path):
    path = tmp_path / "w"
    save({"w": X, "n": np.array(3)}, path, metadata={"epoch": "7"})
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x01
        path.write_bytes(damaged)
        if position >= start:
            with pytest.raises(ValueError, match="checksum does not match"):
                load(path)
        else:  # in the header: refused, or what was flipped is not data (the checksum's own name)
            with contextlib.suppress(ValueError):
                assert_same(load(path), {"w": X, "n": np.array(3)})


def test_a_changed_name_or_note_is_noticed(tmp_path):
    path = tmp_path / "w"
    save({"weight": X}, path, metadata={"epoch": "7"})
    content = path.read_bytes()
    for old, new in [(b"weight", b"height"), (b'"7"', b'"8"'), (b"[3,4]", b"[4,3]"), (b"F32", b"I32")]:
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, new))
        with pytest.raises(ValueError, match="checksum does not match"):
            load(path)


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "w"
    save({"w": X}, path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cannot load .*w: "):
            load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="not fully covered"):
        load(path)


ENTRY = json.dumps(tensor()).encode()

HOSTILE = {
    "length beyond the file": (b"{}", b"", 2**63, "truncated"),
    "empty header": (b"", b"", None, "header is damaged"),
    "header is a list": (b"[1]", b"", None, "not a JSON object"),
    "not UTF-8": (b'{"a\xff":1}', b"", None, "header is damaged .*utf-8"),
    "nested deep": (b'{"a":' + b"[" * 100_000, b"", None, "header is damaged"),
    "a number of a million digits": (b'{"a":' + b"9" * 1_000_000 + b"}", b"", None, "header is damaged"),
    "a name twice": (b'{"a":' + ENTRY + b',"a":' + ENTRY + b"}", bytes(4), None, "'a' is there twice"),
    "a note twice": (b'{"__metadata__":{"k":"1","k":"2"}}', b"", None, "'k' is there twice"),
    "too little data": ({"a": tensor()}, bytes(3), None, "truncated or damaged"),
    "too much data": ({"a": tensor()}, bytes(5), None, "truncated or damaged"),
    "a gap": ({"a": tensor(), "b": tensor(offsets=(8, 12))}, bytes(12), None, "damaged"),
    "an overlap": ({"a": tensor(), "b": tensor(offsets=(2, 6))}, bytes(6), None, "damaged"),
    "overflowing shape": ({"a": tensor(shape=(2**62, 2**62))}, bytes(4), None, "damaged"),
    "negative shape": ({"a": tensor(shape=(-1,))}, bytes(4), None, "damaged"),
    "shape against length": ({"a": tensor(shape=(2,))}, bytes(4), None, "damaged"),
    "unknown dtype": ({"a": tensor(dtype="OBJECT")}, bytes(4), None, "damaged"),
    "bfloat16": (
        {"a": tensor(dtype="BF16", shape=(2,))},
        bytes(4),
        None,
        "dtype BF16, which NumPy does not have",
    ),
    "float8": ({"a": tensor(dtype="F8_E4M3", shape=(4,))}, bytes(4), None, "dtype F8_E4M3"),
    "booleans of 2": ({"a": tensor(dtype="BOOL", shape=(4,))}, b"\0\1\2\1", None, "bytes other than 0 and 1"),
    "metadata of numbers": ({"__metadata__": {"k": 1}}, b"", None, "damaged"),
    "entry without dtype": ({"a": {"shape": [1]}}, bytes(4), None, "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(tmp_path, case):
    header, data, length, told = HOSTILE[case]
    path = write(tmp_path / "hostile", header, data, length)
    with pytest.raises(ValueError, match=f"cannot load .*hostile: .*{told}"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04 this is a zip file, or so it says"])
def test_files_of_another_kind_are_refused(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot load .*other: it is truncated or not safetensors"):
        load(tmp_path / "other")


def test_a_huge_header_costs_no_memory(tmp_path):
    path = tmp_path / "huge"
    with open(path, "wb") as file:
        file.write((2**30).to_bytes(8, "little"))
        file.truncate(2**30 + 8)  # sparse: takes no room on the disk
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"header takes 1073741824 bytes, more than the limit"):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_metadata_that_is_not_text(tmp_path):
    with pytest.raises(ValueError, match="metadata is not text"):
        load_metadata(write(tmp_path / "w", {"__metadata__": {"k": 1}}))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load("nowhere.safetensors")
