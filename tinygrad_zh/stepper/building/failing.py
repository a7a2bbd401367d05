"""Where an error came from: the user's line, the function of the engine that refused, and what that was given."""

from __future__ import annotations

import traceback
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tinygrad_zh.core.tape import ENGINE, name_of


class Given(NamedTuple):
    """An argument: its name in the function, the value, and what the user's program calls it."""

    name: str
    value: Any
    users: str


class Failure(NamedTuple):
    """where: the user's line. name, code: the function that refused its arguments, where there is one."""

    where: tuple[str, int, str] | None
    name: str = ""
    code: CodeType | None = None
    given: tuple[Given, ...] = ()


def failure(error: BaseException) -> Failure:
    """Read off the traceback: the last place where the user's program called the engine, and what happened there."""
    frames = list(traceback.walk_tb(error.__traceback__))
    calls = [k for k in range(len(frames) - 1) if not _ours(frames[k][0]) and _ours(frames[k + 1][0])]
    if not calls:
        return Failure(_place(*frames[-1]) if frames else None)
    caller, line = frames[calls[-1]]
    public = [frame for frame, _ in frames[calls[-1] + 1:] if _ours(frame) and _is_public(frame)]
    if not public:
        return Failure(_place(caller, line))
    called = public[-1]
    names = called.f_code.co_varnames[: called.f_code.co_argcount + called.f_code.co_kwonlyargcount]
    given = tuple(Given(name, called.f_locals[name], name_of(called.f_locals[name], caller))
                  for name in names if name in called.f_locals)
    return Failure(_place(caller, line), called.f_code.co_name, called.f_code, given)


def _is_public(frame: FrameType) -> bool:
    """A function with a name of its own that was given an array: not a helper, a lambda or a method of a layer."""
    return not frame.f_code.co_name.startswith(("_", "<")) and any(
        hasattr(value, "dtype") for value in frame.f_locals.values())


def _ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(ENGINE)


def _place(frame: FrameType, line: int) -> tuple[str, int, str]:
    return frame.f_code.co_filename, line, frame.f_code.co_name
