"""Triples: what is accepted, how labels travel, and what a trace file tells."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError
from detvar.landscape.region import Region
from detvar.landscape.region_report import region_report
from detvar.landscape.triples import LABELS, NUMBERS, Triples, load_constants

HAND = Triples([1.0, -0.5], [2.0, 0.4], [0.5, 0.8], step=[3, 4], seed=[0, 1])


def test_margin_is_the_difference_of_the_two_sides() -> None:
    """αc − δb + g, computed the other way round."""
    rng = np.random.default_rng(0)
    t = Triples(rng.normal(size=50), rng.random(50), rng.random(50))
    for alpha, beta in [(1.0, 0.25), (8.0, 7.5), (1.0, 0.0)]:
        other = alpha * t.c - (alpha - beta) * t.b + t.g
        np.testing.assert_allclose(t.margin(alpha, beta), other, atol=1e-13)


def test_rounding_below_zero_is_set_to_zero() -> None:
    t = Triples([0.0], [-1e-9], [-1e-17])
    assert t.b[0] == 0 and t.c[0] == 0
    big = Triples([0.0], [1e6], [-0.5])  # relative to the losses themselves
    assert big.c[0] == 0


def test_what_was_given_is_not_changed() -> None:
    b = np.array([-1e-9, 2.0])
    t = Triples(np.zeros(2), b, np.ones(2))
    assert b[0] == -1e-9 and b.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        t.b[0] = 1


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (([math.nan], [1], [1]), InputError, r"g\[0\] is nan"),
        (([1, 2], [1, math.inf], [1, 1]), InputError, r"b\[1\] is inf"),
        (([1], [-0.01], [1]), InputError, r"lower bound of f_i lies above the observed f_i\(x\)"),
        (([1], [1], [-0.01]), InputError, r"lower bound of f_i lies above the observed f_i\(p\)"),
        (([1], [1, 2], [1]), ShapeError, "b has 2 entries and g has 1"),
        (([[1]], [[1]], [[1]]), ShapeError, "flat array"),
        ((["a"], [1], [1]), InputError, "g does not consist of real numbers"),
        (([1j], [1], [1]), InputError, "g does not consist of real numbers"),
        (([1], [1], [1], [0.5]), InputError, "step does not consist of whole numbers"),
        (([1], [1], [1], [0, 1]), ShapeError, "step has 2 entries"),
    ],
)
def test_bad_columns(columns: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        Triples(*columns)


def test_types_that_hold_numbers_are_accepted() -> None:
    t = Triples(np.float32([0.5]), [1], np.array([True]), step=np.array([2.0]))
    assert t.g.dtype == np.float64 and t.step is not None and t.step.dtype == np.int64
    assert len(Triples([], [], [])) == 0


def test_concat_and_take() -> None:
    both = Triples.concat(HAND, Triples([1], [1], [1], step=[9]))
    assert len(both) == 3 and both.step is not None and both.step.tolist() == [3, 4, 9]
    assert both.seed is None and both.batch is None
    assert both.take([2, 0]).step is not None
    assert both.take([2, 0]).g.tolist() == [1, 1] and both.take(both.g < 0).b.tolist() == [0.4]
    assert len(Triples.concat()) == 0


def test_averages() -> None:
    t = Triples([1, 3, 5, 7], [2, 4, 6, 8], [0, 1, 2, 3]).averaged(2)
    assert [x.tolist() for x in (t.g, t.b, t.c)] == [[2, 6], [3, 7], [0.5, 2.5]]
    for size in (0, 3):
        with pytest.raises(InputError, match="groups"):
            Triples([1, 3], [2, 4], [0, 1]).averaged(size)


def test_files_are_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    HAND.save(path, L=2.0, gap=0.1)
    again = Triples.load(path)
    for name in (*NUMBERS, *LABELS):
        one, two = getattr(HAND, name), getattr(again, name)
        assert (one is None and two is None) or one.tobytes() == two.tobytes()
    assert load_constants(path) == {"L": 2.0, "gap": 0.1}


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(InputError, match="there is no file"):
        Triples.load(path)
    path.write_text("g,b,c")
    with pytest.raises(InputError, match=r"not an \.npz file"):
        Triples.load(path)
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="cannot be read"):
        Triples.load(path)
    np.savez(path, g=[1.0], b=[1.0])
    with pytest.raises(InputError, match="no array c"):
        Triples.load(path)
    np.savez(path, g=np.array([{}], dtype=object), b=[1.0], c=[1.0])
    with pytest.raises(InputError, match="cannot be read"):
        Triples.load(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match=r"not an \.npz file"):
        Triples.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        Triples.load(tmp_path)
    with pytest.raises(InputError, match='"M" cannot be stored'):
        HAND.save(path, M=1.0)
    with pytest.raises(InputError, match="gap is nan"):
        HAND.save(path, gap=math.nan)


# --- the report -----------------------------------------------------------------------------------


def test_report(tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    HAND.save(path, L=1, K=100, D0=1)
    text, data = region_report(path)
    assert "2 triples, alpha - beta at least 0.1" in text and "does not store sigma2" in text
    region = Region.from_triples(HAND, delta_min="0.1")
    assert data["min_alpha"] == region.min_alpha()
    assert data["best_ratio"]["ratio"] == pytest.approx(4 / 3)
    assert [w["step"] for w in data["active"]] == [4, 3]
    assert Region.from_json(json.loads(json.dumps(data["region"]))).delta_min == region.delta_min
    assert "recorded steps only" in text and data["bounds"] == []


def test_report_says_what_is_vacuous(tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    HAND.save(path, L=1, K=100, D0=1, sigma2=1, gap=1)
    text, data = region_report(path)
    assert data["bounds"][0]["value"] == pytest.approx(1.0437903, rel=1e-6)
    assert [b["is_vacuous"] for b in data["bounds"]] == [True, False, True]
    assert (
        "sgd: the best bound is 1.04379" in text and "vacuous: not below the initial gap 1" in text
    )
    _, larger = region_report(path, gap=1.1)  # what is given comes before what is stored
    assert larger["bounds"][0]["is_vacuous"] is False


def test_report_of_an_empty_region(tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    Triples([1, -1], [1, 2], [1, 0], step=[0, 17]).save(path, L=1, K=1, D0=1, sigma2=1)
    text, data = region_report(path)
    assert "no (alpha, beta) with alpha - beta >= 0.1 is feasible" in text and "step 17" in text
    assert data["is_empty"] and data["min_alpha"] is None and data["best_ratio"] is None
    json.dumps(data, allow_nan=False)
    Triples([], [], []).save(path)
    with pytest.raises(InputError, match="no triples"):
        region_report(path)
