"""Sums of squares: exact Gram matrices, multipliers for cells, constants enclosed by balls."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import sympy as sp

from detvar.errors import InputError, MissingExtraError
from detvar.exact.balls import arb
from detvar.exact.matrices import matrix
from detvar.exact.rational import rational
from detvar.landscape import examples
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove import prove
from detvar.landscape.prove.cases import Case, Setting
from detvar.landscape.prove.sums_of_squares import Grams, holds, monomials, propose

pytest.importorskip("clarabel", reason="Clarabel is not installed: pip install clarabel")

X, Y = sp.symbols("x y", real=True)


def setting_of(problem: FiniteSum, alpha: Any, beta: Any) -> Setting:
    assert problem.exact is not None
    return Setting.of(problem.exact, alpha, beta)


def plane(polynomial: Any, *walls: Any) -> tuple[Setting, Case]:
    """A case whose polynomial is given: the finite sum only lends its ring."""
    base = FiniteSum.from_sympy([X**2 + Y**2], [X, Y], [(0, 0)], [0])
    setting = setting_of(base, 2, 1)
    x, y = setting.ring
    return setting, Case(0, 0, polynomial(x, y), tuple(w(x, y) for w in walls))


def squares(setting: Setting, case: Case) -> bool:
    grams = propose(setting, case)
    return grams is not None and holds(setting, case, grams)


# (alpha, beta) of example 6 with what is known: 1/c = 20.684741411…
@pytest.mark.parametrize(
    ("alpha", "beta", "answer"),
    [("21", "20", True), ("20.6848", "19.6848", True), ("20.684", "19.684", False)],
)
def test_sixth_example(alpha: str, beta: str, answer: bool) -> None:
    proof = prove(examples.ex6(), alpha, beta, "sos")
    assert proof.answer is answer
    assert proof.verify()
    assert answer is False or {entry["method"] for entry in proof.data} == {"sos"}


def test_the_second_cell_needs_its_multiplier() -> None:
    """At α = 0.525, δ = 0.01 the inequality for p₂ fails on the plane and holds on the cell."""
    setting = setting_of(examples.ex6(), "0.525", "0.515")
    needy = []
    for case in setting.cases:
        assert squares(setting, case)
        alone = Case(case.term, case.point, case.polynomial, ())
        if not squares(setting, alone):
            needy.append((case.term, case.point))
            graph, root = setting.graph(case)
            # and indeed F < 0 somewhere: by plain sampling
            from detvar.landscape.prove.boxes import compiled

            run = compiled(graph, [root], 2, setting.balls)
            grid = [(a / 8, b / 8) for a in range(-16, 25) for b in range(-16, 25)]
            assert any(run([arb(u), arb(v)])[0] < 0 for u, v in grid)
    assert len(needy) == 2


def test_the_completed_gram_matrix_in_floating_point() -> None:
    """P − zᵀQz is spread over Q: with t as a float the completed Q has P back and is ⪰ 0."""
    setting = setting_of(examples.ex6(), 21, 20)
    case = setting.cases[0]
    grams = propose(setting, case)
    assert grams is not None
    t = float(setting.balls[0].mid())
    x, y, s = sp.symbols("x y s")
    symbols = [x, y, s]
    assert case.polynomial is not None
    p = sum(
        sp.Rational(str(c)) * sp.prod(v ** int(e) for v, e in zip(symbols, m, strict=True))
        for m, c in case.polynomial.to_dict().items()
    )
    wall = sum(
        sp.Rational(str(c)) * sp.prod(v ** int(e) for v, e in zip(symbols, m, strict=True))
        for m, c in case.cell[0].to_dict().items()
    )
    rest = p
    for weight, basis, q in zip([1, wall], grams.bases, grams.matrices, strict=True):
        z = sp.Matrix([x**a * y**b for a, b in basis])
        full = sp.Matrix([[sp.Rational(str(v)) for v in row] for row in q.tolist()])
        rest = rest - weight * (z.T * full * z)[0]
        assert np.linalg.eigvalsh(np.array(full.tolist(), dtype=float)).min() > -1e-12
    left = sp.Poly(sp.expand(rest).subs(s, t), x, y)
    assert max(abs(float(c)) for c in left.coeffs()) < 1e-6


def test_motzkins_polynomial_is_no_sum_of_squares() -> None:
    """x⁴y² + x²y⁴ − 3x²y² + 1 ≥ 0 is none (Motzkin 1967), and (1 + x² + y²) times it is one."""

    def motzkin(x: Any, y: Any) -> Any:
        return x**4 * y**2 + x**2 * y**4 - x**2 * y**2 * 3 + 1

    assert not squares(*plane(motzkin))
    assert not squares(*plane(lambda x, y: motzkin(x, y) + rational("1/1000")))


@pytest.mark.parametrize("shift", ["1/1000", "-1/1000", "0"])
def test_positive_quartics_and_only_they_have_proofs(shift: str) -> None:
    """(x² + y − 1)² + (x − y)⁴ + (x − 1)²(y + 2)² + s has the least value s at (1, …) or more."""

    def f(x: Any, y: Any) -> Any:
        return (x * x + y - 1) ** 2 + (x - y) ** 2 * (x + y) ** 2 + rational(shift)

    # x² + y = 1 and |x| = |y| meet: the least value is the shift
    assert squares(*plane(f)) is (rational(shift) > 0)


def test_a_wall_helps_only_on_its_side() -> None:
    """x⁴ + y⁴ + 3x + ¼ = σ₀ + x·3 is ≥ 0 for x ≥ 0, and −1.74 at (−4/5, 0)."""

    def f(x: Any, y: Any) -> Any:
        return x**4 + y**4 + x * 3 + rational("1/4")

    assert squares(*plane(f, lambda x, y: x))
    assert not squares(*plane(f, lambda x, y: -x))
    assert not squares(*plane(f))


# --- holds: exact, and hard to please -------------------------------------------------------------


def univariate() -> tuple[Setting, Case]:
    return plane(lambda x, y: x**2 * 2 - x * 2 + 1)


def gram(rows: Any) -> Grams:
    return Grams((((0, 0), (1, 0)),), (matrix(rows),), (rational(0), rational(0)))


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        ([[1, -1], [-1, 2]], True),
        ([[1, 0], [0, 2]], True),  # what is missing, −2x, is put in
        ([[7, 7], [7, 7]], True),  # everything is put right: the diagonal entries are single
        ([[1, -1], [1, 2]], False),  # not symmetric
    ],
)
def test_one_square(rows: Any, answer: bool) -> None:
    assert holds(*univariate(), gram(rows)) is answer


def test_a_gram_matrix_that_is_not_positive_is_refused() -> None:
    setting, case = plane(lambda x, y: x**2 - x * 4 + 1)
    assert not holds(setting, case, gram([[1, -2], [-2, 1]]))
    singular = plane(lambda x, y: x**2 - x * 2 + 1)
    assert holds(*singular, gram([[1, -1], [-1, 1]]))
    below = plane(lambda x, y: x**2 - x * 2 + 1 - rational("1e-30"))
    assert not holds(*below, gram([[1, -1], [-1, 1]]))


def test_a_monomial_that_the_basis_does_not_reach_is_refused() -> None:
    setting, case = plane(lambda x, y: x**2 + y**2)
    assert not holds(setting, case, gram([[0, 0], [0, 1]]))


def test_a_negative_multiplier_is_refused() -> None:
    """x = 1·0 + (−x)·(−1): the identity holds, the multiplier is not a square."""
    setting, case = plane(lambda x, y: x, lambda x, y: -x)
    bases, zero = (((0, 0), (1, 0)), ((0, 0),)), (rational(0), rational(0))
    assert not holds(setting, case, Grams(bases, (matrix([[0, 0], [0, 0]]), matrix([[-1]])), zero))
    right = plane(lambda x, y: x, lambda x, y: x)
    assert holds(*right, Grams(bases, (matrix([[0, 0], [0, 0]]), matrix([[1]])), zero))


def test_a_wide_enclosure_of_the_constant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = setting_of(examples.ex6(), "20.6848", "19.6848")
    case = setting.cases[0]
    grams = propose(setting, case)
    assert grams is not None and holds(setting, case, grams)
    for radius, answer in ((1e-12, True), (1e-3, False)):
        other = setting_of(examples.ex6(), "20.6848", "19.6848")
        other.__dict__["balls"] = [b + arb(0, radius) for b in setting.balls]
        assert holds(other, case, grams) is answer


def test_grams_in_json() -> None:
    grams = gram([["1/2", -1], [-1, 2]])
    again = Grams.from_json(grams.to_json())
    assert again.bases == grams.bases and again.matrices == grams.matrices
    zero = ["0", "0"]
    blocks = [
        [],
        {},
        [{}],
        [{"monomials": [[0, 0]], "gram": [["1", "2"]]}],
        [{"monomials": [[-1, 0]], "gram": [["1"]]}],
        [{"monomials": [[True, 0]], "gram": [["1"]]}],
    ]
    for bad in ([], {}, {"centre": "0", "blocks": blocks[3]}, {"centre": zero},
                *({"centre": zero, "blocks": b} for b in blocks)):  # fmt: skip
        with pytest.raises(InputError):
            Grams.from_json(bad)


def test_a_term_that_is_fitted_exactly() -> None:
    """c = 0 makes F(p) = 0: the squares are centred at p, and have no constant monomials."""
    u, v = X - 1, Y + 2
    f = (u**2 + v**2) / (1 + u**2 + v**2) + (u**2 + 2 * v**2) / 5
    problem = FiniteSum.from_sympy([f], [X, Y], [(1, -2)], [0])
    # aiming with a constant below 1 holds, and with 2 it fails far out, where f is a square
    proof = prove(problem, "1/4", 0, "sos")
    assert proof.answer is True and proof.verify()
    assert proof.data[0]["grams"]["centre"] == ["1", "-2"]
    assert prove(problem, 3, 0, "sos").answer is False


def test_number_of_monomials() -> None:
    # C(d + e, e)
    assert [len(monomials(d, 2)) for d in (1, 2, 3)] == [3, 6, 10]


def test_without_clarabel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(MissingExtraError, match="sos"):
        prove(examples.ex6(), 21, 20, "sos")
    # the automatic choice does without it
    assert prove(examples.ex6(), "0.525", "0.515").answer is True
