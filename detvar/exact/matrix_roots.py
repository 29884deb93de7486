"""Square roots of positive semidefinite matrices of balls, and the linear equations they need."""

from __future__ import annotations

from detvar.exact.balls import arb, arb_mat, bits_in_use, working_precision
from detvar.exact.matrices import identity


def square_root(g: arb_mat) -> arb_mat | None:
    """Return balls with G^½ for every positive semidefinite G in g, or None if none were found.

    Let R₀ ≻ 0 be an approximate root, C = G − R₀², R = G^½ and E = R − R₀. As RE + ER₀ = C and the
    Sylvester operator of R ⪰ 0 and R₀ ⪰ r has no eigenvalue below r, ‖E‖ ≤ ‖C‖/r. So E² is small,
    and R₀E + ER₀ = C − E² is solved for a sharper enclosure. N. Higham (2008), Functions of
    Matrices, section 6.

    >>> root = square_root(arb_mat([[5, 4], [4, 5]]))
    >>> [
    ...     [bool(abs(x - y) < 1e-13) for x, y in zip(*rows)]
    ...     for rows in zip(root.tolist(), [[2, 1], [1, 2]])
    ... ]
    [[True, True], [True, True]]
    """
    bits = bits_in_use()
    # a condition number of 2^bits costs that many bits
    with working_precision(2 * bits + 32):
        about = _newton_root(g.mid(), bits)
        inverse = None if about is None else inverse_or_none(about)
        if about is None or inverse is None or not _is_definite(about):
            return None
        gap = g - about * about
        error = _norm(gap) * _norm(inverse)
        if not error.is_finite():
            return None
        k, ball = g.nrows(), arb(0, error)
        remainder = arb_mat(k * k, 1, [x + arb(0, error * error) for x in gap.entries()])
        sharp = solve_or_none(sylvester(about), remainder)
        changes = [ball] * (k * k) if sharp is None else sharp.entries()
        kept = [x if x.rad() <= ball.rad() else ball for x in changes]
        return about + arb_mat(k, k, kept)


def _newton_root(a: arb_mat, bits: int) -> arb_mat | None:
    """Return a root to about `bits` bits, exactly symmetric, by the Denman–Beavers iteration."""
    k = a.nrows()
    x, y = a, _one(k)
    for _ in range(200):
        p, q = inverse_or_none(x), inverse_or_none(y)
        if p is None or q is None:
            return None
        new = _symmetric((x + q) / 2)
        y = _symmetric((y + p) / 2)
        small = _norm(new - x) * 2**bits <= _norm(new)
        x = new
        if small:
            return x
    return None


def trace_of_root(g: arb_mat) -> arb:
    """Return a ball with tr G^½ for every positive semidefinite G in g.

    Where G is nearly singular, 0 ≤ tr (G + ε)^½ − tr G^½ ≤ k√ε is used.
    """
    k = g.nrows()
    root = square_root(g)
    if root is not None:
        return _trace(root)
    spread = _norm(arb_mat(k, k, [arb(x.rad()) for x in g.entries()]))
    tiny = (_trace(g).abs_upper() + 1) * arb(2) ** -bits_in_use()
    lift = (spread + tiny).upper()
    root = square_root(g + _one(k) * lift)
    if root is None:
        return arb("nan")
    excess = (k * lift.sqrt()).upper() / 2
    return _trace(root) - arb(excess, excess)


def _is_definite(a: arb_mat) -> bool:
    """Say whether a Cholesky factorisation proves that all matrices in a are positive definite."""
    rows = a.tolist()
    for i in range(len(rows)):
        if not rows[i][i] > 0:
            return False
        for j in range(i + 1, len(rows)):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [x - factor * y for x, y in zip(rows[j], rows[i], strict=True)]
    return True


def inverse_or_none(a: arb_mat) -> arb_mat | None:
    """Return balls with all inverses, or None where a matrix in a may be singular."""
    try:
        return a.inv()
    except ZeroDivisionError:
        return None


def solve_or_none(a: arb_mat, b: arb_mat) -> arb_mat | None:
    """Return balls with all solutions of a x = b, or None where a matrix in a may be singular."""
    try:
        return a.solve(b)
    except ZeroDivisionError:
        return None


def sylvester(r: arb_mat) -> arb_mat:
    """Return the matrix of X ↦ rX + Xr for symmetric r, on the row-major vec."""
    k = r.nrows()
    out = arb_mat(k * k, k * k)
    for i in range(k):
        for j in range(k):
            for s in range(k):
                out[i * k + j, s * k + j] += r[i, s]
                out[i * k + j, i * k + s] += r[j, s]
    return out


def _symmetric(a: arb_mat) -> arb_mat:
    """Return the midpoint of (a + aᵀ)/2."""
    k = a.nrows()
    out = arb_mat(k, k)
    for i in range(k):
        for j in range(i + 1):
            out[i, j] = out[j, i] = ((a[i, j] + a[j, i]) / 2).mid()
    return out


def _one(k: int) -> arb_mat:
    return arb_mat(identity(k))


def _trace(a: arb_mat) -> arb:
    return sum((a[i, i] for i in range(a.nrows())), arb(0))


def _norm(a: arb_mat) -> arb:
    """Return an upper bound of the Frobenius norm."""
    return sum((x.abs_upper() ** 2 for x in a.entries()), arb(0)).upper().sqrt().upper()
