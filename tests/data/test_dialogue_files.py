"""Dialogues from tables and from the corpus, small ones of the same form."""

from __future__ import annotations

import json
import zipfile

import pytest

from tinygrad_zh.data import dialogue_files, dialogues
from tinygrad_zh.data.crosswoz import INTENTS, intent, turns

from .server import serve

THANK, BYE, GREET = (["General", kind, "none", "none"] for kind in ("thank", "bye", "greet"))
ASK_NAME, ASK_PHONE, ASK_NEAR = (["Request", "酒店", slot, ""] for slot in ("名称", "电话", "周边餐馆"))
ASK_METRO = ["Request", "地铁", "出发地附近地铁站", ""]
STARS, CHOICE = ["Inform", "酒店", "评分", "4.5分以上"], ["Select", "餐馆", "源领域", "酒店"]


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ([GREET, STARS, ASK_NAME], "求推荐"),
        ([["Inform", "酒店", "名称", "北京丽晶酒店"], ASK_PHONE], "问电话"),
        ([["Request", "酒店", "电话", ""], ["Request", "餐馆", "电话", ""]], "问电话"),
        ([THANK, ASK_NEAR], "问周边餐馆"),
        ([ASK_PHONE, ASK_NEAR], None),
        ([ASK_METRO], None),
        ([STARS], "补充条件"),
        ([THANK, CHOICE], "补充条件"),
        ([THANK], "致谢"),
        ([THANK, THANK], "致谢"),
        ([THANK, BYE], None),
        ([GREET], None),
        ([], None),
    ],
)
def test_the_intent_of_dialogue_acts(acts, expected):
    assert intent(acts) == expected


def corpus(*said):
    """The JSON of one dialogue: (role, text, acts) in turn."""
    messages = [{"content": text, "role": role, "dialog_act": acts, "user_state": []} for role, text, acts in said]
    return {"10034": {"sys-usr": [55, 100], "messages": messages, "type": "单领域"}}


TRAIN = corpus(
    ("usr", "我想找个酒店 ", [STARS, ASK_NAME]),
    ("sys", "北京丽晶酒店。", [["Recommend", "酒店", "名称", "北京丽晶酒店"]]),
    ("usr", "电话多少？", [ASK_PHONE]),
    ("sys", "不客气", [THANK]),
    ("usr", "谢谢", [THANK]),
    ("usr", "电话多少？", [ASK_PHONE]),
    ("usr", "行吗？", [STARS]),
    ("usr", "行吗？", [THANK]),
)
TEST = corpus(("usr", "谢谢", [THANK]), ("usr", "附近有餐馆吗？", [ASK_NEAR]))


def fill(folder, contents=(TRAIN, TEST)):
    for name, content in zip(("val.json", "test.json"), contents, strict=True):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
    return folder


def rows(found):
    return [(found.names[label], text) for label, text in zip(found.labels, found.texts, strict=True)]


def assert_small(train, test):
    assert rows(train) == [("求推荐", "我想找个酒店"), ("问电话", "电话多少？"), ("致谢", "谢谢")]
    assert rows(test) == [("问周边餐馆", "附近有餐馆吗？")], "what is in the training set must not be in the test set"
    assert train.names == test.names == INTENTS


def test_the_corpus_in_the_cache_and_at_hand(tmp_path):
    assert_small(*dialogues(fill(tmp_path)))
    assert_small(*dialogues(tmp_path / "empty", source=tmp_path))


def test_tables_go_before_the_corpus(tmp_path):
    fill(tmp_path)
    (tmp_path / "crosswoz_intent10_train.tsv").write_text("label\ttext\n甲\t一\n乙\t二\n", encoding="utf-8")
    assert_small(*dialogues(tmp_path))  # one table of two is none
    (tmp_path / "crosswoz_intent10_test.tsv").write_text("label\ttext\n甲\t三\n", encoding="utf-8")
    train, test = dialogues(tmp_path)
    assert rows(train) == [("甲", "一"), ("乙", "二")] and rows(test) == [("甲", "三")]
    (tmp_path / "crosswoz_intent10_test.tsv").write_text("丙\t三\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"test\.tsv, line 1: the label '丙' is not one of 乙, 甲"):
        dialogues(tmp_path)


def test_a_source_without_them(tmp_path):
    for source in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"holds neither crosswoz_intent10_train\.tsv and .* nor val\.json"):
            dialogues(tmp_path / "empty", source=source)


def test_a_truncated_archive(tmp_path):
    fill(tmp_path)
    whole = (tmp_path / "val.json.zip").read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "val.json.zip").write_bytes(whole[:keep])
        with pytest.raises(ValueError, match=r"val\.json\.zip is not a whole zip archive"):
            dialogues(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        '{"1": {}}',
        '{"1": {"messages": [{"role": "usr"}]}}',
        '{"1": {"messages": [{"role": "usr", "content": 3, "dialog_act": [["General", "thank", "none", "none"]]}]}}',
        '{"1": {"messages": [{"role": "usr", "content": "a", "dialog_act": [["Request"]]}]}}',
        '{"1": {"messages": [{"role": "usr", "content": "a", "dialog_act": 3}]}}',
    ],
)
def test_other_json_in_the_archive(tmp_path, content):
    fill(tmp_path, (content, TEST))
    with pytest.raises(ValueError, match=r"val\.json\.zip does not hold dialogues of CrossWOZ") as error:
        dialogues(tmp_path)
    assert "\n" not in str(error.value)


def test_an_archive_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("other.json", "{}")
    with pytest.raises(ValueError, match="does not hold dialogues of CrossWOZ"):
        turns(tmp_path / "a.zip", "val.json")


def test_dialogues_without_a_clear_turn(tmp_path):
    fill(tmp_path, (corpus(("usr", "你好", [GREET])), TEST))
    with pytest.raises(ValueError, match=r"val\.json\.zip holds no turn of a customer with a clear intent"):
        dialogues(tmp_path)


def test_download_once(tmp_path, monkeypatch):
    fill(tmp_path)
    files = {f"/{name}": (tmp_path / name).read_bytes() for name in ("val.json.zip", "test.json.zip")}
    files["/old/val.json.zip"] = b"version https://git-lfs.github.com/spec/v1"
    with serve(files) as server:
        monkeypatch.setattr(dialogue_files, "ADDRESSES", (f"{server.address}/old/", f"{server.address}/"))
        cache = tmp_path / "cache"
        assert_small(*dialogues(cache))
        asked = len(server.requests)
        assert_small(*dialogues(cache))
        assert len(server.requests) == asked
        (cache / "val.json.zip").unlink()
        assert_small(*dialogues(cache))
        assert [path for path, _ in server.requests[asked:]] == ["/old/val.json.zip", "/val.json.zip"]


def test_offline_names_the_file_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dialogue_files, "ADDRESSES", ())
    with pytest.raises(ConnectionError, match=r"could not download val\.json\.zip; put the file at "):
        dialogues(tmp_path)
