"""`classify`: everything about one weight vector, exactly, with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.classify.certificate import Certificate, require_same
from detvar.classify.decision import Decision, decide
from detvar.classify.degenerate import ReducedFunction
from detvar.classify.hessian import full_hessian
from detvar.classify.lower import lower_point
from detvar.classify.pivots import untightened_pivots
from detvar.errors import InputError
from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import Matrix, is_zero, rank, to_text_rows
from detvar.exact.rational import Rational, to_text, versions
from detvar.losses import Loss, Reduction, is_polynomial
from detvar.networks.linear import LinearNetwork, Weights

if TYPE_CHECKING:
    from detvar.classify.explain import Explanation

_FULL_HESSIAN_UP_TO = 100
_LOWER_POINT_UP_TO = 30


@dataclass(frozen=True)
class Classification:
    """What `classify` found out about a weight vector θ.

    Attributes
    ----------
    network, loss, weights : the problem as given
    is_critical : whether all ∂L/∂W_i vanish
    rank : e = rk W̄
    gradient : G = ∇ℓ(W̄), m×n
    value : L(θ)
    differential_rank, differential_is_maximal : of dμ(θ)
    kind : "pure", "spurious", or None when θ is not critical
    nature : "global_minimum", "local_minimum", "local_maximum", "strict_saddle",
        "non_strict_saddle", "degenerate", "undecided" or "not_critical"
    hessian_inertia : of the D×D Hessian of L; None at non-critical θ with more than 100 weights
    function_space_inertia : of ℓ on the function space, at smooth points with G ≠ 0 of a
        network that is not filling; None otherwise
    untightened_pivots : the pivots (i, j) that are not tightened
    reason : one sentence
    certificate : evidence that checks itself
    is_bad_minimum : True when a lower matrix of the function space is known; None otherwise
    has_singular_zero_gradient : G = 0 at a singular point of the function space
    reduced : the reduced function at a degenerate point, or None
    effective : the same analysis of the effective problem, when data or loss shrink it
    """

    network: LinearNetwork
    loss: Loss
    weights: Weights
    is_critical: bool
    rank: int
    gradient: Matrix
    value: Rational
    differential_rank: int
    differential_is_maximal: bool
    kind: str | None
    nature: str
    hessian_inertia: Inertia | None
    function_space_inertia: Inertia | None
    untightened_pivots: tuple[tuple[int, int], ...] | None
    reason: str
    certificate: Certificate
    is_bad_minimum: bool | None = None
    has_singular_zero_gradient: bool = False
    reduced: ReducedFunction | None = None
    reduction: Reduction | None = None
    effective: Classification | None = None

    @property
    def is_tightened(self) -> bool | None:
        """Whether every pivot is tightened; None when θ is not critical."""
        return None if self.untightened_pivots is None else not self.untightened_pivots

    def __str__(self) -> str:
        what = self.nature.replace("non_strict", "non-strict").replace("_", " ")
        if self.is_bad_minimum:
            what = f"bad {what}, not global"
        label = what if self.kind is None else f"{self.kind}, {what}"
        lines = [
            f"{label}: {self.reason}.",
            f"  network {self.network}, rank {self.rank} of at most {self.network.rank_bound}, "
            f"loss {to_text(self.value)}",
        ]
        if self.hessian_inertia is not None:
            p, n, z = self.hessian_inertia
            lines.append(f"  Hessian of the weights: {p} positive, {n} negative, {z} zero")
        if self.reduction is not None and self.reduction.changed:
            shown = "-".join(map(str, self.reduction.widths))
            lines.append(f"  decided on the effective network {shown}")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """Return the problem, the label and the numbers behind it, as LaTeX text."""
        from detvar.classify.latex import classification

        return classification(self)

    def explain(self) -> Explanation:
        """Return the derivation of the label, step by step, with the numbers filled in.

        Examples
        --------
        >>> from detvar.losses import SquaredLoss
        >>> c = classify(LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[1]]), [[[0]], [[0]]])
        >>> [step.rule for step in c.explain().steps]
        ['problem', 'gradient', 'critical', 'ranks', 'kind', 'pivot', 'down', 'up', 'hessian', \
'conclusion']
        """
        from detvar.classify.explain import explain

        return explain(self)

    def to_json(self) -> dict[str, Any]:
        """Return the answer in the words of the JSON interface."""
        out = self._words()
        if self.reduction is not None and self.reduction.changed:
            out["effective_network"] = list(self.reduction.widths)
            if self.effective is not None:
                out["effective"] = self.effective._words()
        out["reason"] = self.reason
        out["certificate"] = self.certificate.to_json()
        return {"kind_of_result": "classification", **out, "versions": versions()}

    @classmethod
    def from_json(cls, obj: Any) -> Classification:
        """Return the classification that `to_json` wrote, computed again from its problem.

        Raises
        ------
        InputError
            If the object is no saved classification.
        NotCertifiedError
            If a field is not what the problem gives; so a loaded result is always right.
        """
        if not isinstance(obj, dict) or "certificate" not in obj:
            raise InputError(
                "this is no saved classification: save one with  detvar classify --json"
            )
        saved = Certificate.from_json(obj["certificate"])
        out = classify(saved.network, saved.loss, saved.weights)
        require_same(obj, out.to_json())
        return out

    def _words(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "critical": self.is_critical,
            "rank": self.rank,
            "rank_bound": self.network.rank_bound,
            "filling": self.network.is_filling,
            "differential_rank": self.differential_rank,
            "differential_is_maximal": self.differential_is_maximal,
            "gradient": to_text_rows(self.gradient),
            "value": to_text(self.value),
            "nature": self.nature,
        }
        if self.hessian_inertia is not None:
            out["hessian_inertia"] = list(self.hessian_inertia)
        if self.kind is not None:
            out["kind"] = self.kind
        if self.untightened_pivots is not None:
            out["tightened"] = not self.untightened_pivots
            out["untightened_pivots"] = [list(p) for p in self.untightened_pivots]
        if self.function_space_inertia is not None:
            out["function_space_inertia"] = list(self.function_space_inertia)
        if self.is_bad_minimum:
            out["is_bad_minimum"] = True
        if self.has_singular_zero_gradient:
            out["singular_zero_gradient"] = True
        if self.reduced is not None:
            out["reduced_function"] = {
                "nullity": self.reduced.nullity,
                "order": self.reduced.order,
                "leading": self.reduced.leading,
            }
        return out


def classify(network: LinearNetwork, loss: Loss, weights: Any) -> Classification:
    """Say what kind of critical point of L(θ) = ℓ(W_h⋯W_1) a weight vector is, and prove it.

    θ is *pure* when W̄ is a smooth point of the function space and critical for ℓ there,
    *spurious* when it is critical for the weights only (Trager, Kohn, Bruna 2020, Definition 1).
    Its nature is decided on the effective problem, from which what the loss cannot see is
    divided out; kind, ranks and pivots describe the network as given.

    Parameters
    ----------
    network : LinearNetwork
    loss : SquaredLoss, WeightedSquaredLoss, QuadraticLoss, PowerLoss or a polynomial
        ExpressionLoss, on d_h × d_0 matrices
    weights : (W_1, …, W_h), exact, W_i of shape d_i × d_{i−1}

    Returns
    -------
    Classification

    Raises
    ------
    ShapeError, NotExactError, InputError
        If the weights do not fit the network, or are not exact; if the loss is no polynomial.

    Notes
    -----
    **Cost**: Kronecker losses: products, ranks and two characteristic polynomials of layer
    size. Other losses: one inertia of size up to mn.
    **Validity**: every θ; undecided cases (some degenerate points, non-convex losses at singular
    points with zero gradient) are named as such.

    Examples
    --------
    >>> from detvar.losses import SquaredLoss
    >>> net, loss = LinearNetwork(2, 1, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> c = classify(net, loss, [[[0, 1]], [[0], [1]]])
    >>> c.kind, c.nature, c.function_space_inertia
    ('pure', 'strict_saddle', Inertia(positive=2, negative=1, zero=0))
    """
    if not is_polynomial(loss):
        raise InputError(
            f"classify needs a polynomial loss, and this {loss.to_json()['type']} loss is none: "
            "use critical_points (detvar points)"
        )
    w = network.check_weights(weights)
    reduction = loss.reduce(network)
    product = network.end_to_end(w)
    gradient = loss.gradient(product)
    above, below = network.outer_products(w)
    partials = [a.transpose() * gradient * b.transpose() for a, b in zip(above, below, strict=True)]
    common: dict[str, Any] = {
        "network": network,
        "loss": loss,
        "weights": w,
        "rank": rank(product),
        "gradient": gradient,
        "value": loss.value(product),
        "differential_rank": network.differential_rank(w),
        "differential_is_maximal": network.differential_is_maximal(w),
        "reduction": reduction,
    }
    wrong = next((i for i, p in enumerate(partials) if not is_zero(p)), None)
    if wrong is not None:
        return _not_critical(common, wrong, partials[wrong])
    return _critical(common, reduction)


def _not_critical(common: dict[str, Any], layer: int, partial: Matrix) -> Classification:
    network, loss, w = common["network"], common["loss"], common["weights"]
    row, column = next(
        (a, b) for a in range(partial.nrows()) for b in range(partial.ncols()) if partial[a, b]
    )
    slope = partial[row, column]
    evidence = {"position": [layer + 1, row, column], "derivative": slope}
    found = None
    if network.weight_count <= _FULL_HESSIAN_UP_TO:
        found = inertia(full_hessian(network, loss, w))
    return Classification(
        **common,
        is_critical=False,
        kind=None,
        nature="not_critical",
        hessian_inertia=found,
        function_space_inertia=None,
        untightened_pivots=None,
        reason=f"dL/dW_{layer + 1}[{row}][{column}] = {to_text(slope)} is not zero",
        certificate=Certificate("not_critical", network, loss, w, evidence),
    )


def _critical(common: dict[str, Any], reduction: Reduction) -> Classification:
    network, loss, w = common["network"], common["loss"], common["weights"]
    gradient, e = common["gradient"], common["rank"]
    effective = None
    if reduction.loss is None:
        nothing = Inertia(0, 0, network.weight_count)
        by = {"by": "zero_gradient"}
        decision = Decision("global_minimum", "the loss is constant", nothing, by)
    elif reduction.changed:
        effective = classify(reduction.network, reduction.loss, reduction.weights(w))
        decision = _lifted(effective, reduction)
    else:
        decision = decide(network, loss, w)
    found = decision.inertia.padded(network.weight_count - sum(decision.inertia))
    r = network.rank_bound
    zero_gradient = is_zero(gradient)
    pure = zero_gradient if network.is_filling else e == r
    on_function_space = None
    if not network.is_filling and e == r and not zero_gradient:
        p, n, z = found
        fiber = network.weight_count - network.maximal_differential_rank
        on_function_space = Inertia(p, n, z - fiber)
    evidence = {k: v for k, v in decision.evidence.items() if v is not None}
    evidence["inertia"] = list(found)
    if decision.nature == "local_minimum" and "lower_point" not in evidence:
        evidence |= _lower(network, loss, w)
    return Classification(
        **common,
        is_critical=True,
        kind="pure" if pure else "spurious",
        nature=decision.nature,
        hessian_inertia=found,
        function_space_inertia=on_function_space,
        untightened_pivots=untightened_pivots(network, gradient, w),
        reason=decision.reason,
        certificate=Certificate(decision.nature, network, loss, w, evidence),
        is_bad_minimum=True if "lower_point" in evidence else None,
        has_singular_zero_gradient=zero_gradient and not pure,
        reduced=decision.reduced,
        effective=effective,
    )


def _lifted(effective: Classification, reduction: Reduction) -> Decision:
    """Return what was decided on the effective problem, with its evidence in the given weights."""
    evidence = dict(effective.certificate.evidence)
    for key in ("down", "up", "curve"):
        if key in evidence:
            evidence[key] = reduction.lift(evidence[key])
    if "lower_point" in evidence:
        evidence["lower_point"] = reduction.lift((evidence["lower_point"],))[0]
    found = effective.hessian_inertia
    assert found is not None  # critical points always carry one
    return Decision(effective.nature, effective.reason, found, evidence, effective.reduced)


def _lower(network: LinearNetwork, loss: Loss, weights: Weights) -> dict[str, Matrix]:
    """Return a lower matrix of the function space as evidence, if one is looked for and found."""
    size = max(loss.shape) * network.rank_bound
    if size > _LOWER_POINT_UP_TO or not loss.is_convex():
        return {}
    found = lower_point(loss, network.end_to_end(weights), network.rank_bound)
    return {} if found is None else {"lower_point": found}
