"""Finding kernels and bodies: by existing. A folder with a contract is a room, a file in it holds bodies."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from tinygrad_zh_kernels.kernel import Body, Kernel, registered

HERE = Path(__file__).parent


@cache
def _contracts() -> None:
    for found in pkgutil.iter_modules([str(HERE)]):
        if found.ispkg and not found.name.startswith("_"):
            import_module(f"tinygrad_zh_kernels.{found.name}")


@cache
def _files(room: str) -> dict[str, str]:
    """Import the bodies of a room. {file: why it could not be}, for a library that is not installed."""
    package = import_module(f"tinygrad_zh_kernels.{room}")
    missing = {}
    for found in pkgutil.iter_modules(package.__path__):
        try:
            import_module(f"{package.__name__}.{found.name}")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("tinygrad_zh"):
                raise
            missing[found.name] = f"{error.name} is not installed"
    return missing


def kernels() -> dict[str, Kernel]:
    """Every kernel by name: "softmax.forward". 全部计算核"""
    _contracts()
    return {kernel.name: kernel for kernel in sorted(registered(), key=lambda kernel: kernel.name)}


def get(name: str) -> Kernel:
    """The kernel of this name. Raises KeyError that lists all names."""
    found = kernels()
    if name not in found:
        raise KeyError(f"there is no kernel {name!r}; there are {', '.join(found)}")
    return found[name]


def bodies(kernel: Kernel) -> dict[str, Body]:
    """A kernel's bodies by name, those of files that were loaded by hand too. 一个计算核的各种写法"""
    if (HERE / kernel.room / "__init__.py").is_file():
        _files(kernel.room)
    return kernel.own


def missing(room: str) -> dict[str, str]:
    """{file: why}: the files of a room whose library is not installed."""
    return _files(room)


def load(path: str | Path) -> tuple[Body, ...]:
    """Run a Python file of yours and return the bodies that it registered. 载入自己的写法

    From then on they are checked, timed, drawn and chosen like those of this package. Raises FileNotFoundError, and
    ValueError for a file that registers none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    before = {id(body) for kernel in kernels().values() for body in bodies(kernel).values()}
    _run(path)
    new = tuple(body for kernel in registered() for body in kernel.own.values() if id(body) not in before)
    if not new:
        raise ValueError(f"{path} registers no body; a body is a function under @softmax.forward.body(…)")
    return new


def _run(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"tinygrad_zh_kernels_of_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
