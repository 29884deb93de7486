"""Derivations of lists of critical points: counts, natures and which minimum is bad.

The numbers of the front-page example are known: 6 complex points, 4 real ones, two local minima of
value 1/8 and 1/2, two saddles of value 33/64.
"""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from typing import Any

import pytest

import detvar as dv
from detvar.critical import critical_points

LOSSES: dict[str, Any] = {
    "weighted": lambda: dv.WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]]),
    "logistic": lambda: dv.LogisticLoss([[1, 0], [0, 1]], [[3, 6], [6, 5]], [[2, 3], [3, 3]]),
    "likelihood": lambda: dv.LikelihoodLoss([[4, 2], [1, 5]]),
    "mild": lambda: dv.WeightedSquaredLoss([[2, 1], [1, 3]], [[1, 2], [2, 3]]),
}


@cache
def explained(name: str) -> Any:
    network = dv.LinearNetwork(2, 1, 2)
    return critical_points(network, LOSSES[name](), progress=False).explain()


@pytest.mark.parametrize("name", LOSSES)
def test_a_list_is_explained(name: str) -> None:
    why = explained(name)
    assert why.check().ok
    assert [s.rule for s in why.steps][:3] == ["problem", "count", "count"]
    text = str(why)
    assert not re.search(r"\\|None|nan|\{\}", text)
    assert json.loads(json.dumps(why.to_json()))["kind_of_result"] == "points_explanation"
    for k, step in enumerate(why.steps, start=1):
        assert all(1 <= r < k for r in step.refers)


def test_the_bad_minimum_of_the_front_page() -> None:
    text = str(explained("weighted"))
    for line in (
        "Of rank 1, 6 of 6 critical points are certified and distinct; none is missing.",
        "Of the points of rank 1, 4 are real",
        "W_1 = [1 0; 0 0], ℓ(W_1) = 1/8, In Q = (3, 0, 0)",
        "W_1 is the global minimum on the matrices of rank at most 1.",
        "W_2 is a local minimum that is not global.",
        "W_2 = [0 0; 0 1/2], ℓ(W_2) = 1/2 > 1/8 = ℓ(W_1)",
    ):
        assert line in text, line


def test_without_a_bad_minimum_none_is_claimed() -> None:
    why = explained("mild")
    minima = [p for p in why.points.real if p.nature == "local_minimum"]
    assert sum(s.rule == "bad" for s in why.steps) == len(minima)
    assert sum(s.rule == "bad" for s in explained("weighted").steps) == 1


def test_a_changed_step_or_point_is_refused() -> None:
    why = explained("weighted")
    for k, step in enumerate(why.steps):
        steps = list(why.steps)
        steps[k] = dataclasses.replace(step, claim=step.claim.replace("1", "2") + " ")
        assert not dataclasses.replace(why, steps=tuple(steps)).check().ok
    points = why.points
    moved = dataclasses.replace(points.points[0], rank=0)
    changed = dataclasses.replace(points, points=(moved, *points.points[1:]))
    assert not dataclasses.replace(why, points=changed).check().ok
