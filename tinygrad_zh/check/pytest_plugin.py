"""For tests of your own ops under pytest: the fixture `gradcheck`, which fails with the report. pytest 插件

Switch it on in the conftest.py at the top of your tests:

    pytest_plugins = ["tinygrad_zh.check.pytest_plugin"]

and ask for the fixture:

    def test_cube(gradcheck):
        gradcheck(Cube, np.array([0.5, -1.0]))

It is not installed as an entry point: pytest would then import the engine in every run of every project around it.
Where you assert for yourself, `assert tz.check.gradcheck(…)`, no plugin is needed: a report says in one line what is
wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tinygrad_zh.check.checking import gradcheck as check
from tinygrad_zh.check.report import Report
from tinygrad_zh.i18n import text

BOTH = (1, 2)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("tinygrad-zh").addoption(
        "--gradcheck-seed", type=int, default=0, metavar="N", help=text("check.pytest.option"))


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Callable[..., list[Report]]:
    """`check.gradcheck` of first and second order, under the seed of --gradcheck-seed. 中文：梯度检验夹具。

    Takes what it takes; `orders=[1]` leaves out the second, as `grad=` does. The first report that fails, fails the
    test; otherwise all are returned.
    """
    seed = request.config.getoption("gradcheck_seed")

    def checked(fn_or_op: Callable[..., Any], *inputs: Any, orders: Sequence[int] = BOTH,
                **settings: Any) -> list[Report]:
        __tracebackhide__ = True  # the reader's own line stands above the report
        reports = []
        for order in orders if settings.get("grad") is None else [1]:
            reports.append(check(fn_or_op, *inputs, order=order, **{"seed": seed} | settings))
            if not reports[-1]:
                pytest.fail(f"{reports[-1]}\n\n{text('check.pytest.again', seed=reports[-1].seed)}")
        return reports

    return checked
