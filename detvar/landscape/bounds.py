r"""What the α-β-condition guarantees: right-hand sides of the convergence theorems, as numbers.

Let every fᵢ be L-smooth and let the α-β-condition hold, with δ = α − β, on a set that contains all
iterates (Rᵈ will do; the condition on a smaller set proves nothing for paths that leave it).  Each
function returns a number B with

  min_{k<K} E[f(x_k)] − f* ≤ B,

split into the part that vanishes with the number of steps, the part that the step size controls,
and the part β σ²/δ (times a constant) that no step size removes.  D₀² = E dist(x₀, S)², σ² is the
interpolation error.  A bound above f(x₀) − f* says nothing.

References: R. Islamov, N. Ajroldi, A. Orvieto, A. Lucchi, *Loss landscape characterization of
neural networks without over-parametrization*, 2024, theorems 1–7.  Where a printed formula does
not follow from its proof, the corrected one is returned, and the printed one with errata=False.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact import latex


@dataclass(frozen=True)
class Bound:
    """The right-hand side of a theorem, in three parts that add up.

    Attributes
    ----------
    theorem : str
    vanishing : float
        What goes to 0 as the number of steps grows, with all other numbers fixed.
    noise : float
        What constant steps leave, and smaller steps reduce.
    permanent : float
        A multiple of βσ²/δ: neither steps nor step sizes remove it.

    Examples
    --------
    >>> b = sgd(1, 0, L=1, sigma2=0.5, D0=3, gamma=0.25, K=100)
    >>> float(b), b.permanent, b.is_vacuous(0.5)
    (0.61, 0.0, True)
    """

    theorem: str
    vanishing: float
    noise: float
    permanent: float

    def __float__(self) -> float:
        return self.vanishing + self.noise + self.permanent

    def is_vacuous(self, initial_gap: float) -> bool:
        """Say whether the bound is no better than the gap f(x₀) − f* that one starts with."""
        return not float(self) < initial_gap

    def __str__(self) -> str:
        return (
            f"{self.theorem}: {float(self):.6g} = {self.vanishing:.6g} (vanishes with K) + "
            f"{self.noise:.6g} (step size) + {self.permanent:.6g} (stays)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the parts; floats as hexadecimal text."""
        parts = ("vanishing", "noise", "permanent")
        return {"theorem": self.theorem} | {name: getattr(self, name).hex() for name in parts}

    def to_latex(self) -> str:
        """Return the inequality with numbers, as math."""
        parts = f"{self.vanishing:.6g}+{self.noise:.6g}+{self.permanent:.6g}"
        return rf"\min_{{k<K}}\mathbb{{E}}f(x_k)-f^*\le {parts}={float(self):.6g}"

    _repr_latex_ = latex.displayed


def _checked(
    alpha: float, beta: float, *, K: int | None = None, positive: dict[str, float], **rest: float
) -> float:
    """Return δ; refuse what is outside the hypotheses that all theorems share."""
    if not (math.isfinite(alpha) and beta >= 0 and alpha > beta):
        raise InputError(f"(alpha, beta) = ({alpha}, {beta}): give α > β ≥ 0")
    if K is not None and not (isinstance(K, int) and K >= 1):
        raise InputError(f"K is {K}: give a whole number of steps from 1 on")
    for name, x in positive.items():
        if not (math.isfinite(x) and x > 0):
            raise InputError(f"{name} is {x}: give a finite number > 0")
    for name, x in rest.items():
        if not (math.isfinite(x) and x >= 0):
            raise InputError(f"{name} is {x}: give a finite number ≥ 0")
    return alpha - beta


def _at_most(name: str, x: float, limit: float, formula: str) -> None:
    if not x <= limit * (1 + 1e-12):
        raise InputError(f"{name} is {x}: the theorem needs {name} ≤ {formula} = {limit:.9g}")


