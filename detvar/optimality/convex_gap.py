r"""How far float weights are from the least value of any convex loss: a proved interval.

For a convex loss ℓ and a filling network the end-to-end matrices are all matrices, so that the
least value of L is that of ℓ, a convex problem.  Newton's method in floats finds a matrix P near a
minimiser, balls of high precision prove what follows for it:

- if ∇²ℓ ⪰ μI on the ball of radius ρ around P and ‖∇ℓ(P)‖ < μρ/2, then a minimiser lies in this
  ball and 0 ≤ ℓ(P) − min ℓ ≤ ‖∇ℓ(P)‖²/(2μ).  (Proof: on the sphere ℓ ≥ ℓ(P) − ‖∇ℓ(P)‖ρ + μρ²/2,
  which is above ℓ(P); by convexity ℓ is above ℓ(P) also outside.  Inside, ℓ(P + D) is at least
  ℓ(P) + ⟨∇ℓ(P), D⟩ + μ‖D‖²/2.)
- if ∇ℓ(P) = 0 for a rational P, exactly, ℓ(P) is the least value;
- if λ_k ≥ 0 with Σ λ_k = 1 and Σ λ_k ∇ℓ(P + D_k) = 0, then ℓ ≥ Σ λ_k (ℓ(P + D_k) −
  ⟨∇ℓ(P + D_k), D_k⟩) everywhere: add the tangent planes. This needs no curvature;
- a lower bound −κ of ℓ gives ℓ(P) − inf ℓ ≤ ℓ(P) + κ, even when no minimiser exists.

The sharpest bound is taken, and the gap of the weights is ℓ(W) − ℓ(P) plus that.  Every P is
reached by the network, so that ℓ(W) − ℓ(P) is also a lower bound of the gap.

References: S. Boyd, L. Vandenberghe, *Convex Optimization*, 2004, §9.1.2; L. V. Kantorovich, 1948.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, arb_mat, working_precision
from detvar.exact.matrices import unvec
from detvar.exact.rational import Rational
from detvar.losses import Loss, Reduction, is_analytic, is_polynomial
from detvar.losses.convex_on import is_positive_definite
from detvar.losses.growth import Growth, attainment
from detvar.networks.linear import LinearNetwork
from detvar.optimality.affine import reachable_by
from detvar.optimality.measured import balls, floats, inner, low_high, norm
from detvar.optimality.reading import FloatWeights, read_weights
from detvar.optimality.rounding import Interval
from detvar.optimality.words import rounded

_BITS = 256
_STEPS = 200


@dataclass(frozen=True)
class ConvexGap:
    """The value of weights above the least value of a convex loss.

    Attributes
    ----------
    value : (low, high)
        ℓ(W) at the end-to-end matrix W.
    gap : (low, high), or None where nothing is known
        ℓ(W) − inf ℓ, with 0 ≤ low; high may be infinite.
    gradient : (low, high)
        ‖∇ℓ(W)‖_F, in effective coordinates (see `Loss.reduce`).
    filling : bool
        Whether the network reaches all matrices that the loss tells apart. Otherwise the lower
        end is 0, and the upper end still holds, for inf ℓ is below what the network reaches.
    by : "quadratic", "strong convexity", "exact minimiser", "tangent planes", "lower bound", ""
    reason : one sentence
    """

    value: Interval
    gap: Interval | None
    gradient: Interval
    filling: bool
    by: str
    reason: str

    def __str__(self) -> str:
        if self.gap is None:
            return f"gap unknown: {self.reason}"
        low, high = rounded(self.gap)
        return f"loss above the least value by at least {low} and at most {high}: {self.reason}"

    def to_latex(self) -> str:
        """Return the sentence as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; intervals as pairs of hexadecimal floats."""
        return {
            "kind_of_result": "convex_gap",
            "value": [x.hex() for x in self.value],
            "gap": None if self.gap is None else [x.hex() for x in self.gap],
            "gradient": [x.hex() for x in self.gradient],
            "filling": self.filling,
            "by": self.by,
            "reason": self.reason,
        }


def convex_gap(network: LinearNetwork | None, loss: Loss, weights: Any) -> ConvexGap:
    """Enclose ℓ(W_h⋯W_1) − inf ℓ for a convex loss and float weights.

    Parameters
    ----------
    network : LinearNetwork, or None for the one of the weights
    loss : of detvar.losses, with exact data; for weights with biases on the matrices [V c], that
        is with the inputs (x, 1)
    weights : arrays, FloatWeights, a torch module or a path, as in `read_weights`

    Raises
    ------
    InputError, ShapeError
        For weights that are not finite, or of other widths than the network and the loss.

    Notes
    -----
    **Cost**: Newton's method on mn numbers in floats, some gradients and a few Hessians in balls.
    **Validity**: both ends are proved, for the floats taken as exact numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.losses import LogisticLoss
    >>> loss = LogisticLoss([[1]], [[3]], [[2]])  # 3 log(1 + eʷ) − 2w, least at w = log 2
    >>> low, high = convex_gap(None, loss, [np.array([[0.0]])]).gap
    >>> abs(low - math.log(32 / 27)) < 1e-15, 0 < high - low < 1e-15
    (True, True)
    """
    import numpy as np

    if not hasattr(loss, "reduce"):
        raise InputError("convex_gap takes a loss of detvar.losses, such as LogisticLoss")
    given = read_weights(weights)
    _check(network, loss, given)
    reduction: Reduction = loss.reduce(given.network)
    filling = _fills(reduction, given)
    if reduction.loss is None:
        zero = (0.0, 0.0)
        value = _constant_value(loss)
        return ConvexGap(value, zero, zero, filling, "quadratic", "the loss is constant")
    small = reduction.loss
    convex, why = _convexity(loss)
    if not (is_analytic(small) or is_polynomial(small)):
        nothing = (-math.inf, math.inf)
        return ConvexGap(
            nothing, None, (0.0, math.inf), filling, "", "no enclosure of the loss is known"
        )
    with working_precision(_BITS), np.errstate(all="ignore"):
        point = _effective(reduction, given)
        problem = _enclosed(small)
        value = problem.value_ball(point)
        shown = low_high(value), low_high(norm(problem.gradient_ball(point)))
        if not value.is_finite():
            reason = "the loss is not known to be defined at these weights"
            return ConvexGap(shown[0], None, shown[1], filling, "", reason)
        if not convex:
            return ConvexGap(shown[0], None, shown[1], filling, "", f"no bound follows: {why}")
        best = _sharpest(small, problem, point)
        low, high = low_high(value - best.value), low_high(value - best.value + best.above)
    reason = best.reason
    if not filling:
        reason += "; the network is not filling, and its own least value may be larger"
    lower = max(low[0], 0.0) if filling else 0.0
    upper = max(high[1], lower)
    if not lower and upper == math.inf:
        return ConvexGap(shown[0], None, shown[1], filling, "", reason)
    return ConvexGap(shown[0], (lower, upper), shown[1], filling, best.by, reason)


def _check(network: LinearNetwork | None, loss: Loss, given: FloatWeights) -> None:
    if network is not None and network.widths != given.network.widths:
        raise ShapeError(
            f"the weights belong to {given.network}, not to {network}: give weights of its widths"
        )
    m, n = loss.shape
    widths = given.network.widths
    if (widths[-1], widths[0]) != (m, n):
        more = ", with the constant input of the biases" if given.bias else ""
        raise ShapeError(
            f"the loss is defined on {m}×{n} matrices, but the network has {widths[0]} inputs"
            f"{more} and {widths[-1]} outputs: give a loss of these widths"
        )


def _convexity(loss: Any) -> tuple[bool, str]:
    if hasattr(loss, "convexity"):
        found = loss.convexity()
        return found.answer is True, found.reason
    return loss.is_convex(), "the loss is not convex"


def _constant_value(loss: Any) -> Interval:
    """Enclose a loss that is constant."""
    with working_precision(_BITS):
        zero = arb_mat(*loss.shape)
        return low_high(
            loss.value_ball(zero) if is_analytic(loss) else _enclosed(loss).value_ball(zero)
        )


def _enclosed(loss: Any) -> Any:
    """Return the loss with enclosures and arrays of its value and two derivatives."""
    if is_analytic(loss):
        return loss
    from detvar.homotopy.derivatives import jacobian
    from detvar.homotopy.expression import Expression, Graph
    from detvar.losses.formula_values import FormulaValues

    m, n = loss.shape
    graph = Graph()
    inputs = [graph.input(k) for k in range(m * n)]
    rows = [[Expression(graph, inputs[i * n + j]) for j in range(n)] for i in range(m)]
    first = [x.node for row in loss.evaluate_gradient(rows) for x in row]
    root = loss.evaluate(rows).node
    return FormulaValues(graph, root, inputs, first, jacobian(graph, first, inputs), loss.shape)


def _effective(reduction: Reduction, given: FloatWeights) -> arb_mat:
    """Enclose C W_h⋯W_1 B."""
    out = balls(reduction.right)
    for w in given.arrays:
        out = balls(w) * out
    return balls(reduction.left) * out


def _fills(reduction: Reduction, given: FloatWeights) -> bool:
    """Say whether the matrices C W B of the network are all matrices, by the affine theorem."""
    maps = reachable_by(given)
    rows, columns = reduction.widths[-1], reduction.widths[0]
    inputs = min(columns, given.widths[0]) if maps.free else columns
    return maps.rank >= min(rows, inputs)


@dataclass(frozen=True)
class _Best:
    """ℓ(P) for some P, and a proved bound of ℓ(P) − inf ℓ."""

    value: arb
    above: arb
    by: str
    reason: str


def _sharpest(loss: Any, problem: Any, point: arb_mat) -> _Best:
    """Return a matrix P, or the minimum itself, with the sharpest bound that is proved."""
    form = loss.kronecker()
    if form is not None:
        return _Best(arb(form.constant), arb(0), "quadratic", "the least value is known exactly")
    p = _polished(problem, _newton(problem, floats(point)))
    value = problem.value_ball(p)
    growth: Growth | None = loss.growth() if is_analytic(loss) else None
    known = None if growth is None else attainment(growth, loss.shape)
    if known is None or known.answer:
        above = _by_strong_convexity(problem, p)
        if above is not None:
            reason = "a minimiser is enclosed, where the loss is proved to be strongly convex"
            return _Best(value, above, "strong convexity", reason)
        exact = _exact_minimum(loss, p)
        if exact is not None:
            return _Best(exact, arb(0), "exact minimiser", "a minimiser is known exactly")
        above = _by_tangents(problem, p, value)
        if above is not None:
            reason = "tangent planes around a matrix bound the loss from below"
            return _Best(value, above, "tangent planes", reason)
    if growth is not None:
        least = rounded(low_high(arb(-growth.constant)))[0]
        reason = f"the loss is at least {least} everywhere"
        if known is not None and not known.answer:
            reason += f"; {known.reason}"
        return _Best(value, value + arb(growth.constant), "lower bound", reason)
    return _Best(
        value, arb("inf"), "", "no minimiser could be enclosed, and no lower bound is known"
    )


def _newton(problem: Any, w: Any) -> Any:
    """Return a matrix with a smaller loss, by Newton's method with halved steps, in floats."""
    import numpy as np

    value = float(problem.value_array(w))
    for _ in range(_STEPS):
        g = problem.gradient_array(w).ravel()
        step = _inverse(problem.hessian_array(w)) @ -g
        if not (np.isfinite(step).all() and step.any()):
            break
        t = 1.0
        for _ in range(60):
            new = w + t * step.reshape(w.shape)
            found = float(problem.value_array(new))
            if found < value:
                break
            t /= 2
        else:
            break
        w, value = new, found
    return w


