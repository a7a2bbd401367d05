"""`tinygrad-zh bench compare`: rows that match are compared, others are named, files that are none are refused."""

from __future__ import annotations

import json

import pytest

from tinygrad_zh import cli
from tinygrad_zh.bench import Results, Row, compare, read, write
from tinygrad_zh.bench.compare_command import share
from tinygrad_zh.i18n import in_language

HERE = {"processor": "one", "cores": "2", "system": "Linux", "numpy": "2.4"}


def results(machine=HERE, **seconds):
    return Results(machine, [Row({"kernel": name, "size": [64, 8]}, value) for name, value in seconds.items()])


@pytest.fixture
def files(tmp_path):
    def make(before, after):
        return [str(write(each, tmp_path / f"{i}.json")) for i, each in enumerate((before, after))]

    return make


def test_what_is_written_is_read_back(tmp_path):
    row = Row({"kernel": "softmax.forward", "size": [4, 8], "threads": 1}, 0.5, {"low": 0.4, "bytes": 256})
    path = write(Results(HERE, [row], {"peaks": {"memory": 1e9}}), tmp_path / "new" / "a.json")
    found = read(path)
    assert found == Results(HERE, [row], {"peaks": {"memory": 1e9}})
    assert found.rows[0].key == "softmax.forward 4×8 1"
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("after", "slower", "faster"), [(1.04, False, False), (1.06, True, False), (0.9, False, True)])
def test_a_row_is_slower_beyond_the_tolerance(after, slower, faster):
    (change,) = compare(results(a=1.0), results(a=after), 0.05).changes
    assert (change.slower, change.faster, change.ratio) == (slower, faster, pytest.approx(after))


def test_rows_of_one_file_alone_are_named_and_do_not_count():
    found = compare(results(a=1.0, b=1.0), results(b=1.0, c=9.0))
    assert [change.key for change in found.changes] == ["b 64×8"]
    assert (found.gone, found.new, found.slower) == (("a 64×8",), ("c 64×8",), ())


def test_the_worst_regression_comes_first():
    found = compare(results(a=1.0, b=1.0, c=1.0), results(a=1.2, b=3.0, c=1.0))
    assert [change.key for change in found.slower] == ["b 64×8", "a 64×8"]


@pytest.mark.parametrize("fact", ["processor", "cores", "system", "gpu"])
def test_other_machines_are_refused_unless_asked_for(fact):
    other = results({**HERE, fact: "another"}, a=9.0)
    with pytest.raises(ValueError, match=f"two machines: {fact}.*'another'.*--any-machine"):
        compare(results(a=1.0), other)
    assert compare(results(a=1.0), other, any_machine=True).slower


def test_nothing_in_common_is_an_error_and_so_is_a_row_that_stands_twice():
    with pytest.raises(ValueError, match="none of the 1 rows before is among the 2 rows after"):
        compare(results(a=1.0), results(b=1.0, c=1.0))
    twice = results(a=1.0)
    with pytest.raises(ValueError, match="stands twice in one file: a 64×8"):
        compare(Results(HERE, [*twice.rows, *twice.rows]), twice)


@pytest.mark.parametrize(("content", "said"), [
    (b"\xff\xfe", "no JSON file"),
    (b"kernel,seconds\n", "no JSON file"),
    (b"[" * 100_000, "no JSON file"),
    (b"[]", "holds no times"),
    (b'{"machine": {}}', "holds no times"),
    (b'{"machine": {}, "rows": [3]}', "row 0"),
    (b'{"machine": {}, "rows": [{"of": {"a": 1}, "seconds": 1}, {"of": {}, "seconds": 1}]}', "row 1"),
    (b'{"machine": {}, "rows": [{"of": {"a": 1}, "seconds": NaN}]}', "row 0"),
    (b'{"machine": {}, "rows": [{"of": {"a": 1}, "seconds": 0}]}', "row 0"),
    (b'{"machine": {}, "rows": [{"of": {"a": 1}, "seconds": true}]}', "row 0"),
    (b'{"machine": {}, "rows": [{"of": {"a": 1}, "seconds": "1"}]}', "row 0"),
])
def test_files_that_hold_no_times_are_refused_in_one_sentence(tmp_path, content, said):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"some.json.*{said}|{said}"):
        read(path)


@pytest.mark.parametrize(("word", "value"), [("5%", 0.05), ("0.2", 0.2), ("0", 0.0), ("150%", 1.5)])
def test_a_tolerance_is_a_share(word, value):
    assert share(word) == pytest.approx(value)


@pytest.mark.parametrize("word", ["-1%", "nan", "inf%", "much"])
def test_what_is_no_tolerance_is_refused(word):
    with pytest.raises(ValueError):
        share(word)


# ---- the command


@pytest.mark.parametrize(("code", "said"), [
    ("en", ["SLOWER", "1.50", "differs: numpy: 2.4 → 2.5", "only in the second file (1): c 64×8",
            "1 of 2 rows are slower by more than 5%; the worst, a 64×8, takes 1.50 times as long."]),
    ("zh", ["变慢", "1.50", "不同之处：numpy：2.4 → 2.5", "只在第二个文件里（1 行）：c 64×8",
            "2 行中有 1 行慢了 5% 以上；最慢的是 a 64×8，用时是原来的 1.50 倍。"]),
])
def test_a_regression_is_shown_and_is_exit_status_1(files, capsys, code, said):
    paths = files(results(a=0.01, b=0.01), results({**HERE, "numpy": "2.5"}, a=0.015, b=0.01, c=1.0))
    with in_language(code):
        assert cli.main(["bench", "compare", *paths]) == 1
    out = capsys.readouterr().out
    assert [line for line in said if line not in out] == []


def test_within_the_tolerance_is_exit_status_0(files, capsys):
    paths = files(results(a=0.01), results(a=0.015))
    with in_language("en"):
        assert cli.main(["bench", "compare", *paths, "--tolerance", "60%"]) == 0
    assert "None of 1 rows is slower by more than 60%." in capsys.readouterr().out


def test_errors_are_one_sentence(files, tmp_path, capsys):
    one, other = files(results(a=1.0), results({**HERE, "cores": "64"}, a=1.0))
    with in_language("en"):
        assert cli.main(["bench", "compare", one, other]) == 1
        assert cli.main(["bench", "compare", one, str(tmp_path / "none.json")]) == 1
        assert cli.main(["bench"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "two machines" in errors[0] and "No such file" in errors[1] and len(errors) > 3


def test_a_failed_write_leaves_the_old_results(tmp_path):
    path = write(results(a=1.0), tmp_path / "a.json")
    before = path.read_text("utf-8")
    with pytest.raises(ValueError):
        write(results(a=float("nan")), path)
    assert path.read_text("utf-8") == before
    assert json.loads(before)["rows"] == [{"of": {"kernel": "a", "size": [64, 8]}, "seconds": 1.0}]