def sgd(
    alpha: float, beta: float, *, L: float, sigma2: float, D0: float, gamma: float, K: int
) -> Bound:
    """Return D₀²/(Kγδ) + 2Lγσ²/δ + 2βσ²/δ for SGD with γ ≤ δ/(2L) (theorem 1).

    Raises
    ------
    InputError
        If a number is outside the hypotheses of the theorem, here and in all functions below.

    Examples
    --------
    >>> float(sgd(2, 1, L=1, sigma2=1, D0=1, gamma=0.5, K=4))
    3.5
    """
    d = _checked(alpha, beta, K=K, positive={"L": L, "gamma": gamma}, sigma2=sigma2, D0=D0)
    _at_most("gamma", gamma, d / (2 * L), "(α − β)/(2L)")
    return Bound("SGD", D0**2 / (K * gamma * d), 2 * L * gamma * sigma2 / d, 2 * beta * sigma2 / d)


def sgd_sharp(
    alpha: float, beta: float, *, L: float, sigma2: float, D0: float, gamma: float, K: int
) -> Bound:
    r"""Return D₀²/(2Kγ(δ − Lγ)) + (β + Lγ)σ²/(δ − Lγ) for SGD with γ < δ/L.

    It bounds the *mean* of E f(x_k) − f* over k < K, and with it the minimum.  Proof: expand
    ‖x⁺ − p‖², use ‖∇fᵢ‖² ≤ 2L(fᵢ − fᵢ*) and the condition, and take expectations:
    E dist²(x⁺) ≤ dist²(x) − 2γ(δ − Lγ)(f(x) − f*) + 2γ(β + Lγ)σ²; then sum over k.  As γ → 0 and
    K → ∞ it tends to βσ²/δ, half of what theorem 1 leaves; at γ = δ/(2L) both agree.

    Examples
    --------
    >>> one, two = (b(2, 1, L=1, sigma2=1, D0=1, gamma=0.5, K=4) for b in (sgd, sgd_sharp))
    >>> float(one) == float(two)
    True
    """
    d = _checked(alpha, beta, K=K, positive={"L": L, "gamma": gamma}, sigma2=sigma2, D0=D0)
    if not L * gamma < d:
        raise InputError(f"gamma is {gamma}: the theorem needs gamma < (α − β)/L = {d / L:.9g}")
    rest = d - L * gamma
    permanent = beta * sigma2 / d
    return Bound(
        "SGD, sharpened",
        D0**2 / (2 * K * gamma * rest),
        (beta + L * gamma) * sigma2 / rest - permanent,
        permanent,
    )


def sgd_decreasing(
    alpha: float, beta: float, *, L: float, sigma2: float, D0: float, gamma0: float, K: int
) -> Bound:
    """Return 5D₀²/(4δγ₀√K) + 5γ₀Lσ² log(K + 1)/(δ√K) + 2βσ²/δ for γ_k = γ₀/√(k + 1) (theorem 4).

    Needs γ₀ ≤ δ/(2L).

    Examples
    --------
    >>> b = sgd_decreasing(1, 0, L=1, sigma2=0, D0=1, gamma0=0.5, K=100)
    >>> float(b)
    0.25
    """
    d = _checked(alpha, beta, K=K, positive={"L": L, "gamma0": gamma0}, sigma2=sigma2, D0=D0)
    _at_most("gamma0", gamma0, d / (2 * L), "(α − β)/(2L)")
    vanishing = 5 * D0**2 / (4 * d * gamma0) + 5 * gamma0 * L * sigma2 * math.log(K + 1) / d
    return Bound("SGD, decreasing", vanishing / K**0.5, 0.0, 2 * beta * sigma2 / d)


def spsmax(
    alpha: float,
    beta: float,
    *,
    L: float,
    sigma2: float,
    D0: float,
    c: float,
    gamma_b: float,
    K: int,
) -> Bound:
    """Return c₁D₀²/K + 2αc₁γ_bσ² for SPSmax with c > 1/(2δ) (theorem 2).

    Here c₁ = c/(γ_min(2δc − 1)) and γ_min = min{1/(2cL), γ_b}.  Of the last term the share that
    stays as γ_b → 0 is 2ασ²c/(2δc − 1).

    Examples
    --------
    >>> float(spsmax(1, 0, L=1, sigma2=0, D0=1, c=1, gamma_b=1, K=4))
    0.5
    """
    d = _checked(
        alpha, beta, K=K, positive={"L": L, "c": c, "gamma_b": gamma_b}, sigma2=sigma2, D0=D0
    )
    if not 2 * d * c > 1:
        raise InputError(f"c is {c}: the theorem needs c > 1/(2(α − β)) = {1 / (2 * d):.9g}")
    c1 = c / (min(1 / (2 * c * L), gamma_b) * (2 * d * c - 1))
    stays = 2 * alpha * sigma2 * c / (2 * d * c - 1)
    return Bound("SPSmax", c1 * D0**2 / K, 2 * alpha * c1 * gamma_b * sigma2 - stays, stays)


