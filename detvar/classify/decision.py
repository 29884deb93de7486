"""The decision table: from exact ranks, signs and inertia to the nature of a critical point.

Input is an *effective* problem, from which all directions the loss cannot see are divided out
(`detvar.losses.reduction`); the theorems below are applied to nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from detvar.classify.degenerate import ReducedFunction, reduce_degenerate
from detvar.classify.directions import (
    Direction,
    exchange_direction,
    hessian_direction,
    pivot_directions,
    scaling_direction,
)
from detvar.classify.escape import escape_direction
from detvar.classify.hessian import function_space_hessian, hessian_inertia
from detvar.classify.kronecker import (
    Interlacing,
    inertia_from_strings,
    interlacing,
    is_tightened,
)
from detvar.classify.pivots import untightened_pivots
from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import Matrix, is_zero, rank
from detvar.losses import Kronecker, Loss
from detvar.networks.linear import LinearNetwork, Weights
from detvar.networks.sampling import strings_of_weights


@dataclass(frozen=True)
class Decision:
    """The nature of a critical point, why, the inertia of its Hessian, and the evidence.

    `evidence` holds Python objects (directions, thresholds, curves) in the effective weights.
    """

    nature: str
    reason: str
    inertia: Inertia
    evidence: dict[str, Any] = field(default_factory=dict)
    reduced: ReducedFunction | None = None


def decide(network: LinearNetwork, loss: Loss, weights: Weights) -> Decision:
    """Return the nature of a critical θ of L = ℓ∘μ.

    Parameters
    ----------
    network, loss, weights : an effective problem; θ must be critical

    Notes
    -----
    **Validity**: ℓ twice differentiable; what needs convexity or the Kronecker form tests for it.
    Non-convex ℓ with ∇ℓ(W̄) = 0 below the maximal rank is answered only where second derivatives
    decide, and is "undecided" otherwise.

    References
    ----------
    Trager, Kohn, Bruna (2020): maximal rank, moves in the fiber. Laurent & von Brecht (2018):
    convex losses on filling networks. Achour, Malgouyres, Gerchinovitz (2021): pivots.
    """
    product = network.end_to_end(weights)
    gradient = loss.gradient(product)
    e, r = rank(product), network.rank_bound
    form = loss.kronecker()
    convex = form is not None or loss.is_convex()
    if is_zero(gradient) and convex:
        return _zero_gradient(network, loss, weights, form)
    if form is not None:
        return _kronecker(network, loss, weights, form, product, gradient)
    if e < r and not is_zero(gradient):
        return _low_rank(network, loss, weights)
    if e == r and not network.is_filling:
        return _maximal_rank(network, loss, weights, product, gradient, convex)
    return _zero_gradient_not_convex(network, loss, weights, product)


def _zero_gradient(
    network: LinearNetwork, loss: Loss, weights: Weights, form: Kronecker | None
) -> Decision:
    if form is not None:  # ∇²ℓ ≻ 0, so that the Hessian JᵀHJ has the rank of J
        k = network.differential_rank(weights)
        found = Inertia(k, 0, network.weight_count - k)
    else:
        found = hessian_inertia(network, loss, weights)
    reason = "the gradient of the convex loss vanishes at the end-to-end matrix"
    return Decision("global_minimum", reason, found, {"by": "zero_gradient"})


def _kronecker(
    network: LinearNetwork,
    loss: Loss,
    weights: Weights,
    form: Kronecker,
    product: Matrix,
    gradient: Matrix,
) -> Decision:
    e, r = rank(product), network.rank_bound
    order = interlacing(form, product)
    if e == r:  # smooth point of the function space: the inertia there, padded by the fiber
        size = network.maximal_differential_rank
        found = Inertia(size - order.greater - order.equal, order.greater, order.equal)
        found = found.padded(network.weight_count - size)
        if order.is_top:
            reason = "maximal rank, and the largest singular values are kept (Eckart–Young)"
            # W̄ is rational, so both sets are closed under conjugation: a common end is rational
            evidence = {"by": "eckart_young", "threshold": order.threshold()}
            return Decision("global_minimum", reason, found, evidence)
        pairs = "1 pair" if order.greater == 1 else f"{order.greater} pairs"
        reason = f"maximal rank, but {pairs} of singular values in the wrong order"
        down = _exchange(network, weights, form, order)
        up = scaling_direction(network, weights)
        return Decision("strict_saddle", reason, found, {"down": down, "up": up})
    strings = strings_of_weights(weights, gradient)
    found = inertia_from_strings(network, strings, order.greater, order.equal)
    below = f"rank {e} is below the bound {r} and the gradient is not zero"
    if not is_tightened(strings):
        pivot = untightened_pivots(network, gradient, weights)[0]
        down, up = pivot_directions(network, loss, weights, pivot)
        reason = f"{below}; the pivot {pivot} is not tightened"
        return Decision("strict_saddle", reason, found, {"down": down, "up": up})
    if not order.is_top:
        reason = f"{below}; every pivot is tightened, but a larger singular value is left out"
        down = _exchange(network, weights, form, order)
        up = scaling_direction(network, weights)
        return Decision("strict_saddle", reason, found, {"down": down, "up": up})
    reason = f"{below}; every pivot is tightened"
    if e:
        reason += " and the largest singular values are kept"
    proof: dict[str, Any] = {
        "by": "fiber_curve",
        "threshold": order.threshold(),
        "curve": escape_direction(network, loss, weights),
    }
    return Decision("non_strict_saddle", reason, found, proof)


def _exchange(
    network: LinearNetwork, weights: Weights, form: Kronecker, order: Interlacing
) -> Direction:
    t = order.threshold()
    if t is None:
        raise AssertionError("singular values in the wrong order are separated by a rational")
    return exchange_direction(network, form, weights, t)


def _low_rank(network: LinearNetwork, loss: Loss, weights: Weights) -> Decision:
    found = hessian_inertia(network, loss, weights)
    below = "the rank is below the bound and the gradient is not zero: a saddle"
    if found.negative == 0:
        curve = escape_direction(network, loss, weights)
        reason = f"{below}, with positive semidefinite Hessian"
        found_by = {"by": "fiber_curve", "curve": curve}
        return Decision("non_strict_saddle", reason, found, found_by)
    gradient = loss.gradient(network.end_to_end(weights))
    pivots = untightened_pivots(network, gradient, weights)
    if pivots:
        down, up = pivot_directions(network, loss, weights, pivots[0])
        reason = f"{below}; the pivot {pivots[0]} is not tightened"
        return Decision("strict_saddle", reason, found, {"down": down, "up": up})
    evidence: dict[str, Any] = {
        "down": hessian_direction(network, loss, weights, -1),
        "curve": escape_direction(network, loss, weights),
    }
    reason = f"{below}; every pivot is tightened, but ∇²ℓ couples to a descent direction"
    return Decision("strict_saddle", reason, found, evidence)


def _maximal_rank(
    network: LinearNetwork,
    loss: Loss,
    weights: Weights,
    product: Matrix,
    gradient: Matrix,
    convex: bool,
) -> Decision:
    """At maximal rank the weights map submersively onto the function space: ℓ there decides."""
    size = network.maximal_differential_rank
    small = inertia(function_space_hessian(product, gradient, loss.hessian(product)))
    found = small.padded(network.weight_count - size)
    at = "maximal rank"
    if small.negative and small.positive:
        evidence = {
            "down": hessian_direction(network, loss, weights, -1),
            "up": hessian_direction(network, loss, weights, 1),
        }
        reason = f"{at}; the Hessian on the function space has both signs"
        return Decision("strict_saddle", reason, found, evidence)
    if small.positive == size:
        reason = f"{at}; the Hessian on the function space is positive definite"
        return Decision("local_minimum", reason, found, {"by": "function_space_hessian"})
    if small.negative == size:
        reason = f"{at}; the Hessian on the function space is negative definite"
        return Decision("local_maximum", reason, found, {"by": "function_space_hessian"})
    if small.negative and is_zero(gradient) and _is_concave_quadratic(loss, product):
        reason = "the gradient of a concave quadratic loss vanishes"
        return Decision("local_maximum", reason, found, {"by": "ambient_hessian"})
    if small.negative:
        reason = f"{at}; the Hessian on the function space is negative semidefinite and singular"
        return Decision("undecided", reason, found)
    return _degenerate(loss, product, found, convex)


def _is_concave_quadratic(loss: Loss, product: Matrix) -> bool:
    return loss.degree == 2 and inertia(loss.hessian(product)).positive == 0


def _degenerate(loss: Loss, product: Matrix, found: Inertia, convex: bool) -> Decision:
    reduced = reduce_degenerate(loss, product)
    start = f"maximal rank; the Hessian on the function space has nullity {reduced.nullity}"
    if reduced.nature is None:
        term = (
            f"reduced function starts with {reduced.leading}"
            if reduced.order is not None
            else "reduced function vanishes to the order computed"
        )
        return Decision("degenerate", f"{start}; the {term}", found, {}, reduced)
    if reduced.flat:
        reason = f"{start}, and the kernel is tangent to a curve of critical points"
    else:
        reason = f"{start}; the reduced function starts with {reduced.leading}"
    return Decision(reduced.nature, reason, found, {"by": "reduced_function"}, reduced)


def _zero_gradient_not_convex(
    network: LinearNetwork, loss: Loss, weights: Weights, product: Matrix
) -> Decision:
    """∇ℓ(W̄) = 0 (or a filling network, where maximal rank forces it), ℓ not convex."""
    ambient = inertia(loss.hessian(product))
    found = hessian_inertia(network, loss, weights)
    if ambient.negative == 0 and ambient.zero == 0:
        reason = "the gradient of the loss vanishes and its Hessian is positive definite"
        return Decision("local_minimum", reason, found, {"by": "ambient_hessian"})
    if ambient.positive == 0 and (ambient.zero == 0 or _is_concave_quadratic(loss, product)):
        reason = "the gradient of the loss vanishes where its Hessian is negative"
        return Decision("local_maximum", reason, found, {"by": "ambient_hessian"})
    if found.negative and found.positive:
        evidence = {
            "down": hessian_direction(network, loss, weights, -1),
            "up": hessian_direction(network, loss, weights, 1),
        }
        reason = "the gradient of the loss vanishes and the Hessian has both signs"
        return Decision("strict_saddle", reason, found, evidence)
    reason = "the gradient of a non-convex loss vanishes below the maximal rank, or degenerately"
    return Decision("undecided", reason, found)
