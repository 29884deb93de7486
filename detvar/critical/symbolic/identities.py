"""Proofs that a parametrized family is critical, and which family it is.

The weights are read from their SymPy expressions and brought to common denominators, so that all
identities are between polynomials over Q, taken modulo the relations of the eigenvalues.  Four
things are proved, none of them by the way in which the parametrization was found:

1. ∂L/∂W_i = W_{>i}ᵀ ∇ℓ(W_h⋯W_1) W_{<i}ᵀ is the zero matrix, identically, for every i;
2. L is constant, with the value that is stated;
3. at a random exact point the Jacobian ∂θ/∂t has the dimension of the family as its rank;
4. there, the eigenvalues that W_h⋯W_1 keeps and the strings are those of the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detvar.critical.singular_values import evaluate
from detvar.critical.symbolic.frames import groups
from detvar.critical.symbolic.reading import Chart, Point
from detvar.errors import InputError, ShapeError
from detvar.exact.matrices import Matrix, chain, identity, kron, rank, zeros
from detvar.exact.rational import Rational, rational
from detvar.losses.rows import Rows, product, transposed
from detvar.networks.sampling import strings_of_weights
from detvar.networks.strings import Strings

if TYPE_CHECKING:
    from detvar.critical.symbolic.parametrization import SymbolicComponent


def check_component(component: SymbolicComponent, seed: int = 0) -> list[str]:
    """Return what is proved about a family, in lines; the last starts with "refused" if not all."""
    chart = Chart.of(component)
    if not _relations_hold(component, chart):
        return ["refused: the relations do not follow from the minimal polynomials"]
    if not _poles_are_excluded(chart):
        return ["refused: a denominator can vanish where no condition does"]
    gradient, value = _identities(component, chart)
    if gradient:
        return [f"refused: the derivative by W_{gradient[0]} is not zero identically"]
    lines = ["all derivatives are zero identically"]
    if value:
        return [*lines, f"refused: the value is not {component.value} identically"]
    lines.append("the value is constant")
    point = Point.random(chart, seed)
    size = point.jacobian_rank()
    if size != component.dimension:
        return [*lines, f"refused: the Jacobian has rank {size}, not {component.dimension}"]
    lines.append(f"the Jacobian has rank {size} at a random point")
    wrong = _wrong_type(component, point)
    return [*lines, f"refused: {wrong}" if wrong else "choice and strings agree there"]


def _poles_are_excluded(chart: Chart) -> bool:
    """Say whether every irreducible factor of a denominator divides a condition."""
    factors = [f for q in chart.denominators for f, _ in q.factor()[1]]
    return all(any(not divmod(c, f)[1] for c in chart.conditions) for f in factors)


def _relations_hold(component: SymbolicComponent, chart: Chart) -> bool:
    """Say whether every relation r_k vanishes at the eigenvalues.

    For different roots λ_1, …, λ_k of f it is enough that f(λ_k) is r_k·∏(λ_k − λ_i) modulo the
    relations before.
    """
    squares = [square for _, square in component.eigenvalues]
    if len(chart.relations) != len(squares) or len(set(squares)) < len(squares):
        return False
    variables = chart.variables()[: len(squares)][::-1]
    for k, (square, x, relation) in enumerate(
        zip(squares, variables, chart.relations, strict=True)
    ):
        f = square.minimal_polynomial()
        value = sum((x**i * Rational(c) for i, c in enumerate(f.coeffs())), chart.one * 0)
        for other, y in zip(squares[:k], variables, strict=False):
            if other.minimal_polynomial() == f:
                relation = relation * (x - y)
        for r in reversed(chart.relations[:k]):
            value, relation = divmod(value, r)[1], divmod(relation, r)[1]
        if value != relation:
            return False
    return True


def jacobian_rank(component: SymbolicComponent, seed: int = 0) -> int:
    """Return the rank of ∂θ/∂t at a random exact point."""
    return Point.random(Chart.of(component), seed).jacobian_rank()


def _identities(component: SymbolicComponent, chart: Chart) -> tuple[list[int], bool]:
    """Return the layers whose derivative does not vanish, and whether the value is not constant.

    With W̄ = N/δ, all from products of numerators, δ∇ℓ(W̄) = ∇ℓ(N) + (δ − 1)∇ℓ(0), and
    2δ²(ℓ(W̄) − ℓ(0)) = ⟨δ∇ℓ(W̄) + δ∇ℓ(0), N⟩, as ℓ is quadratic.
    """
    loss, d = component.loss, component.network.widths
    below, above = [_unit(chart, d[0])], [_unit(chart, d[-1])]
    for a in chart.numerators:
        below.append(_product(chart, a, below[-1]))  # below[i] = N_i⋯N_1
    for a in reversed(chart.numerators):
        above.append(_product(chart, above[-1], a))  # above[j] = N_h⋯N_{h−j+1}
    n = below[-1]
    delta = chart.one
    for q in chart.denominators:
        delta = delta * q
    at_zero = loss.gradient(zeros(*loss.shape)).tolist()
    g = [
        [chart.normal(x + (delta - 1) * c) for x, c in zip(row, start, strict=True)]
        for row, start in zip(loss.evaluate_gradient(n), at_zero, strict=True)
    ]
    wrong = []
    for i, (before, after) in enumerate(zip(below, above[-2::-1], strict=False), start=1):
        out = _product(chart, _product(chart, transposed(after), g), transposed(before))
        if any(x for row in out for x in row):
            wrong.append(i)
    zero = chart.one * 0
    twice = sum(
        (
            (x + delta * c) * y
            for row, start, values in zip(g, at_zero, n, strict=True)
            for x, c, y in zip(row, start, values, strict=True)
        ),
        zero,
    )
    start = loss.value(zeros(*loss.shape))
    change = twice - (chart.value - start) * 2 * delta * delta
    return wrong, bool(chart.normal(change))


def _unit(chart: Chart, size: int) -> Rows:
    return [[chart.one * int(i == j) for j in range(size)] for i in range(size)]


def _product(chart: Chart, a: Rows, b: Rows) -> Rows:
    return [[chart.normal(x) for x in row] for row in product(a, b)]


def _wrong_type(component: SymbolicComponent, point: Point) -> str | None:
    """Return how eigenvalues or strings differ from those of the family, or None.

    The eigenvalues of W̄ΣUᵀP are the σ² that W̄ keeps, with eigenvectors, and zeros.
    """
    choice, size = component.family.choice, point.degree
    form = choice.spectrum.form
    reduction = component.loss.reduce(component.network)

    def blocks(a: Matrix) -> Matrix:
        return kron(a, identity(size))

    weights = list(point.weights())
    weights[0] = weights[0] * blocks(reduction.right)
    weights[-1] = blocks(reduction.left) * weights[-1]
    product_of = chain(*reversed(weights))
    m = form.left.nrows()
    operator = product_of * blocks(form.right * form.target.transpose() * form.left)
    variables = point.chart.variables()[: len(component.eigenvalues)][::-1]
    for g in groups(choice):
        if rank(evaluate(g.coefficients, operator)) != (m - sum(g.takes)) * size:
            return "other eigenvalues are kept"
    for (_, square), variable in zip(component.eigenvalues, variables, strict=True):
        take = choice.take[choice.spectrum.squares.index(square)]
        if rank(operator - kron(identity(m), point.number(variable))) != (m - take) * size:
            return "other conjugate eigenvalues are kept"
    gradient = chain(blocks(form.left), product_of - blocks(form.target), blocks(form.right))
    try:
        # transposed weights are made of transposed blocks, and so the gradient has to be
        found = strings_of_weights(weights, _transposed_blocks(gradient, size))
    except ShapeError as error:
        return str(error)
    if found != _repeated(component.family.strings, size):
        return f"the strings are {found}, {size} times"
    return None


def _transposed_blocks(a: Matrix, size: int) -> Matrix:
    out = zeros(a.nrows(), a.ncols())
    for i in range(a.nrows()):
        for j in range(a.ncols()):
            s, t = i % size, j % size
            out[i - s + t, j - t + s] = a[i, j]
    return out


def _repeated(strings: Strings, times: int) -> Strings:
    free, matched = (
        tuple((pair, count * times) for pair, count in counts)
        for counts in (strings.free, strings.matched)
    )
    return Strings(strings.depth, strings.full * times, free, matched)


def weights_at(component: SymbolicComponent, values: Mapping[Any, Any]) -> tuple[Matrix, ...]:
    """Return exact weights; see `SymbolicComponent.at`."""
    if component.eigenvalues:
        symbol, square = component.eigenvalues[0]
        raise InputError(
            f"the weights are irrational, as {symbol} = {square}: use the expressions in weights"
        )
    given = {str(t): x for t, x in values.items()}
    missing = [t for t in map(str, component.parameters) if t not in given]
    if missing:
        raise InputError(f"{missing[0]} has no value: give a rational number for each parameter")
    chosen = [rational(given[str(t)], str(t)) for t in component.parameters]
    return Point.at(Chart.of(component), chosen).weights()


def random_point(component: SymbolicComponent, seed: int = 0) -> dict[Any, Rational]:
    """Return random small integers for the parameters at which no condition vanishes."""
    point = Point.random(Chart.of(component), seed, size=3)
    return dict(zip(component.parameters, point.values, strict=True))
