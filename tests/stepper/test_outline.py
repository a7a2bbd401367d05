"""The outline is short, shows the current op, and leaves nothing out that it does not count."""

from __future__ import annotations

import pytest

from tests.stepper.handmade import chain, square
from tests.stepper.samples import trace
from tinygrad_zh.stepper.outline import LIMIT, Row, outline, tree

GRAPHS = {
    "flat": chain(1000), "equal blocks": chain(1000, 250), "different blocks": chain(1000, 250, equal=False),
    "small": chain(12, 3), "by hand": square(),
}  # fmt: skip
every_graph = pytest.mark.parametrize("name", GRAPHS)


def ops_shown(rows: list[Row]) -> list[int]:
    """The ops that the rows stand for, those of closed modules and of gaps too."""
    return [op for row in rows if not row.open for op in range(row.first, row.first + row.ops)]


@every_graph
def test_every_op_is_in_one_row_and_there_are_few_rows(name):
    data = GRAPHS[name]
    for op in range(0, len(data["ops"]), max(len(data["ops"]) // 40, 1)):
        rows = outline(data, op)
        assert len(rows) <= LIMIT
        assert ops_shown(rows) == list(range(len(data["ops"])))


@pytest.mark.parametrize("op", [0, 333, 999])
@pytest.mark.parametrize("name", ["equal blocks", "different blocks"])
def test_open_modules_in_a_gap_are_counted_by_their_ops(name, op):
    data = GRAPHS[name]
    rows = outline(data, op, opened=range(len(data["modules"])))
    assert len(rows) <= LIMIT
    assert ops_shown(rows) == list(range(1000))


@every_graph
def test_the_current_op_is_marked_and_shown_itself(name):
    data = GRAPHS[name]
    for op in range(0, len(data["ops"]), max(len(data["ops"]) // 40, 1)):
        (current,) = [row for row in outline(data, op) if row.current]
        assert (current.kind, current.number) == ("op", op)


@every_graph
def test_without_a_current_op_nothing_is_marked(name):
    rows = outline(GRAPHS[name], None)
    assert len(rows) <= LIMIT
    assert not any(row.current for row in rows)


def test_a_small_graph_is_open():
    rows = outline(GRAPHS["small"], 0)
    assert [(row.kind, row.depth) for row in rows[:5]] == [("module", 0), ("module", 1), ("op", 2), ("op", 2),
                                                           ("module", 1)]
    assert sum(row.kind == "op" for row in rows) == 12


def test_equal_blocks_fold_round_the_one_that_is_open():
    rows = outline(GRAPHS["equal blocks"], 500)
    assert [(row.depth, row.kind, row.folded, row.open) for row in rows] == [
        (0, "module", 125, False), (0, "module", 1, True), (1, "module", 1, True), (2, "op", 1, False),
        (2, "op", 1, False), (1, "module", 1, False), (0, "module", 124, False),
    ]


def test_different_blocks_do_not_fold():
    assert all(row.folded == 1 for row in outline(GRAPHS["different blocks"], 500))


def test_a_flat_graph_shows_the_neighbourhood_and_counts_the_rest():
    rows = outline(GRAPHS["flat"], 500)
    assert [rows[0].kind, rows[-1].kind] == ["more", "more"]
    assert [row.number for row in rows[1:-1]] == list(range(471, 529))
    assert (rows[0].ops, rows[-1].ops) == (471, 471)
    assert outline(GRAPHS["flat"], 0)[0].kind == "op"
    assert outline(GRAPHS["flat"], 999)[-1].current


def test_the_reader_opens_and_closes():
    data = GRAPHS["equal blocks"]
    opened = outline(data, 0, opened={747})
    assert any(row.number == 747 and row.open for row in opened)
    closed = outline(data, 500, closed={375})
    (current,) = [row for row in closed if row.current]
    assert current.kind == "module"
    assert current.first <= 500 < current.first + current.ops


def test_the_modules_round_a_deep_op_stay_in_view():
    data = chain(300, 1)
    rows = outline(data, 100)
    assert len(rows) <= LIMIT
    assert [row.number for row in rows if row.open] == [0, 1]
    assert rows[2].kind == "more"  # after the modules, before the neighbourhood
    assert sum(row.ops for row in rows if not row.open) == 300


def test_a_tree_has_every_op_once_in_order():
    def leaves(nodes):
        return [op for node in nodes for op in ([node.first] if node.module is None else leaves(node.children))]

    assert leaves(tree(GRAPHS["equal blocks"])) == list(range(1000))


def test_recorded_modules():
    data = trace("s6").document().data
    rows = outline(data, 3)
    names = [data["modules"][row.number]["path"] for row in rows if row.kind == "module"]
    assert names == ["", "layers.0", "layers.1", "layers.2"]
