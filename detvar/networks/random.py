"""Exact random weights: in any stratum, and critical ones for a given loss.

Rounding a floating critical point destroys criticality, so critical weights are *built*: a
rational matrix W̄ that is critical on the matrices of its rank, then weights of a chosen type
over it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from detvar.errors import ShapeError
from detvar.exact.matrices import (
    Matrix,
    diagonal,
    identity,
    inverse,
    matrix,
    rank,
    require_shape,
    zeros,
)
from detvar.exact.rational import Rational, rational
from detvar.losses import Loss, SquaredLoss
from detvar.networks.barcodes import multiplicities
from detvar.networks.sampling import weights_of_strings
from detvar.networks.strings import Strings, critical_strata

if TYPE_CHECKING:
    from detvar.networks.linear import LinearNetwork, Weights


def random_weights(
    network: LinearNetwork,
    rank: int | None = None,
    seed: int = 0,
    rank_array: tuple[tuple[int, ...], ...] | None = None,
) -> Weights:
    """Return exact random weights in a stratum of the weight space.

    Parameters
    ----------
    rank : rank of the end-to-end matrix, at most r (default: r); if it is less than r, W_1 has
        this rank, and all other partial products have the largest rank that leaves
    seed : of a local `random.Random`
    rank_array : choose this stratum instead, as returned by `LinearNetwork.rank_array`

    Raises
    ------
    ShapeError
        If no weights of this network have that rank or rank array.

    Examples
    --------
    >>> from detvar import LinearNetwork
    >>> net = LinearNetwork(3, 2, 3)
    >>> net.rank_array(net.random_weights(rank=1, seed=5))[0][-1]
    1
    """
    rng = Random(seed)
    h, r = network.depth, network.rank_bound
    if rank_array is None:
        e = r if rank is None else rank
        if not isinstance(e, int) or not 0 <= e <= r:
            raise ShapeError(f"rank is {e}: give an integer from 0 to {r} for {network}")
        rank_array = open_rank_array(network.widths, e)
    bars = multiplicities(rank_array)
    e = bars.pop((0, h), 0)
    strings = Strings(h, e, tuple(sorted(bars.items())), ())
    if strings.widths() != network.widths:
        raise ShapeError(f"rank_array belongs to the widths {strings.widths()}, not to {network}")
    if rank is not None and rank != e:
        raise ShapeError(f"rank is {rank}, but rank_array says {e}: give one of the two")
    return weights_of_strings(
        strings,
        random_matrix_of_rank(network.widths[-1], network.widths[0], e, rng),
        zeros(network.widths[-1], network.widths[0]),
        rng,
    )


def open_rank_array(widths: tuple[int, ...], e: int) -> tuple[tuple[int, ...], ...]:
    """Return the rank array of generic weights, the first layer cut down to rank e if e < r.

    >>> open_rank_array((3, 2, 3), 1)
    ((3, 1, 1), (2, 2), (3,))
    """
    h = len(widths) - 1
    rows = []
    for p in range(h + 1):
        caps = [min(widths[p : q + 1]) for q in range(p, h + 1)]
        cut = p == 0 and e < min(widths)
        rows.append(tuple([caps[0], *(min(c, e) for c in caps[1:])] if cut else caps))
    return tuple(rows)


def random_matrix_of_rank(m: int, n: int, e: int, rng: Random) -> Matrix:
    """Return a random integer m×n matrix of rank e."""
    if not 0 <= e <= min(m, n):
        raise ShapeError(f"rank is {e}: give an integer from 0 to {min(m, n)} for {m}×{n} matrices")
    while True:
        left = Matrix(m, e, [rng.randint(-2, 2) for _ in range(m * e)])
        right = Matrix(e, n, [rng.randint(-2, 2) for _ in range(e * n)])
        if rank(left * right) == e:
            return left * right


def cayley(n: int, rng: Random) -> Matrix:
    """Return a random rational orthogonal n×n matrix (I − A)(I + A)⁻¹, A skew-symmetric.

    >>> Q = cayley(3, Random(1))
    >>> Q * Q.transpose() == identity(3)
    True
    """
    a = zeros(n, n)
    for i in range(n):
        for j in range(i):
            a[i, j] = Rational(rng.randint(-2, 2), rng.choice((1, 2)))
            a[j, i] = -a[i, j]
    one = identity(n)
    return (one - a) * inverse(one + a)


def random_squared_problem(
    m: int, n: int, singular_values: list[Any], seed: int = 0, samples: int | None = None
) -> tuple[SquaredLoss, Matrix, Matrix]:
    """Return a squared loss whose singular triples are all rational, with U and V.

    X is a random invertible matrix D, followed by zero columns, and Y = U·diag(σ)·Vᵀ with U, V
    from Cayley transforms, so that the critical matrices are Σ_S σ_s u_s v_sᵀ D⁻¹.

    Parameters
    ----------
    singular_values : σ_1, …, σ_min(m,n), rational, repeated and zero values allowed
    samples : number of columns of X and Y, at least n (default: n)

    Returns
    -------
    (loss, U, V) : U is m×m and V is n×n, with V the right factor for Y = U diag(σ) Vᵀ
    """
    if samples is not None and samples < n:
        raise ShapeError(f"samples is {samples}: give an integer ≥ {n}, one column per input")
    if len(singular_values) != min(m, n):
        raise ShapeError(f"singular_values has {len(singular_values)} entries: give {min(m, n)}")
    sigma = [rational(x, f"singular_values[{i}]") for i, x in enumerate(singular_values)]
    rng = Random(seed)
    u, v = cayley(m, rng), cayley(n, rng)
    y = u * diagonal(sigma, m, n) * v.transpose()
    d = zeros(n, n)
    while rank(d) < n:
        d = Matrix(n, n, [rng.randint(-2, 2) for _ in range(n * n)])
    extra = 0 if samples is None else samples - n
    x = Matrix(n, n + extra, [c for row in d.tolist() for c in row + [Rational(0)] * extra])
    y = Matrix(m, n + extra, [c for row in y.tolist() for c in row + [Rational(0)] * extra])
    return SquaredLoss(x, y), u, v


def random_critical_weights(
    network: LinearNetwork,
    loss: Loss,
    product: Matrix | None = None,
    seed: int = 0,
    strings: Strings | None = None,
) -> Weights:
    """Return exact random weights that are critical for L, of a random (or given) type.

    Every critical θ over W̄ arises: its intervals are joined through G = ∇ℓ(W̄) in pairs
    (top [p, h], bottom [0, q]) with p > q + 1, and any such type occurs.

    Parameters
    ----------
    product : W̄, rational, of rank ≤ r, with W̄ᵀG = 0 and GW̄ᵀ = 0; the default is W̄ = 0
    seed : of a local `random.Random`
    strings : the type, one of `detvar.networks.strings.critical_strata` (default: random)

    Raises
    ------
    ShapeError
        If W̄ is not critical on the matrices of its rank, or no critical weights lie over it
        (depth 1 with G ≠ 0).

    Notes
    -----
    **Cost**: all types are enumerated unless one is given.

    Examples
    --------
    >>> from detvar import LinearNetwork, classify
    >>> loss = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> net = LinearNetwork(2, 2, 2, 2)
    >>> classify(net, loss, random_critical_weights(net, loss, seed=3)).is_critical
    True
    """
    rng = Random(seed)
    m, n = loss.shape
    w = zeros(m, n) if product is None else matrix(product, "product")
    require_shape(w, m, n, "product")
    g = loss.gradient(w)
    if any((w.transpose() * g).entries()) or any((g * w.transpose()).entries()):
        raise ShapeError("product is not critical on the matrices of its rank: W̄ᵀG or GW̄ᵀ ≠ 0")
    if strings is None:
        types = critical_strata(network.widths, rank(w), rank(g))
        if not types:
            raise ShapeError(f"no critical weights of {network} have this product")
        strings = rng.choice(types)
    elif strings.widths() != network.widths:
        raise ShapeError(f"strings belong to the widths {strings.widths()}, not to {network}")
    return weights_of_strings(strings, w, g, rng)


__all__ = [
    "cayley",
    "random_critical_weights",
    "random_matrix_of_rank",
    "random_squared_problem",
    "random_weights",
]
