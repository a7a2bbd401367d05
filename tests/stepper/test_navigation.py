"""Where the keys lead: laws over every step of hand-made and of recorded documents."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.stepper.handmade import chain, showcase, square
from tests.stepper.samples import trace
from tinygrad_zh.i18n import catalogue
from tinygrad_zh.stepper import Document, navigation
from tinygrad_zh.stepper.navigation import MOVES, gradients_so_far, group

Data = dict[str, Any]
MADE = {"square": square, "showcase": showcase, "chain": lambda: chain(12, 3)}
RECORDED = ("s6", "reused", "attention", "nan", "error")


@cache
def document(name: str) -> Data:
    return MADE[name]() if name in MADE else trace(name).document().data


every_document = pytest.mark.parametrize("name", [*MADE, *RECORDED])


@every_document
def test_the_documents_are_documents(name):
    Document(document(name))


@every_document
def test_next_then_previous_is_where_we_were(name):
    data = document(name)
    last = len(data["steps"]) - 1
    for k in range(last):
        assert navigation.previous_step(data, navigation.next_step(data, k)) == k
    assert navigation.next_step(data, last) == last
    assert navigation.previous_step(data, 0) == 0


@every_document
@pytest.mark.parametrize("what", ["op", "phase"])
def test_next_and_previous_op_and_phase_undo_each_other_between_beginnings(name, what):
    data = document(name)
    forth, back = getattr(navigation, f"next_{what}"), getattr(navigation, f"previous_{what}")
    beginnings = [0]
    while (k := forth(data, beginnings[-1])) != beginnings[-1]:
        assert k > beginnings[-1]
        assert back(data, k) == beginnings[-1]
        beginnings.append(k)
    for k in range(len(data["steps"])):  # from inside, back leads to the beginning of this one
        assert back(data, k) == max((b for b in beginnings if b < k), default=k)


def test_phases_begin_where_the_groups_change():
    data = square()
    assert [k for k in range(len(data["steps"])) if navigation.previous_phase(data, min(k + 1, 11)) == k] == [0, 3, 4]
    assert [navigation.next_phase(data, k) for k in (0, 2, 3, 4, 11)] == [3, 3, 4, 11, 11]


@every_document
@pytest.mark.parametrize("action", MOVES)
def test_every_move_leads_to_a_step_or_nowhere(name, action):
    data = document(name)
    for k in range(len(data["steps"])):
        assert MOVES[action](data, k) in [None, *range(len(data["steps"]))]


def test_every_action_of_the_table_is_known_and_has_its_words():
    others = {"percent", "left", "down", "up", "right", "zoom", "find", "find_next", "expand", "expand_all", "overlay",
              "check", "source", "language", "link", "glossary", "help", "quit"}
    actions = [row["action"] for row in navigation.keys()]
    assert sorted(actions) == sorted({*MOVES, *others})
    assert {f"stepper.key.{action}" for action in actions} <= catalogue().keys()


def test_digits_jump_by_tenths():
    data = document("s6")
    assert navigation.percent(data, 0) == 0
    assert navigation.percent(data, 5) == len(data["steps"]) // 2
    assert [navigation.percent(data, t) for t in range(10)] == sorted(navigation.percent(data, t) for t in range(10))


def test_along_the_edges():
    data = square()
    assert navigation.producer(data, 1) == 0  # q's first input h comes from the first product
    assert navigation.producer(data, 7) == 9  # ∂L/∂h goes on to that product's own backward step
    assert navigation.producer(data, 9) is None  # w is a leaf
    assert navigation.producer(data, 3) == 2  # no backward step has made L: its forward step has
    assert [navigation.consumer(data, k) for k in (0, 1, 2)] == [1, 2, None]
    assert navigation.consumer(data, 9) == 7


@every_document
def test_accumulations_are_where_something_was_there_before(name):
    data = document(name)
    wanted = {k for k, step in enumerate(data["steps"])
              if step["phase"] in ("backward", "sum_to", "cast", "gradient") and step.get("before") is not None}
    assert {navigation.next_accumulation(data, k) for k in range(len(data["steps"]))} - {None} == wanted


def test_a_search_goes_round_and_finds_its_own_step_last():
    data = square()
    assert [navigation.next_accumulation(data, k) for k in (0, 7, 8, 11)] == [8, 8, 8, 8]
    assert [navigation.next_accumulation(showcase(), k) for k in (0, 2, 9)] == [2, 9, 2]
    assert navigation.next_accumulation(chain(3), 0) is None


def test_the_first_value_that_is_not_finite_is_found():
    data = document("nan")
    first = navigation.next_nonfinite(data, len(data["steps"]) - 1)
    assert data["ops"][data["steps"][first]["op"]]["name"] == "Log"
    assert navigation.next_nonfinite(document("s6"), 0) is None


def test_a_value_outside_of_the_window_counts():
    data = square()
    data["arrays"][9]["nan"] = 1
    assert navigation.next_nonfinite(data, 0) == 8
    assert navigation.find(data, "nan") == [8]


def test_the_worst_check():
    data = square()
    assert navigation.worst(data, 0) == 8
    data["steps"][7]["check"]["error"] = 3e-10  # of equals the first
    assert navigation.worst(data, 0) == 7
    assert navigation.worst(chain(3), 0) is None


@pytest.mark.parametrize(
    ("query", "found"),
    [("mul", [0, 1, 7, 8, 9, 10]), ("SEED", [3]), ("起点", [3]), ("sum_to", [5]), ("逐元素", [0, 1, 7, 8, 9, 10]),
     ("( 1, )", [2, 3, 6]), ("inf", []), ("nothing", [])],
)
def test_find(query, found):
    assert navigation.find(square(), query) == found


def test_find_by_module_and_next_hit():
    data = chain(12, 3)
    hits = navigation.find(data, "blocks.1.first")
    assert [data["steps"][k]["op"] for k in hits] == [4, 5, 5, 4]
    assert navigation.find_next(data, "blocks.1.first", hits[1]) == hits[2]
    assert navigation.find_next(data, "blocks.1.first", hits[-1]) == hits[0]
    assert navigation.find_next(data, "nothing", 0) is None


@every_document
def test_a_gradient_is_there_from_its_first_contribution_on_and_never_before(name):
    data = document(name)
    for t in range(len(data["tensors"])):
        mine = [k for k, step in enumerate(data["steps"]) if step.get("tensor") == t
                and group(step) in ("seed", "backward") and {"gradient", "after"} & step.keys()]
        there = [k for k in range(len(data["steps"])) if t in gradients_so_far(data, k)]
        assert there == list(range(mine[0], len(data["steps"]))) if mine else there == []


def test_the_gradient_so_far_is_the_sum_so_far():
    data = square()
    assert [gradients_so_far(data, k).get(2) for k in (6, 7, 8, 11)] == [None, 8, 9, 9]
