"""The decision table of `classify` on numerical ranks, with the margin of every decision.

Nothing is proved here.  A number counts as zero below a tolerance, relative to a scale of its own;
a decision is clear if no number lies within a factor of 10 of the tolerance, and the label is
"undecided" if it rests on one that is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detvar.errors import InputError
from detvar.exact.inertia import Inertia
from detvar.losses import is_analytic, is_polynomial
from detvar.networks.linear import LinearNetwork
from detvar.optimality.door import opened
from detvar.optimality.effective import Effective, effective
from detvar.optimality.margins import Margins, NumericalClassification
from detvar.optimality.measured import enough_bits
from detvar.optimality.second_order import full_hessian, function_space_hessian, untightened

_DENSE_UP_TO = 400
# Eigenvalues have no tolerance of their own, so that a wide gap must separate them.
_HESSIAN_GAP = 1e6


def classify_numerically(
    network: LinearNetwork | None, loss: Any, weights: Any, tolerance: float = 1e-8
) -> NumericalClassification:
    """Say what kind of critical point float weights look like, by numerical ranks.

    The decisions are those of `detvar.classify.classify`; ranks, zeros and signs are read off
    singular values and eigenvalues at a tolerance. Every one comes with its margin.

    Parameters
    ----------
    network : LinearNetwork, or None to take it from the weights
    loss : a polynomial or analytic Loss; or data for the squared loss, as in `escape`
    weights : float arrays, a torch module or a path; exact weights are rounded to floats
    tolerance : below it, relative to its scale, a number counts as zero

    Returns
    -------
    NumericalClassification; its label is "undecided" where a margin is not clear

    Raises
    ------
    InputError, ShapeError, NotExactError
        If weights, loss and network do not fit, or the tolerance is not between 0 and 0.01.

    Notes
    -----
    **Cost**: one QR and SVD of the data; singular values of products of layers; up to 400 weights
    the eigenvalues of the Hessian.
    **Validity**: nothing is proved. With biases the bare layers on centred data are classified,
    which is the same if the last layer has a bias; otherwise the label is "undecided".

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.losses import SquaredLoss
    >>> net, loss = LinearNetwork(2, 1, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> c = classify_numerically(net, loss, [np.array([[0, 1.0]]), np.array([[0.0], [1]])])
    >>> c.kind, c.label, c.rank, tuple(c.hessian_inertia)
    ('pure', 'strict_saddle', 1, (2, 1, 1))
    """
    import numpy as np

    if not 0 < tolerance < 0.01:
        raise InputError(f"tolerance is {tolerance}: give a number between 0 and 0.01, as 1e-8")
    problem = opened(network, loss, weights, numerical=True)
    exact = problem.loss
    if exact is not None and not (is_polynomial(exact) or is_analytic(exact)):
        raise InputError(
            f"a {exact.to_json()['type']} loss is not taken at floating-point weights: give a "
            "polynomial or analytic loss"
        )
    assert problem.weights is not None
    with enough_bits(), np.errstate(all="ignore"):
        found = effective(problem, tolerance)
        widths = problem.weights.widths
        if problem.bias and problem.weights.offsets[-1] is None:
            why = "the last layer has no bias, so that the constant of the network is not free"
            return _undecided(widths, tolerance, why)
        if found is None and problem.bias:
            return _undecided(widths, tolerance, "all inputs are equal: only the biases matter")
        if found is None:
            return _constant(widths, problem.weights, tolerance)
        numbers = (found.product, found.slope, *found.layers)
        if not all(np.isfinite(a).all() for a in numbers):
            return _undecided(widths, tolerance, "the loss is not finite at these weights")
        return _Judge(found, tolerance, widths).classification()


def _undecided(widths: Sequence[int], tolerance: float, why: str) -> NumericalClassification:
    nothing = float("nan")
    return NumericalClassification(
        "undecided", None, None, min(widths), 1.0, nothing, None, None, tolerance, (), (why,)
    )


def _constant(widths: Sequence[int], weights: Any, tolerance: float) -> NumericalClassification:
    import numpy as np

    w = weights.matrices[0]
    for a in weights.matrices[1:]:
        w = a @ w
    sizes = np.linalg.svd(w, compute_uv=False)
    judge = Margins(tolerance)
    rank = judge.count("the rank of the end-to-end matrix", sizes / (sizes[0] or 1.0))
    pure = min(widths) == min(widths[0], widths[-1]) or rank == min(widths)
    count = sum(int(m.sum()) for m in weights.trained())
    return NumericalClassification(
        "global_minimum",
        ("pure" if pure else "spurious") if judge.all[0].is_clear else None,
        rank,
        min(widths),
        judge.all[0].ratio,
        0.0,
        Inertia(0, 0, count),
        None,
        tolerance,
        tuple(judge.all),
        ("the loss is constant",),
    )


class _Judge:
    """The decision table, on one effective problem."""

    def __init__(self, problem: Effective, tolerance: float, widths: Sequence[int]) -> None:
        import numpy as np

        self.problem = problem
        self.given_widths = tuple(widths)
        self.margins = Margins(tolerance)
        self.tolerance = tolerance
        h = len(problem.layers)
        share = problem.scale ** (1 / h)
        self.scales = [max(float(np.linalg.norm(w, 2)), share) for w in problem.layers]

    def classification(self) -> NumericalClassification:
        """Decide everything, in the order of the exact table."""
        import numpy as np

        p, m = self.problem, self.margins
        if p.spectrum is not None:
            m.count("the rank of the data", p.spectrum)
        residual = self._residual()
        wrong = m.positive("is some partial derivative not zero", residual)
        sizes = np.linalg.svd(p.given, compute_uv=False) / p.given_scale
        rank = m.count("the rank of the end-to-end matrix", sizes)
        gap = m.all[-1].ratio
        r = min(self.given_widths)
        inertia, spread = self._inertia()
        if wrong:
            label, reasons, kind = "not_critical", ["the gradient is not zero"], None
            used = [x for x in m.all if "partial" in x.question]
        else:
            size = float(np.linalg.norm(p.slope, 2)) / p.steepness
            steep = m.positive("is the gradient on the function space not zero", size)
            label, reasons, inertia = self._label(steep, inertia)
            filling = r == min(self.given_widths[0], self.given_widths[-1])
            kind = "pure" if (not steep if filling else rank == r) else "spurious"
            used = m.all
        doubt = [x.question for x in used if not x.is_clear]
        if doubt:
            reasons.append("not clear: " + ", ".join(doubt))
            label, kind = "undecided", None
        return NumericalClassification(
            label,
            kind,
            rank,
            r,
            gap,
            residual,
            inertia,
            spread,
            self.tolerance,
            tuple(m.all),
            tuple(reasons),
        )

    def _residual(self) -> float:
        """Return the largest ‖∂L/∂W_i‖ in units of ‖G‖ times the sizes of the other layers."""
        import numpy as np

        p = self.problem
        above = [p.slope]
        for w in p.layers[:0:-1]:
            above.append(w.T @ above[-1])
        above.reverse()
        below, out = None, [p.offset]
        for i, (w, left) in enumerate(zip(p.layers, above, strict=True)):
            partial = left if below is None else left @ below.T
            others = float(np.prod([s for k, s in enumerate(self.scales) if k != i]))
            out.append(float(np.linalg.norm(partial, 2)) / (p.steepness * others))
            below = w if below is None else w @ below
        return max(out)

    def _label(self, steep: bool, inertia: Inertia | None) -> tuple[str, list[str], Inertia | None]:
        """Return label, reasons and inertia at a critical point."""
        import numpy as np

        p, m = self.problem, self.margins
        r = min(p.widths)
        sizes = np.linalg.svd(p.product, compute_uv=False) / p.scale
        e = m.count("the rank of the effective end-to-end matrix", sizes)
        if not steep and p.convex:
            why = "the gradient of the convex loss vanishes at the end-to-end matrix"
            return self._checked("global_minimum", why, inertia)
        if p.curvature is None:
            return self._kronecker(e, r, sizes, inertia)
        filling = r == min(p.widths[0], p.widths[-1])
        if e < r and steep:
            if inertia is None:
                return "undecided", ["the signs of the Hessian are not clear"], None
            below = f"rank {e} is below the bound {r} and the gradient is not zero"
            label = "strict_saddle" if inertia.negative else "non_strict_saddle"
            return label, [below], inertia
        if e == r and not filling:
            return self._maximal(e, steep, inertia)
        if e == r and steep:
            return "undecided", ["maximal rank of a filling network with a gradient"], inertia
        return self._flat(inertia)

    def _kronecker(
        self, e: int, r: int, sizes: Any, inertia: Inertia | None
    ) -> tuple[str, list[str], Inertia | None]:
        import numpy as np

        p, m = self.problem, self.margins
        left = np.linalg.svd(p.slope, compute_uv=False) / p.scale
        # kept σ_s are those of W̄, left out σ_q those of G; at a critical point these are all
        worst = float(left[0] - sizes[e - 1]) if e else -1.0
        swapped = m.positive("is a larger singular value left out", worst)
        if e == r:
            if inertia is None:
                inertia = self._from_singular_values(sizes[:e], left)
            if swapped:
                why = "maximal rank, with singular values in the wrong order"
                return self._checked("strict_saddle", why, inertia)
            if r == min(p.widths[0], p.widths[-1]):
                return "undecided", ["maximal rank of a filling network with a gradient"], inertia
            why = "maximal rank, and the largest singular values are kept (Eckart–Young)"
            return self._checked("global_minimum", why, inertia)
        below = f"rank {e} is below the bound {r} and the gradient is not zero"
        pivot, size = untightened(p.layers, p.slope / p.steepness, e, self.scales)
        if m.positive("is a pivot not tightened", size):
            return self._checked("strict_saddle", f"{below}; the pivot {pivot} is open", inertia)
        if swapped:
            why = f"{below}; a larger singular value is left out"
            return self._checked("strict_saddle", why, inertia)
        return self._checked("non_strict_saddle", f"{below}; every pivot is tightened", inertia)

    def _checked(
        self, label: str, why: str, inertia: Inertia | None
    ) -> tuple[str, list[str], Inertia | None]:
        """Compare the label with the signs of the Hessian, where these are clear."""
        if inertia is not None and (inertia.negative > 0) != (label == "strict_saddle"):
            return "undecided", [why, "but the signs of the Hessian say otherwise"], inertia
        return label, [why], inertia

    def _maximal(
        self, e: int, steep: bool, inertia: Inertia | None
    ) -> tuple[str, list[str], Inertia | None]:
        import numpy as np

        p = self.problem
        assert p.curvature is not None
        q = function_space_hessian(p.product, p.slope, p.curvature(), e)
        values = np.linalg.eigvalsh(q)
        top = float(np.abs(values).max())
        m = self.margins
        up = m.count("positive eigenvalues on the function space", values / top, record=False)
        down = m.count("negative eigenvalues on the function space", -values / top, record=False)
        rest = len(values) - up - down
        m.count("eigenvalues on the function space that are not zero", np.abs(values) / top)
        at = "maximal rank; the Hessian on the function space"
        if up and down:
            return self._checked("strict_saddle", f"{at} has both signs", inertia)
        if not rest and not down:
            return self._checked("local_minimum", f"{at} is positive definite", inertia)
        if not rest and not up:
            return "local_maximum", [f"{at} is negative definite"], inertia
        if not up and not steep:
            return self._flat(inertia)
        return "undecided", [f"{at} has {rest} eigenvalues that count as zero"], inertia

    def _flat(self, inertia: Inertia | None) -> tuple[str, list[str], Inertia | None]:
        """∇ℓ(W̄) = 0 and ℓ is not known to be convex."""
        import numpy as np

        p, m = self.problem, self.margins
        assert p.curvature is not None
        values = np.linalg.eigvalsh(p.curvature())
        values = values / (float(np.abs(values).max()) or 1.0)
        nonzero = m.count(
            "eigenvalues of the Hessian of the loss that are not zero", np.abs(values)
        )
        at = "the gradient of the loss vanishes"
        if nonzero == len(values) and values[0] > 0:
            return "local_minimum", [f"{at} and its Hessian is positive definite"], inertia
        negative = values[-1] < (self.tolerance if p.is_quadratic else 0.0)
        if negative and (nonzero == len(values) or p.is_quadratic):
            return "local_maximum", [f"{at} and its Hessian is negative"], inertia
        if inertia is not None and inertia.negative and inertia.positive:
            return "strict_saddle", [f"{at} and the Hessian has both signs"], inertia
        return "undecided", [f"{at} of a loss that is not convex"], inertia

    def _inertia(self) -> tuple[Inertia | None, float | None]:
        """Return the inertia of the Hessian in all trained weights, and its gap, if it is clear."""
        import numpy as np

        p = self.problem
        total = sum(w.size for w in p.layers)
        if total > _DENSE_UP_TO:
            return None, None
        curvature = None if p.curvature is None else p.curvature()
        # every layer in units of its own size: a congruence, which keeps the inertia
        units = np.concatenate(
            [np.full(w.size, x) for w, x in zip(p.layers, self.scales, strict=True)]
        )
        h = full_hessian(p.layers, p.slope, curvature) * units * units[:, None]
        values = np.linalg.eigvalsh(h)
        scale = max(float(np.abs(values).max()), p.steepness * float(np.prod(self.scales)))
        counts = Margins(self.tolerance)
        up = counts.count("positive", values / scale)
        down = counts.count("negative", -values / scale)
        counts.count("not zero", np.abs(values) / scale)
        margin = counts.all[-1]
        if not margin.is_clear or margin.ratio < _HESSIAN_GAP:
            return None, margin.ratio
        return self._padded(up, down), margin.ratio

    def _from_singular_values(self, kept: Any, left: Any) -> Inertia | None:
        """Return the inertia at maximal rank from the pairs σ_q > σ_s."""
        p = self.problem
        m, n = p.widths[-1], p.widths[0]
        differences = left[:, None] - kept[None, :]
        greater = int((differences > self.tolerance).sum())
        equal = int((abs(differences) <= self.tolerance).sum())
        e = len(kept)
        return self._padded(e * (m + n - e) - greater - equal, greater)

    def _padded(self, up: int, down: int) -> Inertia:
        up += self.problem.outputs
        return Inertia(up, down, self.problem.weights - up - down)