def decsps(
    alpha: float,
    beta: float,
    *,
    L: float,
    sigma2: float,
    D: float,
    c: Sequence[float],
    gamma_b: float,
) -> Bound:
    """Return 2L̃D²c_{K−1}/(Kδ) + 2βσ²/δ + (1/K)Σσ²/(δc_k) for DecSPS (theorem 5).

    Here L̃ = max{L, 1/(2c₀γ_b)}, the c_k ≥ 1/δ do not decrease, and D² bounds dist(x_k, S)² for
    0 ≤ k ≤ K: the iterates must be known to stay bounded.

    Parameters
    ----------
    c : (c_0, …, c_{K−1})

    Examples
    --------
    >>> float(decsps(1, 0, L=1, sigma2=1, D=1, c=[1.0, 1.0], gamma_b=1))
    2.0
    """
    d = _checked(alpha, beta, positive={"L": L, "gamma_b": gamma_b}, sigma2=sigma2, D=D)
    K = len(c)
    if not K or any(y < x for x, y in zip(c, c[1:], strict=False)):
        raise InputError("c must hold c_0 ≤ c_1 ≤ … ≤ c_{K−1}: give at least one number")
    if not c[0] >= 1 / d * (1 - 1e-12):
        raise InputError(f"c_0 is {c[0]}: the theorem needs c_k ≥ 1/(α − β) = {1 / d:.9g}")
    reach = max(L, 1 / (2 * c[0] * gamma_b))
    vanishing = 2 * reach * D**2 * c[-1] / (K * d)
    noise = math.fsum(sigma2 / (d * x) for x in c) / K
    return Bound("DecSPS", vanishing, noise, 2 * beta * sigma2 / d)


def ngn(
    alpha: float,
    beta: float,
    *,
    L: float,
    sigma2: float,
    sigma2_positive: float,
    D0: float,
    gamma: float,
    K: int,
    errata: bool = True,
) -> Bound:
    """Return the bound of NGN with constant γ, for fᵢ > 0 and δ ≥ 1 (theorem 3).

    (D₀²/(2γK))(1 + 2γL)²/c₂ + 3Lγα(1 + γL)σ²/c₂ + γL max{2γL − 1, 0}σ²_pos/c₂ + βσ²/c₂ with
    c₂ = 2γL(δ − 1) + δ and σ²_pos = E fᵢ*.  In print the last term has a needless factor 2
    (errata=False).

    Examples
    --------
    >>> x = dict(L=1, sigma2=1, sigma2_positive=1, D0=1, gamma=0.5, K=2)
    >>> float(ngn(2, 1, **x)), float(ngn(2, 1, **x, errata=False))
    (7.5, 8.5)
    """
    d = _checked(
        alpha,
        beta,
        K=K,
        positive={"L": L, "gamma": gamma},
        sigma2=sigma2,
        sigma2_positive=sigma2_positive,
        D0=D0,
    )
    _one(d)
    c2 = 2 * gamma * L * (d - 1) + d
    vanishing = D0**2 / (2 * gamma * K) * (1 + 2 * gamma * L) ** 2 / c2
    noise = 3 * L * gamma * alpha * (1 + gamma * L) * sigma2
    noise += gamma * L * max(2 * gamma * L - 1, 0) * sigma2_positive
    return Bound("NGN", vanishing, noise / c2, (1 if errata else 2) * beta * sigma2 / c2)


