"""What is proved about float weights in float64: the squared loss of float data, any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from detvar.networks.linear import LinearNetwork
from detvar.optimality.affine import reachable_by
from detvar.optimality.curvature import least_curvature
from detvar.optimality.door import Problem
from detvar.optimality.evidence import Evidence
from detvar.optimality.floating import FloatMeasured
from detvar.optimality.gap import gap_of
from detvar.optimality.minimal_value import prepare
from detvar.optimality.moments import Moments
from detvar.optimality.nearby import NearbyPoint
from detvar.optimality.nearby_floating import nearest_of
from detvar.optimality.published import Assumed, guess, published_test
from detvar.optimality.rounding import frobenius_squared, from_float, interval_sum, subtract
from detvar.optimality.spectral import FloatTarget, Spectral, spectral

Arrays = tuple[Any, ...]
# Beyond so many inputs or outputs the search for a critical point costs more than all the rest.
_NEARBY_UP_TO = 2048
# Beyond so many multiplications in one product with XXᵀ no curvature is searched.
_BENT_UP_TO = 2_000_000_000
_MANY_WEIGHTS = 20_000
_FEW_STEPS = 6


def evidence_by_floats(problem: Problem, tolerance: float, distance: float) -> Evidence:
    """Return what is proved, as in `check_global_minimum`.

    **Cost**: that of `gap`, products of the data with m×n matrices, and some Hessian products.
    """
    import numpy as np

    weights = problem.weights
    assert weights is not None and problem.data is not None
    arrays, trained = weights.arrays, weights.trained() if weights.bias else None
    data = prepare(problem.augmented())
    found, projection = gap_of(arrays, reachable_by(weights), data)
    here = FloatMeasured(data, trained)
    gradient = here.gradient_norm(arrays)
    near: NearbyPoint | None = None
    end: str | None = None
    thin = False
    published: str | None = None
    notes = []
    if weights.bias:
        notes.append(
            "with biases, all maps x ↦ Vx + c that the layers reach compete; no critical point "
            "nearby is looked for"
        )
    elif max(weights.widths[0], weights.widths[-1]) > _NEARBY_UP_TO:
        notes.append(
            f"no critical point nearby is looked for beyond {_NEARBY_UP_TO} inputs or outputs"
        )
    else:
        w = _product(arrays)
        form = spectral(data, projection)
        if isinstance(form, str):
            notes.append(f"no critical point nearby is looked for: {form}")
            assumed = Assumed(False, False, False, None, None)
        else:
            small, layers = _on_used(weights.network, arrays, form)
            targets = form.targets(small, w[:, form.used])
            reach = distance * (1.0 + sum(float(np.linalg.norm(a)) for a in arrays))
            near = nearest_of(small, layers, targets)
            near = near if near is not None and near.distance <= reach else None
            end, thin = _ending(targets, small, w[:, form.used], distance)
            assumed = _assumed(weights.network, form, w)
        published = published_test(weights.network, w, assumed, tolerance)
    bend = None
    share = found.gap if found.relative is None else found.relative
    m, n = data.shape
    if m * n * n > _BENT_UP_TO:
        notes.append("no direction of negative curvature is looked for at this size")
    elif share[1] > tolerance:
        bend = _bend(here, problem, arrays, trained)
    zero = found.loss_at_zero
    return Evidence(
        here.value(arrays) if not math.isfinite(found.value[1]) else found.value,
        zero,
        found.minimum,
        found.gap,
        found.relative,
        gradient,
        bend,
        near,
        end,
        guess(share, zero, gradient, bend, thin, tolerance),
        published,
        notes=tuple(notes),
    )


def _product(arrays: Arrays) -> Any:
    out = arrays[-1]
    if out.shape[0] <= arrays[0].shape[1]:
        for a in arrays[-2::-1]:
            out = out @ a
        return out
    out = arrays[0]
    for a in arrays[1:]:
        out = a @ out
    return out


def _on_used(
    network: LinearNetwork, arrays: Arrays, form: Spectral
) -> tuple[LinearNetwork, Arrays]:
    """Return network and weights on the inputs that are not 0: the others do not enter the loss."""
    import numpy as np

    if form.used.all():
        return network, arrays
    first = np.ascontiguousarray(arrays[0][:, form.used])
    return LinearNetwork(first.shape[1], *network.widths[1:]), (first, *arrays[1:])


def _ending(
    targets: list[FloatTarget], network: LinearNetwork, w: Any, distance: float
) -> tuple[str | None, bool]:
    """Return the nature of the nearest critical matrix, if it is near, and whether it is thin."""
    import numpy as np

    best, end, thin = math.inf, None, False
    for target in targets:
        off = subtract(target.point, from_float(w)).size
        if off > distance * (1.0 + float(np.linalg.norm(target.point.mid))):
            continue
        if off < best:
            best, end = off, target.nature_on(network.rank_bound)
            rank = target.rank if target.rank is not None else network.rank_bound
            thin = target.is_top and not target.zero_gradient and rank < network.rank_bound
    return end, thin


def _assumed(network: LinearNetwork, form: Spectral, w: Any) -> Assumed:
    k, n, m = network.rank_bound, network.widths[0], network.widths[-1]
    regular = bool(form.used.all())
    smallest = min(m, int(form.used.sum())) - 1
    full = form.positive(smallest) and smallest + 1 == min(m, n)
    cut = k < len(form.values) and form.positive(k)
    separated = form.separated(k) if cut else True
    leading = form.vectors[:, :k] if regular else None
    return Assumed(regular, full, separated, leading, w)


def _bend(
    here: FloatMeasured, problem: Problem, arrays: Arrays, trained: Arrays | None
) -> tuple[float, float] | None:
    """Return the proved curvature along V/‖V‖ for a V found in floats, if it is negative."""
    import numpy as np

    steps = _FEW_STEPS if sum(a.size for a in arrays) > _MANY_WEIGHTS else 60
    with np.errstate(all="ignore"):
        try:
            slope = _slope(problem.augmented())
            low, v = least_curvature(slope, arrays, trained, steps=steps)
        except np.linalg.LinAlgError:
            return None
    if not low < 0 or not all(np.isfinite(x).all() for x in v):
        return None
    low, high = here.curvature(arrays, v)
    least, most = interval_sum((1.0, frobenius_squared(from_float(x))) for x in v)
    if not (high < 0 and least > 0 and most < math.inf):
        return None
    return math.nextafter(low / least, -math.inf), math.nextafter(high / most, math.inf)


def _slope(data: Moments | tuple[Any, Any]) -> Callable[[Any], Any]:
    """Return W ↦ (WX − Y)Xᵀ in floats."""
    import numpy as np

    if isinstance(data, Moments):
        a, b = data.powers
        gram, cross = np.ldexp(data.xx.mid, 2 * a), np.ldexp(data.yx.mid, a + b)
    else:
        x, y = data
        gram, cross = x.T @ x, y.T @ x
    return lambda w: w @ gram - cross