def _inverse(h: Any) -> Any:
    """Return the inverse of a matrix that is nearly positive semidefinite, small values raised."""
    import numpy as np

    if not np.isfinite(h).all():
        return np.zeros_like(h)
    values, vectors = np.linalg.eigh(h)
    top = float(values[-1])
    return (vectors / np.maximum(values, 1e-13 * top)) @ vectors.T if top > 0 else np.eye(len(h))


def _polished(problem: Any, w: Any) -> arb_mat:
    """Return a matrix of exact numbers near w with a smaller gradient, far below rounding."""
    m, n = w.shape
    inverse = balls(_inverse(problem.hessian_array(w)))
    p = balls(w)
    g = problem.gradient_ball(p)
    for _ in range(40):
        step = inverse * arb_mat(m * n, 1, g.entries())
        new = (p - arb_mat(m, n, step.entries())).mid()
        found = problem.gradient_ball(new)
        if not norm(found) < norm(g) / 2:
            break
        p, g = new, found
    return p


def _by_strong_convexity(problem: Any, p: arb_mat) -> arb | None:
    """Return ‖∇ℓ(P)‖²/(2μ) if ∇²ℓ ⪰ μI near P and a minimiser is there, or None."""
    import numpy as np

    here, slope = problem.hessian_ball(p), norm(problem.gradient_ball(p)).upper()
    if not (slope.is_finite() and all(x.is_finite() for x in here.entries())):
        return None
    least = 0.875 * float(np.linalg.eigvalsh(floats(here))[0])
    if not least > 0:
        return None
    size = max(1.0, float(np.abs(floats(p)).max()))
    for k in (8, 16, 24, 32, 48):
        radius = arb(size) * arb(2) ** -k
        if not 2 * slope < least * radius:
            return None
        around = arb_mat(p.nrows(), p.ncols(), [x + arb(0, radius) for x in p.entries()])
        h = problem.hessian_ball(around)
        for i in range(h.nrows()):
            h[i, i] -= arb(least)
        if is_positive_definite(h):
            return slope * slope / (2 * arb(least))
    return None


