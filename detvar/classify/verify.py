"""How each claim is verified, step by step; every function raises `Refused` or returns lines.

| claim | evidence | what is verified |
|---|---|---|
| not_critical | position (layer, row, column), derivative | dL/dt along that weight, over Q[t] |
| global_minimum | by zero_gradient | ∇ℓ(W̄) = 0 from the definition; ℓ convex |
| | by eckart_young, threshold t | two LDLᵀ: σ_q² ≤ t ≤ σ_s² |
| | by function_space_hessian | LDLᵀ of the Hessian in a chart, Kronecker loss |
| strict_saddle | down, up or curve | d²L/dt² < 0, and > 0 or an escape curve |
| non_strict_saddle | curve, threshold | L constant on it, gradient not; LDLᵀ of the Hessian |
| | by reduced_function | L along a curve in the function space, first term |
| local_minimum | by function_space_hessian, reduced_function, ambient_hessian | LDLᵀ, series |
| local_maximum | likewise | likewise |

Every claim but the first includes: all partial derivatives of L vanish.
"""

from __future__ import annotations

from typing import Any

from detvar.classify.along import (
    coefficient,
    curve,
    gradient_along,
    loss_along,
)
from detvar.classify.decision import decide
from detvar.classify.degenerate import chart_at, chart_hessian, reduce_degenerate
from detvar.classify.directions import still
from detvar.classify.hessian import full_hessian
from detvar.classify.pivots import untightened_pivots
from detvar.exact.inertia import Inertia, ldlt
from detvar.exact.matrices import (
    Matrix,
    column_space,
    inverse,
    is_zero,
    left_inverse,
    rank,
    require_shape,
    zeros,
)
from detvar.exact.rational import to_text
from detvar.exact.series import polynomial
from detvar.losses import (
    ExpressionLoss,
    Loss,
    PowerLoss,
    QuadraticLoss,
    SquaredLoss,
    WeightedSquaredLoss,
)
from detvar.networks.linear import LinearNetwork, Weights

_FACTORED_UP_TO = 160


class Refused(Exception):
    """A step of a verification that failed; the message says which."""


