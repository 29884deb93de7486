"""Convex losses that treat every output of every sample alone: Σ_is φ_is((WX)_is).

Logistic, exponential, pseudo-Huber and log-cosh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from detvar.errors import InputError
from detvar.exact.matrices import Matrix, matrix, require_shape, to_text_rows
from detvar.exact.rational import Rational, rational, to_text
from detvar.losses.growth import Growth
from detvar.losses.kits import Kit
from detvar.losses.protocol import Loss
from detvar.losses.samples import OnSamples, Second, exact_field, input_rows, require_samples


def _diagonal(values: list[Any]) -> Second:
    return {(i, i): x for i, x in enumerate(values)}


def _growth(
    x: Matrix, outputs: int, slopes: list[list[tuple[Rational, Rational]]], constant: Rational
) -> Growth:
    """Return Σ_is (p z⁺ + q z⁻) − constant, where slopes[i][s] = (p, q), as a `Growth`."""
    rows, weights = [], []
    for s, forms in enumerate(input_rows(x, outputs)):
        for i, form in enumerate(forms):
            up, down = slopes[i][s]
            if up:
                rows.append([-c for c in form])
                weights.append(up)
            if down:
                rows.append(form)
                weights.append(down)
    return Growth(matrix(rows), tuple(weights), constant)


@dataclass(frozen=True)
class LogisticLoss(OnSamples):
    """ℓ(W) = Σ_is N_is log(1 + exp z_is) − K_is z_is with z = WX: the logistic regression.

    Up to a constant it is −log likelihood of K_is positives in N_is trials, with probability
    1/(1 + exp(−z_is)).

    Parameters
    ----------
    X : n×S, one column per sample
    trials, positives : N and K, m×S, with 0 ≤ K ≤ N

    Raises
    ------
    InputError
        If a count is negative, positives exceed trials, or a sample or an output has no trials.

    Notes
    -----
    **Validity**: ℓ is bounded below by 0; it attains its minimum on all matrices if and only if
    the data are not separable (`detvar.losses.growth`). Cox (1958).

    Examples
    --------
    >>> loss = LogisticLoss.from_labels([[1, 2, 3]], [[0, 1, 1]])
    >>> loss.shape, float(loss.value_array([[0.0]]))  # 3 log 2
    ((1, 1), 2.0794415416798357)
    """

    X: Matrix
    trials: Matrix
    positives: Matrix
    _name: ClassVar[str] = "logistic"
    _why_convex: ClassVar[str] = "a sum of N log(1 + exp z) − K z with N ≥ 0 and z linear in W"

    def __init__(self, X: Any, trials: Any, positives: Any) -> None:  # noqa: N803 - field names
        x = exact_field(X, "X")
        n, k = exact_field(trials, "trials"), exact_field(positives, "positives")
        require_samples(x, n, "trials")
        require_shape(k, n.nrows(), n.ncols(), "positives")
        table = n.tolist()
        for i, row in enumerate(table):
            for s, t in enumerate(row):
                if t < 0 or not 0 <= k[i, s] <= t:
                    raise InputError(
                        f"positives[{i}][{s}] is {to_text(k[i, s])} of {to_text(t)} trials: "
                        "give 0 ≤ positives ≤ trials"
                    )
        for name, lines in (("output", table), ("sample", zip(*table, strict=True))):
            for i, line in enumerate(lines):
                if not any(line):
                    raise InputError(f"{name} {i} has zero trials: leave that {name} out")
        object.__setattr__(self, "X", x)
        object.__setattr__(self, "trials", n)
        object.__setattr__(self, "positives", k)

    @classmethod
    def from_labels(cls, X: Any, labels: Any) -> LogisticLoss:  # noqa: N803
        """Return the loss of one trial for each label, m×S, of 0 and 1."""
        y = exact_field(labels, "labels")
        for i, row in enumerate(y.tolist()):
            for s, c in enumerate(row):
                if c not in (0, 1):
                    raise InputError(f"labels[{i}][{s}] is {to_text(c)}: a label is 0 or 1")
        return cls(X, matrix([[1] * y.ncols() for _ in range(y.nrows())]), y)

    @property
    def outputs(self) -> int:
        """m."""
        return self.trials.nrows()

    @property
    def _tables(self) -> tuple[Matrix, ...]:
        return self.trials, self.positives

    def _with_inputs(self, x: Matrix) -> LogisticLoss:
        return LogisticLoss(x, self.trials, self.positives)

    def _value(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Any:
        return _total(n * kit.softplus(t) - k * t for t, n, k in zip(z, *data, strict=True))

    def _first(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> list[Any]:
        return [n * kit.sigmoid(t) - k for t, n, k in zip(z, *data, strict=True)]

    def _second(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Second:
        # σ′ = σ(1 − σ), written so that σ occurs once: balls stay tight
        return _diagonal(
            [
                n * (1 - kit.square(2 * kit.sigmoid(t) - 1)) / 4
                for t, n in zip(z, data[0], strict=True)
            ]
        )

    def growth(self) -> Growth:
        """Return ℓ ≥ Σ (N − K) z⁺ + K z⁻, from log(1 + exp z) ≥ max(0, z)."""
        slopes = [
            [(n - k, k) for n, k in zip(ns, ks, strict=True)]
            for ns, ks in zip(self.trials.tolist(), self.positives.tolist(), strict=True)
        ]
        return _growth(self.X, self.outputs, slopes, Rational(0))

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "logistic", "X": …, "trials": …, "positives": …}."""
        tables = {"trials": self.trials, "positives": self.positives}
        return super().to_json() | {k: to_text_rows(t) for k, t in tables.items()}


