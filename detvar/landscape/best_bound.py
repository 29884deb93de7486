r"""The best right-hand side of a convergence theorem over a region of (α, β).

Put u = 1/δ and R(u) = α/δ at α = φ(δ), which is convex and piecewise linear in u.  After the step
size has been eliminated by hand a bound is a function of u alone:

- `sgd` (γ ≤ δ/2L): D₀²/(Kγδ) + 2Lγσ²/δ + 2βσ²/δ becomes B(u) + 2(R(u) − 1)σ² with a convex C¹
  function B, so that the minimum is at a vertex or where B' = −2σ²R'.
- `sgd_sharp` (γ < δ/L): D₀²/(2Kγ(δ − Lγ)) + (β + Lγ)σ²/(δ − Lγ) becomes H(u)² − σ² with
  H = √A u + √(A u² + σ²R(u)), A = L D₀²/2K.  H ≤ s iff σ²R(u) + 2s√A u ≤ s², a convex condition,
  and on a linear piece of R it holds at an end if it holds at all: the minimum is at a vertex.
- `spsmax` (c > 1/2δ): c₁D₀²/K + 2αc₁γ_bσ² is smallest at γ_b = 1/2cL, where it is H(u)².
- `ngn` (δ ≥ 1): for a fixed γ a quotient of functions that are linear on each piece, so that the
  minimum is at a vertex or at δ = 1; in γ it is a convex over a linear function, hence unimodal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError
from detvar.exact.rational import Rational
from detvar.landscape.envelope import exact_number, to_float
from detvar.landscape.region_results import Witness

if TYPE_CHECKING:
    from detvar.landscape.region import Region

Array = Any  # numpy.ndarray: NumPy is not imported with the module

THEOREMS = ("sgd", "sgd_sharp", "spsmax", "ngn")


@dataclass(frozen=True)
class BestBound:
    """The smallest right-hand side of a theorem, and the constants that give it.

    Attributes
    ----------
    theorem : str
        "sgd", "sgd_sharp", "spsmax" or "ngn".
    value : float
        In floating point, up to rounding; an infimum if `is_attained` is False.
    is_attained : bool
        False if the bound only falls towards its infimum as δ → ∞.
    alpha, beta, gamma : float or None
        The constants and the step size (γ_b for "spsmax").
    c : float or None
        The other parameter of "spsmax".
    witnesses : tuple of Witness
        The triples that are tight at (alpha, beta).
    """

    theorem: str
    value: float
    is_attained: bool
    alpha: float | None = None
    beta: float | None = None
    gamma: float | None = None
    c: float | None = None
    witnesses: tuple[Witness, ...] = ()

    def is_vacuous(self, gap: float) -> bool:
        """Whether the bound is no better than the gap f(x₀) − f(x_K) one starts with."""
        if not gap == gap:
            raise InputError("gap is NaN: give f(x_0) - f(x_K)")
        return self.value >= gap

    def __str__(self) -> str:
        if not self.is_attained:
            return f"{self.theorem}: the bounds fall towards {self.value:.6g}, not attained"
        step = "" if self.gamma is None else f" with gamma = {self.gamma:.6g}"
        more = "" if self.c is None else f", c = {self.c:.6g}"
        at = f"(alpha, beta) = ({self.alpha:.6g}, {self.beta:.6g})"
        return f"{self.theorem}: the best bound is {self.value:.6g}, at {at}{step}{more}"

    def to_latex(self) -> str:
        """Return the bound and its constants as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the bound as JSON; floats as hexadecimal text, witnesses by position."""
        out: dict[str, Any] = {"kind_of_result": "best bound", "theorem": self.theorem}
        out["is_attained"] = self.is_attained
        for name in ("value", "alpha", "beta", "gamma", "c"):
            x = getattr(self, name)
            out[name] = None if x is None else x.hex()
        out["witnesses"] = [w.index for w in self.witnesses]
        return out


def best_bound(
    region: Region,
    D0: Any,
    L: Any,
    sigma2: Any,
    K: Any,
    theorem: str = "sgd",
    sigma2_pos: Any = 0.0,
) -> BestBound:
    """Return the smallest bound on min_{k<K} E[f(x_k) − f*] over all (α, β) and step sizes.

    Parameters
    ----------
    region : Region
        Not empty.
    D0 : float
        dist(x₀, S) > 0 (or the root of its mean square).
    L : float
        A Lipschitz constant of every ∇fᵢ, > 0.
    sigma2 : float
        σ² = f* − mean fᵢ* ≥ 0, with the same fᵢ* as in the triples.
    K : int
        Number of steps.
    theorem : {"sgd", "sgd_sharp", "spsmax", "ngn"}
    sigma2_pos : float
        The mean of the fᵢ* ≥ 0; used by "ngn" only.

    Raises
    ------
    InputError
        If the region is empty, or for "ngn" if it has no point with α − β ≥ 1.

    Notes
    -----
    **Cost**: O(h) for h lines.  **Validity**: the theorems ask for the condition at all points
    that the method can reach; a recorded path does not prove that.

    References
    ----------
    Islamov, Ajroldi, Orvieto, Lucchi (2024), Theorems 1, 2, 3; Theorem 1 sharpened by taking the
    mean over the index before the step size is bounded.

    Examples
    --------
    >>> from detvar.landscape.region import Region
    >>> region = Region.from_triples([1, -0.5], [2, 0.4], [0.5, 0.8])
    >>> round(best_bound(region, 1, 1, 1, 100).value, 7)
    1.0437903
    """
    region._refuse_empty()
    numbers = {"D0": D0, "L": L, "K": K, "sigma2": sigma2, "sigma2_pos": sigma2_pos}
    data = {name: to_float(exact_number(x, name)) for name, x in numbers.items()}
    for name, x in data.items():
        if x < 0 or (x == 0 and name in ("D0", "L", "K")):
            kind = "positive" if name in ("D0", "L", "K") else "not negative"
            raise InputError(f"{name} is {numbers[name]}: give a number that is {kind}")
    if theorem not in THEOREMS:
        raise InputError(f"theorem is {theorem!r}: choose one of {', '.join(THEOREMS)}")
    d2, smooth, steps, noise, positive = data["D0"] ** 2, *(data[x] for x in list(data)[1:])
    if theorem == "sgd":
        return _sgd(region, d2, smooth, steps, noise)
    if theorem == "ngn":
        return _ngn(region, d2, smooth, steps, noise, positive)
    return _sharp(region, d2, smooth, steps, noise, theorem)


def _ends(region: Region) -> tuple[list[Rational], Array, Array, Array, Array]:
    """Return the δ > 0 of the corners, u and R there, and all lines as R = m + q u."""
    import numpy as np

    corners = [(delta, alpha) for delta, alpha in region._corners if delta > 0]
    u = np.array([to_float(1 / delta) for delta, _ in corners])
    ratio = np.array([to_float(alpha / delta) for delta, alpha in corners])
    lines = [region._lines.exact(k) for k in range(len(region._lines))]
    m = np.array([to_float(slope) for slope, _ in lines])
    q = np.array([to_float(-depth) for _, depth in lines])
    return [delta for delta, _ in corners], u, ratio, m, q


def _finish(
    region: Region, theorem: str, value: float, delta: Rational, gamma: float, c: float | None
) -> BestBound:
    alpha = region._phi(delta)
    assert alpha is not None  # a corner or a point of a piece
    at = to_float(alpha), to_float(alpha - delta)
    return BestBound(theorem, value, True, *at, gamma, c, region._tight(delta, alpha))


def _sgd(region: Region, d2: float, smooth: float, steps: float, noise: float) -> BestBound:
    import numpy as np

    deltas, u, ratio, m, q = _ends(region)
    # the pieces in δ are [start, end]; in u they run backwards, the first perhaps from infinity
    ends = [to_float(delta) for delta, _ in region._corners[: len(m)]] + [region.delta_max]
    with np.errstate(divide="ignore"):
        bounds = 1 / np.array(ends)
    kink = (steps * noise / (2 * smooth) / d2) ** 0.5
    # beyond the kink B' = 4LD₀²u/K, which equals −2σ²q at the stationary point
    still = -noise * q * steps / (2 * smooth * d2)
    inside = (still >= kink) & (still > bounds[1:]) & (still < bounds[:-1])
    points = np.concatenate([u, still[inside], [0.0]])
    values = np.concatenate([ratio, m[inside] + q[inside] * still[inside], [m[-1]]])
    slow = 2 * points * (2 * d2 * smooth * noise / steps) ** 0.5
    fast = 2 * smooth * d2 * points**2 / steps + noise
    bound = np.where(points <= kink, slow, fast) + 2 * (values - 1) * noise
    if region._delta_max is not None:
        bound[-1] = np.inf
    k = int(bound.argmin())
    value = float(bound[k])
    if k == len(points) - 1:
        return BestBound("sgd", value, False)
    delta = deltas[k] if k < len(deltas) else exact_number(1 / float(points[k]))
    at = float(points[k])
    gamma = (d2 / (2 * steps * smooth * noise)) ** 0.5 if at <= kink else 1 / (2 * smooth * at)
    return _finish(region, "sgd", value, delta, gamma, None)


def _sharp(
    region: Region, d2: float, smooth: float, steps: float, noise: float, theorem: str
) -> BestBound:
    import numpy as np

    deltas, u, ratio, m, _ = _ends(region)
    size = (smooth * d2 / (2 * steps)) ** 0.5
    height = size * u + np.sqrt((size * u) ** 2 + noise * ratio)
    limit = (noise * m[-1]) ** 0.5 if region._delta_max is None else np.inf
    less = noise if theorem == "sgd_sharp" else 0.0
    if not len(u) or limit < height.min():
        return BestBound(theorem, float(limit) ** 2 - less, False)
    k = int(height.argmin())
    a, top = float(size * u[k]), float(height[k])
    delta = to_float(deltas[k])
    share = a / top  # t of γ = tδ/L in one theorem, 1/(2δc) in the other
    if theorem == "sgd_sharp":
        gamma, c = share * delta / smooth, None
    else:
        c = 1 / (2 * delta * share)
        gamma = 1 / (2 * c * smooth)
    return _finish(region, theorem, top**2 - less, deltas[k], gamma, c)


def _ngn(
    region: Region, d2: float, smooth: float, steps: float, noise: float, positive: float
) -> BestBound:
    import numpy as np

    one = Rational(1)
    pairs = [(delta, alpha) for delta, alpha in region._corners if delta >= 1]
    start = region._phi(one)
    if start is not None:
        pairs.append((one, start))
    last = region._lines.exact(len(region._lines) - 1)[0]
    limit = noise * (to_float(last) - 1) if region._delta_max is None else np.inf
    if not pairs and region._delta_max is not None:
        raise InputError(
            f"alpha - beta is at most {region.delta_max:.6g} in the region, and the theorem on "
            "NGN needs at least 1: choose another theorem"
        )
    delta = np.array([to_float(x) for x, _ in pairs])
    alpha = np.array([to_float(y) for _, y in pairs])

    def bound(log_y: Array) -> Array:
        y = np.exp(log_y)  # γL
        top = smooth * d2 / (2 * steps) * (1 + 2 * y) ** 2 / y + 3 * y * alpha * (1 + y) * noise
        top = top + y * np.maximum(2 * y - 1, 0) * positive + (alpha - delta) * noise
        return top / (2 * y * (delta - 1) + delta)

    golden = (5**0.5 - 1) / 2
    low, high = np.full(len(delta), -80.0), np.full(len(delta), 80.0)
    for _ in range(120):
        left, right = high - golden * (high - low), low + golden * (high - low)
        down = bound(left) > bound(right)
        low, high = np.where(down, left, low), np.where(down, high, right)
    values = bound((low + high) / 2)
    if not len(values) or limit < values.min():
        return BestBound("ngn", float(limit), False)
    k = int(values.argmin())
    gamma = float(np.exp((low[k] + high[k]) / 2)) / smooth
    return _finish(region, "ngn", float(values[k]), pairs[k][0], gamma, None)
