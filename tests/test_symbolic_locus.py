"""The critical locus written out: identities, dimensions, labels, and what must be refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy

from detvar.classify import classify
from detvar.critical import critical_locus
from detvar.critical.symbolic.charts import symbolic_locus
from detvar.critical.symbolic.layout import Layout
from detvar.critical.symbolic.parametrization import SymbolicComponent, SymbolicLocus
from detvar.critical.witness import orbit_dimension
from detvar.errors import InputError, NotCertifiedError
from detvar.exact.matrices import Matrix, diagonal, identity, kron, matrix, rank, to_sympy, zeros
from detvar.losses import QuadraticLoss, SquaredLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import random_squared_problem
from detvar.networks.sampling import strings_of_weights
from detvar.networks.strings import Strings

ARCHITECTURES = [d for h in (1, 2, 3) for d in product((1, 2, 3), repeat=h + 1)]
SIGMA = {"distinct": [3, 2, 1], "two equal": [2, 2, 1], "one zero": [2, 1, 0], "equal": [1, 1, 1]}
GOLDEN = SquaredLoss(identity(2), matrix([[1, 1], [0, 1]]))  # σ² = (3 ± √5)/2

CUBIC = SquaredLoss(identity(3), matrix([[1, 1, 0], [0, 1, 2], [1, 0, 1]]))


def rational_problem(d: tuple[int, ...], sigma: list[int]) -> SquaredLoss:
    m, n = d[-1], d[0]
    return random_squared_problem(m, n, sigma[: min(m, n)], seed=sum(d))[0]


def random_problem(d: tuple[int, ...]) -> SquaredLoss:
    """Random integer data; the squared singular values have the degree min(m, n)."""
    m, n, rng = d[-1], d[0], Random(str(d))
    x, y = (Matrix(a, n, [rng.randint(-3, 3) for _ in range(a * n)]) for a in (n, m))
    return SquaredLoss(x + 4 * identity(n), y)


def locus_of(d: tuple[int, ...], loss: Any) -> SymbolicLocus:
    return critical_locus(LinearNetwork(*d), loss).symbolic()


def members(found: SymbolicLocus) -> list[SymbolicComponent]:
    return [*found.components, *found.inner]


def check_family(c: SymbolicComponent) -> None:
    report = c.verify()
    assert report, f"{c.family.strings}, {c.keeps}: {report.lines[-1]}"
    assert c.effective_parameters == c.dimension <= len(c.parameters)


def check_rational_family(c: SymbolicComponent) -> None:
    """Look at random weights with tools that know nothing of the parametrization."""
    weights = c.random_weights(seed=1)
    found = classify(c.network, c.loss, weights)
    assert found.is_critical
    assert (found.kind, found.nature, found.rank) == (c.kind, c.nature, c.rank)
    assert c.family.choice.value == found.value
    w = c.network.end_to_end(weights)
    g = c.loss.gradient(w)
    assert strings_of_weights(weights, g) == c.family.strings
    assert orbit_dimension(weights, w, g) + c.family.choice.dimension == c.effective_parameters


# ---- every small architecture ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("sigma", SIGMA)
@pytest.mark.parametrize("d", ARCHITECTURES, ids=str)
def test_every_component_of_rational_data(d: tuple[int, ...], sigma: str) -> None:
    locus = critical_locus(LinearNetwork(*d), rational_problem(d, SIGMA[sigma]))
    found = locus.symbolic()
    assert [c.family for c in found.components] == list(locus.components)
    assert [c.family for c in found.inner] == list(locus.inner)
    for c in members(found):
        check_family(c)
        check_rational_family(c)


@pytest.mark.slow
@pytest.mark.parametrize("d", [d for d in ARCHITECTURES if min(d[0], d[-1]) > 1], ids=str)
def test_every_component_of_irrational_data(d: tuple[int, ...]) -> None:
    for c in members(locus_of(d, random_problem(d))):
        check_family(c)


@pytest.mark.parametrize(
    ("d", "sigma"),
    [
        ((2, 2, 2), "distinct"),
        ((3, 2, 3), "two equal"),
        ((2, 2, 2, 2), "one zero"),
        ((2, 2), "equal"),
    ],
)
def test_some_components_of_rational_data(d: tuple[int, ...], sigma: str) -> None:
    for c in members(locus_of(d, rational_problem(d, SIGMA[sigma]))):
        check_family(c)
        check_rational_family(c)


@pytest.mark.parametrize("d", [(3, 2, 3), (2, 2, 1, 2), (3, 3)], ids=str)
def test_some_components_of_irrational_data(d: tuple[int, ...]) -> None:
    found = members(locus_of(d, random_problem(d)))
    assert len(d) == 2 or any(c.eigenvalues for c in found)
    for c in found:
        check_family(c)


@pytest.mark.parametrize(
    ("d", "sigma"), [((2, 2, 2, 2, 2), [2, 1]), ((2, 2, 2, 2, 2, 2), [2, 1])], ids=str
)
def test_deeper_networks_with_pairs_that_mix_both_ways(
    d: tuple[int, ...], sigma: list[int]
) -> None:
    found = locus_of(d, SquaredLoss(identity(2), diagonal(sigma))).components
    # two joined pairs, neither of which can be reached from the other: 1 − y₁₂y₂₁ must not vanish
    mixed = [
        c
        for c in found
        if any(str(x).startswith("y") for e in c.conditions for x in e.free_symbols)
    ]
    assert mixed
    for c in mixed:
        check_family(c)
        check_rational_family(c)


# ---- independent routes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "loss"),
    [
        ((2, 1, 2), GOLDEN),
        ((2, 2, 2), GOLDEN),
        ((2, 1, 1, 2), GOLDEN),
        ((2, 1, 2), SquaredLoss(identity(2), diagonal([2, 2]))),
        ((2, 2, 1), SquaredLoss([[1, 2], [0, 1]], [[1, 3]])),
    ],
    ids=str,
)
def test_derivatives_vanish_by_differentiation_in_sympy(
    d: tuple[int, ...], loss: SquaredLoss
) -> None:
    network = LinearNetwork(*d)
    symbols = network.symbolic_weights()
    residual = network.end_to_end(symbols) * to_sympy(loss.X) - to_sympy(loss.Y)
    value = sum(x * x for x in residual) / 2
    for c in locus_of(d, loss).components:
        at = {
            s: x for a, w in zip(symbols, c.weights, strict=True) for s, x in zip(a, w, strict=True)
        }
        for s in at:
            numerator = sympy.fraction(sympy.together(sympy.diff(value, s).subs(at)))[0]
            for relation, (root, _) in zip(c.relations, c.eigenvalues, strict=True):
                numerator = sympy.rem(sympy.expand(numerator), relation, root)
            assert sympy.expand(numerator) == 0


@pytest.mark.parametrize(
    ("d", "loss"),
    [((2, 2, 2), GOLDEN), ((3, 2, 3), CUBIC), ((3, 2, 2, 3), CUBIC), ((3, 3, 2, 3), CUBIC)],
    ids=str,
)
def test_irrational_families_in_floating_point(d: tuple[int, ...], loss: SquaredLoss) -> None:
    """Value, gradient, singular values and inertia with the real eigenvalues put in."""
    x, y = (np.array(to_sympy(a).tolist(), dtype=float) for a in (loss.X, loss.Y))
    sigma2 = np.linalg.svd(y @ np.linalg.pinv(x) @ x, compute_uv=False) ** 2
    rng = np.random.default_rng(1)
    for c in members(locus_of(d, loss))[::3]:
        at = {
            t: float(v)
            for t, v in zip(c.parameters, rng.normal(size=len(c.parameters)), strict=True)
        }
        at |= {s: float(v) for s, v in c.eigenvalues}
        w = [np.array(a.subs(at).tolist(), dtype=float) for a in c.weights]
        total = np.linalg.multi_dot(w[::-1])
        assert np.isclose(np.sum((total @ x - y) ** 2) / 2, float(c.family.choice.value))
        kept = [s for s, t in zip(sigma2, c.family.choice.take, strict=True) if t]
        singular = np.linalg.svd(total @ x, compute_uv=False)[: len(kept)] ** 2
        assert np.allclose(sorted(singular), sorted(kept))
        inertia = floating_inertia(w, x, y)
        assert inertia == tuple(c.family.inertia)


def floating_inertia(w: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[int, int, int]:
    """Inertia of the Hessian of ½‖W_h⋯W_1X − Y‖², from second differences of the product.

    The gradient is checked on the way.
    """
    directions = [
        (i, np.eye(1, a.size, j).reshape(a.shape)) for i, a in enumerate(w) for j in range(a.size)
    ]

    def chain(changes: dict[int, np.ndarray]) -> np.ndarray:
        out = x
        for i, a in enumerate(w):
            out = changes.get(i, a) @ out
        return out

    error = chain({}) - y
    first = [chain({i: e}) for i, e in directions]
    scale = 1 + max(np.abs(a).max() for a in w) ** len(w)
    assert np.allclose([np.sum(error * f) for f in first], 0, atol=1e-8 * scale)
    size = len(directions)
    hessian = np.zeros((size, size))
    for a, (i, e) in enumerate(directions):
        for b, (j, f) in enumerate(directions):
            hessian[a, b] = np.sum(first[a] * first[b])
            if i != j:
                hessian[a, b] += np.sum(error * chain({i: e, j: f}))
    values = np.linalg.eigvalsh(hessian)
    small = 1e-9 * np.abs(values).max()
    return (
        int(np.sum(values > small)),
        int(np.sum(values < -small)),
        int(np.sum(abs(values) <= small)),
    )


@pytest.mark.parametrize("d", [(2, 1, 2), (2, 2, 2), (2, 2, 1, 2)], ids=str)
def test_number_of_effective_parameters_by_the_jacobian_of_sympy(d: tuple[int, ...]) -> None:
    rng = Random(0)
    for c in members(locus_of(d, SquaredLoss(identity(2), diagonal([2, 2])))):
        if not c.parameters:
            assert c.effective_parameters == 0
            continue
        entries = sympy.Matrix([x for w in c.weights for x in w])
        at = {t: rng.randint(1, 99) for t in c.parameters}
        assert rank(matrix(entries.jacobian(c.parameters).subs(at))) == c.effective_parameters


@pytest.mark.parametrize(("d", "loss"), [((2, 2, 2, 2), GOLDEN), ((3, 2, 3), None)], ids=str)
def test_weights_are_products_of_the_factors(d: tuple[int, ...], loss: Any) -> None:
    loss = loss or SquaredLoss([[1, 0, 1], [2, 0, 2], [0, 1, 0]], [[1, 0, 2], [0, 3, 0], [1, 1, 1]])
    rng = Random(2)
    for c in locus_of(d, loss).components:
        names = set().union(*(a.free_symbols for a in (*c.frames, *c.weights)))
        at = {t: rng.randint(-20, 20) for t in sorted(names, key=str)}
        v, *bases, u = (sympy.Matrix(a.subs(at)) for a in c.frames)
        left, right = [*bases, u], [v, *(b.inv() for b in bases)]
        unseen = dict(c.unseen)
        for i, w in enumerate(c.weights):
            expected = left[i] * c.patterns[i] * right[i]
            if i + 1 in unseen:
                expected += unseen[i + 1].subs(at)
            assert sympy.Matrix(w.subs(at)) == expected


# ---- known forms --------------------------------------------------------------------------------


def test_two_layers_have_the_form_of_baldi_and_hornik() -> None:
    loss, _, _ = random_squared_problem(3, 3, [3, 2, 1], seed=5)
    form = loss.kronecker()
    assert form is not None
    operator = form.target * form.right * form.target.transpose() * form.left
    for c in locus_of((3, 2, 3), loss).components:
        if c.rank != 2:
            continue
        assert len(c.parameters) == c.effective_parameters == c.dimension == 4
        v, base, u = c.frames
        assert c.weights[0] == (base * v).expand()
        assert (c.weights[1] * base - u).applyfunc(sympy.cancel) == sympy.zeros(3, 2)
        kept = [
            s.as_rational()
            for s, t in zip(c.family.choice.spectrum.squares, c.family.choice.take, strict=True)
            if t
        ]
        for j, square in enumerate(kept):
            column = matrix(u[:, j])
            assert operator * column == column * square
        # U·V is the projection of the target on the kept eigenvectors
        assert loss.value(matrix(u * v)) == c.family.choice.value.as_rational()


def test_a_partly_kept_singular_value_runs_through_a_grassmannian() -> None:
    loss = SquaredLoss(identity(3), diagonal([2, 2, 1]))
    (best,) = [c for c in locus_of((3, 1, 3), loss).components if c.nature == "global_minimum"]
    (t,) = [x for x in best.parameters if str(x).startswith("g")]
    for slope in (0, 1, -3):
        w1, w2 = best.at({x: slope if x == t else 5 for x in best.parameters})
        product_of = w2 * w1
        assert product_of == matrix([[1, slope, 0], [slope, slope**2, 0], [0, 0, 0]]) * 2 / (
            1 + slope**2
        )


def test_mixing_lists_the_changes_that_hidden_bases_cannot_make() -> None:
    assert Layout(Strings(2, 0, (((1, 1), 1),), (((2, 0), 1),))).mixing() == []
    # of two pairs, [2,3]~[0,0] can be added to [3,3]~[0,1] in the hidden layers, not conversely
    joined = Strings(3, 0, (((1, 2), 1),), (((2, 0), 1), ((3, 1), 1)))
    assert Layout(joined).mixing() == [("y", 1, 0)]


# ---- other losses, and losses that see less ----------------------------------------------------

LOW = SquaredLoss([[1, 0], [2, 0]], [[2, 0], [0, 1]])
SINGULAR = QuadraticLoss(  # P ⊗ Σ with P of rank 1
    [[1, 2], [3, 5]], kron(matrix([[1, 1], [1, 1]]), matrix([[2, 1], [1, 3]]))
)


@pytest.mark.parametrize(
    ("d", "loss"),
    [
        ((2, 1, 2), LOW),
        ((2, 2), LOW),
        ((2, 2, 1, 2), LOW),
        ((2, 2), SINGULAR),
        ((2, 2, 2), SINGULAR),
        ((2, 1, 2), WeightedSquaredLoss([[1, 2], [3, 4]], [[1, 2], [3, 6]])),
        ((2, 2, 2), QuadraticLoss([[1, 2], [3, 5]], kron(matrix([[2, 1], [1, 2]]), identity(2)))),
    ],
    ids=str,
)
def test_other_losses_of_the_kronecker_class(d: tuple[int, ...], loss: Any) -> None:
    found = members(locus_of(d, loss))
    assert found
    for c in found:
        check_family(c)
        if not c.eigenvalues:
            answer = classify(c.network, c.loss, c.random_weights())
            assert (answer.is_critical, answer.nature) == (True, c.nature)


def test_a_constant_loss_has_no_families() -> None:
    found = locus_of((2, 1, 2), SquaredLoss(zeros(2, 2), identity(2)))
    assert found.components == () and found.verify()
    assert "constant" in str(found)


# ---- what must be refused -----------------------------------------------------------------------


def changed(c: SymbolicComponent, layer: int, entry: tuple[int, int], x: Any) -> SymbolicComponent:
    w = sympy.Matrix(c.weights[layer])
    w[entry] = x
    weights = list(c.weights)
    weights[layer] = sympy.ImmutableMatrix(w)
    return replace(c, weights=tuple(weights))


@pytest.mark.parametrize(
    "loss", [SquaredLoss(identity(2), diagonal([2, 1])), GOLDEN], ids=["Q", "√5"]
)
def test_corrupted_entries_are_refused(loss: SquaredLoss) -> None:
    for c in locus_of((2, 2, 2), loss).components:
        assert c.verify()
        for layer, w in enumerate(c.weights):
            for i, j in product(range(w.rows), range(w.cols)):
                # a critical point stays in a family of the same dimension only if nothing changes
                for x in (w[i, j] + 1, 2 * w[i, j] + sympy.Rational(1, 3)):
                    assert not changed(c, layer, (i, j), x).verify()


def test_other_corruptions_are_refused() -> None:
    first, second, *_ = locus_of((2, 1, 2), GOLDEN).components
    flat = locus_of((2, 1, 2), SquaredLoss(identity(2), diagonal([2, 1]))).components
    assert first.verify() and second.verify() and flat[0].verify()
    root, square = first.eigenvalues[0]
    t = first.parameters[0]
    wrong = {
        "the other eigenvalue": replace(first, eigenvalues=((root, second.eigenvalues[0][1]),)),
        "the other family": replace(first, family=second.family),
        "a relation that says too much": replace(first, relations=(root - 1,)),
        "a relation that says 1 = 0": replace(first, relations=(sympy.Integer(1),)),
        "no relation": replace(first, relations=(), eigenvalues=()),
        "a relation of another number": replace(first, relations=(root**2 - 3 * root + 2,)),
        "no condition": replace(first, conditions=()),
        "another condition": replace(first, conditions=(t + 1,)),
        "a wrong value": replace(first, value=first.value + 1),
        "a wrong dimension": replace(first, family=replace(first.family, dimension=2)),
        "fewer parameters": replace(
            first, weights=tuple(w.subs(t, 5) for w in first.weights), parameters=(), conditions=()
        ),
        "a smaller stratum": replace(
            first, weights=tuple(w * 0 for w in first.weights), parameters=(), conditions=()
        ),
        "layers exchanged": replace(first, weights=first.weights[::-1]),
        "the weights of the other choice": replace(flat[0], weights=flat[1].weights),
        "a floating-point number": changed(flat[0], 0, (0, 0), sympy.Float(0.5)),
        "an unknown symbol": changed(flat[0], 0, (0, 0), sympy.Symbol("other")),
        "a function": changed(flat[0], 0, (0, 0), sympy.exp(t)),
        "a pole everywhere": changed(
            flat[0], 0, (0, 0), sympy.Mul(1, sympy.Pow(root * 0 + t - t, -1))
        ),
    }
    for name, c in wrong.items():
        report = c.verify()
        assert not report, name
        assert report.lines[-1].startswith("refused"), name
    assert square.minimal_polynomial().degree() == 2


def test_a_locus_with_one_bad_component_is_refused() -> None:
    found = locus_of((2, 1, 2), GOLDEN)
    assert found.verify()
    bad = changed(found.components[0], 0, (0, 0), sympy.Integer(0))
    report = replace(found, components=(bad, *found.components[1:])).verify()
    assert not report and "keeps σ1" in report.lines[-1]


# ---- values, text, JSON -------------------------------------------------------------------------


def test_weights_at_given_parameters() -> None:
    c = locus_of((2, 1, 2), SquaredLoss(identity(2), diagonal([2, 1]))).components[0]
    (t,) = c.parameters
    assert [w.tolist() for w in c.at({t: "1/2"})] == [[[1, 0]], [[2], [0]]]
    with pytest.raises(InputError, match="has no value"):
        c.at({})
    with pytest.raises(InputError, match="condition vanishes"):
        c.at({t: 0})
    with pytest.raises(InputError, match="irrational"):
        locus_of((2, 1, 2), GOLDEN).components[0].random_weights()


def test_text_latex_and_json() -> None:
    found = locus_of((2, 2, 2), GOLDEN)
    assert "lambda_1 = (3+√5)/2, where lambda_1**2 - 3*lambda_1 + 1 = 0" in str(found)
    assert r"W_{2} &= U" in found.to_latex() and r"\lambda_{1}^{2}" in found.to_latex()
    assert found.components[0]._repr_latex_().startswith("$")
    saved = json.loads(json.dumps(found.to_json()))
    for c, obj in zip(found.components, saved["components"], strict=True):
        assert [sympy.Matrix(sympy.sympify(w)) for w in obj["weights"]] == [
            sympy.Matrix(w) for w in c.weights
        ]
    again = SymbolicLocus.from_json(saved)
    assert again.to_json() == found.to_json()
    saved["components"][0]["weights"][0][0][0] = "0"
    with pytest.raises(NotCertifiedError, match="components"):
        SymbolicLocus.from_json(saved)
    with pytest.raises(InputError, match="no saved symbolic locus"):
        SymbolicLocus.from_json([])


def test_families_come_in_the_order_of_the_locus() -> None:
    locus = critical_locus(LinearNetwork(3, 2, 2, 3), SquaredLoss(identity(3), diagonal([3, 2, 1])))
    found = symbolic_locus(locus)
    assert [c.family for c in members(found)] == [*locus.components, *locus.inner]
    limited = critical_locus(
        LinearNetwork(3, 2, 3), SquaredLoss(identity(3), diagonal([3, 2, 1])), [1]
    )
    assert {c.rank for c in limited.symbolic().components} == {1}