def ngn_decreasing(
    alpha: float,
    beta: float,
    *,
    L: float,
    sigma2: float,
    sigma2_positive: float,
    D0: float,
    gamma: float,
    K: int,
) -> Bound:
    """Return the bound of NGN with γ̃_k = γ/√(k + 1), for fᵢ > 0 and δ ≥ 1 (theorem 6).

    C₁D₀²/√K + C₂ασ² log(K + 1)/√K + C₃βσ²/δ + C₄σ²_pos log(K + 1)/√K with C₃ = (1 + γL)(1 + 2γL),
    C₁ = 5C₃/(8γ), C₂ = 15LγC₃/2, C₄ = 5C₃γL max{2γL − 1, 0}/2.

    Examples
    --------
    >>> round(
    ...     float(ngn_decreasing(1, 0, L=1, sigma2=0, sigma2_positive=0, D0=1, gamma=0.5, K=100)), 9
    ... )
    0.375
    """
    d = _checked(
        alpha,
        beta,
        K=K,
        positive={"L": L, "gamma": gamma},
        sigma2=sigma2,
        sigma2_positive=sigma2_positive,
        D0=D0,
    )
    _one(d)
    c3 = (1 + gamma * L) * (1 + 2 * gamma * L)
    c4 = 5 * c3 * gamma * L * max(2 * gamma * L - 1, 0) / 2
    noisy = 15 * L * gamma * c3 / 2 * alpha * sigma2 + c4 * sigma2_positive
    vanishing = 5 * c3 / (8 * gamma) * D0**2 + noisy * math.log(K + 1)
    return Bound("NGN, decreasing", vanishing / K**0.5, 0.0, c3 * beta * sigma2 / d)


def adagrad_norm_max(
    alpha: float,
    beta: float,
    *,
    L: float,
    sigma2: float,
    D0: float,
    D: float,
    G: float,
    b: float,
    gamma: float,
    K: int,
    errata: bool = True,
) -> Bound:
    r"""Return the bound of AdaGrad-norm-max with b ≥ 2Lγ/δ and ‖∇fᵢ(x_k)‖ ≤ G (theorem 7).

    D₀²s/(γKδ) + (2α/(δK))σ²s·Σ_{k<K} (b² + D²(k + 1))^{−1/2}, with s = √(b² + G²K) and
    D = min_i ‖∇fᵢ(x₀)‖.  In print (errata=False) the sum is replaced by √(b² + D²(K + 1))/D²,
    which is smaller than it (b = 0, D = 1, K = 100: 10.05 and 18.59), and D is the maximum over i,
    which the proof does not allow.

    Examples
    --------
    >>> float(adagrad_norm_max(1, 0, L=1, sigma2=0, D0=1, D=1, G=1, b=2, gamma=1, K=5))
    0.6
    """
    d = _checked(
        alpha,
        beta,
        K=K,
        positive={"L": L, "gamma": gamma, "b": b},
        sigma2=sigma2,
        D0=D0,
        D=D,
        G=G,
    )
    if not b >= 2 * L * gamma / d * (1 - 1e-12):
        raise InputError(f"b is {b}: the theorem needs b ≥ 2Lγ/(α − β) = {2 * L * gamma / d:.9g}")
    if D > G:
        raise InputError(f"D is {D} and G is {G}: no gradient is larger than G, give D ≤ G")
    s = math.sqrt(b**2 + G**2 * K)
    total = adagrad_sum(b, D, K) if errata else _printed_sum(b, D, K)
    return Bound(
        "AdaGrad-norm-max", D0**2 * s / (gamma * K * d), 2 * alpha / (d * K) * sigma2 * s * total, 0
    )


def adagrad_sum(b: float, D: float, K: int) -> float:
    """Return Σ_{k<K} (b² + D²(k + 1))^{−1/2}, at most 2(√(b² + D²K) − b)/D².

    Examples
    --------
    >>> round(adagrad_sum(0, 1, 100), 4), round(_printed_sum(0, 1, 100), 4)
    (18.5896, 10.0499)
    """
    return math.fsum((b**2 + D**2 * (k + 1)) ** -0.5 for k in range(K))


def _printed_sum(b: float, D: float, K: int) -> float:
    if not D > 0:
        raise InputError("D is 0: the printed bound divides by it, give errata=True")
    return math.sqrt(b**2 + D**2 * (K + 1)) / D**2


def _one(delta: float) -> None:
    if not delta >= 1 - 1e-12:
        raise InputError(f"α − β is {delta}: the theorems on NGN need α − β ≥ 1")
