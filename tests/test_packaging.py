"""What a user installs: the wheel, the editable install, the sdist and the plain clone."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"tinygrad_zh": "tinygrad_zh", "tinygrad_zh_kernels": "kernels/tinygrad_zh_kernels"}
WHERE_THEY_ARE = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)})"
HEAVY = {"numba", "cupy", "fastjsonschema", "jieba", "matplotlib", "playwright", "safetensors", "sklearn",
         "threadpoolctl", "tqdm", "textual"}


def run(*words, **options):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Build one target from this checkout, without a network."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")

    def made(target):
        folder = tmp_path_factory.mktemp("dist")
        run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder, cwd=ROOT)
        (file,) = folder.iterdir()
        return file

    return made


@pytest.fixture(scope="module")
def wheel(build):
    return build("wheel")


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def files_in(folder):
    """Everything in a folder of the checkout but Python's caches, by its path in the folder."""
    found = (path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def test_kernels_is_a_source_root_and_no_package():
    assert not (ROOT / "kernels" / "__init__.py").exists(), "the import name `kernels` is another project's"


def test_importing_the_engine_leaves_heavy_libraries_out():
    program = "import sys, tinygrad_zh; print(*sys.modules)"
    loaded = set(run(sys.executable, "-c", program, cwd=ROOT).split())
    assert "numpy" in loaded
    assert loaded & HEAVY == set()


def test_a_plain_clone_imports_both_packages(tmp_path):
    for folder in PACKAGES.values():
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = str(tmp_path)  # the kernels' source root beside it is found
    files = run(sys.executable, "-c", WHERE_THEY_ARE, cwd="/", env={**os.environ, "PYTHONPATH": path}).split()
    assert files == [str(tmp_path / folder / "__init__.py") for folder in PACKAGES.values()]


def test_the_wheel_holds_both_packages_whole_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert {name.split("/")[0] for name in names - info} == set(PACKAGES)
    for name, folder in PACKAGES.items():
        held = {each.removeprefix(f"{name}/") for each in names if each.startswith(f"{name}/")}
        assert held == files_in(folder)
    assert {f"{name}/py.typed" for name in PACKAGES} <= names
    assert "tinygrad_zh/i18n/catalog.json" in names
    assert any(name.endswith("/licenses/LICENSE") for name in info)


def test_data_travels_with_its_licence_notes(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    data = {Path(name).suffix for name in names if name.startswith("tinygrad_zh/data/files/")}
    assert {".gz", ".md"} <= data


def test_the_editable_install_is_two_source_roots(build):
    with zipfile.ZipFile(build("wheel:editable")) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".pth"))
        assert archive.read(name).decode().split() == [str(ROOT), str(ROOT / "kernels")]
        assert not any(n.endswith(".py") for n in archive.namelist()), "an import hook would hide the source"


def test_the_sdist_can_be_tested_where_it_is_unpacked(build):
    with tarfile.open(build("sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("pyproject.toml", "README.md", "LICENSE", ".ci/run", "tests/test_packaging.py"):
        assert needed in names
    assert {f"{folder}/{file}" for folder in PACKAGES.values() for file in files_in(folder)} <= names


def test_the_metadata(metadata):
    from tinygrad_zh._version import __version__

    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"gpu", "gpu-cuda13", "plot", "ui", "text", "test", "all"} <= set(metadata.get_all("Provides-Extra"))


def test_everything_but_the_gpu_is_in_all(metadata):
    def names(marker):
        lines = (line for line in metadata.get_all("Requires-Dist") if marker(line))
        return {re.match(r"[\w-]+", line)[0] for line in lines}

    always = {"numpy", "safetensors", "threadpoolctl", "tqdm", "fastjsonschema", "numba"}
    assert names(lambda line: "extra ==" not in line) == always
    everything = names(lambda line: "extra == 'all'" in line)
    assert everything >= {"matplotlib", "textual", "jieba", "scikit-learn"}
    assert not [name for name in everything if name.startswith(("cupy", "numba-cuda", "nvidia"))]


@pytest.mark.slow
def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    """Installed from its file alone; the libraries it needs are borrowed, so that no network is needed."""
    pytest.importorskip("pip", reason="pip is not installed")
    import numpy

    fresh = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", fresh)
    python = fresh / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "borrowed.pth").write_text(str(Path(numpy.__file__).parents[1]))
    alone = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    files = run(python, "-c", WHERE_THEY_ARE, cwd="/", env=alone).split()
    assert files == [str(site / name / "__init__.py") for name in PACKAGES]
    command = python.with_name("tinygrad-zh")
    assert "错误" not in run(command, "--lang", "zh", "doctor", cwd="/", env=alone)
    as_module = run(python, "-m", "tinygrad_zh", "--version", cwd="/", env=alone)
    assert as_module == run(command, "--version", cwd="/", env=alone)
    assert Distribution.at(next(site.glob("tinygrad_zh-*.dist-info"))).version == as_module.split()[1]
