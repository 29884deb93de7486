"""Is a trained network at a global minimum? What is proved about floating-point weights.

Floats are taken as exact numbers.  Equalities such as "the gradient is zero" cannot be proved of
them, and strict inequalities can: the gap to the least value, the size of the gradient, a
negative curvature, and that a true critical point of known nature is near.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

from detvar.classify import optimality
from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, arb_mat
from detvar.exact.rational import versions
from detvar.losses import BuresWassersteinLoss, Loss, is_analytic, is_polynomial
from detvar.networks.linear import LinearNetwork
from detvar.optimality.curvature import lowest_direction
from detvar.optimality.escape import escape
from detvar.optimality.measured import (
    Balls,
    Measured,
    balls,
    check_arrays,
    enough_bits,
    floats,
    low_high,
    norm,
    product,
)
from detvar.optimality.nearby import NearbyPoint, Target, growth_factors, nearest
from detvar.optimality.published import looks_like, published_test
from detvar.optimality.whitened import whitened

Interval = tuple[float, float]


@dataclass(frozen=True)
class FloatVerdict:
    """Whether floating-point weights are at a global minimum, with what is proved.

    Attributes
    ----------
    answer : True: L(θ) ≤ min L + `tolerance`·L(0), and no true saddle is proved nearby;
        False: L(θ) is higher, and either a true critical point that is not global is nearby, or
        L(θ) is higher by √`tolerance`·L(0) and W̄ is not near a global minimum;
        None: undecided, such as weights near a global minimum that have not converged
    tier : "certified" if the answer is proved, and for True also that a true global minimum lies
        within the stated distance; "numerical" if True rests on the tolerance alone. All intervals
        and facts are proved in both tiers
    reason : one sentence
    tolerance : the relative tolerance of the answer
    value, minimum, gap, relative_gap : intervals that contain L(θ), min L, their difference and
        the difference divided by L(0); the last three None where min L is not known
    gradient : interval that contains ‖∇L(θ)‖
    curvature : interval that contains d²L along the unit-size direction `direction`, if negative
    nearby : a true critical point proved to be near, or None
    looks_like : the label that singular values suggest at the tolerance, not proved
    facts : what is proved, in sentences
    published : the numerical test of Yun, Sra and Jadbabaie, in words, or None
    seconds : how long it took
    """

    answer: bool | None
    tier: str
    reason: str
    tolerance: float
    value: Interval
    minimum: Interval | None
    gap: Interval | None
    relative_gap: Interval | None
    gradient: Interval
    curvature: Interval | None
    nearby: NearbyPoint | None
    looks_like: str | None
    facts: tuple[str, ...]
    published: str | None
    seconds: float

    @property
    def nature(self) -> str | None:
        """The proved nature of the true critical point nearby; None if there is none."""
        return None if self.nearby is None else self.nearby.nature

    def __str__(self) -> str:
        words = {
            True: "at a global minimum",
            False: "not at a global minimum",
            None: "undecided",
        }
        lines = [f"{words[self.answer]} ({self.tier}): {self.reason}."]
        lines += [f"  {fact}" for fact in self.facts]
        if self.looks_like is not None and self.nearby is None:
            lines.append(f"  looks like (not proved): {self.looks_like.replace('_', ' ')}")
        if self.published is not None:
            lines.append(f"  published test (numerical): {self.published}")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """Return the verdict and its facts as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self).replace("\n", " "))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text, so that they read back bit for bit."""

        def ends(x: Interval | None) -> list[str] | None:
            return None if x is None else [x[0].hex(), x[1].hex()]

        return {
            "kind_of_result": "float_verdict",
            "answer": self.answer,
            "tier": self.tier,
            "reason": self.reason,
            "tolerance": self.tolerance.hex(),
            "value": ends(self.value),
            "minimum": ends(self.minimum),
            "gap": ends(self.gap),
            "relative_gap": ends(self.relative_gap),
            "gradient": ends(self.gradient),
            "curvature": ends(self.curvature),
            "nature": self.nature,
            "nearby": None if self.nearby is None else self.nearby.to_json(),
            "looks_like": self.looks_like,
            "facts": list(self.facts),
            "published": self.published,
            "seconds": round(self.seconds, 6),
            "versions": versions(),
        }


def is_float(weights: Any) -> bool:
    """Say whether weights are floating-point arrays, or lists with a float in them.

    >>> is_float([[[1, 0]], [["1/2"]]]), is_float([[[0.5]], [[1]]])
    (False, True)
    """
    for w in weights:
        kind = getattr(getattr(w, "dtype", None), "kind", None)
        if kind == "f" or (kind is None and _has_float(w)):
            return True
    return False


def _has_float(w: Any) -> bool:
    if isinstance(w, (list, tuple)):
        return any(_has_float(x) for x in w)
    return isinstance(w, float)


def check_global_minimum(
    network: LinearNetwork,
    loss: Loss,
    weights: Any,
    *,
    numerical: bool | None = None,
    tolerance: float = 1e-10,
    distance: float = 1e-3,
) -> optimality.Verdict | FloatVerdict:
    """Say whether θ minimises L = ℓ∘μ over all weights: exactly, or with certified bounds.

    Exact weights go to the exact test. Of floats it is proved how far L(θ) is above its least
    value (Eckart and Young, on certified singular values), how large the gradient is, a direction
    of negative curvature, and which true critical point is near.

    Parameters
    ----------
    network, loss : as in `classify`; also analytic losses
    weights : (W_1, …, W_h), exact or floating-point arrays
    numerical : True takes exact weights as floats; None looks at the weights
    tolerance : the answer is about min L up to `tolerance`·L(0), or up to `tolerance` if L(0) = 0
    distance : a true critical point is near if it is within `distance`·(1 + ‖θ‖)

    Raises
    ------
    ShapeError, InputError, NotExactError
        If the weights do not fit the network or are not finite.

    Notes
    -----
    **Cost**: products in balls of 192 bits; up to 300 weights one eigendecomposition of the
    Hessian in floats, beyond 60 products with it.
    **Validity**: every interval and fact is proved. The least value is known for Kronecker losses,
    and for convex losses where a global minimum is proved nearby.

    References
    ----------
    Yun, Sra, Jadbabaie (2018); Eckart, Young (1936).

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.losses import SquaredLoss
    >>> net, loss = LinearNetwork(2, 1, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> good = check_global_minimum(net, loss, [np.array([[2.0, 1e-9]]), np.array([[1.0], [0]])])
    >>> good.answer, good.tier, good.nature
    (True, 'certified', 'global_minimum')
    >>> check_global_minimum(net, loss, [np.zeros((1, 2)), np.zeros((2, 1))]).answer
    False
    """
    if numerical is None:
        numerical = is_float(weights)
    if not numerical:
        return optimality.check_global_minimum(network, loss, weights)
    start = perf_counter()
    if not (is_polynomial(loss) or is_analytic(loss)):
        raise InputError(
            f"a {loss.to_json()['type']} loss is not taken at floating-point weights: give exact "
            "weights, or a polynomial or analytic loss"
        )
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance is {tolerance}: give a number between 0 and 1, such as 1e-10")
    arrays = check_arrays(network, [_floats_of(w) for w in weights])
    m, n = loss.shape
    if (network.widths[-1], network.widths[0]) != (m, n):
        raise ShapeError(
            f"the loss is defined on {m}×{n} matrices, but the network maps "
            f"R^{network.widths[0]} to R^{network.widths[-1]}"
        )
    with enough_bits():
        return _judge(network, loss, arrays, tolerance, distance, start)


def _floats_of(w: Any) -> Any:
    if hasattr(w, "tolist") and hasattr(w, "nrows"):
        return floats(balls(w))
    return w


def _judge(
    network: LinearNetwork,
    loss: Loss,
    arrays: tuple[Any, ...],
    tolerance: float,
    distance: float,
    start: float,
) -> FloatVerdict:
    here = Measured(network, loss)
    theta = tuple(balls(w) for w in arrays)
    value = here.value(theta)
    zero = here.value(tuple(balls(0.0 * w) for w in arrays))
    scale = zero if zero > 0 else arb(1)
    slope = here.gradient_norm(theta)
    constant = loss.reduce(network).loss is None
    form = None if is_analytic(loss) or constant else whitened(network, loss)
    reach = distance * (1.0 + float(sum((norm(w) for w in theta), arb(0)).mid()))
    minimum = gap = None
    near: NearbyPoint | None = None
    end: str | None = None
    if constant:
        gap, minimum = arb(0), value
    elif form is not None:
        small = form.weights(theta)
        gap = (form.excess(product(small)) - form.minimum()).nonnegative_part()
        minimum = form.constant + form.minimum()
        target = form.near(product(small))
        if target is not None:
            near = nearest(form.network, small, target, *form.growth)
            off = norm(target.center - product(small)) + target.radius
            if off <= distance * (1.0 + norm(target.center)):
                end = target.nature
    elif is_analytic(loss) and not isinstance(loss, BuresWassersteinLoss):
        near, minimum = _near_analytic(network, loss, theta, arrays)
        if minimum is not None:
            gap = (value - minimum).nonnegative_part()
    if near is not None and not near.distance <= reach:
        near = None
    bend = _bend(here, arrays, theta)
    lower = None
    if gap is None:
        found = escape(network, loss, arrays)
        lower = None if found is None else found.decrease
    relative = gap / zero if gap is not None and zero > 0 else None
    answer, tier, reason = _answer(gap, scale, tolerance, near, end, lower)
    return FloatVerdict(
        answer,
        tier,
        reason,
        tolerance,
        low_high(value),
        None if minimum is None else low_high(minimum),
        None if gap is None else _positive(low_high(gap)),
        None if relative is None else _positive(low_high(relative)),
        _positive(low_high(slope)),
        bend,
        near,
        looks_like(form, theta, gap, scale, slope, bend, tolerance),
        _facts(gap, relative, slope, bend, near, lower),
        published_test(network, loss, form, theta, tolerance),
        perf_counter() - start,
    )


def _positive(x: Interval) -> Interval:
    return max(x[0], 0.0), x[1]


def _bend(here: Measured, arrays: tuple[Any, ...], theta: Balls) -> Interval | None:
    """Return the proved curvature along the direction found in floats, if it is negative."""
    guess, v = lowest_direction(here, arrays)
    if not guess < 0:
        return None
    bent = here.curvature(theta, tuple(balls(x) for x in v))
    return low_high(bent) if bent < 0 else None


def _answer(
    gap: arb | None,
    scale: arb,
    tolerance: float,
    near: NearbyPoint | None,
    end: str | None,
    lower: float | None,
) -> tuple[bool | None, str, str]:
    """Return answer, tier and reason; `end` is the nature of a critical matrix near W̄."""
    loose = scale * arb(tolerance).sqrt()
    if gap is None:
        if lower is not None and lower > loose:
            return False, "certified", f"other weights have a loss that is lower by {lower:.6g}"
        return None, "certified", "the least value of the loss is not known"
    at_global = near is not None and near.nature == "global_minimum"
    at_saddle = near is not None and near.nature != "global_minimum"
    low, high = _positive(low_high(gap))
    if gap == 0:
        return True, "certified", "the loss is at its least value"
    if gap <= scale * tolerance:
        how = f"the loss is within {tolerance:g} of its least value, relative to the loss at zero"
        if at_global:
            return True, "certified", f"{how}, and {near}"
        if at_saddle:
            return None, "certified", f"{how}, but {near}"
        return True, "numerical", f"{how}; no global minimum is proved nearby"
    if gap > scale * tolerance:
        how = f"the loss is above its least value by at least {low:.6g}"
        if at_global:
            return None, "certified", f"{how}, more than the tolerance, but {near}"
        if at_saddle:
            return False, "certified", f"{how}, and {near}"
        if gap > loose and end != "global_minimum":
            return False, "certified", how
        return None, "certified", f"{how}, more than the tolerance, but not by much"
    return None, "certified", f"the gap lies in [{low:.6g}, {high:.6g}], around the tolerance"


def _facts(
    gap: arb | None,
    relative: arb | None,
    slope: arb,
    bend: Interval | None,
    near: NearbyPoint | None,
    lower: float | None,
) -> tuple[str, ...]:
    out = []
    if lower is not None:
        out.append(f"other weights are known with a loss lower by at least {lower:.6g}")
    if gap is not None:
        low, high = _positive(low_high(gap))
        out.append(f"the loss is above its least value by [{low:.6g}, {high:.6g}]")
    if relative is not None:
        low, high = _positive(low_high(relative))
        out.append(f"relative to the loss at zero by [{low:.3g}, {high:.3g}]")
    low, high = low_high(slope)
    if slope > 0:
        out.append(f"not critical: the gradient has a norm in [{low:.6g}, {high:.6g}]")
    if bend is not None:
        out.append(f"along one direction of size 1 the second derivative is at most {bend[1]:.6g}")
    if near is not None:
        out.append(str(near))
    return tuple(out)


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
