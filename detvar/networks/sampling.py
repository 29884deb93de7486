"""From strings to weights and back: exact critical weight vectors of every type.

A stratum is labelled by its strings.  `weights_of_strings` builds random exact weights in it, over
any end-to-end matrix and any gradient of the right ranks; `strings_of_weights` reads the label
off ranks of matrices over Q.  The two are inverse to each other, which is how both are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from detvar.errors import ShapeError
from detvar.exact.matrices import (
    Matrix,
    chain,
    column_space,
    columns,
    complement,
    extend_basis,
    hstack,
    identity,
    inverse,
    is_zero,
    left_inverse,
    rank,
    require_shape,
    shape,
    vstack,
    zeros,
)
from detvar.networks.barcodes import Interval
from detvar.networks.strings import Strings, strings_of_ranks


def weights_of_strings(
    strings: Strings, image: Matrix, residual: Matrix, seed: int | Random = 0
) -> tuple[Matrix, ...]:
    """Return random exact weights of the given type, with W_h⋯W_1 = W̄ and W_{>i}ᵀGW_{<i}ᵀ = 0.

    Parameters
    ----------
    strings : Strings
        The type: which intervals occur, and which are joined through G.
    image : m×n matrix
        W̄, of rank ``strings.full``.
    residual : m×n matrix
        G, of rank ``strings.residual_rank``, with W̄ᵀG = 0 and GW̄ᵀ = 0.
    seed : int or random.Random

    Returns
    -------
    tuple of matrices
        (W_1, …, W_h).

    Raises
    ------
    ShapeError
        If shapes or ranks do not fit, or W̄ᵀG or GW̄ᵀ is not zero.

    Notes
    -----
    Cost: O(Σ d_l³) operations with rationals.
    Validity: every weight vector of the type can be written in this form, so nothing is lost but
    the size of the random numbers.

    Examples
    --------
    >>> from detvar.exact.matrices import matrix
    >>> s = Strings(2, 0, (((1, 1), 1),), (((2, 0), 1),))
    >>> W1, W2 = weights_of_strings(s, matrix([[0]]), matrix([[5]]), seed=1)
    >>> W1, W2  # the saddle of the network 1-1-1
    ([0], [0])
    """
    rng = seed if isinstance(seed, Random) else Random(seed)
    h, d = strings.depth, strings.widths()
    _require_fit(strings, d, image, residual)
    output, input_ = _end_bases(image, residual, rng)
    # Columns of the end bases: full, then matched, then the rest, in the same order as here.
    matched = [pair for pair, count in strings.matched for _ in range(count)]
    free = [interval for interval, count in strings.free for _ in range(count)]
    intervals: list[Interval] = [(0, h)] * strings.full
    tops = [(p, h) for p, _ in matched] + [x for x in free if x[1] == h]
    bottoms = [(0, q) for _, q in matched] + [x for x in free if x[0] == 0]
    middles = [x for x in free if x[0] > 0 and x[1] < h]
    intervals += tops + bottoms + middles
    present = [[k for k, (p, q) in enumerate(intervals) if p <= i <= q] for i in range(h + 1)]
    bases = [input_, *(_random_invertible(x, rng) for x in d[1:-1]), output]
    weights = []
    for i in range(1, h + 1):
        step = zeros(d[i], d[i - 1])
        place = {k: row for row, k in enumerate(present[i])}
        for column, k in enumerate(present[i - 1]):
            if k in place:
                step[place[k], column] = 1
        before = inverse(bases[i - 1]) if i > 1 else bases[0]  # at layer 0 a dual basis is kept
        weights.append(bases[i] * step * before)
    return tuple(weights)


def _require_fit(strings: Strings, d: Sequence[int], image: Matrix, residual: Matrix) -> None:
    if min(d) < 1:
        raise ShapeError(f"strings of widths {d} are no network: every layer needs an interval")
    require_shape(image, d[-1], d[0], "image")
    require_shape(residual, d[-1], d[0], "residual")
    for name, a, k in (
        ("image", image, strings.full),
        ("residual", residual, strings.residual_rank),
    ):
        if rank(a) != k:
            raise ShapeError(f"{name} has rank {rank(a)}: these strings need rank {k}")
    if not is_zero(image.transpose() * residual) or not is_zero(residual * image.transpose()):
        raise ShapeError(
            "image and residual do not fit: image^T residual and residual image^T must be zero"
        )


def _end_bases(image: Matrix, residual: Matrix, rng: Random) -> tuple[Matrix, Matrix]:
    """Return a basis of R^m (as columns) and one of the dual of R^n (as rows) in which W̄ and G
    are partial identities: W̄ = Σ F_k F*_k, and G pairs the next ρ columns with the next ρ rows.
    """
    m, n = shape(image)
    f = column_space(image) * _random_invertible(rank(image), rng)
    f_dual = left_inverse(f) * image  # W̄ = F·F*, and F is determined up to this choice
    a = column_space(residual)
    b = left_inverse(a) * residual  # G = A·B
    mix = _random_invertible(a.ncols(), rng)
    # YᵀA = mixᵀ and B·X = mix⁻ᵀ, so that YᵀGX = I; parts in the kernels are arbitrary.
    y = left_inverse(a).transpose() * mix
    x = left_inverse(b.transpose()).transpose() * inverse(mix.transpose())
    outer, inner = complement(a), complement(b.transpose())  # ker Gᵀ and ker G
    y = y + outer * _random(outer.ncols(), y.ncols(), rng)
    x = x + inner * _random(inner.ncols(), x.ncols(), rng)
    y_rest = _complete(f, outer, rng)
    x_rest = _complete(f_dual.transpose(), inner, rng)
    return hstack(f, y, y_rest), vstack(f_dual, x.transpose(), x_rest.transpose())


def _complete(part: Matrix, space: Matrix, rng: Random) -> Matrix:
    """Return random columns that extend the columns of `part` to a basis of Col `space`."""
    new = columns(space, extend_basis(part, space))
    k = new.ncols()
    return new * _random_invertible(k, rng) + part * _random(part.ncols(), k, rng)


def _random(m: int, n: int, rng: Random) -> Matrix:
    return Matrix(m, n, [rng.randint(-1, 1) for _ in range(m * n)])


def _random_invertible(n: int, rng: Random) -> Matrix:
    """Return a random integer matrix of determinant ±1, so that its inverse is integral too."""
    lower, upper = identity(n), identity(n)
    for i in range(n):
        lower[i, i] = rng.choice((-1, 1))
        for j in range(i):
            lower[i, j], upper[j, i] = rng.randint(-1, 1), rng.randint(-1, 1)
    order = list(range(n))
    rng.shuffle(order)
    return columns(lower * upper, order)


def strings_of_weights(weights: Sequence[Matrix], gradient: Matrix) -> Strings:
    """Return the strings of critical weights, from ranks alone.

    The intervals come from the ranks of the partial products, and the number of pairs of a
    top [p, h] with a bottom [0, q] is R(p, q) − R(p−1, q) − R(p, q+1) + R(p−1, q+1), where
    R(i, j) = rank(W_{>i}ᵀ G W_{≤j}ᵀ).

    Parameters
    ----------
    weights : sequence of matrices
        (W_1, …, W_h), where W_i is d_i × d_{i−1}.
    gradient : m×n matrix
        The gradient G of the loss at W_h⋯W_1.

    Returns
    -------
    Strings

    Raises
    ------
    ShapeError
        If shapes do not fit, or the weights are not critical for this gradient.

    Notes
    -----
    Cost: O(h²) products and ranks over Q.

    Examples
    --------
    >>> from detvar.exact.matrices import matrix
    >>> print(strings_of_weights([matrix([[0]]), matrix([[0]])], matrix([[5]])))
    [2,2]~[0,0] + [1,1]
    """
    h = len(weights)
    if not h:
        raise ShapeError("weights is empty: give W_1, …, W_h")
    d = [weights[0].ncols(), *(w.nrows() for w in weights)]
    for i, w in enumerate(weights, start=1):
        require_shape(w, d[i], d[i - 1], f"W_{i}")
    require_shape(gradient, d[-1], d[0], "gradient")
    products = [[identity(d[p])] for p in range(h + 1)]  # products[p][j] = W_{p+j}⋯W_{p+1}
    for p in range(h + 1):
        for q in range(p, h):
            products[p].append(weights[q] * products[p][-1])
    ranks = tuple(tuple(rank(a) for a in row) for row in products)
    through = []
    for i in range(h + 1):
        left = products[i][-1].transpose() * gradient
        through.append([rank(chain(left, products[0][j].transpose())) for j in range(h + 1)])
        if i and through[i][i - 1]:
            raise ShapeError(
                f"the weights are not critical for this gradient: the derivative by W_{i} "
                "is not zero"
            )
    return strings_of_ranks(ranks, through)
