"""What a customer wants in each turn of a dialogue, read off the annotation of the CrossWOZ corpus.

Q. Zhu, K. Huang, Z. Zhang, X. Zhu, M. Huang, "CrossWOZ: A Large-Scale Chinese Cross-Domain Task-Oriented
Dialogue Dataset", TACL 8, 2020; Apache-2.0.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

# The slot that a customer asks for, and the intent that this is.
ASKED = {
    "名称": "求推荐",
    "地址": "问地址",
    "电话": "问电话",
    "评分": "问评分",
    "营业时间": "问营业时间",
    "周边景点": "问周边景点",
    "周边餐馆": "问周边餐馆",
    "周边酒店": "问周边酒店",
}
INTENTS = tuple(sorted([*ASKED.values(), "补充条件", "致谢"]))


def intent(acts: Iterable[Sequence[str]]) -> str | None:
    """The one intent of a turn with these dialogue acts (kind, domain, slot, value), or None.

    A turn that requests one slot has the intent of that slot, whatever else it says; one that requests
    nothing, and informs or selects, adds a condition (补充条件); one that only thanks is thanks (致谢).
    Everything else, and above all two requests in one turn, is no clear case.
    """
    acts = list(acts)
    requested = {slot for kind, _, slot, _ in acts if kind == "Request"}
    if requested:
        return ASKED.get(requested.pop()) if len(requested) == 1 else None
    if any(kind in ("Inform", "Select") for kind, *_ in acts):
        return "补充条件"
    return "致谢" if acts and all(act[:2] == ["General", "thank"] for act in acts) else None


def turns(path: Path, member: str) -> list[tuple[str, str]]:
    """(intent, text) of the customers' turns with a clear intent, from the JSON ``member`` of a zip archive.

    Each text is there once; one that has two intents in different places is left out. Raises ValueError,
    naming the file, where it is damaged or holds no such turns.
    """
    found: dict[str, set[str]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            dialogues = json.loads(archive.read(member))
        for message in (message for dialogue in dialogues.values() for message in dialogue["messages"]):
            if message["role"] == "usr" and (wanted := intent(message["dialog_act"])):
                found.setdefault(message["content"].strip(), set()).add(wanted)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} is not a whole zip archive ({error}); remove it and run again") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold dialogues of CrossWOZ ({error!r:.120})") from error
    rows = [(intents.pop(), text) for text, intents in found.items() if text and len(intents) == 1]
    if not rows:
        raise ValueError(f"{path} holds no turn of a customer with a clear intent")
    return rows
