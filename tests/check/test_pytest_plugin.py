"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import pytest

from tinygrad_zh.i18n import in_language

pytest_plugins = ["pytester"]

TESTS = """
import numpy as np, pytest, tinygrad_zh as tz

X = np.array([0.5, -1.0, 2.0])

class Cube(tz.Op):
    def forward(x): return x * x * x
    def backward(dy, x): return dy * 3 * x * x

class Half(tz.Op):
    def forward(x): return x * x
    def backward(dy, x): return dy * x

class RightOnce(tz.Op):
    '''Its second derivative is wrong: the factor is a constant for whoever differentiates again.'''
    def forward(x): return x * x * x
    def backward(dy, x): return dy * 3 * x * (x.detach() if hasattr(x, "detach") else x)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest on the tests below, in English; its result."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(tests, *options):
        pytester.makeconftest('pytest_plugins = ["tinygrad_zh.check.pytest_plugin"]')
        pytester.makepyfile(TESTS + tests)
        with in_language("en"):
            return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)

    return run


def test_a_right_op_passes_in_both_orders(run):
    result = run("""
def test_cube(gradcheck):
    assert [report.order for report in gradcheck(Cube, X)] == [1, 2]
    assert [report.order for report in gradcheck(Cube, X, orders=[1])] == [1]
""")
    result.assert_outcomes(passed=1)


def test_a_wrong_op_fails_with_its_report_and_without_our_frames(run):
    result = run("""
def test_half(gradcheck):
    gradcheck(Half, X)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        ">*gradcheck(Half, X)",
        "E*gradient check of Half: FAILED, 1 found",
        "E*x: off by a constant factor: 1/2 times what it should be",
        "E*To see it again: pytest --gradcheck-seed 0",
    ])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_the_second_order_is_checked_too(run):
    result = run("""
def test_once(gradcheck):
    gradcheck(RightOnce, X, orders=[1])

def test_twice(gradcheck):
    gradcheck(RightOnce, X)
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*order 2*"])


def test_a_numpy_gradient_has_one_order(run):
    run("""
def test_numpy(gradcheck):
    (report,) = gradcheck(lambda x: (x * x).sum(), X, grad=2 * X)
    assert report.order == 1
""").assert_outcomes(passed=1)


@pytest.mark.parametrize("options, seed", [([], 0), (["--gradcheck-seed", "7"], 7)])
def test_the_seed_comes_from_the_command_line(run, options, seed):
    result = run(f"""
def test_seed(gradcheck):
    assert gradcheck(Cube, X)[0].seed == {seed}
    assert gradcheck(Cube, X, seed=3)[0].seed == 3

def test_wrong(gradcheck):
    gradcheck(Half, X)
""", *options)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"E*pytest --gradcheck-seed {seed}"])


def test_a_plain_assertion_says_what_is_wrong(run):
    result = run("""
def test_plain():
    assert tz.check.gradcheck(Half, X)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert <gradient check of Half: FAILED, 1 found; x: off by a constant factor: *"])


def test_the_option_is_explained(run):
    result = run("", "--help")
    result.stdout.fnmatch_lines(["*--gradcheck-seed=N*seed of all that is random in the fixture gradcheck*"])


def test_without_the_plugin_there_is_no_fixture(pytester):
    pytester.makepyfile("def test(gradcheck): pass")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(errors=1)
