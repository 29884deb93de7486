"""The second route: every number of a derivation found again, straight from the definitions.

L is multiplied out over Q[t], ranks and signs come from LDLᵀ, singular values from the
characteristic polynomial of the target.  A check raises `Refused` at the first wrong number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.classify import verify
from detvar.classify.along import coefficient, curve, end_to_end, gradient_along, loss_along
from detvar.classify.certificate import Certificate
from detvar.classify.decision import decide
from detvar.classify.degenerate import chart_at, chart_hessian, reduce_degenerate
from detvar.classify.directions import still
from detvar.classify.explain_steps import bent
from detvar.classify.explain_words import Numbers
from detvar.classify.hessian import full_hessian, hessian_inertia
from detvar.classify.verify import Refused
from detvar.exact.algebraic import RealAlgebraic, real_roots
from detvar.exact.inertia import Inertia, ldlt
from detvar.exact.matrices import (
    Matrix,
    chain,
    charpoly,
    column_space,
    inverse,
    is_zero,
    kron,
    rank,
    require_shape,
    shape,
    trace,
    unvec,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.exact.series import polynomial
from detvar.losses import Loss
from detvar.networks.linear import LinearNetwork, Weights

_FACTORED_UP_TO = 160
Values = Sequence[tuple[RealAlgebraic, int]]


@dataclass(frozen=True)
class Problem:
    """A network, a loss and weights; `effective` is the problem without what ℓ cannot see.

    `evidence` is that of the certificate, in the weights as given.
    """

    network: LinearNetwork
    loss: Loss
    weights: Weights
    evidence: Mapping[str, Any]

    @cached_property
    def product(self) -> Matrix:
        """W̄, multiplied out entry by entry."""
        rows = end_to_end([w.tolist() for w in self.weights])
        return Matrix(len(rows), len(rows[0]), [x for row in rows for x in row])

    @cached_property
    def gradient(self) -> Matrix:
        """∇ℓ(W̄), one coefficient of ℓ(W̄ + tE_ij) after the other."""
        m, n = self.loss.shape
        found = []
        for i in range(m):
            for j in range(n):
                rows = [[polynomial([x]) for x in row] for row in self.product.tolist()]
                rows[i][j] = polynomial([self.product[i, j], Rational(1)])
                found.append(coefficient(list(self.loss.evaluate(rows).coeffs()), 1))
        return unvec(found, m, n)

    @cached_property
    def rank(self) -> int:
        """rk W̄, the number of positive pivots of W̄W̄ᵀ."""
        return ldlt(self.product * self.product.transpose()).inertia.positive

    @cached_property
    def reduction(self) -> Any:
        """The effective problem as the loss gives it."""
        return self.loss.reduce(self.network)

    @cached_property
    def effective(self) -> Problem:
        """The effective problem, or this one if nothing is divided out."""
        small = self.reduction
        if small.loss is None or not small.changed:
            return self
        return Problem(small.network, small.loss, small.weights(self.weights), self.evidence)

    def require_evidence(self, name: str, v: Weights) -> None:
        """Refuse a direction, or a matrix alone, that is not the one in the certificate."""
        small = self.reduction
        lifted = small.lift(v) if small.loss is not None else v
        known = self.evidence.get(name)
        known = (known,) if isinstance(known, Matrix) else known
        require(lifted == known, "the direction is not that of the certificate")

    def slope(self, layer: int, row: int, column: int) -> Rational:
        """∂L/∂(W_layer)_{row, column}, places from 0 on, from L along that weight."""
        v = still(self.network)
        v[layer - 1][row, column] = 1
        return coefficient(loss_along(self.loss, curve(self.weights, tuple(v))), 1)


def require(holds: bool, what: str) -> None:
    """Raise `Refused` unless something holds."""
    if not holds:
        raise Refused(what)


def _same(stated: Any, found: Any, name: str) -> None:
    require(bool(stated == found), f"{name} is not what is stated")


# --- the problem ----------------------------------------------------------------------------------


def problem(p: Problem, x: Numbers) -> None:
    _same(tuple(x["widths"]), p.network.widths, "the network")
    _same(x["formula"], p.loss.to_latex(), "the loss")
    _same(tuple(x["weights"]), p.weights, "a weight")
    _same(x["product"], p.product, "the end-to-end matrix")
    _same(x["value"], p.loss.evaluate(p.product.tolist()), "the value")


def gradient(p: Problem, x: Numbers) -> None:
    _same(x["gradient"], p.gradient, "the gradient")


def not_critical(p: Problem, x: Numbers) -> None:
    i, a, b, partial = x["layer"], x["row"] - 1, x["column"] - 1, x["partial"]
    _same(x["depth"], p.network.depth, "the depth")
    require(1 <= i <= p.network.depth, "there is no such layer")
    _same(shape(partial), shape(p.weights[i - 1]), "the shape of the layer")
    for k in range(partial.nrows()):
        for j in range(partial.ncols()):
            _same(partial[k, j], p.slope(i, k, j), "a partial derivative")
    require(0 <= a < partial.nrows() and 0 <= b < partial.ncols(), "there is no such weight")
    _same(x["slope"], partial[a, b], "the derivative")
    _same([i, a, b], p.evidence.get("position"), "the place")
    require(bool(x["slope"]), "the derivative is zero")


def critical(p: Problem, x: Numbers) -> None:
    _same(x["depth"], p.network.depth, "the depth")
    for block in gradient_along(p.loss, [w.tolist() for w in p.weights]):
        require(not any(y for row in block for y in row), "a partial derivative is not zero")


def ranks(p: Problem, x: Numbers) -> None:
    _sizes(p, x)
    _same(tuple(x["widths"]), p.network.widths, "the network")
    _same(x["rank"], p.rank, "the rank")


def _sizes(p: Problem, x: Numbers) -> None:
    d = p.network.widths
    _same(tuple(x["shape"]), (d[-1], d[0]), "the shape")
    _same(x["bound"], min(d), "the rank bound")
    _same(x["filling"], min(d) == min(d[0], d[-1]), "whether the network is filling")


def kind(p: Problem, x: Numbers) -> None:
    _sizes(p, x)
    zero = is_zero(p.gradient)
    _same(x["zero_gradient"], zero, "whether the gradient vanishes")
    pure = zero if x["filling"] else p.rank == x["bound"]
    _same(x["kind"], "pure" if pure else "spurious", "the kind")
    _same(x["differential_rank"], rank(p.network.differential(p.weights)), "the rank of dμ")


def effective(p: Problem, x: Numbers) -> None:
    c, b, q = x["left"], x["right"], p.effective
    require(q is not p, "the effective problem is the problem itself")
    for a in (c * c.transpose(), b.transpose() * b):
        require(ldlt(a).inertia.positive == a.nrows(), "C or B is not of full rank")
    small = [*p.weights]
    small[0] = small[0] * b
    small[-1] = c * small[-1]
    _same(tuple(small), q.weights, "an effective weight")
    _equal_losses(p.loss, q.loss, c, b)
    _same(tuple(x["widths"]), (b.ncols(), *p.network.widths[1:-1], c.nrows()), "a width")
    _same(x["formula"], q.loss.to_latex(), "the effective loss")
    _same(x["product"], c * p.product * b, "the effective matrix")
    _same(x["gradient"], q.gradient, "the effective gradient")
    _same((x["rank"], x["bound"]), (q.rank, min(x["widths"])), "an effective rank")
    d = x["widths"]
    _same(x["filling"], min(d) == min(d[0], d[-1]), "whether the network is filling")


def _equal_losses(loss: Loss, small: Loss, c: Matrix, b: Matrix) -> None:
    """Check ℓ(W) = ℓ′(CWB) for two quadratic losses: value, gradient and Hessian at 0."""
    require(loss.degree == small.degree == 2, "the losses are not quadratic")
    origin, below = zeros(*loss.shape), zeros(*small.shape)
    require_shape(c, small.shape[0], loss.shape[0], "C")
    require_shape(b, loss.shape[1], small.shape[1], "B")
    frame = kron(c, b.transpose())
    lifted = frame.transpose() * small.hessian(below) * frame
    _same(lifted, loss.hessian(origin), "the Hessian of the effective loss")
    pulled = c.transpose() * small.gradient(below) * b.transpose()
    _same(pulled, loss.gradient(origin), "the gradient of the effective loss")
    _same(small.value(below), loss.value(origin), "the value of the effective loss")


def constant(p: Problem, x: Numbers) -> None:
    origin = zeros(*p.loss.shape)
    require(p.loss.degree <= 2 and is_zero(p.loss.hessian(origin)), "the loss is not constant")
    require(is_zero(p.loss.gradient(origin)), "the loss is not constant")
    _same(x["value"], p.loss.evaluate(p.product.tolist()), "the value")


# --- global minima --------------------------------------------------------------------------------


def convex(p: Problem, x: Numbers) -> None:
    _same(x["why"], verify.why_convex(p.effective.loss), "the reason")


def zero_gradient(p: Problem, x: Numbers) -> None:
    q = p.effective
    require(is_zero(q.gradient), "the gradient is not zero")
    _same(x["value"], q.loss.evaluate(q.product.tolist()), "the value")


def kronecker(p: Problem, x: Numbers) -> None:
    loss, left, right, u = p.effective.loss, x["left"], x["right"], x["target"]
    for a in (left, right):
        require(ldlt(a).inertia.positive == a.nrows(), "a factor is not positive definite")
    _same(kron(left, right), loss.hessian(zeros(*loss.shape)), "the Hessian")
    require(loss.degree == 2 and is_zero(loss.gradient(u)), "U is not the minimum")
    _same(x["constant"], loss.value(u), "the minimal value")


def _form(p: Problem) -> Any:
    form = p.effective.loss.kronecker()
    if form is None:
        raise Refused("the Hessian of the loss is no Kronecker product")
    return form


def _squares(a: Matrix) -> list[tuple[RealAlgebraic, int]]:
    return [(y, k) for y, k in real_roots(charpoly(a)) if y != 0]


def singular_values(p: Problem, x: Numbers) -> None:
    """All eigenvalues of UΣUᵀP are kept or left; the kept ones are those of W̄ΣW̄ᵀP."""
    form, w = _form(p), p.effective.product

    def squares(a: Matrix) -> list[tuple[RealAlgebraic, int]]:
        return _squares(chain(a, form.right, a.transpose(), form.left))

    _same(list(x["taken"]), squares(w), "a singular value that is kept")
    _same(list(x["left"]), squares(form.target - w), "a singular value that is left out")
    together: list[RealAlgebraic] = []
    for y, k in (*x["taken"], *x["left"]):
        together += [y] * k
    everything = [y for y, k in squares(form.target) for _ in range(k)]
    _same(sorted(together), everything, "the list of singular values")


def top(p: Problem, x: Numbers) -> None:
    singular_values(p, x)
    q, t = p.effective, x["threshold"]
    _same(t, p.evidence.get("threshold"), "the number that separates")
    if x["taken"] and t is not None:
        verify.separates(_form(p), q.product, column_space(q.product), t)
    require(_pairs(x) == 0, "a larger singular value is left out")
    require(bool(x["taken"]) or is_zero(q.product), "a kept singular value is missing")
    if t is None:
        return
    require(bool(x["taken"]), "there is nothing to separate")


def _pairs(x: Numbers) -> int:
    return sum(k * c for s, k in x["taken"] for y, c in x["left"] if y > s)


def wrong_order(p: Problem, x: Numbers) -> None:
    singular_values(p, x)
    require(x["pairs"] > 0, "no pair is in the wrong order")
    _same(x["pairs"], _pairs(x), "the number of pairs")


def eckart_young(p: Problem, x: Numbers) -> None:
    form, q = _form(p), p.effective
    _same(x["bound"], min(q.network.widths), "the rank bound")
    _same(q.rank, x["bound"], "the rank")
    _same(x["constant"], form.constant, "the constant")
    g = chain(form.left, q.product - form.target, form.right)
    rest = trace(chain(inverse(form.left), g, inverse(form.right), g.transpose()))
    _same(x["value"], form.constant + rest / 2, "the value")
    _same(x["value"], q.loss.evaluate(q.product.tolist()), "the value")


# --- saddles --------------------------------------------------------------------------------------


def _second(p: Problem, x: Numbers, name: str) -> None:
    q, v = p.effective, _direction(p, x["direction"])
    p.require_evidence(name, v)
    found = 2 * coefficient(loss_along(q.loss, curve(q.weights, v)), 2)
    _same(x["second"], found, "the second derivative")


def _direction(p: Problem, v: Any) -> Weights:
    """Return a direction, after a check of its shapes."""
    return p.effective.network.check_weights(list(v))


def down(p: Problem, x: Numbers) -> None:
    _second(p, x, "down")
    require(x["second"] < 0, "L does not bend downwards")


def up(p: Problem, x: Numbers) -> None:
    _second(p, x, "up")
    require(x["second"] > 0, "L does not bend upwards")


def _blocks(q: Problem, i: int, j: int) -> tuple[Matrix, Matrix]:
    """W_{>i}ᵀGW_{<j}ᵀ and W_{i−1}⋯W_{j+1}, each multiplied out by itself."""
    net, w = q.network, q.weights
    above = net.partial_product(w, i, net.depth)
    below = net.partial_product(w, 0, j - 1)
    outer = chain(above.transpose(), q.gradient, below.transpose())
    return outer, net.partial_product(w, j, i - 1)


def pivot(p: Problem, x: Numbers) -> None:
    q, (i, j) = p.effective, x["pivot"]
    _same(x["depth"], q.network.depth, "the depth")
    require(q.network.depth >= i > j >= 1, "there is no such pivot")
    outer, middle = _blocks(q, i, j)
    _same(x["outer"], outer, "the outer block")
    _same((x["middle_rank"], x["rank"]), (rank(middle), q.rank), "a rank")
    require(not is_zero(outer) and x["middle_rank"] > x["rank"], "the pivot is tightened")


def tightened(p: Problem, x: Numbers) -> None:
    q, h = p.effective, p.network.depth
    _same(x["depth"], h, "the depth")
    stated = [(i, j) for i, j, *_ in x["pivots"]]
    wanted = [(i, j) for i in range(1, h + 1) for j in range(1, i)]
    _same(sorted(stated), wanted, "the list of pivots")
    for i, j, vanishes, k in x["pivots"]:
        outer, middle = _blocks(q, i, j)
        _same((vanishes, k), (is_zero(outer), rank(middle)), f"the pivot ({i}, {j})")
        require(vanishes or k == q.rank, f"the pivot ({i}, {j}) is not tightened")


def low_rank(p: Problem, x: Numbers) -> None:
    q = p.effective
    _same((x["rank"], x["bound"]), (q.rank, min(q.network.widths)), "a rank")
    require(x["rank"] < x["bound"] and not is_zero(q.gradient), "the statement does not apply")


def fiber_curve(p: Problem, x: Numbers) -> None:
    q, k = p.effective, x["order"]
    v, normal = _direction(p, x["direction"]), _direction(p, x["normal"])
    p.require_evidence("curve", v)
    layers = curve(q.weights, v)
    constant_part = [[polynomial([y]) for y in row] for row in q.product.tolist()]
    _same(end_to_end(layers), constant_part, "the end-to-end matrix along the line")
    along = gradient_along(q.loss, layers)
    require(k > 0 and not all(map(is_zero, normal)), "there is no term")
    for block, w in zip(along, normal, strict=True):
        for row, wanted in zip(block, w.tolist(), strict=True):
            for f, c in zip(row, wanted, strict=True):
                found = list(f.coeffs())
                require(not any(found[:k]), "the gradient has an earlier term")
                _same(c, coefficient(found, k), "the first term of the gradient")
    require(x["step"] > 0, "the step is not positive")
    for name, sign in (("lower", -1), ("upper", 1)):
        found = loss_along(q.loss, bent(q.weights, v, normal, k, x["step"] * sign))
        require(not any(found[1 : 2 * k]), "L has an earlier term")
        _same(x[name], coefficient(found, 2 * k), "the first term of L")
    _same(x["value"], q.loss.evaluate(q.product.tolist()), "the value")
    require(x["lower"] < 0 < x["upper"], "L does not change on both sides")


# --- second derivatives ---------------------------------------------------------------------------


def hessian(p: Problem, x: Numbers) -> None:
    q = p.effective
    if q.network.weight_count <= _FACTORED_UP_TO:
        found = ldlt(full_hessian(q.network, q.loss, q.weights)).inertia
    else:
        found = hessian_inertia(q.network, q.loss, q.weights)
    _same(Inertia(*x["inertia"]), found, "the inertia of the Hessian")


def transfer(p: Problem, x: Numbers) -> None:
    q = p.effective
    _same((x["bound"], tuple(x["shape"])), (min(q.network.widths), q.loss.shape), "a size")
    _same(q.rank, x["bound"], "the rank")
    found = rank(q.network.differential(q.weights))
    _same(x["differential_rank"], found, "the rank of the differential")
    m, n = x["shape"]
    _same(found, x["bound"] * (m + n - x["bound"]), "the largest rank of the differential")


def function_space_hessian(p: Problem, x: Numbers) -> None:
    q = p.effective
    _same(x["bound"], q.rank, "the rank")
    found = ldlt(chart_hessian(q.loss, q.product, chart_at(q.product))).inertia
    _same(Inertia(*x["inertia"]), found, "the inertia on the function space")


def reduced(p: Problem, x: Numbers) -> None:
    q = p.effective
    _same(x["value"], q.loss.evaluate(q.product.tolist()), "the value")
    again = reduce_degenerate(q.loss, q.product)
    for name in ("nullity", "order", "leading", "nature", "flat"):
        _same(x[name], getattr(again, name), f"the {name} of the reduced function")
    if x["order"] is None and not x["flat"]:
        require(x["nature"] is None, "nothing is known to decide")
        return
    _, found, (k, first) = verify.reduced_curve(q.network, q.loss, q.weights)
    _same((x["order"], x["nullity"]), (k, found.zero), "the first term")
    rises = k is None or (k % 2 == 0 and first > 0)
    if x["nature"] is not None:
        require(rises == (x["nature"] == "local_minimum"), "the first term has the wrong sign")


def ambient_hessian(p: Problem, x: Numbers) -> None:
    q = p.effective
    require(is_zero(q.gradient), "the gradient is not zero")
    found = ldlt(q.loss.hessian(q.product)).inertia
    _same(Inertia(*x["inertia"]), found, "the inertia of the loss")
    semidefinite = not found.positive and q.loss.degree == 2
    definite = not found.zero and not (found.positive and found.negative)
    require(definite or semidefinite, "the Hessian of the loss is not definite")


def lower(p: Problem, x: Numbers) -> None:
    q, w = p.effective, x["point"]
    require_shape(w, *q.loss.shape, "the matrix")
    _same(x["bound"], min(q.network.widths), "the rank bound")
    require(rank(w) <= x["bound"], "the rank of the matrix is too large")
    p.require_evidence("lower_point", (w,))
    _same(x["value"], q.loss.evaluate(w.tolist()), "the value of the matrix")
    _same(x["here"], q.loss.evaluate(q.product.tolist()), "the value")
    require(x["value"] < x["here"], "the matrix is not lower")


def undecided(p: Problem, x: Numbers) -> None:
    del x
    q = p.effective
    found = decide(q.network, q.loss, q.weights).nature
    require(found == "undecided", "the decision table has an answer")


def conclusion(p: Problem, x: Numbers, certificate: Certificate) -> None:
    """Check the label against the certificate, and the certificate against the problem."""
    same = (certificate.network, certificate.loss, certificate.weights)
    _same(same, (p.network, p.loss, p.weights), "the problem of the certificate")
    _same(x["nature"], certificate.claim, "the nature")
    report = certificate.check()
    require(report.ok, "; ".join(report.lines))
    _same(tuple(x["checks"]), report.lines, "what the certificate recomputes")
    _same(x["is_bad"], "lower_point" in certificate.evidence, "whether the minimum is bad")
    critical_ = x["nature"] != "not_critical"
    require((x["kind"] is not None) == critical_, "only critical points have a kind")
    if critical_:
        d = p.network.widths
        filling, zero = min(d) == min(d[0], d[-1]), is_zero(p.gradient)
        pure = zero if filling else p.rank == min(d)
        _same(x["kind"], "pure" if pure else "spurious", "the kind")


CHECKS: dict[str, Callable[[Problem, Numbers], None]] = {
    f.__name__: f
    for f in (
        problem, gradient, not_critical, critical, ranks, kind, effective, constant, convex,
        zero_gradient, kronecker, singular_values, top, wrong_order, eckart_young, down, up,
        pivot, tightened, low_rank, fiber_curve, hessian, transfer, function_space_hessian,
        reduced, ambient_hessian, lower, undecided,
    )
}  # fmt: skip
