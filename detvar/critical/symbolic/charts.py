"""Building the parametrizations: frames at the ends, and one sum over strings for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from detvar.critical.spectrum import SpectralComponent
from detvar.critical.symbolic.frames import Group, adjugate, constant, frames, groups
from detvar.critical.symbolic.layout import Layout, Ring, entries, entry
from detvar.critical.symbolic.parametrization import SymbolicComponent, SymbolicLocus
from detvar.exact.matrices import complement, left_inverse, trace
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial, RationalFunction
from detvar.losses.rows import Rows, determinant, entrywise, product, transposed

if TYPE_CHECKING:
    from detvar.critical.locus import CriticalLocus, LocusComponent


def symbolic_locus(locus: CriticalLocus) -> SymbolicLocus:
    """Return an explicit parametrization of every family of a critical locus.

    Parameters
    ----------
    locus : CriticalLocus

    Returns
    -------
    SymbolicLocus

    Notes
    -----
    **Cost**: polynomials with as many terms as determinants of size max d_l; about ten milliseconds
    for a component of 3-3-3-3.
    **Validity**: any Kronecker loss and any widths.  Weights of one type and choice of singular
    values are an orbit of changes of basis, in the hidden layers and, as far as W̄ and ∇ℓ allow, at
    the ends.  The parameters are all changes of the first sort and those of the second sort that
    the first do not give, so they move in all directions of the orbit at the identity, and their
    image is dense in the component.  There are more of them than the dimension, because a change
    of basis that commutes with the strings does nothing.

    References
    ----------
    Baldi & Hornik (1989), for two layers.

    Examples
    --------
    >>> from detvar import LinearNetwork, SquaredLoss, critical_locus
    >>> loss = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> for c in symbolic_locus(critical_locus(LinearNetwork(2, 1, 2), loss)).components:
    ...     print(c.weights[0].tolist(), c.weights[1].tolist())
    [[2*c1_1_1, 0]] [[1/c1_1_1], [0]]
    [[0, c1_1_1]] [[0], [1/c1_1_1]]
    [[0, 0]] [[0], [0]]
    """
    if locus.spectrum is None:
        return SymbolicLocus(locus, (), ())
    return SymbolicLocus(
        locus,
        tuple(symbolic_component(locus, c) for c in locus.components),
        tuple(symbolic_component(locus, c) for c in locus.inner),
    )


def symbolic_component(locus: CriticalLocus, family: LocusComponent) -> SymbolicComponent:
    """Return the parametrization of one family.

    W_l is the sum, over the strings alive in the layers l − 1 and l, of the products of a column of
    C_l and a row of C_{l−1}⁻¹.  Inputs and outputs that the loss does not see are added, with free
    weights.
    """
    import sympy

    choice, reduction = family.choice, locus.reduction
    layout, d = Layout(family.strings), locus.network.widths
    h = len(d) - 1
    kept = zip(choice.take, choice.spectrum.multiplicities, strict=True)
    charts = {j: (k - s, s) for j, (s, k) in enumerate(kept) if 0 < s < k}
    hidden = {f"c{layer}": (d[layer], d[layer]) for layer in range(1, h)}
    inputs = complement(reduction.right).transpose()
    outputs = complement(reduction.left.transpose())
    blind = {"u": (d[1], inputs.nrows()), "v": (outputs.ncols(), d[-2])}
    ring = Ring(
        [_root(j) for g in groups(choice) if g.needs_roots for j in g.members],
        [
            *entries({_chart(j): size for j, size in charts.items()}),
            *(entry(*mix) for mix in layout.mixing()),
            *entries({**hidden, **blind}),
        ],
    )
    first, last, conditions = _ends(locus, family, layout, ring, charts)
    bases = [ring.block(name, *size) for name, size in hidden.items()]
    determinants = [determinant(c) for c in bases]
    alive = [layout.alive(layer) for layer in range(h + 1)]
    weights = _sums_over_strings(layout, ring, (first, last), bases, determinants, d)
    restrictions = [*conditions, *determinants]
    unseen = []
    if inputs.nrows():
        block = product(ring.block("u", *blind["u"]), constant(ring.one, inputs))
        unseen.append((0, block))
    if outputs.ncols():
        block = product(constant(ring.one, outputs), ring.block("v", *blind["v"]))
        unseen.append((h - 1, block))
    for i, block in unseen:
        weights[i] = _sum(weights[i], block)
    shapes = list(zip(d[1:], d[:-1], strict=True))
    matrices = tuple(
        ring.matrix(w, *size, restrictions) for w, size in zip(weights, shapes, strict=True)
    )
    (value,) = ring.expressions([_value(choice, ring)])
    used = set().union(value.free_symbols, *(w.free_symbols for w in matrices))
    eigenvalues, relations = _relations(choice, ring, {str(x) for x in used})
    return SymbolicComponent(
        network=locus.network,
        loss=locus.loss,
        family=family,
        parameters=tuple(t for t in map(sympy.Symbol, ring.parameters) if t in used),
        weights=matrices,
        conditions=tuple(c for c in ring.expressions(restrictions) if c.free_symbols <= used),
        eigenvalues=eigenvalues,
        relations=relations,
        frames=(
            ring.matrix([first[k] for k in alive[0]], len(alive[0]), d[0]),
            *(ring.matrix(c, len(c), len(c)) for c in bases),
            ring.matrix([last[k] for k in alive[-1]], len(alive[-1]), d[-1]).T,
        ),
        patterns=tuple(
            sympy.ImmutableMatrix(len(b), len(a), [int(i == j) for i in b for j in a])
            for a, b in pairwise(alive)
        ),
        unseen=tuple((i + 1, ring.matrix(block, *shapes[i])) for i, block in unseen),
        value=value,
    )


def _sums_over_strings(
    layout: Layout,
    ring: Ring,
    ends: tuple[dict[int, list[Any]], dict[int, list[Any]]],
    bases: Sequence[Rows],
    determinants: Sequence[Polynomial],
    widths: Sequence[int],
) -> list[Rows]:
    """Return W_1, …, W_h, where each string has a column in a layer and a row in the one before.

    In a hidden layer these are those of C and adj(C); the sum is then divided by det C.
    """
    hidden = [layout.alive(layer) for layer in range(1, len(widths) - 1)]
    pairs = list(zip(hidden, bases, strict=True))
    columns = [dict(zip(alive, transposed(c), strict=True)) for alive, c in pairs]
    rows = [dict(zip(alive, adjugate(c), strict=True)) for alive, c in pairs]
    first, last = ends
    out: list[Rows] = []
    for i, (right, left) in enumerate(zip([first, *rows], [*columns, last], strict=True)):
        w: Rows = [[ring.zero] * widths[i] for _ in range(widths[i + 1])]
        for k in sorted({*layout.alive(i)} & {*layout.alive(i + 1)}):
            w = _sum(w, product([[x] for x in left[k]], [right[k]]))
        if i:
            w = [[RationalFunction.of(x, determinants[i - 1]) for x in row] for row in w]
        out.append(w)
    return out


def _root(j: int) -> str:
    return f"lambda_{j + 1}"


def _chart(j: int) -> str:
    return f"g{j + 1}"


def _sum(a: Rows, b: Rows) -> Rows:
    return entrywise(lambda x, y: x + y, a, b)


def _ends(
    locus: CriticalLocus,
    family: LocusComponent,
    layout: Layout,
    ring: Ring,
    charts: dict[int, tuple[int, int]],
) -> tuple[dict[int, list[Any]], dict[int, list[Any]], list[Polynomial]]:
    """Return the row of R^n of every string that starts there, the column of R^m of every one that
    ends there, and the determinants that must not vanish."""
    choice, reduction = family.choice, locus.reduction
    e, k = family.strings.full, family.strings.residual_rank
    roots = {
        j: ring.variables[_root(j)] for g in groups(choice) if g.needs_roots for j in g.members
    }
    variables = {j: ring.block(_chart(j), *size) for j, size in charts.items()}
    f = frames(choice.spectrum.form, choice, ring.one, roots, variables)
    joined, tops, bottoms = range(k), range(len(layout.tops)), range(len(layout.bottoms))
    conditions = list(f.conditions)
    mix = ring.mixed("y", joined, joined)
    # Where a joined column is replaced by a combination, the rows are by the inverse one.
    det = determinant(mix) if k else ring.one
    if det != ring.one:
        conditions.append(det)
    back = [[RationalFunction.of(x, det) for x in row] for row in adjugate(mix)] if k else []
    spare = ring.mixed("a", tops[k:], tops)
    columns = [row + [ring.zero] * (len(tops) - k) for row in mix] + spare
    rows = ring.mixed("b", bottoms, bottoms[k:])
    rows = [(back[a] if a < k else [ring.zero] * k) + row for a, row in enumerate(rows)]
    ends = f.kept + (product(transposed(columns), f.left + f.spare) if tops else [])
    starts = f.kept_rows + (product(rows, f.left_rows + f.spare_rows) if bottoms else [])
    if reduction.changed:
        starts = (
            product(starts, constant(ring.one, left_inverse(reduction.right))) if starts else []
        )
        up = constant(ring.one, left_inverse(reduction.left.transpose()))
        ends = product(ends, up) if ends else []
    shift = e + len(tops)
    last = dict(enumerate(ends))
    first = {i if i < e else i - e + shift: row for i, row in enumerate(starts)}
    return first, last, conditions


def _value(choice: SpectralComponent, ring: Ring) -> Polynomial:
    """Return c₀ + ½(tr M − Σ σ²) over the singular values that are kept."""
    form = choice.spectrum.form
    total = trace(form.target * form.right * form.target.transpose() * form.left)
    out = ring.one * (form.constant + total / 2)
    for g in groups(choice):
        if g.needs_roots:
            for j, take in zip(g.members, g.takes, strict=True):
                out -= ring.variables[_root(j)] * Rational(take, 2)
        else:
            # the sum of all roots; where the root is rational some of its copies may be kept
            roots = -Rational(g.coefficients[-2]) / g.coefficients[-1]
            out -= ring.one * (roots * Rational(g.takes[0], 2))
    return out


def _relations(
    choice: SpectralComponent, ring: Ring, used: set[str]
) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
    """Return the eigenvalues that are used, and the divided differences f[λ_i, …, λ_j], which
    generate all relations of distinct roots of f without a Galois group."""
    import sympy

    eigenvalues, relations = [], []
    for g in groups(choice):
        variables: list[Polynomial] = []
        for j in g.members:
            if _root(j) not in used:
                continue
            variables.append(ring.variables[_root(j)])
            relations.append(_divided_difference(g, variables, ring))
            eigenvalues.append((sympy.Symbol(_root(j)), choice.spectrum.squares[j]))
    return tuple(eigenvalues), tuple(ring.expressions(relations))


def _divided_difference(group: Group, points: list[Polynomial], ring: Ring) -> Polynomial:
    """Return f[x_1, …, x_k] = Σ_j f_j h_{j−k+1}(x_1, …, x_k), with complete symmetric h."""

    def complete(degree: int, count: int) -> Polynomial:
        if degree < 0 or not count:
            return ring.one if degree == 0 else ring.zero
        return complete(degree, count - 1) + points[count - 1] * complete(degree - 1, count)

    k = len(points)
    terms = [complete(j - k + 1, k) * Rational(c) for j, c in enumerate(group.coefficients)]
    return reduce(lambda x, y: x + y, terms)
