"""Critical equations in symbols: against gradients, labels, counts, and against each other."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import sympy

import detvar as dv
from detvar.classify import classify
from detvar.critical import exact_count, exact_points
from detvar.critical.symbolic import CriticalEquations, critical_equations, problem_of
from detvar.critical.symbolic.algebras import evaluated
from detvar.errors import DetvarError, InputError, NotCertifiedError, NotExactError, ShapeError
from detvar.exact.groebner import groebner_basis
from detvar.exact.matrices import Matrix, identity, inverse, matrix, nullspace, rank, unvec, vec
from detvar.exact.rational import Rational, rational
from detvar.exact.rational_functions import Polynomial
from detvar.losses import (
    ExponentialLoss,
    ExpressionLoss,
    LikelihoodLoss,
    LogCoshLoss,
    LogisticLoss,
    Loss,
    PowerLoss,
    PseudoHuberLoss,
    QuadraticLoss,
    SoftmaxLoss,
    SquaredLoss,
    SymbolicLoss,
    WeightedSquaredLoss,
)
from detvar.losses.symbolic_text import read_symbolic
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import random_critical_weights, random_squared_problem

WEIGHTED = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])


def net(*widths: int) -> LinearNetwork:
    return LinearNetwork(*widths)


def random_matrix(m: int, n: int, rng: Random) -> Matrix:
    return matrix(
        [[Rational(rng.randint(-9, 9), rng.randint(1, 3)) for _ in range(n)] for _ in range(m)]
    )


def random_weights(network: LinearNetwork, rng: Random) -> tuple[Matrix, ...]:
    """Weights of random ranks, so that some products degenerate."""
    out = []
    for n, m in zip(network.widths, network.widths[1:], strict=False):
        e = rng.randint(1, min(m, n))
        out.append(random_matrix(m, e, rng) * random_matrix(e, n, rng))
    return tuple(out)


def values_at(eqs: CriticalEquations, point: Sequence[Any]) -> list[Rational]:
    """The structured equations, evaluated exactly, entry by entry."""
    known = dict(zip(eqs.variables, map(rational, point), strict=True))
    return [Rational(evaluated(x, known, rational)) for x in eqs.equations]


def polynomial_values(eqs: CriticalEquations, point: Sequence[Any]) -> list[Rational]:
    return [f(*map(rational, point)) for f in eqs.polynomial_system.equations]


def flat(weights: Sequence[Matrix]) -> list[Rational]:
    return [x for w in weights for x in w.entries()]


def layer_gradients(
    network: LinearNetwork, loss: Loss, weights: tuple[Matrix, ...]
) -> list[Rational]:
    """W_{>i}ᵀ G W_{<i}ᵀ with exact matrices."""
    above, below = network.outer_products(weights)
    g = loss.gradient(network.end_to_end(weights))
    return [
        x
        for a, b in zip(above, below, strict=True)
        for x in (a.transpose() * g * b.transpose()).entries()
    ]


# --- losses that are critical at given weights ------------------------------------------------


def normal_gradient(network: LinearNetwork, weights: tuple[Matrix, ...], rng: Random) -> Matrix:
    """A random G with W_{>i}ᵀ G W_{<i}ᵀ = 0 for all i: orthogonal to the image of dμ."""
    m, n = network.widths[-1], network.widths[0]
    kernel = nullspace(network.differential(weights).transpose())
    g = vec(matrix([[0] * n for _ in range(m)]))
    for k in range(kernel.ncols()):
        column = matrix([[kernel[i, k]] for i in range(m * n)])
        g += column * rng.randint(-3, 3)
    return unvec(g, m, n)


def loss_with_gradient(kind: str, w: Matrix, g: Matrix, rng: Random) -> Loss:
    """A loss of the kind whose gradient at w is g."""
    m, n = w.nrows(), w.ncols()
    if kind == "squared":
        return SquaredLoss(identity(n), w - g)
    if kind == "weighted":
        lam = matrix([[rng.randint(1, 5) for _ in range(n)] for _ in range(m)])
        u = unvec(
            [a - b / c for a, b, c in zip(w.entries(), g.entries(), lam.entries(), strict=True)],
            m,
            n,
        )
        return WeightedSquaredLoss(u, lam)
    if kind == "quadratic":
        root = random_matrix(m * n, m * n, rng) + identity(m * n) * 20
        form = root * root.transpose()
        return QuadraticLoss(unvec(vec(w) - inverse(form) * vec(g), m, n), form)
    assert kind == "expression"
    terms = [
        f"({g[i, j]})*({x} - ({w[i, j]}) + 1)**3/3 + {x}**2 - 2*({w[i, j]})*{x}"
        for i in range(m)
        for j in range(n)
        for x in [f"w{i + 1}{j + 1}"]
    ]
    return ExpressionLoss(" + ".join(terms), (m, n))


ARCHITECTURES = [
    (2, 1, 2),
    (2, 2, 2),
    (1, 2, 1),
    (3, 2, 2),
    (2, 1, 1, 2),
    (2, 2, 1, 2),
    (1, 1, 1, 1),
]


@pytest.mark.parametrize("kind", ["squared", "weighted", "quadratic", "expression"])
@pytest.mark.parametrize("widths", ARCHITECTURES, ids=str)
def test_equations_in_the_weights_hold_exactly_at_critical_weights(
    widths: tuple[int, ...], kind: str
) -> None:
    network, rng = net(*widths), Random(f"{widths}{kind}")
    for _ in range(2):
        weights = random_weights(network, rng)
        w = network.end_to_end(weights)
        loss = loss_with_gradient(kind, w, normal_gradient(network, weights, rng), rng)
        other = random_weights(network, rng)
        for point in (weights, other):
            eqs = critical_equations(network, loss)
            critical = classify(network, loss, point).is_critical
            assert point is other or critical
            assert (not any(values_at(eqs, flat(point)))) == critical
            assert (not any(polynomial_values(eqs, flat(point)))) == critical
            assert sorted(values_at(eqs, flat(point))) == sorted(
                layer_gradients(network, loss, point)
            )


def test_the_same_for_the_power_loss_and_the_likelihood() -> None:
    network = net(2, 1, 2)
    power = PowerLoss([[3, 0], [0, -1]], 4)
    counts = matrix([[2, 3], [1, 6]])
    likelihood = LikelihoodLoss(counts)  # the independence model: critical at its expected table
    independent = [[["1/4", "3/4"]], [["5/12"], ["7/12"]]]
    for loss, weights in ((power, [[[3, 0]], [[1], [0]]]), (likelihood, independent)):
        for shift in (0, 1):
            point = network.check_weights(weights)
            point[0][0, 0] += shift
            eqs = critical_equations(network, loss)
            zero = not any(layer_gradients(network, loss, point))
            assert zero == (shift == 0)
            assert (not any(values_at(eqs, flat(point)))) == zero
            assert (not any(polynomial_values(eqs, flat(point)))) == zero
    assert classify(network, power, [[[3, 0]], [[1], [0]]]).is_critical


@pytest.mark.parametrize("seed", range(6))
def test_critical_weights_of_every_type_of_the_squared_loss(seed: int) -> None:
    network = net(*[(3, 2, 3), (2, 2, 2, 2), (3, 2, 2), (2, 1, 2), (2, 3, 2), (3, 1, 2, 3)][seed])
    loss, u, v = random_squared_problem(
        network.widths[-1],
        network.widths[0],
        [3, 2, 1][: min(network.widths[0], network.widths[-1])],
        seed,
    )
    del u, v
    weights = random_critical_weights(network, loss, seed=seed)
    eqs = critical_equations(network, loss)
    assert not any(values_at(eqs, flat(weights)))
    assert any(values_at(eqs, [x + 1 for x in flat(weights)]))


# --- counts of the other forms --------------------------------------------------------------


def finite_basis_of(eqs: CriticalEquations, seed: int = 1) -> Any:
    """A Gröbner basis of the equations, with one inverse for every side condition."""
    system = eqs.polynomial_system
    rng = Random(seed)
    ring = system.equations[0].context()
    equations: list[Polynomial] = list(system.equations)
    for k, (_, fs) in enumerate(system.open_conditions):
        ring = ring.append_gens(f"t{k}")
        some = sum(
            (f.project_to_context(ring) * rng.randint(1, 99) for f in fs), ring.gens()[0] * 0
        )
        equations = [f.project_to_context(ring) for f in equations]
        equations.append(ring.gens()[-1] * some - 1)
    return groebner_basis(equations, 20)


GENERIC_22 = WeightedSquaredLoss([["1/3", 2], [-1, "1/2"]], [[1, 3], [2, 5]])
GENERIC_23 = WeightedSquaredLoss([["1/3", 2, 1], [-1, "1/2", 3]], [[1, 3, 2], [2, 5, 1]])


@pytest.mark.parametrize(
    ("loss", "network", "count"),
    [
        (WEIGHTED, net(2, 1, 2), 6),
        (GENERIC_22, net(2, 1, 2), 6),
        (GENERIC_23, net(3, 1, 2), 10),
        (LikelihoodLoss([[2, 3], [1, 6]]), net(2, 1, 2), 1),
        (SquaredLoss([[1, 2], [0, 1]], [[1, 3], [-2, 1]]), net(2, 1, 2), 2),
    ],
    ids=["2x2", "2x2 generic", "2x3", "likelihood", "squared"],
)
def test_the_function_space_form_has_exactly_the_critical_points(
    loss: Loss, network: LinearNetwork, count: int
) -> None:
    eqs = critical_equations(network, loss, "function_space")
    basis = finite_basis_of(eqs)
    assert basis.dimension == 0
    assert len(basis.standard) == count == exact_count(loss, 1, method="flint").count
    # every complex critical point solves the equations
    found = exact_points(loss, 1)
    assert found.parametrization is not None
    entries = found._entries
    composed = [f.compose(*entries) for f in eqs.polynomial_system.equations]
    assert found.parametrization.satisfies(composed)
    assert not found.parametrization.satisfies([composed[0] + 1])


@pytest.mark.parametrize("form", ["chart", "kernel"])
@pytest.mark.parametrize(
    ("loss", "network", "count"),
    [
        (GENERIC_22, net(2, 1, 2), 6),
        (GENERIC_23, net(3, 1, 2), 10),
        (LikelihoodLoss([[2, 3], [1, 6]]), net(2, 1, 2), 1),
    ],
    ids=["2x2", "2x3", "likelihood"],
)
def test_so_do_the_chart_and_the_kernel_for_generic_data(
    loss: Loss, network: LinearNetwork, count: int, form: str
) -> None:
    eqs = (
        critical_equations(network, loss, "chart")
        if form == "chart"
        else critical_equations(network, loss, "function_space", multipliers="kernel")
    )
    basis = finite_basis_of(eqs)
    assert (basis.dimension, len(basis.standard)) == (0, count)
    if form == "chart":
        assert len(eqs.equations) == len(eqs.variables)


def test_one_point_lies_outside_of_one_chart_and_inside_of_the_other() -> None:
    # diag(0, 1/2) has a zero first row
    counts = []
    for pivots in ((0,), (1,)):
        eqs = critical_equations(net(2, 1, 2), WEIGHTED, "chart", pivots=pivots)
        counts.append(len(finite_basis_of(eqs).standard))
    assert counts == [5, 5]
    second = critical_equations(net(2, 1, 2), WEIGHTED, "chart", pivots=(1,))
    assert [s.name for s in second.variables] == ["a1_1", "b1_1", "b1_2"]
    assert not any(values_at(second, [0, 0, "1/2"]))


def test_descriptions_name_what_is_left_out() -> None:
    chart = critical_equations(net(2, 1, 2), WEIGHTED, "chart", pivots=(1,))
    assert "row 2 of W is not zero" in chart.description
    kernel = critical_equations(net(3, 2, 3), squared_33(), "function_space", multipliers="kernel")
    assert "rows 1, 2 of W are independent" in kernel.description
    assert "for which" not in critical_equations(net(2, 1, 2), WEIGHTED).description
    assert (
        "for which" not in critical_equations(net(2, 1, 2), WEIGHTED, "function_space").description
    )


def squared_33() -> SquaredLoss:
    return random_squared_problem(3, 3, [3, 2, 1], 0)[0]


def test_minors_with_multipliers_and_the_equations_without_have_the_same_points() -> None:
    network = net(2, 1, 2)
    with_them = critical_equations(network, WEIGHTED, "function_space", multipliers="minors")
    assert len(finite_basis_of(with_them).standard) == 6  # one minor: its multiplier is unique
    half = Rational(1, 2)
    assert not any(values_at(with_them, [0, 0, 0, half, 1 / half]))
    root = sympy.sqrt(5) / 16
    for sign in (1, -1):
        w = [sympy.Rational(1, 16), sign * root, sign * root, sympy.Rational(5, 16)]
        plain = critical_equations(network, WEIGHTED, "function_space")
        table = dict(zip(plain.variables, w, strict=True))
        assert all(sympy.expand(x.subs(table)) == 0 for x in plain.equations)
        assert any(sympy.expand(x.subs({**table, plain.variables[0]: 1})) for x in plain.equations)


@pytest.mark.slow
@pytest.mark.parametrize("r", [1, 2])
def test_three_by_three_counts(r: int) -> None:
    rng = Random(3)
    loss = WeightedSquaredLoss(
        [[rng.randint(-99, 99) for _ in range(3)] for _ in range(3)],
        [[rng.randint(1, 99) for _ in range(3)] for _ in range(3)],
    )
    from detvar.exact.msolve import count_modulo, find_msolve

    if find_msolve() is None:
        pytest.skip("msolve is not installed")
    eqs = critical_equations(net(3, r, 3), loss, "chart")
    system = eqs.polynomial_system
    ring = system.equations[0].context().append_gens("t")
    minors = [f.project_to_context(ring) for f in system.open_conditions[0][1]]
    some = sum((f * rng.randint(1, 9999) for f in minors), minors[0] * 0)
    equations = [f.project_to_context(ring) for f in system.equations]
    equations.append(ring.gens()[-1] * some - 1)
    # 39 for generic weights: the generic ED degree of both varieties
    assert count_modulo(equations, 536870923) == (39, 39) == (exact_count(loss, r).count, 39)


# --- identities between the forms, for symbolic data -------------------------------------------


def symbolic_squared(network: LinearNetwork, samples: int) -> SymbolicLoss:
    n, m = network.widths[0], network.widths[-1]
    x = [[f"x{i}_{s}" for s in range(samples)] for i in range(n)]
    return SymbolicLoss("squared", X=x, Y=[[f"y{i}_{s}" for s in range(samples)] for i in range(m)])


@pytest.mark.parametrize(("m", "r", "n"), [(2, 1, 2), (3, 1, 2), (2, 1, 3), (3, 2, 3)])
def test_the_forms_are_each_other_after_substitution(m: int, r: int, n: int) -> None:
    network = net(n, r, m)
    loss = symbolic_squared(network, 2)
    chart = critical_equations(network, loss, "chart")
    space = critical_equations(network, loss, "function_space")
    weights = critical_equations(network, loss)
    e = sympy.Matrix(m, r, lambda i, k: int(i == k) if i < r else sympy.Symbol(f"a{i + 1}_{k + 1}"))
    b = sympy.Matrix(r, n, lambda k, j: sympy.Symbol(f"b{k + 1}_{j + 1}"))
    assert sympy.expand(chart.matrix - e * b) == sympy.zeros(m, n)
    # in the weights, W_2 = E and W_1 = B
    first, second = network.symbolic_weights()
    table = dict(zip([*first, *second], [*b, *e], strict=True))
    columns = sympy.Matrix(chart.factored[0].rows)  # EᵀG
    below = sympy.Matrix(chart.factored[1].rows)  # G′Bᵀ
    by_weights = [sympy.Matrix(x.rows).subs(table) for x in weights.factored]
    assert sympy.expand(by_weights[0] - columns) == sympy.zeros(r, n)
    assert sympy.expand(by_weights[1][r:, :] - below) == sympy.zeros(m - r, r)
    # the rows of GBᵀ with a pivot follow from the others
    top = columns * b.T - e[r:, :].T * below
    assert sympy.expand(by_weights[1][:r, :] - top) == sympy.zeros(r, r)
    # on the function space, W = EB
    table = dict(zip(space.variables, e * b, strict=True))
    by_space = [sympy.Matrix(x.rows).subs(table, simultaneous=True) for x in space.factored]
    assert sympy.expand(by_space[0] - b.T * columns) == sympy.zeros(n, n)
    assert sympy.expand(by_space[1] - by_weights[1] * e.T) == sympy.zeros(m, m)
    assert all(sympy.expand(x) == 0 for x in by_space[2])


@pytest.mark.parametrize(("m", "r", "n"), [(2, 1, 2), (3, 1, 2), (3, 2, 3)])
def test_kernel_and_multipliers_are_the_derivatives_of_a_lagrangian(m: int, r: int, n: int) -> None:
    rng = Random(m + 10 * n)
    loss = WeightedSquaredLoss(random_matrix(m, n, rng), random_matrix(m, n, rng))
    eqs = critical_equations(net(n, r, m), loss, "function_space", multipliers="kernel")
    blocks = {name: sympy.Matrix(rows) for name, rows in eqs.plan.blocks}
    left = sympy.Matrix.hstack(blocks["L"], sympy.eye(m - r))
    w, mult = blocks["W"], blocks["M"]
    u, lam = (
        sympy.Matrix([[sympy.Rational(int(x.p), int(x.q)) for x in row] for row in a.tolist()])
        for a in (loss.target, loss.weights)
    )
    ell = sum(c * (x - y) ** 2 for c, x, y in zip(lam, w, u, strict=True)) / 2
    lagrangian = ell + sum(x * y for x, y in zip(mult, left * w, strict=True))
    by_w = sympy.Matrix(eqs.factored[1].rows)
    by_m = sympy.Matrix(eqs.factored[0].rows)
    by_l = sympy.Matrix(eqs.factored[2].rows)
    assert all(sympy.expand(lagrangian.diff(x) - y) == 0 for x, y in zip(w, by_w, strict=True))
    assert all(sympy.expand(lagrangian.diff(x) - y) == 0 for x, y in zip(mult, by_m, strict=True))
    free = [by_l[k, i] for k in range(m - r) for i in range(r)]
    assert all(
        sympy.expand(lagrangian.diff(x) - y) == 0 for x, y in zip(blocks["L"], free, strict=True)
    )


@pytest.mark.parametrize("widths", [(2, 1, 2), (1, 2, 2, 1), (2, 2, 2)], ids=str)
def test_equations_in_the_weights_are_the_derivatives_of_the_loss(widths: tuple[int, ...]) -> None:
    network = net(*widths)
    loss = symbolic_squared(network, 2)
    eqs = critical_equations(network, loss)
    x, y = (sympy.Matrix(dict(loss.fields)[k]) for k in ("X", "Y"))
    residual = network.end_to_end(network.symbolic_weights()) * x - y
    value = sum(t**2 for t in residual) / 2
    slopes = [sympy.expand(value.diff(s)) for s in eqs.variables]
    assert [sympy.expand(e) for e in eqs.equations] == slopes
    assert list(eqs.expand()) == slopes
    assert all(
        sympy.Poly(s, *eqs.variables).total_degree() == d
        for s, d in zip(slopes, eqs.degrees, strict=True)
    )


# --- symbolic losses ---------------------------------------------------------------------------

POINT = [["1/3", "-2/5"], ["3/7", "1/2"]]
NUMERICAL: list[Any] = [
    SquaredLoss([[1, 2, 0], [0, 1, -1]], [[1, 0, 2], [3, "1/2", 1]]),
    WEIGHTED,
    QuadraticLoss([[1, 0], [0, 1]], [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    PowerLoss([[1, 0], [0, "1/2"]], 6),
    LikelihoodLoss([[1, 2], [3, 4]]),
    LikelihoodLoss([[1, 0], [3, 4]]),
    ExpressionLoss("w11**3*w22 - w12/(1 + w21**2)", (2, 2)),
    LogisticLoss([[1, 2], [0, 1]], [[3, 6], [6, 5]], [[2, 3], [3, 3]]),
    SoftmaxLoss([[1, 2], [0, 1]], [[3, 6], [6, 5]]),
    SoftmaxLoss([[1, 2], [0, 1]], [[3, 6], [6, 5]], [1, 2]),
    ExponentialLoss([[1, 2], [0, 1]], [[1, -1], [0, 1]]),
    PseudoHuberLoss([[1, 2], [0, 1]], [[1, -1], [0, 1]], "3/2"),
    LogCoshLoss([[1, 2], [0, 1]], [[1, -1], [0, 1]]),
]


@pytest.mark.parametrize("loss", NUMERICAL, ids=lambda x: type(x).__name__)
def test_symbolic_gradients_are_those_of_the_losses(loss: Any) -> None:
    symbolic = SymbolicLoss.of(loss)
    assert symbolic is not None
    w = sympy.Matrix(POINT)
    found = symbolic.gradient(w)
    if getattr(loss, "is_analytic", False):
        known = loss.gradient_array([[float(x) for x in row] for row in w.tolist()])
        assert all(abs(float(x) - y) < 1e-12 for x, y in zip(found, known.flatten(), strict=True))
    else:
        assert matrix(found) == loss.gradient(matrix(POINT))
    again = SymbolicLoss.from_json(symbolic.to_json())
    assert again == symbolic
    exact = symbolic.substitute({})
    assert type(exact) is type(loss)
    assert isinstance(loss, ExpressionLoss) or exact.to_json() == loss.to_json()


@pytest.mark.parametrize("loss", NUMERICAL, ids=lambda x: type(x).__name__)
def test_one_entry_as_a_symbol_and_its_number_put_in_again(loss: Any) -> None:
    data = loss.to_json()
    name = next(
        k for k in ("Y", "counts", "positives", "target", "labels", "expression") if k in data
    )
    if name == "expression":
        changed, value = {**data, name: data[name] + " + theta*w11"}, "0"
    else:
        value = data[name][0][0]
        changed = {**data, name: [["theta", *data[name][0][1:]], *data[name][1:]]}
    symbolic = SymbolicLoss.from_json(changed)
    assert [s.name for s in symbolic.parameters] == ["theta"]
    network = net(2, 2, 2)
    eqs = critical_equations(network, symbolic)
    assert [s.name for s in eqs.parameters] == ["theta"]
    back = eqs.substitute({"theta": value})
    direct = critical_equations(network, loss)
    assert back.parameters == ()
    if direct.is_rational:
        assert back.polynomial_system.equations == direct.polynomial_system.equations
        replaced = [
            sympy.expand(x.subs(eqs.parameters[0], sympy.Rational(value))) for x in eqs.expand()
        ]
        ratios = [sympy.cancel(x / y) for x, y in zip(replaced, direct.expand(), strict=True)]
        assert all(x.is_number and x for x in ratios)
    else:
        point = {s: sympy.Rational(k + 1, 7) for k, s in enumerate(eqs.variables)}
        for x, y in zip(back.equations, direct.equations, strict=True):
            assert abs(sympy.N((x - y).subs(point), 30)) < 1e-25


def test_analytic_equations_are_the_derivatives_of_the_loss() -> None:
    loss = LogisticLoss([[1, 0], [0, 1]], [[3, 6], [6, 5]], [[2, 3], [3, 3]])
    network = net(2, 1, 2)
    eqs = critical_equations(network, loss)
    value = loss.symbolic(network.end_to_end(network.symbolic_weights()))
    point = {s: sympy.Rational(k + 1, 7) for k, s in enumerate(eqs.variables)}
    for s, x in zip(eqs.variables, eqs.equations, strict=True):
        assert abs(sympy.N((value.diff(s) - x).subs(point), 30)) < 1e-25
    assert not eqs.is_rational
    # the two local minima diag(log 2, 0) and diag(0, log 3/2)
    for w1, w2 in (([sympy.log(2), 0], [1, 0]), ([0, sympy.log(sympy.Rational(3, 2))], [0, 1])):
        table = dict(zip(eqs.variables, [*w1, *w2], strict=True))
        assert all(sympy.simplify(x.subs(table)) == 0 for x in eqs.equations)


def test_denominators_are_cleared_and_remembered() -> None:
    eqs = critical_equations(net(2, 1, 2), LikelihoodLoss([[1, 2], [3, 4]]), "chart")
    names = [str(c.expressions[0]) for c in eqs.side_conditions if c.name == "a denominator"]
    assert sorted(names) == ["a2_1", "b1_1", "b1_2"]
    loss = SymbolicLoss("weighted", target=[["1/a"]], weights=[["b"]])
    eqs = critical_equations(net(1, 1), loss)
    assert [str(x) for x in eqs.expand()] == ["a*b*w1_1_1 - b"]
    assert [str(c.expressions[0]) for c in eqs.side_conditions] == ["a"]


def test_layers_can_be_given() -> None:
    network = net(2, 1, 2)
    c, free = sympy.Symbol("c"), network.symbolic_weights()
    eqs = critical_equations(network, WEIGHTED, weights=[None, [[c], [0]]])
    assert [s.name for s in eqs.variables] == ["w1_1_1", "w1_1_2"]
    assert eqs.parameters == (c,)
    whole = critical_equations(network, WEIGHTED)
    table = {free[1][0]: c, free[1][1]: 0}
    expected = [sympy.expand(x.subs(table)) for x in whole.equations]
    assert [sympy.expand(x) for x in eqs.equations] == [x for x in expected if x]
    at_two = eqs.substitute({c: 2})
    assert at_two.parameters == ()
    assert not any(values_at(at_two, ["1/2", 0]))
    own = free[1][0]
    assert own in critical_equations(network, WEIGHTED, weights=[None, [[own], [own]]]).variables


def test_a_rank_in_the_weights_adds_minors() -> None:
    network, loss = net(2, 2, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    eqs = critical_equations(network, loss, rank=1)
    inside, above = [2, 0, 0, 0, 1, 0, 0, 0], [2, 0, 0, 1, 1, 0, 0, 1]
    assert not any(values_at(eqs, inside))
    assert any(values_at(eqs, above))
    assert not any(values_at(critical_equations(network, loss), above))
    assert [c.name for c in eqs.side_conditions] == ["W has rank 1"]


def test_filling_networks_and_depth_one_ask_for_a_zero_gradient() -> None:
    loss = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    for form in ("function_space", "chart"):
        eqs = critical_equations(net(2, 2, 2), loss, form)
        assert len(finite_basis_of(eqs).standard) == 1
    kernel = critical_equations(net(2, 2, 2), loss, "function_space", multipliers="kernel")
    assert not any(values_at(kernel, [2, 0, 0, 1]))
    line = critical_equations(net(2, 2), loss)
    assert [str(e) for e in line.factored] == ["G = 0"]
    zero = critical_equations(net(2, 1, 2), loss, "function_space", 0)
    assert len(finite_basis_of(zero).standard) == 1


# --- printing and saving -------------------------------------------------------------------------


def test_the_structure_is_kept_layer_by_layer() -> None:
    eqs = critical_equations(net(3, 2, 2, 3), symbolic_squared(net(3, 2, 2, 3), 2))
    assert [str(e) for e in eqs.factored] == [
        "W_2ᵀ·W_3ᵀ·G = 0",
        "W_3ᵀ·G·W_1ᵀ = 0",
        "G·W_1ᵀ·W_2ᵀ = 0",
    ]
    assert eqs.factored[1].latex == r"W_3^{\top} G W_1^{\top} = 0"
    text = str(eqs)
    assert "3-2-2-3" in text and "x0_0" in text and "W_3ᵀ·G·W_1ᵀ = 0" in text
    big = critical_equations(net(4, 3, 3, 4), symbolic_squared(net(4, 3, 3, 4), 4))
    assert "too long to print" in str(big)


@pytest.mark.parametrize("form", ["weights", "function_space", "chart"])
def test_latex_is_balanced(form: str) -> None:
    for loss in NUMERICAL:
        text = critical_equations(net(2, 1, 2), loss, form)._repr_latex_()
        assert text.startswith("$$") and text.endswith("$$")
        assert text.count("{") == text.count("}")
        assert text.count(r"\left[") == text.count(r"\right]")
        assert text.count(r"\begin") == text.count(r"\end")


@pytest.mark.parametrize(
    "options",
    [{}, {"form": "chart", "pivots": (1,)}, {"form": "function_space", "multipliers": "kernel"}],
    ids=str,
)
def test_saved_equations_are_derived_again(options: dict[str, Any]) -> None:
    import json

    loss = SymbolicLoss("weighted", target=[["a", 0], [0, "b/2"]], weights=[[1, "lambda"], [3, 1]])
    eqs = critical_equations(net(2, 1, 2), loss, **options)
    data = json.loads(json.dumps(eqs.to_json()))
    assert CriticalEquations.from_json(data).equations == eqs.equations
    broken = copy.deepcopy(data)
    broken["equations"][0] += " + 1"
    with pytest.raises(NotCertifiedError, match="equations"):
        CriticalEquations.from_json(broken)
    with pytest.raises(InputError, match="no saved equations"):
        CriticalEquations.from_json({"form": "weights"})


def test_public_names() -> None:
    assert dv.critical_equations is critical_equations
    assert dv.SymbolicLoss is SymbolicLoss


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"form": "graph"}, "form is 'graph'"),
        ({"form": "chart", "rank": 0}, "from 1 to 1"),
        ({"form": "chart", "rank": 2}, "from 1 to 1"),
        ({"form": "function_space", "multipliers": "all"}, "kernel"),
        ({"multipliers": "kernel"}, "function_space"),
        ({"pivots": (0,)}, "pivots go with"),
        ({"form": "chart", "pivots": (2,)}, "1 different rows from 0 to 1"),
        ({"form": "chart", "weights": [None, None]}, "weights go with"),
        ({"weights": [None]}, "weights must list 2"),
        ({"weights": [None, [[1, 2]]]}, r"weights\[1\] is 1×2"),
        ({"weights": [None, [[0.5], [1]]]}, r"weights\[1\]\[0\]\[0\]"),
    ],
    ids=str,
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DetvarError, match=words):
        critical_equations(net(2, 1, 2), WEIGHTED, **options)


def test_names_must_not_clash_and_shapes_must_fit() -> None:
    loss = SymbolicLoss("weighted", target=[["w1_1_1"]], weights=[[1]])
    with pytest.raises(InputError, match="w1_1_1 is the name of an unknown"):
        critical_equations(net(1, 1, 1), loss)
    critical_equations(net(1, 1, 1), loss, "chart")
    with pytest.raises(ShapeError, match="1×1"):
        critical_equations(net(2, 1, 2), loss)
    with pytest.raises(InputError, match="no parameter"):
        critical_equations(net(2, 1, 2), WEIGHTED).substitute({"a": 1})
    with pytest.raises(InputError, match="leave at least one layer free"):
        critical_equations(net(1, 1), PowerLoss([[1]], 2), weights=[[[1]]]).expand()


@pytest.mark.parametrize(
    ("kind", "fields", "error", "words"),
    [
        ("cubic", {}, InputError, "no kind of loss"),
        ("squared", {"X": [[1]]}, InputError, 'no field "Y"'),
        ("squared", {"X": [[1]], "Y": [[1]], "Z": 1}, InputError, '"Z"'),
        ("squared", {"X": [["a"]], "Y": [[1, 2]]}, ShapeError, "Y is 1×2"),
        ("squared", {"X": [["a", 1], [2]], "Y": [[1, 2]]}, ShapeError, "ragged"),
        ("squared", {"X": "a", "Y": [[1]]}, ShapeError, "list of rows"),
        ("squared", {"X": [[0.5]], "Y": [[1]]}, NotExactError, r"X\[0\]\[0\]"),
        ("squared", {"X": [[sympy.Float(1)]], "Y": [[1]]}, NotExactError, "float"),
        ("squared", {"X": [["a b"]], "Y": [[1]]}, InputError, "no formula"),
        ("squared", {"X": [["__import__('os')"]], "Y": [[1]]}, InputError, "no formula"),
        ("squared", {"X": [["1/0"]], "Y": [[1]]}, InputError, "divides by zero"),
        ("squared", {"X": [["a**1000"]], "Y": [[1]]}, InputError, "exponent"),
        ("power", {"target": [["a"]], "exponent": 3}, InputError, "even integer"),
        ("quadratic", {"target": [["a", 0]], "form": [[1, 2], [3, 4]]}, InputError, "symmetric"),
        ("quadratic", {"target": [["a", 0]], "form": [[1]]}, ShapeError, "2×2"),
        ("expression", {"expression": "w11**2"}, InputError, "W"),
        ("expression", {"expression": "w13", "W": (1, 2)}, ShapeError, "w13"),
        (
            "expression",
            {"expression": sympy.Symbol("w12"), "W": sympy.Matrix([[sympy.Symbol("x")]])},
            InputError,
            "w12",
        ),
    ],
)
def test_bad_symbolic_losses(kind: str, fields: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        SymbolicLoss(kind, **fields)


def test_symbols_are_refused_where_numbers_are_needed() -> None:
    x = sympy.Symbol("x")
    for make in (
        lambda: SquaredLoss([[x]], [[1]]),
        lambda: WeightedSquaredLoss([[1]], [[x + 1]]),
        lambda: LikelihoodLoss([[x]]),
        lambda: LogisticLoss([[x]], [[1]], [[0]]),
        lambda: PseudoHuberLoss([[1]], [[1]], x),
    ):
        with pytest.raises(NotExactError, match="SymbolicLoss"):
            make()
    loss = SymbolicLoss("squared", X=[["x"]], Y=[[1]])
    for use in (
        lambda: classify(net(1, 1), loss, [[[1]]]),
        lambda: dv.critical_points(net(1, 1), loss),
        lambda: dv.critical_locus(net(1, 1), loss),
    ):
        with pytest.raises(InputError, match="substitute numbers for x"):
            use()
    assert isinstance(loss.substitute({"x": 3}), SquaredLoss)
    with pytest.raises(InputError, match="no symbol of the data"):
        loss.substitute({"z": 3})


def test_text_of_numbers_and_formulas() -> None:
    a = sympy.Symbol("a")
    assert read_symbolic("0.1 + a^2/3") == sympy.Rational(1, 10) + a**2 / 3
    assert read_symbolic("-" * 50 + "a") == a
    assert read_symbolic("a - 2*a/3*2 - -a**2**3 + 2**-1") == -a / 3 + a**8 + sympy.Rational(1, 2)
    assert read_symbolic(" + ".join(["a"] * 3000)) == 3000 * a
    assert read_symbolic("sqrt(2)*exp(a)") == sympy.sqrt(2) * sympy.exp(a)
    for text in (
        "",
        "a +",
        "f(a)",
        "a.b",
        "a[0]",
        "lambda: 1",
        "exp(a, a)",
        "'a'",
        "1j",
        "(" * 300,
        "2**100**100",
    ):
        with pytest.raises(DetvarError):
            read_symbolic(text)


def test_powers_of_powers_stay_small() -> None:
    with pytest.raises(InputError, match="bits"):
        read_symbolic("((((3**100)**100)**100)**100)**100")


def test_problem_files_may_contain_names() -> None:
    good = {"network": [1, 1, 1], "loss": {"type": "squared", "X": [[1]], "Y": [["y"]]}}
    network, loss = problem_of(good)
    assert network == net(1, 1, 1) and isinstance(loss, SymbolicLoss)
    plain = {**good, "loss": {"type": "squared", "X": [[1]], "Y": [[2]]}}
    assert isinstance(problem_of(plain)[1], SquaredLoss)
    for bad in (
        [],
        {},
        {"network": [1, 1]},
        {**good, "network": 3},
        {**good, "loss": []},
        {**good, "loss": {"type": "squared", "X": [[1]], "Y": [["y z"]]}},
    ):
        with pytest.raises(DetvarError):
            problem_of(bad)


def test_rank_of_random_weights_varies() -> None:
    """The random weights above do degenerate, so that spurious points are among them."""
    rng = Random(0)
    ranks = {rank(net(2, 2, 2).end_to_end(random_weights(net(2, 2, 2), rng))) for _ in range(20)}
    assert len(ranks) > 1