@dataclass(frozen=True)
class ExponentialLoss(OnSamples):
    """ℓ(W) = Σ_is exp(−y_is z_is) with z = WX and labels y = ±1: the loss of boosting.

    Parameters
    ----------
    X : n×S, one column per sample
    labels : y, m×S, of −1 and 1; 0 where an output was not observed

    Raises
    ------
    InputError
        If a label is another number, or a sample or an output has no label.

    Notes
    -----
    **Validity**: the infimum is attained if and only if the data are not separable. Freund and
    Schapire (1997).

    Examples
    --------
    >>> float(ExponentialLoss([[1, 2]], [[1, -1]]).gradient_array([[0.0]])[0, 0])
    1.0
    """

    X: Matrix
    labels: Matrix
    _name: ClassVar[str] = "exponential"
    _why_convex: ClassVar[str] = "a sum of exponentials of linear functions of W"

    def __init__(self, X: Any, labels: Any) -> None:  # noqa: N803
        x, y = exact_field(X, "X"), exact_field(labels, "labels")
        require_samples(x, y, "labels")
        table = y.tolist()
        for i, row in enumerate(table):
            for s, c in enumerate(row):
                if c not in (-1, 0, 1):
                    raise InputError(
                        f"labels[{i}][{s}] is {to_text(c)}: a label is -1 or 1, or 0 for none"
                    )
        for name, lines in (("output", table), ("sample", zip(*table, strict=True))):
            for i, line in enumerate(lines):
                if not any(line):
                    raise InputError(f"{name} {i} has no label: leave that {name} out")
        object.__setattr__(self, "X", x)
        object.__setattr__(self, "labels", y)

    @property
    def outputs(self) -> int:
        """m."""
        return self.labels.nrows()

    @property
    def _tables(self) -> tuple[Matrix, ...]:
        return (self.labels,)

    def _with_inputs(self, x: Matrix) -> ExponentialLoss:
        return ExponentialLoss(x, self.labels)

    def _value(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Any:
        return _total(y * y * kit.exp(-y * t) for t, y in zip(z, *data, strict=True))

    def _first(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> list[Any]:
        return [-y * kit.exp(-y * t) for t, y in zip(z, *data, strict=True)]

    def _second(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Second:
        return _diagonal([y * y * kit.exp(-y * t) for t, y in zip(z, *data, strict=True)])

    def growth(self) -> Growth:
        """Return ℓ ≥ Σ max(0, −yz), from exp t ≥ max(0, t)."""
        slopes = [
            [(Rational(int(y < 0)), Rational(int(y > 0))) for y in row]
            for row in self.labels.tolist()
        ]
        return _growth(self.X, self.outputs, slopes, Rational(0))

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "exponential", "X": …, "labels": …}."""
        return super().to_json() | {"labels": to_text_rows(self.labels)}


@dataclass(frozen=True)
class PseudoHuberLoss(OnSamples):
    """ℓ(W) = Σ_is δ²(√(1 + ((z_is − y_is)/δ)²) − 1) with z = WX: quadratic near 0, linear far away.

    Parameters
    ----------
    X : n×S, one column per sample
    Y : m×S
    delta : δ > 0

    Raises
    ------
    InputError
        If δ ≤ 0.

    Notes
    -----
    **Validity**: always attained. Charbonnier, Blanc-Féraud, Aubert, Barlaud (1997).

    Examples
    --------
    >>> float(PseudoHuberLoss([[1]], [[3]], 4).value_array([[0.0]]))  # 16(5/4 − 1)
    4.0
    """

    X: Matrix
    Y: Matrix
    delta: Rational
    _name: ClassVar[str] = "pseudo_huber"
    _why_convex: ClassVar[str] = "a sum of √(1 + t²) with t affine in W"

    def __init__(self, X: Any, Y: Any, delta: Any = 1) -> None:  # noqa: N803
        x, y, d = exact_field(X, "X"), exact_field(Y, "Y"), rational(delta, "delta")
        require_samples(x, y, "Y")
        if d <= 0:
            raise InputError(f"delta is {to_text(d)}: give a number > 0")
        object.__setattr__(self, "X", x)
        object.__setattr__(self, "Y", y)
        object.__setattr__(self, "delta", d)

    @property
    def outputs(self) -> int:
        """m."""
        return self.Y.nrows()

    @property
    def _tables(self) -> tuple[Matrix, ...]:
        m, samples = self.Y.nrows(), self.Y.ncols()
        return self.Y, matrix([[self.delta] * samples for _ in range(m)])

    def _with_inputs(self, x: Matrix) -> PseudoHuberLoss:
        return PseudoHuberLoss(x, self.Y, self.delta)

    def _value(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Any:
        return _total(
            d * d * (kit.hypot((t - y) / d) - 1) for t, y, d in zip(z, *data, strict=True)
        )

    def _first(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> list[Any]:
        return [d * kit.unit((t - y) / d) for t, y, d in zip(z, *data, strict=True)]

    def _second(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Second:
        return _diagonal(
            [1 / kit.hypot((t - y) / d) ** 3 for t, y, d in zip(z, *data, strict=True)]
        )

    def growth(self) -> Growth:
        """Return ℓ ≥ Σ δ|z| − δ|y| − δ², from √(1 + t²) ≥ |t|."""
        d = self.delta
        slopes = [[(d, d)] * self.Y.ncols()] * self.outputs
        return _growth(self.X, self.outputs, slopes, _sum(d * abs(y) + d * d for y in self._ys))

    @property
    def _ys(self) -> Sequence[Rational]:
        return self.Y.entries()

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "pseudo_huber", "X": …, "Y": …, "delta": …}."""
        return super().to_json() | {"Y": to_text_rows(self.Y), "delta": to_text(self.delta)}


@dataclass(frozen=True)
class LogCoshLoss(OnSamples):
    """ℓ(W) = Σ_is log cosh(z_is − y_is) with z = WX: smooth absolute deviations.

    Parameters
    ----------
    X : n×S, one column per sample
    Y : m×S

    Notes
    -----
    **Validity**: always attained. Green (1990).

    Examples
    --------
    >>> float(LogCoshLoss([[1]], [[2]]).gradient_array([[2.0]])[0, 0])
    0.0
    """

    X: Matrix
    Y: Matrix
    _name: ClassVar[str] = "log_cosh"
    _why_convex: ClassVar[str] = "a sum of log cosh t with t affine in W"

    def __init__(self, X: Any, Y: Any) -> None:  # noqa: N803
        x, y = exact_field(X, "X"), exact_field(Y, "Y")
        require_samples(x, y, "Y")
        object.__setattr__(self, "X", x)
        object.__setattr__(self, "Y", y)

    @property
    def outputs(self) -> int:
        """m."""
        return self.Y.nrows()

    @property
    def _tables(self) -> tuple[Matrix, ...]:
        return (self.Y,)

    def _with_inputs(self, x: Matrix) -> LogCoshLoss:
        return LogCoshLoss(x, self.Y)

    def _value(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Any:
        return _total(kit.log_cosh(t - y) for t, y in zip(z, *data, strict=True))

    def _first(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> list[Any]:
        return [kit.tanh(t - y) for t, y in zip(z, *data, strict=True)]

    def _second(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Second:
        return _diagonal([1 - kit.square(kit.tanh(t - y)) for t, y in zip(z, *data, strict=True)])

    def growth(self) -> Growth:
        """Return ℓ ≥ Σ |z| − |y| − 7/10, from log cosh t ≥ |t| − log 2."""
        one = Rational(1)
        slopes = [[(one, one)] * self.Y.ncols()] * self.outputs
        constant = _sum(abs(y) + Rational(7, 10) for y in self.Y.entries())
        return _growth(self.X, self.outputs, slopes, constant)

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "log_cosh", "X": …, "Y": …}."""
        return super().to_json() | {"Y": to_text_rows(self.Y)}


def _total(terms: Any) -> Any:
    """Return the sum of terms that may be balls, arrays or SymPy expressions."""
    first, *rest = terms
    for t in rest:
        first = first + t
    return first


def _sum(terms: Any) -> Rational:
    return sum(terms, Rational(0))


_: tuple[type[Loss], ...] = (LogisticLoss, ExponentialLoss, PseudoHuberLoss, LogCoshLoss)
