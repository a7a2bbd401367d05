"""CUDA C compiled by NVRTC: the program, the assembly it comes from, and what it uses of a processor."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh_kernels.launcher import COMMON, prelude
from tinygrad_zh_kernels.offline.library import headers, library


class CompileError(RuntimeError):
    """The compiler's own words about what it does not accept."""


class Usage(NamedTuple):
    """What a kernel uses: registers a thread, bytes a thread that did not fit into them, bytes of shared memory."""

    registers: int
    spilled: int
    stack: int
    shared: int


class Compiled(NamedTuple):
    """A .cu file for one dtype and architecture."""

    ptx: str
    cubin: bytes
    usage: dict[str, Usage]


def nvrtc(file: Path | str, dtype: Any = "float32", arch: str = "sm_90", defines: tuple[str, ...] = ()) -> Compiled:
    """Compile a .cu file. 编译 CUDA C 源文件

    Raises CompileError with what the compiler says, MissingCompiler if it is not installed.
    """
    file, dtype = Path(file), np.dtype(dtype)
    options = [f"--gpu-architecture={arch}", "--std=c++17", "--ptxas-options=-v", f"--include-path={COMMON.parent}",
               *(f"--include-path={folder}" for folder in ([headers()] if dtype == np.float16 else []))]
    source = prelude(dtype, defines) + file.read_text(encoding="utf-8")
    program = ctypes.c_void_p()
    _call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), file.name.encode(), 0, None, None)
    try:
        listed = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = library().nvrtcCompileProgram(program, len(options), listed)
        log = _text("nvrtcGetProgramLog", program).rstrip(b"\0").decode()
        if failed:
            raise CompileError(f"{file.name} does not compile for {dtype}, {arch}:\n{log}")
        ptx = _text("nvrtcGetPTX", program).rstrip(b"\0").decode()
        return Compiled(ptx, _text("nvrtcGetCUBIN", program), usage(log))
    finally:
        library().nvrtcDestroyProgram(ctypes.byref(program))


def usage(report: str) -> dict[str, Usage]:
    """{kernel: its usage}, from the report of ptxas.

    >>> usage("ptxas info    : Compiling entry function 'f' for 'sm_90'\\n"
    ...       "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\\n"
    ...       "ptxas info    : Used 20 registers, used 1 barriers, 128 bytes smem, 376 bytes cmem[0]")
    {'f': Usage(registers=20, spilled=16, stack=8, shared=128)}
    """
    _, *parts = re.split(r"Compiling entry function '(\w+)' for", report)
    return {name: Usage(_number(r"Used (\d+) registers", part),
                        _number(r"(\d+) bytes spill stores", part) + _number(r"(\d+) bytes spill loads", part),
                        _number(r"(\d+) bytes stack frame", part), _number(r"(\d+) bytes smem", part))
            for name, part in zip(parts[::2], parts[1::2], strict=True)}


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _text(function: str, program: ctypes.c_void_p) -> bytes:
    """What NVRTC has to give under this name: first its length, then it."""
    length = ctypes.c_size_t()
    _call(f"{function}Size", program, ctypes.byref(length))
    text = ctypes.create_string_buffer(length.value)
    _call(function, program, text)
    return text.raw


def _call(function: str, *arguments: Any) -> None:
    nvrtc = library()
    if code := getattr(nvrtc, function)(*arguments):
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise CompileError(f"{function}: {nvrtc.nvrtcGetErrorString(code).decode()}")
