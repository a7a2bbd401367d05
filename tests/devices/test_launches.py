"""A training step on the GPU: the CPU's numbers to the bit, within its launches, and without waiting once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.devices import launches

BUDGET = json.loads(launches.FILE.read_text(encoding="utf-8"))
HOW = "if that is meant: python -m tests.devices.launches, and say why in the commit"


@pytest.mark.parametrize("name", launches.STEPS)
def test_a_step_launches_as_often_as_it_did(name: str, cupy: Any) -> None:
    assert launches.of_a_step(cupy.gpu, name) == BUDGET[name], HOW


@pytest.mark.parametrize("name", launches.STEPS)
def test_nothing_in_a_step_waits_for_the_gpu(name: str, cupy: Any) -> None:
    """Nor is a copy made: batches, masks and positions are there."""
    assert BUDGET[name] | {"launch": 0} == dict.fromkeys(launches.COUNTED, 0)


def test_fit_waits_twice_a_step(cupy: Any) -> None:
    found = launches.of_fit(cupy.gpu)
    assert found == BUDGET["s3, four steps of fit"], HOW
    assert found["sync"] == 2 * 4


@pytest.mark.parametrize("name", launches.STEPS)
def test_the_steps_are_the_cpus_to_the_bit(name: str, cupy: Any) -> None:
    here, there = (launches.train(name, device).state_dict() for device in ("cpu", "cuda"))
    assert {key: array.tobytes() for key, array in there.items()} == \
        {key: array.tobytes() for key, array in here.items()}
    assert not cupy.gpu.counts["launch on the null stream"]
