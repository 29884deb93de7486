"""What is proved about float weights in balls of many bits: any loss, small problems."""

from __future__ import annotations

from typing import Any

from detvar.exact.balls import arb, arb_mat
from detvar.losses import BuresWassersteinLoss, Loss, is_analytic
from detvar.networks.linear import LinearNetwork
from detvar.optimality.curvature import lowest_direction
from detvar.optimality.escape import escape
from detvar.optimality.evidence import Evidence
from detvar.optimality.measured import (
    Balls,
    Measured,
    balls,
    floats,
    low_high,
    norm,
    norm_squared,
    product,
)
from detvar.optimality.nearby import NearbyPoint, Target, growth_factors, nearest
from detvar.optimality.published import guess, published_on_balls
from detvar.optimality.whitened import whitened

Interval = tuple[float, float]


def evidence_by_balls(
    network: LinearNetwork,
    loss: Loss,
    arrays: tuple[Any, ...],
    tolerance: float,
    distance: float,
) -> Evidence:
    """Return what is proved, as in `check_global_minimum`; call it within `enough_bits`."""
    here = Measured(network, loss)
    theta = tuple(balls(w) for w in arrays)
    value = here.value(theta)
    zero = here.value(tuple(balls(0.0 * w) for w in arrays))
    slope = here.gradient_norm(theta)
    constant = loss.reduce(network).loss is None
    form = None if is_analytic(loss) or constant else whitened(network, loss)
    reach = distance * (1.0 + float(sum((norm(w) for w in theta), arb(0)).mid()))
    minimum = gap = None
    near: NearbyPoint | None = None
    end: str | None = None
    carried: Target | None = None
    if constant:
        gap, minimum = arb(0), value
    elif form is not None:
        small = form.weights(theta)
        w = product(small)
        gap = (form.excess(w) - form.minimum()).nonnegative_part()
        minimum = form.constant + form.minimum()
        carried = form.near(w)
        if carried is not None:
            near = nearest(form.network, small, carried, *form.growth)
            off = norm(carried.center - w) + carried.radius
            if off <= distance * (1.0 + norm(carried.center)):
                end = carried.nature
    elif is_analytic(loss) and not isinstance(loss, BuresWassersteinLoss):
        near, minimum = _near_analytic(network, loss, theta, arrays)
        if minimum is not None:
            gap = (value - minimum).nonnegative_part()
    if near is not None and not near.distance <= reach:
        near = None
    lower = None
    if gap is None:
        found = escape(network, loss, arrays)
        lower = None if found is None else found.decrease
    bend = _bend(here, arrays, theta)
    limit = 0 if form is None else form.network.rank_bound
    thin = carried is not None and bool(carried.is_top) and (carried.rank or 0) < limit
    distant = None if gap is None else _positive(low_high(gap))
    at_zero, gradient = _positive(low_high(zero)), _positive(low_high(slope))
    relative = None if gap is None or not zero > 0 else _positive(low_high(gap / zero))
    return Evidence(
        low_high(value),
        low_high(zero),
        None if minimum is None else low_high(minimum),
        distant,
        relative,
        gradient,
        bend,
        near,
        end,
        guess(relative or distant, at_zero, gradient, bend, thin, tolerance),
        published_on_balls(network, loss, form, theta, tolerance),
        constant,
        lower,
    )


def _positive(x: Interval) -> Interval:
    return max(x[0], 0.0), x[1]


def _bend(here: Measured, arrays: tuple[Any, ...], theta: Balls) -> Interval | None:
    """Return the proved curvature along V/‖V‖ for a V found in floats, if it is negative."""
    low, v = lowest_direction(here, arrays)
    if not low < 0:
        return None
    direction = tuple(balls(x) for x in v)
    size = sum((norm_squared(x) for x in direction), arb(0))
    bent = here.curvature(theta, direction) / size
    return low_high(bent) if bent < 0 else None


def _near_analytic(
    network: LinearNetwork, loss: Loss, theta: Balls, arrays: tuple[Any, ...]
) -> tuple[NearbyPoint | None, arb | None]:
    """Return a true critical point nearby, and min L if that point is a global minimum."""
    from detvar.critical.analytic.near import certify_near

    reduction = loss.reduce(network)
    if reduction.loss is None:
        return None, None
    (point,) = certify_near(network, loss, floats(product(theta)))
    if point is None or point.is_real is not True:
        return None, None
    m, n = len(point.center), len(point.center[0])
    center = arb_mat([[z.real for z in row] for row in point.center])
    radius = arb(point.radius) * arb(m * n).sqrt()
    wide = arb_mat([[arb(z.real, point.radius) for z in row] for row in point.center])
    g = reduction.loss.gradient_ball(wide)
    not_zero = norm(g) > 0 and any(not x.contains(0) for x in g.entries())
    is_zero = point.nature == "global_minimum" and _fills(reduction.network, point.rank)
    if not not_zero and not is_zero:
        return None, None
    target = Target(
        point.rank if point.rank_is_proved else None,
        center,
        radius,
        is_zero,
        point.nature,
    )
    theta = (theta[0] * balls(reduction.right), *theta[1:])
    theta = (*theta[:-1], balls(reduction.left) * theta[-1])
    near = nearest(reduction.network, theta, target, *growth_factors(reduction))
    minimum = None
    if point.nature == "global_minimum" and point.value is not None:
        low, high = point.value
        minimum = arb(low).union(arb(high))
    return near, minimum


def _fills(network: LinearNetwork, rank: int) -> bool:
    """Say whether a global minimum of this rank on the function space is a zero of ∇ℓ: it is, if
    every matrix is an end-to-end matrix.

    >>> _fills(LinearNetwork(2, 2, 2), 2), _fills(LinearNetwork(2, 1, 2), 1)
    (True, False)
    """
    return network.is_filling and rank <= network.rank_bound