def verify(
    claim: str, network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    """Verify a claim; return what was shown, line by line, or raise `Refused`."""
    if loss.shape != (network.widths[-1], network.widths[0]):
        raise Refused("the loss and the network have different shapes")
    if claim == "not_critical":
        return _not_critical(network, loss, weights, evidence)
    lines = [_critical(loss, weights)]
    steps = {
        "global_minimum": _global_minimum,
        "strict_saddle": _strict_saddle,
        "non_strict_saddle": _non_strict_saddle,
        "local_minimum": _local_extremum,
        "local_maximum": _local_extremum,
        "degenerate": _degenerate,
        "undecided": _undecided,
    }
    if claim not in steps:
        raise Refused(f'"{claim}" is not a claim this program knows')
    if claim in ("local_minimum", "local_maximum"):
        sign = 1 if claim == "local_minimum" else -1
        lines += _local_extremum(network, loss, weights, evidence, sign)
    else:
        lines += steps[claim](network, loss, weights, evidence)
    lines += _inertia(network, loss, weights, evidence)
    return lines


def _not_critical(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    layer, row, column = _needed(evidence, "position")
    stated = _needed(evidence, "derivative")
    if not 1 <= layer <= network.depth:
        raise Refused(f"there is no layer {layer}")
    v = still(network)
    if not (row < v[layer - 1].nrows() and column < v[layer - 1].ncols()):
        raise Refused("the stated weight does not exist")
    v[layer - 1][row, column] = 1
    slope = coefficient(loss_along(loss, curve(weights, tuple(v))), 1)
    if not slope or slope != stated:
        raise Refused(f"the stated derivative is {to_text(stated)}, but it is {to_text(slope)}")
    return [f"dL/dW_{layer}[{row}][{column}] = {to_text(slope)}, not zero"]


def _critical(loss: Loss, weights: Weights) -> str:
    """Check that all partial derivatives of L vanish."""
    for i, block in enumerate(gradient_along(loss, [w.tolist() for w in weights])):
        for a, row in enumerate(block):
            for b, x in enumerate(row):
                if x:
                    raise Refused(f"dL/dW_{i + 1}[{a}][{b}] = {to_text(x)}: not critical")
    return "all partial derivatives of L vanish"


def _inertia(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    """Compare the stated inertia with an LDLᵀ of the D×D Hessian, where D allows."""
    if "inertia" not in evidence:
        return []
    stated = Inertia(*evidence["inertia"])
    if sum(stated) != network.weight_count:
        raise Refused("the stated inertia does not add up to the number of weights")
    if network.weight_count > _FACTORED_UP_TO:
        return [_counted_inertia(network, loss, weights, stated)]
    found = _factor(full_hessian(network, loss, weights))
    if found != stated:
        raise Refused(f"the inertia is {tuple(found)}, not {tuple(stated)}")
    return [f"the {network.weight_count}×{network.weight_count} Hessian has inertia {tuple(found)}"]


def _counted_inertia(network: LinearNetwork, loss: Loss, weights: Weights, stated: Inertia) -> str:
    """Compare with the inertia by which the label was found; no second route at this size."""
    effective = loss.reduce(network)
    found = Inertia(0, 0, 0)
    if effective.loss is not None:
        found = decide(effective.network, effective.loss, effective.weights(weights)).inertia
    if found.padded(network.weight_count - sum(found)) != stated:
        raise Refused(f"the inertia is not {tuple(stated)}")
    return f"inertia {tuple(stated)} counted again, not factored: {network.weight_count} weights"


def _factor(a: Matrix) -> Inertia:
    """Return the inertia from LDLᵀ, after multiplying the factors out again."""
    f = ldlt(a)
    if f.product() != a:
        raise Refused("LDLᵀ does not multiply out")
    return f.inertia


def _global_minimum(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    by = _needed(evidence, "by")
    if by == "zero_gradient":
        g = loss.evaluate_gradient(network.end_to_end(weights).tolist())
        if any(x for row in g for x in row):
            raise Refused("the gradient of the loss is not zero")
        return ["the gradient of the loss is zero", why_convex(loss)]
    effective = loss.reduce(network)
    if effective.loss is None:
        raise Refused("the loss is constant; the evidence should be its zero gradient")
    form = effective.loss.kronecker()
    if form is None:
        raise Refused("the loss is not in the Kronecker class, where this evidence counts")
    w = effective.network.end_to_end(effective.weights(weights))
    r = effective.network.rank_bound
    f = column_space(w)
    if f.ncols() != r:
        raise Refused(f"the rank is {f.ncols()}, not the bound {r}")
    lines = [f"the effective end-to-end matrix has the maximal rank {r}"]
    if by == "function_space_hessian":
        found = _factor(chart_hessian(effective.loss, w, chart_at(w)))
        if found.negative:
            raise Refused("the Hessian on the function space has a negative eigenvalue")
        return [*lines, "the Hessian on the function space is positive semidefinite"]
    if by != "eckart_young":
        raise Refused(f'"{by}" is no evidence for a global minimum')
    t = _needed(evidence, "threshold")
    for name, a in (("P", form.left), ("Σ", form.right)):
        if _factor(a).positive != a.nrows():
            raise Refused(f"{name} is not positive definite")
    lines += separates(form, w, f, t)
    return lines


def separates(form: Any, w: Matrix, f: Matrix, t: Any) -> list[str]:
    """Check max σ_q² ≤ t ≤ min σ_s² by two LDLᵀ factorisations."""
    g = form.left * (w - form.target) * form.right
    if not is_zero(w.transpose() * g) or not is_zero(g * w.transpose()):
        raise Refused("the effective gradient is not normal to the matrices of this rank")
    if _factor(form.left * t - g * inverse(form.right) * g.transpose()).negative:
        raise Refused(f"a squared singular value of the residual exceeds {to_text(t)}")
    e = left_inverse(f) * w
    kept = e * form.right * e.transpose() - inverse(f.transpose() * form.left * f) * t
    if f.ncols() and _factor(kept).negative:
        raise Refused(f"a squared singular value of the kept part is below {to_text(t)}")
    return [f"squared singular values: all left out ≤ {to_text(t)} ≤ all kept"]


def why_convex(loss: Loss) -> str:
    """Check convexity from the definition of the loss."""
    if isinstance(loss, SquaredLoss):
        return "the loss is a sum of squares, hence convex"
    if isinstance(loss, PowerLoss) and loss.exponent % 2 == 0:
        return "the loss is a sum of even powers, hence convex"
    if isinstance(loss, WeightedSquaredLoss) and all(x >= 0 for x in loss.weights.entries()):
        return "the weights of the loss are non-negative, hence it is convex"
    if isinstance(loss, QuadraticLoss) and _factor(loss.form).negative == 0:
        return "the form of the loss is positive semidefinite (LDLᵀ), hence it is convex"
    if isinstance(loss, ExpressionLoss) and loss.is_polynomial:
        if loss.degree <= 2 and _factor(loss.hessian(zeros(*loss.shape))).negative == 0:
            return "the Hessian of the quadratic loss is positive semidefinite (LDLᵀ): it is convex"
        if loss.degree > 2 and loss.is_convex():
            return "the loss is convex by the rules for sums, multiples and powers"
    raise Refused("the loss is not convex")


def _second(loss: Loss, weights: Weights, v: Weights) -> Any:
    return coefficient(loss_along(loss, curve(weights, v)), 2)


def _strict_saddle(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    down = _second(loss, weights, _needed(evidence, "down"))
    if down >= 0:
        raise Refused("L does not bend downwards along the stated direction")
    lines = [f"d²L/dt² = {to_text(2 * down)} < 0 along a rational direction"]
    if "up" in evidence:
        up = _second(loss, weights, evidence["up"])
        if up <= 0:
            raise Refused("L does not bend upwards along the second stated direction")
        return [*lines, f"d²L/dt² = {to_text(2 * up)} > 0 along another"]
    return lines + _escapes(loss, weights, _needed(evidence, "curve"))


def _escapes(loss: Loss, weights: Weights, v: Weights) -> list[str]:
    """Check that L is constant along θ + εV while its gradient is not zero there."""
    layers = curve(weights, v)
    if any(loss_along(loss, layers)[1:]):
        raise Refused("L is not constant along the stated curve")
    if not any(x for block in gradient_along(loss, layers) for row in block for x in row):
        raise Refused("the gradient vanishes along the stated curve")
    return ["L is constant along θ + εV, and its gradient there is a non-zero polynomial in ε"]


def _non_strict_saddle(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    by = _needed(evidence, "by")
    if by == "fiber_curve":
        lines = _escapes(loss, weights, _needed(evidence, "curve"))
        return lines + _semidefinite(network, loss, weights, evidence)
    if by != "reduced_function":
        raise Refused(f'"{by}" is no evidence for a non-strict saddle')
    lines, found, first = reduced_curve(network, loss, weights)
    k, c = first
    if k is None or (k % 2 == 0 and c >= 0):
        raise Refused("the loss does not decrease along the reduced curve")
    if found.negative or (k % 2 == 0 and not found.positive):
        raise Refused("the Hessian on the function space has the wrong signs")
    return [*lines, "lower values along the curve, higher ones across it or on its other side"]


def _semidefinite(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    """Check that the Hessian of L is positive semidefinite, by the route the size allows."""
    effective = loss.reduce(network)
    form = effective.loss.kronecker() if effective.loss is not None else None
    if form is None or network.weight_count <= _FACTORED_UP_TO:
        if _factor(full_hessian(network, loss, weights)).negative:
            raise Refused("the Hessian has a negative eigenvalue")
        return ["the Hessian is positive semidefinite (LDLᵀ multiplied out)"]
    small = effective.weights(weights)
    w = effective.network.end_to_end(small)
    if untightened_pivots(effective.network, effective.loss.gradient(w), small):
        raise Refused("a pivot is not tightened")
    lines = ["every pivot is tightened"]
    if is_zero(w):
        return lines
    return lines + separates(form, w, column_space(w), _needed(evidence, "threshold"))


def _local_extremum(
    network: LinearNetwork,
    loss: Loss,
    weights: Weights,
    evidence: dict[str, Any],
    sign: int = 1,
) -> list[str]:
    by = _needed(evidence, "by")
    effective = loss.reduce(network)
    if effective.loss is None:
        raise Refused("the loss is constant")
    small = effective.network
    w = small.end_to_end(effective.weights(weights))
    lines = []
    if by == "ambient_hessian":
        if not is_zero(effective.loss.gradient(w)):
            raise Refused("the gradient of the loss is not zero")
        found = _factor(effective.loss.hessian(w) * sign)
        semidefinite = found.negative == 0 and sign < 0 and effective.loss.degree == 2
        if found.positive != w.nrows() * w.ncols() and not semidefinite:
            raise Refused("the Hessian of the loss is not definite")
        definite = "semidefinite, the loss quadratic" if semidefinite else "definite"
        lines.append(f"the gradient of the loss is zero and its Hessian {definite}")
    elif by == "function_space_hessian":
        _require_maximal_rank(small, w)
        found = _factor(chart_hessian(effective.loss, w, chart_at(w)) * sign)
        if found.positive != small.maximal_differential_rank:
            raise Refused("the Hessian on the function space is not definite")
        lines.append("maximal rank, and the Hessian on the function space is definite (LDLᵀ)")
    elif by == "reduced_function" and sign > 0:
        shown, found, (k, c) = reduced_curve(network, loss, weights)
        if found.negative or found.zero != 1:
            raise Refused("the Hessian on the function space has the wrong signs")
        if k is not None and (k % 2 or c <= 0):
            raise Refused("the loss decreases along the reduced curve")
        lines += shown
    else:
        raise Refused(f'"{by}" is no evidence for a local extremum')
    if "lower_point" in evidence:
        lines.append(_lower(network, loss, weights, evidence["lower_point"]))
    return lines


def _lower(network: LinearNetwork, loss: Loss, weights: Weights, point: Matrix) -> str:
    require_shape(point, *loss.shape, "lower_point")
    if rank(point) > network.rank_bound:
        raise Refused("the stated lower point has too large a rank")
    value = loss.evaluate(point.tolist())
    here = loss.evaluate(network.end_to_end(weights).tolist())
    if value >= here:
        raise Refused("the stated lower point is not lower")
    return f"not global: a matrix of rank ≤ {network.rank_bound} has loss {float(value):.6g} " + (
        f"< {float(here):.6g}"
    )


def _require_maximal_rank(network: LinearNetwork, w: Matrix) -> None:
    if rank(w) != network.rank_bound:
        raise Refused(f"the rank is not the bound {network.rank_bound}")


def reduced_curve(
    network: LinearNetwork, loss: Loss, weights: Weights
) -> tuple[list[str], Inertia, tuple[int | None, Any]]:
    """Recompute the reduced curve and follow the loss along it from its definition.

    Returns lines, the inertia of the chart Hessian by LDLᵀ, and (order, coefficient) of the
    first term of ℓ along the curve; the order is None for a curve of critical points.
    """
    effective = loss.reduce(network)
    if effective.loss is None:
        raise Refused("the loss is constant")
    w = effective.network.end_to_end(effective.weights(weights))
    _require_maximal_rank(effective.network, w)
    reduced = reduce_degenerate(effective.loss, w)
    found = _factor(chart_hessian(effective.loss, w, chart_at(w)))
    if reduced.order is None:
        if not reduced.flat:
            raise Refused("no term and no curve of critical points is known")
        return ["a rational curve of critical points passes through the point"], found, (None, None)
    z = [polynomial(list(c)) for c in reduced.curve]
    value = effective.loss.evaluate(reduced.chart.matrix(z)).coeffs()
    k = next((i for i, c in enumerate(value) if i and c), None)
    if k is None or k != reduced.order:
        raise Refused("the loss along the reduced curve does not start where it is said to")
    if reduced.nullity == 1:
        partials = reduced.chart.pull_back(
            z, effective.loss.evaluate_gradient(reduced.chart.matrix(z))
        )
        if sum(any(p.coeffs()[:k]) for p in partials) > 1:
            raise Refused("the curve does not solve the equations of the splitting lemma")
    return (
        [f"the loss along a curve starts {to_text(value[0])} + ({to_text(value[k])}) t^{k}"],
        (found),
        (k, value[k]),
    )


def _degenerate(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    """Check that second derivatives do not decide, and that the first term beyond does not."""
    effective = loss.reduce(network)
    if effective.loss is None or effective.loss.kronecker() is not None:
        raise Refused("points of this loss are always decided")
    w = effective.network.end_to_end(effective.weights(weights))
    _require_maximal_rank(effective.network, w)
    if effective.loss.is_convex() and is_zero(effective.loss.gradient(w)):
        raise Refused("the gradient of the convex loss vanishes: a global minimum")
    found = _factor(chart_hessian(effective.loss, w, chart_at(w)))
    if found.negative or not found.zero:
        raise Refused("second derivatives on the function space decide")
    if reduce_degenerate(effective.loss, w).nature is not None:
        raise Refused("the reduced function decides")
    return [f"the Hessian on the function space is semidefinite with nullity {found.zero}"]


def _undecided(
    network: LinearNetwork, loss: Loss, weights: Weights, evidence: dict[str, Any]
) -> list[str]:
    """Check that the decision table has no answer; nothing beyond criticality is claimed."""
    effective = loss.reduce(network)
    if effective.loss is None:
        raise Refused("the loss is constant, and every point a minimum")
    if decide(effective.network, effective.loss, effective.weights(weights)).nature != "undecided":
        raise Refused("the decision table has an answer for this point")
    return ["nothing beyond criticality is claimed"]


def _needed(evidence: dict[str, Any], key: str) -> Any:
    if key not in evidence:
        raise Refused(f'the evidence "{key}" is missing')
    return evidence[key]
