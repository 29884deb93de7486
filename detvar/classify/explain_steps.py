"""The chain of rules that leads from the data of a point to its label, with the numbers of each.

Which rules appear follows the decision table of `detvar.classify.decision`; `PROOFS` says which
of them carry a label, and `USES` on which earlier rules each one rests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from detvar.classify import verify
from detvar.classify.along import coefficient, curve, gradient_along, loss_along
from detvar.classify.hessian import second_order_blocks
from detvar.classify.kronecker import interlacing
from detvar.exact.inertia import inertia
from detvar.exact.matrices import Matrix, is_zero, rank
from detvar.exact.rational import Rational
from detvar.networks.linear import Weights

if TYPE_CHECKING:
    from detvar.classify.point import Classification

Chain = Iterator[tuple[str, dict[str, Any]]]

USES: dict[str, tuple[str, ...]] = {
    "gradient": ("problem",),
    "not_critical": ("gradient",),
    "critical": ("gradient",),
    "ranks": ("problem",),
    "kind": ("gradient", "critical", "ranks"),
    "zero_gradient": ("effective", "gradient", "convex"),
    "singular_values": ("effective", "gradient", "kronecker"),
    "top": ("singular_values",),
    "wrong_order": ("singular_values",),
    "eckart_young": ("ranks", "effective", "kronecker", "top"),
    "down": ("pivot", "wrong_order", "function_space_hessian"),
    "up": ("down",),
    "pivot": ("critical", "effective"),
    "tightened": ("critical", "effective"),
    "low_rank": ("gradient", "ranks", "effective"),
    "fiber_curve": ("low_rank",),
    "hessian": ("pivot", "tightened", "top", "wrong_order", "function_space_hessian"),
    "transfer": ("ranks", "effective"),
    "function_space_hessian": ("gradient", "effective"),
    "reduced": ("function_space_hessian",),
    "ambient_hessian": ("gradient", "effective"),
    "lower": ("problem", "effective"),
}

# one of these sets of rules must be among the steps before a label
PROOFS: dict[str, tuple[frozenset[str], ...]] = {
    "not_critical": (frozenset({"not_critical"}),),
    "global_minimum": (
        frozenset({"critical", "constant"}),
        frozenset({"critical", "convex", "zero_gradient"}),
        frozenset({"critical", "kronecker", "singular_values", "top", "eckart_young"}),
    ),
    "strict_saddle": (
        frozenset({"critical", "down", "up"}),
        frozenset({"critical", "down", "low_rank", "fiber_curve"}),
    ),
    "non_strict_saddle": (
        frozenset({"critical", "hessian", "low_rank", "fiber_curve"}),
        frozenset({"critical", "hessian", "transfer", "function_space_hessian", "reduced"}),
    ),
    "local_minimum": (
        frozenset({"critical", "transfer", "function_space_hessian"}),
        frozenset({"critical", "ambient_hessian"}),
    ),
    "local_maximum": (
        frozenset({"critical", "transfer", "function_space_hessian"}),
        frozenset({"critical", "ambient_hessian"}),
    ),
    "degenerate": (frozenset({"critical", "transfer", "function_space_hessian", "reduced"}),),
    "undecided": (frozenset({"critical", "undecided"}),),
}


def chain(c: Classification) -> Chain:
    """Yield (rule, numbers) for every step of the derivation, in order."""
    network = c.network
    m, n = c.loss.shape
    yield step(
        "problem",
        widths=network.widths,
        formula=_formula(c.loss),
        weights=c.weights,
        product=network.end_to_end(c.weights),
        value=c.value,
    )
    yield step("gradient", gradient=c.gradient)
    if not c.is_critical:
        yield from _slope(c)
    else:
        yield step("critical", depth=network.depth)
        shape = {"bound": network.rank_bound, "shape": (m, n), "filling": network.is_filling}
        yield step("ranks", rank=c.rank, widths=network.widths, **shape)
        yield step(
            "kind",
            kind=c.kind,
            differential_rank=c.differential_rank,
            zero_gradient=is_zero(c.gradient),
            **shape,
        )
        yield from _proof(c)
    yield step(
        "conclusion",
        nature=c.nature,
        kind=c.kind,
        is_bad=bool(c.is_bad_minimum),
        checks=c.certificate.check().lines,
    )


def step(rule: str, **numbers: Any) -> tuple[str, dict[str, Any]]:
    """Return a rule with its numbers."""
    return rule, numbers


def _formula(loss: Any) -> str:
    return str(loss.to_latex())


def _slope(c: Classification) -> Chain:
    layer, row, column = c.certificate.evidence["position"]
    above, below = c.network.outer_products(c.weights)
    partial = above[layer - 1].transpose() * c.gradient * below[layer - 1].transpose()
    yield step(
        "not_critical",
        layer=layer,
        row=row + 1,
        column=column + 1,
        depth=c.network.depth,
        partial=partial,
        slope=partial[row, column],
    )


def _proof(c: Classification) -> Chain:
    """Yield what shows the nature of a critical point, on the effective problem."""
    reduction = c.reduction
    if reduction is not None and reduction.loss is None:
        yield step("constant", value=c.value)
        return
    if c.effective is not None:
        assert reduction is not None
        c = c.effective
        yield step(
            "effective",
            left=reduction.left,
            right=reduction.right,
            widths=c.network.widths,
            formula=_formula(c.loss),
            product=c.network.end_to_end(c.weights),
            gradient=c.gradient,
            rank=c.rank,
            bound=c.network.rank_bound,
            filling=c.network.is_filling,
        )
    evidence = c.certificate.evidence
    by = evidence.get("by")
    if by == "zero_gradient":
        yield step("convex", why=verify.why_convex(c.loss))
        yield step("zero_gradient", value=c.value)
    if by == "eckart_young" or (by == "fiber_curve" and c.loss.kronecker() is not None):
        yield from _order(c)
    if by == "eckart_young":
        form = c.loss.kronecker()
        assert form is not None
        bound = c.network.rank_bound
        yield step("eckart_young", bound=bound, constant=form.constant, value=c.value)
    maximal = c.rank == c.network.rank_bound and not c.network.is_filling
    if maximal and c.loss.kronecker() is None and by not in ("zero_gradient", "ambient_hessian"):
        yield from _on_function_space(c)
    if by == "ambient_hessian":
        found = inertia(c.loss.hessian(c.network.end_to_end(c.weights)))
        yield step("ambient_hessian", inertia=found)
    if "down" in evidence or "curve" in evidence:
        yield from _saddle(c)
    if c.nature == "undecided":
        yield step("undecided")
    yield step("hessian", inertia=c.hessian_inertia)
    if "lower_point" in evidence:
        point = evidence["lower_point"]
        bound = c.network.rank_bound
        value = c.loss.value(point)
        yield step("lower", bound=bound, point=point, value=value, here=c.value)


def _order(c: Classification) -> Chain:
    """Yield the Kronecker form and how its singular values interlace."""
    form = c.loss.kronecker()
    assert form is not None
    order = interlacing(form, c.network.end_to_end(c.weights))
    yield step(
        "kronecker",
        left=form.left,
        right=form.right,
        target=form.target,
        constant=form.constant,
    )
    values = {"taken": tuple(order.taken), "left": tuple(order.left)}
    yield step("singular_values", **values)
    if order.is_top:
        yield step("top", **values, threshold=order.threshold())
    else:
        yield step("wrong_order", **values, pairs=order.greater)


def _saddle(c: Classification) -> Chain:
    evidence = c.certificate.evidence
    low = c.rank < c.network.rank_bound and not is_zero(c.gradient)
    by_pivot = low and bool(c.untightened_pivots)
    if by_pivot:
        assert c.untightened_pivots
        yield _pivot(c, c.untightened_pivots[0])
    elif low:
        blocks = second_order_blocks(c.network, c.gradient, c.weights)
        pivots = [(i, j, is_zero(a), rank(b)) for (i, j), (a, b) in blocks.items()]
        yield step("tightened", pivots=tuple(pivots), depth=c.network.depth)
    if "down" in evidence and not by_pivot and c.loss.kronecker() is not None:
        yield from _order(c)
    for name in ("down", "up"):
        if name in evidence:
            v = evidence[name]
            second = 2 * coefficient(loss_along(c.loss, curve(c.weights, v)), 2)
            yield step(name, direction=v, second=second)
    if "curve" in evidence:
        yield step("low_rank", rank=c.rank, bound=c.network.rank_bound)
        yield _fiber_curve(c, evidence["curve"])


def _pivot(c: Classification, pivot: tuple[int, int]) -> tuple[str, dict[str, Any]]:
    outer, middle = second_order_blocks(c.network, c.gradient, c.weights)[pivot]
    ranks = {"middle_rank": rank(middle), "rank": c.rank}
    return step("pivot", pivot=pivot, outer=outer, depth=c.network.depth, **ranks)


def _fiber_curve(c: Classification, v: Weights) -> tuple[str, dict[str, Any]]:
    """Return the first term of the gradient along θ + εV, and L along θ + εV ± cεᵏN.

    L is constant on the line, its first derivative there in the direction N is |N|²εᵏ + ⋯, and
    its second one is ∇²L(θ)[N, N] + ⋯; so the first term along the curves is
    (±c|N|² + ½c²∇²L[N, N]) ε²ᵏ, negative for the lower sign and c = |N|²/∇²L[N, N].
    """
    blocks = gradient_along(c.loss, curve(c.weights, v))
    series = [[[list(x.coeffs()) for x in row] for row in block] for block in blocks]
    order = min(k for block in series for row in block for x in row for k, a in enumerate(x) if a)
    normal = tuple(
        Matrix(len(block), len(block[0]), [coefficient(x, order) for row in block for x in row])
        for block in series
    )
    size = sum((x * x for w in normal for x in w.entries()), Rational(0))
    bend = 2 * coefficient(loss_along(c.loss, curve(c.weights, normal)), 2)
    length = size / bend if bend > 0 else Rational(1)
    ends = {}
    for name, sign in (("lower", -1), ("upper", 1)):
        moved = bent(c.weights, v, normal, order, length * sign)
        ends[name] = coefficient(loss_along(c.loss, moved), 2 * order)
    return step(
        "fiber_curve",
        direction=v,
        order=order,
        normal=normal,
        step=length,
        value=c.value,
        **ends,
    )


def bent(weights: Weights, v: Weights, normal: Weights, order: int, step: Rational) -> Any:
    """Return the curve θ + εV + step·εᵏN, with entries in Q[ε]."""
    zero = tuple(w * 0 for w in weights)
    terms = [weights, v, *([zero] * max(order - 1, 0))]
    bend = tuple(w * step for w in normal)
    if order == 1:
        terms[1] = tuple(a + b for a, b in zip(v, bend, strict=True))
    else:
        terms[order] = bend
    return curve(*terms)


def _on_function_space(c: Classification) -> Chain:
    bound, size = c.network.rank_bound, c.network.weight_count
    assert c.hessian_inertia is not None
    fiber = size - c.network.maximal_differential_rank
    yield step(
        "transfer",
        bound=bound,
        shape=c.loss.shape,
        differential_rank=c.differential_rank,
    )
    p, n, z = c.hessian_inertia
    yield step("function_space_hessian", bound=bound, inertia=(p, n, z - fiber))
    if c.reduced is not None:
        r = c.reduced
        yield step(
            "reduced",
            nullity=r.nullity,
            order=r.order,
            leading=r.leading,
            nature=r.nature,
            flat=r.flat,
            value=c.value,
        )
