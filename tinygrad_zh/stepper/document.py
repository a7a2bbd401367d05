"""The document: a trace as data, in one documented, versioned and checked form that all front ends read.

schema.json, beside this file, says what stands in it; its version is the document's "schema".
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from tinygrad_zh.disk import whole_file
from tinygrad_zh.stepper.readable import Readable
from tinygrad_zh.stepper.references import check_references

VERSION = "tinygrad_zh.trace/1"


class Document(Readable):
    """A trace as data. 中文：记录的数据形式。

    data: the dictionary that schema.json describes; what is JSON in a file is a dictionary here. Raises ValueError
    for data that is not of this form, naming the first place that is wrong.
    """

    def __init__(self, data: Any) -> None:
        check(data)
        self.data: dict[str, Any] = data

    @property
    def title(self) -> str:
        """What the recording was called. 中文：标题。"""
        return str(self.data["meta"]["title"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps in the order in which they ran. 中文：所有步骤。"""
        return list(self.data["steps"])

    def document(self, values: str = "auto") -> Document:
        """Itself. Raises ValueError for values="full" where only five digits were kept."""
        if values == "full" and self.data["meta"]["values"] != "full":
            raise ValueError('this trace was saved with five digits (values="auto"); record it again for all of them')
        return self

    def position(self, step: int) -> int:
        """The index of a step; a negative one counts from the end. Raises IndexError where there is none."""
        count = len(self.data["steps"])
        if not -count <= step < count:
            raise IndexError(f"this trace has the steps 0 to {count - 1}, there is no step {step}")
        return step % count

    def write(self, path: str | PathLike[str]) -> None:
        """Write the JSON, whole or not at all. Raises OSError."""
        content = to_json(self.data)
        with whole_file(path) as beside:
            beside.write_text(content, encoding="utf-8")


def to_json(data: dict[str, Any]) -> str:
    """Compact JSON; numbers that are not finite are strings in it already."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def load(path: str | PathLike[str]) -> Document:
    """Open a trace that `save_json` wrote. 中文：打开已保存的记录。

    Raises OSError where the file cannot be read, ValueError where it is no such trace, or one of another version.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return Document(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{path} is no trace of tinygrad_zh: {error}") from None


def check(data: Any) -> None:
    """Raise ValueError, naming the place, unless data is a document of this version that refers to what it has."""
    version = data.get("schema") if isinstance(data, dict) else None
    if version != VERSION:
        raise ValueError(f'its "schema" is {version!r:.80}, and this version of tinygrad_zh reads "{VERSION}"')
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator()(data)
    except JsonSchemaValueException as error:
        raise ValueError(f"{error.message:.300}") from None
    check_references(data)


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of a document. 中文：JSON 模式。"""
    found: dict[str, Any] = json.loads(files("tinygrad_zh.stepper").joinpath("schema.json").read_text("utf-8"))
    return found


@cache
def _validator() -> Any:
    import fastjsonschema

    return fastjsonschema.compile(schema(), use_default=False)
