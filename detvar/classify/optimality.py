"""Is this critical point global? The published test, and one without assumptions beside it.

Yun, Sra and Jadbabaie decide global optimality for the squared loss from ranks and one column
space, under assumptions on the data.  Here these assumptions are checked, their verdict is
reported, and the answer comes from `classify`, which needs none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.classify.certificate import Certificate
from detvar.classify.point import Classification, classify
from detvar.errors import InputError
from detvar.exact.algebraic import real_roots
from detvar.exact.matrices import Matrix, charpoly, column_space, inverse, left_inverse, rank
from detvar.losses import Loss, SquaredLoss
from detvar.networks.linear import LinearNetwork, Weights


@dataclass(frozen=True)
class PublishedTest:
    """The test of Yun, Sra and Jadbabaie at a critical point of the squared loss.

    Attributes
    ----------
    theorem : "2.1" (k = min(d_x, d_y)) or "2.2" (k smaller), k the least width
    assumptions_hold : whether all standing assumptions are true
    failures : the assumptions that are false, in words
    answer : what the theorem's criterion says, "global_minimum" or "saddle"; None when the
        criterion is not defined (the leading singular vectors are not unique, or do not exist)
    reason : which part of the criterion decided

    References
    ----------
    Yun, Sra, Jadbabaie, *Global Optimality Conditions for Deep Neural Networks* (ICLR 2018),
    Theorems 2.1 and 2.2.
    """

    theorem: str
    assumptions_hold: bool
    failures: tuple[str, ...]
    answer: str | None
    reason: str

    def to_latex(self) -> str:
        """Return what the test says, as LaTeX text."""
        from detvar.classify.latex import published_test

        return published_test(self)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {
            "theorem": self.theorem,
            "assumptions_hold": self.assumptions_hold,
            "failures": list(self.failures),
            "answer": self.answer,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Verdict:
    """Whether a weight vector is a global minimum.

    Attributes
    ----------
    answer : True, False, or None when undecided
    reason : one sentence
    certificate : evidence for the nature of the point
    classification : the whole analysis
    published : the published test, for the squared loss at critical points; otherwise None
    """

    answer: bool | None
    reason: str
    certificate: Certificate
    classification: Classification
    published: PublishedTest | None

    def __str__(self) -> str:
        words = {True: "a global minimum", False: "not a global minimum", None: "undecided"}
        text = f"{words[self.answer]}: {self.reason}."
        if self.published is not None:
            p = self.published
            held = "its assumptions hold" if p.assumptions_hold else "; ".join(p.failures)
            text += (
                f"\n  published test (Theorem {p.theorem}): {p.answer or 'not defined'} ({held})"
            )
        return text

    def to_latex(self) -> str:
        """Return the problem and the verdict, as LaTeX text."""
        from detvar.classify.latex import verdict

        return verdict(self)

    def to_json(self) -> dict[str, Any]:
        """Return answer, reason, published test and classification as a JSON object."""
        return {
            "answer": self.answer,
            "reason": self.reason,
            "published_test": None if self.published is None else self.published.to_json(),
            "classification": self.classification.to_json(),
        }


def check_global_minimum(network: LinearNetwork, loss: Loss, weights: Any) -> Verdict:
    """Say whether θ minimises L = ℓ∘μ over all weights, with proof.

    After reduction to effective data, a critical θ of a Kronecker loss is a global minimum iff
    G = 0, or rk W̄ = r and no pair of singular values is in the wrong order; for other convex
    losses G = 0 proves a global minimum, and saddles, non-critical points and minima with a
    known lower matrix are refuted.

    Parameters
    ----------
    network, loss, weights : as in `classify`, exact

    Notes
    -----
    **Validity**: no assumption on ranks or singular values. A local minimum of a loss outside the
    Kronecker class may stay undecided: that needs all critical values.

    References
    ----------
    Yun, Sra, Jadbabaie (2018); Trager, Kohn, Bruna (2020).

    Examples
    --------
    With target the identity the two singular values are equal, and the published test has no
    column space to compare with:

    >>> net, loss = LinearNetwork(2, 1, 2), SquaredLoss([[1, 0], [0, 1]], [[1, 0], [0, 1]])
    >>> v = check_global_minimum(net, loss, [[[0, 1]], [[0], [1]]])
    >>> v.answer, v.published.assumptions_hold, v.published.answer
    (True, False, None)
    """
    c = classify(network, loss, weights)
    published = None
    if c.is_critical and isinstance(loss, SquaredLoss):
        published = published_test(network, loss, c.weights)
    answer: bool | None
    if c.nature == "global_minimum":
        answer = True
    elif c.nature in ("local_minimum", "degenerate", "undecided"):
        answer = False if c.is_bad_minimum else None
    else:
        answer = False
    reason = c.reason
    if c.is_bad_minimum:
        reason += "; a matrix of the function space has a smaller loss"
    elif answer is None:
        reason += "; whether it is global needs the other critical values"
    return Verdict(answer, reason, c.certificate, c, published)


def published_test(network: LinearNetwork, loss: SquaredLoss, weights: Weights) -> PublishedTest:
    """Return the verdict of Yun, Sra and Jadbabaie's criterion at a critical θ, with assumptions.

    With k the least width: if k = min(d_x, d_y), θ is global iff rk W̄ = k; otherwise iff
    moreover the columns of W_h⋯W_{p+1} (p a layer of least width) span the first k left singular
    vectors of YXᵀ(XXᵀ)⁻¹X. The subspaces are compared without singular vectors: at a critical
    point of rank k, Col W̄ is invariant under YXᵀ(XXᵀ)⁻¹XYᵀ, and the eigenvalues there must be the
    k largest.

    Raises
    ------
    InputError
        If θ is not critical.

    Notes
    -----
    **Validity**: the verdict is a theorem only when `assumptions_hold`; it is reported anyway,
    so that one can see where it goes wrong.
    """
    product = network.end_to_end(weights)
    gradient = loss.gradient(product)
    above, below = network.outer_products(weights)
    if any(
        any((a.transpose() * gradient * b.transpose()).entries())
        for a, b in zip(above, below, strict=True)
    ):
        raise InputError("the test is stated for critical points: these weights are not critical")
    n, m, k = network.widths[0], network.widths[-1], network.rank_bound
    failures = _failures(loss, m, n)
    theorem = "2.1" if k == min(m, n) else "2.2"
    e = rank(product)
    hold = not failures
    if e < k:
        return PublishedTest(theorem, hold, failures, "saddle", f"the product has rank {e} < {k}")
    if theorem == "2.1":
        return PublishedTest(
            theorem, hold, failures, "global_minimum", f"the product has the full rank {k}"
        )
    if rank(loss.X) < n:
        return PublishedTest(
            theorem, hold, failures, None, "XXᵀ is singular: the matrix of the test does not exist"
        )
    answer, reason = _column_space_test(loss, product, k)
    return PublishedTest(theorem, hold, failures, answer, reason)


def _failures(loss: SquaredLoss, m: int, n: int) -> tuple[str, ...]:
    """Return the standing assumptions that are false."""
    samples = loss.X.ncols()
    out = []
    if n > samples:
        out.append(f"d_x = {n} exceeds the number {samples} of samples")
    if m > samples:
        out.append(f"d_y = {m} exceeds the number {samples} of samples")
    if rank(loss.X) < n:
        out.append("XXᵀ is singular")
    if rank(loss.Y * loss.X.transpose()) < min(m, n):
        out.append("YXᵀ does not have full rank")
    if rank(loss.X) == n:
        roots = real_roots(charpoly(_explained(loss)))
        if any(k > 1 for x, k in roots if x != 0):
            out.append("a singular value of YXᵀ(XXᵀ)⁻¹X is repeated")
    return tuple(out)


def _explained(loss: SquaredLoss) -> Matrix:
    """Return YXᵀ(XXᵀ)⁻¹XYᵀ, whose eigenvalues are the squared singular values of the test."""
    cross = loss.Y * loss.X.transpose()
    return cross * inverse(loss.X * loss.X.transpose()) * cross.transpose()


def _column_space_test(loss: SquaredLoss, product: Matrix, k: int) -> tuple[str | None, str]:
    s = _explained(loss)
    f = column_space(product)
    inside = left_inverse(f) * s * f  # s restricted to its invariant subspace Col W̄
    kept = [x for x, c in real_roots(charpoly(inside)) for _ in range(c)]
    everything = [x for x, c in reversed(real_roots(charpoly(s))) for _ in range(c)]
    if everything[k - 1] == everything[k]:
        return None, "the k-th and (k+1)-th singular values are equal: no unique column space"
    if sorted(kept, reverse=True) == everything[:k]:
        return "global_minimum", "the columns span the leading singular vectors"
    return "saddle", "the columns do not span the leading singular vectors"