def _exact_minimum(loss: Any, p: arb_mat) -> arb | None:
    """Return ℓ at the short fractions next to P, if its gradient is 0 there, exactly."""
    from fractions import Fraction

    if is_analytic(loss):
        return None
    for bound in (1, 1000, 10**6):
        near = [Fraction(x).limit_denominator(bound) for x in floats(p).ravel().tolist()]
        exact = unvec([Rational(x.numerator, x.denominator) for x in near], *loss.shape)
        if not any(loss.gradient(exact).entries()):
            return arb(loss.value(exact))
    return None


def _by_tangents(problem: Any, p: arb_mat, value: arb) -> arb | None:
    """Return ℓ(P) − Σ λ_k (ℓ(P + D_k) − ⟨∇ℓ(P + D_k), D_k⟩), or None if no such λ is found.

    The D_k are the corners of a simplex around 0; see the head of this module for the λ_k.
    """
    m, n = p.nrows(), p.ncols()
    size = m * n
    best: arb | None = None
    scale = max((abs(x) for x in p.entries()), key=float) + 1
    for k in (2, 6, 12, 24, 48):
        t = scale.mid() * arb(2) ** -k
        corners = [arb_mat(m, n, [t * (i == j) for i in range(size)]) for j in range(size)]
        corners.append(arb_mat(m, n, [-t] * size))
        slopes = [problem.gradient_ball(p + d) for d in corners]
        table = [list(row) for row in zip(*(g.entries() for g in slopes), strict=True)]
        try:
            shares = arb_mat([*table, [1] * (size + 1)]).solve(arb_mat([[0]] * size + [[1]]))
        except ZeroDivisionError:
            continue
        if not all(x >= 0 for x in shares.entries()):
            continue
        planes = (
            problem.value_ball(p + d) - inner(g, d) for g, d in zip(slopes, corners, strict=True)
        )
        above = value - sum((s * x for s, x in zip(shares.entries(), planes, strict=True)), arb(0))
        if above.is_finite() and (best is None or above.upper() < best.upper()):
            best = above
    return best
